package labgitlab

import (
	"slices"
	"strings"
	"time"
)

// readGuardrails reads the settings that the REST API shows and the lab does not
// enforce.
func readGuardrails(rec *record, p *Project) {
	p.Archived = rec.boolean("archived", false)
	p.JobTokenMayPush = rec.boolean("ci_push_repository_for_job_token_allowed", false)
	p.Mirror = rec.boolean("mirror", false)
	p.MirrorTriggers = rec.boolean("mirror_trigger_builds", false)
	p.Merging = MergeSettings{
		Method:            rec.oneOf("merge_method", "merge", "merge", "rebase_merge", "ff"),
		NeedsPipeline:     rec.boolean("only_allow_merge_if_pipeline_succeeds", false),
		OnSkippedPipeline: rec.boolean("allow_merge_on_skipped_pipeline", false),
		NeedsDiscussions:  rec.boolean("only_allow_merge_if_all_discussions_are_resolved", false),
	}
	p.Approvals = readApprovals(rec)
	p.ApprovalRules = recordsOf(rec, "approval_rules", "an approval rule", readApprovalRule)
	p.PushRule = readPushRule(rec)
	p.JobTokenScope = readJobTokenScope(rec)
	p.Shares = recordsOf(rec, "shared_with_groups", "a shared group", func(rec *record) GroupShare {
		return GroupShare{Group: rec.need("group"), Level: readLevel(rec, "group_access_level")}
	})
	p.Triggers = recordsOf(rec, "triggers", "a trigger", func(rec *record) Trigger {
		return Trigger{ID: rec.id("id"), Description: rec.text("description"), Owner: rec.text("owner")}
	})
	p.PipelineSchedules = recordsOf(rec, "pipeline_schedules", "a pipeline schedule", func(rec *record) PipelineSchedule {
		return PipelineSchedule{ID: rec.id("id"), Description: rec.text("description"), Ref: rec.need("ref"), Cron: rec.textOr("cron", "0 4 * * *"), Owner: rec.text("owner"), Active: rec.boolean("active", true)}
	})
	p.DeployKeys = recordsOf(rec, "deploy_keys", "a deploy key", func(rec *record) DeployKey {
		return DeployKey{ID: rec.id("id"), Title: rec.text("title"), CanPush: rec.boolean("can_push", false), Expires: readDay(rec, "expires_at")}
	})
	p.AccessTokens = recordsOf(rec, "access_tokens", "an access token", func(rec *record) AccessToken {
		t := readAccessToken(rec)
		t.BotID, t.Level = rec.id("user_id"), readLevel(rec, "access_level")
		return t
	})
}

// readApprovals reads the settings; left out they are GitLab's own.
func readApprovals(rec *record) Approvals {
	value := rec.take("approvals")
	if value == nil {
		return Approvals{Reset: true, NoCommitters: false}
	}
	inner := newRecord(value, "approvals", rec.err)
	a := Approvals{
		Author:         inner.boolean("merge_requests_author_approval", false),
		NoCommitters:   inner.boolean("merge_requests_disable_committers_approval", false),
		Reset:          inner.boolean("reset_approvals_on_push", true),
		NoOverride:     inner.boolean("disable_overriding_approvers_per_merge_request", false),
		Reauthenticate: inner.boolean("require_reauthentication_to_approve", false),
	}
	inner.done()
	return a
}

func readApprovalRule(rec *record) ApprovalRule {
	return ApprovalRule{
		Name:         rec.need("name"),
		Type:         rec.oneOf("rule_type", "regular", "any_approver", "regular", "report_approver", "code_owner"),
		Required:     rec.count("approvals_required"),
		Users:        rec.strings("usernames"),
		Groups:       rec.strings("groups"),
		Protected:    rec.strings("protected_branches"),
		AllProtected: rec.boolean("applies_to_all_protected_branches", false),
	}
}

// readPushRule reads a push rule; left out there is none.
func readPushRule(rec *record) *PushRule {
	value := rec.take("push_rule")
	if value == nil {
		return nil
	}
	inner := newRecord(value, "a push rule", rec.err)
	rule := &PushRule{
		BranchName: inner.text("branch_name_regex"), CommitMessage: inner.text("commit_message_regex"), AuthorEmail: inner.text("author_email_regex"), FileName: inner.text("file_name_regex"),
		RejectUnsigned: inner.boolean("reject_unsigned_commits", false), RejectNonDCO: inner.boolean("reject_non_dco_commits", false), MemberCheck: inner.boolean("member_check", false),
		CommitterCheck: inner.boolean("commit_committer_check", false), CommitterNameCheck: inner.boolean("commit_committer_name_check", false),
		DenyDeleteTag: inner.boolean("deny_delete_tag", false), PreventSecrets: inner.boolean("prevent_secrets", false), MaxFileSize: inner.number("max_file_size", 0),
	}
	inner.done()
	return rule
}

