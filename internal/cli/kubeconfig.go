package cli

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"go.yaml.in/yaml/v3"

	"mayfly.internal/internal/accesstoken"
	"mayfly.internal/internal/webclient"
	"mayfly.internal/internal/wire/ekswire"
	"mayfly.internal/internal/wire/kubewire"
)

func newKubeconfig(a *app) *cobra.Command {
	k := &kubeconfig{clusterJob: clusterJob{job: job{app: a, duration: leastDuration}}}
	cmd := &cobra.Command{Use: "kubeconfig --cluster NAME", Short: "Put a cluster into your kubeconfig", Args: exactArgs(), Annotations: outputs("text"),
		Long: `kubeconfig asks for a cluster and puts it, a user and a context into a kubeconfig,
as 'aws eks update-kubeconfig' does: all three are named by the cluster's ARN, and
the context becomes the current one. The user's tokens are made by this program,
with the credentials that are at hand when kubectl asks for one.

With --jwt they are tokens that Mayfly signs, for a cluster that trusts it as
'mayfly cluster authentication-config' says: the ID token that is then at hand, of
a job or of a person who has signed in, is exchanged for one of --role. The server
is named in the kubeconfig. Where there are no credentials, the role's own ask for
the cluster.

It changes the file of KUBECONFIG that has the cluster, else the first one, else
~/.kube/config. What else is in it stays, comments too.`,
		Example: `  mayfly kubeconfig --cluster my-cluster
  mayfly kubeconfig --cluster my-cluster --alias production --kubeconfig ./config
  mayfly kubeconfig --cluster my-cluster --jwt --role deployer
  mayfly kubeconfig --cluster my-cluster --dry-run`,
		RunE: func(cmd *cobra.Command, _ []string) error { return k.run(cmd.Context()) }}
	a.awsFlags(cmd)
	k.flags(cmd)
	f := cmd.Flags()
	f.StringVar(&k.file, "kubeconfig", "", "`FILE` to change")
	f.StringVar(&k.alias, "alias", "", "`NAME` of the context (default: the cluster's ARN)")
	f.StringVar(&k.userAlias, "user-alias", "", "`NAME` of the user (default: the cluster's ARN)")
	f.StringVar(&k.namespace, "namespace", "", "`NAMESPACE` of the context")
	f.BoolVar(&k.dryRun, "dry-run", false, "print the file and change nothing")
	return cmd
}

// kubeconfig is what the verb is asked.
type kubeconfig struct {
	clusterJob
	file, alias, userAlias, namespace string
	dryRun                            bool
}

func (k *kubeconfig) run(ctx context.Context) error {
	if err := k.check(); err != nil {
		return err
	}
	described, err := k.describe(ctx)
	if err != nil {
		return err
	}
	in := kubeEntries{cluster: described, user: firstOf(k.userAlias, described.ARN), namespace: k.namespace}
	in.context = firstOf(k.alias, in.user)
	if in.plugin, err = k.plugin(ctx, described); err != nil {
		return err
	}
	if inPath(in.plugin.Command) {
		in.plugin.Command = "mayfly" // so that it finds the next version, too
	}
	path, text, known, err := k.choose(described.ARN)
	if err != nil {
		return err
	}
	if k.dryRun {
		merged, err := mergeKubeconfig(text, in)
		if err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
		_, err = k.stdout.Write(merged)
		return err
	}
	if err := change(ctx, path, in); err != nil {
		return err
	}
	verb := "added the context"
	if known {
		verb = "updated the context"
	}
	fmt.Fprintf(k.stderr, "mayfly: %s %s in %s\n", verb, plain(in.context), path)
	return nil
}

// check refuses what no server could answer.
func (k *kubeconfig) check() error {
	if err := k.clusterJob.check(); err != nil || !k.jwt {
		return err
	}
	if k.realAWS() {
		return &usageError{errors.New("AWS signs no tokens for clusters: --jwt and --audience go with a Mayfly server")}
	}
	if err := accesstoken.CheckAudience(k.audience); err != nil {
		return &usageError{fmt.Errorf("--audience: %w", err)}
	}
	return nil
}

// describe asks for the cluster with the credentials that are at hand. Whoever has
// none, and whom Mayfly signs for, asks with the role's.
func (k *kubeconfig) describe(ctx context.Context) (ekswire.Cluster, error) {
	c, err := k.awsConfig(ctx)
	if err != nil {
		return ekswire.Cluster{}, err
	}
	if k.jwt && c.Credentials.AccessKeyID == "" {
		ex, err := k.exchanger(ctx)
		if err != nil {
			return ekswire.Cluster{}, err
		}
		s, err := ex.exchange(ctx)
		if err != nil {
			return ekswire.Cluster{}, err
		}
		c = ex.config
		c.Credentials = s.Credentials
	}
	c.Region = firstOf(c.Region, "us-east-1")
	return describeCluster(ctx, c, k.cluster)
}

