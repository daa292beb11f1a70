package control_test

import (
	"crypto/rand"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"mayfly.internal/internal/arn"
	"mayfly.internal/internal/audit"
	"mayfly.internal/internal/control"
	"mayfly.internal/internal/eks"
	"mayfly.internal/internal/iam"
	"mayfly.internal/internal/policy"
	"mayfly.internal/internal/registry"
	"mayfly.internal/internal/session/sessiontest"
)

// reason is an error's reason and sentence: "no such entity: The role …".
func reason(err error) string {
	if err == nil {
		return ""
	}
	if e, ok := errors.AsType[*iam.Error](err); ok {
		return e.Reason.String() + ": " + e.Detail
	}
	if e, ok := errors.AsType[*control.Error](err); ok {
		return e.Reason.String() + ": " + e.Detail
	}
	if e, ok := errors.AsType[*eks.Error](err); ok {
		return "eks: " + e.Detail
	}
	if e, ok := errors.AsType[*policy.SyntaxError](err); ok {
		return "malformed: " + e.Detail
	}
	return err.Error()
}

// TestRefusals: every refusal of every operation, in AWS's words where they are
// known. None of them changes anything, and each is recorded.
func TestRefusals(t *testing.T) {
	w := newWorld(t)
	ctx, admin := t.Context(), w.admin()
	us := admin
	us.Info.Region = "us-east-1"
	const noProvider, noRole = "arn:aws:iam::111122223333:oidc-provider/none.example", "arn:aws:iam::111122223333:role/none"
	create := func(change func(*control.EntryInput)) func() error {
		return func() error {
			in := control.EntryInput{Principal: secondARN}
			change(&in)
			_, _, err := w.CreateEntry(ctx, admin, "prod", in)
			return err
		}
	}
	update := func(name string, mode eks.AuthenticationMode, token string) func() error {
		return func() error { _, err := w.UpdateMode(ctx, admin, name, mode, token); return err }
	}
	makePolicy := func(name string, rules []eks.Rule) func() error {
		return func() error { _, err := w.CreateAccessPolicy(ctx, admin, name, rules); return err }
	}
	changePolicy := func(name string, rules []eks.Rule) func() error {
		return func() error { _, _, err := w.UpdateAccessPolicy(ctx, admin, name, rules); return err }
	}
	register := func(change func(*eks.Cluster)) func() error {
		return func() error {
			k := cluster("new")
			change(&k)
			_, err := w.RegisterCluster(ctx, admin, k)
			return err
		}
	}
	makeRole := func(change func(*control.RoleInput)) func() error {
		return func() error {
			in := control.RoleInput{Name: "new", Trust: trust}
			change(&in)
			_, err := w.CreateRole(ctx, admin, in)
			return err
		}
	}
	const noPolicy, awsPolicy, twoARN = "arn:aws:iam::111122223333:policy/none", "arn:aws:iam::aws:policy/AdministratorAccess", "arn:aws:iam::111122223333:policy/two"
	long := strings.Replace(describe, `"Effect"`, `"Sid":"`+strings.Repeat("x", 6100)+`","Effect"`, 1)
	makeManaged := func(change func(*control.PolicyInput)) func() error {
		return func() error {
			in := control.PolicyInput{Name: "new", Document: describe}
			change(&in)
			_, err := w.CreatePolicy(ctx, admin, in)
			return err
		}
	}
	if err := makeManaged(func(p *control.PolicyInput) { p.Name = "two" })(); err != nil {
		t.Fatal(err)
	}
	if _, err := w.CreatePolicyVersion(ctx, admin, twoARN, describe, true); err != nil {
		t.Fatal(err)
	}
	if err := makeRole(func(r *control.RoleInput) { r.Name = "inline" })(); err != nil {
		t.Fatal(err)
	}
	if err := w.PutRolePolicy(ctx, admin, "inline", "p", describe); err != nil {
		t.Fatal(err)
	}
	makeProvider := func(change func(*control.ProviderInput)) func() error {
		return func() error {
			in := control.ProviderInput{URL: "https://new.example"}
			change(&in)
			_, err := w.CreateProvider(ctx, admin, in)
			return err
		}
	}
	associate := func(policyARN string, scope eks.Scope) func() error {
		return func() error { _, err := w.AssociatePolicy(ctx, admin, "prod", roleARN, policyARN, scope); return err }
	}
	whole := eks.Scope{Type: eks.ClusterScope}
	ours := iam.AdminName
	const unmodifiable = "unmodifiable: The role mayfly-admin is Mayfly's own and cannot be changed."
	const noEntry = "no such access entry: The specified principalArn could not be found. You can view your available access entries with 'list-access-entries'."
	const badPrincipal = "invalid principal: The specified principalArn is invalid: invalid principal"
	const mode = "eks: The cluster's authentication mode must be set to one of [API, API_AND_CONFIG_MAP] to perform this operation."
	for _, tt := range []struct {
		name string
		want string // what the reason begins with
		do   func() error
		read bool // not recorded: only denied reads are
	}{
		{"a provider twice", "already exists: Provider with url https://gitlab.example already exists.", makeProvider(func(p *control.ProviderInput) { p.URL = "https://gitlab.example" }), false},
		{"a provider of plain http", "invalid value: Invalid Open ID Connect Provider URL", makeProvider(func(p *control.ProviderInput) { p.URL = "http://new.example" }), false},
		{"a provider that would forge keys", "invalid value: Invalid Open ID Connect Provider URL", makeProvider(func(p *control.ProviderInput) { p.URL = "https://aws" }), false},
		{"a provider of 101 audiences", "limit exceeded: Cannot exceed quota for ClientIdsPerOpenIdConnectProvider: 100", makeProvider(func(p *control.ProviderInput) { p.ClientIDs = numbered(101) }), false},
		{"a provider of six thumbprints", "invalid input: Thumbprint list must contain fewer than 5 entries.", makeProvider(func(p *control.ProviderInput) { p.Thumbprints = numbered(6) }), false},
		{"a provider with a tag twice", "invalid input: Duplicate tag keys found. Please note that Tag keys are case insensitive.", makeProvider(func(p *control.ProviderInput) { p.Tags = []iam.Tag{{Key: "a"}, {Key: "A"}} }), false},
		{"no such provider", "no such entity: OpenIDConnect Provider not found for arn " + noProvider, func() error { _, err := w.Provider(ctx, admin, noProvider); return err }, true},
		{"deleting no such provider", "no such entity: OpenIDConnect Provider not found for arn " + noProvider, func() error { return w.DeleteProvider(ctx, admin, noProvider) }, false},
		{"a provider in another account", "no such entity: ", func() error {
			return w.DeleteProvider(ctx, admin, strings.Replace(providerARN, "1111", "9999", 1))
		}, false},
		{"a provider in other case", "no such entity: ", func() error { return w.DeleteProvider(ctx, admin, strings.Replace(providerARN, "gitlab", "GitLab", 1)) }, false},
		{"a provider that is no ARN", "invalid value: Invalid ARN:  Could not be parsed!", func() error { return w.AddClientID(ctx, admin, "https://gitlab.example", "x") }, false},
		{"a provider's ARN for a role's", "invalid value: Invalid ARN:  Could not be parsed!", func() error { return w.RemoveClientID(ctx, admin, roleARN, "x") }, false},
		{"no thumbprint at all", "invalid input: Thumbprint list must contain at least one entry.", func() error { return w.SetThumbprints(ctx, admin, providerARN, nil) }, false},
		{"six thumbprints", "invalid input: Thumbprint list must contain fewer than 5 entries.", func() error { return w.SetThumbprints(ctx, admin, providerARN, numbered(6)) }, false},

		{"a role twice", "already exists: Role with name deployer already exists.", makeRole(func(r *control.RoleInput) { r.Name = "deployer" }), false},
		{"a role in other case", "already exists: Role with name DEPLOYER already exists.", makeRole(func(r *control.RoleInput) { r.Name = "DEPLOYER" }), false},
		{"a role under another path", "already exists: Role with name deployer already exists.", makeRole(func(r *control.RoleInput) { r.Name, r.Path = "deployer", "/other/" }), false},
		{"the administrator's role", "unmodifiable: ", makeRole(func(r *control.RoleInput) { r.Name = "Mayfly-ADMIN" }), false},
		{"a role without trust", "malformed: ", makeRole(func(r *control.RoleInput) { r.Trust = "" }), false},
		{"a role that trusts everyone at gitlab.com", "malformed policy: ", makeRole(func(r *control.RoleInput) {
			r.Trust = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Federated":"arn:aws:iam::111122223333:oidc-provider/gitlab.com"},"Action":"sts:AssumeRoleWithWebIdentity"}]}`
		}), false},
		{"a role that trusts a role that does not exist", "malformed: ", makeRole(func(r *control.RoleInput) {
			r.Trust = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::111122223333:role/none"},"Action":"sts:AssumeRole"}]}`
		}), false},
		{"a role that trusts a role by another path", "malformed: ", makeRole(func(r *control.RoleInput) {
			r.Trust = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::111122223333:role/deployer"},"Action":"sts:AssumeRole"}]}`
		}), false},
		{"a role whose sessions are too long", "invalid value: ", makeRole(func(r *control.RoleInput) { r.MaxSession = 13 * time.Hour }), false},
		{"no such role", "no such entity: The role with name none cannot be found.", func() error { _, err := w.Role(ctx, admin, "none"); return err }, true},
		{"deleting no such role", "no such entity: The role with name none cannot be found.", func() error { return w.DeleteRole(ctx, admin, "none") }, false},
		{"deleting a role with an attached policy", "in use: Cannot delete entity, must detach all policies first.", func() error { return w.DeleteRole(ctx, admin, "deployer") }, false},
		{"deleting a role with an inline policy", "in use: Cannot delete entity, must delete policies first.", func() error { return w.DeleteRole(ctx, admin, "inline") }, false},
		{"a role bounded by no such policy", "no such entity: Scope ARN: " + noPolicy + " does not exist or is not attachable.", makeRole(func(r *control.RoleInput) { r.BoundaryARN = noPolicy }), false},
		{"a role bounded by one of AWS's", "no such entity: Scope ARN: " + awsPolicy + " does not exist or is not attachable. AWS's own managed policies do not exist here: create it as a customer managed policy", makeRole(func(r *control.RoleInput) { r.BoundaryARN = awsPolicy }), false},
		{"a role bounded by what is no ARN", "invalid value: Invalid ARN:  Could not be parsed!", makeRole(func(r *control.RoleInput) { r.BoundaryARN = "limit" }), false},

		{"a policy twice", "already exists: A policy called limit already exists. Duplicate names are not allowed.", makeManaged(func(p *control.PolicyInput) { p.Name = "limit" }), false},
		{"a policy in other case", "already exists: ", makeManaged(func(p *control.PolicyInput) { p.Name = "LIMIT" }), false},
		{"a policy under another path", "already exists: ", makeManaged(func(p *control.PolicyInput) { p.Name, p.Path = "limit", "/other/" }), false},
		{"a policy without a name", "invalid value: ", makeManaged(func(p *control.PolicyInput) { p.Name = "" }), false},
		{"a policy with a path of other characters", "invalid value: ", makeManaged(func(p *control.PolicyInput) { p.Path = "/a!b/" }), false},
		{"a policy without a document", "malformed: ", makeManaged(func(p *control.PolicyInput) { p.Document = "" }), false},
		{"a trust policy", "malformed: ", makeManaged(func(p *control.PolicyInput) { p.Document = trust }), false},
		{"a policy of the old version", "malformed: Policy document must be version 2012-10-17 or greater.", makeManaged(func(p *control.PolicyInput) { p.Document = strings.Replace(describe, "2012", "2008", 1) }), false},
		{"a policy that is too long", "limit exceeded: Cannot exceed quota for PolicySize: 6144", makeManaged(func(p *control.PolicyInput) { p.Document = long }), false},
		{"a policy with a tag twice", "invalid input: Duplicate tag keys found.", makeManaged(func(p *control.PolicyInput) { p.Tags = []iam.Tag{{Key: "a"}, {Key: "A"}} }), false},
		{"no such managed policy", "no such entity: Policy " + noPolicy + " was not found.", func() error { _, err := w.Policy(ctx, admin, noPolicy); return err }, true},
		{"a managed policy in other case", "no such entity: ", func() error { return w.DeletePolicy(ctx, admin, strings.Replace(spareARN, "spare", "Spare", 1)) }, false},
		{"a managed policy without its path", "no such entity: ", func() error { return w.DeletePolicy(ctx, admin, strings.Replace(givenARN, "/ci/", "/", 1)) }, false},
		{"a managed policy of another account", "no such entity: ", func() error { return w.DeletePolicy(ctx, admin, strings.Replace(spareARN, "1111", "9999", 1)) }, false},
		{"a managed policy of AWS's", "no such entity: Policy " + awsPolicy + " was not found. AWS's own", func() error { _, err := w.Policy(ctx, admin, awsPolicy); return err }, true},
		{"a role's ARN for a policy's", "invalid value: Invalid ARN:  Could not be parsed!", func() error { return w.DeletePolicy(ctx, admin, roleARN) }, false},
		{"deleting an attached policy", "in use: Cannot delete a policy attached to entities.", func() error { return w.DeletePolicy(ctx, admin, givenARN) }, false},
		{"deleting a boundary", "in use: Cannot delete a policy attached to entities.", func() error { return w.DeletePolicy(ctx, admin, limitARN) }, false},
		{"deleting a policy of two versions", "in use: This policy has more than one version. Before you delete a policy, you must delete the policy's versions. The default version is deleted with the policy.", func() error { return w.DeletePolicy(ctx, admin, twoARN) }, false},
		{"a version of no such policy", "no such entity: ", func() error { _, err := w.CreatePolicyVersion(ctx, admin, noPolicy, describe, false); return err }, false},
		{"a version that is none", "malformed: ", func() error { _, err := w.CreatePolicyVersion(ctx, admin, spareARN, "{}", true); return err }, false},
		{"a version that is too long", "limit exceeded: Cannot exceed quota for PolicySize: 6144", func() error { _, err := w.CreatePolicyVersion(ctx, admin, spareARN, long, true); return err }, false},
		{"no such version", "no such entity: Policy " + spareARN + " version v2 does not exist or is not attachable.", func() error { _, err := w.PolicyVersion(ctx, admin, spareARN, "v2"); return err }, true},
		{"a version called otherwise", "no such entity: ", func() error { _, err := w.PolicyVersion(ctx, admin, spareARN, "V1"); return err }, true},
		{"no such version as the default", "no such entity: ", func() error { return w.SetDefaultPolicyVersion(ctx, admin, spareARN, "v2") }, false},
		{"deleting no such version", "no such entity: ", func() error { return w.DeletePolicyVersion(ctx, admin, spareARN, "v0") }, false},
		{"deleting the default version", "in use: Cannot delete the default version of a policy.", func() error { return w.DeletePolicyVersion(ctx, admin, limitARN, "v1") }, false},
		{"attaching no such policy", "no such entity: Policy " + noPolicy + " does not exist or is not attachable.", func() error { return w.AttachPolicy(ctx, admin, "second", noPolicy) }, false},
		{"attaching one of AWS's", "no such entity: Policy " + awsPolicy + " does not exist or is not attachable. AWS's own managed policies do not exist here: create it as a customer managed policy of this account (aws iam create-policy), and use its ARN.", func() error { return w.AttachPolicy(ctx, admin, "second", awsPolicy) }, false},
		{"attaching an access policy", "invalid value: Invalid ARN:  Could not be parsed!", func() error { return w.AttachPolicy(ctx, admin, "second", editPolicy) }, false},
		{"attaching a name", "invalid value: Invalid ARN:  Could not be parsed!", func() error { return w.AttachPolicy(ctx, admin, "second", "spare") }, false},
		{"attaching to no such role", "no such entity: The role with name none cannot be found.", func() error { return w.AttachPolicy(ctx, admin, "none", spareARN) }, false},
		{"detaching what is not attached", "no such entity: Policy " + spareARN + " was not found.", func() error { return w.DetachPolicy(ctx, admin, "deployer", spareARN) }, false},
		{"detaching the boundary", "no such entity: ", func() error { return w.DetachPolicy(ctx, admin, "deployer", limitARN) }, false},
		{"detaching no such policy", "no such entity: Policy " + noPolicy + " was not found.", func() error { return w.DetachPolicy(ctx, admin, "deployer", noPolicy) }, false},
		{"what is attached to no such role", "no such entity: ", func() error { _, err := w.AttachedPolicies(ctx, admin, "none", ""); return err }, true},
		{"a boundary that does not exist", "no such entity: Scope ARN: " + noPolicy + " does not exist or is not attachable.", func() error { return w.PutBoundary(ctx, admin, "deployer", noPolicy) }, false},
		{"a boundary of AWS's", "no such entity: Scope ARN: " + awsPolicy, func() error { return w.PutBoundary(ctx, admin, "deployer", awsPolicy) }, false},
		{"a boundary of no such role", "no such entity: The role with name none cannot be found.", func() error { return w.PutBoundary(ctx, admin, "none", limitARN) }, false},
		{"taking the boundary of no such role", "no such entity: ", func() error { return w.DeleteBoundary(ctx, admin, "none") }, false},
		{"the alias there is", "already exists: The account alias acme already exists.", func() error { return w.CreateAlias(ctx, admin, "acme") }, false},
		{"an alias that is none", "invalid value: ", func() error { return w.CreateAlias(ctx, admin, "Acme") }, false},
		{"deleting another alias", "no such entity: The account alias acm does not exist.", func() error { return w.DeleteAlias(ctx, admin, "acm") }, false},
		{"deleting no alias", "no such entity: ", func() error { return w.DeleteAlias(ctx, admin, "") }, false},
		{"sessions that are too short", "invalid value: ", func() error { return w.UpdateRole(ctx, admin, "deployer", nil, time.Minute) }, false},
		{"a trust policy that is none", "malformed: ", func() error { return w.UpdateTrust(ctx, admin, "deployer", "{}") }, false},
		{"a trust policy that is too long", "limit exceeded: Cannot exceed quota for ACLSizePerRole: 2048", func() error {
			return w.UpdateTrust(ctx, admin, "deployer", strings.Replace(trust, `"Effect"`, `"Sid":"`+strings.Repeat("x", 2000)+`","Effect"`, 1))
		}, false},
		{"a permission policy that is none", "malformed: ", func() error { return w.PutRolePolicy(ctx, admin, "deployer", "p", trust) }, false},
		{"a permission policy that is too long", "limit exceeded: Maximum policy size of 10240 bytes exceeded for role deployer", func() error {
			return w.PutRolePolicy(ctx, admin, "deployer", "p", strings.Replace(describe, `"Effect"`, `"Sid":"`+strings.Repeat("x", 10200)+`","Effect"`, 1))
		}, false},
		{"no such policy", "no such entity: The role policy with name none cannot be found.", func() error { _, _, err := w.RolePolicy(ctx, admin, "deployer", "none"); return err }, true},
		{"deleting no such policy", "no such entity: The role policy with name none cannot be found.", func() error { return w.DeleteRolePolicy(ctx, admin, "deployer", "none") }, false},
		{"a policy of no such role", "no such entity: The role with name none cannot be found.", func() error { return w.DeleteRolePolicy(ctx, admin, "none", "none") }, false},

		{"deleting the administrator", unmodifiable, func() error { return w.DeleteRole(ctx, admin, ours) }, false},
		{"deleting the administrator in capitals", unmodifiable, func() error { return w.DeleteRole(ctx, admin, "MAYFLY-ADMIN") }, false},
		{"describing the administrator", unmodifiable, func() error { s := "x"; return w.UpdateRole(ctx, admin, ours, &s, 0) }, false},
		{"trusting as the administrator", unmodifiable, func() error { return w.UpdateTrust(ctx, admin, ours, trust) }, false},
		{"giving the administrator a policy", unmodifiable, func() error { return w.PutRolePolicy(ctx, admin, ours, "p", describe) }, false},
		{"attaching to the administrator", unmodifiable, func() error { return w.AttachPolicy(ctx, admin, ours, spareARN) }, false},
		{"detaching from the administrator", unmodifiable, func() error { return w.DetachPolicy(ctx, admin, ours, spareARN) }, false},
		{"bounding the administrator", unmodifiable, func() error { return w.PutBoundary(ctx, admin, ours, limitARN) }, false},
		{"unbounding the administrator", unmodifiable, func() error { return w.DeleteBoundary(ctx, admin, ours) }, false},
		{"taking the administrator's policy", unmodifiable, func() error { return w.DeleteRolePolicy(ctx, admin, ours, "everything") }, false},

		{"a cluster twice", "cluster exists: Cluster already exists with name: prod", register(func(k *eks.Cluster) { k.Name = "prod" }), false},
		{"a cluster twice, in another region", "cluster exists: ", register(func(k *eks.Cluster) { k.Name, k.Region = "prod", "us-east-1" }), false},
		{"a cluster without a name", "eks: ", register(func(k *eks.Cluster) { k.Name = "" }), false},
		{"a cluster that trusts our own account", "invalid principal: The account 111122223333 is Mayfly's own", register(func(k *eks.Cluster) { k.TrustAccounts = []arn.AccountID{account} }), false},
		{"a cluster with two tags but for case", "invalid tags: ", register(func(k *eks.Cluster) { k.Tags = map[string]string{"a": "1", "A": "2"} }), false},
		{"a cluster with a tag of AWS's", "eks: ", register(func(k *eks.Cluster) { k.Tags = map[string]string{"aws:x": "1"} }), false},
		{"no such cluster", "no such cluster: No cluster found for name: none.", func() error { _, err := w.Cluster(ctx, admin, region, "none"); return err }, true},
		{"a cluster of another region", "no such cluster: No cluster found for name: prod.", func() error { _, err := w.Cluster(ctx, us, "us-east-1", "prod"); return err }, true},
		{"a cluster in capitals", "no such cluster: ", func() error { _, err := w.Cluster(ctx, admin, region, "PROD"); return err }, true},
		{"deregistering no such cluster", "no such cluster: ", func() error { return w.DeregisterCluster(ctx, admin, "none") }, false},
		{"a certificate for no such cluster", "no such cluster: ", func() error { _, err := w.IssueWebhook(ctx, admin, "none"); return err }, false},

		{"a mode backwards", "eks: Unsupported authentication mode update from API_AND_CONFIG_MAP to CONFIG_MAP", update("moved", eks.ModeConfigMap, ""), false},
		{"the mode there is", "eks: Unsupported authentication mode update from API_AND_CONFIG_MAP to API_AND_CONFIG_MAP", update("moved", eks.ModeAPIAndConfigMap, "another"), false},
		{"two modes at once", "eks: Unsupported authentication mode update from CONFIG_MAP to API", update("classic", eks.ModeAPI, ""), false},
		{"a mode that is none", `eks: The authentication mode "api" is invalid`, update("classic", "api", ""), false},
		{"no mode", `eks: The authentication mode "" is invalid`, update("classic", "", ""), false},
		{"a mode for no such cluster", "no such cluster: No cluster found for name: none.", update("none", eks.ModeAPI, ""), false},
		{"a mode in another region", "no such cluster: ", func() error { _, err := w.UpdateMode(ctx, us, "classic", eks.ModeAPIAndConfigMap, ""); return err }, false},
		{"no such update", "no such update: No update found for ID: none", func() error { _, err := w.Update(ctx, admin, "moved", "none"); return err }, true},
		{"another cluster's update", "no such update: ", func() error {
			k, _ := w.db.Snapshot().Cluster("moved")
			_, err := w.Update(ctx, admin, "prod", k.Updates[0].ID)
			return err
		}, true},
		{"an update of no such cluster", "no such cluster: ", func() error { _, err := w.Update(ctx, admin, "none", "u"); return err }, true},
		{"updates of no such cluster", "no such cluster: ", func() error { _, err := w.Updates(ctx, admin, "none"); return err }, true},
		{"updates in another region", "no such cluster: ", func() error { _, err := w.Updates(ctx, us, "moved"); return err }, true},

		{"an entry twice", "access entry exists: The specified access entry resource is already in use on this cluster.", create(func(e *control.EntryInput) { e.Principal = roleARN }), false},
		{"an entry for no such role", badPrincipal, create(func(e *control.EntryInput) { e.Principal = noRole }), false},
		{"an entry for a role without its path", badPrincipal, create(func(e *control.EntryInput) { e.Principal = "arn:aws:iam::111122223333:role/deployer" }), false},
		{"an entry for a role in other case", badPrincipal, create(func(e *control.EntryInput) { e.Principal = "arn:aws:iam::111122223333:role/Second" }), false},
		{"an entry for another account's role", badPrincipal, create(func(e *control.EntryInput) { e.Principal = "arn:aws:iam::999988887777:role/second" }), false},
		{"an entry for a session", badPrincipal, create(func(e *control.EntryInput) { e.Principal = "arn:aws:sts::111122223333:assumed-role/second/s" }), false},
		{"an entry for a pattern", badPrincipal, create(func(e *control.EntryInput) { e.Principal = "arn:aws:iam::111122223333:role/*" }), false},
		{"an entry for the whole account", badPrincipal, create(func(e *control.EntryInput) { e.Principal = "arn:aws:iam::111122223333:root" }), false},
		{"an entry of nodes", "eks: ", create(func(e *control.EntryInput) { e.Type = "EC2_LINUX" }), false},
		{"an entry of no type", "eks: ", create(func(e *control.EntryInput) { e.Type = "standard" }), false},
		{"a username of the system's", "eks: The username must not begin with system:", create(func(e *control.EntryInput) { e.Username = "system:admin" }), false},
		{"a group of the system's", "eks: The kubernetes group name system:masters is invalid, it cannot start with system:", create(func(e *control.EntryInput) { e.Groups = []string{"a", "system:masters"} }), false},
		{"two tags but for case", "invalid tags: ", create(func(e *control.EntryInput) { e.Tags = map[string]string{"a": "1", "A": "2"} }), false},
		{"an entry in no such cluster", "no such cluster: No cluster found for name: none.", func() error {
			_, _, err := w.CreateEntry(ctx, admin, "none", control.EntryInput{Principal: secondARN})
			return err
		}, false},
		{"an entry in another region", "no such cluster: No cluster found for name: prod.", func() error {
			_, _, err := w.CreateEntry(ctx, us, "prod", control.EntryInput{Principal: secondARN})
			return err
		}, false},
		{"an entry where aws-auth counts alone", mode, func() error {
			_, _, err := w.CreateEntry(ctx, admin, "classic", control.EntryInput{Principal: secondARN})
			return err
		}, false},
		{"entries where aws-auth counts alone", mode, func() error { _, err := w.Entries(ctx, admin, "classic", ""); return err }, true},
		{"an entry of it", mode, func() error { _, _, err := w.Entry(ctx, admin, "classic", roleARN); return err }, true},
		{"changing an entry of it", mode, func() error { _, _, err := w.UpdateEntry(ctx, admin, "classic", roleARN, nil, nil); return err }, false},
		{"a policy there", mode, func() error {
			_, err := w.AssociatePolicy(ctx, admin, "classic", roleARN, editPolicy, whole)
			return err
		}, false},
		{"taking a policy there", mode, func() error { return w.DisassociatePolicy(ctx, admin, "classic", roleARN, editPolicy) }, false},
		{"the policies there", mode, func() error { _, err := w.AssociatedPolicies(ctx, admin, "classic", roleARN); return err }, true},
		{"deleting an entry there", mode, func() error { return w.DeleteEntry(ctx, admin, "classic", roleARN) }, false},
		{"no such entry", noEntry, func() error { _, _, err := w.Entry(ctx, admin, "prod", secondARN); return err }, true},
		{"changing no such entry", noEntry, func() error { _, _, err := w.UpdateEntry(ctx, admin, "prod", secondARN, nil, nil); return err }, false},
		{"deleting no such entry", noEntry, func() error { return w.DeleteEntry(ctx, admin, "prod", secondARN) }, false},
		{"a username changed to one of the system's", "eks: ", func() error {
			s := "system:x"
			_, _, err := w.UpdateEntry(ctx, admin, "prod", roleARN, nil, &s)
			return err
		}, false},
		{"groups changed to one of the system's", "eks: ", func() error {
			_, _, err := w.UpdateEntry(ctx, admin, "prod", roleARN, &[]string{"system:masters"}, nil)
			return err
		}, false},
		{"no such access policy", "eks: ", associate("arn:aws:eks::aws:cluster-access-policy/None", whole), false},
		{"an IAM policy", "eks: ", associate("arn:aws:iam::aws:policy/AdministratorAccess", whole), false},
		{"no scope", "eks: ", associate(viewPolicy, eks.Scope{}), false},
		{"a scope of namespaces without any", "eks: ", associate(viewPolicy, eks.Scope{Type: eks.NamespaceScope}), false},
		{"a custom policy that is not there", "eks: ", associate(customARN+"none", whole), false},
		{"another account's custom policy", "eks: ", associate("arn:aws:eks::999988887777:cluster-access-policy/used", whole), false},
		{"a custom policy as one of AWS's", "eks: ", associate("arn:aws:eks::aws:cluster-access-policy/used", whole), false},
		{"a custom policy's name", "eks: ", associate("used", whole), false},
		{"an access policy twice", "access policy exists: An access policy already exists with name: used", makePolicy("used", reading("pods")), false},
		{"an access policy of AWS's name", "eks: The access policy AmazonEKSViewPolicy is AWS's own: it cannot be made, changed or deleted", makePolicy("AmazonEKSViewPolicy", reading("pods")), false},
		{"an access policy of AWS's name in other case", "eks: The access policy amazoneksviewpolicy is AWS's own", makePolicy("amazoneksviewpolicy", reading("pods")), false},
		{"an access policy of a name AWS keeps the rules of", "eks: The access policy AmazonEKSAutoNodePolicy is AWS's own", makePolicy("AmazonEKSAutoNodePolicy", reading("pods")), false},
		{"an access policy without a name", "eks: The access policy name", makePolicy("", reading("pods")), false},
		{"an access policy without rules", "eks: An access policy has 1 to 500 rules", makePolicy("empty", nil), false},
		{"an access policy of half a rule", "eks: rules[1].verbs is missing", makePolicy("half", append(reading("pods"), eks.Rule{})), false},
		{"no such access policy", "no such access policy: No access policy found for name: none.", func() error { _, err := w.AccessPolicy(ctx, admin, "none"); return err }, true},
		{"an access policy without published rules", "eks: The access policy AmazonEKSAutoNodePolicy exists at AWS, which does not publish its rules", func() error { _, err := w.AccessPolicy(ctx, admin, "AmazonEKSAutoNodePolicy"); return err }, true},
		{"changing no such access policy", "no such access policy: ", changePolicy("none", reading("pods")), false},
		{"changing an access policy in other case", "no such access policy: ", changePolicy("Used", reading("pods")), false},
		{"changing an access policy to nothing", "eks: An access policy has 1 to 500 rules", changePolicy("used", nil), false},
		{"changing AWS's own", "eks: The access policy AmazonEKSEditPolicy is AWS's own", changePolicy("AmazonEKSEditPolicy", reading("pods")), false},
		{"deleting no such access policy", "no such access policy: ", func() error { return w.DeleteAccessPolicy(ctx, admin, "none") }, false},
		{"deleting AWS's own", "eks: The access policy AmazonEKSViewPolicy is AWS's own", func() error { return w.DeleteAccessPolicy(ctx, admin, "AmazonEKSViewPolicy") }, false},
		{"deleting an access policy that is used", "access policy in use: The access policy used is associated with 1 access entry.", func() error { return w.DeleteAccessPolicy(ctx, admin, "used") }, false},
		{"a policy that is not associated", "no such association: ", func() error { return w.DisassociatePolicy(ctx, admin, "prod", roleARN, viewPolicy) }, false},
	} {
		before, n := w.text(), w.count()
		err := tt.do()
		if got := reason(err); err == nil || !strings.HasPrefix(got, tt.want) {
			t.Errorf("%s: got %q, want %q", tt.name, got, tt.want)
		}
		if w.text() != before {
			t.Errorf("%s: something changed", tt.name)
		}
		events := w.events(n)
		if tt.read {
			if len(events) != 0 {
				t.Errorf("%s: recorded is %+v", tt.name, events)
			}
		} else if len(events) != 1 || events[0].Outcome != audit.Denied || events[0].Reason == "" || events[0].Reason == "internal" {
			t.Errorf("%s: recorded is %+v", tt.name, events)
		}
	}
}

