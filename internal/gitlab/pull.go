package gitlab

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"mayfly.internal/internal/guard"
)

// Progress says which project is being read.
type Progress struct {
	Project    string
	Number, Of int
}

// Missing is something that could not be read.
type Missing struct {
	Project string // path; empty: of the instance or a group
	Err     error
}

// IncompleteError says what could not be read beside what was: those facts are
// unknown.
type IncompleteError struct{ Missing []Missing }

// maxShown bounds the lines of an IncompleteError; the facts have every reason.
const maxShown = 20

// Error says what could not be read, a line each: what several projects lack for
// the same reason, which is their group's, is one.
func (e *IncompleteError) Error() string {
	var order []string
	projects := map[string][]string{} // :: reason → projects
	for _, m := range e.Missing {
		why := m.Err.Error()
		if projects[why] == nil {
			order = append(order, why)
		}
		projects[why] = append(projects[why], m.Project)
	}
	var lines []string
	for _, why := range order[:min(len(order), maxShown)] {
		of := projects[why][0]
		if n := len(projects[why]) - 1; n > 0 {
			of = fmt.Sprintf("%s and %d more", of, n)
		}
		if of != "" {
			why = of + ": " + why
		}
		lines = append(lines, why)
	}
	if more := len(order) - len(lines); more > 0 {
		lines = append(lines, fmt.Sprintf("and %d more", more))
	}
	if len(order) == 1 {
		return "something could not be read: " + lines[0]
	}
	return fmt.Sprintf("%d things could not be read:\n%s", len(order), strings.Join(lines, "\n"))
}

func (e *IncompleteError) Unwrap() []error {
	out := make([]error, len(e.Missing))
	for i, m := range e.Missing {
		out[i] = m.Err
	}
	return out
}

// Pull reads the facts of projects, by their full paths. Tier is the instance's
// where the token cannot see it; empty: ask.
//
// What could not be read is unknown in the facts, with the reason, and named by
// an *IncompleteError beside them. Any other error comes without facts: the
// instance cannot be asked at all.
func (c *Client) Pull(ctx context.Context, projects []string, tier guard.Tier, progress func(Progress)) (*guard.Facts, error) {
	for _, path := range projects {
		if !IsPath(path) || !strings.Contains(path, "/") {
			return nil, fmt.Errorf("%q is no full path of a project, such as my_group/my-fancy_project", path)
		}
	}
	p := &puller{c: c, ctx: ctx, stated: tier, memo: map[string]*memo{}}
	facts := &guard.Facts{GitLab: c.URL(), Issuer: c.URL(), Taken: p.now()}
	if err := p.instance(facts); err != nil {
		return nil, err
	}
	for i, path := range projects {
		if progress != nil {
			progress(Progress{path, i + 1, len(projects)})
		}
		project := p.project(facts, path)
		if _, twice := facts.Project(project.Path); !twice {
			facts.Projects = append(facts.Projects, project)
		}
	}
	p.groups(facts)
	if len(p.missing) == 0 {
		return facts, nil
	}
	slices.SortFunc(p.missing, func(a, b Missing) int { // answers come in any order
		return cmp.Or(strings.Compare(a.Project, b.Project), strings.Compare(a.Err.Error(), b.Err.Error()))
	})
	return facts, &IncompleteError{p.missing}
}

// GroupProjects lists the paths of a group's projects and its subgroups', those
// archived left out: they run no pipelines.
func (c *Client) GroupProjects(ctx context.Context, group string) ([]string, error) {
	all, err := pages[pathAnswer](ctx, c, "/groups/"+url.PathEscape(group)+"/projects",
		url.Values{"include_subgroups": {"true"}, "archived": {"false"}, "with_shared": {"false"}, "simple": {"true"}, "order_by": {"id"}, "sort": {"asc"}})
	if err != nil {
		return nil, err
	}
	out := make([]string, len(all))
	for i, a := range all {
		if out[i], err = a.path(); err != nil {
			return nil, fmt.Errorf("the projects of %s: %w", group, err)
		}
	}
	return out, nil
}

