// Package server is the assembly: it reads the configuration, opens the store
// and the keys, builds the services, and listens.
package server

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/sys/unix"

	"mayfly.internal/internal/arn"
	"mayfly.internal/internal/awsauth"
	"mayfly.internal/internal/awssts"
	"mayfly.internal/internal/clusterauth"
	"mayfly.internal/internal/control"
	"mayfly.internal/internal/eks"
	"mayfly.internal/internal/eksapi"
	"mayfly.internal/internal/httpedge"
	"mayfly.internal/internal/iam"
	"mayfly.internal/internal/iamapi"
	"mayfly.internal/internal/kubeapi"
	"mayfly.internal/internal/mayflyapi"
	"mayfly.internal/internal/oauthapi"
	"mayfly.internal/internal/store"
	"mayfly.internal/internal/store/sqlite"
	"mayfly.internal/internal/sts"
	"mayfly.internal/internal/stsapi"
	"mayfly.internal/internal/wire/mayflywire"
	"mayfly.internal/internal/wire/oauthwire"
)

// Version is the program's version, set when it is built.
var Version = "0.0.0-dev"

// GCPercent is how much the heap of mayflyd may grow between two collections.
// It is small, some ten megabytes, and made of what requests leave behind:
// collecting it four times less often costs little memory and saves a fifth of
// the work of an exchange (measured by make bench).
const GCPercent = 400

// The store fits the services' ports.
var (
	_ control.Store        = (*store.DB)(nil)
	_ sts.Registry         = (*store.DB)(nil)
	_ sts.Recorder         = (*store.DB)(nil)
	_ clusterauth.Registry = (*store.DB)(nil)
	_ sts.Keys             = (*Server)(nil)
	_ sts.Guards           = (*Server)(nil)
)

// Options is what a Server is made of besides its configuration file.
type Options struct {
	Config Config
	// Load reads the configuration anew, for Reload. Nil: there is none to read.
	Load func() (Config, error)
	Data string // the data directory
	Log  *slog.Logger
	Now  func() time.Time // nil: time.Now
	// AWS carries requests to AWS STS. Nil: the network.
	AWS http.RoundTripper
}

// Server is a running trust plane.
type Server struct {
	config  Config // as it was started with
	load    func() (Config, error)
	live    atomic.Pointer[live] // what Reload replaces
	known   sync.Map             // :: issuer → id of the provider whose keys were asked for last
	data    string
	log     *slog.Logger
	now     func() time.Time
	lock    *os.File
	db      *store.DB
	keys    *keyring
	ca      *authority
	certs   *certificates
	sts     *sts.Service
	metrics *metrics
	dropIn  *dropIn // nil: the port of aws-iam-authenticator is closed
	handler http.Handler
	public  string

	auditKey string // verifies the log's checkpoints

	main, admin, scrape net.Listener
	servers             []*http.Server
	failed              chan error
}

// New opens everything a server needs and binds its addresses; nothing is
// answered before Serve. What was opened is closed if it fails.
func New(ctx context.Context, o Options) (_ *Server, err error) {
	// The path is handed out, as AWS_CA_BUNDLE for one, and must hold elsewhere.
	if o.Data, err = filepath.Abs(o.Data); err != nil {
		return nil, err
	}
	s := newServer(o)
	defer func() {
		if err != nil {
			s.close()
		}
	}()
	if err := s.open(ctx, o); err != nil {
		return nil, err
	}
	s.metrics = newMetrics()
	s.metrics.guardAges(s.guardAges)
	s.metrics.keyAges(s.keys)
	s.live.Store(newLive(o.Config, s.now, s.metrics, s.log))
	if err := markStarted(o.Data); err != nil {
		return nil, err
	}
	s.keys.tend(ctx, s.log)
	if err := s.bind(); err != nil {
		return nil, err
	}
	return s, s.assemble(o.AWS)
}

func newServer(o Options) *Server {
	if o.Now == nil {
		o.Now = time.Now
	}
	return &Server{config: o.Config, load: o.Load, data: o.Data, log: o.Log, now: o.Now, failed: make(chan error, 5)}
}

