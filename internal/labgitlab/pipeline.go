package labgitlab

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"regexp"
	"slices"
	"strings"
	"time"
)

// seed is a pipeline in the making: what was asked, found in the world.
type seed struct {
	world    *World
	issuer   string
	project  *Project // where it runs
	source   *Project // whose ref it is: a fork's, in its merge request
	user     *User
	ref      Ref
	mr       *mergeRequest
	request  PipelineRequest
	pipeline *Pipeline
	trees    []*os.Root
	files    fs.FS // the first of them
	config   *PipelineConfig
	root     []yamlVariable // the configuration's variables, the workflow's over them
}

type mergeRequest struct {
	id, iid int64
	target  string
	title   string
}

// seededJob is a planned job with what starting it needs.
type seededJob struct {
	PlannedJob
	before   variableList // predefined and YAML variables
	settings variableList // settings pages and the starter's own
	tokens   []IDToken    // audiences as written
	deploys  []ProtectedEnvironment
}

func (s *seed) isFork() bool   { return s.source != s.project }
func (s *seed) isBranch() bool { return s.pipeline.RefType == Branch && s.mr == nil }

// newSeed finds what a request names and checks what GitLab would check before
// it reads the configuration.
func newSeed(w *World, issuer string, request PipelineRequest) (*seed, error) {
	s := &seed{world: w, issuer: issuer, request: request}
	if request.Source == "" {
		s.request.Source = "push"
	}
	if !slices.Contains(Sources, s.request.Source) {
		return nil, refuse(ReasonUnknown, Position{}, "pipeline source %q is not one of %s", request.Source, strings.Join(Sources, ", "))
	}
	if (s.request.Source == "merge_request_event") != (request.MergeRequest != nil) {
		return nil, refuse(ReasonUnknown, Position{}, "source merge_request_event and a merge request go together")
	}
	for _, find := range []func() error{s.findProjects, s.findUser, s.findRef, s.checkAbilities, s.checkVariables} {
		if err := find(); err != nil {
			return nil, err
		}
	}
	return s, nil
}

func (s *seed) findProjects() error {
	p, ok := s.world.Project(s.request.Project)
	if !ok {
		return refuse(ReasonUnknown, Position{}, "there is no project %s; there are: %s", s.request.Project, strings.Join(s.world.projectPaths(), ", "))
	}
	s.project, s.source = p, p
	mr := s.request.MergeRequest
	if mr == nil || mr.SourceProject == "" {
		return nil
	}
	fork, ok := s.world.Project(mr.SourceProject)
	if !ok {
		return refuse(ReasonUnknown, Position{}, "there is no project %s", mr.SourceProject)
	}
	if fork != p && !strings.EqualFold(fork.ForkedFrom, p.Path) {
		return refuse(ReasonUnknown, Position{}, "project %s is not a fork of %s", fork.Path, p.Path)
	}
	s.source = fork
	return nil
}

func (w *World) projectPaths() []string {
	var paths []string
	for _, p := range w.Projects {
		paths = append(paths, p.Path)
	}
	return paths
}

func (s *seed) findUser() error {
	if s.request.User == "" {
		s.user = &s.world.Users[0]
		return nil
	}
	user, ok := s.world.User(s.request.User)
	if !ok {
		return refuse(ReasonUnknown, Position{}, "there is no user %s", s.request.User)
	}
	s.user = user
	return nil
}

func (s *seed) findRef() error {
	if s.request.RefType == "" {
		s.request.RefType = Branch
		_, branch := s.source.Ref(Branch, s.request.Ref)
		_, tag := s.source.Ref(Tag, s.request.Ref)
		if tag && !branch {
			s.request.RefType = Tag
		}
	}
	if s.request.RefType == Tag && s.request.MergeRequest != nil {
		return refuse(ReasonUnknown, Position{}, "a merge request's source is a branch")
	}
	ref, ok := s.source.Ref(s.request.RefType, s.request.Ref)
	if !ok {
		return refuse(ReasonUnknown, Position{}, "project %s has no %s %s", s.source.Path, s.request.RefType, s.request.Ref)
	}
	s.ref = ref
	if s.request.MergeRequest != nil {
		return s.findTarget(*s.request.MergeRequest)
	}
	return nil
}

