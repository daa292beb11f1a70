package server

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"mayfly.internal/internal/audit"
	"mayfly.internal/internal/keyset"
)

// clock is a time that a test moves.
type clock struct{ shift atomic.Int64 }

func (c *clock) now() time.Time         { return time.Now().Add(time.Duration(c.shift.Load())) }
func (c *clock) pass(d time.Duration)   { c.shift.Add(int64(d)) }
func (c *clock) in(o *Options)          { o.Now = c.now }
func (w *world) keysFile() string       { return filepath.Join(w.data, "keys", "keyset.json") }
func (w *world) rotate(t *testing.T)    { w.change(t, false) }
func (w *world) tend()                  { w.keys.tend(w.t.Context(), w.Server.log) }
func (w *world) revokeOld(t *testing.T) { w.change(t, true) }

func (w *world) change(t *testing.T, revoke bool) {
	t.Helper()
	if _, err := w.rotateKeys(t.Context(), "0", revoke); err != nil {
		t.Fatal(err)
	}
}

// whoami asks who the credentials are, and gives the code of a refusal.
func (w *world) whoami(a AdminCredentials) string {
	w.t.Helper()
	got := w.send(w.signed(a, "sts", http.MethodPost, "/", "Action=GetCallerIdentity&Version=2011-06-15"))
	if got.status == http.StatusOK {
		return "known"
	}
	return between(got.body, "<Code>", "<")
}

// TestSessionsLiveThroughRotations: a session outlives as many rotations as there
// are in its time, and ends when it says; what its key sealed opens no more once
// the longest session has ended.
func TestSessionsLiveThroughRotations(t *testing.T) {
	var c clock
	w := newWorld(t, c.in)
	w.teach()
	job := w.given(w.exchange(w.job("acme/web", "main"))) // an hour, the server's longest
	for range 3 {
		w.rotate(t)
		if got := w.whoami(job); got != "known" {
			t.Fatal(got)
		}
		c.pass(10 * time.Minute)
	}
	next := w.given(w.exchange(w.job("acme/web", "main")))
	if got := w.whoami(next); got != "known" {
		t.Error("of the new key:", got)
	}
	c.pass(30 * time.Minute)
	if got := w.whoami(job); got != "ExpiredToken" {
		t.Error("at its end:", got)
	}
	if got := w.whoami(next); got != "known" {
		t.Error("of the new key:", got)
	}
	c.pass(keyset.Slack)
	if got := w.whoami(job); got != "InvalidClientTokenId" { // its key has ended, swept or not
		t.Error("behind the overlap:", got)
	}
	before, err := os.ReadFile(w.keysFile())
	if err != nil {
		t.Fatal(err)
	}
	w.tend()
	after, err := os.ReadFile(w.keysFile())
	if err != nil || len(after) >= len(before) {
		t.Errorf("the file had %d bytes and has %d: %v", len(before), len(after), err)
	}
	if got := w.events("mayfly:DropKeys"); len(got) != 1 || got[0].Detail["why"] != keysTended || got[0].Detail["dropped"] == "" {
		t.Errorf("%+v", got)
	}
}

// events are the recorded events of an action.
func (w *world) events(action string) (out []audit.Event) {
	w.t.Helper()
	lines, err := w.db.Audit(w.t.Context(), 0, 10000)
	if err != nil {
		w.t.Fatal(err)
	}
	for _, l := range lines {
		if e, err := audit.Decode(l.Body); err == nil && e.Action == action {
			out = append(out, e)
		}
	}
	return out
}

// TestRevokeOld: what was sealed before opens no more, at once and after a start.
func TestRevokeOld(t *testing.T) {
	w := newWorld(t, nil)
	w.rotate(t)
	if got := w.whoami(w.admin); got != "known" {
		t.Fatal(got)
	}
	w.revokeOld(t)
	if got := w.whoami(w.admin); got != "InvalidClientTokenId" {
		t.Error(got)
	}
	w.admin = w.askAdmin()
	if got := w.whoami(w.admin); got != "known" {
		t.Error("asked anew:", got)
	}
	var why []string
	for _, e := range w.events("mayfly:RotateKeys") {
		why = append(why, e.Detail["why"]+" by "+e.Detail["uid"])
		if e.Outcome != audit.Allowed || e.Detail["made"] == "" {
			t.Errorf("%+v", e)
		}
	}
	if !slices.Equal(why, []string{"asked by 0", "revoked by 0"}) {
		t.Error(why)
	}
}

