package prove

import (
	"strings"
	"testing"

	"mayfly.internal/internal/guard"
)

// TestBudget: however little a question may cost, nothing is said that is not so,
// and nobody falls over what was left undone.
func TestBudget(t *testing.T) {
	t.Parallel()
	odd := strings.Replace(facts, "[project_path, ref_type, ref]", "[project_path, ref_protected]", 1)
	for name, tt := range map[string]struct{ facts, statements string }{
		"proven":             {facts, allowing(`"StringEquals":{"$:sub":"project_path:acme/web:ref_type:branch:ref:production","$:project_id":"7","$:pipeline_source":"push"}`)},
		"refuted":            {facts, allowing(`"StringLike":{"$:sub":"project_path:acme/web:ref_type:branch:ref:prod*"}`)},
		"a pattern of paths": {facts, allowing(`"StringLike":{"$:sub":"project_path:acme/*"}`)},
		"odd strangers":      {facts, allowing(`"StringNotLike":{"$:sub":["*protected:true","project_path:*/web:ref:main"]},"StringLike":{"$:project_path":["acme/??i","other/x"]}`)},
		"sub denied":         {odd, allowing(`"StringLike":{"$:project_id":"7"},"StringNotEqualsIgnoreCase":{"$:sub":["project_path:acme/web:ref_type:${$:ref_type}:ref:*","*"]}`)},
		"guards":             {facts, allowing(`"StringLike":{"$:sub":"project_path:acme/*"},"Bool":{"mayfly:guard/protected":"true"}`)},
		"a Deny": {facts, allowing(`"StringEquals":{"$:project_id":"7"}`) +
			`,{"Effect":"Deny","Principal":"*","Action":"sts:*","Condition":{"StringNotLike":{"$:sub":"*:ref:production"}}}`},
	} {
		f, err := guard.Decode([]byte(tt.facts))
		if err != nil {
			t.Fatal(err)
		}
		doc := parseTrust(t, strings.ReplaceAll(tt.statements, "${$:", "${"+gitlab.URL+":"))
		check := func(states int) Report {
			w := NewWorld(guard.Default(), &Issuer{Provider: gitlab, Facts: f})
			w.issuers[0].states = states
			return w.Check("r", doc)
		}
		whole, less := check(0), 0
		for states := 1; states < 150_000; states += states/Fewer(5) + 1 {
			r := check(states)
			if r.Verdict != whole.Verdict {
				less++
			}
			if r.Verdict != whole.Verdict && r.Verdict != Unknown {
				t.Errorf("%s, %d states: %s, and it is %s", name, states, r.Verdict, whole.Verdict)
			}
		}
		if less == 0 && whole.Verdict != Unknown {
			t.Errorf("%s: it is %s however little it costs", name, whole.Verdict)
		}
	}
}
