package labgitlab_test

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"mayfly.internal/internal/labgitlab"
)

// log is a writer for scripts of another goroutine.
type log struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *log) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *log) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func needBash(t *testing.T) {
	t.Helper()
	if _, err := exec.LookPath("bash"); err != nil {
		t.Skip("there is no bash on this machine")
	}
}

// run runs a pipeline and gives its report and its log.
func run(t *testing.T, s *labgitlab.Server, p *labgitlab.Pipeline, adjust ...func(*labgitlab.Runner)) (*labgitlab.Report, string) {
	t.Helper()
	needBash(t)
	out := &log{}
	temp := t.TempDir()
	r := &labgitlab.Runner{Door: s, Out: out, TempDir: temp, Environment: map[string]string{"PATH": os.Getenv("PATH")}}
	for _, a := range adjust {
		a(r)
	}
	report, err := r.Run(context.Background(), p)
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	left, err := os.ReadDir(temp)
	if err != nil || len(left) > 0 {
		t.Errorf("the run left %v behind (%v)", left, err)
	}
	return report, out.String()
}

// runYAML runs the pipeline of one file on branch main.
func runYAML(t *testing.T, yaml string, adjust ...func(*labgitlab.Runner)) (*labgitlab.Report, string) {
	t.Helper()
	s := project(t, "", map[string]string{".gitlab-ci.yml": yaml, "data.txt": "data\n", "bin/tool": "#!/bin/sh\n"})
	return run(t, s, create(t, s, labgitlab.PipelineRequest{Project: "ann/site", Ref: "main"}), adjust...)
}

func statuses(r *labgitlab.Report) map[string]labgitlab.JobStatus {
	out := map[string]labgitlab.JobStatus{}
	for _, j := range r.Jobs {
		out[j.Job.Name] = j.Status
	}
	return out
}

func wantStatuses(t *testing.T, r *labgitlab.Report, pipeline labgitlab.PipelineStatus, jobs map[string]labgitlab.JobStatus) {
	t.Helper()
	if r.Status != pipeline {
		t.Errorf("pipeline %s, want %s", r.Status, pipeline)
	}
	if diff := cmp.Diff(jobs, statuses(r)); diff != "" {
		t.Errorf("jobs (-want +got):\n%s", diff)
	}
}

func TestTheStoryOfATwoStagePipeline(t *testing.T) {
	server := testLab(t)
	p := create(t, server, labgitlab.PipelineRequest{Project: "my-group/shop", Ref: "production", User: "mia"})
	report, out := run(t, server, p)
	wantStatuses(t, report, labgitlab.PipelineSuccess, map[string]labgitlab.JobStatus{"build": "success", "deploy_job": "success", "plain": "success"})
	for _, want := range []string{
		"Pipeline #", "branch production (protected), push, started by mia",
		"without a sandbox", "Note: not imitated by the lab: image, tags",
		"$ echo \"in $CI_PROJECT_PATH\"\nin my-group/shop\n", "Artifacts: 1 files kept",
		"Environment production (tier production, protected: true)", "ID token GITLAB_OIDC_TOKEN for gitlab-aws-deploy",
		"$ cat out/greeting\nhello\n", "\ntoken [MASKED]\n", "Job succeeded",
	} {
		if !strings.Contains(out, want) {
			t.Errorf("log lacks %q:\n%s", want, out)
		}
	}
	if regexp.MustCompile(`eyJ[A-Za-z0-9_-]{20}`).MatchString(out) {
		t.Errorf("a token is in the log:\n%s", out)
	}
	if strings.Contains(out, "\x1b") {
		t.Error("colours that nobody asked for")
	}
}

func TestNobodyDeploysToAProtectedEnvironmentWithoutTheRight(t *testing.T) {
	server := testLab(t)
	// dev may merge to main, and so may start a pipeline there; deploying to
	// production takes a Maintainer.
	p := create(t, server, labgitlab.PipelineRequest{Project: "my-group/shop", Ref: "main", User: "dev"})
	report, out := run(t, server, p, func(r *labgitlab.Runner) { r.Play = []string{"deploy_job"} })
	wantStatuses(t, report, labgitlab.PipelineFailed, map[string]labgitlab.JobStatus{"build": "success", "deploy_job": "failed", "plain": "success"})
	if !strings.Contains(out, "environment production is protected, and dev may not deploy to it") {
		t.Error(out)
	}
}

