package cli

import (
	"encoding/base64"
	"fmt"
	"path/filepath"

	"mayfly.internal/internal/wire/mayflywire"
)

type file struct{ name, text string }

const (
	authnFile  = "authentication-webhook.kubeconfig"
	authzFile  = "authorization-webhook.kubeconfig"
	configFile = "authorization-config.yaml"
)

// webhookFiles are the files an API server needs, for a directory.
func webhookFiles(w mayflywire.WebhookConfig, dir string) []file {
	return []file{
		{authnFile, webhookKubeconfig(w, w.AuthenticateURL)},
		{authzFile, webhookKubeconfig(w, w.AuthorizeURL)},
		{configFile, authorizationConfig(filepath.Join(dir, authzFile))},
	}
}

// webhookKubeconfig is the kubeconfig form in which an API server is told of a
// webhook (Kubernetes, "Webhook Token Authentication").
func webhookKubeconfig(w mayflywire.WebhookConfig, url string) string {
	b64 := func(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }
	return fmt.Sprintf(`apiVersion: v1
kind: Config
clusters:
- name: mayfly
  cluster:
    server: %q
    certificate-authority-data: %s
users:
- name: apiserver
  user:
    client-certificate-data: %s
    client-key-data: %s
contexts:
- name: webhook
  context: {cluster: mayfly, user: apiserver}
current-context: webhook
`, url, b64(w.CA), b64(w.ClientCertificate), b64(w.ClientKey))
}

// authorizationConfig is the order of authorizers: Node, then Mayfly, then
// RBAC. Behind RBAC a denial of Mayfly's would come too late. The match
// condition keeps every other user's request away from Mayfly, so that nodes
// and administrators do not depend on it.
func authorizationConfig(kubeconfig string) string {
	return fmt.Sprintf(`apiVersion: apiserver.config.k8s.io/v1
kind: AuthorizationConfiguration
authorizers:
- type: Node
  name: node
- type: Webhook
  name: mayfly
  webhook:
    subjectAccessReviewVersion: v1
    matchConditionSubjectAccessReviewVersion: v1
    timeout: 3s
    authorizedTTL: 10s
    unauthorizedTTL: 10s
    failurePolicy: Deny
    connectionInfo:
      type: KubeConfigFile
      kubeConfigFile: %q
    matchConditions:
    - expression: has(request.extra) && 'canonicalArn' in request.extra
- type: RBAC
  name: rbac
`, kubeconfig)
}

// apiServerFlags are the flags of kube-apiserver.
func apiServerFlags(dir string) string {
	return fmt.Sprintf(`--authentication-token-webhook-config-file=%s
--authentication-token-webhook-version=v1
--authentication-token-webhook-cache-ttl=10s
--authorization-config=%s
`, filepath.Join(dir, authnFile), filepath.Join(dir, configFile))
}

// readerRole lets Mayfly's reader have what it reads, in a cluster whose API
// server asks the authentication webhook and not the authorizer.
const readerRole = `apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: mayfly-aws-auth-reader, namespace: kube-system}
rules:
- apiGroups: [""]
  resources: [configmaps]
  resourceNames: [aws-auth]
  verbs: [get, list, watch]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: mayfly-aws-auth-reader, namespace: kube-system}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: mayfly-aws-auth-reader}
subjects:
- {apiGroup: rbac.authorization.k8s.io, kind: User, name: "mayfly:aws-auth-reader"}
---
# The rest is needed only where IAMIdentityMappings map (backendMode CRD).
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: mayfly-identity-mapping-reader}
rules:
- apiGroups: [iamauthenticator.k8s.aws]
  resources: [iamidentitymappings]
  verbs: [get, list, watch]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: mayfly-identity-mapping-reader}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: mayfly-identity-mapping-reader}
subjects:
- {apiGroup: rbac.authorization.k8s.io, kind: User, name: "mayfly:aws-auth-reader"}
`
