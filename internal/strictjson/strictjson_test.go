package strictjson_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"unsafe"

	"mayfly.internal/internal/strictjson"
)

func TestRefused(t *testing.T) {
	for _, tt := range []struct{ name, text, detail string }{
		{"nothing", "", "the text ends where a value is expected"},
		{"only white space", " \n", "the text ends where a value is expected"},
		{"two values", "{} {}", "more text after the value"},
		{"a NUL after the value", "{}\x00", "more text after the value"},
		{"a byte order mark", "\ufeff{}", "a value is expected here"},
		{"duplicate name", `{"a":1,"a":2}`, `the name "a" stands twice`},
		{"duplicate name in two spellings", `{"a":1,"\u0061":2}`, `the name "a" stands twice`},
		{"duplicate name among many", `{"x":1` + many(100) + `,"a99":2}`, `the name "a99" stands twice`},
		{"duplicate of the first among many", `{"x":1` + many(100) + `,"x":2}`, `the name "x" stands twice`},
		{"duplicate name below", `{"x":[{"a":1,"b":2,"a":1}]}`, `the name "a" stands twice`},
		{"trailing comma in an object", `{"a":1,}`, "a name in double quotes"},
		{"trailing comma in an array", `[1,]`, "a value is expected here"},
		{"unquoted name", `{a:1}`, "a name in double quotes"},
		{"single quotes", `{'a':1}`, "a name in double quotes"},
		{"missing colon", `{"a" 1}`, "a colon is expected"},
		{"missing comma", `[1 2]`, "a comma or the end of the array"},
		{"open object", `{"a":1`, "a comma or the end of the object"},
		{"open array", `[1`, "a comma or the end of the array"},
		{"open string", `"a`, "does not end"},
		{"open string with an escape", `"\n`, "does not end"},
		{"leading zero", `01`, "may not begin with 0"},
		{"leading plus", `+1`, "a value is expected here"},
		{"bare minus", `-`, "not a number"},
		{"point without digits", `1.`, "after the decimal point"},
		{"exponent without digits", `1e`, "in the exponent"},
		{"hexadecimal", `0x1`, "more text"},
		{"NaN", `NaN`, "a value is expected here"},
		{"True", `True`, "a value is expected here"},
		{"raw newline in a string", "\"a\nb\"", "control character"},
		{"raw newline after an escape", "\"\\ta\nb\"", "control character"},
		{"unknown escape", `"\x41"`, "unknown escape"},
		{"lone high surrogate", `"\ud800"`, "not a Unicode escape"},
		{"lone low surrogate", `"\udc00"`, "not a Unicode escape"},
		{"high surrogate twice", `"\ud800\ud800"`, "not a Unicode escape"},
		{"short escape", `"\u12"`, "not a Unicode escape"},
		{"signed escape", `"\u+123"`, "not a Unicode escape"},
		{"broken UTF-8", "\"\xff\"", "not valid UTF-8"},
		{"broken UTF-8 beside an escape", "\"\\n\xff\"", "not valid UTF-8"},
		{"comment", "{} // x", "more text"},
		{"nested too deep", strings.Repeat("[", 40) + strings.Repeat("]", 40), "nested deeper than 32"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			v, err := strictjson.Parse([]byte(tt.text))
			se, ok := errors.AsType[*strictjson.SyntaxError](err)
			if !ok || !strings.Contains(se.Detail, tt.detail) {
				t.Errorf("error = %v, want one that says %q", err, tt.detail)
			}
			if v.Kind() != strictjson.Missing {
				t.Error("a refused text gave a value")
			}
		})
	}
}

func TestPositions(t *testing.T) {
	_, err := strictjson.Parse([]byte("{\n  \"a\": 1,\n  \"a\": 2\n}"))
	if err == nil || !strings.HasPrefix(err.Error(), "line 3, column 3: ") {
		t.Errorf("error = %v", err)
	}
}

