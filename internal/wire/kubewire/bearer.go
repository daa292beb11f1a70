package kubewire

import (
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
)

const (
	bearerPrefix = "k8s-aws-v1."
	// MaxBearerBytes is the longest bearer token that is looked at
	// (aws-iam-authenticator pkg/token, maxTokenLenBytes).
	MaxBearerBytes = 4096
)

// ErrNotBearer is the refusal of a token that does not begin as a bearer token
// of EKS does: it is another authenticator's. ErrBearer is the refusal of one
// that does and is none.
var (
	ErrNotBearer = errors.New("it does not begin as a bearer token of EKS does")
	ErrBearer    = errors.New("not a k8s-aws-v1 bearer token")
)

// DecodeBearer takes the presigned URL out of a bearer token. The URL is
// unverified text. No refusal holds anything of the token.
func DecodeBearer(token string) (string, error) {
	rest, ok := strings.CutPrefix(token, bearerPrefix)
	switch {
	case !ok:
		return "", ErrNotBearer
	case len(token) > MaxBearerBytes:
		return "", fmt.Errorf("%w: larger than %d bytes", ErrBearer, MaxBearerBytes)
	}
	url, err := base64.RawURLEncoding.Strict().DecodeString(rest)
	if err != nil || base64.RawURLEncoding.EncodedLen(len(url)) != len(rest) || len(url) == 0 { // the decoder skips line breaks
		return "", fmt.Errorf("%w: it is not base64url without padding", ErrBearer)
	}
	return string(url), nil
}

// EncodeBearer makes the bearer token of a presigned URL.
func EncodeBearer(url string) string {
	return bearerPrefix + base64.RawURLEncoding.EncodeToString([]byte(url))
}
