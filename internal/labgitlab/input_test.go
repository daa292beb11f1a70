package labgitlab

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// included is the configuration of a project that includes a file with inputs.
func included(t *testing.T, header, given, content string) (*PipelineConfig, error) {
	t.Helper()
	return LoadPipeline(tree(map[string]string{
		".gitlab-ci.yml": "include: {local: t.yml, inputs: {" + given + "}}\nstages: [build, test, deploy]",
		"t.yml":          "spec: {inputs: {" + header + "}}\n---\n" + content,
	}), ".gitlab-ci.yml")
}

// TestInputsArePutIn: in keys and values; a value that is an input alone takes
// its type (GitLab docs, "CI/CD inputs").
func TestInputsArePutIn(t *testing.T) {
	c, err := included(t, `
  name: , stage: {default: test}, soft: {type: boolean, default: false}, code: {type: number, default: 137},
  rules: {type: array, default: []}, words: {default: "it's $HERE"}, none: {default: null}`,
		"name: deploy, stage: deploy, soft: true, rules: [{if: $CI, when: manual}]", `
$[[ inputs.name ]] job:
  stage: $[[inputs.stage]]
  allow_failure: $[[ inputs.soft ]]
  rules: $[[ inputs.rules ]]
  variables: {CODE: "is $[[ inputs.code ]]", "$[[ inputs.name ]]_NONE": "<$[[ inputs.none ]]>"}
  script:
    - run $[[ inputs.name | truncate(1,3) ]]$[[ inputs.stage | truncate( 0 , 99 ) ]]
    - echo $[[ inputs.words | posix_escape ]] $[[ matrix.X ]] $[[ nothing
`)
	if err != nil {
		t.Fatal(err)
	}
	j := c.byName["deploy job"]
	if j == nil || j.stage != "deploy" || len(j.rules) != 1 || j.rules[0].when != "manual" {
		t.Fatalf("%+v", c.Jobs())
	}
	if diff := cmp.Diff([]string{"run epldeploy", `echo it\'s\ \$HERE $[[ matrix.X ]] $[[ nothing`}, j.script); diff != "" {
		t.Error(diff)
	}
	got := map[string]string{}
	for _, v := range j.variables {
		got[v.key] = v.value
	}
	if diff := cmp.Diff(map[string]string{"CODE": "is 137", "deploy_NONE": "<>"}, got); diff != "" {
		t.Error(diff)
	}
}

func TestInputsAreChecked(t *testing.T) {
	for _, tt := range []struct{ name, header, given, content, want string }{
		{"one that is missing", "x: ", "", "j: {script: [a]}", "`x` input: required value has not been provided"},
		{"one nobody declared", "x: {default: a}", "y: b", "j: {script: [a]}", "unknown input arguments: y"},
		{"a number for a string", "x: ", "x: 1", "j: {script: [a]}", "`x` input: provided value is not a string"},
		{"a string for a number", "x: {type: number}", "x: a", "j: {script: [a]}", "is not a number"},
		{"a word for a truth value", "x: {type: boolean}", "x: maybe", "j: {script: [a]}", "is not a boolean"},
		{"a string for a list", "x: {type: array}", "x: a", "j: {script: [a]}", "is not a array"},
		{"a default of another type", "x: {type: number, default: a}", "x: 1", "j: {script: [a]}", "default value is not a number"},
		{"not an option", "x: {options: [a, b]}", "x: c", "j: {script: [a]}", "is not in the list of allowed values: a, b"},
		{"a default that is no option", "x: {options: [a], default: b}", "", "j: {script: [a]}", "default value is not in the list"},
		{"not of the pattern", "x: {regex: '^v[0-9]+$'}", "x: v1x", "j: {script: [a]}", "does not match required RegEx pattern"},
		{"a pattern that is none", "x: {regex: '('}", "x: a", "j: {script: [a]}", "invalid regular expression"},
		{"a pattern for a number", "x: {type: number, regex: a}", "x: 1", "j: {script: [a]}", "only be used with string inputs"},
		{"options of a truth value", "x: {type: boolean, options: [true]}", "x: true", "j: {script: [a]}", "options should be a list"},
		{"an unknown type", "x: {type: text}", "x: a", "j: {script: [a]}", "unknown input specification for `x`"},
		{"an unknown key", "x: {defualt: a}", "x: a", "j: {script: [a]}", "contains unknown keys: defualt"},
		{"a value too large", "x: ", "x: " + strings.Repeat("a", 1<<10+1), "j: {script: [a]}", "provided value is too large"},
		{"an unknown input", "x: {default: a}", "", "j: {script: ['$[[ inputs.y ]]']}", "unknown input name provided: `y`"},
		{"an unknown context", "x: {default: a}", "", "j: {script: ['$[[ vars.CI ]]']}", `unknown interpolation context "vars"`},
		{"an unknown function", "x: {default: a}", "", "j: {script: ['$[[ inputs.x | upcase ]]']}", "no function matching `upcase`"},
		{"too many functions", "x: {default: a}", "", "j: {script: ['$[[ inputs.x | truncate(0,1) | truncate(0,1) | truncate(0,1) | truncate(0,1) ]]']}", "too many functions"},
		{"a function of a number", "x: {type: number, default: 1}", "", "j: {script: ['$[[ inputs.x | truncate(0,1) ]]']}", "only be used with string inputs"},
		{"too large once put in", "x: ", "x: " + strings.Repeat("a", 1<<10), "j: {script: ['" + strings.Repeat("$[[ inputs.x ]]", 1<<10+1) + "']}", "a text with inputs is larger"},
		{"too many blocks", "x: {default: a}", "", "j: {script: ['" + strings.Repeat("$[[ inputs.x ]]", 10_001) + "']}", "too many interpolation blocks"},
		{"too many values once put in", "x: {type: array, default: [" + strings.Repeat("a, ", 10_000) + "a]}", "", "j: {script: [" + strings.Repeat("'$[[ inputs.x ]]', ", 60) + "a]}", "more than 500000 values"},
	} {
		if _, err := included(t, tt.header, tt.given, tt.content); ReasonOf(err) != ReasonMalformed || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %.300v", tt.name, err)
		}
	}
	for name, files := range map[string]map[string]string{
		"unknown input arguments":                  {".gitlab-ci.yml": "include: {local: t.yml, inputs: {x: y}}", "t.yml": "j: {script: [x]}"},
		"header config contains unknown keys":      {".gitlab-ci.yml": "spec: {}\nvariables: {}\n---\nj: {script: [x]}"},
		"spec config contains unknown keys: input": {".gitlab-ci.yml": "spec: {input: {}}\n---\nj: {script: [x]}"},
		"spec:inputs should be a mapping":          {".gitlab-ci.yml": "spec: {inputs: [x]}\n---\nj: {script: [x]}"},
		"include:inputs should be a mapping":       {".gitlab-ci.yml": "include: {local: t.yml, inputs: [x]}", "t.yml": "spec: {inputs: {}}\n---\nj: {script: [x]}"},
	} {
		if _, err := LoadPipeline(tree(files), ".gitlab-ci.yml"); ReasonOf(err) != ReasonMalformed || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
