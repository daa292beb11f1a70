package authenticator_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"mayfly.internal/internal/authenticator"
	"mayfly.internal/internal/eks"
)

const (
	admin = "arn:aws:iam::444455556666:role/KubernetesAdmin"
	alice = "arn:aws:iam::444455556666:user/Alice"
)

// example is a configuration file as the original's documentation has them.
const example = `
# a unique-per-cluster identifier
clusterID: my-dev-cluster.example.com
server:
  port: 21999
  address: 0.0.0.0
  hostname: 10.0.0.1
  partition: aws-cn
  stateDir: /var/state
  generateKubeconfig: /etc/k/kubeconfig.yaml
  backendMode: [DynamicFile, MountedFile, ConfigMap, CRD]
  dynamicfilepath: /var/dynamic.json
  dynamicfileUserIDStrict: true
  dynamicBackendModePath: /var/modes.json
  mapRoles:
  - roleARN: arn:aws:iam::444455556666:role/KubernetesAdmin
    username: kubernetes-admin
    groups:
    - system:masters
  mapUsers:
  - userARN: arn:aws:iam::444455556666:user/Alice
    username: alice
    groups: [developers]
  mapAccounts:
  - "444455556666"
  - 012345678901
  scrubbedAccounts: ["777788889999"]
  reservedPrefixConfig:
  - backendMode: EKSConfigMap
    usernamePrefixReserveList: [aws:, "eks:"]
`

func TestParse(t *testing.T) {
	got, err := authenticator.Parse([]byte(example))
	want := authenticator.Config{
		ClusterID: "my-dev-cluster.example.com", Partition: "aws-cn", Address: "0.0.0.0", Port: "21999", Hostname: "10.0.0.1", StateDir: "/var/state", Kubeconfig: "/etc/k/kubeconfig.yaml",
		Modes: []authenticator.Mode{authenticator.DynamicFile, authenticator.MountedFile, authenticator.EKSConfigMap, authenticator.CRD},
		File: eks.Mappings{
			Roles:    []eks.Mapping{{ARN: admin, Username: "kubernetes-admin", Groups: []string{"system:masters"}}},
			Users:    []eks.Mapping{{ARN: alice, Username: "alice", Groups: []string{"developers"}}},
			Accounts: []string{"444455556666", "012345678901"},
		},
		DynamicFile: "/var/dynamic.json", DynamicByID: true, DynamicModes: "/var/modes.json",
		Reserved: map[authenticator.Mode][]string{authenticator.EKSConfigMap: {"aws:", "eks:"}}, Scrubbed: []string{"777788889999"},
	}
	if d := cmp.Diff(want, got); err != nil || d != "" {
		t.Errorf("%v %s", err, d)
	}
	if got.CertFile() != "/var/state/cert.pem" || got.KeyFile() != "/var/state/key.pem" {
		t.Errorf("%s, %s", got.CertFile(), got.KeyFile())
	}
}

func TestParseDefaults(t *testing.T) {
	got, err := authenticator.Parse([]byte("clusterid: c\nSERVER:\n"))
	want := authenticator.Config{ClusterID: "c", Partition: "aws", Address: "127.0.0.1", Port: "21362", Hostname: "localhost", StateDir: "/var/aws-iam-authenticator",
		Kubeconfig: "/etc/kubernetes/aws-iam-authenticator/kubeconfig.yaml", Modes: []authenticator.Mode{authenticator.MountedFile}, Reserved: map[authenticator.Mode][]string{}}
	if d := cmp.Diff(want, got); err != nil || d != "" {
		t.Errorf("%v %s", err, d)
	}
	got, err = authenticator.Parse([]byte("clusterID: c\nserver: {kubeconfigPregenerated: true, backendMode: 'CRD,EKSConfigMap'}\n"))
	if err != nil || got.Kubeconfig != "" || len(got.Modes) != 2 {
		t.Errorf("%+v, %v", got, err)
	}
}

