package oidc_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"mayfly.internal/internal/oidc"
)

var jsonNull = json.RawMessage("null")

func single(text string) oidc.Values  { return oidc.Values{List: []string{text}} }
func list(text ...string) oidc.Values { return oidc.Values{List: text, Multi: true} }

func TestConditionKeys(t *testing.T) {
	w := newWorld(t)
	standard := map[string]oidc.Values{
		"p:iss": single(w.issuer.URL), "p:sub": single("machine-7"), "p:aud": single(audience), "p:jti": single("j"),
		"p:iat": single("1795435140"), "p:nbf": single("1795435135"), "p:exp": single("1795438740"),
	}
	for _, tt := range []struct {
		name   string
		claims string // JSON members
		want   map[string]oidc.Values
	}{
		{"nothing more", `{}`, nil},
		{"a string as is", `{"ref":"feature/A b"}`, map[string]oidc.Values{"p:ref": single("feature/A b")}},
		{"an empty string", `{"user_id":""}`, map[string]oidc.Values{"p:user_id": single("")}},
		{"true and false as words", `{"a":true,"b":false}`, map[string]oidc.Values{"p:a": single("true"), "p:b": single("false")}},
		{"numbers as written", `{"a":1,"b":12345678901234567890,"c":1.50,"d":-1e+3}`, map[string]oidc.Values{
			"p:a": single("1"), "p:b": single("12345678901234567890"), "p:c": single("1.50"), "p:d": single("-1e+3")}},
		{"a list", `{"amr":["authenticated","x"]}`, map[string]oidc.Values{"p:amr": list("authenticated", "x")}},
		{"a list of one is a list", `{"amr":["authenticated"]}`, map[string]oidc.Values{"p:amr": list("authenticated")}},
		{"a list of several kinds", `{"a":["x",1,true]}`, map[string]oidc.Values{"p:a": list("x", "1", "true")}},
		{"null", `{"user_login":null}`, nil},
		{"an object", `{"job_config":{"url":"x"}}`, nil},
		{"a list in a list", `{"a":[["x"]]}`, nil},
		{"a list with null", `{"a":["x",null]}`, nil},
		{"a list with an object", `{"a":["x",{}]}`, nil},
		{"an empty list", `{"groups":[]}`, nil},
		{"a name with a colon", `{"x:sub":"evil","https://aws.amazon.com/other":"x",":":"y"}`, nil},
		{"an empty name", `{"":"x"}`, nil},
		{"a name in upper case", `{"GROUP":"x"}`, map[string]oidc.Values{"p:GROUP": single("x")}},
		{"a name outside ASCII", `{"größe":"x"}`, map[string]oidc.Values{"p:größe": single("x")}},
		{"a claim called oaud", `{"oaud":"evil"}`, nil},
		{"a claim called OAUD", `{"OAUD":"evil"}`, nil},
		{"issued to somebody", `{"azp":"` + login + `"}`, map[string]oidc.Values{"p:azp": single(login), "p:aud": single(login), "p:oaud": single(audience)}},
		{"issued to somebody, and a claim called oaud", `{"azp":"` + login + `","oaud":"evil"}`, map[string]oidc.Values{"p:azp": single(login), "p:aud": single(login), "p:oaud": single(audience)}},
		{"the audience in a list of one", `{"aud":["` + audience + `"]}`, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			claims := base()
			claims["jti"] = "j"
			var more map[string]json.RawMessage
			if err := json.Unmarshal([]byte(tt.claims), &more); err != nil {
				t.Fatal(err)
			}
			for name, value := range more {
				claims[name] = value
			}
			c, err := w.verify(t, w.issuer.Token(claims), now)
			if err != nil {
				t.Fatal(err)
			}
			want := map[string]oidc.Values{}
			for _, m := range []map[string]oidc.Values{standard, tt.want} {
				for k, v := range m {
					want[k] = v
				}
			}
			if diff := cmp.Diff(want, maps.Collect(c.ConditionKeys("p"))); diff != "" {
				t.Errorf("condition keys (-want +got):\n%s", diff)
			}
			if len(maps.Collect(c.ConditionKeys(""))) != 0 {
				t.Error("there are keys without a prefix")
			}
		})
	}
}

func TestAllStopsWhenAsked(t *testing.T) {
	w := newWorld(t)
	c, err := w.verify(t, w.issuer.Token(base()), now)
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for range c.All() {
		n++
		break
	}
	if n != 1 {
		t.Errorf("%d claims were given", n)
	}
}