// puller is one Pull.
type puller struct {
	c      *Client
	ctx    context.Context
	stated guard.Tier

	mu      sync.Mutex
	missing []Missing
	memo    map[string]*memo
}

func (p *puller) now() time.Time { return p.c.config.Now().UTC().Truncate(time.Second) }

func (p *puller) source(path string) guard.Source {
	return guard.Source{Call: "GET " + path, At: p.now()}
}

func (p *puller) miss(project string, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.missing = append(p.missing, Missing{project, err})
}

// memo is an answer that several projects ask for.
type memo struct {
	once  sync.Once
	value any
	err   error
}

func once[T any](p *puller, key string, ask func() (T, error)) (T, error) {
	p.mu.Lock()
	m := p.memo[key]
	if m == nil {
		m = &memo{}
		p.memo[key] = m
	}
	p.mu.Unlock()
	m.once.Do(func() { m.value, m.err = ask() })
	return m.value.(T), m.err
}

// each runs steps at the same time; the client bounds the requests under way.
func each(steps ...func()) {
	var wait sync.WaitGroup
	for _, step := range steps {
		wait.Go(step)
	}
	wait.Wait()
}

// isRefusal reports whether GitLab says that there is nothing, or no right to
// see it: it says 404 for both.
func isRefusal(err error) bool {
	e, ok := errors.AsType[*Error](err)
	return ok && (e.Status == http.StatusForbidden || e.Status == http.StatusNotFound)
}

// isSettled reports whether an error is GitLab's answer, and will be the next time
// too unless somebody changes something.
func isSettled(err error) bool {
	_, strange := errors.AsType[*GarbageError](err)
	return strange || isRefusal(err)
}

// instance reads what the instance says of itself. It fails only where nothing
// more can be asked.
func (p *puller) instance(f *guard.Facts) error {
	path := "/metadata"
	a, err := get[metadataAnswer](p.ctx, p.c, path)
	if isRefusal(err) { // GitLab before 15.2
		path = "/version"
		a, err = get[metadataAnswer](p.ctx, p.c, path)
	}
	refusal, answered := errors.AsType[*Error](err)
	_, strange := errors.AsType[*GarbageError](err)
	if err != nil && !strange && (!answered || refusal.Status == http.StatusUnauthorized) {
		return err
	}
	s := p.source(path)
	if err != nil {
		p.miss("", err)
		f.Version, f.Enterprise = guard.Unknown[string](err.Error()).From(s), guard.Unknown[bool](err.Error()).From(s)
	} else {
		f.Version = factOf(a.Version, s.Call, "version", text).From(s)
		f.Enterprise = factOf(a.Enterprise, s.Call, "enterprise", plain).From(s)
	}
	f.Tier = p.instanceTier(f)
	return nil
}

// instanceTier is the tier of the whole instance: free where it is no Enterprise
// Edition, else what is stated, else its licence's, which administrators see.
func (p *puller) instanceTier(f *guard.Facts) guard.Fact[guard.Tier] {
	if enterprise, known := f.Enterprise.Value(); known && !enterprise {
		return guard.Known(guard.Free).From(f.Enterprise.Source())
	}
	if p.stated != "" {
		return guard.Known(p.stated).From(guard.Source{Call: "stated by whoever asked", At: p.now()})
	}
	if host := p.c.base.Hostname(); host == "gitlab.com" {
		return guard.Unknown[guard.Tier]("each namespace of gitlab.com has a tier of its own")
	}
	s := p.source("/license")
	a, err := get[licenseAnswer](p.ctx, p.c, "/license")
	if err != nil {
		return guard.Unknown[guard.Tier](err.Error() + "; administrators alone see it").From(s)
	}
	if expired, _ := a.Expired.or(false); bool(expired) {
		return guard.Unknown[guard.Tier]("the licence has expired").From(s)
	}
	return factOf(a.Plan, s.Call, "plan", tierOf).From(s)
}

