package lab

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"time"
)

// Cluster is a real Kubernetes control plane on loopback: etcd, kube-apiserver
// and kube-controller-manager, each a process of the one program that
// testenv/build.sh makes. There are no nodes: objects are stored and
// controllers act on them, and no container runs.
type Cluster struct {
	program string
	dir     string
	port    int
	ca      *pair
	admin   *tls.Config

	processes []*Process
}

// NewCluster makes a cluster's certificates in dir and picks its port; nothing
// runs before Start. A dir that was used before keeps its certificates and its
// data.
func NewCluster(program, dir string, port int) (*Cluster, error) {
	if _, err := os.Stat(program); err != nil {
		return nil, fmt.Errorf("the Kubernetes program: %w; testenv/build.sh makes it", err)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	c := &Cluster{program: program, dir: dir, port: port}
	var err error
	if c.ca, err = loadPair(dir, "ca", nil, &x509.Certificate{Subject: pkix.Name{CommonName: "lab cluster CA"}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature}); err != nil {
		return nil, err
	}
	serving := &x509.Certificate{Subject: pkix.Name{CommonName: "kube-apiserver"}, DNSNames: []string{"localhost", "kubernetes", "kubernetes.default.svc"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1), net.IPv4(10, 0, 0, 1)},
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}}
	if _, err := loadPair(dir, "serving", c.ca, serving); err != nil {
		return nil, err
	}
	client := &x509.Certificate{Subject: pkix.Name{CommonName: "lab-admin", Organization: []string{"system:masters"}}, KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}}
	admin, err := loadPair(dir, "admin", c.ca, client)
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	pool.AddCert(c.ca.cert)
	c.admin = &tls.Config{RootCAs: pool, Certificates: []tls.Certificate{{Certificate: [][]byte{admin.cert.Raw}, PrivateKey: admin.key}}}
	if err := c.writeServiceAccountKey(); err != nil {
		return nil, err
	}
	return c, c.writeKubeconfig()
}

// Endpoint is the API server's URL.
func (c *Cluster) Endpoint() string { return "https://127.0.0.1:" + strconv.Itoa(c.port) }

// CAFile is what the API server's certificate is checked against.
func (c *Cluster) CAFile() string { return filepath.Join(c.dir, "ca.crt") }

// AdminKubeconfig is a kubeconfig of system:masters: the cluster's own
// administrator, whose requests never reach Mayfly.
func (c *Cluster) AdminKubeconfig() string { return filepath.Join(c.dir, "admin.kubeconfig") }

// AuditLog is the API server's own audit log: a line of JSON per request.
func (c *Cluster) AuditLog() string { return filepath.Join(c.dir, "audit.log") }

// Start runs the control plane with the webhook files in webhooks and waits
// until it is ready.
func (c *Cluster) Start(ctx context.Context, webhooks string) error {
	return c.StartWith(ctx, "--authentication-token-webhook-config-file="+filepath.Join(webhooks, "authentication-webhook.kubeconfig"), "--authentication-token-webhook-version=v1", "--authentication-token-webhook-cache-ttl=10s",
		"--authorization-config="+filepath.Join(webhooks, "authorization-config.yaml"))
}

// StartWith runs the control plane with flags of kube-apiserver that say who may
// come in, and waits until it is ready.
func (c *Cluster) StartWith(ctx context.Context, flags ...string) error {
	etcd, err := freePorts(2)
	if err != nil {
		return err
	}
	client, peer := "http://127.0.0.1:"+strconv.Itoa(etcd[0]), "http://127.0.0.1:"+strconv.Itoa(etcd[1])
	if err := c.run("etcd", "--name=lab", "--data-dir="+filepath.Join(c.dir, "etcd"), "--listen-client-urls="+client, "--advertise-client-urls="+client,
		"--listen-peer-urls="+peer, "--initial-advertise-peer-urls="+peer, "--initial-cluster=lab="+peer, "--log-level=warn"); err != nil {
		return err
	}
	if err := os.WriteFile(c.file("audit-policy.yaml"), []byte("apiVersion: audit.k8s.io/v1\nkind: Policy\nomitStages: [RequestReceived]\nrules:\n- level: Metadata\n"), 0o600); err != nil {
		return err
	}
	err = c.run("kube-apiserver", append([]string{"--etcd-servers=" + client, "--bind-address=127.0.0.1", "--advertise-address=127.0.0.1", "--secure-port=" + strconv.Itoa(c.port),
		"--tls-cert-file=" + c.file("serving.crt"), "--tls-private-key-file=" + c.file("serving.key"), "--client-ca-file=" + c.CAFile(),
		"--service-account-issuer=https://kubernetes.default.svc", "--service-account-key-file=" + c.file("sa.key"), "--service-account-signing-key-file=" + c.file("sa.key"),
		"--service-cluster-ip-range=10.0.0.0/24", "--endpoint-reconciler-type=none", "--cert-dir=" + c.dir, "--audit-log-path=" + c.AuditLog(), "--audit-policy-file=" + c.file("audit-policy.yaml")}, flags...)...)
	if err != nil {
		return err
	}
	if err := c.waitReady(ctx); err != nil {
		return err
	}
	return c.run("kube-controller-manager", "--kubeconfig="+c.AdminKubeconfig(), "--leader-elect=false", "--service-account-private-key-file="+c.file("sa.key"), "--root-ca-file="+c.CAFile(), "--secure-port=0",
		"--controllers=*,-bootstrap-signer-controller,-token-cleaner-controller,-node-ipam-controller,-node-lifecycle-controller")
}

