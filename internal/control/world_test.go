package control_test

import (
	"context"
	"net/netip"
	"slices"
	"testing"
	"time"

	"mayfly.internal/internal/arn"
	"mayfly.internal/internal/audit"
	"mayfly.internal/internal/control"
	"mayfly.internal/internal/control/controltest"
	"mayfly.internal/internal/eks"
	"mayfly.internal/internal/iam"
	"mayfly.internal/internal/request"
	"mayfly.internal/internal/session"
	"mayfly.internal/internal/store"
	"mayfly.internal/internal/store/sqlite/sqlitetest"
	"mayfly.internal/internal/store/storetest"
)

const account arn.AccountID = "111122223333"

const (
	region      = "eu-central-1"
	providerARN = "arn:aws:iam::111122223333:oidc-provider/gitlab.example"
	roleARN     = "arn:aws:iam::111122223333:role/ci/deployer"
	secondARN   = "arn:aws:iam::111122223333:role/second"
	clusterARN  = "arn:aws:eks:eu-central-1:111122223333:cluster/prod"
	givenARN    = "arn:aws:iam::111122223333:policy/ci/given" // attached to the deployer
	limitARN    = "arn:aws:iam::111122223333:policy/limit"    // bounds the deployer; has three versions
	spareARN    = "arn:aws:iam::111122223333:policy/spare"    // of nobody
	editPolicy  = "arn:aws:eks::aws:cluster-access-policy/AmazonEKSEditPolicy"
	customARN   = "arn:aws:eks::111122223333:cluster-access-policy/"
	viewPolicy  = "arn:aws:eks::aws:cluster-access-policy/AmazonEKSViewPolicy"

	trust = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Federated":"arn:aws:iam::111122223333:oidc-provider/gitlab.example"},` +
		`"Action":"sts:AssumeRoleWithWebIdentity","Condition":{"StringLike":{"gitlab.example:sub":"project_path:acme/web:*"}}}]}`
	describe = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"eks:DescribeCluster","Resource":"*"}]}`
)

// world is a control plane over a real store in which somebody has worked
// already.
type world struct {
	*control.Service
	t  testing.TB
	db *store.DB
}

func start(t testing.TB) *world {
	t.Helper()
	db := sqlitetest.Open(t, store.Config{Account: account})
	s := controltest.New(t, db)
	return &world{s, t, db}
}

// newWorld holds a provider, three roles, three managed policies, a cluster with
// an entry and a policy, a cluster of the classic sort, one that was, and two
// custom access policies, of which the entry has one.
func newWorld(t testing.TB) *world {
	w := start(t)
	ctx, admin := t.Context(), w.admin()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	_, err := w.CreateProvider(ctx, admin, control.ProviderInput{URL: "https://gitlab.example", ClientIDs: []string{"mayfly"}, Tags: []iam.Tag{{Key: "team", Value: "web"}}})
	must(err)
	_, err = w.CreateRole(ctx, admin, control.RoleInput{Path: "/ci/", Name: "deployer", Trust: trust, Tags: []iam.Tag{{Key: "team", Value: "web"}}})
	must(err)
	must(w.PutRolePolicy(ctx, admin, "deployer", "describe", describe))
	_, err = w.CreateRole(ctx, admin, control.RoleInput{Name: "second", Trust: trust})
	must(err)
	for _, in := range []control.PolicyInput{
		{Path: "/ci/", Name: "given", Document: describe, Tags: []iam.Tag{{Key: "team", Value: "web"}}},
		{Name: "limit", Document: `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}`},
		{Name: "spare", Document: describe},
	} {
		_, err = w.CreatePolicy(ctx, admin, in)
		must(err)
	}
	for range 2 {
		_, err = w.CreatePolicyVersion(ctx, admin, limitARN, describe, false)
		must(err)
	}
	must(w.AttachPolicy(ctx, admin, "deployer", givenARN))
	must(w.PutBoundary(ctx, admin, "deployer", limitARN))
	must(w.CreateAlias(ctx, admin, "acme"))
	_, err = w.RegisterCluster(ctx, admin, cluster("prod"))
	must(err)
	classic := cluster("classic")
	classic.Mode = eks.ModeConfigMap
	_, err = w.RegisterCluster(ctx, admin, classic)
	must(err)
	classic.Name = "moved"
	_, err = w.RegisterCluster(ctx, admin, classic)
	must(err)
	_, err = w.UpdateMode(ctx, admin, "moved", eks.ModeAPIAndConfigMap, "t")
	must(err)
	_, _, err = w.CreateEntry(ctx, admin, "prod", control.EntryInput{Principal: roleARN, Groups: []string{"deployers"}, Tags: map[string]string{"team": "web"}})
	must(err)
	_, err = w.AssociatePolicy(ctx, admin, "prod", roleARN, editPolicy, eks.Scope{Type: eks.NamespaceScope, Namespaces: []string{"production"}})
	must(err)
	for _, name := range []string{"used", "unused"} {
		_, err = w.CreateAccessPolicy(ctx, admin, name, reading("pods"))
		must(err)
	}
	_, err = w.AssociatePolicy(ctx, admin, "prod", roleARN, customARN+"used", eks.Scope{Type: eks.NamespaceScope, Namespaces: []string{"production"}})
	must(err)
	return w
}

// reading is the rules of a policy that reads some resources.
func reading(resources ...string) []eks.Rule {
	return []eks.Rule{{APIGroups: []string{""}, Resources: resources, Verbs: []string{"get", "list"}}}
}

func cluster(name string) eks.Cluster {
	return eks.Cluster{Name: name, Region: region, Endpoint: "https://k8s.example:6443", CA: []byte("-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----\n"), Tags: map[string]string{"team": "web"}}
}

// admin is a call of the administrator.
func (w *world) admin() control.Call {
	return w.call(session.Session{RoleID: iam.AdminID, Name: "uid-0", AdminUID: "0"})
}

// call is a call in a session that has not expired.
func (w *world) call(s session.Session) control.Call {
	w.t.Helper()
	s.Issued = time.Now().Add(-time.Minute)
	if s.Expires.IsZero() {
		s.Expires = time.Now().Add(time.Hour)
	}
	who, err := w.db.Snapshot().Principal(s, time.Now())
	if err != nil {
		w.t.Fatal(err)
	}
	return control.Call{Caller: who, Info: request.Info{ID: "request-1", Source: netip.MustParseAddr("192.0.2.7"), Secure: true, Region: region, Time: time.Now()}}
}

// as is a call of a role made for it, with a permission policy of some
// statements.
func (w *world) as(statements string) control.Call {
	w.t.Helper()
	return w.callerWith(statements, session.Session{Name: "someone"})
}

func (w *world) callerWith(statements string, s session.Session) control.Call {
	w.t.Helper()
	ctx, admin := w.t.Context(), w.admin()
	if _, ok := w.db.Snapshot().Role("caller"); !ok {
		if _, err := w.CreateRole(ctx, admin, control.RoleInput{Name: "caller", Trust: trust, Tags: []iam.Tag{{Key: "Team", Value: "web"}, {Key: "stage", Value: "test"}}}); err != nil {
			w.t.Fatal(err)
		}
	}
	if err := w.PutRolePolicy(ctx, admin, "caller", "p", `{"Version":"2012-10-17","Statement":[`+statements+`]}`); err != nil {
		w.t.Fatalf("%s: %v", statements, err)
	}
	r, _ := w.db.Snapshot().Role("caller")
	s.RoleID = r.ID
	return w.call(s)
}

func allow(action, resource string) string {
	return `{"Effect":"Allow","Action":"` + action + `","Resource":"` + resource + `"}`
}

func deny(action, resource string) string {
	return `{"Effect":"Deny","Action":"` + action + `","Resource":"` + resource + `"}`
}

// text is all that is registered.
func (w *world) text() string { return storetest.Text(w.db.Snapshot()) }

// events are the events recorded after the first n.
func (w *world) events(n int) []audit.Event {
	w.t.Helper()
	var out []audit.Event
	for {
		lines, err := w.db.Audit(context.Background(), int64(n+len(out)), 1000)
		if err != nil {
			w.t.Fatal(err)
		}
		for _, l := range lines {
			e, err := audit.Decode(l.Body)
			if err != nil {
				w.t.Fatalf("%s: %v", l.Body, err)
			}
			out = append(out, e)
		}
		if len(lines) == 0 {
			return out
		}
	}
}

// count is how many events are recorded.
func (w *world) count() int { return len(w.events(0)) }

// operation is one of the control plane's, as a test calls it.
type operation struct {
	action   string
	also     []string // further actions that must be allowed
	resource string   // what it is authorised on; ID stands for what nobody knows beforehand
	changes  bool
	do       func(ctx context.Context, w *world, c control.Call) error
}

// operations are all of them; each succeeds in a new world.
var operations = []operation{
	{"iam:CreateOpenIDConnectProvider", []string{"iam:TagOpenIDConnectProvider"}, "arn:aws:iam::111122223333:oidc-provider/new.example:8443/a", true, func(ctx context.Context, w *world, c control.Call) error {
		_, err := w.CreateProvider(ctx, c, control.ProviderInput{URL: "https://new.example:8443/a", ClientIDs: []string{"a", `b "c"`, "a"}, Thumbprints: []string{"ab"}, Tags: []iam.Tag{{Key: "k", Value: "v"}}})
		return err
	}},
	{"iam:GetOpenIDConnectProvider", nil, providerARN, false, func(ctx context.Context, w *world, c control.Call) error {
		_, err := w.Provider(ctx, c, providerARN)
		return err
	}},
	{"iam:ListOpenIDConnectProviders", nil, "arn:aws:iam::111122223333:oidc-provider/*", false, func(ctx context.Context, w *world, c control.Call) error {
		_, err := w.Providers(ctx, c)
		return err
	}},
	{"iam:AddClientIDToOpenIDConnectProvider", nil, providerARN, true, func(ctx context.Context, w *world, c control.Call) error {
		return w.AddClientID(ctx, c, providerARN, "another")
	}},
	{"iam:RemoveClientIDFromOpenIDConnectProvider", nil, providerARN, true, func(ctx context.Context, w *world, c control.Call) error {
		return w.RemoveClientID(ctx, c, providerARN, "mayfly")
	}},
	{"iam:UpdateOpenIDConnectProviderThumbprint", nil, providerARN, true, func(ctx context.Context, w *world, c control.Call) error {
		return w.SetThumbprints(ctx, c, providerARN, []string{"cd", "ef"})
	}},
	{"iam:CreateRole", []string{"iam:TagRole"}, "arn:aws:iam::111122223333:role/a/b/new", true, func(ctx context.Context, w *world, c control.Call) error {
		_, err := w.CreateRole(ctx, c, control.RoleInput{Path: "/a/b/", Name: "new", Description: "d", MaxSession: 2 * time.Hour, BoundaryARN: limitARN, Tags: []iam.Tag{{Key: "k", Value: "v"}},
			Trust: `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::111122223333:role/ci/deployer"},"Action":"sts:AssumeRole"}]}`})
		return err
	}},
	{"iam:GetRole", nil, roleARN, false, func(ctx context.Context, w *world, c control.Call) error {
		_, err := w.Role(ctx, c, "deployer")
		return err
	}},
	{"iam:ListRoles", nil, "arn:aws:iam::111122223333:role/", false, func(ctx context.Context, w *world, c control.Call) error {
		_, err := w.Roles(ctx, c, "")
		return err
	}},
	{"iam:UpdateRole", nil, roleARN, true, func(ctx context.Context, w *world, c control.Call) error {
		text := ""
		return w.UpdateRole(ctx, c, "deployer", &text, 3*time.Hour)
	}},
	{"iam:UpdateRoleDescription", nil, roleARN, true, func(ctx context.Context, w *world, c control.Call) error {
		_, err := w.DescribeRole(ctx, c, "deployer", "described")
		return err
	}},
	{"iam:TagRole", nil, roleARN, true, func(ctx context.Context, w *world, c control.Call) error {
		return w.TagRole(ctx, c, "deployer", []iam.Tag{{Key: "Env", Value: "prod"}, {Key: "b", Value: ""}})
	}},
	{"iam:UntagRole", nil, roleARN, true, func(ctx context.Context, w *world, c control.Call) error {
		return w.UntagRole(ctx, c, "deployer", []string{"B", "missing"})
	}},
	{"iam:ListRoleTags", nil, roleARN, false, func(ctx context.Context, w *world, c control.Call) error {
		_, err := w.RoleTags(ctx, c, "deployer")
		return err
	}},
	{"iam:ListAttachedRolePolicies", nil, roleARN, false, func(ctx context.Context, w *world, c control.Call) error {
		_, err := w.AttachedPolicies(ctx, c, "deployer", "")
		return err
	}},
	{"iam:CreatePolicy", []string{"iam:TagPolicy"}, "arn:aws:iam::111122223333:policy/a/b/new", true, func(ctx context.Context, w *world, c control.Call) error {
		_, err := w.CreatePolicy(ctx, c, control.PolicyInput{Path: "/a/b/", Name: "new", Description: "d", Document: " " + describe, Tags: []iam.Tag{{Key: "k", Value: "v"}}})
		return err
	}},
	{"iam:GetPolicy", nil, givenARN, false, func(ctx context.Context, w *world, c control.Call) error {
		_, err := w.Policy(ctx, c, givenARN)
		return err
	}},
	{"iam:ListPolicies", nil, "arn:aws:iam::111122223333:policy/", false, func(ctx context.Context, w *world, c control.Call) error {
		_, err := w.Policies(ctx, c, control.PolicyFilter{})
		return err
	}},
	{"iam:DeletePolicyVersion", nil, limitARN, true, func(ctx context.Context, w *world, c control.Call) error {
		return w.DeletePolicyVersion(ctx, c, limitARN, "v3")
	}},
	{"iam:CreatePolicyVersion", nil, limitARN, true, func(ctx context.Context, w *world, c control.Call) error {
		_, err := w.CreatePolicyVersion(ctx, c, limitARN, describe+"\n", true)
		return err
	}},
	{"iam:GetPolicyVersion", nil, limitARN, false, func(ctx context.Context, w *world, c control.Call) error {
		_, err := w.PolicyVersion(ctx, c, limitARN, "v2")
		return err
	}},
	{"iam:ListPolicyVersions", nil, limitARN, false, func(ctx context.Context, w *world, c control.Call) error {
		_, err := w.PolicyVersions(ctx, c, limitARN)
		return err
	}},
	{"iam:SetDefaultPolicyVersion", nil, limitARN, true, func(ctx context.Context, w *world, c control.Call) error {
		return w.SetDefaultPolicyVersion(ctx, c, limitARN, "v2")
	}},
	{"iam:TagPolicy", nil, givenARN, true, func(ctx context.Context, w *world, c control.Call) error {
		return w.TagPolicy(ctx, c, givenARN, []iam.Tag{{Key: "Env", Value: "prod"}, {Key: "b", Value: ""}})
	}},
	{"iam:UntagPolicy", nil, givenARN, true, func(ctx context.Context, w *world, c control.Call) error {
		return w.UntagPolicy(ctx, c, givenARN, []string{"B", "missing"})
	}},
	{"iam:ListPolicyTags", nil, givenARN, false, func(ctx context.Context, w *world, c control.Call) error {
		_, err := w.PolicyTags(ctx, c, givenARN)
		return err
	}},
	{"iam:ListEntitiesForPolicy", nil, givenARN, false, func(ctx context.Context, w *world, c control.Call) error {
		_, err := w.PolicyEntities(ctx, c, givenARN, control.EntityFilter{})
		return err
	}},
	{"iam:AttachRolePolicy", nil, roleARN, true, func(ctx context.Context, w *world, c control.Call) error {
		return w.AttachPolicy(ctx, c, "deployer", limitARN)
	}},
	{"iam:DetachRolePolicy", nil, roleARN, true, func(ctx context.Context, w *world, c control.Call) error {
		return w.DetachPolicy(ctx, c, "deployer", givenARN)
	}},
	{"iam:PutRolePermissionsBoundary", nil, roleARN, true, func(ctx context.Context, w *world, c control.Call) error {
		return w.PutBoundary(ctx, c, "deployer", givenARN)
	}},
	{"iam:DeleteRolePermissionsBoundary", nil, roleARN, true, func(ctx context.Context, w *world, c control.Call) error {
		return w.DeleteBoundary(ctx, c, "deployer")
	}},
	{"iam:DeletePolicy", nil, spareARN, true, func(ctx context.Context, w *world, c control.Call) error {
		return w.DeletePolicy(ctx, c, spareARN)
	}},
	{"iam:GetAccountAuthorizationDetails", nil, "*", false, func(ctx context.Context, w *world, c control.Call) error {
		_, err := w.AccountDetails(ctx, c)
		return err
	}},
	{"iam:GetAccountSummary", nil, "*", false, func(ctx context.Context, w *world, c control.Call) error {
		_, err := w.AccountSummary(ctx, c)
		return err
	}},
	{"iam:DeleteAccountAlias", nil, "*", true, func(ctx context.Context, w *world, c control.Call) error {
		return w.DeleteAlias(ctx, c, "acme")
	}},
	{"iam:CreateAccountAlias", nil, "*", true, func(ctx context.Context, w *world, c control.Call) error {
		return w.CreateAlias(ctx, c, "acme-web")
	}},
	{"iam:ListAccountAliases", nil, "*", false, func(ctx context.Context, w *world, c control.Call) error {
		_, err := w.Alias(ctx, c)
		return err
	}},
	{"iam:SimulateCustomPolicy", nil, "*", false, func(ctx context.Context, w *world, c control.Call) error {
		_, _, err := w.SimulateCustom(ctx, c, control.SimulateInput{Policies: []string{describe}, Actions: []string{"eks:DescribeCluster"}, Max: 1})
		return err
	}},
	{"iam:SimulatePrincipalPolicy", nil, roleARN, false, func(ctx context.Context, w *world, c control.Call) error {
		_, _, err := w.SimulatePrincipal(ctx, c, roleARN, control.SimulateInput{Actions: []string{"eks:DescribeCluster"}, Max: 1})
		return err
	}},
	{"iam:ListInstanceProfilesForRole", nil, roleARN, false, func(ctx context.Context, w *world, c control.Call) error {
		return w.InstanceProfiles(ctx, c, "deployer")
	}},
	{"iam:TagOpenIDConnectProvider", nil, providerARN, true, func(ctx context.Context, w *world, c control.Call) error {
		return w.TagProvider(ctx, c, providerARN, []iam.Tag{{Key: "Env", Value: "prod"}, {Key: "b", Value: ""}})
	}},
	{"iam:UntagOpenIDConnectProvider", nil, providerARN, true, func(ctx context.Context, w *world, c control.Call) error {
		return w.UntagProvider(ctx, c, providerARN, []string{"B", "missing"})
	}},
	{"iam:ListOpenIDConnectProviderTags", nil, providerARN, false, func(ctx context.Context, w *world, c control.Call) error {
		_, err := w.ProviderTags(ctx, c, providerARN)
		return err
	}},
	{"iam:ListUsers", nil, "arn:aws:iam::111122223333:user/*", false, func(ctx context.Context, w *world, c control.Call) error {
		return w.NoUsers(ctx, c, "iam:ListUsers", "user")
	}},
	{"iam:UpdateAssumeRolePolicy", nil, roleARN, true, func(ctx context.Context, w *world, c control.Call) error {
		return w.UpdateTrust(ctx, c, "deployer", `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::111122223333:role/second"},"Action":"sts:AssumeRole"}]}`)
	}},
	{"iam:PutRolePolicy", nil, roleARN, true, func(ctx context.Context, w *world, c control.Call) error {
		return w.PutRolePolicy(ctx, c, "deployer", "new", describe)
	}},
	{"iam:GetRolePolicy", nil, roleARN, false, func(ctx context.Context, w *world, c control.Call) error {
		_, _, err := w.RolePolicy(ctx, c, "deployer", "describe")
		return err
	}},
	{"iam:ListRolePolicies", nil, roleARN, false, func(ctx context.Context, w *world, c control.Call) error {
		_, err := w.RolePolicies(ctx, c, "deployer")
		return err
	}},
	{"iam:DeleteRolePolicy", nil, roleARN, true, func(ctx context.Context, w *world, c control.Call) error {
		return w.DeleteRolePolicy(ctx, c, "deployer", "describe")
	}},
	{"mayfly:RegisterCluster", nil, "arn:aws:eks:us-east-1:111122223333:cluster/new", true, func(ctx context.Context, w *world, c control.Call) error {
		k := cluster("new")
		k.Region, k.Mode, k.BearerMaxAge, k.TrustAccounts = "us-east-1", eks.ModeAPIAndConfigMap, 5*time.Minute, []arn.AccountID{"444455556666", "777788889999"}
		_, err := w.RegisterCluster(ctx, c, k)
		return err
	}},
	{"eks:DescribeCluster", nil, clusterARN, false, func(ctx context.Context, w *world, c control.Call) error {
		_, err := w.Cluster(ctx, c, region, "prod")
		return err
	}},
	{"eks:ListClusters", nil, "arn:aws:eks:eu-central-1:111122223333:cluster/*", false, func(ctx context.Context, w *world, c control.Call) error {
		_, err := w.Clusters(ctx, c, region)
		return err
	}},
	{"eks:UpdateClusterConfig", nil, "arn:aws:eks:eu-central-1:111122223333:cluster/classic", true, func(ctx context.Context, w *world, c control.Call) error {
		_, err := w.UpdateMode(ctx, c, "classic", eks.ModeAPIAndConfigMap, "")
		return err
	}},
	{"eks:DescribeUpdate", nil, "arn:aws:eks:eu-central-1:111122223333:cluster/moved", false, func(ctx context.Context, w *world, c control.Call) error {
		k, _ := w.db.Snapshot().Cluster("moved")
		_, err := w.Update(ctx, c, "moved", k.Updates[0].ID)
		return err
	}},
	{"eks:ListUpdates", nil, "arn:aws:eks:eu-central-1:111122223333:cluster/moved", false, func(ctx context.Context, w *world, c control.Call) error {
		_, err := w.Updates(ctx, c, "moved")
		return err
	}},
	{"mayfly:IssueClusterWebhook", nil, clusterARN, true, func(ctx context.Context, w *world, c control.Call) error {
		_, err := w.IssueWebhook(ctx, c, "prod")
		return err
	}},
	{"eks:CreateAccessEntry", nil, clusterARN, true, func(ctx context.Context, w *world, c control.Call) error {
		_, _, err := w.CreateEntry(ctx, c, "prod", control.EntryInput{Principal: secondARN, Groups: []string{"a b", "c"}, Username: "job:{{SessionName}}", Type: eks.Standard, Tags: map[string]string{"k": "v"}})
		return err
	}},
	{"eks:TagResource", nil, clusterARN, true, func(ctx context.Context, w *world, c control.Call) error {
		return w.Tag(ctx, c, clusterARN, map[string]string{"Env": "prod", "b": ""})
	}},
	{"eks:UntagResource", nil, clusterARN, true, func(ctx context.Context, w *world, c control.Call) error {
		return w.Untag(ctx, c, clusterARN, []string{"b", "missing"})
	}},
	{"eks:ListTagsForResource", nil, clusterARN, false, func(ctx context.Context, w *world, c control.Call) error {
		_, err := w.Tags(ctx, c, clusterARN)
		return err
	}},
	{"eks:ListAccessEntries", nil, clusterARN, false, func(ctx context.Context, w *world, c control.Call) error {
		_, err := w.Entries(ctx, c, "prod", "")
		return err
	}},
	{"eks:DescribeAccessEntry", nil, "arn:aws:eks:eu-central-1:111122223333:access-entry/prod/role/111122223333/deployer/ID", false, func(ctx context.Context, w *world, c control.Call) error {
		_, _, err := w.Entry(ctx, c, "prod", roleARN)
		return err
	}},
	{"eks:UpdateAccessEntry", nil, "arn:aws:eks:eu-central-1:111122223333:access-entry/prod/role/111122223333/deployer/ID", true, func(ctx context.Context, w *world, c control.Call) error {
		name := "ci:{{SessionName}}"
		_, _, err := w.UpdateEntry(ctx, c, "prod", roleARN, &[]string{}, &name)
		return err
	}},
	{"eks:AssociateAccessPolicy", nil, "arn:aws:eks:eu-central-1:111122223333:access-entry/prod/role/111122223333/deployer/ID", true, func(ctx context.Context, w *world, c control.Call) error {
		_, err := w.AssociatePolicy(ctx, c, "prod", roleARN, viewPolicy, eks.Scope{Type: eks.NamespaceScope, Namespaces: []string{"production", "dev-*"}})
		return err
	}},
	{"eks:ListAssociatedAccessPolicies", nil, "arn:aws:eks:eu-central-1:111122223333:access-entry/prod/role/111122223333/deployer/ID", false, func(ctx context.Context, w *world, c control.Call) error {
		_, err := w.AssociatedPolicies(ctx, c, "prod", roleARN)
		return err
	}},
	{"eks:ListAccessPolicies", nil, "*", false, func(ctx context.Context, w *world, c control.Call) error {
		_, err := w.AccessPolicies(ctx, c)
		return err
	}},
	{"mayfly:CreateAccessPolicy", nil, customARN + "new", true, func(ctx context.Context, w *world, c control.Call) error {
		_, err := w.CreateAccessPolicy(ctx, c, "new", []eks.Rule{{APIGroups: []string{"", "apps"}, Resources: []string{"*/scale"}, ResourceNames: []string{`"é"`}, Verbs: []string{"*"}}, {NonResourceURLs: []string{"/metrics/*"}, Verbs: []string{"get"}}})
		return err
	}},
	{"mayfly:UpdateAccessPolicy", nil, customARN + "used", true, func(ctx context.Context, w *world, c control.Call) error {
		_, _, err := w.UpdateAccessPolicy(ctx, c, "used", reading("pods", "pods/log"))
		return err
	}},
	{"mayfly:DescribeAccessPolicy", nil, customARN + "used", false, func(ctx context.Context, w *world, c control.Call) error {
		_, err := w.AccessPolicy(ctx, c, "used")
		return err
	}},
	{"mayfly:ListAccessPolicies", nil, customARN + "*", false, func(ctx context.Context, w *world, c control.Call) error {
		_, err := w.AccessPolicyUses(ctx, c)
		return err
	}},
	{"mayfly:DeleteAccessPolicy", nil, customARN + "unused", true, func(ctx context.Context, w *world, c control.Call) error {
		return w.DeleteAccessPolicy(ctx, c, "unused")
	}},
	{"mayfly:ReadAudit", nil, "arn:aws:mayfly::111122223333:audit-log", false, func(ctx context.Context, w *world, c control.Call) error {
		return w.ReadAudit(ctx, c)
	}},
	{"mayfly:ExplainTrust", nil, roleARN, false, func(ctx context.Context, w *world, c control.Call) error {
		_, err := w.ExplainTrust(ctx, c, "deployer")
		return err
	}},
	{"mayfly:ExplainDenial", nil, "arn:aws:mayfly::111122223333:denial/2c5e8a3c-7d0e-4d0b-8f19-0c1c5a6f1e55", false, func(ctx context.Context, w *world, c control.Call) error {
		return w.ExplainDenial(ctx, c, "2c5e8a3c-7d0e-4d0b-8f19-0c1c5a6f1e55")
	}},
	{"mayfly:ListDenials", nil, "arn:aws:mayfly::111122223333:denial/*", false, func(ctx context.Context, w *world, c control.Call) error {
		return w.ListDenials(ctx, c)
	}},
	{"eks:DisassociateAccessPolicy", nil, "arn:aws:eks:eu-central-1:111122223333:access-entry/prod/role/111122223333/deployer/ID", true, func(ctx context.Context, w *world, c control.Call) error {
		return w.DisassociatePolicy(ctx, c, "prod", roleARN, editPolicy)
	}},
	{"eks:DeleteAccessEntry", nil, "arn:aws:eks:eu-central-1:111122223333:access-entry/prod/role/111122223333/deployer/ID", true, func(ctx context.Context, w *world, c control.Call) error {
		return w.DeleteEntry(ctx, c, "prod", roleARN)
	}},
	{"mayfly:DeregisterCluster", nil, clusterARN, true, func(ctx context.Context, w *world, c control.Call) error {
		return w.DeregisterCluster(ctx, c, "prod")
	}},
	{"iam:DeleteRole", nil, secondARN, true, func(ctx context.Context, w *world, c control.Call) error {
		return w.DeleteRole(ctx, c, "second")
	}},
	{"iam:DeleteOpenIDConnectProvider", nil, providerARN, true, func(ctx context.Context, w *world, c control.Call) error {
		return w.DeleteProvider(ctx, c, providerARN)
	}},
}

// on is the operation's resource in a world.
func (o operation) on(w *world) string {
	if k, e, err := w.Entry(w.t.Context(), w.admin(), "prod", roleARN); err == nil && len(o.resource) > 3 && o.resource[len(o.resource)-3:] == "/ID" {
		return e.ARN(k)
	}
	return o.resource
}

// every runs a test for each operation in a world of its own.
func every(t *testing.T, run func(t *testing.T, w *world, o operation)) {
	for _, o := range operations {
		t.Run(o.action, func(t *testing.T) {
			t.Parallel()
			run(t, newWorld(t), o)
		})
	}
}

func changing() []operation {
	return slices.DeleteFunc(slices.Clone(operations), func(o operation) bool { return !o.changes })
}
