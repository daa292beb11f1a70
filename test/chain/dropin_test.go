package chain

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"mayfly.internal/internal/lab"
)

// identityMappings is aws-iam-authenticator's CustomResourceDefinition, as far as
// an API server needs it.
const identityMappings = `apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: iamidentitymappings.iamauthenticator.k8s.aws}
spec:
  group: iamauthenticator.k8s.aws
  scope: Cluster
  names: {plural: iamidentitymappings, singular: iamidentitymapping, kind: IAMIdentityMapping, listKind: IAMIdentityMappingList}
  versions:
  - name: v1alpha1
    served: true
    storage: true
    schema:
      openAPIV3Schema:
        type: object
        properties:
          spec:
            type: object
            required: [arn, username]
            properties: {arn: {type: string}, username: {type: string}, groups: {type: array, items: {type: string}}}
`

// TestDropIn puts a real API server that is set up for aws-iam-authenticator, and
// asks no authorizer of ours, in front of the drop-in port: each of its four
// sources maps in turn.
func TestDropIn(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "lab")
	files := t.TempDir()
	config, kubeconfig, dynamic := filepath.Join(files, "config.yaml"), filepath.Join(files, "authentication-webhook.kubeconfig"), filepath.Join(files, "dynamic.json")
	write := func(path, text string) {
		t.Helper()
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(config, fmt.Sprintf(`clusterID: k8s.example.com
server:
  port: %d
  stateDir: %s
  generateKubeconfig: %s
  backendMode: [DynamicFile, MountedFile, CRD, EKSConfigMap]
  dynamicfilepath: %s
  mapUsers:
  - {userarn: "arn:aws:iam::444455556666:user/jane", username: jane, groups: []}
`, freePort(t), filepath.Join(files, "state"), kubeconfig, dynamic))
	l := newLabIn(t, dir, false, fmt.Sprintf("authenticator: {config: %s, cluster: %s, health_listen: \"off\"}\naws_auth_max_age: 30s\n", config, lab.ClusterName))
	env, err := l.AdminEnv(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	run := func(env map[string]string, program string, args ...string) string {
		t.Helper()
		out, err := l.Run(t.Context(), env, program, args...)
		if err != nil {
			t.Fatal(err)
		}
		return strings.TrimSpace(out)
	}
	cluster, err := lab.NewCluster(l.Kubernetes, filepath.Join(dir, "cluster"), l.State.KubePort)
	if err != nil {
		t.Fatal(err)
	}
	run(env, l.Mayfly, "cluster", "register", lab.ClusterName, "--endpoint", cluster.Endpoint(), "--ca-file", cluster.CAFile(), "--region", lab.Region, "--authentication-mode", "CONFIG_MAP")
	write(filepath.Join(files, "authorization-config.yaml"), "apiVersion: apiserver.config.k8s.io/v1\nkind: AuthorizationConfiguration\nauthorizers:\n- {type: Node, name: node}\n- {type: RBAC, name: rbac}\n")
	t.Cleanup(cluster.Stop)
	if err := cluster.Start(t.Context(), files); err != nil {
		t.Fatal(err)
	}
	root := map[string]string{"KUBECONFIG": cluster.AdminKubeconfig()}
	kubectl := filepath.Join(dir, "bin", "kubectl")
	apply := func(manifest string) {
		t.Helper()
		path := filepath.Join(files, "manifest.yaml")
		write(path, manifest)
		run(root, kubectl, "apply", "-f", path)
	}
	apply(identityMappings)
	apply(run(env, l.Mayfly, "cluster", "webhook-config", lab.ClusterName, "--rbac"))
	run(root, kubectl, "wait", "--for=condition=Established", "crd/iamidentitymappings.iamauthenticator.k8s.aws")

	// kubectl, as a person with aws eks get-token has it.
	whoami := func() string {
		token := run(env, filepath.Join(dir, "bin", "aws"), "eks", "get-token", "--cluster-name", "k8s.example.com", "--query", "status.token", "--output", "text")
		out, err := l.Run(t.Context(), map[string]string{"KUBECONFIG": os.DevNull}, kubectl, "--server", cluster.Endpoint(), "--certificate-authority", cluster.CAFile(), "--token", token, "auth", "whoami", "-o", "jsonpath={.status.userInfo.username} {.status.userInfo.groups[0]}")
		if err != nil {
			return "refused"
		}
		return out
	}
	// A change is in force when it has been read: a ConfigMap within thirty
	// seconds, and the API server keeps what it was told for ten.
	becomes := func(want string) {
		t.Helper()
		got := ""
		for deadline := time.Now().Add(60 * time.Second); time.Now().Before(deadline); time.Sleep(time.Second) {
			if got = whoami(); got == want {
				return
			}
		}
		t.Fatalf("the role is %q, want %q", got, want)
	}
	account := run(env, filepath.Join(dir, "bin", "aws"), "sts", "get-caller-identity", "--query", "Account", "--output", "text")
	role := "arn:aws:iam::" + account + ":role/mayfly-admin"
	becomes("refused")
	apply("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: aws-auth, namespace: kube-system}\ndata:\n  mapRoles: |\n    - {rolearn: " + role + ", username: from-configmap, groups: [a]}\n")
	becomes("from-configmap a")
	apply("apiVersion: iamauthenticator.k8s.aws/v1alpha1\nkind: IAMIdentityMapping\nmetadata: {name: admin}\nspec: {arn: " + role + ", username: from-crd, groups: [b]}\n")
	becomes("from-crd b")
	write(dynamic, `{"mapRoles": [{"rolearn": "`+role+`", "username": "from-file:{{SessionName}}", "groups": ["c"]}]}`)
	becomes(fmt.Sprintf("from-file:uid-%d c", os.Getuid()))
	if err := os.Remove(dynamic); err != nil {
		t.Fatal(err)
	}
	run(root, kubectl, "delete", "iamidentitymapping", "admin")
	becomes("from-configmap a")
	run(root, kubectl, "--namespace", "kube-system", "delete", "configmap", "aws-auth")
	becomes("refused")
}

func freePort(t *testing.T) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}
