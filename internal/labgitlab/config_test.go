package labgitlab

import (
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"
)

func tree(files map[string]string) fstest.MapFS {
	out := fstest.MapFS{}
	for name, content := range files {
		out[name] = &fstest.MapFile{Data: []byte(content)}
	}
	return out
}

func loadText(t *testing.T, text string) (*PipelineConfig, error) {
	t.Helper()
	return LoadPipeline(tree(map[string]string{".gitlab-ci.yml": text}), ".gitlab-ci.yml")
}

func mustLoad(t *testing.T, files map[string]string) *PipelineConfig {
	t.Helper()
	c, err := LoadPipeline(tree(files), ".gitlab-ci.yml")
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestWhatGitLabWouldRefuseIsRefused(t *testing.T) {
	for _, tt := range []struct{ name, yaml, want string }{
		{"empty file", "", "one YAML document"},
		{"a list", "- a", "should be a mapping, not a list"},
		{"not YAML", "a: [", ".gitlab-ci.yml:1: not YAML"},
		{"tabs", "a:\n\tb: c", "not YAML"},
		{"three documents", "a: 1\n---\nb: 2\n---\nc: 3", "one YAML document"},
		{"no job", "stages: [a]", "at least one visible job"},
		{"hidden jobs only", ".a: {script: [x]}", "at least one visible job"},
		{"a job that does nothing", "j: {stage: test}", ".gitlab-ci.yml:1: jobs j config should implement the script:"},
		{"a job that is a list", "j: [x]", "should implement"},
		{"an unknown keyword", "j:\n  script: [x]\n  scripts: [y]", ".gitlab-ci.yml:3: jobs:j config contains unknown keys: scripts"},
		{"script with a number", "j: {script: [1]}", "script config should be a string or a nested array"},
		{"script with a mapping", "j:\n  script:\n    - echo: x", "script config should be a string or a nested array"},
		{"an empty script", "j: {script: []}", "script can't be blank"},
		{"script and trigger", "j: {script: [x], trigger: a/b}", "cannot be used together"},
		{"eleven levels of script", "j: {script: " + strings.Repeat("[", 12) + "x" + strings.Repeat("]", 12) + "}", "script config"},
		{"unknown stage", "j: {script: [x], stage: depoly}", "chosen stage depoly does not exist; available stages are .pre, build, test, deploy, .post"},
		{"stages that are no list", "stages: build\nj: {script: [x]}", "stages config should be an array of strings"},
		{"an unknown base", "j: {extends: .nothing, script: [x]}", "j: unknown keys in extends (.nothing)"},
		{"a base that is no mapping", ".b: [x]\nj: {extends: .b, script: [x]}", "invalid base hashes in extends (.b)"},
		{"extends in a circle", "a: {extends: b, script: [x]}\nb: {extends: a}", "circular dependency detected in extends"},
		{"extends itself", "a: {extends: a, script: [x]}", "circular dependency detected in extends"},
		{"extends too deep", deepExtends(13), "nesting too deep in extends"},
		{"a reference to nothing", "j: {script: !reference [.x, script]}", "!reference [.x, script] could not be found"},
		{"an empty reference", "j: {script: !reference []}", "at least one string"},
		{"a reference in a circle", ".a: {script: [!reference [.b, script]]}\n.b: {script: [!reference [.a, script]]}\nj: {script: !reference [.a, script]}", "is part of a circular chain"},
		{"an anchor in itself", "a: &a\n  b: *a\nj: {script: [x]}", "an anchor contains itself"},
		{"rules and only", "j: {script: [x], rules: [{when: always}], only: [main]}", "may not be used with rules"},
		{"empty rules", "j: {script: [x], rules: []}", "should be a list of rules"},
		{"a rule that is a word", "j: {script: [x], rules: [always]}", "should be a mapping"},
		{"an unknown key in a rule", "j: {script: [x], rules: [{iff: $A}]}", "contains unknown key iff"},
		{"a condition that is none", "j:\n  script: [x]\n  rules:\n    - if: $A = 1", ".gitlab-ci.yml:4: jobs:j:rules: invalid expression syntax"},
		{"a condition that is a truth value", "j: {script: [x], rules: [{if: true}]}", "if should be a string"},
		{"an unknown when", "j: {script: [x], when: sometimes}", "when should be one of: on_success"},
		{"when never outside rules", "j: {script: [x], when: never}", "when should be one of"},
		{"an unknown when in a rule", "j: {script: [x], rules: [{when: later}]}", "when should be one of"},
		{"allow_failure with a word", "j: {script: [x], allow_failure: sometimes}", "allow_failure should be a hash or a boolean"},
		{"exit codes that are words", "j: {script: [x], allow_failure: {exit_codes: [one]}}", "array of integers"},
		{"needs nothing known", "j: {script: [x], needs: [k]}", "j job: undefined need: k"},
		{"needs a later job", "j: {script: [x], stage: build, needs: [k]}\nk: {script: [x]}", "need k is not defined in current or prior stages"},
		{"needs twice", "k: {script: [x], stage: build}\nj: {script: [x], needs: [k, k]}", "needs duplicated: k"},
		{"needs in a circle", "a: {script: [x], needs: [b]}\nb: {script: [x], needs: [a]}", "circular dependencies"},
		{"needs itself", "a: {script: [x], needs: [a]}", "circular dependencies"},
		{"needs with an unknown key", "a: {script: [x]}\nb: {script: [x], needs: [{job: a, artefacts: true}]}", "unknown keys: artefacts"},
		{"depends on nothing known", "j: {script: [x], dependencies: [k]}", "undefined dependency: k"},
		{"id_tokens without aud", "j:\n  script: [x]\n  id_tokens:\n    T: {}", ".gitlab-ci.yml:4: jobs:j id_tokens:T config missing required keys: aud"},
		{"id_tokens with more than aud", "j: {script: [x], id_tokens: {T: {aud: a, sub: b}}}", "unknown keys: sub"},
		{"id_tokens with a number", "j: {script: [x], id_tokens: {T: {aud: 1}}}", "aud should be an array of strings or a string"},
		{"id_tokens with a list of numbers", "j: {script: [x], id_tokens: {T: {aud: [a, 1]}}}", "aud should be an array of strings or a string"},
		{"id_tokens that are a list", "j: {script: [x], id_tokens: [T]}", "id_tokens should be a mapping"},
		{"id_tokens that are a word", "j: {script: [x], id_tokens: {T: a}}", "should be a mapping with aud"},
		{"an environment that is a list", "j: {script: [x], environment: [a]}", "should be a hash or a string"},
		{"an environment with a bad name", "j: {script: [x], environment: 'a:b'}", "environment name can contain only"},
		{"an environment beginning with a slash", "j: {script: [x], environment: /a}", "environment name can contain only"},
		{"an environment without a name", "j: {script: [x], environment: {url: 'https://a'}}", "environment name can contain only"},
		{"an unknown action", "j: {script: [x], environment: {name: a, action: begin}}", "should be start, stop, prepare, verify, or access"},
		{"an unknown tier", "j: {script: [x], environment: {name: a, deployment_tier: prod}}", "deployment_tier should be one of"},
		{"a variable that is a list", "variables: {A: [x]}\nj: {script: [x]}", "variable A should be a string"},
		{"a description in a job", "j: {script: [x], variables: {A: {value: x, description: y}}}", "invalid data keys: description"},
		{"variables that are a list", "variables: [A]\nj: {script: [x]}", "variables should be a mapping"},
		{"an unquoted date", "variables: {DAY: 2024-01-31}\nj: {script: [x]}", "unquoted date"},
		{"default and root both", "default: {before_script: [a]}\nbefore_script: [b]\nj: {script: [x]}", "before_script is defined in top-level and `default:` entry"},
		{"an unknown default", "default: {script: [x]}\nj: {script: [x]}", "default config contains unknown keys: script"},
		{"inherit that is no mapping", "j: {script: [x], inherit: true}", "inherit config should be a mapping"},
		{"inherit of nothing known", "j: {script: [x], inherit: {default: [script]}}", "unknown values: script"},
		{"only that is a number", "j: {script: [x], only: 1}", "has to be either an array of conditions or a hash"},
		{"only with an unknown key", "j: {script: [x], only: {branches: [main]}}", "contains unknown keys: branches"},
		{"only with a bad pattern", "j: {script: [x], only: ['/(/']}", "regular expression in RE2 syntax"},
		{"only with a bad condition", "j: {script: [x], only: {variables: ['$A =']}}", "invalid expression syntax"},
		{"a workflow with an unknown key", "workflow: {when: always}\nj: {script: [x]}", "workflow config contains unknown keys: when"},
		{"a workflow that runs by hand", "workflow: {rules: [{when: manual}]}\nj: {script: [x]}", "when should be one of always, never"},
		{"a timeout that is none", "j: {script: [x], timeout: soon}", "timeout config should be a duration"},
		{"artifacts that are a list", "j: {script: [x], artifacts: [a]}", "artifacts config should be a mapping"},
		{"artifacts with an unknown key", "j: {script: [x], artifacts: {path: [a]}}", "unknown keys: path"},
		{"a name too long", strings.Repeat("j", 256) + ": {script: [x]}", "name is too long"},
		{"a file too large", "j: {script: [" + strings.Repeat("x", 2<<20) + "]}", "larger than"},
		{"nested too deep", "j: " + strings.Repeat("[", 150) + strings.Repeat("]", 150), "nested deeper"},
		{"a billion laughs", laughs(), "more than 500000 values"},
		{"an include that is not there", "include: /ci/none.yml\nj: {script: [x]}", "included file ci/none.yml does not exist"},
		{"an include without extension", "include: {local: ci}\nj: {script: [x]}", "does not have YAML extension"},
		{"an include outside", "include: ../../etc/x.yml\nj: {script: [x]}", "does not exist"},
		{"an include of itself", "include: .gitlab-ci.yml\nj: {script: [x]}", "includes itself"},
		{"an include pattern for nothing", "include: 'ci/*.yml'\nj: {script: [x]}", "matches no file"},
		{"an include that is a number", "include: [1]\nj: {script: [x]}", "include takes a file name"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c, err := loadText(t, tt.yaml)
			if ReasonOf(err) != ReasonMalformed || !strings.Contains(err.Error(), tt.want) {
				t.Fatalf("error %.300q, want %q", err, tt.want)
			}
			if c != nil {
				t.Error("an error and a configuration")
			}
		})
	}
}

