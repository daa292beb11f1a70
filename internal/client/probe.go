package client

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"
)

// Contact is what a server shows of itself before it is asked anything.
type Contact struct {
	Date    time.Time // its clock, to the second; zero where it does not say
	TLS     string    // the version; empty over http
	Expires time.Time // of its certificate
	Status  int
}

// Probe asks a server for nothing in particular, unsigned.
func Probe(ctx context.Context, c Config) (Contact, error) {
	l, err := newLink(c, c.Endpoint, c.Region, "")
	if err != nil {
		return Contact{}, err
	}
	defer l.http.CloseIdleConnections()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, l.base+"/", nil)
	if err != nil {
		return Contact{}, err
	}
	req.Header.Set("User-Agent", c.UserAgent)
	resp, err := l.http.Do(req)
	if u, ok := errors.AsType[*url.Error](err); ok {
		err = u.Err
	}
	if err != nil {
		return Contact{}, fmt.Errorf("ask %s: %w", l.host, err)
	}
	resp.Body.Close()
	out := Contact{Status: resp.StatusCode}
	out.Date, _ = http.ParseTime(resp.Header.Get("Date"))
	if resp.TLS != nil {
		out.TLS, out.Expires = tls.VersionName(resp.TLS.Version), resp.TLS.PeerCertificates[0].NotAfter
	}
	return out, nil
}

// STSEndpoint is the STS that the configuration means.
func (c AWSConfig) STSEndpoint() string {
	switch {
	case c.Endpoint != "":
		return c.Endpoint
	case c.STS != "":
		return c.STS
	}
	return "https://sts." + c.Region + ".amazonaws.com"
}
