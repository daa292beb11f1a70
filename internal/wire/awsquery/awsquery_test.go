package awsquery_test

import (
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"mayfly.internal/internal/wire/awsquery"
)

func decode(t testing.TB, form string) *awsquery.Request {
	t.Helper()
	r, err := awsquery.Decode(form, nil)
	if err != nil {
		t.Fatalf("%q: %v", form, err)
	}
	return r
}

func TestDecode(t *testing.T) {
	for form, want := range map[string]string{
		"Action=GetRole&Version=2010-05-08&RoleName=a":        "a",
		"RoleName=a&Action=GetRole":                           "a",
		"Action=GetRole&RoleName=a%2Fb+c%20d":                 "a/b c d",
		"Action=GetRole&RoleName=":                            "",
		"Action=GetRole&RoleName":                             "",
		"&&Action=GetRole&&RoleName=a&":                       "a",
		"Action=GetRole&RoleName=a=b":                         "a=b",
		"Action=GetRole&RoleName=%C3%A4":                      "ä",
		"Action=GetRole&Role%4eame=a":                         "a",
		"Action=GetRole&RoleName=a;Path=b":                    "a;Path=b",
		"Action=GetRole&RoleName=%3C%26%00":                   "<&\x00",
		"Action=GetRole&RoleName=" + strings.Repeat("x", 1e5): strings.Repeat("x", 1e5),
	} {
		r := decode(t, form)
		if got := r.Text("RoleName", awsquery.Rule{}); got != want || r.Action != "GetRole" || r.Check() != nil {
			t.Errorf("%.60q: %.60q of %s, %v", form, got, r.Action, r.Check())
		}
	}
	if r := decode(t, ""); r.Action != "" || r.Version != "" || r.Check() != nil {
		t.Errorf("nothing is %+v", r)
	}
}

func TestDecodeRefuses(t *testing.T) {
	many := "Action=x"
	for i := range 512 {
		many += fmt.Sprintf("&p%d=1", i)
	}
	for name, form := range map[string]string{
		"a parameter twice":                    "Action=GetRole&RoleName=a&RoleName=b",
		"a parameter twice with one value":     "Action=GetRole&RoleName=a&RoleName=a",
		"a parameter twice in other case":      "Action=GetRole&RoleName=a&rolename=b",
		"a parameter twice, once encoded":      "Action=GetRole&RoleName=a&Role%4Eame=b",
		"two actions":                          "Action=GetRole&Action=DeleteRole",
		"two actions in other case":            "Action=GetRole&action=DeleteRole",
		"two versions":                         "Action=GetRole&Version=2010-05-08&Version=2011-06-15",
		"a percent sign at the end":            "Action=GetRole&RoleName=a%",
		"a percent sign before other letters":  "Action=GetRole&RoleName=%zz",
		"a percent sign in a name":             "Action=GetRole&Role%Name=a",
		"bytes that are no UTF-8":              "Action=GetRole&RoleName=%ff%fe",
		"bytes that are no UTF-8, as they are": "Action=GetRole&RoleName=\xff",
		"a name that is no UTF-8":              "Action=GetRole&%ff=a",
		"half a surrogate":                     "Action=GetRole&RoleName=%ED%A0%80",
		"more parameters than any request has": many,
	} {
		r, err := awsquery.Decode(form, nil)
		if _, ok := errors.AsType[*awsquery.FormError](err); !ok || r != nil {
			t.Errorf("%s: %v, %v", name, r, err)
		}
	}
	_, err := awsquery.Decode("x="+strings.Repeat("&"+strings.Repeat("ä", 200)+"=1", 2), nil)
	if err == nil || len(err.Error()) > 200 || !strings.Contains(err.Error(), "ää…") {
		t.Errorf("a long name is %v", err)
	}
}

// TestDecodeSkips: the parameters of a presigned URL's signature are not the
// operation's, but none of them may stand twice either.
func TestDecodeSkips(t *testing.T) {
	skip := func(name string) bool { return strings.HasPrefix(name, "X-Amz-") }
	r, err := awsquery.Decode("Action=GetCallerIdentity&X-Amz-Date=1&X-Amz-Signature=2", skip)
	if err != nil || r.Check() != nil || r.Has("X-Amz-Date") {
		t.Errorf("%v, %v", err, r.Check())
	}
	if _, err := awsquery.Decode("Action=GetCallerIdentity&X-Amz-Date=1&x-amz-date=2", skip); err == nil {
		t.Error("a date twice is accepted")
	}
}

