package labgitlab

import (
	"net/http"
	"slices"
	"strings"
	"time"
)

// The answers of GitLab's REST API v4, with the fields its documentation shows
// for those that the lab has something to say of.

type metadataJSON struct {
	Version    string  `json:"version"`
	Revision   string  `json:"revision"`
	KAS        kasJSON `json:"kas"`
	Enterprise bool    `json:"enterprise"`
}

type kasJSON struct {
	Enabled     bool    `json:"enabled"`
	ExternalURL *string `json:"externalUrl"`
	Version     *string `json:"version"`
}

func (c restCall) metadata() (any, error) {
	return metadataJSON{Version: c.world.Version, Revision: "mayfly-lab", Enterprise: strings.HasSuffix(c.world.Version, "-ee")}, nil
}

type licenseJSON struct {
	ID        int64     `json:"id"`
	Plan      string    `json:"plan"`
	CreatedAt time.Time `json:"created_at"`
	StartsAt  string    `json:"starts_at"`
	ExpiresAt *string   `json:"expires_at"`
	Expired   bool      `json:"expired"`
}

func (c restCall) license() (any, error) {
	switch {
	case !c.world.Tier.paid():
		return nil, errNotMounted
	case !c.admin():
		return nil, errForbidden
	}
	return licenseJSON{ID: 1, Plan: string(c.world.Tier), CreatedAt: c.server.began.UTC(), StartsAt: c.server.began.UTC().Format(time.DateOnly)}, nil
}

type userJSON struct {
	ID        int64   `json:"id"`
	Username  string  `json:"username"`
	Name      string  `json:"name"`
	State     string  `json:"state"`
	AvatarURL *string `json:"avatar_url"`
	WebURL    string  `json:"web_url"`
}

func (c restCall) person(login string) *userJSON {
	u, ok := c.world.User(login)
	if !ok {
		return nil
	}
	return &userJSON{u.ID, u.Username, u.Name, "active", nil, c.server.issuer + "/" + u.Username}
}

func (c restCall) self() (any, error) {
	if c.user != nil {
		return c.person(c.user.Username), nil
	}
	i := slices.IndexFunc(c.world.Projects, func(p Project) bool { return p.ID == c.token.project })
	if i < 0 {
		return nil, errUnauthorized
	}
	login := c.token.botName(&c.world.Projects[i])
	return userJSON{c.token.BotID, login, c.token.Name, "active", nil, c.server.issuer + "/" + login}, nil
}

type namespaceJSON struct {
	ID       int64   `json:"id"`
	Name     string  `json:"name"`
	Path     string  `json:"path"`
	Kind     string  `json:"kind"`
	FullPath string  `json:"full_path"`
	ParentID *int64  `json:"parent_id"`
	WebURL   string  `json:"web_url"`
	Plan     string  `json:"plan,omitempty"`
	Avatar   *string `json:"avatar_url"`
}

func (c restCall) namespaceOf(path string) (namespaceJSON, bool) {
	if g, ok := c.world.group(path); ok {
		out := namespaceJSON{ID: g.ID, Path: g.slugName(), Name: g.slugName(), Kind: "group", FullPath: g.Path, WebURL: c.server.issuer + "/groups/" + g.Path}
		if parent, _, found := cutLast(g.Path); found {
			if above, ok := c.world.group(parent); ok {
				out.ParentID = &above.ID
			}
		}
		return out, true
	}
	if u, ok := c.world.User(path); ok {
		return namespaceJSON{ID: u.NamespaceID, Path: u.Username, Name: u.Name, Kind: "user", FullPath: u.Username, WebURL: c.server.issuer + "/" + u.Username}, true
	}
	return namespaceJSON{}, false
}

func (g *Group) slugName() string {
	_, name, _ := cutLast(g.Path)
	return name
}

