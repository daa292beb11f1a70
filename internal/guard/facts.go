package guard

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Facts are what is known of one GitLab instance. They are not changed once
// they are made.
type Facts struct {
	GitLab     string    // base URL: https://gitlab.com
	Issuer     string    // iss of its ID tokens; the base URL unless the instance has another
	Taken      time.Time // when they were read; zero: not said
	Version    Fact[string]
	Enterprise Fact[bool]
	Tier       Fact[Tier] // of the instance; on gitlab.com each namespace has its own
	Projects   []Project
	Groups     []Group // those that access levels name
}

// Project finds a project by its full path, ignoring case as GitLab does.
func (f *Facts) Project(path string) (*Project, bool) {
	for i := range f.Projects {
		if strings.EqualFold(f.Projects[i].Path, path) {
			return &f.Projects[i], true
		}
	}
	return nil, false
}

// ProjectID finds a project by its id.
func (f *Facts) ProjectID(id int64) (*Project, bool) {
	for i := range f.Projects {
		if known, ok := f.Projects[i].ID.Value(); ok && known == id {
			return &f.Projects[i], true
		}
	}
	return nil, false
}

// Group finds a group by its id.
func (f *Facts) Group(id int64) (*Group, bool) {
	for i := range f.Groups {
		if f.Groups[i].ID == id {
			return &f.Groups[i], true
		}
	}
	return nil, false
}

// Tier is a GitLab subscription tier.
type Tier string

const (
	Free     Tier = "free"
	Premium  Tier = "premium"
	Ultimate Tier = "ultimate"
)

// Level is GitLab's number of a role. The zero value is no access.
type Level int

const (
	NoAccess   Level = 0
	Minimal    Level = 5
	Guest      Level = 10
	Planner    Level = 15
	Reporter   Level = 20
	Developer  Level = 30
	Maintainer Level = 40
	Owner      Level = 50
	Admin      Level = 60
)

var levelNames = []struct {
	level Level
	name  string
}{
	{NoAccess, "no one"}, {Minimal, "minimal"}, {Guest, "guest"}, {Planner, "planner"}, {Reporter, "reporter"},
	{Developer, "developer"}, {Maintainer, "maintainer"}, {Owner, "owner"}, {Admin, "admin"},
}

// String is the role's word, or the number of one that has none here.
func (l Level) String() string {
	for _, known := range levelNames {
		if known.level == l {
			return known.name
		}
	}
	return strconv.Itoa(int(l))
}

// ParseLevel reads a role's word or GitLab's number.
func ParseLevel(text string) (Level, error) {
	for _, known := range levelNames {
		if text == known.name {
			return known.level, nil
		}
	}
	if n, err := strconv.ParseUint(text, 10, 7); err == nil && strconv.FormatUint(n, 10) == text {
		return Level(n), nil
	}
	return NoAccess, fmt.Errorf("%q is no role: no one, minimal, guest, planner, reporter, developer, maintainer, owner, admin, or GitLab's number", text)
}

// Access is one entry of a list of who may: a role and those above it, or one
// user, the members of one group, or one deploy key. An empty list is no one.
//
// GitLab's answers carry an access_level beside a user, group or deploy key;
// it means nothing there and is not kept.
type Access struct {
	Level     Level
	User      int64
	Group     int64
	DeployKey int64
}

// String is the entry as facts.yaml writes it: maintainer, user 12, group 7,
// deploy key 3.
func (a Access) String() string {
	switch {
	case a.User != 0:
		return "user " + strconv.FormatInt(a.User, 10)
	case a.Group != 0:
		return "group " + strconv.FormatInt(a.Group, 10)
	case a.DeployKey != 0:
		return "deploy key " + strconv.FormatInt(a.DeployKey, 10)
	}
	return a.Level.String()
}

// Project is what is known of one project. docs/facts.md says which endpoint
// each fact comes from.
type Project struct {
	Path  string    // full path with namespace
	Taken time.Time // when it was read; zero: not said

	ID            Fact[int64]
	NamespaceID   Fact[int64]  // of the immediate parent
	NamespaceKind Fact[string] // group or user
	Tier          Fact[Tier]   // that its namespace has
	DefaultBranch Fact[string]
	Visibility    Fact[string] // private, internal or public
	Archived      Fact[bool]
	EmptyRepo     Fact[bool]
	ForkedFrom    Fact[string] // path of the parent; empty: it is no fork

	// Settings of pipelines and their tokens.
	SubComponents                Fact[[]string] // ci_id_token_sub_claim_components
	ProtectMergeRequestPipelines Fact[bool]
	ForkPipelinesInParent        Fact[bool]     // ci_allow_fork_pipelines_to_run_in_parent_project
	PipelineVariables            Fact[Level]    // ci_pipeline_variables_minimum_override_role; NoAccess: no one
	JobTokenMayPush              Fact[bool]     // ci_push_repository_for_job_token_allowed
	JobTokenInboundLimited       Fact[bool]     // job_token_scope's inbound_enabled: only the allowlist may use the API with its job tokens
	JobTokenProjects             Fact[[]string] // paths on the allowlist
	JobTokenGroups               Fact[[]string] // paths on the allowlist
	ConfigPath                   Fact[string]   // ci_config_path, .gitlab-ci.yml where none is set
	Mirror                       Fact[bool]     // it pulls from another repository, unreviewed (Premium)
	MirrorTriggersPipelines      Fact[bool]     // mirror_trigger_builds (Premium)

	// Settings of merging and approving.
	MergeMethod              Fact[string] // merge, rebase_merge or ff
	MergeNeedsPipeline       Fact[bool]   // only_allow_merge_if_pipeline_succeeds
	MergeOnSkippedPipeline   Fact[bool]   // allow_merge_on_skipped_pipeline
	MergeNeedsDiscussions    Fact[bool]   // only_allow_merge_if_all_discussions_are_resolved
	AuthorMayApprove         Fact[bool]   // Premium, as all that follow
	CommittersMayApprove     Fact[bool]
	ResetApprovalsOnPush     Fact[bool]
	ApprovalRulesOverridable Fact[bool] // whether a merge request may have other rules
	ReauthenticateToApprove  Fact[bool]
	ApprovalRules            Fact[[]ApprovalRule]
	PushRule                 Fact[PushRule]

	// Protections. Where several branch or tag rules match a ref, whoever
	// passes one of them passes.
	ProtectedBranches          Fact[[]ProtectedBranch] // the groups' included
	ProtectedTags              Fact[[]ProtectedTag]
	Environments               Fact[[]Environment]
	ProtectedEnvironments      Fact[[]ProtectedEnvironment] // by name (Premium)
	GroupProtectedEnvironments Fact[[]ProtectedEnvironment] // by deployment tier (Premium); they hold beside the project's

	// Who is there.
	Members      Fact[[]Member] // direct, inherited and of shared groups
	AccessTokens Fact[[]AccessToken]
	DeployKeys   Fact[[]DeployKey]
	Triggers     Fact[[]Trigger]
	Schedules    Fact[[]Schedule]
}

