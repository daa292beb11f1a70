package gitlab

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"mayfly.internal/internal/guard"
	"mayfly.internal/internal/secret"
)

func TestNewRefuses(t *testing.T) {
	for _, tt := range []struct{ url, token, want string }{
		{"gitlab.com", "t", `"gitlab.com" is no URL of a GitLab, such as https://gitlab.com`},
		{"", "t", `"" is no URL of a GitLab, such as https://gitlab.com`},
		{"ftp://gitlab.com", "t", `"ftp://gitlab.com" is no URL of a GitLab, such as https://gitlab.com`},
		{"https://user:pw@gitlab.com", "t", `"https://[redacted]@gitlab.com" is no URL of a GitLab, such as https://gitlab.com`},
		{"https://gitlab.com?a=b", "t", `"https://gitlab.com?a=b" is no URL of a GitLab, such as https://gitlab.com`},
		{"https://gitlab.com#a", "t", `"https://gitlab.com#a" is no URL of a GitLab, such as https://gitlab.com`},
		{"http://gitlab.com", "t", "http://gitlab.com is not https: no token goes there"},
		{"http://localhost.example", "t", "http://localhost.example is not https: no token goes there"},
		{"http://10.0.0.1", "t", "http://10.0.0.1 is not https: no token goes there"},
		{"https://gitlab.com/api/v4", "t", "https://gitlab.com/api/v4 is the API's URL; the instance's is wanted: https://gitlab.com"},
		{"https://gitlab.com", "", "there is no token for GitLab"},
		{"https://gitlab.com", "glpat-a b", "what is given as a token for GitLab is none: it has spaces or other characters that no token has"},
		{"https://gitlab.com", "glpat-a\r\nHost: x", "what is given as a token for GitLab is none: it has spaces or other characters that no token has"},
	} {
		if _, err := New(Config{URL: tt.url, Token: secret.New(tt.token)}); err == nil || err.Error() != tt.want {
			t.Errorf("%s: %v", tt.url, err)
		}
	}
	for _, good := range []string{"https://gitlab.com", "https://gitlab.com/", "https://example.com:8443/gitlab", "http://localhost:3000", "http://127.0.0.1", "http://[::1]:80"} {
		if _, err := New(Config{URL: good, Token: secret.New("t")}); err != nil {
			t.Errorf("%s: %v", good, err)
		}
	}
}

// A relative URL root is kept, and a path in a path stays escaped.
func TestPaths(t *testing.T) {
	var seen string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		seen = r.RequestURI
		status(200, `{}`)(w, r)
	}))
	defer server.Close()
	c, err := New(Config{URL: server.URL + "/gitlab/", Token: secret.New(canary)})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := get[struct{}](t.Context(), c, "/projects/"+url.PathEscape("g/.p%")); err != nil || seen != "/gitlab/api/v4/projects/g%2F.p%25" {
		t.Errorf("%s %v", seen, err)
	}
}

// GitLab says when it takes more; it is waited for, within bounds.
func TestBusy(t *testing.T) {
	epochIn := func(f *fake, d time.Duration) string { return strconv.FormatInt(f.now().Add(d).Unix(), 10) }
	for _, tt := range []struct {
		name   string
		header func(f *fake, h http.Header)
		times  int
		slept  time.Duration
		want   string
	}{
		{"seconds", func(_ *fake, h http.Header) { h.Set("Retry-After", "7") }, 1, 7 * time.Second, ""},
		{"a date", func(f *fake, h http.Header) { h.Set("Retry-After", f.now().Add(9*time.Second).Format(http.TimeFormat)) }, 1, 9 * time.Second, ""},
		{"a reset", func(f *fake, h http.Header) { h.Set("RateLimit-Reset", epochIn(f, 30*time.Second)) }, 2, time.Minute, ""},
		{"nothing said", func(*fake, http.Header) {}, 3, 3 * time.Second, ""},
		{"nonsense", func(_ *fake, h http.Header) { h.Set("Retry-After", "-1"); h.Set("RateLimit-Reset", "soon") }, 1, time.Second, ""},
		{"too long", func(_ *fake, h http.Header) { h.Set("Retry-After", "3600") }, 1, 0, "GET /user: 429 Too Many Requests: Retry later"},
		{"too often", func(_ *fake, h http.Header) { h.Set("Retry-After", "50") }, 9, 100 * time.Second, "GET /user: 429 Too Many Requests: Retry later, also after waiting 1m40s"},
		{"for ever", func(*fake, http.Header) {}, 1000, 10 * time.Second, "GET /user: 429 Too Many Requests: Retry later, also after waiting 10s"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := newFake(t)
			left := tt.times
			f.does("/user", func(w http.ResponseWriter, r *http.Request) {
				if left--; left >= 0 {
					tt.header(f, w.Header())
					status(429, `{"message":"Retry later"}`)(w, r)
					return
				}
				status(200, `{}`)(w, r)
			})
			_, err := get[struct{}](t.Context(), f.client(), "/user")
			if fmt.Sprint(err) != tt.want && (err != nil || tt.want != "") {
				t.Errorf("%v", err)
			}
			var slept time.Duration
			for _, d := range f.slept {
				slept += d
			}
			if slept != tt.slept {
				t.Errorf("slept %s", slept)
			}
		})
	}
}

