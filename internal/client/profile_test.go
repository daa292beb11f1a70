package client_test

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"mayfly.internal/internal/client"
)

var now = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

// profileFiles are shared files of two texts.
func profileFiles(t *testing.T, credentials, config string) client.ProfileFiles {
	t.Helper()
	f := client.ProfileFiles{Credentials: filepath.Join(t.TempDir(), "credentials"), Config: filepath.Join(t.TempDir(), "config")}
	for name, text := range map[string]string{f.Credentials: credentials, f.Config: config} {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return f
}

const keys = "aws_access_key_id = AKIA1\naws_secret_access_key=s3cret=\n"

// script is a program that prints something.
func script(t *testing.T, text string) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "print it")
	if err := os.WriteFile(name, []byte("#!/bin/sh\n"+text), 0o700); err != nil {
		t.Fatal(err)
	}
	return `"` + name + `"`
}

func TestLoadProfile(t *testing.T) {
	printing := script(t, `test "$1" = "a b" && printf '{"Version":1,"AccessKeyId":"ASIAP","SecretAccessKey":"s3cret=","SessionToken":"t","Expiration":"2026-11-23T12:00:01Z"}'`) + " 'a b'"
	for name, tt := range map[string]struct {
		profile, credentials, config string
		key, token, region, more     string
	}{
		"keys":                          {"p", "[p]\n" + keys, "", "AKIA1", "", "", ""},
		"keys of the default":           {"default", "[default]\n" + keys, "[default]\nregion = eu-central-1\n", "AKIA1", "", "eu-central-1", ""},
		"the default as a profile":      {"default", "", "[profile default]\n" + keys + "[default]\naws_access_key_id = other\n", "AKIA1", "", "", ""},
		"keys in the config":            {"p", "", "[profile p]\n" + keys + "region=us-east-1", "AKIA1", "", "us-east-1", ""},
		"a session":                     {"p", "[p]\n" + keys + "aws_session_token = t\n", "[profile p]\nregion = r-1\nca_bundle = /ca.pem\n", "AKIA1", "t", "r-1", "/ca.pem"},
		"quotes, comments, other cases": {"my p", "# c\n; c\n[ my p ]\r\nAWS_Access_Key_ID = AKIA1\r\naws_secret_access_key = s3cret=\r\n", "[profile \"my p\"]\noutput = json\ns3 =\n  max_queue_size = 1000\n", "AKIA1", "", "", ""},
		"a process":                     {"p", "", "[profile p]\ncredential_process = " + printing + "\n", "ASIAP", "t", "", ""},
		"keys before a process":         {"p", "[p]\n" + keys, "[profile p]\ncredential_process = false\n", "AKIA1", "", "", ""},
		"a process before other keys":   {"p", "", "[profile p]\n" + keys + "credential_process = " + printing + "\n", "ASIAP", "t", "", ""},
		"an endpoint":                   {"p", "[p]\n" + keys, "[profile p]\nendpoint_url = https://x\n", "AKIA1", "", "", "endpoint_url = https://x"},
		"services":                      {"p", "[p]\n" + keys, "[profile p]\nservices = s\n[services s]\niam =\n  endpoint_url = https://x\n", "AKIA1", "", "", "services = s"},
	} {
		p, err := client.LoadProfile(t.Context(), profileFiles(t, tt.credentials, tt.config), tt.profile, now)
		if err != nil || p.Credentials.AccessKeyID != tt.key || p.Credentials.SecretKey.Reveal() != "s3cret=" || p.Credentials.SessionToken != tt.token || p.Region != tt.region || p.CAFile+p.Endpoint != tt.more {
			t.Errorf("%s: %+v, %v", name, p, err)
		}
	}
}

