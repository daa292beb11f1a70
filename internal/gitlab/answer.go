package gitlab

import (
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"mayfly.internal/internal/guard"
)

// said is a field of an answer: GitLab leaves out what the caller may not see
// and what its version or tier has not, which is not the same as false.
type said[T any] struct {
	there bool
	null  bool
	value T
	err   error // it is there and not understood
}

func (s *said[T]) UnmarshalJSON(data []byte) error {
	*s = said[T]{there: true}
	if string(data) == "null" {
		s.null = true
		return nil
	}
	s.err = json.Unmarshal(data, &s.value)
	return nil
}

// truth is a boolean; older GitLabs write some as words.
type truth bool

func (t *truth) UnmarshalJSON(data []byte) error {
	switch string(data) {
	case "true", `"true"`:
		*t = true
	case "false", `"false"`:
		*t = false
	default:
		return errors.New("it is neither true nor false")
	}
	return nil
}

// day is a date, or a time.
type day time.Time

func (d *day) UnmarshalJSON(data []byte) error {
	var text string
	if err := json.Unmarshal(data, &text); err != nil {
		return err
	}
	at, err := time.Parse(time.DateOnly, text)
	if err != nil {
		at, err = time.Parse(time.RFC3339, text)
	}
	if err != nil || at.Year() < 1970 || at.Year() > 9000 {
		return errors.New("it is no date")
	}
	*d = day(at.UTC().Truncate(time.Second))
	return nil
}

// or is the field's value, or another where GitLab writes null or nothing.
func (s said[T]) or(otherwise T) (T, error) {
	if s.err != nil {
		return otherwise, s.err
	}
	if !s.there || s.null {
		return otherwise, nil
	}
	return s.value, nil
}

// factOf is the fact a field says. Where the field is left out the fact is
// unknown.
func factOf[T, U any](s said[T], call, field string, convert func(T) (U, error)) guard.Fact[U] {
	switch {
	case s.err != nil:
		return guard.Unknown[U](fmt.Sprintf("%s: %s is not understood", call, field))
	case !s.there:
		return guard.Unknown[U](fmt.Sprintf("%s does not show %s: to a Maintainer alone, or this GitLab has it not", call, field))
	case s.null:
		return guard.Unknown[U](fmt.Sprintf("%s: %s is null", call, field))
	}
	v, err := convert(s.value)
	if err != nil {
		return guard.Unknown[U](fmt.Sprintf("%s: %s: %v", call, field, err))
	}
	return guard.Known(v)
}

func same[T any](v T) (T, error)    { return v, nil }
func plain(t truth) (bool, error)   { return bool(t), nil }
func negated(t truth) (bool, error) { return !bool(t), nil }

func word[T ~string](allowed ...T) func(string) (T, error) {
	return func(v string) (T, error) {
		if !slices.Contains(allowed, T(v)) {
			return "", fmt.Errorf("%.40q is not known here", v)
		}
		return T(v), nil
	}
}

func text(v string) (string, error) {
	if v == "" {
		return "", errors.New("it is empty")
	}
	return v, nil
}

func texts(all []string) ([]string, error) {
	for _, v := range all {
		if _, err := text(v); err != nil {
			return nil, err
		}
	}
	return all, nil
}

type metadataAnswer struct {
	Version    said[string] `json:"version"`
	Enterprise said[truth]  `json:"enterprise"`
}

type namespaceAnswer struct {
	Plan said[string] `json:"plan"`
}

type licenseAnswer struct {
	Plan    said[string] `json:"plan"`
	Expired said[truth]  `json:"expired"`
}

// plans :: what GitLab calls a plan → its tier.
var plans = map[string]guard.Tier{
	"free": guard.Free, "premium": guard.Premium, "silver": guard.Premium, "premium_trial": guard.Premium,
	"ultimate": guard.Ultimate, "gold": guard.Ultimate, "ultimate_trial": guard.Ultimate, "ultimate_trial_paid_customer": guard.Ultimate, "opensource": guard.Ultimate,
}

func tierOf(plan string) (guard.Tier, error) {
	tier, ok := plans[plan]
	if !ok {
		return "", fmt.Errorf("the plan %.40q is none that is known here", plan)
	}
	return tier, nil
}

