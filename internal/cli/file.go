package cli

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// replaceFile writes a private file whole or not at all. A link stays one, and what
// is no file, such as a pipe or /dev/null, is written into.
func replaceFile(path, text string) error {
	if to, err := filepath.EvalSymlinks(path); err == nil {
		path = to
	}
	if stream(path) {
		return writeStream(path, text)
	}
	f, err := newFile(path)
	if err != nil {
		return err
	}
	defer os.Remove(f.Name()) // fails once it is renamed, as it should
	_, err = f.WriteString(text)
	if err := errors.Join(err, f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}

// newFile is the file that is to take the place of another, 0600.
func newFile(path string) (*os.File, error) {
	if at, err := os.Stat(path); err == nil && at.IsDir() {
		return nil, fmt.Errorf("%s is a directory", path)
	}
	f, err := os.CreateTemp(filepath.Dir(path), ".new-*")
	if e, ok := errors.AsType[*fs.PathError](err); ok {
		return nil, fmt.Errorf("make %s: %w", path, e.Err) // its own name says nothing
	}
	return f, err
}

// stream reports whether a path is of something that is there and no file.
func stream(path string) bool {
	at, err := os.Stat(path)
	return err == nil && !at.Mode().IsRegular() && !at.IsDir()
}

func writeStream(path, text string) error {
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = f.WriteString(text)
	return errors.Join(err, f.Close())
}

// mayReplace finds out whether replaceFile could write a file, before work is done
// for it.
func mayReplace(path string) error {
	if to, err := filepath.EvalSymlinks(path); err == nil {
		path = to
	}
	if stream(path) {
		return nil
	}
	f, err := newFile(path)
	if err != nil {
		return err
	}
	return errors.Join(f.Close(), os.Remove(f.Name()))
}

// rewrite replaces a file whole or not at all, with the mode that it had; a new one
// is private.
func rewrite(path string, text []byte) error {
	mode := fs.FileMode(0o600)
	if was, err := os.Stat(path); err == nil {
		mode = was.Mode().Perm()
	}
	if err := replaceFile(path, string(text)); err != nil {
		return err
	}
	return os.Chmod(path, mode)
}

// absolute is the path of a file for a program that may stand elsewhere; of none
// it is none.
func absolute(path string) (string, error) {
	if path == "" {
		return "", nil
	}
	return filepath.Abs(path)
}
