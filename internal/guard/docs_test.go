package guard

import (
	"os"
	"strings"
	"testing"
)

// The page for users names every key of the format.
func TestTheDocumentationNamesEveryKey(t *testing.T) {
	page, err := os.ReadFile("../../docs/facts.md")
	if err != nil {
		t.Fatal(err)
	}
	var keys []key
	for _, of := range [][]key{
		(&Facts{}).keys(), (&Project{}).keys(), (&Group{}).keys(), (&ProtectedBranch{}).keys(), (&ProtectedTag{}).keys(), (&Environment{}).keys(), (&ProtectedEnvironment{}).groupKeys(),
		(&EnvironmentApprovers{}).keys(), (&ApprovalRule{}).keys(), (&PushRule{}).keys(), (&Member{}).keys(), (&AccessToken{}).keys(), (&DeployKey{}).keys(), (&Trigger{}).keys(), (&Schedule{}).keys(), (&origin{}).keys(),
	} {
		keys = append(keys, of...)
	}
	for _, k := range keys {
		if !strings.Contains(string(page), "`"+k.name+"`") {
			t.Errorf("docs/facts.md does not name %s", k.name)
		}
	}
	for _, k := range (&Project{}).keys() {
		for line := range strings.Lines(string(page)) {
			if first, _, _ := strings.Cut(strings.TrimPrefix(line, "| "), " | "); k.paid && strings.Contains(first, "`"+k.name+"`") && !strings.Contains(line, "Premium)") {
				t.Errorf("docs/facts.md does not say that %s is Premium", k.name)
			}
		}
	}
}

// The example of the page is a file of facts.
func TestTheDocumentationsExample(t *testing.T) {
	page, err := os.ReadFile("../../docs/facts.md")
	if err != nil {
		t.Fatal(err)
	}
	_, after, _ := strings.Cut(string(page), "```yaml\n")
	example, _, _ := strings.Cut(after, "```")
	p := &decode(t, example).Projects[0]
	if p.PushRule.Why() != "nobody has looked" || p.Members.State() != StateKnown {
		t.Errorf("%+v", p)
	}
}
