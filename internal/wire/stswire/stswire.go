// Package stswire is the STS 2011-06-15 request and answer shapes. It decides
// nothing.
package stswire

import (
	"strconv"
	"strings"
	"time"

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

// DecodeAssumeRoleWithWebIdentity reads the request's parameters; limits as in
// the STS model.
func DecodeAssumeRoleWithWebIdentity(r *awsquery.Request) (AssumeRoleWithWebIdentity, error) {
	in := AssumeRoleWithWebIdentity{
		RoleARN:     r.Text("RoleArn", awsquery.Rule{Required: true, Min: 20, Max: 2048}),
		SessionName: r.Text("RoleSessionName", awsquery.Rule{Required: true, Min: 2, Max: 64, Form: awsquery.Of(awsquery.IsWord), Pattern: `[\w+=,.@-]*`}),
		Token:       r.Text("WebIdentityToken", awsquery.Rule{Required: true, Min: 4, Max: 20000, Secret: true}),
		ProviderID:  r.Text("ProviderId", awsquery.Rule{Min: 4, Max: 2048}),
		Policy:      r.Text("Policy", awsquery.Rule{Min: 1, Max: 2048, Form: awsquery.Of(awsquery.IsDocument), Pattern: `[\u0009\u000A\u000D\u0020-\u00FF]+`}),
		Duration:    time.Duration(r.Int("DurationSeconds", 900, 43200)) * time.Second,
	}
	for _, item := range r.Each("PolicyArns", 10) {
		in.PolicyARNs = append(in.PolicyARNs, r.Text(item+".arn", awsquery.Rule{Required: true, Min: 20, Max: 2048}))
	}
	return in, r.Check()
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