// TestKeysByAge: a server rotates by itself, also what became old while it was
// stopped.
func TestKeysByAge(t *testing.T) {
	var c clock
	w := newWorld(t, c.in)
	primary := func(s *Server, use keyset.Use) string {
		k, _ := s.keys.inUse.Load().set.Primary(use, c.now())
		return k.ID
	}
	sealing, signing := primary(w.Server, keyset.Sealing), primary(w.Server, keyset.ES256)
	w.tend()
	if primary(w.Server, keyset.Sealing) != sealing {
		t.Error("it was rotated too early")
	}
	c.pass(720 * time.Hour)
	w.tend()
	if primary(w.Server, keyset.Sealing) == sealing || primary(w.Server, keyset.ES256) == signing {
		t.Error("it was not rotated")
	}
	sealing = primary(w.Server, keyset.Sealing)
	c.pass(time.Hour)
	for use, age := range w.keys.ages() {
		if age < time.Hour || age > 2*time.Hour {
			t.Errorf("%s: %s", use, age)
		}
	}
	resp, err := http.Get("http://" + w.scrape.Addr().String() + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if text, err := io.ReadAll(resp.Body); err != nil || !strings.Contains(string(text), `mayfly_key_age_seconds{use="ES256"} 36`) || !strings.Contains(string(text), `mayfly_key_age_seconds{use="sealing"} 36`) {
		t.Errorf("%v %s", err, text)
	}
	w.end()
	c.pass(721 * time.Hour)
	o := Options{Data: w.data}
	c.in(&o)
	s, err := open(t, o)
	if err != nil {
		t.Fatal(err)
	}
	if primary(s, keyset.Sealing) == sealing {
		t.Error("it was not rotated at the start")
	}
}

// stopped is a used data directory, and what its keys sealed.
func stopped(t *testing.T) (dir string, sealed []byte) {
	t.Helper()
	dir = shortDir(t)
	s, err := open(t, Options{Data: dir})
	if err != nil {
		t.Fatal(err)
	}
	if sealed, err = s.keys.Seal([]byte("text"), []byte("ad")); err != nil {
		t.Fatal(err)
	}
	if err := s.close(); err != nil {
		t.Fatal(err)
	}
	return dir, sealed
}

// TestStoppedKeys: without a server the command does the same to the directory,
// and never beside one.
func TestStoppedKeys(t *testing.T) {
	dir, sealed := stopped(t)
	opens := func() error {
		s, err := open(t, Options{Data: dir})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := StoppedKeys(t.Context(), Options{Config: quiet(), Data: dir}, true, false); err == nil || !strings.Contains(err.Error(), "another mayflyd uses") {
			t.Errorf("beside a server: %v", err)
		}
		_, err = s.keys.Open(sealed, []byte("ad"))
		return errors.Join(err, s.close())
	}
	listed, err := StoppedKeys(t.Context(), Options{Config: quiet(), Data: dir}, false, false)
	if err != nil || len(listed.Keys) != 3 || len(listed.Made) > 0 {
		t.Fatalf("%+v %v", listed, err)
	}
	if r, err := StoppedKeys(t.Context(), Options{Config: quiet(), Data: dir}, true, false); err != nil || len(r.Keys) != 5 {
		t.Fatalf("%+v %v", r, err)
	}
	if err := opens(); err != nil {
		t.Error("after a rotation:", err)
	}
	if r, err := StoppedKeys(t.Context(), Options{Config: quiet(), Data: dir}, true, true); err != nil || len(r.Keys) != 3 {
		t.Fatalf("%+v %v", r, err)
	}
	if err := opens(); err == nil {
		t.Error("what was sealed before opens")
	}
}

// TestInterruptedRotation: wherever a rotation ends, the keys of before are there,
// and what it had written is not left lying about.
func TestInterruptedRotation(t *testing.T) {
	dir, sealed := stopped(t)
	path := filepath.Join(dir, "keys", "keyset.json")
	before, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := stageFile(path, []byte("half of a file"), 0o600); err != nil { // and then it was killed
		t.Fatal(err)
	}
	s, err := open(t, Options{Data: dir})
	if err != nil {
		t.Fatal(err)
	}
	s.keys.audit = failing{}
	if _, err := s.rotateKeys(t.Context(), "0", true); err == nil || !strings.Contains(err.Error(), "record the change") {
		t.Errorf("what cannot be recorded was done: %v", err)
	}
	s.keys.audit = s.db
	os.Remove(path)
	if err := os.MkdirAll(filepath.Join(path, "in the way"), 0o700); err != nil {
		t.Fatal(err)
	}
	if _, err := s.rotateKeys(t.Context(), "0", true); err == nil {
		t.Error("what cannot be stored was done")
	}
	if _, err := s.keys.Open(sealed, []byte("ad")); err != nil {
		t.Error("the keys in use changed:", err)
	}
	os.RemoveAll(path)
	if err := os.WriteFile(path, before, 0o600); err != nil {
		t.Fatal(err)
	}
	left, _ := filepath.Glob(filepath.Join(dir, "keys", ".*"))
	if len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
	lines, err := s.db.Audit(t.Context(), 0, 100)
	if err != nil || len(lines) != 2 || !bytes.Contains(lines[1].Body, []byte(`"outcome":"failed","reason":"not stored"`)) {
		t.Errorf("%d events, %v", len(lines), err)
	}
}

// failing is an audit log that cannot be written.
type failing struct{}

func (failing) Record(context.Context, audit.Event) error { return errors.New("the disk is full") }

// TestRotationsAtOnce: none of them loses another's key.
func TestRotationsAtOnce(t *testing.T) {
	w := newWorld(t, nil)
	var wg sync.WaitGroup
	var mu sync.Mutex
	var sealed [][]byte
	for range 8 {
		wg.Go(func() {
			if _, err := w.rotateKeys(t.Context(), "0", false); err != nil {
				t.Error(err)
			}
			text, err := w.keys.Seal([]byte("text"), nil)
			if err != nil {
				t.Error(err)
			}
			mu.Lock()
			defer mu.Unlock()
			sealed = append(sealed, text)
		})
	}
	wg.Wait()
	stored, err := loadKeyring(w.data, w.config.wantedKeys(), w.now)
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range sealed {
		for name, k := range map[string]*keyring{"in use": w.keys, "on disk": stored} {
			if _, err := k.Open(text, nil); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
	if n := len(w.keys.report(keyset.Change{}).Keys); n != 9+3 {
		t.Errorf("%d keys", n)
	}
}

// TestOpenRefuses: what none of the keys sealed.
func TestOpenRefuses(t *testing.T) {
	dir, sealed := stopped(t)
	s, err := open(t, Options{Data: dir})
	if err != nil {
		t.Fatal(err)
	}
	_, foreign := stopped(t)
	changed := bytes.Clone(sealed)
	changed[len(changed)-1]++
	for name, tt := range map[string]struct {
		sealed []byte
		ad     string
	}{
		"nothing": {nil, "ad"}, "four bytes": {sealed[:4], "ad"}, "five bytes": {sealed[:5], "ad"}, "another server's": {foreign, "ad"}, "a byte changed": {changed, "ad"},
		"other data with it": {sealed, "other"}, "another key's id": {append([]byte{1, 0, 0, 0, 0}, sealed[5:]...), "ad"}, "another kind of key": {append([]byte{0}, sealed[1:]...), "ad"},
	} {
		if out, err := s.keys.Open(tt.sealed, []byte(tt.ad)); err == nil || out != nil {
			t.Errorf("%s opens", name)
		}
	}
	if out, err := s.keys.Open(sealed, []byte("ad")); err != nil || string(out) != "text" {
		t.Errorf("%s %v", out, err)
	}
}

// TestKeysOverTheSocket: the socket rotates and lists, and shows no secret; nobody
// rotates by the address that everybody reaches.
func TestKeysOverTheSocket(t *testing.T) {
	w := newWorld(t, nil)
	hc := http.Client{Transport: &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", w.SocketPath())
	}}}
	ask := func(method, path string) (int, string) {
		req, err := http.NewRequest(method, "http://mayflyd"+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := hc.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		return resp.StatusCode, string(body)
	}
	for _, tt := range []struct {
		method, path string
		want         int
	}{{"GET", "/keys", 200}, {"POST", "/keys/rotate", 200}, {"POST", "/keys/renew", 200}, {"GET", "/keys/rotate", 405}, {"POST", "/keys", 405}, {"POST", "/keys/", 404}, {"POST", "/keys/revoke", 404}} {
		status, body := ask(tt.method, tt.path)
		if status != tt.want {
			t.Errorf("%s %s: %d %s", tt.method, tt.path, status, body)
		}
		for _, k := range w.keys.inUse.Load().set.Keys() {
			if strings.Contains(body, k.Material.Reveal()) {
				t.Errorf("%s %s shows a key", tt.method, tt.path)
			}
		}
		if got := w.send(w.request(tt.method, tt.path, "")); got.status != http.StatusNotFound {
			t.Errorf("the public address answers %s %s: %d", tt.method, tt.path, got.status)
		}
	}
}
