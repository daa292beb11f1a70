// Package request is what is known of a request besides what it asks: its id,
// where it came from and how. Services put it into the audit event and into the
// context that policies are evaluated in.
package request

import (
	"iter"
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
func (i Info) Keys() iter.Seq2[string, string] {
	return func(yield func(string, string) bool) {
		for _, k := range []struct {
			name, value string
			known       bool
		}{
			{"aws:SecureTransport", strconv.FormatBool(i.Secure), true},
			{"aws:CurrentTime", i.Time.UTC().Format(time.RFC3339), true},
			{"aws:EpochTime", strconv.FormatInt(i.Time.Unix(), 10), true},
			{"aws:SourceIp", i.Source.Unmap().WithZone("").String(), i.Source.IsValid()},
			{"aws:UserAgent", i.UserAgent, i.UserAgent != ""},
			{"aws:RequestedRegion", i.Region, i.Region != ""},
		} {
			if k.known && !yield(k.name, k.value) {
				return
			}
		}
	}
}
