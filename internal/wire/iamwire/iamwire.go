// Package iamwire is the IAM 2010-05-08 request and answer shapes for the
// operations Mayfly serves. It decides nothing.
package iamwire

import (
	"net/url"
	"strconv"
	"strings"
	"unicode"

	"mayfly.internal/internal/wire/awsquery"
)

// Version and Namespace of the API.
const (
	Version   = "2010-05-08"
	Namespace = "https://iam.amazonaws.com/doc/2010-05-08/"
)

// isPath is the model's pathType.
func isPath(text string) bool {
	return text == "/" || len(text) > 2 && isPrefix(text) && strings.HasSuffix(text, "/") && !strings.Contains(text, "\x7f")
}

// isPrefix is the model's pathPrefixType.
func isPrefix(text string) bool {
	return strings.HasPrefix(text, "/") && awsquery.Of(func(c rune) bool { return 0x21 <= c && c <= 0x7f })(text)
}

// isPolicyPath is the model's policyPathType.
func isPolicyPath(text string) bool {
	if text == "/" {
		return true
	}
	names, ok := strings.CutSuffix(text, "/")
	for name := range strings.SplitSeq(strings.TrimPrefix(names, "/"), "/") {
		ok = ok && name != "" && awsquery.Of(awsquery.IsWord)(name)
	}
	return ok && strings.HasPrefix(text, "/")
}

// isVersionID is the model's policyVersionIdType.
func isVersionID(text string) bool {
	number, label, _ := strings.Cut(text, ".")
	digits, ok := strings.CutPrefix(number, "v")
	return ok && digits != "" && digits[0] != '0' && awsquery.Of(isDigit)(digits) &&
		awsquery.Of(func(c rune) bool { return isDigit(c) || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || c == '-' })(label)
}

func isDigit(c rune) bool { return '0' <= c && c <= '9' }

func isDescription(c rune) bool {
	return c == '\t' || c == '\n' || c == '\r' || ' ' <= c && c <= 0x7e || 0xa1 <= c && c <= 0xff
}

func isTag(c rune) bool {
	return unicode.In(c, unicode.L, unicode.Z, unicode.N) || strings.ContainsRune("_.:/=+-@", c)
}

func isHex(c rune) bool {
	return '0' <= c && c <= '9' || 'a' <= c && c <= 'f' || 'A' <= c && c <= 'F'
}

// The rules of the parameters, as the IAM model has them. A thumbprint is any 40
// characters there; the documentation wants hexadecimal digits.
var (
	roleName    = awsquery.Rule{Required: true, Min: 1, Max: 64, Form: awsquery.Of(awsquery.IsWord), Pattern: `[\w+=,.@-]+`}
	policyName  = awsquery.Rule{Required: true, Min: 1, Max: 128, Form: awsquery.Of(awsquery.IsWord), Pattern: `[\w+=,.@-]+`}
	path        = awsquery.Rule{Min: 1, Max: 512, Form: isPath, Pattern: `(\u002F)|(\u002F[\u0021-\u007E]+\u002F)`}
	pathPrefix  = awsquery.Rule{Min: 1, Max: 512, Form: isPrefix, Pattern: `\u002F[\u0021-\u007F]*`}
	document    = awsquery.Rule{Required: true, Min: 1, Max: 131072, Form: awsquery.Of(awsquery.IsDocument), Pattern: `[\u0009\u000A\u000D\u0020-\u00FF]+`}
	description = awsquery.Rule{Max: 1000, Form: awsquery.Of(isDescription), Pattern: `[\u0009\u000A\u000D\u0020-\u007E\u00A1-\u00FF]*`}
	policyPath  = awsquery.Rule{Min: 1, Max: 512, Form: isPolicyPath, Pattern: `((/[A-Za-z0-9\.,\+@=_-]+)*)/`}
	policyText  = awsquery.Rule{Max: 1000}
	policyARN   = awsquery.Rule{Required: true, Min: 20, Max: 2048}
	versionID   = awsquery.Rule{Required: true, Max: 100, Form: isVersionID, Pattern: `v[1-9][0-9]*(\.[A-Za-z0-9-]*)?`}
	providerARN = awsquery.Rule{Required: true, Min: 20, Max: 2048}
	tagKey      = awsquery.Rule{Required: true, Min: 1, Max: 128, Form: awsquery.Of(isTag), Pattern: `[\p{L}\p{Z}\p{N}_.:/=+\-@]+`}
	tagValue    = awsquery.Rule{Required: true, Max: 256, Form: awsquery.Of(isTag), Pattern: `[\p{L}\p{Z}\p{N}_.:/=+\-@]*`}
	clientID    = awsquery.Rule{Required: true, Min: 1, Max: 255}
	thumbprint  = awsquery.Rule{Required: true, Min: 40, Max: 40, Form: awsquery.Of(isHex), Pattern: `[0-9a-fA-F]{40}`}
	position    = awsquery.Rule{Min: 1, Max: 6, Form: awsquery.Of(isDigit), Pattern: `[0-9]+`}
	marker      = awsquery.Rule{Min: 1, Max: 320, Form: awsquery.Of(func(c rune) bool { return ' ' <= c && c <= 0xff }), Pattern: `[\u0020-\u00FF]+`}
)

