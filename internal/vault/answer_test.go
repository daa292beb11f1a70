package vault

import (
	"strings"
	"testing"

	"mayfly.internal/internal/strictjson"
)

// Whatever a server answers, there is an error or a value, never both; what is
// shown is one line; and a field's JSON is JSON.
func FuzzDecode(f *testing.F) {
	for _, s := range []string{
		`{"errors":["permission denied"]}`,
		`{"errors":["2 errors occurred:\n\t* permission denied\n\t* invalid token\n\n"]}`,
		`{"auth":{"client_token":"hvs.a","accessor":"b","policies":["default"],"metadata":{"role":"r"},"lease_duration":3600,"renewable":true,"token_type":"service","num_uses":0}}`,
		`{"data":{"path":"kv/","type":"kv","options":{"version":"2"}}}`,
		`{"data":{"data":{"a":"b","n":1.50,"l":[1,{"x":null}],"o":{"k":"v"},"t":true,"z":null},"metadata":{"version":3,"deletion_time":"","destroyed":false}}}`,
		`{"data":{"data":null,"metadata":{"version":3,"deletion_time":"2026-11-23T12:00:00Z","destroyed":false}}}`,
		`{"lease_id":"database/creds/app/x","lease_duration":3600,"renewable":true,"data":{"username":"u"}}`,
		`{"data":{"accessor":"a","policies":["default"],"identity_policies":["x"],"path":"auth/jwt/login","ttl":3599,"expire_time":"2026-11-23T12:00:00Z"}}`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		if list := decodeErrors(body); len(list) > maxMessages {
			t.Errorf("%d messages", len(list))
		}
		for _, text := range decodeErrors(body) {
			if said := oneLine(text); strings.ContainsAny(said, "\x1b\r\n") || len(said) > maxMessage+len("…") {
				t.Errorf("%q", said)
			}
		}
		if a, err := decodeAuth(body); (err == nil) == a.Token.Empty() || a.TTL < 0 {
			t.Errorf("%+v, %v", a, err)
		}
		if m, err := decodeMount(body); err != nil && m != (Mount{}) {
			t.Errorf("%+v, %v", m, err)
		}
		if l, err := decodeLookup(body); l.TTL < 0 || err != nil && l.Accessor != "" {
			t.Errorf("%+v, %v", l, err)
		}
		if ttl, err := decodeRenewedLease(body); ttl < 0 || err != nil && ttl != 0 {
			t.Errorf("%s, %v", ttl, err)
		}
		if gone, ok := decodeGone(body); ok != (gone != nil) {
			t.Error("a deletion that is none")
		}
		for _, version2 := range []bool{false, true} {
			s, err := decodeSecret(body, version2)
			if err != nil && (s.fields != nil || s.Leased()) || s.Lease.TTL < 0 {
				t.Errorf("a secret beside the error %v", err)
			}
			for _, field := range s.Fields() {
				if _, err := strictjson.Parse([]byte(field.JSON.Reveal())); err != nil {
					t.Errorf("field %q: %v", field.Name, err)
				}
				if again, ok := s.Field(field.Name); !ok || again.Name != field.Name {
					t.Errorf("field %q is not found", field.Name)
				}
			}
		}
	})
}