func deepExtends(n int) string {
	var b strings.Builder
	b.WriteString("j0: {script: [x]}\n")
	for i := 1; i < n; i++ {
		b.WriteString("j" + decimal(int64(i)) + ": {extends: j" + decimal(int64(i-1)) + "}\n")
	}
	lines := strings.Split(strings.TrimSpace(b.String()), "\n")
	for i, j := 0, len(lines)-1; i < j; i, j = i+1, j-1 {
		lines[i], lines[j] = lines[j], lines[i]
	}
	return strings.Join(lines, "\n")
}

func laughs() string {
	text := "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n"
	for i := 1; i < 9; i++ {
		name, last := "a"+decimal(int64(i)), "*a"+decimal(int64(i-1))
		text += name + ": &" + name + " [" + strings.Repeat(last+", ", 9) + last + "]\n"
	}
	return text + "j: {script: [x]}"
}

func TestRefusedByNameWhenRead(t *testing.T) {
	for _, tt := range []struct{ yaml, keyword string }{
		{"include: {remote: 'https://example.com/a.yml'}\nj: {script: [x]}", "include:remote"},
		{"include: 'https://example.com/a.yml'\nj: {script: [x]}", "include:remote"},
		{"include: [{project: a/b, file: c.yml}]\nj: {script: [x]}", "include:project"},
		{"include: {template: Go.gitlab-ci.yml}\nj: {script: [x]}", "include:template"},
		{"include: {component: a/b@1}\nj: {script: [x]}", "include:component"},
		{"spec: {include: [{local: a.yml}]}\n---\nj: {script: [x]}", "spec:include"},
		{"spec: {component: [name]}\n---\nj: {script: [x]}", "spec:component"},
		{"spec: {inputs: {x: {rules: [{default: y}]}}}\n---\nj: {script: [x]}", "spec:inputs:rules"},
		{"spec: {inputs: {x: {type: array, default: [y]}}}\n---\nj: {script: ['a $[[ inputs.x ]]']}", "$[[ inputs.x ]]"},
		{"spec: {inputs: {}}\n---\nj: {script: ['$[[ component.name ]]']}", "$[[ component ]]"},
		{"j: {script: [x], rules: [{if: '$[[ inputs.x ]] == \"y\"'}]}", "$[[ inputs ]]"},
	} {
		_, err := loadText(t, tt.yaml)
		refusal, ok := err.(*Refusal)
		if !ok || refusal.Reason != ReasonNotModelled || refusal.Keyword != tt.keyword || refusal.Where.Line == 0 {
			t.Errorf("%s: %v", tt.keyword, err)
		}
	}
}