// The last request that is counted is heeded before the next is made.
func TestRemaining(t *testing.T) {
	f := newFake(t)
	f.does("/user", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("RateLimit-Remaining", "0")
		w.Header().Set("RateLimit-Reset", strconv.FormatInt(start.Add(20*time.Second).Unix(), 10))
		status(200, `{}`)(w, r)
	})
	c := f.client()
	for range 2 {
		if _, err := get[struct{}](t.Context(), c, "/user"); err != nil {
			t.Fatal(err)
		}
	}
	if len(f.slept) != 1 || f.slept[0] != 20*time.Second {
		t.Errorf("slept %v", f.slept)
	}
}

func TestFailuresPass(t *testing.T) {
	f := newFake(t)
	n := 0
	f.does("/user", func(w http.ResponseWriter, r *http.Request) {
		switch n++; n {
		case 1, 2:
			status(503, "")(w, r)
		default:
			status(200, `{}`)(w, r)
		}
	})
	if _, err := get[struct{}](t.Context(), f.client(), "/user"); err != nil || n != 3 || len(f.slept) != 2 || f.slept[0] != firstPause || f.slept[1] != 2*firstPause {
		t.Errorf("%v, %d requests, slept %v", err, n, f.slept)
	}
	for code, want := range map[int]int{400: 1, 401: 1, 403: 1, 404: 1, 301: 1, 501: 1, 500: maxAttempts, 502: maxAttempts} {
		f.does("/user", status(code, `{}`))
		before := f.asked("/user")
		if _, err := get[struct{}](t.Context(), f.client(), "/user"); err == nil || f.asked("/user")-before != want {
			t.Errorf("%d: asked %d times, %v", code, f.asked("/user")-before, err)
		}
	}
}

func TestCancel(t *testing.T) {
	f := newFake(t)
	ctx, cancel := context.WithCancel(t.Context())
	f.does("/user", func(w http.ResponseWriter, r *http.Request) { cancel(); status(503, "")(w, r) })
	if _, err := get[struct{}](ctx, f.client(), "/user"); !errors.Is(err, context.Canceled) || f.asked("/user") != 1 {
		t.Errorf("%v", err)
	}
}

// An answer that drips is given up, and said so.
func TestSlow(t *testing.T) {
	f := newFake(t)
	done := make(chan struct{})
	f.does("/user", func(w http.ResponseWriter, _ *http.Request) {
		io.WriteString(w, "[")
		w.(http.Flusher).Flush()
		<-done
	})
	c := f.client()
	c.http.Timeout = 50 * time.Millisecond
	_, err := get[struct{}](t.Context(), c, "/user")
	close(done)
	if err == nil || !strings.HasSuffix(err.Error(), ": it takes longer than 30s") || f.asked("/user") != maxAttempts {
		t.Errorf("%v after %d attempts", err, f.asked("/user"))
	}
}

