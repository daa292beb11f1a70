package regular_test

import (
	"bytes"
	"fmt"
	"math/rand"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"mayfly.internal/internal/regular"
)

// smtQuestion is a language in our words and in those of SMT-LIB (The SMT-LIB
// Standard: Unicode Strings): is it empty?
type smtQuestion struct {
	name, smt string
	language  regular.Language
}

// TestZ3 asks Debian's solver whether languages are empty or within each other,
// and has its texts looked for in ours.
func TestZ3(t *testing.T) {
	z3, err := exec.LookPath("z3")
	if err != nil {
		t.Skip("z3 is not installed: apt-get install z3")
	}
	r := rand.New(rand.NewSource(9))
	var questions []smtQuestion
	script := bytes.NewBufferString("(set-option :timeout 500)\n(set-logic QF_S)\n(declare-const x String)\n")
	for len(questions) < 400 {
		w := regular.NewWork(50_000)
		a, b := randomLanguage(r, w, 2), randomLanguage(r, w, 2)
		q := smtQuestion{"all of " + a.name + " is in " + b.name, fmt.Sprintf("(re.inter %s (re.comp %s))", a.smt, b.smt), w.Subtract(a.language, b.language)}
		if len(questions)%2 == 1 {
			q = smtQuestion{"nothing is in " + a.name + " and in " + b.name, fmt.Sprintf("(re.inter %s %s)", a.smt, b.smt), w.Intersect(a.language, b.language)}
		}
		if w.Err() != nil {
			continue
		}
		questions = append(questions, q)
		fmt.Fprintf(script, "(push)\n(assert (str.in_re x (re.* (re.range \"\\u{1}\" \"\\u{2ffff}\"))))\n(assert (str.in_re x %s))\n(check-sat)\n(get-value (x))\n(pop)\n", q.smt)
	}
	cmd := exec.Command(z3, "-in", "-T:120")
	cmd.Stdin = script
	out, _ := cmd.Output() // asked for a text where there is none, it says so and fails
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	if len(lines) != 2*len(questions) {
		t.Fatalf("%d lines for %d questions: %.500s", len(lines), len(questions), out)
	}
	unknown, empty := 0, 0
	for i, q := range questions {
		switch answer := lines[2*i]; answer {
		case "unsat":
			empty++
			if !q.language.IsEmpty() {
				text, _ := q.language.Witness()
				t.Errorf("%s: z3 says so, but see %q", q.name, text)
			}
		case "sat":
			if text := smtText(t, lines[2*i+1]); !q.language.Contains(text) {
				t.Errorf("%s: z3 says not, see %q", q.name, text)
			}
		case "unknown":
			unknown++
		default:
			t.Fatalf("%s: %s", q.name, answer)
		}
	}
	if unknown > len(questions)/10 || empty < 40 || empty > len(questions)-40 {
		t.Errorf("of %d questions z3 does not know %d, and says yes to %d", len(questions), unknown, empty)
	}
}

// randomLanguage is made of patterns by operations so deep.
func randomLanguage(r *rand.Rand, w *regular.Work, depth int) smtQuestion {
	if depth == 0 || r.Intn(3) == 0 {
		p := randomPattern(r)
		return smtQuestion{strconv.Quote(p), smtPattern(p), w.Wildcard(p)}
	}
	a, b := randomLanguage(r, w, depth-1), randomLanguage(r, w, depth-1)
	binary := func(sign, op string, l regular.Language) smtQuestion {
		return smtQuestion{"(" + a.name + sign + b.name + ")", "(" + op + " " + a.smt + " " + b.smt + ")", l}
	}
	switch r.Intn(6) {
	case 0:
		return binary("∪", "re.union", w.Union(a.language, b.language))
	case 1:
		return binary("∩", "re.inter", w.Intersect(a.language, b.language))
	case 2:
		return binary("−", "re.diff", w.Subtract(a.language, b.language))
	case 3:
		return binary("·", "re.++", w.Concat(a.language, b.language))
	case 4:
		return smtQuestion{"¬" + a.name, "(re.comp " + a.smt + ")", w.Complement(a.language)}
	}
	return smtQuestion{a.name + "*", "(re.* " + a.smt + ")", w.Repeat(a.language)}
}

// smtPattern is what a pattern matches, in SMT-LIB's words.
func smtPattern(pattern string) string {
	var b strings.Builder
	b.WriteString(`(re.++ (str.to_re "") (str.to_re "")`)
	for _, c := range pattern {
		switch c {
		case '*':
			b.WriteString(" re.all")
		case '?':
			b.WriteString(" re.allchar")
		default:
			fmt.Fprintf(&b, ` (str.to_re "\u{%x}")`, c)
		}
	}
	return b.String() + ")"
}

var smtEscape = regexp.MustCompile(`\\u\{([0-9a-f]+)\}`)

// smtText is the text of an answer like ((x "a\u{e9}")).
func smtText(t *testing.T, answer string) string {
	t.Helper()
	text, ok := strings.CutPrefix(answer, `((x "`)
	text, end := strings.CutSuffix(text, `"))`)
	if !ok || !end {
		t.Fatalf("%s is no value", answer)
	}
	return smtEscape.ReplaceAllStringFunc(strings.ReplaceAll(text, `""`, `"`), func(e string) string {
		n, err := strconv.ParseInt(smtEscape.FindStringSubmatch(e)[1], 16, 32)
		if err != nil {
			t.Fatal(err)
		}
		return string(rune(n))
	})
}