func numbered(n int) (out []string) {
	for i := range n {
		out = append(out, fmt.Sprint("n", i))
	}
	return out
}

// TestHostileNames: whatever a path or a parameter names, it is looked up as it
// is, refused as not there, and recorded in one line.
func TestHostileNames(t *testing.T) {
	w := newWorld(t)
	ctx, admin := t.Context(), w.admin()
	for _, name := range []string{"", " ", "*", "prod\x00", "prod\n", "../prod", "prod/", "prod%2F", `";rm -rf /`, "<script>", "\xff\xfe", "${aws:userid}", "PROD", "𝕡rod", strings.Repeat("x", 100000), "arn:aws:eks:eu-central-1:111122223333:cluster/prod"} {
		for what, do := range map[string]func() error{
			"role":     func() error { return w.DeleteRole(ctx, admin, name) },
			"policy":   func() error { return w.DeleteRolePolicy(ctx, admin, "deployer", name) },
			"provider": func() error { return w.DeleteProvider(ctx, admin, name) },
			"cluster":  func() error { return w.DeregisterCluster(ctx, admin, name) },
			"entry":    func() error { return w.DeleteEntry(ctx, admin, "prod", name) },
			"entry of": func() error { return w.DeleteEntry(ctx, admin, name, roleARN) },
			"new entry": func() error {
				_, _, err := w.CreateEntry(ctx, admin, name, control.EntryInput{Principal: name, Token: name})
				return err
			},
			"new role": func() error {
				_, err := w.CreateRole(ctx, admin, control.RoleInput{Path: name, Name: name, Trust: trust})
				return err
			},
			"mode": func() error { _, err := w.UpdateMode(ctx, admin, name, eks.AuthenticationMode(name), name); return err },
			"new access policy": func() error {
				_, err := w.CreateAccessPolicy(ctx, admin, name, []eks.Rule{{APIGroups: []string{name}, Resources: []string{name}, Verbs: []string{name, ""}}})
				return err
			},
			"access policy":  func() error { return w.DeleteAccessPolicy(ctx, admin, name) },
			"association":    func() error { return w.DisassociatePolicy(ctx, admin, "prod", roleARN, name) },
			"managed policy": func() error { return w.DeletePolicy(ctx, admin, name) },
			"version":        func() error { return w.DeletePolicyVersion(ctx, admin, limitARN, name) },
			"attachment":     func() error { return w.AttachPolicy(ctx, admin, "second", name) },
			"attachment of":  func() error { return w.AttachPolicy(ctx, admin, name, limitARN) },
			"boundary":       func() error { return w.PutBoundary(ctx, admin, "second", name) },
			"new policy": func() error {
				_, err := w.CreatePolicy(ctx, admin, control.PolicyInput{Path: name, Name: name, Document: name})
				return err
			},
			"alias": func() error { return w.DeleteAlias(ctx, admin, name) },
		} {
			before, n := w.text(), w.count()
			err := do()
			if got := reason(err); err == nil || strings.HasPrefix(got, "unavailable") {
				t.Errorf("%s %.20q: got %v", what, name, got)
			}
			events := w.events(n)
			if w.text() != before || len(events) != 1 || events[0].Outcome != audit.Denied {
				t.Errorf("%s %.20q: recorded is %+v", what, name, events)
				continue
			}
			for key, value := range events[0].Detail {
				if len(value) > 2200 {
					t.Errorf("%s: %d bytes of a refused %s are recorded", what, len(value), key)
				}
			}
			if len(events[0].Resource) > 2200 {
				t.Errorf("%s: %d bytes of a refused resource are recorded", what, len(events[0].Resource))
			}
		}
	}
}