// The token goes to the one host, and into no error.
func TestTokenStays(t *testing.T) {
	var elsewhere []string
	other := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		elsewhere = append(elsewhere, r.Header.Get("Authorization"))
	}))
	defer other.Close()
	f := newFake(t)
	c := f.client()
	for name, h := range map[string]http.HandlerFunc{
		"redirected": func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, other.URL, http.StatusFound) },
		"echoed": func(w http.ResponseWriter, r *http.Request) {
			status(403, `{"message":"`+r.Header.Get("Authorization")+`"}`)(w, r)
		},
		"in garbage": func(w http.ResponseWriter, r *http.Request) {
			status(200, `{"x":"`+r.Header.Get("Authorization"))(w, r)
		},
		"terminal": status(400, `{"error":"invalid","error_description":"\u001b[31mred\r\nnext line"}`),
		"linked": func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Query().Get("cursor") != "" {
				status(200, `[]`)(w, r)
				return
			}
			w.Header().Set("Link", `<`+other.URL+`/projects?cursor=abc>; rel="next"`)
			status(200, `[{}]`)(w, r)
		},
	} {
		f.does("/user", h)
		_, err := pages[struct{}](t.Context(), c, "/user", nil)
		if name != "linked" && err == nil {
			t.Errorf("%s: no error", name)
		}
		if text := fmt.Sprintf("%v %+v %#v", err, err, c.config); strings.Contains(text, "CANARY") || strings.ContainsAny(text, "\x1b\r\n") {
			t.Errorf("%s: %s", name, text)
		}
	}
	if len(elsewhere) > 0 {
		t.Errorf("another host was asked: %q", elsewhere)
	}
	if out, err := json.Marshal(c.config.Token); err != nil || strings.Contains(string(out), "CANARY") {
		t.Errorf("%s", out)
	}
}

func TestOtherCertificate(t *testing.T) {
	f := newFake(t)
	config := f.config()
	config.Roots = nil
	c, err := New(config)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := get[struct{}](t.Context(), c, "/user"); err == nil || !strings.Contains(err.Error(), "certificate") || f.asked("/user") != 0 || len(f.slept) != 0 {
		t.Errorf("%v after %v", err, f.slept)
	}
}

func TestPages(t *testing.T) {
	numbered := func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Query().Get("page") {
		case "":
			w.Header().Set("X-Next-Page", "2")
			status(200, list(1, 100))(w, r)
		case "2":
			w.Header().Set("X-Next-Page", "3")
			status(200, list(101, 100))(w, r)
		default:
			w.Header().Set("X-Next-Page", "")
			status(200, list(201, 5))(w, r)
		}
	}
	linked := func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Query().Get("cursor") == "" {
			w.Header().Set("Link", `<https://x/api/v4/user?per_page=100&cursor=c%2B1&pagination=keyset>; rel="next", <https://x/>; rel="first"`)
			status(200, list(1, 100))(w, r)
			return
		}
		if r.URL.Query().Get("cursor") != "c+1" || r.URL.Query().Get("pagination") != "keyset" {
			t.Errorf("query %v", r.URL.Query())
		}
		w.Header().Set("Link", `<https://x/>; rel="first"`)
		status(200, list(101, 3))(w, r)
	}
	for _, tt := range []struct {
		name string
		h    http.HandlerFunc
		n    int
		want string
	}{
		{"none", status(200, `[]`), 0, ""},
		{"one", status(200, list(1, 99)), 99, ""},
		{"numbered", numbered, 205, ""},
		{"linked", linked, 103, ""},
		{"breaks off", func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Query().Get("page") == "2" {
				status(403, `{}`)(w, r)
				return
			}
			numbered(w, r)
		}, 0, "GET /user: 403 Forbidden"},
		{"does not say whether it goes on", status(200, list(1, 100)), 0, "GET /user: the answer is not understood: it does not say whether there is another page"},
		{"goes in circles", func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("X-Next-Page", "1")
			status(200, list(1, 1))(w, r)
		}, 0, "GET /user: the answer is not understood: its pages do not go on"},
		{"links to itself", func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Link", `<`+r.URL.RequestURI()+`>; rel="next"`)
			status(200, list(1, 1))(w, r)
		}, 0, "GET /user: the answer is not understood: its pages do not go on"},
		{"never ends", func(w http.ResponseWriter, r *http.Request) {
			n, _ := strconv.Atoi(cmp.Or(r.URL.Query().Get("page"), "1"))
			w.Header().Set("X-Next-Page", strconv.Itoa(n+1))
			status(200, list(n, 1))(w, r)
		}, 0, "GET /user: the list has more than 50000 entries"},
		{"no list", status(200, `{"message":"hello"}`), 0, "GET /user: the answer is not understood: it is of the kind object"},
		{"not UTF-8", status(200, "[{\"name\":\"caf\xe9\"}]"), 0, "GET /user: the answer is not understood: it is not UTF-8"},
		{"null", status(200, `null`), 0, "GET /user: the answer is not understood: it is no list"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := newFake(t)
			f.does("/user", tt.h)
			got, err := pages[idAnswer](t.Context(), f.client(), "/user", nil)
			if len(got) != tt.n || fmt.Sprint(err) != tt.want && (err != nil || tt.want != "") {
				t.Fatalf("%d entries, %v", len(got), err)
			}
			for i, a := range got {
				if a.ID != int64(i+1) {
					t.Fatalf("entry %d has id %d", i, a.ID)
				}
			}
			if f.asked("per_page=100") == 0 {
				t.Error("pages are not asked for a hundred at a time")
			}
		})
	}
}

