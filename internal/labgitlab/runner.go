package labgitlab

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
	"unicode"
)

// afterScriptTimeout is the runner's RUNNER_AFTER_SCRIPT_TIMEOUT.
const afterScriptTimeout = 5 * time.Minute

// Runner runs pipelines on this machine, as the user it runs as: there is no
// sandbox. Each job gets a copy of the working tree, a HOME and a temporary
// directory of its own, and GitLab's variables in an environment that holds
// nothing else but what Environment lists.
type Runner struct {
	// Door starts and finishes jobs. Required.
	Door Door
	// Out gets what a job's log shows. Required.
	Out io.Writer
	// Environment is the machine's own surroundings, such as PATH. A variable
	// of the job wins over it. Without PATH a plain system one is used.
	Environment map[string]string
	// TempDir is where jobs' directories are made; empty is the system's.
	TempDir string
	// Play names manual jobs to run; Only names the jobs to run, manual or
	// not, and leaves all others out.
	Play, Only []string
	// Color paints the log as the GitLab runner does.
	Color bool
}

// Run runs a pipeline's jobs one after the other, in the order of stages and
// needs, and reports how each ended. The error is for what kept the lab itself
// from going on; a job that fails is no error. When ctx ends, the running
// job's processes are stopped and the rest is canceled.
func (r *Runner) Run(ctx context.Context, p *Pipeline) (*Report, error) {
	if err := checkJobNames(p, slices.Concat(r.Only, r.Play)); err != nil {
		return nil, err
	}
	store, err := newArtifactStore(r.TempDir)
	if err != nil {
		return nil, err
	}
	run := pipelineRun{Runner: r, pipeline: p, store: store, schedule: schedule{
		pipeline: p, play: r.Play, only: r.Only, reports: map[string]JobReport{},
	}}
	run.head()
	err = run.jobs(ctx)
	return run.report(), errors.Join(err, store.remove())
}

func checkJobNames(p *Pipeline, asked []string) error {
	var names []string
	for _, j := range p.Jobs {
		names = append(names, j.Name)
	}
	for _, name := range asked {
		if !slices.Contains(names, name) {
			return refuse(ReasonUnknown, Position{}, "the pipeline has no job %q; it has: %s", name, strings.Join(names, ", "))
		}
	}
	return nil
}

// pipelineRun is one pipeline on its way.
type pipelineRun struct {
	*Runner
	pipeline *Pipeline
	store    *artifactStore
	schedule schedule
}

func (r *pipelineRun) jobs(ctx context.Context) error {
	for {
		j := r.schedule.next()
		if j == nil {
			return nil
		}
		report, idle := r.schedule.idle(j)
		if ctx.Err() != nil {
			report, idle = JobReport{Job: j, Status: JobCanceled, Why: "the run was interrupted"}, true
		}
		var err error
		switch {
		case !idle:
			report, err = r.job(ctx, j)
		case report.Status != JobNotAsked:
			r.say("", "Job %s: %s, %s", j.Name, report.Status, report.Why)
		}
		r.schedule.reports[j.Name] = report
		if err != nil {
			return err
		}
	}
}

func (r *pipelineRun) report() *Report {
	out := &Report{Pipeline: r.pipeline, Status: r.schedule.status()}
	for _, j := range r.pipeline.Jobs {
		if report, ended := r.schedule.reports[j.Name]; ended {
			out.Jobs = append(out.Jobs, report)
		}
	}
	return out
}

// say prints one line of the lab's own.
func (r *Runner) say(color, format string, args ...any) {
	line := strings.Map(printable, fmt.Sprintf(format, args...))
	if color != "" {
		line = paint(line, color, r.Color)
	}
	_, _ = fmt.Fprintln(r.Out, line) // a log nobody reads stops no job
}

// printable drops control characters: a job's name must not drive a terminal.
func printable(c rune) rune {
	if unicode.IsControl(c) && c != '\t' {
		return -1
	}
	return c
}

func (r *pipelineRun) head() {
	p := r.pipeline
	protection := "not protected"
	if p.RefProtected {
		protection = "protected"
	}
	r.say(boldCyan, "Pipeline #%d of %s: %s %s (%s), %s, started by %s", p.ID, p.Project, p.RefType, p.Ref, protection, p.Source, p.User)
	r.say("", "Job scripts run on this machine as you, without a sandbox.")
	for _, note := range p.Notes {
		r.say("", "Note: %s", note)
	}
}

// job runs one job from pick-up to end.
func (r *pipelineRun) job(ctx context.Context, j *PlannedJob) (JobReport, error) {
	r.say("", "")
	r.say(boldCyan, "Job %s #%d (stage %s)", j.Name, j.ID, j.Stage)
	if j.Environment != nil {
		r.say("", "Environment %s (tier %s, protected: %t)", j.Environment.Name, j.Environment.Tier, j.Environment.Protected)
	}
	space, err := newWorkspace(r.TempDir, r.pipeline.Project, r.pipeline.Directory)
	if err != nil {
		return JobReport{Job: j, Status: JobFailed, Why: err.Error()}, err
	}
	report, err := r.jobIn(ctx, j, space)
	r.foot(report)
	return report, errors.Join(err, space.remove())
}

