package cli

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/spf13/cobra"

	"mayfly.internal/internal/arn"
	"mayfly.internal/internal/client"
	"mayfly.internal/internal/guard"
	"mayfly.internal/internal/policy"
	"mayfly.internal/internal/prove"
)

// statusError ends a command that has said all it had to say.
type statusError struct{ status int }

func (e *statusError) Error() string { return fmt.Sprintf("exit status %d", e.status) }

// verdictStatus is what each verdict of prove exits with: unknown has its own, so
// that a pipeline can tell "there is a hole" from "nobody could look".
var verdictStatus = map[prove.Verdict]int{prove.Proven: 0, prove.Refuted: 1, prove.Unknown: 3}

func exitWith(v prove.Verdict) error {
	if status := verdictStatus[v]; status != 0 {
		return &statusError{status}
	}
	return nil
}

// proving is what prove and who-can are asked.
type proving struct {
	*app
	roles    roleSource
	world    worldSource
	require  string
	guards   string
	disjoint []string
	members  bool
}

func newProve(a *app) *cobra.Command {
	p := &proving{app: a}
	cmd := &cobra.Command{Use: "prove (ROLE… | --all | --policy FILE…)", Short: "Prove that only reviewed, protected refs reach a role, or show the job that does",
		Long: `prove asks of every job that a role's trust policy lets in whether what GitLab
enforces stands before it: protected refs, merge requests, approvals. The policy
is read exactly, not by rules of thumb; what GitLab enforces comes from facts.

  proven    no job gets in that the requirements would keep out
  refuted   one does, and this is it: what somebody does to hold the role
  unknown   nobody can say, because…

What is required is named with --require, or for each role in mayfly-guard.yaml,
and is by default
  ` + fold(strings.ReplaceAll(requirementList(guard.Default()), ",", ", "), 78, "  ") + `
There are ` + fold(strings.Join(guard.KindNames(), ", "), 70, "") + `.

-o has sarif and codequality besides text and json: a merge request shows those.

Exit status: 0 proven, 1 refuted, 3 unknown, 2 a wrong call.`,
		Example: `  mayfly prove production-deployer --gitlab https://gitlab.com
  mayfly prove --all --facts facts.yaml
  mayfly prove --policy trust-policy.json --facts facts.yaml
  mayfly prove --policy trust-policy.json --facts facts.yaml -o codequality > report.json
  mayfly prove --policy production-deployer=trust-policy.json \
      --policy stage-deployer=trust-policy-stage.json --facts facts.yaml \
      --disjoint production-deployer,stage-deployer`,
		Annotations: outputs("text", "json", "sarif", "codequality"),
		RunE:        func(cmd *cobra.Command, args []string) error { return p.run(cmd.Context(), args) }}
	p.flags(cmd)
	f := cmd.Flags()
	f.StringVar(&p.require, "require", "", "what must hold of every job: `LIST` with commas")
	f.StringVar(&p.guards, "guard-file", "", "YAML `FILE` that says what each role requires (default "+guardFile+", if it is there)")
	f.StringSliceVar(&p.disjoint, "disjoint", nil, "two `ROLES` with a comma: prove that no single job can get both")
	f.BoolVar(&p.members, "show-members", false, "name the members who could walk through")
	return cmd
}

// flags are those that say whose policies, and what is known of their world.
func (p *proving) flags(cmd *cobra.Command) {
	p.roles.flags(cmd)
	p.world.flags(cmd)
	p.awsFlags(cmd)
}

func requirementList(list []guard.Requirement) string {
	words := make([]string, len(list))
	for i, r := range list {
		words[i] = r.String()
	}
	return strings.Join(words, ",")
}

