package vault

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"mayfly.internal/internal/secret"
	"mayfly.internal/internal/strictjson"
)

// Secret is what lies at a path.
type Secret struct {
	Path    string
	Version int64 // of a key/value engine of version 2; else 0
	Lease   Lease // zero: it lives on its own

	fields []Field // by name
}

// Lease is how long a secret that Vault made lives: no longer than the token it
// was taken with.
type Lease struct {
	ID        secret.String // whoever has it and a token may end it
	TTL       time.Duration
	Renewable bool
}

// Leased reports whether the secret ends with its token.
func (s Secret) Leased() bool { return !s.Lease.ID.Empty() }

// Fields are the secret's fields, by name.
func (s Secret) Fields() []Field { return s.fields }

// Field is the field of a name.
func (s Secret) Field(name string) (Field, bool) {
	i, found := slices.BinarySearchFunc(s.fields, name, func(f Field, name string) int { return strings.Compare(f.Name, name) })
	if !found {
		return Field{}, false
	}
	return s.fields[i], true
}

// Field is one value of a secret.
type Field struct {
	Name string
	// JSON is the value as Vault wrote it.
	JSON secret.String
	// Text is a string itself, a number or a truth value as written, anything
	// else as JSON; of null there is none.
	Text secret.String
	Null bool
}

// parse reads an answer as one JSON object.
func parse(body []byte) (strictjson.Value, error) {
	v, err := strictjson.Parse(body)
	switch {
	case err != nil:
		detail := "it is not JSON with distinct names"
		if e, ok := errors.AsType[*strictjson.SyntaxError](err); ok && strings.HasPrefix(e.Detail, "nested") {
			detail = "it is " + e.Detail
		}
		return strictjson.Value{}, errors.New(detail)
	case v.Kind() != strictjson.Object:
		return strictjson.Value{}, errors.New("it is no JSON object")
	}
	return v, nil
}

// decodeErrors reads Vault's words of a refusal: none of what is not Vault's.
func decodeErrors(body []byte) (out []string) {
	v, err := parse(body)
	if err != nil {
		return nil
	}
	for _, item := range v.Get("errors").Items() {
		text, _ := item.Text()
		for _, text := range apart(text) {
			if strings.TrimSpace(text) != "" && len(out) < maxMessages {
				out = append(out, text)
			}
		}
	}
	return out
}

// apart takes a list of errors apart that Vault has made one text of: 1 error
// occurred, and a line with an asterisk for each.
func apart(text string) []string {
	head, list, found := strings.Cut(text, " occurred:\n\t* ")
	if !found || !strings.HasSuffix(head, " error") && !strings.HasSuffix(head, " errors") {
		return []string{text}
	}
	return strings.Split(list, "\n\t* ")
}

// maxSeconds is the longest time that a lease may have and a time.Duration holds.
const maxSeconds = math.MaxInt64 / int64(time.Second)

// seconds reads a number of seconds; one that is missing is zero.
func seconds(v strictjson.Value, name string) (time.Duration, error) {
	n := v.Get(name)
	if n.Kind() == strictjson.Missing {
		return 0, nil
	}
	number, ok := n.Int64()
	if !ok || number < 0 || number > maxSeconds {
		return 0, fmt.Errorf("%s is no number of seconds", name)
	}
	return time.Duration(number) * time.Second, nil
}

func text(v strictjson.Value, name string) string {
	out, _ := v.Get(name).Text()
	return out
}

func texts(v strictjson.Value) (out []string) {
	for _, item := range v.Items() {
		if text, ok := item.Text(); ok {
			out = append(out, text)
		}
	}
	return out
}

func encodeLogin(role string, jwt secret.String) secret.String {
	in := struct {
		Role string `json:"role,omitempty"`
		JWT  string `json:"jwt"`
	}{role, jwt.Reveal()}
	body, _ := json.Marshal(in) // two strings
	return secret.New(string(body))
}

func encodeLease(id secret.String) secret.String {
	body, _ := json.Marshal(map[string]string{"lease_id": id.Reveal()}) // a string
	return secret.New(string(body))
}

// maxTokenBytes bounds a Vault token; a batch token has some hundreds of bytes.
const maxTokenBytes = 8 << 10

// decodeAuth reads the answer of a login or a renewal.
func decodeAuth(body []byte) (Auth, error) {
	v, err := parse(body)
	if err != nil {
		return Auth{}, err
	}
	a := v.Get("auth")
	token := text(a, "client_token")
	switch {
	case a.Get("mfa_requirement").Kind() == strictjson.Object && token == "":
		return Auth{}, errors.New("it wants a second factor, which no job has")
	case v.Get("wrap_info").Kind() == strictjson.Object && token == "":
		return Auth{}, errors.New("it is wrapped")
	case token == "" || len(token) > maxTokenBytes || strings.ContainsFunc(token, func(r rune) bool { return r <= ' ' || r >= 0x7f }):
		return Auth{}, errors.New("it holds no token")
	}
	ttl, err := seconds(a, "lease_duration")
	if err != nil {
		return Auth{}, err
	}
	out := Auth{Token: secret.New(token), Accessor: text(a, "accessor"), Policies: texts(a.Get("policies")), TTL: ttl, Batch: text(a, "token_type") == "batch"}
	out.Renewable, _ = a.Get("renewable").Bool()
	out.Uses, _ = a.Get("num_uses").Int64()
	for _, m := range a.Get("metadata").Members() {
		if value, ok := m.Value.Text(); ok {
			if out.Metadata == nil {
				out.Metadata = map[string]string{}
			}
			out.Metadata[m.Name] = value
		}
	}
	return out, nil
}

