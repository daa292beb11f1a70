package labgitlab

import (
	"io/fs"
	"slices"
	"strings"
)

// CIFile is one CI file as it is written, nothing followed but YAML's own
// anchors and merge keys.
type CIFile struct {
	content *node
}

// ParseCIFile reads one CI file on its own. Only what is not a YAML mapping is
// refused, as a *Refusal of ReasonMalformed: what a file means is known when
// its includes are, which is LoadPipeline's work.
func ParseCIFile(name string, content []byte) (*CIFile, error) {
	d, err := parseDocument(name, content)
	if err != nil {
		return nil, err
	}
	return &CIFile{content: d.content}, nil
}

// DeclaredToken is an id_tokens entry where it is written: in a job, in a
// hidden job, or in `default`.
type DeclaredToken struct {
	Job string
	IDToken
}

// IDTokens lists the tokens that a file declares in so many words, in its
// order. What GitLab would refuse, or stands elsewhere behind a !reference, is
// not among them.
func (f *CIFile) IDTokens() []DeclaredToken {
	var out []DeclaredToken
	for _, e := range f.content.entries {
		declared := e.value.get("id_tokens")
		if !declared.is(kindMap) {
			continue
		}
		for _, token := range declared.entries {
			read, err := parseIDTokens(newMap(token.pos, []entry{token}), e.key)
			if err == nil {
				out = append(out, DeclaredToken{Job: e.key, IDToken: read[0]})
			}
		}
	}
	return out
}

// Jobs lists the names of a file's visible jobs, in its order.
func (f *CIFile) Jobs() []string {
	var names []string
	for _, e := range f.content.entries {
		if isJobName(e) {
			names = append(names, e.key)
		}
	}
	return names
}

func isJobName(e entry) bool {
	reserved := slices.Contains(rootKeywords, e.key) || slices.Contains(rootDefaults, e.key)
	return !reserved && !strings.HasPrefix(e.key, ".")
}

// PipelineConfig is a project's CI configuration with include, extends,
// default, inherit and !reference followed.
type PipelineConfig struct {
	stages    []string
	variables []yamlVariable
	workflow  workflow
	jobs      []*job
	byName    map[string]*job
}

// workflow is the keyword of that name.
type workflow struct {
	name     string
	rules    []rule
	hasRules bool
}

// LoadPipeline reads a project's configuration from its working tree: the file
// called name and what it includes. What GitLab would refuse is a *Refusal of
// ReasonMalformed; an include the lab does not follow, of ReasonNotModelled. A
// job's own unmodelled keywords are refused only when it would run.
func LoadPipeline(files fs.FS, name string) (*PipelineConfig, error) {
	in := includer{source: source{files: files}}
	return in.pipeline(name)
}

func (in *includer) pipeline(name string) (*PipelineConfig, error) {
	root, err := in.load(name, nil, Position{File: name})
	if err != nil {
		return nil, err
	}
	if root, err = extendAll(root); err != nil {
		return nil, err
	}
	if root, err = resolveReferences(root); err != nil {
		return nil, err
	}
	return readConfig(root)
}

// IDTokens lists the tokens that each visible job will get, defaults and
// extends included.
func (c *PipelineConfig) IDTokens() []DeclaredToken {
	var out []DeclaredToken
	for _, j := range c.jobs {
		for _, token := range j.idTokens {
			out = append(out, DeclaredToken{Job: j.name, IDToken: token})
		}
	}
	return out
}

// Jobs lists the names of the visible jobs.
func (c *PipelineConfig) Jobs() []string {
	var names []string
	for _, j := range c.jobs {
		names = append(names, j.name)
	}
	return names
}

