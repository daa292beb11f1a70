package control_test

import (
	"encoding/json"
	"maps"
	"slices"
	"strconv"
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
	"mayfly.internal/internal/store/storetest"
)

// TestAuditRebuildsTheConfiguration does every operation and makes the
// configuration again from the audit log alone.
func TestAuditRebuildsTheConfiguration(t *testing.T) {
	w := newWorld(t)
	admin, _ := w.db.Snapshot().Role(iam.AdminName)
	for _, o := range operations {
		if err := o.do(t.Context(), w, w.admin()); err != nil {
			t.Fatalf("%s: %v", o.action, err)
		}
		s := registry.New(account, admin.Created)
		for _, e := range w.events(0) {
			if changes := replay(t, s, e); len(changes) > 0 {
				s = s.With(changes...)
			}
		}
		if got, want := storetest.Text(s), w.text(); got != want {
			t.Fatalf("after %s the log tells\n%s\nin force is\n%s", o.action, got, want)
		}
	}
}

// replay is what an event changed in a snapshot.
func replay(t *testing.T, s *registry.Snapshot, e audit.Event) []registry.Change {
	t.Helper()
	if e.Outcome != audit.Allowed {
		return nil
	}
	d := e.Detail
	switch {
	case strings.HasPrefix(e.Resource, "arn:aws:iam::111122223333:oidc-provider/"):
		return replayProvider(t, s, e)
	case strings.HasPrefix(e.Resource, "arn:aws:iam::111122223333:role/"):
		return replayRole(t, s, e)
	case strings.HasPrefix(e.Resource, customARN):
		return replayAccessPolicy(t, s, e)
	case strings.HasPrefix(e.Resource, "arn:aws:iam::111122223333:policy/"):
		return replayPolicy(t, s, e)
	case e.Action == "iam:CreateAccountAlias":
		return []registry.Change{registry.SetAlias{Alias: d["alias"]}}
	case e.Action == "iam:DeleteAccountAlias":
		return []registry.Change{registry.SetAlias{}}
	case e.Action == "mayfly:RegisterCluster":
		k := eks.Cluster{ID: d["id"], Account: account, Name: e.Cluster, Region: strings.Split(e.Resource, ":")[3], Endpoint: d["endpoint"], CA: []byte(d["ca"]),
			Mode: eks.AuthenticationMode(d["authentication_mode"]), Created: e.Time}
		k.BearerMaxAge, _ = time.ParseDuration(d["bearer_max_age"])
		decode(t, d["trust_aws_accounts"], &k.TrustAccounts)
		decode(t, d["tags"], &k.Tags)
		return []registry.Change{registry.PutCluster{Cluster: k}}
	case (e.Action == "eks:TagResource" || e.Action == "eks:UntagResource") && strings.Contains(e.Resource, ":cluster/"):
		k, _ := s.Cluster(e.Cluster)
		k.Tags = retagMap(t, k.Tags, d)
		return []registry.Change{registry.PutCluster{Cluster: k}}
	case e.Action == "eks:UpdateClusterConfig":
		k, _ := s.Cluster(e.Cluster)
		if _, done := k.Update(d["update"]); done {
			return nil
		}
		k, err := k.ChangeMode(eks.Update{ID: d["update"], Mode: eks.AuthenticationMode(d["authentication_mode"]), Created: e.Time})
		if err != nil || k.ID != d["id"] {
			t.Errorf("the cluster %s is %s: %v", d["id"], k.ID, err)
		}
		return []registry.Change{registry.PutCluster{Cluster: k}}
	case e.Action == "mayfly:DeregisterCluster":
		return []registry.Change{registry.DeleteCluster{Name: e.Cluster}}
	}
	return replayEntry(t, s, e)
}

func decode(t *testing.T, text string, into any) {
	t.Helper()
	if text == "" {
		return
	}
	if err := json.Unmarshal([]byte(text), into); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
}