// projectAnswer is GET /projects/:id. (Projects API, Get a single project)
type projectAnswer struct {
	ID        int64  `json:"id"`
	Path      string `json:"path_with_namespace"`
	Namespace struct {
		ID       said[int64]  `json:"id"`
		Kind     said[string] `json:"kind"`
		FullPath string       `json:"full_path"`
	} `json:"namespace"`
	DefaultBranch                said[string]     `json:"default_branch"`
	Visibility                   said[string]     `json:"visibility"`
	Archived                     said[truth]      `json:"archived"`
	EmptyRepo                    said[truth]      `json:"empty_repo"`
	ForkedFrom                   said[pathAnswer] `json:"forked_from_project"`
	SubComponents                said[[]string]   `json:"ci_id_token_sub_claim_components"`
	ProtectMergeRequestPipelines said[truth]      `json:"protect_merge_request_pipelines"`
	ForkPipelinesInParent        said[truth]      `json:"ci_allow_fork_pipelines_to_run_in_parent_project"`
	PipelineVariables            said[string]     `json:"ci_pipeline_variables_minimum_override_role"`
	JobTokenMayPush              said[truth]      `json:"ci_push_repository_for_job_token_allowed"`
	ConfigPath                   said[string]     `json:"ci_config_path"`
	Mirror                       said[truth]      `json:"mirror"`
	MirrorTriggers               said[truth]      `json:"mirror_trigger_builds"`
	MergeMethod                  said[string]     `json:"merge_method"`
	MergeNeedsPipeline           said[truth]      `json:"only_allow_merge_if_pipeline_succeeds"`
	MergeOnSkipped               said[truth]      `json:"allow_merge_on_skipped_pipeline"`
	MergeNeedsDiscussions        said[truth]      `json:"only_allow_merge_if_all_discussions_are_resolved"`
}

func overrideRole(name string) (guard.Level, error) {
	if name == "no_one_allowed" {
		return guard.NoAccess, nil
	}
	level, err := guard.ParseLevel(name)
	if err != nil || level == guard.NoAccess {
		return 0, fmt.Errorf("%.40q is not known here", name)
	}
	return level, nil
}

// put says what an answer knows of a project.
func (a *projectAnswer) put(p *guard.Project, s guard.Source) {
	call := s.Call
	p.ID = guard.Known(a.ID).From(s)
	p.NamespaceID = factOf(a.Namespace.ID, call, "namespace.id", same).From(s)
	p.NamespaceKind = factOf(a.Namespace.Kind, call, "namespace.kind", word("group", "user")).From(s)
	p.DefaultBranch = factOf(a.DefaultBranch, call, "default_branch", text).From(s)
	p.Visibility = factOf(a.Visibility, call, "visibility", word("private", "internal", "public")).From(s)
	p.Archived = factOf(a.Archived, call, "archived", plain).From(s)
	p.EmptyRepo = factOf(a.EmptyRepo, call, "empty_repo", plain).From(s)
	p.SubComponents = factOf(a.SubComponents, call, "ci_id_token_sub_claim_components", texts).From(s)
	p.ProtectMergeRequestPipelines = factOf(a.ProtectMergeRequestPipelines, call, "protect_merge_request_pipelines", plain).From(s)
	p.ForkPipelinesInParent = factOf(a.ForkPipelinesInParent, call, "ci_allow_fork_pipelines_to_run_in_parent_project", plain).From(s)
	p.PipelineVariables = factOf(a.PipelineVariables, call, "ci_pipeline_variables_minimum_override_role", overrideRole).From(s)
	p.JobTokenMayPush = factOf(a.JobTokenMayPush, call, "ci_push_repository_for_job_token_allowed", plain).From(s)
	p.Mirror = factOf(a.Mirror, call, "mirror", plain).From(s)
	p.MirrorTriggersPipelines = factOf(a.MirrorTriggers, call, "mirror_trigger_builds", plain).From(s)
	if mirror, known := p.Mirror.Value(); known && !mirror && !a.MirrorTriggers.there { // shown of mirrors alone
		p.MirrorTriggersPipelines = guard.Known(false).From(s)
	}
	p.MergeMethod = factOf(a.MergeMethod, call, "merge_method", word("merge", "rebase_merge", "ff")).From(s)
	p.MergeNeedsPipeline = factOf(a.MergeNeedsPipeline, call, "only_allow_merge_if_pipeline_succeeds", plain).From(s)
	p.MergeOnSkippedPipeline = factOf(a.MergeOnSkipped, call, "allow_merge_on_skipped_pipeline", plain).From(s)
	p.MergeNeedsDiscussions = factOf(a.MergeNeedsDiscussions, call, "only_allow_merge_if_all_discussions_are_resolved", plain).From(s)

	if a.ConfigPath.null || a.ConfigPath.there && a.ConfigPath.value == "" && a.ConfigPath.err == nil {
		a.ConfigPath = said[string]{there: true, value: ".gitlab-ci.yml"}
	}
	p.ConfigPath = factOf(a.ConfigPath, call, "ci_config_path", text).From(s)
	p.ForkedFrom = guard.Unknown[string](call + " shows no forked_from_project: it is no fork, or its parent is hidden from this token").From(s)
	if parent, err := a.ForkedFrom.or(pathAnswer{}); err != nil || parent.Path != "" {
		p.ForkedFrom = factOf(a.ForkedFrom, call, "forked_from_project", pathAnswer.path).From(s)
	}
}