// TestParseRefuses: what is wrong is named, all at once.
func TestParseRefuses(t *testing.T) {
	role := "server:\n  mapRoles:\n  - rolearn: " + admin + "\n    username: x\n"
	for text, want := range map[string]string{
		"":                                           "clusterID is missing",
		"server: {}":                                 "clusterID is missing",
		"- x":                                        "the file is not a mapping",
		"clusterID: [x]":                             "line 1: clusterID is not text",
		"clusterID: a b":                             "printable ASCII",
		"clusterID: c\nclusterid: d":                 "line 2: clusterid stands twice",
		"clusterID: c\nservers: {}":                  "line 2: unknown key servers",
		"clusterID: c\n---\nx: y":                    "more than one document",
		"clusterID: c\nserver: [x]":                  "server is not a mapping",
		"clusterID: c\nserver: {x: y}":               "unknown key server.x",
		"clusterID: {":                               "yaml",
		"clusterID: c\nserver: {port: 0x1}":          "server.port",
		"clusterID: c\nserver: {port: 99999}":        "server.port",
		"clusterID: c\nserver: {port: https}":        "server.port",
		"clusterID: c\nserver: {address: localhost}": "server.address",
		"clusterID: c\nserver: {hostname: 'a/b'}":    "server.hostname",
		"clusterID: c\nserver: {kubeconfigPregenerated: perhaps}":                       "neither true nor false",
		"clusterID: c\nserver: {backendMode: [File, MountedFile]}":                      "MountedFile stands twice",
		"clusterID: c\nserver: {backendMode: [Magic]}":                                  `"Magic" is none of`,
		"clusterID: c\nserver: {backendMode: []}":                                       "at least one",
		"clusterID: c\nserver: {backendMode: [[x]]}":                                    "holds what is not text",
		"clusterID: c\nserver: {backendMode: [DynamicFile]}":                            "dynamicfilepath is missing",
		"clusterID: c\nserver: {dynamicfilepath: /x}":                                   "has no DynamicFile",
		"clusterID: c\nserver: {kubeconfig: /x}":                                        "server.kubeconfig is not supported: Mayfly reads",
		"clusterID: c\nserver: {master: https://x}":                                     "server.master is not supported",
		"clusterID: c\nserver: {ec2DescribeInstancesRoleARN: x}":                        "knows no EC2 instances",
		"clusterID: c\nserver: {sourceARN: x}":                                          "server.sourceARN is not supported",
		"clusterID: c\nserver: {mapAccounts: [x]}":                                      "is not an account id",
		"clusterID: c\nserver: {mapRoles: x}":                                           "server.mapRoles is not a list",
		"clusterID: c\nserver: {mapRoles: [x]}":                                         "server.mapRoles[0]",
		"clusterID: c\n" + role + "    groups: ['{{SessionName}}']":                     "a group is fixed text",
		"clusterID: c\n" + role + "    groups: [1]":                                     "groups is not text",
		"clusterID: c\nserver:\n  mapRoles:\n  - username: x\n":                         "it has no rolearn",
		"clusterID: c\nserver:\n  mapRoles:\n  - sso: {accountID: '1'}\n":               "single sign-on",
		"clusterID: c\n" + strings.Replace(role, ": x", ": '{{EC2PrivateDNSName}}'", 1): "EC2",
		"clusterID: c\nserver: {reservedPrefixConfig: x}":                               "is not a list",
		"clusterID: c\nserver: {reservedPrefixConfig: [{backendMode: Magic}]}":          `"Magic" is none of`,
		"clusterID: c\nserver: {reservedPrefixConfig: [{prefix: x}]}":                   "unknown key server.reservedPrefixConfig[0].prefix",
		"clusterID: &a c\nserver: {hostname: *a}":                                       "YAML alias",
	} {
		if _, err := authenticator.Parse([]byte(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
	}
	_, err := authenticator.Parse([]byte("server: {port: x, address: y, master: z}"))
	if err == nil || strings.Count(err.Error(), "\n") != 3 {
		t.Errorf("%v", err)
	}
}

func TestLoad(t *testing.T) {
	path := filepath.Join(t.TempDir(), "config.yaml")
	if _, err := authenticator.Load(path); err == nil {
		t.Error("a file that is not there is read")
	}
	if err := os.WriteFile(path, []byte(example), 0o600); err != nil {
		t.Fatal(err)
	}
	if c, err := authenticator.Load(path); err != nil || c.ClusterID == "" {
		t.Errorf("%+v, %v", c, err)
	}
	if err := os.WriteFile(path, []byte("x: y"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := authenticator.Load(path); err == nil || !strings.HasPrefix(err.Error(), path+":\n") {
		t.Errorf("%v", err)
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(example))
	f.Add([]byte("clusterID: c\nserver: {mapRoles: [{rolearn: x, groups: [a]}], backendMode: 'CRD'}"))
	f.Fuzz(func(t *testing.T, text []byte) {
		c, err := authenticator.Parse(text)
		if err != nil {
			if d := cmp.Diff(authenticator.Config{}, c); d != "" {
				t.Error(d)
			}
			return
		}
		if c.ClusterID == "" || len(c.Modes) == 0 {
			t.Errorf("%+v", c)
		}
		for _, m := range append(c.File.Roles, c.File.Users...) {
			if err := eks.CheckMapping(m); err != nil {
				t.Error(err)
			}
		}
	})
}
