package cli

import (
	"reflect"
	"strings"
	"testing"

	"mayfly.internal/internal/wire/mayflywire"
)

var podRule = mayflywire.Rule{APIGroups: []string{""}, Resources: []string{"pods", "pods/log"}, Verbs: []string{"get"}}

const role = "apiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRole\n"

// TestParseRules: a ClusterRole, its rules, and the list, in YAML and JSON.
func TestParseRules(t *testing.T) {
	const rule = `{apiGroups: [""], resources: [pods, pods/log], verbs: [get]}`
	for name, text := range map[string]string{
		"a list":                    "- apiGroups: ['']\n  resources:\n  - pods\n  - pods/log\n  verbs: [get]\n",
		"rules":                     "# mine\nrules: [" + rule + "]\n",
		"a document that begins so": "---\nrules: [" + rule + "]\n...\n",
		"a ClusterRole":             role + "metadata: {name: x, labels: {a: b}, annotations: {rbac.authorization.kubernetes.io/autoupdate: 'true'}}\nrules: [" + rule + "]\n",
		"no aggregationRule":        role + "aggregationRule: null\nrules: [" + rule + "]\n",
		"an anchor":                 "rules:\n- apiGroups: &core [\"\"]\n  resources: [pods, pods/log]\n  verbs: [get]\n",
		"JSON":                      `{"rules":[{"apiGroups":[""],"resources":["pods","pods/log"],"verbs":["get"],"resourceNames":null}]}`,
		"a list of JSON":            `[{"apiGroups":[""],"resources":["pods","pods/log"],"verbs":["get"]}]`,
	} {
		got, note, err := parseRules([]byte(text))
		if err != nil || note != "" || !reflect.DeepEqual(got, []mayflywire.Rule{podRule}) {
			t.Errorf("%s: %+v, %q, %v", name, got, note, err)
		}
	}
	got, note, err := parseRules([]byte(role + "metadata: {name: view, uid: 6e5c}\naggregationRule: {clusterRoleSelectors: [{matchLabels: {a: b}}]}\nrules: [" + rule + "]\n"))
	if err != nil || len(got) != 1 || !strings.Contains(note, "aggregated") {
		t.Errorf("as a cluster has it: %+v, %q, %v", got, note, err)
	}
}

func TestParseRulesRefuses(t *testing.T) {
	for text, want := range map[string]string{
		"":                                "it is empty",
		"# nothing":                       "it is empty",
		"x":                               "it holds neither an object nor a list",
		"a: [":                            "line 1: ",
		"rules: [*]":                      "",
		"a: 1\na: 2":                      `mapping key "a" already defined`,
		"1: 2":                            "it holds neither an object nor a list",
		"rules: {1: 2}":                   "it holds what JSON has no word for",
		"rules: []\n---\n- a":             "it holds more than one document",
		"{}":                              "rules is missing",
		"rules: x":                        "rules must be an array, not string",
		"- get":                           "rules[0] must be an object, not string",
		"- verbs: get":                    "rules[0].verbs must be an array, not string",
		"- verbs: [1]":                    "rules[0].verbs[0] must be a string, not number",
		"- verbs: [get]\n  apiGroup: [x]": "rules[0].apiGroup is not supported",
		"Rules: []":                       "Rules is not supported",
		"rules: []\nroleRef: {}":          "roleRef is not supported",
		"rules: []\nmetadata: {name: x}":  "kind is missing",
		"rules: []\naggregationRule: {}":  "kind is missing",
		"kind: ClusterRole\nrules: []":    `kind "ClusterRole" of apiVersion ""`,
		"apiVersion: rbac.authorization.k8s.io/v1\nkind: Role\nrules: []": `kind "Role" of apiVersion "rbac.authorization.k8s.io/v1": a ClusterRole`,
		"apiVersion: v1\nkind: List\nitems: []":                           "items is not supported",
		role + "aggregationRule: {clusterRoleSelectors: []}\nrules: []":   "aggregationRule is not supported",
		role + "metadata: {name: x}\naggregationRule: {}\nrules: []":      "aggregationRule is not supported",
		role + "aggregationRule: {}\n":                                    "rules is missing",
	} {
		rules, note, err := parseRules([]byte(text))
		if err == nil || !strings.Contains(err.Error(), want) || rules != nil || note != "" {
			t.Errorf("%q: %+v, %q, %v, want %s", text, rules, note, err, want)
		}
	}
}

// FuzzParseRules: what is read is written as it was read.
func FuzzParseRules(f *testing.F) {
	f.Add([]byte("rules:\n- apiGroups: [\"\"]\n  resources: [pods]\n  verbs: [\"*\"]\n"))
	f.Add([]byte(role + "metadata: {uid: u}\naggregationRule: {}\nrules: [{nonResourceURLs: [/metrics/*], verbs: [get]}]\n"))
	f.Add([]byte(`[{"verbs":["yes","~","0x1"," a","b: c","#"]}]`))
	f.Fuzz(func(t *testing.T, data []byte) {
		rules, note, err := parseRules(data)
		if err != nil {
			if rules != nil || note != "" {
				t.Fatalf("a refusal gives %+v, %q", rules, note)
			}
			return
		}
		text, err := formatRules(rules)
		if err != nil {
			t.Fatal(err)
		}
		again, _, err := parseRules([]byte(text))
		if err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		once, _ := formatRules(again)
		if once != text {
			t.Fatalf("%s became %s", text, once)
		}
	})
}