// open opens the data directory for this process alone: its keys and its database.
func (s *Server) open(ctx context.Context, o Options) (err error) {
	if err := openData(o.Data); err != nil {
		return fmt.Errorf("data directory: %w", err)
	}
	if s.lock, err = lockData(o.Data); err != nil {
		return err
	}
	if s.keys, err = loadKeyring(o.Data, o.Config.wantedKeys(), s.now); err != nil {
		return err
	}
	var signer note.Signer
	if signer, s.auditKey, err = loadAuditKey(o.Data); err != nil {
		return err
	}
	if s.ca, err = loadAuthority(o.Data, s.now); err != nil {
		return err
	}
	s.db, err = sqlite.Open(ctx, filepath.Join(o.Data, "mayfly.db"), firstStart(o.Data), store.Config{Signer: signer, Now: s.now, Account: arn.AccountID(o.Config.AccountID), AuditReserve: int64(o.Config.Audit.Reserve)})
	if err != nil {
		return err
	}
	s.keys.audit = s.db
	return nil
}

// firstStart reports whether the data directory has never held a database. A
// missing database in one that has is an error, not an invitation to begin
// anew.
func firstStart(data string) bool {
	_, err := os.Stat(startedMark(data))
	return errors.Is(err, fs.ErrNotExist)
}

func startedMark(data string) string { return filepath.Join(data, "keys", "started") }

// markStarted notes that the directory has held a database.
func markStarted(data string) error {
	_, err := once(startedMark(data), func() ([]byte, error) {
		return []byte("The database of this directory was made; a server that does not find it does not make another.\n"), nil
	})
	return err
}

