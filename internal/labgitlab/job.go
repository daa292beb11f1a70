package labgitlab

import (
	"regexp"
	"slices"
	"strings"
	"time"
)

// job is one visible job with extends, default and references resolved.
type job struct {
	name         string
	pos          Position
	stage        string
	variables    []yamlVariable
	inheritAll   bool     // of the root's variables
	inheritOnly  []string // else these
	rules        []rule
	hasRules     bool
	only, except *policy
	when         string
	allowFailure failureAllowance
	needs        []need
	hasNeeds     bool
	dependencies []string // nil: every earlier job's artifacts
	environment  *environmentKeyword
	idTokens     []IDToken
	before       []string
	script       []string
	after        []string
	timeout      time.Duration
	artifacts    *Artifacts
	ignored      []string
	refusals     []unmodelledUse
}

// failureAllowance is allow_failure; unset it follows `when`.
type failureAllowance struct {
	set       bool
	allowed   bool
	exitCodes []int
}

// need is one entry of needs.
type need struct {
	job        string
	artifacts  bool
	optional   bool
	pos        Position
	unmodelled string
}

// environmentKeyword is environment as written.
type environmentKeyword struct {
	name, url, action, tier string
	pos                     Position
}

// yamlVariable is one entry of a variables keyword.
type yamlVariable struct {
	key, value string
	raw        bool
}

// IDToken is one entry of id_tokens: the variable's name and its audience as
// written, before variables are expanded.
type IDToken struct {
	Name     string   `json:"name"`
	Audience Audience `json:"aud"`
}

// jobReader reads one job's mapping.
type jobReader struct {
	node *node
	job  *job
}

func parseJob(name string, pos Position, n *node) (*job, error) {
	r := jobReader{node: n, job: &job{name: name, pos: pos, inheritAll: true, stage: "test"}}
	for _, read := range []func() error{
		r.keywords, r.scripts, r.stage, r.variables, r.inherit, r.policies, r.rules, r.whenAndFailure,
		r.needs, r.dependencies, r.environment, r.idTokens, r.timeout, r.artifacts,
	} {
		if err := read(); err != nil {
			return nil, err
		}
	}
	return r.job, nil
}

func (r *jobReader) malformed(key, format string, args ...any) error {
	return malformed(r.node.keyPos(key), "jobs:%s "+format, append([]any{r.job.name}, args...)...)
}

// keywords refuses words GitLab does not know and sorts those the lab does not
// model.
func (r *jobReader) keywords() error {
	for _, e := range r.node.entries {
		known, ok := jobKeywords[e.key]
		if !ok {
			return malformed(e.pos, "jobs:%s config contains unknown keys: %s", r.job.name, e.key)
		}
		if e.value.null() || e.value.is(kindBool) && e.value.text == "false" && e.key == "pages" {
			continue
		}
		switch known.treatment {
		case ignored:
			r.job.ignored = append(r.job.ignored, e.key)
		case refused:
			r.job.refusals = append(r.job.refusals, unmodelledUse{e.key, e.pos, known.why})
		}
	}
	return nil
}

func (r *jobReader) scripts() error {
	if r.node.has("script") && r.node.has("trigger") {
		return r.malformed("trigger", "config these keys cannot be used together: script, trigger")
	}
	for _, part := range []struct {
		key  string
		into *[]string
	}{{"before_script", &r.job.before}, {"script", &r.job.script}, {"after_script", &r.job.after}} {
		value := r.node.get(part.key)
		if value.null() {
			continue
		}
		commands, ok := parseCommands(value)
		if !ok {
			return r.malformed(part.key, "%s config should be a string or a nested array of strings up to 10 levels deep", part.key)
		}
		*part.into = commands
	}
	if r.node.has("script") && len(r.job.script) == 0 {
		return r.malformed("script", "script can't be blank")
	}
	return nil
}

