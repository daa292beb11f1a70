package iam

import (
	"time"

	"mayfly.internal/internal/arn"
	"mayfly.internal/internal/policy"
)

// The administrator's role is Mayfly's own: there from the start, listed,
// immutable. Nobody can assume it with a token: sessions of it come only from
// the admin socket.
const (
	AdminName = "mayfly-admin"
	AdminID   = "AROAMAYFLYADMIN000001"
)

var (
	adminTrust, adminPermissions = mustParse(policy.Trust, `{"Version":"2012-10-17","Statement":[{"Sid":"OnlyTheAdminSocket","Effect":"Deny","Principal":"*","Action":"sts:*"}]}`),
		mustParse(policy.Permission, `{"Version":"2012-10-17","Statement":[{"Sid":"Everything","Effect":"Allow","Action":"*","Resource":"*"}]}`)
)

func mustParse(kind policy.Kind, text string) *policy.Document {
	d, err := policy.Parse(kind, []byte(text))
	if err != nil {
		panic("iam: a built-in policy does not parse: " + err.Error()) // unreachable: constants
	}
	return d
}

// AdminRole is the administrator's role of an account.
func AdminRole(account arn.AccountID, created time.Time) Role {
	return Role{ID: AdminID, Account: account, Path: "/", Name: AdminName, Description: "Mayfly's administrator; its sessions come from the admin socket",
		MaxSession: DefaultMaxSession, Trust: adminTrust, Inline: map[string]*policy.Document{"everything": adminPermissions}, Created: created, BuiltIn: true}
}
