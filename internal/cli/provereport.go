package cli

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"text/tabwriter"

	"mayfly.internal/internal/guard"
	"mayfly.internal/internal/prove"
)

// proved is a role and the verdict on it.
type proved struct {
	role trusting
	prove.Report
}

// report prints verdicts in the form that is asked for.
func (p *proving) report(reports []proved, facts *guard.Facts) error {
	switch p.output {
	case "json":
		out := []reportJSON{}
		for _, r := range reports {
			out = append(out, p.reportJSON(r, facts))
		}
		return p.json(map[string]any{"roles": out})
	case "sarif":
		return p.json(sarifOf(issuesOf(reports)))
	case "codequality":
		return p.json(codeQualityOf(issuesOf(reports)))
	}
	if len(reports) > 1 {
		w := tabwriter.NewWriter(p.stdout, 0, 0, 2, ' ', 0)
		fmt.Fprintln(w, "ROLE\tVERDICT\tWHY")
		for _, r := range reports {
			fmt.Fprintf(w, "%s\t%s\t%s\n", plain(r.role.name), r.Verdict, plain(summary(r.Report)))
		}
		if err := w.Flush(); err != nil {
			return err
		}
		fmt.Fprintln(p.stdout)
	}
	for i, r := range reports {
		if i > 0 {
			fmt.Fprintln(p.stdout)
		}
		p.print(r, facts)
	}
	return nil
}

// summary is the first thing that speaks against a role.
func summary(r prove.Report) string {
	for _, s := range r.Statements {
		for _, f := range s.Findings {
			if f.Verdict == r.Verdict {
				return f.Why
			}
		}
	}
	return ""
}

func (p *proving) print(r proved, facts *guard.Facts) {
	fmt.Fprintf(p.stdout, "%s: %s\n", plain(r.role.name), r.Verdict)
	fmt.Fprintf(p.stdout, "  required: %s\n", firstOf(requirementList(r.Require), "nothing"))
	if len(r.Statements) == 0 {
		fmt.Fprintln(p.stdout, "  No statement lets anybody assume the role.")
	}
	for _, s := range r.Statements {
		fmt.Fprintf(p.stdout, "\n  %s, line %d: %s\n", plain(s.Name), s.Line, s.Verdict)
		for _, f := range s.Findings {
			p.finding(f, facts)
		}
		if s.Verdict == prove.Proven && len(s.Reach) == 0 {
			fmt.Fprintln(p.stdout, "    It lets no job in.")
		}
		for _, reach := range s.Reach {
			fmt.Fprintf(p.stdout, "    lets in: %s\n", plain(fmt.Sprintf("%s, %s %s", reach.Project, reach.Kind, reach.Refs)))
			if len(reach.Closed) > 0 {
				fmt.Fprintf(p.stdout, "      %s\n", plain(strings.Join(reach.Closed, "; ")))
			}
		}
	}
	p.notes(r.Notes)
}

func (p *proving) notes(list []string) {
	for i, n := range list {
		if i == 0 {
			fmt.Fprintln(p.stdout)
		}
		fmt.Fprintf(p.stdout, "  note: %s\n", plain(n))
	}
}

func (p *proving) finding(f prove.Finding, facts *guard.Facts) {
	head := f.Verdict.String()
	if len(f.Requires) > 0 {
		head += ": " + requirementList(f.Requires)
	} else if f.Project != "" {
		head += ": " + f.Project
	}
	fmt.Fprintf(p.stdout, "    %s\n", plain(head))
	for i, step := range f.Walk {
		if i > 0 {
			step = "→ " + step
		}
		fmt.Fprintf(p.stdout, "      %s\n", plain(step))
	}
	if f.Verdict == prove.Unknown {
		fmt.Fprintf(p.stdout, "      because %s\n", plain(f.Why))
	}
	if who := p.whoCould(f, facts); len(who) > 0 {
		fmt.Fprintf(p.stdout, "      who could: %s\n", plain(strings.Join(who, ", ")))
	}
	if f.Fix != "" {
		fmt.Fprintf(p.stdout, "      fix: %s\n", plain(f.Fix))
	}
	if f.Page != "" {
		fmt.Fprintf(p.stdout, "           %s\n", plain(f.Page))
	}
	fmt.Fprintln(p.stdout)
}

// whoCould names the members whose role is enough, if that was asked for.
func (p *proving) whoCould(f prove.Finding, facts *guard.Facts) []string {
	if !p.members || facts == nil || f.Level == guard.NoAccess {
		return nil
	}
	project, ok := facts.Project(f.Project)
	if !ok {
		return nil
	}
	members, known := project.Members.Value()
	if !known {
		return []string{"unknown: " + project.Members.Why()}
	}
	var names []string
	for _, m := range members {
		if m.Level >= f.Level && (m.State == "" || m.State == "active") {
			names = append(names, firstOf(m.Username, fmt.Sprintf("user %d", m.ID)))
		}
	}
	slices.Sort(names)
	return names
}

