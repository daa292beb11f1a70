package server

import (
	"encoding/base64"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"mayfly.internal/internal/sigv4"
)

// TestCanary: after every operation, allowed and refused, no secret stands in
// the log, the audit log, the metrics, an error's body or a file of the data
// directory, and no stranger's word in a metric.
func TestCanary(t *testing.T) {
	w := newWorld(t, nil)
	var errorBodies strings.Builder
	do := func(r *http.Request) answer {
		got := w.send(r)
		if got.status != http.StatusOK {
			errorBodies.WriteString(got.body)
		}
		return got
	}
	w.teachTokens()
	w.makeRole("next", `{"Effect":"Allow","Principal":{"AWS":"`+testAccount+`"},"Action":"sts:AssumeRole","Condition":{"StringEquals":{"sts:ExternalId":"canary-external-id"}}}`, "")
	tokens := map[string]string{
		"a token that is allowed": w.job("acme/web", "main"), "a token of another branch": w.job("acme/web", "feature-canary"), "a token of a stranger": w.job("other/canary", "main"),
	}
	secrets := map[string]string{"the administrator's secret key": w.admin.Credentials.SecretAccessKey, "the administrator's session token": w.admin.Credentials.SessionToken}
	for name, token := range tokens {
		secrets[name] = token
		secrets["the signature of "+name] = token[strings.LastIndexByte(token, '.')+1:]
	}
	broken := tokens["a token that is allowed"]
	broken = broken[:len(broken)-20] + "AAAAAAAAAAAAAAAAAAAA"
	tokens["a token with a broken signature"] = broken
	secrets["a token with a broken signature"] = broken

	a := w.admin
	for _, token := range tokens {
		got := w.exchange(token)
		if got.status != http.StatusOK {
			errorBodies.WriteString(got.body)
			continue
		}
		a.Credentials.AccessKeyID = between(got.body, "<AccessKeyId>", "<")
		a.Credentials.SecretAccessKey = between(got.body, "<SecretAccessKey>", "<")
		a.Credentials.SessionToken = between(got.body, "<SessionToken>", "<")
	}
	secrets["the job's secret key"], secrets["the job's session token"] = a.Credentials.SecretAccessKey, a.Credentials.SessionToken

	// Tokens of our own, allowed and refused.
	for _, token := range tokens {
		for _, audience := range []string{testAudience, "canary-audience"} {
			got := w.askToken(tokenForm(token, "audience", audience))
			if got.status == http.StatusOK {
				issued := w.issued(got)
				secrets["a token of our own"], secrets["its signature"] = issued, issued[strings.LastIndexByte(issued, '.')+1:]
				errorBodies.WriteString(w.askToken(tokenForm(issued)).body)
			} else {
				errorBodies.WriteString(got.body)
			}
		}
	}
	for _, k := range w.keys.inUse.Load().set.Keys() {
		secrets["the material of key "+k.ID] = k.Material.Reveal()
	}

	// Each operation as the administrator and as the job, which may do nothing.
	u, err := url.Parse(w.PublicURL())
	if err != nil {
		t.Fatal(err)
	}
	for _, who := range []AdminCredentials{w.admin, a} {
		for _, action := range []string{"ListOpenIDConnectProviders", "ListRoles", "GetRole&RoleName=deployer", "ListRolePolicies&RoleName=deployer", "CreateRole&RoleName=canary-role", "DeleteRole&RoleName=nobody",
			"PutRolePolicy&RoleName=deployer&PolicyName=p&PolicyDocument=" + url.QueryEscape(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"eks:DescribeCluster","Resource":"*"}]}`)} {
			do(w.signed(who, "iam", "POST", "/", "Version=2010-05-08&Action="+action))
		}
		do(w.signed(who, "sts", "POST", "/", "Action=GetCallerIdentity&Version=2011-06-15"))
		if next, got := w.assume(who, "next", url.Values{"ExternalId": {"canary-external-id"}}); got.status == http.StatusOK {
			secrets["an assumed role's secret key"], secrets["an assumed role's session token"] = next.Credentials.SecretAccessKey, next.Credentials.SessionToken
		} else {
			errorBodies.WriteString(got.body)
			do(w.signed(who, "sts", "POST", "/", "Action=DecodeAuthorizationMessage&Version=2011-06-15&EncodedMessage="+between(got.body, "failure message: ", "<")))
		}
		do(w.signed(who, "mayfly", "POST", "/mayfly/v1/clusters", `{"name":"prod","region":"us-east-1","endpoint":"https://10.0.0.5:6443","ca":"`+strings.ReplaceAll(string(w.ca.pem), "\n", `\n`)+`"}`))
		webhook := do(w.signed(who, "mayfly", "POST", "/mayfly/v1/clusters/prod/webhook-config", ""))
		if key := between(webhook.body, `"clientKey":"`, `"`); key != "" {
			secrets["a webhook's key"] = strings.Split(key, `\n`)[1]
		}
		do(w.signed(who, "eks", "GET", "/clusters/prod", ""))
		do(w.signed(who, "eks", "POST", "/clusters/prod/access-entries", `{"principalArn":"`+roleARN+`"}`))
		do(w.signed(who, "eks", "GET", "/clusters/prod/access-entries", ""))
		do(w.signed(who, "mayfly", "GET", "/mayfly/v1/audit/events?first=0&limit=10", ""))
		for _, token := range tokens {
			do(w.signed(who, "mayfly", "POST", "/mayfly/v1/explain-trust", `{"role":"deployer","sessionName":"run-1","token":"`+token+`"}`))
			do(w.signed(who, "mayfly", "POST", "/mayfly/v1/explain-trust", `{"role":"deployer","sessionName":"run-1","claims":"`+token+`"}`))
		}
		do(w.signed(who, "mayfly", "GET", "/mayfly/v1/denials", ""))
		do(w.signed(who, "mayfly", "GET", "/mayfly/v1/denials/"+secrets["a token of a stranger"], ""))
		// A bearer token, at the webhook and presented where it does not belong.
		query, err := sigv4.Presign(sigv4.Request{Method: "GET", Host: u.Host, Path: "/", RawQuery: "Action=GetCallerIdentity&Version=2011-06-15", Headers: []sigv4.Header{{Name: "x-k8s-aws-id", Value: "prod"}}}, credentials(who), "us-east-1", "sts", time.Minute, w.now())
		if err != nil {
			t.Fatal(err)
		}
		bearer := "k8s-aws-v1." + base64.RawURLEncoding.EncodeToString([]byte(w.PublicURL()+"/?"+query))
		secrets["a bearer token of "+who.Credentials.AccessKeyID] = bearer
		secrets["a presigned signature of "+who.Credentials.AccessKeyID] = between(query+"&", "X-Amz-Signature=", "&")
		do(w.request("GET", "/?"+query, ""))
		do(w.request("POST", "/kubernetes/prod/authenticate", `{"apiVersion":"authentication.k8s.io/v1","kind":"TokenReview","spec":{"token":"`+bearer+`"}}`))
		do(w.signed(who, "eks", "DELETE", "/clusters/stranger-canary/access-entries/x", ""))
		do(w.request("GET", "/stranger-canary", ""))
		do(w.request("POST", "/", "Action=StrangerCanary&Version=stranger-canary"))
		forged := w.signed(who, "sts", "POST", "/", "Action=GetCallerIdentity&Version=2011-06-15")
		forged.Header.Set("User-Agent", "stranger-canary")
		forged.Header.Set("X-Amz-Date", "20200101T000000Z")
		do(forged)
	}

	if secrets["a webhook's key"] == "" || secrets["the job's secret key"] == "" || secrets["an assumed role's secret key"] == "" || secrets["a token of our own"] == "" {
		t.Fatal("an operation that gives a secret did not run")
	}
	resp, err := http.Get("http://" + w.scrape.Addr().String() + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	metrics, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	lines, err := w.db.Audit(t.Context(), 0, 10000)
	if err != nil {
		t.Fatal(err)
	}
	var events strings.Builder
	for _, l := range lines {
		events.Write(l.Body)
	}
	places := map[string]string{"the log": w.log.String(), "the audit log": events.String(), "the metrics": string(metrics), "an error's body": errorBodies.String()}
	err = filepath.WalkDir(w.data, func(path string, d os.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() || strings.Contains(path, "/keys/") {
			return err
		}
		text, err := os.ReadFile(path)
		places[path] = string(text)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for place, text := range places {
		if text == "" && !strings.HasSuffix(place, "lock") {
			t.Errorf("%s is empty: nothing was looked at", place)
		}
		for what, secret := range secrets {
			if len(secret) < 20 {
				t.Fatalf("%s is %q", what, secret)
			}
			if strings.Contains(text, secret) {
				t.Errorf("%s holds %s", place, what)
			}
		}
	}
	for _, word := range []string{"canary", "Canary", "acme", "deployer"} {
		if strings.Contains(string(metrics), word) {
			t.Errorf("a metric holds the word %q", word)
		}
	}
}

// between is the text between two others, "" if they are not there.
func between(text, after, before string) string {
	_, rest, ok := strings.Cut(text, after)
	if !ok {
		return ""
	}
	inner, _, ok := strings.Cut(rest, before)
	if !ok {
		return ""
	}
	return inner
}
