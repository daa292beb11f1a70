package labgitlab

import (
	"errors"
	"slices"
	"strings"
)

// maxRuleNesting is GitLab's MAX_NESTING_LEVEL of rules and scripts.
const maxRuleNesting = 10

// rule is one entry of rules.
type rule struct {
	pos          Position
	condition    *expression // if
	changes      *pathClause
	exists       *pathClause
	when         string // empty: the job's own
	allowFailure *bool
	variables    []yamlVariable
	needs        []need
	hasNeeds     bool
}

// pathClause is changes or exists.
type pathClause struct {
	pos        Position
	paths      []string
	unmodelled string // a sub-keyword that is refused when the rule is reached
}

var (
	jobRuleKeys      = []string{"if", "changes", "exists", "when", "start_in", "allow_failure", "variables", "needs", "interruptible"}
	workflowRuleKeys = []string{"if", "changes", "exists", "when", "variables", "auto_cancel"}
	jobRuleWhens     = []string{"on_success", "on_failure", "always", "never", "manual", "delayed"}
	workflowWhens    = []string{"always", "never"}
)

// parseRules reads a list of rules; nested lists, which !reference makes, are
// flattened.
func parseRules(n *node, what string, keys, whens []string) ([]rule, error) {
	if !n.is(kindList) || len(n.list) == 0 {
		return nil, malformed(n.pos, "%s should be a list of rules", what)
	}
	flat, err := flatten(n, maxRuleNesting)
	if err != nil {
		return nil, malformed(n.pos, "%s: %v", what, err)
	}
	rules := make([]rule, 0, len(flat))
	for _, item := range flat {
		parsed, err := parseRule(item, what, keys, whens)
		if err != nil {
			return nil, err
		}
		rules = append(rules, parsed)
	}
	return rules, nil
}

var errNested = errors.New("nested too deep")

func flatten(n *node, levels int) ([]*node, error) {
	var out []*node
	for _, item := range n.list {
		if !item.is(kindList) {
			out = append(out, item)
			continue
		}
		if levels == 0 {
			return nil, errNested
		}
		inner, err := flatten(item, levels-1)
		if err != nil {
			return nil, err
		}
		out = append(out, inner...)
	}
	return out, nil
}

func parseRule(n *node, what string, keys, whens []string) (rule, error) {
	if !n.is(kindMap) || len(n.entries) == 0 {
		return rule{}, malformed(n.pos, "a rule of %s should be a mapping, not %s", what, n.describe())
	}
	r := rule{pos: n.pos}
	for _, e := range n.entries {
		if !slices.Contains(keys, e.key) {
			return rule{}, malformed(e.pos, "a rule of %s contains unknown key %s", what, e.key)
		}
		if e.value.null() {
			continue
		}
		if err := r.readKey(e, what, whens); err != nil {
			return rule{}, err
		}
	}
	return r, nil
}

func (r *rule) readKey(e entry, what string, whens []string) (err error) {
	switch e.key {
	case "if":
		r.condition, err = readCondition(e.value, what)
	case "changes":
		r.changes, err = readPaths(e, what, "compare_to")
	case "exists":
		r.exists, err = readPaths(e, what, "project", "ref")
	case "when":
		if r.when = e.value.text; !slices.Contains(whens, r.when) {
			return malformed(e.pos, "%s: when should be one of %s, not %s", what, strings.Join(whens, ", "), e.value.describe())
		}
	case "allow_failure":
		if !e.value.is(kindBool) {
			return malformed(e.pos, "%s: allow_failure of a rule should be true or false", what)
		}
		allowed := e.value.text == "true"
		r.allowFailure = &allowed
	case "variables":
		r.variables, err = parseVariables(e.value, false)
	case "needs":
		r.hasNeeds = true
		r.needs, err = parseNeeds(e.value)
	}
	return err
}

