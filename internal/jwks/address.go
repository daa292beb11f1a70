package jwks

import (
	"fmt"
	"net/netip"
	"slices"
)

// ClosedAddressError says that a host's address is not dialled, and what the
// operator writes to have it dialled. It is for the log: it names addresses.
type ClosedAddressError struct {
	Issuer  string
	Host    string
	Address netip.Addr
	Class   string
}

func (e *ClosedAddressError) Error() string {
	text := fmt.Sprintf("%s has the address %s, which is closed (%s)", e.Host, e.Address, e.Class)
	if isForever(unwrap(e.Address)) {
		return text + " and cannot be opened"
	}
	addr := unwrap(e.Address)
	return text + fmt.Sprintf("; to open it, write in the configuration: issuers: [{url: %q, allow_addresses: [%q]}]",
		e.Issuer, netip.PrefixFrom(addr, addr.BitLen()))
}

// closed says which kind of closed address this is, "" if it may be dialled.
func closed(addr netip.Addr, open []netip.Prefix) string {
	addr = unwrap(addr)
	for _, r := range forever {
		if r.prefix.Contains(addr) {
			return r.class
		}
	}
	if slices.ContainsFunc(open, func(p netip.Prefix) bool { return p.Contains(addr) }) {
		return ""
	}
	for _, r := range special {
		if r.prefix.Contains(addr) {
			return r.class
		}
	}
	return ""
}

func isForever(addr netip.Addr) bool {
	return slices.ContainsFunc(forever, func(r addressRange) bool { return r.prefix.Contains(addr) })
}

// unwrap gives the IPv4 address that a packet to an IPv6 address ends at: one
// that is mapped (RFC 4291 §2.5.5.2), compatible (§2.5.5.1), translated (RFC
// 6052, well-known prefix) or tunnelled by 6to4 (RFC 3056). Zones are dropped.
func unwrap(addr netip.Addr) netip.Addr {
	addr = addr.WithZone("").Unmap()
	if !addr.Is6() {
		return addr
	}
	b := addr.As16()
	switch {
	case translated.Contains(addr), compatible.Contains(addr) && !loopbackOrNone.Contains(addr):
		return netip.AddrFrom4([4]byte(b[12:16]))
	case sixToFour.Contains(addr):
		return netip.AddrFrom4([4]byte(b[2:6]))
	}
	return addr
}

var (
	translated     = netip.MustParsePrefix("64:ff9b::/96")
	compatible     = netip.MustParsePrefix("::/96")
	loopbackOrNone = netip.MustParsePrefix("::/127") // :: and ::1
	sixToFour      = netip.MustParsePrefix("2002::/16")
)

type addressRange struct {
	prefix netip.Prefix
	class  string
}

func ranges(class string, prefixes ...string) []addressRange {
	var list []addressRange
	for _, p := range prefixes {
		list = append(list, addressRange{netip.MustParsePrefix(p), class})
	}
	return list
}

// forever are addresses that no configuration opens: where clouds hand out
// credentials to whoever asks from inside, and what is no single host.
var forever = slices.Concat(
	ranges("a cloud's metadata service",
		"169.254.169.254/32", "fd00:ec2::254/128", // EC2, Google, Azure, OpenStack
		"169.254.170.2/32", "169.254.170.23/32", "fd00:ec2::23/128", // ECS tasks, EKS Pod Identity
		"fd20:ce::254/128", "168.63.129.16/32", "100.100.100.200/32", // Google, Azure, Alibaba
		"192.0.0.192/32", "169.254.42.42/32", "fd00:42::42/128"), // Oracle, Scaleway
	ranges("unspecified", "0.0.0.0/8", "::/128"),
	ranges("multicast", "224.0.0.0/4", "ff00::/8"),
	ranges("broadcast", "255.255.255.255/32"),
)

// special are the special-purpose addresses of IANA's registries (RFC 6890):
// closed until the issuer's entry opens them.
var special = slices.Concat(
	ranges("loopback", "127.0.0.0/8", "::1/128"),
	ranges("link-local", "169.254.0.0/16", "fe80::/10"),
	ranges("private", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7", "fec0::/10"),
	ranges("shared", "100.64.0.0/10"),
	ranges("for protocols", "192.0.0.0/24", "2001::/23", "100::/64", "5f00::/16"), // Teredo is in 2001::/23
	ranges("for benchmarks", "198.18.0.0/15"),
	ranges("for documentation", "192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24", "2001:db8::/32", "3fff::/20"),
	ranges("translated locally", "64:ff9b:1::/48"), // RFC 8215: which IPv4 address it means, only that network knows
	ranges("reserved", "240.0.0.0/4"),
)
