package server

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"time"

	"mayfly.internal/internal/authenticator"
	"mayfly.internal/internal/awsauth"
	"mayfly.internal/internal/clusterauth"
	"mayfly.internal/internal/eks"
	"mayfly.internal/internal/httpedge"
	"mayfly.internal/internal/kubeapi"
)

// dropIn is the port of aws-iam-authenticator: one cluster, asked about as its
// API server has always asked.
type dropIn struct {
	config  authenticator.Config
	cluster string // the name it is registered under
	chain   *authenticator.Chain
	pair    tls.Certificate

	main, health net.Listener // health is nil where it is closed
	handler      http.Handler
}

// dropInCertLife is how long the port's own certificate is good: the API
// server's kubeconfig holds it, and nobody renews it (aws-iam-authenticator's).
const dropInCertLife = 100 * 365 * 24 * time.Hour

// loadDropIn reads the port's configuration; nil: there is none.
func loadDropIn(c AuthenticatorConfig) (*dropIn, error) {
	if c.Config == "" {
		return nil, nil
	}
	conf, err := authenticator.Load(c.Config)
	if err != nil {
		return nil, err
	}
	d := &dropIn{config: conf, cluster: c.Cluster}
	if d.cluster == "" {
		d.cluster = conf.ClusterID
	}
	if !eks.IsClusterName(d.cluster) {
		return nil, fmt.Errorf("clusterID %q is no cluster's name here; say under which it is registered with authenticator.cluster", d.cluster)
	}
	return d, nil
}

// bind takes the port, and leaves for the API server what it calls it with.
func (d *dropIn) bind(health string, now func() time.Time) (err error) {
	if d.pair, err = d.certificate(now); err != nil {
		return fmt.Errorf("authenticator: certificate: %w", err)
	}
	if d.main, err = net.Listen("tcp", net.JoinHostPort(d.config.Address, d.config.Port)); err != nil {
		return fmt.Errorf("authenticator: %w", err)
	}
	if health == "" {
		health = net.JoinHostPort(d.config.Address, "21363")
	}
	if health != "off" {
		if d.health, err = net.Listen("tcp", health); err != nil {
			return fmt.Errorf("authenticator.health_listen: %w", err)
		}
	}
	if d.config.Kubeconfig == "" {
		return nil
	}
	if err := writeIfChanged(d.config.Kubeconfig, d.kubeconfig()); err != nil {
		return fmt.Errorf("authenticator: kubeconfig for the API server: %w (or set server.kubeconfigPregenerated)", err)
	}
	return nil
}

// certificate is the pair of the state directory, which is made if there is
// none: of one there is, the API server holds the certificate.
func (d *dropIn) certificate(now func() time.Time) (tls.Certificate, error) {
	_, cerr := os.Stat(d.config.CertFile())
	_, kerr := os.Stat(d.config.KeyFile())
	if errors.Is(cerr, fs.ErrNotExist) && errors.Is(kerr, fs.ErrNotExist) {
		cert, key, err := selfSigned(d.config.Address, d.config.Hostname, now)
		if err == nil {
			err = os.MkdirAll(d.config.StateDir, 0o700)
		}
		if err == nil {
			err = os.WriteFile(d.config.KeyFile(), key, 0o600)
		}
		if err == nil {
			err = os.WriteFile(d.config.CertFile(), cert, 0o644)
		}
		if err != nil {
			return tls.Certificate{}, err
		}
	}
	return tls.LoadX509KeyPair(d.config.CertFile(), d.config.KeyFile())
}

// selfSigned makes a key and a certificate that vouches for itself alone.
func selfSigned(address, hostname string, now func() time.Time) (cert, key []byte, err error) {
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, err
	}
	t := &x509.Certificate{Subject: pkix.Name{CommonName: "aws-iam-authenticator"}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}}
	for _, host := range []string{address, hostname} {
		switch ip := net.ParseIP(host); {
		case ip == nil:
			t.DNSNames = append(t.DNSNames, host)
		case !ip.IsUnspecified():
			t.IPAddresses = append(t.IPAddresses, ip)
		}
	}
	der, err := (&authority{key: k, now: now}).sign(t, nil, k, dropInCertLife)
	if err != nil {
		return nil, nil, err
	}
	key, err = encodeKey(k)
	return pemOf(der), key, err
}