// namespace shows the plan to owners, and on an instance of one's own that is
// "default": the licence is the instance's.
func (c restCall) namespace() (any, error) {
	id := c.PathValue("id")
	for i := range c.world.Groups {
		g := &c.world.Groups[i]
		if (decimal(g.ID) == id || strings.EqualFold(g.Path, id)) && c.seesGroup(g) {
			out, _ := c.namespaceOf(g.Path)
			if c.groupLevel(g) >= Owner {
				out.Plan = "default"
			}
			return out, nil
		}
	}
	if c.user != nil && (strings.EqualFold(c.user.Username, id) || c.user.NamespaceID != 0 && decimal(c.user.NamespaceID) == id) {
		out, _ := c.namespaceOf(c.user.Username)
		out.Plan = "default"
		return out, nil
	}
	return nil, message(http.StatusNotFound, "404 Namespace Not Found")
}

type groupJSON struct {
	ID       int64  `json:"id"`
	WebURL   string `json:"web_url"`
	Name     string `json:"name"`
	Path     string `json:"path"`
	FullName string `json:"full_name"`
	FullPath string `json:"full_path"`
	ParentID *int64 `json:"parent_id"`
}

func (c restCall) group(g *Group) (any, error) {
	n, _ := c.namespaceOf(g.Path)
	return groupJSON{n.ID, n.WebURL, n.Name, n.Path, strings.ReplaceAll(g.Path, "/", " / "), n.FullPath, n.ParentID}, nil
}

// projectSummaryJSON is a project in lists.
type projectSummaryJSON struct {
	ID                int64         `json:"id"`
	Description       *string       `json:"description"`
	Name              string        `json:"name"`
	NameWithNamespace string        `json:"name_with_namespace"`
	Path              string        `json:"path"`
	PathWithNamespace string        `json:"path_with_namespace"`
	CreatedAt         time.Time     `json:"created_at"`
	DefaultBranch     string        `json:"default_branch"`
	WebURL            string        `json:"web_url"`
	Namespace         namespaceJSON `json:"namespace"`
}

func (c restCall) summary(p *Project) projectSummaryJSON {
	n, _ := c.namespaceOf(p.namespacePath())
	return projectSummaryJSON{ID: p.ID, Name: p.Name, NameWithNamespace: strings.ReplaceAll(p.namespacePath(), "/", " / ") + " / " + p.Name, Path: p.slugName(), PathWithNamespace: p.Path,
		CreatedAt: c.server.began.UTC(), DefaultBranch: p.DefaultBranch, WebURL: c.server.issuer + "/" + p.Path, Namespace: n}
}

// projectJSON is one project. Pointers are fields that some callers do not get.
type projectJSON struct {
	projectSummaryJSON
	EmptyRepo             bool                `json:"empty_repo"`
	Archived              bool                `json:"archived"`
	Visibility            string              `json:"visibility"`
	ForkedFrom            *projectSummaryJSON `json:"forked_from_project,omitempty"`
	SharedWithGroups      []sharedGroupJSON   `json:"shared_with_groups"`
	MergeMethod           string              `json:"merge_method"`
	MergeNeedsPipeline    bool                `json:"only_allow_merge_if_pipeline_succeeds"`
	MergeOnSkipped        bool                `json:"allow_merge_on_skipped_pipeline"`
	MergeNeedsDiscussions bool                `json:"only_allow_merge_if_all_discussions_are_resolved"`
	ConfigPath            *string             `json:"ci_config_path,omitempty"`
	Mirror                *bool               `json:"mirror,omitempty"`
	MirrorTriggers        *bool               `json:"mirror_trigger_builds,omitempty"`
	RunForksInParent      *bool               `json:"ci_allow_fork_pipelines_to_run_in_parent_project,omitempty"`
	SubComponents         []string            `json:"ci_id_token_sub_claim_components,omitempty"`
	PipelineVariables     *string             `json:"ci_pipeline_variables_minimum_override_role,omitempty"`
	RestrictVariables     *bool               `json:"restrict_user_defined_variables,omitempty"`
	JobTokenMayPush       *bool               `json:"ci_push_repository_for_job_token_allowed,omitempty"`
	JobTokenScopeEnabled  *bool               `json:"ci_job_token_scope_enabled,omitempty"`
	ProtectMergeRequests  *bool               `json:"protect_merge_request_pipelines,omitempty"`
	BuildTimeout          *int                `json:"build_timeout,omitempty"`
	ApprovalsBeforeMerge  *int                `json:"approvals_before_merge,omitempty"`
}

