package labgitlab

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// Config is what a Server is made from.
type Config struct {
	// World is the instance. Required.
	World *World
	// ExternalURL is the instance's address and its tokens' issuer: https, no
	// trailing slash, a port and a path if it has them. Required.
	ExternalURL string
	// Secret opens the lab's door; at least 16 bytes. Required.
	Secret string
	// KeyDir keeps the signing keys between runs. Empty: new keys each time.
	KeyDir string
	// Now is the clock; nil is the machine's.
	Now func() time.Time
	// Rand is where token ids come from; nil is crypto/rand.
	Rand io.Reader
}

// Server is the stand-in: an http.Handler for discovery, key set and the lab's
// door, and the same door as Go methods. It is safe for concurrent use.
type Server struct {
	world    atomic.Pointer[World] // what is in force; changes put another in its place
	issuer   string
	external *url.URL
	secret   [sha256.Size]byte
	loginKey signingKey
	ciKey    signingKey
	now      func() time.Time
	rand     io.Reader
	handler  http.Handler
	began    time.Time

	mu       sync.Mutex
	lastID   int64             // of pipelines and jobs alike
	iids     map[int64]int64   // :: project id → newest pipeline's iid
	jobs     map[int64]*jobRun // :: job id → job
	pipeline []int64           // ids of kept jobs, oldest first
	tokens   map[tokenDigest]*heldToken
}

// jobRun is one job of a created pipeline.
type jobRun struct {
	seed   *seed
	job    *seededJob
	status JobStatus // empty: created
	start  bool
}

// minSecretBytes keeps a guessable secret out.
const minSecretBytes = 16

// maxKeptJobs bounds a long-running lab's memory; older jobs can no longer be
// started.
const maxKeptJobs = 20_000

// New makes a server. It refuses a Config that lacks something.
func New(c Config) (*Server, error) {
	if c.World == nil {
		return nil, errors.New("a lab GitLab needs a world")
	}
	external, err := checkExternalURL(c.ExternalURL)
	if err != nil {
		return nil, err
	}
	if len(c.Secret) < minSecretBytes {
		return nil, fmt.Errorf("the lab's secret needs at least %d bytes", minSecretBytes)
	}
	s := &Server{
		issuer: c.ExternalURL, external: external,
		secret: sha256.Sum256([]byte(c.Secret)),
		now:    c.Now, rand: c.Rand,
		iids: map[int64]int64{}, jobs: map[int64]*jobRun{},
	}
	s.world.Store(c.World)
	if s.now == nil {
		s.now = time.Now
	}
	if s.rand == nil {
		s.rand = rand.Reader
	}
	// Ids go on from the clock, so that a lab that starts again does not give
	// a new job an old job's id.
	s.lastID = s.now().Unix()
	s.began = s.now()
	s.tokens = heldTokens(c.World, s.began)
	if s.loginKey, err = loadKey(c.KeyDir, "login-signing-key.pem"); err != nil {
		return nil, err
	}
	if s.ciKey, err = loadKey(c.KeyDir, "ci-signing-key.pem"); err != nil {
		return nil, err
	}
	s.handler = s.routes()
	return s, nil
}

func checkExternalURL(text string) (*url.URL, error) {
	u, err := url.Parse(text)
	if err != nil {
		return nil, fmt.Errorf("external URL: %w", err)
	}
	if u.Scheme != "https" || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" || strings.HasSuffix(text, "/") {
		return nil, fmt.Errorf("external URL %q should be https://host[:port][/path] without a trailing slash", text)
	}
	return u, nil
}

// World is the instance this server stands in for, as it is now.
func (s *Server) World() *World { return s.world.Load() }

// Issuer is the iss of every token.
func (s *Server) Issuer() string { return s.issuer }