// lockData makes sure that one server uses a data directory.
func lockData(data string) (*os.File, error) {
	f, err := os.OpenFile(filepath.Join(data, "lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		f.Close()
		return nil, fmt.Errorf("another mayflyd uses %s; stop it, or name another directory with --data", data)
	}
	return f, nil
}

// bind listens on every address, so that a taken one is found out at once.
func (s *Server) bind() error {
	at, err := s.config.listen()
	if err != nil {
		return err
	}
	if s.main, err = net.Listen("tcp", at.address); err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	if s.config.MetricsListen != "off" {
		if s.scrape, err = net.Listen("tcp", s.config.MetricsListen); err != nil {
			return fmt.Errorf("metrics_listen: %w", err)
		}
	}
	if s.config.Admin.Socket != "off" {
		if s.admin, err = listenUnix(s.SocketPath(), socketMode(s.config.Admin)); err != nil {
			return fmt.Errorf("admin socket: %w", err)
		}
	}
	if s.dropIn, err = loadDropIn(s.config.Authenticator); err != nil {
		return fmt.Errorf("authenticator: %w", err)
	}
	if s.dropIn != nil {
		if err := s.dropIn.bind(s.config.Authenticator.HealthListen, s.now); err != nil {
			return err
		}
	}
	s.public = strings.TrimSuffix(s.config.PublicURL, "/")
	if s.public == "" {
		scheme, host := "https", "localhost"
		if at.plain {
			scheme, host = "http", "127.0.0.1"
		}
		_, port, _ := net.SplitHostPort(s.main.Addr().String())
		s.public = scheme + "://" + net.JoinHostPort(host, port)
	}
	return nil
}

// SocketPath is where the admin socket is.
func (s *Server) SocketPath() string { return socketPath(s.data, s.config.Admin.Socket) }

func socketPath(data, configured string) string {
	if configured != "" {
		return configured
	}
	return filepath.Join(data, "admin.sock")
}

// PublicURL is how clients reach the server.
func (s *Server) PublicURL() string { return s.public }

// CAFile is the file clients check the server's certificate against.
func (s *Server) CAFile() string { return filepath.Join(s.data, "ca.pem") }

func (s *Server) assemble(aws http.RoundTripper) error {
	var err error
	s.sts, err = sts.New(sts.Config{Registry: s.db, Keys: s, Guards: s, Issuer: s.issuer(), Settings: s.settings, Sealer: s.keys, Audit: s.db, Now: s.now, Rand: rand.Reader,
		MaxSession: time.Duration(s.config.MaxSessionDuration), Count: s.metrics.exchangeRefused, Wait: wait})
	if err != nil {
		return err
	}
	ctl, err := control.New(control.Config{Store: s.db, Stale: func(err error) bool { return errors.Is(err, store.ErrStale) }, Now: s.now, Rand: rand.Reader, Sealer: s.keys,
		Quotas: iam.Quotas(s.config.Quotas), Issuer: s.public})
	if err != nil {
		return err
	}
	reader, err := awsauth.New(awsauth.Config{Credentials: s.sts.ReaderCredentials, Registry: s.db, MaxAge: time.Duration(s.config.AWSAuthMaxAge), BoundTo: s.dropIn.boundTo, Now: s.now, Log: s.log})
	if err != nil {
		return err
	}
	if err := s.assembleDropIn(reader); err != nil {
		return err
	}
	ask := s.config.aws(s.dropIn)
	ask.Now, ask.Transport, ask.Observe = s.now, aws, s.metrics.askedAWS
	source, err := awssts.New(ask)
	if err != nil {
		return err
	}
	auth, err := clusterauth.New(clusterauth.Config{Registry: s.db, Sealer: s.keys, Audit: s.db, Mappings: reader, AWS: source, CRD: s.dropIn.readsCRD, Now: s.now, Count: s.metrics.reviewRefused})
	if err != nil {
		return err
	}
	s.routeDropIn(auth)
	s.certs = &certificates{files: s.config.TLS, hosts: s.hosts(), ca: s.ca, log: s.log}
	f := &front{sts: s.sts, stsA: &stsapi.API{STS: s.sts}, iamA: &iamapi.API{Control: ctl}, eksA: &eksapi.API{Control: ctl}, log: s.log}
	own := &mayflyapi.API{Control: ctl, Caller: s.sts.Caller, Webhooks: s, Audit: auditLog{s.db}, Trust: s.sts, Refused: f.logFailure,
		Server: mayflywire.Server{Version: Version, Account: string(s.db.Snapshot().Account), Region: s.config.Region, AuditKey: s.auditKey}}
	kube := &kubeapi.API{Auth: auth, Registry: s.db, Peer: clusterOf, Log: s.log}
	oauth := &oauthapi.API{STS: s.sts, Issuer: s.public, Algorithms: s.config.tokenAlgorithms(), Keys: s.keys.published, MaxAge: s.config.keepKeys(), Refused: f.logFailure}
	s.handler = s.route(f, own.Handler(), kube.Handler(), oauth)
	return nil
}

// limit bounds what strangers may make the server do.
func (s *Server) limit() *httpedge.Limit {
	n := s.config.Limits.Refusals
	return &httpedge.Limit{PerSecond: n, Burst: burst * n, Now: time.Now} // the wall clock may be set; this is about spans
}

// throttled counts what is throttled.
func (s *Server) throttled(answer http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		s.metrics.throttled.Inc()
		answer(w, r)
	}
}

func (s *Server) trustedProxies() []netip.Prefix { return s.live.Load().config.TrustedProxies }

