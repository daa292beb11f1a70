package iamapi

import (
	"context"

	"mayfly.internal/internal/control"
	"mayfly.internal/internal/wire/awsquery"
	"mayfly.internal/internal/wire/iamwire"
)

// aboutUsers are IAM's operations on users and on what belongs to users. They are
// known so that they can be refused by what is the matter, and recorded.
var aboutUsers = setOf(
	"CreateUser", "GetUser", "UpdateUser", "DeleteUser", "TagUser", "UntagUser", "ListUserTags",
	"CreateAccessKey", "UpdateAccessKey", "DeleteAccessKey", "GetAccessKeyLastUsed",
	"CreateLoginProfile", "GetLoginProfile", "UpdateLoginProfile", "DeleteLoginProfile", "ChangePassword",
	"CreateGroup", "GetGroup", "UpdateGroup", "DeleteGroup", "AddUserToGroup", "RemoveUserFromGroup", "ListGroupsForUser",
	"PutUserPolicy", "GetUserPolicy", "DeleteUserPolicy", "ListUserPolicies", "AttachUserPolicy", "DetachUserPolicy", "ListAttachedUserPolicies",
	"PutUserPermissionsBoundary", "DeleteUserPermissionsBoundary",
	"PutGroupPolicy", "GetGroupPolicy", "DeleteGroupPolicy", "ListGroupPolicies", "AttachGroupPolicy", "DetachGroupPolicy", "ListAttachedGroupPolicies",
	"CreateVirtualMFADevice", "DeleteVirtualMFADevice", "EnableMFADevice", "DeactivateMFADevice", "ResyncMFADevice",
	"UploadSSHPublicKey", "GetSSHPublicKey", "UpdateSSHPublicKey", "DeleteSSHPublicKey",
	"UploadSigningCertificate", "UpdateSigningCertificate", "DeleteSigningCertificate",
	"CreateServiceSpecificCredential", "UpdateServiceSpecificCredential", "ResetServiceSpecificCredential", "DeleteServiceSpecificCredential",
)

func setOf(names ...string) map[string]bool {
	out := map[string]bool{}
	for _, n := range names {
		out[n] = true
	}
	return out
}

func (a *API) listUsers(ctx context.Context, c control.Call, r *awsquery.Request) (any, error) {
	if err := iamwire.DecodeListUsers(r); err != nil {
		return nil, err
	}
	return iamwire.NoUsersResult{}, a.Control.NoUsers(ctx, c, "iam:ListUsers", "user")
}

func (a *API) listGroups(ctx context.Context, c control.Call, r *awsquery.Request) (any, error) {
	if err := iamwire.DecodeListUsers(r); err != nil {
		return nil, err
	}
	return iamwire.NoGroupsResult{}, a.Control.NoUsers(ctx, c, "iam:ListGroups", "group")
}

func (a *API) listAccessKeys(ctx context.Context, c control.Call, r *awsquery.Request) (any, error) {
	if err := iamwire.DecodeListAccessKeys(r); err != nil {
		return nil, err
	}
	return iamwire.NoAccessKeysResult{}, a.Control.NoUsers(ctx, c, "iam:ListAccessKeys", "user")
}
