package labgitlab_test

import (
	"context"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"mayfly.internal/internal/labgitlab"
)

var ctx = context.Background()

// which lists the jobs of the pipeline of one file, each with its `when` if
// that is not on_success; a refusal is given as its reason.
func which(t *testing.T, yaml string, request labgitlab.PipelineRequest, extra ...map[string]string) []string {
	t.Helper()
	files := map[string]string{".gitlab-ci.yml": yaml, "go.mod": "module x", "docs/a.md": "a", "src/deep/b.go": "b"}
	for _, more := range extra {
		for name, content := range more {
			files[name] = content
		}
	}
	s := project(t, "    protected_branches: [{name: main}]", files)
	request.Project = "ann/site"
	if request.Ref == "" {
		request.Ref = "main"
	}
	p, err := s.CreatePipeline(ctx, request)
	if err != nil {
		return []string{labgitlab.ReasonOf(err).String()}
	}
	out := []string{}
	for _, j := range p.Jobs {
		name := j.Name
		if j.When != "on_success" {
			name += " " + j.When
		}
		out = append(out, name)
	}
	return out
}

func mergeRequest(ref string) labgitlab.PipelineRequest {
	return labgitlab.PipelineRequest{Ref: ref, Source: "merge_request_event", MergeRequest: &labgitlab.MergeRequest{}}
}