func TestLoadProfileRefuses(t *testing.T) {
	for name, tt := range map[string]struct{ credentials, config, want string }{
		"nothing":                      {"", "", "p: there is no such profile in "},
		"another":                      {"[profile p]\n" + keys, "[p]\n" + keys, "there is no such profile"},
		"no keys":                      {"", "[profile p]\nregion = r\n", "the profile p: it has no aws_access_key_id and no credential_process"},
		"half a key":                   {"[p]\naws_access_key_id = AKIA1\n", "[profile p]\n" + keys, "no aws_secret_access_key"},
		"a role":                       {"[q]\n" + keys, "[profile p]\nrole_arn = arn\nsource_profile = q\n", "the profile p gets its credentials by role_arn"},
		"a role in the credentials":    {"[p]\n" + keys + "role_arn = arn\n", "", "by role_arn"},
		"a token file":                 {"", "[profile p]\nweb_identity_token_file = f\n", "by web_identity_token_file"},
		"single sign-on":               {"[p]\n" + keys, "[profile p]\nsso_session = s\n", "by sso_session"},
		"old single sign-on":           {"", "[profile p]\nsso_start_url = https://x\n", "by sso_start_url"},
		"a login":                      {"", "[profile p]\nlogin_session = arn\n", "by login_session"},
		"no section":                   {keys, "", "line 1: NAME = VALUE is wanted, below a section"},
		"no setting":                   {"[p]\ns3cret\n", "", "line 2: NAME = VALUE is wanted"},
		"a setting twice":              {"[p]\n" + keys + "AWS_ACCESS_KEY_ID = x\n", "", "line 4: NAME = VALUE is wanted"},
		"a section twice":              {"[p]\n" + keys + "[p]\n", "", "line 4: a section's name is wanted"},
		"a section that is not closed": {"[p\n" + keys, "", "line 1: a section's name is wanted"},
		"a section without a name":     {"[]\n", "", "line 1: a section's name is wanted"},
		"no program":                   {"", "[profile p]\ncredential_process = /nonexistent/program x\n", "credential_process: /nonexistent/program: "},
		"a quote":                      {"", "[profile p]\ncredential_process = 'a\n", "a quote is not closed"},
		"a program that fails":         {"", "[profile p]\ncredential_process = " + script(t, "echo not today >&2; echo s3cret; exit 3") + "\n", "exit status 3: not today"},
		"a program that prints more":   {"", "[profile p]\ncredential_process = " + script(t, "head -c 200000 /dev/zero | tr '\\0' ' '; echo '{\"Version\":1}'") + "\n", "it printed no JSON"},
		"a program that prints text":   {"", "[profile p]\ncredential_process = " + script(t, "echo s3cret") + "\n", "it printed no JSON"},
	} {
		p, err := client.LoadProfile(t.Context(), profileFiles(t, tt.credentials, tt.config), "p", now)
		if err == nil || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "s3cret") || p != (client.Profile{}) {
			t.Errorf("%s: %+v, %v, want %s", name, p, err, tt.want)
		}
	}
	if _, err := client.LoadProfile(t.Context(), client.ProfileFiles{Credentials: "none", Config: "none"}, "p", now); !errors.Is(err, client.ErrNoProfile) {
		t.Error(err)
	}
	large := profileFiles(t, strings.Repeat("#\n", 1<<20), "")
	if _, err := client.LoadProfile(t.Context(), large, "p", now); err == nil || !strings.Contains(err.Error(), "larger than") {
		t.Error(err)
	}
}

func TestParseProcess(t *testing.T) {
	const good = `{"Version":1,"AccessKeyId":"a","SecretAccessKey":"s","SessionToken":"t","Expiration":"2026-11-23T12:00:01Z"}`
	if c, err := client.ParseProcess([]byte(good), now); err != nil || c.AccessKeyID != "a" || c.SessionToken != "t" {
		t.Errorf("%+v, %v", c, err)
	}
	for old, replacement := range map[string]string{`"Version":1,`: "", ":1,": ":2,", `"a"`: `""`, `"s"`: `""`, "12:00:01Z": "12:00:00Z", "2026-11-23T12": "soon", "{": "["} {
		if c, err := client.ParseProcess([]byte(strings.Replace(good, old, replacement, 1)), now); err == nil || c.AccessKeyID != "" {
			t.Errorf("%s for %s: %+v, %v", replacement, old, c, err)
		}
	}
}

func TestSplitWords(t *testing.T) {
	for text, want := range map[string][]string{
		"a":                    {"a"},
		"  a\tb  c ":           {"a", "b", "c"},
		`"a b" 'c "d"' e\ f`:   {"a b", `c "d"`, "e f"},
		`a"b"c ""`:             {"abc", ""},
		`"a\"b\\c\d" 'e\'`:     {`a"b\c\d`, `e\`},
		`C:\\x $HOME ; rm -rf`: {`C:\x`, "$HOME", ";", "rm", "-rf"},
	} {
		if got, err := client.SplitWords(text); err != nil || !slices.Equal(got, want) {
			t.Errorf("%s: %q, %v", text, got, err)
		}
	}
	for _, text := range []string{"", "  ", `"a`, "'", `a\`} {
		if got, err := client.SplitWords(text); err == nil || got != nil {
			t.Errorf("%s: %q", text, got)
		}
	}
}

func FuzzParseSections(f *testing.F) {
	f.Add([]byte("[p]\n" + keys + "[profile \"a b\"]\r\ns3 =\n  x = 1\n# c\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		out, err := client.ParseSections(text)
		if err != nil {
			if len(err.Error()) > 100 {
				t.Fatal(err)
			}
			return
		}
		for name, s := range out {
			if name == "" || s == nil {
				t.Fatalf("%q: %v", name, s)
			}
		}
	})
}

func FuzzParseProcess(f *testing.F) {
	f.Add([]byte(`{"Version":1,"AccessKeyId":"a","SecretAccessKey":"s","Expiration":"2026-11-23T12:00:01Z"}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		if c, err := client.ParseProcess(text, now); (err == nil) == (c.AccessKeyID == "") {
			t.Fatalf("%+v, %v", c, err)
		}
	})
}