func replayProvider(t *testing.T, s *registry.Snapshot, e audit.Event) []registry.Change {
	t.Helper()
	d := e.Detail
	p, _ := s.Provider("https://" + strings.TrimPrefix(e.Resource, "arn:aws:iam::111122223333:oidc-provider/"))
	switch e.Action {
	case "iam:CreateOpenIDConnectProvider":
		p = oidc.Provider{ID: d["id"], Account: account, URL: d["url"], Created: e.Time}
		var ids []string
		decode(t, d["client_ids"], &ids)
		p.ClientIDs, _ = iam.CheckClientIDs(ids)
		decode(t, d["thumbprints"], &p.Thumbprints)
		decode(t, d["tags"], &p.Tags)
	case "iam:AddClientIDToOpenIDConnectProvider":
		p.ClientIDs = append(slices.Clone(p.ClientIDs), d["client_id"])
	case "iam:RemoveClientIDFromOpenIDConnectProvider":
		p.ClientIDs = slices.DeleteFunc(slices.Clone(p.ClientIDs), func(id string) bool { return id == d["client_id"] })
	case "iam:UpdateOpenIDConnectProviderThumbprint":
		p.Thumbprints = nil
		decode(t, d["thumbprints"], &p.Thumbprints)
	case "iam:TagOpenIDConnectProvider", "iam:UntagOpenIDConnectProvider":
		var have []iam.Tag
		for _, tag := range p.Tags {
			have = append(have, iam.Tag(tag))
		}
		p.Tags = nil
		for _, tag := range retag(t, have, d) {
			p.Tags = append(p.Tags, oidc.Tag(tag))
		}
	case "iam:DeleteOpenIDConnectProvider":
		return []registry.Change{registry.DeleteProvider{URL: p.URL}}
	}
	if p.ID != d["id"] {
		t.Errorf("%s: the provider's id is %s, recorded is %s", e.Action, p.ID, d["id"])
	}
	return []registry.Change{registry.PutProvider{Provider: p}}
}

func replayRole(t *testing.T, s *registry.Snapshot, e audit.Event) []registry.Change {
	t.Helper()
	d := e.Detail
	name, err := arn.ParseRole(e.Resource)
	if err != nil {
		t.Fatal(err)
	}
	r, _ := s.RoleByARN(name)
	bind := func() {
		ids := map[string]string{}
		decode(t, d["trusted_roles"], &ids)
		doc, err := policy.Parse(policy.Trust, []byte(d["trust_policy"]))
		if err == nil {
			r.Trust, err = doc.Bind(func(n arn.Role) (string, bool) { id, ok := ids[n.String()]; return id, ok })
		}
		if err != nil {
			t.Fatalf("%s: %v", e.Action, err)
		}
	}
	maxSession := func() {
		if text := d["max_session"]; text != "" {
			n, _ := strconv.Atoi(text)
			r.MaxSession = time.Duration(n) * time.Second
		}
	}
	switch e.Action {
	case "iam:CreateRole":
		r = iam.Role{Boundary: d["boundary_id"], ID: d["id"], Account: account, Path: name.Path, Name: name.Name, Description: d["description"], MaxSession: time.Hour, Created: e.Time}
		decode(t, d["tags"], &r.Tags)
		maxSession()
		bind()
	case "iam:UpdateRole":
		if text, ok := d["description"]; ok {
			r.Description = text
		}
		maxSession()
	case "iam:UpdateRoleDescription":
		r.Description = d["description"]
	case "iam:TagRole", "iam:UntagRole":
		r.Tags = retag(t, r.Tags, d)
	case "iam:UpdateAssumeRolePolicy":
		bind()
	case "iam:PutRolePolicy":
		doc, err := policy.Parse(policy.Permission, []byte(d["document"]))
		if err != nil {
			t.Fatal(err)
		}
		r, _ = r.WithInline(d["policy"], doc, iam.DefaultQuotas)
	case "iam:DeleteRolePolicy":
		r, _ = r.WithoutInline(d["policy"])
	case "iam:AttachRolePolicy":
		r, _ = r.WithAttached(d["policy_id"], iam.DefaultQuotas)
	case "iam:DetachRolePolicy":
		r, _ = r.WithoutAttached(d["policy_id"])
	case "iam:PutRolePermissionsBoundary":
		r.Boundary = d["boundary_id"]
	case "iam:DeleteRolePermissionsBoundary":
		r.Boundary = ""
	case "iam:DeleteRole":
		return []registry.Change{registry.DeleteRole{Name: r.Name}}
	}
	if r.ID != d["id"] {
		t.Errorf("%s: the role's id is %s, recorded is %s", e.Action, r.ID, d["id"])
	}
	return []registry.Change{registry.PutRole{Role: r}}
}

