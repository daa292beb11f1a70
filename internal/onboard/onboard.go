package onboard

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"mayfly.internal/internal/arn"
	"mayfly.internal/internal/eks"
	"mayfly.internal/internal/guard"
	"mayfly.internal/internal/policy"
	"mayfly.internal/internal/prove"
)

// Request is what somebody wants.
type Request struct {
	Facts        *guard.Facts
	Project      string // its full path
	Environments []Environment
	Account      arn.AccountID
	Region       string
	Cluster      string
	// Namespace and RoleName may have {group}, {project} and {environment} in
	// them; {group} is the group's path with hyphens for its slashes.
	Namespace string
	RoleName  string // empty: DefaultRoleName
	Audience  string // empty: DefaultAudience
	// AccessPolicy is an ARN, or the name of one of AWS's own; empty:
	// DefaultAccessPolicy.
	AccessPolicy string
	Sources      []string // pipeline sources that may deploy; none: DefaultSources
	Realm        prove.Realm
	// Require is what must hold of a role's jobs. Nil: guard.Default.
	Require func(role string) ([]guard.Requirement, error)
}

// Environment is a name for where a branch deploys to.
type Environment struct{ Name, Branch string }

// What stands where nothing is said.
const (
	DefaultRoleName     = "{project}-{environment}"
	DefaultAudience     = "gitlab-aws-deploy"
	DefaultAccessPolicy = "AmazonEKSEditPolicy"
)

// DefaultSources start what somebody has pushed, started by hand or planned.
func DefaultSources() []string { return []string{"push", "web", "schedule"} }

// PolicyName is the name of the inline policy of each role.
const PolicyName = "describe-cluster"

// Plan is what is to be made.
type Plan struct {
	Project   string
	ProjectID int64
	GitLab    string // base URL
	Issuer    string // the provider's URL
	Provider  arn.Provider
	Audience  string
	Cluster   arn.Cluster
	Sources   []string
	Realm     prove.Realm
	Roles     []Role
	Notes     []string // what somebody should know who has it made
}

// Role is what an environment needs.
type Role struct {
	Environment
	ARN          arn.Role
	Description  string
	Trust        string // the trust policy
	Policy       string // the inline policy
	AccessPolicy string // ARN
	Namespace    string
	// Report is on the trust policy; of a Closed one, on what it would be if it did
	// not ask for a protected branch, so that it says what to mend.
	Report prove.Report
	Closed bool // as things stand no job gets the role: its branch is not protected

	sub string // of the jobs it trusts
}

// Proven reports whether all that prove was asked for holds of every role, and
// the jobs that are meant get it.
func (p Plan) Proven() bool {
	return !slices.ContainsFunc(p.Roles, func(r Role) bool { return r.Closed || r.Report.Verdict != prove.Proven })
}

// RequestError is a request that nobody could meet, whatever the facts.
type RequestError struct{ Detail string }

func (e *RequestError) Error() string { return e.Detail }

func bad(format string, args ...any) error { return &RequestError{fmt.Sprintf(format, args...)} }

// FactsError is a request that the facts stand against.
type FactsError struct{ Detail, Fix string }

func (e *FactsError) Error() string { return e.Detail }

// New makes the plan. Every refusal is a *RequestError or a *FactsError, or one of
// Require. Whether
// the branches are guarded as required is in the roles' reports and refuses
// nothing.
func New(r Request) (Plan, error) {
	if err := r.fill(); err != nil {
		return Plan{}, err
	}
	project, err := r.project()
	if err != nil {
		return Plan{}, err
	}
	id, _ := project.ID.Value()
	p := Plan{Project: project.Path, ProjectID: id, GitLab: r.Facts.GitLab, Issuer: r.Facts.Issuer, Audience: r.Audience, Sources: r.Sources, Realm: r.Realm,
		Cluster: arn.Cluster{Region: r.Region, Account: r.Account, Name: r.Cluster}}
	p.Provider.Account = r.Account
	p.Provider.URL, _ = strings.CutPrefix(r.Facts.Issuer, "https://")
	for _, e := range r.Environments {
		role, err := r.role(p, project, e)
		if err != nil {
			return Plan{}, err
		}
		require := guard.Default()
		if r.Require != nil {
			if require, err = r.Require(role.ARN.Name); err != nil {
				return Plan{}, err
			}
		}
		issuer := &prove.Issuer{Provider: p.Provider, Realm: r.Realm, Facts: r.Facts, Audiences: []string{r.Audience}}
		if err := role.judge(p, prove.NewWorld(require, issuer)); err != nil {
			return Plan{}, err
		}
		p.Roles = append(p.Roles, role)
	}
	return p, p.together()
}

