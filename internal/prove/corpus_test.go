package prove_test

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"

	"mayfly.internal/internal/arn"
	"mayfly.internal/internal/guard"
	"mayfly.internal/internal/lint"
	"mayfly.internal/internal/policy"
	"mayfly.internal/internal/prove"
)

var update = flag.Bool("update", false, "rewrite the expectations in examples/trust-policies")

// corpus is a case of examples/trust-policies.
type corpus struct {
	policy, facts string
	require       []guard.Requirement
	issuer        prove.Issuer
}

// TestCorpus judges the trust policies of examples/trust-policies, each with its
// facts. Every witness is shown to the evaluator, and what is mended is proven.
func TestCorpus(t *testing.T) {
	files, err := filepath.Glob("../../examples/trust-policies/*.txtar")
	if err != nil || len(files) < 40 {
		t.Fatalf("%d cases: %v", len(files), err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			t.Parallel()
			a, err := txtar.ParseFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if len(strings.TrimSpace(string(a.Comment))) < 30 {
				t.Error("the case does not say what it shows")
			}
			part := map[string]string{}
			for _, f := range a.Files {
				part[f.Name] = string(f.Data)
			}
			got := corpusCase(t, part["options"], part["policy.json"], part["facts.yaml"]).verdict(t)
			if mended, policyToo := part["mended.json"]; policyToo || part["mended.yaml"] != "" {
				facts := part["facts.yaml"]
				if !policyToo {
					mended = part["policy.json"]
				}
				if part["mended.yaml"] != "" {
					facts = part["mended.yaml"]
				}
				if verdict := corpusCase(t, part["options"], mended, facts).verdict(t); !strings.HasPrefix(verdict, "proven\n") {
					t.Errorf("mended, it is %s", verdict)
				}
			} else if strings.HasPrefix(got, "refuted\n") && part["not-mended"] == "" {
				t.Error("it is neither mended nor said why nothing mends it")
			}
			expectCase(t, file, a, got)
		})
	}
}

// expectCase compares want, or with -update rewrites it.
func expectCase(t *testing.T, file string, a *txtar.Archive, got string) {
	t.Helper()
	at := slices.IndexFunc(a.Files, func(f txtar.File) bool { return f.Name == "want" })
	if at < 0 {
		at, a.Files = len(a.Files), append(a.Files, txtar.File{Name: "want"})
	}
	diff := cmp.Diff(string(a.Files[at].Data), got)
	if diff == "" {
		return
	}
	if !*update {
		t.Errorf("want (-want +got):\n%s", diff)
		return
	}
	a.Files[at].Data = []byte(got)
	if err := os.WriteFile(file, txtar.Format(a), 0o644); err != nil {
		t.Fatal(err)
	}
}

func corpusCase(t *testing.T, options, policyText, facts string) *corpus {
	t.Helper()
	c := &corpus{policy: policyText, facts: facts, issuer: prove.Issuer{Provider: provider}}
	for line := range strings.Lines(options) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), "=")
		var err error
		switch name {
		case "require":
			c.require, err = guard.ParseRequirements(value)
		case "realm":
			c.issuer.Realm = map[string]prove.Realm{"mayfly": prove.Mayfly, "aws": prove.AWS}[value]
		case "login-client-ids":
			c.issuer.LoginClientIDs = strings.Fields(value)
		case "audiences":
			c.issuer.Audiences = strings.Fields(value)
		default:
			err = fmt.Errorf("no option is called %q", name)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return c
}

// verdict judges the case, in lines that do not change with the words of messages.
func (c *corpus) verdict(t *testing.T) string {
	t.Helper()
	facts, err := guard.Decode([]byte(c.facts))
	if e, ok := errors.AsType[*guard.FormatError](err); ok {
		return fmt.Sprintf("facts refused at line %d\n", e.Line)
	}
	doc, err := policy.Parse(policy.Trust, []byte(strings.TrimSpace(c.policy)))
	if e, ok := errors.AsType[*policy.SyntaxError](err); ok {
		return fmt.Sprintf("policy refused at line %d\n", e.Position.Line)
	} else if err != nil {
		t.Fatal(err)
	}
	c.issuer.Facts = facts
	c.issuer.Provider = arn.Provider{Account: "111122223333", URL: strings.TrimPrefix(facts.Issuer, "https://")}
	report := prove.NewWorld(c.require, &c.issuer).Check("deployer", doc)
	var b strings.Builder
	fmt.Fprintln(&b, report.Verdict)
	for _, s := range report.Statements {
		fmt.Fprintf(&b, "%s: %s\n", s.Name, s.Verdict)
		var lines []string
		for _, f := range s.Findings {
			lines = append(lines, c.line(t, doc, f))
		}
		slices.Sort(lines)
		b.WriteString(strings.Join(slices.Compact(lines), ""))
	}
	var remarks []string
	for _, r := range lint.Check(doc, lint.Options{GitLabs: []arn.Provider{c.issuer.Provider}, Realm: c.issuer.Realm}) {
		remarks = append(remarks, fmt.Sprintf("lint: %s, %s\n", r.Rule, r.Statement))
	}
	slices.Sort(remarks)
	b.WriteString(strings.Join(slices.Compact(remarks), ""))
	return b.String()
}

// line is a finding: verdict, guard, project, kind, ref, and the witness's sub.
func (c *corpus) line(t *testing.T, doc *policy.Document, f prove.Finding) string {
	t.Helper()
	words := []string{" ", f.Verdict.String()}
	for _, w := range []string{string(f.Guard), f.Project, strings.ReplaceAll(f.Kind, " ", "-"), f.Ref} {
		if w == "" {
			w = "-"
		}
		words = append(words, w)
	}
	if sub, ok := f.Claims.Get(c.issuer.Provider.URL + ":sub"); ok {
		words = append(words, sub)
	}
	if f.Verdict == prove.Refuted {
		ctx := contextOf(f.Claims)
		if !policy.Evaluate(policy.Request{Principal: policy.FederatedPrincipal(c.issuer.Provider), Action: "sts:AssumeRoleWithWebIdentity", Resource: "*", Context: ctx},
			policy.Set{Resource: []*policy.Document{doc}, ResourceAccount: c.issuer.Provider.Account}).Allowed() {
			t.Errorf("the evaluator refuses the witness: %v", f.Claims)
		}
	}
	return strings.Join(words, " ") + "\n"
}
