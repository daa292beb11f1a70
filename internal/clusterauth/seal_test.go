package clusterauth

import (
	"bytes"
	"errors"
	"maps"
	"testing"
	"time"

	"mayfly.internal/internal/eks"
	"mayfly.internal/internal/session"
)

// plainSealer binds text to its associated data in the open: enough to see what
// is sealed.
type plainSealer struct{}

func (plainSealer) Seal(plain, ad []byte) ([]byte, error) {
	return append(append([]byte{byte(len(ad))}, ad...), plain...), nil
}

func (plainSealer) Open(sealed, ad []byte) ([]byte, error) {
	if len(sealed) < 1+len(ad) || int(sealed[0]) != len(ad) || !bytes.Equal(sealed[1:1+len(ad)], ad) {
		return nil, errors.New("not sealed so")
	}
	return sealed[1+len(ad):], nil
}

var _ session.Sealer = plainSealer{}

// A LocalSubjectAccessReview lets its author write extra: only Review's own,
// whole, may count.
func TestSealHoldsExtraTogether(t *testing.T) {
	s := &Service{Config: Config{Sealer: plainSealer{}}}
	const account = "111122223333"
	cluster := eks.Cluster{ID: "c1", Name: "my-cluster"}
	id, err := s.seal(eks.Identity{UID: eks.UIDOf(account, "AROA1"), Extra: map[string][]string{
		eks.ExtraARN: {"arn:aws:sts::111122223333:assumed-role/deploy/s"}, eks.ExtraPrincipalID: {"AROA1"}, eks.ExtraSession: {"00ff"}, eks.ExtraExpires: {"1"}, eks.ExtraEntry: {"u"}, eks.ExtraChain: {"AROA2", "AROA3"}, "gitlab.com/ref": {"main"},
	}}, cluster, account)
	if err != nil {
		t.Fatal(err)
	}
	in := AccessInput{Cluster: cluster, UID: id.UID, Extra: id.Extra}
	if !s.genuine(in, account) {
		t.Fatal("what Review answered does not count")
	}
	for name, change := range map[string]func(*AccessInput){
		"another session": func(in *AccessInput) { in.Extra[eks.ExtraSession] = []string{"00fe"} },
		"another name": func(in *AccessInput) {
			in.Extra[eks.ExtraARN] = []string{"arn:aws:sts::111122223333:assumed-role/deploy/victim"}
		},
		"a longer life":        func(in *AccessInput) { in.Extra[eks.ExtraExpires] = []string{"2"} },
		"another entry":        func(in *AccessInput) { in.Extra[eks.ExtraEntry] = []string{"v"} },
		"no entry":             func(in *AccessInput) { delete(in.Extra, eks.ExtraEntry) },
		"an entry twice":       func(in *AccessInput) { in.Extra[eks.ExtraEntry] = []string{"u", "u"} },
		"a value split in two": func(in *AccessInput) { in.Extra[eks.ExtraSession] = []string{"00", "ff"} },
		"a value moved to a sister": func(in *AccessInput) {
			in.Extra[eks.ExtraIssuer], in.Extra[eks.ExtraEntry] = in.Extra[eks.ExtraEntry], nil
		},
		"no chain":            func(in *AccessInput) { delete(in.Extra, eks.ExtraChain) },
		"a chain cut short":   func(in *AccessInput) { in.Extra[eks.ExtraChain] = in.Extra[eks.ExtraChain][:1] },
		"another uid":         func(in *AccessInput) { in.UID = eks.UIDOf(account, "AROA2") },
		"another cluster":     func(in *AccessInput) { in.Cluster.ID = "c2" },
		"no seal":             func(in *AccessInput) { delete(in.Extra, extraSeal) },
		"the seal twice":      func(in *AccessInput) { in.Extra[extraSeal] = append(in.Extra[extraSeal], in.Extra[extraSeal]...) },
		"a seal that is none": func(in *AccessInput) { in.Extra[extraSeal] = []string{"AAAA"} },
	} {
		other := in
		other.Extra = maps.Clone(in.Extra)
		change(&other)
		if s.genuine(other, account) {
			t.Errorf("%s: it counts", name)
		}
	}
	if s.genuine(in, "111122223334") {
		t.Error("another account's seal counts")
	}
}

func TestAllowKeysAreBoundedAndDistinct(t *testing.T) {
	if newAllowKey("a", "b", "c") == newAllowKey("ab", "", "c") || newAllowKey("a", "b") == newAllowKey("a", "b", "") {
		t.Error("two lists of texts have one key")
	}
}

func TestBudgetIsTheRolesOwn(t *testing.T) {
	b, now := newBudget(2), time.Unix(0, 0)
	for range 2 {
		if !b.take("c AROA1", now) {
			t.Fatal("refused within the budget")
		}
	}
	if b.take("c AROA1", now) {
		t.Error("more than the budget")
	}
	if !b.take("c AROA2", now) || !b.take("d AROA1", now) {
		t.Error("one role uses up another's budget")
	}
	if !b.take("c AROA1", now.Add(time.Minute)) {
		t.Error("the next minute begins empty")
	}
}

func TestOnceForgetsWhatFailed(t *testing.T) {
	o := newOnce[string, struct{}](time.Minute)
	for range 3 {
		if err := o.only(t.Context(), "k", time.Unix(0, 0), func() error { return errors.New("no") }); err == nil {
			t.Fatal("a failure passed for a success")
		}
	}
	if len(o.recent) != 0 {
		t.Errorf("%d failures are remembered", len(o.recent))
	}
}