func (s *seed) findTarget(mr MergeRequest) error {
	s.mr = &mergeRequest{target: mr.TargetBranch, title: mr.Title}
	if s.mr.target == "" {
		s.mr.target = s.project.DefaultBranch
	}
	if s.mr.title == "" {
		s.mr.title = "Merge " + s.request.Ref + " into " + s.mr.target
	}
	if _, ok := s.project.Ref(Branch, s.mr.target); !ok {
		return refuse(ReasonUnknown, Position{}, "project %s has no branch %s to merge into", s.project.Path, s.mr.target)
	}
	if !s.isFork() && s.mr.target == s.request.Ref {
		return refuse(ReasonUnknown, Position{}, "a branch is not merged into itself")
	}
	return nil
}

// checkAbilities is GitLab's question whether this user may start a pipeline
// on this ref.
func (s *seed) checkAbilities() error {
	if s.world.Level(s.project, s.user) < Developer {
		return refuse(ReasonForbidden, Position{}, "insufficient permissions to create a new pipeline: %s is no Developer of %s", s.user.Username, s.project.Path)
	}
	allowed := true
	switch {
	case s.isFork():
		if !s.project.RunForksInParent {
			return refuse(ReasonForbidden, Position{}, "project %s does not run pipelines of forks (ci_allow_fork_pipelines_to_run_in_parent_project)", s.project.Path)
		}
	case s.request.RefType == Tag:
		allowed = s.world.canCreateTag(s.project, s.user, s.request.Ref)
	default:
		allowed = s.world.canUpdateBranch(s.project, s.user, s.request.Ref)
	}
	if !allowed {
		return refuse(ReasonForbidden, Position{}, "%s does not have sufficient permission to run a pipeline on protected %s %s", s.user.Username, s.request.RefType, s.request.Ref)
	}
	return nil
}

func (s *seed) checkVariables() error {
	for _, v := range slices.Concat(s.request.Variables, s.request.InstanceVariables) {
		if !variableKey.MatchString(v.Key) {
			return refuse(ReasonUnknown, Position{}, "%q is not a variable's key", v.Key)
		}
	}
	role := s.project.PipelineVariables
	if len(s.request.Variables) > 0 && (role == NoAccess || s.world.Level(s.project, s.user) < role) {
		return refuse(ReasonForbidden, Position{}, "insufficient permissions to set pipeline variables (ci_pipeline_variables_minimum_override_role)")
	}
	return nil
}

// refProtected is the value GitLab stores with the pipeline. In a merge
// request's pipeline (18.1 and later) the setting must be on, both branches
// protected, both in one project, and the user allowed to update the target.
func (s *seed) refProtected() bool {
	if s.mr == nil {
		return s.world.Protected(s.project, s.request.RefType, s.request.Ref)
	}
	return !s.isFork() && s.project.ProtectMergeRequests &&
		s.world.Protected(s.project, Branch, s.request.Ref) &&
		s.world.Protected(s.project, Branch, s.mr.target) &&
		s.world.canUpdateBranch(s.project, s.user, s.mr.target)
}

// fill makes the pipeline's own record.
func (s *seed) fill(id, iid int64, now time.Time) {
	s.pipeline = &Pipeline{
		ID: id, IID: iid, URL: fmt.Sprintf("%s/%s/-/pipelines/%d", s.issuer, s.project.Path, id),
		Project: s.project.Path, ProjectID: s.project.ID,
		Source: s.request.Source, Ref: s.request.Ref, RefType: s.request.RefType,
		RefProtected: s.refProtected(), SHA: s.ref.SHA,
		User: s.user.Username, Directory: s.ref.Directory, CreatedAt: now,
	}
	if s.mr != nil {
		s.mr.id, s.mr.iid = id, iid
	}
}

var skipCI = regexp.MustCompile(`(?i)\[(ci[ _-]skip|skip[ _-]ci)\]`)

// plan reads the configuration and decides which jobs run.
func (s *seed) plan() ([]seededJob, error) {
	pushed := s.request.Source == "push" || s.request.Source == "merge_request_event"
	if pushed && skipCI.MatchString(s.ref.Message) {
		return nil, refuse(ReasonNoPipeline, Position{}, "the commit message asks to skip CI")
	}
	defer s.closeTrees()
	var err error
	if s.files, err = s.openTree(s.ref.Directory); err != nil {
		return nil, err
	}
	in := includer{source: source{files: s.files}, variables: s.configVariables(), component: s.component}
	if s.config, err = in.pipeline(s.project.ConfigPath); err != nil {
		return nil, err
	}
	if err := s.evaluateWorkflow(); err != nil {
		return nil, err
	}
	return s.seedJobs()
}

// openTree opens a working tree, until the pipeline is planned.
func (s *seed) openTree(directory string) (fs.FS, error) {
	tree, err := os.OpenRoot(directory)
	if err != nil {
		return nil, err
	}
	s.trees = append(s.trees, tree)
	return tree.FS(), nil
}

