package main

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"mayfly.internal/internal/housetest"
	"mayfly.internal/internal/labgitlab"
	"mayfly.internal/internal/scripttest"
	"mayfly.internal/internal/wire/awsquery"
	"mayfly.internal/internal/wire/stswire"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"mayfly": main, "xdg-open": browse})
}

// TestScripts runs testdata/script/*.txt, each beside a server of its own: as
// its administrator, until a script says `as job`, `as expired` or `as nobody`.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script",
		Setup: func(env *testscript.Env) error {
			h := housetest.New(env.T().(testing.TB))
			env.Values["house"] = h
			env.Values["apiserver"] = &housetest.APIServer{}
			env.Values["gitlab"] = &standIn{bad: map[string]int{}}
			env.Values["vault"], env.Values["t"] = &scriptVault{}, env.T()
			env.Setenv("MAYFLY_SERVER", h.URL)
			env.Setenv("AWS_CA_BUNDLE", h.CAFile)
			env.Setenv("SERVER_CA", h.CAFile)
			env.Setenv("AWS_REGION", "us-east-1")
			setCredentials(env.Setenv, h.Admin)
			ca, err := os.ReadFile(h.CAFile)
			if err != nil {
				return err
			}
			key, id := h.IssuerKey()
			der, err := x509.MarshalPKCS8PrivateKey(key)
			if err != nil {
				return err
			}
			claims, err := json.Marshal(h.JobClaims())
			if err != nil {
				return err
			}
			env.Setenv("KEY_ID", id)
			env.Setenv("ROLE", housetest.Role)
			env.Setenv("PERSON_ROLE", h.PersonRole)
			env.Setenv("ISSUER", h.People.URL)
			env.Setenv("ISSUER_CA", h.People.CAFile())
			for _, name := range []string{"XDG_CACHE_HOME", "XDG_CONFIG_HOME", "XDG_STATE_HOME"} {
				env.Setenv(name, filepath.Join(env.WorkDir, "home", name))
			}
			env.Values["tokens"] = h.Tokens()
			return errors.Join(
				os.WriteFile(filepath.Join(env.WorkDir, "cluster-ca.crt"), ca, 0o600),
				os.WriteFile(filepath.Join(env.WorkDir, "issuer-key.pem"), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), 0o600),
				os.WriteFile(filepath.Join(env.WorkDir, "claims.json"), claims, 0o600))
		},
		Cmds: map[string]func(ts *testscript.TestScript, neg bool, args []string){
			"status": scripttest.Status,
			// admit NAME MODE registers a cluster in which the job has an identity.
			"admit": func(ts *testscript.TestScript, neg bool, args []string) {
				h, ok := ts.Value("house").(*housetest.House)
				if neg || !ok || len(args) != 2 {
					ts.Fatalf("usage: admit NAME MODE")
				}
				h.Cluster(args[0], args[1])
			},
			// expand FILE fills in the variables of the environment.
			"expand": func(ts *testscript.TestScript, neg bool, args []string) {
				if neg || len(args) != 1 {
					ts.Fatalf("usage: expand FILE")
				}
				ts.Check(os.WriteFile(ts.MkAbs(args[0]), []byte(os.Expand(ts.ReadFile(args[0]), ts.Getenv)), 0o600))
			},
			// eks PATH BODY posts to the EKS API as the administrator.
			"eks": func(ts *testscript.TestScript, neg bool, args []string) {
				h, ok := ts.Value("house").(*housetest.House)
				if neg || !ok || len(args) != 2 {
					ts.Fatalf("usage: eks PATH BODY")
				}
				h.EKS(args[0], args[1])
			},
			// apiserver up NAME starts and registers a cluster's; apiserver down ends it,
			// and apiserver spoil NAME… has it answer so; without names, well again.
			"apiserver": func(ts *testscript.TestScript, neg bool, args []string) {
				h, ok := ts.Value("house").(*housetest.House)
				s, _ := ts.Value("apiserver").(*housetest.APIServer)
				switch {
				case !neg && ok && len(args) == 2 && args[0] == "up":
					*s = *h.APIServer(args[1])
				case !neg && len(args) == 1 && args[0] == "down":
					s.Close()
				case !neg && len(args) > 0 && args[0] == "spoil":
					s.Spoil(args[1:]...)
				default:
					ts.Fatalf("usage: apiserver up NAME | down | spoil NAME…")
				}
			},
			// entitle CLUSTER POLICY-ARN NAMESPACE gives the job an access policy there.
			"entitle": func(ts *testscript.TestScript, neg bool, args []string) {
				h, ok := ts.Value("house").(*housetest.House)
				if neg || !ok || len(args) != 3 {
					ts.Fatalf("usage: entitle CLUSTER POLICY-ARN NAMESPACE")
				}
				h.Entitle(args[0], args[1], args[2])
			},
			// permit ACTION RESOURCE gives the job's role a permission.
			"permit": func(ts *testscript.TestScript, neg bool, args []string) {
				h, ok := ts.Value("house").(*housetest.House)
				if neg || !ok || len(args) != 2 {
					ts.Fatalf("usage: permit ACTION RESOURCE")
				}
				h.Permit(args[0], args[1])
			},
			// token VARIABLE NAME sets a variable to an ID token of the house.
			"token": func(ts *testscript.TestScript, neg bool, args []string) {
				tokens, ok := ts.Value("tokens").(map[string]string)
				if neg || !ok || len(args) != 2 || tokens[args[1]] == "" {
					ts.Fatalf("usage: token VARIABLE NAME")
				}
				ts.Setenv(args[0], tokens[args[1]])
			},
			// refused NAME ROLE tries to exchange an ID token of the house and sets
			// DENIAL to the id under which that is refused.
			"refused": func(ts *testscript.TestScript, neg bool, args []string) {
				h, ok := ts.Value("house").(*housetest.House)
				tokens, has := ts.Value("tokens").(map[string]string)
				if neg || !ok || !has || len(args) != 2 || tokens[args[0]] == "" {
					ts.Fatalf("usage: refused NAME ROLE")
				}
				ts.Setenv("DENIAL", h.Refused(tokens[args[0]], args[1]))
			},
			"gitlab": gitlabCmd,
			"brief":  briefCmd,
			// door spoil NAME… has the door where people sign in answer so; without
			// names, well again. door life DURATION is how long its ID tokens live.
			"door": func(ts *testscript.TestScript, neg bool, args []string) {
				h, ok := ts.Value("house").(*housetest.House)
				switch {
				case !neg && ok && len(args) > 0 && args[0] == "spoil":
					h.Door.Spoil(args[1:]...)
				case !neg && ok && len(args) == 2 && args[0] == "life":
					life, err := time.ParseDuration(args[1])
					ts.Check(err)
					h.Door.SetLife(life)
				default:
					ts.Fatalf("usage: door spoil NAME… | life DURATION")
				}
			},
			"vault": vaultCmd,
			// assume STATUS ROLE PROJECT BRANCH [CLAIM=VALUE…] asks for a role as a job.
			"assume": func(ts *testscript.TestScript, neg bool, args []string) {
				h, ok := ts.Value("house").(*housetest.House)
				if neg || !ok || len(args) < 4 {
					ts.Fatalf("usage: assume STATUS ROLE PROJECT BRANCH [CLAIM=VALUE…]")
				}
				change := map[string]any{}
				for _, text := range args[4:] {
					name, value, _ := strings.Cut(text, "=")
					change[name] = value
				}
				status, body := h.Assume("arn:aws:iam::"+housetest.Account+":role/"+args[1], h.TokenWith(args[2], args[3], change))
				if strconv.Itoa(status) != args[0] {
					ts.Fatalf("the status is %d, want %s: %s", status, args[0], body)
				}
			},
			"as": func(ts *testscript.TestScript, neg bool, args []string) {
				h, ok := ts.Value("house").(*housetest.House)
				who := map[string]stswire.Credentials{"admin": h.Admin, "job": h.Job, "expired": h.Expired, "nobody": {}}
				if neg || !ok || len(args) != 1 {
					ts.Fatalf("usage: as admin|job|expired|nobody")
				}
				creds, known := who[args[0]]
				if !known {
					ts.Fatalf("nobody is called %s", args[0])
				}
				setCredentials(ts.Setenv, creds)
			},
		},
	})
}

