package labgitlab

import (
	"crypto/sha1"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"time"
)

// TierName is a GitLab subscription tier.
type TierName string

const (
	Free     TierName = "free"
	Premium  TierName = "premium"
	Ultimate TierName = "ultimate"
)

func (t TierName) paid() bool { return t == Premium || t == Ultimate }

// World describes one GitLab instance. Its field names and the YAML behind it
// follow GitLab's REST API. A World comes from LoadWorld, which has checked
// that everything in it hangs together, and is not changed afterwards: a
// [Server] whose protections change goes on with another.
type World struct {
	Tier           TierName
	Version        string // CI_SERVER_VERSION
	Users          []User
	Groups         []Group
	Projects       []Project
	Variables      []WorldVariable // of the instance
	Runner         RunnerIdentity
	Burned         []BurnedPath
	PersonalTokens []AccessToken // personal_access_tokens
}

// User is a person. The first user of a world starts a pipeline whose request
// names nobody.
type User struct {
	ID          int64
	Username    string
	Name        string
	Email       string
	NamespaceID int64 // of the personal namespace
	Identities  []Identity
	Admin       bool // is_admin
}

// Identity is an external account of a user who chose to pass it to jobs.
type Identity struct {
	Provider  string `json:"provider"`
	ExternUID string `json:"extern_uid"`
}

// Member is a user's role in a group or project.
type Member struct {
	User  string
	Level AccessLevel
}

// Group is a namespace; a path with slashes is a subgroup, whose ancestors
// must be listed too.
type Group struct {
	ID                    int64
	Path                  string // full path
	Members               []Member
	Variables             []WorldVariable
	ProtectedBranches     []ProtectedBranch
	ProtectedEnvironments []ProtectedEnvironment // names are deployment tiers
}

// Project is a project with its refs, protections and CI/CD settings.
type Project struct {
	ID                    int64
	Path                  string // full path with namespace
	Name                  string
	Visibility            string
	DefaultBranch         string
	Directory             string // absolute path of the working tree
	ConfigPath            string // ci_config_path
	CatalogResource       bool   // its semantic-version tags are releases in the CI/CD catalog
	BuildTimeout          time.Duration
	SubComponents         []string // ci_id_token_sub_claim_components
	ForkedFrom            string
	ProtectMergeRequests  bool        // protect_merge_request_pipelines
	RunForksInParent      bool        // ci_allow_fork_pipelines_to_run_in_parent_project
	PipelineVariables     AccessLevel // ci_pipeline_variables_minimum_override_role; NoAccess is no one
	Members               []Member
	Variables             []WorldVariable
	Branches              []Ref
	Tags                  []Ref
	ProtectedBranches     []ProtectedBranch
	ProtectedTags         []ProtectedTag
	Environments          []Environment
	ProtectedEnvironments []ProtectedEnvironment

	// What the REST API shows and nothing here enforces.
	Archived          bool
	JobTokenMayPush   bool // ci_push_repository_for_job_token_allowed
	Mirror            bool
	MirrorTriggers    bool // mirror_trigger_builds
	Merging           MergeSettings
	Approvals         Approvals
	ApprovalRules     []ApprovalRule
	PushRule          *PushRule // nil: none is set
	JobTokenScope     JobTokenScope
	Shares            []GroupShare // shared_with_groups
	Triggers          []Trigger
	PipelineSchedules []PipelineSchedule
	DeployKeys        []DeployKey
	AccessTokens      []AccessToken
}

// Ref is a branch or tag that exists.
type Ref struct {
	Name      string
	Directory string // absolute; empty is the project's
	SHA       string // 40 hexadecimal digits
	Message   string // of its newest commit
}

// ProtectedBranch is a rule; its name may contain `*`.
type ProtectedBranch struct {
	Name           string
	Push           []AccessRule // push_access_levels
	Merge          []AccessRule // merge_access_levels
	Unprotect      []AccessRule // unprotect_access_levels; none is Maintainers
	AllowForcePush bool
	CodeOwners     bool // code_owner_approval_required
}

// ProtectedTag is a rule; its name may contain `*`.
type ProtectedTag struct {
	Name   string
	Create []AccessRule // create_access_levels
}

// Environment is an environment that exists before any job names it.
type Environment struct {
	Name        string
	Tier        string
	ExternalURL string
}

