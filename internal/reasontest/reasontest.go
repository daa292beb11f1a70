// Package reasontest counts the reasons a room declares, so that a test can hold
// a table of answers against all of them.
package reasontest

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"testing"
)

// Count is how many constants of a type the room in a directory declares; they
// are 1, 2, … Count. A room that declares none fails the test.
func Count(t testing.TB, dir, kind string) int {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, path := range files {
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range file.Decls {
			g, ok := d.(*ast.GenDecl)
			if !ok || g.Tok != token.CONST {
				continue
			}
			if name, ok := g.Specs[0].(*ast.ValueSpec).Type.(*ast.Ident); ok && name.Name == kind {
				n += len(g.Specs)
			}
		}
	}
	if n == 0 {
		t.Fatalf("%s declares no %s", dir, kind)
	}
	return n
}