func (p *proving) run(ctx context.Context, args []string) error {
	if p.members && p.output != "text" && p.output != "json" {
		return &usageError{fmt.Errorf("-o %s names nobody: --show-members goes with text and json", p.output)}
	}
	guards, err := p.guardFile()
	if err != nil {
		return err
	}
	if len(p.disjoint) > 0 {
		return p.proveDisjoint(ctx, args)
	}
	roles, err := p.roles.load(ctx, p.app, args)
	if err != nil {
		return err
	}
	issuers, err := p.world.issuers(ctx, p.app, roles)
	if err != nil {
		return err
	}
	require := make([][]guard.Requirement, len(roles))
	for i, r := range roles {
		if require[i], err = guards.of(r.name, p.require); err != nil {
			return err
		}
	}
	admins := p.kubeSystem(ctx, roles)
	verdict := prove.Proven
	reports := checkAll(roles, require, issuers)
	for i := range reports {
		reports[i].Notes = append(reports[i].Notes, admins[roles[i].name]...)
		verdict = verdict.Worse(reports[i].Verdict)
	}
	if err := p.report(reports, p.world.facts); err != nil {
		return err
	}
	return exitWith(verdict)
}

// checkAll judges roles, each by what is required of it, on every processor. What a
// worker finds out of a project it keeps for the roles that are its own.
func checkAll(roles []trusting, require [][]guard.Requirement, issuers []*prove.Issuer) []proved {
	reports := make([]proved, len(roles))
	var next atomic.Int64
	var work sync.WaitGroup
	for range min(runtime.GOMAXPROCS(0), len(roles)) {
		work.Go(func() {
			worlds := map[string]*prove.World{} // :: requirements → the world
			for {
				i := int(next.Add(1)) - 1
				if i >= len(roles) {
					return
				}
				key := requirementList(require[i])
				if worlds[key] == nil {
					worlds[key] = prove.NewWorld(require[i], issuers...)
				}
				reports[i] = proved{role: roles[i], Report: worlds[key].Check(roles[i].name, roles[i].trust)}
			}
		})
	}
	work.Wait()
	return reports
}

// proveDisjoint asks whether one job can get two roles.
func (p *proving) proveDisjoint(ctx context.Context, args []string) error {
	if len(p.disjoint) != 2 || p.disjoint[0] == p.disjoint[1] {
		return &usageError{errors.New("--disjoint: two roles are wanted, like production-deployer,stage-deployer")}
	}
	switch {
	case len(args) > 0 || p.roles.all:
		return &usageError{errors.New("--disjoint names the roles itself")}
	case p.require != "" || p.guards != "":
		return &usageError{errors.New("--disjoint asks whether a job gets both, and requires nothing of it: --require and --guard-file do not go with it")}
	case p.members:
		return &usageError{errors.New("--show-members does not go with --disjoint")}
	case p.output != "text" && p.output != "json":
		return &usageError{fmt.Errorf("-o %s: --disjoint has text and json", p.output)}
	}
	if len(p.roles.files) == 0 {
		args = p.disjoint
	}
	roles, err := p.roles.load(ctx, p.app, args)
	if err != nil {
		return err
	}
	var pair []trusting
	for _, name := range p.disjoint {
		i := slices.IndexFunc(roles, func(r trusting) bool { return r.name == name })
		if i < 0 {
			return &usageError{fmt.Errorf("--disjoint: no --policy is called %s; there are %s", name, roleNames(roles))}
		}
		pair = append(pair, roles[i])
	}
	issuers, err := p.world.issuers(ctx, p.app, pair)
	if err != nil {
		return err
	}
	overlap, err := prove.NewWorld(nil, issuers...).Disjoint(pair[0].trust, pair[1].trust)
	if err != nil {
		return err
	}
	if err := p.reportOverlap(pair, overlap); err != nil {
		return err
	}
	return exitWith(overlap.Verdict)
}

func roleNames(roles []trusting) string {
	names := make([]string, len(roles))
	for i, r := range roles {
		names[i] = r.name
	}
	return strings.Join(names, ", ")
}

// trusting is a role, or a file that says whom one trusts.
type trusting struct {
	name      string
	arn       string // of a server's role
	file      string // empty: it is a role of a server
	trust     *policy.Document
	audiences map[arn.Provider][]string // what its providers accept, where that is known
}

