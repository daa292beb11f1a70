package labgitlab

import (
	"slices"
)

// treatment is what the lab does with a job keyword.
type treatment uint8

const (
	modelled treatment = iota
	ignored            // accepted and named in one note: it does not change what the lab does
	refused            // refused by name when a job that would run uses it
)

type jobKeyword struct {
	treatment treatment
	why       string
}

// jobKeywords are the keywords GitLab 19.1 knows in a job.
var jobKeywords = map[string]jobKeyword{
	"after_script": {}, "allow_failure": {}, "artifacts": {}, "before_script": {}, "dependencies": {},
	"environment": {}, "except": {}, "extends": {}, "id_tokens": {}, "inherit": {}, "needs": {},
	"only": {}, "rules": {}, "script": {}, "stage": {}, "timeout": {}, "variables": {}, "when": {},

	"image":               {ignored, "scripts run on this machine"},
	"tags":                {ignored, "there is one runner"},
	"interruptible":       {ignored, "nothing cancels a pipeline but its user"},
	"coverage":            {ignored, "no coverage is collected"},
	"cache":               {ignored, "each job starts without a cache, as after a cache miss"},
	"retry":               {ignored, "a failed job is not run again"},
	"resource_group":      {ignored, "jobs run one at a time"},
	"manual_confirmation": {ignored, "manual jobs are played by name"},
	"publish":             {ignored, "there are no Pages"},

	"services":           {refused, "no service containers are started"},
	"parallel":           {refused, "a job runs once"},
	"trigger":            {refused, "downstream pipelines are not created"},
	"start_in":           {refused, "delayed jobs are not scheduled"},
	"secrets":            {refused, "no secrets are fetched from a vault"},
	"hooks":              {refused, "the runner's own steps have no hooks"},
	"release":            {refused, "no releases are created"},
	"pages":              {refused, "there are no Pages"},
	"run":                {refused, "steps are not run"},
	"inputs":             {refused, "jobs take no inputs"},
	"identity":           {refused, "no cloud identity is provided"},
	"dast_configuration": {refused, "no scanner profiles exist"},
}

// defaultKeywords are those that `default` may hold and the root may hold of
// old.
var (
	defaultKeywords = []string{"after_script", "artifacts", "before_script", "cache", "hooks", "id_tokens", "image", "interruptible", "retry", "services", "tags", "timeout"}
	rootDefaults    = []string{"after_script", "before_script", "cache", "image", "services"}
	rootKeywords    = []string{"default", "include", "stages", "variables", "workflow"}
	workflowKeys    = []string{"auto_cancel", "name", "rules"}
	environmentKeys = []string{"action", "auto_stop_in", "deployment_tier", "kubernetes", "name", "on_stop", "url"}
	artifactKeys    = []string{"access", "exclude", "expire_in", "expose_as", "name", "paths", "public", "reports", "untracked", "when"}
)

// unmodelledUse is a place where a job uses something the lab does not model.
type unmodelledUse struct {
	keyword string
	at      Position
	why     string
}

func (u unmodelledUse) err() error { return notModelled(u.keyword, u.at, u.why) }

// unknownKey is the first key of a map that is not allowed.
func unknownKey(n *node, allowed []string) *entry {
	for i := range n.entries {
		if !slices.Contains(allowed, n.entries[i].key) {
			return &n.entries[i]
		}
	}
	return nil
}