// levelAnswer is an entry of a list of access levels. (Protected branches API)
type levelAnswer struct {
	Level      *int64 `json:"access_level"`
	User       *int64 `json:"user_id"`
	Group      *int64 `json:"group_id"`
	DeployKey  *int64 `json:"deploy_key_id"`
	MemberRole *int64 `json:"member_role_id"`
}

// access is who the entry means. An access_level beside a user, group or deploy
// key means nothing: it is that user's, group's or key's entry.
func (l levelAnswer) access() (guard.Access, error) {
	switch {
	case l.User != nil:
		return guard.Access{User: *l.User}, positive(*l.User)
	case l.Group != nil:
		return guard.Access{Group: *l.Group}, positive(*l.Group)
	case l.DeployKey != nil:
		return guard.Access{DeployKey: *l.DeployKey}, positive(*l.DeployKey)
	case l.MemberRole != nil:
		return guard.Access{}, errors.New("an access level is a custom role's, which is not known here")
	case l.Level != nil:
		level, err := levelOf(*l.Level)
		return guard.Access{Level: level}, err
	}
	return guard.Access{}, errors.New("an access level is of a kind that is not known here")
}

func positive(id int64) error {
	if id <= 0 {
		return fmt.Errorf("%d is no id", id)
	}
	return nil
}

func levelOf(number int64) (guard.Level, error) {
	if number < 0 || number > 100 {
		return 0, fmt.Errorf("%d is no access level", number)
	}
	return guard.Level(number), nil
}

// accesses is who a list means; entries of "no one" say nothing.
func accesses(all []levelAnswer) ([]guard.Access, error) {
	out := []guard.Access{}
	for _, l := range all {
		a, err := l.access()
		if err != nil {
			return nil, err
		}
		if a != (guard.Access{}) {
			out = append(out, a)
		}
	}
	return out, nil
}

// within is a fact inside of another: unknown where it is left out, and the whole
// is not understood where it is not.
func within[T, U any](s said[T], convert func(T) (U, error)) (guard.Fact[U], error) {
	if s.err != nil {
		return guard.Fact[U]{}, s.err
	}
	if !s.there || s.null {
		return guard.Fact[U]{}, nil
	}
	v, err := convert(s.value)
	return guard.Known(v), err
}

type branchAnswer struct {
	Name       string              `json:"name"`
	Push       said[[]levelAnswer] `json:"push_access_levels"`
	Merge      said[[]levelAnswer] `json:"merge_access_levels"`
	Unprotect  said[[]levelAnswer] `json:"unprotect_access_levels"`
	ForcePush  said[truth]         `json:"allow_force_push"`
	CodeOwners said[truth]         `json:"code_owner_approval_required"`
	Inherited  said[truth]         `json:"inherited"`
}

