package server

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"mayfly.internal/internal/eks"
)

// authority is the server's own CA: made once, it vouches for the server's
// certificate and for the client certificates of clusters' webhooks.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	pem  []byte
	now  func() time.Time
}

const (
	caLife     = 10 * 365 * 24 * time.Hour
	serverLife = 90 * 24 * time.Hour
	renewEarly = 30 * 24 * time.Hour
	// webhookLife is how long a cluster's client certificate is good;
	// webhook-config issues another at any time.
	webhookLife = 365 * 24 * time.Hour
)

// loadAuthority reads DATA/keys/ca.key and DATA/ca.pem, making them on the first
// start.
func loadAuthority(data string, now func() time.Time) (*authority, error) {
	keyPath, certPath := filepath.Join(data, "keys", "ca.key"), filepath.Join(data, "ca.pem")
	rawKey, err := once(keyPath, func() ([]byte, error) {
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			return nil, err
		}
		return encodeKey(key)
	})
	if err != nil {
		return nil, fmt.Errorf("certificate authority: %w", err)
	}
	key, err := decodeKey(rawKey)
	if err != nil {
		return nil, fmt.Errorf("certificate authority: %s: %w", keyPath, err)
	}
	a := &authority{key: key, now: now}
	a.pem, err = once(certPath, func() ([]byte, error) {
		der, err := a.sign(&x509.Certificate{Subject: pkix.Name{CommonName: "Mayfly CA"}, IsCA: true, BasicConstraintsValid: true, MaxPathLenZero: true,
			KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign}, nil, key, caLife)
		return pemOf(der), err
	})
	if err != nil {
		return nil, fmt.Errorf("certificate authority: %w", err)
	}
	if err := os.Chmod(certPath, 0o644); err != nil {
		return nil, fmt.Errorf("certificate authority: %w", err)
	}
	block, _ := pem.Decode(a.pem)
	if block == nil {
		return nil, fmt.Errorf("certificate authority: %s holds no certificate", certPath)
	}
	if a.cert, err = x509.ParseCertificate(block.Bytes); err != nil {
		return nil, fmt.Errorf("certificate authority: %s: %w", certPath, err)
	}
	if !key.PublicKey.Equal(a.cert.PublicKey) {
		return nil, fmt.Errorf("certificate authority: %s is not of the key %s", certPath, keyPath)
	}
	return a, nil
}

// pemOf is a certificate as text.
func pemOf(der []byte) []byte { return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}) }

func encodeKey(key *ecdsa.PrivateKey) ([]byte, error) {
	der, err := x509.MarshalPKCS8PrivateKey(key)
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), err
}

func decodeKey(raw []byte) (*ecdsa.PrivateKey, error) {
	block, _ := pem.Decode(raw)
	if block == nil {
		return nil, errors.New("no PEM key")
	}
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, err
	}
	ec, ok := key.(*ecdsa.PrivateKey)
	if !ok {
		return nil, errors.New("not an ECDSA key")
	}
	return ec, nil
}

// sign makes a certificate of a template for a key; a nil parent signs itself.
func (a *authority) sign(t, parent *x509.Certificate, key *ecdsa.PrivateKey, life time.Duration) ([]byte, error) {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		return nil, err
	}
	t.SerialNumber, t.NotBefore, t.NotAfter = serial, a.now().Add(-5*time.Minute), a.now().Add(life)
	if parent == nil {
		parent = t
	}
	return x509.CreateCertificate(rand.Reader, t, parent, &key.PublicKey, a.key)
}

// issue makes a key and a certificate of it.
func (a *authority) issue(t *x509.Certificate, life time.Duration) (cert, key []byte, err error) {
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, err
	}
	der, err := a.sign(t, a.cert, k, life)
	if err != nil {
		return nil, nil, err
	}
	key, err = encodeKey(k)
	return pemOf(der), key, err
}