func TestScriptsRunAsTheRunnerRunsThem(t *testing.T) {
	for _, tt := range []struct {
		name, yaml string
		status     labgitlab.JobStatus
		has, lacks []string
	}{
		{"before_script and script share a shell",
			"j: {before_script: ['X=1', 'cd bin'], script: ['echo x=$X in ${PWD##*/}']}", "success", []string{"x=1 in bin"}, nil},
		{"after_script does not, and knows the status",
			"j: {script: ['X=1'], after_script: ['echo \"after x=$X status=$CI_JOB_STATUS in ${PWD##*/}\"']}", "success",
			[]string{"Running after script...", "after x= status=success in site"}, nil},
		{"a failing command ends the script",
			"j: {script: ['false', 'echo not reached'], after_script: ['echo \"status=$CI_JOB_STATUS\"']}", "failed",
			[]string{"$ false", "status=failed", "ERROR: Job failed: exit code 1"}, []string{"not reached\n"}},
		{"a failing pipe ends the script", "j: {script: ['false | cat', 'echo not reached']}", "failed", nil, []string{"not reached\n"}},
		{"an exit code is reported", "j: {script: ['exit 42']}", "failed", []string{"exit code 42"}, nil},
		{"death by signal is 128 and its number", "j: {script: ['kill -KILL $BASHPID']}", "failed", []string{"exit code 137"}, nil},
		{"a failing after_script changes nothing",
			"j: {script: ['true'], after_script: ['exit 3']}", "success", []string{"WARNING: after_script failed, but job will continue unaffected: exit code 3"}, nil},
		{"a multi-line command shows its first line", "j:\n  script:\n    - |\n      echo one\n      echo two\n", "success",
			[]string{"$ echo one # collapsed multi-line command\none\ntwo\n"}, nil},
		{"quotes survive", `j: {script: ["echo \"it's\" 'a \"test\"'"]}`, "success", []string{"it's a \"test\""}, nil},
		{"standard input is empty", "j: {script: ['cat', 'echo done']}", "success", []string{"done"}, nil},
		{"standard error is shown in order", "j: {script: ['echo one >&2', 'echo two']}", "success", []string{"one\n$ echo two\ntwo"}, nil},
		{"a syntax error fails the job", "j: {script: ['if true; then', 'echo x']}", "failed", []string{"syntax error"}, nil},
		{"executable files stay executable", "j: {script: ['test -x bin/tool', 'bin/tool']}", "success", nil, nil},
		{"HOME and TMPDIR are the job's own", `j: {script: ['test "$HOME" != "` + os.Getenv("HOME") + `"', 'ls -A "$HOME" "$TMPDIR"', 'echo x > "$HOME/f"', 'mktemp']}`, "success", nil, nil},
		{"the environment holds nothing of the caller's", "j: {script: ['test -z \"$CALLERS_OWN\"', 'test \"$CI\" = true']}", "success", nil, nil},
		{"what a script leaves unwritable is removed too", "j: {script: ['mkdir -p a/b', 'touch a/b/c', 'chmod 500 a/b a']}", "success", nil, nil},
		{"a background process does not hold the job", "j: {script: ['sleep 600 &', 'echo done']}", "success", []string{"done"}, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Setenv("CALLERS_OWN", "secret")
			report, out := runYAML(t, tt.yaml)
			if got := report.Jobs[0].Status; got != tt.status {
				t.Errorf("job %s, want %s\n%s", got, tt.status, out)
			}
			for _, want := range tt.has {
				if !strings.Contains(out, want) {
					t.Errorf("log lacks %q:\n%s", want, out)
				}
			}
			for _, lack := range tt.lacks {
				if strings.Contains(out, lack) {
					t.Errorf("log has %q:\n%s", lack, out)
				}
			}
		})
	}
}

func TestJobsDoNotTouchTheWorkingTree(t *testing.T) {
	s := project(t, "", map[string]string{".gitlab-ci.yml": "j: {script: ['rm -rf ./*', 'echo x > new']}", "keep": "kept"})
	p := create(t, s, labgitlab.PipelineRequest{Project: "ann/site", Ref: "main"})
	run(t, s, p)
	if content, err := os.ReadFile(filepath.Join(p.Directory, "keep")); err != nil || string(content) != "kept" {
		t.Errorf("%q %v", content, err)
	}
	if _, err := os.Stat(filepath.Join(p.Directory, "new")); err == nil {
		t.Error("the job wrote into the project's tree")
	}
}

