package awsrest_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"mayfly.internal/internal/wire/awsrest"
)

// read reads the members of a body that a test knows.
func read(data string) (out string, err error) {
	b, err := awsrest.ParseBody([]byte(data))
	if err != nil {
		return "", err
	}
	optional := "absent"
	if s := b.OptionalText("optional"); s != nil {
		optional = fmt.Sprintf("%q", *s)
	}
	texts, given := b.Texts("texts")
	tags := b.TextMap("map")
	inner := b.Object("object")
	out = fmt.Sprintf("text=%q optional=%s texts=%q,%v map=%v", b.Text("text"), optional, texts, given, tags)
	if inner != nil {
		out += fmt.Sprintf(" object.type=%q", inner.Required("type"))
		if err := inner.Check(); err != nil {
			return "", err
		}
	}
	return out, b.Check()
}

func TestBody(t *testing.T) {
	const nothing = `text="" optional=absent texts=[],false map=map[]`
	for body, want := range map[string]string{
		``:           nothing,
		`{}`:         nothing,
		" {\n}\t\r ": nothing,
		`{"text":null,"optional":null,"texts":null,"map":null,"object":null}`: nothing,
		`{"text":"a","optional":"","texts":[],"map":{}}`:                      `text="a" optional="" texts=[],true map=map[]`,
		`{"texts":["a",""],"map":{"k":"v","":""},"object":{"type":"x"}}`:      `text="" optional=absent texts=["a" ""],true map=map[: k:v] object.type="x"`,
		`{"text":"\u00e4<\u0000"}`:                                            `text="ä<\x00" optional=absent texts=[],false map=map[]`,
	} {
		if got, err := read(body); err != nil || got != want {
			t.Errorf("%s:\ngot  %s, %v\nwant %s", body, got, err, want)
		}
	}
}

func TestBodyRefuses(t *testing.T) {
	for body, want := range map[string]string{
		`{`:                       "The request body is not JSON",
		`[]`:                      "The request body is not a JSON object",
		`"a"`:                     "The request body is not a JSON object",
		`null`:                    "The request body is not a JSON object",
		` `:                       "The request body is not JSON",
		`{} {}`:                   "The request body is not JSON",
		`{"text":"a","text":"b"}`: "The request body is not JSON",
		"{\"text\":\"\xff\"}":     "The request body is not JSON",
		`{"text":"\ud800"}`:       "The request body is not JSON",
		strings.Repeat(`{"object":`, 50) + "1" + strings.Repeat("}", 50): "The request body is not JSON",
		`{"text":1}`:                    "text must be a string, not number",
		`{"text":["a"]}`:                "text must be a string, not array",
		`{"optional":true}`:             "optional must be a string, not true or false",
		`{"texts":"a"}`:                 "texts must be an array, not string",
		`{"texts":["a",1]}`:             "texts[1] must be a string, not number",
		`{"texts":["a",null]}`:          "texts[1] must be a string, not null",
		`{"map":[]}`:                    "map must be an object, not array",
		`{"map":{"k":1}}`:               "map.k must be a string, not number",
		`{"object":"x"}`:                "object must be an object, not string",
		`{"object":{}}`:                 "object.type is missing",
		`{"object":{"type":""}}`:        "object.type is missing",
		`{"object":{"type":"x","a":1}}`: "object.a is not supported",
		`{"Text":"a"}`:                  "Text is not supported",
		`{"texts ":[]}`:                 "texts  is not supported",
		`{"a":null}`:                    "a is not supported",
	} {
		_, err := read(body)
		e, ok := errors.AsType[*awsrest.ShapeError](err)
		if !ok || !strings.HasPrefix(e.Detail, want) {
			t.Errorf("%s: got %v, want %s", body, err, want)
		}
	}
	_, err := read(`{"` + strings.Repeat("ä", 1000) + `":1}`)
	if err == nil || len(err.Error()) > 310 {
		t.Errorf("a long name is answered with %d bytes", len(err.Error()))
	}
}

