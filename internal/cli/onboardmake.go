package cli

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"mayfly.internal/internal/client"
	"mayfly.internal/internal/onboard"
	"mayfly.internal/internal/wire/ekswire"
	"mayfly.internal/internal/wire/iamwire"
)

// step is one thing that is to be there.
type step struct {
	what string
	// look says how it stands. It is asked once, before anything is made.
	look   func(context.Context) (standing, error)
	make   func(context.Context) error
	change func(context.Context) error // nil: onboard does not change it

	standing
}

// standing is how a thing stands.
type standing struct {
	there bool
	diff  string // what is different; empty: nothing
	note  string // what somebody should know
}

// stepDone is what has come of a step.
type stepDone struct {
	What string `json:"what"`
	Done string `json:"done"` // there, made or changed
}

// make makes what is missing: it looks at everything first, refuses what is
// different, and says after each step what was done.
func (o *onboarding) make(ctx context.Context, aws *client.AWS, p onboard.Plan) ([]stepDone, error) {
	if err := checkCluster(ctx, aws, p); err != nil {
		return nil, err
	}
	m := &maker{aws: aws, plan: p}
	steps := []*step{m.provider()}
	for i := range p.Roles {
		steps = append(steps, m.role(&p.Roles[i])...)
	}
	var err error
	for _, s := range steps {
		if s.standing, err = s.look(ctx); err != nil {
			return nil, fmt.Errorf("%s: %w", s.what, explain(err))
		}
	}
	if err := o.differences(steps); err != nil {
		return nil, err
	}
	var out []stepDone
	for i, s := range steps {
		done := stepDone{s.what, "there"}
		switch {
		case !s.there:
			done.Done, err = "made", s.make(ctx)
		case s.diff != "":
			done.Done, err = "changed", s.change(ctx)
		}
		if err != nil {
			return nil, unfinished(err, out, steps[i:])
		}
		out = append(out, done)
		fmt.Fprintf(o.stderr, "mayfly: %s: %s\n", done.What, done.Done)
	}
	return out, nil
}

// unfinished says what was done and what remains.
func unfinished(err error, done []stepDone, rest []*step) error {
	var made, open []string
	for _, d := range done {
		if d.Done != "there" {
			made = append(made, d.What+" "+d.Done)
		}
	}
	for _, s := range rest {
		if !s.there || s.diff != "" {
			open = append(open, s.what)
		}
	}
	err = explain(err)
	hints := []string{"done: " + firstOf(strings.Join(made, ", "), "nothing"), "remains: " + strings.Join(open, ", ") + "; run it again, and what is there is left"}
	if h, ok := errors.AsType[*HintError](err); ok {
		hints = append(hints, h.Hints...)
	}
	return hint(fmt.Errorf("%s: %w", rest[0].what, err), hints...)
}

// differences shows what is there and different, and refuses it where it is not
// to be replaced or cannot be.
func (o *onboarding) differences(steps []*step) error {
	var refused, stuck []string
	for _, s := range steps {
		if s.note != "" {
			fmt.Fprintf(o.stderr, "mayfly: note: %s: %s\n", s.what, plain(s.note))
		}
		if s.diff == "" {
			continue
		}
		fmt.Fprintf(o.stderr, "mayfly: %s is there and different:\n%s\n", s.what, indent(s.diff))
		if s.change == nil {
			stuck = append(stuck, s.what)
		} else if !o.replace {
			refused = append(refused, s.what)
		}
	}
	switch {
	case len(stuck) > 0:
		return hint(fmt.Errorf("%s: there and different, which onboard does not change; nothing is made", strings.Join(stuck, ", ")), "change or delete it by hand, or choose another name with --role-name")
	case len(refused) > 0:
		return hint(fmt.Errorf("%s: there and different; nothing is made", strings.Join(refused, ", ")), "--replace changes it; --role-name makes another role")
	}
	return nil
}

// checkCluster refuses a cluster in which access entries do not count, or that is
// another than the policy names.
func checkCluster(ctx context.Context, aws *client.AWS, p onboard.Plan) error {
	c, err := aws.Cluster(ctx, p.Cluster.Name)
	switch {
	case err != nil:
		return fmt.Errorf("cluster %s: %w", p.Cluster.Name, explain(err))
	case c.ARN != p.Cluster.String():
		return fmt.Errorf("cluster %s: it is %s, and %s is meant", p.Cluster.Name, c.ARN, p.Cluster)
	case c.AccessConfig.AuthenticationMode == "CONFIG_MAP":
		return hint(fmt.Errorf("cluster %s: its authentication mode is CONFIG_MAP, and access entries do not count there", p.Cluster.Name),
			"aws eks update-cluster-config --name "+p.Cluster.Name+" --access-config authenticationMode=API_AND_CONFIG_MAP")
	}
	return nil
}

