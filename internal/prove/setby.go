package prove

import "strings"

// Setter is who decides what a claim of a job's token says. The zero value is
// nobody that is known here.
type Setter uint8

const (
	// Platform: GitLab says what is so.
	Platform Setter = iota + 1
	// Maintainer: whoever changes the project's settings.
	Maintainer
	// Author: whoever writes the .gitlab-ci.yml that the job runs by.
	Author
	// Anyone: whoever starts the pipeline, or the user of the claim.
	Anyone
)

var setterNames = [...]string{"", "GitLab", "Maintainers", "the job's author", "anyone"}

// String is the setter in words.
func (s Setter) String() string { return setterNames[s] }

// setters are who can set each claim of a job's token. (GitLab, "ID token
// payload"; lib/gitlab/ci/jwt_v2.rb.)
var setters = map[string]Setter{
	"iss": Platform, "sub": Platform, "project_id": Platform, "project_path": Platform, "namespace_id": Platform, "namespace_path": Platform,
	"job_project_id": Platform, "job_project_path": Platform, "job_namespace_id": Platform, "job_namespace_path": Platform,
	"pipeline_id": Platform, "pipeline_source": Platform, "job_id": Platform, "job_source": Platform, "ref_type": Platform, "sha": Platform, "ci_config_sha": Platform,
	"source_project_id": Platform, "source_project_path": Platform, "source_namespace_id": Platform, "source_namespace_path": Platform,
	"iat": Platform, "nbf": Platform, "exp": Platform, "groups_direct": Platform, "job_config": Platform,
	"user_id": Platform, "user_access_level": Platform, "jti": Platform, "runner_id": Platform, "runner_environment": Platform,
	"ref": Anyone, "ref_path": Anyone, "ci_config_ref_uri": Anyone, "user_login": Anyone, "user_email": Anyone, "user_identities": Anyone,
	"ref_protected": Maintainer, "environment_protected": Maintainer, "project_visibility": Maintainer,
	"aud": Author, "environment": Author, "deployment_tier": Author, "environment_action": Author, "target_audience": Author,
}

// SetBy is who decides what a claim says.
func SetBy(claim string) Setter { return setters[strings.ToLower(claim)] }
