package chain

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/aws-sdk-go-v2/service/iam"

	"mayfly.internal/internal/fakeissuer"
	"mayfly.internal/internal/jwt"
	"mayfly.internal/internal/lab"
	"mayfly.internal/internal/labgitlab"
	"mayfly.internal/internal/secret"
	"mayfly.internal/internal/vault"
	"mayfly.internal/internal/vault/vaulttest"
)

const vaultExample = "../../examples/gitlab-to-vault"

// realVault is a real Vault; testenv/vault/build.sh makes the program.
type realVault struct {
	t       *testing.T
	program string
	URL     string `json:"url"`
	CAFile  string `json:"caFile"`
	Root    string `json:"root"`
}

// newVault starts one, which trusts the certificates of a file as the system's.
func newVault(t *testing.T, roots string) *realVault {
	t.Helper()
	v := &realVault{t: t, program: os.Getenv("MAYFLY_VAULT")}
	if v.program == "" {
		t.Skip("MAYFLY_VAULT names no program: run make test-outsiders")
	}
	cmd := exec.CommandContext(t.Context(), v.program, "server", "-ca-file", filepath.Join(t.TempDir(), "vault-ca.pem"))
	cmd.Env = []string{"SSL_CERT_FILE=" + roots, "HOME=" + t.TempDir()}
	var log bytes.Buffer
	cmd.Stderr = &log
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		in.Close()
		cmd.Wait()
		if t.Failed() {
			t.Logf("Vault's log:\n%s", tail(log.String(), 40))
		}
	})
	line, err := bufio.NewReader(out).ReadBytes('\n')
	if err == nil {
		err = json.Unmarshal(line, v)
	}
	if err != nil {
		t.Fatalf("Vault does not start: %v\n%s", err, log.String())
	}
	return v
}

// ask asks Vault as its root.
func (v *realVault) ask(method, path string, in any) (status int, body string) {
	v.t.Helper()
	raw, err := json.Marshal(in)
	if err != nil {
		v.t.Fatal(err)
	}
	req, err := http.NewRequestWithContext(v.t.Context(), method, v.URL+"/v1/"+path, bytes.NewReader(raw))
	if err != nil {
		v.t.Fatal(err)
	}
	req.Header.Set("X-Vault-Token", v.Root)
	tc, err := lab.Trust(v.CAFile)
	if err != nil {
		v.t.Fatal(err)
	}
	c := http.Client{Transport: &http.Transport{TLSClientConfig: tc, DisableKeepAlives: true}}
	resp, err := c.Do(req)
	if err != nil {
		v.t.Fatal(err)
	}
	defer resp.Body.Close()
	out, err := io.ReadAll(resp.Body)
	if err != nil {
		v.t.Fatal(err)
	}
	return resp.StatusCode, string(out)
}

// must is ask of what must succeed.
func (v *realVault) must(method, path string, in any) string {
	v.t.Helper()
	status, body := v.ask(method, path, in)
	if status != 200 && status != 204 {
		v.t.Fatalf("%s %s: %d %s", method, path, status, body)
	}
	return body
}

// alive is how many tokens there are besides the root's.
func (v *realVault) alive() int {
	v.t.Helper()
	var list struct{ Data struct{ Keys []string } }
	if err := json.Unmarshal([]byte(v.must("LIST", "auth/token/accessors", nil)), &list); err != nil {
		v.t.Fatal(err)
	}
	return len(list.Data.Keys) - 1
}

// gone demands that an accessor is that of no token.
func (v *realVault) gone(accessor string) {
	v.t.Helper()
	if status, body := v.ask(http.MethodPost, "auth/token/lookup-accessor", map[string]string{"accessor": accessor}); status == 200 || !strings.Contains(body, "invalid accessor") || accessor == "" {
		v.t.Errorf("the accessor %q is looked up: %d %s", accessor, status, body)
	}
}

