// Package authenticator reads the configuration of aws-iam-authenticator and
// maps principals by it, in the order its backendMode gives: its own file
// (MountedFile), the cluster's aws-auth ConfigMap (EKSConfigMap), its custom
// resources (CRD), and a file that is read anew when it changes (DynamicFile).
// (kubernetes-sigs/aws-iam-authenticator v0.7.18.)
//
// What it has and Mayfly has not is refused by name, not passed over. Unlike the
// original it gives nobody an identity while a source that comes first cannot be
// read: what it says might be something else.
//
// It believes and verifies nothing; clusterauth does. It speaks to no cluster;
// awsauth does.
package authenticator

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"mayfly.internal/internal/arn"
	"mayfly.internal/internal/awsauth"
	"mayfly.internal/internal/eks"
)

// Mode is a source of mappings.
type Mode string

const (
	MountedFile  Mode = "MountedFile"
	EKSConfigMap Mode = "EKSConfigMap"
	CRD          Mode = "CRD"
	DynamicFile  Mode = "DynamicFile"
)

// modes :: name in backendMode → what it is; two have an older name.
var modes = map[string]Mode{"MountedFile": MountedFile, "File": MountedFile, "EKSConfigMap": EKSConfigMap, "ConfigMap": EKSConfigMap, "CRD": CRD, "DynamicFile": DynamicFile}

// parseModes reads a list of modes.
func parseModes(names []string) ([]Mode, error) {
	var out []Mode
	for _, name := range names {
		m, ok := modes[name]
		switch {
		case !ok:
			return nil, fmt.Errorf("backend mode %q is none of MountedFile, EKSConfigMap, CRD and DynamicFile", name)
		case slices.Contains(out, m):
			return nil, fmt.Errorf("backend mode %s stands twice", m)
		}
		out = append(out, m)
	}
	if len(out) == 0 {
		return nil, errors.New("at least one backend mode is wanted")
	}
	return out, nil
}

// Config is a configuration file of aws-iam-authenticator, with its defaults
// filled in.
type Config struct {
	ClusterID  string // what the cluster's bearer tokens are bound to
	Partition  string // of AWS
	Address    string // to listen on
	Port       string
	Hostname   string // what the API server calls
	StateDir   string // where cert.pem and key.pem are
	Kubeconfig string // to be written for the API server; empty: it is there already

	Modes        []Mode
	File         eks.Mappings // of MountedFile
	DynamicFile  string       // path of DynamicFile
	DynamicByID  bool
	DynamicModes string            // path of a file that names the modes; empty: there is none
	Reserved     map[Mode][]string // prefixes of user names nobody gets from a mode
	Scrubbed     []string          // accounts whose principals are not shown to the cluster
}

// CertFile is the certificate the port is served with.
func (c Config) CertFile() string { return filepath.Join(c.StateDir, "cert.pem") }

// KeyFile is the key of CertFile.
func (c Config) KeyFile() string { return filepath.Join(c.StateDir, "key.pem") }

// defaults are the flags' default values.
func defaults() Config {
	return Config{Partition: "aws", Address: "127.0.0.1", Port: "21362", Hostname: "localhost", StateDir: "/var/aws-iam-authenticator",
		Kubeconfig: "/etc/kubernetes/aws-iam-authenticator/kubeconfig.yaml", Modes: []Mode{MountedFile}, Reserved: map[Mode][]string{}}
}

// maxFile bounds a file that is read.
const maxFile = 4 << 20

// Load reads a configuration file. The error says everything that is wrong at
// once.
func Load(path string) (Config, error) {
	data, err := readFile(path)
	if err != nil {
		return Config{}, err
	}
	c, err := Parse(data)
	if err != nil {
		return Config{}, fmt.Errorf("%s:\n%w", path, err)
	}
	return c, nil
}

func readFile(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err == nil && len(data) > maxFile {
		err = fmt.Errorf("%s is larger than %d bytes", path, maxFile)
	}
	return data, err
}

