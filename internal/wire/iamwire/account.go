package iamwire

import (
	"maps"
	"slices"
	"strings"

	"mayfly.internal/internal/wire/awsquery"
)

// DecodeAccountDetails reads the parameters of GetAccountAuthorizationDetails. No
// filter is every type.
func DecodeAccountDetails(r *awsquery.Request) (filter []string, p Page, err error) {
	rule := entityType
	rule.Required = true
	filter, p = r.List("Filter", len(entityType.OneOf), rule), page(r)
	return filter, p, r.Check()
}

// isAlias is the model's accountAliasType.
func isAlias(text string) bool {
	return awsquery.Of(func(c rune) bool { return isDigit(c) || 'a' <= c && c <= 'z' || c == '-' })(text) && strings.Trim(text, "-") == text && !strings.Contains(text, "--")
}

// DecodeAlias reads the parameters of CreateAccountAlias and DeleteAccountAlias.
func DecodeAlias(r *awsquery.Request) (string, error) {
	alias := r.Text("AccountAlias", awsquery.Rule{Required: true, Min: 3, Max: 63, Form: isAlias, Pattern: `^[a-z0-9]([a-z0-9]|-(?!-)){1,61}[a-z0-9]$`})
	return alias, r.Check()
}

// DecodeListAliases reads the parameters of ListAccountAliases.
func DecodeListAliases(r *awsquery.Request) (Page, error) {
	p := page(r)
	return p, r.Check()
}

// ListAliasesResult answers ListAccountAliases.
type ListAliasesResult struct {
	Aliases     awsquery.Members[string] `xml:"AccountAliases"`
	IsTruncated bool                     `xml:"IsTruncated"`
}

// Entries is a map as the Query protocol writes it, by key: an element per
// entry, with a key and a value.
type Entries[V any] struct {
	Entry []Entry[V] `xml:"entry"`
}

// Entry is an entry of a map.
type Entry[V any] struct {
	Key   string `xml:"key"`
	Value V      `xml:"value"`
}

// Map makes Entries.
func Map[V any](m map[string]V) Entries[V] {
	var out Entries[V]
	for _, key := range slices.Sorted(maps.Keys(m)) {
		out.Entry = append(out.Entry, Entry[V]{key, m[key]})
	}
	return out
}

// SummaryResult answers GetAccountSummary.
type SummaryResult struct {
	Summary Entries[int] `xml:"SummaryMap"`
}

// RoleDetail is a role in the account's details.
type RoleDetail struct {
	Path       string                           `xml:"Path"`
	Name       string                           `xml:"RoleName"`
	ID         string                           `xml:"RoleId"`
	ARN        string                           `xml:"Arn"`
	CreateDate string                           `xml:"CreateDate"`
	Trust      string                           `xml:"AssumeRolePolicyDocument"` // as Document gives it
	Profiles   awsquery.Members[struct{}]       `xml:"InstanceProfileList"`
	Inline     awsquery.Members[PolicyDetail]   `xml:"RolePolicyList"`
	Attached   awsquery.Members[AttachedPolicy] `xml:"AttachedManagedPolicies"`
	Boundary   *Boundary                        `xml:"PermissionsBoundary"`
	Tags       awsquery.Members[Tag]            `xml:"Tags"`
	LastUsed   LastUsed                         `xml:"RoleLastUsed"`
}

// PolicyDetail is an inline policy in the account's details.
type PolicyDetail struct {
	Name     string `xml:"PolicyName"`
	Document string `xml:"PolicyDocument"` // as Document gives it
}

// ManagedPolicyDetail is a managed policy in the account's details.
type ManagedPolicyDetail struct {
	Policy
	Versions awsquery.Members[PolicyVersion] `xml:"PolicyVersionList"`
}

// AccountDetailsResult answers GetAccountAuthorizationDetails. There are no users
// and groups.
type AccountDetailsResult struct {
	Users       awsquery.Members[struct{}]            `xml:"UserDetailList"`
	Groups      awsquery.Members[struct{}]            `xml:"GroupDetailList"`
	Roles       awsquery.Members[RoleDetail]          `xml:"RoleDetailList"`
	Policies    awsquery.Members[ManagedPolicyDetail] `xml:"Policies"`
	IsTruncated bool                                  `xml:"IsTruncated"`
	Marker      string                                `xml:"Marker,omitempty"`
}
