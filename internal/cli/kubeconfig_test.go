package cli

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v3"

	"mayfly.internal/internal/wire/ekswire"
)

// entriesOf are those of a cluster k.
func entriesOf(namespace string) kubeEntries {
	k := ekswire.Cluster{Name: "k", ARN: "arn:aws:eks:eu-central-1:111122223333:cluster/k", Endpoint: "https://10.0.0.5:6443", CertificateAuthority: ekswire.CertificateAuthority{Data: []byte("CA")}}
	plugin, err := kubeTokenPlugin(k, "")
	if err != nil {
		panic(err)
	}
	plugin.Command = "/bin/mayfly"
	return kubeEntries{cluster: k, user: k.ARN, context: k.ARN, namespace: namespace, plugin: plugin}
}

const freshKubeconfig = `apiVersion: v1
clusters:
- cluster:
    certificate-authority-data: Q0E=
    server: https://10.0.0.5:6443
  name: arn:aws:eks:eu-central-1:111122223333:cluster/k
contexts:
- context:
    cluster: arn:aws:eks:eu-central-1:111122223333:cluster/k
    namespace: production
    user: arn:aws:eks:eu-central-1:111122223333:cluster/k
  name: arn:aws:eks:eu-central-1:111122223333:cluster/k
current-context: arn:aws:eks:eu-central-1:111122223333:cluster/k
kind: Config
preferences: {}
users:
- name: arn:aws:eks:eu-central-1:111122223333:cluster/k
  user:
    exec:
      apiVersion: client.authentication.k8s.io/v1beta1
      args:
      - kube-token
      - --cluster
      - k
      - --region
      - eu-central-1
      command: /bin/mayfly
      interactiveMode: Never
`

// TestMergeKubeconfig: files beside what becomes of them.
func TestMergeKubeconfig(t *testing.T) {
	got, err := mergeKubeconfig(nil, entriesOf("production"))
	if err != nil {
		t.Fatal(err)
	}
	again, err := mergeKubeconfig(got, entriesOf(""))
	if err != nil {
		t.Fatal(err)
	}
	sorted := func(text []byte) (out map[string]any) {
		if err := yaml.Unmarshal(text, &out); err != nil {
			t.Fatal(err)
		}
		return out
	}
	if diff := cmp.Diff(sorted([]byte(freshKubeconfig)), sorted(got)); diff != "" {
		t.Error(diff)
	}
	if !bytes.Equal(got, again) {
		t.Errorf("the second time it is another:\n%s", cmp.Diff(string(got), string(again)))
	}
	for _, text := range []string{"", "\n", "# mine\n", "---\n", "---\n# mine\n"} {
		got, err := mergeKubeconfig([]byte(text), entriesOf(""))
		if err != nil || strings.Contains(text, "mine") != strings.Contains(string(got), "# mine\n") || len(sorted(got)["clusters"].([]any)) != 1 {
			t.Errorf("%q: %s, %v", text, got, err)
		}
	}
	files, err := filepath.Glob("testdata/kubeconfig/*.in.yaml")
	if err != nil || len(files) < 3 {
		t.Fatal(files, err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		got, err := mergeKubeconfig(text, entriesOf(""))
		if err != nil {
			t.Errorf("%s: %v", file, err)
			continue
		}
		name := strings.TrimSuffix(file, ".in.yaml") + ".out.yaml"
		if os.Getenv("UPDATE") != "" {
			if err := os.WriteFile(name, got, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(want), string(got)); diff != "" {
			t.Errorf("%s: %s", file, diff)
		}
	}
}

// TestMergeKubeconfigKeeps: a file that says all of it already is not written
// otherwise.
func TestMergeKubeconfigKeeps(t *testing.T) {
	text, err := mergeKubeconfig(nil, entriesOf("production"))
	if err != nil {
		t.Fatal(err)
	}
	const said, quoted = "server: https://10.0.0.5:6443", "server:   \"https://10.0.0.5:6443\" # ours"
	own := bytes.Replace(text, []byte(said), []byte(quoted), 1)
	if bytes.Equal(own, text) {
		t.Fatalf("no server is named:\n%s", text)
	}
	if got, err := mergeKubeconfig(own, entriesOf("production")); err != nil || !bytes.Equal(got, own) {
		t.Errorf("%v\n%s", err, got)
	}
	if got, err := mergeKubeconfig(own, entriesOf("staging")); err != nil || bytes.Equal(got, own) {
		t.Errorf("another namespace: %v\n%s", err, got)
	}
}

func TestMergeKubeconfigRefuses(t *testing.T) {
	for text, want := range map[string]string{
		"- a\n":                        "no mapping",
		"hello":                        "no mapping",
		"a: [":                         "it is not YAML",
		"a: 1\n---\nb: 2\n":            "several YAML documents",
		"a: 1\n---\nb: [\n":            "several YAML documents",
		"kind: Pod\n":                  "its kind is not Config",
		"clusters: {}\n":               "line 1: clusters is no list",
		"users: s3cret\n":              "line 1: users is no list",
		"kind: Config\ncontexts: [a]":  "line 2: an entry of contexts is no mapping",
		"clusters: []\nclusters: []\n": "line 2: a key stands twice",
		"users: [{name: a, name: b}]":  "line 1: a key stands twice",
		"? [a]\n: b\n":                 "line 1: a key stands twice, or is no text",
		"users: [{name: 'arn:aws:eks:eu-central-1:111122223333:cluster/k', user: {token: &t s3cret}}, {name: b, user: {token: *t}}]": "alias",
		"a: " + strings.Repeat("x", 8<<20): "larger than",
	} {
		got, err := mergeKubeconfig([]byte(text), entriesOf(""))
		if err == nil || got != nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "s3cret") {
			t.Errorf("%.100s: %s, %v", text, got, err)
		}
	}
}

// FuzzMergeKubeconfig: what is taken can be read again, has what was put in, loses
// no other entry, and is the same the second time.
func FuzzMergeKubeconfig(f *testing.F) {
	f.Add([]byte(freshKubeconfig))
	f.Add([]byte("  0A:\n #  0 :\n #  "))
	f.Add([]byte("# c\nclusters:\n  - name: a # d\n    cluster: {server: x}\nusers: []\ncontexts: null\nnew: [1, {a: b}]\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		in := entriesOf("")
		got, err := mergeKubeconfig(text, in)
		if err != nil {
			if got != nil || len(err.Error()) > 200 {
				t.Fatalf("%s, %v", got, err)
			}
			return
		}
		before, err := parseKubeconfig(text)
		if err != nil {
			t.Fatal(err)
		}
		after, err := parseKubeconfig(got)
		if err != nil {
			t.Fatalf("%v:\n%s", err, got)
		}
		if v := value(after.Content[0], "current-context"); v == nil || v.Value != in.context || !hasCluster(got, in.cluster.ARN) {
			t.Fatalf("it is not there:\n%s", got)
		}
		for _, list := range []string{"clusters", "users", "contexts"} {
			if a, b := value(before.Content[0], list), value(after.Content[0], list); a != nil && len(b.Content) < len(a.Content) {
				t.Fatalf("%s were lost:\n%s", list, got)
			}
		}
		if again, err := mergeKubeconfig(got, in); err != nil || !bytes.Equal(again, got) {
			t.Fatalf("the second time: %v\n%s\n%s", err, got, again)
		}
	})
}
