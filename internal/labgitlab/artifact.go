package labgitlab

import (
	"errors"
	"slices"
	"strconv"
)

// Artifacts are the files a job leaves to later jobs.
type Artifacts struct {
	Paths   []string `json:"paths,omitempty"`
	Exclude []string `json:"exclude,omitempty"`
	When    string   `json:"when"`             // on_success, on_failure or always
	DotEnv  []string `json:"dotenv,omitempty"` // files of KEY=value that become variables of later jobs
}

func (r *jobReader) artifacts() error {
	value := r.node.get("artifacts")
	if value.null() {
		return nil
	}
	if !value.is(kindMap) {
		return r.malformed("artifacts", "artifacts config should be a mapping")
	}
	if unknown := unknownKey(value, artifactKeys); unknown != nil {
		return malformed(unknown.pos, "jobs:%s artifacts config contains unknown keys: %s", r.job.name, unknown.key)
	}
	a := &Artifacts{When: "on_success"}
	for _, part := range []struct {
		key  string
		into *[]string
	}{{"paths", &a.Paths}, {"exclude", &a.Exclude}} {
		if list := value.get(part.key); !list.null() {
			patterns, ok := parseCommands(list)
			if !ok {
				return malformed(list.pos, "jobs:%s artifacts %s should be an array of strings", r.job.name, part.key)
			}
			*part.into = patterns
		}
	}
	if when := value.get("when"); !when.null() {
		if a.When = when.text; !slices.Contains([]string{"on_success", "on_failure", "always"}, a.When) {
			return malformed(when.pos, "jobs:%s artifacts when should be one of: on_success, on_failure, always", r.job.name)
		}
	}
	if untracked := value.get("untracked"); untracked.is(kindBool) && untracked.text == "true" {
		r.job.refusals = append(r.job.refusals, unmodelledUse{"artifacts:untracked", value.keyPos("untracked"), "the working copy is not a Git repository"})
	}
	for _, key := range []string{"access", "expire_in", "expose_as", "name", "public"} {
		if value.has(key) {
			r.job.ignored = append(r.job.ignored, "artifacts:"+key)
		}
	}
	r.job.artifacts = a
	return r.reports(value.get("reports"))
}

// reports models dotenv, which sets variables; the others only feed pages of
// GitLab.
func (r *jobReader) reports(value *node) error {
	if value.null() {
		return nil
	}
	if !value.is(kindMap) {
		return malformed(value.pos, "jobs:%s artifacts reports should be a mapping", r.job.name)
	}
	for _, e := range value.entries {
		if e.key != "dotenv" {
			r.job.ignored = append(r.job.ignored, "artifacts:reports:"+e.key)
			continue
		}
		files, err := oneOrMore(e.value)
		if err != nil {
			return malformed(e.pos, "jobs:%s artifacts reports dotenv should be an array of strings or a string", r.job.name)
		}
		r.job.artifacts.DotEnv = files
	}
	return nil
}

var errExitCode = errors.New("an exit code is a number")

func exitCodes(n *node) ([]int, error) {
	items := []*node{n}
	if n.is(kindList) {
		items = n.list
	}
	var codes []int
	for _, item := range items {
		if !item.is(kindInt) {
			return nil, errExitCode
		}
		code, err := strconv.Atoi(item.text)
		if err != nil {
			return nil, err
		}
		codes = append(codes, code)
	}
	return codes, nil
}