// route is every path of the one listener.
func (s *Server) route(f *front, own, kube http.Handler, oauth *oauthapi.API) http.Handler {
	edge := &httpedge.Edge{Log: s.log, Now: s.now, TrustedProxies: s.trustedProxies, Observe: s.metrics.answered}
	limit := s.limit()
	query, rest := edge.Wrap("query", limit.Guard(f.query, s.throttled(f.throttledQuery))), edge.Wrap("eks", limit.Guard(f.rest, s.throttled(f.throttledREST)))
	own, kube = edge.Wrap("mayfly", limit.Guard(own.ServeHTTP, s.throttled(mayflyapi.Throttled))), edge.Wrap("kubernetes", kube)
	token := edge.Wrap("oauth", limit.Guard(oauth.Token, s.throttled(oauthapi.Throttled)))
	metadata, keys := edge.Wrap("oauth", http.HandlerFunc(oauth.Metadata)), edge.Wrap("oauth", http.HandlerFunc(oauth.KeySet))
	health, ready := edge.Wrap("healthz", http.HandlerFunc(s.healthz)), edge.Wrap("readyz", http.HandlerFunc(s.readyz))
	missing := edge.Wrap("unknown", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		http.Error(w, "there is nothing at this path", http.StatusNotFound)
	}))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		// Not http.ServeMux: it redirects // to /, which Vault calls, and
		// cleans paths that are part of a signature.
		switch path := r.URL.EscapedPath(); {
		case path == "/" || path == "//" || path == "":
			query.ServeHTTP(w, r)
		case path == "/clusters" || strings.HasPrefix(path, "/clusters/") || path == "/access-policies" || strings.HasPrefix(path, "/tags/") || path == "/cluster-registrations" || strings.HasPrefix(path, "/cluster-registrations/"):
			rest.ServeHTTP(w, r)
		case strings.HasPrefix(path, "/mayfly/v1/"):
			own.ServeHTTP(w, r)
		case strings.HasPrefix(path, "/kubernetes/"):
			kube.ServeHTTP(w, r)
		case path == oauthwire.TokenPath:
			token.ServeHTTP(w, r)
		case path == oauthwire.KeysPath:
			keys.ServeHTTP(w, r)
		case path == oauthwire.DiscoveryPath || path == oauthwire.MetadataPath:
			metadata.ServeHTTP(w, r)
		case path == "/healthz":
			health.ServeHTTP(w, r)
		case path == "/readyz":
			ready.ServeHTTP(w, r)
		default:
			missing.ServeHTTP(w, r)
		}
	})
}

func (s *Server) healthz(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "ok\n") }

func (s *Server) readyz(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), 2*time.Second)
	defer cancel()
	if err := s.db.Ready(ctx); err != nil {
		s.log.Error("not ready", "why", err)
		http.Error(w, "the database does not answer", http.StatusServiceUnavailable)
		return
	}
	io.WriteString(w, "ok\n")
}

// Limits of the listener. A bearer's request is one small message; nothing here
// needs long.
const (
	readHeaderTimeout = 5 * time.Second
	readTimeout       = 30 * time.Second
	writeTimeout      = 60 * time.Second
	idleTimeout       = 2 * time.Minute
	maxHeaderBytes    = 32 << 10
	// shutdownTimeout is how long requests under way may take to end.
	shutdownTimeout = 20 * time.Second
)

// Serve answers until ctx ends, then lets the requests under way finish.
func (s *Server) Serve(ctx context.Context) error {
	at, err := s.config.listen()
	if err != nil {
		return err
	}
	var main net.Listener = &httpedge.PerSource{Listener: s.main, Max: s.config.Limits.Connections, Exempt: s.trustedProxies, Closed: s.metrics.closed.Inc}
	if !at.plain {
		main = tls.NewListener(main, s.tlsConfig())
	}
	s.serve(main, s.handler)
	if s.admin != nil {
		s.serve(s.admin, s.adminHandler())
	}
	if s.scrape != nil {
		s.serve(s.scrape, s.metrics.handler())
	}
	s.serveDropIn()
	go s.tendKeys(ctx)
	s.log.Info("serving", "url", s.public, "listen", s.main.Addr().String(), "data", s.data, "account", s.db.Snapshot().Account, "version", Version)
	select {
	case <-ctx.Done():
		err = nil
	case err = <-s.failed:
	}
	s.log.Info("shutting down")
	stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), shutdownTimeout)
	defer cancel()
	for _, srv := range s.servers {
		err = errors.Join(err, srv.Shutdown(stop))
	}
	return errors.Join(err, s.close())
}