// clusterURI names a cluster in its client certificate, by the id that a
// registration under the same name does not share.
func clusterURI(id string) *url.URL {
	return &url.URL{Scheme: "mayfly", Host: "cluster", Path: "/" + id}
}

// webhookCertificate is a client certificate for a cluster's API server.
func (a *authority) webhookCertificate(c eks.Cluster) (cert, key []byte, err error) {
	return a.issue(&x509.Certificate{Subject: pkix.Name{CommonName: "mayfly webhook of " + c.Name}, URIs: []*url.URL{clusterURI(c.ID)},
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}}, webhookLife)
}

// clusterOf gives the id of the cluster whose client certificate a request came
// with. The TLS stack has verified the chain to our CA.
func clusterOf(r *http.Request) (string, bool) {
	if r.TLS == nil || len(r.TLS.VerifiedChains) == 0 {
		return "", false
	}
	leaf := r.TLS.VerifiedChains[0][0]
	if len(leaf.URIs) != 1 || leaf.URIs[0].Scheme != "mayfly" || leaf.URIs[0].Host != "cluster" {
		return "", false
	}
	return strings.TrimPrefix(leaf.URIs[0].Path, "/"), true
}

// certificates gives the certificate to serve with: of the operator's files,
// read anew when they change, or of our own CA, made anew in time.
type certificates struct {
	hosts []string
	ca    *authority
	log   *slog.Logger

	mu      sync.Mutex
	files   TLSConfig
	current *tls.Certificate
	until   time.Time // when to look again: to renew our own, to read files once more
	read    string    // state of the files current was read from
	failed  string    // state of the files that could not be read
}

// fileCheck is how often the operator's files are looked at.
const fileCheck = time.Second

func (c *certificates) get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.current != nil && c.ca.now().Before(c.until) {
		return c.current, nil
	}
	if c.files.CertFile != "" {
		return c.fromFiles()
	}
	return c.fromAuthority()
}

// use changes where certificates come from, from the next handshake on.
func (c *certificates) use(files TLSConfig) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.files != files {
		c.files, c.until, c.read, c.failed = files, time.Time{}, "", ""
	}
}

func (c *certificates) fromAuthority() (*tls.Certificate, error) {
	t := &x509.Certificate{Subject: pkix.Name{CommonName: "mayfly"}, KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}}
	for _, h := range c.hosts {
		if ip := net.ParseIP(h); ip != nil {
			t.IPAddresses = append(t.IPAddresses, ip)
		} else {
			t.DNSNames = append(t.DNSNames, h)
		}
	}
	cert, key, err := c.ca.issue(t, serverLife)
	if err != nil {
		return nil, err
	}
	pair, err := tls.X509KeyPair(cert, key)
	if err != nil {
		return nil, err
	}
	c.current, c.until = &pair, c.ca.now().Add(serverLife-renewEarly)
	return c.current, nil
}

// fromFiles reads the operator's files if they have changed; files that cannot
// be read leave the last pair in place.
func (c *certificates) fromFiles() (*tls.Certificate, error) {
	c.until = c.ca.now().Add(fileCheck)
	state := stateOf(c.files)
	if c.current != nil && state == c.read {
		return c.current, nil
	}
	pair, err := tls.LoadX509KeyPair(c.files.CertFile, c.files.KeyFile)
	switch {
	case err == nil:
		c.current, c.read, c.failed = &pair, state, ""
		c.log.Info("serving with the certificate of", "cert_file", c.files.CertFile)
	case c.current == nil:
		return nil, fmt.Errorf("tls: %w", err)
	case state != c.failed:
		c.failed = state
		c.log.Error("the certificate's files cannot be used; the last ones stay in use", "why", err)
	}
	return c.current, nil
}

// stateOf is what changes when one of the files does.
func stateOf(files TLSConfig) string {
	state := ""
	for _, f := range []string{files.CertFile, files.KeyFile} {
		if info, err := os.Stat(f); err == nil {
			state += fmt.Sprint(info.ModTime().UnixNano(), info.Size(), ";")
		}
	}
	return state
}