// ProtectedEnvironment says who may deploy.
type ProtectedEnvironment struct {
	Name              string
	Deploy            []AccessRule          // deploy_access_levels
	RequiredApprovals int                   // required_approval_count
	Approvals         []EnvironmentApproval // approval_rules
}

// WorldVariable is a CI/CD variable of the settings pages.
type WorldVariable struct {
	Variable
	Protected bool
	Scope     string // environment_scope
}

// RunnerIdentity is the runner that picks up every job.
type RunnerIdentity struct {
	ID          int64
	Description string
	Environment string        // runner_environment: self-hosted or gitlab-hosted
	MaxTimeout  time.Duration // maximum_timeout; zero is none
}

// BurnedPath is a project path that another project once held; GitLab 19.1 and
// later refuse to mint a sub that leads with it.
type BurnedPath struct {
	Path      string
	ProjectID int64 // who held it
}

// Project finds a project by its full path, ignoring case as GitLab does.
func (w *World) Project(path string) (*Project, bool) {
	for i := range w.Projects {
		if strings.EqualFold(w.Projects[i].Path, path) {
			return &w.Projects[i], true
		}
	}
	return nil, false
}

// User finds a user by login, ignoring case.
func (w *World) User(login string) (*User, bool) {
	for i := range w.Users {
		if strings.EqualFold(w.Users[i].Username, login) {
			return &w.Users[i], true
		}
	}
	return nil, false
}

func (w *World) group(path string) (*Group, bool) {
	for i := range w.Groups {
		if strings.EqualFold(w.Groups[i].Path, path) {
			return &w.Groups[i], true
		}
	}
	return nil, false
}

// namespace is a project's immediate parent: a group or a user's own.
func (w *World) namespace(p *Project) (id int64, path string) {
	path = p.namespacePath()
	if g, ok := w.group(path); ok {
		return g.ID, g.Path
	}
	if u, ok := w.User(path); ok {
		return u.NamespaceID, u.Username
	}
	return 0, path // unreachable: checked when the world was loaded
}

func (p *Project) namespacePath() string { return p.Path[:strings.LastIndexByte(p.Path, '/')] }
func (p *Project) slugName() string      { return p.Path[strings.LastIndexByte(p.Path, '/')+1:] }

// ancestors lists a path's enclosing groups, outermost first.
func (w *World) ancestors(path string) []*Group {
	var found []*Group
	for i := 0; i <= len(path); i++ {
		if i == len(path) || path[i] == '/' {
			if g, ok := w.group(path[:i]); ok {
				found = append(found, g)
			}
		}
	}
	return found
}

// Level is a user's highest role in a project, inherited ones included.
func (w *World) Level(p *Project, user *User) AccessLevel {
	if strings.EqualFold(p.namespacePath(), user.Username) {
		return Owner
	}
	level := max(memberLevel(p.Members, user), w.groupLevel(p.namespacePath(), user))
	for _, s := range p.Shares {
		level = max(level, min(s.Level, w.groupLevel(s.Group, user)))
	}
	return level
}

func (w *World) groupLevel(path string, user *User) AccessLevel {
	level := NoAccess
	for _, g := range w.ancestors(path) {
		level = max(level, memberLevel(g.Members, user))
	}
	return level
}

func memberLevel(members []Member, user *User) AccessLevel {
	level := NoAccess
	for _, m := range members {
		if strings.EqualFold(m.User, user.Username) {
			level = max(level, m.Level)
		}
	}
	return level
}

// Ref finds a branch or tag that exists.
func (p *Project) Ref(t RefType, name string) (Ref, bool) {
	refs := p.Branches
	if t == Tag {
		refs = p.Tags
	}
	i := slices.IndexFunc(refs, func(r Ref) bool { return r.Name == name })
	if i < 0 {
		return Ref{}, false
	}
	ref := refs[i]
	if ref.Directory == "" {
		ref.Directory = p.Directory
	}
	if ref.SHA == "" {
		ref.SHA = inventedSHA(p, t, name)
	}
	if ref.Message == "" {
		ref.Message = "Commit on " + name
	}
	return ref, true
}

// inventedSHA is a stable commit id for a ref that names none.
func inventedSHA(p *Project, t RefType, name string) string {
	sum := sha1.Sum(fmt.Appendf(nil, "%d\x00%s", p.ID, refPath(t, name)))
	return hex.EncodeToString(sum[:])
}