// plugin is the credential plugin for the cluster. Of tokens that Mayfly signs it is
// told all that it needs but the ID token: whoever runs kubectl later need not have
// this environment. In a command of exec's it is exec who knows the role.
func (k *kubeconfig) plugin(ctx context.Context, described ekswire.Cluster) (execPlugin, error) {
	if !k.jwt {
		return kubeTokenPlugin(described, k.profile)
	}
	p, err := kubeTokenPlugin(described, "")
	if err != nil {
		return p, err
	}
	p.Args = append(p.Args, "--jwt", "--audience", k.audience)
	if k.role != "" || os.Getenv("AWS_ROLE_ARN") != "" || os.Getenv(clusterTokenURI) == "" {
		role, err := k.roleARN(ctx)
		if err != nil {
			return p, err
		}
		p.Args = append(p.Args, "--role", role.String())
	}
	server, err := k.serverURL()
	if err != nil {
		return p, err
	}
	p.Args = append(p.Args, "--server", server)
	for _, f := range [][2]string{{"--server-ca-file", k.serverCAFile()}, {"--id-token-file", k.token.file}} {
		if f[1] == "" {
			continue
		}
		path, err := filepath.Abs(f[1]) // kubectl may stand elsewhere
		if err != nil {
			return p, err
		}
		p.Args = append(p.Args, f[0], path)
	}
	if k.token.env != "" {
		p.Args = append(p.Args, "--id-token-env", k.token.env)
	}
	return p, nil
}

// inPath reports whether PATH finds this program under its own name.
func inPath(self string) bool {
	found, err := exec.LookPath("mayfly")
	if err != nil {
		return false
	}
	a, err1 := os.Stat(self)
	b, err2 := os.Stat(found)
	return err1 == nil && err2 == nil && os.SameFile(a, b)
}

// choose is the kubeconfig to change, as aws eks update-kubeconfig and kubectl find
// it: the one that has the cluster, else the first. One that is missing is empty.
func (k *kubeconfig) choose(cluster string) (path string, text []byte, known bool, err error) {
	paths := filepath.SplitList(os.Getenv("KUBECONFIG"))
	paths = slices.DeleteFunc(paths, func(p string) bool { return strings.TrimSpace(p) == "" })
	if k.file != "" {
		paths = []string{k.file}
	}
	if len(paths) == 0 {
		home, err := os.UserHomeDir()
		if err != nil {
			return "", nil, false, hint(err, "name a file with --kubeconfig")
		}
		paths = []string{filepath.Join(home, ".kube", "config")}
	}
	for _, p := range paths {
		text, err := readNamed(p, maxKubeconfig)
		if err == nil && hasCluster(text, cluster) {
			return p, text, true, nil
		}
	}
	text, err = readNamed(paths[0], maxKubeconfig)
	if errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	return paths[0], text, false, err
}

// hasCluster reports whether a kubeconfig names a cluster.
func hasCluster(text []byte, name string) bool {
	doc, err := parseKubeconfig(text)
	if err != nil {
		return false
	}
	list := value(doc.Content[0], "clusters")
	return list != nil && slices.ContainsFunc(list.Content, func(one *yaml.Node) bool {
		v := value(one, "name")
		return v != nil && v.Value == name
	})
}

// change puts entries into a file, as it is once nobody else changes it. A link
// stays one.
func change(ctx context.Context, path string, in kubeEntries) error {
	to := followLinks(path)
	unlock, err := lock(ctx, to)
	if err != nil {
		return err
	}
	defer unlock()
	text, err := readNamed(to, maxKubeconfig)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	merged, err := mergeKubeconfig(text, in)
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return rewrite(to, merged)
}

const maxLinks = 40 // as Linux follows

// followLinks is the file that a path leads to, also where it is not there yet.
func followLinks(path string) string {
	for range maxLinks {
		to, err := os.Readlink(path)
		if err != nil {
			break // no link
		}
		if dir, _ := filepath.Split(path); !filepath.IsAbs(to) {
			to = dir + to
		}
		path = to
	}
	return path
}

// How long another who changes a kubeconfig is waited for, and how often it is
// looked whether it is done.
const (
	lockTime  = 5 * time.Second
	lockPause = 20 * time.Millisecond
)

