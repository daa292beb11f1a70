package awsauth

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v3"

	"mayfly.internal/internal/eks"
	"mayfly.internal/internal/vectortest"
)

const (
	deployer = "arn:aws:iam::111122223333:role/deployer"
	builder  = "arn:aws:iam::111122223333:role/builder"
)

func roles(m ...eks.Mapping) eks.Mappings { return eks.Mappings{Roles: m} }

func TestParse(t *testing.T) {
	ok := eks.Mapping{ARN: builder, Username: "builder", Groups: []string{"builders"}}
	const okText = "\n- rolearn: " + builder + "\n  username: builder\n  groups: [builders]\n"
	for _, tt := range []struct {
		name  string
		data  map[string]string
		want  eks.Mappings
		notes []string // key, entry, D for dropped, and some words
	}{
		{"nothing", nil, eks.Mappings{}, nil},
		{"all three", map[string]string{
			"mapRoles":    "- rolearn: " + deployer + "\n  username: deployer\n  groups:\n  - deployers\n  - viewers\n",
			"mapUsers":    "- userarn: arn:aws:iam::111122223333:user/jane\n  username: jane\n  groups: [system:masters]\n",
			"mapAccounts": "- \"111122223333\"\n- 012345678901\n- 444455556666\n",
		}, eks.Mappings{
			Roles:    []eks.Mapping{{ARN: deployer, Username: "deployer", Groups: []string{"deployers", "viewers"}}},
			Users:    []eks.Mapping{{ARN: "arn:aws:iam::111122223333:user/jane", Username: "jane", Groups: []string{"system:masters"}}},
			Accounts: []string{"111122223333", "012345678901", "444455556666"},
		}, nil},
		{"empty texts", map[string]string{"mapRoles": "", "mapUsers": " \n", "mapAccounts": "\"\""}, eks.Mappings{}, nil},
		{"quotes and back-ticks", map[string]string{"mapRoles": "''", "mapUsers": "``", "mapAccounts": "[]"}, eks.Mappings{}, nil},
		{"null and comments", map[string]string{"mapRoles": "null", "mapUsers": "# nobody", "mapAccounts": "~"}, eks.Mappings{}, nil},
		{"keys in another case are other keys", map[string]string{"maproles": okText, "MapRoles": okText}, eks.Mappings{}, nil},
		{"names inside in any case", map[string]string{"mapRoles": "- RoleARN: " + builder + "\n  UserName: builder\n  GROUPS: [builders]\n"}, roles(ok), nil},
		{"names in quotes, a blank before the colon, JSON", map[string]string{"mapRoles": `[{"rolearn" : "` + builder + `", "username" : "builder", "groups" : ["builders"]}]`}, roles(ok), nil},
		{"fields nobody knows", map[string]string{"mapRoles": okText + "  userid: AROAEXAMPLE\n  comment: {a: [b]}\n"}, roles(ok), nil},
		{"no user name and no groups", map[string]string{"mapRoles": "- rolearn: " + deployer}, roles(eks.Mapping{ARN: deployer}), nil},
		{"null fields", map[string]string{"mapRoles": "- rolearn: " + deployer + "\n  username:\n  groups:\n  sso:\n"}, roles(eks.Mapping{ARN: deployer}), nil},
		{"both of two entries of one ARN, in their order", map[string]string{"mapRoles": okText + strings.ReplaceAll(okText, "username: builder", "username: later")}, roles(ok, eks.Mapping{ARN: builder, Username: "later", Groups: []string{"builders"}}), nil},
		{"the first of several documents", map[string]string{"mapRoles": okText + "---\n" + okText}, roles(ok), nil},
		{"a wrongly indented item is part of the one before", map[string]string{"mapRoles": "- rolearn: " + deployer + "\n  username: x\n  groups:\n    - a\n     - b\n"}, roles(eks.Mapping{ARN: deployer, Username: "x", Groups: []string{"a - b"}}), nil},

		{"a key that is no YAML costs the others nothing", map[string]string{"mapRoles": "- rolearn: [", "mapUsers": "- userarn: u\n  username: n\n"}, eks.Mappings{Users: []eks.Mapping{{ARN: "u", Username: "n"}}}, []string{"mapRoles 0 D not YAML"}},
		{"a tab is no YAML", map[string]string{"mapRoles": "\t- rolearn: " + deployer}, eks.Mappings{}, []string{"mapRoles 0 D not YAML"}},
		{"a mapping in place of the list", map[string]string{"mapRoles": "rolearn: " + deployer}, eks.Mappings{}, []string{"mapRoles 0 D not a YAML list"}},
		{"a text in place of the list", map[string]string{"mapAccounts": "111122223333"}, eks.Mappings{}, []string{"mapAccounts 0 D not a YAML list"}},
		{"a bad entry costs the others nothing", map[string]string{"mapRoles": "- nonsense" + okText}, roles(ok), []string{"mapRoles 1 D not a YAML mapping"}},
		{"an entry without an ARN", map[string]string{"mapRoles": "- username: x" + okText}, roles(ok), []string{"mapRoles 1 D no rolearn"}},
		{"an entry of the other key", map[string]string{"mapRoles": "- userarn: " + deployer + okText, "mapUsers": "- rolearn: x"}, roles(ok), []string{"mapRoles 1 D no rolearn", "mapUsers 1 D no userarn"}},
		{"an ARN that is a number", map[string]string{"mapRoles": "- rolearn: 12" + okText}, roles(ok), []string{"mapRoles 1 _ rolearn is not text", "mapRoles 1 D no rolearn"}},
		{"a field twice", map[string]string{"mapRoles": "- rolearn: " + deployer + "\n  rolearn: " + builder + okText}, roles(ok), []string{`mapRoles 1 D names "rolearn" twice`}},
		{"a field twice but for case", map[string]string{"mapRoles": "- rolearn: " + deployer + "\n  username: a\n  userName: b" + okText}, roles(ok), []string{`mapRoles 1 D names "username" twice`}},
		{"single sign-on", map[string]string{"mapRoles": "- sso: {permissionSetName: View, accountID: \"111122223333\"}\n  username: x" + okText}, roles(ok), []string{"mapRoles 1 D single sign-on"}},
		{"single sign-on beside an ARN", map[string]string{"mapRoles": "- rolearn: " + deployer + "\n  sso: {permissionSetName: View}" + okText}, roles(ok), []string{"mapRoles 1 D single sign-on"}},
		{"an alias in place of an entry", map[string]string{"mapRoles": "- &a {rolearn: " + builder + ", username: builder, groups: [builders]}\n- *a\n"}, roles(ok), []string{"mapRoles 2 D not a YAML mapping"}},
		{"an alias in place of groups", map[string]string{"mapRoles": "- rolearn: " + deployer + "\n  x: &g [system:masters]\n  groups: *g\n"}, roles(eks.Mapping{ARN: deployer}), []string{"mapRoles 1 _ groups is not a list"}},
		{"a merge key", map[string]string{"mapRoles": "- &a {rolearn: " + builder + ", username: builder, groups: [builders]}\n- <<: *a\n"}, roles(ok), []string{"mapRoles 2 D no rolearn"}},

		// A field of the wrong kind counts as left out, as in the original.
		{"a user name that is a number", map[string]string{"mapRoles": "- rolearn: " + deployer + "\n  username: 12345\n  groups: [g]\n"}, roles(eks.Mapping{ARN: deployer, Groups: []string{"g"}}), []string{"mapRoles 1 _ username is not text"}},
		{"groups that are a text", map[string]string{"mapRoles": "- rolearn: " + deployer + "\n  groups: system:masters\n"}, roles(eks.Mapping{ARN: deployer}), []string{"mapRoles 1 _ groups is not a list"}},
		{"a group that is a number", map[string]string{"mapRoles": "- rolearn: " + deployer + "\n  groups: [1, g, true]\n"}, roles(eks.Mapping{ARN: deployer, Groups: []string{"g"}}), []string{"mapRoles 1 _ groups is not text", "mapRoles 1 _ groups is not text"}},
		{"accounts that are none", map[string]string{"mapAccounts": "- 12345\n- [111122223333]\n- \"1111 2222 3333\"\n- ~\n- 444455556666\n- '*'\n"}, eks.Mappings{Accounts: []string{"444455556666"}}, []string{"mapAccounts 1 D account id", "mapAccounts 2 D account id", "mapAccounts 3 D account id", "mapAccounts 4 D account id", "mapAccounts 6 D account id"}},

		// What is refused on purpose goes entry by entry.
		{"instances", map[string]string{"mapRoles": "- rolearn: " + deployer + "\n  username: system:node:{{EC2PrivateDNSName}}\n  groups: [system:bootstrappers, system:nodes]" + okText}, roles(ok), []string{"mapRoles 1 D EC2PrivateDNSName"}},
		{"nodes by a name the caller chooses", map[string]string{"mapRoles": "- rolearn: " + deployer + "\n  username: system:node:{{SessionName}}\n  groups: [system:nodes]" + okText}, roles(ok), []string{"mapRoles 1 D system:"}},
		{"a user by that name", map[string]string{"mapRoles": "- rolearn: " + deployer + "\n  username: \"{{SessionNameRaw}}\"" + okText}, roles(ok), []string{"mapRoles 1 D colon"}},
		{"a group by that name", map[string]string{"mapRoles": "- rolearn: " + deployer + "\n  username: x\n  groups: [a, \"{{SessionName}}\"]" + okText}, roles(ok), []string{"mapRoles 1 D placeholder"}},
		{"and where it cannot decide", map[string]string{"mapRoles": "- rolearn: " + deployer + "\n  username: ci:{{SessionName}}\n"}, roles(eks.Mapping{ARN: deployer, Username: "ci:{{SessionName}}"}), nil},
		{"a role's path", map[string]string{"mapRoles": "- rolearn: arn:aws:iam::111122223333:role/team/x\n"}, roles(eks.Mapping{ARN: "arn:aws:iam::111122223333:role/team/x"}), nil},
		{"a session's ARN", map[string]string{"mapRoles": "- rolearn: arn:aws:sts::111122223333:assumed-role/x/s\n"}, roles(eks.Mapping{ARN: "arn:aws:sts::111122223333:assumed-role/x/s"}), []string{"mapRoles 1 _ assumed-role ARN never matches"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, notes := parse(tt.data)
			if d := cmp.Diff(tt.want, got); d != "" {
				t.Error(d)
			}
			if len(notes) != len(tt.notes) {
				t.Fatalf("notes %+v, want %v", notes, tt.notes)
			}
			for i, n := range notes {
				head := fmt.Sprintf("%s %d %s ", n.Key, n.Entry, map[bool]string{true: "D", false: "_"}[n.Dropped])
				words, found := strings.CutPrefix(tt.notes[i], head)
				if !found || !strings.Contains(n.Detail, words) {
					t.Errorf("note %s%q, want %q", head, n.Detail, tt.notes[i])
				}
			}
		})
	}
}

