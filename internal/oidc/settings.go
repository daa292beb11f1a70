package oidc

import (
	"time"

	"mayfly.internal/internal/jwt"
)

// Settings is what the operator says about one issuer. The zero value is the
// safe default for an issuer that is no GitLab.
type Settings struct {
	// Algorithms the issuer may sign with. Empty: RS256 alone for a GitLab,
	// which signs with nothing else; otherwise those AWS accepts, RS and ES.
	Algorithms []jwt.Algorithm

	// GitLab says that the issuer signs for jobs and for people alike, so that
	// Verify tells them apart. False: every token is a Workload's.
	GitLab bool

	// LoginClientIDs are the audiences of people who sign in at a GitLab: the
	// ids of its OAuth applications. None: only jobs are accepted. They have
	// no meaning for another issuer.
	LoginClientIDs []string

	// AllowMultipleAudiences accepts a token for several audiences. False: one
	// recipient could use a token at another.
	AllowMultipleAudiences bool

	// MaxTokenAge is how long after its iat a token may be used, whatever its
	// exp. Zero: 24 hours.
	MaxTokenAge time.Duration

	// Use says how often a token may be used. The service that records uses
	// enforces it; Verify only demands the jti it needs. Zero: UseAny.
	Use Use

	// Explain says what a refused caller learns. Zero: ExplainNames.
	Explain Explain
}

// Use says how often one token may be exchanged.
type Use uint8

const (
	UseAny  Use = iota // until it expires
	UseOnce            // once for each target (CONTRACTS §2)
)

// Explain says what a caller whose verified token belongs to a role's projects
// learns when the role refuses it.
type Explain uint8

const (
	ExplainNames  Explain = iota // which of its own claims failed, and what kind was wanted
	ExplainValues                // the policy's values too
)

const defaultMaxTokenAge = 24 * time.Hour // CONTRACTS §2

// DefaultSettings is what holds for an issuer the operator says nothing about.
func DefaultSettings(issuer Issuer) Settings {
	return Settings{GitLab: issuer == "https://gitlab.com"}
}

// AllowedAlgorithms is the algorithms after defaults.
func (s Settings) AllowedAlgorithms() []jwt.Algorithm {
	switch {
	case len(s.Algorithms) > 0:
		return s.Algorithms
	case s.GitLab:
		return []jwt.Algorithm{jwt.RS256}
	}
	return []jwt.Algorithm{jwt.RS256, jwt.RS384, jwt.RS512, jwt.ES256, jwt.ES384, jwt.ES512}
}

func (s Settings) maxTokenAge() time.Duration {
	if s.MaxTokenAge > 0 {
		return s.MaxTokenAge
	}
	return defaultMaxTokenAge
}