func (s *seed) closeTrees() {
	for _, tree := range s.trees {
		_ = tree.Close() // opened for reading
	}
}

// configVariables are what include locations and include:rules know.
func (s *seed) configVariables() variableList {
	return slices.Concat(s.projectVariables(), s.pipelineVariables(), s.settings(""))
}

// settings are the variables of the settings pages and of the request.
func (s *seed) settings(environment string) variableList {
	return slices.Concat(
		variableList(s.request.InstanceVariables),
		s.world.variablesFor(s.project, s.pipeline.RefProtected, environment),
		variableList(s.request.Variables))
}

func (s *seed) rules(variables variableList) ruleContext {
	compares := s.mr != nil || s.request.Source == "push" && s.request.RefType == Branch
	return ruleContext{
		variables: variables,
		files:     func() ([]string, error) { return listFiles(s.files) },
		changes:   changeSet{known: s.request.ChangedFiles != nil, any: !compares, paths: s.request.ChangedFiles},
	}
}

func (s *seed) evaluateWorkflow() error {
	w := s.config.workflow
	s.root = s.config.variables
	variables := slices.Concat(s.projectVariables(), s.pipelineVariables(), yamlList(s.root), s.userVariables(), s.settings(""))
	if w.hasRules {
		matched, err := s.rules(variables).first(w.rules)
		if err != nil {
			return err
		}
		if matched == nil || matched.when == "never" {
			return refuse(ReasonNoPipeline, Position{}, "pipeline filtered out by workflow rules")
		}
		s.root = overlay(s.root, matched.variables)
		variables = append(variables, yamlList(matched.variables)...)
	}
	expanded, err := variables.expandAll()
	if err != nil {
		return err
	}
	s.pipeline.Name = expanded.expandText(w.name)
	return nil
}

func yamlList(variables []yamlVariable) variableList {
	var out variableList
	for _, v := range variables {
		out = append(out, Variable{Key: v.key, Value: v.value, Raw: v.raw})
	}
	return out
}

// overlay puts variables over others of the same key.
func overlay(base, over []yamlVariable) []yamlVariable {
	out := slices.Clone(over)
	for _, v := range base {
		if !slices.ContainsFunc(over, func(o yamlVariable) bool { return o.key == v.key }) {
			out = append(out, v)
		}
	}
	return out
}

// seedJobs decides job by job, stage by stage.
func (s *seed) seedJobs() ([]seededJob, error) {
	var jobs []seededJob
	ignored := map[string]bool{}
	for _, stage := range s.config.stages {
		for _, j := range s.config.jobs {
			if j.stage != stage {
				continue
			}
			planned, included, err := s.seedJob(j)
			if err != nil {
				return nil, err
			}
			if included {
				jobs = append(jobs, planned)
				for _, keyword := range j.ignored {
					ignored[keyword] = true
				}
			}
		}
	}
	if !slices.ContainsFunc(jobs, func(j seededJob) bool { return j.Stage != ".pre" && j.Stage != ".post" }) {
		return nil, refuse(ReasonNoPipeline, Position{}, "the resulting pipeline would have been empty: no job of %s runs for %s %s (%s)", s.project.ConfigPath, s.pipeline.RefType, s.pipeline.Ref, s.pipeline.Source)
	}
	s.note(ignored)
	return jobs, s.connect(jobs)
}

// note says in one line which keywords of the running jobs change nothing here.
func (s *seed) note(ignored map[string]bool) {
	if len(ignored) == 0 {
		return
	}
	var words []string
	for keyword := range ignored {
		words = append(words, keyword)
	}
	slices.Sort(words)
	s.pipeline.Notes = append(s.pipeline.Notes, "not imitated by the lab: "+strings.Join(words, ", "))
}

func (s *seed) seedJob(j *job) (seededJob, bool, error) {
	yaml := overlay(s.inherited(j), j.variables)
	env, err := s.environment(j, yaml)
	if err != nil {
		return seededJob{}, false, err
	}
	verdict, err := s.decide(j, yaml, env)
	if err != nil || !verdict.included {
		return seededJob{}, false, err
	}
	if unmodelled := slices.Concat(j.refusals, verdict.refusals); len(unmodelled) > 0 {
		return seededJob{}, false, jobError(j, unmodelled[0].err())
	}
	return s.planJob(j, overlay(yaml, verdict.variables), verdict)
}

func jobError(j *job, err error) error {
	if refusal, ok := errors.AsType[*Refusal](err); ok {
		named := *refusal
		named.Detail = "job " + j.name + ": " + refusal.Detail
		if named.Where.Line == 0 {
			named.Where = j.pos
		}
		return &named
	}
	return err
}

