// Package awssts asks real AWS STS who signed a bearer token, for clusters that
// trust an AWS account (cluster register --trust-aws-account).
//
// A token is a presigned GetCallerIdentity, and asking is sending it: to one of
// the hosts that AWS has for STS in the regions that are allowed, over TLS, with
// the cluster's name in the header that was signed, and to nobody else. No
// redirect and no proxy variable is followed. (aws-iam-authenticator v0.7.18,
// pkg/token; unlike it, regions are a list and not a shape, and how often AWS is
// asked is bounded for each cluster.)
//
// It believes what AWS answers and decides nothing about it; clusterauth does,
// and remembers answers. No error holds anything of a token.
package awssts

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"mayfly.internal/internal/eks"
	"mayfly.internal/internal/fault"
	"mayfly.internal/internal/sigv4"
	"mayfly.internal/internal/strictjson"
)

// Config is what a Source is made of.
type Config struct {
	// Partition is the one whose STS is asked. Empty: aws.
	Partition string
	// Regions are those whose STS may be asked. Nil: those of Regions(Partition).
	Regions []string
	// PerSecond bounds how often AWS is asked for one cluster, with bursts of
	// twice as many. 0: DefaultPerSecond.
	PerSecond int
	Now       func() time.Time // nil: time.Now
	// Transport carries the requests. Nil: one that dials the host itself.
	Transport http.RoundTripper
	// Observe is told of each request: the region it went to (global for the
	// endpoint without one) and AWS's status, 0 if there was no answer. Nil:
	// nobody is.
	Observe func(region string, status int, throttled bool)
}

// DefaultPerSecond leaves most of STS's quota of 600 requests a second, of
// account and region, to others (STS quotas).
const DefaultPerSecond = 50

// Global is the region of the endpoint that has none.
const Global = "global"

const (
	// askTimeout bounds one request (aws-iam-authenticator's).
	askTimeout  = 10 * time.Second
	dialTimeout = 2 * time.Second
	maxAnswer   = 64 << 10
	// maxAge is the life of a presigned GetCallerIdentity, whatever its
	// X-Amz-Expires says.
	maxAge = 15 * time.Minute
	// maxAhead is how far AWS lets a signer's clock be ahead.
	maxAhead = 5 * time.Minute
)

// Source asks AWS STS. It is safe for concurrent use.
type Source struct {
	config Config
	hosts  map[string]string // :: host → region
	client *http.Client

	mu     sync.Mutex
	limits map[string]*rate.Limiter // :: cluster id → how often it may ask
}

