// Package iamapi is the IAM API: it decodes a Query request whose caller is
// known, calls control, and encodes what came of it.
package iamapi

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"slices"
	"strconv"
	"strings"

	"mayfly.internal/internal/control"
	"mayfly.internal/internal/fault"
	"mayfly.internal/internal/iam"
	"mayfly.internal/internal/wire/awsquery"
	"mayfly.internal/internal/wire/iamwire"
)

// API serves IAM operations.
type API struct{ Control *control.Service }

// operation answers one decoded request; a nil result has no result element.
type operation func(a *API, ctx context.Context, c control.Call, r *awsquery.Request) (any, error)

// operations :: Action → what answers it.
var operations = map[string]operation{
	"CreateOpenIDConnectProvider":             (*API).createProvider,
	"GetOpenIDConnectProvider":                (*API).getProvider,
	"ListOpenIDConnectProviders":              (*API).listProviders,
	"DeleteOpenIDConnectProvider":             (*API).deleteProvider,
	"AddClientIDToOpenIDConnectProvider":      (*API).addClientID,
	"RemoveClientIDFromOpenIDConnectProvider": (*API).removeClientID,
	"UpdateOpenIDConnectProviderThumbprint":   (*API).setThumbprints,
	"TagOpenIDConnectProvider":                (*API).tagProvider,
	"UntagOpenIDConnectProvider":              (*API).untagProvider,
	"ListOpenIDConnectProviderTags":           (*API).listProviderTags,
	"ListUsers":                               (*API).listUsers,
	"ListGroups":                              (*API).listGroups,
	"ListAccessKeys":                          (*API).listAccessKeys,
	"CreateRole":                              (*API).createRole,
	"GetRole":                                 (*API).getRole,
	"ListRoles":                               (*API).listRoles,
	"UpdateRole":                              (*API).updateRole,
	"UpdateRoleDescription":                   (*API).describeRole,
	"TagRole":                                 (*API).tagRole,
	"UntagRole":                               (*API).untagRole,
	"ListRoleTags":                            (*API).listRoleTags,
	"CreatePolicy":                            (*API).createPolicy,
	"GetPolicy":                               (*API).getPolicy,
	"ListPolicies":                            (*API).listPolicies,
	"DeletePolicy":                            (*API).deletePolicy,
	"CreatePolicyVersion":                     (*API).createPolicyVersion,
	"GetPolicyVersion":                        (*API).getPolicyVersion,
	"ListPolicyVersions":                      (*API).listPolicyVersions,
	"DeletePolicyVersion":                     (*API).deletePolicyVersion,
	"SetDefaultPolicyVersion":                 (*API).setDefaultPolicyVersion,
	"TagPolicy":                               (*API).tagPolicy,
	"UntagPolicy":                             (*API).untagPolicy,
	"ListPolicyTags":                          (*API).listPolicyTags,
	"ListEntitiesForPolicy":                   (*API).listEntities,
	"AttachRolePolicy":                        (*API).attachPolicy,
	"DetachRolePolicy":                        (*API).detachPolicy,
	"ListAttachedRolePolicies":                (*API).listAttachedPolicies,
	"PutRolePermissionsBoundary":              (*API).putBoundary,
	"DeleteRolePermissionsBoundary":           (*API).deleteBoundary,
	"GetAccountAuthorizationDetails":          (*API).accountDetails,
	"GetAccountSummary":                       (*API).accountSummary,
	"CreateAccountAlias":                      (*API).createAlias,
	"DeleteAccountAlias":                      (*API).deleteAlias,
	"ListAccountAliases":                      (*API).listAliases,
	"SimulateCustomPolicy":                    (*API).simulateCustom,
	"SimulatePrincipalPolicy":                 (*API).simulatePrincipal,
	"ListInstanceProfilesForRole":             (*API).listInstanceProfiles,
	"DeleteRole":                              (*API).deleteRole,
	"UpdateAssumeRolePolicy":                  (*API).updateTrust,
	"PutRolePolicy":                           (*API).putRolePolicy,
	"GetRolePolicy":                           (*API).getRolePolicy,
	"ListRolePolicies":                        (*API).listRolePolicies,
	"DeleteRolePolicy":                        (*API).deleteRolePolicy,
}

// Serves reports whether an action is one of IAM's that is served here.
func Serves(action string) bool { return operations[action] != nil || aboutUsers[action] }

// Operations are the actions that are answered by more than a refusal.
func Operations() []string { return slices.Sorted(maps.Keys(operations)) }

// Do answers a request: its result for awsquery.Answer, or an error for
// Failure. The action is one that Serves. A request that cannot be read is
// recorded as every other refusal is.
func (a *API) Do(ctx context.Context, c control.Call, r *awsquery.Request) (any, error) {
	if aboutUsers[r.Action] {
		return nil, a.Control.NoUser(ctx, c, "iam:"+r.Action)
	}
	do := operations[r.Action]
	if do == nil {
		return nil, fault.New(fault.Internal, "no operation") // unreachable: the door asks Serves
	}
	result, err := do(a, ctx, c, r)
	if _, unread := errors.AsType[*awsquery.ConstraintError](err); unread {
		return nil, a.Control.Unreadable(ctx, c, "iam:"+r.Action, err)
	}
	if err != nil {
		return nil, err
	}
	return result, nil
}

// iamTags are tags as the service has them.
func iamTags(tags []iamwire.Tag) []iam.Tag {
	var out []iam.Tag
	for _, t := range tags {
		out = append(out, iam.Tag(t))
	}
	return out
}

// optionalTags is a list of tags, or nothing where there is none.
func optionalTags(tags []iamwire.Tag) *awsquery.Members[iamwire.Tag] {
	if len(tags) == 0 {
		return nil
	}
	out := awsquery.List(tags)
	return &out
}

// defaultPage is how many items IAM shows when a caller does not say.
const defaultPage = 100

// paged is the part of a list, sorted by name, that a page asks for. The marker
// is the last name shown: a name that goes meanwhile does no harm.
func paged[T any](items []T, p iamwire.Page, name func(T) string) (shown []T, marker string) {
	for len(items) > 0 && p.Marker != "" && strings.Compare(name(items[0]), p.Marker) <= 0 {
		items = items[1:]
	}
	size := p.MaxItems
	if size == 0 {
		size = defaultPage
	}
	if len(items) <= size {
		return items, ""
	}
	return items[:size], name(items[size-1])
}

// sectioned is the part of a list that a section asks for. The marker is how
// many items have been shown.
func sectioned[T any](items []T, s iamwire.Section) (shown []T, marker string) {
	items = items[min(s.Skip, len(items)):]
	size := cmp.Or(s.MaxItems, defaultPage)
	if len(items) <= size {
		return items, ""
	}
	return items[:size], strconv.Itoa(s.Skip + size)
}