type sharedGroupJSON struct {
	GroupID     int64   `json:"group_id"`
	GroupName   string  `json:"group_name"`
	FullPath    string  `json:"group_full_path"`
	AccessLevel int     `json:"group_access_level"`
	ExpiresAt   *string `json:"expires_at"`
}

// project shows most CI/CD settings to Maintainers alone, and no parent to whom
// it is hidden.
func (c restCall) project(p *Project) (any, error) {
	out := projectJSON{projectSummaryJSON: c.summary(p), Archived: p.Archived, Visibility: p.Visibility, SharedWithGroups: []sharedGroupJSON{},
		MergeMethod: p.Merging.Method, MergeNeedsPipeline: p.Merging.NeedsPipeline, MergeOnSkipped: p.Merging.OnSkippedPipeline, MergeNeedsDiscussions: p.Merging.NeedsDiscussions}
	if parent, ok := c.world.Project(p.ForkedFrom); ok && c.sees(parent) {
		summary := c.summary(parent)
		out.ForkedFrom = &summary
	}
	for _, s := range p.Shares {
		if g, ok := c.world.group(s.Group); ok {
			out.SharedWithGroups = append(out.SharedWithGroups, sharedGroupJSON{g.ID, g.slugName(), g.Path, int(s.Level), nil})
		}
	}
	if c.level(p) >= Guest {
		out.ConfigPath = &p.ConfigPath
	}
	if c.level(p) < Maintainer {
		return out, nil
	}
	role, restricted, no, timeout, before := overrideRoleName(p.PipelineVariables), p.PipelineVariables != Developer, false, int(p.BuildTimeout.Seconds()), 0
	out.RunForksInParent, out.SubComponents, out.PipelineVariables, out.RestrictVariables = &p.RunForksInParent, p.SubComponents, &role, &restricted
	out.JobTokenMayPush, out.JobTokenScopeEnabled, out.ProtectMergeRequests, out.BuildTimeout = &p.JobTokenMayPush, &no, &p.ProtectMergeRequests, &timeout
	if c.world.Tier.paid() {
		out.Mirror, out.ApprovalsBeforeMerge = &p.Mirror, &before
		if p.Mirror {
			out.MirrorTriggers = &p.MirrorTriggers
		}
	}
	return out, nil
}

func overrideRoleName(l AccessLevel) string {
	if l == NoAccess {
		return "no_one_allowed"
	}
	return l.String()
}

func (c restCall) groupProjects(g *Group) (any, error) {
	query := c.URL.Query()
	out := []projectSummaryJSON{}
	for i := range c.world.Projects {
		p := &c.world.Projects[i]
		inside := strings.EqualFold(p.namespacePath(), g.Path) || query.Get("include_subgroups") == "true" && within(p.Path, g.Path)
		if !inside || !c.sees(p) || query.Has("archived") && (query.Get("archived") == "true") != p.Archived {
			continue
		}
		out = append(out, c.summary(p))
	}
	slices.SortFunc(out, func(a, b projectSummaryJSON) int { return int(a.ID - b.ID) })
	return listOf(out), nil
}

// levelJSON is an entry of a list of who may. Beside a user, group or key it has
// an access_level too, which means nothing there.
type levelJSON struct {
	ID          int64        `json:"id"`
	Level       *AccessLevel `json:"access_level"`
	Description string       `json:"access_level_description"`
	User        any          `json:"user_id,omitempty"`  // nil: not shown; on paid tiers a number or null
	Group       any          `json:"group_id,omitempty"` // the same
	DeployKey   *int64       `json:"deploy_key_id,omitempty"`
	Inheritance *int         `json:"group_inheritance_type,omitempty"`
	Required    *int         `json:"required_approvals,omitempty"`
}