func TestSessionClaims(t *testing.T) {
	w := newWorld(t)
	const tags, source = "https://aws.amazon.com/tags", "https://aws.amazon.com/source_identity"
	token := func(name, value string) string {
		claims := base()
		claims[name] = json.RawMessage(value)
		return w.issuer.Token(claims)
	}
	c, err := w.verify(t, token(tags, `{"principal_tags":{"Team":["a"],"Cost Centre":"b/c:d=e+f-g@h_i.j"},"transitive_tag_keys":["Team"]}`), now)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]oidc.Tag{{Key: "Team", Value: "a"}, {Key: "Cost Centre", Value: "b/c:d=e+f-g@h_i.j"}}, c.SessionTags()); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"Team"}, c.TransitiveTagKeys()); diff != "" {
		t.Error(diff)
	}
	if c, err := w.verify(t, token(source, `"ab"`), now); err != nil || c.SourceIdentity() != "ab" {
		t.Errorf("source identity %q, %v", c.SourceIdentity(), err)
	}
	for _, value := range []string{`{}`, `{"principal_tags":{}}`, `{"transitive_tag_keys":[]}`, `{"principal_tags":{"k":[""]}}`, `{"principal_tags":{"ключ":["値"]}}`} {
		if _, err := w.verify(t, token(tags, value), now); err != nil {
			t.Errorf("%s: %v", value, err)
		}
	}
	var many []string
	for n := range 51 {
		many = append(many, fmt.Sprintf(`"k%d":["v"]`, n))
	}
	for name, values := range map[string][]string{
		source: {`null`, `1`, `12`, `""`, `"a"`, `"` + strings.Repeat("a", 65) + `"`, `"a b"`, `"aws:x"`, `["ab"]`, `"a\n"`},
		tags: {
			`null`, `[]`, `"x"`, `{"principal_tags":null}`, `{"principal_tags":[]}`, `{"principal_tags":{"k":[]}}`,
			`{"principal_tags":{"k":["a","b"]}}`, `{"principal_tags":{"k":[1]}}`, `{"principal_tags":{"k":1}}`, `{"principal_tags":{"k":[["a"]]}}`,
			`{"principal_tags":{"":["a"]}}`, `{"principal_tags":{"aws:k":["a"]}}`, `{"principal_tags":{"AWS:k":["a"]}}`, `{"principal_tags":{"k*":["a"]}}`,
			`{"principal_tags":{"k":["a*"]}}`, `{"principal_tags":{"k":["${x}"]}}`, `{"principal_tags":{"k":["a\n"]}}`,
			`{"principal_tags":{"k":["a"],"K":["b"]}}`, `{"principal_tags":{"` + strings.Repeat("k", 129) + `":["a"]}}`,
			`{"principal_tags":{"k":["` + strings.Repeat("a", 257) + `"]}}`, `{"principal_tags":{` + strings.Join(many, ",") + `}}`,
			`{"transitive_tag_keys":["k"]}`, `{"principal_tags":{"k":["a"]},"transitive_tag_keys":["K"]}`,
			`{"principal_tags":{"k":["a"]},"transitive_tag_keys":["k","k"]}`, `{"principal_tags":{"k":["a"]},"transitive_tag_keys":"k"}`,
			`{"principal_tags":{"k":["a"]},"transitive_tag_keys":[1]}`, `{"Principal_tags":{"k":["a"]}}`, `{"other":1}`,
		},
	} {
		for _, value := range values {
			t.Run(value[:min(len(value), 60)], func(t *testing.T) {
				c, err := w.verify(t, token(name, value), now)
				wantRejected(t, c, err, oidc.MalformedClaim, name)
			})
		}
	}
}