// roleSource says where trust policies come from.
type roleSource struct {
	files []string
	all   bool
}

func (s *roleSource) flags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringArrayVar(&s.files, "policy", nil, "trust policy in a `[NAME=]FILE`, instead of a role's (repeatable)")
	f.BoolVar(&s.all, "all", false, "every role of the server")
}

// load reads the trust policies that are meant.
func (s *roleSource) load(ctx context.Context, a *app, names []string) ([]trusting, error) {
	kinds := 0
	for _, given := range []bool{len(names) > 0, s.all, len(s.files) > 0} {
		if given {
			kinds++
		}
	}
	if kinds != 1 {
		return nil, &usageError{errors.New("either roles, --all or --policy is wanted")}
	}
	if slices.Contains(names, "") {
		return nil, &usageError{errors.New("a role's name is empty")}
	}
	if len(s.files) == 0 {
		return s.ask(ctx, a, names)
	}
	var out []trusting
	for _, given := range s.files {
		name, file, named := strings.Cut(given, "=")
		if !named {
			name, file = given, given
		}
		if name == "" || file == "" {
			return nil, &usageError{fmt.Errorf("--policy %s: [NAME=]FILE is wanted", given)}
		}
		trust, err := a.trustFile(file)
		if err != nil {
			return nil, err
		}
		if slices.ContainsFunc(out, func(r trusting) bool { return r.name == name }) {
			return nil, &usageError{fmt.Errorf("--policy: two are called %s", name)}
		}
		out = append(out, trusting{name: name, file: file, trust: trust})
	}
	return out, nil
}

// ask asks the server, or AWS, for the roles that are meant.
func (s *roleSource) ask(ctx context.Context, a *app, names []string) ([]trusting, error) {
	c, err := a.aws(ctx)
	if err != nil {
		return nil, err
	}
	var list []client.Role
	if s.all {
		if list, err = c.Roles(ctx, ""); err != nil {
			return nil, explain(err)
		}
	}
	for _, name := range names {
		if role, err := arn.ParseRole(name); err == nil {
			name = role.Name
		}
		r, err := c.Role(ctx, name)
		if err != nil {
			return nil, explain(err)
		}
		list = append(list, r)
	}
	var out []trusting
	audiences := map[arn.Provider][]string{}
	for _, r := range list {
		trust, err := policy.Parse(policy.Trust, []byte(r.Trust))
		if err != nil {
			return nil, fmt.Errorf("the trust policy of %s: %w", r.Name, err)
		}
		for _, p := range prove.Providers(trust) {
			if _, asked := audiences[p]; asked {
				continue
			}
			audiences[p] = nil // who may not see it judges by any audience
			if known, err := c.Provider(ctx, p.String()); err == nil {
				audiences[p] = known.ClientIDs
			} else {
				fmt.Fprintf(a.stderr, "mayfly: which audiences %s accepts is not known, so any is thought possible: %s\n", p.URL, plain(err.Error()))
			}
		}
		out = append(out, trusting{name: r.Name, arn: r.ARN, trust: trust, audiences: audiences})
	}
	return out, nil
}

// trustFile reads a trust policy from a file.
func (a *app) trustFile(path string) (*policy.Document, error) {
	text, err := a.readFile(path, maxFile)
	if err != nil {
		return nil, fmt.Errorf("the policy: %w", err)
	}
	trust, err := policy.Parse(policy.Trust, text)
	if err != nil {
		err = fmt.Errorf("the policy: %s: %w", path, err)
		if isMarked(text) {
			err = hint(err, "it begins with a byte order mark: save it as UTF-8 without one")
		}
		return nil, err
	}
	return trust, nil
}

// isMarked reports whether a text begins with a byte order mark, as some editors
// have it.
func isMarked(text []byte) bool {
	return slices.ContainsFunc([]string{"\xef\xbb\xbf", "\xff\xfe", "\xfe\xff"}, func(mark string) bool { return strings.HasPrefix(string(text), mark) })
}