// levels numbers entries by their place; no one is an entry of its own.
func (c restCall) levels(of int64, rules []AccessRule) []levelJSON {
	if len(rules) == 0 {
		rules = []AccessRule{{}}
	}
	out := []levelJSON{}
	for i, r := range rules {
		l := levelJSON{ID: of*10 + int64(i) + 1, Level: &r.Level, Description: descriptions[r.Level]}
		beside := Maintainer
		if c.world.Tier.paid() {
			l.User, l.Group = (*int64)(nil), (*int64)(nil)
		}
		switch {
		case r.User != "":
			u, _ := c.world.User(r.User)
			l.User, l.Level, l.Description = &u.ID, &beside, u.Name
		case r.Group != "":
			g, _ := c.world.group(r.Group)
			l.Group, l.Level, l.Description = &g.ID, nil, g.slugName()
		case r.DeployKey != 0:
			l.DeployKey, l.Level, l.Description = &r.DeployKey, &beside, "Deploy key"
		}
		out = append(out, l)
	}
	return out
}

var descriptions = map[AccessLevel]string{NoAccess: "No one", Developer: "Developers + Maintainers", Maintainer: "Maintainers", Owner: "Owners"}

type branchJSON struct {
	ID         int64        `json:"id"`
	Name       string       `json:"name"`
	Push       []levelJSON  `json:"push_access_levels"`
	Merge      []levelJSON  `json:"merge_access_levels"`
	Unprotect  *[]levelJSON `json:"unprotect_access_levels,omitempty"`
	ForcePush  bool         `json:"allow_force_push"`
	CodeOwners *bool        `json:"code_owner_approval_required,omitempty"`
	Inherited  *bool        `json:"inherited,omitempty"`
}

// branches are the rules of a project or group, and those of groups above it,
// which the project's own list has too.
func (c restCall) branches(of int64, own []ProtectedBranch, above []*Group) restList {
	out := []branchJSON{}
	add := func(of int64, rules []ProtectedBranch, inherited bool) {
		for i, r := range rules {
			id := of*100 + int64(i) + 1
			b := branchJSON{ID: id, Name: r.Name, Push: c.levels(id, r.Push), Merge: c.levels(id, r.Merge), ForcePush: r.AllowForcePush}
			if c.world.Tier.paid() {
				unprotect := []levelJSON{}
				if len(r.Unprotect) > 0 {
					unprotect = c.levels(id, r.Unprotect)
				}
				b.Unprotect, b.CodeOwners, b.Inherited = &unprotect, &r.CodeOwners, &inherited
			}
			out = append(out, b)
		}
	}
	add(of, own, false)
	for _, g := range above {
		add(g.ID, g.ProtectedBranches, true)
	}
	search := c.URL.Query().Get("search")
	return listOf(slices.DeleteFunc(out, func(b branchJSON) bool { return !strings.Contains(b.Name, search) }))
}

type tagJSON struct {
	Name   string      `json:"name"`
	Create []levelJSON `json:"create_access_levels"`
}

func (c restCall) protectedTags(p *Project) (any, error) {
	out := []tagJSON{}
	for i, r := range p.ProtectedTags {
		out = append(out, tagJSON{r.Name, c.levels(p.ID*100+int64(i)+1, r.Create)})
	}
	return listOf(out), nil
}

type environmentJSON struct {
	ID          int64     `json:"id"`
	Name        string    `json:"name"`
	Slug        string    `json:"slug"`
	ExternalURL *string   `json:"external_url"`
	State       string    `json:"state"`
	Tier        string    `json:"tier"`
	CreatedAt   time.Time `json:"created_at"`
}

func (c restCall) environments(p *Project) (any, error) {
	out := []environmentJSON{}
	if states := c.URL.Query().Get("states"); states == "" || states == "available" {
		for i, e := range p.Environments {
			j := environmentJSON{p.ID*100 + int64(i) + 1, e.Name, environmentSlug(e.Name), nil, "available", e.Tier, c.server.began.UTC()}
			if e.ExternalURL != "" {
				j.ExternalURL = &e.ExternalURL
			}
			out = append(out, j)
		}
	}
	return listOf(out), nil
}