// namespaceTier is the tier of a project's topmost namespace.
func (p *puller) namespaceTier(f *guard.Facts, root string) guard.Fact[guard.Tier] {
	if _, known := f.Tier.Value(); known {
		return f.Tier
	}
	path := "/namespaces/" + url.PathEscape(root)
	type reading struct {
		a namespaceAnswer
		s guard.Source
	}
	r, err := once(p, path, func() (reading, error) {
		s := p.source(path)
		a, err := get[namespaceAnswer](p.ctx, p.c, path)
		return reading{a, s}, err
	})
	switch plan, _ := r.a.Plan.or(""); {
	case err != nil:
		return guard.Unknown[guard.Tier](err.Error()).From(r.s)
	case plan == "default" || !r.a.Plan.there: // self-managed: the licence is the instance's
		return guard.Unknown[guard.Tier](fmt.Sprintf("%s does not show the plan; %s", r.s.Call, f.Tier.Why())).From(r.s)
	}
	return factOf(r.a.Plan, r.s.Call, "plan", tierOf).From(r.s)
}

// projectPull is the reading of one project.
type projectPull struct {
	*puller
	project *guard.Project
	at      string // /projects/ID
	free    bool   // known: asking for the rest is in vain
}

func (p *puller) project(f *guard.Facts, path string) guard.Project {
	project := guard.Project{Path: path, Taken: p.now()}
	at := "/projects/" + url.PathEscape(path)
	s := p.source(at)
	a, err := get[projectAnswer](p.ctx, p.c, at)
	if err == nil {
		err = positive(a.ID)
	}
	if err == nil {
		project.Path, err = fullPath(a.Path)
		if err == nil && !strings.Contains(a.Path, "/") {
			err = fmt.Errorf("%s: the path %q lacks its namespace", s.Call, a.Path)
		}
	}
	if err != nil {
		project.Path = path
		project.Unread(err.Error(), s)
		p.miss(path, err)
		return project
	}
	a.put(&project, s)
	r := &projectPull{puller: p, project: &project, at: "/projects/" + strconv.FormatInt(a.ID, 10)}
	each(func() {
		root, _, _ := strings.Cut(project.Path, "/")
		project.Tier = p.namespaceTier(f, root)
	}, r.tags, r.environments, r.members, r.tokens, r.deployKeys, r.triggers, r.schedules, r.jobTokenScope)
	tier, known := project.Tier.Value()
	r.free = known && tier == guard.Free
	steps := []func(){r.branches}
	if !r.free {
		steps = append(steps, r.approvals, r.approvalRules, r.pushRule, r.protectedEnvironments, r.groupEnvironments)
	} else {
		project.Mirror, project.MirrorTriggersPipelines = guard.Fact[bool]{}, guard.Fact[bool]{}
	}
	each(steps...)
	r.settle()
	return project
}

// settle says of the project what follows from its tier.
func (r *projectPull) settle() {
	if branches, _ := r.project.ProtectedBranches.Value(); r.free { // what a richer tier left behind guards nothing
		for i := range branches {
			branches[i].Unprotect, branches[i].CodeOwners = guard.Fact[[]guard.Access]{}, guard.Fact[bool]{}
		}
	}
	r.project.Settle()
}

// fill reads a fact of the project.
func fill[T any](r *projectPull, to *guard.Fact[T], path string, read func(path string) (T, error)) {
	s := r.source(path)
	v, err := read(path)
	if err != nil {
		r.miss(r.project.Path, err)
		*to = guard.Unknown[T](err.Error()).From(s)
		return
	}
	*to = guard.Known(v).From(s)
}