// kubeconfig is what the API server's --authentication-token-webhook-config-file
// names.
func (d *dropIn) kubeconfig() []byte {
	_, port, _ := net.SplitHostPort(d.main.Addr().String())
	u := url.URL{Scheme: "https", Host: net.JoinHostPort(d.config.Hostname, port), Path: "/authenticate"}
	return fmt.Appendf(nil, `apiVersion: v1
kind: Config
clusters:
- name: aws-iam-authenticator
  cluster:
    certificate-authority-data: %s
    server: %s
users:
- name: apiserver
current-context: webhook
contexts:
- name: webhook
  context:
    cluster: aws-iam-authenticator
    user: apiserver
`, base64.StdEncoding.EncodeToString(pemOf(d.pair.Certificate[0])), u.String())
}

// writeIfChanged puts a file in place whole, and leaves one alone that says the
// same already.
func writeIfChanged(path string, text []byte) error {
	if have, err := os.ReadFile(path); err == nil && string(have) == string(text) {
		return nil
	}
	f, err := os.CreateTemp(filepath.Dir(path), ".kubeconfig-*")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name()) // gone after the rename
	_, err = f.Write(text)
	if err = errors.Join(err, f.Chmod(0o644), f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}

// boundTo is what a cluster's bearer tokens are bound to.
func (d *dropIn) boundTo(c eks.Cluster) string {
	if d != nil && c.Name == d.cluster {
		return d.config.ClusterID
	}
	return c.Name
}

// readsCRD reports whether a cluster's IAMIdentityMappings are read.
func (d *dropIn) readsCRD(c eks.Cluster) bool {
	return d != nil && c.Name == d.cluster && d.chain.ReadsCRD()
}

// assembleDropIn makes what maps on the port.
func (s *Server) assembleDropIn(reader *awsauth.Reader) (err error) {
	if s.dropIn == nil {
		return nil
	}
	m := s.metrics.addAuthenticator()
	s.dropIn.chain, err = authenticator.NewChain(authenticator.ChainConfig{Config: s.dropIn.config, Reader: reader, Now: s.now, Log: s.log, Observe: authenticator.Observer{
		FileFailed: m.fileFailed.Inc, ConfigMapFailed: m.configMapFailed.Inc,
		Loaded: func(file string, late time.Duration) { m.loaded.WithLabelValues(file).Observe(late.Seconds()) },
		Modes: func(modes []authenticator.Mode) {
			m.fileEnabled.Set(float(slices.Contains(modes, authenticator.DynamicFile)))
			m.fileOnly.Set(float(slices.Equal(modes, []authenticator.Mode{authenticator.DynamicFile})))
		},
	}})
	return err
}

func float(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

// routeDropIn makes the port's handler.
func (s *Server) routeDropIn(auth *clusterauth.Service) {
	d := s.dropIn
	if d == nil {
		return
	}
	api := &kubeapi.Authenticator{Auth: auth, Registry: s.db, Cluster: d.cluster, BoundTo: d.config.ClusterID, Mapper: d.chain, Scrubbed: d.config.Scrubbed, Log: s.log,
		Metrics: s.metrics.handler(), Observe: func(r kubeapi.Result, took time.Duration) {
			s.metrics.authenticator.latency.WithLabelValues(string(r)).Observe(took.Seconds())
		}}
	d.handler = (&httpedge.Edge{Log: s.log, Now: s.now, Observe: s.metrics.answered}).Wrap("authenticator", api.Handler())
}

// serveDropIn answers on the port.
func (s *Server) serveDropIn() {
	d := s.dropIn
	if d == nil {
		return
	}
	listener := &httpedge.PerSource{Listener: d.main, Max: s.config.Limits.Connections, Exempt: s.trustedProxies, Closed: s.metrics.closed.Inc}
	s.serve(tls.NewListener(listener, &tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{d.pair}, NextProtos: []string{"h2", "http/1.1"}, Time: s.now}), d.handler)
	if d.health != nil {
		s.serve(d.health, http.HandlerFunc(kubeapi.Healthy))
	}
	s.log.Info("serving as aws-iam-authenticator", "listen", d.main.Addr().String(), "cluster", d.cluster, "cluster_id", d.config.ClusterID, "kubeconfig", d.config.Kubeconfig)
}
