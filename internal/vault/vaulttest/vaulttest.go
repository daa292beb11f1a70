// Package vaulttest is a Vault in a test: an HTTPS server on loopback that
// answers the part of Vault's HTTP API which package vault asks, from memory.
//
// It refuses what Vault refuses, in Vault's words, which test/chain holds
// against a real one: tokens, policies, key/value engines of both versions,
// leases and a JWT auth method with audiences, bound claims and times. It
// stores nothing through its API, and knows no auth method but that one.
package vaulttest

import (
	"crypto/rand"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// Server is one running Vault. It is safe for concurrent use.
type Server struct {
	URL string

	t    testing.TB
	http *httptest.Server

	mu        sync.Mutex
	now       func() time.Time
	sealed    bool
	namespace string
	methods   map[string]*method   // :: path of a JWT auth method → it
	engines   map[string]*engine   // :: path with a slash at the end → what is mounted there
	policies  map[string][]string  // :: policy → paths it lets read, perhaps with * at the end
	tokens    map[string]*token    // :: token → it
	leases    map[string]*lease    // :: id → it
	broken    map[string]*breakage // :: path below /v1/ → how it is broken
	requests  []Request
	given     []string // every token that was given
}

// Request is one that was made.
type Request struct {
	Method, Path string // below /v1/
	Query        string
	Namespace    string
}

// method is a JWT auth method.
type method struct {
	issuer string
	keys   jose.JSONWebKeySet
	roles  map[string]Role
}

// Role is a role of a JWT auth method.
type Role struct {
	Audiences []string
	Claims    map[string][]string // claim → values, one of which it must have
	Policies  []string
	TTL       time.Duration // zero: an hour
	MaxTTL    time.Duration // zero: 32 days
	Batch     bool
	NoDefault bool // without the policy default: the token may not even revoke itself
	Uses      int
}

type engine struct {
	version int                  // of a key/value engine; 0: what is read is made, and leased
	secrets map[string][]version // :: path below → its versions, the last being the newest
	ttl     time.Duration
}

type version struct {
	fields    map[string]any
	deleted   time.Time
	destroyed bool
}

type token struct {
	Role
	accessor string
	path     string
	meta     map[string]string
	made     time.Time
	expires  time.Time
	uses     int // that are left, of a token of limited use
}

type lease struct {
	token   string
	expires time.Time
	engine  *engine
}

type breakage struct {
	status int
	left   int
	header http.Header
	body   string
}

// New starts a Vault that ends with the test.
func New(t testing.TB) *Server {
	t.Helper()
	s := &Server{t: t, now: time.Now, methods: map[string]*method{}, engines: map[string]*engine{}, tokens: map[string]*token{}, leases: map[string]*lease{}, broken: map[string]*breakage{},
		policies: map[string][]string{"default": {"auth/token/lookup-self", "auth/token/renew-self", "auth/token/revoke-self", "sys/leases/renew"}}}
	s.http = httptest.NewUnstartedServer(s)
	s.http.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelDebug) // broken connections are wanted here
	s.http.StartTLS()
	t.Cleanup(s.http.Close)
	s.URL = s.http.URL
	return s
}

// CA is the certificate, in PEM, that vouches for the server.
func (s *Server) CA() []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.http.Certificate().Raw})
}

// CAFile is the path of a file that holds CA.
func (s *Server) CAFile() string {
	s.t.Helper()
	path := filepath.Join(s.t.TempDir(), "vault-ca.pem")
	if err := os.WriteFile(path, s.CA(), 0o600); err != nil {
		s.t.Fatal(err)
	}
	return path
}

// Trust mounts a JWT auth method that believes an issuer's keys, which is a JWK
// Set; an empty issuer is not compared.
func (s *Server) Trust(path, issuer string, keySet []byte) {
	s.t.Helper()
	m := &method{issuer: issuer, roles: map[string]Role{}}
	if err := json.Unmarshal(keySet, &m.keys); err != nil {
		s.t.Fatal(err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.methods[path] = m
}

// Role writes a role of an auth method.
func (s *Server) Role(path, name string, r Role) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.methods[path].roles[name] = r
}

// Policy writes a policy: the paths that it lets read and update, as Vault's API
// has them, with * at the end for whatever begins so.
func (s *Server) Policy(name string, paths ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.policies[name] = paths
}

// KV mounts a key/value engine of a version at a path.
func (s *Server) KV(path string, number int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.engines[path+"/"] = &engine{version: number, secrets: map[string][]version{}}
}

// Lend mounts an engine at a path that makes, at each read of NAME, credentials
// with these fields, leased for so long.
func (s *Server) Lend(path, name string, fields map[string]any, ttl time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.engines[path+"/"] = &engine{secrets: map[string][]version{name: {{fields: fields}}}, ttl: ttl}
}

// Put writes a secret of an engine; of version 2, its next version.
func (s *Server) Put(mount, path string, fields map[string]any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	e := s.engines[mount+"/"]
	if e.version != 2 {
		e.secrets[path] = nil
	}
	e.secrets[path] = append(e.secrets[path], version{fields: fields})
}

// Delete deletes a version of a secret, for ever if it is destroyed.
func (s *Server) Delete(mount, path string, number int, destroy bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	v := &s.engines[mount+"/"].secrets[path][number-1]
	if v.destroyed = destroy; !destroy {
		v.deleted = s.now().Add(-time.Second)
	}
}

// Seal seals the server.
func (s *Server) Seal() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sealed = true
}