// standIn is the lab's GitLab with what a script has spoilt of it.
type standIn struct {
	lab *labgitlab.Server
	mu  sync.Mutex
	bad map[string]int // :: path below /api/v4 → status, 0 for garbage
}

func (s *standIn) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	status, spoilt := s.bad[strings.TrimPrefix(r.URL.EscapedPath(), "/api/v4")]
	s.mu.Unlock()
	switch {
	case !spoilt:
		s.lab.ServeHTTP(w, r)
	case status == 0:
		fmt.Fprint(w, "<html>You need to sign in")
	default:
		w.Header().Set("Retry-After", "3600")
		w.WriteHeader(status)
		fmt.Fprint(w, `{"message":"no"}`)
	}
}

// gitlabCmd: `gitlab up WORLD` starts a stand-in, `gitlab spoil PATH STATUS`
// has it answer so (0: garbage), `gitlab mend PATH` no longer, and
// `gitlab unprotect PROJECT BRANCH` does what a Maintainer could.
func gitlabCmd(ts *testscript.TestScript, neg bool, args []string) {
	s, _ := ts.Value("gitlab").(*standIn)
	switch {
	case !neg && len(args) == 2 && args[0] == "up":
		gitlabUp(ts, args[1])
	case !neg && len(args) == 3 && args[0] == "spoil":
		status, err := strconv.Atoi(args[2])
		ts.Check(err)
		s.mu.Lock()
		s.bad[args[1]] = status
		s.mu.Unlock()
	case !neg && len(args) == 2 && args[0] == "mend":
		s.mu.Lock()
		delete(s.bad, args[1])
		s.mu.Unlock()
	case !neg && len(args) == 3 && args[0] == "unprotect":
		ts.Check(s.lab.UnprotectBranch(args[1], args[2]))
	default:
		ts.Fatalf("usage: gitlab up WORLD | spoil PATH STATUS | mend PATH | unprotect PROJECT BRANCH")
	}
}

