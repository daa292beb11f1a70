// Package vectortest finds the outside test vectors, which are not kept here.
package vectortest

import (
	"os"
	"path/filepath"
	"testing"
)

// Path is the file or folder of that name, its parts separated by slashes, among
// the outside vectors. Where $MAYFLY_VECTORS is unset the test is skipped.
func Path(t testing.TB, name string) string {
	t.Helper()
	root := os.Getenv("MAYFLY_VECTORS")
	if root == "" {
		t.Skip("MAYFLY_VECTORS is not set: the outside test vectors are not here")
	}
	return filepath.Join(root, filepath.FromSlash(name))
}

// Read is the content of a file among the outside vectors. Where they are, a
// file that is missing fails the test.
func Read(t testing.TB, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(Path(t, name))
	if err != nil {
		t.Fatal(err)
	}
	return data
}
