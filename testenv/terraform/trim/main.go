// Trim takes from a copy of the AWS provider's source all services but those that
// Mayfly has, and what they need: two generated lists name them, and what is not
// named is neither compiled nor linked. What is named stays as it is.
package main

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/format"
	"go/parser"
	"go/token"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
)

// lists :: file → the services that stay in it.
var lists = map[string][]string{
	"internal/provider/sdkv2/service_packages_gen.go": {"eks", "iam", "sts", "meta"},
	"internal/conns/awsclient_gen.go":                 {"account", "ec2", "eks", "iam", "organizations", "s3", "s3control", "sts"},
}

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: trim SOURCE")
		os.Exit(2)
	}
	for file, keep := range lists {
		if err := trim(filepath.Join(os.Args[1], file), keep); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
}

// trim removes from a file every function and list element that names a service
// not in keep, and the services' imports.
func trim(file string, keep []string) error {
	fset := token.NewFileSet()
	f, err := parser.ParseFile(fset, file, nil, 0)
	if err != nil {
		return err
	}
	dropped := map[string]bool{} // :: package name
	drop := func(s ast.Spec) bool {
		i := s.(*ast.ImportSpec)
		p, _ := strconv.Unquote(i.Path.Value)
		name := path.Base(p)
		if path.Base(path.Dir(p)) != "service" || slices.Contains(keep, name) {
			return false
		}
		if i.Name != nil {
			name = i.Name.Name
		}
		dropped[name] = true
		return true
	}
	for _, d := range f.Decls {
		if g, ok := d.(*ast.GenDecl); ok && g.Tok == token.IMPORT {
			g.Specs = slices.DeleteFunc(g.Specs, drop)
		}
	}
	names := func(n ast.Node) (found bool) {
		ast.Inspect(n, func(n ast.Node) bool {
			if s, ok := n.(*ast.SelectorExpr); ok {
				x, ok := s.X.(*ast.Ident)
				found = found || ok && dropped[x.Name]
			}
			return !found
		})
		return found
	}
	ast.Inspect(f, func(n ast.Node) bool {
		if l, ok := n.(*ast.CompositeLit); ok {
			l.Elts = slices.DeleteFunc(l.Elts, func(e ast.Expr) bool { return names(e) })
		}
		return true
	})
	f.Decls = slices.DeleteFunc(f.Decls, func(d ast.Decl) bool { return names(d) })
	var out bytes.Buffer
	if err := format.Node(&out, fset, f); err != nil {
		return err
	}
	return os.WriteFile(file, out.Bytes(), 0o644)
}
