package prove_test

import (
	"fmt"
	"math/rand"
	"slices"
	"strings"
	"testing"

	"mayfly.internal/internal/arn"
	"mayfly.internal/internal/guard"
	"mayfly.internal/internal/policy"
	"mayfly.internal/internal/prove"
)

// everybody is every token of a small world of which no facts are known, and so
// every sub that a project's owner may choose.
func everybody() []token {
	c := &smallCase{}
	c.facts = &guard.Facts{}
	c.logins = []string{"login-app"}
	var out []token
	for _, j := range c.everyJob() {
		for _, components := range append(c.components(j), []string{"job_project_path", "ref_type", "ref"}) {
			if j.kind == guard.MergeRequest && j.runsIn != j.path {
				continue
			}
			claims := j.claims(provider, prove.Mayfly, components)
			out = append(out, token{job: j, claims: claims, context: contextOf(claims)})
		}
	}
	return out
}

func parsed(t *testing.T, text string) *policy.Document {
	t.Helper()
	doc, err := policy.Parse(policy.Trust, []byte(text))
	if err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	return doc
}

// TestDiffSmall: over a small world "nobody new" is never wrong, and whoever is
// shown is let in by the new policy and not by the old.
func TestDiffSmall(t *testing.T) {
	t.Parallel()
	tokens := everybody()
	verdicts := map[prove.Verdict]int{}
	for seed := range int64(prove.Fewer(60)) {
		d := dice{rand.New(rand.NewSource(seed))}
		oldText := d.policy()
		newText := d.policy()
		if d.bool() { // a small change
			newText = strings.Replace(oldText, pick(d, "main", "acme/web", "push", "StringLike"), pick(d, "*", "release/1", "acme/*", "StringEquals"), 1)
			if _, err := policy.Parse(policy.Trust, []byte(newText)); err != nil {
				continue
			}
		}
		old, changed := parsed(t, oldText), parsed(t, newText)
		gitlabs := []arn.Provider{provider}
		if d.one(4) {
			gitlabs = nil // it signs anything
		}
		change, err := prove.Diff(old, changed, gitlabs)
		if err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		unread := strings.Contains(oldText+newText, "aws:SourceIp")
		for _, one := range []struct {
			verdict prove.Verdict
			shown   []prove.Difference
			in, out *policy.Document
		}{{change.Wider, change.Added, changed, old}, {change.Narrower, change.Removed, old, changed}} {
			verdicts[one.verdict]++
			for _, diff := range one.shown {
				if ctx := contextOf(diff.Claims); !unread && (!allowed(one.in, ctx) || allowed(one.out, ctx)) {
					t.Fatalf("seed %d: shown is %v\n%s\n%s", seed, diff.Claims, oldText, newText)
				}
			}
			if one.verdict == prove.Proven && len(one.shown) == 0 {
				t.Fatalf("seed %d: somebody, and nobody is shown", seed)
			}
			if one.verdict != prove.Refuted || unread {
				continue
			}
			if at := slices.IndexFunc(tokens, func(tok token) bool { return allowed(one.in, tok.context) && !allowed(one.out, tok.context) }); at >= 0 {
				t.Fatalf("seed %d: nobody, it says, but %v\n%s\n%s", seed, tokens[at].claims, oldText, newText)
			}
		}
	}
	if verdicts[prove.Refuted] < prove.Fewer(5) || verdicts[prove.Proven] < prove.Fewer(5) {
		t.Errorf("%v: the test says little", verdicts)
	}
	t.Log(verdicts)
}