// InNamespace puts everything into a namespace; requests elsewhere find nothing.
func (s *Server) InNamespace(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.namespace = name
}

// SetNow gives the server another clock.
func (s *Server) SetNow(now func() time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.now = now
}

// Break answers a path below /v1/ so many times with a status, headers and a body.
func (s *Server) Break(path string, status, times int, header http.Header, body string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.broken[path] = &breakage{status, times, header, body}
}

// Requests are those that were made.
func (s *Server) Requests() []Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.requests)
}

// Alive are the accessors of the tokens that are neither revoked nor expired.
func (s *Server) Alive() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []string
	for text := range s.tokens {
		if t := s.live(text); t != nil {
			out = append(out, t.accessor)
		}
	}
	return out
}

// Give gives a token of an hour with policies, as somebody does who runs Vault.
func (s *Server) Give(policies ...string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.now()
	return s.give("hvs.", &token{Role: Role{Policies: policies}, accessor: rand.Text(), path: "auth/token/create", made: now, expires: now.Add(time.Hour)})
}

// Tokens is every token that was given: canaries for a test to look for.
func (s *Server) Tokens() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.given)
}

// Leases is how many leases are neither revoked nor expired.
func (s *Server) Leases() (n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, l := range s.leases {
		if s.holds(l) {
			n++
		}
	}
	return n
}

// holds reports whether a lease is neither revoked nor expired: it ends with the
// token that it was taken with, too.
func (s *Server) holds(l *lease) bool { return l.expires.After(s.now()) && s.live(l.token) != nil }

// live is a token that is neither revoked nor expired, or nil.
func (s *Server) live(text string) *token {
	t := s.tokens[text]
	if t == nil || !t.expires.After(s.now()) {
		return nil
	}
	return t
}

// ServeHTTP answers as Vault does.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	path, below := strings.CutPrefix(r.URL.Path, "/v1/")
	s.requests = append(s.requests, Request{r.Method, path, r.URL.RawQuery, r.Header.Get("X-Vault-Namespace")})
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Content-Type", "application/json")
	b := s.broken[path]
	switch {
	case b != nil && b.left > 0:
		b.left--
		maps.Copy(w.Header(), b.header)
		w.WriteHeader(b.status)
		io.WriteString(w, b.body)
	case !below:
		http.NotFound(w, r)
	case s.sealed:
		refuse(w, http.StatusServiceUnavailable, "Vault is sealed")
	case strings.Trim(r.Header.Get("X-Vault-Namespace"), "/") != s.namespace:
		refuse(w, http.StatusNotFound, fmt.Sprintf("no handler for route %q. route entry not found.", path))
	default:
		s.route(w, r, path)
	}
}

func refuse(w http.ResponseWriter, status int, messages ...string) {
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(map[string]any{"errors": append([]string{}, messages...)})
}

// denied is what a request hears that no token allows.
func denied(w http.ResponseWriter) {
	refuse(w, http.StatusForbidden, "permission denied")
}

// refuseOne is what a request hears whose token is good: one error in a list.
func refuseOne(w http.ResponseWriter, status int, message string) {
	refuse(w, status, "1 error occurred:\n\t* "+message+"\n\n")
}