// inherited are the root's variables that a job takes over.
func (s *seed) inherited(j *job) []yamlVariable {
	if j.inheritAll {
		return s.root
	}
	var out []yamlVariable
	for _, v := range s.root {
		if slices.Contains(j.inheritOnly, v.key) {
			out = append(out, v)
		}
	}
	return out
}

// scoped are a job's variables as rules see them: not expanded, without the
// ids that do not exist yet.
func (s *seed) scoped(j *job, when string, env *PlannedEnvironment, yaml []yamlVariable) (before, settings variableList) {
	before = slices.Concat(s.jobVariables(j.name, j.stage, when, env), yamlList(yaml), s.userVariables())
	name := ""
	if env != nil {
		name = env.Name
	}
	return before, s.settings(name)
}

func (s *seed) environment(j *job, yaml []yamlVariable) (*PlannedEnvironment, error) {
	if j.environment == nil {
		return nil, nil
	}
	before, settings := s.scoped(j, j.when, nil, yaml)
	expanded, err := slices.Concat(before, settings).expandAll()
	if err != nil {
		return nil, jobError(j, err)
	}
	env := &PlannedEnvironment{Name: expanded.expandText(j.environment.name), Action: j.environment.action}
	if !environmentName.MatchString(env.Name) {
		return nil, malformed(j.environment.pos, "job %s would create an environment with an invalid name %q", j.name, env.Name)
	}
	env.Slug = environmentSlug(env.Name)
	env.Tier, env.URL = guessTier(env.Name), j.environment.url
	for _, known := range s.project.Environments {
		if known.Name == env.Name {
			env.Tier = known.Tier
			if env.URL == "" {
				env.URL = known.ExternalURL
			}
		}
	}
	if j.environment.tier != "" {
		env.Tier = j.environment.tier
	}
	return env, nil
}

// verdict is whether and how a job joins a pipeline.
type verdict struct {
	included     bool
	when         string
	allowFailure *bool
	variables    []yamlVariable
	needs        []need
	hasNeeds     bool
	refusals     []unmodelledUse
}

func (s *seed) decide(j *job, yaml []yamlVariable, env *PlannedEnvironment) (verdict, error) {
	before, settings := s.scoped(j, j.when, env, yaml)
	variables := slices.Concat(before, settings)
	if _, err := variables.expandAll(); err != nil { // a circle fails the pipeline
		return verdict{}, jobError(j, err)
	}
	context := s.rules(variables)
	var v verdict
	var err error
	if j.hasRules {
		v, err = decideByRules(j, context)
	} else {
		v, err = s.decideByPolicies(j, context)
	}
	if err != nil {
		return verdict{}, jobError(j, err)
	}
	if v.when == "delayed" {
		v.refusals = append(v.refusals, unmodelledUse{"when:delayed", j.pos, "delayed jobs are not scheduled"})
	}
	return v, nil
}

func decideByRules(j *job, context ruleContext) (verdict, error) {
	matched, err := context.first(j.rules)
	if err != nil || matched == nil {
		return verdict{}, err
	}
	v := verdict{included: true, when: j.when, allowFailure: matched.allowFailure, variables: matched.variables, needs: j.needs, hasNeeds: j.hasNeeds}
	if matched.when != "" {
		v.when = matched.when
	}
	if matched.hasNeeds {
		v.needs, v.hasNeeds = matched.needs, true
	}
	for _, n := range matched.needs {
		if n.unmodelled != "" {
			v.refusals = append(v.refusals, unmodelledUse{n.unmodelled, n.pos, "the lab needs jobs of the same pipeline only"})
		}
	}
	v.included = v.when != "never"
	return v, nil
}

func (s *seed) decideByPolicies(j *job, context ruleContext) (verdict, error) {
	subject := policySubject{
		project: s.project.Path, ref: s.pipeline.Ref, source: s.pipeline.Source,
		isTag: s.pipeline.RefType == Tag, isBranch: s.isBranch(), rules: context,
	}
	v := verdict{included: true, when: j.when, needs: j.needs, hasNeeds: j.hasNeeds}
	if j.only != nil {
		holds, err := j.only.verdicts(subject)
		if err != nil || slices.Contains(holds, false) {
			return verdict{}, err
		}
	}
	if j.except != nil {
		holds, err := j.except.verdicts(subject)
		if err != nil || slices.Contains(holds, true) {
			return verdict{}, err
		}
	}
	return v, nil
}