// listOf reads a list and turns each entry into a fact's.
func listOf[A, T any](r *puller, query url.Values, convert func(A) (T, error)) func(path string) ([]T, error) {
	return func(path string) ([]T, error) {
		all, err := pages[A](r.ctx, r.c, path, query)
		if err != nil {
			return nil, err
		}
		out := make([]T, 0, len(all))
		for _, a := range all {
			v, err := convert(a)
			if err != nil {
				return nil, garbage("GET "+path, err)
			}
			out = append(out, v)
		}
		return out, nil
	}
}

// paid adds to a refusal what may be behind it where the tier is not known.
func (r *projectPull) paid(err error) error {
	if _, known := r.project.Tier.Value(); known || !isRefusal(err) {
		return err
	}
	return fmt.Errorf("%w; or the tier lacks it, which could not be seen: state it, if you know", err)
}

func (r *projectPull) tags() {
	fill(r, &r.project.ProtectedTags, r.at+"/protected_tags", listOf(r.puller, nil, tagAnswer.rule))
}

func (r *projectPull) environments() {
	fill(r, &r.project.Environments, r.at+"/environments", listOf(r.puller, url.Values{"states": {"available"}}, environmentAnswer.environment))
}

func (r *projectPull) tokens() {
	fill(r, &r.project.AccessTokens, r.at+"/access_tokens", func(path string) ([]guard.AccessToken, error) {
		all, err := pages[tokenAnswer](r.ctx, r.c, path, url.Values{"state": {"active"}})
		if err != nil {
			return nil, err
		}
		out := []guard.AccessToken{}
		for _, a := range slices.DeleteFunc(all, func(a tokenAnswer) bool { return !a.inForce() }) {
			t, err := a.token()
			if err != nil {
				return nil, garbage("GET "+path, err)
			}
			out = append(out, t)
		}
		return out, nil
	})
}

func (r *projectPull) deployKeys() {
	fill(r, &r.project.DeployKeys, r.at+"/deploy_keys", listOf(r.puller, nil, deployKeyAnswer.key))
}

func (r *projectPull) triggers() {
	fill(r, &r.project.Triggers, r.at+"/triggers", listOf(r.puller, nil, triggerAnswer.trigger))
}

func (r *projectPull) schedules() {
	fill(r, &r.project.Schedules, r.at+"/pipeline_schedules", listOf(r.puller, nil, scheduleAnswer.schedule))
}

func (r *projectPull) jobTokenScope() {
	each(func() {
		fill(r, &r.project.JobTokenInboundLimited, r.at+"/job_token_scope", func(path string) (bool, error) {
			a, err := get[struct {
				Inbound *truth `json:"inbound_enabled"`
			}](r.ctx, r.c, path)
			if err == nil && a.Inbound == nil {
				err = garbage("GET "+path, errors.New("it has no inbound_enabled"))
			}
			return err == nil && bool(*a.Inbound), err
		})
	}, func() {
		fill(r, &r.project.JobTokenProjects, r.at+"/job_token_scope/allowlist", listOf(r.puller, nil, pathAnswer.path))
	}, func() {
		fill(r, &r.project.JobTokenGroups, r.at+"/job_token_scope/groups_allowlist", listOf(r.puller, nil, groupAnswer.path))
	})
}

// branches reads the protected branches. The project's list has those of its
// topmost group too, marked; the group's own list, where it can be read, is the
// second word on it.
func (r *projectPull) branches() {
	fill(r, &r.project.ProtectedBranches, r.at+"/protected_branches", func(path string) ([]guard.ProtectedBranch, error) {
		root, _, _ := strings.Cut(r.project.Path, "/")
		out, err := listOf(r.puller, nil, func(a branchAnswer) (guard.ProtectedBranch, error) {
			b, err := a.rule()
			if inherited, _ := a.Inherited.or(false); bool(inherited) {
				b.From = root
			}
			return b, err
		})(path)
		if kind, _ := r.project.NamespaceKind.Value(); err != nil || r.free || kind == "user" {
			return out, err
		}
		groups, err := once(r.puller, "branches of "+root, func() ([]guard.ProtectedBranch, error) {
			return listOf(r.puller, nil, branchAnswer.rule)("/groups/" + url.PathEscape(root) + "/protected_branches")
		})
		if err != nil && !isRefusal(err) {
			return nil, err
		}
		for _, b := range groups {
			b.From = root
			if !slices.ContainsFunc(out, func(known guard.ProtectedBranch) bool { return known.From == root && known.Name == b.Name }) {
				out = append(out, b)
			}
		}
		return out, nil
	})
}