// broken is what a request breaks, without AWS's common words.
func broken(r *awsquery.Request) string {
	e, ok := errors.AsType[*awsquery.ConstraintError](r.Check())
	if !ok {
		return ""
	}
	return strings.ReplaceAll(strings.Join(e.Broken, "|"), " failed to satisfy constraint: ", ": ")
}

func TestText(t *testing.T) {
	rule := awsquery.Rule{Min: 2, Max: 4, Form: awsquery.Of(awsquery.IsWord), Pattern: `[\w+=,.@-]*`}
	required, secret := rule, rule
	required.Required, secret.Secret = true, true
	for _, tt := range []struct {
		name string
		form string
		rule awsquery.Rule
		want string
	}{
		{"within", "Name=abcd", rule, ""},
		{"absent", "", rule, ""},
		{"absent and required", "", required, "Value null at 'name': Member must not be null"},
		{"too short", "Name=a", rule, "Value 'a' at 'name': Member must have length greater than or equal to 2"},
		{"empty", "Name=", required, "Value '' at 'name': Member must have length greater than or equal to 2"},
		{"too long", "Name=abcde", rule, "Value 'abcde' at 'name': Member must have length less than or equal to 4"},
		{"as long in characters, longer in bytes", "Name=%C3%A4%C3%A4%C3%A4%C3%A4", awsquery.Rule{Max: 4}, ""},
		{"of other characters", "Name=a:b", rule, `Value 'a:b' at 'name': Member must satisfy regular expression pattern: [\w+=,.@-]*`},
		{"with a line break at its end", "Name=ab%0A", rule, "Value 'ab\n' at 'name': Member must satisfy regular expression pattern: [\\w+=,.@-]*"},
		{"one of some", "Name=ab", awsquery.Rule{OneOf: []string{"ab", "c"}}, ""},
		{"one of some, absent", "", awsquery.Rule{OneOf: []string{"ab", "c"}}, ""},
		{"none of them", "Name=AB", awsquery.Rule{OneOf: []string{"ab", "c"}}, "Value 'AB' at 'name': Member must satisfy enum value set: [ab, c]"},
		{"none of them, for it is empty", "Name=", awsquery.Rule{OneOf: []string{"ab", "c"}}, "Value '' at 'name': Member must satisfy enum value set: [ab, c]"},
		{"a secret that breaks the rule", "Name=s%21crt", secret, "Value at 'name': Member must have length less than or equal to 4"},
		{"of another name", "%C3%84=abcd", rule, "Value at 'Ä': the parameter is not supported for "},
		{"of other case", "name=abcd", required, "Value null at 'name': Member must not be null|Value at 'name': the parameter is not supported for "},
	} {
		r := decode(t, tt.form)
		r.Text("Name", tt.rule)
		if got := broken(r); got != tt.want {
			t.Errorf("%s: got %q, want %q", tt.name, got, tt.want)
		}
	}
}

func TestBool(t *testing.T) {
	for form, want := range map[string]bool{"": false, "Is=true": true, "Is=false": false} {
		r := decode(t, form)
		if got := r.Bool("Is"); got != want || r.Check() != nil {
			t.Errorf("%s: %v, %v", form, got, r.Check())
		}
	}
	for _, form := range []string{"Is=", "Is=True", "Is=1", "Is=true%0A"} {
		r := decode(t, form)
		if got := r.Bool("Is"); got || r.Check() == nil {
			t.Errorf("%s: %v, %v", form, got, r.Check())
		}
	}
}

func TestInt(t *testing.T) {
	for text, want := range map[string]string{
		"900": "", "43200": "", "3600": "",
		"899":                  "Value '899' at 'durationSeconds': Member must have value greater than or equal to 900",
		"43201":                "Value '43201' at 'durationSeconds': Member must have value less than or equal to 43200",
		"-1":                   "Value '-1' at 'durationSeconds': Member must have value greater than or equal to 900",
		"":                     "Value '' at 'durationSeconds': Member must be a whole number",
		"0900":                 "Value '0900' at 'durationSeconds': Member must be a whole number",
		"+900":                 "Value '+900' at 'durationSeconds': Member must be a whole number",
		"9e2":                  "Value '9e2' at 'durationSeconds': Member must be a whole number",
		"900.0":                "Value '900.0' at 'durationSeconds': Member must be a whole number",
		"99999999999999999999": "Value '99999999999999999999' at 'durationSeconds': Member must be a whole number",
	} {
		r := decode(t, "DurationSeconds="+url.QueryEscape(text))
		n := r.Int("DurationSeconds", 900, 43200)
		if got := broken(r); got != want {
			t.Errorf("%q: %d, %q", text, n, got)
		}
	}
	if r := decode(t, ""); r.Int("DurationSeconds", 900, 43200) != 0 || r.Check() != nil {
		t.Error("an absent number breaks something")
	}
}