const maxTags = 50 // IAM model, tagListType

// Tag is a tag on the wire.
type Tag struct {
	Key   string `xml:"Key"`
	Value string `xml:"Value"`
}

func tags(r *awsquery.Request) []Tag {
	var out []Tag
	for _, p := range r.Pairs("Tags", maxTags, tagKey, tagValue) {
		out = append(out, Tag{p[0], p[1]})
	}
	return out
}

// CreateProvider is the request CreateOpenIDConnectProvider.
type CreateProvider struct {
	URL         string
	ClientIDs   []string
	Thumbprints []string
	Tags        []Tag
}

// DecodeCreateProvider reads the parameters of CreateOpenIDConnectProvider. The
// quotas on the lists are the caller's, so that their own errors can be given.
func DecodeCreateProvider(r *awsquery.Request) (CreateProvider, error) {
	in := CreateProvider{
		URL:         r.Text("Url", awsquery.Rule{Required: true, Min: 1, Max: 255}),
		ClientIDs:   r.List("ClientIDList", 200, clientID),
		Thumbprints: r.List("ThumbprintList", 20, thumbprint),
		Tags:        tags(r),
	}
	return in, r.Check()
}

// DecodeProviderARN reads the parameters of an operation that names one
// provider and nothing else.
func DecodeProviderARN(r *awsquery.Request) (string, error) {
	arn := r.Text("OpenIDConnectProviderArn", providerARN)
	return arn, r.Check()
}

// DecodeClientID reads the parameters of AddClientIDToOpenIDConnectProvider and
// RemoveClientIDFromOpenIDConnectProvider.
func DecodeClientID(r *awsquery.Request) (arn, id string, err error) {
	arn, id = r.Text("OpenIDConnectProviderArn", providerARN), r.Text("ClientID", clientID)
	return arn, id, r.Check()
}

// DecodeThumbprints reads the parameters of
// UpdateOpenIDConnectProviderThumbprint.
func DecodeThumbprints(r *awsquery.Request) (arn string, prints []string, err error) {
	arn, prints = r.Text("OpenIDConnectProviderArn", providerARN), r.List("ThumbprintList", 20, thumbprint)
	return arn, prints, r.Check()
}

// CreateRole is the request CreateRole.
type CreateRole struct {
	Path, Name, Trust, Description string
	Boundary                       string // ARN
	MaxSessionSeconds              int    // 0: not given
	Tags                           []Tag
}

// DecodeCreateRole reads the parameters of CreateRole.
func DecodeCreateRole(r *awsquery.Request) (CreateRole, error) {
	in := CreateRole{
		Path: r.Text("Path", path), Name: r.Text("RoleName", roleName), Trust: r.Text("AssumeRolePolicyDocument", document),
		Description: r.Text("Description", description), Boundary: r.Text("PermissionsBoundary", optional(policyARN)), MaxSessionSeconds: r.Int("MaxSessionDuration", 3600, 43200), Tags: tags(r),
	}
	return in, r.Check()
}

// DecodeRoleName reads the parameters of an operation that names one role and
// nothing else.
func DecodeRoleName(r *awsquery.Request) (string, error) {
	name := r.Text("RoleName", roleName)
	return name, r.Check()
}

// DecodeTagRole and DecodeUntagRole read the parameters of TagRole and
// UntagRole.
func DecodeTagRole(r *awsquery.Request) (name string, list []Tag, err error) {
	r.Needs("Tags")
	name, list = r.Text("RoleName", roleName), tags(r)
	return name, list, r.Check()
}

// DecodeUntagRole: see DecodeTagRole.
func DecodeUntagRole(r *awsquery.Request) (name string, keys []string, err error) {
	r.Needs("TagKeys")
	name, keys = r.Text("RoleName", roleName), r.List("TagKeys", maxTags, tagKey)
	return name, keys, r.Check()
}

// DecodeTagProvider and DecodeUntagProvider read the parameters of
// TagOpenIDConnectProvider and UntagOpenIDConnectProvider.
func DecodeTagProvider(r *awsquery.Request) (arn string, list []Tag, err error) {
	r.Needs("Tags")
	arn, list = r.Text("OpenIDConnectProviderArn", providerARN), tags(r)
	return arn, list, r.Check()
}