// maker makes the steps of a plan.
type maker struct {
	aws  *client.AWS
	plan onboard.Plan
}

// absent reports whether an error says that a thing is not there.
func absent(err error) bool {
	e, ok := errors.AsType[*client.Error](err)
	return ok && (e.Code == "NoSuchEntity" || e.Code == "ResourceNotFoundException")
}

// provider: that the issuer is known, with the audience.
func (m *maker) provider() *step {
	p, known := m.plan, false
	name := p.Provider.String()
	return &step{what: "provider " + p.Provider.URL + " with the audience " + p.Audience,
		look: func(ctx context.Context) (standing, error) {
			have, err := m.aws.Provider(ctx, name)
			if absent(err) {
				return standing{}, nil
			}
			known = err == nil
			return standing{there: slices.Contains(have.ClientIDs, p.Audience)}, err
		},
		make: func(ctx context.Context) error {
			if known {
				return m.aws.AddClientID(ctx, name, p.Audience)
			}
			_, err := m.aws.CreateProvider(ctx, p.Issuer, p.Audience)
			return err
		}}
}

// role: the role of an environment, its policy, its access entry and what that
// may.
func (m *maker) role(r *onboard.Role) []*step {
	fresh := false // it was not there
	name, principal, cluster := r.ARN.Name, r.ARN.String(), m.plan.Cluster.Name
	role := &step{what: "role " + name,
		look: func(ctx context.Context) (standing, error) {
			have, err := m.aws.Role(ctx, name)
			if absent(err) {
				fresh = true
				return standing{}, nil
			}
			if err == nil && have.ARN != principal {
				err = fmt.Errorf("it is there as %s, and %s is meant: --role-name makes another", have.ARN, principal)
			}
			return standing{there: true, diff: policyDiff(have.Trust, r.Trust)}, err
		},
		make: func(ctx context.Context) error {
			_, err := m.aws.CreateRole(ctx, iamwire.CreateRole{Name: name, Trust: r.Trust, Description: r.Description})
			return err
		},
		change: func(ctx context.Context) error { return m.aws.UpdateTrust(ctx, name, r.Trust) }}
	put := func(ctx context.Context) error { return m.aws.PutRolePolicy(ctx, name, onboard.PolicyName, r.Policy) }
	permissions := &step{what: "policy " + onboard.PolicyName + " of " + name, make: put, change: put,
		look: func(ctx context.Context) (standing, error) {
			have, err := m.aws.RolePolicy(ctx, name, onboard.PolicyName)
			if absent(err) {
				return standing{}, nil
			}
			return standing{there: true, diff: policyDiff(have, r.Policy)}, err
		}}
	entry := &step{what: "access entry of " + name + " in " + cluster,
		look: func(ctx context.Context) (standing, error) {
			have, err := m.aws.AccessEntry(ctx, cluster, principal)
			if absent(err) {
				return standing{}, nil
			}
			return standing{there: true, diff: entryDiff(have, fresh)}, err
		},
		make: func(ctx context.Context) error {
			return m.aws.Settle(ctx, func() error {
				_, err := m.aws.CreateAccessEntry(ctx, cluster, ekswire.CreateAccessEntry{PrincipalARN: principal})
				return err
			})
		}}
	scope := ekswire.Scope{Type: "namespace", Namespaces: []string{r.Namespace}}
	associate := func(ctx context.Context) error {
		return m.aws.Settle(ctx, func() error {
			_, err := m.aws.AssociateAccessPolicy(ctx, cluster, principal, r.AccessPolicy, scope)
			return err
		})
	}
	may := &step{what: policyWord(r.AccessPolicy) + " of " + name + " in the namespace " + r.Namespace, make: associate, change: associate,
		look: func(ctx context.Context) (standing, error) {
			have, err := m.aws.AccessPolicies(ctx, cluster, principal)
			if absent(err) {
				return standing{}, nil
			}
			return associated(have, r.AccessPolicy, scope), err
		}}
	return []*step{role, permissions, entry, may}
}

