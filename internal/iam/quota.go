package iam

import "cmp"

// Quotas bound what an account may hold. Lengths count characters that are not
// white space.
type Quotas struct {
	Roles             int // the administrator's is not counted
	Providers         int
	Policies          int // managed policies
	AttachedPerRole   int // managed policies attached to one role
	VersionsPerPolicy int
	PolicyLength      int // of a managed policy
	TrustLength       int // of a trust policy
	InlineLength      int // of all inline policies of a role together
}

// DefaultQuotas are AWS's (IAM User Guide, "IAM and STS quotas").
var DefaultQuotas = Quotas{Roles: 1000, Providers: 100, Policies: 1500, AttachedPerRole: 10, VersionsPerPolicy: 5, PolicyLength: 6144, TrustLength: 2048, InlineLength: 10240}

// MaxQuotas are how far AWS raises them for those who ask; what it raises for
// nobody is as in DefaultQuotas. Roles and providers cost little here, and have
// no bound: 0.
var MaxQuotas = Quotas{Policies: 5000, AttachedPerRole: 20, VersionsPerPolicy: 5, PolicyLength: 6144, TrustLength: 4096, InlineLength: 10240}

// OrDefault is the quotas with the defaults for those that are 0.
func (q Quotas) OrDefault() Quotas {
	d := DefaultQuotas
	return Quotas{
		Roles: cmp.Or(q.Roles, d.Roles), Providers: cmp.Or(q.Providers, d.Providers),
		Policies: cmp.Or(q.Policies, d.Policies), AttachedPerRole: cmp.Or(q.AttachedPerRole, d.AttachedPerRole), VersionsPerPolicy: cmp.Or(q.VersionsPerPolicy, d.VersionsPerPolicy),
		PolicyLength: cmp.Or(q.PolicyLength, d.PolicyLength), TrustLength: cmp.Or(q.TrustLength, d.TrustLength), InlineLength: cmp.Or(q.InlineLength, d.InlineLength),
	}
}
