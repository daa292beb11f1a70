package client_test

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"mayfly.internal/internal/client"
)

const container = `{"AccessKeyId":"ASIA1","SecretAccessKey":"s3cret=","Token":"t","Expiration":"2126-11-23T12:00:01Z","RoleArn":"r"}`

// TestContainerCredentials: as AWS's clients ask, and nobody beyond this machine
// without TLS.
func TestContainerCredentials(t *testing.T) {
	var said string
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		said = r.Method + " " + r.URL.Path + " " + r.Header.Get("Authorization")
		switch r.URL.Path {
		case "/refused":
			w.WriteHeader(403)
			w.Write([]byte(`{"code":"ExpiredTokenException","message":"it has ended\u001b[2J"}`))
		case "/garbage":
			w.WriteHeader(500)
			w.Write([]byte("<html>"))
		case "/moved":
			http.Redirect(w, r, "/credentials", http.StatusFound)
		case "/large":
			w.Write([]byte(strings.Repeat(" ", 1<<17)))
		default:
			w.Write([]byte(container))
		}
	}))
	defer s.Close()
	file := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(file, []byte("of-a-file"), 0o600); err != nil {
		t.Fatal(err)
	}
	const full, relative, token, tokenFile = "AWS_CONTAINER_CREDENTIALS_FULL_URI", "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "AWS_CONTAINER_AUTHORIZATION_TOKEN", "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"
	for name, tt := range map[string]struct {
		env  map[string]string
		said string
		fail string
	}{
		"a token":              {map[string]string{full: s.URL + "/c", token: "x"}, "GET /c x", ""},
		"no token":             {map[string]string{full: s.URL + "/c"}, "GET /c ", ""},
		"a token's file first": {map[string]string{full: s.URL + "/c", token: "x", tokenFile: file}, "GET /c of-a-file", ""},
		"localhost":            {map[string]string{full: strings.Replace(s.URL, "127.0.0.1", "localhost", 1) + "/c"}, "GET /c ", ""},
		"no file":              {map[string]string{full: s.URL, tokenFile: file + "x"}, "", "no such file"},
		"a token of two lines": {map[string]string{full: s.URL, token: "x\r\nHost: y"}, "", "line breaks"},
		"another machine":      {map[string]string{full: "http://192.0.2.1/c"}, "", "names 192.0.2.1 without TLS"},
		"another name":         {map[string]string{full: "http://localhost.attacker.example/c"}, "", "without TLS"},
		"the metadata service": {map[string]string{full: "http://169.254.169.254/c"}, "", "without TLS"},
		"another scheme":       {map[string]string{full: "file:///etc/passwd"}, "", "is no URL"},
		"a password":           {map[string]string{full: "http://a:s3cret=@127.0.0.1/"}, "", "is no URL"},
		"no URL":               {map[string]string{full: "\x7f"}, "", "is no URL"},
		"no path":              {map[string]string{relative: "@attacker.example/c"}, "", "a path is wanted"},
		"a refusal":            {map[string]string{full: s.URL + "/refused"}, "GET /refused ", "ExpiredTokenException: it has ended�[2J"},
		"no form of it":        {map[string]string{full: s.URL + "/garbage"}, "GET /garbage ", "it answered 500 Internal Server Error"},
		"a redirect":           {map[string]string{full: s.URL + "/moved"}, "GET /moved ", "it answered 302 Found"},
		"too much":             {map[string]string{full: s.URL + "/large"}, "GET /large ", "larger than"},
	} {
		said = ""
		getenv := func(name string) string { return tt.env[name] }
		p, err := client.ContainerCredentials(t.Context(), getenv)
		if said != tt.said || (err == nil) != (tt.fail == "") || err != nil && (!strings.Contains(err.Error(), tt.fail) || strings.Contains(err.Error(), "s3cret") || p != (client.Profile{})) || !client.HasContainerCredentials(getenv) {
			t.Errorf("%s: %q, %+v, %v", name, said, p, err)
		}
		if err == nil && (p.Credentials.AccessKeyID != "ASIA1" || p.Credentials.SecretKey.Reveal() != "s3cret=" || p.Credentials.SessionToken != "t" || p.Expires.Year() != 2126) {
			t.Errorf("%s: %+v", name, p)
		}
	}
	if client.HasContainerCredentials(func(string) string { return "" }) {
		t.Error("nothing is something")
	}
}

func TestParseContainer(t *testing.T) {
	if p, err := client.ParseContainer([]byte(container), now); err != nil || p.Credentials.AccessKeyID != "ASIA1" {
		t.Errorf("%+v, %v", p, err)
	}
	for old, replacement := range map[string]string{`"ASIA1"`: `""`, `"s3cret="`: `""`, "2126-11-23T12:00:01Z": "2026-11-23T12:00:00Z", "2126": "soon", "{": "[", `"t"`: "1", `"r"}`: `"r"`} {
		if p, err := client.ParseContainer([]byte(strings.Replace(container, old, replacement, 1)), now); err == nil || p != (client.Profile{}) || strings.Contains(err.Error(), "s3cret") {
			t.Errorf("%s for %s: %+v, %v", replacement, old, p, err)
		}
	}
}

func FuzzParseContainer(f *testing.F) {
	f.Add([]byte(container))
	f.Fuzz(func(t *testing.T, text []byte) {
		if p, err := client.ParseContainer(text, now); (err == nil) == (p.Credentials.AccessKeyID == "") {
			t.Fatalf("%+v, %v", p, err)
		}
	})
}
