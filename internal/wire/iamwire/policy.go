package iamwire

import "mayfly.internal/internal/wire/awsquery"

// CreatePolicy is the request CreatePolicy.
type CreatePolicy struct {
	Path, Name, Description, Document string
	Tags                              []Tag
}

// DecodeCreatePolicy reads the parameters of CreatePolicy.
func DecodeCreatePolicy(r *awsquery.Request) (CreatePolicy, error) {
	in := CreatePolicy{
		Path: r.Text("Path", policyPath), Name: r.Text("PolicyName", policyName), Description: r.Text("Description", policyText), Document: r.Text("PolicyDocument", document), Tags: tags(r),
	}
	return in, r.Check()
}

// DecodePolicyARN reads the parameters of an operation that names one managed
// policy and nothing else.
func DecodePolicyARN(r *awsquery.Request) (string, error) {
	arn := r.Text("PolicyArn", policyARN)
	return arn, r.Check()
}

// DecodePolicyVersion reads the parameters of an operation on one version of a
// managed policy.
func DecodePolicyVersion(r *awsquery.Request) (arn, version string, err error) {
	arn, version = r.Text("PolicyArn", policyARN), r.Text("VersionId", versionID)
	return arn, version, r.Check()
}

// CreatePolicyVersion is the request CreatePolicyVersion.
type CreatePolicyVersion struct {
	ARN, Document string
	Default       bool
}

// DecodeCreatePolicyVersion reads the parameters of CreatePolicyVersion.
func DecodeCreatePolicyVersion(r *awsquery.Request) (CreatePolicyVersion, error) {
	in := CreatePolicyVersion{r.Text("PolicyArn", policyARN), r.Text("PolicyDocument", document), r.Bool("SetAsDefault")}
	return in, r.Check()
}

// DecodePolicySection reads the parameters of ListPolicyVersions and
// ListPolicyTags.
func DecodePolicySection(r *awsquery.Request) (arn string, s Section, err error) {
	arn, s = r.Text("PolicyArn", policyARN), section(r)
	return arn, s, r.Check()
}

// DecodeTagPolicy reads the parameters of TagPolicy.
func DecodeTagPolicy(r *awsquery.Request) (arn string, list []Tag, err error) {
	r.Needs("Tags")
	arn, list = r.Text("PolicyArn", policyARN), tags(r)
	return arn, list, r.Check()
}

// DecodeUntagPolicy reads the parameters of UntagPolicy.
func DecodeUntagPolicy(r *awsquery.Request) (arn string, keys []string, err error) {
	r.Needs("TagKeys")
	arn, keys = r.Text("PolicyArn", policyARN), r.List("TagKeys", maxTags, tagKey)
	return arn, keys, r.Check()
}

var (
	policyScope = awsquery.Rule{OneOf: []string{"All", "AWS", "Local"}}
	policyUsage = awsquery.Rule{OneOf: []string{"PermissionsPolicy", "PermissionsBoundary"}}
	entityType  = awsquery.Rule{OneOf: []string{"User", "Role", "Group", "LocalManagedPolicy", "AWSManagedPolicy"}}
)

// ListPolicies is the request ListPolicies.
type ListPolicies struct {
	Scope, Prefix, Usage string
	OnlyAttached         bool
	Page
}

// DecodeListPolicies reads the parameters of ListPolicies.
func DecodeListPolicies(r *awsquery.Request) (ListPolicies, error) {
	in := ListPolicies{r.Text("Scope", policyScope), r.Text("PathPrefix", policyPath), r.Text("PolicyUsageFilter", policyUsage), r.Bool("OnlyAttached"), page(r)}
	return in, r.Check()
}

// ListEntities is the request ListEntitiesForPolicy.
type ListEntities struct {
	ARN, Entity, Prefix, Usage string
	Page
}

// DecodeListEntities reads the parameters of ListEntitiesForPolicy.
func DecodeListEntities(r *awsquery.Request) (ListEntities, error) {
	in := ListEntities{r.Text("PolicyArn", policyARN), r.Text("EntityFilter", entityType), r.Text("PathPrefix", path), r.Text("PolicyUsageFilter", policyUsage), page(r)}
	return in, r.Check()
}