// TestDiffSpellings: what says the same in other words is the same.
func TestDiffSpellings(t *testing.T) {
	statement := func(conditions string) string {
		return `{"Effect":"Allow","Principal":{"Federated":"` + provider.String() + `"},"Action":"sts:AssumeRoleWithWebIdentity","Condition":{` + conditions + `}}`
	}
	doc := func(statements ...string) string {
		return `{"Version":"2012-10-17","Statement":[` + strings.Join(statements, ",") + `]}`
	}
	key := func(claim string) string { return `"gitlab.example.com:` + claim + `":` }
	const a, b = `"project_path:acme/web:ref_type:branch:ref:main"`, `"project_path:acme/web:ref_type:branch:ref:stage"`
	for name, pair := range map[string][2]string{
		"order of values":     {doc(statement(`"StringEquals":{` + key("sub") + `[` + a + `,` + b + `]}`)), doc(statement(`"StringEquals":{` + key("sub") + `[` + b + `,` + a + `]}`))},
		"a list of one":       {doc(statement(`"StringEquals":{` + key("sub") + a + `}`)), doc(statement(`"StringEquals":{` + key("sub") + `[` + a + `]}`))},
		"statements split":    {doc(statement(`"StringEquals":{` + key("sub") + `[` + a + `,` + b + `]}`)), doc(statement(`"StringEquals":{`+key("sub")+b+`}`), statement(`"StringEquals":{`+key("sub")+a+`}`))},
		"no wildcard in Like": {doc(statement(`"StringEquals":{` + key("sub") + a + `}`)), doc(statement(`"StringLike":{` + key("sub") + a + `}`))},
		"case of keys":        {doc(statement(`"StringEquals":{` + key("sub") + a + `}`)), doc(statement(`"StringEquals":{` + strings.ToUpper(key("sub")) + a + `}`))},
		"operators apart":     {doc(statement(`"StringEquals":{` + key("sub") + a + `,` + key("project_id") + `"7"}`)), doc(statement(`"StringLike":{` + key("project_id") + `"7"},"StringEquals":{` + key("sub") + a + `}`))},
		"Deny for NotEquals": {doc(statement(`"StringEquals":{` + key("sub") + a + `,` + key("pipeline_source") + `"push"}`)),
			doc(statement(`"StringEquals":{`+key("sub")+a+`}`), strings.Replace(statement(`"StringNotEquals":{`+key("pipeline_source")+`"push"}`), "Allow", "Deny", 1))},
		"two stars for one": {doc(statement(`"StringLike":{` + key("sub") + `"project_path:acme/web:*"}`)), doc(statement(`"StringLike":{` + key("sub") + `"project_path:acme/web:**"}`))},
		"ref_path for ref":  {doc(statement(`"StringEquals":{` + key("ref") + `"main",` + key("ref_type") + `"tag"}`)), doc(statement(`"StringEquals":{` + key("ref_path") + `"refs/tags/main"}`))},
	} {
		change, err := prove.Diff(parsed(t, pair[0]), parsed(t, pair[1]), []arn.Provider{provider})
		if err != nil || change.Wider != prove.Refuted || change.Narrower != prove.Refuted {
			t.Errorf("%s: wider %s, narrower %s, %v %v", name, change.Wider, change.Narrower, change.Unknown, err)
		}
	}
	for name, pair := range map[string][2]string{
		"another branch":  {doc(statement(`"StringEquals":{` + key("sub") + a + `}`)), doc(statement(`"StringEquals":{` + key("sub") + b + `}`))},
		"an unusual sub":  {doc(statement(`"StringLike":{` + key("sub") + `"project_path:acme/web:ref_protected:true"}`)), doc(statement(`"StringLike":{` + key("sub") + `"project_path:acme/web:ref_protected:*"}`))},
		"one id too many": {doc(statement(`"StringEquals":{` + key("project_id") + `"7"}`)), doc(statement(`"StringEquals":{` + key("project_id") + `["7","8"]}`))},
	} {
		change, err := prove.Diff(parsed(t, pair[0]), parsed(t, pair[1]), []arn.Provider{provider})
		if err != nil || change.Wider != prove.Proven || len(change.Added) == 0 || !allowed(parsed(t, pair[1]), contextOf(change.Added[0].Claims)) {
			t.Errorf("%s: wider %s, %v %v", name, change.Wider, change.Added, err)
		}
	}
}

// TestDisjointSmall: over a small world "no job gets both" is never wrong, and who
// is shown gets both. The same is asked of who-can: whoever gets in is in it.
func TestDisjointSmall(t *testing.T) {
	t.Parallel()
	verdicts := map[prove.Verdict]int{}
	for seed := range int64(prove.Fewer(25)) {
		d := dice{rand.New(rand.NewSource(seed + 1000))}
		c := d.world()
		aText, bText := d.policy(), d.policy()
		a, b := parsed(t, aText), parsed(t, bText)
		overlap, err := c.world.Disjoint(a, b)
		if err != nil {
			t.Fatal(err)
		}
		verdicts[overlap.Verdict]++
		unread := strings.Contains(aText+bText, "aws:SourceIp") || c.oddSub()
		if overlap.Verdict == prove.Refuted && !(allowed(a, contextOf(overlap.Claims)) && allowed(b, contextOf(overlap.Claims))) {
			t.Fatalf("seed %d: shown is %v\n%s\n%s", seed, overlap.Claims, aText, bText)
		}
		for _, tok := range c.tokens {
			both := allowed(a, tok.context) && allowed(b, tok.context) && c.exchangeTakes(a, tok.job) && c.exchangeTakes(b, tok.job)
			if both && overlap.Verdict == prove.Proven && !unread && (tok.made == yes || c.isElsewhere(tok.job) || tok.made == perhaps && c.isOdd(tok.job, tok.components)) {
				t.Fatalf("seed %d: disjoint, it says, but %v\n%s\n%s\n%s", seed, tok.claims, aText, bText, c)
			}
		}
		list, err := c.world.WhoCan(a)
		if err != nil {
			t.Fatal(err)
		}
		for _, tok := range c.tokens {
			p, known := c.facts.Project(tok.path)
			if known && !isOf(p, tok.job) {
				continue // who-can does not list whoever may have the path one day
			}
			if sub, _ := tok.claims.Get(provider.URL + ":sub"); !known && tok.person == "" && sub != tok.sub(defaultSub) {
				continue // nor what strangers may make of sub
			}
			if tok.made == yes && allowed(a, tok.context) && c.exchangeTakes(a, tok.job) && !listed(list, tok) {
				t.Fatalf("seed %d: who can is %+v, and not %v\n%s\n%s", seed, list, tok.claims, aText, c)
			}
		}
	}
	t.Log(verdicts)
}

// listed reports whether a list of who can has a kind of job at all: that what it
// says in words is exact is regular's to show.
func listed(list []prove.Access, tok token) bool {
	kind := map[guard.RefKind]string{guard.Branch: "branch", guard.Tag: "tag", guard.MergeRequest: "merge request"}[tok.kind]
	if tok.person != "" {
		kind = "sign-in"
	}
	return slices.ContainsFunc(list, func(a prove.Access) bool {
		return (a.Kind == kind || !a.Known && a.Kind == "branch" && kind == "merge request" || a.Known && fmt.Sprint(a.Project) == tok.path) && (!a.Known || a.Project == tok.path || a.Project == tok.runsIn)
	})
}