type protectedEnvironmentJSON struct {
	Name     string      `json:"name"`
	Deploy   []levelJSON `json:"deploy_access_levels"`
	Required int         `json:"required_approval_count"`
	Rules    []levelJSON `json:"approval_rules"`
}

func (c restCall) protectedEnvironments(of int64, rules []ProtectedEnvironment) restList {
	out := []protectedEnvironmentJSON{}
	direct := 0
	for i, r := range rules {
		id := of*100 + int64(i) + 1
		e := protectedEnvironmentJSON{r.Name, c.levels(id, r.Deploy), r.RequiredApprovals, []levelJSON{}}
		for n, a := range r.Approvals {
			l := c.levels(id*10+int64(n), []AccessRule{a.AccessRule})[0]
			l.Required = &r.Approvals[n].Required
			e.Rules = append(e.Rules, l)
		}
		for _, levels := range [][]levelJSON{e.Deploy, e.Rules} {
			for n := range levels {
				levels[n].Inheritance = &direct
			}
		}
		out = append(out, e)
	}
	return listOf(out)
}

type approvalsJSON struct {
	Approvers        []any `json:"approvers"`
	ApproverGroups   []any `json:"approver_groups"`
	BeforeMerge      int   `json:"approvals_before_merge"`
	Reset            bool  `json:"reset_approvals_on_push"`
	SelectiveRemoval bool  `json:"selective_code_owner_removals"`
	NoOverride       bool  `json:"disable_overriding_approvers_per_merge_request"`
	Author           bool  `json:"merge_requests_author_approval"`
	NoCommitters     bool  `json:"merge_requests_disable_committers_approval"`
	Password         bool  `json:"require_password_to_approve"`
	Reauthenticate   bool  `json:"require_reauthentication_to_approve"`
}

func (c restCall) approvals(p *Project) (any, error) {
	a := p.Approvals
	return approvalsJSON{Approvers: []any{}, ApproverGroups: []any{}, Reset: a.Reset, NoOverride: a.NoOverride, Author: a.Author, NoCommitters: a.NoCommitters, Password: a.Reauthenticate, Reauthenticate: a.Reauthenticate}, nil
}

type settingJSON struct {
	Value     bool    `json:"value"`
	Locked    bool    `json:"locked"`
	Inherited *string `json:"inherited_from"`
}

func (c restCall) approvalSettings(p *Project) (any, error) {
	a := p.Approvals
	out := map[string]settingJSON{}
	for name, value := range map[string]bool{"allow_author_approval": a.Author, "allow_committer_approval": !a.NoCommitters, "allow_overrides_to_approver_list_per_merge_request": !a.NoOverride,
		"retain_approvals_on_push": !a.Reset, "selective_code_owner_removals": false, "require_password_to_approve": a.Reauthenticate, "require_reauthentication_to_approve": a.Reauthenticate} {
		out[name] = settingJSON{Value: value}
	}
	return out, nil
}

type approvalRuleJSON struct {
	ID           int64        `json:"id"`
	Name         string       `json:"name"`
	Type         string       `json:"rule_type"`
	ReportType   *string      `json:"report_type"`
	Eligible     []*userJSON  `json:"eligible_approvers"`
	Required     int          `json:"approvals_required"`
	Users        []*userJSON  `json:"users"`
	Groups       []groupJSON  `json:"groups"`
	Hidden       bool         `json:"contains_hidden_groups"`
	Protected    []branchJSON `json:"protected_branches"`
	AllProtected bool         `json:"applies_to_all_protected_branches"`
}

