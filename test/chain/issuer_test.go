package chain

import (
	"crypto"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"

	"mayfly.internal/internal/client"
	"mayfly.internal/internal/jwt"
	"mayfly.internal/internal/keyset"
	"mayfly.internal/internal/lab"
	"mayfly.internal/internal/labgitlab"
	"mayfly.internal/internal/secret"
)

const clusterAudience = "kubernetes/" + lab.ClusterName

// structured is a real API server that takes Mayfly's own tokens and has no
// webhook.
type structured struct {
	world
	t       *testing.T
	cluster *lab.Cluster
	client  *client.Client
}

func newStructured(t *testing.T) structured {
	t.Helper()
	w := newWorldIn(t, filepath.Join(t.TempDir(), "lab"), "keys: {publish_ahead: 1s}\n")
	w.teach(t)
	s := structured{world: w, t: t}
	s.permit("gitlab-deployer", clusterAudience)
	s.permit("gitlab-deployer", "kubernetes/staging")
	s.makeRole(t, "other", w.trust("StringLike", "project_path:my_group/my-fancy_project:*"))
	s.permit("other", clusterAudience)
	var err error
	if s.client, err = client.New(client.Config{Endpoint: w.State.MayflyURL(), Region: lab.Region, CAFile: filepath.Join(w.DataDir(), "ca.pem")}); err != nil {
		t.Fatal(err)
	}
	if s.cluster, err = lab.NewCluster(w.Kubernetes, filepath.Join(w.Dir, "cluster"), w.State.KubePort); err != nil {
		t.Fatal(err)
	}
	config := filepath.Join(t.TempDir(), "authentication-config.yaml")
	text, _, _ := strings.Cut(w.mayfly(t, "cluster", "authentication-config", lab.ClusterName), "mayfly: hint:")
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.cluster.Stop)
	if err := s.cluster.StartWith(t.Context(), "--authentication-config="+config, "--authorization-mode=Node,RBAC"); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{"create", "namespace", "production"}, {"create", "rolebinding", "deployers", "-n", "production", "--clusterrole", "edit", "--group", "mayfly:" + w.role("gitlab-deployer")}} {
		if out, err := s.kubectl("", args...); err != nil {
			t.Fatal(err, out)
		}
	}
	return s
}

func (s structured) permit(role, audience string) {
	s.t.Helper()
	s.world.permit(s.t, role, audience)
}

