// Package lab brings up the whole chain on one machine: a GitLab stand-in, a
// Mayfly server, and a real Kubernetes control plane whose webhooks ask it.
//
// It is linked into mayfly-lab and tests alone. Its GitLab signs whatever its
// world says, and job scripts run unsandboxed as the user who starts them: it
// is for learning and testing, on loopback, and nowhere else.
package lab

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"mayfly.internal/internal/labgitlab"
)

// Config is what a lab is made of.
type Config struct {
	Dir          string // keeps everything: keys, data, logs
	World        string // the YAML file of the GitLab stand-in
	Mayflyd      string // the server's program
	Mayfly       string // the command line's program
	Kubernetes   string // the program testenv/build.sh makes
	NoCluster    bool   // leave Kubernetes out
	ServerConfig string // more of the server's configuration file, YAML
	// Say is told of each part that is up, one line each. Nil: nobody is.
	Say func(format string, args ...any)
}

// Lab is a running lab.
type Lab struct {
	Config
	State State

	gitlab  *labgitlab.Server
	http    *http.Server
	server  *Process
	Cluster *Cluster
}

// State is what a lab's directory remembers, and what mayfly-lab run needs to
// find a lab that runs in another terminal.
type State struct {
	GitLabPort int    `json:"gitlabPort"`
	MayflyPort int    `json:"mayflyPort"`
	KubePort   int    `json:"kubePort"`
	Secret     string `json:"secret"` // opens the GitLab stand-in's door
	PID        int    `json:"pid"`
}

// Names fixed by the story.
const (
	ClusterName = "my-cluster"
	Region      = "eu-central-1"
)

// GitLabURL is the stand-in's address, which is its issuer.
func (s State) GitLabURL() string { return "https://localhost:" + strconv.Itoa(s.GitLabPort) }

// MayflyURL is the server's address.
func (s State) MayflyURL() string { return "https://localhost:" + strconv.Itoa(s.MayflyPort) }

// LoadState reads the state of a lab's directory.
func LoadState(dir string) (State, error) {
	var s State
	raw, err := os.ReadFile(filepath.Join(dir, "lab.json"))
	if err != nil {
		return s, fmt.Errorf("no lab at %s: %w; mayfly-lab up brings one up", dir, err)
	}
	return s, json.Unmarshal(raw, &s)
}

// Clear removes a lab's directory, so that a story begins at its beginning. It
// refuses one that is no lab's, and one whose lab is up.
func Clear(dir string) error {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, os.ErrNotExist) || err == nil && len(entries) == 0 {
		return nil
	}
	if err != nil {
		return err
	}
	s, err := LoadState(dir)
	if err != nil {
		return fmt.Errorf("%s is not a lab's directory, so it is not cleared", dir)
	}
	if s.up() {
		return fmt.Errorf("the lab of %s is up (process %d); stop it first", dir, s.PID)
	}
	return os.RemoveAll(dir)
}

// up reports whether the process that brought a lab up still lives.
func (s State) up() bool {
	p, err := os.FindProcess(s.PID)
	return err == nil && s.PID > 0 && s.PID != os.Getpid() && p.Signal(syscall.Signal(0)) == nil
}

// Up brings everything up, part by part. What is up is taken down again if a
// part fails.
func Up(ctx context.Context, c Config) (_ *Lab, err error) {
	if c.Say == nil {
		c.Say = func(string, ...any) {}
	}
	for _, program := range []string{c.Mayflyd, c.Mayfly, c.Kubernetes} {
		if _, err := os.Stat(program); err != nil {
			return nil, fmt.Errorf("a program of the lab is missing: %w", err)
		}
	}
	dir, err := filepath.Abs(c.Dir)
	if err != nil {
		return nil, err
	}
	c.Dir = dir
	if err := os.MkdirAll(c.Dir, 0o700); err != nil {
		return nil, err
	}
	l := &Lab{Config: c}
	defer func() {
		if err != nil {
			l.Down()
		}
	}()
	if err := l.prepare(); err != nil {
		return nil, err
	}
	if err := l.startGitLab(); err != nil {
		return nil, fmt.Errorf("GitLab stand-in: %w", err)
	}
	c.Say("GitLab stand-in  %s", l.State.GitLabURL())
	if err := l.StartServer(ctx); err != nil {
		return nil, err
	}
	c.Say("Mayfly           %s", l.State.MayflyURL())
	if c.NoCluster {
		return l, nil
	}
	if err := l.startCluster(ctx); err != nil {
		return nil, err
	}
	c.Say("Kubernetes       %s", l.Cluster.Endpoint())
	return l, nil
}

