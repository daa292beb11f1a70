package labgitlab

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// checkWorld makes sure that what a world names exists and that no id or path
// is used twice. Places are those of the entry that is wrong.
func checkWorld(w *World, root *node) error {
	c := worldCheck{w: w, root: root, ids: map[string]bool{}, paths: map[string]bool{}, tokens: map[string]bool{}}
	c.users()
	c.groups()
	c.projects()
	c.personalTokens()
	c.variables(w.Variables, root)
	return c.err
}

type worldCheck struct {
	w      *World
	root   *node
	ids    map[string]bool // :: kind and id
	paths  map[string]bool // :: lower-case full path
	tokens map[string]bool // :: value
	err    error
}

func (c *worldCheck) fail(at *node, format string, args ...any) {
	if c.err == nil {
		c.err = malformed(at.pos, format, args...)
	}
}

// at is the i-th entry of a list in the file.
func (c *worldCheck) at(list string, i int) *node { return c.root.get(list).list[i] }

func (c *worldCheck) unique(at *node, what string, id int64) {
	key := fmt.Sprint(what, id)
	if c.ids[key] {
		c.fail(at, "%s id %d is used twice", what, id)
	}
	c.ids[key] = true
}

// pathSegment is what GitLab accepts of paths that exist
// (reference: GitLab's path_regex).
var pathSegment = regexp.MustCompile(`^[a-zA-Z0-9_.][a-zA-Z0-9_.-]{0,254}$`)

func (c *worldCheck) path(at *node, path string) {
	for segment := range strings.SplitSeq(path, "/") {
		if !pathSegment.MatchString(segment) || strings.HasSuffix(segment, ".git") || strings.HasSuffix(segment, ".atom") {
			c.fail(at, "%q is not a path GitLab would accept", path)
			return
		}
	}
	if c.paths[strings.ToLower(path)] {
		c.fail(at, "path %s is used twice", path)
	}
	c.paths[strings.ToLower(path)] = true
}

func (c *worldCheck) users() {
	if len(c.w.Users) == 0 {
		c.fail(c.root, "a world needs at least one user")
	}
	for i, u := range c.w.Users {
		at := c.at("users", i)
		c.unique(at, "user", u.ID)
		c.path(at, u.Username)
		if strings.Contains(u.Username, "/") {
			c.fail(at, "a username has no slash")
		}
		if u.NamespaceID != 0 {
			c.unique(at, "namespace", u.NamespaceID)
		}
	}
}

func (c *worldCheck) groups() {
	for i, g := range c.w.Groups {
		at := c.at("groups", i)
		c.unique(at, "namespace", g.ID)
		c.path(at, g.Path)
		if parent, _, found := cutLast(g.Path); found {
			if _, ok := c.w.group(parent); !ok {
				c.fail(at, "group %s needs its parent %s to be listed too", g.Path, parent)
			}
		}
		if len(g.ProtectedBranches) > 0 && !c.w.Tier.paid() {
			c.fail(at, "protected branches of a group need tier premium or ultimate")
		}
		c.members(at, g.Members)
		c.branchRules(at, nil, g.ProtectedBranches)
		c.environmentRules(at, g.ProtectedEnvironments)
		for _, rule := range g.ProtectedEnvironments {
			if !slices.Contains(deploymentTiers, rule.Name) {
				c.fail(at, "a group protects environments by deployment tier: %s", strings.Join(deploymentTiers, ", "))
			}
		}
		c.variables(g.Variables, at)
	}
}

func cutLast(path string) (parent, name string, found bool) {
	i := strings.LastIndexByte(path, '/')
	if i < 0 {
		return "", path, false
	}
	return path[:i], path[i+1:], true
}

func (c *worldCheck) projects() {
	for i := range c.w.Projects {
		p, at := &c.w.Projects[i], c.at("projects", i)
		c.unique(at, "project", p.ID)
		c.path(at, p.Path)
		c.namespaceOf(at, p)
		c.fork(at, p)
		c.refs(at, p)
		c.subComponents(at, p)
		c.members(at, p.Members)
		c.branchRules(at, p.DeployKeys, p.ProtectedBranches)
		for _, rule := range p.ProtectedTags {
			c.access(at, rule.Create)
			c.deployKeys(at, p.DeployKeys, rule.Create)
		}
		c.guardrails(at, p)
		c.environmentRules(at, p.ProtectedEnvironments)
		c.variables(p.Variables, at)
	}
}

func (c *worldCheck) namespaceOf(at *node, p *Project) {
	parent, _, found := cutLast(p.Path)
	if !found {
		c.fail(at, "project path %q lacks its namespace", p.Path)
		return
	}
	if _, ok := c.w.group(parent); ok {
		return
	}
	u, ok := c.w.User(parent)
	if !ok {
		c.fail(at, "project %s lies in %s, which is no group and no user", p.Path, parent)
	} else if u.NamespaceID == 0 {
		c.fail(at, "project %s lies in a personal namespace: give user %s a namespace_id", p.Path, u.Username)
	}
}