// Parse reads the text of a configuration file; names are compared without
// regard to case, as the original does.
func Parse(data []byte) (Config, error) {
	var doc yaml.Node
	dec := yaml.NewDecoder(bytes.NewReader(data))
	if err := dec.Decode(&doc); err != nil && !errors.Is(err, io.EOF) {
		return Config{}, err
	}
	if err := dec.Decode(new(yaml.Node)); !errors.Is(err, io.EOF) {
		return Config{}, errors.New("there is more than one document")
	}
	r := &reader{c: defaults()}
	if len(doc.Content) == 1 {
		r.object(doc.Content[0], "", map[string]func(*yaml.Node, string){
			"clusterid": r.text(&r.c.ClusterID),
			"server":    func(n *yaml.Node, name string) { r.object(n, name, r.server()) },
		})
	}
	r.check()
	if len(r.errs) > 0 {
		return Config{}, errors.Join(r.errs...)
	}
	if r.pregenerated {
		r.c.Kubeconfig = ""
	}
	return r.c, nil
}

// reader gathers what a file says, and what is wrong with it.
type reader struct {
	c            Config
	pregenerated bool
	errs         []error
}

func (r *reader) bad(n *yaml.Node, format string, args ...any) {
	where := ""
	if n != nil {
		where = fmt.Sprintf("line %d: ", n.Line)
	}
	r.errs = append(r.errs, fmt.Errorf(where+format, args...))
}

// server are the keys of server.
func (r *reader) server() map[string]func(*yaml.Node, string) {
	return map[string]func(*yaml.Node, string){
		"port": r.text(&r.c.Port), "address": r.text(&r.c.Address), "hostname": r.text(&r.c.Hostname), "partition": r.text(&r.c.Partition),
		"statedir": r.text(&r.c.StateDir), "generatekubeconfig": r.text(&r.c.Kubeconfig), "kubeconfigpregenerated": r.truth(&r.pregenerated),
		"dynamicfilepath": r.text(&r.c.DynamicFile), "dynamicfileuseridstrict": r.truth(&r.c.DynamicByID), "dynamicbackendmodepath": r.text(&r.c.DynamicModes),
		"backendmode": r.modes, "maproles": r.entries(&r.c.File.Roles, "rolearn"), "mapusers": r.entries(&r.c.File.Users, "userarn"),
		"mapaccounts": r.accounts(&r.c.File.Accounts), "scrubbedaccounts": r.accounts(&r.c.Scrubbed), "reservedprefixconfig": r.reserved,

		"kubeconfig":                  r.absent("Mayfly reads through the endpoint the cluster is registered with"),
		"master":                      r.absent("Mayfly reads through the endpoint the cluster is registered with"),
		"ec2describeinstancesrolearn": r.absent("Mayfly knows no EC2 instances, so that {{EC2PrivateDNSName}} cannot be filled in"),
		"ec2describeinstancesqps":     r.absent("Mayfly knows no EC2 instances, so that {{EC2PrivateDNSName}} cannot be filled in"),
		"ec2describeinstancesburst":   r.absent("Mayfly knows no EC2 instances, so that {{EC2PrivateDNSName}} cannot be filled in"),
		"sourcearn":                   r.absent("Mayfly assumes no role of AWS"),
	}
}

// absent refuses a key of the original that means nothing here.
func (r *reader) absent(why string) func(*yaml.Node, string) {
	return func(n *yaml.Node, name string) { r.bad(n, "%s is not supported: %s; take it out", name, why) }
}

// object reads a mapping: each key by the function of its name in lower case.
func (r *reader) object(n *yaml.Node, name string, keys map[string]func(*yaml.Node, string)) {
	if isNull(n) {
		return
	}
	if n.Kind != yaml.MappingNode {
		r.bad(n, "%s is not a mapping", orFile(name))
		return
	}
	seen := map[string]bool{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		k, v := n.Content[i], n.Content[i+1]
		key := strings.ToLower(k.Value)
		full := strings.TrimPrefix(name+"."+k.Value, ".")
		read := keys[key]
		switch {
		case read == nil:
			r.bad(k, "unknown key %s", clip(full))
		case seen[key]:
			r.bad(k, "%s stands twice", clip(full))
		case v.Kind == yaml.AliasNode:
			r.bad(v, "%s is a YAML alias, which is not supported", full)
		default:
			read(v, full)
		}
		seen[key] = true
	}
}

func orFile(name string) string {
	if name == "" {
		return "the file"
	}
	return name
}

func (r *reader) text(into *string) func(*yaml.Node, string) {
	return func(n *yaml.Node, name string) {
		if n.Kind != yaml.ScalarNode || isNull(n) {
			r.bad(n, "%s is not text", name)
			return
		}
		*into = n.Value
	}
}

func (r *reader) truth(into *bool) func(*yaml.Node, string) {
	return func(n *yaml.Node, name string) {
		if n.Kind != yaml.ScalarNode || n.Decode(into) != nil {
			r.bad(n, "%s is neither true nor false", name)
		}
	}
}

