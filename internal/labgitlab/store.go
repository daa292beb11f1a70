package labgitlab

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// artifactStore keeps what jobs of one pipeline leave to later ones.
type artifactStore struct {
	dir    string
	dotenv map[string][]Variable // :: job name → variables
}

func newArtifactStore(parent string) (*artifactStore, error) {
	dir, err := os.MkdirTemp(parent, "mayfly-artifacts-")
	if err != nil {
		return nil, err
	}
	return &artifactStore{dir: dir, dotenv: map[string][]Variable{}}, nil
}

func (s *artifactStore) remove() error { return os.RemoveAll(s.dir) }

func (s *artifactStore) of(j *PlannedJob) string { return filepath.Join(s.dir, decimal(j.ID)) }

// keeps reports whether a job that ended so leaves its artifacts.
func (a *Artifacts) keeps(status JobStatus) bool {
	return a != nil && (a.When == "always" || (a.When == "on_failure") == (status == JobFailed))
}

// save copies a job's artifacts out of its working copy and reads its dotenv
// reports. It returns how many files it kept.
func (s *artifactStore) save(j *PlannedJob, projectDir string, variables variableList) (int, error) {
	root, err := os.OpenRoot(projectDir)
	if err != nil {
		return 0, err
	}
	defer func() { _ = root.Close() }() // opened for reading
	names, err := listFiles(root.FS())
	if err != nil {
		return 0, err
	}
	kept := 0
	for _, name := range names {
		if !artifactMatches(j.Artifacts.Paths, name, variables) || artifactMatches(j.Artifacts.Exclude, name, variables) {
			continue
		}
		if err := s.saveFile(root, s.of(j), name); err != nil {
			return kept, err
		}
		kept++
	}
	return kept, s.saveDotEnv(j, root, variables)
}

// saveFile copies a regular file; a link that leaves the project is not
// followed.
func (s *artifactStore) saveFile(root *os.Root, to, name string) error {
	info, err := root.Stat(name)
	if err != nil || !info.Mode().IsRegular() {
		return nil
	}
	content, err := root.ReadFile(name)
	if err != nil {
		return err
	}
	target := filepath.Join(to, filepath.FromSlash(name))
	if err := os.MkdirAll(filepath.Dir(target), 0o700); err != nil {
		return err
	}
	return os.WriteFile(target, content, info.Mode().Perm()|0o600)
}

// artifactMatches matches a file against artifacts:paths: a pattern, a file,
// or a directory with all that is in it.
func artifactMatches(patterns []string, name string, variables variableList) bool {
	return slices.ContainsFunc(patterns, func(pattern string) bool {
		pattern = path.Clean(strings.TrimPrefix(variables.expandText(pattern), "./"))
		for at := name; at != "."; at = path.Dir(at) {
			if globMatch(pattern, at) {
				return true
			}
		}
		return pattern == "."
	})
}

// maxDotEnvVariables is GitLab's limit on self-managed instances.
const maxDotEnvVariables = 150

var dotEnvKey = regexp.MustCompile(`^[a-zA-Z_][a-zA-Z0-9_]*$`)

func (s *artifactStore) saveDotEnv(j *PlannedJob, root *os.Root, variables variableList) error {
	for _, name := range j.Artifacts.DotEnv {
		name = path.Clean(variables.expandText(name))
		content, err := root.ReadFile(name)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return err
		}
		parsed, err := parseDotEnv(name, content)
		if err != nil {
			return err
		}
		s.dotenv[j.Name] = append(s.dotenv[j.Name], parsed...)
	}
	return nil
}

// parseDotEnv reads KEY=value lines as GitLab does: no comments, no empty
// lines, one pair of quotes taken off.
func parseDotEnv(name string, content []byte) ([]Variable, error) {
	var out []Variable
	lines := bufio.NewScanner(bytes.NewReader(content))
	for number := 1; lines.Scan(); number++ {
		key, value, found := strings.Cut(lines.Text(), "=")
		if !found || !dotEnvKey.MatchString(key) {
			return nil, malformed(Position{File: name, Line: number}, "a dotenv report has lines of KEY=value only")
		}
		if n := len(value); n >= 2 && (value[0] == '"' || value[0] == '\'') && value[n-1] == value[0] {
			value = value[1 : n-1]
		}
		if out = append(out, Variable{Key: key, Value: value}); len(out) > maxDotEnvVariables {
			return nil, malformed(Position{File: name, Line: number}, "a dotenv report has at most %d variables", maxDotEnvVariables)
		}
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("read %s: %w", name, err)
	}
	return out, nil
}

// restore puts the artifacts of earlier jobs into a working copy.
func (s *artifactStore) restore(from []*PlannedJob, projectDir string) error {
	for _, j := range from {
		if _, err := os.Stat(s.of(j)); errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err := copyTree(s.of(j), projectDir); err != nil {
			return fmt.Errorf("restore artifacts of %s: %w", j.Name, err)
		}
	}
	return nil
}