func TestRulesDecide(t *testing.T) {
	branch := labgitlab.PipelineRequest{}
	for _, tt := range []struct {
		name    string
		yaml    string
		request labgitlab.PipelineRequest
		want    []string
	}{
		{"no rules: on branches", `j: {script: [x]}`, branch, []string{"j"}},
		{"no rules: on tags", `j: {script: [x]}`, labgitlab.PipelineRequest{Ref: "v1"}, []string{"j"}},
		{"no rules: not in merge requests", `j: {script: [x]}`, mergeRequest("other"), []string{"no_pipeline"}},
		{"no rules but a workflow with rules: everywhere", "workflow: {rules: [{when: always}]}\nj: {script: [x]}", mergeRequest("other"), []string{"j"}},
		{"the first rule that matches counts", `
a: {script: [x], rules: [{if: '$CI_COMMIT_BRANCH == "main"', when: never}, {when: always}]}
b: {script: [x], rules: [{if: '$CI_COMMIT_BRANCH == "other"', when: never}, {when: always}]}`, branch, []string{"b always"}},
		{"no rule matches", `
a: {script: [x], rules: [{if: '$CI_COMMIT_TAG'}]}
b: {script: [x]}`, branch, []string{"b"}},
		{"a rule without when takes the job's", `a: {script: [x], when: manual, rules: [{if: '$CI'}]}`, branch, []string{"a manual"}},
		{"job variables count", `a: {script: [x], variables: {DEPLOY: "yes"}, rules: [{if: '$DEPLOY == "yes"'}]}`, branch, []string{"a"}},
		{"root variables count unless not inherited", `
variables: {DEPLOY: "yes"}
a: {script: [x], rules: [{if: '$DEPLOY'}]}
b: {script: [x], inherit: {variables: false}, rules: [{if: '$DEPLOY'}]}`, branch, []string{"a"}},
		{"a starter's variable wins over the file's", `
variables: {DEPLOY: "no"}
a: {script: [x], rules: [{if: '$DEPLOY == "yes"'}]}`, labgitlab.PipelineRequest{Variables: []labgitlab.Variable{{Key: "DEPLOY", Value: "yes"}}}, []string{"a"}},
		{"ids do not exist yet", `
a: {script: [x], rules: [{if: '$CI_JOB_ID || $CI_PIPELINE_ID'}]}
b: {script: [x]}`, branch, []string{"b"}},
		{"a token is no variable of rules", `
a: {script: [x], id_tokens: {T: {aud: a}}, rules: [{if: '$T'}]}
b: {script: [x]}`, branch, []string{"b"}},
		{"protected refs are known", `
a: {script: [x], rules: [{if: '$CI_COMMIT_REF_PROTECTED == "true"'}]}
b: {script: [x], rules: [{if: '$CI_COMMIT_REF_PROTECTED == "false"'}]}`, branch, []string{"a"}},
		{"the environment's name is known", `a: {script: [x], environment: review/$CI_COMMIT_REF_SLUG, rules: [{if: '$CI_ENVIRONMENT_NAME == "review/main"'}]}`, branch, []string{"a"}},
		{"sources", `
a: {script: [x], rules: [{if: '$CI_PIPELINE_SOURCE == "schedule"'}]}
b: {script: [x], rules: [{if: '$CI_PIPELINE_SOURCE == "push"'}]}`, labgitlab.PipelineRequest{Source: "schedule"}, []string{"a"}},
		{"merge requests", `
a: {script: [x], rules: [{if: '$CI_PIPELINE_SOURCE == "merge_request_event"'}]}
b: {script: [x], rules: [{if: $CI_MERGE_REQUEST_IID}]}
c: {script: [x], rules: [{if: $CI_COMMIT_BRANCH}]}
d: {script: [x], rules: [{if: '$CI_MERGE_REQUEST_TARGET_BRANCH_NAME == $CI_DEFAULT_BRANCH'}]}`, mergeRequest("other"), []string{"a", "b", "d"}},
		{"exists", `
a: {script: [x], rules: [{exists: [go.mod]}]}
b: {script: [x], rules: [{exists: ['**/*.go']}]}
c: {script: [x], rules: [{exists: ['*.go']}]}
d: {script: [x], rules: [{exists: {paths: ['docs/']}}]}
e: {script: [x], variables: {F: go}, rules: [{exists: ['$F.mod']}]}
f: {script: [x], rules: [{exists: [none], when: always}]}`, branch, []string{"a", "b", "d", "e"}},
		{"changes that are known", `
a: {script: [x], rules: [{changes: [docs/*]}]}
b: {script: [x], rules: [{changes: {paths: ['src/**/*.go']}}]}
c: {script: [x], rules: [{changes: [docs/*], if: '$CI_COMMIT_TAG'}]}`, labgitlab.PipelineRequest{ChangedFiles: []string{"docs/a.md"}}, []string{"a"}},
		{"nothing changed", `
a: {script: [x], rules: [{changes: ['**/*']}]}
b: {script: [x]}`, labgitlab.PipelineRequest{ChangedFiles: []string{}}, []string{"b"}},
		{"changes of a tag always hold", `a: {script: [x], rules: [{changes: [none]}]}`, labgitlab.PipelineRequest{Ref: "v1"}, []string{"a"}},
		{"changes of a schedule always hold", `a: {script: [x], rules: [{changes: [none]}]}`, labgitlab.PipelineRequest{Source: "schedule"}, []string{"a"}},
		{"changes that are not known are refused by name", `a: {script: [x], rules: [{changes: [none]}]}`, branch, []string{"not_modelled"}},
		{"but not where the condition fails first", `
a: {script: [x], rules: [{changes: [none], if: $CI_COMMIT_TAG}]}
b: {script: [x]}`, branch, []string{"b"}},
		{"compare_to is refused by name", `a: {script: [x], rules: [{changes: {paths: [a], compare_to: main}}]}`, branch, []string{"not_modelled"}},
		{"exists in another project is refused by name", `a: {script: [x], rules: [{exists: {paths: [a], project: b/c}}]}`, branch, []string{"not_modelled"}},
		{"workflow lets it be", "workflow: {rules: [{if: $CI_COMMIT_BRANCH}]}\na: {script: [x]}", branch, []string{"a"}},
		{"workflow filters it out", "workflow: {rules: [{if: $CI_COMMIT_TAG}]}\na: {script: [x]}", branch, []string{"no_pipeline"}},
		{"workflow says never", "workflow: {rules: [{if: $CI, when: never}, {when: always}]}\na: {script: [x]}", branch, []string{"no_pipeline"}},
		{"workflow's variables reach the jobs", `
workflow: {rules: [{if: $CI_COMMIT_BRANCH, variables: {MODE: full}}]}
variables: {MODE: small}
a: {script: [x], rules: [{if: '$MODE == "full"'}]}`, branch, []string{"a"}},
		{"only .pre and .post are no pipeline", "a: {script: [x], stage: .pre}\nb: {script: [x], stage: .post}", branch, []string{"no_pipeline"}},
		{"stages order the jobs", "stages: [z, y]\na: {script: [x], stage: y}\nb: {script: [x], stage: z}\nc: {script: [x], stage: .pre}\nd: {script: [x], stage: .post}", branch, []string{"c", "b", "a", "d"}},
		{"a delayed rule is refused by name", `a: {script: [x], rules: [{when: delayed, start_in: 1 hour}]}`, branch, []string{"not_modelled"}},
		{"a need that is filtered out", "a: {script: [x], rules: [{if: $CI_COMMIT_TAG}]}\nb: {script: [x], needs: [a]}", branch, []string{"malformed"}},
		{"a need that may be", "a: {script: [x], rules: [{if: $CI_COMMIT_TAG}]}\nb: {script: [x], needs: [{job: a, optional: true}]}", branch, []string{"b"}},
		{"variables in a circle", "a: {script: [x], variables: {A: $B, B: $A}}", branch, []string{"malformed"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if diff := cmp.Diff(tt.want, which(t, tt.yaml, tt.request)); diff != "" {
				t.Errorf("jobs (-want +got):\n%s", diff)
			}
		})
	}
}