func TestFailure(t *testing.T) {
	for f, want := range map[awsrest.Failure]string{
		{Message: "No cluster found for name: c1.", Cluster: "c1"}: `{"clusterName":"c1","message":"No cluster found for name: c1."}`,
		{Message: "<\"\x00"}: `{"message":"\u003c\"\u0000"}`,
	} {
		if got := string(f.Body()); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}

func TestTime(t *testing.T) {
	at := time.Date(2026, 11, 23, 3, 0, 7, 123456789, time.UTC)
	if got := string(awsrest.Encode(awsrest.Time(at))); got != "1795402807.123" {
		t.Errorf("got %s", got)
	}
	for text, want := range map[string]time.Time{
		"1795402807.123": at.Truncate(time.Millisecond), "1795402807": at.Truncate(time.Second), "1.795402807123E9": at.Truncate(time.Millisecond), "0": time.Unix(0, 0), "-1.5": time.UnixMilli(-1500),
	} {
		var got awsrest.Time
		if err := json.Unmarshal([]byte(text), &got); err != nil || !time.Time(got).Equal(want) {
			t.Errorf("%s: %v, %v", text, time.Time(got), err)
		}
	}
	for _, text := range []string{`"2026-11-23T03:00:00Z"`, "1e300", "true", `""`, "[]"} {
		var got awsrest.Time
		if err := json.Unmarshal([]byte(text), &got); err == nil {
			t.Errorf("%s: %v", text, time.Time(got))
		}
	}
	for ms := range 2000 {
		at := time.UnixMilli(1795402807000 + int64(ms))
		var back awsrest.Time
		if err := json.Unmarshal(awsrest.Encode(awsrest.Time(at)), &back); err != nil || !time.Time(back).Equal(at) {
			t.Fatalf("%v became %v, %v", at, time.Time(back), err)
		}
	}
}

// TestPage walks lists page by page: every item comes once, in order.
func TestPage(t *testing.T) {
	self := func(s string) string { return s }
	items := []string{"c", "a", "b", "e", "d"}
	for size := range 8 {
		var got []string
		token, pages := "", 0
		for {
			page, next, err := awsrest.Page(items, self, token, size)
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, page...)
			if pages++; next == "" || pages > 9 {
				break
			}
			token = next
		}
		want := 1
		if size > 0 {
			want = (len(items) + size - 1) / size
		}
		if strings.Join(got, "") != "abcde" || pages != want {
			t.Errorf("pages of %d: %v in %d", size, got, pages)
		}
	}
	if strings.Join(items, "") != "cabed" {
		t.Error("the list was put in order where it stands")
	}
	_, next, _ := awsrest.Page(items, self, "", 2) // after b
	if page, _, err := awsrest.Page([]string{"a", "c", "d"}, self, next, 2); err != nil || strings.Join(page, "") != "cd" {
		t.Errorf("b has gone meanwhile: %v, %v", page, err)
	}
	if page, next, err := awsrest.Page([]string{"a", "b"}, self, next, 2); err != nil || len(page) != 0 || next != "" {
		t.Errorf("all that follow have gone: %v, %q, %v", page, next, err)
	}
	for _, token := range []string{"!", "Yg==", "Y g", "Yh", "Yg\n", "%"} {
		_, _, err := awsrest.Page(items, self, token, 2)
		if _, ok := errors.AsType[*awsrest.ShapeError](err); !ok {
			t.Errorf("token %q: %v", token, err)
		}
	}
}

func FuzzParseBody(f *testing.F) {
	for _, s := range []string{``, `{}`, `{"text":"a","texts":["b"],"map":{"k":"v"},"object":{"type":"x"}}`, `{"a":1}`, `[`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		b, err := awsrest.ParseBody(data)
		if err != nil {
			if _, ok := errors.AsType[*awsrest.ShapeError](err); !ok || b != nil {
				t.Fatalf("%v, %v", b, err)
			}
			return
		}
		text, given := b.Texts("texts")
		tags := b.TextMap("map")
		inner := b.Object("object")
		if err := b.Check(); err != nil {
			if _, ok := errors.AsType[*awsrest.ShapeError](err); !ok {
				t.Fatal(err)
			}
			return
		}
		// Accepted: written again it is accepted and says the same.
		again := map[string]any{}
		if given {
			again["texts"] = append([]string{}, text...)
		}
		if tags != nil {
			again["map"] = tags
		}
		if inner != nil {
			again["object"] = map[string]string{}
		}
		b, err = awsrest.ParseBody(awsrest.Encode(again))
		if err != nil {
			t.Fatal(err)
		}
		text2, given2 := b.Texts("texts")
		if !slices.Equal(text, text2) || given != given2 || !maps.Equal(tags, b.TextMap("map")) || (b.Object("object") == nil) != (inner == nil) || b.Check() != nil {
			t.Fatalf("%q became %q", data, awsrest.Encode(again))
		}
	})
}
