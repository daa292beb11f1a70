package stswire

import "mayfly.internal/internal/wire/awsquery"

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