func TestList(t *testing.T) {
	for _, tt := range []struct {
		name, form string
		want       []string
		broken     string
	}{
		{"two", "L.member.1=a&L.member.2=b", []string{"a", "b"}, ""},
		{"two in another order", "L.member.2=b&L.member.1=a", []string{"a", "b"}, ""},
		{"ten, of which 10 does not stand after 1", "L.member.10=j&L.member.1=a&L.member.2=b&L.member.3=c&L.member.4=d&L.member.5=e&L.member.6=f&L.member.7=g&L.member.8=h&L.member.9=i", strings.Split("abcdefghij", ""), ""},
		{"absent", "", nil, ""},
		{"empty, as clients write it", "L=", nil, ""},
		{"a value under its own name", "L=a", nil, "Value at 'l': the parameter is not supported for "},
		{"eleven", "L.member.1=a&L.member.2=a&L.member.3=a&L.member.4=a&L.member.5=a&L.member.6=a&L.member.7=a&L.member.8=a&L.member.9=a&L.member.10=a&L.member.11=a", nil, "Value at 'l': Member must have length less than or equal to 10"},
		{"a hole", "L.member.1=a&L.member.3=c", nil, "Value at 'l': Member must be a list with the members 1, 2, …"},
		{"from nothing", "L.member.0=a", nil, "Value at 'l': Member must be a list with the members 1, 2, …"},
		{"less than nothing", "L.member.-1=a", nil, "Value at 'l': Member must be a list with the members 1, 2, …"},
		{"another spelling of one", "L.member.01=a", nil, "Value at 'l': Member must be a list with the members 1, 2, …"},
		{"both spellings of one", "L.member.1=a&L.member.01=b", nil, "Value at 'l': Member must be a list with the members 1, 2, …"},
		{"no number", "L.member.x=a", nil, "Value at 'l': Member must be a list with the members 1, 2, …"},
		{"a number beyond numbers", "L.member.99999999999999999999=a", nil, "Value at 'l': Member must be a list with the members 1, 2, …"},
		{"without member", "L.1=a", nil, "Value at 'l.1': the parameter is not supported for "},
		{"members of members", "L.member.1.Key=a", []string{""}, "Value null at 'l.1.member': Member must not be null|Value at 'l.1.member.key': the parameter is not supported for "},
		{"a member that breaks the rule", "L.member.1=a&L.member.2=bbb", []string{"a", "bbb"}, "Value 'bbb' at 'l.2.member': Member must have length less than or equal to 2"},
	} {
		r := decode(t, tt.form)
		got := r.List("L", 10, awsquery.Rule{Required: true, Min: 1, Max: 2})
		if !slices.Equal(got, tt.want) || broken(r) != tt.broken {
			t.Errorf("%s: got %q, %q", tt.name, got, broken(r))
		}
	}
}