// operator runs the commands of a section of docs/vault.md, with the lab's own
// addresses and names in place of the page's.
func (v *realVault) operator(w world, heading string, env ...string) string {
	v.t.Helper()
	page, err := os.ReadFile("../../docs/vault.md")
	if err != nil {
		v.t.Fatal(err)
	}
	_, section, found := strings.Cut(string(page), "\n## "+heading+"\n")
	section, _, _ = strings.Cut(section, "\n## ")
	if !found || !strings.Contains(section, "```sh\n") {
		v.t.Fatalf("docs/vault.md has no commands under %q", heading)
	}
	dir := v.t.TempDir()
	mine := strings.NewReplacer("https://gitlab.example.com", w.State.GitLabURL(), "https://mayfly.example.com", w.State.MayflyURL(), "ACCOUNT_ID", w.account)
	files, err := filepath.Glob(vaultExample + "/my-app.hcl")
	more, _ := filepath.Glob(vaultExample + "/*.json")
	if err != nil || len(files) != 1 || len(more) == 0 {
		v.t.Fatalf("%v %v", files, more)
	}
	for _, file := range append(files, more...) {
		text, err := os.ReadFile(file)
		if err == nil {
			err = os.WriteFile(filepath.Join(dir, filepath.Base(file)), []byte(mine.Replace(string(text))), 0o600)
		}
		if err != nil {
			v.t.Fatal(err)
		}
	}
	for name, target := range map[string]string{"gitlab-ca.crt": w.GitLabCA(), "mayfly-ca.pem": filepath.Join(w.DataDir(), "ca.pem"), "vault": v.program, "aws": filepath.Join(w.Dir, "bin", "aws")} {
		if err := os.Symlink(target, filepath.Join(dir, name)); err != nil {
			v.t.Fatal(err)
		}
	}
	out := ""
	for _, block := range strings.Split(section, "```sh\n")[1:] {
		commands, _, _ := strings.Cut(block, "```")
		cmd := exec.CommandContext(v.t.Context(), "sh", "-euc", mine.Replace(commands))
		cmd.Dir = dir
		cmd.Env = append([]string{"PATH=" + dir + ":" + os.Getenv("PATH"), "HOME=" + dir, "VAULT_ADDR=" + v.URL, "VAULT_CACERT=" + v.CAFile, "VAULT_TOKEN=" + v.Root}, env...)
		text, err := cmd.CombinedOutput()
		if err != nil {
			v.t.Fatalf("%s: %v\n%s", commands, err, text)
		}
		out += string(text)
	}
	return out
}

// newVaultWorld is a lab of the example, and a Vault that is set up as the page says.
func newVaultWorld(t *testing.T) (world, *realVault) {
	t.Helper()
	if os.Getenv("MAYFLY_VAULT") == "" {
		t.Skip("MAYFLY_VAULT names no program: run make test-outsiders")
	}
	w := worldOf(t, newLabOf(t, filepath.Join(vaultExample, "world.yaml"), filepath.Join(t.TempDir(), "lab"), false))
	if err := os.Symlink(w.Mayfly, filepath.Join(w.Dir, "bin", "mayfly")); err != nil { // as in a job's image
		t.Fatal(err)
	}
	v := newVault(t, filepath.Join(w.DataDir(), "ca.pem"))
	v.operator(w, "Set up: the secret")
	return w, v
}

const vaultProject = "my_group/my-app"

// pipeline runs one of the example's project, and gives its log.
func (v *realVault) pipeline(w world, project, ref string) (ok bool, log string) {
	v.t.Helper()
	var out strings.Builder
	report, err := w.RunPipeline(v.t.Context(), labgitlab.PipelineRequest{Project: project, Ref: ref, RefType: "branch",
		InstanceVariables: []labgitlab.Variable{{Key: "VAULT_ADDR", Value: v.URL}, {Key: "VAULT_CACERT", Value: v.CAFile}}}, &out)
	if err != nil {
		v.t.Fatalf("%v\n%s", err, out.String())
	}
	return report.Status == labgitlab.PipelineSuccess, out.String()
}

