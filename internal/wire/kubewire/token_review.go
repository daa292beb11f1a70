package kubewire

// TokenReview is the question of authentication.k8s.io: whose token is this?
type TokenReview struct {
	APIVersion string // authentication.k8s.io/v1 or /v1beta1; empty as old clients send it
	Token      string
	Audiences  []string
}

// DecodeTokenReview reads the body of a TokenReview. Every refusal is a
// *ShapeError that holds nothing of the token, and then the value is zero.
//
// Audiences are given back for completeness: Mayfly answers without any, which
// tells an API server that it knows none, and that server then takes the token
// for its own audiences alone (k8s.io/apiserver, webhook AuthenticateToken).
func DecodeTokenReview(body []byte) (TokenReview, error) {
	v, err := decode(body, "TokenReview", "authentication.k8s.io/v1", "authentication.k8s.io/v1beta1")
	if err != nil {
		return TokenReview{}, err
	}
	var r reader
	spec := v.Get("spec")
	out := TokenReview{APIVersion: r.text(v.Get("apiVersion"), "apiVersion"), Token: r.text(spec.Get("token"), "spec.token"), Audiences: r.texts(spec.Get("audiences"), "spec.audiences")}
	if r.err == nil && out.Token == "" {
		return TokenReview{}, refuse("spec.token is empty")
	}
	if r.err != nil {
		return TokenReview{}, r.err
	}
	return out, nil
}

// UserInfo is a Kubernetes user as a TokenReview's answer shows it.
type UserInfo struct {
	Username string              `json:"username,omitempty"`
	UID      string              `json:"uid,omitempty"`
	Groups   []string            `json:"groups,omitempty"`
	Extra    map[string][]string `json:"extra,omitempty"`
}

type tokenReviewAnswer struct {
	APIVersion string            `json:"apiVersion,omitempty"`
	Kind       string            `json:"kind,omitempty"`
	Metadata   struct{}          `json:"metadata"`
	Spec       struct{}          `json:"spec"`
	Status     TokenReviewStatus `json:"status"`
}

// TokenReviewStatus is the answer to a TokenReview. The zero value is "nobody".
type TokenReviewStatus struct {
	Authenticated bool      `json:"authenticated"`
	User          *UserInfo `json:"user,omitempty"`
	Audiences     []string  `json:"audiences,omitempty"`
	Error         string    `json:"error,omitempty"`
}

// EncodeTokenReview is the answer's body, in the version that was asked.
func EncodeTokenReview(asked TokenReview, s TokenReviewStatus) []byte {
	out := tokenReviewAnswer{APIVersion: asked.APIVersion, Status: s}
	if out.APIVersion != "" {
		out.Kind = "TokenReview"
	}
	return encode(out)
}
