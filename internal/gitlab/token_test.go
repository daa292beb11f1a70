package gitlab

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"mayfly.internal/internal/vault/vaulttest"
)

func TestSelf(t *testing.T) {
	f := newFake(t)
	token, err := f.client().Self(t.Context())
	if err != nil || token.Name != "Test Token" || !token.MayRotate() || !token.Expires.Equal(time.Date(2026, 12, 23, 0, 0, 0, 0, time.UTC)) || token.Created.Year() != 2026 {
		t.Errorf("%+v %v", token, err)
	}
	for _, body := range []string{`{}`, `null`, `[]`, `{"id":4}`, `{"id":4,"created_at":"2026-10-23T14:31:47.729Z","expires_at":"soon"}`} {
		f.says("/personal_access_tokens/self", body)
		if _, err := f.client().Self(t.Context()); err == nil {
			t.Errorf("%s is a token", body)
		}
	}
}

func write(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

const rotated = `{"id":42,"name":"Rotated Token","revoked":false,"created_at":"2026-11-23T15:00:00.000Z","scopes":["read_api","self_rotate"],"user_id":1337,"active":true,"expires_at":"2027-01-23","token":"glpat-NEW"}`

func TestRotate(t *testing.T) {
	f := newFake(t)
	f.does("/personal_access_tokens/self/rotate", func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodPost || r.URL.Query().Get("expires_at") != "2027-01-22" { // as long as the old one was to live
			t.Errorf("%s %s", r.Method, r.URL)
		}
		status(200, rotated)(w, r)
	})
	path := write(t, canary+"\n")
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(path, link); err != nil {
		t.Fatal(err)
	}
	token, err := TokenSource{File: link}.Rotate(t.Context(), f.client())
	if err != nil || token.Name != "Rotated Token" {
		t.Fatal(token, err)
	}
	text, err := os.ReadFile(path)
	info, _ := os.Stat(path)
	if err != nil || string(text) != "glpat-NEW\n" || info.Mode().Perm() != 0o600 {
		t.Errorf("%q %s %v", text, info.Mode(), err)
	}
	if left, _ := filepath.Glob(filepath.Join(filepath.Dir(path), ".new-*")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

// The token of a project or group rotates itself where its project or group is.
func TestRotateBots(t *testing.T) {
	for user, at := range map[string]string{"project_3_bot_8ef7a6b2": "/projects/3/access_tokens/self/rotate", "group_7_bot": "/groups/7/access_tokens/self/rotate"} {
		f := newFake(t)
		f.does("/personal_access_tokens/self/rotate", status(405, `{"message":"405 Method Not Allowed"}`))
		f.says("/user", `{"id":141,"username":"`+user+`"}`)
		f.does(at, status(201, rotated))
		if value, _, err := f.client().Rotate(t.Context()); err != nil || value.Reveal() != "glpat-NEW" {
			t.Errorf("%s: %v", user, err)
		}
	}
}

// Where anything is wrong, the file holds what it held.
func TestRotateRefuses(t *testing.T) {
	f := newFake(t)
	for name, tt := range map[string]struct {
		source TokenSource
		h      http.HandlerFunc
		want   string
	}{
		"a variable":    {TokenSource{Env: "GITLAB_TOKEN"}, nil, "the token comes from the environment variable GITLAB_TOKEN, which cannot keep a new one: only a token from a file is rotated"},
		"Vault":         {TokenSource{Vault: "secret/data/x#token"}, nil, "the token comes from Vault (secret/data/x#token), which is only read: only a token from a file is rotated"},
		"no file":       {TokenSource{File: "/nonexistent/token"}, nil, "lstat /nonexistent: no such file or directory"},
		"not allowed":   {TokenSource{File: write(t, canary)}, status(403, `{"message":"403 Forbidden"}`), "POST /personal_access_tokens/self/rotate: 403 Forbidden"},
		"no bot's":      {TokenSource{File: write(t, canary)}, status(405, `{}`), "GET /user: 404 Not Found"},
		"garbage":       {TokenSource{File: write(t, canary)}, status(200, `{}`), "POST /personal_access_tokens/self/rotate: the answer is not understood: it holds no token, and the old one may be dead"},
		"once and only": {TokenSource{File: write(t, canary)}, status(500, `{}`), "POST /personal_access_tokens/self/rotate: 500 Internal Server Error"},
	} {
		before := f.asked("POST")
		f.does("/personal_access_tokens/self/rotate", tt.h)
		_, err := tt.source.Rotate(t.Context(), f.client())
		if err == nil || err.Error() != tt.want {
			t.Errorf("%s: %v", name, err)
		}
		if asked := f.asked("POST") - before; asked > 1 || tt.h == nil && asked > 0 {
			t.Errorf("%s: asked %d times", name, asked)
		}
		if text, _ := os.ReadFile(tt.source.File); tt.h != nil && string(text) != canary {
			t.Errorf("%s: the file holds %q", name, text)
		}
	}
	shut := filepath.Dir(write(t, canary))
	if os.Geteuid() != 0 {
		if err := os.Chmod(shut, 0o500); err != nil {
			t.Fatal(err)
		}
		before := f.asked("POST")
		if _, err := (TokenSource{File: filepath.Join(shut, "token")}).Rotate(t.Context(), f.client()); err == nil || f.asked("POST") != before {
			t.Errorf("rotated into a directory that cannot be written: %v", err)
		}
	}
}

func TestLoad(t *testing.T) {
	env := func(name string) string { return map[string]string{"GITLAB_TOKEN": " " + canary + "\n"}[name] }
	for _, s := range []TokenSource{{File: write(t, "\n"+canary+"\n")}, {Env: "GITLAB_TOKEN"}} {
		if got, err := s.Load(t.Context(), env); err != nil || got.Reveal() != canary {
			t.Errorf("%+v: %v", s, err)
		}
	}
	for _, tt := range []struct {
		source TokenSource
		want   string
	}{
		{TokenSource{}, "a token for GitLab comes from a file, an environment variable or Vault: one of the three"},
		{TokenSource{File: "a", Env: "b"}, "a token for GitLab comes from a file, an environment variable or Vault: one of the three"},
		{TokenSource{Env: "glpat-s3cret"}, "the name of the environment variable that holds the token for GitLab is none"},
		{TokenSource{Env: "OTHER"}, "the environment variable OTHER, which should hold the token for GitLab, is not set"},
		{TokenSource{File: "/nonexistent"}, "the token for GitLab: open /nonexistent: no such file or directory"},
		{TokenSource{Vault: "secret/data/x"}, `the token for GitLab, from Vault: "secret/data/x" is no PATH#FIELD, such as secret/ci/gitlab#token`},
		{TokenSource{Vault: "secret/data/x#token"}, "the token for GitLab, from Vault: VAULT_ADDR is not set"},
	} {
		if _, err := tt.source.Load(t.Context(), env); err == nil || err.Error() != tt.want {
			t.Errorf("%+v: %v", tt.source, err)
		}
	}
	for _, text := range []string{"", " \n", strings.Repeat("x", maxTokenFile+1)} {
		if _, err := (TokenSource{File: write(t, text)}).Load(t.Context(), env); err == nil {
			t.Errorf("%.10q is a token", text)
		}
	}
}

func TestVault(t *testing.T) {
	v := vaulttest.New(t)
	v.KV("secret", 2)
	v.KV("old", 1)
	v.Put("secret", "ci x/gitlab", map[string]any{"token": "glpat-V2\n", "n": 1, "none": " "})
	v.Put("old", "gitlab", map[string]any{"token": "glpat-V1"})
	v.Put("secret", "other", map[string]any{"token": "x"})
	v.Policy("ci", "secret/data/ci x/*", "old/gitlab")
	v.InNamespace("team")
	vars := map[string]string{"VAULT_ADDR": v.URL + "/", "VAULT_TOKEN": v.Give("ci"), "VAULT_NAMESPACE": "team", "VAULT_CACERT": v.CAFile()}
	load := func(from string) (string, error) {
		got, err := TokenSource{Vault: from}.Load(t.Context(), func(name string) string { return vars[name] })
		return got.Reveal(), err
	}
	for from, want := range map[string]string{"/secret/ci x/gitlab#token": "glpat-V2", "secret/ci x/gitlab#n": "1", "old/gitlab#token": "glpat-V1"} {
		if got, err := load(from); err != nil || got != want {
			t.Errorf("%s: %s %v", from, got, err)
		}
	}
	refused := func(from, want string) {
		t.Helper()
		if _, err := load(from); err == nil || !strings.HasPrefix(err.Error(), "the token for GitLab, from Vault: ") || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "CANARY") {
			t.Errorf("%s: %v", from, err)
		}
	}
	refused("secret/ci x/gitlab#none", "there is no field none that holds text")
	refused("secret/ci x/gitlab#other", "there is no field other that holds text")
	refused("secret/other#token", "403")
	refused("nowhere/other#token", "403")
	for name, value := range map[string]string{"VAULT_ADDR": "http://vault.example.com", "VAULT_TOKEN": "hvs.CANARY-of-nobody", "VAULT_NAMESPACE": "other", "VAULT_CACERT": write(t, "no certificate")} {
		was := vars[name]
		vars[name] = value
		refused("old/gitlab#token", map[string]string{"VAULT_ADDR": "is not https: no token goes there", "VAULT_TOKEN": "403", "VAULT_NAMESPACE": "40", "VAULT_CACERT": "holds no PEM certificate"}[name])
		vars[name] = was
	}
	for _, name := range []string{"VAULT_ADDR", "VAULT_TOKEN"} {
		was := vars[name]
		vars[name] = ""
		refused("old/gitlab#token", name+" is not set")
		vars[name] = was
	}
}
