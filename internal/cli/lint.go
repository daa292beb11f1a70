package cli

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"mayfly.internal/internal/lint"
)

// linting is what lint is asked.
type linting struct {
	*app
	gitlabs      []string
	realm, facts string
	fix          bool
}

func newLint(a *app) *cobra.Command {
	l := &linting{app: a}
	var rules []string
	for _, r := range lint.Rules() {
		rules = append(rules, fmt.Sprintf("  %-16s %-7s  %s", r.Name, r.Severity, fold(r.Short, helpWidth-27, strings.Repeat(" ", 27))))
	}
	cmd := &cobra.Command{Use: "lint FILE…", Short: "Name known mistakes of trust policies, with what to write instead",
		Long: `lint looks for what is known to go wrong in trust policies for GitLab's jobs. It
needs no GitLab. Whether a role is well guarded is for mayfly prove to say.

` + strings.Join(rules, "\n") + `

--fix pins the projects that the policy names by their path to the ids that
--facts knows, in the file itself.

Exit status: 0 nothing, or hints only; 1 an error or a warning, 2 a wrong call.`,
		Example: `  mayfly lint trust-policy.json
  mayfly lint trust-policy.json --facts facts.yaml --fix
  mayfly lint trust-policy.json -o codequality > gl-code-quality-report.json`,
		Annotations: outputs("text", "json", "sarif", "codequality"),
		RunE:        func(_ *cobra.Command, args []string) error { return l.run(args) }}
	gitlabFlag(cmd, &l.gitlabs)
	f := cmd.Flags()
	f.StringVar(&l.realm, "realm", "mayfly", "whose exchange it is, `mayfly|aws`: real AWS knows few of GitLab's claims")
	f.StringVar(&l.facts, "facts", "", "what is known of the projects, in a `FILE` that mayfly facts pull writes")
	f.BoolVar(&l.fix, "fix", false, "write the ids of the projects into the file")
	complete(cmd, "realm", "mayfly", "aws")
	return cmd
}

func (l *linting) run(files []string) error {
	if len(files) == 0 {
		return &usageError{errors.New("FILE is missing")}
	}
	if err := checkIssuers(l.gitlabs); err != nil {
		return err
	}
	realm, err := realmOf(l.realm, false)
	if err != nil {
		return err
	}
	options := lint.Options{Realm: realm}
	if l.facts != "" {
		if options.Facts, err = l.factsFile(l.facts); err != nil {
			return err
		}
		l.gitlabs = append(l.gitlabs, options.Facts.Issuer)
	} else if l.fix {
		return &usageError{errors.New("--fix needs --facts, which know the ids")}
	}
	if l.fix && slices.Contains(files, "-") {
		return &usageError{errors.New("--fix writes into a file, not standard input")}
	}
	var issues []issue
	out := []remarkJSON{}
	bad := false
	for _, file := range files {
		remarks, err := l.file(file, options)
		if err != nil {
			return err
		}
		for _, r := range remarks {
			bad = bad || r.Severity >= lint.Warning
			out = append(out, remarkJSON{file, r.Line, r.Column, r.Severity.String(), r.Rule, r.Statement, r.Message, r.Fix})
			issues = append(issues, issue{rule: r.Rule, level: map[lint.Severity]string{lint.Error: "error", lint.Warning: "warning", lint.Hint: "note"}[r.Severity],
				message: r.Message + ". Fix: " + r.Fix, file: reportPath(file), line: r.Line, identity: r.Rule + "\x00" + r.Statement + "\x00" + r.Message})
		}
	}
	if err := l.report(out, issues); err != nil {
		return err
	}
	if bad {
		return &statusError{1}
	}
	return nil
}

// file looks at one file, and mends it first where that is asked for.
func (l *linting) file(file string, options lint.Options) ([]lint.Remark, error) {
	doc, err := l.trustFile(file)
	if err != nil {
		return nil, err
	}
	options.GitLabs = gitlabProviders(l.gitlabs, doc)
	if l.fix {
		fixed, what, err := lint.Pin(doc, options)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
		for _, text := range what {
			fmt.Fprintf(l.stderr, "mayfly: %s: %s\n", file, plain(text))
		}
		if fixed != doc {
			if err := rewrite(file, fixed.Text()); err != nil {
				return nil, err
			}
			doc = fixed
		}
	}
	return lint.Check(doc, options), nil
}

type remarkJSON struct {
	File      string `json:"file"`
	Line      int    `json:"line"`
	Column    int    `json:"column"`
	Severity  string `json:"severity"`
	Rule      string `json:"rule"`
	Statement string `json:"statement"`
	Message   string `json:"message"`
	Fix       string `json:"fix"`
}

func (l *linting) report(remarks []remarkJSON, issues []issue) error {
	switch l.output {
	case "json":
		return l.json(map[string]any{"remarks": remarks})
	case "sarif":
		return l.json(sarifOf(issues))
	case "codequality":
		return l.json(codeQualityOf(issues))
	}
	for _, r := range remarks {
		fmt.Fprintf(l.stdout, "%s:%d:%d: %s: %s [%s]\n  fix: %s\n", r.File, r.Line, r.Column, r.Severity, plain(r.Message), r.Rule, plain(r.Fix))
	}
	return nil
}