func TestNeeds(t *testing.T) {
	for form, want := range map[string]bool{"": false, "L.member.1=a": true, "L=": true, "LL.member.1=a": false, "L.x=a": false, "l.member.1=a": false} {
		r, err := awsquery.Decode("Action=X&"+form, nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Needs("L")
		r.List("L", 10, awsquery.Rule{})
		err = r.Check()
		if missing := err != nil && strings.Contains(err.Error(), "Value null at 'l' failed to satisfy constraint: Member must not be null"); missing == want {
			t.Errorf("%q: %v", form, err)
		}
	}
}

func TestPairs(t *testing.T) {
	key, value := awsquery.Rule{Required: true, Min: 1, Max: 3}, awsquery.Rule{Required: true}
	for _, tt := range []struct {
		name, form, want, broken string
	}{
		{"two", "Tags.member.1.Key=a&Tags.member.1.Value=1&Tags.member.2.Value=&Tags.member.2.Key=b", "[[a 1] [b ]]", ""},
		{"none", "Tags=", "[]", ""},
		{"no value", "Tags.member.1.Key=a", "[[a ]]", "Value null at 'tags.1.member.value': Member must not be null"},
		{"no key", "Tags.member.1.Value=a", "[[ a]]", "Value null at 'tags.1.member.key': Member must not be null"},
		{"a long key", "Tags.member.1.Key=abcd&Tags.member.1.Value=", "[[abcd ]]", "Value 'abcd' at 'tags.1.member.key': Member must have length less than or equal to 3"},
		{"a third", "Tags.member.1.Key=a&Tags.member.1.Value=1&Tags.member.1.Kind=x", "[[a 1]]", "Value at 'tags.1.member.kind': the parameter is not supported for "},
		{"a hole", "Tags.member.2.Key=a&Tags.member.2.Value=1", "[]", "Value at 'tags': Member must be a list with the members 1, 2, …"},
	} {
		r := decode(t, tt.form)
		got := fmt.Sprint(r.Pairs("Tags", 5, key, value))
		if got != tt.want || broken(r) != tt.broken {
			t.Errorf("%s: got %s, %q", tt.name, got, broken(r))
		}
	}
}

// TestCheck: what nobody asked for is refused by its name, all at once and in
// one order.
func TestCheck(t *testing.T) {
	r := decode(t, "Action=CreateRole&Version=2010-05-08&RoleName=&PermissionsBoundary=x&A%27=1")
	r.Text("RoleName", awsquery.Rule{Required: true, Min: 1})
	want := "3 validation errors detected: Value '' at 'roleName' failed to satisfy constraint: Member must have length greater than or equal to 1; " +
		"Value at 'a'' failed to satisfy constraint: the parameter is not supported for CreateRole; " +
		"Value at 'permissionsBoundary' failed to satisfy constraint: the parameter is not supported for CreateRole"
	if err := r.Check(); err == nil || err.Error() != want {
		t.Errorf("got  %v\nwant %s", err, want)
	}
	one := decode(t, "Action=GetRole&RoleName=a%3Ab")
	one.Text("RoleName", awsquery.Rule{Form: awsquery.Of(awsquery.IsWord), Pattern: `[\w+=,.@-]+`})
	want = `1 validation error detected: Value 'a:b' at 'roleName' failed to satisfy constraint: Member must satisfy regular expression pattern: [\w+=,.@-]+`
	if err := one.Check(); err == nil || err.Error() != want {
		t.Errorf("got  %v\nwant %s", err, want)
	}
}

type thing struct {
	Name string                    `xml:"Name" json:"Name"`
	List awsquery.Members[string]  `xml:"List" json:"-"`
	Tags *awsquery.Members[string] `xml:"Tags,omitempty" json:"-"`
}

func TestAnswer(t *testing.T) {
	for _, tt := range []struct {
		name   string
		result any
		want   string
	}{
		{"a result", thing{Name: "a<&>\"'", List: awsquery.List([]string{"x", "y"})},
			`<GetThingResponse xmlns="https://x.example/doc/"><GetThingResult><Name>a&lt;&amp;&gt;&#34;&#39;</Name><List><member>x</member><member>y</member></List></GetThingResult><ResponseMetadata><RequestId>r-1</RequestId></ResponseMetadata></GetThingResponse>`},
		{"an empty list", thing{}, `<GetThingResponse xmlns="https://x.example/doc/"><GetThingResult><Name></Name><List></List></GetThingResult><ResponseMetadata><RequestId>r-1</RequestId></ResponseMetadata></GetThingResponse>`},
		{"nothing", nil, `<GetThingResponse xmlns="https://x.example/doc/"><ResponseMetadata><RequestId>r-1</RequestId></ResponseMetadata></GetThingResponse>`},
		{"an empty result", struct{}{}, `<GetThingResponse xmlns="https://x.example/doc/"><GetThingResult></GetThingResult><ResponseMetadata><RequestId>r-1</RequestId></ResponseMetadata></GetThingResponse>`},
		{"what XML cannot hold", thing{Name: "a\x00\x1b\xff"}, `<GetThingResponse xmlns="https://x.example/doc/"><GetThingResult><Name>a` + "\uFFFD\uFFFD\uFFFD" + `</Name><List></List></GetThingResult><ResponseMetadata><RequestId>r-1</RequestId></ResponseMetadata></GetThingResponse>`},
	} {
		if got := string(awsquery.Answer("https://x.example/doc/", "GetThing", tt.result, "r-1")); got != tt.want {
			t.Errorf("%s:\ngot  %s\nwant %s", tt.name, got, tt.want)
		}
	}
	want := `{"GetThingResponse":{"GetThingResult":{"Name":"a\u003c"},"ResponseMetadata":{"RequestId":"r-1"}}}`
	if got := string(awsquery.AnswerJSON("GetThing", thing{Name: "a<"}, "r-1")); got != want {
		t.Errorf("got %s", got)
	}
}

func TestFailure(t *testing.T) {
	for _, tt := range []struct {
		f         awsquery.Failure
		xml, json string
	}{
		{awsquery.Failure{Status: 403, Code: "AccessDenied", Message: `not <you> & "yours"`},
			`<ErrorResponse xmlns="https://x.example/doc/"><Error><Type>Sender</Type><Code>AccessDenied</Code><Message>not &lt;you&gt; &amp; &#34;yours&#34;</Message></Error><RequestId>r-1</RequestId></ErrorResponse>`,
			`{"Error":{"Code":"AccessDenied","Message":"not \u003cyou\u003e \u0026 \"yours\"","Type":"Sender"},"RequestId":"r-1"}`},
		{awsquery.Failure{Status: 503, Code: "ServiceUnavailable", Message: "m"},
			`<ErrorResponse xmlns="https://x.example/doc/"><Error><Type>Receiver</Type><Code>ServiceUnavailable</Code><Message>m</Message></Error><RequestId>r-1</RequestId></ErrorResponse>`,
			`{"Error":{"Code":"ServiceUnavailable","Message":"m","Type":"Receiver"},"RequestId":"r-1"}`},
	} {
		if got := string(tt.f.Body("https://x.example/doc/", "r-1")); got != tt.xml {
			t.Errorf("got  %s\nwant %s", got, tt.xml)
		}
		if got := string(tt.f.BodyJSON("r-1")); got != tt.json {
			t.Errorf("got  %s\nwant %s", got, tt.json)
		}
	}
	hostile := awsquery.Failure{Code: "X", Message: "\x00\x1b]0;\xff ]]> <!--"}
	var back struct{ Error struct{ Message string } }
	if err := xml.Unmarshal(hostile.Body("n", "r"), &back); err != nil || !strings.HasSuffix(back.Error.Message, "]]> <!--") {
		t.Errorf("%q, %v", back.Error.Message, err)
	}
	if !json.Valid(hostile.BodyJSON("r")) {
		t.Error("it is no JSON")
	}
}

func TestTime(t *testing.T) {
	if got := awsquery.Time(time.Date(2026, 11, 23, 4, 0, 0, 999, time.FixedZone("CET", 3600))); got != "2026-11-23T03:00:00Z" {
		t.Errorf("got %s", got)
	}
}

func FuzzDecode(f *testing.F) {
	for _, s := range []string{"", "Action=GetRole&RoleName=a", "a=b&A=c", "%=", "L.member.1=a&L.member.2.Key=b", "x=%ff", "a=1;b=2", "+=+"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, form string) {
		r, err := awsquery.Decode(form, nil)
		if err != nil {
			if _, ok := errors.AsType[*awsquery.FormError](err); !ok || r != nil {
				t.Fatalf("%v, %v", r, err)
			}
			return
		}
		values := url.Values{}
		for _, name := range r.Names() {
			values.Set(name, r.Text(name, awsquery.Rule{}))
		}
		again, err := awsquery.Decode(values.Encode(), nil)
		if err != nil || !slices.Equal(again.Names(), r.Names()) || again.Action != r.Action || again.Version != r.Version {
			t.Fatalf("written again it is %v, %v", again, err)
		}
		for _, name := range r.Names() {
			if again.Text(name, awsquery.Rule{}) != values.Get(name) {
				t.Fatalf("%q became %q", values.Get(name), again.Text(name, awsquery.Rule{}))
			}
		}
		for _, name := range []string{"L", "Tags", "a"} {
			again.List(name, 3, awsquery.Rule{Required: true, Max: 3})
			again.Pairs(name, 3, awsquery.Rule{Min: 1}, awsquery.Rule{})
		}
		if err := again.Check(); err != nil {
			if e, ok := errors.AsType[*awsquery.ConstraintError](err); !ok || len(e.Broken) == 0 {
				t.Fatal(err)
			}
		}
	})
}