func TestProviderStory(t *testing.T) {
	w := newWorld(t)
	ctx, admin := t.Context(), w.admin()
	p, err := w.CreateProvider(ctx, admin, control.ProviderInput{URL: "https://git.example:8443/a/", ClientIDs: []string{"b", "a", "b"}})
	if err != nil || p.ARN().String() != "arn:aws:iam::111122223333:oidc-provider/git.example:8443/a/" || !slices.Equal(p.ClientIDs, []string{"b", "a"}) || p.Created.IsZero() || !strings.HasPrefix(p.ID, "OIDC") {
		t.Fatalf("%+v, %v", p, err)
	}
	name := p.ARN().String()
	for _, step := range []error{w.AddClientID(ctx, admin, name, "c"), w.AddClientID(ctx, admin, name, "a"), w.RemoveClientID(ctx, admin, name, "b"), w.RemoveClientID(ctx, admin, name, "nobody")} {
		if step != nil {
			t.Fatal(step)
		}
	}
	got, err := w.Provider(ctx, admin, name)
	if err != nil || !slices.Equal(got.ClientIDs, []string{"a", "c"}) || got.ID != p.ID {
		t.Errorf("%+v, %v", got, err)
	}
	if p.ClientIDs[0] != "b" {
		t.Error("a value that was given away has changed")
	}
	list, err := w.Providers(ctx, admin)
	if err != nil || len(list) != 2 || list[0].URL != "https://git.example:8443/a/" {
		t.Errorf("%+v, %v", list, err)
	}
	if err := w.DeleteProvider(ctx, admin, name); err != nil {
		t.Fatal(err)
	}
	again, err := w.CreateProvider(ctx, admin, control.ProviderInput{URL: "https://git.example:8443/a/"})
	if err != nil || again.ID == p.ID || len(again.ClientIDs) != 0 {
		t.Errorf("made anew it is %+v, %v", again, err)
	}
}

