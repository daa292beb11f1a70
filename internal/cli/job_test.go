package cli

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"

	"mayfly.internal/internal/arn"
	"mayfly.internal/internal/client"
	"mayfly.internal/internal/housetest"
	"mayfly.internal/internal/jwt"
)

// tokenOf is a token of some claims, which nobody has signed.
func tokenOf(t *testing.T, claims map[string]any) (jwt.Unverified, string) {
	t.Helper()
	body, err := json.Marshal(claims)
	if err != nil {
		t.Fatal(err)
	}
	text := base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"RS256"}`)) + "." + base64.RawURLEncoding.EncodeToString(body) + ".c2ln"
	u, err := jwt.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return u, text
}

func TestSessionName(t *testing.T) {
	long := strings.Repeat("group/", 20) + "project"
	for name, tt := range map[string]struct {
		claims map[string]any
		want   string
	}{
		"a job":             {map[string]any{"project_path": "acme/web", "pipeline_id": "574", "job_id": "302", "sub": "x"}, "acme-web-574-302"},
		"ids of gitlab.com": {map[string]any{"project_path": long, "pipeline_id": "2574123456", "job_id": "12302123456"}, "oup-group-group-group-group-group-project-2574123456-12302123456"},
		"other characters":  {map[string]any{"project_path": "ac_me/w.é+b", "pipeline_id": "5/7"}, "ac_me-w.-+b-5-7"},
		"no job":            {map[string]any{"sub": "user:*:é a@example.com"}, "user-a@example.com"},
		"ids alone":         {map[string]any{"pipeline_id": "574", "job_id": "302"}, "574-302"},
		"ids that are none": {map[string]any{"project_path": "a/b", "pipeline_id": strings.Repeat("1", 21), "job_id": 302}, "a-b"},
		"nothing":           {map[string]any{}, "mayfly"},
		"too little":        {map[string]any{"sub": "é-"}, "mayfly"},
	} {
		token, _ := tokenOf(t, tt.claims)
		got := sessionName(token)
		if got != tt.want || len(got) < 2 || !arn.IsName(got, 64) {
			t.Errorf("%s: %q, want %q", name, got, tt.want)
		}
	}
}

func FuzzSessionName(f *testing.F) {
	f.Add("acme/web", "574", "302", "sub")
	f.Fuzz(func(t *testing.T, path, pipeline, job, sub string) {
		// As JSON in base64 a byte becomes eight at most; longer tokens are nobody's.
		if len(path+pipeline+job+sub) > jwt.MaxBytes/8-100 {
			t.Skip("longer than a token may be")
		}
		token, _ := tokenOf(t, map[string]any{"project_path": path, "pipeline_id": pipeline, "job_id": job, "sub": sub})
		if name := sessionName(token); len(name) < 2 || !arn.IsName(name, 64) {
			t.Fatalf("%q", name)
		}
	})
}

func TestTokenEnds(t *testing.T) {
	for _, exp := range []any{nil, "1763912345", -1, 1.5} {
		if token, _ := tokenOf(t, map[string]any{"exp": exp}); !tokenEnds(token).IsZero() {
			t.Errorf("%v: %v", exp, tokenEnds(token))
		}
	}
	if token, _ := tokenOf(t, map[string]any{"exp": 1763912345}); !tokenEnds(token).Equal(time.Unix(1763912345, 0)) {
		t.Error(tokenEnds(token))
	}
}

// isolate takes from the test what would say which server, role or token is meant.
func isolate(t *testing.T, set map[string]string) {
	t.Helper()
	for _, name := range []string{"MAYFLY_SERVER", "MAYFLY_ACCOUNT_ID", "MAYFLY_ID_TOKEN", "AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_STS", "AWS_ENDPOINT_URL_EKS", "AWS_ROLE_ARN", "AWS_REGION", "AWS_DEFAULT_REGION",
		"AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_CA_BUNDLE", "AWS_PROFILE"} {
		t.Setenv(name, set[name])
	}
}

// TestRoleIsMeant: an ARN, or a name in the account that is named first. What is
// missing is asked of a server, and of AWS it is an error (the scripts have both).
func TestRoleIsMeant(t *testing.T) {
	for name, tt := range map[string]struct {
		job        job
		env        map[string]string
		want, fail string
	}{
		"an ARN":              {job: job{role: "arn:aws:iam::111122223333:role/ci/r", account: "444455556666"}, want: "arn:aws:iam::111122223333:role/ci/r"},
		"a name":              {job: job{role: "r", account: "444455556666"}, env: map[string]string{"MAYFLY_ACCOUNT_ID": "111122223333"}, want: "arn:aws:iam::444455556666:role/r"},
		"a path":              {job: job{role: "/ci/r", account: "444455556666"}, want: "arn:aws:iam::444455556666:role/ci/r"},
		"the variables":       {env: map[string]string{"AWS_ROLE_ARN": "r", "MAYFLY_ACCOUNT_ID": "111122223333"}, want: "arn:aws:iam::111122223333:role/r"},
		"none":                {fail: "no role is named"},
		"a name on AWS":       {job: job{role: "r", app: &app{askAWS: true}}, fail: "the account of the role r is not known"},
		"no account":          {job: job{role: "r", account: "a"}, fail: "twelve digits"},
		"another ARN":         {job: job{role: "arn:aws:iam::111122223333:user/u"}, fail: "role/"},
		"another partition":   {job: job{role: "arn:aws-cn:iam::111122223333:role/r"}, fail: "partition"},
		"nobody asks nothing": {job: job{role: "r"}, fail: "no server is named"},
	} {
		isolate(t, tt.env)
		if tt.job.app == nil {
			tt.job.app = &app{}
		}
		got, err := tt.job.roleARN(t.Context())
		if got.String() != tt.want || (err == nil) != (tt.fail == "") || err != nil && !strings.Contains(err.Error(), tt.fail) {
			t.Errorf("%s: %s, %v", name, got, err)
		}
		if _, usage := errors.AsType[*usageError](err); err != nil && !usage && name != "nobody asks nothing" {
			t.Errorf("%s: %v is no usage error", name, err)
		}
	}
}

func TestJobCheck(t *testing.T) {
	good := job{app: &app{}, duration: leastDuration}
	if err := good.check(); err != nil {
		t.Error(err)
	}
	for name, change := range map[string]func(*job){
		"too short":         func(j *job) { j.duration-- },
		"too long":          func(j *job) { j.duration = mostDuration + time.Second },
		"half a second":     func(j *job) { j.duration += time.Second / 2 },
		"one character":     func(j *job) { j.session = "s" },
		"65 characters":     func(j *job) { j.session = strings.Repeat("s", 65) },
		"other characters":  func(j *job) { j.session = "a b" },
		"two servers meant": func(j *job) { j.app = &app{askAWS: true, server: "https://x"} },
	} {
		j := good
		change(&j)
		if _, ok := errors.AsType[*usageError](j.check()); !ok {
			t.Errorf("%s: %v", name, j.check())
		}
	}
}

// TestExplainExchange: what the server said stays, and there is something to do.
func TestExplainExchange(t *testing.T) {
	for _, code := range []string{"AccessDenied", "ExpiredTokenException", "InvalidIdentityToken", "IDPCommunicationError", "ValidationError"} {
		err := (&exchanger{}).explain(&client.Error{Code: code, Message: "m", Request: "r-1"})
		h, ok := errors.AsType[*HintError](err)
		if !ok || len(h.Hints) == 0 || !strings.Contains(err.Error(), code+": m (request r-1)") {
			t.Errorf("%s: %v", code, err)
		}
	}
	if err := (&exchanger{}).explain(nil); err != nil {
		t.Error(err)
	}
}

// TestExchanger: flags and variables to credentials, of the assembled server.
func TestExchanger(t *testing.T) {
	h := housetest.New(t)
	file := filepath.Join(t.TempDir(), "token")
	for _, tt := range []struct {
		name string
		args []string
		env  map[string]string
		arn  string // of the session
		fail string
	}{
		{"a role by name", []string{"--role=deployer"}, map[string]string{"MAYFLY_ID_TOKEN": h.Tokens()["good"]}, "deployer/acme-web-574-302", ""},
		{"a role by ARN", []string{"--role=" + housetest.Role, "--duration=1h", "--role-session-name=me"}, map[string]string{"MAYFLY_ID_TOKEN": h.Tokens()["good"]}, "deployer/me", ""},
		{"a token in a file", nil, map[string]string{"AWS_WEB_IDENTITY_TOKEN_FILE": file, "AWS_ROLE_ARN": housetest.Role}, "deployer/acme-web-574-302", ""},
		{"another branch", []string{"--role=deployer"}, map[string]string{"MAYFLY_ID_TOKEN": h.Token("acme/web", "other")}, "", "AccessDenied"},
		{"too long", []string{"--role=deployer", "--duration=2h"}, map[string]string{"MAYFLY_ID_TOKEN": h.Tokens()["good"]}, "", "ValidationError"},
		{"no token", []string{"--role=deployer"}, nil, "", "there is no ID token"},
		{"no role", nil, map[string]string{"MAYFLY_ID_TOKEN": h.Tokens()["good"]}, "", "no role is named"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			isolate(t, tt.env)
			if err := os.WriteFile(file, []byte(h.Tokens()["good"]+"\n"), 0o600); err != nil {
				t.Fatal(err)
			}
			j := job{app: &app{server: h.URL, caFile: h.CAFile}}
			cmd := &cobra.Command{}
			j.flags(cmd)
			if err := cmd.ParseFlags(tt.args); err != nil {
				t.Fatal(err)
			}
			x, err := j.exchanger(t.Context())
			var s client.Session
			if err == nil {
				s, err = x.exchange(t.Context())
			}
			if tt.fail != "" {
				if err == nil || !strings.Contains(err.Error(), tt.fail) || s != (client.Session{}) {
					t.Errorf("%+v, %v", s, err)
				}
				return
			}
			if err != nil || s.ARN != "arn:aws:sts::"+housetest.Account+":assumed-role/"+tt.arn || x.config.Region != housetest.Region {
				t.Errorf("%+v, %v", s, err)
			}
		})
	}
}