// reportJSON is a verdict as JSON.
type reportJSON struct {
	Role       string          `json:"role"`
	File       string          `json:"file,omitempty"`
	Verdict    string          `json:"verdict"`
	Require    []string        `json:"require"`
	Statements []statementJSON `json:"statements"`
	Notes      []string        `json:"notes"`
}

type statementJSON struct {
	Name     string        `json:"name"`
	Sid      string        `json:"sid,omitempty"`
	Line     int           `json:"line"`
	Verdict  string        `json:"verdict"`
	Findings []findingJSON `json:"findings"`
	Reach    []reachJSON   `json:"reach"`
}

type findingJSON struct {
	Verdict      string            `json:"verdict"`
	Requirements []string          `json:"requirements,omitempty"`
	Guard        string            `json:"guard,omitempty"`
	Project      string            `json:"project,omitempty"`
	Kind         string            `json:"kind,omitempty"`
	Ref          string            `json:"ref,omitempty"`
	Claims       map[string]string `json:"claims,omitempty"`
	Walk         []string          `json:"walk,omitempty"`
	Why          string            `json:"why"`
	Fix          string            `json:"fix,omitempty"`
	Page         string            `json:"page,omitempty"`
	Members      []string          `json:"members,omitempty"`
}

type reachJSON struct {
	Project string   `json:"project"`
	Kind    string   `json:"kind"`
	Refs    string   `json:"refs"`
	Closed  []string `json:"closed"`
}

func (p *proving) reportJSON(r proved, facts *guard.Facts) reportJSON {
	out := reportJSON{Role: r.role.name, File: r.role.file, Verdict: r.Verdict.String(), Require: words(r.Require), Statements: []statementJSON{}, Notes: append([]string{}, r.Notes...)}
	for _, s := range r.Statements {
		one := statementJSON{Name: s.Name, Sid: s.Sid, Line: s.Line, Verdict: s.Verdict.String(), Findings: []findingJSON{}, Reach: []reachJSON{}}
		for _, f := range s.Findings {
			one.Findings = append(one.Findings, findingJSON{Verdict: f.Verdict.String(), Requirements: words(f.Requires), Guard: string(f.Guard), Project: f.Project, Kind: f.Kind, Ref: f.Ref,
				Claims: f.Claims.Token(f.Provider), Walk: f.Walk, Why: f.Why, Fix: f.Fix, Page: f.Page, Members: p.whoCould(f, facts)})
		}
		for _, reach := range s.Reach {
			one.Reach = append(one.Reach, reachJSON{reach.Project, reach.Kind, reach.Refs, append([]string{}, reach.Closed...)})
		}
		out.Statements = append(out.Statements, one)
	}
	return out
}

func words(list []guard.Requirement) []string {
	out := make([]string, len(list))
	for i, r := range list {
		out[i] = r.String()
	}
	return out
}

// reportOverlap prints whether one job gets two roles.
func (p *proving) reportOverlap(pair []trusting, o prove.Overlap) error {
	if p.output == "json" {
		return p.json(map[string]any{"roles": []string{pair[0].name, pair[1].name}, "verdict": o.Verdict.String(), "claims": o.Claims.Token(o.Provider), "why": append([]string{}, o.Why...)})
	}
	fmt.Fprintf(p.stdout, "%s and %s are disjoint: %s\n", plain(pair[0].name), plain(pair[1].name), o.Verdict)
	switch o.Verdict {
	case prove.Refuted:
		fmt.Fprintln(p.stdout, "  This job gets both:")
		p.claims(o.Claims.About(o.Provider, pair[0].trust, pair[1].trust))
	case prove.Unknown:
		for _, why := range o.Why {
			fmt.Fprintf(p.stdout, "  because %s\n", plain(why))
		}
	}
	return nil
}

// issue is one thing that a merge request's reviewer is shown.
type issue struct {
	rule     string
	level    string // error or warning
	message  string
	file     string
	line     int
	identity string // what makes it the same one next time
}

// issuesOf are the findings of verdicts.
func issuesOf(reports []proved) []issue {
	var out []issue
	for _, r := range reports {
		for _, s := range r.Statements {
			for _, f := range s.Findings {
				out = append(out, issueOf(r, s, f))
			}
		}
	}
	return out
}

func issueOf(r proved, s prove.StatementReport, f prove.Finding) issue {
	file := "roles/" + r.role.name
	if r.role.file != "" {
		file = reportPath(r.role.file)
	}
	one := issue{rule: firstOf(string(f.Guard), "unknown"), level: "error", file: file, line: s.Line,
		message: r.role.name + ", " + s.Name + ": " + strings.Join(f.Walk, " → ")}
	if f.Verdict == prove.Unknown {
		one.level = "warning"
		one.message = r.role.name + ", " + s.Name + ": unknown because " + f.Why
	}
	if f.Fix != "" {
		one.message += ". Fix: " + f.Fix
	}
	one.identity = strings.Join([]string{r.role.name, s.Name, one.rule, f.Project, f.Kind, f.Verdict.String()}, "\x00")
	return one
}

// fingerprint is the same for the same issue of another run.
func (i issue) fingerprint() string {
	sum := sha256.Sum256([]byte(i.file + "\x00" + i.identity))
	return hex.EncodeToString(sum[:])
}
