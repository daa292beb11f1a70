package main

import (
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"mayfly.internal/internal/housetest"
	"mayfly.internal/internal/scripttest"
	"mayfly.internal/internal/wire/stswire"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"mayfly": main})
}

// TestScripts runs testdata/script/*.txt, each beside a server of its own: as
// its administrator, until a script says `as job`, `as expired` or `as nobody`.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script",
		Setup: func(env *testscript.Env) error {
			h := housetest.New(env.T().(testing.TB))
			env.Values["house"] = h
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
			// entitle CLUSTER POLICY-ARN NAMESPACE gives the job an access policy there.
			"entitle": func(ts *testscript.TestScript, neg bool, args []string) {
				h, ok := ts.Value("house").(*housetest.House)
				if neg || !ok || len(args) != 3 {
					ts.Fatalf("usage: entitle CLUSTER POLICY-ARN NAMESPACE")
				}
				h.Entitle(args[0], args[1], args[2])
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

func setCredentials(setenv func(string, string), c stswire.Credentials) {
	setenv("AWS_ACCESS_KEY_ID", c.AccessKeyID)
	setenv("AWS_SECRET_ACCESS_KEY", c.SecretAccessKey)
	setenv("AWS_SESSION_TOKEN", c.SessionToken)
}