func (a branchAnswer) rule() (b guard.ProtectedBranch, err error) {
	if b.Name, err = text(a.Name); err != nil {
		return b, fmt.Errorf("name: %w", err)
	}
	var errs [5]error
	b.Push, errs[0] = within(a.Push, accesses)
	b.Merge, errs[1] = within(a.Merge, accesses)
	b.Unprotect, errs[2] = within(a.Unprotect, unprotectors)
	b.ForcePush, errs[3] = within(a.ForcePush, plain)
	b.CodeOwners, errs[4] = within(a.CodeOwners, plain)
	return b, errors.Join(errs[:]...)
}

// unprotectors is who may unprotect: Maintainers where nobody is named.
func unprotectors(all []levelAnswer) ([]guard.Access, error) {
	out, err := accesses(all)
	if len(all) == 0 {
		out = []guard.Access{{Level: guard.Maintainer}}
	}
	return out, err
}

type tagAnswer struct {
	Name   string              `json:"name"`
	Create said[[]levelAnswer] `json:"create_access_levels"`
}

func (a tagAnswer) rule() (t guard.ProtectedTag, err error) {
	if t.Name, err = text(a.Name); err != nil {
		return t, fmt.Errorf("name: %w", err)
	}
	t.Create, err = within(a.Create, accesses)
	return t, err
}

type environmentAnswer struct {
	Name string       `json:"name"`
	Tier said[string] `json:"tier"`
}

var deploymentTiers = []string{"production", "staging", "testing", "development", "other"}

func (a environmentAnswer) environment() (guard.Environment, error) {
	name, err := text(a.Name)
	if err != nil {
		return guard.Environment{}, fmt.Errorf("name: %w", err)
	}
	tier, err := a.Tier.or("")
	if tier != "" && !slices.Contains(deploymentTiers, tier) {
		err = fmt.Errorf("the deployment tier %.40q is not known here", tier)
	}
	return guard.Environment{Name: name, Tier: tier}, err
}

type protectedEnvironmentAnswer struct {
	Name      string              `json:"name"`
	Deploy    said[[]levelAnswer] `json:"deploy_access_levels"`
	Approvals said[int]           `json:"required_approval_count"`
	Rules     said[[]struct {
		levelAnswer
		Required int `json:"required_approvals"`
	}] `json:"approval_rules"`
}

func (a protectedEnvironmentAnswer) rule() (e guard.ProtectedEnvironment, err error) {
	if e.Name, err = text(a.Name); err != nil {
		return e, fmt.Errorf("name: %w", err)
	}
	var errs [2]error
	e.Deploy, errs[0] = within(a.Deploy, accesses)
	e.Approvals, errs[1] = within(a.Approvals, amount)
	if err := errors.Join(append(errs[:], a.Rules.err)...); err != nil {
		return e, err
	}
	if !a.Rules.there || a.Rules.null {
		return e, nil
	}
	approvers := []guard.EnvironmentApprovers{}
	for _, r := range a.Rules.value {
		who, err := r.access()
		if err != nil {
			return e, err
		}
		required, err := amount(r.Required)
		if err != nil {
			return e, err
		}
		approvers = append(approvers, guard.EnvironmentApprovers{Who: who, Required: required})
	}
	e.Approvers = guard.Known(approvers)
	return e, nil
}

func amount(n int) (int, error) {
	if n < 0 || n > 1_000_000 {
		return 0, fmt.Errorf("%d is no number of approvals", n)
	}
	return n, nil
}

// approvalsAnswer is GET /projects/:id/approvals: the project's own settings.
type approvalsAnswer struct {
	Author         said[truth] `json:"merge_requests_author_approval"`             // true: may
	Committers     said[truth] `json:"merge_requests_disable_committers_approval"` // true: may not
	Reset          said[truth] `json:"reset_approvals_on_push"`
	NoOverride     said[truth] `json:"disable_overriding_approvers_per_merge_request"`
	Password       said[truth] `json:"require_password_to_approve"`
	Reauthenticate said[truth] `json:"require_reauthentication_to_approve"`
}

