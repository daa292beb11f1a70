package server

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"mayfly.internal/internal/eksapi"
	"mayfly.internal/internal/iamapi"
	"mayfly.internal/internal/stsapi"
)

// TestCompatPages: docs/compat says of every operation that is served how, of
// none that it is absent, and names tests that there are.
func TestCompatPages(t *testing.T) {
	tests := testNames(t)
	for page, served := range map[string][]string{"sts": stsapi.Operations(), "iam": iamapi.Operations(), "eks": eksapi.Operations(), "webhook": nil} {
		text, err := os.ReadFile("../../docs/compat/" + page + ".md")
		if err != nil {
			t.Fatal(err)
		}
		var said []string
		for _, m := range regexp.MustCompile(`(?m)^\| ([^|]+) \| (as AWS|differs|absent) \| ([^|]*)\| ([^|]*)\|$`).FindAllStringSubmatch(string(text), -1) {
			name, verdict, how, pins := m[1], m[2], strings.TrimSpace(m[3]), m[4]
			named := regexp.MustCompile("`(Test[A-Za-z0-9]+)`").FindAllStringSubmatch(pins, -1)
			for _, n := range named {
				if !tests[n[1]] {
					t.Errorf("%s: %s is pinned by %s, which there is not", page, name, n[1])
				}
			}
			switch {
			case verdict == "absent" && (slices.Contains(served, name) || len(named) > 0):
				t.Errorf("%s: %s is said to be absent", page, name)
			case verdict != "absent" && len(named) == 0:
				t.Errorf("%s: nothing pins %s", page, name)
			case verdict == "differs" && how == "":
				t.Errorf("%s: it is not said how %s differs", page, name)
			case verdict != "absent" && served != nil && !slices.Contains(served, name):
				t.Errorf("%s: %s is not served", page, name)
			}
			said = append(said, name)
		}
		for _, name := range served {
			if n := len(slices.DeleteFunc(slices.Clone(said), func(s string) bool { return s != name })); n != 1 {
				t.Errorf("%s: %s stands there %d times", page, name, n)
			}
		}
		if rows := strings.Count(string(text), "\n| ") - 1; rows != len(said) {
			t.Errorf("%s: %d rows, of which %d can be read", page, rows, len(said))
		}
	}
}

// testNames are the names of all tests of the project.
func testNames(t *testing.T) map[string]bool {
	t.Helper()
	out := map[string]bool{}
	err := filepath.WalkDir("../..", func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() || !strings.HasSuffix(path, "_test.go") {
			return err
		}
		text, err := os.ReadFile(path)
		for _, m := range regexp.MustCompile(`(?m)^func (Test[A-Za-z0-9]+)\(`).FindAllStringSubmatch(string(text), -1) {
			out[m[1]] = true
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}
