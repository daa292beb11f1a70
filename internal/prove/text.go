package prove

import (
	"fmt"
	"strings"

	"mayfly.internal/internal/guard"
)

// Text is the report for a person.
func (r Report) Text() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %s\n", r.Role, r.Verdict)
	for _, s := range r.Statements {
		fmt.Fprintf(&b, "  %s (line %d): %s\n", s.Name, s.Line, s.Verdict)
		for _, f := range s.Findings {
			f.text(&b)
		}
		for _, reach := range s.Reach {
			fmt.Fprintf(&b, "    lets in %s %s: %s\n", reach.Project, reach.Kind, reach.Refs)
			for _, c := range reach.Closed {
				fmt.Fprintf(&b, "      %s\n", c)
			}
		}
	}
	if len(r.Statements) == 0 {
		b.WriteString("  no statement lets anybody assume the role\n")
	}
	for _, n := range r.Notes {
		fmt.Fprintf(&b, "  %s\n", n)
	}
	return b.String()
}

func (f Finding) text(b *strings.Builder) {
	fmt.Fprintf(b, "    %s", f.Verdict)
	if len(f.Requires) > 0 {
		fmt.Fprintf(b, ": %s", requirementsText(f.Requires))
	}
	if f.Project != "" {
		fmt.Fprintf(b, ", %s", f.Project)
	}
	b.WriteString("\n")
	for i, step := range f.Walk {
		if i > 0 {
			step = "→ " + step
		}
		fmt.Fprintf(b, "      %s\n", step)
	}
	if f.Verdict == Unknown {
		fmt.Fprintf(b, "      because %s\n", f.Why)
	}
	if f.Fix != "" {
		fmt.Fprintf(b, "      fix: %s\n", f.Fix)
	}
	if f.Page != "" {
		fmt.Fprintf(b, "           %s\n", f.Page)
	}
}

func requirementsText(list []guard.Requirement) string {
	words := make([]string, len(list))
	for i, r := range list {
		words[i] = r.String()
	}
	return strings.Join(words, ", ")
}
