package iam_test

import (
	"strings"
	"testing"
	"time"

	"mayfly.internal/internal/iam"
	"mayfly.internal/internal/policy"
)

// managedDoc is a managed policy's document of n characters that count, and some
// that do not.
func managedDoc(t testing.TB, n int) *policy.Document {
	t.Helper()
	head, tail := `{"Version":"2012-10-17","Statement":{"Sid":"`, `","Effect":"Allow","Action":"a:b","Resource":"*"}}`
	d, err := policy.Parse(policy.Managed, []byte(head+strings.Repeat("x", n-len(head)-len(tail))+tail+strings.Repeat(" \n", 50)))
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func TestCheckManaged(t *testing.T) {
	good := iam.ManagedPolicy{Account: account, Path: "/ci/", Name: "limit"}
	with := func(change func(*iam.ManagedPolicy)) iam.ManagedPolicy {
		p := good
		change(&p)
		return p
	}
	for _, tt := range []struct {
		name   string
		policy iam.ManagedPolicy
		want   iam.Reason
	}{
		{"a policy", good, 0},
		{"no path", with(func(p *iam.ManagedPolicy) { p.Path = "" }), 0},
		{"a path of every kind of character", with(func(p *iam.ManagedPolicy) { p.Path = "/Az09.,+@=_-/b/" }), 0},
		{"a path of other characters", with(func(p *iam.ManagedPolicy) { p.Path = "/a!b/" }), iam.InvalidValue},
		{"a path with nothing between slashes", with(func(p *iam.ManagedPolicy) { p.Path = "/a//b/" }), iam.InvalidValue},
		{"two slashes", with(func(p *iam.ManagedPolicy) { p.Path = "//" }), iam.InvalidValue},
		{"a path without its end", with(func(p *iam.ManagedPolicy) { p.Path = "/ci" }), iam.InvalidValue},
		{"a path without its beginning", with(func(p *iam.ManagedPolicy) { p.Path = "ci/" }), iam.InvalidValue},
		{"a path of 513", with(func(p *iam.ManagedPolicy) { p.Path = "/" + strings.Repeat("p", 511) + "/" }), iam.InvalidValue},
		{"a name of 128", with(func(p *iam.ManagedPolicy) { p.Name = strings.Repeat("n", 128) }), 0},
		{"a name of 129", with(func(p *iam.ManagedPolicy) { p.Name = strings.Repeat("n", 129) }), iam.InvalidValue},
		{"no name", with(func(p *iam.ManagedPolicy) { p.Name = "" }), iam.InvalidValue},
		{"a name with a slash", with(func(p *iam.ManagedPolicy) { p.Name = "a/b" }), iam.InvalidValue},
		{"a tag twice", with(func(p *iam.ManagedPolicy) { p.Tags = []iam.Tag{{Key: "a"}, {Key: "A"}} }), iam.InvalidInput},
	} {
		got, err := iam.CheckManaged(tt.policy)
		if reason(err) != int(tt.want) || err == nil && got.Path == "" {
			t.Errorf("%s: %+v, %v", tt.name, got, err)
		}
	}
}

func TestVersions(t *testing.T) {
	q, now := iam.DefaultQuotas, time.Unix(1, 0)
	none := iam.ManagedPolicy{Account: account, Path: "/", Name: "p"}
	if none.Document() != nil {
		t.Error("a policy of no version says something")
	}
	one, v, err := none.WithVersion(managedDoc(t, 6144), false, now, q)
	if err != nil || v.ID() != "v1" || one.Default != 1 || one.Document() != v.Document || !one.Updated.Equal(now) || len(none.Versions) != 0 {
		t.Fatalf("%+v, %+v, %v", one, v, err)
	}
	for name, d := range map[string]struct {
		d    *policy.Document
		want iam.Reason
	}{"none": {nil, iam.Malformed}, "an inline policy": {permission(t, `{"Statement":{"Effect":"Allow","Action":"a:b","Resource":"*"}}`), iam.Malformed}, "one of 6145": {managedDoc(t, 6145), iam.LimitExceeded}} {
		if got, _, err := one.WithVersion(d.d, true, now, q); reason(err) != int(d.want) || got.Name != "" {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
	two, v, err := one.WithVersion(managedDoc(t, 200), true, now.Add(1), q)
	if err != nil || v.ID() != "v2" || two.Default != 2 || len(one.Versions) != 1 || two.Document() == one.Document() {
		t.Fatalf("%+v, %v", two, err)
	}
	small := q
	small.VersionsPerPolicy = 2
	if _, _, err := two.WithVersion(managedDoc(t, 200), true, now, small); reason(err) != int(iam.LimitExceeded) || err.Error() != "A managed policy can have up to 2 versions. Before you create a new version, you must delete an existing version." {
		t.Errorf("a third of two: %v", err)
	}
	if _, err := two.WithoutVersion("v2"); reason(err) != int(iam.InUse) {
		t.Errorf("without its default version: %v", err)
	}
	for _, id := range []string{"v3", "v0", "v", "1", "V1", "v01", ""} {
		if _, err := two.WithoutVersion(id); reason(err) != int(iam.NoSuchEntity) {
			t.Errorf("without %q: %v", id, err)
		}
		if _, err := two.WithDefault(id); reason(err) != int(iam.NoSuchEntity) {
			t.Errorf("with the default %q: %v", id, err)
		}
	}
	back, err := two.WithDefault("v1")
	if err != nil || back.Document() != one.Document() || two.Default != 2 {
		t.Errorf("%+v, %v", back, err)
	}
	less, err := back.WithoutVersion("v2")
	if err != nil || len(less.Versions) != 1 || len(back.Versions) != 2 {
		t.Errorf("%+v, %v", less, err)
	}
	if next, v, err := less.WithVersion(managedDoc(t, 200), false, now, q); err != nil || v.ID() != "v3" || next.Default != 1 {
		t.Errorf("a number is used twice: %+v, %v", v, err)
	}
}

func TestAttached(t *testing.T) {
	q := iam.Quotas{AttachedPerRole: 3}
	r := iam.Role{Name: "r"}
	for _, id := range []string{"b", "c", "a", "b"} {
		before := len(r.Attached)
		next, err := r.WithAttached(id, q)
		if err != nil || len(r.Attached) != before {
			t.Fatalf("%s: %v, %v", id, r.Attached, err)
		}
		r = next
	}
	if strings.Join(r.Attached, "") != "abc" {
		t.Errorf("attached is %v", r.Attached)
	}
	if _, err := r.WithAttached("d", q); reason(err) != int(iam.LimitExceeded) || err.Error() != "Cannot exceed quota for PoliciesPerRole: 3" {
		t.Errorf("a fourth: %v", err)
	}
	less, was := r.WithoutAttached("b")
	if !was || strings.Join(less.Attached, "") != "ac" || strings.Join(r.Attached, "") != "abc" {
		t.Errorf("without one: %v of %v", less.Attached, r.Attached)
	}
	if same, was := less.WithoutAttached("b"); was || len(same.Attached) != 2 {
		t.Errorf("without what is not attached: %v", same.Attached)
	}
}

func TestQuotas(t *testing.T) {
	if got := (iam.Quotas{}).OrDefault(); got != iam.DefaultQuotas {
		t.Errorf("nothing said is %+v", got)
	}
	all := iam.Quotas{Roles: 1, Providers: 2, Policies: 3, AttachedPerRole: 4, VersionsPerPolicy: 5, PolicyLength: 6, TrustLength: 7, InlineLength: 8}
	if got := all.OrDefault(); got != all {
		t.Errorf("all said is %+v", got)
	}
	q := iam.DefaultQuotas
	q.TrustLength = 4096
	if err := iam.CheckTrust(padded(t, 4096), q); err != nil {
		t.Errorf("a trust of 4096 characters: %v", err)
	}
	if err := iam.CheckTrust(padded(t, 4097), q); reason(err) != int(iam.LimitExceeded) || err.Error() != "Cannot exceed quota for ACLSizePerRole: 4096" {
		t.Errorf("a trust of 4097 characters: %v", err)
	}
}

func TestCheckAlias(t *testing.T) {
	for alias, ok := range map[string]bool{
		"acme": true, "a-1": true, "123": true, strings.Repeat("a", 63): true,
		"": false, "ab": false, strings.Repeat("a", 64): false, "Acme": false, "-acme": false, "acme-": false, "ac--me": false, "ac me": false, "acmé": false, "acme\n": false,
	} {
		if err := iam.CheckAlias(alias); (err == nil) != ok {
			t.Errorf("%q: %v", alias, err)
		}
	}
}