// What a cluster says of itself is bounded, whatever it says.
func TestParseBounds(t *testing.T) {
	if _, notes := parse(map[string]string{"mapRoles": strings.Repeat("- x\n", 10_000)}); len(notes) != maxNotes {
		t.Errorf("%d notes", len(notes))
	}
	long := strings.Repeat("é", 10_000)
	if _, notes := parse(map[string]string{"mapUsers": "- ? " + long + "\n  : 1\n  ? " + long + "\n  : 1\n"}); len(notes) != 1 || len(notes[0].Detail) > 300 {
		t.Errorf("%.500v", notes)
	}
	bomb := "- &a [x, x, x, x, x, x, x, x, x]\n"
	for c := 'b'; c < 'k'; c++ {
		bomb += fmt.Sprintf("- &%c [*%c, *%c, *%c, *%c, *%c, *%c, *%c, *%c, *%c]\n", c, c-1, c-1, c-1, c-1, c-1, c-1, c-1, c-1, c-1)
	}
	m, notes := parse(map[string]string{"mapRoles": bomb + "- rolearn: " + deployer + "\n  groups: *j\n"})
	if len(m.Roles) != 1 || len(m.Roles[0].Groups) != 0 {
		t.Errorf("%+v, %+v", m, notes)
	}
	for _, n := range notes {
		if len(n.Detail) > 500 {
			t.Errorf("a note has %d bytes", len(n.Detail))
		}
	}
	if _, notes := parse(map[string]string{"mapRoles": strings.Repeat("[", 100_000)}); len(notes) != 1 {
		t.Errorf("%+v", notes)
	}
}

