package guard

import (
	"reflect"

	"go.yaml.in/yaml/v3"
)

// key is one key of a mapping of facts.yaml.
type key struct {
	name  string
	need  bool // it must be there
	paid  bool // the tier free lacks it
	fact  anyFact
	read  func(r *reader, n *yaml.Node)
	write func() *yaml.Node // nil: the key is left out
}

// anyFact is a *Fact of any type.
type anyFact interface {
	Said
	bare() bool
	lack(state State, why string)
	stamp(Source)
}

// bare reports whether nothing was said of the fact.
func (f *Fact[T]) bare() bool { return f.state == StateUnknown && f.why == "" }

func (f *Fact[T]) lack(state State, why string) { *f = Fact[T]{state: state, why: why} }
func (f *Fact[T]) stamp(s Source)               { f.source = s }

// factKey is a key whose absence means unknown.
func factKey[T any](name string, f *Fact[T], form form[T]) key {
	return key{name: name, fact: f,
		read: func(r *reader, n *yaml.Node) { *f = Known(form.read(r, n)) },
		write: func() *yaml.Node {
			if v, known := f.Value(); known {
				return form.write(v)
			}
			return nil
		}}
}

// paidKey is the key of a fact that the tier free lacks.
func paidKey[T any](name string, f *Fact[T], form form[T]) key {
	k := factKey(name, f, form)
	k.paid = true
	return k
}

// plainKey is a key whose absence means the zero value.
func plainKey[T any](name string, v *T, form form[T]) key {
	return key{name: name,
		read: func(r *reader, n *yaml.Node) { *v = form.read(r, n) },
		write: func() *yaml.Node {
			if reflect.ValueOf(v).Elem().IsZero() {
				return nil
			}
			return form.write(*v)
		}}
}

// needKey is a key that must be there.
func needKey[T any](name string, v *T, form form[T]) key {
	return key{name: name, need: true,
		read:  func(r *reader, n *yaml.Node) { *v = form.read(r, n) },
		write: func() *yaml.Node { return form.write(*v) }}
}

func (f *Facts) keys() []key {
	return []key{
		needKey("gitlab", &f.GitLab, baseURL),
		plainKey("issuer", &f.Issuer, baseURL),
		plainKey("taken", &f.Taken, moment),
		factKey("version", &f.Version, text),
		factKey("enterprise", &f.Enterprise, truth),
		factKey("tier", &f.Tier, oneOf(Free, Premium, Ultimate)),
	}
}

func (p *Project) keys() []key {
	return []key{
		needKey("path", &p.Path, path),
		plainKey("taken", &p.Taken, moment),
		factKey("id", &p.ID, id),
		factKey("namespace_id", &p.NamespaceID, id),
		factKey("namespace_kind", &p.NamespaceKind, oneOf("group", "user")),
		factKey("tier", &p.Tier, oneOf(Free, Premium, Ultimate)),
		factKey("default_branch", &p.DefaultBranch, text),
		factKey("visibility", &p.Visibility, oneOf("private", "internal", "public")),
		factKey("archived", &p.Archived, truth),
		factKey("empty_repo", &p.EmptyRepo, truth),
		factKey("forked_from", &p.ForkedFrom, orNone(path)),

		factKey("sub_claim_components", &p.SubComponents, list(text)),
		factKey("protect_merge_request_pipelines", &p.ProtectMergeRequestPipelines, truth),
		factKey("fork_pipelines_in_parent", &p.ForkPipelinesInParent, truth),
		factKey("pipeline_variables", &p.PipelineVariables, role),
		factKey("job_token_may_push", &p.JobTokenMayPush, truth),
		factKey("job_token_inbound_limited", &p.JobTokenInboundLimited, truth),
		factKey("job_token_projects", &p.JobTokenProjects, list(path)),
		factKey("job_token_groups", &p.JobTokenGroups, list(path)),
		factKey("ci_config_path", &p.ConfigPath, text),
		paidKey("mirror", &p.Mirror, truth),
		paidKey("mirror_triggers_pipelines", &p.MirrorTriggersPipelines, truth),

		factKey("merge_method", &p.MergeMethod, oneOf("merge", "rebase_merge", "ff")),
		factKey("merge_needs_pipeline", &p.MergeNeedsPipeline, truth),
		factKey("merge_on_skipped_pipeline", &p.MergeOnSkippedPipeline, truth),
		factKey("merge_needs_resolved_discussions", &p.MergeNeedsDiscussions, truth),
		paidKey("author_may_approve", &p.AuthorMayApprove, truth),
		paidKey("committers_may_approve", &p.CommittersMayApprove, truth),
		paidKey("reset_approvals_on_push", &p.ResetApprovalsOnPush, truth),
		paidKey("approval_rules_overridable", &p.ApprovalRulesOverridable, truth),
		paidKey("reauthenticate_to_approve", &p.ReauthenticateToApprove, truth),
		paidKey("approval_rules", &p.ApprovalRules, list(record("an approval rule", (*ApprovalRule).keys))),
		paidKey("push_rule", &p.PushRule, pushRule),

		factKey("protected_branches", &p.ProtectedBranches, list(record("a protected branch", (*ProtectedBranch).keys))),
		factKey("protected_tags", &p.ProtectedTags, list(record("a protected tag", (*ProtectedTag).keys))),
		factKey("environments", &p.Environments, list(record("an environment", (*Environment).keys))),
		paidKey("protected_environments", &p.ProtectedEnvironments, list(record("a protected environment", (*ProtectedEnvironment).keys))),
		paidKey("group_protected_environments", &p.GroupProtectedEnvironments, list(record("a protected environment", (*ProtectedEnvironment).groupKeys))),

		factKey("members", &p.Members, list(record("a member", (*Member).keys))),
		factKey("access_tokens", &p.AccessTokens, list(record("an access token", (*AccessToken).keys))),
		factKey("deploy_keys", &p.DeployKeys, list(record("a deploy key", (*DeployKey).keys))),
		factKey("triggers", &p.Triggers, list(record("a trigger", (*Trigger).keys))),
		factKey("schedules", &p.Schedules, list(record("a schedule", (*Schedule).keys))),
	}
}

