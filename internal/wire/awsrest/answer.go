package awsrest

import (
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"unicode/utf8"
)

// Path is a path of segments, each percent-encoded as AWS's clients do it:
// whatever is not unreserved in RFC 3986, colon and slash too.
func Path(segments ...string) string {
	var b strings.Builder
	for _, s := range segments {
		b.WriteByte('/')
		b.WriteString(strings.ReplaceAll(url.QueryEscape(s), "+", "%20"))
	}
	return b.String()
}

// AnswerError says why a body is not the answer that is wanted.
type AnswerError struct{ Detail string }

func (e *AnswerError) Error() string { return e.Detail }

// ParseAnswer reads the body of a successful answer. Members that T does not know
// are left aside. Every refusal is an *AnswerError.
func ParseAnswer[T any](body []byte) (T, error) {
	var out T
	if !utf8.Valid(body) {
		return out, &AnswerError{"it is not UTF-8"}
	}
	if err := json.Unmarshal(body, &out); err != nil {
		return *new(T), &AnswerError{fmt.Sprintf("it is not JSON of the form that is wanted: %v", err)}
	}
	return out, nil
}

// isCode reports whether a text can be the code of an error: a word.
func isCode(text string) bool {
	return text != "" && len(text) <= 128 && strings.Trim(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-") == ""
}

// ParseFailure reads an error: from the header ErrorTypeHeader, or else from the
// body, where AWS writes the code as well. Every refusal is an *AnswerError.
func ParseFailure(status int, errorType string, body []byte) (Failure, error) {
	e, err := ParseAnswer[struct {
		Type    string `json:"__type"`
		Code    string `json:"code"`
		Message string `json:"message"`
		Cluster string `json:"clusterName"`
	}](body)
	if err != nil {
		return Failure{}, err
	}
	for _, code := range []string{errorType, e.Type, e.Code} {
		// As Smithy's protocols have it: NAMESPACE#CODE:http://….
		code, _, _ = strings.Cut(code, ":")
		if _, after, found := strings.Cut(code, "#"); found {
			code = after
		}
		if isCode(code) {
			return Failure{Status: status, Code: code, Message: e.Message, Cluster: e.Cluster}, nil
		}
	}
	return Failure{}, &AnswerError{"the error has no code"}
}