// branchRules are the rules, of the project and of the groups above it, that
// match a branch.
func (w *World) branchRules(p *Project, name string) []ProtectedBranch {
	var matching []ProtectedBranch
	add := func(rules []ProtectedBranch) {
		for _, rule := range rules {
			if matchRefName(rule.Name, name) {
				matching = append(matching, rule)
			}
		}
	}
	add(p.ProtectedBranches)
	for _, g := range w.ancestors(p.namespacePath()) {
		add(g.ProtectedBranches)
	}
	return matching
}

func (p *Project) tagRules(name string) []ProtectedTag {
	var matching []ProtectedTag
	for _, rule := range p.ProtectedTags {
		if matchRefName(rule.Name, name) {
			matching = append(matching, rule)
		}
	}
	return matching
}

// Protected reports whether a ref matches a protected branch or tag.
func (w *World) Protected(p *Project, t RefType, name string) bool {
	if t == Tag {
		return len(p.tagRules(name)) > 0
	}
	return len(w.branchRules(p, name)) > 0
}

// canUpdateBranch is GitLab's can_update_branch?: a Developer where no rule
// matches, else anyone whom any matching rule lets push or merge.
func (w *World) canUpdateBranch(p *Project, user *User, name string) bool {
	level := w.Level(p, user)
	rules := w.branchRules(p, name)
	if len(rules) == 0 {
		return level >= Developer
	}
	return slices.ContainsFunc(rules, func(rule ProtectedBranch) bool {
		return w.anyAllows(rule.Push, user, level) || w.anyAllows(rule.Merge, user, level)
	})
}

func (w *World) canCreateTag(p *Project, user *User, name string) bool {
	level := w.Level(p, user)
	rules := p.tagRules(name)
	if len(rules) == 0 {
		return level >= Developer
	}
	return slices.ContainsFunc(rules, func(rule ProtectedTag) bool {
		return w.anyAllows(rule.Create, user, level)
	})
}

func (w *World) anyAllows(rules []AccessRule, user *User, level AccessLevel) bool {
	return slices.ContainsFunc(rules, func(r AccessRule) bool { return r.allows(w, user, level) })
}

// environmentRules are the protections of an environment: the project's by
// name and the groups' by deployment tier. Without a paid tier there are none.
func (w *World) environmentRules(p *Project, name, tier string) []ProtectedEnvironment {
	if !w.Tier.paid() {
		return nil
	}
	var matching []ProtectedEnvironment
	for _, rule := range p.ProtectedEnvironments {
		if rule.Name == name {
			matching = append(matching, rule)
		}
	}
	for _, g := range w.ancestors(p.namespacePath()) {
		for _, rule := range g.ProtectedEnvironments {
			if rule.Name == tier {
				matching = append(matching, rule)
			}
		}
	}
	return matching
}

// canDeploy asks every level of protection: the project's rule and each
// group's must let the user through.
func (w *World) canDeploy(p *Project, user *User, rules []ProtectedEnvironment) bool {
	level := w.Level(p, user)
	for _, rule := range rules {
		if !w.anyAllows(rule.Deploy, user, level) {
			return false
		}
	}
	return true
}

// variablesFor lists the CI/CD variables that the settings give a job:
// instance, then groups from the outside in, then project. Protected ones need
// a protected ref; a scoped one needs an environment that matches, and the
// narrower scope wins.
func (w *World) variablesFor(p *Project, protected bool, environment string) variableList {
	out := selectVariables(w.Variables, protected, environment)
	for _, g := range w.ancestors(p.namespacePath()) {
		out = append(out, selectVariables(g.Variables, protected, environment)...)
	}
	return append(out, selectVariables(p.Variables, protected, environment)...)
}

func selectVariables(all []WorldVariable, protected bool, environment string) variableList {
	var out variableList
	for _, wanted := range []func(scope string) bool{
		func(scope string) bool { return scope == "*" },
		func(scope string) bool {
			return environment != "" && scope != "*" && scope != environment && matchRefName(scope, environment)
		},
		func(scope string) bool { return environment != "" && scope == environment },
	} {
		for _, v := range all {
			if wanted(v.Scope) && (protected || !v.Protected) {
				out = append(out, v.Variable)
			}
		}
	}
	return out
}

// burned reports whether a path belonged to another project before.
func (w *World) burned(p *Project) bool {
	return slices.ContainsFunc(w.Burned, func(b BurnedPath) bool {
		return strings.EqualFold(b.Path, p.Path) && b.ProjectID != p.ID
	})
}
