package sigv4

import (
	"slices"
	"strings"
	"time"
)

// Request is an HTTP request as it was received or will be sent.
type Request struct {
	Method   string
	Host     string   // the Host header, as received; with the port if it has one
	Path     string   // as on the request line, still escaped; "" is "/"
	RawQuery string   // as on the request line, without the question mark
	Headers  []Header // each line one header, in the order received; Host may be left out
	Body     []byte
}

// Header is one header line. Its name is compared without case.
type Header struct{ Name, Value string }

const (
	algorithm  = "AWS4-HMAC-SHA256"
	terminator = "aws4_request"
	timeFormat = "20060102T150405Z"
	dayFormat  = "20060102"

	maxAuthorization = 8 << 10
	maxQuery         = 64 << 10
	maxPath          = 8 << 10
	maxSignedHeaders = 64
	maxSessionToken  = 8 << 10 // AWS fixes no size; its own have about 1 KiB
	maxAccessKeyID   = 128     // IAM model
	maxScopePart     = 64
)

// headers are a request's headers by lower-case name, values in order.
type headers map[string][]string

func (r Request) headers() headers {
	h := make(headers, len(r.Headers)+1)
	for _, line := range r.Headers {
		name := strings.ToLower(line.Name)
		h[name] = append(h[name], line.Value)
	}
	h["host"] = []string{r.Host}
	return h
}

// one is the value of a header that may stand once at most.
func (h headers) one(name string) (string, error) {
	if len(h[name]) > 1 {
		return "", refuse(Ambiguous, "the header %s stands %d times", name, len(h[name]))
	}
	if len(h[name]) == 0 {
		return "", nil
	}
	return h[name][0], nil
}

// Scope is what a signature is good for.
type Scope struct {
	AccessKeyID string
	Date        string // YYYYMMDD
	Region      string
	Service     string
}

// String is the scope without the access key id, as it is signed.
func (s Scope) String() string {
	return s.Date + "/" + s.Region + "/" + s.Service + "/" + terminator
}

// parseCredential reads ACCESS-KEY-ID/DATE/REGION/SERVICE/aws4_request.
func parseCredential(text string) (Scope, error) {
	p := strings.Split(text, "/")
	if len(p) != 5 {
		return Scope{}, refuse(Incomplete, "Credential must have exactly 5 slash-delimited elements, e.g. keyid/date/region/service/term, got '%s'", clip(text))
	}
	s := Scope{AccessKeyID: p[0], Date: p[1], Region: p[2], Service: p[3]}
	if !isWord(s.AccessKeyID, "_", maxAccessKeyID) {
		return Scope{}, refuse(Incomplete, "the access key id is not 1 to %d letters and digits", maxAccessKeyID)
	}
	if _, err := time.Parse(dayFormat, s.Date); err != nil || len(s.Date) != len(dayFormat) {
		return Scope{}, refuse(BadScope, "Credential should be scoped to a valid date, not '%s'.", clip(s.Date))
	}
	if !isLabel(s.Region) {
		return Scope{}, refuse(BadScope, "Credential should be scoped to a valid region, not '%s'.", clip(s.Region))
	}
	if !isLabel(s.Service) {
		return Scope{}, refuse(BadScope, "Credential should be scoped to a valid service, not '%s'.", clip(s.Service))
	}
	if p[4] != terminator {
		return Scope{}, refuse(BadScope, "Credential should be scoped with a valid terminator: '%s', not '%s'.", terminator, clip(p[4]))
	}
	return s, nil
}

func isWord(text, also string, most int) bool {
	return text != "" && len(text) <= most &&
		strings.Trim(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"+also) == ""
}

// isLabel reports whether text has the form of a region or service name.
func isLabel(text string) bool {
	return isWord(text, "-", maxScopePart) && text == strings.ToLower(text) && text[0] != '-' && text[len(text)-1] != '-'
}

// parseTime reads X-Amz-Date. time.Parse would take a fraction of a second
// that the layout does not have.
func parseTime(text string) (time.Time, error) {
	t, err := time.Parse(timeFormat, text)
	if err != nil || len(text) != len(timeFormat) {
		return time.Time{}, refuse(Incomplete, "Date must be in ISO-8601 'basic format'. Got '%s'. See http://en.wikipedia.org/wiki/ISO_8601", clip(text))
	}
	return t, nil
}

// parseSignedHeaders reads a list of header names as it is signed: lower case,
// ascending, no name twice.
func parseSignedHeaders(text string) ([]string, error) {
	names := strings.Split(text, ";")
	if len(names) > maxSignedHeaders {
		return nil, refuse(TooLong, "SignedHeaders names %d headers, at most %d are looked at", len(names), maxSignedHeaders)
	}
	for i, name := range names {
		switch {
		case !isHeaderName(name):
			return nil, refuse(Incomplete, "SignedHeaders holds '%s', which is not a header name in lower case", clip(name))
		case i > 0 && name == names[i-1]:
			return nil, refuse(Ambiguous, "SignedHeaders names '%s' twice", clip(name))
		case i > 0 && name < names[i-1]:
			return nil, refuse(Incomplete, "SignedHeaders is not sorted at '%s'", clip(name))
		}
	}
	if !slices.Contains(names, "host") {
		return nil, refuse(Unsigned, "'Host' must be a 'SignedHeader' in the AWS Authorization.")
	}
	return names, nil
}

func isHeaderName(text string) bool { // RFC 9110 §5.6.2, lower case
	return isWord(text, "!#$%&'*+-.^_`|~", 256) && text == strings.ToLower(text)
}
