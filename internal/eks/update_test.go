package eks_test

import (
	"errors"
	"slices"
	"testing"

	"mayfly.internal/internal/eks"
)

// TestChangeMode: of all pairs of modes, two are steps.
func TestChangeMode(t *testing.T) {
	modes := []eks.AuthenticationMode{eks.ModeConfigMap, eks.ModeAPIAndConfigMap, eks.ModeAPI, "", "api"}
	for i, from := range modes[:3] {
		for j, to := range modes {
			c := cluster()
			c.Mode = from
			got, err := c.ChangeMode(eks.Update{ID: "u", Mode: to, Created: now})
			if j == i+1 && j < 3 {
				if u, ok := got.Update("u"); err != nil || got.Mode != to || !ok || u.Mode != to || len(got.Updates) != 1 {
					t.Errorf("%s to %s: %+v, %v", from, to, got, err)
				}
				continue
			}
			if e, ok := errors.AsType[*eks.Error](err); !ok || e.Reason != eks.InvalidValue || got.Mode != from || len(got.Updates) != 0 {
				t.Errorf("%s to %q: %+v, %v", from, to, got, err)
			}
		}
	}
}

// A cluster that is changed twice from one value has two histories, not one.
func TestChangeModeLeavesTheOldCluster(t *testing.T) {
	c := cluster()
	c.Mode = eks.ModeConfigMap
	c, _ = c.ChangeMode(eks.Update{ID: "1", Mode: eks.ModeAPIAndConfigMap})
	a, _ := c.ChangeMode(eks.Update{ID: "a", Mode: eks.ModeAPI})
	b, _ := c.ChangeMode(eks.Update{ID: "b", Mode: eks.ModeAPI})
	ids := func(c eks.Cluster) (out []string) {
		for _, u := range c.Updates {
			out = append(out, u.ID)
		}
		return out
	}
	if !slices.Equal(ids(a), []string{"1", "a"}) || !slices.Equal(ids(b), []string{"1", "b"}) || !slices.Equal(ids(c), []string{"1"}) {
		t.Errorf("%v, %v of %v", ids(a), ids(b), ids(c))
	}
	if _, ok := a.Update("b"); ok {
		t.Error("an update of nobody's is found")
	}
}