func parseCommands(n *node) ([]string, bool) {
	if n.is(kindString) {
		return []string{n.text}, true
	}
	if !n.is(kindList) {
		return nil, false
	}
	flat, err := flatten(n, maxRuleNesting)
	if err != nil {
		return nil, false
	}
	commands, err := newList(n.pos, kindList, flat).strings()
	return commands, err == nil
}

func (r *jobReader) stage() error {
	if stage := r.node.get("stage"); !stage.null() {
		if !stage.is(kindString) {
			return r.malformed("stage", "stage config should be a string")
		}
		r.job.stage = stage.text
	}
	return nil
}

func (r *jobReader) variables() (err error) {
	if value := r.node.get("variables"); !value.null() {
		r.job.variables, err = parseVariables(value, false)
	}
	return err
}

// parseVariables reads a variables keyword. The root's may carry description
// and options too.
func parseVariables(n *node, root bool) ([]yamlVariable, error) {
	if !n.is(kindMap) {
		return nil, malformed(n.pos, "variables should be a mapping, not %s", n.describe())
	}
	var out []yamlVariable
	for _, e := range n.entries {
		v := yamlVariable{key: e.key}
		switch {
		case e.value.scalar():
			v.value = e.value.text
		case e.value.is(kindMap):
			allowed := []string{"value", "expand"}
			if root {
				allowed = append(allowed, "description", "options")
			}
			if unknown := unknownKey(e.value, allowed); unknown != nil {
				return nil, malformed(unknown.pos, "variable %s uses invalid data keys: %s", e.key, unknown.key)
			}
			value, expand := e.value.get("value"), e.value.get("expand")
			if !value.null() && !value.scalar() {
				return nil, malformed(value.pos, "variable %s: value must be a scalar", e.key)
			}
			if !value.null() {
				v.value = value.text
			}
			v.raw = expand.is(kindBool) && expand.text == "false"
		default:
			return nil, malformed(e.pos, "variable %s should be a string or a mapping with value, not %s", e.key, e.value.describe())
		}
		out = append(out, v)
	}
	return out, nil
}

func (r *jobReader) inherit() error {
	inherit := r.node.get("inherit")
	if inherit.null() {
		return nil
	}
	if !inherit.is(kindMap) {
		return r.malformed("inherit", "inherit config should be a mapping")
	}
	if unknown := unknownKey(inherit, []string{"default", "variables"}); unknown != nil {
		return malformed(unknown.pos, "jobs:%s inherit contains unknown keys: %s", r.job.name, unknown.key)
	}
	variables := inherit.get("variables")
	switch {
	case variables.null():
	case variables.is(kindBool):
		r.job.inheritAll = variables.text == "true"
	default:
		names, err := variables.strings()
		if err != nil {
			return r.malformed("inherit", "inherit:variables should be a bool or array of strings")
		}
		r.job.inheritAll, r.job.inheritOnly = false, names
	}
	return nil
}

func (r *jobReader) policies() (err error) {
	for _, part := range []struct {
		key  string
		into **policy
	}{{"only", &r.job.only}, {"except", &r.job.except}} {
		value := r.node.get(part.key)
		if value.null() {
			continue
		}
		if r.node.has("rules") {
			return r.malformed(part.key, "config key may not be used with rules: %s", part.key)
		}
		if *part.into, err = parsePolicy(value, r.job.name+" "+part.key, part.key == "only"); err != nil {
			return err
		}
	}
	return nil
}

func (r *jobReader) rules() (err error) {
	value := r.node.get("rules")
	if value.null() {
		return nil
	}
	r.job.hasRules = true
	r.job.rules, err = parseRules(value, "jobs:"+r.job.name+":rules", jobRuleKeys, jobRuleWhens)
	return err
}

// jobWhens are the values of a job's own when; never is for rules.
var jobWhens = []string{"on_success", "on_failure", "always", "manual", "delayed"}

