package jwks_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"mayfly.internal/internal/fakeissuer"
	"mayfly.internal/internal/fault"
	"mayfly.internal/internal/jwks"
	"mayfly.internal/internal/jwt"
)

var loopback = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}

// source is a source to which a fake issuer's address is open.
func source(t *testing.T, i *fakeissuer.Issuer) *jwks.Source {
	t.Helper()
	return jwks.New(jwks.Config{Issuers: map[string]jwks.Issuer{i.URL: {CAFile: i.CAFile(), AllowAddresses: loopback}}})
}

// refused asks for keys and wants an Unavailable error; it gives the private
// cause.
func refused(t *testing.T, s *jwks.Source, issuer string) error {
	t.Helper()
	set, err := s.Keys(t.Context(), issuer, "")
	if err == nil || set != nil {
		t.Fatalf("keys = %v, error = %v; want an error alone", set, err)
	}
	e, ok := errors.AsType[*fault.Error](err)
	if !ok || e.Kind != fault.Unavailable || e.Err == nil {
		t.Fatalf("error = %#v, want a fault of kind unavailable with a cause", err)
	}
	if strings.Contains(e.Public, "127.0.0.1") || strings.Contains(e.Public, "secret") {
		t.Errorf("the public sentence says where keys are looked for: %s", e.Public)
	}
	return e.Err
}

func TestFetch(t *testing.T) {
	i := fakeissuer.New(t)
	i.KeyID(jwt.ES256)
	set, err := source(t, i).Keys(t.Context(), i.URL, i.KeyID(jwt.RS256))
	if err != nil {
		t.Fatal(err)
	}
	if set.Len() != 2 || !set.Has(i.KeyID(jwt.ES256)) {
		t.Errorf("the set has %d keys", set.Len())
	}
	token, err := jwt.Parse(i.Token(map[string]any{"sub": "x"}))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := token.Verify(set, []jwt.Algorithm{jwt.RS256}); err != nil {
		t.Error(err)
	}
	if n := i.Requests(); n != 2 {
		t.Errorf("%d requests, want one for discovery and one for the keys", n)
	}
}

func TestRefusedAnswers(t *testing.T) {
	discovery := func(format string) func(*fakeissuer.Issuer) {
		return func(i *fakeissuer.Issuer) { i.Answer(strings.ReplaceAll(format, "URL", i.URL)) }
	}
	other := fakeissuer.New(t)
	for _, tt := range []struct {
		name  string
		setup func(*fakeissuer.Issuer)
		cause string
	}{
		{"connection broken", (*fakeissuer.Issuer).Down, "EOF"},
		{"status 500", func(i *fakeissuer.Issuer) { i.Status(500) }, "status 500"},
		{"status 404", func(i *fakeissuer.Issuer) { i.Status(404) }, "status 404"},
		{"status 204 is no document", func(i *fakeissuer.Issuer) { i.Status(204) }, "status 204"},
		{"redirect to another issuer", func(i *fakeissuer.Issuer) { i.Redirect(other.URL) }, "redirect"},
		{"redirect to itself", func(i *fakeissuer.Issuer) { i.Redirect(i.URL) }, "redirect"},
		{"one byte too many", func(i *fakeissuer.Issuer) { i.Oversize(jwt.MaxKeySetBytes + 1) }, "more than 1048576 bytes"},
		{"very many bytes", func(i *fakeissuer.Issuer) { i.Oversize(1 << 28) }, "more than 1048576 bytes"},
		{"just not too many, but no JSON", func(i *fakeissuer.Issuer) { i.Oversize(jwt.MaxKeySetBytes) }, "not JSON"},
		{"HTML", func(i *fakeissuer.Issuer) { i.Answer("<html>sign in</html>") }, "not JSON"},
		{"discovery of another issuer", func(i *fakeissuer.Issuer) { i.Claim(other.URL) }, "is of the issuer"},
		{"discovery of the issuer with a slash more", func(i *fakeissuer.Issuer) { i.Claim(i.URL + "/") }, "is of the issuer"},
		{"discovery of the issuer in upper case", func(i *fakeissuer.Issuer) { i.Claim(strings.ToUpper(i.URL)) }, "is of the issuer"},
		{"issuer twice", discovery(`{"issuer":"URL","issuer":"https://x","jwks_uri":"URL/oauth/discovery/keys"}`), "distinct names"},
		{"issuer in capitals", discovery(`{"Issuer":"URL","jwks_uri":"URL/k"}`), "is of the issuer"},
		{"no jwks_uri", discovery(`{"issuer":"URL"}`), "no jwks_uri"},
		{"jwks_uri is a number", discovery(`{"issuer":"URL","jwks_uri":1}`), "no jwks_uri"},
		{"jwks_uri over http", discovery(`{"issuer":"URL","jwks_uri":"http://127.0.0.1/k"}`), "plain https"},
		{"jwks_uri of a file", discovery(`{"issuer":"URL","jwks_uri":"file:///etc/passwd"}`), "plain https"},
		{"jwks_uri with a user", discovery(`{"issuer":"URL","jwks_uri":"https://user@127.0.0.1/k"}`), "plain https"},
		{"jwks_uri with a fragment", discovery(`{"issuer":"URL","jwks_uri":"https://127.0.0.1/k#x"}`), "plain https"},
		{"jwks_uri without a host", discovery(`{"issuer":"URL","jwks_uri":"https:///k"}`), "plain https"},
		{"jwks_uri that is too long", discovery(`{"issuer":"URL","jwks_uri":"https://h/` + strings.Repeat("a", 2048) + `"}`), "no jwks_uri"},
		{"jwks_uri at the metadata service", discovery(`{"issuer":"URL","jwks_uri":"https://169.254.169.254/latest/meta-data"}`), "metadata service"},
		{"jwks_uri at a private address", discovery(`{"issuer":"URL","jwks_uri":"https://10.0.0.1/k"}`), "private"},
		{"key set is no JSON", func(i *fakeissuer.Issuer) { i.Publish([]byte("x")) }, "not JSON"},
		{"key set with 101 keys", func(i *fakeissuer.Issuer) {
			i.Publish([]byte(`{"keys":[{}` + strings.Repeat(",{}", 100) + `]}`))
		}, "101 keys"},
		{"key set with a private key", func(i *fakeissuer.Issuer) {
			i.Publish([]byte(`{"keys":[{"kty":"RSA","n":"AQ","e":"AQAB","d":"AQ"}]}`))
		}, "no secret any more"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			i := fakeissuer.New(t)
			tt.setup(i)
			before := other.Requests()
			cause := refused(t, source(t, i), i.URL)
			if !strings.Contains(cause.Error(), tt.cause) {
				t.Errorf("cause = %v, want one that says %q", cause, tt.cause)
			}
			if strings.Contains(cause.Error(), "upstream-secret-text") {
				t.Errorf("the cause quotes the answer: %v", cause)
			}
			if other.Requests() != before {
				t.Error("a redirect was followed")
			}
		})
	}
}