func (a *approvalsAnswer) put(p *guard.Project, s guard.Source) {
	p.AuthorMayApprove = factOf(a.Author, s.Call, "merge_requests_author_approval", plain).From(s)
	p.CommittersMayApprove = factOf(a.Committers, s.Call, "merge_requests_disable_committers_approval", negated).From(s)
	p.ResetApprovalsOnPush = factOf(a.Reset, s.Call, "reset_approvals_on_push", plain).From(s)
	p.ApprovalRulesOverridable = factOf(a.NoOverride, s.Call, "disable_overriding_approvers_per_merge_request", negated).From(s)
	p.ReauthenticateToApprove = factOf(reauthenticate(a.Reauthenticate, a.Password), s.Call, "require_reauthentication_to_approve", plain).From(s)
}

// reauthenticate is the setting under its newer name, or its older.
func reauthenticate[T any](newer, older said[T]) said[T] {
	if newer.there {
		return newer
	}
	return older
}

// settingsAnswer is GET /projects/:id/merge_request_approval_settings: what is
// in force, the group's and the instance's settings included.
type settingsAnswer struct {
	Author         said[setting] `json:"allow_author_approval"`
	Committers     said[setting] `json:"allow_committer_approval"`
	Override       said[setting] `json:"allow_overrides_to_approver_list_per_merge_request"`
	Retain         said[setting] `json:"retain_approvals_on_push"`
	Password       said[setting] `json:"require_password_to_approve"`
	Reauthenticate said[setting] `json:"require_reauthentication_to_approve"`
}

type setting struct {
	Value *truth `json:"value"`
}

func (s setting) truth() (bool, error) {
	if s.Value == nil {
		return false, errors.New("it has no value")
	}
	return bool(*s.Value), nil
}

func (s setting) negated() (bool, error) {
	v, err := s.truth()
	return !v, err
}

func (a *settingsAnswer) put(p *guard.Project, s guard.Source) {
	p.AuthorMayApprove = factOf(a.Author, s.Call, "allow_author_approval", setting.truth).From(s)
	p.CommittersMayApprove = factOf(a.Committers, s.Call, "allow_committer_approval", setting.truth).From(s)
	p.ResetApprovalsOnPush = factOf(a.Retain, s.Call, "retain_approvals_on_push", setting.negated).From(s)
	p.ApprovalRulesOverridable = factOf(a.Override, s.Call, "allow_overrides_to_approver_list_per_merge_request", setting.truth).From(s)
	p.ReauthenticateToApprove = factOf(reauthenticate(a.Reauthenticate, a.Password), s.Call, "require_reauthentication_to_approve", setting.truth).From(s)
}

type ruleAnswer struct {
	Name      string           `json:"name"`
	Type      string           `json:"rule_type"`
	Required  int              `json:"approvals_required"`
	Eligible  said[[]idAnswer] `json:"eligible_approvers"`
	Hidden    said[truth]      `json:"contains_hidden_groups"`
	Protected said[[]struct {
		Name string `json:"name"`
	}] `json:"protected_branches"`
	AllProtected said[truth] `json:"applies_to_all_protected_branches"`
}

type idAnswer struct {
	ID int64 `json:"id"`
}

// rule is an approval rule. One that names no branches holds for every branch.
func (a ruleAnswer) rule() (r guard.ApprovalRule, err error) {
	if r.Name, err = text(a.Name); err != nil {
		return r, fmt.Errorf("name: %w", err)
	}
	if r.Type, err = word("any_approver", "regular", "report_approver", "code_owner")(a.Type); err != nil {
		return r, fmt.Errorf("rule_type: %w", err)
	}
	if r.Required, err = amount(a.Required); err != nil {
		return r, err
	}
	all, err := a.AllProtected.or(false)
	if err != nil || a.Protected.err != nil || !a.Protected.there {
		return r, errors.New("a rule does not say which branches it is for")
	}
	switch {
	case bool(all):
		r.Branches = guard.ProtectedOnly
	case len(a.Protected.value) > 0:
		r.Branches = guard.NamedBranches
		for _, b := range a.Protected.value {
			if _, err := text(b.Name); err != nil {
				return r, fmt.Errorf("protected_branches: %w", err)
			}
			r.Named = append(r.Named, b.Name)
		}
	}
	hidden, err := a.Hidden.or(false)
	if err != nil || bool(hidden) {
		return r, err // who else may approve is hidden
	}
	r.Approvers, err = within(a.Eligible, ids)
	return r, err
}