// prepare reads or makes the lab's state: its ports stay the same from one
// start to the next, because they are part of names.
func (l *Lab) prepare() error {
	s, err := LoadState(l.Dir)
	if errors.Is(err, os.ErrNotExist) {
		ports, err := freePorts(3)
		if err != nil {
			return err
		}
		var b [16]byte
		rand.Read(b[:])
		s = State{GitLabPort: ports[0], MayflyPort: ports[1], KubePort: ports[2], Secret: hex.EncodeToString(b[:])}
	} else if err != nil {
		return err
	}
	if s.up() {
		return fmt.Errorf("the lab of %s is up already (process %d)", l.Dir, s.PID)
	}
	s.PID = os.Getpid()
	l.State = s
	raw, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(l.Dir, "lab.json"), raw, 0o600)
}

func (l *Lab) path(name string) string { return filepath.Join(l.Dir, name) }

// startGitLab serves the stand-in over HTTPS under the lab's own CA.
func (l *Lab) startGitLab() error {
	world, err := labgitlab.LoadWorld(l.World)
	if err != nil {
		return err
	}
	for _, t := range world.PersonalTokens { // the server reads what GitLab enforces with the first
		if t.Value != "" {
			if err := os.WriteFile(l.GitLabToken(), []byte(t.Value+"\n"), 0o600); err != nil {
				return err
			}
			break
		}
	}
	if l.gitlab, err = labgitlab.New(labgitlab.Config{World: world, ExternalURL: l.State.GitLabURL(), Secret: l.State.Secret, KeyDir: l.path("gitlab")}); err != nil {
		return err
	}
	ca, err := loadPair(l.Dir, "gitlab-ca", nil, &x509.Certificate{Subject: pkix.Name{CommonName: "lab GitLab CA"}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign})
	if err != nil {
		return err
	}
	leaf, err := loadPair(l.Dir, "gitlab", ca, &x509.Certificate{Subject: pkix.Name{CommonName: "lab GitLab"}, DNSNames: []string{"localhost"}, KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}})
	if err != nil {
		return err
	}
	listener, err := tls.Listen("tcp", "127.0.0.1:"+strconv.Itoa(l.State.GitLabPort), &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{leaf.cert.Raw}, PrivateKey: leaf.key}}, MinVersion: tls.VersionTLS12})
	if err != nil {
		return err
	}
	l.http = &http.Server{Handler: l.gitlab, ReadHeaderTimeout: 5 * time.Second}
	go l.http.Serve(listener)
	return nil
}

// GitLabToken is the file of a token for the stand-in's REST API, if its world has
// one.
func (l *Lab) GitLabToken() string { return l.path("gitlab-token") }

// GitLabCA is the file of the CA that vouches for the stand-in.
func (l *Lab) GitLabCA() string { return l.path("gitlab-ca.crt") }

// GitLab is the stand-in, for those who run in its process.
func (l *Lab) GitLab() *labgitlab.Server { return l.gitlab }

// serverConfig is the server's configuration file: what an operator of a
// private GitLab writes.
func (l *Lab) serverConfig() string {
	guards := ""
	if _, err := os.Stat(l.GitLabToken()); err == nil {
		guards = fmt.Sprintf("    guards: {token_file: %s, max_age: 10s, refresh: 5s}\n", l.GitLabToken())
	}
	return fmt.Sprintf(`listen: 127.0.0.1:%d
region: %s
metrics_listen: "off"
issuers:
  - url: %s
    ca_file: %s
    allow_addresses: [127.0.0.0/8, "::1/128"]
    gitlab: true
    login_client_ids: [mayfly-console]
%s%s`, l.State.MayflyPort, Region, l.State.GitLabURL(), l.GitLabCA(), guards, l.ServerConfig)
}

