package prove

import (
	"strings"

	"mayfly.internal/internal/arn"
	"mayfly.internal/internal/guard"
	"mayfly.internal/internal/policy"
)

// Claims are what a request says: condition keys and their values, in the order
// of the shape.
type Claims []Claim

// Claim is a condition key and its value.
type Claim struct{ Key, Value string }

// Get is the value of a key; false if the request has none.
func (c Claims) Get(name string) (string, bool) {
	for _, one := range c {
		if policy.SameKey(one.Key, name) {
			return one.Value, true
		}
	}
	return "", false
}

// Token is the claims of the token among the keys, under the names they have
// there: what mayfly can takes with --claims.
func (c Claims) Token(p arn.Provider) map[string]string {
	out := map[string]string{}
	for _, one := range c {
		if claim, ok := strings.CutPrefix(one.Key, p.URL+":"); ok {
			out[claim] = one.Value
		}
	}
	return out
}

// About are the keys that some policies ask about, and whose token it is.
func (c Claims) About(p arn.Provider, docs ...*policy.Document) Claims {
	asked := map[string]bool{policy.FoldKey(p.URL + ":sub"): true}
	for _, d := range docs {
		for _, st := range d.Statements() {
			for _, name := range st.Keys() {
				asked[policy.FoldKey(name)] = true
			}
		}
	}
	var out Claims
	for _, one := range c {
		if asked[policy.FoldKey(one.Key)] {
			out = append(out, one)
		}
	}
	return out
}

// member is one request of a box: for each group its word, or that it is missing.
type member struct {
	word    string
	missing bool
}

// claims are the condition keys of a request of the shape.
func (s *Shape) claims(members []member) Claims {
	var out Claims
	for _, name := range s.names {
		k := s.keys[policy.FoldKey(name)]
		m := members[k.group]
		if m.missing {
			continue
		}
		if value, ok := k.value(m.word); ok {
			out = append(out, Claim{name, value})
		}
	}
	return out
}

// value is the key's value in a word of its group.
func (k key) value(word string) (string, bool) {
	if k.Cases != nil {
		for _, c := range k.Cases {
			if c.Words.Contains(word) {
				return c.Value, true
			}
		}
		return "", false
	}
	tracks := strings.Split(word, "\x00")
	var b strings.Builder
	for _, p := range k.Template {
		if p.Track == 0 {
			b.WriteString(p.Text)
			continue
		}
		b.WriteString(tracks[p.Track-1])
	}
	return b.String(), true
}

// pick is a request of the box that a person can read: what is open is as usual,
// or missing, or filled with words of a kind that occurs.
func (b box) pick() ([]member, bool) {
	if b.empty() {
		return nil, false
	}
	members := make([]member, len(b.parts))
	for i, p := range b.parts {
		if usual := b.shape.groups[i].Usual; usual != "" && p.words.Contains(usual) {
			members[i].word = usual
			continue
		}
		members[i].missing = p.missing
		if !p.missing {
			members[i].word, _ = p.words.Witness(fillers...)
		}
	}
	members[0].word = b.surelyMade(members[0].word)
	return members, true
}

// surelyMade is the word of where a job comes from with ref_protected false, where
// that is in the box too: a merge request's pipeline has it whenever its target is
// not protected, and true only as the project's setting has it.
func (b box) surelyMade(word string) string {
	open, protected := strings.CutSuffix(word, "\x00true")
	if open += "\x00false"; protected && b.shape.origin.ref == guard.MergeRequest && b.parts[0].words.Contains(open) {
		return open
	}
	return word
}

// fillers are what stands where a witness may say anything.
var fillers = []string{"-hotfix", "hotfix", "evil", "v1.0", "web", "deploy"}

// replay asks the evaluator whether a policy lets a request in, as the exchange
// asks it.
func replay(doc *policy.Document, p arn.Provider, claims Claims) policy.Decision {
	var b policy.ContextBuilder
	for _, c := range claims {
		b.Set(c.Key, c.Value)
	}
	ctx, err := b.Context()
	if err != nil {
		return policy.Decision{}
	}
	return policy.Evaluate(policy.Request{Principal: policy.FederatedPrincipal(p), Action: actionWebIdentity, Resource: "*", Context: ctx},
		policy.Set{Resource: []*policy.Document{doc}, ResourceAccount: p.Account})
}