func readConfig(root *node) (*PipelineConfig, error) {
	c := &PipelineConfig{byName: map[string]*job{}}
	defaults, err := readDefaults(root)
	if err != nil {
		return nil, err
	}
	if c.stages, err = readStages(root.get("stages")); err != nil {
		return nil, err
	}
	if variables := root.get("variables"); !variables.null() {
		if c.variables, err = parseVariables(variables, true); err != nil {
			return nil, err
		}
	}
	if c.workflow, err = readWorkflow(root.get("workflow")); err != nil {
		return nil, err
	}
	for _, e := range root.entries {
		if !isJobName(e) || e.value.null() {
			continue
		}
		if err := c.addJob(e, defaults); err != nil {
			return nil, err
		}
	}
	if len(c.jobs) == 0 {
		return nil, malformed(root.pos, "jobs config should contain at least one visible job")
	}
	if err := c.check(); err != nil {
		return nil, err
	}
	return c, nil
}

// maxJobName is GitLab's limit on names.
const maxJobName = 255

func (c *PipelineConfig) addJob(e entry, defaults *node) error {
	if !e.value.is(kindMap) || !(e.value.has("script") || e.value.has("run") || e.value.has("trigger") || e.value.has("needs")) {
		return malformed(e.pos, "jobs %s config should implement the script:, run:, or trigger: keyword", e.key)
	}
	if len(e.key) > maxJobName {
		return malformed(e.pos, "jobs name is too long (maximum is %d characters)", maxJobName)
	}
	effective, err := withDefaults(e.value, defaults)
	if err != nil {
		return err
	}
	parsed, err := parseJob(e.key, e.pos, effective)
	if err != nil {
		return err
	}
	if len(parsed.script) == 0 && !effective.has("run") && !effective.has("trigger") {
		parsed.refusals = append(parsed.refusals, unmodelledUse{"needs:pipeline", e.pos, "bridge jobs are not created"})
	}
	if !parsed.hasRules && !c.workflow.hasRules && parsed.only == nil {
		parsed.only = &policy{refs: defaultOnly, hasRefs: true}
	}
	c.jobs = append(c.jobs, parsed)
	c.byName[e.key] = parsed
	return nil
}

// readDefaults joins `default` with the older keywords at the root.
func readDefaults(root *node) (*node, error) {
	defaults := root.get("default")
	if defaults.null() {
		defaults = newMap(root.pos, nil)
	}
	if !defaults.is(kindMap) {
		return nil, malformed(defaults.pos, "default config should be a mapping")
	}
	if unknown := unknownKey(defaults, defaultKeywords); unknown != nil {
		return nil, malformed(unknown.pos, "default config contains unknown keys: %s", unknown.key)
	}
	for _, key := range rootDefaults {
		e := root.entry(key)
		if e == nil || e.value.null() {
			continue
		}
		if defaults.has(key) {
			return nil, malformed(e.pos, "%s is defined in top-level and `default:` entry", key)
		}
		defaults = defaults.with(*e)
	}
	return defaults, nil
}

// withDefaults adds to a job what it inherits: a keyword of its own replaces
// the default as a whole.
func withDefaults(n, defaults *node) (*node, error) {
	inherits := func(string) bool { return true }
	if which := n.get("inherit").get("default"); !which.null() {
		if which.is(kindBool) {
			inherits = func(string) bool { return which.text == "true" }
		} else {
			names, err := which.strings()
			if err != nil {
				return nil, malformed(which.pos, "inherit:default should be a bool or array of strings")
			}
			for _, name := range names {
				if !slices.Contains(defaultKeywords, name) {
					return nil, malformed(which.pos, "inherit:default contains unknown values: %s", name)
				}
			}
			inherits = func(key string) bool { return slices.Contains(names, key) }
		}
	}
	for _, e := range defaults.entries {
		if !n.has(e.key) && inherits(e.key) && !e.value.null() && !(n.has("trigger") && e.key != "interruptible") {
			n = n.with(e)
		}
	}
	return n, nil
}

// readStages lists the stages with .pre and .post around them.
func readStages(n *node) ([]string, error) {
	stages := []string{"build", "test", "deploy"}
	if !n.null() {
		if !n.is(kindList) {
			return nil, malformed(n.pos, "stages config should be an array of strings")
		}
		flat, err := flatten(n, maxRuleNesting)
		if err != nil {
			return nil, malformed(n.pos, "stages: %v", err)
		}
		if stages, err = newList(n.pos, kindList, flat).strings(); err != nil {
			return nil, malformed(n.pos, "stages config should be an array of strings")
		}
	}
	out := []string{".pre"}
	for _, stage := range stages {
		if !slices.Contains(out, stage) && stage != ".post" {
			out = append(out, stage)
		}
	}
	return append(out, ".post"), nil
}