// DecodeUntagProvider: see DecodeTagProvider.
func DecodeUntagProvider(r *awsquery.Request) (arn string, keys []string, err error) {
	r.Needs("TagKeys")
	arn, keys = r.Text("OpenIDConnectProviderArn", providerARN), r.List("TagKeys", maxTags, tagKey)
	return arn, keys, r.Check()
}

// DecodeProviderTags reads the parameters of ListOpenIDConnectProviderTags.
func DecodeProviderTags(r *awsquery.Request) (arn string, s Section, err error) {
	arn, s = r.Text("OpenIDConnectProviderArn", providerARN), section(r)
	return arn, s, r.Check()
}

// DecodeRoleTags reads the parameters of ListRoleTags.
func DecodeRoleTags(r *awsquery.Request) (name string, s Section, err error) {
	name, s = r.Text("RoleName", roleName), section(r)
	return name, s, r.Check()
}

// DecodeRoleDescription reads the parameters of UpdateRoleDescription.
func DecodeRoleDescription(r *awsquery.Request) (name, text string, err error) {
	required := description
	required.Required = true
	name, text = r.Text("RoleName", roleName), r.Text("Description", required)
	return name, text, r.Check()
}

// UpdateRole is the request UpdateRole.
type UpdateRole struct {
	Name              string
	Description       *string // nil: not given
	MaxSessionSeconds int     // 0: not given
}

// DecodeUpdateRole reads the parameters of UpdateRole.
func DecodeUpdateRole(r *awsquery.Request) (UpdateRole, error) {
	in := UpdateRole{Name: r.Text("RoleName", roleName), MaxSessionSeconds: r.Int("MaxSessionDuration", 3600, 43200)}
	if text := r.Text("Description", description); r.Has("Description") {
		in.Description = &text
	}
	return in, r.Check()
}

// DecodeUpdateTrust reads the parameters of UpdateAssumeRolePolicy.
func DecodeUpdateTrust(r *awsquery.Request) (name, trust string, err error) {
	name, trust = r.Text("RoleName", roleName), r.Text("PolicyDocument", document)
	return name, trust, r.Check()
}

// DecodePutRolePolicy reads the parameters of PutRolePolicy.
func DecodePutRolePolicy(r *awsquery.Request) (role, policy, text string, err error) {
	role, policy, text = r.Text("RoleName", roleName), r.Text("PolicyName", policyName), r.Text("PolicyDocument", document)
	return role, policy, text, r.Check()
}

// DecodeRolePolicyName reads the parameters of GetRolePolicy and
// DeleteRolePolicy.
func DecodeRolePolicyName(r *awsquery.Request) (role, policy string, err error) {
	role, policy = r.Text("RoleName", roleName), r.Text("PolicyName", policyName)
	return role, policy, r.Check()
}

// Page is how much of a list is asked for, and from where.
type Page struct {
	Marker   string
	MaxItems int // 0: 100, as IAM does
}

func page(r *awsquery.Request) Page {
	return Page{Marker: r.Text("Marker", marker), MaxItems: r.Int("MaxItems", 1, 1000)}
}

// Section is how much of a list is asked for that has no names, or names that a
// marker cannot hold: the marker is how many items have been shown.
type Section struct {
	Skip     int
	MaxItems int // 0: 100, as IAM does
}

func section(r *awsquery.Request) Section {
	skip, _ := strconv.Atoi(r.Text("Marker", position)) // Check refuses what is no number
	return Section{Skip: skip, MaxItems: r.Int("MaxItems", 1, 1000)}
}

// optional is a rule for a parameter that may be absent.
func optional(rule awsquery.Rule) awsquery.Rule {
	rule.Required = false
	return rule
}

// DecodeListRoles reads the parameters of ListRoles.
func DecodeListRoles(r *awsquery.Request) (prefix string, p Page, err error) {
	prefix, p = r.Text("PathPrefix", pathPrefix), page(r)
	return prefix, p, r.Check()
}

// DecodeRolePage reads the parameters of the lists of one role.
func DecodeRolePage(r *awsquery.Request) (name string, p Page, err error) {
	name, p = r.Text("RoleName", roleName), page(r)
	return name, p, r.Check()
}

// DecodeListUsers reads the parameters of ListUsers and ListGroups.
func DecodeListUsers(r *awsquery.Request) error {
	r.Text("PathPrefix", pathPrefix)
	page(r)
	return r.Check()
}

// DecodeListAccessKeys reads the parameters of ListAccessKeys.
func DecodeListAccessKeys(r *awsquery.Request) error {
	r.Text("UserName", optional(policyName)) // the model's existingUserNameType has the same form and length
	page(r)
	return r.Check()
}

// NoUsersResult answers ListUsers: there are none.
type NoUsersResult struct {
	Users       awsquery.Members[struct{}] `xml:"Users"`
	IsTruncated bool                       `xml:"IsTruncated"`
}

