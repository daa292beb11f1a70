package labgitlab

import (
	"slices"
)

// PipelineStatus is how a run of a pipeline ended.
type PipelineStatus string

const (
	PipelineSuccess  PipelineStatus = "success"
	PipelineFailed   PipelineStatus = "failed"
	PipelineCanceled PipelineStatus = "canceled"
	PipelineBlocked  PipelineStatus = "blocked" // by a manual job that may not fail
)

// JobReport is how one job ended.
type JobReport struct {
	Job      *PlannedJob
	Status   JobStatus
	Allowed  bool // it failed and was allowed to
	ExitCode int
	Why      string // of a status other than success
}

// Report is how a run ended, job by job.
type Report struct {
	Pipeline *Pipeline
	Status   PipelineStatus
	Jobs     []JobReport
}

// composite is the joint status of the jobs before another one, as GitLab
// computes it: a failure that is allowed counts as success, a manual job that
// may fail is ignored.
type composite int

const (
	compositeSuccess composite = iota
	compositeSkipped
	compositeFailed
	compositeManual
	compositeCanceled
)

func (r JobReport) ignored() bool { return r.Status == JobManual && r.Job.AllowFailure }

func (r JobReport) passed() bool {
	return r.Status == JobSuccess || r.Status == JobNotAsked || r.Status == JobFailed && r.Allowed
}

// compose joins the reports of a job's predecessors; dag is for needs, where a
// predecessor that did not run means that the job does not either.
func compose(before []JobReport, dag bool) composite {
	is := func(s JobStatus) func(JobReport) bool { return func(r JobReport) bool { return r.Status == s } }
	all := func(holds func(JobReport) bool) bool {
		return !slices.ContainsFunc(before, func(r JobReport) bool { return !holds(r) })
	}
	idle := func(r JobReport) bool { return r.Status == JobSkipped || r.ignored() }
	switch {
	case dag && slices.ContainsFunc(before, is(JobSkipped)):
		return compositeSkipped
	case len(before) == 0:
		return compositeSuccess
	case all(idle):
		return compositeSkipped
	case all(func(r JobReport) bool { return idle(r) || r.passed() }):
		return compositeSuccess
	case all(func(r JobReport) bool { return idle(r) || r.passed() || r.Status == JobCanceled }):
		return compositeCanceled
	case slices.ContainsFunc(before, func(r JobReport) bool { return r.Status == JobManual && !r.ignored() }):
		return compositeManual
	default:
		return compositeFailed
	}
}

// starts reports whether a job with this `when` starts after such predecessors.
func (c composite) starts(when string, dag bool) bool {
	switch when {
	case "on_failure":
		return c == compositeFailed
	case "always":
		return c == compositeSuccess || c == compositeFailed || c == compositeSkipped
	default: // on_success and manual
		return c == compositeSuccess || c == compositeSkipped && !dag
	}
}

// schedule walks a pipeline's jobs one at a time.
type schedule struct {
	pipeline *Pipeline
	play     []string
	only     []string
	reports  map[string]JobReport // :: job name → how it ended
}

// next is a job whose predecessors have all ended, nil when none is left.
func (s *schedule) next() *PlannedJob {
	for i := range s.pipeline.Jobs {
		j := &s.pipeline.Jobs[i]
		if _, ended := s.reports[j.Name]; ended {
			continue
		}
		ready := true
		for _, before := range s.predecessors(j) {
			_, ended := s.reports[before.Name]
			ready = ready && ended
		}
		if ready {
			return j
		}
	}
	return nil
}

func (s *schedule) predecessors(j *PlannedJob) []*PlannedJob {
	var out []*PlannedJob
	for i := range s.pipeline.Jobs {
		other := &s.pipeline.Jobs[i]
		earlier := slices.Index(s.pipeline.Stages, other.Stage) < slices.Index(s.pipeline.Stages, j.Stage)
		if j.DAG {
			earlier = slices.Contains(j.Needs, other.Name)
		}
		if earlier {
			out = append(out, other)
		}
	}
	return out
}

// idle is the report of a job that does not run, with ok false for one that
// does.
func (s *schedule) idle(j *PlannedJob) (report JobReport, ok bool) {
	asked := slices.Contains(s.only, j.Name)
	if len(s.only) > 0 && !asked {
		return JobReport{Job: j, Status: JobNotAsked}, true
	}
	var before []JobReport
	for _, p := range s.predecessors(j) {
		before = append(before, s.reports[p.Name])
	}
	joint := compose(before, j.DAG)
	switch {
	case joint == compositeManual:
		return JobReport{Job: j, Status: JobSkipped, Why: "it waits for a manual job that was not played"}, true
	case !joint.starts(j.When, j.DAG):
		return JobReport{Job: j, Status: JobSkipped, Why: "its when is " + j.When}, true
	case j.Environment != nil && j.Environment.AwaitsApproval:
		return JobReport{Job: j, Status: JobManual, Why: "environment " + j.Environment.Name + " awaits approval"}, true
	case j.When == "manual" && !asked && !slices.Contains(s.play, j.Name):
		return JobReport{Job: j, Status: JobManual, Why: "it waits to be played"}, true
	}
	return JobReport{}, false
}

// status is the pipeline's, once every job has ended.
func (s *schedule) status() PipelineStatus {
	status := PipelineSuccess
	for _, r := range s.reports {
		switch {
		case r.Status == JobFailed && !r.Allowed:
			return PipelineFailed
		case r.Status == JobCanceled:
			status = PipelineCanceled
		case r.Status == JobManual && !r.Job.AllowFailure && status == PipelineSuccess:
			status = PipelineBlocked
		}
	}
	return status
}