func TestSlowAnswers(t *testing.T) {
	if testing.Short() {
		t.Skip("takes as long as a fetch may")
	}
	for name, setup := range map[string]func(*fakeissuer.Issuer){
		"the issuer never answers": (*fakeissuer.Issuer).Hang,
		"the answer never ends":    (*fakeissuer.Issuer).Drip,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			i := fakeissuer.New(t)
			setup(i)
			began := time.Now()
			cause := refused(t, source(t, i), i.URL)
			if took := time.Since(began); took < 4*time.Second || took > 7*time.Second {
				t.Errorf("gave up after %s, 5 s are meant", took)
			}
			if !errors.Is(cause, context.DeadlineExceeded) {
				t.Errorf("cause = %v", cause)
			}
		})
	}
}

func TestTrust(t *testing.T) {
	i := fakeissuer.New(t)
	other := fakeissuer.New(t)
	empty := filepath.Join(t.TempDir(), "empty.pem")
	if err := os.WriteFile(empty, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ name, ca, cause string }{
		{"the system's authorities do not vouch for it", "", "certificate"},
		{"another issuer's authority does not vouch for it", other.CAFile(), "certificate"},
		{"the file is not there", empty + "x", "no such file"},
		{"the file holds no certificate", empty, "no certificate"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := jwks.New(jwks.Config{Issuers: map[string]jwks.Issuer{i.URL: {CAFile: tt.ca, AllowAddresses: loopback}}})
			if cause := refused(t, s, i.URL); !strings.Contains(cause.Error(), tt.cause) {
				t.Errorf("cause = %v", cause)
			}
		})
	}
	if i.Requests() != 0 {
		t.Error("a request was sent to a host nobody vouched for")
	}
}

func TestProxyVariablesAreNotRead(t *testing.T) {
	t.Setenv("HTTPS_PROXY", "http://127.0.0.1:1")
	t.Setenv("https_proxy", "http://127.0.0.1:1")
	t.Setenv("ALL_PROXY", "http://127.0.0.1:1")
	i := fakeissuer.New(t)
	if _, err := source(t, i).Keys(t.Context(), i.URL, ""); err != nil {
		t.Error(err)
	}
}