func TestWhenDecidesWhatRuns(t *testing.T) {
	for _, tt := range []struct {
		name, yaml string
		pipeline   labgitlab.PipelineStatus
		jobs       map[string]labgitlab.JobStatus
		adjust     func(*labgitlab.Runner)
	}{
		{"a failure skips later stages, save on_failure and always", `
stages: [one, two]
fails: {stage: one, script: ['false']}
beside: {stage: one, script: ['true']}
later: {stage: two, script: ['true']}
rescue: {stage: two, script: ['true'], when: on_failure}
cleanup: {stage: two, script: ['true'], when: always}`, "failed",
			map[string]labgitlab.JobStatus{"fails": "failed", "beside": "success", "later": "skipped", "rescue": "success", "cleanup": "success"}, nil},
		{"on_failure stays away when all is well", `
stages: [one, two]
works: {stage: one, script: ['true']}
rescue: {stage: two, script: ['true'], when: on_failure}`, "success",
			map[string]labgitlab.JobStatus{"works": "success", "rescue": "skipped"}, nil},
		{"an allowed failure is no failure", `
stages: [one, two]
fails: {stage: one, script: ['false'], allow_failure: true}
later: {stage: two, script: ['true']}`, "success",
			map[string]labgitlab.JobStatus{"fails": "failed", "later": "success"}, nil},
		{"only the listed exit codes are allowed", `
stages: [one, two]
fails: {stage: one, script: ['exit 3'], allow_failure: {exit_codes: [3, 4]}}
later: {stage: two, script: ['exit 5'], allow_failure: {exit_codes: 3}}`, "failed",
			map[string]labgitlab.JobStatus{"fails": "failed", "later": "failed"}, nil},
		{"a manual job that may fail holds nobody up", `
stages: [one, two]
gate: {stage: one, script: ['true'], when: manual}
later: {stage: two, script: ['true']}`, "success",
			map[string]labgitlab.JobStatus{"gate": "manual", "later": "success"}, nil},
		{"a manual job that may not fail blocks", `
stages: [one, two]
gate: {stage: one, script: ['true'], when: manual, allow_failure: false}
later: {stage: two, script: ['true'], when: always}`, "blocked",
			map[string]labgitlab.JobStatus{"gate": "manual", "later": "skipped"}, nil},
		{"a manual job of rules blocks, as rules say nothing of failure", `
stages: [one, two]
gate: {stage: one, script: ['true'], rules: [{when: manual}]}
later: {stage: two, script: ['true']}`, "blocked",
			map[string]labgitlab.JobStatus{"gate": "manual", "later": "skipped"}, nil},
		{"a played gate opens", `
stages: [one, two]
gate: {stage: one, script: ['true'], rules: [{when: manual}]}
later: {stage: two, script: ['true']}`, "success",
			map[string]labgitlab.JobStatus{"gate": "success", "later": "success"}, func(r *labgitlab.Runner) { r.Play = []string{"gate"} }},
		{"needs ignore stages", `
stages: [one, two, three]
fails: {stage: one, script: ['false']}
a: {stage: one, script: ['true']}
b: {stage: three, script: ['true'], needs: [a]}
c: {stage: two, script: ['true'], needs: []}
d: {stage: two, script: ['true']}`, "failed",
			map[string]labgitlab.JobStatus{"fails": "failed", "a": "success", "b": "success", "c": "success", "d": "skipped"}, nil},
		{"a skipped need skips, save where when is always", `
stages: [one, two, three]
fails: {stage: one, script: ['false']}
mid: {stage: two, script: ['true'], needs: [fails]}
end: {stage: three, script: ['true'], needs: [mid]}
sure: {stage: three, script: ['true'], needs: [mid], when: always}`, "failed",
			map[string]labgitlab.JobStatus{"fails": "failed", "mid": "skipped", "end": "skipped", "sure": "success"}, nil},
		{"one job alone", `
stages: [one, two]
a: {stage: one, script: ['false']}
b: {stage: two, script: ['true'], when: manual}`, "success",
			map[string]labgitlab.JobStatus{"a": "not asked for", "b": "success"}, func(r *labgitlab.Runner) { r.Only = []string{"b"} }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var adjust []func(*labgitlab.Runner)
			if tt.adjust != nil {
				adjust = append(adjust, tt.adjust)
			}
			report, _ := runYAML(t, tt.yaml, adjust...)
			wantStatuses(t, report, tt.pipeline, tt.jobs)
		})
	}
}