func (s *Server) route(w http.ResponseWriter, r *http.Request, path string) {
	if mount, ok := strings.CutSuffix(path, "/login"); ok && strings.HasPrefix(mount, "auth/") {
		s.login(w, r, strings.TrimPrefix(mount, "auth/"))
		return
	}
	text := r.Header.Get("X-Vault-Token")
	t := s.live(text)
	if t == nil {
		denied(w)
		return
	}
	if t.Uses > 0 {
		if t.uses--; t.uses == 0 {
			defer s.revoke(text)
		}
	}
	if asked, ok := strings.CutPrefix(path, "sys/internal/ui/mounts/"); ok {
		s.mount(w, r, t, asked)
		return
	}
	if !s.allows(t, path) {
		refuseOne(w, http.StatusForbidden, "permission denied")
		return
	}
	switch path {
	case "auth/token/lookup-self":
		s.lookup(w, r, t)
	case "auth/token/renew-self":
		s.renew(w, r, text, t)
	case "auth/token/revoke-self":
		if !writes(w, r) {
			return
		}
		if t.Batch {
			refuse(w, http.StatusBadRequest, "batch tokens cannot be revoked")
			return
		}
		s.revoke(text)
		w.WriteHeader(http.StatusNoContent)
	case "sys/leases/renew":
		s.renewLease(w, r)
	default:
		s.read(w, r, text, path)
	}
}

// writes refuses what is no write.
func writes(w http.ResponseWriter, r *http.Request) bool {
	return is(w, r, http.MethodPost, http.MethodPut)
}

func is(w http.ResponseWriter, r *http.Request, methods ...string) bool {
	if !slices.Contains(methods, r.Method) {
		refuseOne(w, http.StatusMethodNotAllowed, "unsupported operation")
		return false
	}
	return true
}

// policiesOf are a role's policies and default.
func policiesOf(r Role) []string {
	out := slices.Clone(r.Policies)
	if !r.NoDefault {
		out = append([]string{"default"}, out...)
	}
	return out
}

func (s *Server) allows(t *token, path string) bool {
	for _, name := range policiesOf(t.Role) {
		for _, p := range s.policies[name] {
			if prefix, glob := strings.CutSuffix(p, "*"); glob && strings.HasPrefix(path, prefix) || p == path {
				return true
			}
		}
	}
	return false
}

// revoke ends a token and the leases that were taken with it.
func (s *Server) revoke(text string) {
	delete(s.tokens, text)
	for id, l := range s.leases {
		if l.token == text {
			delete(s.leases, id)
		}
	}
}

func (s *Server) login(w http.ResponseWriter, r *http.Request, mount string) {
	m := s.methods[mount]
	if m == nil {
		denied(w) // of a path where nothing is mounted Vault says no more
		return
	}
	if !writes(w, r) {
		return
	}
	var in struct{ Role, JWT string }
	if err := json.NewDecoder(r.Body).Decode(&in); err != nil {
		refuse(w, http.StatusBadRequest, "error parsing JSON")
		return
	}
	role, known := m.roles[strings.ToLower(in.Role)]
	switch {
	case in.Role == "":
		refuse(w, http.StatusBadRequest, "missing role")
		return
	case !known:
		refuse(w, http.StatusBadRequest, fmt.Sprintf("role %q could not be found", strings.ToLower(in.Role)))
		return
	case in.JWT == "":
		refuse(w, http.StatusBadRequest, "missing token")
		return
	}
	if wrong := s.wrong(m, role, in.JWT); wrong != "" {
		refuse(w, http.StatusBadRequest, wrong)
		return
	}
	t := &token{Role: role, accessor: rand.Text(), path: "auth/" + mount + "/login", meta: map[string]string{"role": strings.ToLower(in.Role)}, made: s.now(), uses: role.Uses}
	ttl := role.TTL
	if ttl == 0 {
		ttl = time.Hour
	}
	t.expires = s.now().Add(ttl)
	prefix := "hvs."
	if role.Batch {
		prefix, t.accessor = "hvb.", ""
	}
	text := s.give(prefix, t)
	s.answer(w, map[string]any{"auth": s.auth(text, t)})
}

// give keeps a token and gives its text.
func (s *Server) give(prefix string, t *token) string {
	text := prefix + "CANARY" + rand.Text() + rand.Text()
	s.tokens[text] = t
	s.given = append(s.given, text)
	return text
}

func (s *Server) auth(text string, t *token) map[string]any {
	kind := "service"
	if t.Batch {
		kind = "batch"
	}
	return map[string]any{"client_token": text, "accessor": t.accessor, "policies": policiesOf(t.Role), "token_policies": policiesOf(t.Role), "metadata": t.meta, "lease_duration": int(t.expires.Sub(s.now()).Round(time.Second) / time.Second),
		"renewable": !t.Batch, "entity_id": "e-1", "token_type": kind, "orphan": true, "mfa_requirement": nil, "num_uses": t.Uses}
}