func (c *worldCheck) fork(at *node, p *Project) {
	if p.ForkedFrom == "" {
		return
	}
	if _, ok := c.w.Project(p.ForkedFrom); !ok {
		c.fail(at, "project %s is a fork of %s, which is not listed", p.Path, p.ForkedFrom)
	}
}

func (c *worldCheck) refs(at *node, p *Project) {
	if len(p.Branches) == 0 {
		c.fail(at, "project %s has no branches", p.Path)
	}
	c.refList(at, p, Branch, p.Branches)
	c.refList(at, p, Tag, p.Tags)
	if _, ok := p.Ref(Branch, p.DefaultBranch); !ok && len(p.Branches) > 0 {
		c.fail(at, "project %s has no branch %s, its default_branch", p.Path, p.DefaultBranch)
	}
}

func (c *worldCheck) refList(at *node, p *Project, kind RefType, refs []Ref) {
	seen := map[string]bool{}
	for _, ref := range refs {
		if problem := checkRefName(ref.Name); problem != "" {
			c.fail(at, "%s name %q %s", kind, ref.Name, problem)
		}
		if seen[ref.Name] {
			c.fail(at, "%s %s is listed twice", kind, ref.Name)
		}
		seen[ref.Name] = true
		if ref.Directory == "" && p.Directory == "" {
			c.fail(at, "%s %s has no directory, and neither has project %s", kind, ref.Name, p.Path)
		}
		if kind == Tag && ref.Name == p.DefaultBranch {
			c.fail(at, "a tag may not be called like the default branch %s", ref.Name)
		}
	}
}

// subComponentNames are what GitLab 19.1 accepts in a sub.
var subComponentNames = []string{"project_path", "project_id", "ref_type", "ref", "ref_protected", "environment_protected", "deployment_tier"}

func (c *worldCheck) subComponents(at *node, p *Project) {
	if len(p.SubComponents) == 0 {
		c.fail(at, "ci_id_token_sub_claim_components needs at least one component")
		return
	}
	if first := p.SubComponents[0]; first != "project_path" && first != "project_id" {
		c.fail(at, "project_path or project_id must be the first element of the sub claim")
	}
	for _, component := range p.SubComponents {
		if !slices.Contains(subComponentNames, component) {
			c.fail(at, "%s is not an allowed sub claim component", component)
		}
	}
}

func (c *worldCheck) members(at *node, members []Member) {
	for _, m := range members {
		if _, ok := c.w.User(m.User); !ok {
			c.fail(at, "there is no user %s", m.User)
		}
	}
}

func (c *worldCheck) branchRules(at *node, keys []DeployKey, rules []ProtectedBranch) {
	for _, rule := range rules {
		c.access(at, rule.Push)
		c.deployKeys(at, keys, rule.Push)
		for _, who := range [][]AccessRule{rule.Merge, rule.Unprotect} {
			c.access(at, who)
			c.deployKeys(at, nil, who)
		}
		if (len(rule.Unprotect) > 0 || rule.CodeOwners) && !c.w.Tier.paid() {
			c.fail(at, "who may unprotect, and code owners, need tier premium or ultimate")
		}
	}
}

// deployKeys checks that the keys which rules name are the project's and can
// push.
func (c *worldCheck) deployKeys(at *node, keys []DeployKey, rules []AccessRule) {
	for _, rule := range rules {
		if rule.DeployKey != 0 && !slices.ContainsFunc(keys, func(k DeployKey) bool { return k.ID == rule.DeployKey && k.CanPush }) {
			c.fail(at, "there is no deploy key %d that can push here", rule.DeployKey)
		}
	}
}

func (c *worldCheck) environmentRules(at *node, rules []ProtectedEnvironment) {
	if len(rules) > 0 && !c.w.Tier.paid() {
		c.fail(at, "protected environments need tier premium or ultimate")
	}
	for _, rule := range rules {
		c.access(at, rule.Deploy)
		c.deployKeys(at, nil, rule.Deploy)
		for _, a := range rule.Approvals {
			c.access(at, []AccessRule{a.AccessRule})
			c.deployKeys(at, nil, []AccessRule{a.AccessRule})
		}
		if len(rule.Deploy) == 0 {
			c.fail(at, "protected environment %s needs deploy_access_levels", rule.Name)
		}
	}
}

// access checks the users and groups that rules name; GitLab offers those
// entries on its paid tiers only.
func (c *worldCheck) access(at *node, rules []AccessRule) {
	for _, rule := range rules {
		if rule.User == "" && rule.Group == "" {
			continue
		}
		if !c.w.Tier.paid() {
			c.fail(at, "access levels for a user or group need tier premium or ultimate")
		}
		if _, ok := c.w.User(rule.User); rule.User != "" && !ok {
			c.fail(at, "there is no user %s", rule.User)
		}
		if _, ok := c.w.group(rule.Group); rule.Group != "" && !ok {
			c.fail(at, "there is no group %s", rule.Group)
		}
	}
}

func (c *worldCheck) variables(variables []WorldVariable, at *node) {
	seen := map[string]bool{}
	for _, v := range variables {
		key := v.Key + "\x00" + v.Scope
		if seen[key] {
			c.fail(at, "variable %s with scope %s is listed twice", v.Key, v.Scope)
		}
		seen[key] = true
	}
}
