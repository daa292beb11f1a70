package jwt_test

import (
	"encoding/json"
	"fmt"
	"os"
	"testing"

	"mayfly.internal/internal/jwt"
	"mayfly.internal/internal/vectortest"
)

type wycheproofFile struct {
	Groups []struct {
		Comment string          `json:"comment"`
		Public  json.RawMessage `json:"public"`
		Private json.RawMessage `json:"private"`
		Tests   []struct {
			ID      int             `json:"tcId"`
			Comment string          `json:"comment"`
			JWS     json.RawMessage `json:"jws"`
			JWE     json.RawMessage `json:"jwe"`
			Result  string          `json:"result"`
		} `json:"tests"`
	} `json:"testGroups"`
}

// keySetOf makes a key set of what a group gives: a key or a set of keys. The
// private one is published where there is no public one, as it must be for the
// symmetric keys of some groups.
func keySetOf(t *testing.T, public, private json.RawMessage) (*jwt.KeySet, error) {
	t.Helper()
	key := public
	if key == nil {
		key = private
	}
	var set struct {
		Keys json.RawMessage `json:"keys"`
	}
	if err := json.Unmarshal(key, &set); err != nil {
		t.Fatal(err)
	}
	if set.Keys != nil {
		return jwt.ParseKeySet(key)
	}
	return jwt.ParseKeySet(fmt.Appendf(nil, `{"keys":[%s]}`, key))
}

// TestWycheproof runs every JWS of Project Wycheproof. What it calls invalid
// must be refused, what it calls valid must verify; a case that goes another
// way stands in testdata/skips.json with a sentence, alone or with its group.
func TestWycheproof(t *testing.T) {
	skips := map[string]string{}
	data, err := os.ReadFile("testdata/skips.json")
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(data, &skips); err != nil {
		t.Fatal(err)
	}
	used, ran := map[string]bool{}, 0
	for _, name := range []string{"json_web_signature", "json_web_key", "json_web_crypto"} {
		data := vectortest.Read(t, "wycheproof/"+name+"_test.json")
		var file wycheproofFile
		if err := json.Unmarshal(data, &file); err != nil {
			t.Fatal(err)
		}
		for _, group := range file.Groups {
			keys, keysErr := keySetOf(t, group.Public, group.Private)
			for _, c := range group.Tests {
				ran++
				id := fmt.Sprintf("%s/%d", name, c.ID)
				groupID := name + "/" + group.Comment
				t.Run(id+" "+group.Comment+" "+c.Comment, func(t *testing.T) {
					got := keysErr
					if got == nil {
						got = verifyVector(c.JWS, c.JWE, keys)
					}
					agrees := c.Result == "acceptable" || (got == nil) == (c.Result == "valid")
					for _, skip := range []string{id, groupID} {
						if why, ok := skips[skip]; ok && !agrees {
							used[skip] = true
							t.Skip(why)
						}
					}
					if !agrees {
						t.Errorf("it is %s, we say: %v", c.Result, got)
					}
				})
			}
		}
	}
	for skip := range skips {
		if !used[skip] {
			t.Errorf("skips.json names %q, which needs no skip", skip)
		}
	}
	if ran != 401+26+83 {
		t.Errorf("%d cases ran", ran)
	}
}

// verifyVector verifies what a vector holds: a text, or an object of the JSON
// serialisation, which is a text like any other to us.
func verifyVector(jws, jwe json.RawMessage, keys *jwt.KeySet) error {
	raw := jws
	if raw == nil {
		raw = jwe
	}
	text := string(raw)
	json.Unmarshal(raw, &text)
	if _, err := jwt.Parse(text); err == nil {
		return fmt.Errorf("%q parses as a token, it has no claims", text)
	}
	return jwt.VerifyText(text, keys, jwt.Algorithms())
}

// TestRFC7520 verifies the signatures of the JOSE cookbook (RFC 7520 §4) that
// are asymmetric. Some of the vectors' keys name an algorithm that is not the
// token's, so their own alg is taken off.
func TestRFC7520(t *testing.T) {
	data := vectortest.Read(t, "wycheproof/json_web_signature_test.json")
	var file wycheproofFile
	if err := json.Unmarshal(data, &file); err != nil {
		t.Fatal(err)
	}
	verified := 0
	for _, group := range file.Groups {
		if (group.Comment != "rfc7520" && group.Comment != "rfc7520WithKeyOps") || group.Public == nil {
			continue
		}
		var members map[string]any
		if err := json.Unmarshal(group.Public, &members); err != nil {
			t.Fatal(err)
		}
		delete(members, "alg")
		key, err := json.Marshal(members)
		if err != nil {
			t.Fatal(err)
		}
		keys, err := jwt.ParseKeySet(fmt.Appendf(nil, `{"keys":[%s]}`, key))
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range group.Tests {
			if err := verifyVector(c.JWS, nil, keys); err != nil {
				t.Errorf("%d %s: %v", c.ID, c.Comment, err)
			}
			verified++
		}
	}
	if verified != 6 {
		t.Errorf("%d signatures were checked", verified)
	}
}
