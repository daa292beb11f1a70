package eks

import (
	"slices"
	"strings"
	"time"

	"mayfly.internal/internal/arn"
)

// Standard is the one type of access entry there is here.
const Standard = "STANDARD"

// nodeTypes are the entry types of AWS's own nodes. Their user names carry a
// caller-chosen session name into system:node:…, so they are refused by name.
var nodeTypes = []string{"FARGATE_LINUX", "EC2_LINUX", "EC2_WINDOWS", "EC2", "HYBRID_LINUX", "HYPERPOD_LINUX"}

// AccessEntry ties a principal to a Kubernetes identity in one cluster.
type AccessEntry struct {
	ClusterID    string
	Cluster      string // its name
	PrincipalARN string // as given: a role's ARN
	// PrincipalID is what the entry is found by: the role's id at creation (AROA…; a
	// role made anew under the name is another), or the canonical ARN of a
	// principal of a real AWS account (CanonicalARN).
	PrincipalID string
	UUID        string
	Username    string // a template; empty: the default of the principal
	Groups      []string
	Tags        map[string]string
	Created     time.Time
	Modified    time.Time
	Policies    []Association
}

// Association is one access policy of an entry.
type Association struct {
	PolicyARN  string
	Scope      Scope
	Associated time.Time
	Modified   time.Time
}

// ARN is the entry's own name:
// arn:aws:eks:REGION:ACCOUNT:access-entry/CLUSTER/role/ACCOUNT/ROLE/UUID, or
// user/ACCOUNT/USER.
func (e AccessEntry) ARN(c Cluster) string {
	a, kind, name := e.principal()
	if kind == "" {
		return "" // unreachable: entries are made for roles and users only
	}
	return arn.ARN{Partition: arn.Partition, Service: "eks", Region: c.Region, Account: string(c.Account),
		Resource: "access-entry/" + c.Name + "/" + kind + "/" + a.Account + "/" + name + "/" + e.UUID}.String()
}

// principal takes the principal's ARN apart.
func (e AccessEntry) principal() (a arn.ARN, kind, name string) {
	a, err := arn.Parse(e.PrincipalARN)
	if err != nil {
		return arn.ARN{}, "", ""
	}
	kind, _, _ = strings.Cut(a.Resource, "/")
	return a, kind, a.Resource[strings.LastIndexByte(a.Resource, '/')+1:]
}

// UsernameTemplate is the entry's user name before its placeholders are
// filled in (EKS User Guide, "Create access entries", default user names).
func (e AccessEntry) UsernameTemplate() string {
	if e.Username != "" {
		return e.Username
	}
	a, kind, name := e.principal()
	if kind != "role" {
		return e.PrincipalARN
	}
	return "arn:" + a.Partition + ":sts::" + a.Account + ":assumed-role/" + name + "/{{SessionName}}"
}

// Limits of the EKS model.
const (
	maxGroups   = 50  // our bound: the API server takes any number
	maxGroupLen = 253 // our bound: the length of a Kubernetes name
	maxUsername = 1024
	// maxMappedGroups bounds the groups of an aws-auth entry, so that a review of
	// its user stays below kubewire.MaxReviewBytes.
	maxMappedGroups = 250
	maxTags         = 50 // EKS model, TagMap
	maxNamespaces   = 100
	maxAssociations = 50 // our bound: a request asks them one by one
)

// reservedUsernames are the prefixes EKS refuses for user names, and ours: the
// aws-auth reader is called mayfly:…, and nobody else.
var reservedUsernames = []string{"system:", "eks:", "aws:", "amazon:", "iam:", ownPrefix}

const ownPrefix = "mayfly:"

// CheckType refuses every entry type but STANDARD, by name.
func CheckType(t string) error {
	switch {
	case t == "" || t == Standard:
		return nil
	case slices.Contains(nodeTypes, t):
		return refuse(NotSupported, "The access entry type %s is not supported: only STANDARD is. Its user name would be made of a session name that the caller chooses.", t)
	}
	return refuse(InvalidValue, "The access entry type %q is not known.", clip(t))
}

// CheckUsername checks an explicit user name of an entry.
func CheckUsername(name string) error {
	for _, prefix := range reservedUsernames {
		if strings.HasPrefix(name, prefix) {
			return refuse(InvalidValue, "The username must not begin with %s", prefix)
		}
	}
	if len(name) > maxUsername {
		return refuse(InvalidValue, "The username is longer than %d characters", maxUsername)
	}
	if hasControl(name) {
		return refuse(InvalidValue, "The username holds a control character")
	}
	t, err := parseTemplate(name)
	if err != nil {
		return err
	}
	return t.checkUsername()
}

