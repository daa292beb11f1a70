package storetest

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"mayfly.internal/internal/arn"
	"mayfly.internal/internal/audit"
	"mayfly.internal/internal/eks"
	"mayfly.internal/internal/iam"
	"mayfly.internal/internal/oidc"
	"mayfly.internal/internal/policy"
	"mayfly.internal/internal/registry"
)

// account is the account of every database here.
const account arn.AccountID = "111122223333"

// at is a time as the database keeps it: microseconds, UTC.
func at(minute int) time.Time {
	return time.Date(2026, 11, 23, 3, minute, 7, 123456000, time.UTC)
}

func provider(url string) oidc.Provider {
	return oidc.Provider{ID: "OIDC" + strings.ToUpper(strings.Trim(url, "htps:/.")), Account: account, URL: url, ClientIDs: []string{"gitlab-aws-deploy", `a "b" <c>`},
		Thumbprints: []string{strings.Repeat("ab", 20)}, Tags: []oidc.Tag{{Key: "team", Value: "größe"}}, Created: at(1)}
}

const permission = `{ "Version": "2012-10-17",
  "Statement": [ { "Sid": "D", "Effect": "Allow", "Action": "eks:DescribeCluster", "Resource": "*" } ] }`

// trustOf is a trust policy that names an issuer's jobs, and roles.
func trustOf(roles ...string) string {
	text := `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Federated":"arn:aws:iam::111122223333:oidc-provider/gitlab.example"},` +
		`"Action":"sts:AssumeRoleWithWebIdentity","Condition":{"StringLike":{"gitlab.example:sub":"project_path:acme/web:*"}}}`
	for _, r := range roles {
		text += `,{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::111122223333:role/` + r + `"},"Action":"sts:AssumeRole"}`
	}
	return text + "\n]}"
}

func roleID(name string) string { return "AROA" + fmt.Sprintf("%017d", len(name)) }

// role is a role with two inline policies whose trust names other roles, bound
// to their ids.
func role(t testing.TB, name string, trusts ...string) iam.Role {
	t.Helper()
	trust, err := policy.Parse(policy.Trust, []byte(trustOf(trusts...)))
	if err == nil {
		trust, err = trust.Bind(func(r arn.Role) (string, bool) { return roleID(r.Name), true })
	}
	if err != nil {
		t.Fatal(err)
	}
	d, err := policy.Parse(policy.Permission, []byte(permission))
	if err != nil {
		t.Fatal(err)
	}
	return iam.Role{ID: roleID(name), Account: account, Path: "/ci/", Name: name, Description: "déploie\tça", MaxSession: 90 * time.Minute, Trust: trust,
		Inline: map[string]*policy.Document{"describe": d, "again": d}, Tags: []iam.Tag{{Key: "k", Value: ""}}, Created: at(2)}
}

// managed is a managed policy of two versions, of which the first has a say, and
// of a third that is gone.
func managed(t testing.TB, name string) iam.ManagedPolicy {
	t.Helper()
	d, err := policy.Parse(policy.Managed, []byte(permission))
	if err != nil {
		t.Fatal(err)
	}
	return iam.ManagedPolicy{ID: "ANPA" + strings.ToUpper(name), Account: account, Path: "/ci/", Name: name, Description: "déploie\tça", Created: at(1), Updated: at(3), Tags: []iam.Tag{{Key: "k", Value: "größe"}},
		Versions: []iam.PolicyVersion{{Number: 1, Document: d, Created: at(1)}, {Number: 3, Document: d, Created: at(3)}}, Default: 1, Latest: 4}
}

// with is a role that has managed policies and is bounded by one.
func with(r iam.Role, boundary string, attached ...string) iam.Role {
	slices.Sort(attached)
	r.Boundary, r.Attached = boundary, attached
	return r
}

func cluster(name string) eks.Cluster {
	return eks.Cluster{ID: "id-of-" + name, Name: name, Region: "eu-central-1", Account: account, Endpoint: "https://k8s.example:6443", CA: []byte("-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----\n"),
		Mode: eks.ModeAPIAndConfigMap, TrustAccounts: []arn.AccountID{"444455556666"}, BearerMaxAge: 10 * time.Minute, Created: at(3), Tags: map[string]string{"env": "prod"}}
}

