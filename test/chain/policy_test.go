package chain

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"mayfly.internal/internal/lab"
)

// logReader is a ClusterRole with one rule of each kind.
const logReader = `apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata:
  name: log-reader
rules:
- apiGroups: [""]
  resources: [pods/log]
  verbs: [get]
- apiGroups: [""]
  resources: [pods]
  verbs: [get, list]
- apiGroups: [""]
  resources: [configmaps]
  resourceNames: [settings]
  verbs: [get, update, list]
- apiGroups: [apps]
  resources: ["*/scale"]
  verbs: [update]
- apiGroups: [""]
  resources: [nodes, namespaces]
  verbs: ["*"]
- nonResourceURLs: [/metrics, /metrics/*]
  verbs: [get]
`

// TestCustomAccessPolicy gives one ClusterRole to two users of a real API
// server: to ours as a custom access policy, to the other by RBAC. What the one
// may the other may, in a namespace and in the whole cluster.
func TestCustomAccessPolicy(t *testing.T) {
	l := newLab(t, true)
	ctx := context.WithoutCancel(t.Context())
	env, err := l.AdminEnv(ctx)
	if err != nil {
		t.Fatal(err)
	}
	env["KUBECONFIG"] = l.Dir + "/home/ours.kubeconfig"
	cluster := map[string]string{"KUBECONFIG": l.Cluster.AdminKubeconfig()}
	try := func(env map[string]string, program string, args ...string) (string, error) {
		if program != l.Mayfly {
			program = filepath.Join(l.Dir, "bin", program)
		}
		return l.Run(ctx, env, program, args...)
	}
	run := func(env map[string]string, program string, args ...string) string {
		t.Helper()
		out, err := try(env, program, args...)
		if err != nil {
			t.Fatal(err)
		}
		return strings.TrimSpace(out)
	}
	write := func(name, text string) string {
		t.Helper()
		path := filepath.Join(l.Dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	manifest := write("log-reader.yaml", logReader)
	run(cluster, "kubectl", "create", "namespace", "stage")
	run(cluster, "kubectl", "create", "-f", manifest)
	run(cluster, "kubectl", "create", "rolebinding", "log-reader", "-n", "stage", "--clusterrole", "log-reader", "--user", "theirs")
	policy := run(env, l.Mayfly, "access-policy", "create", "log-reader", "--rules", manifest)
	role := strings.Split(run(env, "aws", "sts", "get-caller-identity", "--query", "Account", "--output", "text"), "\n")[0]
	role = "arn:aws:iam::" + role + ":role/mayfly-admin"
	if listed := run(env, "aws", "eks", "list-access-policies", "--output", "text"); !strings.Contains(listed, policy) {
		t.Errorf("the AWS CLI lists %s", listed)
	}
	run(env, "aws", "eks", "create-access-entry", "--cluster-name", lab.ClusterName, "--principal-arn", role)
	associate := func(scope string) {
		t.Helper()
		run(env, "aws", "eks", "associate-access-policy", "--cluster-name", lab.ClusterName, "--principal-arn", role, "--policy-arn", policy, "--access-scope", scope)
	}
	associate("type=namespace,namespaces=stage")
	run(env, "aws", "eks", "update-kubeconfig", "--name", lab.ClusterName)

	// compare asks both users, and wants of ours the answers that are told.
	compare := func(scope string, questions map[string]string) {
		t.Helper()
		for question, want := range questions {
			args := append([]string{"auth", "can-i"}, strings.Fields(question)...)
			ours, _ := try(env, "kubectl", args...) // its exit status is 1 for no
			theirs, _ := try(cluster, "kubectl", append(args, "--as", "theirs")...)
			ours, theirs = firstWord(ours), firstWord(theirs)
			if ours != want || ours != theirs {
				t.Errorf("%s, can-i %s: %q, by RBAC %q, want %s", scope, question, ours, theirs, want)
			}
		}
	}
	compare("in a namespace", map[string]string{
		"get pods/web --subresource=log -n stage":         "yes",
		"get pods -n stage":                               "yes",
		"list pods -n stage":                              "yes",
		"get configmaps/settings -n stage":                "yes",
		"update deployments --subresource=scale -n stage": "yes",
		"get namespaces/stage -n stage":                   "yes",

		"delete pods/web -n stage":                                   "no",
		"watch pods -n stage":                                        "no",
		"update pods/web --subresource=log -n stage":                 "no",
		"create pods/web --subresource=exec -n stage":                "no",
		"get configmaps/other -n stage":                              "no",
		"list configmaps -n stage":                                   "no",
		"delete configmaps/settings -n stage":                        "no",
		"update deployments -n stage":                                "no",
		"update deployments --subresource=status -n stage":           "no",
		"update replicationcontrollers --subresource=scale -n stage": "no",
		"get secrets -n stage":                                       "no",
		"get pods -n default":                                        "no",
		"get pods --all-namespaces":                                  "no",
		"get nodes":                                                  "no",
		"get namespaces/default -n default":                          "no",
		"get /metrics":                                               "no",
		"get /metrics/slis":                                          "no",
	})
	run(cluster, "kubectl", "create", "-n", "stage", "-f", write("pod.yaml", "apiVersion: v1\nkind: Pod\nmetadata: {name: web, namespace: stage}\nspec: {automountServiceAccountToken: false, containers: [{name: web, image: none}]}\n"))
	if out, err := try(env, "kubectl", "logs", "-n", "stage", "web"); err != nil && strings.Contains(err.Error()+out, "orbidden") { // it runs nowhere, so there is no log
		t.Errorf("reading a log: %s %v", out, err)
	}
	if _, err := try(env, "kubectl", "delete", "pod", "-n", "stage", "web"); err == nil || !strings.Contains(err.Error(), "forbidden") {
		t.Errorf("deleting a pod: %v", err)
	}

	run(cluster, "kubectl", "create", "clusterrolebinding", "log-reader", "--clusterrole", "log-reader", "--user", "theirs")
	associate("type=cluster")
	time.Sleep(11 * time.Second) // the API server's own memory of us
	compare("in the whole cluster", map[string]string{
		"get pods -n default":                "yes",
		"list pods --all-namespaces":         "yes",
		"delete nodes/n1":                    "yes",
		"create namespaces":                  "yes",
		"get /metrics":                       "yes",
		"get /metrics/slis":                  "yes",
		"post /metrics":                      "no",
		"get /metricsx":                      "no",
		"get /logs":                          "no",
		"delete pods -n default":             "no",
		"get persistentvolumes":              "no",
		"list configmaps -A":                 "no",
		"get pods.metrics.k8s.io -n default": "no",
	})

	// What Kubernetes comes with can be made a policy of, aggregated or not.
	for _, name := range []string{"view", "edit", "admin", "cluster-admin", "system:discovery"} {
		file := write("role.yaml", run(cluster, "kubectl", "get", "clusterrole", name, "-o", "yaml"))
		run(env, l.Mayfly, "access-policy", "create", "their-"+strings.TrimPrefix(name, "system:"), "--rules", file)
	}
}

func firstWord(text string) string {
	if words := strings.Fields(text); len(words) > 0 {
		return words[0]
	}
	return ""
}