// CreatePipeline creates a pipeline as GitLab would on a push, a merge request,
// a schedule and so on. Refusals are *Refusal: unknown names, missing
// permissions, a configuration GitLab would not accept, keywords the lab does
// not model in a job that would run, or rules that leave nothing to run.
func (s *Server) CreatePipeline(_ context.Context, request PipelineRequest) (*Pipeline, error) {
	made, err := newSeed(s.World(), s.issuer, request)
	if err != nil {
		return nil, err
	}
	made.fill(s.nextID(), s.nextIID(made.project.ID), s.now())
	jobs, err := made.plan()
	if err != nil {
		return nil, err
	}
	s.keep(made, jobs)
	return made.pipeline, nil
}

func (s *Server) nextID() int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lastID++
	return s.lastID
}

func (s *Server) nextIID(project int64) int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.iids[project]++
	return s.iids[project]
}

// keep gives the jobs their ids and remembers them.
func (s *Server) keep(made *seed, jobs []seededJob) {
	made.pipeline.Stages = slices.DeleteFunc(slices.Clone(made.config.stages), func(stage string) bool {
		return !slices.ContainsFunc(jobs, func(j seededJob) bool { return j.Stage == stage })
	})
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range jobs {
		s.lastID++
		jobs[i].ID = s.lastID
		s.jobs[s.lastID] = &jobRun{seed: made, job: &jobs[i]}
		s.pipeline = append(s.pipeline, s.lastID)
		made.pipeline.Jobs = append(made.pipeline.Jobs, jobs[i].PlannedJob)
	}
	for len(s.pipeline) > maxKeptJobs {
		delete(s.jobs, s.pipeline[0])
		s.pipeline = s.pipeline[1:]
	}
}

// StartJob is a runner picking a job up: it mints the job's ID tokens now and
// answers with the variables the job sees. A job starts once. A job for a
// protected environment that its user may not deploy to, or that waits for
// approval, is refused with ReasonForbidden.
func (s *Server) StartJob(_ context.Context, id int64, start StartRequest) (*StartedJob, error) {
	run, err := s.pickUp(id)
	if err != nil {
		return nil, err
	}
	started, err := s.startedJob(run, start)
	if err != nil {
		s.setStatus(run, JobFailed)
		return nil, err
	}
	return started, nil
}

func (s *Server) pickUp(id int64) (*jobRun, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	run, ok := s.jobs[id]
	if !ok {
		return nil, refuse(ReasonUnknown, Position{}, "there is no job %d", id)
	}
	if run.start {
		return nil, refuse(ReasonConflict, Position{}, "job %d was picked up before", id)
	}
	run.start = true
	return run, nil
}

func (s *Server) setStatus(run *jobRun, status JobStatus) {
	s.mu.Lock()
	defer s.mu.Unlock()
	run.status = status
}

func (s *Server) startedJob(run *jobRun, start StartRequest) (*StartedJob, error) {
	if err := run.checkDeployment(); err != nil {
		return nil, err
	}
	now := s.now()
	started := &StartedJob{ID: run.job.ID, StartedAt: now}
	scoped := slices.Concat(run.job.before, run.seed.world.runnerIdentityVariables(), variableList(start.DotEnv), run.job.settings)
	tokens, err := s.mintTokens(run, scoped, now)
	if err != nil {
		return nil, err
	}
	all := slices.Concat(
		runnerVariables(start, &run.job.PlannedJob),
		persistedVariables(s.issuer, run.seed.pipeline, &run.job.PlannedJob, now),
		tokens, scoped)
	if env := run.job.Environment; env != nil {
		all.add("CI_ENVIRONMENT_SLUG", env.Slug)
		if env.URL != "" {
			all.add("CI_ENVIRONMENT_URL", env.URL)
		}
	}
	if started.Variables, err = all.withFiles(start.FilesDir); err != nil {
		return nil, err
	}
	for _, token := range tokens {
		started.Tokens = append(started.Tokens, token.Key)
	}
	return started, nil
}