// TestRealConfigMaps reads ConfigMaps as they stand in public repositories.
func TestRealConfigMaps(t *testing.T) {
	var cases []struct {
		File     string
		Expected map[string]json.RawMessage
	}
	dir := vectortest.Path(t, "aws-auth")
	readJSON(t, filepath.Join(dir, "expected.json"), &cases)
	if len(cases) != 17 {
		t.Fatalf("%d cases", len(cases))
	}
	for _, c := range cases {
		t.Run(c.File, func(t *testing.T) {
			raw, err := os.ReadFile(filepath.Join(dir, c.File))
			if err != nil {
				t.Fatal(err)
			}
			var doc struct{ Data map[string]string }
			if err := yaml.Unmarshal(raw, &doc); err != nil {
				t.Fatal(err)
			}
			got, notes := parse(doc.Data)
			for key, list := range map[string][]eks.Mapping{"mapRoles": got.Roles, "mapUsers": got.Users} {
				checkEntries(t, key, c.Expected[key], list, notes)
			}
			var accounts []string
			if err := json.Unmarshal(c.Expected["mapAccounts"], &accounts); err != nil {
				t.Fatal(err)
			}
			if strings.Join(accounts, " ") != strings.Join(got.Accounts, " ") {
				t.Errorf("accounts %v, want %v", got.Accounts, accounts)
			}
		})
	}
}