// briefCmd: `brief SECONDS COUNT` starts an STS whose sessions live so many seconds
// and which says after so many exchanges that the token has ended; BRIEF is its URL.
func briefCmd(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: brief SECONDS COUNT")
	}
	seconds, err := strconv.Atoi(args[0])
	ts.Check(err)
	most, err := strconv.ParseInt(args[1], 10, 64)
	ts.Check(err)
	var made atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if made.Add(1) > most {
			w.WriteHeader(http.StatusBadRequest)
			w.Write(awsquery.Failure{Status: http.StatusBadRequest, Code: "ExpiredTokenException", Message: "Token expired"}.Body(stswire.Namespace, "r-1"))
			return
		}
		c := stswire.Credentials{AccessKeyID: "ASIAIOSFODNN7EXAMPLE", SecretAccessKey: "s3cret", SessionToken: "t", Expiration: awsquery.Time(time.Now().Add(time.Duration(seconds) * time.Second))}
		w.Write(awsquery.Answer(stswire.Namespace, "AssumeRoleWithWebIdentity", stswire.WebIdentityResult{AssumedRoleUser: stswire.AssumedRoleUser{ARN: "arn"}, Credentials: c}, "r-1"))
	}))
	ts.Defer(server.Close)
	ts.Setenv("BRIEF", server.URL)
}

func gitlabUp(ts *testscript.TestScript, path string) {
	world, err := labgitlab.LoadWorld(ts.MkAbs(path))
	ts.Check(err)
	lab, err := labgitlab.New(labgitlab.Config{World: world, ExternalURL: "https://gitlab.example.com", Secret: "a-secret-of-the-lab-0123456789"})
	ts.Check(err)
	s, ok := ts.Value("gitlab").(*standIn)
	if !ok {
		ts.Fatalf("this script has no GitLab")
	}
	s.lab = lab
	server := httptest.NewTLSServer(s)
	ts.Defer(server.Close)
	ts.Setenv("GITLAB_URL", server.URL)
	ts.Check(os.WriteFile(ts.MkAbs("gitlab-ca.pem"), pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}), 0o600))
}

func setCredentials(setenv func(string, string), c stswire.Credentials) {
	setenv("AWS_ACCESS_KEY_ID", c.AccessKeyID)
	setenv("AWS_SECRET_ACCESS_KEY", c.SecretAccessKey)
	setenv("AWS_SESSION_TOKEN", c.SessionToken)
}

// browse is a browser: it goes where it is sent, and leaves the page it ends at in
// the file $PAGE.
func browse() {
	pem, err := os.ReadFile(os.Getenv("ISSUER_CA"))
	if err != nil {
		panic(err)
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(pem)
	hc := http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}}}
	resp, err := hc.Get(os.Args[1])
	if err != nil {
		panic(err)
	}
	defer resp.Body.Close()
	page, err := io.ReadAll(resp.Body)
	if err != nil {
		panic(err)
	}
	if err := os.WriteFile(os.Getenv("PAGE"), page, 0o600); err != nil {
		panic(err)
	}
}