// lock keeps others from changing a kubeconfig while we do: kubectl config with the
// same file (client-go, clientcmd), and who else is at work here. It makes the
// directory that the file needs.
func lock(ctx context.Context, path string) (unlock func(), err error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, err
	}
	name := path + ".lock"
	for began := time.Now(); ; {
		f, err := os.OpenFile(name, os.O_CREATE|os.O_EXCL, 0o600)
		switch {
		case err == nil:
			return func() { os.Remove(name) }, f.Close()
		case !errors.Is(err, fs.ErrExist):
			return nil, err
		case time.Since(began) > lockTime:
			return nil, hint(fmt.Errorf("somebody else is changing %s", path), "if nobody is, it was left behind: remove "+name)
		}
		if err := webclient.Wait(ctx, lockPause); err != nil {
			return nil, err
		}
	}
}

// kubeEntries are what a kubeconfig is told of a cluster, the names as aws eks
// update-kubeconfig gives them.
type kubeEntries struct {
	cluster       ekswire.Cluster
	user, context string // names
	namespace     string // of the context; empty: as it is
	plugin        execPlugin
}

// execPlugin is a credential plugin of a user.
type execPlugin struct {
	APIVersion      string   `yaml:"apiVersion"`
	Args            []string `yaml:"args"`
	Command         string   `yaml:"command"`
	InteractiveMode string   `yaml:"interactiveMode"`
}

// kubeTokenPlugin is this very program as a credential plugin for a cluster.
func kubeTokenPlugin(k ekswire.Cluster, profile string) (execPlugin, error) {
	self, err := os.Executable()
	if err != nil {
		return execPlugin{}, err
	}
	// v1beta1, as aws eks update-kubeconfig writes: old clients know it, and new
	// ones.
	p := execPlugin{kubewire.ExecV1Beta1, []string{"kube-token", "--cluster", k.Name, "--region", regionOf(k)}, self, "Never"}
	if profile != "" {
		p.Args = append(p.Args, "--profile", profile)
	}
	return p, nil
}

// regionOf is the region that a cluster's ARN names.
func regionOf(k ekswire.Cluster) string {
	if parts := strings.SplitN(k.ARN, ":", 6); len(parts) == 6 {
		return parts[3]
	}
	return ""
}

// maxKubeconfig bounds a kubeconfig.
const maxKubeconfig = 8 << 20

// mergeKubeconfig puts a cluster, a user and a context into a kubeconfig and makes
// the context the current one. Entries of those names are changed where they stand;
// of others, of comments and of fields that are not known here nothing is lost.
// What cannot be kept so is refused.
func mergeKubeconfig(text []byte, in kubeEntries) ([]byte, error) {
	doc, err := parseKubeconfig(text)
	if err != nil {
		return nil, err
	}
	top := doc.Content[0]
	cluster, err := entry(top, "clusters", in.cluster.ARN, "cluster")
	if err != nil {
		return nil, err
	}
	user, err := entry(top, "users", in.user, "user")
	if err != nil {
		return nil, err
	}
	ctx, err := entry(top, "contexts", in.context, "context")
	if err != nil {
		return nil, err
	}
	// What would contradict the CA, or come before the plugin, goes.
	for _, key := range []string{"certificate-authority", "insecure-skip-tls-verify"} {
		removeKey(cluster, key)
	}
	user.Content = nil
	plugin := &yaml.Node{}
	if err := plugin.Encode(in.plugin); err != nil {
		return nil, err
	}
	setText(cluster, "certificate-authority-data", base64.StdEncoding.EncodeToString(in.cluster.CertificateAuthority.Data))
	setText(cluster, "server", in.cluster.Endpoint)
	setKey(user, "exec", plugin)
	setText(ctx, "cluster", in.cluster.ARN)
	if in.namespace != "" {
		setText(ctx, "namespace", in.namespace)
	}
	setText(ctx, "user", in.user)
	setText(top, "current-context", in.context)
	if before, err := parseKubeconfig(text); err == nil && saysSame(before, doc) {
		return text, nil
	}
	return encodeKubeconfig(doc)
}

// saysSame reports whether two documents differ by no more than comments and the
// way they are written.
func saysSame(a, b *yaml.Node) bool {
	return a.Kind == b.Kind && a.ShortTag() == b.ShortTag() && a.Value == b.Value && a.Anchor == b.Anchor && slices.EqualFunc(a.Content, b.Content, saysSame)
}

// emptyKubeconfig is a kubeconfig that names nothing yet.
const emptyKubeconfig = `apiVersion: v1
clusters: []
contexts: []
current-context: ""
kind: Config
preferences: {}
users: []
`

