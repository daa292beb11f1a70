package labgitlab

import (
	"encoding/json"
	"net/http"

	"github.com/go-jose/go-jose/v4"
)

// discoveryDocument is GitLab's OpenID Connect discovery document, in its
// order. The endpoints of the sign-in itself are named as GitLab names them;
// the lab does not serve them.
type discoveryDocument struct {
	Issuer                 string   `json:"issuer"`
	AuthorizationEndpoint  string   `json:"authorization_endpoint"`
	TokenEndpoint          string   `json:"token_endpoint"`
	RevocationEndpoint     string   `json:"revocation_endpoint"`
	IntrospectionEndpoint  string   `json:"introspection_endpoint"`
	UserinfoEndpoint       string   `json:"userinfo_endpoint"`
	JWKSURI                string   `json:"jwks_uri"`
	ScopesSupported        []string `json:"scopes_supported"`
	ResponseTypes          []string `json:"response_types_supported"`
	ResponseModes          []string `json:"response_modes_supported"`
	GrantTypes             []string `json:"grant_types_supported"`
	TokenEndpointAuth      []string `json:"token_endpoint_auth_methods_supported"`
	SubjectTypes           []string `json:"subject_types_supported"`
	IDTokenSigningAlg      []string `json:"id_token_signing_alg_values_supported"`
	ClaimTypes             []string `json:"claim_types_supported"`
	ClaimsSupported        []string `json:"claims_supported"`
	CodeChallengeSupported []string `json:"code_challenge_methods_supported"`
}

func newDiscoveryDocument(issuer string) discoveryDocument {
	return discoveryDocument{
		Issuer:                issuer,
		AuthorizationEndpoint: issuer + "/oauth/authorize",
		TokenEndpoint:         issuer + "/oauth/token",
		RevocationEndpoint:    issuer + "/oauth/revoke",
		IntrospectionEndpoint: issuer + "/oauth/introspect",
		UserinfoEndpoint:      issuer + "/oauth/userinfo",
		JWKSURI:               issuer + "/oauth/discovery/keys",
		ScopesSupported: []string{"api", "read_api", "read_user", "create_runner", "manage_runner", "k8s_proxy",
			"read_repository", "write_repository", "sudo", "admin_mode", "read_service_ping", "openid", "profile", "email"},
		ResponseTypes:     []string{"code"},
		ResponseModes:     []string{"query", "fragment", "form_post"},
		GrantTypes:        []string{"authorization_code", "password", "client_credentials", "device_code", "refresh_token"},
		TokenEndpointAuth: []string{"client_secret_basic", "client_secret_post"},
		SubjectTypes:      []string{"public"},
		IDTokenSigningAlg: []string{"RS256"},
		ClaimTypes:        []string{"normal"},
		ClaimsSupported: []string{"iss", "sub", "aud", "exp", "iat", "sub_legacy", "name", "nickname", "preferred_username",
			"email", "email_verified", "website", "profile", "picture", "groups", "groups_direct",
			"https://gitlab.org/claims/groups/owner", "https://gitlab.org/claims/groups/maintainer", "https://gitlab.org/claims/groups/developer"},
		CodeChallengeSupported: []string{"plain", "S256"},
	}
}

func (s *Server) serveDiscovery(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Cache-Control", "max-age=0, private, must-revalidate")
	writeJSON(w, http.StatusOK, newDiscoveryDocument(s.issuer))
}

// serveKeys publishes the login key first and the CI key second, as GitLab
// orders them.
func (s *Server) serveKeys(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Cache-Control", "max-age=86400, public, must-revalidate, no-transform")
	writeJSON(w, http.StatusOK, jose.JSONWebKeySet{Keys: []jose.JSONWebKey{s.loginKey.public(), s.ciKey.public()}})
}

func writeJSON(w http.ResponseWriter, status int, body any) {
	text, err := json.Marshal(body)
	if err != nil {
		http.Error(w, "the lab cannot write its answer", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	_, _ = w.Write(append(text, '\n')) // the client may be gone
}