func TestOnlyAndExceptDecide(t *testing.T) {
	push := labgitlab.PipelineRequest{}
	for _, tt := range []struct {
		name    string
		policy  string
		request labgitlab.PipelineRequest
		want    bool
	}{
		{"only a branch, on it", "only: [main]", push, true},
		{"only a branch, as a string", "only: main", push, true},
		{"only a branch, on another", "only: [main]", labgitlab.PipelineRequest{Ref: "other"}, false},
		{"only a branch whose name begins the same", "only: [mai]", push, false},
		{"only tags, on a tag", "only: [tags]", labgitlab.PipelineRequest{Ref: "v1"}, true},
		{"only tags, on a branch", "only: [tags]", push, false},
		{"only branches, on a tag", "only: [branches]", labgitlab.PipelineRequest{Ref: "v1"}, false},
		{"only a pattern", "only: ['/^release-.*$/']", labgitlab.PipelineRequest{Ref: "release-1"}, true},
		{"only a pattern, in another case", "only: ['/^RELEASE-.*$/']", labgitlab.PipelineRequest{Ref: "release-1"}, false},
		{"only a pattern that ignores case", "only: ['/^RELEASE-.*$/i']", labgitlab.PipelineRequest{Ref: "release-1"}, true},
		{"only merge requests, in one", "only: [merge_requests]", mergeRequest("other"), true},
		{"only merge requests, on a push", "only: [merge_requests]", push, false},
		{"names do not match merge requests", "only: [other]", mergeRequest("other"), false},
		{"branches do not match merge requests", "only: [branches]", mergeRequest("other"), false},
		{"only schedules", "only: [schedules]", labgitlab.PipelineRequest{Source: "schedule"}, true},
		{"only web", "only: [web]", labgitlab.PipelineRequest{Source: "web"}, true},
		{"only pushes", "only: [pushes]", push, true},
		{"only pushes, by hand", "only: [pushes]", labgitlab.PipelineRequest{Source: "web"}, false},
		{"only this project's branches", "only: [branches@ann/site]", push, true},
		{"only another project's branches", "only: [branches@bob/site]", push, false},
		{"except a branch, on it", "except: [main]", push, false},
		{"except a branch, on another", "except: [main]", labgitlab.PipelineRequest{Ref: "other"}, true},
		{"except keeps the default of only", "except: [main]", mergeRequest("other"), false},
		{"except tags", "except: [tags]", labgitlab.PipelineRequest{Ref: "v1"}, false},
		{"only and except", "only: ['/./'], except: ['/^release/']", labgitlab.PipelineRequest{Ref: "release-1"}, false},
		{"only variables that hold", "only: {variables: ['$CI_COMMIT_BRANCH == \"main\"', '$NONE']}", push, true},
		{"only variables that do not", "only: {variables: ['$NONE']}", push, false},
		{"only variables keep branches and tags", "only: {variables: ['$CI']}", mergeRequest("other"), false},
		{"only refs and variables, one of them", "only: {refs: [main], variables: ['$NONE']}", push, false},
		{"except variables", "except: {variables: ['$CI']}", push, false},
		{"except refs and variables, one of them is enough", "except: {refs: [main], variables: ['$NONE']}", push, false},
		{"only changes", "only: {changes: ['docs/*']}", labgitlab.PipelineRequest{ChangedFiles: []string{"docs/a.md"}}, true},
		{"only other changes", "only: {changes: ['docs/*']}", labgitlab.PipelineRequest{ChangedFiles: []string{"a.md"}}, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			yaml := "j: {script: [x], " + tt.policy + "}\nalways: {script: [x], rules: [{when: on_success}]}"
			want := []string{"always"}
			if tt.want {
				want = []string{"j", "always"}
			}
			if diff := cmp.Diff(want, which(t, yaml, tt.request)); diff != "" {
				t.Errorf("jobs (-want +got):\n%s", diff)
			}
		})
	}
}

