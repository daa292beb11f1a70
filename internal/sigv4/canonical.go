package sigv4

import (
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strings"
)

// canonicalRequest is the text whose hash is signed.
func canonicalRequest(method, path, query string, h headers, signed []string, payloadHash string) string {
	var b strings.Builder
	b.Grow(1024)
	b.WriteString(method)
	b.WriteByte('\n')
	b.WriteString(canonicalPath(path))
	b.WriteByte('\n')
	b.WriteString(query)
	b.WriteByte('\n')
	for _, name := range signed {
		b.WriteString(name)
		b.WriteByte(':')
		for i, value := range h[name] {
			if i > 0 {
				b.WriteByte(',')
			}
			b.WriteString(collapse(value))
		}
		b.WriteByte('\n')
	}
	b.WriteByte('\n')
	b.WriteString(strings.Join(signed, ";"))
	b.WriteByte('\n')
	b.WriteString(payloadHash)
	return b.String()
}

// collapse trims a header value and makes each inner run of white space one
// space.
func collapse(value string) string {
	return strings.Join(strings.FieldsFunc(value, func(r rune) bool { return r == ' ' || r == '\t' || r == '\r' || r == '\n' }), " ")
}

// canonicalPath normalises the path as received (RFC 3986 §5.2.4, and runs of
// slashes are one), then escapes every byte of it but unreserved ones and
// slashes: what was escaped on the wire is escaped again.
func canonicalPath(path string) string {
	var kept []string
	for segment := range strings.SplitSeq(path, "/") {
		switch segment {
		case "", ".":
		case "..":
			kept = kept[:max(0, len(kept)-1)]
		default:
			kept = append(kept, segment)
		}
	}
	if len(kept) == 0 {
		return "/"
	}
	clean := "/" + strings.Join(kept, "/")
	if last := path[strings.LastIndexByte(path, '/')+1:]; last == "" || last == "." || last == ".." {
		clean += "/"
	}
	return escape(clean, true)
}

// parameter is one name and value of a query, decoded.
type parameter struct{ name, value string }

// parseQuery takes a query apart. A plus sign is a space, as in every form
// reader behind us; a client that means a plus escapes it.
func parseQuery(raw string) ([]parameter, error) {
	if len(raw) > maxQuery {
		return nil, refuse(TooLong, "the query has %d bytes, at most %d are looked at", len(raw), maxQuery)
	}
	var list []parameter
	for part := range strings.SplitSeq(raw, "&") {
		if part == "" {
			continue
		}
		name, value, _ := strings.Cut(part, "=")
		n, okN := unescape(name)
		v, okV := unescape(value)
		if !okN || !okV {
			return nil, refuse(Incomplete, "the query holds a percent sign without two hexadecimal digits")
		}
		list = append(list, parameter{n, v})
	}
	return list, nil
}

// canonicalQuery sorts by escaped name, then by escaped value. leave is a name
// to leave out, "" if none.
func canonicalQuery(list []parameter, leave string) string {
	escaped := make([]parameter, 0, len(list))
	for _, p := range list {
		if leave == "" || p.name != leave {
			escaped = append(escaped, parameter{escape(p.name, false), escape(p.value, false)})
		}
	}
	slices.SortFunc(escaped, func(a, b parameter) int {
		if c := strings.Compare(a.name, b.name); c != 0 {
			return c
		}
		return strings.Compare(a.value, b.value)
	})
	var b strings.Builder
	for i, p := range escaped {
		if i > 0 {
			b.WriteByte('&')
		}
		b.WriteString(p.name)
		b.WriteByte('=')
		b.WriteString(p.value)
	}
	return b.String()
}

const upperHex = "0123456789ABCDEF"

func isUnreserved(c byte) bool { // RFC 3986 §2.3
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '-' || c == '_' || c == '.' || c == '~'
}

func escape(text string, keepSlash bool) string {
	var b strings.Builder
	b.Grow(len(text) + 16)
	for i := 0; i < len(text); i++ {
		c := text[i]
		if isUnreserved(c) || c == '/' && keepSlash {
			b.WriteByte(c)
			continue
		}
		b.WriteByte('%')
		b.WriteByte(upperHex[c>>4])
		b.WriteByte(upperHex[c&15])
	}
	return b.String()
}

func unescape(text string) (string, bool) {
	if !strings.ContainsAny(text, "%+") {
		return text, true
	}
	b := make([]byte, 0, len(text))
	for i := 0; i < len(text); i++ {
		switch c := text[i]; c {
		case '+':
			b = append(b, ' ')
		case '%':
			if len(text)-i < 3 {
				return "", false
			}
			high, okH := hexDigit(text[i+1])
			low, okL := hexDigit(text[i+2])
			if !okH || !okL {
				return "", false
			}
			b = append(b, high<<4|low)
			i += 2
		default:
			b = append(b, c)
		}
	}
	return string(b), true
}

func hexDigit(c byte) (byte, bool) {
	switch {
	case '0' <= c && c <= '9':
		return c - '0', true
	case 'a' <= c && c <= 'f':
		return c - 'a' + 10, true
	case 'A' <= c && c <= 'F':
		return c - 'A' + 10, true
	}
	return 0, false
}

func hexSHA256(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}