// approvals reads the settings in force; GitLab without that endpoint has the
// project's own, which a group can only make stricter.
func (r *projectPull) approvals() {
	path := r.at + "/merge_request_approval_settings"
	s := r.source(path)
	in, err := get[settingsAnswer](r.ctx, r.c, path)
	if err == nil {
		in.put(r.project, s)
		return
	}
	if isRefusal(err) {
		path = r.at + "/approvals"
		s = r.source(path)
		var own approvalsAnswer
		if own, err = get[approvalsAnswer](r.ctx, r.c, path); err == nil {
			own.put(r.project, s)
			return
		}
	}
	err = r.paid(err)
	r.miss(r.project.Path, err)
	for _, to := range []*guard.Fact[bool]{&r.project.AuthorMayApprove, &r.project.CommittersMayApprove, &r.project.ResetApprovalsOnPush, &r.project.ApprovalRulesOverridable, &r.project.ReauthenticateToApprove} {
		*to = guard.Unknown[bool](err.Error()).From(s)
	}
}

func (r *projectPull) approvalRules() {
	fill(r, &r.project.ApprovalRules, r.at+"/approval_rules", func(path string) ([]guard.ApprovalRule, error) {
		out, err := listOf(r.puller, nil, ruleAnswer.rule)(path)
		return out, r.paid(err)
	})
}

func (r *projectPull) pushRule() {
	fill(r, &r.project.PushRule, r.at+"/push_rule", func(path string) (guard.PushRule, error) {
		a, err := get[json.RawMessage](r.ctx, r.c, path)
		if err != nil {
			return guard.PushRule{}, r.paid(err)
		}
		rule, err := decodePushRule(a)
		if err != nil {
			err = garbage("GET "+path, err)
		}
		return rule, err
	})
}

func (r *projectPull) protectedEnvironments() {
	fill(r, &r.project.ProtectedEnvironments, r.at+"/protected_environments", func(path string) ([]guard.ProtectedEnvironment, error) {
		out, err := listOf(r.puller, nil, protectedEnvironmentAnswer.rule)(path)
		return out, r.paid(err)
	})
}

// ancestors are the groups above the project, outermost first.
func (r *projectPull) ancestors() []string {
	if kind, _ := r.project.NamespaceKind.Value(); kind == "user" {
		return nil
	}
	var out []string
	for i, c := range r.project.Path {
		if c == '/' {
			out = append(out, r.project.Path[:i])
		}
	}
	return out
}

func (r *projectPull) groupEnvironments() {
	ancestors := r.ancestors()
	if len(ancestors) == 0 {
		r.project.GroupProtectedEnvironments = guard.Known([]guard.ProtectedEnvironment{}).From(r.project.NamespaceKind.Source())
		return
	}
	innermost := "/groups/" + url.PathEscape(ancestors[len(ancestors)-1]) + "/protected_environments"
	fill(r, &r.project.GroupProtectedEnvironments, innermost, func(string) ([]guard.ProtectedEnvironment, error) {
		out := []guard.ProtectedEnvironment{}
		for _, group := range ancestors {
			path := "/groups/" + url.PathEscape(group) + "/protected_environments"
			of, err := once(r.puller, path, func() ([]guard.ProtectedEnvironment, error) {
				return listOf(r.puller, nil, protectedEnvironmentAnswer.rule)(path)
			})
			if err != nil {
				return nil, r.paid(err)
			}
			for _, e := range of {
				if !slices.Contains(deploymentTiers, e.Name) {
					return nil, garbage("GET "+path, fmt.Errorf("the deployment tier %.40q is not known here", e.Name))
				}
				e.From = group
				out = append(out, e)
			}
		}
		return out, nil
	})
}