// Everything the lab does not model is refused by name, with its place, before
// anything runs, and only when the job would run.
func TestUnmodelledKeywordsAreRefusedByName(t *testing.T) {
	for keyword, yaml := range map[string]string{
		"services":               "services: [postgres]",
		"parallel":               "parallel: 3",
		"trigger":                "",
		"start_in":               "when: delayed, start_in: 1 hour",
		"secrets":                "secrets: {P: {vault: a/b}}",
		"hooks":                  "hooks: {pre_get_sources_script: [x]}",
		"release":                "release: {tag_name: v1, description: x}",
		"pages":                  "pages: true",
		"inputs":                 "inputs: {a: {default: b}}",
		"environment:kubernetes": "environment: {name: a, kubernetes: {namespace: b}}",
		"artifacts:untracked":    "artifacts: {untracked: true}",
		"needs:project":          "needs: [{project: a/b, job: c, ref: main}]",
		"needs:parallel":         "needs: [{job: other, parallel: {matrix: [{A: b}]}}]",
		"only:kubernetes":        "only: {kubernetes: active}",
	} {
		t.Run(keyword, func(t *testing.T) {
			job := "j: {script: [x], " + yaml + "}"
			if keyword == "trigger" {
				job = "j: {trigger: a/b}"
			}
			s := project(t, "", map[string]string{".gitlab-ci.yml": "other: {script: [x]}\n" + job})
			_, err := s.CreatePipeline(ctx, labgitlab.PipelineRequest{Project: "ann/site", Ref: "main"})
			refusal, ok := err.(*labgitlab.Refusal)
			if !ok || refusal.Reason != labgitlab.ReasonNotModelled || !strings.HasSuffix(refusal.Keyword, lastWord(keyword)) {
				t.Fatalf("%v", err)
			}
			if refusal.Where.File != ".gitlab-ci.yml" || refusal.Where.Line != 2 || !strings.Contains(refusal.Detail, "job j: the lab does not model") {
				t.Errorf("%v", refusal)
			}
			if keyword == "only:kubernetes" {
				return // it decides whether the job runs
			}
			filtered := strings.TrimSuffix(job, "}") + ", rules: [{if: $CI_COMMIT_TAG}]}"
			filtered = strings.Replace(filtered, "when: delayed, start_in: 1 hour, ", "when: delayed, ", 1)
			s = project(t, "", map[string]string{".gitlab-ci.yml": "other: {script: [x]}\n" + filtered})
			if p, err := s.CreatePipeline(ctx, labgitlab.PipelineRequest{Project: "ann/site", Ref: "main"}); err != nil || len(p.Jobs) != 1 {
				t.Errorf("refused though the job does not run: %v", err)
			}
		})
	}
}

func lastWord(keyword string) string { return keyword[strings.LastIndexByte(keyword, ':')+1:] }

func TestAcceptedButNotImitatedIsNotedOnce(t *testing.T) {
	s := project(t, "", map[string]string{".gitlab-ci.yml": `
default: {image: alpine, tags: [a]}
a: {script: [x], cache: {paths: [b]}, retry: 2, coverage: '/x/', interruptible: true, resource_group: p}
b: {script: [x], environment: {name: e, on_stop: c, auto_stop_in: 1 day}, artifacts: {expire_in: 1 day, reports: {junit: j.xml}}}
c: {script: [x], when: manual, environment: {name: e, action: stop}}`})
	p := create(t, s, labgitlab.PipelineRequest{Project: "ann/site", Ref: "main"})
	want := []string{"not imitated by the lab: artifacts:expire_in, artifacts:reports:junit, cache, coverage, environment:auto_stop_in, environment:on_stop, image, interruptible, resource_group, retry, tags"}
	if diff := cmp.Diff(want, p.Notes); diff != "" {
		t.Error(diff)
	}
}