// StartServer runs mayflyd and waits until it is ready. After Kill it starts
// the server again on the same data.
func (l *Lab) StartServer(ctx context.Context) error {
	config := l.path("mayfly.yaml")
	if err := os.WriteFile(config, []byte(l.serverConfig()), 0o600); err != nil {
		return err
	}
	var err error
	l.server, err = StartProcess("mayflyd", exec.Command(l.Mayflyd, "serve", "--config", config, "--data", l.DataDir()), l.path("mayflyd.log"))
	if err != nil {
		return err
	}
	hc := http.Client{Timeout: time.Second}
	defer hc.CloseIdleConnections()
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		if why := l.server.Ended(); why != nil {
			return fmt.Errorf("mayflyd: %w; its log is %s", why, l.server.Log)
		}
		if tc, err := Trust(filepath.Join(l.DataDir(), "ca.pem")); err == nil {
			hc.Transport = &http.Transport{TLSClientConfig: tc}
			if resp, err := hc.Get(l.State.MayflyURL() + "/readyz"); err == nil {
				resp.Body.Close()
				if resp.StatusCode == http.StatusOK {
					return nil
				}
			}
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("mayflyd is not ready; its log is %s", l.server.Log)
		}
	}
}

// Trust is a TLS configuration that trusts the certificates of a PEM file.
func Trust(caFile string) (*tls.Config, error) {
	raw, err := os.ReadFile(caFile)
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(raw) {
		return nil, fmt.Errorf("%s holds no certificate", caFile)
	}
	return &tls.Config{RootCAs: pool}, nil
}

// Server is the server's process.
func (l *Lab) Server() *Process { return l.server }

// DataDir is the server's data directory.
func (l *Lab) DataDir() string { return l.path("mayfly") }

// startCluster registers the cluster, connects it and starts it.
func (l *Lab) startCluster(ctx context.Context) error {
	var err error
	if l.Cluster, err = NewCluster(l.Kubernetes, l.path("cluster"), l.State.KubePort); err != nil {
		return err
	}
	admin, err := l.AdminEnv(ctx)
	if err != nil {
		return err
	}
	if _, err := l.Run(ctx, admin, l.Mayfly, "cluster", "describe", ClusterName); err != nil {
		if _, err := l.Run(ctx, admin, l.Mayfly, "cluster", "register", ClusterName, "--endpoint", l.Cluster.Endpoint(), "--ca-file", l.Cluster.CAFile(), "--region", Region,
			"--authentication-mode", "API_AND_CONFIG_MAP"); err != nil {
			return err
		}
	}
	if _, err := l.Run(ctx, admin, l.Mayfly, "cluster", "webhook-config", ClusterName, "--out", l.path("webhooks")); err != nil {
		return err
	}
	return l.Cluster.Start(ctx, l.path("webhooks"))
}

// AdminEnv asks the server's admin socket for credentials and gives them as
// environment variables.
func (l *Lab) AdminEnv(ctx context.Context) (map[string]string, error) {
	out, err := l.Run(ctx, nil, l.Mayflyd, "admin", "credentials", "--data", l.DataDir(), "--format", "env")
	if err != nil {
		return nil, err
	}
	env := map[string]string{}
	for line := range strings.Lines(out) {
		name, value, ok := strings.Cut(strings.TrimPrefix(strings.TrimSpace(line), "export "), "=")
		if ok {
			env[name] = strings.Trim(value, "'")
		}
	}
	return env, nil
}

// CommandError is a program of the lab that failed, with what it said.
type CommandError struct {
	Args   []string
	Output string // standard error
	Err    error
}

func (e *CommandError) Error() string {
	return fmt.Sprintf("%s: %v: %s", strings.Join(e.Args, " "), e.Err, strings.TrimSpace(e.Output))
}

func (e *CommandError) Unwrap() error { return e.Err }

// Run runs a program with the lab's environment and env over it, and gives its
// standard output.
func (l *Lab) Run(ctx context.Context, env map[string]string, program string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Dir = l.Dir
	cmd.Env = environ(l.BaseEnv(), env)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		return out.String(), &CommandError{Args: append([]string{filepath.Base(program)}, args...), Output: errs.String(), Err: err}
	}
	return out.String(), nil
}

