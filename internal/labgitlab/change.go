package labgitlab

import (
	"net/http"
	"slices"
	"strings"
)

// BranchProtection protects a branch: what a Maintainer does in the project's
// settings. A rule of the same name is replaced.
type BranchProtection struct {
	Project        string        `json:"project"`
	Name           string        `json:"name"` // may contain `*`
	Push           []LevelChange `json:"push_access_levels"`
	Merge          []LevelChange `json:"merge_access_levels"`
	Unprotect      []LevelChange `json:"unprotect_access_levels,omitempty"`
	AllowForcePush bool          `json:"allow_force_push,omitempty"`
	CodeOwners     bool          `json:"code_owner_approval_required,omitempty"`
}

// LevelChange is one entry of a list of who may, in the words of a world's file.
type LevelChange struct {
	Level     string `json:"access_level,omitempty"` // a role's word or number
	User      string `json:"username,omitempty"`
	Group     string `json:"group,omitempty"`
	DeployKey int64  `json:"deploy_key_id,omitempty"`
}

// ApprovalsChange changes what it names of a project's approvals.
type ApprovalsChange struct {
	Project        string       `json:"project"`
	Author         *bool        `json:"merge_requests_author_approval,omitempty"`
	NoCommitters   *bool        `json:"merge_requests_disable_committers_approval,omitempty"`
	Reset          *bool        `json:"reset_approvals_on_push,omitempty"`
	NoOverride     *bool        `json:"disable_overriding_approvers_per_merge_request,omitempty"`
	Reauthenticate *bool        `json:"require_reauthentication_to_approve,omitempty"`
	Rules          []RuleChange `json:"approval_rules,omitempty"`
}

// RuleChange says how many approvals a rule wants from now on.
type RuleChange struct {
	Name     string `json:"name"`
	Required int    `json:"approvals_required"`
}

// ProtectBranch protects a branch, or changes how it is protected. Pipelines
// that are there keep the ref_protected they were created with, as in GitLab.
func (s *Server) ProtectBranch(change BranchProtection) error {
	return s.change(change.Project, func(w *World, p *Project) error {
		rule := ProtectedBranch{Name: change.Name, AllowForcePush: change.AllowForcePush, CodeOwners: change.CodeOwners}
		if change.Name == "" {
			return refuse(ReasonMalformed, Position{}, "a protected branch needs a name")
		}
		for to, from := range map[*[]AccessRule][]LevelChange{&rule.Push: change.Push, &rule.Merge: change.Merge, &rule.Unprotect: change.Unprotect} {
			for _, l := range from {
				access, err := l.rule()
				if err != nil {
					return err
				}
				*to = append(*to, access)
			}
		}
		c := worldCheck{w: w}
		c.branchRules(&node{}, p.DeployKeys, []ProtectedBranch{rule})
		if c.err != nil {
			return c.err
		}
		p.ProtectedBranches = append(withoutBranch(p.ProtectedBranches, change.Name), rule)
		return nil
	})
}

func (l LevelChange) rule() (AccessRule, error) {
	r := AccessRule{User: l.User, Group: l.Group, DeployKey: l.DeployKey}
	named := len(nonEmpty(l.Level)) + len(nonEmpty(l.User)) + len(nonEmpty(l.Group))
	if l.DeployKey != 0 {
		named++
	}
	if named != 1 {
		return r, refuse(ReasonMalformed, Position{}, "an access level names an access_level, a username, a group or a deploy_key_id: one of them")
	}
	if l.Level == "" {
		return r, nil
	}
	level, err := parseAccessLevel(l.Level)
	if err != nil {
		return r, refuse(ReasonMalformed, Position{}, "%v", err)
	}
	r.Level = level
	return r, nil
}

func withoutBranch(rules []ProtectedBranch, name string) []ProtectedBranch {
	return slices.DeleteFunc(slices.Clone(rules), func(r ProtectedBranch) bool { return r.Name == name })
}

// UnprotectBranch takes the project's rule of a name away. A group's rule stays.
func (s *Server) UnprotectBranch(project, name string) error {
	return s.change(project, func(_ *World, p *Project) error {
		rest := withoutBranch(p.ProtectedBranches, name)
		if len(rest) == len(p.ProtectedBranches) {
			return refuse(ReasonUnknown, Position{}, "project %s has no protected branch %s", p.Path, name)
		}
		p.ProtectedBranches = rest
		p.ApprovalRules = slices.Clone(p.ApprovalRules)
		for i := range p.ApprovalRules { // a rule for no other branch is for every branch then
			p.ApprovalRules[i].Protected = slices.DeleteFunc(slices.Clone(p.ApprovalRules[i].Protected), func(of string) bool { return of == name })
		}
		return nil
	})
}

// ChangeApprovals changes a project's approvals.
func (s *Server) ChangeApprovals(change ApprovalsChange) error {
	return s.change(change.Project, func(w *World, p *Project) error {
		if !w.Tier.paid() {
			return refuse(ReasonForbidden, Position{}, "approvals need tier premium or ultimate")
		}
		for to, from := range map[*bool]*bool{&p.Approvals.Author: change.Author, &p.Approvals.NoCommitters: change.NoCommitters, &p.Approvals.Reset: change.Reset,
			&p.Approvals.NoOverride: change.NoOverride, &p.Approvals.Reauthenticate: change.Reauthenticate} {
			if from != nil {
				*to = *from
			}
		}
		p.ApprovalRules = slices.Clone(p.ApprovalRules)
		for _, r := range change.Rules {
			at := slices.IndexFunc(p.ApprovalRules, func(known ApprovalRule) bool { return strings.EqualFold(known.Name, r.Name) })
			if at < 0 || r.Required < 0 {
				return refuse(ReasonUnknown, Position{}, "project %s has no approval rule %s", p.Path, r.Name)
			}
			p.ApprovalRules[at].Required = r.Required
		}
		return nil
	})
}

// change puts a world in force in which one project differs.
func (s *Server) change(project string, edit func(w *World, p *Project) error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	w := *s.world.Load()
	w.Projects = slices.Clone(w.Projects)
	p, ok := w.Project(project)
	if !ok {
		return refuse(ReasonUnknown, Position{}, "there is no project %s; there are: %s", project, strings.Join(w.projectPaths(), ", "))
	}
	if err := edit(&w, p); err != nil {
		return err
	}
	s.world.Store(&w)
	return nil
}

func (s *Server) doorProtect(r *http.Request) (any, error) {
	var change BranchProtection
	if err := readBody(r, &change); err != nil {
		return nil, err
	}
	return struct{}{}, s.ProtectBranch(change)
}

// unprotectRequest names a rule.
type unprotectRequest struct {
	Project string `json:"project"`
	Name    string `json:"name"`
}

func (s *Server) doorUnprotect(r *http.Request) (any, error) {
	var change unprotectRequest
	if err := readBody(r, &change); err != nil {
		return nil, err
	}
	return struct{}{}, s.UnprotectBranch(change.Project, change.Name)
}

func (s *Server) doorApprovals(r *http.Request) (any, error) {
	var change ApprovalsChange
	if err := readBody(r, &change); err != nil {
		return nil, err
	}
	return struct{}{}, s.ChangeApprovals(change)
}