func TestWhoMayStartAPipeline(t *testing.T) {
	s := testLab(t)
	for _, tt := range []struct {
		name    string
		request labgitlab.PipelineRequest
		reason  labgitlab.Reason // ReasonNone: allowed
	}{
		{"a Maintainer on a branch only Maintainers merge to", labgitlab.PipelineRequest{Ref: "production", User: "mia"}, labgitlab.ReasonNone},
		{"a Developer on a branch only Maintainers merge to", labgitlab.PipelineRequest{Ref: "production", User: "dev"}, labgitlab.ReasonForbidden},
		{"a Developer on a branch Developers may merge to", labgitlab.PipelineRequest{Ref: "main", User: "dev"}, labgitlab.ReasonNone},
		{"a Developer on an unprotected branch", labgitlab.PipelineRequest{Ref: "pinned", User: "dev"}, labgitlab.ReasonNone},
		{"a Guest on an unprotected branch", labgitlab.PipelineRequest{Ref: "pinned", User: "guest"}, labgitlab.ReasonForbidden},
		{"a stranger", labgitlab.PipelineRequest{Ref: "pinned", User: "stranger"}, labgitlab.ReasonForbidden},
		{"a Developer on a protected tag", labgitlab.PipelineRequest{Ref: "v1.0.0", User: "dev"}, labgitlab.ReasonForbidden},
		{"a Developer on another tag", labgitlab.PipelineRequest{Ref: "nightly", User: "dev"}, labgitlab.ReasonNone},
		{"nobody of that name", labgitlab.PipelineRequest{Ref: "main", User: "eve"}, labgitlab.ReasonUnknown},
		{"a ref that is not there", labgitlab.PipelineRequest{Ref: "gone"}, labgitlab.ReasonUnknown},
		{"a branch asked for as a tag", labgitlab.PipelineRequest{Ref: "main", RefType: labgitlab.Tag}, labgitlab.ReasonUnknown},
		{"another case", labgitlab.PipelineRequest{Ref: "Main"}, labgitlab.ReasonUnknown},
		{"a source that is none", labgitlab.PipelineRequest{Ref: "main", Source: "pull"}, labgitlab.ReasonUnknown},
		{"a merge request's source without one", labgitlab.PipelineRequest{Ref: "main", Source: "merge_request_event"}, labgitlab.ReasonUnknown},
		{"a push with a merge request", labgitlab.PipelineRequest{Ref: "main", MergeRequest: &labgitlab.MergeRequest{}}, labgitlab.ReasonUnknown},
		{"a merge request into itself", labgitlab.PipelineRequest{Ref: "main", Source: "merge_request_event", MergeRequest: &labgitlab.MergeRequest{}}, labgitlab.ReasonUnknown},
		{"a merge request into nothing", labgitlab.PipelineRequest{Ref: "pinned", Source: "merge_request_event", MergeRequest: &labgitlab.MergeRequest{TargetBranch: "gone"}}, labgitlab.ReasonUnknown},
		{"a merge request of a tag", labgitlab.PipelineRequest{Ref: "nightly", RefType: labgitlab.Tag, Source: "merge_request_event", MergeRequest: &labgitlab.MergeRequest{}}, labgitlab.ReasonUnknown},
		{"a merge request from a project that is no fork", labgitlab.PipelineRequest{Ref: "main", Source: "merge_request_event", MergeRequest: &labgitlab.MergeRequest{SourceProject: "my-group/platform/infra"}}, labgitlab.ReasonUnknown},
		{"the message asks to skip", labgitlab.PipelineRequest{Ref: "skipped"}, labgitlab.ReasonNoPipeline},
		{"the message asks to skip, but someone insists", labgitlab.PipelineRequest{Ref: "skipped", Source: "web"}, labgitlab.ReasonNone},
		{"a variable that is none", labgitlab.PipelineRequest{Ref: "main", Variables: []labgitlab.Variable{{Key: "A B"}}}, labgitlab.ReasonUnknown},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tt.request.Project = "my-group/shop"
			_, err := s.CreatePipeline(ctx, tt.request)
			if labgitlab.ReasonOf(err) != tt.reason || (err == nil) != (tt.reason == labgitlab.ReasonNone) {
				t.Errorf("%v, want %v", err, tt.reason)
			}
		})
	}
	_, err := s.CreatePipeline(ctx, labgitlab.PipelineRequest{Project: "my-group/shop2", Ref: "main"})
	wantError(t, err, labgitlab.ReasonUnknown, "there are: my-group/shop, my-group/platform/infra, dev/shop")
	if p, err := s.CreatePipeline(ctx, labgitlab.PipelineRequest{Project: "MY-GROUP/Shop", Ref: "main"}); err != nil || p.Project != "my-group/shop" {
		t.Errorf("paths are found in any case and written in their own: %v %v", p, err)
	}
}

