package labgitlab

import (
	"crypto/sha256"
	"math/big"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// GitLab's predefined variables, in the order in which GitLab collects them:
// later ones win. Those a lab has no value for (registry, pages, job token) are
// left out rather than invented.

// jobVariables are those known when the pipeline is created; rules see them.
func (s *seed) jobVariables(name, stage, when string, env *PlannedEnvironment) variableList {
	var v variableList
	v.add("CI_JOB_NAME", name)
	v.add("CI_JOB_NAME_SLUG", slug(name))
	v.add("CI_JOB_GROUP_NAME", groupName(name))
	v.add("CI_JOB_STAGE", stage)
	if when == "manual" {
		v.add("CI_JOB_MANUAL", "true")
	}
	v.add("CI_NODE_TOTAL", "1")
	if env != nil {
		v.add("CI_ENVIRONMENT_NAME", env.Name)
		v.add("CI_ENVIRONMENT_ACTION", env.Action)
		v.add("CI_ENVIRONMENT_TIER", env.Tier)
		if env.URL != "" {
			v.add("CI_ENVIRONMENT_URL", env.URL)
		}
	}
	return append(append(v, s.projectVariables()...), s.pipelineVariables()...)
}

var matrixSuffix = regexp.MustCompile(`([\s:]+((\[.*\])|(\d+[\s:/\\]+\d+))){1,3}\s*$`)

func groupName(job string) string {
	return strings.TrimSpace(matrixSuffix.ReplaceAllString(job, ""))
}

func (s *seed) projectVariables() variableList {
	p := s.project
	namespaceID, namespacePath := s.world.namespace(p)
	root, _, _ := strings.Cut(namespacePath, "/")
	var v variableList
	v.add("CI", "true")
	v.add("GITLAB_CI", "true")
	v = append(v, serverVariables(s.issuer, s.world.Version)...)
	v.add("GITLAB_FEATURES", "")
	v.add("CI_PROJECT_ID", decimal(p.ID))
	v.add("CI_PROJECT_NAME", p.slugName())
	v.add("CI_PROJECT_TITLE", p.Name)
	v.add("CI_PROJECT_DESCRIPTION", "")
	v.add("CI_PROJECT_PATH", p.Path)
	v.add("CI_PROJECT_PATH_SLUG", slug(p.Path))
	v.add("CI_PROJECT_NAMESPACE", namespacePath)
	v.add("CI_PROJECT_NAMESPACE_SLUG", slug(namespacePath))
	v.add("CI_PROJECT_NAMESPACE_ID", decimal(namespaceID))
	v.add("CI_PROJECT_ROOT_NAMESPACE", root)
	v.add("CI_PROJECT_URL", s.issuer+"/"+p.Path)
	v.add("CI_PROJECT_VISIBILITY", p.Visibility)
	v.add("CI_PROJECT_REPOSITORY_LANGUAGES", "")
	v.add("CI_DEFAULT_BRANCH", p.DefaultBranch)
	v.add("CI_CONFIG_PATH", p.ConfigPath)
	v.add("CI_API_V4_URL", s.issuer+"/api/v4")
	v.add("CI_API_GRAPHQL_URL", s.issuer+"/api/graphql")
	return v
}

// issuerHost is what CI_SERVER_FQDN says: the host, with a port that is its own.
func issuerHost(issuer string) string {
	u, _ := url.Parse(issuer) // checked by New
	return u.Host
}

func serverVariables(issuer, version string) variableList {
	u, _ := url.Parse(issuer) // checked by New
	port := u.Port()
	if port == "" {
		port = "443"
	}
	major, minor, patch := versionParts(version)
	var v variableList
	v.add("CI_SERVER_FQDN", issuerHost(issuer))
	v.add("CI_SERVER_URL", issuer)
	v.add("CI_SERVER_HOST", u.Hostname())
	v.add("CI_SERVER_PORT", port)
	v.add("CI_SERVER_PROTOCOL", u.Scheme)
	v.add("CI_SERVER_NAME", "GitLab")
	v.add("CI_SERVER_VERSION", version)
	v.add("CI_SERVER_VERSION_MAJOR", major)
	v.add("CI_SERVER_VERSION_MINOR", minor)
	v.add("CI_SERVER_VERSION_PATCH", patch)
	v.add("CI_SERVER_REVISION", "mayfly-lab")
	return v
}

func versionParts(version string) (major, minor, patch string) {
	number, _, _ := strings.Cut(version, "-")
	parts := append(strings.Split(number, "."), "0", "0", "0")
	return parts[0], parts[1], parts[2]
}

func (s *seed) pipelineVariables() variableList {
	var v variableList
	v.add("CI_PIPELINE_IID", decimal(s.pipeline.IID))
	v.add("CI_PIPELINE_SOURCE", s.pipeline.Source)
	v.add("CI_PIPELINE_CREATED_AT", s.pipeline.CreatedAt.UTC().Format(time.RFC3339))
	if s.pipeline.Name != "" {
		v.add("CI_PIPELINE_NAME", s.pipeline.Name)
	}
	if s.pipeline.Source == "trigger" {
		v.add("CI_PIPELINE_TRIGGERED", "true")
	}
	title, description, _ := strings.Cut(s.ref.Message, "\n")
	v.add("CI_COMMIT_SHA", s.pipeline.SHA)
	v.add("CI_COMMIT_SHORT_SHA", s.pipeline.SHA[:8])
	v.add("CI_COMMIT_BEFORE_SHA", strings.Repeat("0", 40))
	v.add("CI_COMMIT_REF_NAME", s.pipeline.Ref)
	v.add("CI_COMMIT_REF_SLUG", slug(s.pipeline.Ref))
	if s.isBranch() {
		v.add("CI_COMMIT_BRANCH", s.pipeline.Ref)
	}
	v.add("CI_COMMIT_MESSAGE", s.ref.Message)
	v.add("CI_COMMIT_TITLE", title)
	v.add("CI_COMMIT_DESCRIPTION", strings.TrimLeft(description, "\n"))
	v.add("CI_COMMIT_REF_PROTECTED", strconv.FormatBool(s.pipeline.RefProtected))
	v.add("CI_COMMIT_TIMESTAMP", s.pipeline.CreatedAt.UTC().Format(time.RFC3339))
	v.add("CI_COMMIT_AUTHOR", s.user.Name+" <"+s.user.Email+">")
	if s.pipeline.RefType == Tag {
		v.add("CI_COMMIT_TAG", s.pipeline.Ref)
		v.add("CI_COMMIT_TAG_MESSAGE", s.ref.Message)
	}
	if s.mr != nil {
		v = append(v, s.mergeRequestVariables()...)
	}
	return v
}

func (s *seed) mergeRequestVariables() variableList {
	target, _ := s.project.Ref(Branch, s.mr.target)
	var v variableList
	v.add("CI_MERGE_REQUEST_EVENT_TYPE", "detached")
	v.add("CI_MERGE_REQUEST_SOURCE_BRANCH_SHA", "")
	v.add("CI_MERGE_REQUEST_TARGET_BRANCH_SHA", "")
	v.add("CI_MERGE_REQUEST_DIFF_BASE_SHA", target.SHA)
	v.add("CI_MERGE_REQUEST_ID", decimal(s.mr.id))
	v.add("CI_MERGE_REQUEST_IID", decimal(s.mr.iid))
	v.add("CI_MERGE_REQUEST_REF_PATH", "refs/merge-requests/"+decimal(s.mr.iid)+"/head")
	v.add("CI_MERGE_REQUEST_PROJECT_ID", decimal(s.project.ID))
	v.add("CI_MERGE_REQUEST_PROJECT_PATH", s.project.Path)
	v.add("CI_MERGE_REQUEST_PROJECT_URL", s.issuer+"/"+s.project.Path)
	v.add("CI_MERGE_REQUEST_SOURCE_BRANCH_NAME", s.pipeline.Ref)
	v.add("CI_MERGE_REQUEST_SOURCE_BRANCH_PROTECTED", strconv.FormatBool(s.world.Protected(s.source, Branch, s.pipeline.Ref)))
	v.add("CI_MERGE_REQUEST_SOURCE_PROJECT_ID", decimal(s.source.ID))
	v.add("CI_MERGE_REQUEST_SOURCE_PROJECT_PATH", s.source.Path)
	v.add("CI_MERGE_REQUEST_SOURCE_PROJECT_URL", s.issuer+"/"+s.source.Path)
	v.add("CI_MERGE_REQUEST_TARGET_BRANCH_NAME", s.mr.target)
	v.add("CI_MERGE_REQUEST_TARGET_BRANCH_PROTECTED", strconv.FormatBool(s.world.Protected(s.project, Branch, s.mr.target)))
	v.add("CI_MERGE_REQUEST_TITLE", s.mr.title)
	v.add("CI_MERGE_REQUEST_DRAFT", strconv.FormatBool(strings.HasPrefix(s.mr.title, "Draft:")))
	v.add("CI_MERGE_REQUEST_SQUASH_ON_MERGE", "false")
	return v
}

func (s *seed) userVariables() variableList {
	var v variableList
	v.add("GITLAB_USER_ID", decimal(s.user.ID))
	v.add("GITLAB_USER_EMAIL", s.user.Email)
	v.add("GITLAB_USER_LOGIN", s.user.Username)
	v.add("GITLAB_USER_NAME", s.user.Name)
	return v
}

// runnerVariables are the runner's own, below everything else.
func runnerVariables(start StartRequest, j *PlannedJob) variableList {
	var v variableList
	v.add("CI_BUILDS_DIR", start.BuildsDir)
	v.add("CI_PROJECT_DIR", start.ProjectDir)
	v.add("CI_CONCURRENT_ID", "0")
	v.add("CI_CONCURRENT_PROJECT_ID", "0")
	v.add("CI_SERVER", "yes")
	v.add("CI_JOB_STATUS", "running")
	v.add("CI_JOB_TIMEOUT", decimal(j.TimeoutSeconds))
	v.add("CI_SHARED_ENVIRONMENT", "true")
	return v
}

// persistedVariables exist once the job has an id; rules do not see them.
func persistedVariables(issuer string, p *Pipeline, j *PlannedJob, started time.Time) variableList {
	var v variableList
	v.add("CI_PIPELINE_ID", decimal(p.ID))
	v.add("CI_PIPELINE_URL", p.URL)
	v.add("CI_JOB_ID", decimal(j.ID))
	v.add("CI_JOB_URL", issuer+"/"+p.Project+"/-/jobs/"+decimal(j.ID))
	v.add("CI_JOB_STARTED_AT", started.UTC().Format(time.RFC3339))
	return v
}

func (w *World) runnerIdentityVariables() variableList {
	var v variableList
	v.add("CI_RUNNER_ID", decimal(w.Runner.ID))
	v.add("CI_RUNNER_DESCRIPTION", w.Runner.Description)
	v.add("CI_RUNNER_TAGS", "[]")
	return v
}

// environmentSlug is GitLab's short form of an environment's name: at most 24
// characters, with a suffix of the name's hash where it had to change.
func environmentSlug(name string) string {
	var b strings.Builder
	for _, r := range strings.ToLower(name) {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' {
			b.WriteRune(r)
		} else if !strings.HasSuffix(b.String(), "-") {
			b.WriteByte('-')
		}
	}
	short := b.String()
	if short == "" || short[0] < 'a' || short[0] > 'z' {
		short = strings.Replace("env-"+short, "--", "-", 1)
	}
	if len(short) > 24 || short != name {
		short = short[:min(17, len(short))]
		if !strings.HasSuffix(short, "-") {
			short += "-"
		}
		sum := sha256.Sum256([]byte(name))
		digits := new(big.Int).SetBytes(sum[:]).Text(36)
		short += digits[len(digits)-6:]
	}
	return strings.TrimSuffix(short, "-")
}