func (g *Group) keys() []key {
	return []key{needKey("id", &g.ID, id), plainKey("path", &g.Path, path), factKey("members", &g.Members, list(record("a member", (*Member).keys)))}
}

func (b *ProtectedBranch) keys() []key {
	return []key{needKey("name", &b.Name, text), factKey("push", &b.Push, who), factKey("merge", &b.Merge, who), paidKey("unprotect", &b.Unprotect, who),
		factKey("force_push", &b.ForcePush, truth), paidKey("code_owners", &b.CodeOwners, truth), plainKey("from", &b.From, path)}
}

func (t *ProtectedTag) keys() []key {
	return []key{needKey("name", &t.Name, text), factKey("create", &t.Create, who)}
}

func (e *Environment) keys() []key {
	return []key{needKey("name", &e.Name, text), plainKey("tier", &e.Tier, deploymentTier)}
}

func (e *ProtectedEnvironment) keys() []key {
	return []key{needKey("name", &e.Name, text), factKey("deploy", &e.Deploy, who), factKey("approvals", &e.Approvals, count),
		factKey("approvers", &e.Approvers, list(record("an entry of approvers", (*EnvironmentApprovers).keys)))}
}

func (e *ProtectedEnvironment) groupKeys() []key {
	keys := e.keys()
	keys[0] = needKey("tier", &e.Name, deploymentTier)
	return append(keys, needKey("from", &e.From, path))
}

func (a *EnvironmentApprovers) keys() []key {
	return []key{needKey("who", &a.Who, access), needKey("required", &a.Required, count)}
}

func (a *ApprovalRule) keys() []key {
	return []key{needKey("name", &a.Name, text), needKey("type", &a.Type, oneOf("any_approver", "regular", "report_approver", "code_owner")), needKey("required", &a.Required, count),
		a.branchesKey(), factKey("approvers", &a.Approvers, list(id))}
}

func (a *ApprovalRule) branchesKey() key {
	return key{name: "branches", need: true,
		read: func(r *reader, n *yaml.Node) {
			switch {
			case n.Kind == yaml.SequenceNode:
				a.Branches, a.Named = NamedBranches, list(text).read(r, n)
				if len(a.Named) == 0 {
					r.fail(n, "branches names none; say every, or protected")
				}
			case n.Value == "every":
				a.Branches = EveryBranch
			case n.Value == "protected":
				a.Branches = ProtectedOnly
			default:
				r.fail(n, "branches should be every, protected, or a list of names of protected branches")
			}
		},
		write: func() *yaml.Node {
			if a.Branches == NamedBranches {
				return list(text).write(a.Named)
			}
			return scalar(map[Branches]string{EveryBranch: "every", ProtectedOnly: "protected"}[a.Branches])
		}}
}

func (p *PushRule) keys() []key {
	return []key{
		plainKey("branch_name", &p.BranchName, text), plainKey("commit_message", &p.CommitMessage, text), plainKey("author_email", &p.AuthorEmail, text), plainKey("file_name", &p.FileName, text),
		plainKey("reject_unsigned", &p.RejectUnsigned, truth), plainKey("reject_non_dco", &p.RejectNonDCO, truth), plainKey("members_only", &p.MembersOnly, truth),
		plainKey("committer_is_user", &p.CommitterIsUser, truth), plainKey("committer_name_is_users", &p.CommitterNameIsUsers, truth), plainKey("deny_delete_tag", &p.DenyDeleteTag, truth),
		plainKey("prevent_secrets", &p.PreventSecrets, truth), plainKey("max_file_size_megabytes", &p.MaxFileSizeMegabytes, count),
	}
}

func (m *Member) keys() []key {
	return []key{needKey("id", &m.ID, id), plainKey("username", &m.Username, text), needKey("level", &m.Level, role), plainKey("from", &m.From, oneOf(Direct, Inherited, Shared)),
		plainKey("bot", &m.Bot, truth), plainKey("custom_role", &m.CustomRole, truth), plainKey("state", &m.State, text), plainKey("expires", &m.Expires, moment)}
}

func (t *AccessToken) keys() []key {
	return []key{needKey("id", &t.ID, id), plainKey("user", &t.User, id), needKey("level", &t.Level, role), plainKey("scopes", &t.Scopes, list(text)), plainKey("expires", &t.Expires, moment)}
}

func (k *DeployKey) keys() []key {
	return []key{needKey("id", &k.ID, id), needKey("can_push", &k.CanPush, truth), plainKey("expires", &k.Expires, moment)}
}

func (t *Trigger) keys() []key {
	return []key{needKey("id", &t.ID, id), plainKey("owner", &t.Owner, id)}
}

func (s *Schedule) keys() []key {
	return []key{needKey("id", &s.ID, id), needKey("ref", &s.Ref, text), plainKey("owner", &s.Owner, id), needKey("active", &s.Active, truth)}
}
