package client_test

import (
	"encoding/pem"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"mayfly.internal/internal/client"
	"mayfly.internal/internal/secret"
	"mayfly.internal/internal/wire/kubewire"
)

// apiServer is an API server that answers as a handler does.
func apiServer(t *testing.T, answer http.HandlerFunc) (url string, ca []byte) {
	s := httptest.NewUnstartedServer(answer)
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.StartTLS()
	t.Cleanup(s.Close)
	return s.URL, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw})
}

func TestKube(t *testing.T) {
	const user = `{"kind":"SelfSubjectReview","status":{"userInfo":{"username":"me"}}}`
	for _, tt := range []struct {
		name   string
		answer func(w http.ResponseWriter)
		want   string // of the error; empty: me
	}{
		{"somebody", func(w http.ResponseWriter) { w.WriteHeader(201); io.WriteString(w, user) }, ""},
		{"nobody", func(w http.ResponseWriter) { w.WriteHeader(401) }, "answered 401 Unauthorized"},
		{"an answer of a refusal", func(w http.ResponseWriter) { w.WriteHeader(403); io.WriteString(w, user) }, "answered 403 Forbidden"},
		{"elsewhere", func(w http.ResponseWriter) { w.Header().Set("Location", "/other"); w.WriteHeader(307) }, "answered 307"},
		{"garbage", func(w http.ResponseWriter) { io.WriteString(w, "<html>") }, "expected a SelfSubjectReview"},
		{"without end", func(w http.ResponseWriter) { io.WriteString(w, user+strings.Repeat(" ", kubewire.MaxReviewBytes)) }, "larger than"},
		{"broken off", func(w http.ResponseWriter) { w.Header().Set("Content-Length", "999"); io.WriteString(w, user) }, "EOF"},
	} {
		var asked atomic.Int64
		url, ca := apiServer(t, func(w http.ResponseWriter, r *http.Request) {
			if asked.Add(1); r.Header.Get("Authorization") != "Bearer canary" || r.Method != http.MethodPost || r.URL.Path != "/base/apis/authentication.k8s.io/v1/selfsubjectreviews" {
				t.Errorf("%s: %s %s", tt.name, r.Method, r.URL)
			}
			tt.answer(w)
		})
		k, err := client.NewKube(client.KubeConfig{Endpoint: url + "/base/", CA: ca, Token: secret.New("canary")})
		if err != nil {
			t.Fatal(err)
		}
		self, err := k.Self(t.Context())
		k.Close()
		if tt.want == "" && (err != nil || self.Username != "me") || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want) || self.Username != "") || asked.Load() != 1 {
			t.Errorf("%s: %+v, %v, asked %d times", tt.name, self, err, asked.Load())
		}
		if err != nil && strings.Contains(err.Error(), "canary") {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
}

func TestKubeRefuses(t *testing.T) {
	url, ca := apiServer(t, func(http.ResponseWriter, *http.Request) { t.Error("it is asked") })
	for _, c := range []client.KubeConfig{
		{Endpoint: strings.Replace(url, "https", "http", 1), CA: ca},
		{Endpoint: "", CA: ca},
		{Endpoint: url + "?a=b", CA: ca},
		{Endpoint: strings.Replace(url, "//", "//me@", 1), CA: ca},
		{Endpoint: url, CA: []byte("hello")},
		{Endpoint: url},
	} {
		if _, err := client.NewKube(c); err == nil {
			t.Errorf("%q is taken", c.Endpoint)
		}
	}
	// A name that the certificate is not of.
	k, err := client.NewKube(client.KubeConfig{Endpoint: strings.Replace(url, "127.0.0.1", "localhost", 1), CA: ca, Token: secret.New("canary")})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := k.May(t.Context(), kubewire.ResourceAttributes{Verb: "get", Resource: "pods"}); err == nil || !strings.Contains(err.Error(), "certificate") {
		t.Error(err)
	}
}

func TestProbe(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Date", "Fri, 15 Jan 2027 08:00:00 GMT")
		http.Redirect(w, r, "/docs", http.StatusFound)
	}))
	defer server.Close()
	c, err := client.Probe(t.Context(), client.Config{Endpoint: server.URL})
	if err != nil || !c.Date.Equal(time.Unix(1_800_000_000, 0)) || c.TLS != "" || c.Status != http.StatusFound {
		t.Errorf("%+v, %v", c, err)
	}
	if _, err := client.Probe(t.Context(), client.Config{Endpoint: "localhost"}); err == nil {
		t.Error("what is no URL is asked")
	}
	for _, tt := range []struct {
		c    client.AWSConfig
		want string
	}{
		{client.AWSConfig{Config: client.Config{Endpoint: "https://mayfly.example.com", Region: "r"}}, "https://mayfly.example.com"},
		{client.AWSConfig{Config: client.Config{Region: "eu-central-1"}, STS: "https://sts.example.com"}, "https://sts.example.com"},
		{client.AWSConfig{Config: client.Config{Region: "eu-central-1"}}, "https://sts.eu-central-1.amazonaws.com"},
	} {
		if got := tt.c.STSEndpoint(); got != tt.want {
			t.Errorf("%s, want %s", got, tt.want)
		}
	}
}
