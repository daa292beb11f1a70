package labgitlab_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"mayfly.internal/internal/labgitlab"
	"mayfly.internal/internal/vectortest"
)

// vectorCase is one entry of gitlab-ci/expected.json.
type vectorCase struct {
	File     string
	Snippet  string
	Parses   any
	IDTokens []struct {
		Job   string
		Token string
		Aud   labgitlab.Audience
	} `json:"id_tokens"`
}

// vectorSkips names the cases that cannot be scored, and why.
var vectorSkips = map[string]string{
	"snippets/tticau__portfolio__0.yml .fetch-vault-secrets": "two snippets were saved under this one name; the file holds the other, which is not YAML",
}

func vectors(t *testing.T) (string, []vectorCase) {
	t.Helper()
	dir := vectortest.Path(t, "gitlab-ci")
	content, err := os.ReadFile(filepath.Join(dir, "expected.json"))
	if err != nil {
		t.Fatal(err)
	}
	var cases []vectorCase
	if err := json.Unmarshal(content, &cases); err != nil {
		t.Fatal(err)
	}
	return dir, cases
}

func (c vectorCase) path() string {
	if strings.HasPrefix(c.File, "snippets/") {
		return c.File
	}
	return filepath.Join("files", c.File)
}

func (c vectorCase) key() string {
	if len(c.IDTokens) == 0 {
		return c.path()
	}
	return c.path() + " " + c.IDTokens[0].Job
}

func TestRealFilesDeclareTheListedTokens(t *testing.T) {
	dir, cases := vectors(t)
	used := map[string]bool{}
	for _, c := range cases {
		name, key := c.path(), c.key()
		t.Run(key, func(t *testing.T) {
			if reason, skip := vectorSkips[key]; skip {
				used[key] = true
				t.Skip(reason)
			}
			content, err := os.ReadFile(filepath.Join(dir, name))
			if err != nil {
				t.Fatal(err)
			}
			parsed, err := labgitlab.ParseCIFile(name, content)
			if c.Parses != true {
				if labgitlab.ReasonOf(err) != labgitlab.ReasonMalformed {
					t.Fatalf("a file that is not YAML was read: %v", err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			var want []labgitlab.DeclaredToken
			for _, token := range c.IDTokens {
				want = append(want, labgitlab.DeclaredToken{Job: token.Job, IDToken: labgitlab.IDToken{Name: token.Token, Audience: token.Aud}})
			}
			if diff := cmp.Diff(want, parsed.IDTokens(), cmp.AllowUnexported(labgitlab.Audience{})); diff != "" {
				t.Errorf("tokens (-listed +read):\n%s", diff)
			}
		})
	}
	for key := range vectorSkips {
		if !used[key] {
			t.Errorf("skip of %s is not used", key)
		}
	}
}

// Each real file either resolves as a whole or is refused for something that is
// not in the file: an include the lab does not follow, or a name that such an
// include would have brought.
func TestRealFilesResolveOrAreRefusedByName(t *testing.T) {
	dir, cases := vectors(t)
	for _, c := range cases {
		if _, skip := vectorSkips[c.key()]; skip || c.Parses != true {
			continue
		}
		t.Run(c.path(), func(t *testing.T) {
			content, err := os.ReadFile(filepath.Join(dir, c.path()))
			if err != nil {
				t.Fatal(err)
			}
			config, err := labgitlab.LoadPipeline(fstest.MapFS{".gitlab-ci.yml": {Data: content}}, ".gitlab-ci.yml")
			if err == nil {
				t.Logf("%d jobs", len(config.Jobs()))
				return
			}
			t.Log(err)
			if labgitlab.ReasonOf(err) == labgitlab.ReasonNotModelled {
				return
			}
			for _, elsewhere := range []string{"included file", "unknown keys in extends", "could not be found", "undefined need", "chosen stage", "required value has not been provided", "at least one visible job"} {
				if strings.Contains(err.Error(), elsewhere) {
					return
				}
			}
			t.Errorf("refused for something in the file: %v", err)
		})
	}
}