// parseKubeconfig reads a kubeconfig; one that is empty, but for comments, is a new
// one. No error repeats what it holds: it may be a password.
func parseKubeconfig(text []byte) (*yaml.Node, error) {
	if len(text) > maxKubeconfig {
		return nil, fmt.Errorf("it is larger than %d bytes", maxKubeconfig)
	}
	doc, d := &yaml.Node{}, yaml.NewDecoder(bytes.NewReader(text))
	switch err := d.Decode(doc); {
	case errors.Is(err, io.EOF), err == nil && doc.Content[0].Tag == "!!null" && doc.Content[0].Value == "":
		if doc = (&yaml.Node{}); yaml.Unmarshal(slices.Concat(text, []byte("\n"), []byte(emptyKubeconfig)), doc) != nil {
			return nil, errors.New("it is neither empty nor a kubeconfig")
		}
	case err != nil:
		return nil, errors.New("it is not YAML")
	case !errors.Is(d.Decode(&yaml.Node{}), io.EOF):
		return nil, errors.New("it holds several YAML documents")
	}
	top := doc.Content[0]
	if top.Kind != yaml.MappingNode {
		return nil, errors.New("it is no mapping of a kubeconfig's keys")
	}
	if kind := value(top, "kind"); kind != nil && kind.Value != "Config" {
		return nil, errors.New("its kind is not Config")
	}
	return doc, checkKeys(top)
}

// checkKeys refuses a key that stands twice: of such a mapping it is not known what
// it says.
func checkKeys(n *yaml.Node) error {
	var seen []string
	for i, child := range n.Content {
		if n.Kind == yaml.MappingNode && i%2 == 0 {
			if child.Kind != yaml.ScalarNode || slices.Contains(seen, child.Value) {
				return fmt.Errorf("line %d: a key stands twice, or is no text", child.Line)
			}
			seen = append(seen, child.Value)
		}
		if err := checkKeys(child); err != nil {
			return err
		}
	}
	return nil
}

// entry is the value of an entry of a list by its name: the one that is there, or a
// new one at the end.
func entry(top *yaml.Node, list, name, key string) (*yaml.Node, error) {
	all := value(top, list)
	switch {
	case all == nil:
		all = &yaml.Node{Kind: yaml.SequenceNode, Tag: "!!seq"}
		setKey(top, list, all)
	case all.Kind == yaml.ScalarNode && all.Tag == "!!null":
		all.Kind, all.Tag, all.Value = yaml.SequenceNode, "!!seq", ""
	case all.Kind != yaml.SequenceNode:
		return nil, fmt.Errorf("line %d: %s is no list", all.Line, list)
	}
	if len(all.Content) == 0 {
		all.Style = 0 // not [], behind which nothing fits
	}
	for _, one := range all.Content {
		if one.Kind != yaml.MappingNode {
			return nil, fmt.Errorf("line %d: an entry of %s is no mapping", one.Line, list)
		}
		if v := value(one, "name"); v == nil || v.Kind != yaml.ScalarNode || v.Value != name {
			continue
		}
		inner := value(one, key)
		if inner == nil || inner.Kind != yaml.MappingNode {
			inner = &yaml.Node{Kind: yaml.MappingNode, Tag: "!!map"}
			setKey(one, key, inner)
		}
		inner.Style = 0
		return inner, nil
	}
	one, inner := &yaml.Node{Kind: yaml.MappingNode, Tag: "!!map"}, &yaml.Node{Kind: yaml.MappingNode, Tag: "!!map"}
	setKey(one, key, inner)
	setText(one, "name", name)
	all.Content = append(all.Content, one)
	return inner, nil
}

// value is the value of a mapping's key; nil: there is none.
func value(n *yaml.Node, key string) *yaml.Node {
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == key {
			return n.Content[i+1]
		}
	}
	return nil
}

// setKey sets a mapping's key, where it stands or at the end.
func setKey(n *yaml.Node, key string, v *yaml.Node) {
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == key {
			v.HeadComment, v.LineComment, v.FootComment = n.Content[i+1].HeadComment, n.Content[i+1].LineComment, n.Content[i+1].FootComment
			n.Content[i+1] = v
			return
		}
	}
	n.Content = append(n.Content, &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: key}, v)
}

func setText(n *yaml.Node, key, text string) {
	v := &yaml.Node{}
	v.SetString(text)
	setKey(n, key, v)
}

func removeKey(n *yaml.Node, key string) {
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == key {
			n.Content = slices.Delete(n.Content, i, i+2)
			return
		}
	}
}

// encodeKubeconfig writes a kubeconfig as kubectl does: two spaces, lists not
// further in than their key. What it writes must be readable again: an alias of
// what has been replaced would not be.
func encodeKubeconfig(doc *yaml.Node) ([]byte, error) {
	var out bytes.Buffer
	e := yaml.NewEncoder(&out)
	e.SetIndent(2)
	e.CompactSeqIndent()
	if err := errors.Join(e.Encode(doc), e.Close()); err != nil {
		return nil, err
	}
	if err := yaml.Unmarshal(out.Bytes(), &yaml.Node{}); err != nil {
		return nil, errors.New("it has an alias of what would be replaced; take the alias out first")
	}
	return out.Bytes(), nil
}