// BaseEnv is the environment of everything that runs in the lab: where programs
// are, and a home of its own, so that nobody's own settings or secrets leak in.
func (l *Lab) BaseEnv() map[string]string {
	return map[string]string{"PATH": l.path("bin") + string(os.PathListSeparator) + os.Getenv("PATH"), "HOME": l.path("home"), "AWS_CONFIG_FILE": l.path("home/aws-config"), "AWS_SHARED_CREDENTIALS_FILE": l.path("home/aws-credentials"),
		"AWS_EC2_METADATA_DISABLED": "true", "AWS_PAGER": "", "LC_ALL": "C.UTF-8", "TERM": "dumb", "NO_PROXY": "localhost,127.0.0.1"}
}

func environ(maps ...map[string]string) []string {
	all := map[string]string{}
	for _, m := range maps {
		for k, v := range m {
			all[k] = v
		}
	}
	var out []string
	for k, v := range all {
		out = append(out, k+"="+v)
	}
	return out
}

// JobVariables are the CI/CD variables an administrator of the lab's GitLab sets
// for every job: where Mayfly is.
func (l *Lab) JobVariables() []labgitlab.Variable {
	return []labgitlab.Variable{
		{Key: "AWS_ENDPOINT_URL", Value: l.State.MayflyURL()},
		{Key: "AWS_CA_BUNDLE", Value: filepath.Join(l.DataDir(), "ca.pem")},
		{Key: "AWS_DEFAULT_REGION", Value: Region},
	}
}

// RunPipeline creates a pipeline and runs it, its log to out.
func (l *Lab) RunPipeline(ctx context.Context, request labgitlab.PipelineRequest, out io.Writer) (*labgitlab.Report, error) {
	return l.runPipeline(ctx, request, l.BaseEnv(), out)
}

// RunLeanPipeline is RunPipeline in an image that holds mayfly, kubectl and the
// shell, and nothing else.
func (l *Lab) RunLeanPipeline(ctx context.Context, request labgitlab.PipelineRequest, out io.Writer) (*labgitlab.Report, error) {
	env := l.BaseEnv()
	env["PATH"] = l.path("lean")
	if err := link(env["PATH"], map[string]string{"kubectl": l.Kubernetes, "mayfly": l.Mayfly}); err != nil {
		return nil, err
	}
	return l.runPipeline(ctx, request, env, out)
}

func (l *Lab) runPipeline(ctx context.Context, request labgitlab.PipelineRequest, env map[string]string, out io.Writer) (*labgitlab.Report, error) {
	request.InstanceVariables = append(l.JobVariables(), request.InstanceVariables...)
	p, err := l.gitlab.CreatePipeline(ctx, request)
	if err != nil {
		return nil, err
	}
	r := labgitlab.Runner{Door: l.gitlab, Out: out, Environment: env, TempDir: l.path("builds")}
	return r.Run(ctx, p)
}

// Down takes everything down, the last part first.
func (l *Lab) Down() {
	if l.Cluster != nil {
		l.Cluster.Stop()
	}
	if l.server != nil {
		l.server.Stop()
	}
	if l.http != nil {
		l.http.Close()
	}
}

// Tools puts kubectl and the AWS CLI where the lab's programs find them first.
func (l *Lab) Tools(aws string) error { return LinkTools(l.Dir, l.Kubernetes, aws) }

// LinkTools makes DIR/bin with kubectl and aws, and DIR/home with an AWS
// configuration. aws may be empty.
func LinkTools(dir, kubernetes, aws string) error {
	for _, d := range []string{"bin", "home", "builds", "gitlab"} {
		if err := os.MkdirAll(filepath.Join(dir, d), 0o700); err != nil {
			return err
		}
	}
	links := map[string]string{"kubectl": kubernetes}
	if aws != "" {
		links["aws"] = aws
	}
	if err := link(filepath.Join(dir, "bin"), links); err != nil {
		return err
	}
	// Version 1 of the CLI would fetch a parameter that is a URL.
	return os.WriteFile(filepath.Join(dir, "home", "aws-config"), []byte("[default]\ncli_follow_urlparam = false\n"), 0o600)
}

// link makes a folder with a link to each program, by its name.
func link(dir string, programs map[string]string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	for name, target := range programs {
		link := filepath.Join(dir, name)
		os.Remove(link)
		if err := os.Symlink(target, link); err != nil {
			return err
		}
	}
	return nil
}
