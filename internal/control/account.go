package control

import (
	"context"
	"time"

	"mayfly.internal/internal/iam"
	"mayfly.internal/internal/registry"
)

// everything is the resource of an operation on the account as a whole.
var everything = fixed("*")

// AccountDetails are all roles and managed policies of an account.
type AccountDetails struct {
	Roles    []RoleDetails
	Policies []PolicyDetails
}

// RoleDetails are a role and the managed policies attached to it, by name.
type RoleDetails struct {
	Role
	Attached []iam.ManagedPolicy
}

// PolicyDetails are a managed policy and its versions, the newest first.
type PolicyDetails struct {
	ManagedPolicy
	Versions []PolicyVersion
}

// AccountDetails is IAM GetAccountAuthorizationDetails, each list by name.
func (s *Service) AccountDetails(ctx context.Context, c Call) (AccountDetails, error) {
	snap, err := s.read(ctx, c, operation{action: "iam:GetAccountAuthorizationDetails", on: everything})
	if err != nil {
		return AccountDetails{}, err
	}
	var out AccountDetails
	for _, r := range snap.Roles() {
		out.Roles = append(out.Roles, RoleDetails{bounded(snap, r), attached(snap, r)})
	}
	for _, p := range snap.Policies() {
		out.Policies = append(out.Policies, PolicyDetails{ManagedPolicy{p, snap.PolicyUsage(p.ID)}, versions(p)})
	}
	return out, nil
}

// AccountSummary is IAM GetAccountSummary: how many of each there are, and may
// be.
func (s *Service) AccountSummary(ctx context.Context, c Call) (map[string]int, error) {
	snap, err := s.read(ctx, c, operation{action: "iam:GetAccountSummary", on: everything})
	if err != nil {
		return nil, err
	}
	inUse := 0
	for _, p := range snap.Policies() {
		inUse += len(p.Versions)
	}
	out := map[string]int{
		"Roles": len(snap.Roles()) - 1, "RolesQuota": s.quota.Roles, // beside the administrator's
		"Providers": len(snap.Providers()),
		"Policies":  len(snap.Policies()), "PoliciesQuota": s.quota.Policies,
		"PolicyVersionsInUse": inUse, "PolicyVersionsInUseQuota": s.quota.Policies * s.quota.VersionsPerPolicy,
		"VersionsPerPolicyQuota": s.quota.VersionsPerPolicy, "PolicySizeQuota": s.quota.PolicyLength, "RolePolicySizeQuota": s.quota.InlineLength, "AssumeRolePolicySizeQuota": s.quota.TrustLength,
		"AttachedPoliciesPerRoleQuota": s.quota.AttachedPerRole, "GlobalEndpointTokenVersion": 2,
	}
	for _, name := range notHere {
		out[name] = 0
	}
	return out, nil
}

// notHere are the figures about what does not exist here.
var notHere = []string{
	"Users", "UsersQuota", "Groups", "GroupsQuota", "GroupsPerUserQuota", "UserPolicySizeQuota", "GroupPolicySizeQuota", "AttachedPoliciesPerUserQuota", "AttachedPoliciesPerGroupQuota",
	"AccessKeysPerUserQuota", "SigningCertificatesPerUserQuota", "ServerCertificates", "ServerCertificatesQuota", "MFADevices", "MFADevicesInUse", "InstanceProfiles", "InstanceProfilesQuota",
	"AccountMFAEnabled", "AccountAccessKeysPresent", "AccountPasswordPresent", "AccountSigningCertificatesPresent",
}

// CreateAlias is IAM CreateAccountAlias: it takes the place of the one there
// is.
func (s *Service) CreateAlias(ctx context.Context, c Call, alias string) error {
	op := operation{action: "iam:CreateAccountAlias", on: everything, asked: detail{"alias": alias}}
	return s.change(ctx, c, op, func(snap *registry.Snapshot, _ time.Time) (decision, error) {
		if snap.Alias == alias {
			return decision{}, iam.Refuse(iam.AlreadyExists, "The account alias %s already exists.", alias)
		}
		return decision{changes: []registry.Change{registry.SetAlias{Alias: alias}}}, iam.CheckAlias(alias)
	})
}

// Alias is IAM ListAccountAliases: the account's alias, or none.
func (s *Service) Alias(ctx context.Context, c Call) (string, error) {
	snap, err := s.read(ctx, c, operation{action: "iam:ListAccountAliases", on: everything})
	if err != nil {
		return "", err
	}
	return snap.Alias, nil
}

// DeleteAlias is IAM DeleteAccountAlias.
func (s *Service) DeleteAlias(ctx context.Context, c Call, alias string) error {
	op := operation{action: "iam:DeleteAccountAlias", on: everything, asked: detail{"alias": alias}}
	return s.change(ctx, c, op, func(snap *registry.Snapshot, _ time.Time) (decision, error) {
		if snap.Alias == "" || snap.Alias != alias {
			return decision{}, iam.Refuse(iam.NoSuchEntity, "The account alias %s does not exist.", alias)
		}
		return decision{changes: []registry.Change{registry.SetAlias{}}}, nil
	})
}