func (r *pipelineRun) jobIn(ctx context.Context, j *PlannedJob, space *workspace) (JobReport, error) {
	from := r.artifactsFor(j)
	started, err := r.Door.StartJob(ctx, j.ID, StartRequest{
		BuildsDir: space.builds, ProjectDir: space.project, FilesDir: space.files, DotEnv: r.dotEnvFor(from),
	})
	if refusal, ok := errors.AsType[*Refusal](err); ok {
		return JobReport{Job: j, Status: JobFailed, Allowed: j.AllowFailure, Why: refusal.Error()}, nil
	}
	if err != nil {
		return JobReport{Job: j, Status: JobFailed, Why: err.Error()}, err
	}
	for _, token := range j.IDTokens {
		r.say("", "ID token %s for %s", token.Name, strings.Join(token.Audience.Values(), ", "))
	}
	report, err := r.scripts(ctx, j, space, started.Variables, from)
	finishErr := r.Door.FinishJob(context.WithoutCancel(ctx), j.ID, report.Status)
	return report, errors.Join(err, finishErr)
}

func (r *pipelineRun) artifactsFor(j *PlannedJob) []*PlannedJob {
	var from []*PlannedJob
	for i := range r.pipeline.Jobs {
		if other := &r.pipeline.Jobs[i]; slices.Contains(j.ArtifactsFrom, other.Name) {
			from = append(from, other)
		}
	}
	return from
}

func (r *pipelineRun) dotEnvFor(from []*PlannedJob) []Variable {
	var out []Variable
	for _, j := range from {
		out = append(out, r.store.dotenv[j.Name]...)
	}
	return out
}

// scripts runs script and after_script and keeps the artifacts.
func (r *pipelineRun) scripts(ctx context.Context, j *PlannedJob, space *workspace, variables []Variable, from []*PlannedJob) (JobReport, error) {
	report := JobReport{Job: j, Status: JobFailed}
	err := errors.Join(space.writeFileVariables(variables), r.store.restore(from, space.project))
	if err != nil {
		report.Why = err.Error()
		return report, err
	}
	out := newMaskWriter(r.Out, secretsOf(variables))
	timeout := time.Duration(j.TimeoutSeconds) * time.Second
	code, err := r.script(ctx, space, j.Script, variables, out, timeout)
	switch {
	case errors.Is(err, errTimeout):
		report.Why = fmt.Sprintf("execution took longer than %s", timeout)
	case ctx.Err() != nil:
		report.Status, report.Why = JobCanceled, "the run was interrupted"
		return report, out.Close()
	case err != nil:
		report.Why = err.Error()
		return report, errors.Join(err, out.Close())
	case code == 0:
		report.Status = JobSuccess
	default:
		report.ExitCode, report.Why = code, fmt.Sprintf("exit code %d", code)
	}
	report.Allowed = report.Status == JobFailed && (j.AllowFailure || slices.Contains(j.AllowExitCodes, code))
	variables = append(slices.Clone(variables), Variable{Key: "CI_JOB_STATUS", Value: string(report.Status)})
	if err := r.afterScript(ctx, j, space, variables, out); err != nil {
		return report, errors.Join(err, out.Close())
	}
	return report, errors.Join(r.keepArtifacts(&report, space, variables), out.Close())
}

func secretsOf(variables []Variable) []string {
	var secrets []string
	for _, v := range variables {
		if v.Masked {
			secrets = append(secrets, v.Value)
		}
	}
	return secrets
}

func (r *pipelineRun) script(ctx context.Context, space *workspace, commands []string, variables []Variable, out io.Writer, timeout time.Duration) (int, error) {
	program, err := space.program(shellScript(commands, r.Color))
	if err != nil {
		return 0, err
	}
	return process{script: program, dir: space.project, env: space.environment(r.Environment, variables), out: out}.run(ctx, timeout)
}

// afterScript runs in a shell of its own and changes nothing about the job's
// status.
func (r *pipelineRun) afterScript(ctx context.Context, j *PlannedJob, space *workspace, variables []Variable, out io.Writer) error {
	if len(j.AfterScript) == 0 {
		return nil
	}
	r.say(boldGreen, "Running after script...")
	code, err := r.script(ctx, space, j.AfterScript, variables, out, afterScriptTimeout)
	if errors.Is(err, errTimeout) || err == nil && code != 0 {
		r.say(yellow, "WARNING: after_script failed, but job will continue unaffected: exit code %d", code)
		return nil
	}
	if ctx.Err() != nil {
		return nil
	}
	return err
}

// keepArtifacts saves what the job leaves; a dotenv report GitLab would not
// read fails the job, as there.
func (r *pipelineRun) keepArtifacts(report *JobReport, space *workspace, variables variableList) error {
	j := report.Job
	if !j.Artifacts.keeps(report.Status) {
		return nil
	}
	kept, err := r.store.save(j, space.project, variables)
	if refusal, ok := errors.AsType[*Refusal](err); ok {
		report.Status, report.Allowed, report.Why = JobFailed, j.AllowFailure, refusal.Error()
		return nil
	}
	if err == nil && len(j.Artifacts.Paths) > 0 {
		r.say("", "Artifacts: %d files kept", kept)
	}
	return err
}

func (r *pipelineRun) foot(report JobReport) {
	switch {
	case report.Status == JobSuccess:
		r.say(boldGreen, "Job succeeded")
	case report.Status == JobCanceled:
		r.say(boldRed, "Job canceled")
	case report.Allowed:
		r.say(yellow, "WARNING: Job failed (allowed): %s", report.Why)
	default:
		r.say(boldRed, "ERROR: Job failed: %s", report.Why)
	}
}
