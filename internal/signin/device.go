package signin

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"
	"time"

	"mayfly.internal/internal/secret"
	"mayfly.internal/internal/strictjson"
)

// deviceGrant is the grant of RFC 8628 §3.4.
const deviceGrant = "urn:ietf:params:oauth:grant-type:device_code"

// How long a device code is waited for, and how often it is asked about
// (RFC 8628 §3.2, §3.5).
const (
	maxDeviceLife   = 30 * time.Minute
	defaultInterval = 5 * time.Second
	maxInterval     = time.Minute
)

// Device is a sign-in with a code that is typed elsewhere.
type Device struct {
	URL     string // where the person types it
	Code    string
	Whole   string // URL with the code in it; empty where the provider has none
	Expires time.Time

	provider *Provider
	code     secret.String
	interval time.Duration
}

// AskDevice begins a sign-in with a device code.
func (p *Provider) AskDevice(ctx context.Context) (*Device, error) {
	if p.device == "" {
		return nil, fmt.Errorf("%s has no device codes (RFC 8628)", p.Host())
	}
	v, err := p.post(ctx, p.device, url.Values{"client_id": {p.config.ClientID}, "scope": {"openid"}})
	if err != nil {
		return nil, err
	}
	d, err := parseDevice(v, p.config.Now(), strings.HasPrefix(p.config.Issuer, "http:"))
	if err != nil {
		return nil, fmt.Errorf("the answer of %s: %w", hostOf(p.device), err)
	}
	d.provider = p
	return d, nil
}

// parseDevice reads a device authorization response (RFC 8628 §3.2).
func parseDevice(v strictjson.Value, now time.Time, loopback bool) (*Device, error) {
	text := func(name string) string {
		text, _ := v.Get(name).Text()
		return text
	}
	d := &Device{URL: text("verification_uri"), Code: text("user_code"), Whole: text("verification_uri_complete"), code: secret.New(text("device_code")), interval: defaultInterval}
	at, err := endpoint(d.URL, !loopback)
	if err != nil {
		return nil, fmt.Errorf("verification_uri: %w", err)
	}
	// The whole one is a convenience: one that leads elsewhere is not shown.
	if whole, err := endpoint(d.Whole, !loopback); err != nil || whole.Host != at.Host {
		d.Whole = ""
	}
	if d.Code == "" || len(d.Code) > 64 || printable(d.Code, 64) != d.Code || d.code.Empty() || len(d.code.Reveal()) > 4096 {
		return nil, errors.New("it has no code")
	}
	life, ok := v.Get("expires_in").Int64()
	if !ok || life < 1 {
		return nil, errors.New("it does not say when the code ends")
	}
	d.Expires = now.Add(min(time.Duration(min(life, 1<<20))*time.Second, maxDeviceLife))
	if seconds, ok := v.Get("interval").Int64(); ok && seconds > 0 {
		d.interval = min(time.Duration(min(seconds, 1<<20))*time.Second, maxInterval)
	}
	return d, nil
}

// Wait waits until the person has typed the code.
func (d *Device) Wait(ctx context.Context) (Token, error) {
	p := d.provider
	for {
		if err := p.config.Sleep(ctx, d.interval); err != nil {
			return Token{}, err
		}
		v, err := p.post(ctx, p.token, url.Values{"grant_type": {deviceGrant}, "device_code": {d.code.Reveal()}, "client_id": {p.config.ClientID}})
		if err == nil {
			return p.idToken(v, "")
		}
		if !p.config.Now().Before(d.Expires) {
			return Token{}, &Error{Code: "expired_token"}
		}
		e, refused := errors.AsType[*Error](err)
		late, unreachable := errors.AsType[net.Error](err)
		switch {
		case refused && e.Code == "authorization_pending":
		case refused && e.Code == "slow_down", unreachable && late.Timeout() && ctx.Err() == nil: // RFC 8628 §3.5
			d.interval = min(d.interval+defaultInterval, maxInterval)
		default:
			return Token{}, err
		}
	}
}