// checkEntries holds the mappings of a key against those the original would
// make: each is there, in its order, or was dropped for what we refuse.
func checkEntries(t *testing.T, key string, want json.RawMessage, got []eks.Mapping, notes []note) {
	t.Helper()
	var entries []map[string]any
	if err := json.Unmarshal(want, &entries); err != nil { // {"yaml_error": …}
		if len(got) != 0 || len(notes) == 0 || notes[0].Entry != 0 {
			t.Errorf("%s is no YAML: %+v, %+v", key, got, notes)
		}
		return
	}
	for i, e := range entries {
		var m eks.Mapping
		for name, v := range e {
			switch strings.ToLower(name) {
			case "rolearn", "userarn":
				m.ARN = v.(string)
			case "username":
				m.Username = v.(string)
			case "groups":
				for _, g := range v.([]any) {
					m.Groups = append(m.Groups, g.(string))
				}
			}
		}
		if strings.HasPrefix(m.Username, "system:node:{{") {
			dropped := false
			for _, n := range notes {
				dropped = dropped || n.Key == key && n.Entry == i+1 && n.Dropped
			}
			if !dropped {
				t.Errorf("%s %d, of nodes, is not dropped: %+v", key, i+1, notes)
			}
			continue
		}
		if len(got) == 0 {
			t.Errorf("%s %d is missing: %+v", key, i+1, m)
			continue
		}
		if d := cmp.Diff(m, got[0]); d != "" {
			t.Error(d)
		}
		got = got[1:]
	}
	if len(got) > 0 {
		t.Errorf("%s has more: %+v", key, got)
	}
}

// TestParseVectors runs aws-iam-authenticator's own cases of ParseMap.
func TestParseVectors(t *testing.T) {
	var doc struct {
		ParseData []struct {
			Data                   map[string]string
			Roles, Users, Accounts int
		} `json:"parse_data"`
	}
	readJSON(t, vectortest.Path(t, "eks-bearer-tokens/mapping.json"), &doc)
	if len(doc.ParseData) != 3 {
		t.Fatalf("%d cases", len(doc.ParseData))
	}
	for i, c := range doc.ParseData {
		m, notes := parse(c.Data)
		dropped := map[string]int{}
		for _, n := range notes {
			if n.Dropped {
				dropped[n.Key]++ // an instance's name, single sign-on
			}
		}
		if len(m.Roles)+dropped["mapRoles"] != c.Roles || len(m.Users)+dropped["mapUsers"] != c.Users || len(m.Accounts) != c.Accounts {
			t.Errorf("case %d: %+v, %+v", i, m, notes)
		}
	}
}

func readJSON(t *testing.T, path string, into any) {
	t.Helper()
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(raw, into); err != nil {
		t.Fatal(err)
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{"- rolearn: " + deployer + "\n  username: x\n  groups: [a]\n", "- &a {rolearn: x}\n- *a\n", "[{\"rolearn\": 1}]", "- 012345678901", "''", "\t"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		m, notes := parse(map[string]string{"mapRoles": text, "mapUsers": text, "mapAccounts": text})
		for _, r := range append(m.Roles, m.Users...) {
			if err := eks.CheckMapping(r); err != nil {
				t.Errorf("%+v: %v", r, err)
			}
		}
		for _, a := range m.Accounts {
			if len(a) != 12 {
				t.Errorf("the account %q", a)
			}
		}
		if len(notes) > maxNotes {
			t.Errorf("%d notes", len(notes))
		}
	})
}