// TestFlatSessionTags: an issuer that cannot nest claims gives each tag one of its
// own, and what begins like them and is none is refused.
func TestFlatSessionTags(t *testing.T) {
	w := newWorld(t)
	const tags = "https://aws.amazon.com/tags"
	for _, tt := range []struct {
		members    string
		want       []oidc.Tag // nil: refused
		transitive []string
	}{
		{`"TAGS/principal_tags/Team":"a","TAGS/principal_tags/Cost/Centre":["7"],"TAGS/transitive_tag_keys":["Team"]`, []oidc.Tag{{Key: "Team", Value: "a"}, {Key: "Cost/Centre", Value: "7"}}, []string{"Team"}},
		{`"TAGS/principal_tags/Team":""`, []oidc.Tag{{Key: "Team"}}, nil},
		{`"TAGS/principal_tags/Team":["a","b"]`, nil, nil},
		{`"TAGS/principal_tags/Team":1`, nil, nil},
		{`"TAGS/principal_tags/":"a"`, nil, nil},
		{`"TAGS/principal_tags/aws:Team":"a"`, nil, nil},
		{`"TAGS/principal_tags/Team":"a*"`, nil, nil},
		{`"TAGS/principal_tags":{"Team":"a"}`, nil, nil},
		{`"TAGS/transitive_tag_keys":["Team"]`, nil, nil},
		{`"TAGS/principal_tags/Team":"a","TAGS/transitive_tag_keys":"Team"`, nil, nil},
		{`"TAGS/principal_tag/Team":"a"`, nil, nil},
		{`"TAGS/":"a"`, nil, nil},
		{`"TAGS":{"principal_tags":{"Team":"a"}},"TAGS/principal_tags/Cost":"7"`, nil, nil},
		{`"TAGS":{"principal_tags":{"Team":"a"}},"TAGS/transitive_tag_keys":["Team"]`, nil, nil},
		{`"TAGS":{},"TAGS/other":1`, nil, nil},
	} {
		t.Run(tt.members, func(t *testing.T) {
			c, err := w.verifyPayload(t, `{"iss":"`+w.issuer.URL+`","aud":"`+audience+`","sub":"s","iat":1795435140,"exp":1795438740,`+strings.ReplaceAll(tt.members, "TAGS", tags)+`}`)
			if tt.want == nil {
				wantRejected(t, c, err, oidc.MalformedClaim, tags)
				return
			}
			if err != nil || !cmp.Equal(tt.want, c.SessionTags()) || !cmp.Equal(tt.transitive, c.TransitiveTagKeys()) {
				t.Errorf("%v %v, %v", c.SessionTags(), c.TransitiveTagKeys(), err)
			}
		})
	}
}

// FuzzClaims: whatever an issuer signs, either it is refused and says nothing,
// or its keys all lie under the provider's prefix with one name each, and those
// AWS fills hold what AWS would put there.
func FuzzClaims(f *testing.F) {
	w := newWorld(f)
	w.settings.AllowMultipleAudiences = true
	for _, seed := range []string{
		`"ref":"main"`, `"azp":"` + login + `","amr":["x",1]`, `"aud":["` + audience + `","b"]`, `"a:b":"c","oaud":"d"`,
		`"https://aws.amazon.com/tags":{"principal_tags":{"k":["v"]}}`, `"https://aws.amazon.com/tags/principal_tags/k":"v"`, `"SUB":"x"`, `"é":null,"É":1`,
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, members string) {
		payload := `{"iss":"` + w.issuer.URL + `","sub":"s","iat":1795435140,"exp":1795438740,` + members + `}`
		if !strings.Contains(members, `"aud"`) {
			payload = `{"aud":"` + audience + `",` + payload[1:]
		}
		c, err := w.verifyPayload(t, payload)
		if err != nil {
			if c.Subject() != "" || len(maps.Collect(c.ConditionKeys("p"))) > 0 {
				t.Fatal("an error with claims")
			}
			return
		}
		seen := map[string]string{}
		for key, v := range c.ConditionKeys("host/path:1") {
			name, ok := strings.CutPrefix(key, "host/path:1:")
			if !ok || name == "" || strings.Contains(name, ":") || len(v.List) == 0 || !v.Multi && len(v.List) != 1 {
				t.Fatalf("key %q has %v", key, v)
			}
			for other := range seen {
				if strings.EqualFold(other, name) {
					t.Fatalf("two keys %q and %q", other, name)
				}
			}
			seen[name] = name
		}
		keys := maps.Collect(c.ConditionKeys("p"))
		if keys["p:sub"].List[0] != c.Subject() {
			t.Fatalf("sub = %v", keys["p:sub"])
		}
		_, hasOther := keys["p:oaud"]
		if azp, ok := keys["p:azp"]; ok != hasOther || ok && keys["p:aud"].List[0] != azp.List[0] {
			t.Fatalf("azp = %v, aud = %v, oaud = %v", azp, keys["p:aud"], keys["p:oaud"])
		}
	})
}