func ids(all []idAnswer) ([]int64, error) {
	out := make([]int64, 0, len(all))
	for _, a := range all {
		if err := positive(a.ID); err != nil {
			return nil, err
		}
		out = append(out, a.ID)
	}
	return out, nil
}

type pushRuleAnswer struct {
	BranchName     said[string] `json:"branch_name_regex"`
	CommitMessage  said[string] `json:"commit_message_regex"`
	AuthorEmail    said[string] `json:"author_email_regex"`
	FileName       said[string] `json:"file_name_regex"`
	RejectUnsigned said[truth]  `json:"reject_unsigned_commits"`
	RejectNonDCO   said[truth]  `json:"reject_non_dco_commits"`
	Members        said[truth]  `json:"member_check"`
	Committer      said[truth]  `json:"commit_committer_check"`
	CommitterName  said[truth]  `json:"commit_committer_name_check"`
	DenyDeleteTag  said[truth]  `json:"deny_delete_tag"`
	PreventSecrets said[truth]  `json:"prevent_secrets"`
	MaxFileSize    said[int]    `json:"max_file_size"`
}

// rule is a push rule. GitLab writes null for what is switched off, and leaves
// out what its plan has not.
func (a pushRuleAnswer) rule() (guard.PushRule, error) {
	p := guard.PushRule{Set: true}
	var errs []error
	for to, s := range map[*string]said[string]{&p.BranchName: a.BranchName, &p.CommitMessage: a.CommitMessage, &p.AuthorEmail: a.AuthorEmail, &p.FileName: a.FileName} {
		v, err := s.or("")
		*to, errs = v, append(errs, err)
	}
	for to, s := range map[*bool]said[truth]{&p.RejectUnsigned: a.RejectUnsigned, &p.RejectNonDCO: a.RejectNonDCO, &p.MembersOnly: a.Members, &p.CommitterIsUser: a.Committer,
		&p.CommitterNameIsUsers: a.CommitterName, &p.DenyDeleteTag: a.DenyDeleteTag, &p.PreventSecrets: a.PreventSecrets} {
		v, err := s.or(false)
		*to, errs = bool(v), append(errs, err)
	}
	size, err := a.MaxFileSize.or(0)
	if err == nil {
		p.MaxFileSizeMegabytes, err = amount(size)
	}
	return p, errors.Join(append(errs, err)...)
}

// decodePushRule reads a push rule, or null (or the word in quotes): there is
// none.
func decodePushRule(raw json.RawMessage) (guard.PushRule, error) {
	if s := string(raw); s == "null" || s == `"null"` {
		return guard.PushRule{}, nil
	}
	var a pushRuleAnswer
	if err := json.Unmarshal(raw, &a); err != nil {
		return guard.PushRule{}, err
	}
	return a.rule()
}

type memberAnswer struct {
	ID         int64        `json:"id"`
	Username   string       `json:"username"`
	State      string       `json:"state"`
	Membership said[string] `json:"membership_state"`
	Level      int64        `json:"access_level"`
	Expires    said[day]    `json:"expires_at"`
	Role       said[struct {
		ID int64 `json:"id"`
	}] `json:"member_role"`
}

// bots are the usernames GitLab gives the users of access tokens.
var bots = regexp.MustCompile(`^(project|group)_[0-9]+_bot([0-9]+|_[0-9a-f]+)?$`)

func (a memberAnswer) member() (guard.Member, error) {
	level, err := levelOf(a.Level)
	if err != nil {
		return guard.Member{}, err
	}
	expires, err := a.Expires.or(day{})
	if err != nil {
		return guard.Member{}, fmt.Errorf("expires_at: %w", err)
	}
	m := guard.Member{ID: a.ID, Username: a.Username, Level: level, Bot: bots.MatchString(a.Username), CustomRole: a.Role.there && !a.Role.null, Expires: time.Time(expires)}
	if a.State != "active" {
		m.State = a.State
	}
	if awaiting, _ := a.Membership.or(""); awaiting == "awaiting" {
		m.State = awaiting
	}
	return m, positive(a.ID)
}

