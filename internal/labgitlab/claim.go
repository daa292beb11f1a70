package labgitlab

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"
)

// JobClaims is the payload of a job's ID token, claim by claim as GitLab 19.1
// writes it: ids are strings save runner_id, booleans are words, and the
// environment's claims are there only for a job with an environment.
type JobClaims struct {
	NamespaceID          string     `json:"namespace_id"`
	NamespacePath        string     `json:"namespace_path"`
	ProjectID            string     `json:"project_id"`
	ProjectPath          string     `json:"project_path"`
	JobProjectID         string     `json:"job_project_id"`
	JobProjectPath       string     `json:"job_project_path"`
	JobNamespaceID       string     `json:"job_namespace_id"`
	JobNamespacePath     string     `json:"job_namespace_path"`
	UserID               string     `json:"user_id"`
	UserLogin            string     `json:"user_login"`
	UserEmail            string     `json:"user_email"`
	UserAccessLevel      *string    `json:"user_access_level"` // null for one who is no member
	UserIdentities       []Identity `json:"user_identities,omitempty"`
	PipelineID           string     `json:"pipeline_id"`
	PipelineSource       string     `json:"pipeline_source"`
	JobID                string     `json:"job_id"`
	Ref                  string     `json:"ref"`
	RefType              string     `json:"ref_type"`
	RefPath              string     `json:"ref_path"`
	RefProtected         string     `json:"ref_protected"`
	Environment          string     `json:"environment,omitempty"`
	EnvironmentProtected string     `json:"environment_protected,omitempty"`
	DeploymentTier       string     `json:"deployment_tier,omitempty"`
	EnvironmentAction    string     `json:"environment_action,omitempty"`
	JobSource            string     `json:"job_source"`
	RunnerID             int64      `json:"runner_id"`
	RunnerEnvironment    string     `json:"runner_environment"`
	SHA                  string     `json:"sha"`
	ProjectVisibility    string     `json:"project_visibility"`
	CIConfigRefURI       string     `json:"ci_config_ref_uri"`
	CIConfigSHA          string     `json:"ci_config_sha"`
	JTI                  string     `json:"jti"`
	Issuer               string     `json:"iss"`
	IssuedAt             int64      `json:"iat"`
	NotBefore            int64      `json:"nbf"`
	Expires              int64      `json:"exp"`
	Subject              string     `json:"sub"`
	Audience             Audience   `json:"aud"`
}

// LoginClaims is the payload of the ID token a person gets by signing in to an
// OAuth application: same issuer and key set as a job's, but a numeric subject
// and the application's uid as audience.
type LoginClaims struct {
	Issuer        string   `json:"iss"`
	Subject       string   `json:"sub"`
	Audience      string   `json:"aud"`
	Expires       int64    `json:"exp"`
	IssuedAt      int64    `json:"iat"`
	Nonce         string   `json:"nonce,omitempty"`
	AuthTime      int64    `json:"auth_time"`
	Name          string   `json:"name"`
	Nickname      string   `json:"nickname"`
	Preferred     string   `json:"preferred_username"`
	Email         string   `json:"email"`
	EmailVerified bool     `json:"email_verified"`
	GroupsDirect  []string `json:"groups_direct"`
}

// loginTokenLife is the default of the OpenID Connect library GitLab uses.
const loginTokenLife = 2 * time.Minute

// notBeforeMargin is how far nbf lies before iat (Gitlab::Ci::JwtBase).
const notBeforeMargin = 5 * time.Second

// defaultTokenLife is for a job without a timeout.
const defaultTokenLife = 5 * time.Minute

// jobFacts is what a job's claims are computed from.
type jobFacts struct {
	world    *World
	issuer   string
	host     string // of the issuer, with port
	running  *Project
	source   *Project // of a merge request from a fork; else running
	user     *User
	pipeline *Pipeline
	job      *PlannedJob
	life     time.Duration
	now      time.Time
	jti      string
}

