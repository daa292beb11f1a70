package control_test

import (
	"strings"
	"testing"

	"mayfly.internal/internal/arn"
	"mayfly.internal/internal/control"
	"mayfly.internal/internal/iam"
)

// TestEntriesOfTrustedAccounts: a cluster that trusts an AWS account has entries
// for its roles and users, one for each, whatever the path; others have none.
func TestEntriesOfTrustedAccounts(t *testing.T) {
	w := newWorld(t)
	ctx, admin := t.Context(), w.admin()
	k := cluster("aws")
	k.TrustAccounts = []arn.AccountID{"444455556666"}
	if _, err := w.RegisterCluster(ctx, admin, k); err != nil {
		t.Fatal(err)
	}
	create := func(cluster, principal string) error {
		_, _, err := w.CreateEntry(ctx, admin, cluster, control.EntryInput{Principal: principal})
		return err
	}
	const builder = "arn:aws:iam::444455556666:role/team/builder"
	for _, tt := range []struct{ cluster, principal, want string }{
		{"aws", builder, ""},
		{"aws", "arn:aws:iam::444455556666:user/team/jane", ""},
		{"aws", secondARN, ""}, // ours

		{"aws", builder, "access entry exists: The specified access entry resource is already in use on this cluster."},
		{"aws", "arn:aws:iam::444455556666:role/builder", "access entry exists: The specified access entry resource is already in use on this cluster: it names the same role with another path."},
		{"prod", builder, "invalid principal: The specified principalArn is invalid: invalid principal. The cluster trusts no identity of the AWS account 444455556666"},
		{"aws", "arn:aws:iam::777788889999:role/builder", "invalid principal: The specified principalArn is invalid: invalid principal. The cluster trusts no identity of the AWS account 777788889999"},
		{"aws", "arn:aws:iam::444455556666:root", "invalid principal: "},
		{"aws", "arn:aws:iam::444455556666:group/devs", "invalid principal: "},
		{"aws", "arn:aws:iam::444455556666:role/*", "invalid principal: "},
		{"aws", "arn:aws:sts::444455556666:assumed-role/builder/s", "invalid principal: "},
		{"aws", "arn:aws:iam::444455556666:user/{{SessionName}}/jane", "invalid principal: "},
		{"aws", "arn:aws:iam::111122223333:role/none", "invalid principal: "},
		{"aws", "arn:aws:iam::111122223333:user/jane", "invalid principal: "},
	} {
		if got := reason(create(tt.cluster, tt.principal)); (got == "") != (tt.want == "") || !strings.HasPrefix(got, tt.want) {
			t.Errorf("%s in %s: %s", tt.principal, tt.cluster, got)
		}
	}
	snap := w.db.Snapshot()
	if e, ok := snap.EntryOfPrincipal("aws", "arn:aws:iam::444455556666:role/builder"); !ok || e.PrincipalARN != builder {
		t.Errorf("%+v, %t", e, ok)
	}
	if e, ok := snap.EntryOfPrincipal("aws", iam.AdminID); ok {
		t.Errorf("%+v", e)
	}
}
