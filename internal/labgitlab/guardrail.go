package labgitlab

import "time"

// What a project's settings say beside its refs and pipelines. The lab shows
// these through the REST API and enforces none of them: it has no merge requests
// to approve and no pushes to hold to a rule.

// Approvals are the settings of merge request approvals, as GET
// /projects/:id/approvals names them.
type Approvals struct {
	Author         bool // merge_requests_author_approval: the author may
	NoCommitters   bool // merge_requests_disable_committers_approval: committers may not
	Reset          bool // reset_approvals_on_push
	NoOverride     bool // disable_overriding_approvers_per_merge_request
	Reauthenticate bool // require_reauthentication_to_approve
}

// ApprovalRule is a rule of merge request approvals.
type ApprovalRule struct {
	Name         string
	Type         string // rule_type
	Required     int    // approvals_required
	Users        []string
	Groups       []string
	Protected    []string // names of protected branches; none is every branch
	AllProtected bool     // applies_to_all_protected_branches
}

// PushRule is what GitLab would hold pushes to.
type PushRule struct {
	BranchName, CommitMessage, AuthorEmail, FileName                                                             string
	RejectUnsigned, RejectNonDCO, MemberCheck, CommitterCheck, CommitterNameCheck, DenyDeleteTag, PreventSecrets bool
	MaxFileSize                                                                                                  int64
}

// MergeSettings are the project's settings of merging.
type MergeSettings struct {
	Method            string // merge_method
	NeedsPipeline     bool   // only_allow_merge_if_pipeline_succeeds
	OnSkippedPipeline bool   // allow_merge_on_skipped_pipeline
	NeedsDiscussions  bool   // only_allow_merge_if_all_discussions_are_resolved
}

// JobTokenScope is whose job tokens may use the project's API.
type JobTokenScope struct {
	InboundEnabled bool
	Projects       []string // allowlist
	Groups         []string // groups_allowlist
}

// Trigger is a pipeline trigger token, without its value.
type Trigger struct {
	ID          int64
	Description string
	Owner       string // login; empty: nobody
}

// PipelineSchedule is a schedule. The lab starts none by the clock.
type PipelineSchedule struct {
	ID          int64
	Description string
	Ref         string // as written; the API shows refs/heads/…
	Cron        string
	Owner       string
	Active      bool
}

// DeployKey is a deploy key the project has enabled, without the key.
type DeployKey struct {
	ID      int64
	Title   string
	CanPush bool
	Expires string // YYYY-MM-DD; empty: never
}

// GroupShare is a group the project is shared with.
type GroupShare struct {
	Group string // full path
	Level AccessLevel
}

// AccessToken is a token for the REST API: a person's, or a project's, which
// acts as a bot.
type AccessToken struct {
	ID      int64
	Name    string
	Value   string // empty: it is listed, and nobody has it
	Scopes  []string
	Expires string // YYYY-MM-DD; empty: never

	User  string      // a person's: login
	BotID int64       // a project's: its bot's user id
	Level AccessLevel // a project's
}

// botName is the login GitLab gives a project token's bot.
func (t AccessToken) botName(p *Project) string {
	return "project_" + decimal(p.ID) + "_bot_" + inventedSHA(p, Branch, decimal(t.ID))[:8]
}

// expired reports whether the day a token expires on has begun.
func (t AccessToken) expired(now time.Time) bool {
	return t.Expires != "" && now.UTC().Format(time.DateOnly) >= t.Expires
}

// EnvironmentApproval is how many of whom must approve a deployment.
type EnvironmentApproval struct {
	AccessRule
	Required int // required_approvals
}
