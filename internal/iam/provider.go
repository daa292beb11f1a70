package iam

import (
	"errors"
	"slices"

	"mayfly.internal/internal/fault"
	"mayfly.internal/internal/oidc"
)

// CheckProviderURL checks the URL a provider is about to be made for.
func CheckProviderURL(url string) error {
	_, err := oidc.ParseProviderURL(url)
	if err == nil {
		return nil
	}
	if e, ok := errors.AsType[*fault.Error](err); ok {
		return Refuse(InvalidValue, "%s", e.Public)
	}
	return Refuse(InvalidValue, "Invalid Open ID Connect Provider URL")
}

// CheckClientIDs checks a provider's audiences and gives them without
// duplicates, in their order. The form of each is the wire's.
func CheckClientIDs(ids []string) ([]string, error) {
	var out []string
	for _, id := range ids {
		if !slices.Contains(out, id) {
			out = append(out, id)
		}
	}
	if len(out) > maxClientIDs {
		return nil, Refuse(LimitExceeded, "Cannot exceed quota for ClientIdsPerOpenIdConnectProvider: %d", maxClientIDs)
	}
	return out, nil
}

// CheckThumbprints checks how many there are; their form is the wire's. They
// are stored and returned and are no anchor of trust.
func CheckThumbprints(prints []string) error {
	if len(prints) > maxThumbprints {
		return Refuse(InvalidInput, "Thumbprint list must contain fewer than %d entries.", maxThumbprints)
	}
	return nil
}
