package bench

import (
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"mayfly.internal/internal/secret"
	"mayfly.internal/internal/server"
	"mayfly.internal/internal/sigv4"
)

// teach registers the issuer and a role that trusts its jobs, as an
// administrator does, and gives the role's ARN.
func teach(tb testing.TB, base, socket string) string {
	hc := http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", socket)
	}}}
	var a server.AdminCredentials
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		resp, err := hc.Post("http://mayflyd/credentials", "", nil)
		if err == nil {
			err = json.NewDecoder(resp.Body).Decode(&a)
			resp.Body.Close()
			if err != nil {
				tb.Fatal(err)
			}
			break
		}
		if time.Now().After(deadline) {
			tb.Fatal(err)
		}
	}
	call := func(form url.Values) string {
		u, err := url.Parse(base)
		if err != nil {
			tb.Fatal(err)
		}
		body := form.Encode()
		r := sigv4.Request{Method: http.MethodPost, Host: u.Host, Path: "/", Headers: []sigv4.Header{{Name: "Content-Type", Value: "application/x-www-form-urlencoded"}}, Body: []byte(body)}
		add, err := sigv4.Sign(r, sigv4.Credentials{AccessKeyID: a.Credentials.AccessKeyID, SecretKey: secret.New(a.Credentials.SecretAccessKey), SessionToken: a.Credentials.SessionToken}, "us-east-1", "iam", time.Now())
		if err != nil {
			tb.Fatal(err)
		}
		req, err := http.NewRequest(http.MethodPost, base+"/", strings.NewReader(body))
		if err != nil {
			tb.Fatal(err)
		}
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		for _, h := range add {
			req.Header.Set(h.Name, h.Value)
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			tb.Fatal(err)
		}
		defer resp.Body.Close()
		answer, _ := io.ReadAll(resp.Body)
		if resp.StatusCode != http.StatusOK {
			tb.Fatalf("%s: %s", resp.Status, answer)
		}
		return string(answer)
	}
	host := strings.TrimPrefix(issuer, "https://")
	answer := call(url.Values{"Action": {"CreateOpenIDConnectProvider"}, "Version": {"2010-05-08"}, "Url": {issuer}, "ClientIDList.member.1": {"bench"}})
	_, provider, _ := strings.Cut(answer, "<OpenIDConnectProviderArn>")
	provider, _, _ = strings.Cut(provider, "<")
	trust := `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Federated":"` + provider + `"},"Action":"sts:AssumeRoleWithWebIdentity","Condition":{"StringEquals":{"` + host + `:aud":"bench"},"StringLike":{"` + host + `:sub":"project_path:my_group/*:ref_type:branch:ref:production"}}}]}`
	answer = call(url.Values{"Action": {"CreateRole"}, "Version": {"2010-05-08"}, "RoleName": {"bench"}, "AssumeRolePolicyDocument": {trust}})
	_, role, _ := strings.Cut(answer, "<Arn>")
	role, _, _ = strings.Cut(role, "<")
	return role
}