func replayPolicy(t *testing.T, s *registry.Snapshot, e audit.Event) []registry.Change {
	t.Helper()
	d := e.Detail
	name, err := arn.ParsePolicy(e.Resource)
	if err != nil {
		t.Fatal(err)
	}
	p, _ := s.PolicyByARN(name)
	add := func(asDefault bool) {
		doc, err := policy.Parse(policy.Managed, []byte(d["document"]))
		if err == nil {
			p, _, err = p.WithVersion(doc, asDefault, e.Time, iam.DefaultQuotas)
		}
		if err != nil {
			t.Fatalf("%s: %v", e.Action, err)
		}
	}
	switch e.Action {
	case "iam:CreatePolicy":
		p = iam.ManagedPolicy{ID: d["id"], Account: account, Path: name.Path, Name: name.Name, Description: d["description"], Created: e.Time}
		decode(t, d["tags"], &p.Tags)
		add(true)
	case "iam:CreatePolicyVersion":
		add(d["set_as_default"] == "true")
		if v := p.Versions[len(p.Versions)-1].ID(); v != d["version"] {
			t.Errorf("the version is %s, recorded is %s", v, d["version"])
		}
	case "iam:DeletePolicyVersion":
		p, err = p.WithoutVersion(d["version"])
	case "iam:SetDefaultPolicyVersion":
		p, err = p.WithDefault(d["version"])
	case "iam:TagPolicy", "iam:UntagPolicy":
		p.Tags = retag(t, p.Tags, d)
	case "iam:DeletePolicy":
		return []registry.Change{registry.DeletePolicy{ID: d["id"]}}
	}
	if p.ID != d["id"] || err != nil {
		t.Errorf("%s: the policy's id is %s, recorded is %s: %v", e.Action, p.ID, d["id"], err)
	}
	return []registry.Change{registry.PutPolicy{Policy: p}}
}

func retagMap(t *testing.T, tags, d map[string]string) map[string]string {
	t.Helper()
	out := map[string]string{}
	maps.Copy(out, tags)
	decode(t, d["tags"], &out)
	var keys []string
	decode(t, d["tag_keys"], &keys)
	for _, key := range keys {
		delete(out, key)
	}
	return out
}

// retag is tags with those of an event put in or taken away.
func retag(t *testing.T, tags []iam.Tag, d map[string]string) []iam.Tag {
	t.Helper()
	var add []iam.Tag
	var keys []string
	decode(t, d["tags"], &add)
	decode(t, d["tag_keys"], &keys)
	out, err := iam.WithTags(iam.WithoutTags(tags, keys), add)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func replayAccessPolicy(t *testing.T, s *registry.Snapshot, e audit.Event) []registry.Change {
	t.Helper()
	name := strings.TrimPrefix(e.Resource, customARN)
	p := &eks.AccessPolicy{ARN: e.Resource, Name: name, Created: e.Time, Modified: e.Time}
	switch e.Action {
	case "mayfly:DeleteAccessPolicy":
		return []registry.Change{registry.DeleteAccessPolicy{Name: name}}
	case "mayfly:UpdateAccessPolicy":
		old, _ := s.CustomPolicy(e.Resource)
		p.Created = old.Created
	}
	decode(t, e.Detail["rules"], &p.Rules)
	return []registry.Change{registry.PutAccessPolicy{Policy: p}}
}

func replayEntry(t *testing.T, s *registry.Snapshot, e audit.Event) []registry.Change {
	t.Helper()
	d := e.Detail
	entry, _ := s.Entry(e.Cluster, d["principal"])
	switch e.Action {
	case "eks:CreateAccessEntry":
		entry = eks.AccessEntry{ClusterID: d["cluster_id"], Cluster: e.Cluster, PrincipalARN: d["principal"], PrincipalID: d["principal_id"], UUID: d["id"], Username: d["username"], Created: e.Time, Modified: e.Time}
		decode(t, d["groups"], &entry.Groups)
		decode(t, d["tags"], &entry.Tags)
	case "eks:UpdateAccessEntry":
		if text, ok := d["username"]; ok {
			entry.Username = text
		}
		if text, ok := d["groups"]; ok {
			entry.Groups = []string{}
			decode(t, text, &entry.Groups)
		}
		entry.Modified = e.Time
	case "eks:TagResource", "eks:UntagResource":
		entry.Tags = retagMap(t, entry.Tags, d)
	case "eks:AssociateAccessPolicy":
		scope := eks.Scope{Type: eks.ScopeType(d["scope"])}
		decode(t, d["namespaces"], &scope.Namespaces)
		entry = entry.Associate(d["policy"], scope, e.Time)
	case "eks:DisassociateAccessPolicy":
		entry, _ = entry.Disassociate(d["policy"])
	case "eks:DeleteAccessEntry":
		return []registry.Change{registry.DeleteEntry{Cluster: e.Cluster, Principal: d["principal"]}}
	default: // mayfly:IssueClusterWebhook
		return nil
	}
	if entry.UUID != d["id"] {
		t.Errorf("%s: the entry's id is %s, recorded is %s", e.Action, entry.UUID, d["id"])
	}
	return []registry.Change{registry.PutEntry{Entry: entry}}
}