func TestAskingForAJobThatIsNotThere(t *testing.T) {
	s := project(t, "", map[string]string{".gitlab-ci.yml": "j: {script: ['true']}"})
	p := create(t, s, labgitlab.PipelineRequest{Project: "ann/site", Ref: "main"})
	for _, r := range []labgitlab.Runner{{Only: []string{"k"}}, {Play: []string{"k"}}} {
		r.Door, r.Out = s, &log{}
		_, err := r.Run(context.Background(), p)
		wantError(t, err, labgitlab.ReasonUnknown, `no job "k"; it has: j`)
	}
}

func TestTimeoutStopsTheWholeGroup(t *testing.T) {
	marker := filepath.Join(t.TempDir(), "alive")
	began := time.Now()
	report, out := runYAML(t, "j: {timeout: 1s, script: ['(sleep 3; touch "+marker+") & sleep 600'], after_script: ['echo after $CI_JOB_STATUS']}")
	if report.Jobs[0].Status != labgitlab.JobFailed || !strings.Contains(out, "execution took longer than 1s") || !strings.Contains(out, "after failed") {
		t.Errorf("%+v\n%s", report.Jobs[0], out)
	}
	if took := time.Since(began); took > 30*time.Second {
		t.Errorf("took %s", took)
	}
	time.Sleep(time.Until(began.Add(5 * time.Second)))
	if _, err := os.Stat(marker); err == nil {
		t.Error("a child of the script outlived its timeout")
	}
}

func TestInterruptCancelsTheRest(t *testing.T) {
	needBash(t)
	s := project(t, "", map[string]string{".gitlab-ci.yml": `
stages: [one, two]
a: {stage: one, script: ['echo started', 'sleep 600'], after_script: ['echo not this']}
b: {stage: two, script: ['true'], when: always}`})
	p := create(t, s, labgitlab.PipelineRequest{Project: "ann/site", Ref: "main"})
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	out := &log{}
	go func() {
		for !strings.Contains(out.String(), "\nstarted") {
			time.Sleep(10 * time.Millisecond)
		}
		cancel()
	}()
	r := &labgitlab.Runner{Door: s, Out: out, TempDir: t.TempDir()}
	report, err := r.Run(ctx, p)
	if err != nil {
		t.Fatal(err)
	}
	wantStatuses(t, report, labgitlab.PipelineCanceled, map[string]labgitlab.JobStatus{"a": "canceled", "b": "canceled"})
	if strings.Contains(out.String(), "not this\n") {
		t.Error(out)
	}
	if _, err := s.StartJob(context.Background(), p.Jobs[0].ID, labgitlab.StartRequest{}); labgitlab.ReasonOf(err) != labgitlab.ReasonConflict {
		t.Errorf("a canceled job started again: %v", err)
	}
}

func TestSecretsAreMasked(t *testing.T) {
	s := testLab(t)
	p := create(t, s, labgitlab.PipelineRequest{Project: "my-group/shop", Ref: "production", User: "mia"})
	_, out := run(t, s, p, func(r *labgitlab.Runner) { r.Only = []string{"plain"} })
	if strings.Contains(out, "s3cret") {
		t.Error(out)
	}
	yaml := `
j:
  id_tokens: {T: {aud: a}}
  script:
    - echo "plain $T"
    - for ((i=0; i<${#T}; i++)); do printf '%s' "${T:i:1}"; done; echo
    - echo "err $T" >&2
    - echo "$T$T"
    - echo "${T:0:10} is a piece"
  after_script: ['echo "after $T"']`
	report, out := runYAML(t, yaml)
	if report.Status != labgitlab.PipelineSuccess {
		t.Fatal(out)
	}
	for _, want := range []string{"plain [MASKED]\n", "\n[MASKED]\n", "err [MASKED]\n", "eyJhbGciOi is a piece\n", "after [MASKED]\n"} {
		if !strings.Contains(out, want) {
			t.Errorf("log lacks %q:\n%s", want, out)
		}
	}
	if regexp.MustCompile(`eyJ[A-Za-z0-9_-]{11}`).MatchString(out) {
		t.Errorf("a token is in the log:\n%s", out)
	}
}