func readWorkflow(n *node) (workflow, error) {
	if n.null() {
		return workflow{}, nil
	}
	if !n.is(kindMap) {
		return workflow{}, malformed(n.pos, "workflow config should be a mapping")
	}
	if unknown := unknownKey(n, workflowKeys); unknown != nil {
		return workflow{}, malformed(unknown.pos, "workflow config contains unknown keys: %s", unknown.key)
	}
	w := workflow{}
	if name := n.get("name"); !name.null() {
		w.name = strings.TrimSpace(name.text)
	}
	rules := n.get("rules")
	if rules.null() {
		return w, nil
	}
	w.hasRules = true
	var err error
	w.rules, err = parseRules(rules, "workflow:rules", workflowRuleKeys, workflowWhens)
	return w, err
}

// check makes sure that stages, needs and dependencies exist and do not turn
// in circles.
func (c *PipelineConfig) check() error {
	for _, j := range c.jobs {
		if !slices.Contains(c.stages, j.stage) {
			return malformed(j.pos, "%s job: chosen stage %s does not exist; available stages are %s", j.name, j.stage, strings.Join(c.stages, ", "))
		}
		if err := c.checkNeeds(j, j.needs); err != nil {
			return err
		}
		for _, rule := range j.rules {
			if err := c.checkNeeds(j, rule.needs); err != nil {
				return err
			}
		}
		if err := c.checkDependencies(j); err != nil {
			return err
		}
	}
	return c.checkCircles()
}

// maxNeeds is GitLab's ci_needs_size_limit.
const maxNeeds = 50

func (c *PipelineConfig) checkNeeds(j *job, needs []need) error {
	if len(needs) > maxNeeds {
		return malformed(j.pos, "%s: one job can only need %d others, but you have listed %d", j.name, maxNeeds, len(needs))
	}
	seen := map[string]bool{}
	for _, n := range needs {
		if n.unmodelled != "" {
			continue
		}
		if err := c.checkEarlier(j, n.job, "need", n.pos, n.optional); err != nil {
			return err
		}
		if seen[n.job] {
			return malformed(n.pos, "%s has the following needs duplicated: %s", j.name, n.job)
		}
		seen[n.job] = true
	}
	return nil
}

func (c *PipelineConfig) checkEarlier(j *job, name, what string, at Position, optional bool) error {
	other, ok := c.byName[name]
	if !ok {
		if optional {
			return nil
		}
		return malformed(at, "%s job: undefined %s: %s", j.name, what, name)
	}
	if slices.Index(c.stages, other.stage) > slices.Index(c.stages, j.stage) {
		return malformed(at, "%s job: %s %s is not defined in current or prior stages", j.name, what, name)
	}
	return nil
}

func (c *PipelineConfig) checkDependencies(j *job) error {
	for _, name := range j.dependencies {
		if err := c.checkEarlier(j, name, "dependency", j.pos, false); err != nil {
			return err
		}
		if len(j.needs) > 0 && !slices.ContainsFunc(j.needs, func(n need) bool { return n.job == name }) {
			return malformed(j.pos, "jobs:%s dependencies the %s should be part of needs", j.name, name)
		}
	}
	return nil
}

func (c *PipelineConfig) checkCircles() error {
	const open, done = 1, 2
	state := map[string]int{}
	var visit func(name string) error
	visit = func(name string) error {
		j, ok := c.byName[name]
		switch {
		case !ok || state[name] == done:
			return nil
		case state[name] == open:
			return malformed(j.pos, "the pipeline has circular dependencies through %s", name)
		}
		state[name] = open
		for _, n := range j.needs {
			if err := visit(n.job); err != nil {
				return err
			}
		}
		state[name] = done
		return nil
	}
	for _, j := range c.jobs {
		if err := visit(j.name); err != nil {
			return err
		}
	}
	return nil
}
