package internal_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const module = "mayfly.internal"

// law is floors.txt, read.
type law struct {
	floors map[string]string   // :: room → floor
	rooms  map[string][]string // :: floor → rooms
	may    map[string][]string // :: floor → floors and rooms it may import
	also   map[string][]string // :: room → rooms and outside modules it may import
	pure   map[string]string   // :: standard package → why the core may not import it
	never  map[string][]string // :: program → what it must not reach
	only   map[string][]string // :: program and package → the only importers it may have
}

func readLaw(t *testing.T) law {
	t.Helper()
	text, err := os.ReadFile("floors.txt")
	if err != nil {
		t.Fatal(err)
	}
	l := law{map[string]string{}, map[string][]string{}, map[string][]string{}, map[string][]string{}, map[string]string{}, map[string][]string{}, map[string][]string{}}
	for line := range strings.Lines(string(text)) {
		word, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
		left, right, _ := strings.Cut(rest, ":")
		from, to, _ := strings.Cut(rest, "->")
		from, left = strings.TrimSpace(from), strings.TrimSpace(left)
		switch word {
		case "", "#":
		case "floor":
			l.rooms[left] = strings.Fields(right)
			for _, room := range l.rooms[left] {
				l.floors[room] = left
			}
		case "may":
			l.may[from] = strings.Fields(to)
		case "also":
			l.also[from] = append(l.also[from], strings.Fields(to)...)
		case "pure":
			l.pure[left] = strings.TrimSpace(right)
		case "only":
			l.only[left] = strings.Fields(right)
		case "never":
			l.never[left] = strings.Fields(right)
		default:
			t.Fatalf("floors.txt: unknown word %q", word)
		}
	}
	return l
}

type pkg struct {
	ImportPath string
	Dir        string
	GoFiles    []string
	Imports    []string
	Standard   bool
}

func list(t *testing.T, args ...string) []pkg {
	t.Helper()
	cmd := exec.Command("go", append([]string{"list", "-json=ImportPath,Dir,GoFiles,Imports,Standard"}, args...)...)
	cmd.Dir = ".."
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	var all []pkg
	for dec := json.NewDecoder(bytes.NewReader(out)); ; {
		var p pkg
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			return all
		} else if err != nil {
			t.Fatal(err)
		}
		all = append(all, p)
	}
}

func room(path string) string { return strings.TrimPrefix(path, module+"/internal/") }

// TestFloors holds each room's imports against floors.txt.
func TestFloors(t *testing.T) {
	l := readLaw(t)
	seen := map[string]bool{}
	for _, p := range list(t, "./internal/...") {
		from := room(p.ImportPath)
		if p.ImportPath == module+"/internal" {
			continue // this test
		}
		seen[from] = true
		floor := l.floors[from]
		if floor == "" {
			t.Errorf("%s is on no floor of floors.txt", from)
			continue
		}
		for _, path := range p.Imports {
			if why := l.refuses(from, floor, path); why != "" {
				t.Errorf("%s (floor %s) imports %s: %s", from, floor, path, why)
			}
		}
	}
	for r := range l.floors {
		if dir := filepath.FromSlash(r); !seen[r] && dirHasGo(dir) {
			t.Errorf("%s of floors.txt was not listed", r)
		}
	}
}

func dirHasGo(dir string) bool {
	files, _ := filepath.Glob(filepath.Join(dir, "*.go"))
	return len(files) > 0
}

// refuses says why a room may not import a path, or nothing.
func (l law) refuses(from, floor, path string) string {
	core := floor == "words" || floor == "rules" || floor == "wire"
	first, _, _ := strings.Cut(path, "/")
	switch {
	case path == "testing" && floor != "test":
		return "testing belongs into tests"
	case strings.HasPrefix(path, module+"/internal/"):
		to := room(path)
		for _, allowed := range append(slices.Clone(l.may[floor]), l.also[from]...) {
			if allowed == to || allowed == l.floors[to] {
				return ""
			}
		}
		if floor == "test" || floor == "lab" && slices.Contains([]string{"labgitlab"}, to) {
			return ""
		}
		return "no arrow of floors.txt goes there"
	case strings.Contains(first, "."):
		for _, allowed := range l.also[from] {
			if prefix, ok := strings.CutPrefix(allowed, "outside:"); ok && strings.HasPrefix(path, prefix) {
				return ""
			}
		}
		return "this module of others is not allowed here"
	case core && l.pure[path] != "":
		return l.pure[path]
	}
	return ""
}

// TestTestRoomsStayInTests: nothing that is shipped imports a test room.
func TestTestRoomsStayInTests(t *testing.T) {
	l := readLaw(t)
	for _, p := range list(t, "./...") {
		if l.floors[room(p.ImportPath)] == "test" {
			continue
		}
		for _, path := range p.Imports {
			if l.floors[room(path)] == "test" {
				t.Errorf("%s imports the test room %s", p.ImportPath, path)
			}
		}
	}
}

// TestCoreKnowsNoClock looks for calls of the clock in the core.
func TestCoreKnowsNoClock(t *testing.T) {
	l := readLaw(t)
	for _, p := range list(t, "./internal/...") {
		if f := l.floors[room(p.ImportPath)]; f != "words" && f != "rules" && f != "wire" {
			continue
		}
		for _, name := range p.GoFiles {
			file := filepath.Join(p.Dir, name)
			tree, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
			if err != nil {
				t.Fatal(err)
			}
			ast.Inspect(tree, func(n ast.Node) bool {
				sel, ok := n.(*ast.SelectorExpr)
				if !ok {
					return true
				}
				if x, ok := sel.X.(*ast.Ident); ok && x.Name == "time" && slices.Contains([]string{"Now", "Since", "Until", "After", "Tick", "Sleep", "NewTimer", "NewTicker"}, sel.Sel.Name) {
					t.Errorf("%s calls time.%s: the core gets the time from its caller", file, sel.Sel.Name)
				}
				return true
			})
		}
	}
}

// TestPrograms holds what each program links against floors.txt and against the
// committed list, so that a new dependency is a line in a review.
func TestPrograms(t *testing.T) {
	l := readLaw(t)
	for _, program := range []string{"mayfly", "mayflyd", "mayfly-lab"} {
		var outside []string
		for _, p := range list(t, "-deps", "./cmd/"+program) {
			for _, banned := range l.never["cmd/"+program] {
				if room(p.ImportPath) == banned {
					t.Errorf("cmd/%s reaches %s", program, banned)
				}
			}
			for _, path := range p.Imports {
				if only, bound := l.only["cmd/"+program+" "+path]; bound && !p.Standard && !slices.Contains(only, p.ImportPath) {
					t.Errorf("cmd/%s: %s imports %s", program, p.ImportPath, path)
				}
			}
			if !p.Standard {
				outside = append(outside, p.ImportPath)
			}
		}
		slices.Sort(outside)
		want, err := os.ReadFile(filepath.Join("..", "cmd", program, "deps.txt"))
		if err != nil {
			t.Fatal(err)
		}
		if have := strings.Join(outside, "\n") + "\n"; have != string(want) {
			t.Errorf("cmd/%s/deps.txt is not what the program links; look at the change and run: make deps\n%s", program, difference(string(want), have))
		}
	}
}

func difference(want, have string) string {
	var out []string
	w, h := strings.Split(want, "\n"), strings.Split(have, "\n")
	for _, line := range h {
		if !slices.Contains(w, line) {
			out = append(out, "+ "+line)
		}
	}
	for _, line := range w {
		if !slices.Contains(h, line) {
			out = append(out, "- "+line)
		}
	}
	return strings.Join(out, "\n")
}