func TestKeySetFile(t *testing.T) {
	i := fakeissuer.New(t)
	file := i.KeySetFile()
	s := jwks.New(jwks.Config{Issuers: map[string]jwks.Issuer{i.URL: {JWKSFile: file}}})
	set, err := s.Keys(t.Context(), i.URL, "")
	if err != nil || !set.Has(i.KeyID(jwt.RS256)) {
		t.Errorf("keys = %v, %v", set, err)
	}
	if i.Requests() != 0 {
		t.Error("the issuer was asked although there is a file")
	}
	for name, data := range map[string][]byte{"too long": make([]byte, jwt.MaxKeySetBytes+1), "not a key set": []byte("{}"), "empty": nil} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "jwks.json")
			if err := os.WriteFile(path, data, 0o600); err != nil {
				t.Fatal(err)
			}
			refused(t, jwks.New(jwks.Config{Issuers: map[string]jwks.Issuer{i.URL: {JWKSFile: path}}}), i.URL)
		})
	}
	refused(t, jwks.New(jwks.Config{Issuers: map[string]jwks.Issuer{i.URL: {JWKSFile: file + "x"}}}), i.URL)
}

func TestIssuerThatIsNotHTTPS(t *testing.T) {
	for _, issuer := range []string{"", "http://127.0.0.1", "gitlab.example", "file:///etc/passwd"} {
		refused(t, jwks.New(jwks.Config{}), issuer)
	}
}

// TestClosedAddresses dials nothing that is closed, whatever the name resolves
// to, and says what to write.
func TestClosedAddresses(t *testing.T) {
	for _, tt := range []struct {
		name    string
		address string
		open    string
		dialled bool
	}{
		{"public", "93.184.216.34", "", true},
		{"public IPv6", "2606:2800:220:1::1", "", true},
		{"loopback", "127.0.0.1", "", false},
		{"loopback, another", "127.255.255.254", "", false},
		{"loopback opened", "127.0.0.1", "127.0.0.0/8", true},
		{"loopback, something else opened", "127.0.0.1", "10.0.0.0/8", false},
		{"IPv6 loopback", "::1", "", false},
		{"IPv6 loopback opened", "::1", "::1/128", true},
		{"private 10", "10.1.2.3", "", false},
		{"private 10 opened exactly", "10.1.2.3", "10.1.2.3/32", true},
		{"private 10, the neighbour opened", "10.1.2.3", "10.1.2.4/32", false},
		{"private 172", "172.16.0.1", "", false},
		{"private 172, last", "172.31.255.255", "", false},
		{"just above private 172", "172.32.0.1", "", true},
		{"private 192", "192.168.0.1", "", false},
		{"carrier-grade NAT", "100.64.0.1", "", false},
		{"link-local", "169.254.1.1", "", false},
		{"link-local opened", "169.254.1.1", "169.254.0.0/16", true},
		{"IPv6 link-local", "fe80::1", "", false},
		{"IPv6 link-local with a zone", "fe80::1%eth0", "", false},
		{"IPv6 unique local", "fd12::1", "", false},
		{"IPv6 unique local opened", "fd12::1", "fd00::/8", true},
		{"metadata", "169.254.169.254", "", false},
		{"metadata, link-local opened", "169.254.169.254", "169.254.0.0/16", false},
		{"metadata, opened by name", "169.254.169.254", "169.254.169.254/32", false},
		{"metadata, everything opened", "169.254.169.254", "0.0.0.0/0", false},
		{"metadata over IPv6, unique local opened", "fd00:ec2::254", "fc00::/7", false},
		{"metadata as IPv4-mapped", "::ffff:169.254.169.254", "::/0", false},
		{"metadata through NAT64", "64:ff9b::a9fe:a9fe", "64:ff9b::/96", false},
		{"metadata through 6to4", "2002:a9fe:a9fe::1", "2002::/16", false},
		{"metadata as IPv4-compatible", "::a9fe:a9fe", "::/0", false},
		{"metadata of EKS pods, link-local opened", "169.254.170.23", "169.254.0.0/16", false},
		{"metadata of Alibaba, shared opened", "100.100.100.200", "100.64.0.0/10", false},
		{"IPv4-mapped loopback", "::ffff:127.0.0.1", "", false},
		{"IPv4-mapped loopback, opened as IPv4", "::ffff:127.0.0.1", "127.0.0.0/8", true},
		{"NAT64 of a private address", "64:ff9b::10.0.0.1", "", false},
		{"NAT64 of a private address, opened as IPv4", "64:ff9b::10.0.0.1", "10.0.0.0/8", true},
		{"NAT64 of a public address", "64:ff9b::93.184.216.34", "", true},
		{"local NAT64", "64:ff9b:1::10.0.0.1", "", false},
		{"6to4 of loopback", "2002:7f00:1::", "", false},
		{"Teredo", "2001:0:1::1", "", false},
		{"unspecified", "0.0.0.0", "0.0.0.0/0", false},
		{"unspecified IPv6", "::", "::/0", false},
		{"this network", "0.1.2.3", "0.0.0.0/0", false},
		{"multicast", "224.0.0.1", "224.0.0.0/4", false},
		{"broadcast", "255.255.255.255", "240.0.0.0/4", false},
		{"reserved", "240.0.0.1", "", false},
		{"documentation", "203.0.113.9", "", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			const issuer = "https://gitlab.example"
			settings := jwks.Issuer{}
			if tt.open != "" {
				settings.AllowAddresses = []netip.Prefix{netip.MustParsePrefix(tt.open)}
			}
			var dialled []string
			s := jwks.New(jwks.Config{
				Issuers: map[string]jwks.Issuer{issuer: settings},
				Resolve: func(context.Context, string) ([]netip.Addr, error) {
					return []netip.Addr{netip.MustParseAddr(tt.address)}, nil
				},
				Dial: func(_ context.Context, _, address string) (net.Conn, error) {
					dialled = append(dialled, address)
					return nil, errors.New("nobody is there")
				},
			})
			cause := refused(t, s, issuer)
			if got := len(dialled) > 0; got != tt.dialled {
				t.Errorf("dialled %v, want %v; cause: %v", dialled, tt.dialled, cause)
			}
			closed, isClosed := errors.AsType[*jwks.ClosedAddressError](cause)
			if isClosed == tt.dialled {
				t.Fatalf("cause = %v", cause)
			}
			if isClosed && !strings.Contains(closed.Error(), "cannot be opened") {
				checkRemedy(t, closed, issuer)
			}
		})
	}
}