func TestForksRunInTheParentOnlyWhereItSaysSo(t *testing.T) {
	world := `
users: [{id: 1, username: ann, namespace_id: 9}, {id: 2, username: bob, namespace_id: 8}]
groups: [{id: 7, full_path: g, members: [{username: bob, access_level: developer}]}]
projects:
  - {id: 5, path_with_namespace: g/p, directory: ., branches: [main]%s}
  - {id: 6, path_with_namespace: bob/p, directory: ., branches: [main, x], forked_from_project: g/p}
`
	for setting, reason := range map[string]labgitlab.Reason{
		"": labgitlab.ReasonNone,
		", ci_allow_fork_pipelines_to_run_in_parent_project: false": labgitlab.ReasonForbidden,
	} {
		s := newLab(t, writeWorld(t, strings.Replace(world, "%s", setting, 1), map[string]string{".gitlab-ci.yml": "j: {script: [x], rules: [{when: always}]}"}))
		request := labgitlab.PipelineRequest{Project: "g/p", Ref: "x", User: "bob", Source: "merge_request_event", MergeRequest: &labgitlab.MergeRequest{SourceProject: "bob/p"}}
		_, err := s.CreatePipeline(ctx, request)
		if labgitlab.ReasonOf(err) != reason {
			t.Errorf("%q: %v", setting, err)
		}
		request.User = "ann"
		_, err = s.CreatePipeline(ctx, request)
		wantReason(t, err, labgitlab.ReasonForbidden)
	}
}

func TestPipelineVariablesNeedTheRole(t *testing.T) {
	files := map[string]string{".gitlab-ci.yml": "j: {script: [x]}"}
	for role, reason := range map[string]labgitlab.Reason{
		"no_one_allowed": labgitlab.ReasonForbidden, "developer": labgitlab.ReasonNone, "owner": labgitlab.ReasonNone,
	} {
		s := project(t, "    ci_pipeline_variables_minimum_override_role: "+role, files)
		_, err := s.CreatePipeline(ctx, labgitlab.PipelineRequest{Project: "ann/site", Ref: "main", Variables: []labgitlab.Variable{{Key: "A", Value: "b"}}})
		if labgitlab.ReasonOf(err) != reason {
			t.Errorf("%s: %v", role, err)
		}
	}
}

func TestProtectedEnvironmentsAskForApproval(t *testing.T) {
	s := project(t, "    protected_environments: [{name: production, required_approval_count: 1, deploy_access_levels: [{access_level: developer}]}]",
		map[string]string{".gitlab-ci.yml": "j: {script: ['true'], environment: production}"})
	request := labgitlab.PipelineRequest{Project: "ann/site", Ref: "main"}
	p := create(t, s, request)
	if !p.Jobs[0].Environment.AwaitsApproval {
		t.Error("a job runs unapproved")
	}
	_, err := s.StartJob(ctx, p.Jobs[0].ID, labgitlab.StartRequest{})
	wantError(t, err, labgitlab.ReasonForbidden, "required approvals were not given")
	report, _ := run(t, s, create(t, s, request))
	wantStatuses(t, report, labgitlab.PipelineBlocked, map[string]labgitlab.JobStatus{"j": "manual"})
	request.Approved = []string{"production"}
	report, _ = run(t, s, create(t, s, request))
	wantStatuses(t, report, labgitlab.PipelineSuccess, map[string]labgitlab.JobStatus{"j": "success"})
}