// TestVaultJob: a job of the protected branch reads the secret that it may, its
// neighbours do not, it is refused another, and no token of it is left.
func TestVaultJob(t *testing.T) {
	w, v := newVaultWorld(t)
	v.operator(w, "Set up: GitLab's token")
	v.must(http.MethodPost, "kv/data/other/db", map[string]any{"data": map[string]string{"password": "other-CANARY"}})
	const password = "correct-horse-battery-staple"

	ok, log := v.pipeline(w, vaultProject, "production")
	if !ok || !strings.Contains(log, fmt.Sprintf("migrating as app, with a password of %d characters", len(password))) || strings.Contains(log, password) {
		t.Errorf("the protected branch: %s", log)
	}
	for _, tt := range []struct{ project, ref, want string }{
		{vaultProject, "feature-1", `claim "ref`},
		{"my_group/my-app-fork", "production", `claim "project_id" does not match any associated bound claim values`},
	} {
		if ok, log := v.pipeline(w, tt.project, tt.ref); ok || !strings.Contains(log, "mayfly: error: log in at auth/jwt as my-app: 400 Bad Request: error validating claims: "+tt.want) {
			t.Errorf("%s of %s: %s", tt.ref, tt.project, log)
		}
	}
	if n := v.alive(); n != 0 {
		t.Fatalf("%d tokens are alive", n)
	}
	page, err := os.ReadFile("../../docs/vault.md")
	file, ciErr := os.ReadFile(filepath.Join(vaultExample, "project", ".gitlab-ci.yml"))
	if _, job, found := strings.Cut(string(file), "\nmigrate:\n"); err != nil || ciErr != nil || !found || !strings.Contains(string(page), "```yaml\nmigrate:\n"+job+"```\n") {
		t.Errorf("the page's job is not the example's: %v, %v", err, ciErr)
	}

	job := v.job(t, w, ofVault())
	if out, err := job("vault", "read", "kv/other/db"); err == nil || !strings.Contains(err.Error(), "mayfly: error: read kv/other/db: 403 Forbidden: permission denied") || strings.Contains(out, "CANARY") {
		t.Errorf("another secret: %s%v", out, err)
	}
	if out, err := job("vault", "read", "kv/my-app/db", "--field", "password"); err != nil || out != password {
		t.Errorf("its own: %q, %v", out, err)
	}
	out, err := job("vault", "login", "-o", "json")
	var grant struct{ Accessor, Path string }
	if err != nil || json.Unmarshal([]byte(out), &grant) != nil || grant.Path != "auth/jwt/login" {
		t.Errorf("login: %s%v", out, err)
	}
	v.gone(grant.Accessor)

	// With the token, which lives as long as the program, however that ends.
	for name, script := range map[string]string{
		"it succeeds": "exit 0", "it fails": "exit 3", "it is ended": "kill -TERM $$", "mayfly is asked to end": "kill -TERM $PPID; while :; do sleep 0.05; done",
	} {
		file := filepath.Join(t.TempDir(), "token")
		_, err := job("vault", "exec", "--with-token", "--file", "KEY=kv/my-app/db#password", "--", "sh", "-c", `printf %s "$VAULT_TOKEN" > `+file+`; test "$(cat "$KEY")" = `+password+" || exit 1; "+script)
		token, readErr := os.ReadFile(file)
		status := -1
		if e, ok := errors.AsType[*exec.ExitError](err); ok {
			status = e.ExitCode()
		}
		if want := map[string]int{"it succeeds": -1, "it fails": 3, "it is ended": 143, "mayfly is asked to end": 143}[name]; status != want || readErr != nil || !strings.HasPrefix(string(token), "hvs.") {
			t.Errorf("%s: %v, %v", name, err, readErr)
		}
		if status, body := v.ask(http.MethodPost, "auth/token/lookup", map[string]string{"token": string(token)}); status != 403 && status != 404 {
			t.Errorf("%s: the token is looked up: %d %s", name, status, body)
		}
	}
	if n := v.alive(); n != 0 {
		t.Errorf("%d tokens are alive", n)
	}
	if left, err := os.ReadDir(filepath.Join(w.Dir, "tmp")); err != nil || len(left) != 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

// ofVault is a pipeline of the example's protected branch.
func ofVault() labgitlab.PipelineRequest {
	return labgitlab.PipelineRequest{Project: vaultProject, Ref: "production", RefType: "branch"}
}

// job runs mayfly as a fresh job.
func (v *realVault) job(t *testing.T, w world, request labgitlab.PipelineRequest) func(args ...string) (string, error) {
	t.Helper()
	token, tmp := w.tokenNamed(t, request, "VAULT_ID_TOKEN"), filepath.Join(w.Dir, "tmp")
	if err := os.MkdirAll(tmp, 0o700); err != nil {
		t.Fatal(err)
	}
	return func(args ...string) (string, error) {
		return w.Run(t.Context(), map[string]string{"VAULT_ID_TOKEN": token, "VAULT_ADDR": v.URL, "VAULT_CACERT": v.CAFile, "VAULT_ROLE": "my-app", "TMPDIR": tmp, "MAYFLY_SERVER": w.State.MayflyURL(), "AWS_CA_BUNDLE": filepath.Join(w.DataDir(), "ca.pem")}, w.Mayfly, args...)
	}
}

// TestVaultFake: package vaulttest says what a real Vault says.
func TestVaultFake(t *testing.T) {
	real, fake := newVault(t, os.DevNull), vaulttest.New(t)
	issuer := fakeissuer.New(t)
	public, err := x509.MarshalPKIXPublicKey(issuer.PrivateKey(jwt.RS256).Public())
	if err != nil {
		t.Fatal(err)
	}
	const audience = "https://vault.example.com"
	real.must(http.MethodPost, "sys/auth/jwt", map[string]any{"type": "jwt"})
	real.must(http.MethodPost, "auth/jwt/config", map[string]any{"bound_issuer": issuer.URL, "jwt_validation_pubkeys": []string{string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: public}))}})
	fake.Trust("jwt", issuer.URL, issuer.KeySet())
	for mount, version := range map[string]int{"kv": 2, "old": 1} {
		real.must(http.MethodPost, "sys/mounts/"+mount, map[string]any{"type": "kv", "options": map[string]string{"version": fmt.Sprint(version)}})
		fake.KV(mount, version)
	}
	real.must(http.MethodPost, "sys/mounts/lent", map[string]any{"type": "leased"})
	real.must(http.MethodPost, "lent/creds", map[string]string{"password": "lent", "ttl": "1h"})
	fake.Lend("lent", "creds", map[string]any{"password": "lent", "ttl": "1h"}, time.Hour)
	real.must(http.MethodPut, "sys/policies/acl/my-app", map[string]string{"policy": `path "kv/data/my-app/*" {capabilities=["read"]} path "old/my-app/*" {capabilities=["read"]} path "lent/creds" {capabilities=["read"]}`})
	fake.Policy("my-app", "kv/data/my-app/*", "old/my-app/*", "lent/creds")
	role := func(name string, fields map[string]any, r vaulttest.Role) {
		all := map[string]any{"role_type": "jwt", "user_claim": "project_id", "token_policies": []string{"my-app"}, "token_ttl": "20m", "token_max_ttl": "1h"}
		for k, v := range fields {
			all[k] = v
		}
		real.must(http.MethodPost, "auth/jwt/role/"+name, all)
		r.Policies, r.TTL, r.MaxTTL = []string{"my-app"}, 20*time.Minute, time.Hour
		fake.Role("jwt", name, r)
	}
	bound := map[string]any{"ref": "main"}
	role("my-app", map[string]any{"bound_audiences": audience, "bound_claims": bound}, vaulttest.Role{Audiences: []string{audience}, Claims: map[string][]string{"ref": {"main"}}})
	role("no-audience", map[string]any{"bound_claims": bound}, vaulttest.Role{Claims: map[string][]string{"ref": {"main"}}})
	role("batch", map[string]any{"bound_audiences": audience, "token_type": "batch"}, vaulttest.Role{Audiences: []string{audience}, Batch: true})
	role("bare", map[string]any{"bound_audiences": audience, "token_no_default_policy": true}, vaulttest.Role{Audiences: []string{audience}, NoDefault: true})
	role("twice", map[string]any{"bound_audiences": audience, "token_num_uses": 2}, vaulttest.Role{Audiences: []string{audience}, Uses: 2})
	time.Sleep(2 * time.Second) // an engine of version 2 is made ready
	for _, path := range []string{"my-app/db", "other/db", "my-app/gone"} {
		for _, value := range []string{"first", "second"} {
			real.must(http.MethodPost, "kv/data/"+path, map[string]any{"data": map[string]any{"password": value, "port": 5432}})
			fake.Put("kv", path, map[string]any{"password": value, "port": 5432})
		}
		real.must(http.MethodPost, "old/"+path, map[string]any{"password": "old"})
		fake.Put("old", path, map[string]any{"password": "old"})
	}
	real.must(http.MethodPost, "kv/destroy/my-app/gone", map[string]any{"versions": []int{1}})
	real.must(http.MethodPost, "kv/delete/my-app/gone", map[string]any{"versions": []int{2}})
	fake.Delete("kv", "my-app/gone", 1, true)
	fake.Delete("kv", "my-app/gone", 2, false)

	connect := func(url, caFile string) *vault.Client {
		tc, err := lab.Trust(caFile)
		if err != nil {
			t.Fatal(err)
		}
		c, err := vault.New(vault.Config{URL: url, Roots: tc.RootCAs})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(c.Close)
		return c
	}
	clients := []*vault.Client{connect(real.URL, real.CAFile), connect(fake.URL, fake.CAFile())}
	token := func(change map[string]any) secret.String {
		claims := fakeissuer.JobClaims(audience, "acme/web", "main")
		claims["iss"], claims["iat"], claims["exp"] = issuer.URL, time.Now().Unix(), time.Now().Add(time.Hour).Unix()
		for name, value := range change {
			if claims[name] = value; value == nil {
				delete(claims, name)
			}
		}
		return secret.New(issuer.Token(claims))
	}
	// same asks both, and demands one answer.
	same := func(name string, ask func(*vault.Client) string) {
		t.Helper()
		if a, b := ask(clients[0]), ask(clients[1]); a != b {
			t.Errorf("%s:\nreal %s\nfake %s", name, a, b)
		} else {
			t.Logf("%s: %s", name, a)
		}
	}
	ctx := t.Context()
	grant := func(s *vault.Session, err error) string {
		if err != nil {
			return err.Error()
		}
		a := s.Auth()
		return fmt.Sprintf("%v %s %v batch %v uses %d %v", a.Policies, a.TTL, a.Renewable, a.Batch, a.Uses, a.Metadata)
	}
	other := fakeissuer.New(t)
	for _, tt := range []struct {
		name, mount, role string
		token             secret.String
	}{
		{"good", "jwt", "my-app", token(nil)},
		{"a role in capitals", "jwt", "My-App", token(nil)},
		{"a batch token", "jwt", "batch", token(nil)},
		{"without the policy default", "jwt", "bare", token(nil)},
		{"two uses", "jwt", "twice", token(nil)},
		{"another branch", "jwt", "my-app", token(map[string]any{"ref": "dev"})},
		{"no branch", "jwt", "my-app", token(map[string]any{"ref": nil})},
		{"another audience", "jwt", "my-app", token(map[string]any{"aud": "mayfly"})},
		{"no audience", "jwt", "my-app", token(map[string]any{"aud": nil})},
		{"two audiences", "jwt", "my-app", token(map[string]any{"aud": []string{"mayfly", audience}})},
		{"another issuer", "jwt", "my-app", token(map[string]any{"iss": issuer.URL + "/"})},
		{"expired", "jwt", "my-app", token(map[string]any{"exp": time.Now().Add(-90 * time.Second).Unix()})},
		{"expired, as clocks may differ", "jwt", "my-app", token(map[string]any{"exp": time.Now().Add(-30 * time.Second).Unix()})},
		{"from the future", "jwt", "my-app", token(map[string]any{"iat": time.Now().Add(90 * time.Second).Unix(), "nbf": time.Now().Unix()})},
		{"not yet", "jwt", "my-app", token(map[string]any{"nbf": time.Now().Add(90 * time.Second).Unix()})},
		{"of no length", "jwt", "my-app", token(map[string]any{"exp": nil})},
		{"of no time", "jwt", "my-app", token(map[string]any{"exp": nil, "iat": nil, "nbf": nil})},
		{"no audience bound", "jwt", "no-audience", token(map[string]any{"aud": []string{audience}})}, // of a single aud, Vault before 1.17 lets each in
		{"another key", "jwt", "my-app", secret.New(other.Token(map[string]any{"iss": issuer.URL, "aud": audience, "ref": "main", "exp": time.Now().Add(time.Hour).Unix()}))},
		{"no such role", "jwt", "none", token(nil)},
		{"no role", "jwt", "", token(nil)},
		{"no such method", "none", "my-app", token(nil)},
	} {
		same(tt.name, func(c *vault.Client) string { return grant(c.Login(ctx, tt.mount, tt.role, tt.token)) })
	}
	session := func(c *vault.Client, role string) *vault.Session {
		t.Helper()
		s, err := c.Login(ctx, "jwt", role, token(nil))
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	for _, tt := range []struct {
		path    string
		version int64
	}{{"kv/my-app/db", 0}, {"kv/my-app/db", 1}, {"kv/my-app/db", 3}, {"kv/my-app/none", 0}, {"kv/my-app/gone", 1}, {"kv/other/db", 0}, {"kv/data/my-app/db", 0}, {"kv", 0}, {"old/my-app/db", 0}, {"old/my-app/db", 1},
		{"old/my-app/none", 0}, {"old/other/db", 0}, {"none/a", 0}, {"kv/my-app/a b", 0}} {
		same(fmt.Sprintf("read %s, version %d", tt.path, tt.version), func(c *vault.Client) string {
			got, err := session(c, "my-app").Read(ctx, tt.path, tt.version)
			text := fmt.Sprintf("%v, version %d, leased %v:", err, got.Version, got.Leased())
			for _, f := range got.Fields() {
				text += " " + f.Name + "=" + f.JSON.Reveal()
			}
			return text
		})
	}
	same("deleted", func(c *vault.Client) string {
		_, err := session(c, "my-app").Read(ctx, "kv/my-app/gone", 2)
		gone, ok := errors.AsType[*vault.GoneError](err)
		return fmt.Sprintf("%v %v", ok, ok && gone.Version == 2 && gone.Deleted != "" && !gone.Destroyed)
	})
	var ended []vault.Lease
	same("a lease", func(c *vault.Client) string {
		s := session(c, "my-app")
		got, err := s.Read(ctx, "lent/creds", 0)
		if err != nil {
			return err.Error()
		}
		text := fmt.Sprintf("leased %v %v %v", got.Leased(), got.Lease.TTL.Round(time.Minute), got.Lease.Renewable)
		ttl, err := s.RenewLease(ctx, got.Lease)
		text += fmt.Sprintf("; %v %v", ttl.Round(time.Minute), err)
		text += fmt.Sprintf("; %v", s.Revoke(ctx))
		_, err = session(c, "my-app").RenewLease(ctx, got.Lease)
		ended = append(ended, got.Lease)
		return text + fmt.Sprintf("; %v", err)
	})
	if status, body := real.ask(http.MethodPut, "sys/leases/lookup", map[string]string{"lease_id": ended[0].ID.Reveal()}); status != 400 || !strings.Contains(body, "invalid lease") {
		t.Errorf("the lease of a token that is revoked: %d %s", status, body)
	}
	for _, name := range []string{"my-app", "bare", "batch", "twice"} {
		same("the life of "+name, func(c *vault.Client) string {
			s := session(c, name)
			look, err := s.Lookup(ctx)
			text := fmt.Sprintf("%v %s %v %v", look.Policies, look.Path, look.TTL.Round(time.Minute), err)
			ttl, err := s.Renew(ctx)
			text += fmt.Sprintf("; %v %v", ttl, err)
			text += fmt.Sprintf("; %v", s.Revoke(ctx))
			_, err = s.Lookup(ctx)
			return text + fmt.Sprintf("; %v", err)
		})
	}
}

