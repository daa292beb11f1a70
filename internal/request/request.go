// Package request is what is known of a request besides what it asks: its id,
// where it came from and how. Services put it into the audit event and into the
// context that policies are evaluated in.
package request

import (
	"net/netip"
	"strconv"
	"time"
)

// Info is what the edge learnt of a request. The zero value is a request from
// nowhere.
type Info struct {
	ID        string     // of this request; a refusal's denial id too
	Source    netip.Addr // of the client, behind trusted proxies
	Secure    bool       // it came over TLS
	UserAgent string     // the client's own word, at most 256 bytes of it
	Region    string     // of the credential scope, empty for unsigned requests
	Time      time.Time
}

// Keys are the global condition keys of the request, name and value (IAM User
// Guide, "AWS global condition context keys").
func (i Info) Keys() map[string]string {
	keys := map[string]string{
		"aws:SecureTransport": strconv.FormatBool(i.Secure),
		"aws:CurrentTime":     i.Time.UTC().Format(time.RFC3339),
		"aws:EpochTime":       strconv.FormatInt(i.Time.Unix(), 10),
	}
	if i.Source.IsValid() {
		keys["aws:SourceIp"] = i.Source.Unmap().WithZone("").String()
	}
	if i.UserAgent != "" {
		keys["aws:UserAgent"] = i.UserAgent
	}
	if i.Region != "" {
		keys["aws:RequestedRegion"] = i.Region
	}
	return keys
}