func TestExtendsMergesDeeplyAndReplacesLists(t *testing.T) {
	c := mustLoad(t, map[string]string{".gitlab-ci.yml": `
.grand:
  variables: {A: grand, B: grand}
  script: [grand]
  id_tokens: {G: {aud: grand}}
.parent:
  extends: .grand
  variables: {B: parent, C: parent}
  id_tokens: {P: {aud: parent}}
.other:
  variables: {C: other, D: other}
  script: [other]
child:
  extends: [.parent, .other]
  variables: {D: child}
  id_tokens: {P: {aud: child}}
`})
	j := c.byName["child"]
	if diff := cmp.Diff([]string{"other"}, j.script); diff != "" {
		t.Error(diff)
	}
	want := map[string]string{"A": "grand", "B": "parent", "C": "other", "D": "child"}
	got := map[string]string{}
	for _, v := range j.variables {
		got[v.key] = v.value
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]DeclaredToken{
		{"child", IDToken{"G", OneAudience("grand")}}, {"child", IDToken{"P", OneAudience("child")}},
	}, c.IDTokens(), cmp.AllowUnexported(Audience{})); diff != "" {
		t.Error(diff)
	}
}

func TestReferencesSeeExtendedJobsAndNest(t *testing.T) {
	c := mustLoad(t, map[string]string{".gitlab-ci.yml": `
.base: {script: [one, two], rules: [{if: '$A'}, {if: '$B'}]}
.setup: {extends: .base}
.tokens: {id_tokens: {T: {aud: referenced}}}
.more: {script: [!reference [.setup, script], three]}
j:
  script:
    - zero
    - !reference [.more, script]
    - four
  rules:
    - !reference [.base, rules]
    - when: never
  id_tokens: !reference [.tokens, id_tokens]
`})
	j := c.byName["j"]
	if diff := cmp.Diff([]string{"zero", "one", "two", "three", "four"}, j.script); diff != "" {
		t.Error(diff)
	}
	if len(j.rules) != 3 {
		t.Errorf("%d rules", len(j.rules))
	}
	if len(j.idTokens) != 1 || j.idTokens[0].Name != "T" {
		t.Errorf("%v", j.idTokens)
	}
}