// members reads who is a member, and of what: the list of all does not say.
func (r *projectPull) members() {
	fill(r, &r.project.Members, r.at+"/members/all", func(path string) ([]guard.Member, error) {
		out, err := listOf(r.puller, nil, memberAnswer.member)(path)
		if err != nil {
			return nil, err
		}
		out = highest(out)
		direct, err := r.memberIDs(r.at + "/members")
		if err != nil {
			return out, nil // whence they come stays unsaid
		}
		inherited, all := map[int64]bool{}, true
		for _, group := range r.ancestors() {
			of, err := r.memberIDs("/groups/" + url.PathEscape(group) + "/members")
			all = all && err == nil
			for id := range of {
				inherited[id] = true
			}
		}
		for i := range out {
			switch id := out[i].ID; {
			case direct[id]:
				out[i].From = guard.Direct
			case inherited[id]:
				out[i].From = guard.Inherited
			case all:
				out[i].From = guard.Shared
			}
		}
		return out, nil
	})
}

func (r *projectPull) memberIDs(path string) (map[int64]bool, error) {
	return once(r.puller, path, func() (map[int64]bool, error) {
		all, err := pages[idAnswer](r.ctx, r.c, path, nil)
		out := map[int64]bool{}
		for _, a := range all {
			out[a.ID] = true
		}
		return out, err
	})
}

// highest keeps each member's highest level.
func highest(all []guard.Member) []guard.Member {
	at := map[int64]int{}
	out := []guard.Member{}
	for _, m := range all {
		i, known := at[m.ID]
		switch {
		case !known:
			at[m.ID] = len(out)
			out = append(out, m)
		case m.Level > out[i].Level:
			out[i] = m
		}
	}
	return out
}

// groups reads the groups that access levels name.
func (p *puller) groups(f *guard.Facts) {
	for _, id := range namedGroups(f) {
		at := "/groups/" + strconv.FormatInt(id, 10)
		g := guard.Group{ID: id}
		s := p.source(at + "/members/all")
		a, err := get[groupAnswer](p.ctx, p.c, at)
		if err == nil {
			g.Path, err = a.path()
		}
		var members []guard.Member
		if err == nil {
			members, err = listOf(p, nil, memberAnswer.member)(at + "/members/all")
		}
		if err != nil {
			p.miss("", err)
			g.Members = guard.Unknown[[]guard.Member](err.Error()).From(s)
		} else {
			g.Members = guard.Known(highest(members)).From(s)
		}
		f.Groups = append(f.Groups, g)
	}
}

// namedGroups are the groups that the projects' access levels name, in order.
func namedGroups(f *guard.Facts) []int64 {
	found := map[int64]bool{}
	note := func(lists ...guard.Fact[[]guard.Access]) {
		for _, l := range lists {
			entries, _ := l.Value()
			for _, a := range entries {
				found[a.Group] = true
			}
		}
	}
	for i := range f.Projects {
		branches, _ := f.Projects[i].ProtectedBranches.Value()
		for _, b := range branches {
			note(b.Push, b.Merge, b.Unprotect)
		}
		tags, _ := f.Projects[i].ProtectedTags.Value()
		for _, t := range tags {
			note(t.Create)
		}
		own, _ := f.Projects[i].ProtectedEnvironments.Value()
		groups, _ := f.Projects[i].GroupProtectedEnvironments.Value()
		for _, e := range slices.Concat(own, groups) {
			note(e.Deploy)
			approvers, _ := e.Approvers.Value()
			for _, a := range approvers {
				found[a.Who.Group] = true
			}
		}
	}
	delete(found, 0)
	out := []int64{}
	for id := range found {
		out = append(out, id)
	}
	slices.Sort(out)
	return out
}