func TestEnd(t *testing.T) {
	const text = ` {"a": [1, {"b": {}} ] , "c":{}, "d":[], "e":1} `
	v, err := strictjson.Parse([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	if got := text[v.Offset():v.End()]; got != strings.TrimSpace(text) {
		t.Errorf("the whole is %s", got)
	}
	list := v.Get("a")
	if got := text[list.Offset():list.End()]; got != `[1, {"b": {}} ]` {
		t.Errorf("the list is %s", got)
	}
	if o := list.Items()[1]; text[o.Offset():o.End()] != `{"b": {}}` {
		t.Errorf("the object ends at %d", o.End())
	}
	for _, name := range []string{"c", "d", "e", "f"} {
		if end := v.Get(name).End(); end != 0 {
			t.Errorf("%s ends at %d", name, end)
		}
	}
}

func TestAccepted(t *testing.T) {
	v, err := strictjson.Parse([]byte(` {"s":"a\u00e9\ud83d\ude00\/\"","n":-12.50e+3,"i":9007199254740993,"b":true,"z":null,"l":[1,[]],"o":{},"S":"other"} `))
	if err != nil {
		t.Fatal(err)
	}
	if s, ok := v.Get("s").Text(); !ok || s != "aé😀/\"" {
		t.Errorf("s = %q, %v", s, ok)
	}
	if s, _ := v.Get("S").Text(); s != "other" {
		t.Errorf("names are folded: S = %q", s)
	}
	if n, ok := v.Get("n").Number(); !ok || n != "-12.50e+3" {
		t.Errorf("n = %q, %v: numbers are kept as written", n, ok)
	}
	if _, ok := v.Get("n").Int64(); ok {
		t.Error("-12.50e+3 passed for an integer")
	}
	if i, ok := v.Get("i").Int64(); !ok || i != 9007199254740993 {
		t.Errorf("i = %d, %v: not exact", i, ok)
	}
	if b, ok := v.Get("b").Bool(); !ok || !b {
		t.Error("b is not true")
	}
	if v.Get("z").Kind() != strictjson.Null || v.Get("nope").Kind() != strictjson.Missing {
		t.Error("null and missing are confused")
	}
	if l := v.Get("l").Items(); len(l) != 2 || l[1].Kind() != strictjson.Array {
		t.Errorf("l = %v", l)
	}
	if s, ok := v.Get("n").Text(); ok || s != "" {
		t.Errorf("a number passed for a string: %q, %v", s, ok)
	}
	if n, ok := v.Get("s").Number(); ok || n != "" {
		t.Errorf("a string passed for a number: %q, %v", n, ok)
	}
}

// Who keeps a text of a large document must not keep the document.
func TestTextsOfALargeDocumentAreTheirOwn(t *testing.T) {
	for _, pad := range []int{0, 1 << 20} {
		data := []byte(`{"name":"value"` + strings.Repeat(" ", pad) + `}`)
		v, err := strictjson.Parse(data)
		if err != nil {
			t.Fatal(err)
		}
		name := v.Members()[0].Name
		text, _ := v.Get("name").Text()
		apart := uintptr(unsafe.Pointer(unsafe.StringData(text))) - uintptr(unsafe.Pointer(unsafe.StringData(name)))
		if shared := apart == uintptr(len(`name":"`)); text != "value" || shared != (pad == 0) {
			t.Errorf("with %d bytes more, %q and %q lie %d bytes apart", pad, name, text, apart)
		}
	}
}

// What we accept, encoding/json accepts with the same meaning; the reverse is
// not so, which is the point of the package.
func FuzzParse(f *testing.F) {
	for _, s := range []string{`{"x":[]` + many(100) + `}`, `[{"a":{"b":{},"c":[{"d":1}]}},{"a":2}]`, `{"a":[1,2.5,"x\u00e9",null,true,{}]}`, `"\ud83d\ude00"`, `[[[[]]]]`, `-0.0e-1`, `{"a":1,"a":1}`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		v, err := strictjson.Parse(data)
		if err != nil {
			if v.Kind() != strictjson.Missing {
				t.Fatal("error with a value")
			}
			return
		}
		if !json.Valid(data) {
			t.Fatalf("accepted what encoding/json refuses: %q", data)
		}
		d := json.NewDecoder(bytes.NewReader(data))
		d.UseNumber()
		var want any
		if err := d.Decode(&want); err != nil || !reflect.DeepEqual(plain(v), want) {
			t.Fatalf("%q read as %v, encoding/json reads %v (%v)", data, plain(v), want, err)
		}
	})
}

// plain is a value as encoding/json gives it.
func plain(v strictjson.Value) any {
	switch v.Kind() {
	case strictjson.Object:
		out := map[string]any{}
		for _, m := range v.Members() {
			out[m.Name] = plain(m.Value)
		}
		return out
	case strictjson.Array:
		out := []any{}
		for _, item := range v.Items() {
			out = append(out, plain(item))
		}
		return out
	case strictjson.String:
		text, _ := v.Text()
		return text
	case strictjson.Number:
		text, _ := v.Number()
		return json.Number(text)
	case strictjson.Bool:
		truth, _ := v.Bool()
		return truth
	}
	return nil
}

// many is n members of an object, each with a comma before it, called a0, a1 …
func many(n int) string {
	var out strings.Builder
	for i := range n {
		fmt.Fprintf(&out, `,"a%d":{"b":%d}`, i, i)
	}
	return out.String()
}
