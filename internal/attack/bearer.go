package attack

import (
	"context"
	"encoding/base64"
	"net/http"
	"strings"
	"time"
)

// bearerPrefix is that of aws-iam-authenticator's tokens.
const bearerPrefix = "k8s-aws-v1."

// bearer is the presigned request of a good bearer token: what `aws eks
// get-token` makes.
func (g *good) bearer() string { return bearerPrefix + b64(g.bearerURL(nil)) }

// clusterHeader binds a bearer token to a cluster.
const clusterHeader = "x-k8s-aws-id"

func (g *good) bearerURL(bend func(s *signed)) string {
	s := g.presigned()
	s.host = "sts." + g.Region + ".amazonaws.com"
	s.headers = [][2]string{{clusterHeader, g.Webhook.Cluster}}
	if bend != nil {
		bend(s)
	}
	out := s.send()
	return "https://" + out.host + out.path + "?" + out.query
}

// review asks the webhook who has a bearer token.
func (g *good) review(ctx context.Context, token string) (Verdict, string) {
	body := object(map[string]any{"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "spec": map[string]any{"token": token}})
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, g.Webhook.URL, strings.NewReader(body))
	if err != nil {
		return Broken, clip(err.Error())
	}
	req.Header.Set("Content-Type", "application/json")
	verdict, answer, _ := send(g.Webhook.HTTP, req, func(r reply) bool {
		return strings.Contains(strings.ReplaceAll(r.body, " ", ""), `"authenticated":true`)
	})
	return verdict, answer
}

// bearerAttempts bend a bearer token.
func bearerAttempts() []attempt {
	const (
		classBearer  = "aws-iam-authenticator's checks"
		classCluster = "a token of another cluster"
		classHost    = "CVE-2020-16250: where the request would go"
	)
	var out []attempt
	add := func(id, what, class string, make func(g *good) string) {
		out = append(out, attempt{"bearer/" + id, what, class, func(ctx context.Context, g *good) (Verdict, string) { return g.review(ctx, make(g)) }})
	}
	sign := func(id, what, class string, bend func(g *good, s *signed)) {
		add(id, what, class, func(g *good) string {
			return bearerPrefix + b64(g.bearerURL(func(s *signed) { bend(g, s) }))
		})
	}
	address := func(id, what, class string, bend func(u string) string) {
		add(id, what, class, func(g *good) string { return bearerPrefix + b64(bend(g.bearerURL(nil))) })
	}
	add("prefix-only", "the prefix and nothing else", "a webhook that believes every prefix", func(*good) string { return bearerPrefix })
	add("prefix-noise", "the prefix and noise", "a webhook that believes every prefix", func(*good) string { return bearerPrefix + b64("noise") })
	add("prefix-missing", "the URL without the prefix", classBearer, func(g *good) string { return b64(g.bearerURL(nil)) })
	add("prefix-other", "the prefix of another version", classBearer, func(g *good) string { return "k8s-aws-v2." + b64(g.bearerURL(nil)) })
	add("padding", "base64 with the wrong padding", "one token, several texts", func(g *good) string { return g.bearer() + "====" })
	add("space", "a space in the token", "one token, several texts", func(g *good) string { return bearerPrefix + " " + b64(g.bearerURL(nil)) })
	add("long", "a bearer token of 20 000 bytes", "size", func(g *good) string {
		return bearerPrefix + base64.RawURLEncoding.EncodeToString([]byte(g.bearerURL(nil)+"&x="+strings.Repeat("a", 16000)))
	})
	add("plain", "the session token itself", classBearer, func(g *good) string { return g.creds.sessionToken })

	sign("no-cluster", "bound to no cluster", classCluster, func(_ *good, s *signed) { s.headers = nil })
	sign("other-cluster", "bound to another cluster", classCluster, func(g *good, s *signed) { s.headers[0][1] = g.Webhook.Cluster + "-2" })
	sign("cluster-case", "bound to the cluster in another case", classCluster, func(g *good, s *signed) { s.headers[0][1] = swapCase(g.Webhook.Cluster) })
	sign("cluster-unsigned", "the cluster is not signed", classCluster, func(_ *good, s *signed) { s.unsigned = []string{clusterHeader} })
	sign("host-unsigned", "the host is not signed", classBearer, func(_ *good, s *signed) { s.unsigned = []string{"host"} })
	sign("other-header", "one signed header more", classBearer, func(_ *good, s *signed) { s.headers = append(s.headers, [2]string{"x-evil", "1"}) })
	sign("other-action", "another action", classBearer, func(_ *good, s *signed) { s.query = strings.Replace(s.query, "GetCallerIdentity", "AssumeRole", 1) })
	sign("no-action", "no action", classBearer, func(_ *good, s *signed) { s.query = "Version=2011-06-15" })
	sign("more", "one signed parameter more", classBearer, func(_ *good, s *signed) { s.query += "&x=1" })
	sign("post", "signed for POST", classBearer, func(_ *good, s *signed) { s.method = http.MethodPost })
	sign("old", "twenty minutes old", "replay", func(_ *good, s *signed) { s.at = s.at.Add(-20 * time.Minute); s.day = s.at.Format("20060102") })
	sign("future", "from in twenty minutes", "replay", func(_ *good, s *signed) { s.at = s.at.Add(20 * time.Minute); s.day = s.at.Format("20060102") })
	sign("long-lived", "good for a day", "replay", func(_ *good, s *signed) { s.expires = "86400" })
	sign("service", "signed for another service", "CVE-2026-55873: the scope is part of the decision", func(_ *good, s *signed) { s.service = "s3" })
	sign("secret", "signed with another secret", classBearer, func(_ *good, s *signed) { s.creds.secretKey = "x" + s.creds.secretKey[1:] + "y" })
	sign("token-bent", "a session token that is bent", classBearer, func(_ *good, s *signed) {
		t := s.creds.sessionToken
		s.creds.sessionToken = t[:len(t)/2] + swapCase(t[len(t)/2:])
	})
	sign("unsigned", "no signature", classBearer, func(_ *good, s *signed) {
		s.after = func(o *sent) { o.query = o.query[:strings.LastIndex(o.query, "&X-Amz-Signature")] }
	})

	// Scheme and path of the URL are left alone: they matter to who calls it, and
	// who verifies by himself calls nobody.
	address("user", "a user in the URL", classHost, func(u string) string { return strings.Replace(u, "https://", "https://evil.invalid@", 1) })
	address("host-changed", "the signed host changed", classHost, func(u string) string { return strings.Replace(u, ".amazonaws.com", ".amazonaws.com.evil.invalid", 1) })
	address("fragment", "a fragment behind the URL", classHost, func(u string) string { return u + "#x" })
	address("port", "a port in the URL", classHost, func(u string) string { return strings.Replace(u, ".amazonaws.com", ".amazonaws.com:444", 1) })
	address("credential-twice", "X-Amz-Credential twice", classForm, func(u string) string { return u + "&X-Amz-Credential=AKIAEVIL%2Fx" })
	address("credential-case", "x-amz-credential beside X-Amz-Credential", classForm, func(u string) string { return u + "&x-amz-credential=AKIAEVIL%2Fx" })
	address("action-twice", "Action twice", classForm, func(u string) string { return u + "&Action=AssumeRole" })
	address("action-case", "action beside Action", classForm, func(u string) string { return u + "&action=AssumeRole" })
	address("token-twice", "X-Amz-Security-Token twice", classForm, func(u string) string { return u + "&X-Amz-Security-Token=x" })
	return out
}
