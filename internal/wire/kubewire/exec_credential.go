package kubewire

import (
	"time"

	"mayfly.internal/internal/strictjson"
)

// The versions of client.authentication.k8s.io that an ExecCredential is written
// in (Kubernetes, "client-go credential plugins").
const (
	ExecV1      = "client.authentication.k8s.io/v1"
	ExecV1Beta1 = "client.authentication.k8s.io/v1beta1"
)

// maxExecInfo bounds KUBERNETES_EXEC_INFO, which may hold a cluster's CA.
const maxExecInfo = 1 << 20

// DecodeExecInfo reads what a client says to a credential plugin in
// KUBERNETES_EXEC_INFO: the version it wants the answer in. A client that says
// nothing is older than that and wants v1beta1.
func DecodeExecInfo(text string) (version string, err error) {
	if text == "" {
		return ExecV1Beta1, nil
	}
	if len(text) > maxExecInfo {
		return "", refuse("it is larger than %d bytes", maxExecInfo)
	}
	v, err := strictjson.Parse([]byte(text))
	if err != nil || v.Kind() != strictjson.Object {
		return "", refuse("it is not a JSON object with distinct names")
	}
	if kind, _ := v.Get("kind").Text(); kind != "ExecCredential" {
		return "", refuse("the kind is %q, ExecCredential is wanted", clip(kind))
	}
	switch version, _ = v.Get("apiVersion").Text(); version {
	case ExecV1, ExecV1Beta1:
		return version, nil
	}
	return "", refuse("the apiVersion is %q; %s and %s are known", clip(version), ExecV1, ExecV1Beta1)
}

// EncodeExecCredential is what a credential plugin answers: a token, and when the
// client should ask for another.
func EncodeExecCredential(version, token string, expires time.Time) []byte {
	type status struct {
		Expires string `json:"expirationTimestamp"`
		Token   string `json:"token"`
	}
	return encode(struct {
		Kind    string   `json:"kind"`
		Version string   `json:"apiVersion"`
		Spec    struct{} `json:"spec"`
		Status  status   `json:"status"`
	}{Kind: "ExecCredential", Version: version, Status: status{expires.UTC().Format(time.RFC3339), token}})
}