func readCondition(n *node, what string) (*expression, error) {
	if !n.is(kindString) {
		return nil, malformed(n.pos, "%s: if should be a string, not %s", what, n.describe())
	}
	parsed, err := parseExpression(n.text)
	if errors.Is(err, errExpressionInput) {
		return nil, notModelled("$[[ inputs ]]", n.pos, "inputs of a pipeline")
	}
	if err != nil {
		return nil, malformed(n.pos, "%s: invalid expression syntax in %q: %v", what, n.text, err)
	}
	return &parsed, nil
}

func readPaths(e entry, what string, unmodelled ...string) (*pathClause, error) {
	clause, list := &pathClause{pos: e.pos}, e.value
	if e.value.is(kindMap) {
		for _, inner := range e.value.entries {
			switch {
			case slices.Contains(unmodelled, inner.key):
				clause.pos, clause.unmodelled = inner.pos, what+":"+e.key+":"+inner.key
			case inner.key != "paths":
				return nil, malformed(inner.pos, "%s:%s contains unknown key %s", what, e.key, inner.key)
			}
		}
		list = e.value.get("paths")
	}
	if list.null() {
		return clause, nil
	}
	flat, err := flatten(newList(list.pos, kindList, []*node{list}), maxRuleNesting)
	if err != nil || !list.is(kindList) {
		return nil, malformed(e.pos, "%s:%s should be a list of strings", what, e.key)
	}
	clause.paths, err = newList(list.pos, kindList, flat).strings()
	if err != nil {
		return nil, malformed(e.pos, "%s:%s should be a list of strings", what, e.key)
	}
	return clause, nil
}

// ruleContext is what rules are evaluated against.
type ruleContext struct {
	variables variableList
	files     func() ([]string, error) // of the working tree
	changes   changeSet
}

// changeSet is what a pipeline's commits changed.
type changeSet struct {
	known bool
	// any is GitLab's answer where it compares nothing: tags, schedules,
	// pipelines started by hand.
	any   bool
	paths []string
}

// first is the first rule whose clauses all hold, nil where none does.
func (c ruleContext) first(rules []rule) (*rule, error) {
	lookup := c.variables.lookup()
	for i := range rules {
		matches, err := c.matches(&rules[i], lookup)
		if err != nil {
			return nil, err
		}
		if matches {
			return &rules[i], nil
		}
	}
	return nil, nil
}

func (c ruleContext) matches(r *rule, variables lookup) (bool, error) {
	if r.condition != nil && !r.condition.holds(variables) {
		return false, nil
	}
	if r.changes != nil {
		if matches, err := c.changed(r.changes); err != nil || !matches {
			return false, err
		}
	}
	if r.exists != nil {
		return c.exist(r.exists)
	}
	return true, nil
}

func (c ruleContext) changed(clause *pathClause) (bool, error) {
	switch {
	case clause.unmodelled != "":
		return false, notModelled(clause.unmodelled, clause.pos, "it would need the project's history")
	case c.changes.any:
		return true, nil
	case !c.changes.known:
		return false, notModelled("changes", clause.pos, "the lab has no history; say which files the pipeline's commits changed")
	}
	return c.anyPath(clause.paths, c.changes.paths)
}

func (c ruleContext) exist(clause *pathClause) (bool, error) {
	if clause.unmodelled != "" {
		return false, notModelled(clause.unmodelled, clause.pos, "the lab looks into the project's own working tree only")
	}
	files, err := c.files()
	if err != nil {
		return false, err
	}
	return c.anyPath(clause.paths, files)
}

func (c ruleContext) anyPath(patterns, paths []string) (bool, error) {
	expanded, err := c.variables.expandAll()
	if err != nil {
		return false, err
	}
	for _, pattern := range patterns {
		pattern = expanded.expandExisting(pattern)
		directory := strings.HasSuffix(pattern, "/")
		for _, path := range paths {
			if directory && strings.HasPrefix(path, pattern) || globMatch(pattern, path) {
				return true, nil
			}
		}
	}
	return false, nil
}