// decodeMount reads which engine serves a path.
func decodeMount(body []byte) (Mount, error) {
	v, err := parse(body)
	if err != nil {
		return Mount{}, err
	}
	data := v.Get("data")
	m := Mount{Path: text(data, "path"), Type: text(data, "type")}
	if len(m.Path) < 2 || !strings.HasSuffix(m.Path, "/") {
		return Mount{}, errors.New("it names no path")
	}
	if m.Type != "kv" && m.Type != "generic" { // generic is what version 1 was called
		return m, nil
	}
	switch version := text(data.Get("options"), "version"); version {
	case "", "1":
		m.Version = 1
	case "2":
		m.Version = 2
	default:
		return Mount{}, errors.New("it is a key/value engine of a version that is not known")
	}
	return m, nil
}

// decodeSecret reads what lies at a path: of version 2 the fields lie one level
// deeper, beside the version's metadata.
func decodeSecret(body []byte, version2 bool) (Secret, error) {
	v, err := parse(body)
	if err != nil {
		return Secret{}, err
	}
	data := v.Get("data")
	var out Secret
	switch {
	case version2:
		number, ok := data.Get("metadata").Get("version").Int64()
		if !ok || number < 1 {
			return Secret{}, errors.New("it names no version")
		}
		out.Version, data = number, data.Get("data")
	case v.Get("wrap_info").Kind() == strictjson.Object:
		return Secret{}, errors.New("it is wrapped")
	}
	if data.Kind() != strictjson.Object {
		return Secret{}, errors.New("it holds no fields")
	}
	for _, m := range data.Members() {
		f, err := field(body, m)
		if err != nil {
			return Secret{}, err
		}
		out.fields = append(out.fields, f)
	}
	slices.SortFunc(out.fields, func(a, b Field) int { return strings.Compare(a.Name, b.Name) })
	out.Lease.ID = secret.New(text(v, "lease_id"))
	if !out.Leased() {
		return out, nil // what has no lease may still have a lease_duration: version 1's advice when to read again
	}
	if out.Lease.TTL, err = seconds(v, "lease_duration"); err != nil {
		return Secret{}, err
	}
	out.Lease.Renewable, _ = v.Get("renewable").Bool()
	return out, nil
}

// field reads one member of a secret of an answer.
func field(body []byte, m strictjson.Member) (Field, error) {
	f := Field{Name: m.Name}
	switch m.Value.Kind() {
	case strictjson.String:
		text, _ := m.Value.Text()
		quoted, err := json.Marshal(text)
		if err != nil {
			return Field{}, err
		}
		f.Text, f.JSON = secret.New(text), secret.New(string(quoted))
		return f, nil
	case strictjson.Null:
		f.Null, f.JSON = true, secret.New("null")
		return f, nil
	case strictjson.Number:
		number, _ := m.Value.Number()
		f.JSON = secret.New(number)
	case strictjson.Bool:
		truth, _ := m.Value.Bool()
		f.JSON = secret.New(fmt.Sprint(truth))
	default:
		f.JSON = secret.New(whole(body, m.Value))
	}
	f.Text = f.JSON
	return f, nil
}

// whole is an array or an object as it was written.
func whole(body []byte, v strictjson.Value) string {
	switch {
	case v.End() > v.Offset():
		return string(body[v.Offset():v.End()])
	case v.Kind() == strictjson.Object:
		return "{}"
	}
	return "[]"
}

// decodeGone reads the answer of a version that was deleted: metadata alone.
func decodeGone(body []byte) (*GoneError, bool) {
	v, err := parse(body)
	if err != nil {
		return nil, false
	}
	m := v.Get("data").Get("metadata")
	number, ok := m.Get("version").Int64()
	destroyed, _ := m.Get("destroyed").Bool()
	deleted := oneLine(text(m, "deletion_time"))
	if !ok || number < 1 || !destroyed && deleted == "" {
		return nil, false
	}
	return &GoneError{Version: number, Deleted: deleted, Destroyed: destroyed}, true
}

// decodeLookup reads what Vault says of a token.
func decodeLookup(body []byte) (Lookup, error) {
	v, err := parse(body)
	if err != nil {
		return Lookup{}, err
	}
	data := v.Get("data")
	out := Lookup{Accessor: text(data, "accessor"), Path: text(data, "path"), Expires: text(data, "expire_time")}
	if data.Get("policies").Kind() != strictjson.Array {
		return Lookup{}, errors.New("it names no policies")
	}
	out.Policies = texts(data.Get("policies"))
	for _, name := range texts(data.Get("identity_policies")) {
		if !slices.Contains(out.Policies, name) {
			out.Policies = append(out.Policies, name)
		}
	}
	out.TTL, err = seconds(data, "ttl")
	if err != nil {
		return Lookup{}, err
	}
	return out, nil
}

// decodeRenewedLease reads how long a lease lives.
func decodeRenewedLease(body []byte) (time.Duration, error) {
	v, err := parse(body)
	if err != nil {
		return 0, err
	}
	if text(v, "lease_id") == "" {
		return 0, errors.New("it names no lease")
	}
	return seconds(v, "lease_duration")
}