func TestDefaultsReachJobsThatInherit(t *testing.T) {
	c := mustLoad(t, map[string]string{".gitlab-ci.yml": `
default:
  before_script: [before]
  id_tokens: {D: {aud: default}}
  timeout: 5 minutes
variables: {A: root, B: root}
all: {script: [x]}
own: {script: [x], before_script: [mine], id_tokens: {O: {aud: own}}}
none: {script: [x], inherit: {default: false, variables: false}}
some: {script: [x], inherit: {default: [timeout], variables: [B]}}
empty: {script: [x], before_script: []}
`})
	for name, want := range map[string]struct {
		before  []string
		tokens  int
		timeout bool
	}{
		"all": {[]string{"before"}, 1, true}, "own": {[]string{"mine"}, 1, true}, "none": {nil, 0, false}, "some": {nil, 0, true}, "empty": {[]string{}, 1, true},
	} {
		j := c.byName[name]
		if diff := cmp.Diff(want.before, j.before); diff != "" && len(want.before)+len(j.before) > 0 {
			t.Errorf("%s: %s", name, diff)
		}
		if len(j.idTokens) != want.tokens || (j.timeout > 0) != want.timeout {
			t.Errorf("%s: %d tokens, timeout %v", name, len(j.idTokens), j.timeout)
		}
	}
	if c.byName["own"].idTokens[0].Name != "O" {
		t.Error("own id_tokens replace the default's as a whole")
	}
	if c.byName["none"].inheritAll || c.byName["some"].inheritAll || len(c.byName["some"].inheritOnly) != 1 {
		t.Error("inherit:variables")
	}
}