// approvalRules lists rules. Groups that the caller does not see are hidden, and
// their members with them.
func (c restCall) approvalRules(p *Project) (any, error) {
	out := []approvalRuleJSON{}
	for i, r := range p.ApprovalRules {
		j := approvalRuleJSON{ID: p.ID*100 + int64(i) + 1, Name: r.Name, Type: r.Type, Required: r.Required, Eligible: []*userJSON{}, Users: []*userJSON{}, Groups: []groupJSON{}, Protected: []branchJSON{}, AllProtected: r.AllProtected}
		eligible := func(login string) {
			if u := c.person(login); u != nil && !slices.ContainsFunc(j.Eligible, func(known *userJSON) bool { return known.ID == u.ID }) {
				j.Eligible = append(j.Eligible, u)
			}
		}
		for _, login := range r.Users {
			j.Users = append(j.Users, c.person(login))
			eligible(login)
		}
		for _, path := range r.Groups {
			g, _ := c.world.group(path)
			if !c.seesGroup(g) {
				j.Hidden = true
				continue
			}
			shown, _ := c.group(g)
			j.Groups = append(j.Groups, shown.(groupJSON))
			for _, m := range g.Members {
				eligible(m.User)
			}
		}
		for _, b := range c.branches(p.ID, p.ProtectedBranches, nil) {
			if rule := b.(branchJSON); r.AllProtected || slices.Contains(r.Protected, rule.Name) {
				j.Protected = append(j.Protected, rule)
			}
		}
		out = append(out, j)
	}
	return listOf(out), nil
}

type pushRuleJSON struct {
	ID             int64     `json:"id"`
	ProjectID      int64     `json:"project_id"`
	CreatedAt      time.Time `json:"created_at"`
	CommitMessage  string    `json:"commit_message_regex"`
	MessageNot     string    `json:"commit_message_negative_regex"`
	BranchName     string    `json:"branch_name_regex"`
	DenyDeleteTag  bool      `json:"deny_delete_tag"`
	MemberCheck    bool      `json:"member_check"`
	PreventSecrets bool      `json:"prevent_secrets"`
	AuthorEmail    string    `json:"author_email_regex"`
	FileName       string    `json:"file_name_regex"`
	MaxFileSize    int64     `json:"max_file_size"`
	Committer      *bool     `json:"commit_committer_check"`
	CommitterName  bool      `json:"commit_committer_name_check"`
	Unsigned       *bool     `json:"reject_unsigned_commits"`
	NonDCO         *bool     `json:"reject_non_dco_commits"`
}

// pushRule is null where none is set; three of its fields are null where they
// are off.
func (c restCall) pushRule(p *Project) (any, error) {
	r := p.PushRule
	if r == nil {
		return nil, nil
	}
	on := func(v bool) *bool {
		if !v {
			return nil
		}
		return &v
	}
	return pushRuleJSON{p.ID, p.ID, c.server.began.UTC(), r.CommitMessage, "", r.BranchName, r.DenyDeleteTag, r.MemberCheck, r.PreventSecrets, r.AuthorEmail, r.FileName, r.MaxFileSize,
		on(r.CommitterCheck), r.CommitterNameCheck, on(r.RejectUnsigned), on(r.RejectNonDCO)}, nil
}

type memberJSON struct {
	ID         int64   `json:"id"`
	Username   string  `json:"username"`
	Name       string  `json:"name"`
	State      string  `json:"state"`
	AvatarURL  *string `json:"avatar_url"`
	Level      int     `json:"access_level"`
	ExpiresAt  *string `json:"expires_at"`
	Membership string  `json:"membership_state"`
}

func memberList(all []member) restList {
	out := []memberJSON{}
	for _, m := range all {
		out = append(out, memberJSON{m.id, m.login, m.name, "active", nil, int(m.level), nil, "active"})
	}
	return listOf(out)
}

type tokenSelfJSON struct {
	ID         int64     `json:"id"`
	Name       string    `json:"name"`
	Revoked    bool      `json:"revoked"`
	CreatedAt  time.Time `json:"created_at"`
	Scopes     []string  `json:"scopes"`
	UserID     int64     `json:"user_id"`
	LastUsedAt *string   `json:"last_used_at"`
	Active     bool      `json:"active"`
	ExpiresAt  *string   `json:"expires_at"`
	Token      string    `json:"token,omitempty"`
}

type accessTokenJSON struct {
	tokenSelfJSON
	Level int `json:"access_level"`
}

