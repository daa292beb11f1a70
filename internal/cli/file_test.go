//go:build unix

package cli

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// What is written takes the place of a file: of a link's file where there is one,
// never of a pipe or a device.
func TestReplaceFile(t *testing.T) {
	dir := t.TempDir()
	file, link, pipe := filepath.Join(dir, "file"), filepath.Join(dir, "link"), filepath.Join(dir, "pipe")
	for _, err := range []error{os.WriteFile(file, []byte("old"), 0o640), os.Symlink("file", link), syscall.Mkfifo(pipe, 0o600)} {
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := rewrite(link, []byte("new")); err != nil {
		t.Fatal(err)
	}
	at, err := os.Lstat(link)
	if err != nil || at.Mode().Type() != os.ModeSymlink {
		t.Errorf("the link is %v, %v", at.Mode(), err)
	}
	whole, err := os.Stat(file)
	if text, _ := os.ReadFile(file); err != nil || string(text) != "new" || whole.Mode().Perm() != 0o640 {
		t.Errorf("%q, %v, %v", text, whole.Mode(), err)
	}

	read := make(chan string)
	go func() {
		text, _ := os.ReadFile(pipe)
		read <- string(text)
	}()
	if err := replaceFile(pipe, "through"); err != nil || <-read != "through" {
		t.Errorf("the pipe: %v", err)
	}
	if at, err := os.Lstat(pipe); err != nil || at.Mode().Type() != os.ModeNamedPipe {
		t.Errorf("the pipe is %v, %v", at.Mode(), err)
	}

	for path, want := range map[string]string{dir: dir + " is a directory", filepath.Join(dir, "none", "x"): "make " + filepath.Join(dir, "none", "x") + ": no such file or directory"} {
		for what, err := range map[string]error{"replaced": replaceFile(path, ""), "might be": mayReplace(path)} {
			if err == nil || err.Error() != want {
				t.Errorf("%s %s: %v", path, what, err)
			}
		}
	}
	for _, path := range []string{file, link, pipe, os.DevNull, filepath.Join(dir, "other")} {
		if err := mayReplace(path); err != nil {
			t.Errorf("%s: %v", path, err)
		}
	}
	left, _ := os.ReadDir(dir)
	if len(left) != 3 || strings.Contains(left[0].Name(), ".new") {
		t.Errorf("%v are left", left)
	}
}