// Namespace is the full path of the project's immediate parent.
func (p *Project) Namespace() string {
	i := strings.LastIndexByte(p.Path, '/')
	return p.Path[:max(i, 0)]
}

// ProtectedBranch is a rule; its name may contain `*`.
type ProtectedBranch struct {
	Name       string
	Push       Fact[[]Access]
	Merge      Fact[[]Access]
	Unprotect  Fact[[]Access] // who may change or remove the rule; absent: Maintainers (Premium)
	ForcePush  Fact[bool]
	CodeOwners Fact[bool] // code_owner_approval_required (Premium)
	From       string     // path of the group whose rule it is; empty: the project's own
}

// ProtectedTag is a rule; its name may contain `*`.
type ProtectedTag struct {
	Name   string
	Create Fact[[]Access]
}

// Environment is an environment that exists.
type Environment struct {
	Name string
	Tier string // production, staging, testing, development or other; empty: not said
}

// ProtectedEnvironment says who may deploy. A group's entry includes those who
// inherit membership of the group, which GitLab may be told to leave out.
type ProtectedEnvironment struct {
	Name      string // of a group's: the deployment tier
	Deploy    Fact[[]Access]
	Approvals Fact[int] // how many in all, before a job deploys
	Approvers Fact[[]EnvironmentApprovers]
	From      string // path of the group whose it is; empty: the project's own
}

// EnvironmentApprovers is how many of whom must approve a deployment.
type EnvironmentApprovers struct {
	Who      Access
	Required int
}

// Branches says which branches an approval rule applies to.
type Branches uint8

const (
	// EveryBranch: no branch is named.
	EveryBranch Branches = iota
	// ProtectedOnly: all protected branches.
	ProtectedOnly
	// NamedBranches: those of the protected branches it names.
	NamedBranches
)

// ApprovalRule is a rule of merge request approvals.
type ApprovalRule struct {
	Name      string
	Type      string // any_approver, regular, report_approver or code_owner
	Required  int
	Branches  Branches
	Named     []string      // of NamedBranches: names of protected branches
	Approvers Fact[[]int64] // users who may; of any_approver nobody is named
}

// PushRule is what pushes are held to. Its zero value is none: GitLab has no
// push rule set.
type PushRule struct {
	Set                  bool
	BranchName           string // branch_name_regex; empty: any
	CommitMessage        string // commit_message_regex
	AuthorEmail          string // author_email_regex
	FileName             string // file_name_regex, of files that are refused
	RejectUnsigned       bool   // reject_unsigned_commits
	RejectNonDCO         bool   // reject_non_dco_commits
	MembersOnly          bool   // member_check
	CommitterIsUser      bool   // commit_committer_check
	CommitterNameIsUsers bool   // commit_committer_name_check
	DenyDeleteTag        bool
	PreventSecrets       bool
	MaxFileSizeMegabytes int // max_file_size; 0: any
}

// Membership is how somebody is a member.
type Membership string

const (
	Direct    Membership = "direct"
	Inherited Membership = "inherited" // of a group above
	Shared    Membership = "shared"    // of a group the project or a group above is shared with
)

// Member is somebody with a role in a project. Personal names are not read.
type Member struct {
	ID         int64
	Username   string
	Level      Level
	From       Membership // empty: not said
	Bot        bool       // of an access token
	CustomRole bool       // may have rights beyond the level
	State      string     // active, blocked, awaiting, …; empty: active
	Expires    time.Time  // at the beginning of the day, UTC; zero: never
}

// AccessToken is an access token of the project, in force. Its value is never
// read. The bots of groups' tokens are members.
type AccessToken struct {
	ID      int64
	User    int64 // its bot
	Level   Level
	Scopes  []string
	Expires time.Time // zero: never
}

// DeployKey is a deploy key the project has enabled.
type DeployKey struct {
	ID      int64
	CanPush bool
	Expires time.Time // zero: never
}

// Trigger is a pipeline trigger token: whoever holds it starts pipelines of any
// ref as its owner. Its value is never read.
type Trigger struct {
	ID    int64
	Owner int64 // user; 0: nobody
}

// Schedule is a pipeline schedule: it runs as its owner.
type Schedule struct {
	ID     int64
	Ref    string // as GitLab has it: refs/heads/main, or an older one's main
	Owner  int64  // user; 0: nobody
	Active bool
}

// Group is a group that access levels name.
type Group struct {
	ID      int64
	Path    string
	Members Fact[[]Member] // inherited ones included
}