func TestVariablesReachTheScript(t *testing.T) {
	s := testLab(t)
	p := create(t, s, labgitlab.PipelineRequest{
		Project: "my-group/shop", Ref: "production", User: "mia",
		InstanceVariables: []labgitlab.Variable{{Key: "AWS_ENDPOINT_URL", Value: "https://127.0.0.1:8443"}, {Key: "GROUP_WORD", Value: "lower than the group's"}},
		Variables:         []labgitlab.Variable{{Key: "PROJECT_WORD", Value: "from-starter"}},
	})
	started := start(t, s, p, "deploy_job")
	for key, want := range map[string]string{
		"AWS_ENDPOINT_URL": "https://127.0.0.1:8443", "GROUP_WORD": "from-group", "INSTANCE_WORD": "from-instance",
		"PROJECT_WORD": "from-starter", "DEPLOY_PASSWORD": "s3cret-pa55word", "SCOPED": "project-any",
		"RAW_WORD": "raw-$GROUP_WORD", "CONFIG_FILE": "from: $GROUP_WORD\n",
		"CI": "true", "GITLAB_CI": "true", "CI_COMMIT_BRANCH": "production", "CI_COMMIT_REF_NAME": "production", "CI_COMMIT_REF_PROTECTED": "true",
		"CI_PROJECT_ID": "20", "CI_PROJECT_NAMESPACE": "my-group", "CI_PROJECT_ROOT_NAMESPACE": "my-group", "CI_PROJECT_NAME": "shop",
		"CI_SERVER_HOST": "gitlab.example.com", "CI_SERVER_PORT": "443", "CI_SERVER_URL": testIssuer, "CI_SERVER_VERSION_MAJOR": "19",
		"CI_PIPELINE_SOURCE": "push", "CI_JOB_NAME": "deploy_job", "CI_JOB_STAGE": "deploy", "CI_JOB_TIMEOUT": "3600", "CI_PROJECT_DIR": "/builds/p",
		"CI_ENVIRONMENT_NAME": "production", "CI_ENVIRONMENT_SLUG": "production", "CI_ENVIRONMENT_TIER": "production",
		"CI_ENVIRONMENT_URL": "https://shop.example.com", "CI_ENVIRONMENT_ACTION": "start",
		"GITLAB_USER_LOGIN": "mia", "GITLAB_USER_ID": "11", "CI_DEFAULT_BRANCH": "main", "CI_RUNNER_ID": "1",
	} {
		if got := value(t, started, key); got != want {
			t.Errorf("%s is %q, want %q", key, got, want)
		}
	}
	for _, key := range []string{"CI_COMMIT_TAG", "CI_MERGE_REQUEST_IID", "CI_JOB_TOKEN", "CI_JOB_MANUAL"} {
		if has(started, key) {
			t.Errorf("job has %s", key)
		}
	}
	unprotected := start(t, s, create(t, s, labgitlab.PipelineRequest{Project: "my-group/shop", Ref: "pinned", User: "dev"}), "plain")
	if has(unprotected, "DEPLOY_PASSWORD") {
		t.Error("a protected variable reached an unprotected branch")
	}
	if got := value(t, unprotected, "CI_COMMIT_TITLE"); got != "Deploy to all regions" {
		t.Errorf("CI_COMMIT_TITLE %q", got)
	}
	tag := start(t, s, create(t, s, labgitlab.PipelineRequest{Project: "my-group/shop", Ref: "nightly", User: "dev"}), "plain")
	if value(t, tag, "CI_COMMIT_TAG") != "nightly" || has(tag, "CI_COMMIT_BRANCH") {
		t.Error("a tag's pipeline has CI_COMMIT_TAG and no CI_COMMIT_BRANCH")
	}
	mr := start(t, s, create(t, s, labgitlab.PipelineRequest{Project: "my-group/shop", Ref: "pinned", Source: "merge_request_event", User: "dev", MergeRequest: &labgitlab.MergeRequest{}}), "plain")
	if value(t, mr, "CI_MERGE_REQUEST_TARGET_BRANCH_NAME") != "main" || has(mr, "CI_COMMIT_BRANCH") {
		t.Error("a merge request's pipeline has CI_MERGE_REQUEST_* and no CI_COMMIT_BRANCH")
	}
}

