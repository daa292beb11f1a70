// Package stswire is the STS 2011-06-15 request and answer shapes. It decides
// nothing.
package stswire

import (
	"strconv"
	"strings"
	"time"
	"unicode"

	"mayfly.internal/internal/wire/awsquery"
)

// Version and Namespace of the API.
const (
	Version   = "2011-06-15"
	Namespace = "https://sts.amazonaws.com/doc/2011-06-15/"
)

// AssumeRoleWithWebIdentity is the request of that operation.
type AssumeRoleWithWebIdentity struct {
	RoleARN     string
	SessionName string
	Token       string
	ProviderID  string
	PolicyARNs  []string
	Policy      string
	Duration    time.Duration // 0: not given
}

// Rules of the STS model that several operations have.
var (
	arnRule    = awsquery.Rule{Required: true, Min: 20, Max: 2048}
	nameRule   = awsquery.Rule{Required: true, Min: 2, Max: 64, Form: awsquery.Of(awsquery.IsWord), Pattern: `[\w+=,.@-]*`}
	policyRule = awsquery.Rule{Min: 1, Max: 2048, Form: awsquery.Of(awsquery.IsDocument), Pattern: `[\u0009\u000A\u000D\u0020-\u00FF]+`}
	keyRule    = awsquery.Rule{Required: true, Min: 1, Max: 128, Form: awsquery.Of(isTag), Pattern: `[\p{L}\p{Z}\p{N}_.:/=+\-@]+`}
	valueRule  = awsquery.Rule{Required: true, Max: 256, Form: awsquery.Of(isTag), Pattern: `[\p{L}\p{Z}\p{N}_.:/=+\-@]*`}
)

// maxTags is of the model's tagListType and tagKeyListType.
const maxTags = 50

// isTag is [\p{L}\p{Z}\p{N}_.:/=+\-@], of which tags are made.
func isTag(c rune) bool {
	return unicode.In(c, unicode.L, unicode.Z, unicode.N) || strings.ContainsRune("_.:/=+-@", c)
}

func policyARNs(r *awsquery.Request) []string {
	var out []string
	for _, item := range r.Each("PolicyArns", 10) {
		out = append(out, r.Text(item+".arn", arnRule))
	}
	return out
}

// duration is DurationSeconds, 0 where it is not given.
func duration(r *awsquery.Request) time.Duration {
	return time.Duration(r.Int("DurationSeconds", 900, 43200)) * time.Second
}

// DecodeAssumeRoleWithWebIdentity reads the request's parameters; limits as in
// the STS model.
func DecodeAssumeRoleWithWebIdentity(r *awsquery.Request) (AssumeRoleWithWebIdentity, error) {
	in := AssumeRoleWithWebIdentity{
		RoleARN:     r.Text("RoleArn", arnRule),
		SessionName: r.Text("RoleSessionName", nameRule),
		Token:       r.Text("WebIdentityToken", awsquery.Rule{Required: true, Min: 4, Max: 20000, Secret: true}),
		ProviderID:  r.Text("ProviderId", awsquery.Rule{Min: 4, Max: 2048}),
		Policy:      r.Text("Policy", policyRule),
		Duration:    duration(r),
		PolicyARNs:  policyARNs(r),
	}
	return in, r.Check()
}

// Tag is a session tag on the wire.
type Tag struct{ Key, Value string }

// AssumeRole is the request of that operation.
type AssumeRole struct {
	RoleARN        string
	SessionName    string
	PolicyARNs     []string
	Policy         string
	Duration       time.Duration // 0: not given
	Tags           []Tag
	TransitiveKeys []string
	ExternalID     string
	SourceIdentity string
}

// DecodeAssumeRole reads the request's parameters; limits as in the STS model,
// and Policy no longer than in the other operations. SerialNumber, TokenCode and
// ProvidedContexts are refused by name: there are no such devices and no such
// contexts.
func DecodeAssumeRole(r *awsquery.Request) (AssumeRole, error) {
	source := nameRule
	source.Required = false
	in := AssumeRole{
		RoleARN:        r.Text("RoleArn", arnRule),
		SessionName:    r.Text("RoleSessionName", nameRule),
		PolicyARNs:     policyARNs(r),
		Policy:         r.Text("Policy", policyRule),
		Duration:       duration(r),
		TransitiveKeys: r.List("TransitiveTagKeys", maxTags, keyRule),
		ExternalID:     r.Text("ExternalId", awsquery.Rule{Min: 2, Max: 1224, Form: awsquery.Of(isExternal), Pattern: `[\w+=,.@:\/-]*`}),
		SourceIdentity: r.Text("SourceIdentity", source),
	}
	for _, p := range r.Pairs("Tags", maxTags, keyRule, valueRule) {
		in.Tags = append(in.Tags, Tag{p[0], p[1]})
	}
	return in, r.Check()
}

func isExternal(c rune) bool { return awsquery.IsWord(c) || c == ':' || c == '/' }

