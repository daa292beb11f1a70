package control

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

// TestNoMethodAvoidsTheOneFunction reads the package: every exported method of
// Service comes to change or to read, and nothing but change, read and refuse
// touches the store.
func TestNoMethodAvoidsTheOneFunction(t *testing.T) {
	calls, touches := map[string]map[string]bool{}, map[string]bool{} // :: method → methods of s it calls; function → it uses s.store
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range files {
		if strings.HasSuffix(path, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range file.Decls {
			f, ok := d.(*ast.FuncDecl)
			if !ok || f.Body == nil {
				continue
			}
			name := f.Name.Name
			calls[name] = map[string]bool{}
			ast.Inspect(f.Body, func(n ast.Node) bool {
				sel, ok := n.(*ast.SelectorExpr)
				if !ok {
					return true
				}
				if x, ok := sel.X.(*ast.Ident); ok && x.Name == "s" {
					calls[name][sel.Sel.Name] = true
					touches[name] = touches[name] || sel.Sel.Name == "store"
				}
				return true
			})
		}
	}
	for name := range touches {
		if touches[name] && name != "change" && name != "read" && name != "refuse" {
			t.Errorf("%s touches the store", name)
		}
	}
	var reaches func(name string, seen map[string]bool) bool
	reaches = func(name string, seen map[string]bool) bool {
		if name == "change" || name == "read" {
			return true
		}
		if seen[name] {
			return false
		}
		seen[name] = true
		for callee := range calls[name] {
			if reaches(callee, seen) {
				return true
			}
		}
		return false
	}
	service := reflect.TypeFor[*Service]()
	if service.NumMethod() < 30 {
		t.Errorf("only %d methods are exported", service.NumMethod())
	}
	for i := range service.NumMethod() {
		name := service.Method(i).Name
		if calls[name] == nil {
			t.Errorf("%s is not declared here: something is embedded", name)
		} else if name != "Unreadable" && name != "NoUser" && !reaches(name, map[string]bool{}) { // which do nothing but refuse
			t.Errorf("%s comes neither to change nor to read", name)
		}
	}
	for i := range service.Elem().NumField() {
		if f := service.Elem().Field(i); f.IsExported() || f.Anonymous {
			t.Errorf("the field %s lets others past the service", f.Name)
		}
	}
}

func TestReasonsHaveNames(t *testing.T) {
	seen := map[string]bool{}
	for r := NoSuchCluster; r <= NoSuchDenial; r++ {
		if name := r.String(); name == "" || seen[name] {
			t.Errorf("reason %d is called %q", r, name)
		} else {
			seen[name] = true
		}
	}
	if Reason(0).String() != "" || (NoSuchDenial+1).String() != "" {
		t.Error("what is no reason has a name")
	}
}
