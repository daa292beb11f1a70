package labgitlab

import (
	"io/fs"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"
)

// TestTemplates: the project's own components are whole, say what they take, and
// find mayfly in one way.
func TestTemplates(t *testing.T) {
	root := os.DirFS("../../templates")
	entries, err := fs.ReadDir(root, ".")
	if err != nil {
		t.Fatal(err)
	}
	given := map[string]string{"vault": "{secret: 'A=kv/a#b', command: ./run}"} // what must be given
	jobs := map[string][]string{"deploy": {"deploy_job"}, "helm": {"helm_deploy"}, "terraform": {"terraform:plan", "terraform:apply"}, "vault": {"vault_job"}}
	var finds []string
	for _, e := range entries {
		if !e.IsDir() {
			continue
		}
		name := e.Name()
		text, err := fs.ReadFile(root, name+"/template.yml")
		if err != nil {
			t.Fatal(err)
		}
		readme, err := fs.ReadFile(root, name+"/README.md")
		if err != nil {
			t.Fatal(err)
		}
		d, err := parseDocument(name, text)
		if err != nil {
			t.Fatal(err)
		}
		inputs, err := readInputs(d.header)
		if err != nil {
			t.Fatal(err)
		}
		for _, in := range inputs {
			if !strings.Contains(string(readme), "| `"+in.name+"` |") {
				t.Errorf("%s/README.md does not name the input %s", name, in.name)
			}
			if used := strings.Contains(string(text), "$[[ inputs."+in.name+" ]]"); !used {
				t.Errorf("%s: nothing uses the input %s", name, in.name)
			}
			if in.regex != nil && slices.ContainsFunc([]string{`a"b`, "a`b`", "a$(b)", "a;b", "a|b", "a&b", "a>b", "a\nb", "a'b", `a\b`}, in.regex.MatchString) {
				t.Errorf("%s: the input %s takes what a shell would run", name, in.name)
			}
		}
		include := "include: [{local: template.yml"
		if values := given[name]; values != "" {
			include += ", inputs: " + values
		}
		c, err := LoadPipeline(fstest.MapFS{".gitlab-ci.yml": {Data: []byte(include + "}]\nstages: [deploy]")}, "template.yml": {Data: text}}, ".gitlab-ci.yml")
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if diff := cmp.Diff(jobs[name], c.Jobs()); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
		for _, j := range c.jobs {
			finds = append(finds, strings.Join(j.before, "\n"))
			if len(j.idTokens) != 1 || j.idTokens[0].Name != "MAYFLY_ID_TOKEN" {
				t.Errorf("%s: %s has the ID tokens %v", name, j.name, j.idTokens)
			}
		}
	}
	if len(finds) != 5 || len(slices.Compact(finds)) != 1 || !strings.Contains(finds[0], "sha256sum -c") {
		t.Errorf("%d jobs find mayfly in %d ways", len(finds), len(slices.Compact(finds)))
	}
}