// AssumeRoleResult is the answer to AssumeRole.
type AssumeRoleResult struct {
	SourceIdentity   string          `xml:"SourceIdentity,omitempty" json:"SourceIdentity,omitempty"`
	PackedPolicySize int             `xml:"PackedPolicySize,omitempty" json:"PackedPolicySize,omitempty"`
	AssumedRoleUser  AssumedRoleUser `xml:"AssumedRoleUser" json:"AssumedRoleUser"`
	Credentials      Credentials     `xml:"Credentials" json:"Credentials"`
}

// DecodeAuthorizationMessage reads the parameters of that operation.
func DecodeAuthorizationMessage(r *awsquery.Request) (string, error) {
	message := r.Text("EncodedMessage", awsquery.Rule{Required: true, Min: 1, Max: 10240, Secret: true})
	return message, r.Check()
}

// AuthorizationMessageResult is the answer to DecodeAuthorizationMessage.
type AuthorizationMessageResult struct {
	DecodedMessage string `xml:"DecodedMessage" json:"DecodedMessage"`
}

// AssumedRoleUser names a role session.
type AssumedRoleUser struct {
	AssumedRoleID string `xml:"AssumedRoleId" json:"AssumedRoleId"`
	ARN           string `xml:"Arn" json:"Arn"`
}

// Credentials are temporary credentials on the wire: the one place outside
// session where a secret key is plain text, because the client must have it.
type Credentials struct {
	AccessKeyID     string `xml:"AccessKeyId" json:"AccessKeyId"`
	SecretAccessKey string `xml:"SecretAccessKey" json:"SecretAccessKey"`
	SessionToken    string `xml:"SessionToken" json:"SessionToken"`
	Expiration      string `xml:"Expiration" json:"Expiration"`
}

// WebIdentityResult is the answer to AssumeRoleWithWebIdentity.
type WebIdentityResult struct {
	Subject          string          `xml:"SubjectFromWebIdentityToken" json:"SubjectFromWebIdentityToken"`
	Audience         string          `xml:"Audience" json:"Audience"`
	Provider         string          `xml:"Provider" json:"Provider"`
	SourceIdentity   string          `xml:"SourceIdentity,omitempty" json:"SourceIdentity,omitempty"`
	PackedPolicySize int             `xml:"PackedPolicySize,omitempty" json:"PackedPolicySize,omitempty"`
	AssumedRoleUser  AssumedRoleUser `xml:"AssumedRoleUser" json:"AssumedRoleUser"`
	Credentials      Credentials     `xml:"Credentials" json:"Credentials"`
}

// AppendXML writes the result's elements (awsquery.Appender).
func (r WebIdentityResult) AppendXML(b []byte) []byte {
	b = text(b, "SubjectFromWebIdentityToken", r.Subject)
	b = text(b, "Audience", r.Audience)
	b = text(b, "Provider", r.Provider)
	if r.SourceIdentity != "" {
		b = text(b, "SourceIdentity", r.SourceIdentity)
	}
	if r.PackedPolicySize != 0 {
		b = text(b, "PackedPolicySize", strconv.Itoa(r.PackedPolicySize))
	}
	b = awsquery.AppendElement(b, "AssumedRoleUser", r.AssumedRoleUser)
	return awsquery.AppendElement(b, "Credentials", r.Credentials)
}

// AppendXML writes the user's elements.
func (u AssumedRoleUser) AppendXML(b []byte) []byte {
	b = text(b, "AssumedRoleId", u.AssumedRoleID)
	return text(b, "Arn", u.ARN)
}

// AppendXML writes the credentials' elements.
func (c Credentials) AppendXML(b []byte) []byte {
	b = text(b, "AccessKeyId", c.AccessKeyID)
	b = text(b, "SecretAccessKey", c.SecretAccessKey)
	b = text(b, "SessionToken", c.SessionToken)
	return text(b, "Expiration", c.Expiration)
}

func text(b []byte, name, value string) []byte {
	return awsquery.Text{Name: name, Value: value}.AppendXML(b)
}

// DecodeAccessKeyInfo reads the parameters of GetAccessKeyInfo. An id that cannot
// have been made here is refused as one of another form.
func DecodeAccessKeyInfo(r *awsquery.Request) error {
	r.Text("AccessKeyId", awsquery.Rule{Required: true, Min: 16, Max: 128, Form: isKeyID, Pattern: `ASIA[2-7A-Z]{16}`})
	return r.Check()
}

func isKeyID(text string) bool {
	return len(text) == 20 && strings.HasPrefix(text, "ASIA") && awsquery.Of(func(c rune) bool { return 'A' <= c && c <= 'Z' || '2' <= c && c <= '7' })(text)
}

// AccessKeyInfoResult is the answer to GetAccessKeyInfo.
type AccessKeyInfoResult struct {
	Account string `xml:"Account" json:"Account"`
}

// CallerIdentityResult is the answer to GetCallerIdentity.
type CallerIdentityResult struct {
	ARN     string `xml:"Arn" json:"Arn"`
	UserID  string `xml:"UserId" json:"UserId"`
	Account string `xml:"Account" json:"Account"`
}
