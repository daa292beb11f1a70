package oidc_test

import (
	"testing"

	"mayfly.internal/internal/fakeissuer"
	"mayfly.internal/internal/jwt"
	"mayfly.internal/internal/oidc"
)

// BenchmarkVerify is the whole check of a job's token, from its text to the
// condition keys of its claims.
func BenchmarkVerify(b *testing.B) {
	w := gitlab(b)
	text := w.issuer.Token(fakeissuer.JobClaims(audience, "my-group/my-project", "main"))
	keys, err := jwt.ParseKeySet(w.issuer.KeySet())
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		u, err := jwt.Parse(text)
		if err != nil {
			b.Fatal(err)
		}
		c, err := oidc.Verify(w.provider, w.settings, u, keys, now)
		if err != nil {
			b.Fatal(err)
		}
		for range c.ConditionKeys("gitlab.example") {
		}
	}
}