func (r *jobReader) whenAndFailure() error {
	r.job.when = "on_success"
	if when := r.node.get("when"); !when.null() {
		if !when.is(kindString) || !slices.Contains(jobWhens, when.text) {
			return r.malformed("when", "when should be one of: %s", strings.Join(jobWhens, ", "))
		}
		r.job.when = when.text
	}
	allow := r.node.get("allow_failure")
	switch {
	case allow.null():
	case allow.is(kindBool):
		r.job.allowFailure = failureAllowance{set: true, allowed: allow.text == "true"}
	case allow.is(kindMap) && unknownKey(allow, []string{"exit_codes"}) == nil:
		codes, err := exitCodes(allow.get("exit_codes"))
		if err != nil {
			return r.malformed("allow_failure", "allow_failure exit_codes should be an array of integers or an integer")
		}
		r.job.allowFailure = failureAllowance{set: true, exitCodes: codes}
	default:
		return r.malformed("allow_failure", "allow_failure should be a hash or a boolean value")
	}
	return nil
}

func (r *jobReader) needs() (err error) {
	value := r.node.get("needs")
	if value.null() {
		return nil
	}
	r.job.hasNeeds = true
	if r.job.needs, err = parseNeeds(value); err != nil {
		return err
	}
	for _, n := range r.job.needs {
		if n.unmodelled != "" {
			r.job.refusals = append(r.job.refusals, unmodelledUse{n.unmodelled, n.pos, "the lab needs jobs of the same pipeline only"})
		}
	}
	return nil
}

// parseNeeds reads needs, of a job or of a rule.
func parseNeeds(n *node) ([]need, error) {
	items := []*node{n}
	switch {
	case n.is(kindList):
		var err error
		if items, err = flatten(n, maxRuleNesting); err != nil {
			return nil, malformed(n.pos, "needs: %v", err)
		}
	case !n.is(kindMap):
		return nil, malformed(n.pos, "needs config can only be a Hash or an Array")
	}
	out := []need{}
	for _, item := range items {
		parsed, err := parseNeed(item)
		if err != nil {
			return nil, err
		}
		out = append(out, parsed)
	}
	return out, nil
}

func parseNeed(n *node) (need, error) {
	out := need{artifacts: true, pos: n.pos}
	if n.is(kindString) {
		out.job = n.text
		return out, nil
	}
	if !n.is(kindMap) {
		return need{}, malformed(n.pos, "need has an unsupported type: %s", n.describe())
	}
	for _, e := range n.entries {
		switch e.key {
		case "job":
			out.job = e.value.text
		case "artifacts":
			out.artifacts = e.value.text != "false"
		case "optional":
			out.optional = e.value.text == "true"
		case "pipeline", "project", "parallel":
			out.unmodelled, out.pos = "needs:"+e.key, e.pos
		case "ref": // goes with project
		default:
			return need{}, malformed(e.pos, "need config contains unknown keys: %s", e.key)
		}
	}
	if out.job == "" && out.unmodelled == "" {
		return need{}, malformed(n.pos, "need job can't be blank")
	}
	return out, nil
}

func (r *jobReader) dependencies() (err error) {
	value := r.node.get("dependencies")
	if value.null() {
		return nil
	}
	if r.job.dependencies, err = value.strings(); err != nil {
		return r.malformed("dependencies", "dependencies should be an array of strings")
	}
	if r.job.dependencies == nil {
		r.job.dependencies = []string{}
	}
	return nil
}

// environmentName is GitLab's rule for names, which may hold references.
var environmentName = regexp.MustCompile(`^[a-zA-Z0-9_${}. -]([a-zA-Z0-9_/${}. -]*[a-zA-Z0-9_${}. -])?$`)