// NoGroupsResult answers ListGroups: there are none.
type NoGroupsResult struct {
	Groups      awsquery.Members[struct{}] `xml:"Groups"`
	IsTruncated bool                       `xml:"IsTruncated"`
}

// NoAccessKeysResult answers ListAccessKeys: there are none.
type NoAccessKeysResult struct {
	Keys        awsquery.Members[struct{}] `xml:"AccessKeyMetadata"`
	IsTruncated bool                       `xml:"IsTruncated"`
}

// CreateProviderResult answers CreateOpenIDConnectProvider.
type CreateProviderResult struct {
	ARN  string                 `xml:"OpenIDConnectProviderArn"`
	Tags *awsquery.Members[Tag] `xml:"Tags,omitempty"`
}

// GetProviderResult answers GetOpenIDConnectProvider. URL stands without its
// scheme, as AWS gives it.
type GetProviderResult struct {
	URL         string                   `xml:"Url"`
	ClientIDs   awsquery.Members[string] `xml:"ClientIDList"`
	Thumbprints awsquery.Members[string] `xml:"ThumbprintList"`
	CreateDate  string                   `xml:"CreateDate"`
	Tags        awsquery.Members[Tag]    `xml:"Tags"`
}

// ListProvidersResult answers ListOpenIDConnectProviders.
type ListProvidersResult struct {
	Providers awsquery.Members[ProviderARN] `xml:"OpenIDConnectProviderList"`
}

// ProviderARN is an entry of that list.
type ProviderARN struct {
	ARN string `xml:"Arn"`
}

// Role is a role on the wire.
type Role struct {
	Path        string                 `xml:"Path"`
	Name        string                 `xml:"RoleName"`
	ID          string                 `xml:"RoleId"`
	ARN         string                 `xml:"Arn"`
	CreateDate  string                 `xml:"CreateDate"`
	Trust       string                 `xml:"AssumeRolePolicyDocument"` // as Document gives it
	Description string                 `xml:"Description,omitempty"`
	MaxSession  int                    `xml:"MaxSessionDuration,omitempty"` // seconds
	Boundary    *Boundary              `xml:"PermissionsBoundary"`          // in GetRole and its like
	Tags        *awsquery.Members[Tag] `xml:"Tags,omitempty"`
	LastUsed    *LastUsed              `xml:"RoleLastUsed"` // in GetRole alone
}

// Boundary is the managed policy that bounds a role.
type Boundary struct {
	Type string `xml:"PermissionsBoundaryType"`
	ARN  string `xml:"PermissionsBoundaryArn"`
}

// BoundaryOf is the element for a boundary's ARN, nil for none. Its type is the
// word AWS answers with, not the model's.
func BoundaryOf(arn string) *Boundary {
	if arn == "" {
		return nil
	}
	return &Boundary{"Policy", arn}
}

// LastUsed is when a role was last used: an empty element, for the audit log
// tells, not IAM.
type LastUsed struct{}

// RoleResult answers CreateRole and GetRole.
type RoleResult struct {
	Role Role `xml:"Role"`
}

// UpdateRoleResult answers UpdateRole: an empty element.
type UpdateRoleResult struct{}

// ListRolesResult answers ListRoles.
type ListRolesResult struct {
	Roles       awsquery.Members[Role] `xml:"Roles"`
	IsTruncated bool                   `xml:"IsTruncated"`
	Marker      string                 `xml:"Marker,omitempty"`
}

// ListTagsResult answers ListRoleTags and its like.
type ListTagsResult struct {
	Tags        awsquery.Members[Tag] `xml:"Tags"`
	IsTruncated bool                  `xml:"IsTruncated"`
	Marker      string                `xml:"Marker,omitempty"`
}

// NoInstanceProfilesResult answers ListInstanceProfilesForRole: there are none.
type NoInstanceProfilesResult struct {
	Profiles    awsquery.Members[struct{}] `xml:"InstanceProfiles"`
	IsTruncated bool                       `xml:"IsTruncated"`
}

// RolePolicyResult answers GetRolePolicy.
type RolePolicyResult struct {
	Role     string `xml:"RoleName"`
	Name     string `xml:"PolicyName"`
	Document string `xml:"PolicyDocument"`
}

// ListRolePoliciesResult answers ListRolePolicies.
type ListRolePoliciesResult struct {
	Names       awsquery.Members[string] `xml:"PolicyNames"`
	IsTruncated bool                     `xml:"IsTruncated"`
	Marker      string                   `xml:"Marker,omitempty"`
}

// Document is a policy document as IAM puts it into an answer: percent-encoded
// by RFC 3986.
func Document(text []byte) string {
	return strings.ReplaceAll(url.QueryEscape(string(text)), "+", "%20")
}