func TestRoleStory(t *testing.T) {
	w := newWorld(t)
	ctx, admin := t.Context(), w.admin()
	r, err := w.CreateRole(ctx, admin, control.RoleInput{Name: "r", Description: "d", MaxSession: 2 * time.Hour, Trust: trust})
	if err != nil || r.ARN().String() != "arn:aws:iam::111122223333:role/r" || len(r.ID) != 21 || r.BuiltIn {
		t.Fatalf("%+v, %v", r, err)
	}
	text := "e"
	if err := w.UpdateRole(ctx, admin, "R", &text, 0); err != nil {
		t.Fatal(err)
	}
	if got, _ := w.Role(ctx, admin, "r"); got.Description != "e" || got.MaxSession != time.Hour {
		t.Errorf("a new description made it %+v", got)
	}
	if err := w.UpdateRole(ctx, admin, "r", nil, 4*time.Hour); err != nil {
		t.Fatal(err)
	}
	if got, _ := w.Role(ctx, admin, "r"); got.Description != "e" || got.MaxSession != 4*time.Hour || got.ID != r.ID {
		t.Errorf("a new duration made it %+v", got)
	}
	if err := w.UpdateRole(ctx, admin, "r", nil, 0); err != nil {
		t.Errorf("nothing to update: %v", err)
	}
	if got, _ := w.Role(ctx, admin, "r"); got.Description != "e" || got.MaxSession != time.Hour {
		t.Errorf("no duration made it %+v", got)
	}
	for _, name := range []string{"b", "a"} {
		if err := w.PutRolePolicy(ctx, admin, "r", name, " "+describe+"\n"); err != nil {
			t.Fatal(err)
		}
	}
	if names, err := w.RolePolicies(ctx, admin, "r"); err != nil || !slices.Equal(names, []string{"a", "b"}) {
		t.Errorf("%v, %v", names, err)
	}
	if got, doc, err := w.RolePolicy(ctx, admin, "R", "a"); err != nil || string(doc) != " "+describe+"\n" || got.Name != "r" {
		t.Errorf("%q of %s, %v", doc, got.Name, err)
	}
	for prefix, want := range map[string]string{"": "deployer mayfly-admin r second", "/": "deployer mayfly-admin r second", "/ci/": "deployer", "/c": "deployer", "/CI/": "", "/none/": ""} {
		list, err := w.Roles(ctx, admin, prefix)
		var names []string
		for _, r := range list {
			names = append(names, r.Name)
		}
		if err != nil || strings.Join(names, " ") != want {
			t.Errorf("under %q: %v, %v", prefix, names, err)
		}
	}
}

