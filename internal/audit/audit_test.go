package audit_test

import (
	"crypto/rand"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"

	"mayfly.internal/internal/audit"
)

func event(i int) audit.Event {
	return audit.Event{
		Time: time.Date(2026, 11, 23, 3, 0, i, 5000, time.UTC), Action: "sts:AssumeRoleWithWebIdentity", Outcome: audit.Allowed, Request: fmt.Sprint("r", i), Source: "127.0.0.1",
		Resource: "arn:aws:iam::111122223333:role/deploy", Provider: "arn:aws:iam::111122223333:oidc-provider/gitlab.com", Token: strings.Repeat("0", 64),
		Claims: map[string]string{"sub": "project_path:g/p:ref_type:branch:ref:\";rm -rf /<script>", "project_id": "7"}, Issued: "00ff", As: "arn:aws:sts::111122223333:assumed-role/deploy/s",
		Expires: time.Date(2026, 11, 23, 3, 15, i, 0, time.UTC), Matched: []string{"Branch"}, Detail: map[string]string{"b": "2", "a": "1"},
	}
}

func TestEncodeIsStableAndReversible(t *testing.T) {
	a := event(1).Encode()
	for range 20 {
		if b := event(1).Encode(); string(a) != string(b) {
			t.Fatalf("two encodings differ:\n%s\n%s", a, b)
		}
	}
	if strings.ContainsAny(string(a), "\n<>") {
		t.Errorf("the line holds a line break or markup: %s", a)
	}
	got, err := audit.Decode(a)
	if err != nil || !reflect.DeepEqual(got, event(1)) {
		t.Errorf("decoded %+v, %v", got, err)
	}
}

// A branch may be called anything; what is shown to a person must not steer the
// terminal.
func TestEncodeSteersNoTerminal(t *testing.T) {
	e := event(1)
	e.Detail = map[string]string{"username": "\u009b31m red \x1b[31m \x7f \u202egnp.exe \u2066 \U000e0041 end"}
	line := e.Encode()
	for _, c := range string(line) {
		if c < 0x20 || 0x7f <= c && c <= 0x9f || c == 0x202e || c == 0x2066 || c == 0xe0041 {
			t.Errorf("the line holds %U", c)
		}
	}
	if got, err := audit.Decode(line); err != nil || !reflect.DeepEqual(got, e) {
		t.Errorf("it decodes to %+v, %v", got, err)
	}
}

func log(t *testing.T, n int) (lines [][]byte, checkpoint string, key note.Verifier) {
	t.Helper()
	skey, vkey, err := note.GenerateKey(rand.Reader, "mayfly.test/audit")
	if err != nil {
		t.Fatal(err)
	}
	signer, _ := note.NewSigner(skey)
	key, _ = note.NewVerifier(vkey)
	var tree audit.Tree
	for i := range n {
		line := event(i).Encode()
		lines = append(lines, line)
		if _, err := tree.Append(line); err != nil {
			t.Fatal(err)
		}
	}
	checkpoint, err = tree.Checkpoint(signer)
	if err != nil {
		t.Fatal(err)
	}
	return lines, checkpoint, key
}

func verify(lines [][]byte, checkpoint string, key note.Verifier) (int64, error) {
	var v audit.Verifier
	for _, l := range lines {
		if err := v.Add(l); err != nil {
			return 0, err
		}
	}
	return v.Finish(checkpoint, key)
}

func TestVerify(t *testing.T) {
	for _, n := range []int{0, 1, 2, 3, 7, 8, 33} {
		lines, checkpoint, key := log(t, n)
		if got, err := verify(lines, checkpoint, key); err != nil || got != int64(n) {
			t.Errorf("%d events: %d, %v", n, got, err)
		}
	}
}

