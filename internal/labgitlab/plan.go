package labgitlab

import "time"

// PipelineRequest asks for a pipeline.
type PipelineRequest struct {
	Project string  `json:"project"`        // full path: where the pipeline runs
	Ref     string  `json:"ref"`            // short name; of a merge request, its source branch
	RefType RefType `json:"ref_type"`       // empty: a branch of that name, else a tag
	Source  string  `json:"source"`         // one of Sources; empty is push
	User    string  `json:"user,omitempty"` // login; empty is the world's first user

	MergeRequest *MergeRequest `json:"merge_request,omitempty"` // for source merge_request_event

	Variables         []Variable `json:"variables,omitempty"`          // the starter's own, "pipeline variables"
	InstanceVariables []Variable `json:"instance_variables,omitempty"` // what an administrator would set, below the world's

	// ChangedFiles answers `changes`. Nil means not known: a rule that asks is
	// refused by name.
	ChangedFiles []string `json:"changed_files"`
	// Approved lists protected environments whose required approvals were given.
	Approved []string `json:"approved,omitempty"`
}

// MergeRequest is the merge request a pipeline is for.
type MergeRequest struct {
	TargetBranch  string `json:"target_branch"`            // empty: the project's default branch
	SourceProject string `json:"source_project,omitempty"` // a fork; empty: the project itself
	Title         string `json:"title,omitempty"`
}

// Sources are the pipeline sources the lab starts pipelines with.
var Sources = []string{"push", "web", "schedule", "api", "trigger", "merge_request_event"}

// Pipeline is a created pipeline: what will run, in which order, with which
// tokens. It is what the door answers and what a Runner runs.
type Pipeline struct {
	ID           int64        `json:"id"`
	IID          int64        `json:"iid"`
	URL          string       `json:"web_url"`
	Name         string       `json:"name,omitempty"`
	Project      string       `json:"project"`
	ProjectID    int64        `json:"project_id"`
	Source       string       `json:"source"`
	Ref          string       `json:"ref"`
	RefType      RefType      `json:"ref_type"`
	RefProtected bool         `json:"ref_protected"`
	SHA          string       `json:"sha"`
	User         string       `json:"user"`
	Directory    string       `json:"directory"` // the working tree on this machine
	Stages       []string     `json:"stages"`
	Jobs         []PlannedJob `json:"jobs"`
	Notes        []string     `json:"notes,omitempty"` // what the lab accepts and does not imitate
	CreatedAt    time.Time    `json:"created_at"`
}

// PlannedJob is one job of a pipeline.
type PlannedJob struct {
	ID             int64               `json:"id"`
	Name           string              `json:"name"`
	Stage          string              `json:"stage"`
	When           string              `json:"when"` // on_success, on_failure, always or manual
	AllowFailure   bool                `json:"allow_failure"`
	AllowExitCodes []int               `json:"allow_failure_exit_codes,omitempty"`
	DAG            bool                `json:"dag"` // ordered by Needs instead of stages
	Needs          []string            `json:"needs,omitempty"`
	ArtifactsFrom  []string            `json:"artifacts_from,omitempty"`
	Environment    *PlannedEnvironment `json:"environment,omitempty"`
	IDTokens       []IDToken           `json:"id_tokens,omitempty"` // audiences as expanded when the pipeline was created
	Script         []string            `json:"script"`              // before_script and script
	AfterScript    []string            `json:"after_script,omitempty"`
	Artifacts      *Artifacts          `json:"artifacts,omitempty"`
	TimeoutSeconds int64               `json:"timeout_seconds"`
}

// PlannedEnvironment is a job's environment with its variables expanded.
type PlannedEnvironment struct {
	Name      string `json:"name"`
	Slug      string `json:"slug"`
	URL       string `json:"url,omitempty"`
	Action    string `json:"action"`
	Tier      string `json:"tier"`
	Protected bool   `json:"protected"`
	// AwaitsApproval means that GitLab would hold the job until people approve.
	AwaitsApproval bool `json:"awaits_approval,omitempty"`
}

// StartRequest asks for a job's variables and tokens. The directories are
// where the runner put the job, so that variables can name them.
type StartRequest struct {
	BuildsDir  string     `json:"builds_dir"`
	ProjectDir string     `json:"project_dir"`
	FilesDir   string     `json:"files_dir"`        // for variables of type file
	DotEnv     []Variable `json:"dotenv,omitempty"` // from earlier jobs' dotenv reports
}

// StartedJob is a job that a runner has picked up: its ID tokens were minted
// now.
type StartedJob struct {
	ID        int64      `json:"id"`
	Variables []Variable `json:"variables"` // final values; one of type file has its content
	Tokens    []string   `json:"tokens"`    // names of the variables that hold ID tokens
	StartedAt time.Time  `json:"started_at"`
}

// JobStatus is how a job ended, or why it did not start.
type JobStatus string

const (
	JobSuccess  JobStatus = "success"
	JobFailed   JobStatus = "failed"
	JobCanceled JobStatus = "canceled"
	JobSkipped  JobStatus = "skipped"
	JobManual   JobStatus = "manual" // waits to be played
	JobNotAsked JobStatus = "not asked for"
)
