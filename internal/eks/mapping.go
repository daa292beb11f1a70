package eks

import (
	"strings"
)

// Mappings are what a cluster's aws-auth ConfigMap says.
type Mappings struct {
	Roles    []Mapping
	Users    []Mapping
	Accounts []string // every principal of these is let in, under its ARN and in no group
}

// Mapping ties an ARN to a Kubernetes identity.
type Mapping struct {
	ARN      string // of a role without its path, or of a user
	Username string // a template; empty: the canonical ARN
	Groups   []string
}

// Find is the mapping of a principal: that of its role, compared without regard
// to case, else that of its account. Where two name one role the later counts,
// as in aws-iam-authenticator.
func (m Mappings) Find(p Principal) (Mapping, bool) {
	for i := len(m.Roles) - 1; i >= 0; i-- {
		if strings.EqualFold(m.Roles[i].ARN, p.CanonicalARN) {
			return m.Roles[i].orDefault(p), true
		}
	}
	for _, a := range m.Accounts {
		if a == p.Account {
			return Mapping{ARN: p.CanonicalARN}.orDefault(p), true
		}
	}
	return Mapping{}, false
}

func (m Mapping) orDefault(p Principal) Mapping {
	if m.Username == "" {
		m.Username = p.CanonicalARN
	}
	return m
}