// judge has prove say what the role's trust policy is worth. A policy that nobody
// can use proves everything.
func (r *Role) judge(p Plan, world *prove.World) error {
	check := func(text string) (prove.Report, error) {
		doc, err := policy.Parse(policy.Trust, []byte(text))
		if err != nil {
			return prove.Report{}, bad("the trust policy of %s cannot be written: %v", r.ARN.Name, err)
		}
		return world.Check(r.ARN.Name, doc), nil
	}
	var err error
	if r.Report, err = check(r.Trust); err != nil || r.Report.Verdict != prove.Proven {
		return err
	}
	r.Closed = !slices.ContainsFunc(r.Report.Statements, func(s prove.StatementReport) bool { return len(s.Reach) > 0 })
	if r.Closed {
		r.Report, err = check(p.trust(r.sub, "ref_protected"))
	}
	return err
}

// fill fills in what is not said and refuses what cannot be.
func (r *Request) fill() error {
	set := func(to *string, value string) {
		if *to == "" {
			*to = value
		}
	}
	set(&r.RoleName, DefaultRoleName)
	set(&r.Audience, DefaultAudience)
	set(&r.AccessPolicy, DefaultAccessPolicy)
	if len(r.Sources) == 0 {
		r.Sources = DefaultSources()
	}
	if !strings.HasPrefix(r.AccessPolicy, "arn:") {
		r.AccessPolicy = "arn:aws:eks::aws:cluster-access-policy/" + r.AccessPolicy
	}
	if a, err := arn.Parse(r.AccessPolicy); err != nil || a.Service != "eks" || !strings.HasPrefix(a.Resource, "cluster-access-policy/") {
		return bad("%q is no access policy: a name such as %s is wanted, or an ARN", r.AccessPolicy, DefaultAccessPolicy)
	}
	if strings.ContainsFunc(r.Audience, func(c rune) bool { return c <= ' ' || c > '~' }) || strings.ContainsAny(r.Audience, `"'$\`) || len(r.Audience) > 255 {
		return bad("the audience %q: 1 to 255 printable characters are wanted, without quotes and $", r.Audience)
	}
	if !eks.IsClusterName(r.Cluster) {
		return bad("%q is no cluster's name", r.Cluster)
	}
	if !eks.IsRegion(r.Region) {
		return bad("%q is no region, such as eu-central-1", r.Region)
	}
	if len(r.Environments) == 0 {
		return bad("no environment is named")
	}
	for i, e := range r.Environments {
		if err := e.check(); err != nil {
			return err
		}
		if slices.ContainsFunc(r.Environments[:i], func(have Environment) bool { return have.Name == e.Name }) {
			return bad("the environment %s is named twice", e.Name)
		}
	}
	return r.checkSources()
}

func (e Environment) check() error {
	switch {
	case e.Name == "" || strings.Trim(e.Name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-") != "":
		return bad("%q is no name of an environment here: letters, digits, dots, hyphens and underscores are wanted, which GitLab and IAM both take", e.Name)
	case strings.ContainsAny(e.Branch, "*?"):
		return bad("the environment %s: %q is a pattern, and one branch is wanted", e.Name, e.Branch)
	case !guard.BranchNames().Contains(e.Branch):
		return bad("the environment %s: %q is no name of a branch", e.Name, e.Branch)
	case strings.ContainsAny(e.Branch, `"'$%`):
		return bad("the environment %s: the branch %q has a quote, $ or %% in its name, which means something in one of the texts to be written", e.Name, e.Branch)
	}
	return nil
}

// unreviewed are the sources whose pipelines run, or may run, what nobody has
// merged, under the name of the branch it is to be merged from.
var unreviewed = []string{"merge_request_event", "external_pull_request_event", "parent_pipeline"}

func (r *Request) checkSources() error {
	for i, s := range r.Sources {
		switch {
		case slices.Contains(unreviewed, s):
			return bad("the pipeline source %s runs what nobody has merged, or may", s)
		case s == "" || strings.Trim(s, "abcdefghijklmnopqrstuvwxyz_") != "":
			return bad("%q is no pipeline source, such as push, web or schedule", s)
		case slices.Contains(r.Sources[:i], s):
			return bad("the pipeline source %s is named twice", s)
		}
	}
	return nil
}

// project finds the project and refuses facts that are too few to write a policy
// of.
func (r *Request) project() (*guard.Project, error) {
	p, found := r.Facts.Project(r.Project)
	if !found {
		return nil, &FactsError{Detail: fmt.Sprintf("nothing is known of the project %s", r.Project), Fix: fmt.Sprintf("mayfly facts pull --gitlab %s --project %s reads its facts", r.Facts.GitLab, r.Project)}
	}
	if _, known := p.ID.Value(); !known {
		return nil, &FactsError{Detail: fmt.Sprintf("the id of the project %s is not known: %s", p.Path, p.ID.Why()), Fix: "a role that knows its project by the path alone is whoever's has the path next"}
	}
	if !strings.HasPrefix(r.Facts.Issuer, "https://") {
		return nil, &FactsError{Detail: fmt.Sprintf("the issuer %s has no https:// URL, and no provider can be made of it", r.Facts.Issuer)}
	}
	return p, nil
}