// CheckGroups checks the Kubernetes groups of an entry. A group is fixed text:
// a placeholder in it would let the caller choose its own group.
func CheckGroups(groups []string) error {
	if len(groups) > maxGroups {
		return refuse(InvalidValue, "More than %d Kubernetes groups", maxGroups)
	}
	for _, g := range groups {
		switch {
		case g == "" || len(g) > maxGroupLen || hasControl(g):
			return refuse(InvalidValue, "The kubernetes group name %q is invalid: 1 to %d characters without control characters are wanted", clip(g), maxGroupLen)
		case strings.HasPrefix(g, "system:"):
			return refuse(InvalidValue, "The kubernetes group name %s is invalid, it cannot start with system:", clip(g))
		case strings.Contains(g, "{{"):
			return refuse(InvalidValue, "The kubernetes group name %s is invalid: a group is fixed text, placeholders are not allowed in it", clip(g))
		}
	}
	return nil
}

// CheckTags checks the tags of a cluster or an entry.
func CheckTags(tags map[string]string) error {
	if len(tags) > maxTags {
		return refuse(InvalidValue, "More than %d tags", maxTags)
	}
	for k, v := range tags {
		if k == "" || len(k) > 128 || len(v) > 256 || strings.HasPrefix(strings.ToLower(k), "aws:") {
			return refuse(InvalidValue, "The tag %q is invalid: a key of 1 to 128 characters that does not begin with aws: and a value of 256 at most are wanted", clip(k))
		}
	}
	return nil
}

// CheckScope checks an access scope as it arrives.
func CheckScope(s Scope) error {
	switch s.Type {
	case ClusterScope:
		if len(s.Namespaces) > 0 {
			return refuse(InvalidValue, "The access scope of type cluster takes no namespaces")
		}
		return nil
	case NamespaceScope:
		if len(s.Namespaces) == 0 || len(s.Namespaces) > maxNamespaces {
			return refuse(InvalidValue, "The access scope of type namespace needs 1 to %d namespaces", maxNamespaces)
		}
		for _, ns := range s.Namespaces {
			if !isNamespacePattern(ns) {
				return refuse(InvalidValue, "The namespace %q is invalid: a DNS label is wanted, in which * may stand for any run of characters", clip(ns))
			}
		}
		return nil
	}
	return refuse(InvalidValue, "The access scope type %q is invalid: cluster or namespace is wanted", clip(string(s.Type)))
}

// isNamespacePattern reports whether some DNS label (RFC 1123 §2.1) could match
// the text.
func isNamespacePattern(text string) bool {
	if text == "" || len(text) > 63 || text[0] == '-' || text[len(text)-1] == '-' {
		return false
	}
	return strings.Trim(text, "abcdefghijklmnopqrstuvwxyz0123456789-*") == "" && !strings.Contains(text, "**")
}

func hasControl(s string) bool {
	return strings.ContainsFunc(s, func(r rune) bool { return r < 0x20 || r == 0x7f })
}

// Associate is the entry with a policy associated, replacing the scope of one
// that is associated already (EKS AssociateAccessPolicy).
func (e AccessEntry) Associate(policyARN string, s Scope, now time.Time) AccessEntry {
	e.Policies = slices.Clone(e.Policies)
	for i, a := range e.Policies {
		if a.PolicyARN == policyARN {
			e.Policies[i].Scope, e.Policies[i].Modified = s, now
			return e
		}
	}
	e.Policies = append(e.Policies, Association{PolicyARN: policyARN, Scope: s, Associated: now, Modified: now})
	return e
}

// Association is the entry's association of a policy.
func (e AccessEntry) Association(policyARN string) (Association, bool) {
	i := slices.IndexFunc(e.Policies, func(a Association) bool { return a.PolicyARN == policyARN })
	if i < 0 {
		return Association{}, false
	}
	return e.Policies[i], true
}

// CheckAssociations refuses an entry with more policies than a request can be
// asked about.
func (e AccessEntry) CheckAssociations() error {
	if len(e.Policies) > maxAssociations {
		return refuse(TooMany, "An access entry has %d access policies at most", maxAssociations)
	}
	return nil
}

// Disassociate is the entry without a policy; ok is false if it had none of
// that ARN.
func (e AccessEntry) Disassociate(policyARN string) (_ AccessEntry, ok bool) {
	i := slices.IndexFunc(e.Policies, func(a Association) bool { return a.PolicyARN == policyARN })
	if i < 0 {
		return e, false
	}
	e.Policies = slices.Delete(slices.Clone(e.Policies), i, i+1)
	return e, true
}