func (s *Server) serve(l net.Listener, h http.Handler) {
	srv := &http.Server{Handler: h, ReadHeaderTimeout: readHeaderTimeout, ReadTimeout: readTimeout, WriteTimeout: writeTimeout, IdleTimeout: idleTimeout, MaxHeaderBytes: maxHeaderBytes,
		ErrorLog: slog.NewLogLogger(s.log.Handler(), slog.LevelDebug), ConnContext: withPeer}
	s.servers = append(s.servers, srv)
	go func() {
		if err := srv.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			s.failed <- fmt.Errorf("listener %s: %w", l.Addr(), err)
		}
	}()
}

func (s *Server) tlsConfig() *tls.Config {
	pool := x509.NewCertPool()
	pool.AddCert(s.ca.cert)
	return &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: s.certs.get, ClientAuth: tls.VerifyClientCertIfGiven, ClientCAs: pool, NextProtos: []string{"h2", "http/1.1"}, Time: s.now}
}

// hosts are the names our own certificate is for.
func (s *Server) hosts() []string {
	hosts := []string{"localhost", "127.0.0.1", "::1"}
	if u, err := url.Parse(s.public); err == nil && u.Hostname() != "" {
		hosts = append(hosts, u.Hostname())
	}
	if a, err := netip.ParseAddrPort(s.main.Addr().String()); err == nil && !a.Addr().IsUnspecified() {
		hosts = append(hosts, a.Addr().String())
	}
	return hosts
}

// close lets go of everything that is open.
func (s *Server) close() error {
	var errs []error
	if l := s.live.Load(); l != nil {
		l.guards.Close()
	}
	if s.db != nil {
		errs = append(errs, s.db.Close())
	}
	listeners := []net.Listener{s.main, s.admin, s.scrape}
	if s.dropIn != nil {
		listeners = append(listeners, s.dropIn.main, s.dropIn.health)
	}
	for _, l := range listeners {
		if l != nil {
			l.Close() // closed already after a shutdown
		}
	}
	if s.lock != nil {
		errs = append(errs, s.lock.Close())
	}
	return errors.Join(errs...)
}

// WebhookConfig issues what a cluster's API server needs to ask this server.
func (s *Server) WebhookConfig(c eks.Cluster) (mayflywire.WebhookConfig, error) {
	cert, key, err := s.ca.webhookCertificate(c)
	if err != nil {
		return mayflywire.WebhookConfig{}, fmt.Errorf("issue a webhook certificate: %w", err)
	}
	base := s.public + "/kubernetes/" + url.PathEscape(c.Name)
	return mayflywire.WebhookConfig{Cluster: c.Name, AuthenticateURL: base + "/authenticate", AuthorizeURL: base + "/authorize", CA: string(s.ca.pem),
		ClientCertificate: string(cert), ClientKey: string(key), Expires: s.now().Add(webhookLife)}, nil
}

// auditLog is the store as mayflyapi sees it.
type auditLog struct{ db *store.DB }

// maxAuditPage bounds the events of one answer, in bytes; a caller asks again
// from where it ended.
const maxAuditPage = 8 << 20

func (a auditLog) AuditPage(ctx context.Context, first int64, limit int) ([]mayflywire.AuditLine, string, error) {
	lines, err := a.db.Audit(ctx, first, limit)
	if err != nil {
		return nil, "", err
	}
	out, size := []mayflywire.AuditLine{}, 0
	for _, l := range lines {
		if size += len(l.Body); size > maxAuditPage && len(out) > 0 {
			break
		}
		out = append(out, mayflywire.AuditLine{Index: l.Index, Body: string(l.Body)})
	}
	return out, a.db.Checkpoint(), nil
}

func (a auditLog) Denial(ctx context.Context, request string) (mayflywire.AuditLine, bool, error) {
	l, found, err := a.db.Denial(ctx, request)
	return mayflywire.AuditLine{Index: l.Index, Body: string(l.Body)}, found, err
}

func (a auditLog) Denials(ctx context.Context, limit int) ([]mayflywire.AuditLine, error) {
	lines, err := a.db.Denials(ctx, limit)
	out := []mayflywire.AuditLine{}
	for _, l := range lines {
		out = append(out, mayflywire.AuditLine{Index: l.Index, Body: string(l.Body)})
	}
	return out, err
}