// New makes a Source; it refuses a partition it does not know.
func New(c Config) (*Source, error) {
	if c.Partition == "" {
		c.Partition = "aws"
	}
	if c.Regions == nil {
		c.Regions = Regions(c.Partition)
	}
	if c.PerSecond == 0 {
		c.PerSecond = DefaultPerSecond
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Observe == nil {
		c.Observe = func(string, int, bool) {}
	}
	hosts, err := hostsOf(c.Partition, c.Regions)
	if err != nil {
		return nil, err
	}
	if c.Transport == nil {
		c.Transport = &http.Transport{
			Proxy:                  nil, // not from the environment either
			DialContext:            (&net.Dialer{Timeout: dialTimeout}).DialContext,
			TLSClientConfig:        &tls.Config{MinVersion: tls.VersionTLS12},
			TLSHandshakeTimeout:    dialTimeout,
			ForceAttemptHTTP2:      true,
			MaxIdleConnsPerHost:    16,
			IdleConnTimeout:        90 * time.Second,
			MaxResponseHeaderBytes: 64 << 10,
			DisableCompression:     true,
		}
	}
	client := &http.Client{Transport: c.Transport, Timeout: askTimeout, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	return &Source{config: c, hosts: hosts, client: client, limits: map[string]*rate.Limiter{}}, nil
}

// Caller is whom AWS names as the signer of a presigned URL that is bound to a
// cluster's name by the header x-k8s-aws-id. clusterID says whose limit the
// request counts against. Every refusal is a *fault.Error: Invalid if the URL is
// not one to send, Denied if AWS disowns it, Throttled if AWS or the limit does
// not want to be asked now, Unavailable if AWS does not answer.
//
// Sent is only a URL that
//
//   - sigv4.ParsePresigned accepts: exactly these parameters, each once, host and
//     x-k8s-aws-id signed and nothing else, X-Amz-Expires 15 minutes at most
//   - begins with https://HOST/? for an allowed host, as it is written
//   - is of this host's region and not older than 15 minutes
func (s *Source) Caller(ctx context.Context, presigned, name, clusterID string) (eks.Vouched, error) {
	host, query, err := s.split(presigned)
	if err != nil {
		return eks.Vouched{}, err
	}
	signed, err := sigv4.ParsePresigned(presigned, sigv4.Header{Name: clusterHeader, Value: name})
	if err != nil {
		return eks.Vouched{}, fault.New(fault.Invalid, "not a presigned GetCallerIdentity: %s", reasonOf(err))
	}
	region, now := s.hosts[host], s.config.Now()
	switch {
	case region != Global && signed.Scope().Region != region:
		return eks.Vouched{}, fault.New(fault.Invalid, "the token is signed for another region than its host's")
	case now.Sub(signed.Time()) > maxAge:
		return eks.Vouched{}, fault.New(fault.Invalid, "the token is older than %s", maxAge)
	case signed.Time().Sub(now) > maxAhead:
		return eks.Vouched{}, fault.New(fault.Invalid, "the token is from the future")
	case !s.limit(clusterID).AllowN(now, 1):
		return eks.Vouched{}, fault.New(fault.Throttled, "AWS STS is asked too often for this cluster")
	}
	got, err := s.ask(ctx, host, query, name, region)
	got.AccessKeyID = signed.Scope().AccessKeyID
	if err != nil {
		return eks.Vouched{}, err
	}
	return got, nil
}

// clusterHeader is the signed header that binds a bearer token to one cluster.
const clusterHeader = "x-k8s-aws-id"

// split takes a URL apart into an allowed host and a query.
func (s *Source) split(text string) (host, query string, err error) {
	rest, ok := strings.CutPrefix(text, "https://")
	host, query, found := strings.Cut(rest, "/?")
	if !ok || !found || s.hosts[host] == "" {
		return "", "", fault.New(fault.Invalid, "the token is not for https://HOST/? of an STS that is asked here (aws_sts.partition, aws_sts.regions)")
	}
	return host, query, nil
}

// reasonOf is why a URL is no presigned one, without the sentence about it: that
// may quote the URL.
func reasonOf(err error) string {
	if e, ok := errors.AsType[*sigv4.Error](err); ok {
		return e.Reason.String()
	}
	return "it cannot be read"
}

func (s *Source) limit(clusterID string) *rate.Limiter {
	s.mu.Lock()
	defer s.mu.Unlock()
	l := s.limits[clusterID]
	if l == nil {
		l = rate.NewLimiter(rate.Limit(s.config.PerSecond), 2*s.config.PerSecond)
		s.limits[clusterID] = l
	}
	return l
}

// ask sends the request and reads the answer.
func (s *Source) ask(ctx context.Context, host, query, name, region string) (eks.Vouched, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://"+host+"/?"+query, nil)
	if err != nil {
		return eks.Vouched{}, fault.New(fault.Invalid, "the token's URL cannot be sent")
	}
	req.Header.Set(clusterHeader, name)
	req.Header.Set("Accept", "application/json")
	req.Header.Set("User-Agent", "mayfly")
	resp, err := s.client.Do(req)
	if err != nil {
		s.config.Observe(region, 0, false)
		return eks.Vouched{}, fault.Wrap(fault.Unavailable, withoutURL(err), "AWS STS did not answer")
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer+1))
	if err != nil || len(body) > maxAnswer {
		s.config.Observe(region, resp.StatusCode, false)
		return eks.Vouched{}, fault.Wrap(fault.Unavailable, err, "the answer of AWS STS could not be read")
	}
	throttled := resp.StatusCode != http.StatusOK && strings.Contains(string(body), "Throttling")
	s.config.Observe(region, resp.StatusCode, throttled)
	switch {
	case throttled:
		return eks.Vouched{}, fault.New(fault.Throttled, "AWS STS says that it is asked too often")
	case resp.StatusCode >= 500:
		return eks.Vouched{}, fault.New(fault.Unavailable, "AWS STS answers %d", resp.StatusCode)
	case resp.StatusCode != http.StatusOK:
		return eks.Vouched{}, fault.New(fault.Denied, "AWS STS answers %d %s", resp.StatusCode, errorCode(body))
	}
	return parseAnswer(body)
}

// withoutURL is an HTTP client's error without the URL in front, which is the
// token.
func withoutURL(err error) error {
	if e, ok := errors.AsType[*url.Error](err); ok {
		return e.Err
	}
	return err
}

// parseAnswer reads the JSON form of GetCallerIdentity's answer.
func parseAnswer(body []byte) (eks.Vouched, error) {
	v, err := strictjson.Parse(body)
	if err != nil {
		return eks.Vouched{}, fault.Wrap(fault.Unavailable, err, "the answer of AWS STS cannot be read")
	}
	r := v.Get("GetCallerIdentityResponse").Get("GetCallerIdentityResult")
	out := eks.Vouched{ARN: text(r.Get("Arn")), Account: text(r.Get("Account")), UserID: text(r.Get("UserId"))}
	if out.ARN == "" || out.Account == "" || out.UserID == "" {
		return eks.Vouched{}, fault.New(fault.Unavailable, "the answer of AWS STS names nobody")
	}
	return out, nil
}

// errorCode is the code of an error answer, if it has one of the usual form.
func errorCode(body []byte) string {
	v, err := strictjson.Parse(body)
	if err != nil {
		return ""
	}
	code := text(v.Get("Error").Get("Code"))
	if len(code) > 64 || strings.Trim(code, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.") != "" {
		return ""
	}
	return code
}

func text(v strictjson.Value) string {
	s, _ := v.Text()
	return s
}