// readJobTokenScope reads the scope; left out it is limited to the project
// itself, as in a new project.
func readJobTokenScope(rec *record) JobTokenScope {
	value := rec.take("job_token_scope")
	if value == nil {
		return JobTokenScope{InboundEnabled: true}
	}
	inner := newRecord(value, "the job token scope", rec.err)
	s := JobTokenScope{InboundEnabled: inner.boolean("inbound_enabled", true), Projects: inner.strings("allowlist"), Groups: inner.strings("groups_allowlist")}
	inner.done()
	return s
}

func readDay(rec *record, key string) string {
	day := rec.text(key)
	if _, err := time.Parse(time.DateOnly, day); day != "" && err != nil {
		rec.fail(rec.node.keyPos(key), "%s should be a date in quotes, such as \"2027-01-31\"", key)
	}
	return day
}

// tokenScopes are the scopes of access tokens that mean something here.
var tokenScopes = []string{"api", "read_api", "self_rotate"}

func readAccessToken(rec *record) AccessToken {
	t := AccessToken{ID: rec.id("id"), Name: rec.text("name"), Value: rec.text("token"), Scopes: rec.strings("scopes"), Expires: readDay(rec, "expires_at")}
	for _, scope := range t.Scopes {
		if !slices.Contains(tokenScopes, scope) {
			rec.fail(rec.node.keyPos("scopes"), "the lab knows no scope %s: %s", scope, strings.Join(tokenScopes, ", "))
		}
	}
	return t
}

func readPersonalToken(rec *record) AccessToken {
	t := readAccessToken(rec)
	t.User = rec.need("username")
	return t
}

func readEnvironmentApproval(rec *record) EnvironmentApproval {
	return EnvironmentApproval{readAccessRule(rec), rec.count("required_approvals")}
}

// guardrails checks that what the settings name exists.
func (c *worldCheck) guardrails(at *node, p *Project) {
	paid := c.w.Tier.paid()
	for _, r := range p.ApprovalRules {
		if !paid {
			c.fail(at, "approval rules need tier premium or ultimate")
		}
		c.named(at, r.Users, r.Groups)
		for _, name := range r.Protected {
			if !slices.ContainsFunc(p.ProtectedBranches, func(b ProtectedBranch) bool { return b.Name == name }) {
				c.fail(at, "approval rule %s is for the protected branch %s, which there is not", r.Name, name)
			}
		}
	}
	if (at.has("approvals") || p.PushRule != nil || p.Mirror || p.MirrorTriggers) && !paid {
		c.fail(at, "approvals, a push rule and mirroring from elsewhere need tier premium or ultimate")
	}
	for _, path := range p.JobTokenScope.Projects {
		if _, ok := c.w.Project(path); !ok {
			c.fail(at, "there is no project %s", path)
		}
	}
	c.named(at, nil, p.JobTokenScope.Groups)
	for _, s := range p.Shares {
		c.named(at, nil, []string{s.Group})
	}
	for _, t := range p.Triggers {
		c.unique(at, "trigger", t.ID)
		c.named(at, nonEmpty(t.Owner), nil)
	}
	for _, s := range p.PipelineSchedules {
		c.unique(at, "pipeline schedule", s.ID)
		c.named(at, nonEmpty(s.Owner), nil)
	}
	seen := map[int64]bool{}
	for _, k := range p.DeployKeys { // one key may serve several projects
		if seen[k.ID] {
			c.fail(at, "deploy key id %d is used twice", k.ID)
		}
		seen[k.ID] = true
	}
	for _, t := range p.AccessTokens {
		c.unique(at, "user", t.BotID)
		c.token(at, t)
	}
}

func nonEmpty(name string) []string {
	if name == "" {
		return nil
	}
	return []string{name}
}

func (c *worldCheck) named(at *node, users, groups []string) {
	for _, login := range users {
		if _, ok := c.w.User(login); !ok {
			c.fail(at, "there is no user %s", login)
		}
	}
	for _, path := range groups {
		if _, ok := c.w.group(path); !ok {
			c.fail(at, "there is no group %s", path)
		}
	}
}

// minTokenBytes keeps out of a world what could be guessed: a lab listens on
// loopback, where other users may be.
const minTokenBytes = 16

func (c *worldCheck) token(at *node, t AccessToken) {
	c.unique(at, "access token", t.ID)
	if t.Value == "" {
		return
	}
	if len(t.Value) < minTokenBytes || strings.ContainsFunc(t.Value, func(r rune) bool { return r <= ' ' || r >= 0x7f }) {
		c.fail(at, "an access token has at least %d printable characters and no spaces", minTokenBytes)
	}
	if c.tokens[t.Value] {
		c.fail(at, "two access tokens are the same")
	}
	c.tokens[t.Value] = true
}

func (c *worldCheck) personalTokens() {
	for i, t := range c.w.PersonalTokens {
		at := c.at("personal_access_tokens", i)
		c.named(at, []string{t.User}, nil)
		c.token(at, t)
	}
}