// claims computes a job's claims but for its audience. It refuses where GitLab
// would fail the job instead of minting.
func (f jobFacts) claims() (JobClaims, error) {
	namespaceID, namespacePath := f.world.namespace(f.source)
	jobNamespaceID, jobNamespacePath := f.world.namespace(f.running)
	path := refPath(f.pipeline.RefType, f.pipeline.Ref)
	c := JobClaims{
		NamespaceID: decimal(namespaceID), NamespacePath: namespacePath,
		ProjectID: decimal(f.source.ID), ProjectPath: f.source.Path,
		JobProjectID: decimal(f.running.ID), JobProjectPath: f.running.Path,
		JobNamespaceID: decimal(jobNamespaceID), JobNamespacePath: jobNamespacePath,
		UserID: decimal(f.user.ID), UserLogin: f.user.Username, UserEmail: f.user.Email,
		UserAccessLevel: f.accessLevel(),
		UserIdentities:  f.user.Identities,
		PipelineID:      decimal(f.pipeline.ID), PipelineSource: f.pipeline.Source,
		JobID:        decimal(f.job.ID),
		Ref:          f.pipeline.Ref,
		RefType:      string(f.pipeline.RefType),
		RefPath:      path,
		RefProtected: strconv.FormatBool(f.pipeline.RefProtected),
		JobSource:    f.pipeline.Source,
		RunnerID:     f.world.Runner.ID, RunnerEnvironment: f.world.Runner.Environment,
		SHA:               f.pipeline.SHA,
		ProjectVisibility: f.running.Visibility,
		CIConfigRefURI:    fmt.Sprintf("%s/%s//%s@%s", f.host, f.running.Path, f.running.ConfigPath, path),
		CIConfigSHA:       f.pipeline.SHA,
		JTI:               f.jti,
		Issuer:            f.issuer,
		IssuedAt:          f.now.Unix(),
		NotBefore:         f.now.Add(-notBeforeMargin).Unix(),
		Expires:           f.now.Add(f.life).Unix(),
	}
	if env := f.job.Environment; env != nil {
		c.Environment = env.Name
		c.EnvironmentProtected = strconv.FormatBool(env.Protected)
		c.DeploymentTier = env.Tier
		c.EnvironmentAction = env.Action
	}
	if f.usesPath() && f.world.burned(f.source) {
		return JobClaims{}, refuse(ReasonForbidden, Position{}, "id_token_burned_project_path: %s once belonged to another project; lead the sub with project_id", f.source.Path)
	}
	var err error
	c.Subject, err = c.subject(f.running.SubComponents)
	return c, err
}

func (f jobFacts) usesPath() bool { return slices.Contains(f.running.SubComponents, "project_path") }

func (f jobFacts) accessLevel() *string {
	level := f.world.Level(f.source, f.user)
	if level == NoAccess {
		return nil
	}
	name := level.String()
	return &name
}

// subject joins the project's components in order, leaving out those the job
// has no value for. A value with a colon could forge a component, so it stops
// the minting, as in GitLab 18.7.
func (c JobClaims) subject(components []string) (string, error) {
	values := map[string]string{
		"project_path": c.ProjectPath, "project_id": c.ProjectID,
		"ref_type": c.RefType, "ref": c.Ref, "ref_protected": c.RefProtected,
		"environment_protected": c.EnvironmentProtected, "deployment_tier": c.DeploymentTier,
	}
	var parts []string
	for _, component := range components {
		value := values[component]
		if value == "" {
			continue
		}
		if strings.Contains(value, ":") {
			return "", malformed(Position{}, "sub claim component %s has a colon in its value %q", component, value)
		}
		parts = append(parts, component+":"+value)
	}
	return strings.Join(parts, ":"), nil
}

func decimal(id int64) string { return strconv.FormatInt(id, 10) }

// newJTI makes a random UUID, version 4 (RFC 9562 §5.4).
func newJTI(random io.Reader) (string, error) {
	var b [16]byte
	if _, err := io.ReadFull(random, b[:]); err != nil {
		return "", err
	}
	b[6] = b[6]&0x0f | 0x40
	b[8] = b[8]&0x3f | 0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:]), nil
}

// marshalClaims writes claims without HTML escapes, as Ruby's JSON does.
func marshalClaims(claims any) ([]byte, error) {
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(claims); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}