// TestVaultToken: with a token of Mayfly's own, for which Mayfly's role is asked, the
// example's job reads its secret; another role's does not, nor the ID token itself.
func TestVaultToken(t *testing.T) {
	w, v := newVaultWorld(t)
	w.teachVault(t, "my-app", "other")
	env, err := w.AdminEnv(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var list []string
	for name, value := range env {
		list = append(list, name+"="+value)
	}
	v.operator(w, "Set up: Mayfly's token", list...)
	policy := `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"mayfly:IssueToken","Resource":"*"}}`
	if _, err := iam.NewFromConfig(w.config).PutRolePolicy(t.Context(), &iam.PutRolePolicyInput{RoleName: aws.String("other"), PolicyName: aws.String("any"), PolicyDocument: &policy}); err != nil {
		t.Fatal(err)
	}
	job := v.job(t, w, ofVault())
	for _, tt := range []struct {
		name, want string // of standard error; empty: it reads
		args       []string
	}{
		{"as the page has it", "", []string{"--role", "my-app", "--audience", "https://vault.example.com"}},
		{"another role", `claim "roles" does not match any associated bound claim values`, []string{"--role", "other", "--audience", "https://vault.example.com"}},
		{"another audience", "invalid_target", []string{"--role", "my-app", "--audience", "https://other.example.com"}},
		{"another audience of a role that may", "invalid audience (aud) claim", []string{"--role", "other", "--audience", "https://other.example.com"}},
		{"the ID token", "error verifying token signature", nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			args := append([]string{"vault", "exec", "--auth-path", "mayfly", "--id-token-env", "VAULT_ID_TOKEN", "--secret", "DB=kv/my-app/db"}, tt.args...)
			out, err := job(append(args, "--", "printenv", "DB_USER")...)
			if tt.want == "" && (err != nil || out != "app\n") || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
				t.Errorf("%q %v", out, err)
			}
		})
	}
	if n := v.alive(); n != 0 {
		t.Errorf("%d tokens are alive", n)
	}
}