func TestFileVariablesAndExpansionInTheShell(t *testing.T) {
	s := project(t, `
    variables:
      - {key: CONF, value: "line $ONE\n", variable_type: file}
      - {key: PASSWORD, value: "a$b$$c", raw: true}
`, map[string]string{".gitlab-ci.yml": `
variables: {ONE: 1, TWO: "$ONE-2", PATHS: "$CI_PROJECT_DIR/x:$CONF", MONEY: "$$5", LATE: "id-$CI_JOB_ID", UNSET: "[$NOTHING]", SHELL: "${NONE:-x}y", PW: "p=$PASSWORD"}
j:
  script:
    - printf '%s|' "$(cat "$CONF")" "$TWO" "$MONEY" "$UNSET" "$SHELL" "$PW" "$PASSWORD"
    - test "$PATHS" = "$PWD/x:$CONF"
    - test "$LATE" = "id-$CI_JOB_ID"
    - test -n "$CI_JOB_ID"
    - test "$(stat -c %a "$CONF")" = 600
`})
	report, out := run(t, s, create(t, s, labgitlab.PipelineRequest{Project: "ann/site", Ref: "main"}))
	if report.Status != labgitlab.PipelineSuccess || !strings.Contains(out, "line $ONE|1-2|$5|[]|y|p=a$b$$c|a$b$$c|") {
		t.Error(out)
	}
}

func TestArtifactsTravel(t *testing.T) {
	for _, tt := range []struct {
		name, yaml string
		pipeline   labgitlab.PipelineStatus
	}{
		{"to later stages, what is not matched stays behind", `
a: {stage: build, script: ['mkdir -p out/deep', 'echo 1 > out/deep/f', 'echo 2 > other', 'echo 3 > out/no.tmp'], artifacts: {paths: [out/], exclude: ['out/**/*.tmp']}}
b: {stage: test, script: ['test "$(cat out/deep/f)" = 1', 'test ! -e other', 'test ! -e out/no.tmp']}`, "success"},
		{"not to jobs of the same stage", `
a: {stage: build, script: ['echo 1 > f'], artifacts: {paths: [f]}}
b: {stage: build, script: ['test ! -e f']}`, "success"},
		{"only from dependencies", `
a: {stage: build, script: ['echo 1 > f'], artifacts: {paths: [f]}}
b: {stage: build, script: ['echo 1 > g'], artifacts: {paths: [g]}}
c: {stage: test, dependencies: [a], script: ['test -e f', 'test ! -e g']}
d: {stage: test, dependencies: [], script: ['test ! -e f']}`, "success"},
		{"only from needs that want them", `
a: {stage: build, script: ['echo 1 > f'], artifacts: {paths: [f]}}
b: {stage: build, script: ['echo 1 > g'], artifacts: {paths: [g]}}
c: {stage: test, needs: [{job: a, artifacts: false}, b], script: ['test ! -e f', 'test -e g']}`, "success"},
		{"a pattern with a variable", `
variables: {DIR: out}
a: {stage: build, script: ['mkdir out', 'echo 1 > out/a.txt', 'echo 1 > out/a.log'], artifacts: {paths: ['$DIR/*.txt']}}
b: {stage: test, script: ['test -e out/a.txt', 'test ! -e out/a.log']}`, "success"},
		{"a failed job keeps them only if it says so", `
a: {stage: build, allow_failure: true, script: ['echo 1 > f', 'false'], artifacts: {paths: [f]}}
b: {stage: build, allow_failure: true, script: ['echo 1 > g', 'false'], artifacts: {paths: [g], when: on_failure}}
c: {stage: test, script: ['test ! -e f', 'test -e g']}`, "success"},
		{"dotenv becomes variables, below the settings'", `
a: {stage: build, script: ['echo WORD=travelled > e', "echo QUOTED='\"a b\"' >> e"], artifacts: {reports: {dotenv: e}}}
b: {stage: test, variables: {WORD: yaml}, script: ['test "$WORD" = travelled', 'test "$QUOTED" = "a b"']}`, "success"},
		{"a dotenv report that is none fails the job", `
a: {stage: build, script: ['echo "not a variable" > e'], artifacts: {reports: {dotenv: e}}}`, "failed"},
		{"a link out of the project is not kept", `
a: {stage: build, script: ['ln -s /etc/passwd f', 'echo 1 > g'], artifacts: {paths: [f, g]}}
b: {stage: test, script: ['test ! -e f', 'test -e g']}`, "success"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			report, out := runYAML(t, tt.yaml)
			if report.Status != tt.pipeline {
				t.Errorf("%s\n%s", report.Status, out)
			}
		})
	}
}

