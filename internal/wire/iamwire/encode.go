package iamwire

import (
	"net/url"
	"strings"

	"mayfly.internal/internal/wire/awsquery"
)

func form(action string) *awsquery.Form { return awsquery.NewForm(Version, action) }

func pairs(list []Tag) [][2]string {
	var out [][2]string
	for _, t := range list {
		out = append(out, [2]string{t.Key, t.Value})
	}
	return out
}

// EncodeGetRole is what DecodeRoleName reads, for GetRole.
func EncodeGetRole(name string) *awsquery.Form { return form("GetRole").Text("RoleName", name) }

// EncodeListRoles is what DecodeListRoles reads.
func EncodeListRoles(prefix string, p Page) *awsquery.Form {
	return form("ListRoles").Text("PathPrefix", prefix).Text("Marker", p.Marker).Int("MaxItems", p.MaxItems)
}

// EncodeCreateRole is what DecodeCreateRole reads.
func EncodeCreateRole(in CreateRole) *awsquery.Form {
	return form("CreateRole").Text("Path", in.Path).Text("RoleName", in.Name).Text("AssumeRolePolicyDocument", in.Trust).Text("Description", in.Description).
		Text("PermissionsBoundary", in.Boundary).Int("MaxSessionDuration", in.MaxSessionSeconds).Pairs("Tags", pairs(in.Tags))
}

// EncodeUpdateTrust is what DecodeUpdateTrust reads.
func EncodeUpdateTrust(name, trust string) *awsquery.Form {
	return form("UpdateAssumeRolePolicy").Text("RoleName", name).Text("PolicyDocument", trust)
}

// EncodePutRolePolicy is what DecodePutRolePolicy reads.
func EncodePutRolePolicy(role, policy, text string) *awsquery.Form {
	return form("PutRolePolicy").Text("RoleName", role).Text("PolicyName", policy).Text("PolicyDocument", text)
}

// EncodeGetRolePolicy is what DecodeRolePolicyName reads, for GetRolePolicy.
func EncodeGetRolePolicy(role, policy string) *awsquery.Form {
	return form("GetRolePolicy").Text("RoleName", role).Text("PolicyName", policy)
}

// EncodeListProviders asks for ListOpenIDConnectProviders, which has no parameter.
func EncodeListProviders() *awsquery.Form { return form("ListOpenIDConnectProviders") }

// EncodeGetProvider is what DecodeProviderARN reads, for GetOpenIDConnectProvider.
func EncodeGetProvider(arn string) *awsquery.Form {
	return form("GetOpenIDConnectProvider").Text("OpenIDConnectProviderArn", arn)
}

// EncodeCreateProvider is what DecodeCreateProvider reads.
func EncodeCreateProvider(in CreateProvider) *awsquery.Form {
	return form("CreateOpenIDConnectProvider").Text("Url", in.URL).List("ClientIDList", in.ClientIDs).List("ThumbprintList", in.Thumbprints).Pairs("Tags", pairs(in.Tags))
}

// EncodeAddClientID is what DecodeClientID reads, for
// AddClientIDToOpenIDConnectProvider.
func EncodeAddClientID(arn, id string) *awsquery.Form {
	return form("AddClientIDToOpenIDConnectProvider").Text("OpenIDConnectProviderArn", arn).Text("ClientID", id)
}

// ParseDocument is the policy document that Document has encoded.
func ParseDocument(text string) (string, error) {
	out, err := url.PathUnescape(text)
	if err != nil {
		return "", &awsquery.AnswerError{Detail: "a policy document is not percent-encoded"}
	}
	return out, nil
}

// ParseRole reads an answer with one role, its trust policy as text. Every
// refusal of this and the functions below is an *awsquery.AnswerError.
func ParseRole(action string, body []byte) (Role, error) {
	r, err := awsquery.ParseAnswer[RoleResult](action, body)
	if err != nil {
		return Role{}, err
	}
	return plain(r.Role)
}

// plain is a role of an answer with its trust policy as text.
func plain(r Role) (Role, error) {
	if r.Name == "" || r.ARN == "" {
		return Role{}, &awsquery.AnswerError{Detail: "a role has no name or no ARN"}
	}
	var err error
	if r.Trust, err = ParseDocument(r.Trust); err != nil {
		return Role{}, err
	}
	return r, nil
}

// ParseListRoles reads the answer to ListRoles, the trust policies as text. The
// marker is empty where no more follows.
func ParseListRoles(body []byte) (roles []Role, marker string, err error) {
	r, err := awsquery.ParseAnswer[ListRolesResult]("ListRoles", body)
	if err != nil {
		return nil, "", err
	}
	for _, one := range r.Roles.Member {
		role, err := plain(one)
		if err != nil {
			return nil, "", err
		}
		roles = append(roles, role)
	}
	if r.IsTruncated && r.Marker == "" {
		return nil, "", &awsquery.AnswerError{Detail: "more roles follow, and nothing says where"}
	}
	if !r.IsTruncated {
		r.Marker = ""
	}
	return roles, r.Marker, nil
}

// ParseRolePolicy reads the answer to GetRolePolicy: the policy's text.
func ParseRolePolicy(body []byte) (string, error) {
	r, err := awsquery.ParseAnswer[RolePolicyResult]("GetRolePolicy", body)
	if err != nil {
		return "", err
	}
	if r.Document == "" {
		return "", &awsquery.AnswerError{Detail: "the policy has no document"}
	}
	return ParseDocument(r.Document)
}

// ParseListProviders reads the answer to ListOpenIDConnectProviders: ARNs.
func ParseListProviders(body []byte) ([]string, error) {
	r, err := awsquery.ParseAnswer[ListProvidersResult]("ListOpenIDConnectProviders", body)
	if err != nil {
		return nil, err
	}
	var out []string
	for _, p := range r.Providers.Member {
		out = append(out, p.ARN)
	}
	return out, nil
}

// ParseGetProvider reads the answer to GetOpenIDConnectProvider: the URL with its
// scheme, and the client ids.
func ParseGetProvider(body []byte) (url string, clientIDs []string, err error) {
	r, err := awsquery.ParseAnswer[GetProviderResult]("GetOpenIDConnectProvider", body)
	switch {
	case err != nil:
		return "", nil, err
	case r.URL == "":
		return "", nil, &awsquery.AnswerError{Detail: "the provider has no URL"}
	case !strings.Contains(r.URL, "://"):
		r.URL = "https://" + r.URL
	}
	return r.URL, r.ClientIDs.Member, nil
}

// ParseCreateProvider reads the answer to CreateOpenIDConnectProvider: the ARN.
func ParseCreateProvider(body []byte) (string, error) {
	r, err := awsquery.ParseAnswer[CreateProviderResult]("CreateOpenIDConnectProvider", body)
	if err == nil && r.ARN == "" {
		return "", &awsquery.AnswerError{Detail: "the provider has no ARN"}
	}
	return r.ARN, err
}

// ParseNothing reads the answer to an operation that says nothing.
func ParseNothing(action string, body []byte) error {
	_, err := awsquery.ParseAnswer[struct{}](action, body)
	return err
}
