package lint

import (
	"cmp"
	"fmt"
	"slices"

	"mayfly.internal/internal/arn"
	"mayfly.internal/internal/guard"
	"mayfly.internal/internal/policy"
	"mayfly.internal/internal/prove"
)

// Severity says how bad a remark is. The zero value is a hint.
type Severity uint8

const (
	Hint    Severity = iota // it could be better
	Warning                 // it lets in more than is likely meant
	Error                   // it lets in strangers, or never does what it says
)

var severityNames = [...]string{"hint", "warning", "error"}

func (s Severity) String() string { return severityNames[s] }

// Remark is one thing about a policy.
type Remark struct {
	Rule      string // its name in Rules
	Severity  Severity
	Statement string
	Line      int // 1-based
	Column    int // 1-based, in bytes
	Message   string
	Fix       string // what to write instead
}

// Options say what is known of the policy's surroundings.
type Options struct {
	// GitLabs are the providers that are GitLabs, besides those of which the policy
	// itself shows it.
	GitLabs []arn.Provider
	Realm   prove.Realm
	// Facts know the ids that Fix pins; nil: it pins none.
	Facts *guard.Facts
}

// Rule is a mistake that is looked for.
type Rule struct {
	Name     string
	Severity Severity
	Short    string
}

// Rules are all mistakes that are looked for.
func Rules() []Rule { return slices.Clone(rules) }

var rules = []Rule{
	{"no-subject", Error, "the statement does not say whose jobs it trusts"},
	{"any-project", Error, "a pattern begins before the first / of the project's path: strangers can make a path that fits"},
	{"open-path", Error, "a pattern ends within a path's name, so that other names which begin the same fit"},
	{"group-wildcard", Warning, "a pattern trusts every project of a group, ones that are made tomorrow too"},
	{"any-ref", Warning, "every branch or tag fits"},
	{"any-ref-type", Warning, "a tag fits where a branch is meant: whoever may create tags can call one like the branch"},
	{"wildcard-as-text", Error, "* and ? mean nothing in StringEquals"},
	{"open-operator", Error, "the condition holds for a token that lacks the claim"},
	{"other-issuer", Error, "the condition is about an issuer that the statement does not trust"},
	{"unknown-claim", Warning, "GitLab's tokens have no such claim, as far as is known"},
	{"never-filled", Error, "AWS has no such condition key for this issuer"},
	{"no-such-guard", Error, "no condition key of mayfly:guard/ is called so"},
	{"not-pinned", Warning, "the project is known by its path alone, and paths are used again"},
	{"job-chosen", Warning, "the job's author chooses the claim"},
	{"changeable", Warning, "people can change the claim themselves"},
	{"merge-requests", Warning, "a merge request's pipeline has the ref of its source branch"},
	{"matches-nothing", Error, "GitLab signs no token that the statement takes"},
	{"redundant", Hint, "another statement takes all that this one takes"},
	{"wrong-action", Error, "identity providers' tokens are for sts:AssumeRoleWithWebIdentity"},
	{"everyone", Error, "the statement trusts every identity provider"},
	{"where-it-runs", Error, "job_project_… is where a job runs, and a fork's job runs in its parent"},
}

func severityOf(rule string) Severity {
	i := slices.IndexFunc(rules, func(r Rule) bool { return r.Name == rule })
	return rules[i].Severity
}

// Check looks for every known mistake. The remarks come in the order of the text.
func Check(doc *policy.Document, o Options) []Remark {
	l := newLinter(doc, o)
	for _, st := range doc.Statements() {
		l.statement(st)
	}
	slices.SortStableFunc(l.remarks, func(a, b Remark) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(b.Severity, a.Severity))
	})
	return l.remarks
}

type linter struct {
	Options
	doc     *policy.Document
	reading *prove.Reading
	remarks []Remark
}

// newLinter knows which of the policy's providers are GitLabs: those that are named
// so, and those of which the policy shows it.
func newLinter(doc *policy.Document, o Options) *linter {
	o.GitLabs = slices.Clone(o.GitLabs)
	for _, p := range prove.Providers(doc) {
		if prove.IsGitLab(doc, p) && !slices.Contains(o.GitLabs, p) {
			o.GitLabs = append(o.GitLabs, p)
		}
	}
	return &linter{doc: doc, reading: prove.Read(doc, o.GitLabs), Options: o}
}

// remark notes a mistake at a place.
func (l *linter) remark(rule string, st *policy.Statement, at policy.Position, fix, format string, args ...any) {
	l.remarks = append(l.remarks, Remark{Rule: rule, Severity: severityOf(rule), Statement: st.Name(), Line: at.Line, Column: at.Column,
		Message: fmt.Sprintf(format, args...), Fix: fix})
}

func (l *linter) isGitLab(p arn.Provider) bool {
	return slices.Contains(l.GitLabs, p)
}

// statement looks at one statement. A Deny takes away; of those only the
// conditions' own mistakes count.
func (l *linter) statement(st *policy.Statement) {
	names, _ := st.Principals()
	var gitlabs []arn.Provider
	federated := false
	for _, n := range names {
		switch p, err := arn.ParseProvider(n.Text); {
		case n.Type == policy.Everyone && !st.Denies() && st.CoversAction(webIdentity):
			l.remark("everyone", st, st.Position(), `name the provider: "Principal": {"Federated": "arn:aws:iam::ACCOUNT:oidc-provider/…"}`, `Principal "*" trusts the tokens of every identity provider in the account`)
		case n.Type == policy.Federated && err == nil:
			federated = true
			if l.isGitLab(p) {
				gitlabs = append(gitlabs, p)
			}
		}
	}
	if federated && !st.CoversAction(webIdentity) && !st.Denies() && !st.CoversAction("sts:AssumeRoleWithSAML") && !st.CoversAction("sts:TagSession") && !st.CoversAction("sts:SetSourceIdentity") {
		l.remark("wrong-action", st, st.Position(), `write "Action": "sts:AssumeRoleWithWebIdentity"`, "the statement trusts an identity provider with an action that takes no tokens")
	}
	l.conditions(st)
	if st.Denies() || !st.CoversAction(webIdentity) {
		return
	}
	for _, p := range gitlabs {
		l.gitlab(st, p)
	}
	l.redundant(st)
}

const webIdentity = "sts:AssumeRoleWithWebIdentity"

// redundant: an earlier statement takes all that this one does.
func (l *linter) redundant(st *policy.Statement) {
	for _, other := range l.doc.Statements() {
		if other == st {
			return
		}
		if !other.Denies() && (other.Says(st) || l.reading.Within(st, other)) {
			l.remark("redundant", st, st.Position(), "remove it", "%s takes all that it takes", other.Name())
			return
		}
	}
}