// What any bytes are taken for can be written down and read again.
func FuzzAnswers(f *testing.F) {
	raw := map[string]json.RawMessage{}
	if err := json.Unmarshal(answersFile(f), &raw); err != nil {
		f.Fatal(err)
	}
	for _, body := range raw {
		f.Add([]byte(body))
	}
	c, err := New(Config{URL: "https://gitlab.com", Token: secret.New(canary)})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		p := guard.Project{Path: "g/p"}
		var a projectAnswer
		if json.Unmarshal(data, &a) == nil && positive(a.ID) == nil {
			a.put(&p, guard.Source{Call: "GET /x", At: start})
		}
		var settings settingsAnswer
		if json.Unmarshal(data, &settings) == nil {
			settings.put(&p, guard.Source{Call: "GET /y", At: start})
		}
		if rule, err := decodePushRule(data); err == nil {
			p.PushRule = guard.Known(rule)
		}
		p.ProtectedBranches = decodeList(data, branchAnswer.rule)
		p.ProtectedTags = decodeList(data, tagAnswer.rule)
		p.Environments = decodeList(data, environmentAnswer.environment)
		p.ProtectedEnvironments = decodeList(data, protectedEnvironmentAnswer.rule)
		p.ApprovalRules = decodeList(data, ruleAnswer.rule)
		p.Members = decodeList(data, memberAnswer.member)
		p.AccessTokens = decodeList(data, tokenAnswer.token)
		p.DeployKeys = decodeList(data, deployKeyAnswer.key)
		p.Triggers = decodeList(data, triggerAnswer.trigger)
		p.Schedules = decodeList(data, scheduleAnswer.schedule)
		p.JobTokenProjects = decodeList(data, pathAnswer.path)
		p.JobTokenGroups = decodeList(data, groupAnswer.path)
		p.Settle()
		out, err := guard.Encode(&guard.Facts{GitLab: "https://gitlab.com", Projects: []guard.Project{p}})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := guard.Decode(out); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		var self selfAnswer
		if json.Unmarshal(data, &self) == nil {
			_, _ = self.token()
		}
		if said := c.message(data); strings.ContainsAny(said, "\x1b\r\n") || len(said) > maxMessage+len("…") {
			t.Errorf("%q", said)
		}
		for _, h := range []http.Header{{"Link": {string(data)}}, {"X-Next-Page": {string(data)}}} {
			if next, err := nextPage(h, url.Values{"page": {"2"}}); err != nil && next != nil {
				t.Error("a page beside an error")
			}
		}
		_, _ = retryAfter(string(data), start)
	})
}

func decodeList[A, T any](data []byte, convert func(A) (T, error)) guard.Fact[[]T] {
	var all []A
	if json.Unmarshal(data, &all) != nil {
		return guard.Fact[[]T]{}
	}
	out := []T{}
	for _, a := range all {
		v, err := convert(a)
		if err != nil {
			return guard.Fact[[]T]{}
		}
		out = append(out, v)
	}
	return guard.Known(out)
}
