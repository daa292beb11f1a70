package labgitlab

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// workspace holds one job's private directories, all under one root that is
// removed when the job is done.
type workspace struct {
	root    string
	builds  string
	project string
	home    string
	files   string // for variables of type file
	temp    string
}

// newWorkspace makes the directories and copies the project's working tree.
func newWorkspace(parent, projectPath, tree string) (*workspace, error) {
	root, err := os.MkdirTemp(parent, "mayfly-job-")
	if err != nil {
		return nil, err
	}
	w := &workspace{
		root:   root,
		builds: filepath.Join(root, "builds"),
		home:   filepath.Join(root, "home"),
		files:  filepath.Join(root, "files"),
		temp:   filepath.Join(root, "tmp"),
	}
	w.project = filepath.Join(w.builds, filepath.FromSlash(projectPath))
	for _, dir := range []string{w.project, w.home, w.files, w.temp} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return nil, errors.Join(err, w.remove())
		}
	}
	if err := copyTree(tree, w.project); err != nil {
		return nil, errors.Join(fmt.Errorf("copy the working tree: %w", err), w.remove())
	}
	return w, nil
}

// remove deletes everything, also what a script made unwritable.
func (w *workspace) remove() error {
	_ = filepath.WalkDir(w.root, func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() {
			_ = os.Chmod(path, 0o700)
		}
		return nil
	}) // what is left shows in RemoveAll
	return os.RemoveAll(w.root)
}

// copyTree copies files, directories and symbolic links, without .git: the
// lab's refs are not commits.
func copyTree(from, to string) error {
	return filepath.WalkDir(from, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name, err := filepath.Rel(from, path)
		if err != nil || name == "." {
			return err
		}
		target := filepath.Join(to, name)
		switch {
		case d.Name() == ".git":
			if d.IsDir() {
				return fs.SkipDir
			}
			return nil
		case d.IsDir():
			return os.MkdirAll(target, 0o755)
		case d.Type()&fs.ModeSymlink != 0:
			link, err := os.Readlink(path)
			if err != nil {
				return err
			}
			return os.Symlink(link, target)
		case d.Type().IsRegular():
			return copyFile(path, target)
		}
		return nil // sockets, devices: not part of a commit
	})
}

func copyFile(from, to string) (err error) {
	source, err := os.Open(from)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, source.Close()) }()
	info, err := source.Stat()
	if err != nil {
		return err
	}
	target, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, info.Mode().Perm()|0o200)
	if err != nil {
		return err
	}
	_, err = io.Copy(target, source)
	return errors.Join(err, target.Close())
}

// program writes a script where the job's own files are not.
func (w *workspace) program(text string) (string, error) {
	file, err := os.CreateTemp(w.root, "script-")
	if err != nil {
		return "", err
	}
	_, err = file.WriteString(text)
	return file.Name(), errors.Join(err, file.Close())
}

// writeFileVariables puts variables of type file where their values say.
func (w *workspace) writeFileVariables(variables []Variable) error {
	for _, v := range variables {
		if v.File {
			if err := os.WriteFile(filepath.Join(w.files, v.Key), []byte(v.Value), 0o600); err != nil {
				return err
			}
		}
	}
	return nil
}

// environment is what a script sees: the runner's own surroundings below the
// job's variables. HOME and TMPDIR are the job's unless a variable names them.
func (w *workspace) environment(base map[string]string, variables []Variable) []string {
	env := map[string]string{"PATH": defaultPath, "HOME": w.home, "TMPDIR": w.temp, "LANG": "C.UTF-8"}
	for key, value := range base {
		env[key] = value
	}
	for _, v := range variables {
		value := v.Value
		if v.File {
			value = filepath.Join(w.files, v.Key)
		}
		env[v.Key] = strings.ReplaceAll(value, "\x00", "") // no environment holds one
	}
	out := make([]string, 0, len(env))
	for key, value := range env {
		out = append(out, key+"="+value)
	}
	return out
}

const defaultPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