func entry(cluster, role string) eks.AccessEntry {
	return eks.AccessEntry{ClusterID: "id-of-" + cluster, Cluster: cluster, PrincipalARN: "arn:aws:iam::111122223333:role/ci/" + role, PrincipalID: roleID(role), UUID: "b6e9d0a4-0000-4000-8000-000000000000",
		Username: "job:{{SessionName}}", Groups: []string{"deployers", "b"}, Tags: map[string]string{"a": "1"}, Created: at(4), Modified: at(5),
		Policies: []eks.Association{
			{PolicyARN: "arn:aws:eks::aws:cluster-access-policy/AmazonEKSEditPolicy", Scope: eks.Scope{Type: eks.NamespaceScope, Namespaces: []string{"production", "dev-*"}}, Associated: at(6), Modified: at(7)},
			{PolicyARN: "arn:aws:eks::aws:cluster-access-policy/AmazonEKSViewPolicy", Scope: eks.Scope{Type: eks.ClusterScope}, Associated: at(6), Modified: at(6)},
		}}
}

func accessPolicy(name string) *eks.AccessPolicy {
	return &eks.AccessPolicy{ARN: "arn:aws:eks::111122223333:cluster-access-policy/" + name, Name: name, Created: at(6), Modified: at(7), Rules: []eks.Rule{
		{APIGroups: []string{""}, Resources: []string{"pods/log", "*/scale"}, ResourceNames: []string{"web-0", `"<é>`}, Verbs: []string{"get"}}, {NonResourceURLs: []string{"/metrics/*"}, Verbs: []string{"get"}}}}
}

// happened is an event of an operation of that name.
func happened(action string, o audit.Outcome) audit.Event {
	return audit.Event{Time: at(8), Action: action, Outcome: o, Request: "r", Source: "192.0.2.7", Actor: "arn:aws:sts::111122223333:assumed-role/mayfly-admin/uid-0", Resource: `"; DROP TABLE role; --`}
}

// Text is all that a snapshot holds, a line per fact: two snapshots of the same
// text decide alike.
func Text(s *registry.Snapshot) string {
	var b strings.Builder
	fmt.Fprintf(&b, "account %s %s generation %d\n", s.Account, s.Alias, s.Generation)
	for _, p := range s.Providers() {
		fmt.Fprintf(&b, "provider %+v\n", p)
	}
	for _, r := range s.Roles() {
		trust, inline := r.Trust, r.Inline
		r.Trust, r.Inline = nil, nil
		fmt.Fprintf(&b, "role %+v\n  trust %s\n  bound %v\n", r, trust.Text(), trust.BoundRoles())
		var names []string
		for n := range inline {
			names = append(names, n)
		}
		slices.Sort(names)
		for _, n := range names {
			fmt.Fprintf(&b, "  policy %s %s\n", n, inline[n].Text())
		}
	}
	for _, p := range s.CustomPolicies() {
		found, _ := s.CustomPolicy(p.ARN)
		fmt.Fprintf(&b, "access policy %+v\n  of its ARN: %v\n", *p, found == p)
	}
	for _, p := range s.Policies() {
		versions := p.Versions
		byName, _ := s.PolicyByName(strings.ToUpper(p.Name))
		p.Versions = nil
		fmt.Fprintf(&b, "managed policy %+v\n  by name: %s\n  usage %+v\n", p, byName.ID, s.PolicyUsage(p.ID))
		for _, v := range versions {
			fmt.Fprintf(&b, "  version %d %s %s\n", v.Number, v.Created, v.Document.Text())
		}
	}
	for _, c := range s.Clusters() {
		fmt.Fprintf(&b, "cluster %+v\n", c)
		for _, e := range s.Entries(c.Name) {
			byRole, _ := s.EntryOfPrincipal(c.Name, e.PrincipalID)
			fmt.Fprintf(&b, "  entry %+v\n  of role: %s\n", e, byRole.PrincipalARN)
		}
	}
	return b.String()
}