// answer writes a success in Vault's envelope.
func (s *Server) answer(w http.ResponseWriter, fields map[string]any) {
	out := map[string]any{"request_id": rand.Text(), "lease_id": "", "renewable": false, "lease_duration": 0, "data": nil, "wrap_info": nil, "warnings": nil, "auth": nil}
	maps.Copy(out, fields)
	json.NewEncoder(w).Encode(out)
}

// wrong is why a JSON Web Token does not log in under a role; empty if it does.
func (s *Server) wrong(m *method, role Role, text string) string {
	algorithms := []jose.SignatureAlgorithm{jose.RS256, jose.RS384, jose.RS512, jose.ES256, jose.ES384, jose.ES512, jose.PS256, jose.PS384, jose.PS512, jose.EdDSA}
	signed, err := jose.ParseSignedCompact(text, algorithms)
	if err != nil {
		return "error validating token: error verifying token signature: " + err.Error()
	}
	payload, err := signed.Verify(m.keys)
	if err != nil {
		return "error validating token: error verifying token signature: no known key successfully validated the token signature"
	}
	var claims map[string]any
	if err := json.Unmarshal(payload, &claims); err != nil {
		return "error validating token: " + err.Error()
	}
	audiences := list(claims["aud"])
	switch {
	case m.issuer != "" && claims["iss"] != m.issuer:
		return "error validating token: invalid issuer (iss) claim"
	case len(role.Audiences) > 0 && !slices.ContainsFunc(audiences, func(a any) bool { return slices.Contains(role.Audiences, fmt.Sprint(a)) }):
		return "error validating token: invalid audience (aud) claim: audience claim does not match any expected audience"
	case untimely(claims, s.now()) != "":
		return "error validating token: " + untimely(claims, s.now())
	case len(role.Audiences) == 0 && len(audiences) > 0: // before 1.17 only where aud is a list
		return "audience claim found in JWT but no audiences bound to the role"
	}
	for _, name := range slices.Sorted(maps.Keys(role.Claims)) {
		value, has := claims[name]
		switch {
		case !has:
			return fmt.Sprintf("error validating claims: claim %q is missing", name)
		case !slices.ContainsFunc(list(value), func(v any) bool { return slices.Contains(role.Claims[name], fmt.Sprint(v)) }):
			return fmt.Sprintf("error validating claims: claim %q does not match any associated bound claim values", name)
		}
	}
	return ""
}

// untimely is why a token is not good now, with the leeways that Vault has where a
// role sets none: a minute for the clocks, and 150 seconds of life for a token that
// does not say how long it lives.
func untimely(claims map[string]any, at time.Time) string {
	const clocks, life = 60, 150
	now := float64(at.Unix())
	issued, _ := claims["iat"].(float64)
	begins, _ := claims["nbf"].(float64)
	expires, _ := claims["exp"].(float64)
	if issued == 0 && begins == 0 && expires == 0 {
		return "no issued at (iat), not before (nbf), or expiration time (exp) claims in token"
	}
	if expires == 0 {
		expires = max(issued, begins) + life
	}
	if begins == 0 {
		begins = issued
	}
	switch {
	case now+clocks < begins:
		return "invalid not before (nbf) claim: token not yet valid"
	case now-clocks > expires:
		return "invalid expiration time (exp) claim: token is expired"
	case now+clocks < issued:
		return "invalid issued at (iat) claim: token issued in the future"
	}
	return ""
}

func list(v any) []any {
	if out, ok := v.([]any); ok {
		return out
	}
	if v == nil {
		return nil
	}
	return []any{v}
}

// engineOf is the engine that serves a path.
func (s *Server) engineOf(path string) (mount string, e *engine) {
	for mount, e := range s.engines {
		if strings.HasPrefix(path+"/", mount) {
			return mount, e
		}
	}
	return "", nil
}

// mount says which engine serves a path, to whoever may do anything there.
func (s *Server) mount(w http.ResponseWriter, r *http.Request, t *token, path string) {
	if !is(w, r, http.MethodGet) {
		return
	}
	mount, e := s.engineOf(path)
	some := false
	for _, name := range policiesOf(t.Role) {
		some = some || e != nil && slices.ContainsFunc(s.policies[name], func(p string) bool { return strings.HasPrefix(p, mount) })
	}
	if !some {
		refuse(w, http.StatusForbidden, fmt.Sprintf("preflight capability check returned 403, please ensure client's policies grant access to path %q", path+"/"))
		return
	}
	data := map[string]any{"path": mount, "type": "kv", "options": map[string]any{"version": strconv.Itoa(e.version)}}
	switch e.version {
	case 0:
		data["type"], data["options"] = "database", nil
	case 1:
		data["options"] = nil // as of an engine that was mounted before there were two
	}
	s.answer(w, map[string]any{"data": data})
}