// texts are the items of a list, or a text of items between commas.
func (r *reader) texts(n *yaml.Node, name string) []string {
	if n.Kind == yaml.ScalarNode && !isNull(n) {
		return strings.Split(n.Value, ",")
	}
	if n.Kind != yaml.SequenceNode {
		r.bad(n, "%s is not a list", name)
		return nil
	}
	var out []string
	for _, item := range n.Content {
		if item.Kind != yaml.ScalarNode || isNull(item) {
			r.bad(item, "%s holds what is not text", name)
			continue
		}
		out = append(out, item.Value)
	}
	return out
}

func (r *reader) modes(n *yaml.Node, name string) {
	before := len(r.errs)
	m, err := parseModes(r.texts(n, name))
	if err != nil && len(r.errs) == before {
		r.bad(n, "%s: %w", name, err)
	}
	r.c.Modes = m
}

// entries are the mappings of a list. Here every entry must be good: the
// original does not start with one that is not.
func (r *reader) entries(into *[]eks.Mapping, arnField string) func(*yaml.Node, string) {
	return func(n *yaml.Node, name string) {
		if n.Kind != yaml.SequenceNode {
			r.bad(n, "%s is not a list", name)
			return
		}
		for i, item := range n.Content {
			m, notes := awsauth.ParseMapping(item, arnField)
			for _, note := range notes {
				r.bad(item, "%s[%d]: %s", name, i, note)
			}
			if len(notes) == 0 {
				*into = append(*into, m)
			}
		}
	}
}

func (r *reader) accounts(into *[]string) func(*yaml.Node, string) {
	return func(n *yaml.Node, name string) {
		for _, text := range r.texts(n, name) {
			account, err := arn.ParseAccountID(text)
			if err != nil {
				r.bad(n, "%s: %w", name, err)
			}
			*into = append(*into, string(account))
		}
	}
}

func (r *reader) reserved(n *yaml.Node, name string) {
	if n.Kind != yaml.SequenceNode {
		r.bad(n, "%s is not a list", name)
		return
	}
	for i, item := range n.Content {
		var mode string
		var prefixes []string
		at := fmt.Sprintf("%s[%d]", name, i)
		r.object(item, at, map[string]func(*yaml.Node, string){
			"backendmode":               r.text(&mode),
			"usernameprefixreservelist": func(n *yaml.Node, name string) { prefixes = r.texts(n, name) },
		})
		m, ok := modes[mode]
		if !ok {
			r.bad(item, "%s.backendMode: %q is none of MountedFile, EKSConfigMap, CRD and DynamicFile", at, clip(mode))
		}
		r.c.Reserved[m] = prefixes
	}
}

// check says what is wrong with the file as a whole.
func (r *reader) check() {
	c := &r.c
	if c.ClusterID == "" {
		r.bad(nil, "clusterID is missing")
	}
	if strings.ContainsFunc(c.ClusterID, func(c rune) bool { return c <= 0x20 || c >= 0x7f }) || len(c.ClusterID) > 253 {
		r.bad(nil, "clusterID: printable ASCII without blanks is wanted, 253 characters at most")
	}
	if _, err := netip.ParseAddr(c.Address); err != nil {
		r.bad(nil, "server.address: %q is no address", clip(c.Address))
	}
	if _, err := net.LookupPort("tcp", c.Port); err != nil || strings.Trim(c.Port, "0123456789") != "" {
		r.bad(nil, "server.port: %q is no port", clip(c.Port))
	}
	if c.Hostname == "" || strings.ContainsAny(c.Hostname, "/ \n\"'") {
		r.bad(nil, "server.hostname: %q is no host", clip(c.Hostname))
	}
	switch dynamic := slices.Contains(c.Modes, DynamicFile); {
	case dynamic && c.DynamicFile == "":
		r.bad(nil, "server.backendMode has DynamicFile, and server.dynamicfilepath is missing")
	case !dynamic && c.DynamicFile != "" && c.DynamicModes == "":
		r.bad(nil, "server.dynamicfilepath is set, and server.backendMode has no DynamicFile")
	}
}

func isNull(n *yaml.Node) bool { return n.Kind == yaml.ScalarNode && n.ShortTag() == "!!null" }

func clip(s string) string {
	if len(s) > 200 {
		return strings.ToValidUTF8(s[:200], "") + "…"
	}
	return s
}