func TestEnvironmentScopesOfVariables(t *testing.T) {
	for environment, want := range map[string]string{"review/7": "project-review-7", "review/8": "project-review", "other": "project-any"} {
		lab := project(t, `
    variables:
      - {key: SCOPED, value: project-any}
      - {key: SCOPED, value: project-review-7, environment_scope: review/7}
      - {key: SCOPED, value: project-review, environment_scope: review/*}
`, map[string]string{".gitlab-ci.yml": "j: {script: [x], environment: " + environment + "}"})
		p := create(t, lab, labgitlab.PipelineRequest{Project: "ann/site", Ref: "main"})
		if got := value(t, start(t, lab, p, "j"), "SCOPED"); got != want {
			t.Errorf("%s: %q, want %q", environment, got, want)
		}
	}
}

func TestAudiencesExpandVariables(t *testing.T) {
	s := project(t, "    variables: [{key: FROM_SETTINGS, value: settings}]", map[string]string{".gitlab-ci.yml": `
variables: {ROOT: root, NESTED: "$ROOT-$FROM_SETTINGS"}
j:
  script: [x]
  variables: {JOB: job}
  rules: [{if: $CI, variables: {RULE: rule}}]
  id_tokens:
    A: {aud: "$ROOT"}
    B: {aud: "${JOB}/$RULE"}
    C: {aud: ["%NESTED%", "$MISSING", "https://$CI_SERVER_HOST"]}
    D: {aud: "$CI_JOB_ID$A"}
`})
	p := create(t, s, labgitlab.PipelineRequest{Project: "ann/site", Ref: "main"})
	started := start(t, s, p, "j")
	for token, want := range map[string]any{
		"A": "root", "B": "job/rule", "C": []any{"root-settings", "", "https://gitlab.example.com"},
		"D": "", // ids and other tokens are not among an audience's variables
	} {
		if diff := cmp.Diff(want, tokenClaims(t, value(t, started, token))["aud"]); diff != "" {
			t.Errorf("%s: %s", token, diff)
		}
	}
	if diff := cmp.Diff([]string{"A", "B", "C", "D"}, started.Tokens); diff != "" {
		t.Error(diff)
	}
}

func TestASettingsVariableHidesATokenOfItsName(t *testing.T) {
	s := project(t, "    variables: [{key: T, value: from-settings}]", map[string]string{".gitlab-ci.yml": "j: {script: [x], id_tokens: {T: {aud: a}}}"})
	p := create(t, s, labgitlab.PipelineRequest{Project: "ann/site", Ref: "main"})
	if got := value(t, start(t, s, p, "j"), "T"); got != "from-settings" {
		t.Errorf("%q", got)
	}
}

func TestIncludeRulesAndVariables(t *testing.T) {
	files := map[string]string{
		".gitlab-ci.yml": `
include:
  - local: ci/$CI_COMMIT_REF_NAME.yml
  - local: ci/tags.yml
    rules: [{if: $CI_COMMIT_TAG}]
  - local: ci/go.yml
    rules: [{exists: [go.mod]}]
j: {script: [x]}`,
		"ci/main.yml": "main: {script: [x]}", "ci/tags.yml": "tags: {script: [x]}", "ci/go.yml": "go: {script: [x]}", "go.mod": "",
	}
	s := project(t, "", files)
	p := create(t, s, labgitlab.PipelineRequest{Project: "ann/site", Ref: "main"})
	if diff := cmp.Diff([]string{"main", "go", "j"}, jobNames(p)); diff != "" {
		t.Error(diff)
	}
	_, err := s.CreatePipeline(ctx, labgitlab.PipelineRequest{Project: "ann/site", Ref: "other"})
	wantError(t, err, labgitlab.ReasonMalformed, "included file ci/other.yml does not exist")
}

func TestLinksOutOfTheTreeAreNotRead(t *testing.T) {
	s := project(t, "", map[string]string{".gitlab-ci.yml": "include: outside.yml\nj: {script: [x]}"})
	linkOutside(t, s.World().Projects[0].Directory)
	_, err := s.CreatePipeline(ctx, labgitlab.PipelineRequest{Project: "ann/site", Ref: "main"})
	if err == nil {
		t.Error("a file outside the working tree was included")
	}
}