// teachVault registers the lab's GitLab for Vault's audience, and roles that trust
// the example's protected branch.
func (w world) teachVault(t *testing.T, roles ...string) {
	t.Helper()
	if _, err := iam.NewFromConfig(w.config).CreateOpenIDConnectProvider(t.Context(), &iam.CreateOpenIDConnectProviderInput{Url: aws.String(w.State.GitLabURL()), ClientIDList: []string{"https://vault.example.com"}}); err != nil {
		t.Fatal(err)
	}
	for _, name := range roles {
		w.makeRole(t, name, w.trustVault())
	}
}

func (w world) trustVault() string {
	return strings.ReplaceAll(w.trust("StringLike", "project_path:"+vaultProject+":ref_type:branch:ref:production"), "gitlab-aws-deploy", "https://vault.example.com")
}

// TestVaultAWS: Vault's AWS auth method believes Mayfly's STS: a job's session logs
// in, and what is next to it does not.
func TestVaultAWS(t *testing.T) {
	w, v := newVaultWorld(t)
	w.teachVault(t, "gitlab-deployer", "gitlab-other")
	credentials := func(role string) aws.Credentials {
		t.Helper()
		out, err := w.exchange(t, w.role(role), w.tokenNamed(t, ofVault(), "VAULT_ID_TOKEN"))
		if err != nil {
			t.Fatal(err)
		}
		return aws.Credentials{AccessKeyID: *out.Credentials.AccessKeyId, SecretAccessKey: *out.Credentials.SecretAccessKey, SessionToken: *out.Credentials.SessionToken}
	}
	job := credentials("gitlab-deployer")
	out := v.operator(w, "Set up: Vault's AWS auth method", "AWS_ACCESS_KEY_ID="+job.AccessKeyID, "AWS_SECRET_ACCESS_KEY="+job.SecretAccessKey, "AWS_SESSION_TOKEN="+job.SessionToken)
	if !strings.Contains(out, "hvs.") {
		t.Errorf("vault login: %s", out)
	}

	good := callerIdentity{credentials: job, host: "sts.amazonaws.com", body: "Action=GetCallerIdentity&Version=2011-06-15", serverID: "vault.example.com", at: time.Now()}
	other := credentials("gitlab-other")
	made := credentials("gitlab-deployer")
	for _, tt := range []struct {
		name   string
		change func(*callerIdentity)
		want   string // of Vault's words; empty: it logs in
	}{
		{"as it is", func(*callerIdentity) {}, ""},
		{"signed for a region's STS", func(c *callerIdentity) { c.host, c.region = "sts.eu-central-1.amazonaws.com", "eu-central-1" }, ""},
		{"signed for Mayfly's own name", func(c *callerIdentity) { c.host = strings.TrimPrefix(w.State.MayflyURL(), "https://") }, ""},
		{"another session of the role", func(c *callerIdentity) { c.credentials = made }, ""},
		{"another role", func(c *callerIdentity) { c.credentials = other }, "IAM Principal \"arn:aws:sts::" + w.account + ":assumed-role/gitlab-other/GitLabRunner-1\" does not belong to the role \"my-app\""},
		{"the administrator", func(c *callerIdentity) { c.credentials = w.credentials(t) }, "does not belong to the role"},
		{"a body that was not signed", func(c *callerIdentity) { c.sent = c.body + "&" }, "SignatureDoesNotMatch"},
		{"another action", func(c *callerIdentity) { c.body = "Action=GetSessionToken&Version=2011-06-15" }, "iam request body is invalid"},
		{"no server's id", func(c *callerIdentity) { c.serverID = "" }, `missing header "X-Vault-AWS-IAM-Server-ID"`},
		{"another server's id", func(c *callerIdentity) { c.serverID = "other.example.com" }, `expected "vault.example.com" but got "other.example.com"`},
		{"a server's id that was not signed", func(c *callerIdentity) { c.unsignedID = true }, "header wasn't signed"},
		{"signed an hour ago", func(c *callerIdentity) { c.at = c.at.Add(-time.Hour) }, "SignatureDoesNotMatch"},
		{"signed in an hour", func(c *callerIdentity) { c.at = c.at.Add(time.Hour) }, "SignatureDoesNotMatch"},
		{"another secret", func(c *callerIdentity) { c.credentials.SecretAccessKey = other.SecretAccessKey }, "SignatureDoesNotMatch"},
		{"another session's token", func(c *callerIdentity) { c.credentials.SessionToken = other.SessionToken }, "InvalidClientTokenId"},
		{"no session token", func(c *callerIdentity) { c.credentials.SessionToken = "" }, "InvalidClientTokenId"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := good
			tt.change(&c)
			status, body := v.ask(http.MethodPost, "auth/aws/login", c.login(t, "my-app"))
			if tt.want == "" && (status != 200 || !strings.Contains(body, `"policies":["default","my-app"]`) || !strings.Contains(body, `"account_id":"`+w.account+`"`)) || tt.want != "" && (status != 400 || !strings.Contains(strings.ReplaceAll(body, `\"`, `"`), tt.want)) {
				t.Errorf("%d %s", status, body)
			}
		})
	}
	// A session of a role that is gone, and of one that was made anew.
	for _, step := range []string{"deleted", "made anew"} {
		name := "gitlab-deployer"
		var err error
		if step == "deleted" {
			_, err = iam.NewFromConfig(w.config).DeleteRole(t.Context(), &iam.DeleteRoleInput{RoleName: &name})
		} else {
			w.makeRole(t, name, w.trustVault())
		}
		if err != nil {
			t.Fatal(err)
		}
		if status, body := v.ask(http.MethodPost, "auth/aws/login", good.login(t, "my-app")); status != 400 || !strings.Contains(body, "InvalidClientTokenId") {
			t.Errorf("%s: %d %s", step, status, body)
		}
	}
}