func policyWord(accessPolicyARN string) string {
	return accessPolicyARN[strings.LastIndexByte(accessPolicyARN, '/')+1:]
}

// entryDiff is what an access entry has that onboard's has not. An entry is of one
// role by its id: one that was there before the role is an earlier one's.
func entryDiff(e ekswire.AccessEntry, fresh bool) string {
	var out []string
	if fresh {
		out = append(out, "it is of an earlier role of that name, and a new one does not get it")
	}
	if e.Type != "STANDARD" {
		out = append(out, "- type "+e.Type, "+ type STANDARD")
	}
	if len(e.KubernetesGroups) > 0 {
		out = append(out, "- groups "+strings.Join(e.KubernetesGroups, ", "), "+ no groups")
	}
	if !strings.Contains(e.Username, ":assumed-role/") || !strings.HasSuffix(e.Username, "/{{SessionName}}") {
		out = append(out, "- user name "+e.Username, "+ the default")
	}
	return strings.Join(out, "\n")
}

// associated is how an access policy stands among those of an entry.
func associated(have []ekswire.AssociatedPolicy, arn string, want ekswire.Scope) (s standing) {
	var others []string
	for _, a := range have {
		if a.PolicyARN != arn {
			others = append(others, policyWord(a.PolicyARN)+" in "+scopeWords(a.Scope))
			continue
		}
		if s.there = true; scopeWords(a.Scope) != scopeWords(want) {
			s.diff = "- " + scopeWords(a.Scope) + "\n+ " + scopeWords(want)
		}
	}
	if len(others) > 0 {
		s.note = "it has more, which is left: " + strings.Join(others, ", ")
	}
	return s
}

func scopeWords(s ekswire.Scope) string {
	if s.Type == "cluster" {
		return "the whole cluster"
	}
	return "the namespaces " + strings.Join(slices.Sorted(slices.Values(s.Namespaces)), ", ")
}

// policyDiff is how two policies differ, line by line; empty if they say the same
// in another order or form.
func policyDiff(have, want string) string {
	a, b := canonicalLines(have), canonicalLines(want)
	if slices.Equal(a, b) {
		return ""
	}
	return lineDiff(a, b)
}

// canonicalLines is a policy in one form: names in order, lists too, and a list of
// one as the one.
func canonicalLines(text string) []string {
	var v any
	if err := json.Unmarshal([]byte(text), &v); err != nil {
		return strings.Split(text, "\n")
	}
	var b strings.Builder
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if e.Encode(canonical(v)) != nil {
		return strings.Split(text, "\n") // unreachable: it was JSON
	}
	return strings.Split(strings.TrimSpace(b.String()), "\n")
}

func canonical(v any) any {
	switch v := v.(type) {
	case map[string]any:
		for k := range v {
			v[k] = canonical(v[k])
		}
	case []any:
		for i := range v {
			v[i] = canonical(v[i])
		}
		if len(v) == 1 {
			return v[0]
		}
		slices.SortFunc(v, func(a, b any) int { return cmp.Compare(fmt.Sprint(a), fmt.Sprint(b)) })
	}
	return v
}

// maxDiff bounds the lines of one side times those of the other.
const maxDiff = 1 << 20

// lineDiff is the lines that only one side has, with - and +, and those around
// them that both have.
func lineDiff(a, b []string) string {
	if len(a)*len(b) > maxDiff {
		return fmt.Sprintf("- %d lines\n+ %d lines", len(a), len(b))
	}
	common := make([][]int, len(a)+1) // :: from here on, how many lines can stay
	for i := range common {
		common[i] = make([]int, len(b)+1)
	}
	for i := len(a) - 1; i >= 0; i-- {
		for j := len(b) - 1; j >= 0; j-- {
			if a[i] == b[j] {
				common[i][j] = common[i+1][j+1] + 1
			} else {
				common[i][j] = max(common[i+1][j], common[i][j+1])
			}
		}
	}
	var out []string
	i, j := 0, 0
	for i < len(a) || j < len(b) {
		switch {
		case i < len(a) && j < len(b) && a[i] == b[j]:
			out = append(out, "  "+a[i])
			i, j = i+1, j+1
		case i < len(a) && (j == len(b) || common[i+1][j] >= common[i][j+1]):
			out = append(out, "- "+a[i])
			i++
		default:
			out = append(out, "+ "+b[j])
			j++
		}
	}
	return strings.Join(out, "\n")
}