// DecodeAttach reads the parameters of AttachRolePolicy and DetachRolePolicy.
func DecodeAttach(r *awsquery.Request) (role, arn string, err error) {
	role, arn = r.Text("RoleName", roleName), r.Text("PolicyArn", policyARN)
	return role, arn, r.Check()
}

// DecodeListAttached reads the parameters of ListAttachedRolePolicies.
func DecodeListAttached(r *awsquery.Request) (role, prefix string, p Page, err error) {
	role, prefix, p = r.Text("RoleName", roleName), r.Text("PathPrefix", policyPath), page(r)
	return role, prefix, p, r.Check()
}

// DecodePutBoundary reads the parameters of PutRolePermissionsBoundary.
func DecodePutBoundary(r *awsquery.Request) (role, arn string, err error) {
	role, arn = r.Text("RoleName", roleName), r.Text("PermissionsBoundary", policyARN)
	return role, arn, r.Check()
}

// Policy is a managed policy on the wire.
type Policy struct {
	Name           string                 `xml:"PolicyName"`
	ID             string                 `xml:"PolicyId"`
	ARN            string                 `xml:"Arn"`
	Path           string                 `xml:"Path"`
	DefaultVersion string                 `xml:"DefaultVersionId"`
	Attached       int                    `xml:"AttachmentCount"`
	Boundary       int                    `xml:"PermissionsBoundaryUsageCount"`
	Attachable     bool                   `xml:"IsAttachable"`
	Description    string                 `xml:"Description,omitempty"` // not in ListPolicies
	CreateDate     string                 `xml:"CreateDate"`
	UpdateDate     string                 `xml:"UpdateDate"`
	Tags           *awsquery.Members[Tag] `xml:"Tags,omitempty"` // likewise
}

// PolicyResult answers CreatePolicy and GetPolicy.
type PolicyResult struct {
	Policy Policy `xml:"Policy"`
}

// ListPoliciesResult answers ListPolicies.
type ListPoliciesResult struct {
	Policies    awsquery.Members[Policy] `xml:"Policies"`
	IsTruncated bool                     `xml:"IsTruncated"`
	Marker      string                   `xml:"Marker,omitempty"`
}

// PolicyVersion is a version of a managed policy on the wire.
type PolicyVersion struct {
	Document   string `xml:"Document,omitempty"` // as Document gives it; in GetPolicyVersion and the account's details
	ID         string `xml:"VersionId"`
	Default    bool   `xml:"IsDefaultVersion"`
	CreateDate string `xml:"CreateDate"`
}

// PolicyVersionResult answers CreatePolicyVersion and GetPolicyVersion.
type PolicyVersionResult struct {
	Version PolicyVersion `xml:"PolicyVersion"`
}

// ListPolicyVersionsResult answers ListPolicyVersions.
type ListPolicyVersionsResult struct {
	Versions    awsquery.Members[PolicyVersion] `xml:"Versions"`
	IsTruncated bool                            `xml:"IsTruncated"`
	Marker      string                          `xml:"Marker,omitempty"`
}

// AttachedPolicy is a managed policy as a role's lists name it.
type AttachedPolicy struct {
	Name string `xml:"PolicyName"`
	ARN  string `xml:"PolicyArn"`
}

// ListAttachedResult answers ListAttachedRolePolicies.
type ListAttachedResult struct {
	Policies    awsquery.Members[AttachedPolicy] `xml:"AttachedPolicies"`
	IsTruncated bool                             `xml:"IsTruncated"`
	Marker      string                           `xml:"Marker,omitempty"`
}

// PolicyRole is a role that refers to a managed policy.
type PolicyRole struct {
	Name string `xml:"RoleName"`
	ID   string `xml:"RoleId"`
}

// ListEntitiesResult answers ListEntitiesForPolicy. There are no users and
// groups.
type ListEntitiesResult struct {
	Groups      awsquery.Members[struct{}]   `xml:"PolicyGroups"`
	Users       awsquery.Members[struct{}]   `xml:"PolicyUsers"`
	Roles       awsquery.Members[PolicyRole] `xml:"PolicyRoles"`
	IsTruncated bool                         `xml:"IsTruncated"`
	Marker      string                       `xml:"Marker,omitempty"`
}