// checkRemedy does what the error says and wants the address to be open then.
func checkRemedy(t *testing.T, e *jwks.ClosedAddressError, issuer string) {
	t.Helper()
	_, text, found := strings.Cut(e.Error(), `allow_addresses: ["`)
	prefix, err := netip.ParsePrefix(strings.TrimSuffix(text, `"]}]`))
	if !found || err != nil || !strings.Contains(e.Error(), fmt.Sprintf("url: %q", issuer)) {
		t.Fatalf("the error names no entry to write: %v", e)
	}
	if class := jwks.Closed(e.Address, []netip.Prefix{prefix}); class != "" {
		t.Errorf("with the entry written, the address is still closed: %s", class)
	}
}

// TestRebinding: the name is resolved once for each connection, and the address
// that was checked is the one that is dialled. A name that is public for
// discovery and private for the keys is stopped at the keys.
func TestRebinding(t *testing.T) {
	i := fakeissuer.New(t)
	_, port, _ := strings.Cut(strings.TrimPrefix(i.URL, "https://"), ":")
	issuer := "https://issuer.test:" + port
	i.Answer(`{"issuer":"` + issuer + `","jwks_uri":"https://localhost:` + port + `/k"}`)
	public := netip.MustParseAddr("93.184.216.34")
	s := jwks.New(jwks.Config{
		Issuers: map[string]jwks.Issuer{issuer: {CAFile: i.CAFile()}},
		Resolve: func(_ context.Context, host string) ([]netip.Addr, error) {
			if host == "issuer.test" {
				return []netip.Addr{netip.MustParseAddr("10.0.0.1"), public}, nil
			}
			return []netip.Addr{netip.MustParseAddr("127.0.0.1")}, nil
		},
		Dial: func(ctx context.Context, network, address string) (net.Conn, error) {
			if address != "93.184.216.34:"+port {
				t.Errorf("dialled %s", address)
			}
			return new(net.Dialer).DialContext(ctx, network, "127.0.0.1:"+port)
		},
	})
	cause := refused(t, s, issuer)
	closed, ok := errors.AsType[*jwks.ClosedAddressError](cause)
	if !ok || closed.Host != "localhost" || closed.Class != "loopback" {
		t.Errorf("cause = %v", cause)
	}
	if i.Requests() != 1 {
		t.Errorf("%d requests, want the one for discovery", i.Requests())
	}
}

func TestDiscoveryURL(t *testing.T) {
	for issuer, want := range map[string]string{
		"https://a.example":        "https://a.example/.well-known/openid-configuration",
		"https://a.example/":       "https://a.example/.well-known/openid-configuration",
		"https://a.example:8443/x": "https://a.example:8443/x/.well-known/openid-configuration",
		"https://a.example/x/":     "https://a.example/x/.well-known/openid-configuration",
	} {
		if got := jwks.DiscoveryURL(issuer); got != want {
			t.Errorf("DiscoveryURL(%q) = %q, want %q", issuer, got, want)
		}
	}
}