func (s *seed) planJob(j *job, yaml []yamlVariable, v verdict) (seededJob, bool, error) {
	env, err := s.environment(j, yaml)
	if err != nil {
		return seededJob{}, false, err
	}
	out := seededJob{PlannedJob: PlannedJob{
		Name: j.name, Stage: j.stage, When: v.when, DAG: v.hasNeeds, Environment: env,
		Script: slices.Concat(j.before, j.script), AfterScript: j.after, Artifacts: j.artifacts,
		TimeoutSeconds: int64(s.timeout(j) / time.Second),
	}}
	out.AllowFailure, out.AllowExitCodes = allowance(j, v)
	for _, n := range v.needs {
		out.Needs = append(out.Needs, n.job)
	}
	if env != nil {
		out.deploys = s.world.environmentRules(s.project, env.Name, env.Tier)
		env.Protected = len(out.deploys) > 0
		approvals := slices.ContainsFunc(out.deploys, func(p ProtectedEnvironment) bool { return p.RequiredApprovals > 0 })
		env.AwaitsApproval = approvals && !slices.Contains(s.request.Approved, env.Name)
	}
	out.before, out.settings = s.scoped(j, v.when, env, yaml)
	expanded, err := slices.Concat(out.before, out.settings).expandAll()
	if err != nil {
		return seededJob{}, false, jobError(j, err)
	}
	out.tokens = j.idTokens
	for _, token := range j.idTokens {
		out.IDTokens = append(out.IDTokens, IDToken{Name: token.Name, Audience: token.Audience.expand(expanded)})
	}
	if env != nil {
		env.URL = expanded.expandText(env.URL)
	}
	return out, true, nil
}

// timeout is the job's own, else the project's, within the runner's maximum.
func (s *seed) timeout(j *job) time.Duration {
	timeout := s.project.BuildTimeout
	if j.timeout > 0 {
		timeout = j.timeout
	}
	if maximum := s.world.Runner.MaxTimeout; maximum > 0 {
		timeout = min(timeout, maximum)
	}
	return timeout
}

// allowance is whether the job may fail: the rule's word, else the job's own,
// else yes for a job that is itself `when: manual`.
func allowance(j *job, v verdict) (allowed bool, exitCodes []int) {
	switch {
	case v.allowFailure != nil:
		return *v.allowFailure, nil
	case j.allowFailure.set:
		return j.allowFailure.allowed, j.allowFailure.exitCodes
	default:
		return j.when == "manual", nil
	}
}

// connect checks that needed jobs are in the pipeline and finds whose
// artifacts each job gets.
func (s *seed) connect(jobs []seededJob) error {
	names := map[string]bool{}
	for _, j := range jobs {
		names[j.Name] = true
	}
	for i := range jobs {
		j, configured := &jobs[i], s.config.byName[jobs[i].Name]
		var present []string
		for _, name := range j.Needs {
			if names[name] {
				present = append(present, name)
				continue
			}
			if !configured.optionalNeed(name) {
				return refuse(ReasonMalformed, configured.pos, "'%s' job needs '%s' job, but '%s' does not exist in the pipeline. This might be because of the only, except, or rules keywords. To need a job that sometimes does not exist in the pipeline, use needs:optional", j.Name, name, name)
			}
		}
		j.Needs = present
		j.ArtifactsFrom = s.artifactsFor(j, configured, jobs)
	}
	return nil
}

// eachNeed visits the needs of a job and of its rules.
func (j *job) eachNeed(visit func(need)) {
	for _, n := range j.needs {
		visit(n)
	}
	for _, r := range j.rules {
		for _, n := range r.needs {
			visit(n)
		}
	}
}

func (j *job) optionalNeed(name string) (optional bool) {
	j.eachNeed(func(n need) { optional = optional || n.job == name && n.optional })
	return optional
}

func (j *job) needsArtifacts(name string) bool {
	wanted := true
	j.eachNeed(func(n need) { wanted = wanted && (n.job != name || n.artifacts) })
	return wanted
}

func (s *seed) artifactsFor(j *seededJob, configured *job, jobs []seededJob) []string {
	var from []string
	for _, other := range jobs {
		earlier := slices.Index(s.config.stages, other.Stage) < slices.Index(s.config.stages, j.Stage)
		if j.DAG {
			earlier = slices.Contains(j.Needs, other.Name) && configured.needsArtifacts(other.Name)
		}
		if earlier && other.Artifacts != nil && (configured.dependencies == nil || slices.Contains(configured.dependencies, other.Name)) {
			from = append(from, other.Name)
		}
	}
	return from
}
