package prove

import (
	"fmt"
	"strings"
	"testing"

	"mayfly.internal/internal/guard"
	"mayfly.internal/internal/policy"
	"mayfly.internal/internal/regular"
)

// TestAsWritten: what is read off a statement's text is what is found by working
// it out.
func TestAsWritten(t *testing.T) {
	t.Parallel()
	read := 0
	for _, components := range []string{"[project_path, ref_type, ref]", "[project_path, ref]", "[project_id, ref]", "[project_path, ref, ref_type]", "[project_path, ref_protected, ref]"} {
		f, err := guard.Decode([]byte(strings.Replace(facts, "[project_path, ref_type, ref]", components, 1)))
		if err != nil {
			t.Fatal(err)
		}
		is := NewWorld(nil, &Issuer{Provider: gitlab, Facts: f}).issuers[0]
		for _, operator := range []string{"StringLike", "StringEquals", "StringEqualsIgnoreCase", "StringNotLike", "ForAllValues:StringLike"} {
			for _, lead := range []string{"project_path:acme/web:ref_type:branch:ref:", "project_path:acme/web:ref:", "project_id:7:ref:", "*", "project_path:acme/web:ref_protected:true:ref:"} {
				for _, ref := range []string{"main", "*", "**", "?*", "release/*", "ma?n", "v*-?*", "${$}x*", "${gitlab.example.com:project_id}*", "main:*"} {
					for _, more := range []string{"", `,"x"`, `},"StringEquals":{"$:project_id":"7","$:namespace_path":"acme"`, `},"Bool":{"$:ref_protected":"true"`, `},"StringNotEquals":{"$:ref":"main"`} {
						value := fmt.Sprintf(`["%s%s"]`, lead, ref)
						if more == `,"x"` {
							value, more = fmt.Sprintf(`["%s%s","%sx"]`, lead, ref, lead), ""
						}
						text := strings.ReplaceAll(fmt.Sprintf(`{"%s":{"$:sub":%s%s}}`, operator, value, more), "$:", gitlab.URL+":")
						doc, err := policy.Parse(policy.Trust, fmt.Appendf(nil, `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":{"Federated":%q},"Action":"sts:AssumeRoleWithWebIdentity","Condition":%s}}`, gitlab, text))
						if err != nil {
							continue // an operator twice
						}
						if readOff(t, is, &f.Projects[0], doc) {
							read++
						}
					}
				}
			}
		}
	}
	if read < 30 {
		t.Errorf("%d are read off: the test says little", read)
	}
	t.Log(read)
}

// readOff compares the refs of a policy's one statement as it says them with
// those of the words it takes; false if none can be read off it.
func readOff(t *testing.T, is *issuerWorld, p *guard.Project, doc *policy.Document) (any bool) {
	t.Helper()
	j := &judgement{issuerWorld: is, work: regular.NewWork(maxStates), doc: doc, statement: doc.Statements()[0], taken: map[*Shape]region{}}
	for _, s := range is.world(p).shapes {
		for _, b := range j.takes(s).perhaps {
			if _, ok := j.asWritten(s); !ok {
				continue
			}
			any = true
			refs, said := j.refsOf(s, b)
			found := j.work.Image(b.parts[0].words, template(trackRef), originTracks)
			if want := j.work.Describe(found, s.refNames(), patternsOf(j.statement)...).String(); !refs.Equal(found) || said.String() != want {
				t.Errorf("%s of %s: %s, want %s", j.statement.Conditions()[0].Values()[0].Text(), s.Name, said, want)
			}
		}
	}
	if j.work.Err() != nil {
		t.Fatal(j.work.Err())
	}
	return any
}