func (r *jobReader) environment() error {
	value := r.node.get("environment")
	if value.null() {
		return nil
	}
	env := &environmentKeyword{action: "start", pos: r.node.keyPos("environment")}
	switch {
	case value.is(kindString):
		env.name = value.text
	case value.is(kindMap):
		if unknown := unknownKey(value, environmentKeys); unknown != nil {
			return malformed(unknown.pos, "jobs:%s environment config contains unknown keys: %s", r.job.name, unknown.key)
		}
		if err := r.environmentParts(value, env); err != nil {
			return err
		}
	default:
		return r.malformed("environment", "environment config should be a hash or a string")
	}
	if !environmentName.MatchString(env.name) {
		return r.malformed("environment", "environment name can contain only letters, digits, '-', '_', '/', '$', '{', '}', '.', and spaces, but it cannot start or end with '/'")
	}
	r.job.environment = env
	return nil
}

func (r *jobReader) environmentParts(value *node, env *environmentKeyword) error {
	for _, part := range []struct {
		key  string
		into *string
	}{{"name", &env.name}, {"url", &env.url}, {"action", &env.action}, {"deployment_tier", &env.tier}} {
		text := value.get(part.key)
		if text.null() {
			continue
		}
		if !text.is(kindString) {
			return malformed(text.pos, "jobs:%s environment %s should be a string", r.job.name, part.key)
		}
		*part.into = text.text
	}
	if !slices.Contains([]string{"start", "stop", "prepare", "verify", "access"}, env.action) {
		return malformed(value.keyPos("action"), "jobs:%s environment action should be start, stop, prepare, verify, or access", r.job.name)
	}
	if env.tier != "" && !slices.Contains(deploymentTiers, env.tier) {
		return malformed(value.keyPos("deployment_tier"), "jobs:%s environment deployment_tier should be one of %s", r.job.name, strings.Join(deploymentTiers, ", "))
	}
	if value.has("kubernetes") {
		r.job.refusals = append(r.job.refusals, unmodelledUse{"environment:kubernetes", value.keyPos("kubernetes"), "no agent is connected to a cluster"})
	}
	for _, key := range []string{"on_stop", "auto_stop_in"} {
		if value.has(key) {
			r.job.ignored = append(r.job.ignored, "environment:"+key)
		}
	}
	return nil
}

func (r *jobReader) idTokens() (err error) {
	value := r.node.get("id_tokens")
	if value.null() {
		return nil
	}
	r.job.idTokens, err = parseIDTokens(value, r.job.name)
	return err
}

// parseIDTokens reads an id_tokens keyword.
func parseIDTokens(n *node, of string) ([]IDToken, error) {
	if !n.is(kindMap) {
		return nil, malformed(n.pos, "jobs:%s id_tokens should be a mapping, not %s", of, n.describe())
	}
	var tokens []IDToken
	for _, e := range n.entries {
		if !e.value.is(kindMap) {
			return nil, malformed(e.pos, "jobs:%s id_tokens:%s should be a mapping with aud", of, e.key)
		}
		if unknown := unknownKey(e.value, []string{"aud"}); unknown != nil {
			return nil, malformed(unknown.pos, "jobs:%s id_tokens:%s config contains unknown keys: %s", of, e.key, unknown.key)
		}
		aud := e.value.get("aud")
		if aud.null() {
			return nil, malformed(e.pos, "jobs:%s id_tokens:%s config missing required keys: aud", of, e.key)
		}
		if aud.is(kindString) {
			tokens = append(tokens, IDToken{Name: e.key, Audience: OneAudience(aud.text)})
			continue
		}
		list, err := aud.strings()
		if err != nil {
			return nil, malformed(aud.pos, "jobs:%s id_tokens:%s aud should be an array of strings or a string", of, e.key)
		}
		tokens = append(tokens, IDToken{Name: e.key, Audience: Audiences(list...)})
	}
	return tokens, nil
}

func (r *jobReader) timeout() error {
	value := r.node.get("timeout")
	if value.null() {
		return nil
	}
	timeout, err := parseDuration(value.text)
	if err != nil || timeout <= 0 || !value.scalar() {
		return r.malformed("timeout", "timeout config should be a duration")
	}
	r.job.timeout = timeout
	return nil
}
