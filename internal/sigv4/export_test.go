package sigv4

// Canonical is the canonical request of a parsed one, for tests.
func (s Signed) Canonical() string { return s.canonical }

// StringToSign is what is signed of a parsed request, for tests.
func (s Signed) StringToSign() string { return stringToSign(s.scope, s.time, s.canonical) }
