package authenticator_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"mayfly.internal/internal/authenticator"
	"mayfly.internal/internal/eks"
)

var start = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

var cluster = eks.Cluster{ID: "c-prod", Name: "prod"}

// reader is a cluster as a test wants it.
type reader struct {
	configMap, crd       eks.Mappings
	configMapErr, crdErr error
}

func (r *reader) Mappings(context.Context, eks.Cluster) (eks.Mappings, error) {
	return r.configMap, r.configMapErr
}
func (r *reader) IdentityMappings(context.Context, eks.Cluster) (eks.Mappings, error) {
	return r.crd, r.crdErr
}

type world struct {
	*authenticator.Chain
	t      *testing.T
	dir    string
	reader *reader
	at     time.Time

	failed, unread int
	loaded         []string
	modes          string
}

// newWorld is a chain of a configuration, in which {dir} is a folder.
func newWorld(t *testing.T, server string) *world {
	t.Helper()
	w := &world{t: t, dir: t.TempDir(), reader: &reader{}, at: start}
	c, err := authenticator.Parse([]byte("clusterID: c\nserver: " + strings.ReplaceAll(server, "{dir}", w.dir)))
	if err != nil {
		t.Fatal(err)
	}
	w.Chain, err = authenticator.NewChain(authenticator.ChainConfig{Config: c, Reader: w.reader, Now: func() time.Time { return w.at }, Observe: authenticator.Observer{
		FileFailed: func() { w.failed++ }, ConfigMapFailed: func() { w.unread++ }, Loaded: func(file string, late time.Duration) { w.loaded = append(w.loaded, fmt.Sprint(file, " ", late)) },
		Modes: func(m []authenticator.Mode) { w.modes = fmt.Sprint(m) },
	}})
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func (w *world) write(name, text string) {
	w.t.Helper()
	path := filepath.Join(w.dir, name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		w.t.Fatal(err)
	}
	at := w.at
	if err := os.Chtimes(path, at, at); err != nil {
		w.t.Fatal(err)
	}
}

// who is what the role KubernetesAdmin is called: "" nobody, "?" nobody knows.
func (w *world) who() string {
	w.t.Helper()
	w.at = w.at.Add(time.Second)
	m, ok, err := w.Map(w.t.Context(), cluster, eks.Principal{CanonicalARN: admin, PrincipalID: "AROAADMIN", Account: "444455556666"})
	switch {
	case err != nil:
		return "?"
	case !ok:
		return ""
	}
	return m.Username
}

func mapped(name string) eks.Mappings {
	return eks.Mappings{Roles: []eks.Mapping{{ARN: admin, Username: name}}}
}

const fileMaps = `mapRoles: [{rolearn: "arn:aws:iam::444455556666:role/KubernetesAdmin", username: file}]`

// TestOrder: the first source that knows a principal counts, one that cannot be
// read ends the search.
func TestOrder(t *testing.T) {
	down := errors.New("down")
	for _, tt := range []struct {
		name, modes string
		reader      reader
		want        string
	}{
		{"the file first", "[MountedFile, EKSConfigMap, CRD]", reader{configMap: mapped("map"), crd: mapped("crd")}, "file"},
		{"the ConfigMap first", "[EKSConfigMap, MountedFile]", reader{configMap: mapped("map")}, "map"},
		{"the CRD first", "[CRD, MountedFile]", reader{crd: mapped("crd")}, "crd"},
		{"a source that does not know it", "[CRD, EKSConfigMap, MountedFile]", reader{configMap: mapped("map")}, "map"},
		{"a source that knows the account", "[EKSConfigMap, MountedFile]", reader{configMap: eks.Mappings{Accounts: []string{"444455556666"}}}, admin},
		{"a source that is not asked", "[CRD]", reader{configMap: mapped("map")}, ""},
		{"nobody knows", "[CRD, EKSConfigMap]", reader{}, ""},
		{"one that cannot be read, behind", "[MountedFile, EKSConfigMap]", reader{configMapErr: down}, "file"},
		{"one that cannot be read, before", "[EKSConfigMap, MountedFile]", reader{configMapErr: down}, "?"},
		{"another that cannot be read, before", "[CRD, MountedFile]", reader{crdErr: down}, "?"},
	} {
		w := newWorld(t, "{backendMode: "+tt.modes+", "+fileMaps+"}")
		*w.reader = tt.reader
		if got := w.who(); got != tt.want {
			t.Errorf("%s: %q", tt.name, got)
		}
		if (w.unread == 1) != (tt.reader.configMapErr != nil && tt.want == "?") {
			t.Errorf("%s: counted %d", tt.name, w.unread)
		}
		if w.ReadsCRD() != strings.Contains(tt.modes, "CRD") || w.modes == "" {
			t.Errorf("%s: CRD %t, modes %s", tt.name, w.ReadsCRD(), w.modes)
		}
	}
}

// TestReserved: the prefixes of one mode are not another's.
func TestReserved(t *testing.T) {
	w := newWorld(t, "{backendMode: [EKSConfigMap, MountedFile], "+fileMaps+", reservedPrefixConfig: [{backendMode: EKSConfigMap, usernamePrefixReserveList: [ma]}]}")
	p := eks.Principal{CanonicalARN: admin}
	for name, reserved := range map[string]bool{"map": true, "name": false} {
		w.reader.configMap = mapped(name)
		m, _, err := w.Map(t.Context(), cluster, p)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := p.IdentifyMapping(m); (err != nil) != reserved {
			t.Errorf("%s: %v", name, err)
		}
	}
	w.reader.configMap = eks.Mappings{}
	if m, _, _ := w.Map(t.Context(), cluster, p); len(m.Reserved) > 0 {
		t.Errorf("%+v", m)
	}
}

func dynamic(name string, updated int64) string {
	return fmt.Sprintf("{\n\t\"LastUpdatedDateTime\": \"%d\", \"Version\": \"1\",\n\t\"mapRoles\": [{\"rolearn\": %q, \"username\": %q, \"groups\": [\"g\"]}]}", updated, admin, name)
}

// TestDynamicFile: a change is in force within a second, what cannot be read
// changes nothing, and a file that is gone maps nobody.
func TestDynamicFile(t *testing.T) {
	w := newWorld(t, "{backendMode: [DynamicFile], dynamicfilepath: '{dir}/map.json'}")
	step := func(what, want string) {
		t.Helper()
		if got := w.who(); got != want {
			t.Errorf("%s: %q, want %q", what, got, want)
		}
	}
	step("no file", "")
	w.write("map.json", dynamic("first", start.Unix()))
	step("a file", "first")
	w.write("map.json", dynamic("second", w.at.Unix()-7))
	step("another", "second")
	for i, broken := range []string{"", "{", "[]", `{"mapRoles": {}}`, `{"mapRoles": ["x"]}`, `{"mapRoles": [{"username": "x"}]}`, `{"mapRoles": [{"sso": {}}]}`, `{"mapAccounts": ["x"]}`, `{"mapRoles": [{"rolearn": "x", "groups": "g"}]}`} {
		w.write("map.json", broken)
		step(broken, "second")
		if w.who(); w.failed != i+1 {
			t.Errorf("%s: counted %d", broken, w.failed)
		}
	}
	w.write("map.json", `{"maproles": [{"RoleARN": "`+admin+`", "username": "{{SessionName}}"}], "mapAccounts": ["444455556666"]}`)
	step("an entry that is refused", admin)
	if err := os.Remove(filepath.Join(w.dir, "map.json")); err != nil {
		t.Fatal(err)
	}
	step("gone", "")
	w.write("map.json", dynamic("third", w.at.Unix()+100))
	step("back", "third")
	if want := []string{"dynamic_file 8s"}; !slices.Equal(w.loaded, want) {
		t.Errorf("loaded %v, want %v", w.loaded, want)
	}
}

// TestDynamicFileByID: with dynamicfileUserIDStrict an entry is found by its id.
func TestDynamicFileByID(t *testing.T) {
	w := newWorld(t, "{backendMode: [DynamicFile], dynamicfilepath: '{dir}/map.json', dynamicfileUserIDStrict: true}")
	for text, want := range map[string]string{
		`{"mapRoles": [{"userid": "AROAADMIN", "username": "x"}]}`:                             "x",
		`{"mapUsers": [{"userid": "AROAADMIN", "username": "x"}]}`:                             "x",
		`{"mapRoles": [{"userid": "AROAADMIN", "rolearn": "` + admin + `", "username": "x"}]}`: "x",
		`{"mapRoles": [{"userid": "AROAADMIN", "rolearn": "` + alice + `", "username": "x"}]}`: "",
		`{"mapRoles": [{"userid": "AROAOTHER", "rolearn": "` + admin + `", "username": "x"}]}`: "",
	} {
		w.at = w.at.Add(time.Hour)
		w.write("map.json", text)
		if got := w.who(); got != want {
			t.Errorf("%s: %q", text, got)
		}
	}
	before := w.failed
	w.write("map.json", dynamic("x", 0))
	if w.who(); w.failed != before+1 {
		t.Error("an entry without an id is taken")
	}
}

// TestDynamicModes: the modes change with their file, and without it are the
// configuration's.
func TestDynamicModes(t *testing.T) {
	w := newWorld(t, "{backendMode: [MountedFile], "+fileMaps+", dynamicBackendModePath: '{dir}/modes.json'}")
	w.reader.configMap, w.reader.crd = mapped("map"), mapped("crd")
	for _, tt := range []struct{ text, want, modes string }{
		{"", "file", "[MountedFile]"},
		{`{"backendMode": "EKSConfigMap"}`, "map", "[EKSConfigMap]"},
		{`{"backendMode": "CRD EKSConfigMap"}`, "crd", "[CRD EKSConfigMap]"},
		{`{"backendMode": "Magic"}`, "crd", "[CRD EKSConfigMap]"},
		{`{"backendMode": ""}`, "crd", "[CRD EKSConfigMap]"},
		{`{"backendMode": "DynamicFile MountedFile"}`, "crd", "[CRD EKSConfigMap]"}, // none is configured
		{`{"backendMode": "ConfigMap"}`, "map", "[EKSConfigMap]"},
	} {
		if w.at = w.at.Add(time.Minute); tt.text != "" {
			w.write("modes.json", tt.text)
		}
		if got := w.who(); got != tt.want || w.modes != tt.modes {
			t.Errorf("%s: %q, %s", tt.text, got, w.modes)
		}
	}
	if err := os.Remove(filepath.Join(w.dir, "modes.json")); err != nil {
		t.Fatal(err)
	}
	if got := w.who(); got != "file" || w.modes != "[MountedFile]" || w.ReadsCRD() {
		t.Errorf("gone: %q, %s", got, w.modes)
	}
}

func TestNewChainRefuses(t *testing.T) {
	c, err := authenticator.Parse([]byte("clusterID: c"))
	if err != nil {
		t.Fatal(err)
	}
	good := authenticator.ChainConfig{Config: c, Reader: &reader{}, Now: time.Now}
	if _, err := authenticator.NewChain(good); err != nil {
		t.Error(err)
	}
	for name, change := range map[string]func(*authenticator.ChainConfig){
		"no reader": func(c *authenticator.ChainConfig) { c.Reader = nil }, "no clock": func(c *authenticator.ChainConfig) { c.Now = nil }, "no modes": func(c *authenticator.ChainConfig) { c.Config.Modes = nil },
	} {
		bad := good
		change(&bad)
		if _, err := authenticator.NewChain(bad); err == nil {
			t.Errorf("%s: a chain was made", name)
		}
	}
}

func FuzzDynamicFile(f *testing.F) {
	f.Add(dynamic("x", 0), true)
	f.Add(`{"mapUsers":[{"userarn":"`+alice+`","groups":null}],"mapAccounts":["444455556666"]}`, false)
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, text string, byID bool) {
		path := filepath.Join(dir, "map.json")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		c := authenticator.Config{ClusterID: "c", Modes: []authenticator.Mode{authenticator.DynamicFile}, DynamicFile: path, DynamicByID: byID}
		chain, err := authenticator.NewChain(authenticator.ChainConfig{Config: c, Reader: &reader{}, Now: time.Now})
		if err != nil {
			t.Fatal(err)
		}
		m, ok, err := chain.Map(t.Context(), cluster, eks.Principal{CanonicalARN: admin, PrincipalID: "AROAADMIN", Account: "444455556666"})
		if err != nil {
			t.Error(err)
		}
		if cerr := eks.CheckMapping(m); ok && cerr != nil {
			t.Error(cerr)
		}
	})
}