func (s *Server) lookup(w http.ResponseWriter, r *http.Request, t *token) {
	if !is(w, r, http.MethodGet) {
		return
	}
	s.answer(w, map[string]any{"data": map[string]any{"accessor": t.accessor, "path": t.path, "policies": policiesOf(t.Role), "ttl": int(t.expires.Sub(s.now()) / time.Second), "expire_time": t.expires.UTC().Format(time.RFC3339Nano), "meta": t.meta}})
}

func (s *Server) renew(w http.ResponseWriter, r *http.Request, text string, t *token) {
	if !writes(w, r) {
		return
	}
	if t.Batch {
		refuse(w, http.StatusBadRequest, "batch tokens cannot be renewed")
		return
	}
	if t.Uses > 0 && t.uses == 0 {
		refuse(w, http.StatusBadRequest, "token not found") // its last use has ended it
		return
	}
	longest := t.MaxTTL
	if longest == 0 {
		longest = 32 * 24 * time.Hour
	}
	ttl := t.TTL
	if ttl == 0 {
		ttl = time.Hour
	}
	t.expires = earlier(s.now().Add(ttl), t.made.Add(longest))
	s.answer(w, map[string]any{"auth": s.auth(text, t)})
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

func (s *Server) renewLease(w http.ResponseWriter, r *http.Request) {
	if !writes(w, r) {
		return
	}
	var in struct {
		ID string `json:"lease_id"`
	}
	if err := json.NewDecoder(r.Body).Decode(&in); err != nil {
		refuse(w, http.StatusBadRequest, "error parsing JSON")
		return
	}
	l := s.leases[in.ID]
	if l == nil || !s.holds(l) {
		refuse(w, http.StatusBadRequest, "lease not found")
		return
	}
	l.expires = s.now().Add(l.engine.ttl)
	s.answer(w, map[string]any{"lease_id": in.ID, "renewable": true, "lease_duration": int(l.expires.Sub(s.now()).Round(time.Second) / time.Second)})
}

func (s *Server) read(w http.ResponseWriter, r *http.Request, text, path string) {
	mount, e := s.engineOf(path)
	rest := strings.TrimPrefix(path, mount)
	if e == nil {
		refuse(w, http.StatusNotFound, fmt.Sprintf("no handler for route %q. route entry not found.", path))
		return
	}
	if !is(w, r, http.MethodGet) {
		return
	}
	if e.version == 2 {
		s.read2(w, r, e, rest)
		return
	}
	versions := e.secrets[rest]
	switch {
	case len(versions) == 0:
		refuse(w, http.StatusNotFound)
	case e.version == 1:
		s.answer(w, map[string]any{"data": versions[0].fields, "lease_duration": 2764800})
	default:
		id := path + "/" + rand.Text()
		l := &lease{text, s.now().Add(e.ttl), e} // what its token has left, Vault does not say
		s.leases[id] = l
		s.answer(w, map[string]any{"data": versions[0].fields, "lease_id": id, "renewable": true, "lease_duration": int(l.expires.Sub(s.now()).Round(time.Second) / time.Second)})
	}
}

func (s *Server) read2(w http.ResponseWriter, r *http.Request, e *engine, rest string) {
	path, data := strings.CutPrefix(rest, "data/")
	versions := e.secrets[path]
	number := len(versions)
	if asked := r.URL.Query().Get("version"); asked != "" && asked != "0" {
		n, err := strconv.Atoi(asked)
		if err != nil {
			refuse(w, http.StatusBadRequest, "Field validation failed: error converting input "+asked+" for field \"version\"")
			return
		}
		number = n
	}
	if !data || number < 1 || number > len(versions) {
		refuse(w, http.StatusNotFound)
		return
	}
	v := versions[number-1]
	metadata := map[string]any{"version": number, "created_time": "2026-11-23T12:00:00.000000001Z", "deletion_time": "", "destroyed": v.destroyed, "custom_metadata": nil}
	if !v.deleted.IsZero() {
		metadata["deletion_time"] = v.deleted.UTC().Format(time.RFC3339Nano)
	}
	if v.destroyed || !v.deleted.IsZero() {
		w.WriteHeader(http.StatusNotFound)
		s.answer(w, map[string]any{"data": map[string]any{"data": nil, "metadata": metadata}})
		return
	}
	s.answer(w, map[string]any{"data": map[string]any{"data": v.fields, "metadata": metadata}})
}