// TestTrustMeansTheRoleOfThatDay: a role that a trust policy names is meant by
// its id. Made anew under the name it is not trusted; when the policy is saved
// again, it is.
func TestTrustMeansTheRoleOfThatDay(t *testing.T) {
	w := newWorld(t)
	ctx, admin := t.Context(), w.admin()
	const doc = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::111122223333:role/second"},"Action":"sts:AssumeRole"}]}`
	if err := w.UpdateTrust(ctx, admin, "deployer", doc); err != nil {
		t.Fatal(err)
	}
	trusts := func() bool {
		second, _ := w.db.Snapshot().Role("second")
		deployer, _ := w.db.Snapshot().Role("deployer")
		return policy.Evaluate(policy.Request{Principal: policy.SessionPrincipal(second.ARN(), second.ID, arn.Session{Account: account, Role: "second", Name: "s"}), Action: "sts:AssumeRole", Resource: roleARN},
			policy.Set{Resource: []*policy.Document{deployer.Trust}, ResourceAccount: account}).Allowed()
	}
	if !trusts() {
		t.Error("the role is not trusted")
	}
	if err := w.DeleteRole(ctx, admin, "second"); err != nil {
		t.Fatal(err)
	}
	if _, err := w.CreateRole(ctx, admin, control.RoleInput{Name: "second", Trust: trust}); err != nil {
		t.Fatal(err)
	}
	if trusts() {
		t.Error("a role made anew under the name is trusted")
	}
	if err := w.UpdateTrust(ctx, admin, "deployer", doc); err != nil || !trusts() {
		t.Errorf("saved again it is not trusted: %v", err)
	}
}