// callerIdentity is a GetCallerIdentity for Vault.
type callerIdentity struct {
	credentials  aws.Credentials
	host, region string
	body, sent   string // what is signed; what is sent, if that is another
	serverID     string
	unsignedID   bool
	at           time.Time
}

// login is what Vault is sent.
func (c callerIdentity) login(t *testing.T, role string) map[string]string {
	t.Helper()
	req, err := http.NewRequest(http.MethodPost, "https://"+c.host+"/", strings.NewReader(c.body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded; charset=utf-8")
	if c.serverID != "" && !c.unsignedID {
		req.Header.Set("X-Vault-AWS-IAM-Server-ID", c.serverID)
	}
	hash := sha256.Sum256([]byte(c.body))
	region := c.region
	if region == "" {
		region = "us-east-1"
	}
	if err := v4.NewSigner().SignHTTP(context.Background(), c.credentials, req, hex.EncodeToString(hash[:]), "sts", region, c.at); err != nil {
		t.Fatal(err)
	}
	if c.unsignedID {
		req.Header.Set("X-Vault-AWS-IAM-Server-ID", c.serverID)
	}
	headers, err := json.Marshal(req.Header)
	if err != nil {
		t.Fatal(err)
	}
	sent := c.body
	if c.sent != "" {
		sent = c.sent
	}
	b64 := func(text string) string { return base64.StdEncoding.EncodeToString([]byte(text)) }
	return map[string]string{"role": role, "iam_http_request_method": http.MethodPost, "iam_request_url": b64("https://" + c.host + "/"), "iam_request_body": b64(sent), "iam_request_headers": b64(string(headers))}
}

// credentials are the administrator's.
func (w world) credentials(t *testing.T) aws.Credentials {
	t.Helper()
	c, err := w.config.Credentials.Retrieve(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return c
}