type tokenAnswer struct {
	ID      int64       `json:"id"`
	User    int64       `json:"user_id"`
	Level   int64       `json:"access_level"`
	Scopes  []string    `json:"scopes"`
	Active  said[truth] `json:"active"`
	Revoked said[truth] `json:"revoked"`
	Expires said[day]   `json:"expires_at"`
}

func (a tokenAnswer) inForce() bool {
	active, _ := a.Active.or(true)
	revoked, _ := a.Revoked.or(false)
	return bool(active) && !bool(revoked)
}

func (a tokenAnswer) token() (guard.AccessToken, error) {
	level, err := levelOf(a.Level)
	if err != nil {
		return guard.AccessToken{}, err
	}
	expires, err := a.Expires.or(day{})
	if err != nil {
		return guard.AccessToken{}, fmt.Errorf("expires_at: %w", err)
	}
	if _, err := texts(a.Scopes); err != nil {
		return guard.AccessToken{}, fmt.Errorf("scopes: %w", err)
	}
	return guard.AccessToken{ID: a.ID, User: max(a.User, 0), Level: level, Scopes: a.Scopes, Expires: time.Time(expires)}, positive(a.ID)
}

type deployKeyAnswer struct {
	ID      int64       `json:"id"`
	CanPush said[truth] `json:"can_push"`
	Expires said[day]   `json:"expires_at"`
}

func (a deployKeyAnswer) key() (guard.DeployKey, error) {
	if !a.CanPush.there || a.CanPush.null || a.CanPush.err != nil {
		return guard.DeployKey{}, errors.New("it does not say whether a key can push")
	}
	expires, err := a.Expires.or(day{})
	if err != nil {
		return guard.DeployKey{}, fmt.Errorf("expires_at: %w", err)
	}
	return guard.DeployKey{ID: a.ID, CanPush: bool(a.CanPush.value), Expires: time.Time(expires)}, positive(a.ID)
}

type ownerAnswer struct {
	Owner *idAnswer `json:"owner"`
}

func (a ownerAnswer) owner() int64 {
	if a.Owner == nil {
		return 0
	}
	return max(a.Owner.ID, 0)
}

type triggerAnswer struct {
	ID int64 `json:"id"`
	ownerAnswer
}

func (a triggerAnswer) trigger() (guard.Trigger, error) {
	return guard.Trigger{ID: a.ID, Owner: a.owner()}, positive(a.ID)
}

type scheduleAnswer struct {
	ID     int64       `json:"id"`
	Ref    string      `json:"ref"`
	Active said[truth] `json:"active"`
	ownerAnswer
}

func (a scheduleAnswer) schedule() (guard.Schedule, error) {
	active, err := a.Active.or(true)
	if _, empty := text(a.Ref); empty != nil {
		err = fmt.Errorf("ref: %w", empty)
	}
	return guard.Schedule{ID: a.ID, Ref: a.Ref, Owner: a.owner(), Active: bool(active)}, errors.Join(err, positive(a.ID))
}

type pathAnswer struct {
	Path string `json:"path_with_namespace"`
}

func (a pathAnswer) path() (string, error) { return fullPath(a.Path) }

// groupAnswer is an entry of a list that shows a group's address alone.
type groupAnswer struct {
	Path   string `json:"full_path"`
	WebURL string `json:"web_url"`
}

func (a groupAnswer) path() (string, error) {
	path := a.Path
	if path == "" {
		_, path, _ = strings.Cut(a.WebURL, "/groups/")
	}
	return fullPath(path)
}

var isPath = regexp.MustCompile(`^[a-zA-Z0-9_.][a-zA-Z0-9_.-]*(/[a-zA-Z0-9_.][a-zA-Z0-9_.-]*)*$`)

// IsPath reports whether text is what GitLab accepts of full paths that exist,
// a project's or a group's.
func IsPath(text string) bool { return isPath.MatchString(text) }

func fullPath(path string) (string, error) {
	if !IsPath(path) {
		return "", fmt.Errorf("%.40q is no path", path)
	}
	return path, nil
}