// permit lets a role have tokens for an audience.
func (w world) permit(t *testing.T, role, audience string) {
	t.Helper()
	_, err := iam.NewFromConfig(w.config).PutRolePolicy(t.Context(), &iam.PutRolePolicyInput{RoleName: aws.String(role), PolicyName: aws.String(strings.ReplaceAll(audience, "/", "-")),
		PolicyDocument: aws.String(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"mayfly:IssueToken","Resource":"arn:aws:mayfly:` + lab.Region + ":" + w.account + `:audience/` + audience + `"}]}`)})
	if err != nil {
		t.Fatal(err)
	}
}

// issue asks for a token for a job.
func (s structured) issue(role, audience string, r labgitlab.PipelineRequest) (string, error) {
	s.t.Helper()
	out, err := s.client.IssueToken(s.t.Context(), client.IssueToken{IDToken: secret.New(s.token(s.t, r)), Role: s.role(role), Audience: audience})
	return out.Token.Reveal(), err
}

func (s structured) mustIssue(role, audience string) string {
	s.t.Helper()
	token, err := s.issue(role, audience, production())
	if err != nil {
		s.t.Fatal(err)
	}
	return token
}

// kubectl runs kubectl with a token; without one as the cluster's administrator.
func (s structured) kubectl(token string, args ...string) (string, error) {
	env := map[string]string{"KUBECONFIG": s.cluster.AdminKubeconfig()}
	if token != "" {
		env["KUBECONFIG"] = os.DevNull
		args = append([]string{"--server", s.cluster.Endpoint(), "--certificate-authority", s.cluster.CAFile(), "--token", token}, args...)
	}
	out, err := s.Run(s.t.Context(), env, filepath.Join(s.Dir, "bin", "kubectl"), args...)
	if e, ok := errors.AsType[*lab.CommandError](err); ok {
		out += e.Output
	}
	return out, err
}

// becomes waits until the API server says of a token what is wanted: it keeps what
// it found out for ten seconds.
func (s structured) becomes(token, want string) {
	s.t.Helper()
	out := ""
	for deadline := time.Now().Add(40 * time.Second); time.Now().Before(deadline); time.Sleep(500 * time.Millisecond) {
		if out, _ = s.kubectl(token, "get", "configmaps", "-n", "production", "-o", "name"); strings.Contains(out, want) {
			return
		}
	}
	s.t.Fatalf("the API server says %q, not %q", out, want)
}

// rotate runs mayflyd rotate-keys beside the server.
func (s structured) rotate(flags ...string) {
	s.t.Helper()
	bin, _, _ := programs(s.t)
	if _, err := s.Run(s.t.Context(), nil, filepath.Join(bin, "mayflyd"), append([]string{"rotate-keys", "--data", s.DataDir()}, flags...)...); err != nil {
		s.t.Fatal(err)
	}
}

// primary is the key that signs, taken from the server's data directory.
func (s structured) primary() *jwt.SigningKey {
	s.t.Helper()
	raw, err := os.ReadFile(filepath.Join(s.DataDir(), "keys", "keyset.json"))
	if err != nil {
		s.t.Fatal(err)
	}
	set, err := keyset.Parse(raw)
	if err != nil {
		s.t.Fatal(err)
	}
	k, ok := set.Primary(keyset.ES256, time.Now())
	der, err := base64.StdEncoding.DecodeString(k.Material.Reveal())
	if !ok || err != nil {
		s.t.Fatal(ok, err)
	}
	return s.key(der)
}

func (s structured) key(der []byte) *jwt.SigningKey {
	s.t.Helper()
	private, err := x509.ParsePKCS8PrivateKey(der)
	if err != nil {
		s.t.Fatal(err)
	}
	k, err := jwt.NewSigningKey(private.(crypto.Signer))
	if err != nil {
		s.t.Fatal(err)
	}
	return k
}

// forge signs the claims of a token, changed; nil takes one away.
func (s structured) forge(k *jwt.SigningKey, token string, changes map[string]any) string {
	s.t.Helper()
	claims := claimsOf(s.t, token, 1)
	maps.Copy(claims, changes)
	maps.DeleteFunc(claims, func(_ string, v any) bool { return v == nil })
	payload, err := json.Marshal(claims)
	if err != nil {
		s.t.Fatal(err)
	}
	out, err := k.Sign("at+jwt", payload)
	if err != nil {
		s.t.Fatal(err)
	}
	return out
}

// claimsOf is a part of a token as JSON.
func claimsOf(t *testing.T, token string, part int) (out map[string]any) {
	t.Helper()
	raw, err := base64.RawURLEncoding.DecodeString(strings.Split(token, ".")[part])
	if err == nil {
		err = json.Unmarshal(raw, &out)
	}
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// TestStructuredAuthentication: a job deploys into a real API server that trusts
// Mayfly's issuer and asks nobody; its neighbours are refused; keys that are rotated
// in the middle change nothing, and one that was dropped vouches for nothing.
func TestStructuredAuthentication(t *testing.T) {
	s := newStructured(t)
	token := s.mustIssue("gitlab-deployer", clusterAudience)
	s.becomes(token, "configmap/kube-root-ca.crt")
	manifest := filepath.Join(t.TempDir(), "deployment.yaml")
	if err := os.WriteFile(manifest, []byte("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: deployed}\ndata: {by: job}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := s.kubectl(token, "apply", "-n", "production", "-f", manifest); err != nil || !strings.Contains(out, "configmap/deployed created") {
		t.Fatal(err, out)
	}
	claims := claimsOf(t, token, 1)
	who, err := s.kubectl(token, "auth", "whoami", "-o", "json")
	for _, want := range []string{`"username": "mayfly:` + claims["sub"].(string) + `"`, `"uid": "` + claims["sid"].(string) + `"`, `"mayfly:` + s.role("gitlab-deployer") + `"`, `"localhost/project_path": [`, `"my_group/my-fancy_project"`, `"localhost/federated_issuer": [`, s.State.GitLabURL()} {
		if !strings.Contains(who, want) {
			t.Errorf("whoami does not say %s: %v\n%s", want, err, who)
		}
	}
	if strings.Contains(who, "environment\"") && claims["environment"] == nil {
		t.Errorf("a claim that the token lacks is there: %s", who)
	}

	s.neighbours(token, manifest)

	first := claimsOf(t, token, 0)["kid"]
	s.rotate()
	time.Sleep(time.Second) // publish_ahead
	next := s.mustIssue("gitlab-deployer", clusterAudience)
	if claimsOf(t, next, 0)["kid"] == first {
		t.Fatal("the next key does not sign")
	}
	for name, token := range map[string]string{"of before the rotation": token, "of after it": next} {
		if out, err := s.kubectl(token, "get", "configmap", "deployed", "-n", "production"); err != nil {
			t.Errorf("the token %s: %v %s", name, err, out)
		}
	}
	s.rotate("--revoke-old", "--yes")
	last := s.mustIssue("gitlab-deployer", clusterAudience)
	s.becomes(last, "configmap/deployed") // it reads the key set anew
	for _, dropped := range []string{token, next} {
		s.becomes(dropped, "Unauthorized")
	}
	if out, err := s.kubectl(last, "get", "configmap", "deployed", "-n", "production"); err != nil {
		t.Error(err, out)
	}
}

// neighbours are those of a token that is taken.
func (s structured) neighbours(token, manifest string) {
	t := s.t
	t.Helper()
	for name, r := range map[string]labgitlab.PipelineRequest{"feature branch": {Project: project, Ref: "feature-1", RefType: "branch"}, "fork": {Project: project + "-fork", Ref: "production", RefType: "branch"}} {
		if got, err := s.issue("gitlab-deployer", clusterAudience, r); err == nil || got != "" || !strings.Contains(err.Error(), "Not authorized") {
			t.Errorf("a job of a %s has a token: %v", name, err)
		}
	}
	if _, err := s.issue("gitlab-deployer", "kubernetes/others", production()); err == nil || !strings.Contains(err.Error(), "invalid_target") {
		t.Errorf("a token for another cluster is given: %v", err)
	}
	if out, err := s.kubectl(token, "apply", "-n", "default", "-f", manifest); err == nil || !strings.Contains(out, "Forbidden") && !strings.Contains(out, "forbidden") {
		t.Errorf("another namespace: %v %s", err, out)
	}
	if out, err := s.kubectl(s.mustIssue("other", clusterAudience), "get", "configmaps", "-n", "production"); err == nil || !strings.Contains(out, "forbidden") {
		t.Errorf("another role: %v %s", err, out)
	}
	own, now := s.primary(), time.Now().Unix()
	gitlab := s.gitlabKey()
	parts := strings.Split(token, ".")
	none := base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"none","typ":"at+jwt"}`))
	for name, bad := range map[string]string{
		"the token for another cluster":        s.mustIssue("gitlab-deployer", "kubernetes/staging"),
		"the job's own ID token":               s.token(t, production()),
		"an expired one":                       s.forge(own, token, map[string]any{"iat": now - 300, "exp": now - 1}),
		"one that never ends":                  s.forge(own, token, map[string]any{"exp": nil}),
		"one that lives eleven minutes":        s.forge(own, token, map[string]any{"exp": now + 660, "iat": now}),
		"one of another issuer":                s.forge(own, token, map[string]any{"iss": s.State.GitLabURL()}),
		"one without an audience":              s.forge(own, token, map[string]any{"aud": nil}),
		"one without a subject":                s.forge(own, token, map[string]any{"sub": nil}),
		"one without a signature":              none + "." + parts[1] + ".",
		"one with another's signature":         none + "." + parts[1] + "." + parts[2],
		"one that GitLab has signed":           s.forge(gitlab, token, nil),
		"one with a changed role":              parts[0] + "." + base64.RawURLEncoding.EncodeToString([]byte(strings.Replace(string(decoded(t, parts[1])), "gitlab-deployer", "administrators1", 1))) + "." + parts[2],
		"a token of nothing":                   "x",
		"the token's first two parts":          parts[0] + "." + parts[1],
		"its session's ARN as a bearer token":  claimsOf(t, token, 1)["sub"].(string),
		"a bearer token of eks get-token form": "k8s-aws-v1." + parts[1],
	} {
		if out, err := s.kubectl(bad, "get", "configmaps", "-n", "production"); err == nil || !strings.Contains(out, "Unauthorized") {
			t.Errorf("%s: %v %s", name, err, out)
		}
	}
	// What tells that the forger can forge: the same with nothing changed is taken.
	if out, err := s.kubectl(s.forge(own, token, nil), "get", "configmaps", "-n", "production"); err != nil {
		t.Errorf("a token that the test signed: %v %s", err, out)
	}
}

func decoded(t *testing.T, text string) []byte {
	t.Helper()
	raw, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// gitlabKey is the key that the stand-in signs jobs' tokens with.
func (s structured) gitlabKey() *jwt.SigningKey {
	s.t.Helper()
	raw, err := os.ReadFile(filepath.Join(s.Dir, "gitlab", "ci-signing-key.pem"))
	if err != nil {
		s.t.Fatal(err)
	}
	block, _ := pem.Decode(raw)
	if private, err := x509.ParsePKCS1PrivateKey(block.Bytes); err == nil {
		k, err := jwt.NewSigningKey(private)
		if err != nil {
			s.t.Fatal(err)
		}
		return k
	}
	return s.key(block.Bytes)
}