func TestVerifyRefuses(t *testing.T) {
	lines, checkpoint, key := log(t, 9)
	_, otherCheckpoint, otherKey := log(t, 9)
	change := func(f func(l [][]byte) [][]byte) [][]byte {
		c := make([][]byte, len(lines))
		for i := range lines {
			c[i] = append([]byte(nil), lines[i]...)
		}
		return f(c)
	}
	for name, tt := range map[string]struct {
		lines      [][]byte
		checkpoint string
		key        note.Verifier
	}{
		"one bit of one event":    {change(func(l [][]byte) [][]byte { l[4][20] ^= 1; return l }), checkpoint, key},
		"the last event removed":  {lines[:8], checkpoint, key},
		"the first event removed": {lines[1:], checkpoint, key},
		"two events swapped":      {change(func(l [][]byte) [][]byte { l[2], l[3] = l[3], l[2]; return l }), checkpoint, key},
		"an event added":          {append(append([][]byte(nil), lines...), lines[0]), checkpoint, key},
		"an event doubled":        {append(append([][]byte(nil), lines[:8]...), lines[7]), checkpoint, key},
		"another server's key":    {lines, checkpoint, otherKey},
		"another server's head":   {lines, otherCheckpoint, key},
		"an edited checkpoint":    {lines[:8], strings.Replace(checkpoint, "\n9\n", "\n8\n", 1), key},
		"no checkpoint":           {lines, "", key},
		"a checkpoint of no tree": {lines, "hello\n", key},
		"no events":               {nil, checkpoint, key},
	} {
		_, err := verify(tt.lines, tt.checkpoint, tt.key)
		if _, ok := errors.AsType[*audit.VerifyError](err); !ok {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestTreeRecovers(t *testing.T) {
	var whole audit.Tree
	stored := map[int64]audit.Hash{}
	for i := range 40 {
		again, err := audit.LoadTree(whole.Size(), func(index int64) (audit.Hash, error) { return stored[index], nil })
		if err != nil {
			t.Fatal(err)
		}
		line := event(i).Encode()
		if _, err := again.Append(line); err != nil {
			t.Fatal(err)
		}
		hashes, err := whole.Append(line)
		if err != nil {
			t.Fatal(err)
		}
		for nth, h := range hashes {
			stored[h.Index] = h.Hash
			if event, at := audit.Place(h.Index); event != int64(i) || at != nth {
				t.Fatalf("hash %d is said to lie with event %d as number %d; it came with event %d as number %d", h.Index, event, at, i, nth)
			}
		}
		a, _ := again.Root()
		b, _ := whole.Root()
		if a != b {
			t.Fatalf("after %d events a recovered tree has another root", i+1)
		}
	}
}

func FuzzDecode(f *testing.F) {
	f.Add(event(1).Encode())
	f.Add([]byte(`{"v":1,"time":"2026-11-23T03:00:00.000000Z","claims":{},"matched":[]}`))
	f.Fuzz(func(t *testing.T, line []byte) {
		e, err := audit.Decode(line)
		if err != nil {
			return
		}
		again := e.Encode()
		if e2, err := audit.Decode(again); err != nil || string(e2.Encode()) != string(again) {
			t.Fatalf("%+v became %+v, %v", e, e2, err)
		}
	})
}

func TestDecodeRefuses(t *testing.T) {
	for _, line := range []string{
		``, `{`, `[]`, `null`, `{}`, `{"v":2,"time":"2026-11-23T03:00:00.000000Z"}`, `{"v":1}`, `{"v":1,"time":"2026-11-23"}`, `{"v":1,"time":"2026-11-23T03:00:00Z"}`,
		`{"v":1,"time":"2026-11-23T03:00:00.000000Z","expires":"soon"}`, `{"v":1,"time":"2026-11-23T03:00:00.000000Z","claims":["a"]}`, `{"v":1,"time":"2026-11-23T03:00:00.000000Z"} {}`,
	} {
		if e, err := audit.Decode([]byte(line)); err == nil || !reflect.DeepEqual(e, audit.Event{}) {
			t.Errorf("%s: %+v, %v", line, e, err)
		}
	}
}

// TestEncodeHostile: whatever an event holds, it is one line of JSON, and its
// times are UTC.
func TestEncodeHostile(t *testing.T) {
	for _, text := range []string{"\n", "\r\n", "\x00", "\xff\xfe", "\u2028\u2029", `","outcome":"allowed`, strings.Repeat("x", 1<<20)} {
		e := audit.Event{Time: time.Date(2026, 11, 23, 4, 0, 0, 0, time.FixedZone("CET", 3600)), Action: text, Outcome: audit.Denied, Resource: text, Detail: map[string]string{text: text}}
		line := e.Encode()
		if strings.ContainsAny(string(line), "\n\r\x00\u2028\u2029") || !strings.HasPrefix(string(line), `{"v":1,"time":"2026-11-23T03:00:00.000000Z",`) {
			t.Errorf("%.20q: %.200s", text, line)
		}
		back, err := audit.Decode(line)
		if err != nil || back.Outcome != audit.Denied || back.Action != strings.ToValidUTF8(text, "\uFFFD\uFFFD") && back.Action != text {
			t.Errorf("%.20q came back as %.20q with %s, %v", text, back.Action, back.Outcome, err)
		}
	}
}

func TestCheckpoint(t *testing.T) {
	skey, _, err := note.GenerateKey(rand.Reader, "mayfly.test/audit")
	if err != nil {
		t.Fatal(err)
	}
	signer, _ := note.NewSigner(skey)
	var tree, other audit.Tree
	for i := range 9 {
		checkpoint, err := tree.Checkpoint(signer)
		if err != nil {
			t.Fatal(err)
		}
		if n, err := audit.CheckpointSize(checkpoint); err != nil || n != int64(i) {
			t.Errorf("it states %d events, %v", n, err)
		}
		if err := tree.States(checkpoint); err != nil {
			t.Errorf("after %d events: %v", i, err)
		}
		if err := other.States(checkpoint); err == nil && i > 0 {
			t.Errorf("the checkpoint of %d events states another log", i)
		}
		line := event(i).Encode()
		for n, t2 := range []*audit.Tree{&tree, &other} {
			if _, err := t2.Append(append(line, byte('0'+n))); err != nil {
				t.Fatal(err)
			}
		}
		if err := tree.States(checkpoint); err == nil {
			t.Errorf("the checkpoint of %d events states %d", i, i+1)
		}
	}
	good, _ := tree.Checkpoint(signer)
	for _, text := range []string{"", "hello", good[:30], strings.Replace(good, "9", "-9", 1), strings.Replace(good, "\n\n", "\n", 1), strings.Replace(good, "go.sum", "other", 1)} {
		if n, err := audit.CheckpointSize(text); err == nil || n != 0 {
			t.Errorf("%q states %d events", text, n)
		}
		if err := tree.States(text); err == nil {
			t.Errorf("%q states the tree", text)
		}
	}
}

func TestLoadTreeRefuses(t *testing.T) {
	gone := errors.New("gone")
	if tree, err := audit.LoadTree(5, func(int64) (audit.Hash, error) { return audit.Hash{}, gone }); !errors.Is(err, gone) || tree != nil {
		t.Errorf("%v, %v", tree, err)
	}
	if tree, err := audit.LoadTree(0, nil); err != nil || tree.Size() != 0 {
		t.Errorf("of nothing: %v, %v", tree, err)
	}
}

// TestCloneLeavesNoTrace: a batch that is not committed is as if it had not
// been.
func TestCloneLeavesNoTrace(t *testing.T) {
	var tree audit.Tree
	for i := range 6 {
		line := event(i).Encode()
		if _, err := tree.Append(line); err != nil {
			t.Fatal(err)
		}
	}
	before, _ := tree.Root()
	tried := tree.Clone()
	for i := range 3 {
		if _, err := tried.Append([]byte{byte(i)}); err != nil {
			t.Fatal(err)
		}
	}
	if after, _ := tree.Root(); after != before || tree.Size() != 6 || tried.Size() != 9 {
		t.Errorf("the tree of %d events has changed", tree.Size())
	}
}

// FuzzFinish feeds a checkpoint nobody signed.
func FuzzFinish(f *testing.F) {
	skey, vkey, err := note.GenerateKey(rand.Reader, "mayfly.test/audit")
	if err != nil {
		f.Fatal(err)
	}
	signer, _ := note.NewSigner(skey)
	key, _ := note.NewVerifier(vkey)
	var tree audit.Tree
	good, _ := tree.Checkpoint(signer)
	f.Add(good)
	f.Add("go.sum database tree\n0\nAAAA\n\n— mayfly.test/audit x\n")
	f.Fuzz(func(t *testing.T, checkpoint string) {
		var v audit.Verifier
		n, err := v.Finish(checkpoint, key)
		if err == nil && (checkpoint != good || n != 0) {
			t.Fatalf("%q verifies", checkpoint)
		}
		if n, err := audit.CheckpointSize(checkpoint); err == nil && n < 0 {
			t.Fatalf("%q states %d events", checkpoint, n)
		}
	})
}
