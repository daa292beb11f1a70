package cli

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestReport: what an error says is shown and not obeyed, and none of its lines
// looks like one of ours.
func TestReport(t *testing.T) {
	for name, tt := range map[string]struct {
		err    error
		status int
		want   string
	}{
		"a fact":            {errors.New("no"), 1, "mayfly: error: no\n"},
		"further lines":     {errors.New("no\nmayfly: hint: run this"), 1, "mayfly: error: no\n  mayfly: hint: run this\n"},
		"a terminal's word": {errors.New("open \x1b]0;t\x07\u009b2J\r: no"), 1, "mayfly: error: open \ufffd]0;t\ufffd\ufffd2J : no\n"},
		"in a hint":         {hint(errors.New("no"), "ask \x1b[2J\n"), 1, "mayfly: error: no\nmayfly: hint: ask \ufffd[2J\n  \n"},
		"a program's own":   {&exitError{127, errors.New("\x1b cannot be run")}, 127, "mayfly: error: \ufffd cannot be run\n"},
		"all is said":       {&statusError{7}, 7, ""},
		"nothing":           {nil, 0, ""},
	} {
		var said bytes.Buffer
		if status := Report("mayfly", tt.err, &said); status != tt.status || said.String() != tt.want {
			t.Errorf("%s: %d, %q", name, status, said.String())
		}
	}
}

// Where the output cannot be written, nothing was said, and no command ends as if it
// was.
func TestOutputThatFails(t *testing.T) {
	trust := filepath.Join(t.TempDir(), "trust.json")
	policy := `{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"Federated": "arn:aws:iam::111122223333:oidc-provider/gitlab.com"},
		"Action": "sts:AssumeRoleWithWebIdentity", "Condition": {"StringLike": {"gitlab.com:sub": "project_path:acme/web:ref_type:branch:ref:*"}}}]}`
	if err := os.WriteFile(trust, []byte(policy), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{"diff", trust, trust}, {"diff", trust, trust, "-o", "json"}, {"who-can", "--policy", trust}, {"lint", trust},
		{"prove", "--policy", trust}, {"prove", "--policy", trust, "-o", "sarif"}} {
		var said strings.Builder
		if status := Main(t.Context(), args, strings.NewReader(""), &full{}, &said); status != 1 || !strings.HasPrefix(said.String(), "mayfly: error: ") || !strings.HasSuffix(said.String(), "no space left\n") {
			t.Errorf("%v ends with %d: %s", args, status, said.String())
		}
	}
}