func TestEntryStory(t *testing.T) {
	w := newWorld(t)
	ctx, admin := t.Context(), w.admin()
	k, e, err := w.CreateEntry(ctx, admin, "prod", control.EntryInput{Principal: secondARN, Groups: []string{"a"}, Username: "ci:{{SessionName}}"})
	if err != nil || k.Name != "prod" || e.Created.IsZero() || !e.Created.Equal(e.Modified) {
		t.Fatalf("%+v, %v", e, err)
	}
	if want := "arn:aws:eks:eu-central-1:111122223333:access-entry/prod/role/111122223333/second/" + e.UUID; e.ARN(k) != want || len(e.UUID) != 36 || e.UUID[14] != '4' {
		t.Errorf("it is called %s", e.ARN(k))
	}
	time.Sleep(time.Millisecond)
	_, changed, err := w.UpdateEntry(ctx, admin, "prod", secondARN, &[]string{"b", "c"}, nil)
	if err != nil || !slices.Equal(changed.Groups, []string{"b", "c"}) || changed.Username != e.Username || !changed.Modified.After(e.Modified) || !changed.Created.Equal(e.Created) || changed.UUID != e.UUID {
		t.Errorf("other groups: %+v, %v", changed, err)
	}
	name := ""
	_, changed, err = w.UpdateEntry(ctx, admin, "prod", secondARN, nil, &name)
	if err != nil || len(changed.Groups) != 2 || changed.UsernameTemplate() != "arn:aws:sts::111122223333:assumed-role/second/{{SessionName}}" {
		t.Errorf("the default name: %+v, %v", changed, err)
	}
	for _, scope := range []eks.Scope{{Type: eks.ClusterScope}, {Type: eks.NamespaceScope, Namespaces: []string{"stage"}}} {
		if _, err := w.AssociatePolicy(ctx, admin, "prod", secondARN, viewPolicy, scope); err != nil {
			t.Fatal(err)
		}
	}
	list, err := w.AssociatedPolicies(ctx, admin, "prod", secondARN)
	if err != nil || len(list) != 1 || list[0].Scope.Type != eks.NamespaceScope {
		t.Errorf("%+v, %v", list, err)
	}
	for policyARN, want := range map[string]int{"": 2, viewPolicy: 1, editPolicy: 1, "none": 0} {
		if list, err := w.Entries(ctx, admin, "prod", policyARN); err != nil || len(list) != want {
			t.Errorf("with %q: %d, %v", policyARN, len(list), err)
		}
	}
	if err := w.DisassociatePolicy(ctx, admin, "prod", secondARN, viewPolicy); err != nil {
		t.Error(err)
	}
	if err := w.DeleteEntry(ctx, admin, "prod", secondARN); err != nil {
		t.Error(err)
	}

	// An entry is for the role it was made for.
	if err := w.DetachPolicy(ctx, admin, "deployer", givenARN); err != nil {
		t.Fatal(err)
	}
	if err := w.DeleteRolePolicy(ctx, admin, "deployer", "describe"); err != nil {
		t.Fatal(err)
	}
	if err := w.DeleteRole(ctx, admin, "deployer"); err != nil {
		t.Fatal(err)
	}
	again, err := w.CreateRole(ctx, admin, control.RoleInput{Path: "/ci/", Name: "deployer", Trust: trust})
	if err != nil {
		t.Fatal(err)
	}
	if _, ok := w.db.Snapshot().EntryOfPrincipal("prod", again.ID); ok {
		t.Error("a role made anew has the old one's entry")
	}
	if _, _, err := w.Entry(ctx, admin, "prod", roleARN); err != nil {
		t.Errorf("the old entry cannot be looked at: %v", err)
	}
	if err := w.DeleteEntry(ctx, admin, "prod", roleARN); err != nil {
		t.Errorf("the old entry cannot be deleted: %v", err)
	}
	if _, _, err := w.CreateEntry(ctx, admin, "prod", control.EntryInput{Principal: roleARN}); err != nil {
		t.Errorf("the new role cannot have one: %v", err)
	}
}