func TestColoursWhenAsked(t *testing.T) {
	_, out := runYAML(t, "j: {script: ['echo x']}", func(r *labgitlab.Runner) { r.Color = true })
	if !strings.Contains(out, "\x1b[32;1m$ echo x\x1b[0;m") {
		t.Errorf("%q", out)
	}
}

func TestATokenIsFreshWhenTheJobStarts(t *testing.T) {
	now := testNow
	world, err := labgitlab.LoadWorld("testdata/sample/world.yaml")
	if err != nil {
		t.Fatal(err)
	}
	s, err := labgitlab.New(labgitlab.Config{World: world, ExternalURL: testIssuer, Secret: testSecret, KeyDir: testKeys, Now: func() time.Time { return now }})
	if err != nil {
		t.Fatal(err)
	}
	p := create(t, s, labgitlab.PipelineRequest{Project: "my-group/my-project", Ref: "feature-branch-1"})
	now = now.Add(10 * time.Minute)
	if got := tokenClaims(t, value(t, start(t, s, p, "deploy"), "ID_TOKEN"))["iat"]; got != float64(now.Unix()) {
		t.Errorf("iat %v, want the moment of pick-up %d", got, now.Unix())
	}
}

func TestHostileNamesStayText(t *testing.T) {
	ref := `a";touch${IFS}pwned;$(touch${IFS}pwned2)` + "`touch${IFS}pwned3`'"
	s := newLab(t, writeWorld(t, strings.Replace(soundWorld, "branches: [main]", "members: [{username: ann, access_level: developer}]\n    branches:\n      - main\n      - name: "+quoteYAML(ref), 1),
		map[string]string{".gitlab-ci.yml": `
"j\e[31m":
  environment: review
  variables: {COPY: "$CI_COMMIT_REF_NAME"}
  script:
    - echo "$CI_COMMIT_REF_NAME"
    - test "$COPY" = "$CI_COMMIT_REF_NAME"
    - test "$(ls)" = world.yaml
  rules: [{if: '$CI_COMMIT_REF_NAME == "main"', when: never}, {when: always}]
`}))
	report, out := run(t, s, create(t, s, labgitlab.PipelineRequest{Project: "g/p", Ref: ref}))
	if !strings.Contains(out, ref) || strings.Contains(out, "\x1b") || report.Status != labgitlab.PipelineSuccess {
		t.Errorf("%s\n%q", report.Status, out)
	}
}

func quoteYAML(text string) string { return "'" + strings.ReplaceAll(text, "'", "''") + "'" }

func TestADaemonOutsideTheGroupDoesNotHoldTheJob(t *testing.T) {
	if _, err := exec.LookPath("setsid"); err != nil {
		t.Skip("there is no setsid on this machine")
	}
	began := time.Now()
	report, out := runYAML(t, "j: {script: ['setsid sleep 8 &', 'echo done']}")
	if took := time.Since(began); report.Status != labgitlab.PipelineSuccess || took > 20*time.Second || !strings.Contains(out, "done\n") {
		t.Errorf("%s after %s\n%s", report.Status, took, out)
	}
}

func TestRulesOverrideFailureAndNeeds(t *testing.T) {
	report, out := runYAML(t, `
stages: [one, two]
fails: {stage: one, script: ['false'], rules: [{if: $CI, allow_failure: true}]}
slow: {stage: one, script: ['true']}
early: {stage: two, script: ['echo "$MODE"'], needs: [slow], variables: {MODE: own}, rules: [{if: $CI, needs: [], variables: {MODE: of the rule}}]}
`)
	wantStatuses(t, report, labgitlab.PipelineSuccess, map[string]labgitlab.JobStatus{"fails": "failed", "slow": "success", "early": "success"})
	if !strings.Contains(out, "of the rule\n") || !strings.Contains(out, "WARNING: Job failed (allowed): exit code 1") {
		t.Error(out)
	}
}