func TestAnchorsAndMergeKeys(t *testing.T) {
	c := mustLoad(t, map[string]string{".gitlab-ci.yml": `
.a: &a {script: [a], stage: build, variables: {V: a}}
.b: &b {stage: deploy}
below:
  <<: *a
  stage: test
above:
  stage: test
  <<: *a
both:
  <<: [*b, *a]
list:
  script: &commands [one]
again:
  script: [*commands, two]
`})
	for name, stage := range map[string]string{"below": "test", "above": "build", "both": "deploy"} {
		if got := c.byName[name].stage; got != stage {
			t.Errorf("%s: stage %s, want %s", name, got, stage)
		}
	}
	if diff := cmp.Diff([]string{"one", "two"}, c.byName["again"].script); diff != "" {
		t.Error(diff)
	}
}

func TestIncludesMergeUnderTheFile(t *testing.T) {
	c := mustLoad(t, map[string]string{
		".gitlab-ci.yml": `
include:
  - local: /ci/base.yml
  - ci/more/*.yml
stages: [build, test, deploy]
j: {variables: {A: own}}
`,
		"ci/base.yml":   "include: {local: ci/inner.yml}\nstages: [inner]\nj: {script: [base], variables: {A: base, B: base}}",
		"ci/inner.yml":  "k: {script: [inner], stage: build}",
		"ci/more/a.yml": "l: {script: [a], stage: deploy}",
		"ci/more/b.yml": "l: {script: [b]}",
	})
	if diff := cmp.Diff([]string{"k", "j", "l"}, c.Jobs()); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"b"}, c.byName["l"].script); diff != "" {
		t.Error(diff)
	}
	if c.byName["l"].stage != "deploy" || len(c.byName["j"].variables) != 2 {
		t.Errorf("%+v", c.byName["l"])
	}
}

func TestStagesHaveTheirEdges(t *testing.T) {
	for yaml, want := range map[string][]string{
		"j: {script: [x]}": {".pre", "build", "test", "deploy", ".post"},
		"stages: [a, .post, .pre, a]\nj: {script: [x], stage: a}": {".pre", "a", ".post"},
		"stages: []\nj: {script: [x], stage: .pre}":               {".pre", ".post"},
	} {
		c, err := loadText(t, yaml)
		if err != nil {
			t.Error(err)
			continue
		}
		if diff := cmp.Diff(want, c.stages); diff != "" {
			t.Error(diff)
		}
	}
}

func FuzzPipeline(f *testing.F) {
	for _, seed := range []string{
		"j: {script: [x]}", "include: a.yml\nj: {extends: .b, script: !reference [.b, script]}\n.b: {script: [y]}",
		".a: &a {script: [x]}\nj: {<<: *a, rules: [{if: $A, changes: [b], exists: {paths: [c]}}], needs: [{job: k, optional: true}]}",
		"default: {id_tokens: {T: {aud: [a]}}}\nj: {script: x, environment: {name: a/$B}, only: [main, /x/i], artifacts: {reports: {dotenv: e}}}",
		"spec: {}\n---\nj: 1", "spec: {inputs: {a: {default: 'x $B', regex: x}, b: {type: array, default: [1]}}}\n---\n'j $[[ inputs.a | expand_vars | truncate(0,3) ]]': {script: $[[ inputs.b ]]}", "a: &a [*a]", "variables: {A: {value: 1.10, expand: false}}\nworkflow: {rules: [{when: never}], name: x}\nj: {script: [1]}",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		parsed, err := ParseCIFile("f.yml", []byte(text))
		if err != nil {
			if ReasonOf(err) == ReasonNone || parsed != nil {
				t.Fatalf("not a refusal alone: %v", err)
			}
		} else {
			parsed.IDTokens()
			parsed.Jobs()
		}
		c, err := LoadPipeline(tree(map[string]string{".gitlab-ci.yml": text, "a.yml": ".b: {script: [z]}"}), ".gitlab-ci.yml")
		if err != nil {
			if ReasonOf(err) == ReasonNone || c != nil {
				t.Fatalf("not a refusal alone: %v", err)
			}
			return
		}
		if parsed == nil {
			t.Fatal("a configuration of a file that does not parse")
		}
		c.IDTokens()
	})
}