func (c *Cluster) file(name string) string { return filepath.Join(c.dir, name) }

// run starts one part, its output in a file beside its data.
func (c *Cluster) run(part string, args ...string) error {
	p, err := StartProcess(part, exec.Command(c.program, append([]string{part}, args...)...), c.file(part+".log"))
	if err != nil {
		return err
	}
	c.processes = append(c.processes, p)
	return nil
}

// readyTimeout is how long an API server may take; two seconds are usual.
const readyTimeout = 90 * time.Second

// waitReady waits until /readyz answers 200 and the aggregated cluster roles
// can be read. The body of /readyz says "ok" per check long before.
func (c *Cluster) waitReady(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, readyTimeout)
	defer cancel()
	hc := http.Client{Transport: &http.Transport{TLSClientConfig: c.admin}, Timeout: 5 * time.Second}
	defer hc.CloseIdleConnections()
	var last error
	for {
		resp, err := hc.Get(c.Endpoint() + "/readyz")
		if err == nil {
			io.Copy(io.Discard, resp.Body)
			resp.Body.Close()
			if resp.StatusCode == http.StatusOK {
				return nil
			}
			err = errors.New(resp.Status)
		}
		last = err
		for _, p := range c.processes {
			if why := p.Ended(); why != nil {
				return fmt.Errorf("%s ended: %w; its log is %s", p.Name, why, p.Log)
			}
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("the API server is not ready after %s (%w); its log is %s", readyTimeout, last, c.file("kube-apiserver.log"))
		case <-time.After(200 * time.Millisecond):
		}
	}
}

// Stop ends the control plane, the last part first.
func (c *Cluster) Stop() {
	for i := len(c.processes) - 1; i >= 0; i-- {
		c.processes[i].Stop()
	}
	c.processes = nil
}

func (c *Cluster) writeServiceAccountKey() error {
	path := c.file("sa.key")
	if _, err := os.Stat(path); err == nil {
		return nil
	}
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return err
	}
	return os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)}), 0o600)
}

func (c *Cluster) writeKubeconfig() error {
	return os.WriteFile(c.AdminKubeconfig(), []byte(fmt.Sprintf(`apiVersion: v1
kind: Config
clusters:
- name: lab
  cluster: {server: %q, certificate-authority: %q}
users:
- name: admin
  user: {client-certificate: %q, client-key: %q}
contexts:
- name: lab
  context: {cluster: lab, user: admin}
current-context: lab
`, c.Endpoint(), c.CAFile(), c.file("admin.crt"), c.file("admin.key"))), 0o600)
}

// pair is a certificate and its key.
type pair struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

// loadPair reads NAME.crt and NAME.key, or makes them from a template; a nil
// issuer signs itself.
func loadPair(dir, name string, issuer *pair, template *x509.Certificate) (*pair, error) {
	certPath, keyPath := filepath.Join(dir, name+".crt"), filepath.Join(dir, name+".key")
	if both, err := tls.LoadX509KeyPair(certPath, keyPath); err == nil {
		key, ok := both.PrivateKey.(*ecdsa.PrivateKey)
		if ok && both.Leaf != nil && time.Now().Before(both.Leaf.NotAfter) {
			return &pair{both.Leaf, key}, nil
		}
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		return nil, err
	}
	template.SerialNumber, template.NotBefore, template.NotAfter = serial, time.Now().Add(-time.Minute), time.Now().Add(30*24*time.Hour)
	parent, signer := template, key
	if issuer != nil {
		parent, signer = issuer.cert, issuer.key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, &key.PublicKey, signer)
	if err != nil {
		return nil, err
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, err
	}
	keyDER, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		return nil, err
	}
	err = errors.Join(os.WriteFile(certPath, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o644),
		os.WriteFile(keyPath, pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: keyDER}), 0o600))
	return &pair{cert, key}, err
}

// freePorts finds ports nobody listens on. Somebody may take one before it is
// used; then the start fails and says so.
func freePorts(n int) ([]int, error) {
	var ports []int
	for range n {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, err
		}
		defer l.Close()
		ports = append(ports, l.Addr().(*net.TCPAddr).Port)
	}
	return ports, nil
}
