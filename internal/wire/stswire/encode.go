package stswire

import (
	"strconv"
	"time"

	"mayfly.internal/internal/wire/awsquery"
)

// EncodeCallerIdentity asks for GetCallerIdentity, which has no parameter.
func EncodeCallerIdentity() *awsquery.Form { return awsquery.NewForm(Version, "GetCallerIdentity") }

// ParseCallerIdentity reads its answer. Every refusal is an
// *awsquery.AnswerError.
func ParseCallerIdentity(body []byte) (CallerIdentityResult, error) {
	r, err := awsquery.ParseAnswer[CallerIdentityResult]("GetCallerIdentity", body)
	if err == nil && (r.ARN == "" || r.Account == "") {
		return CallerIdentityResult{}, &awsquery.AnswerError{Detail: "the caller has no ARN or no account"}
	}
	return r, err
}

// EncodeAssumeRoleWithWebIdentity is what DecodeAssumeRoleWithWebIdentity reads.
func EncodeAssumeRoleWithWebIdentity(in AssumeRoleWithWebIdentity) *awsquery.Form {
	f := awsquery.NewForm(Version, "AssumeRoleWithWebIdentity").Text("RoleArn", in.RoleARN).Text("RoleSessionName", in.SessionName).Text("WebIdentityToken", in.Token).
		Text("ProviderId", in.ProviderID).Text("Policy", in.Policy).Int("DurationSeconds", int(in.Duration/time.Second))
	for i, p := range in.PolicyARNs {
		f.Text("PolicyArns.member."+strconv.Itoa(i+1)+".arn", p)
	}
	return f
}

// ParseAssumeRoleWithWebIdentity reads its answer, which holds whole credentials.
// Every refusal is an *awsquery.AnswerError.
func ParseAssumeRoleWithWebIdentity(body []byte) (WebIdentityResult, error) {
	r, err := awsquery.ParseAnswer[WebIdentityResult]("AssumeRoleWithWebIdentity", body)
	c := r.Credentials
	if err == nil && (r.AssumedRoleUser.ARN == "" || c.AccessKeyID == "" || c.SecretAccessKey == "" || c.SessionToken == "") {
		err = &awsquery.AnswerError{Detail: "the answer holds no session, or no whole credentials"}
	}
	if _, wrong := c.Expires(); err == nil && wrong != nil {
		err = &awsquery.AnswerError{Detail: "the credentials do not say when they expire"}
	}
	if err != nil {
		return WebIdentityResult{}, err // no half of a secret
	}
	return r, nil
}

// Expires is Expiration as a time.
func (c Credentials) Expires() (time.Time, error) { return time.Parse(time.RFC3339, c.Expiration) }
