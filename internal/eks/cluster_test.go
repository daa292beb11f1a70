package eks_test

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"mayfly.internal/internal/eks"
)

func cluster() eks.Cluster {
	return eks.Cluster{Name: "my-cluster", Region: "eu-central-1", Account: "111122223333", Endpoint: "https://10.0.0.1:6443", CA: []byte("-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----\n"), Mode: eks.ModeAPI, BearerMaxAge: eks.DefaultBearerMaxAge}
}

// testCA is a certificate that vouches for nothing.
var testCA = func() []byte {
	key := ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize))
	t := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test"}, NotBefore: now, NotAfter: now.Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, t, t, key.Public(), key)
	if err != nil {
		panic(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}()

func TestCheckCluster(t *testing.T) {
	for name, change := range map[string]func(*eks.Cluster){
		"as it is":                 func(*eks.Cluster) {},
		"both sources":             func(c *eks.Cluster) { c.Mode = eks.ModeAPIAndConfigMap },
		"aws-auth alone":           func(c *eks.Cluster) { c.Mode = eks.ModeConfigMap },
		"a name of one digit":      func(c *eks.Cluster) { c.Name = "1" },
		"a name of 100":            func(c *eks.Cluster) { c.Name = strings.Repeat("a", 100) },
		"one minute":               func(c *eks.Cluster) { c.BearerMaxAge = time.Minute },
		"an endpoint with a slash": func(c *eks.Cluster) { c.Endpoint = "https://k8s.example.com/" },
		"an IPv6 endpoint":         func(c *eks.Cluster) { c.Endpoint = "https://[2001:db8::1]:6443" },
	} {
		c := cluster()
		change(&c)
		if err := eks.CheckCluster(c); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, change := range map[string]func(*eks.Cluster){
		"a CA that is no PEM":        func(c *eks.Cluster) { c.CA = []byte("pem") },
		"a CA that is a key":         func(c *eks.Cluster) { c.CA = []byte("-----BEGIN PRIVATE KEY-----\nAA==\n-----END PRIVATE KEY-----\n") },
		"no name":                    func(c *eks.Cluster) { c.Name = "" },
		"a name that begins with -":  func(c *eks.Cluster) { c.Name = "-a" },
		"a name with a dot":          func(c *eks.Cluster) { c.Name = "a.b" },
		"a name with a slash":        func(c *eks.Cluster) { c.Name = "a/b" },
		"a name with a line break":   func(c *eks.Cluster) { c.Name = "a\n" },
		"a name of 101":              func(c *eks.Cluster) { c.Name = strings.Repeat("a", 101) },
		"no region":                  func(c *eks.Cluster) { c.Region = "" },
		"a region in capitals":       func(c *eks.Cluster) { c.Region = "EU" },
		"no mode":                    func(c *eks.Cluster) { c.Mode = "" },
		"an unknown mode":            func(c *eks.Cluster) { c.Mode = "api" },
		"no bearer age":              func(c *eks.Cluster) { c.BearerMaxAge = 0 },
		"less than a minute":         func(c *eks.Cluster) { c.BearerMaxAge = time.Minute - 1 },
		"more than AWS grants":       func(c *eks.Cluster) { c.BearerMaxAge = 15*time.Minute + 1 },
		"no CA":                      func(c *eks.Cluster) { c.CA = nil },
		"a key in the CA's place":    func(c *eks.Cluster) { c.CA = []byte(strings.ReplaceAll(string(testCA), "CERTIFICATE", "PRIVATE KEY")) },
		"a CA cut short":             func(c *eks.Cluster) { c.CA = testCA[:len(testCA)/2] },
		"no endpoint":                func(c *eks.Cluster) { c.Endpoint = "" },
		"an endpoint in clear":       func(c *eks.Cluster) { c.Endpoint = "http://10.0.0.1" },
		"an endpoint without a host": func(c *eks.Cluster) { c.Endpoint = "https://:6443" },
		"a user in the endpoint":     func(c *eks.Cluster) { c.Endpoint = "https://u:p@10.0.0.1" },
		"a path in the endpoint":     func(c *eks.Cluster) { c.Endpoint = "https://10.0.0.1/api" },
		"a query in the endpoint":    func(c *eks.Cluster) { c.Endpoint = "https://10.0.0.1?x=1" },
		"nobody's address":           func(c *eks.Cluster) { c.Endpoint = "https://0.0.0.0:6443" },
	} {
		c := cluster()
		change(&c)
		e, ok := errors.AsType[*eks.Error](eks.CheckCluster(c))
		if !ok || e.Reason != eks.InvalidValue || e.Detail == "" {
			t.Errorf("%s: %v", name, e)
		}
	}
}

func TestModes(t *testing.T) {
	for mode, want := range map[eks.AuthenticationMode][2]bool{
		eks.ModeAPI: {true, false}, eks.ModeAPIAndConfigMap: {true, true}, eks.ModeConfigMap: {false, true}, "": {}, "API_AND_CONFIG_MAPS": {},
	} {
		if got := [2]bool{mode.Entries(), mode.ConfigMap()}; got != want {
			t.Errorf("%q: entries and aws-auth %v, want %v", mode, got, want)
		}
		err := eks.Cluster{Mode: mode}.NeedEntries()
		if e, ok := errors.AsType[*eks.Error](err); (err == nil) != want[0] || ok && e.Reason != eks.NotInThisMode {
			t.Errorf("%q: %v", mode, err)
		}
	}
}

func TestCheckScope(t *testing.T) {
	for _, s := range []eks.Scope{wholeCluster, namespaces("production"), namespaces("dev-*", "*-dev", "a*b"), namespaces("*"), namespaces("1")} {
		if err := eks.CheckScope(s); err != nil {
			t.Errorf("%v: %v", s, err)
		}
	}
	long := strings.Repeat("a", 64)
	for _, s := range []eks.Scope{{}, {Type: "Cluster"}, {Type: "cluster", Namespaces: []string{"a"}}, namespaces(), namespaces(""), namespaces("A"), namespaces("a.b"), namespaces("-a"), namespaces("a-"),
		namespaces("a b"), namespaces("de?"), namespaces("**"), namespaces("a", ""), namespaces("a\n"), namespaces(long), namespaces(strings.Split(strings.Repeat("a,", 101), ",")...)} {
		if err := eks.CheckScope(s); err == nil {
			t.Errorf("%.80v is taken", s)
		}
	}
}

func TestCheckTags(t *testing.T) {
	for _, tags := range []map[string]string{nil, {"team": "web"}, {strings.Repeat("k", 128): strings.Repeat("v", 256)}, {"k": ""}} {
		if err := eks.CheckTags(tags); err != nil {
			t.Errorf("%.60v: %v", tags, err)
		}
	}
	many := map[string]string{}
	for i := range 51 {
		many[string(rune('a'+i))] = "v"
	}
	for _, tags := range []map[string]string{many, {"": "v"}, {"aws:x": "v"}, {"AWS:x": "v"}, {strings.Repeat("k", 129): ""}, {"k": strings.Repeat("v", 257)}} {
		if err := eks.CheckTags(tags); err == nil {
			t.Errorf("%.60v is taken", tags)
		}
	}
}

func TestEntryNames(t *testing.T) {
	e := entry("")
	if got, want := e.ARN(cluster()), "arn:aws:eks:eu-central-1:111122223333:access-entry/my-cluster/role/111122223333/deployer/u-1"; got != want {
		t.Errorf("ARN %s, want %s", got, want)
	}
	if got, want := e.UsernameTemplate(), "arn:aws:sts::111122223333:assumed-role/deployer/{{SessionName}}"; got != want {
		t.Errorf("user name %s, want %s", got, want)
	}
	if got := entry("jobs:{{SessionName}}").UsernameTemplate(); got != "jobs:{{SessionName}}" {
		t.Errorf("user name %s", got)
	}
	if got, want := cluster().ARN().String(), "arn:aws:eks:eu-central-1:111122223333:cluster/my-cluster"; got != want {
		t.Errorf("ARN %s, want %s", got, want)
	}
	for principal, want := range map[string][2]string{
		"arn:aws:iam::444455556666:role/team/builder": {"role/444455556666/builder", "arn:aws:sts::444455556666:assumed-role/builder/{{SessionName}}"},
		"arn:aws-cn:iam::444455556666:role/builder":   {"role/444455556666/builder", "arn:aws-cn:sts::444455556666:assumed-role/builder/{{SessionName}}"},
		"arn:aws:iam::444455556666:user/team/jane":    {"user/444455556666/jane", "arn:aws:iam::444455556666:user/team/jane"},
	} {
		e := eks.AccessEntry{PrincipalARN: principal, UUID: "u-1"}
		if got := e.ARN(cluster()); got != "arn:aws:eks:eu-central-1:111122223333:access-entry/my-cluster/"+want[0]+"/u-1" {
			t.Errorf("ARN %s", got)
		}
		if got := e.UsernameTemplate(); got != want[1] {
			t.Errorf("user name %s", got)
		}
	}
	if (eks.AccessEntry{}).UsernameTemplate() != "" || (eks.AccessEntry{}).ARN(cluster()) != "" {
		t.Error("an entry without a principal has names")
	}
}

func TestAssociate(t *testing.T) {
	const view, edit = policies + "AmazonEKSViewPolicy", policies + "AmazonEKSEditPolicy"
	later := now.Add(time.Hour)
	first := eks.AccessEntry{}.Associate(view, wholeCluster, now).Associate(edit, namespaces("a"), now)
	second := first.Associate(view, namespaces("b"), later)
	want := []eks.Association{{PolicyARN: view, Scope: namespaces("b"), Associated: now, Modified: later}, {PolicyARN: edit, Scope: namespaces("a"), Associated: now, Modified: now}}
	if d := cmp.Diff(want, second.Policies); d != "" {
		t.Error(d)
	}
	if first.Policies[0].Scope.Type != eks.ClusterScope {
		t.Error("the entry before was changed")
	}
	third, ok := second.Disassociate(view)
	if !ok || len(third.Policies) != 1 || third.Policies[0].PolicyARN != edit || len(second.Policies) != 2 || second.Policies[0].PolicyARN != view {
		t.Errorf("%t, %+v, %+v", ok, third.Policies, second.Policies)
	}
	if _, ok := third.Disassociate(view); ok {
		t.Error("a policy that is not associated was taken away")
	}
}
