package prove

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"mayfly.internal/internal/arn"
	"mayfly.internal/internal/guard"
	"mayfly.internal/internal/policy"
	"mayfly.internal/internal/regular"
)

// maxStates is what the question about one statement may cost.
const maxStates = 1 << 20

// strangersShare is the part of it that looking for a stranger's unusual sub may cost.
const strangersShare = 8

// World is what roles are judged in: the GitLabs whose jobs may reach them, and
// what must hold of those jobs. It is made once for many roles and is not safe
// for concurrent use.
type World struct {
	issuers []*issuerWorld
	require []guard.Requirement
}

// issuerWorld is an issuer with what was found out of its projects, once for all
// roles.
type issuerWorld struct {
	*Issuer
	require  []guard.Requirement
	projects map[string]*projectWorld // :: full path → shapes and gaps
	others   []*Shape
	free     map[string]*Shape   // :: lead and origin → the shape of its unusual subs
	odd      map[string][]*Shape // :: lead and origin → the coarse shapes; made at need
	person   *Shape
	many     *issuerWorld // the same, of tokens for several audiences; made at need
	err      error
	states   int // what a question may cost; 0: maxStates
}

func (is *issuerWorld) budget() int { return cmp.Or(is.states, maxStates) }

type projectWorld struct {
	*guard.Project
	shapes []*Shape
	forks  []*Shape          // made at need
	reused map[bool][]*Shape // :: in other letters → made at need: of another project under its path
	gaps   map[guard.RefKind][]guard.Gap
	// elsewhere are made at need: of its merge requests that run in another project
	// and break something.
	elsewhere       []*Shape
	lookedElsewhere bool
	kin             map[*Shape][]*Shape // found out at need
}

// NewWorld makes a world of issuers. No requirements: the default ones.
func NewWorld(require []guard.Requirement, issuers ...*Issuer) *World {
	if require == nil {
		require = guard.Default()
	}
	w := &World{require: require}
	for _, is := range issuers {
		w.issuers = append(w.issuers, &issuerWorld{Issuer: is, require: require, projects: map[string]*projectWorld{}})
	}
	return w
}

// Check says whether every job that a trust policy lets in meets the world's
// requirements.
func (w *World) Check(role string, doc *policy.Document) Report {
	r := Report{Role: role, Require: w.require, Verdict: Proven, Notes: w.notes(doc)}
	for _, st := range doc.Statements() {
		if st.Denies() {
			continue
		}
		one, ok := w.statement(role, doc, st)
		if !ok {
			continue
		}
		r.Statements = append(r.Statements, one)
		r.Verdict = r.Verdict.Worse(one.Verdict)
	}
	return r
}

// notes are what a verdict about a policy rests on besides the facts.
func (w *World) notes(doc *policy.Document) []string {
	var out []string
	if asksDoor(doc) && slices.ContainsFunc(w.issuers, func(is *issuerWorld) bool { return is.Realm == Mayfly }) {
		out = append(out, "what the policy asks of mayfly:guard/ is answered when a job comes, from facts of the server's own, at most its guards.max_age old")
	}
	for _, is := range w.issuers {
		if is.Facts == nil || !slices.Contains(Providers(doc), is.Provider) {
			continue
		}
		if !is.Facts.Taken.IsZero() {
			out = append(out, fmt.Sprintf("what %s enforces is as it was at %s", is.Facts.GitLab, is.Facts.Taken.UTC().Format(time.RFC3339)))
		}
		if _, known := is.Facts.Version.Value(); !known {
			out = append(out, is.Facts.GitLab+" is taken to be GitLab 18.2.2 or newer: before that, pipelines of forks had their parent's sub")
		}
	}
	return out
}

// statement judges one Allow statement; false if it is about nothing that assumes
// the role.
func (w *World) statement(role string, doc *policy.Document, st *policy.Statement) (StatementReport, bool) {
	out := StatementReport{Name: st.Name(), Sid: st.Sid(), Line: st.Position().Line, EndLine: st.End().Line, Verdict: Proven}
	about := false
	if st.CoversAction(actionWebIdentity) {
		for _, is := range w.issuers {
			if st.Trusts(is.Provider) {
				about = true
				is.judge(role, doc, st, &out)
				is.several(role, doc, st, &out)
			}
		}
	}
	for _, other := range w.otherWays(st) {
		about = true
		out.Findings = append(out.Findings, other)
	}
	for _, f := range out.Findings {
		out.Verdict = out.Verdict.Worse(f.Verdict)
	}
	return out, about
}

// otherWays are the principals of a statement that nothing here follows.
func (w *World) otherWays(st *policy.Statement) []Finding {
	var out []Finding
	unknown := func(format string, args ...any) {
		out = append(out, Finding{Verdict: Unknown, Why: fmt.Sprintf(format, args...)})
	}
	web, assume := st.CoversAction(actionWebIdentity), st.CoversAction("sts:AssumeRole")
	names, _ := st.Principals()
	for _, n := range names {
		switch n.Type {
		case policy.Federated:
			p, err := arn.ParseProvider(n.Text)
			known := slices.ContainsFunc(w.issuers, func(is *issuerWorld) bool { return err == nil && is.Provider == p })
			if web && !known {
				unknown("it trusts %s, and nothing is known of what is signed there", n.Text)
			}
		case policy.AWSPrincipal:
			if assume {
				unknown("%s may assume the role too: prove that one's role as well", n.Text)
			}
		case policy.Service:
			if assume {
				unknown("the service %s may assume the role too", n.Text)
			}
		case policy.Everyone:
			if assume {
				unknown("everyone in the account's reach whose policies allow it may assume the role too")
			}
			if web {
				unknown("it trusts every identity provider of the account, and the others' tokens are not looked at")
			}
		}
	}
	return out
}

// world is what is known of a project, found out once.
func (is *issuerWorld) world(p *guard.Project) *projectWorld {
	if known := is.projects[p.Path]; known != nil {
		return known
	}
	work := regular.NewWork(is.budget())
	pw := &projectWorld{Project: p, gaps: map[guard.RefKind][]guard.Gap{}, reused: map[bool][]*Shape{}, kin: map[*Shape][]*Shape{}}
	pw.shapes = is.shapes(work, p)
	for _, kind := range []guard.RefKind{guard.Branch, guard.Tag, guard.MergeRequest} {
		pw.gaps[kind] = p.Gaps(work, kind, is.require)
	}
	is.projects[p.Path] = pw
	if work.Err() != nil {
		is.err = work.Err()
	}
	return pw
}

func hasKind(list []guard.Requirement, kind guard.Kind) bool {
	return slices.ContainsFunc(list, func(r guard.Requirement) bool { return r.Kind == kind })
}