// checkDeployment is GitLab's question when a job for a protected environment
// is about to run.
func (r *jobRun) checkDeployment() error {
	env := r.job.Environment
	if env == nil || len(r.job.deploys) == 0 {
		return nil
	}
	if !r.seed.world.canDeploy(r.seed.project, r.seed.user, r.job.deploys) {
		return refuse(ReasonForbidden, Position{}, "environment %s is protected, and %s may not deploy to it", env.Name, r.seed.user.Username)
	}
	if env.AwaitsApproval {
		return refuse(ReasonForbidden, Position{}, "environment %s is protected, and its required approvals were not given", env.Name)
	}
	return nil
}

func (s *Server) mintTokens(run *jobRun, scoped variableList, now time.Time) (variableList, error) {
	if len(run.job.tokens) == 0 {
		return nil, nil
	}
	expanded, err := scoped.expandAll()
	if err != nil {
		return nil, err
	}
	var out variableList
	for _, token := range run.job.tokens {
		signed, err := s.mint(run, token.Audience.expand(expanded), now)
		if err != nil {
			return nil, err
		}
		out = append(out, Variable{Key: token.Name, Value: signed, Masked: true, Raw: true})
	}
	return out, nil
}

func (s *Server) mint(run *jobRun, audience Audience, now time.Time) (string, error) {
	jti, err := newJTI(s.rand)
	if err != nil {
		return "", err
	}
	life := time.Duration(run.job.TimeoutSeconds) * time.Second
	if life == 0 {
		life = defaultTokenLife
	}
	claims, err := jobFacts{
		world: run.seed.world, issuer: s.issuer, host: s.external.Host,
		running: run.seed.project, source: run.seed.source, user: run.seed.user,
		pipeline: run.seed.pipeline, job: &run.job.PlannedJob,
		life: life, now: now, jti: jti,
	}.claims()
	if err != nil {
		return "", err
	}
	claims.Audience = audience
	payload, err := marshalClaims(claims)
	if err != nil {
		return "", err
	}
	return s.ciKey.sign(payload)
}

// FinishJob records how a started job ended.
func (s *Server) FinishJob(_ context.Context, id int64, status JobStatus) error {
	if !slices.Contains([]JobStatus{JobSuccess, JobFailed, JobCanceled}, status) {
		return refuse(ReasonUnknown, Position{}, "%q is not how a job ends", status)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	run, ok := s.jobs[id]
	switch {
	case !ok:
		return refuse(ReasonUnknown, Position{}, "there is no job %d", id)
	case !run.start || run.status != "":
		return refuse(ReasonConflict, Position{}, "job %d is not running", id)
	}
	run.status = status
	return nil
}

// LoginToken mints the ID token that a person gets by signing in to the OAuth
// application with uid clientID. It is signed with the login key.
func (s *Server) LoginToken(_ context.Context, login, clientID, nonce string) (string, error) {
	user, ok := s.World().User(login)
	if !ok {
		return "", refuse(ReasonUnknown, Position{}, "there is no user %s", login)
	}
	if clientID == "" {
		return "", refuse(ReasonUnknown, Position{}, "a login token needs the OAuth application's uid")
	}
	now := s.now()
	payload, err := marshalClaims(LoginClaims{
		Issuer: s.issuer, Subject: decimal(user.ID), Audience: clientID,
		Expires: now.Add(loginTokenLife).Unix(), IssuedAt: now.Unix(), AuthTime: now.Unix(), Nonce: nonce,
		Name: user.Name, Nickname: user.Username, Preferred: user.Username,
		Email: user.Email, EmailVerified: true, GroupsDirect: s.World().directGroups(user),
	})
	if err != nil {
		return "", err
	}
	return s.loginKey.sign(payload)
}

func (w *World) directGroups(user *User) []string {
	groups := []string{}
	for _, g := range w.Groups {
		if memberLevel(g.Members, user) > NoAccess {
			groups = append(groups, g.Path)
		}
	}
	slices.Sort(groups)
	return groups
}