// role is what one environment needs.
func (r *Request) role(p Plan, project *guard.Project, e Environment) (Role, error) {
	name, err := r.expand("--role-name", r.RoleName, project, e)
	if err != nil {
		return Role{}, err
	}
	if !arn.IsName(name, 64) {
		return Role{}, bad("the role name %q: 1 to 64 of the characters A-Za-z0-9+=,.@_- are wanted, and these are %d; --role-name makes another", name, len(name))
	}
	namespace, err := r.expand("--namespace", r.Namespace, project, e)
	if err != nil {
		return Role{}, err
	}
	if err := checkNamespace(namespace); err != nil {
		return Role{}, err
	}
	sub, err := subject(project, e.Branch)
	if err != nil {
		return Role{}, err
	}
	return Role{Environment: e, ARN: arn.Role{Account: r.Account, Path: "/", Name: name}, Description: description(p, e), AccessPolicy: r.AccessPolicy, Namespace: namespace,
		Trust: p.trust(sub), Policy: p.permissions(), sub: sub}, nil
}

// description is the role's, in IAM's alphabet.
func description(p Plan, e Environment) string {
	text := fmt.Sprintf("Jobs of %s (project %d) on %s", p.Project, p.ProjectID, e.Branch)
	return strings.Map(func(c rune) rune {
		if c >= ' ' && c <= '~' {
			return c
		}
		return '?'
	}, text)
}

// expand fills in a template.
func (r *Request) expand(flag, template string, project *guard.Project, e Environment) (string, error) {
	text := strings.NewReplacer("{group}", strings.ReplaceAll(project.Namespace(), "/", "-"), "{project}", project.Path[strings.LastIndexByte(project.Path, '/')+1:],
		"{environment}", e.Name).Replace(template)
	if strings.ContainsAny(text, "{}") {
		return "", bad("%s %s: {group}, {project} and {environment} are known", flag, template)
	}
	return text, nil
}

// checkNamespace refuses what is not one namespace. Write in kube-system is more
// than it seems: whoever may change the ConfigMap aws-auth of a cluster that reads
// it is cluster-admin.
func checkNamespace(name string) error {
	switch {
	case name == "kube-system":
		return bad("the namespace kube-system is the cluster's own: who may write there may make itself cluster-admin (aws-auth, and the controllers that run there)")
	case strings.Contains(name, "*"):
		return bad("%q is a pattern, and one namespace is wanted; {environment} gives each its own", name)
	}
	if err := eks.CheckScope(eks.Scope{Type: eks.NamespaceScope, Namespaces: []string{name}}); err != nil {
		return bad("%v", err)
	}
	return nil
}

// subject is the sub of the jobs of a branch, as the project's settings make it.
func subject(p *guard.Project, branch string) (string, error) {
	components := []string{"project_path", "ref_type", "ref"}
	if list, known := p.SubComponents.Value(); known && len(list) > 0 {
		components = list
	}
	id, _ := p.ID.Value()
	values := map[string]string{"project_path": p.Path, "project_id": strconv.FormatInt(id, 10), "ref_type": "branch", "ref": branch, "ref_protected": "true"}
	for _, name := range []string{"project_path", "project_id"} {
		values["job_"+name], values["source_"+name] = values[name], values[name]
	}
	fix := `let the project's sub be made of project_path, ref_type and ref, GitLab's default (ci_id_token_sub_claim_components)`
	var parts []string
	for _, c := range components {
		value, known := values[c]
		if !known {
			return "", &FactsError{Detail: fmt.Sprintf("the sub of %s's jobs has %s in it, which differs from job to job of one branch", p.Path, c), Fix: fix}
		}
		parts = append(parts, c+":"+value)
	}
	for _, c := range []string{"ref_type", "ref"} {
		if !slices.Contains(components, c) {
			return "", &FactsError{Detail: fmt.Sprintf("the sub of %s's jobs does not say the %s, so that one branch is like another", p.Path, c), Fix: fix}
		}
	}
	return strings.Join(parts, ":"), nil
}

// together looks at the environments beside each other.
func (p *Plan) together() error {
	for i, a := range p.Roles {
		for _, b := range p.Roles[:i] {
			switch {
			case strings.EqualFold(a.ARN.Name, b.ARN.Name):
				return bad("%s and %s would have one role, %s: put {environment} into --role-name", b.Name, a.Name, a.ARN.Name)
			case a.Branch == b.Branch:
				p.Notes = append(p.Notes, fmt.Sprintf("%s and %s are of one branch: a job of it can take either role", b.Name, a.Name))
			case a.Namespace == b.Namespace:
				p.Notes = append(p.Notes, fmt.Sprintf("%s and %s share the namespace %s: what one may change there is the other's; --namespace '{environment}' gives each its own", b.Name, a.Name, a.Namespace))
			}
		}
	}
	return nil
}