func (c restCall) accessTokens(p *Project) (any, error) {
	out := []accessTokenJSON{}
	state := c.URL.Query().Get("state")
	for _, t := range p.AccessTokens {
		active := !t.expired(c.server.now())
		if state != "" && (state == "active") != active {
			continue
		}
		j := accessTokenJSON{(&heldToken{t, p.ID, c.server.began}).describe(""), int(t.Level)}
		j.Active = active
		out = append(out, j)
	}
	return listOf(out), nil
}

type deployKeyJSON struct {
	ID        int64     `json:"id"`
	Title     string    `json:"title"`
	CreatedAt time.Time `json:"created_at"`
	ExpiresAt *string   `json:"expires_at"`
	CanPush   bool      `json:"can_push"`
}

func (c restCall) deployKeys(p *Project) (any, error) {
	out := []deployKeyJSON{}
	for _, k := range p.DeployKeys {
		j := deployKeyJSON{ID: k.ID, Title: k.Title, CreatedAt: c.server.began.UTC(), CanPush: k.CanPush}
		if k.Expires != "" {
			at := k.Expires + "T00:00:00.000Z"
			j.ExpiresAt = &at
		}
		out = append(out, j)
	}
	return listOf(out), nil
}

type triggerJSON struct {
	ID          int64     `json:"id"`
	Description string    `json:"description"`
	CreatedAt   time.Time `json:"created_at"`
	LastUsed    *string   `json:"last_used"`
	Token       string    `json:"token"` // GitLab shows four characters of somebody else's
	UpdatedAt   time.Time `json:"updated_at"`
	Owner       *userJSON `json:"owner"`
}

func (c restCall) triggers(p *Project) (any, error) {
	out := []triggerJSON{}
	for _, t := range p.Triggers {
		out = append(out, triggerJSON{t.ID, t.Description, c.server.began.UTC(), nil, "glpt", c.server.began.UTC(), c.person(t.Owner)})
	}
	return listOf(out), nil
}

type scheduleJSON struct {
	ID          int64     `json:"id"`
	Description string    `json:"description"`
	Ref         string    `json:"ref"`
	Cron        string    `json:"cron"`
	TimeZone    string    `json:"cron_timezone"`
	Active      bool      `json:"active"`
	CreatedAt   time.Time `json:"created_at"`
	UpdatedAt   time.Time `json:"updated_at"`
	Owner       *userJSON `json:"owner"`
}

// schedules show the whole name of a ref: a branch's, unless only a tag has it.
func (c restCall) schedules(p *Project) (any, error) {
	out := []scheduleJSON{}
	for _, s := range p.PipelineSchedules {
		ref := s.Ref
		if !strings.HasPrefix(ref, "refs/") {
			kind := Branch
			if _, branch := p.Ref(Branch, ref); !branch {
				if _, tag := p.Ref(Tag, ref); tag {
					kind = Tag
				}
			}
			ref = refPath(kind, ref)
		}
		out = append(out, scheduleJSON{s.ID, s.Description, ref, s.Cron, "UTC", s.Active, c.server.began.UTC(), c.server.began.UTC(), c.person(s.Owner)})
	}
	return listOf(out), nil
}

type jobTokenScopeJSON struct {
	Inbound  bool `json:"inbound_enabled"`
	Outbound bool `json:"outbound_enabled"`
}

// jobTokenProjects lists the project itself too, as GitLab does.
func (c restCall) jobTokenProjects(p *Project) (any, error) {
	out := []projectSummaryJSON{c.summary(p)}
	for _, path := range p.JobTokenScope.Projects {
		if other, ok := c.world.Project(path); ok && other.ID != p.ID {
			out = append(out, c.summary(other))
		}
	}
	return listOf(out), nil
}

type allowedGroupJSON struct {
	ID     int64  `json:"id"`
	WebURL string `json:"web_url"`
	Name   string `json:"name"`
}

func (c restCall) jobTokenGroups(p *Project) (any, error) {
	out := []allowedGroupJSON{}
	for _, path := range p.JobTokenScope.Groups {
		if g, ok := c.world.group(path); ok {
			out = append(out, allowedGroupJSON{g.ID, c.server.issuer + "/groups/" + g.Path, g.slugName()})
		}
	}
	return listOf(out), nil
}
