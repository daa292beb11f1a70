package policy

import (
	"encoding/base64"
	"net/netip"
	"strconv"
	"strings"
	"time"
)

// The typed values of condition operators. Each has one reader, used for the
// policy's values when it is parsed and for the request's when it is evaluated.

// decimal is an exact number: identifiers beyond 2⁵³ do not fit a float64.
type decimal struct {
	negative bool
	whole    string // digits before the point, no leading zeros
	fraction string // digits after it, no trailing zeros
}

// parseDecimal reads [-]digits[.digits].
func parseDecimal(s string) (d decimal, ok bool) {
	rest, negative := strings.CutPrefix(s, "-")
	whole, fraction, point := strings.Cut(rest, ".")
	if !digits(whole) || point && !digits(fraction) {
		return decimal{}, false
	}
	d = decimal{whole: strings.TrimLeft(whole, "0"), fraction: strings.TrimRight(fraction, "0")}
	d.negative = negative && d.whole+d.fraction != ""
	return d, true
}

func digits(s string) bool {
	for i := 0; i < len(s); i++ {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return s != ""
}

func (d decimal) compare(e decimal) int {
	switch {
	case d.negative && e.negative:
		return e.compareSize(d)
	case d.negative:
		return -1
	case e.negative:
		return 1
	}
	return d.compareSize(e)
}

func (d decimal) compareSize(e decimal) int {
	if len(d.whole) != len(e.whole) {
		return len(d.whole) - len(e.whole)
	}
	if c := strings.Compare(d.whole, e.whole); c != 0 {
		return c
	}
	return strings.Compare(d.fraction, e.fraction) // no trailing zeros: "5" < "51"
}

// instant is a point in time, wide enough for every date the language accepts.
type instant struct {
	seconds int64 // since 1970-01-01T00:00:00Z
	nanos   int
}

func (i instant) compare(j instant) int {
	switch {
	case i.seconds < j.seconds, i.seconds == j.seconds && i.nanos < j.nanos:
		return -1
	case i == j:
		return 0
	}
	return 1
}

// maxYear bounds a date's year, both ways: what AWS accepts, the range of a
// 64-bit count of milliseconds.
const maxYear = 292_278_993

// parseInstant reads seconds since the epoch, or ISO 8601 in the W3C's profile
// (YYYY-MM-DDThh:mm:ss.sTZD) as loosely as AWS does: month, day and time may be
// missing from the right, and a missing zone is UTC. Digits alone are seconds,
// never a year.
func parseInstant(s string) (instant, bool) {
	if digits(s) {
		n, err := strconv.ParseInt(s, 10, 64)
		if err != nil {
			return instant{}, false
		}
		return instant{seconds: n}, true
	}
	day, clock := s, ""
	if t := strings.IndexAny(s, "Tt"); t >= 0 {
		day, clock = s[:t], s[t+1:]
	}
	d, ok := parseDay(day)
	if !ok {
		return instant{}, false
	}
	c, ok := parseClock(clock)
	if !ok {
		return instant{}, false
	}
	return instant{seconds: d + c.seconds, nanos: c.nanos}, true
}

// parseDay reads [-]Y[-M[-D]] as seconds since the epoch at its midnight.
func parseDay(s string) (int64, bool) {
	rest, negative := strings.CutPrefix(s, "-")
	f := [3]int{0, 1, 1}
	parts := strings.Split(rest, "-")
	if len(parts) > 3 {
		return 0, false
	}
	for i, p := range parts {
		n, ok := number(p, 9, maxYear)
		if !ok {
			return 0, false
		}
		f[i] = n
	}
	if negative {
		f[0] = -f[0]
	}
	t := time.Date(f[0], time.Month(f[1]), f[2], 0, 0, 0, 0, time.UTC)
	if int(t.Month()) != f[1] || t.Day() != f[2] { // 30 February
		return 0, false
	}
	return t.Unix(), true
}

// parseClock reads "", h, h:m or h:m:s[.fraction], the latter two with Z or
// ±hh[:mm] behind.
func parseClock(s string) (instant, bool) {
	s, offset, ok := cutZone(s)
	if !ok {
		return instant{}, false
	}
	if s == "" {
		return instant{}, true
	}
	parts := strings.Split(s, ":")
	if len(parts) > 3 {
		return instant{}, false
	}
	var nanos int
	if len(parts) == 3 {
		if nanos, parts[2], ok = cutFraction(parts[2]); !ok {
			return instant{}, false
		}
	}
	f, limit := [3]int{}, [3]int{23, 59, 59}
	for i, p := range parts {
		if f[i], ok = number(p, 2, limit[i]); !ok {
			return instant{}, false
		}
	}
	return instant{seconds: int64(f[0]*3600+f[1]*60+f[2]) - offset, nanos: nanos}, true
}

// cutZone takes the zone off the end of a time: its offset from UTC in seconds.
func cutZone(s string) (clock string, offset int64, ok bool) {
	i := strings.IndexAny(s, "Zz+-")
	if i < 0 {
		return s, 0, true
	}
	clock, zone := s[:i], s[i:]
	if !strings.Contains(clock, ":") {
		return "", 0, false
	}
	if zone == "Z" || zone == "z" {
		return clock, 0, true
	}
	hours, minutes, _ := strings.Cut(zone[1:], ":")
	h, ok := number(hours, 2, 23)
	m := 0
	if ok && len(zone) > 3 {
		m, ok = number(minutes, 2, 59)
		ok = ok && len(minutes) == 2
	}
	offset = int64(h*3600 + m*60)
	if zone[0] == '-' {
		offset = -offset
	}
	return clock, offset, ok && len(hours) == 2
}

// cutFraction takes up to nine decimals off a count of seconds.
func cutFraction(s string) (nanos int, seconds string, ok bool) {
	seconds, fraction, point := strings.Cut(s, ".")
	if !point {
		return 0, s, true
	}
	if !digits(fraction) || len(fraction) > 9 {
		return 0, "", false
	}
	nanos, err := strconv.Atoi((fraction + "000000000")[:9])
	return nanos, seconds, err == nil
}

// number reads up to width digits, at most max.
func number(s string, width, max int) (int, bool) {
	if !digits(s) || len(s) > width {
		return 0, false
	}
	n, err := strconv.Atoi(s)
	return n, err == nil && n <= max
}

// parseBool reads true or false in any case, as AWS does.
func parseBool(s string) (value, ok bool) {
	switch FoldKey(s) {
	case "true":
		return true, true
	case "false":
		return false, true
	}
	return false, false
}

// parseBinary reads base64, standard alphabet, padded; the decoded bytes come
// back as a string, to be compared.
func parseBinary(s string) (string, bool) {
	b, err := base64.StdEncoding.Strict().DecodeString(s)
	return string(b), err == nil && !strings.ContainsAny(s, "\r\n")
}

// parseAddr reads an IP address without a zone; IPv4 in IPv6 is IPv4.
func parseAddr(s string) (netip.Addr, bool) {
	a, err := netip.ParseAddr(s)
	return a.Unmap(), err == nil && a.Zone() == ""
}

// parsePrefix reads a CIDR block, or an address as the block of itself. Bits
// behind the mask may be set and do not count.
func parsePrefix(s string) (netip.Prefix, bool) {
	if !strings.Contains(s, "/") {
		a, ok := parseAddr(s)
		if !ok {
			return netip.Prefix{}, false
		}
		return netip.PrefixFrom(a, a.BitLen()), true
	}
	p, err := netip.ParsePrefix(s)
	if err != nil {
		return netip.Prefix{}, false
	}
	if p.Addr().Is4In6() {
		if p.Bits() < 96 {
			return netip.Prefix{}, false // it would hold all of IPv4 and some of IPv6
		}
		p = netip.PrefixFrom(p.Addr().Unmap(), p.Bits()-96)
	}
	return p.Masked(), true
}

// arnParts is how many parts an ARN has: arn, partition, service, region,
// account, resource.
const arnParts = 6

// splitARN cuts text at its first five colons; those in a variable (variables:
// see compileTemplate) do not count.
func splitARN(text string, variables bool) []string {
	var parts []string
	start := 0
	for i := 0; i < len(text) && len(parts) < arnParts-1; i++ {
		switch {
		case variables && strings.HasPrefix(text[i:], "${"):
			end := strings.IndexByte(text[i:], '}')
			if end < 0 {
				return append(parts, text[start:])
			}
			i += end
		case text[i] == ':':
			parts = append(parts, text[start:i])
			start = i + 1
		}
	}
	return append(parts, text[start:])
}

// arnPattern matches ARNs part by part: no wildcard of the first five parts
// reaches over a colon, whatever a variable stands for.
type arnPattern [arnParts]template

func compileARN(text string, variables bool) (p arnPattern, problem string) {
	parts := splitARN(text, variables)
	if len(parts) != arnParts {
		return p, "an ARN has six parts with colons between them, like arn:aws:iam::111122223333:role/deploy"
	}
	for i, part := range parts {
		if p[i], problem = compileTemplate(part, true, variables); problem != "" {
			return p, problem
		}
	}
	return p, ""
}

// match compares an ARN with the pattern; ok is false if text is no ARN.
func (p *arnPattern) match(text string, c Context) (matched, ok bool, worst resolution) {
	matched = true
	for i := range p {
		part := text
		if i < arnParts-1 {
			if part, text, ok = strings.Cut(text, ":"); !ok {
				return false, false, resolved
			}
		}
		hit, r := p[i].match(part, c)
		matched, worst = matched && hit, max(worst, r)
	}
	return matched, true, worst
}
