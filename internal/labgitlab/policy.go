package labgitlab

import (
	"errors"
	"slices"
	"strings"
)

// policy is only or except: the older way to say when a job runs.
type policy struct {
	refs      []string
	hasRefs   bool
	variables []expression
	changes   *pathClause
	refusal   *unmodelledUse // kubernetes
}

// defaultOnly is GitLab's default of only.
var defaultOnly = []string{"branches", "tags"}

// parsePolicy reads only or except: a list of refs, or a mapping. In a mapping
// of only, refs default to branches and tags.
func parsePolicy(n *node, what string, only bool) (*policy, error) {
	p := &policy{}
	if n.is(kindString) || n.is(kindList) {
		return p, p.readRefs(n, what)
	}
	if !n.is(kindMap) || len(n.entries) == 0 {
		return nil, malformed(n.pos, "%s has to be either an array of conditions or a hash", what)
	}
	if unknown := unknownKey(n, []string{"changes", "kubernetes", "refs", "variables"}); unknown != nil {
		return nil, malformed(unknown.pos, "%s contains unknown keys: %s", what, unknown.key)
	}
	if only {
		p.refs, p.hasRefs = defaultOnly, true
	}
	if refs := n.get("refs"); !refs.null() {
		if err := p.readRefs(refs, what); err != nil {
			return nil, err
		}
	}
	if n.has("kubernetes") {
		p.refusal = &unmodelledUse{"only:kubernetes", n.keyPos("kubernetes"), "no cluster integration exists"}
	}
	for i := range n.entries {
		if e := n.entries[i]; e.key == "changes" && !e.value.null() {
			clause, err := readPaths(e, what)
			if err != nil {
				return nil, err
			}
			p.changes = clause
		}
	}
	return p, p.readVariables(n.get("variables"), what)
}

func (p *policy) readRefs(n *node, what string) error {
	list := n
	if n.is(kindList) {
		flat, err := flatten(n, maxRuleNesting)
		if err != nil {
			return malformed(n.pos, "%s: %v", what, err)
		}
		list = newList(n.pos, kindList, flat)
	}
	refs, err := oneOrMore(list)
	if err != nil {
		return malformed(n.pos, "%s should be an array of strings or regular expressions using re2 syntax", what)
	}
	for _, ref := range refs {
		if patternForm.MatchString(ref) {
			if _, err := compilePattern(ref); err != nil {
				return malformed(n.pos, "%s: %v", what, err)
			}
		}
	}
	p.refs, p.hasRefs = refs, true
	return nil
}

func (p *policy) readVariables(n *node, what string) error {
	if n.null() {
		return nil
	}
	statements, err := n.strings()
	if err != nil {
		return malformed(n.pos, "%s:variables should be an array of strings", what)
	}
	p.variables = []expression{}
	for _, statement := range statements {
		parsed, err := parseExpression(statement)
		if errors.Is(err, errExpressionInput) {
			return notModelled("$[[ inputs ]]", n.pos, "inputs of a pipeline")
		}
		if err != nil {
			return malformed(n.pos, "%s:variables: invalid expression syntax in %q: %v", what, statement, err)
		}
		p.variables = append(p.variables, parsed)
	}
	return nil
}

// policySubject is the pipeline that a policy is asked about.
type policySubject struct {
	project  string
	ref      string
	isTag    bool
	isBranch bool // neither tag nor merge request
	source   string
	rules    ruleContext
}

// verdicts evaluates each condition of a policy; only asks that all hold,
// except that none does.
func (p *policy) verdicts(s policySubject) ([]bool, error) {
	if p.refusal != nil {
		return nil, p.refusal.err()
	}
	var out []bool
	if p.hasRefs {
		out = append(out, slices.ContainsFunc(p.refs, s.matchesRef))
	}
	if p.variables != nil {
		lookup := s.rules.variables.lookup()
		out = append(out, slices.ContainsFunc(p.variables, func(e expression) bool { return e.holds(lookup) }))
	}
	if p.changes != nil {
		changed, err := s.rules.changed(p.changes)
		if err != nil {
			return nil, err
		}
		out = append(out, changed)
	}
	return out, nil
}

// matchesRef matches one entry of refs: a keyword, a source, a name or a
// /pattern/, each perhaps limited to a project by @path.
func (s policySubject) matchesRef(written string) bool {
	pattern, path, limited := strings.Cut(written, "@")
	if limited && path != s.project {
		return false
	}
	source := strings.TrimSuffix(s.source, "_event")
	switch {
	case s.isTag && pattern == "tags", s.isBranch && pattern == "branches",
		pattern == source, pattern == plural(source):
		return true
	case !s.isTag && !s.isBranch: // names and patterns do not match merge request pipelines
		return false
	}
	if !patternForm.MatchString(pattern) {
		return pattern == s.ref
	}
	compiled, err := compilePattern(pattern)
	return err == nil && compiled.MatchString(s.ref)
}

// plural is Rails' pluralize for the sources there are.
func plural(source string) string {
	switch {
	case strings.HasSuffix(source, "sh"):
		return source + "es"
	case strings.HasSuffix(source, "y"):
		return strings.TrimSuffix(source, "y") + "ies"
	default:
		return source + "s"
	}
}