// TestRepeatedRequest: a request with a token may be repeated, as clients do
// whose answer was lost; anything else under the token is no repetition.
func TestRepeatedRequest(t *testing.T) {
	in := control.EntryInput{Principal: secondARN, Groups: []string{"a", "b"}, Username: "ci:x", Tags: map[string]string{"k": "v"}, Token: "0a1b2c3d"}
	w := newWorld(t)
	ctx, admin := t.Context(), w.admin()
	_, first, err := w.CreateEntry(ctx, admin, "prod", in)
	if err != nil {
		t.Fatal(err)
	}
	before, n := w.text(), w.count()
	_, again, err := w.CreateEntry(ctx, admin, "prod", in)
	if err != nil || again.UUID != first.UUID || !again.Created.Equal(first.Created) || w.text() != before {
		t.Fatalf("repeated: %+v, %v", again, err)
	}
	if e := w.events(n); len(e) != 1 || e[0].Outcome != audit.Allowed || e[0].Detail["repeated"] != "true" {
		t.Errorf("repeated: recorded is %+v", e)
	}
	for name, change := range map[string]func(*control.EntryInput){
		"another token":    func(e *control.EntryInput) { e.Token = "x" },
		"no token":         func(e *control.EntryInput) { e.Token = "" },
		"another username": func(e *control.EntryInput) { e.Username = "ci:y" },
		"other groups":     func(e *control.EntryInput) { e.Groups = []string{"b", "a"} },
		"no groups":        func(e *control.EntryInput) { e.Groups = nil },
		"other tags":       func(e *control.EntryInput) { e.Tags = map[string]string{"k": "w"} },
		"another role":     func(e *control.EntryInput) { e.Principal = roleARN },
	} {
		other := in
		other.Tags = maps.Clone(in.Tags)
		change(&other)
		if _, _, err := w.CreateEntry(ctx, admin, "prod", other); !strings.HasPrefix(reason(err), "access entry exists") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := w.DeleteRole(ctx, admin, "second"); err != nil {
		t.Fatal(err)
	}
	if _, err := w.CreateRole(ctx, admin, control.RoleInput{Name: "second", Trust: trust}); err != nil {
		t.Fatal(err)
	}
	if _, _, err := w.CreateEntry(ctx, admin, "prod", in); !strings.HasPrefix(reason(err), "access entry exists") {
		t.Errorf("the role was made anew: %v", err)
	}
	if err := w.DeleteEntry(ctx, admin, "prod", secondARN); err != nil {
		t.Fatal(err)
	}
	_, anew, err := w.CreateEntry(ctx, admin, "prod", in)
	if err != nil || anew.UUID == first.UUID {
		t.Errorf("for another role it is %+v, %v", anew, err)
	}
}

// TestModeStory: a cluster's mode moves on step by step, at once, and each step
// is an update that stays.
func TestModeStory(t *testing.T) {
	w := newWorld(t)
	ctx, admin := t.Context(), w.admin()
	update := func(mode eks.AuthenticationMode, token string) eks.Update {
		t.Helper()
		u, err := w.UpdateMode(ctx, admin, "classic", mode, token)
		if k, _ := w.db.Snapshot().Cluster("classic"); err != nil || k.Mode != mode {
			t.Fatalf("%s: %+v, %v; in force is %s", mode, u, err, k.Mode)
		}
		return u
	}
	first := update(eks.ModeAPIAndConfigMap, "t-1")
	if _, _, err := w.CreateEntry(ctx, admin, "classic", control.EntryInput{Principal: secondARN}); err != nil {
		t.Errorf("an entry in the new mode: %v", err)
	}
	before, n := w.text(), w.count()
	if again := update(eks.ModeAPIAndConfigMap, "t-1"); again != first || w.text() != before { // its answer was lost
		t.Errorf("repeated: %+v", again)
	}
	if e := w.events(n); len(e) != 1 || e[0].Outcome != audit.Allowed || e[0].Detail["repeated"] != "true" {
		t.Errorf("repeated: recorded is %+v", e)
	}
	second := update(eks.ModeAPI, "t-1")
	list, err := w.Updates(ctx, admin, "classic")
	if err != nil || !slices.Equal(list, []eks.Update{first, second}) || first.ID == second.ID || second.Created.IsZero() {
		t.Errorf("%+v, %v", list, err)
	}
	for _, want := range list {
		if got, err := w.Update(ctx, admin, "classic", want.ID); err != nil || got != want {
			t.Errorf("%+v, %v", got, err)
		}
	}
	if _, _, err := w.Entry(ctx, admin, "classic", secondARN); err != nil {
		t.Errorf("the entry made on the way: %v", err)
	}
	if list, err := w.Updates(ctx, admin, "prod"); err != nil || len(list) != 0 {
		t.Errorf("of a cluster that was made so: %+v, %v", list, err)
	}

	// The same token elsewhere, or after a cluster is registered anew, is no repetition.
	if err := w.DeregisterCluster(ctx, admin, "classic"); err != nil {
		t.Fatal(err)
	}
	k := cluster("classic")
	k.Mode = eks.ModeConfigMap
	if _, err := w.RegisterCluster(ctx, admin, k); err != nil {
		t.Fatal(err)
	}
	if anew := update(eks.ModeAPIAndConfigMap, "t-1"); anew.ID == first.ID {
		t.Errorf("a cluster registered anew has the old one's update %s", anew.ID)
	}
}

// TestWarnings: what an auditor must see is in the event.
func TestWarnings(t *testing.T) {
	w := newWorld(t)
	ctx, admin := t.Context(), w.admin()
	k := cluster("both")
	k.Mode = eks.ModeAPIAndConfigMap
	if _, err := w.RegisterCluster(ctx, admin, k); err != nil {
		t.Fatal(err)
	}
	n := w.count()
	if _, _, err := w.CreateEntry(ctx, admin, "both", control.EntryInput{Principal: "arn:aws:iam::111122223333:role/mayfly-admin"}); err != nil {
		t.Fatal(err)
	}
	if e := w.events(n); !strings.Contains(e[0].Detail["warning"], "administrator") {
		t.Errorf("the administrator got an entry: %+v", e[0].Detail)
	}
	if _, _, err := w.CreateEntry(ctx, admin, "both", control.EntryInput{Principal: secondARN}); err != nil {
		t.Fatal(err)
	}
	for namespace, warned := range map[string]bool{"kube-system": true, "kube-*": true, "production": false} {
		n := w.count()
		if _, err := w.AssociatePolicy(ctx, admin, "both", secondARN, editPolicy, eks.Scope{Type: eks.NamespaceScope, Namespaces: []string{namespace}}); err != nil {
			t.Fatal(err)
		}
		if e := w.events(n); (e[0].Detail["warning"] != "") != warned {
			t.Errorf("edit in %s: %+v", namespace, e[0].Detail)
		}
	}

	// A custom policy is warned of when an entry gets it, and when an entry's gets
	// other rules.
	writing := []eks.Rule{{APIGroups: []string{""}, Resources: []string{"configmaps"}, Verbs: []string{"update"}}}
	associate := func(cluster, policy string, namespaces ...string) {
		t.Helper()
		if _, err := w.AssociatePolicy(ctx, admin, cluster, secondARN, customARN+policy, eks.Scope{Type: eks.NamespaceScope, Namespaces: namespaces}); err != nil {
			t.Fatal(err)
		}
	}
	n = w.count()
	associate("both", "unused", "kube-system", "production")
	if e := w.events(n); e[0].Detail["warning"] != "" {
		t.Errorf("reading pods: %+v", e[0].Detail)
	}
	if _, _, err := w.CreateEntry(ctx, admin, "prod", control.EntryInput{Principal: secondARN}); err != nil {
		t.Fatal(err)
	}
	associate("prod", "unused", "kube-system") // which reads no aws-auth
	use, warnings, err := w.UpdateAccessPolicy(ctx, admin, "unused", writing)
	if err != nil || use.Entries != 2 || len(warnings) != 1 || !strings.HasPrefix(warnings[0], "unused in kube-system of both is cluster-admin") {
		t.Errorf("rules that write ConfigMaps: %+v, %q, %v", use, warnings, err)
	}
	if e := w.events(n); e[len(e)-1].Detail["warning"] != warnings[0] {
		t.Errorf("rules that write ConfigMaps: recorded is %+v", e[len(e)-1].Detail)
	}
	if _, warnings, err = w.UpdateAccessPolicy(ctx, admin, "used", writing); err != nil || len(warnings) != 0 {
		t.Errorf("in production: %q, %v", warnings, err)
	}
	n = w.count()
	associate("both", "unused", "kube-*")
	if e := w.events(n); !strings.HasPrefix(e[0].Detail["warning"], "unused in kube-system") {
		t.Errorf("writing ConfigMaps: %+v", e[0].Detail)
	}
}

// TestAccessPolicyStory: a custom policy from its making to its end.
func TestAccessPolicyStory(t *testing.T) {
	w := newWorld(t)
	ctx, admin := t.Context(), w.admin()
	made, err := w.CreateAccessPolicy(ctx, admin, "log-reader", reading("pods/log"))
	if err != nil || made.ARN != customARN+"log-reader" || made.BuiltIn() || made.Created.IsZero() || !made.Created.Equal(made.Modified) {
		t.Fatalf("%+v, %v", made, err)
	}
	list, err := w.AccessPolicies(ctx, admin)
	var names []string
	for _, p := range list {
		names = append(names, p.Name)
	}
	if err != nil || !slices.Contains(names, "log-reader") || !slices.Contains(names, "AmazonEKSEditPolicy") || len(names) != 10 {
		t.Errorf("%v, %v", names, err)
	}
	whole := eks.Scope{Type: eks.ClusterScope}
	for _, principal := range []string{roleARN, secondARN} {
		if principal == secondARN {
			if _, _, err := w.CreateEntry(ctx, admin, "moved", control.EntryInput{Principal: secondARN}); err != nil {
				t.Fatal(err)
			}
		}
		cluster := map[string]string{roleARN: "prod", secondARN: "moved"}[principal]
		if _, err := w.AssociatePolicy(ctx, admin, cluster, principal, made.ARN, whole); err != nil {
			t.Fatal(err)
		}
	}
	if list, err := w.Entries(ctx, admin, "prod", made.ARN); err != nil || len(list) != 1 {
		t.Errorf("%d entries of prod have it, %v", len(list), err)
	}
	time.Sleep(time.Millisecond)
	use, _, err := w.UpdateAccessPolicy(ctx, admin, "log-reader", reading("pods/log", "events"))
	if err != nil || use.Entries != 2 || len(use.Rules[0].Resources) != 2 || !use.Created.Equal(made.Created) || !use.Modified.After(made.Modified) {
		t.Errorf("%+v, %v", use, err)
	}
	if len(made.Rules[0].Resources) != 1 {
		t.Errorf("the first value is now %+v", made)
	}
	if got, err := w.AccessPolicy(ctx, admin, "log-reader"); err != nil || got.Entries != 2 || got.ARN != made.ARN {
		t.Errorf("%+v, %v", got, err)
	}
	if got, err := w.AccessPolicy(ctx, admin, "AmazonEKSEditPolicy"); err != nil || got.Entries != 1 || !got.BuiltIn() || len(got.Rules) != 20 {
		t.Errorf("AWS's own: %+v, %v", got, err)
	}
	uses, err := w.AccessPolicyUses(ctx, admin)
	entries := map[string]int{}
	for _, u := range uses {
		entries[u.Name] = u.Entries
	}
	if err != nil || len(uses) != 10 || entries["log-reader"] != 2 || entries["used"] != 1 || entries["unused"] != 0 || entries["AmazonEKSEditPolicy"] != 1 {
		t.Errorf("%v, %v", entries, err)
	}

	if err := w.DeleteAccessPolicy(ctx, admin, "log-reader"); reason(err) != "access policy in use: The access policy log-reader is associated with 2 access entries." {
		t.Errorf("deleted while used: %v", err)
	}
	if err := w.DisassociatePolicy(ctx, admin, "prod", roleARN, made.ARN); err != nil {
		t.Error(err)
	}
	if err := w.DeleteAccessPolicy(ctx, admin, "log-reader"); !strings.HasPrefix(reason(err), "access policy in use") {
		t.Errorf("deleted while used elsewhere: %v", err)
	}
	if err := w.DeleteEntry(ctx, admin, "moved", secondARN); err != nil {
		t.Error(err)
	}
	if err := w.DeleteAccessPolicy(ctx, admin, "log-reader"); err != nil {
		t.Error(err)
	}
	if _, err := w.AssociatePolicy(ctx, admin, "prod", roleARN, made.ARN, whole); !strings.HasPrefix(reason(err), "eks: ") {
		t.Errorf("associated when gone: %v", err)
	}
	if _, err := w.CreateAccessPolicy(ctx, admin, "log-reader", reading("secrets")); err != nil {
		t.Error(err)
	}
	if n := len(w.db.Snapshot().EntriesWith(made.ARN)); n != 0 {
		t.Errorf("%d entries have the one made anew", n)
	}
}

func TestClusters(t *testing.T) {
	w := newWorld(t)
	ctx, admin := t.Context(), w.admin()
	k := cluster("america")
	k.Region, k.Tags = "us-east-1", nil
	got, err := w.RegisterCluster(ctx, admin, k)
	if err != nil || got.Mode != eks.ModeAPI || got.BearerMaxAge != eks.DefaultBearerMaxAge || got.ID == "" || got.Account != account {
		t.Fatalf("%+v, %v", got, err)
	}
	for region, want := range map[string]string{"": "america classic moved prod", "us-east-1": "america", "eu-central-1": "classic moved prod", "eu-west-1": ""} {
		list, err := w.Clusters(ctx, admin, region)
		var names []string
		for _, k := range list {
			names = append(names, k.Name)
		}
		if err != nil || strings.Join(names, " ") != want {
			t.Errorf("in %q: %v, %v", region, names, err)
		}
	}
	if got, err := w.Cluster(ctx, admin, "", "america"); err != nil || got.Region != "us-east-1" {
		t.Errorf("in any region: %+v, %v", got, err)
	}
	if err := w.DeregisterCluster(ctx, admin, "america"); err != nil {
		t.Fatal(err)
	}
	again, err := w.RegisterCluster(ctx, admin, k)
	if err != nil || again.ID == got.ID {
		t.Errorf("registered anew it is %+v, %v", again, err)
	}
}

// TestAnotherRegionIsNoOracle: whoever may ask in one region alone learns
// nothing of clusters elsewhere.
func TestAnotherRegionIsNoOracle(t *testing.T) {
	w := newWorld(t)
	c := w.as(allow("eks:*", "arn:aws:eks:us-east-1:111122223333:*"))
	c.Info.Region = "us-east-1"
	for _, name := range []string{"prod", "none"} {
		if _, err := w.Cluster(t.Context(), c, "us-east-1", name); !strings.HasPrefix(reason(err), "no such cluster") {
			t.Errorf("cluster %s: %v", name, err)
		}
		if _, _, err := w.Entry(t.Context(), c, name, roleARN); !strings.HasPrefix(reason(err), "no such cluster") {
			t.Errorf("entry in %s: %v", name, err)
		}
	}
}

// TestQuotas: the last that fits is made, the next is refused.
func TestQuotas(t *testing.T) {
	w := newWorld(t)
	ctx, admin := t.Context(), w.admin()
	for n := len(w.db.Snapshot().Providers()); n < iam.DefaultQuotas.Providers; n++ {
		if _, err := w.CreateProvider(ctx, admin, control.ProviderInput{URL: fmt.Sprintf("https://p%d.example", n)}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := w.CreateProvider(ctx, admin, control.ProviderInput{URL: "https://more.example"}); reason(err) != "limit exceeded: Cannot exceed quota for OpenIdConnectProvidersPerAccount: 100" {
		t.Errorf("got %v", err)
	}
	second, _ := w.db.Snapshot().Role("second")
	var many []registry.Change
	for n := len(w.db.Snapshot().Roles()); n < iam.DefaultQuotas.Roles; n++ { // one less than fit beside the administrator's
		second.Name, second.ID = fmt.Sprint("r", n), fmt.Sprint("AROA", n)
		many = append(many, registry.PutRole{Role: second})
	}
	if err := w.db.Commit(ctx, w.db.Snapshot(), many, audit.Event{Time: time.Now()}); err != nil {
		t.Fatal(err)
	}
	if _, err := w.CreateRole(ctx, admin, control.RoleInput{Name: "last", Trust: trust}); err != nil {
		t.Errorf("the last that fits: %v", err)
	}
	if _, err := w.CreateRole(ctx, admin, control.RoleInput{Name: "more", Trust: trust}); reason(err) != "limit exceeded: Cannot exceed quota for RolesPerAccount: 1000" {
		t.Errorf("got %v", err)
	}
}

// TestOtherQuotas: the operator may say otherwise.
func TestOtherQuotas(t *testing.T) {
	w := newWorld(t)
	roles, providers := len(w.db.Snapshot().Roles()), len(w.db.Snapshot().Providers())
	ctl, err := control.New(control.Config{Store: w.db, Stale: func(error) bool { return false }, Now: time.Now, Rand: rand.Reader, Sealer: sessiontest.NewSealer(t), Quotas: iam.Quotas{Roles: roles, Providers: providers + 1}})
	if err != nil {
		t.Fatal(err)
	}
	ctx, admin := t.Context(), w.admin()
	if _, err := ctl.CreateRole(ctx, admin, control.RoleInput{Name: "fits", Trust: trust}); err != nil { // beside the administrator's
		t.Error(err)
	}
	if _, err := ctl.CreateRole(ctx, admin, control.RoleInput{Name: "more", Trust: trust}); reason(err) != fmt.Sprint("limit exceeded: Cannot exceed quota for RolesPerAccount: ", roles) {
		t.Errorf("got %v", err)
	}
	if _, err := ctl.CreateProvider(ctx, admin, control.ProviderInput{URL: "https://fits.example"}); err != nil {
		t.Error(err)
	}
	if _, err := ctl.CreateProvider(ctx, admin, control.ProviderInput{URL: "https://more.example"}); reason(err) != fmt.Sprint("limit exceeded: Cannot exceed quota for OpenIdConnectProvidersPerAccount: ", providers+1) {
		t.Errorf("got %v", err)
	}
}

// TestUnreadable: a signed request whose parameters cannot be read leaves a
// line, and the edge's error comes back.
func TestUnreadable(t *testing.T) {
	w := newWorld(t)
	n := w.count()
	why := errors.New("Value at 'x' is not supported")
	if err := w.Unreadable(t.Context(), w.admin(), "iam:CreateRole", why); !errors.Is(err, why) || err.Error() != why.Error() {
		t.Errorf("got %v", err)
	}
	e := w.events(n)
	if len(e) != 1 || e[0].Action != "iam:CreateRole" || e[0].Outcome != audit.Denied || e[0].Reason != "unreadable request" || e[0].Request != "request-1" || !strings.HasSuffix(e[0].Actor, "mayfly-admin/uid-0") || e[0].Resource != "" {
		t.Errorf("recorded is %+v", e)
	}
	w.db.FailNext(errBroken)
	if err := w.Unreadable(t.Context(), w.admin(), "iam:CreateRole", why); !errors.Is(err, why) || !errors.Is(err, errBroken) {
		t.Errorf("what cannot be recorded: %v", err)
	}
}

// TestAccessPolicyQuotas: the last that fits is made, the next is refused.
func TestAccessPolicyQuotas(t *testing.T) {
	w := newWorld(t)
	ctx, admin := t.Context(), w.admin()
	var many []registry.Change
	e, _ := w.db.Snapshot().Entry("prod", roleARN)
	for n := len(w.db.Snapshot().CustomPolicies()); n < eks.MaxAccessPolicies-1; n++ {
		name := fmt.Sprint("p", n)
		many = append(many, registry.PutAccessPolicy{Policy: &eks.AccessPolicy{ARN: customARN + name, Name: name, Rules: reading("pods")}})
		if len(e.Policies) < 49 {
			e = e.Associate(customARN+name, eks.Scope{Type: eks.ClusterScope}, time.Now())
		}
	}
	if err := w.db.Commit(ctx, w.db.Snapshot(), append(many, registry.PutEntry{Entry: e}), audit.Event{Time: time.Now()}); err != nil {
		t.Fatal(err)
	}
	if _, err := w.CreateAccessPolicy(ctx, admin, "last", reading("pods")); err != nil {
		t.Errorf("the last that fits: %v", err)
	}
	if _, err := w.CreateAccessPolicy(ctx, admin, "more", reading("pods")); reason(err) != "eks: There are 500 custom access policies already, which is the most" {
		t.Errorf("got %v", err)
	}
	if _, _, err := w.UpdateAccessPolicy(ctx, admin, "last", reading("pods", "secrets")); err != nil {
		t.Errorf("changing one: %v", err)
	}
	whole := eks.Scope{Type: eks.ClusterScope}
	if _, err := w.AssociatePolicy(ctx, admin, "prod", roleARN, customARN+"last", whole); err != nil {
		t.Errorf("the last that fits into an entry: %v", err)
	}
	if _, err := w.AssociatePolicy(ctx, admin, "prod", roleARN, customARN+"unused", whole); reason(err) != "eks: An access entry has 50 access policies at most" {
		t.Errorf("got %v", err)
	}
	if _, err := w.AssociatePolicy(ctx, admin, "prod", roleARN, customARN+"last", whole); err != nil {
		t.Errorf("one of them again: %v", err)
	}
}
