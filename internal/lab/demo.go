package lab

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"mayfly.internal/internal/labgitlab"
)

// Demo runs the story of examples/gitlab-to-kubernetes in a lab: what an
// operator does, what a job does, and what is refused. It returns an error at
// the first thing that does not go as told.
type Demo struct {
	Lab      *Lab
	Examples string // the folder examples/gitlab-to-kubernetes
	Out      io.Writer
	Color    bool

	// Secrets are the secret keys, session tokens and ID tokens that came up: a
	// test looks for them where none may be.
	Secrets []string

	account string
	issuer  string // host and port, as it stands in ARNs and condition keys
	admin   map[string]string
	steps   int
	took    time.Duration // the story's pipeline
}

const (
	project  = "my_group/my-fancy_project"
	audience = "gitlab-aws-deploy"
)

// Run runs the whole story.
func (d *Demo) Run(ctx context.Context) error {
	start := time.Now()
	d.issuer = strings.TrimPrefix(d.Lab.State.GitLabURL(), "https://")
	for _, part := range []func(context.Context) error{d.teach, d.deploy, d.lean, d.refuseTokens, d.refuseInCluster, d.granular, d.guards, d.classic, d.take, d.account_} {
		if err := part(ctx); err != nil {
			d.say("31", "\nNOT AS TOLD: %v", err)
			return err
		}
	}
	d.say("32", "\nEverything went as told: %d steps in %s.", d.steps, time.Since(start).Round(time.Second))
	return nil
}

func (d *Demo) say(color, format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	if d.Color && color != "" {
		text = "\x1b[" + color + "m" + text + "\x1b[0m"
	}
	fmt.Fprintln(d.Out, text)
}

func (d *Demo) chapter(title string) { d.say("1", "\n== %s", title) }

// proves says what the step that follows shows.
func (d *Demo) proves(format string, args ...any) {
	d.steps++
	d.say("36", "\n%2d. "+format, append([]any{d.steps}, args...)...)
}

// shown is a command line as a person would type it.
func shown(program string, args []string) string {
	words := []string{program}
	for _, a := range args {
		if len(a) > 120 {
			a = a[:24] + "…"
		}
		if a == "" || strings.ContainsAny(a, " '\"{}$*()") {
			a = "'" + strings.ReplaceAll(a, "'", `'\''`) + "'"
		}
		words = append(words, a)
	}
	return strings.Join(words, " ")
}

// run shows a command, runs it, and shows the first lines of what it prints.
func (d *Demo) run(ctx context.Context, env map[string]string, program string, args ...string) (string, error) {
	d.say("", "    $ %s", shown(program, args))
	out, err := d.Lab.Run(ctx, env, d.program(program), args...)
	if err != nil {
		return out, err
	}
	return out, nil
}

// program finds a program in the lab's bin first.
func (d *Demo) program(name string) string {
	switch name {
	case "mayfly":
		return d.Lab.Mayfly
	case "mayflyd":
		return d.Lab.Mayflyd
	}
	if p := d.Lab.path("bin/" + name); fileExists(p) {
		return p
	}
	if p, err := exec.LookPath(name); err == nil {
		return p
	}
	return name
}

func fileExists(path string) bool { _, err := os.Stat(path); return err == nil }

// works runs a command that must succeed.
func (d *Demo) works(ctx context.Context, env map[string]string, program string, args ...string) (string, error) {
	out, err := d.run(ctx, env, program, args...)
	if err != nil {
		return out, err
	}
	d.quote(out)
	return out, nil
}

// quote shows what a command printed, indented, long output cut.
func (d *Demo) quote(text string) {
	lines := strings.Split(strings.TrimRight(text, "\n"), "\n")
	for i, l := range lines {
		if i == 6 && len(lines) > 8 {
			d.say("2", "      … (%d more lines)", len(lines)-i)
			return
		}
		if l != "" {
			d.say("2", "      %s", l)
		}
	}
}

// refused runs a command that must fail and say what is wanted.
func (d *Demo) refused(ctx context.Context, env map[string]string, want string, program string, args ...string) error {
	out, err := d.run(ctx, env, program, args...)
	return d.mustRefuse(want, out, err)
}

func (d *Demo) mustRefuse(want, out string, err error) error {
	var failed *CommandError
	if err == nil {
		return fmt.Errorf("it was allowed, and should have been refused with %q; it printed: %s", want, out)
	}
	if !errors.As(err, &failed) {
		return err
	}
	if !strings.Contains(failed.Output, want) {
		return fmt.Errorf("it was refused, but not with %q: %s", want, failed.Output)
	}
	d.say("33", "      refused: %s", lastLine(failed.Output))
	return nil
}

func lastLine(text string) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	return lines[len(lines)-1]
}

// example reads a file of the example and fills in the account and the lab
// GitLab's name, and writes it where the commands find it.
func (d *Demo) example(name string) (string, error) {
	raw, err := os.ReadFile(filepath.Join(d.Examples, name))
	if err != nil {
		return "", err
	}
	text := strings.NewReplacer("ACCOUNT_ID", d.account, "gitlab.com", d.issuer).Replace(string(raw))
	path := d.Lab.path(name)
	return "file://" + path, os.WriteFile(path, []byte(text), 0o600)
}

func (d *Demo) roleARN(name string) string { return "arn:aws:iam::" + d.account + ":role/" + name }

const editPolicy = "arn:aws:eks::aws:cluster-access-policy/AmazonEKSEditPolicy"

// teach is what an operator does, with the AWS CLI.
func (d *Demo) teach(ctx context.Context) error {
	d.chapter("The operator teaches Mayfly about GitLab, a role and a cluster")
	d.proves("The first administrator is whoever reaches the server's Unix socket: fifteen minutes, recorded, nothing stored.")
	d.say("", "    $ eval \"$(mayflyd admin credentials)\"")
	var err error
	if d.admin, err = d.Lab.AdminEnv(ctx); err != nil {
		return err
	}
	d.Secrets = append(d.Secrets, d.admin["AWS_SECRET_ACCESS_KEY"], d.admin["AWS_SESSION_TOKEN"])
	out, err := d.works(ctx, d.admin, "aws", "sts", "get-caller-identity", "--output", "json")
	if err != nil {
		return err
	}
	var who struct{ Account string }
	if err := json.Unmarshal([]byte(out), &who); err != nil {
		return err
	}
	d.account = who.Account

	d.proves("GitLab becomes an identity provider; no secret is exchanged.")
	if err := d.provider(ctx); err != nil {
		return err
	}
	d.proves("A role that trusts one branch of one project, may find one cluster, and edits one namespace.")
	if err := d.makeRole(ctx, "gitlab-deployer", "trust-policy.json"); err != nil {
		return err
	}
	if err := d.giveNamespace(ctx, "gitlab-deployer", "production"); err != nil {
		return err
	}
	_, err = d.works(ctx, d.kubeAdmin(), "kubectl", "create", "namespace", "production")
	return ignoreExisting(err)
}

// ignoreExisting lets a second run over the same lab find what the first made.
func ignoreExisting(err error) error {
	var failed *CommandError
	if errors.As(err, &failed) && (strings.Contains(failed.Output, "AlreadyExists") || strings.Contains(failed.Output, "already exists") || strings.Contains(failed.Output, "already in use")) {
		return nil
	}
	return err
}

func (d *Demo) kubeAdmin() map[string]string {
	return map[string]string{"KUBECONFIG": d.Lab.Cluster.AdminKubeconfig()}
}

func (d *Demo) provider(ctx context.Context) error {
	_, err := d.works(ctx, d.admin, "aws", "iam", "create-open-id-connect-provider", "--url", d.Lab.State.GitLabURL(), "--client-id-list", audience)
	return ignoreExisting(err)
}

func (d *Demo) makeRole(ctx context.Context, name, trust string) error {
	file, err := d.example(trust)
	if err != nil {
		return err
	}
	if _, err := d.works(ctx, d.admin, "aws", "iam", "create-role", "--role-name", name, "--assume-role-policy-document", file, "--query", "Role.Arn", "--output", "text"); ignoreExisting(err) != nil {
		return err
	}
	if file, err = d.example("describe-cluster.json"); err != nil {
		return err
	}
	_, err = d.works(ctx, d.admin, "aws", "iam", "put-role-policy", "--role-name", name, "--policy-name", "describe-cluster", "--policy-document", file)
	return err
}

func (d *Demo) giveNamespace(ctx context.Context, role, namespace string) error {
	if _, err := d.works(ctx, d.admin, "aws", "eks", "create-access-entry", "--cluster-name", ClusterName, "--principal-arn", d.roleARN(role), "--query", "accessEntry.username", "--output", "text"); ignoreExisting(err) != nil {
		return err
	}
	_, err := d.works(ctx, d.admin, "aws", "eks", "associate-access-policy", "--cluster-name", ClusterName, "--principal-arn", d.roleARN(role), "--policy-arn", editPolicy,
		"--access-scope", "type=namespace,namespaces="+namespace, "--query", "associatedAccessPolicy.accessScope", "--output", "json")
	return err
}

// pipeline runs a pipeline of the lab's GitLab and gives its log.
func (d *Demo) pipeline(ctx context.Context, request labgitlab.PipelineRequest, role string) (*labgitlab.Report, string, error) {
	request.InstanceVariables = append(request.InstanceVariables, labgitlab.Variable{Key: "EKS_ROLE_ARN", Value: d.roleARN(role)})
	d.say("", "    $ mayfly-lab run --project %s --ref %s", request.Project, request.Ref)
	var log bytes.Buffer
	report, err := d.Lab.RunPipeline(ctx, request, &log)
	return report, log.String(), err
}

// deploy is the story's job.
func (d *Demo) deploy(ctx context.Context) error {
	d.chapter("A job on the branch production deploys, with no stored secret")
	d.proves("The pipeline's ID token becomes credentials of fifteen minutes; kubectl carries them into the cluster; the namespace changes.")
	start := time.Now()
	report, log, err := d.pipeline(ctx, labgitlab.PipelineRequest{Project: project, Ref: "production", RefType: "branch"}, "gitlab-deployer")
	if err != nil {
		return err
	}
	d.quoteLog(log)
	if report.Status != "success" {
		return fmt.Errorf("the pipeline ended as %s:\n%s", report.Status, log)
	}
	d.took = time.Since(start)
	d.proves("The deployment is there; the cluster's own audit log names the job behind it.")
	if _, err := d.works(ctx, d.kubeAdmin(), "kubectl", "get", "deployments", "-n", "production"); err != nil {
		return err
	}
	return d.clusterAudit()
}

// lean is the same job with mayfly exec: side by side, with their times.
func (d *Demo) lean(ctx context.Context) error {
	const role = "lean-deployer"
	d.chapter("The same job with mayfly exec")
	d.proves("A project that includes the component deploy. Its job's image holds mayfly, kubectl and a shell: no AWS CLI, no Python; no credentials come into the shell.")
	if err := d.makeRole(ctx, role, "trust-policy-lean.json"); err != nil {
		return err
	}
	if err := d.giveNamespace(ctx, role, "production"); err != nil {
		return err
	}
	request := labgitlab.PipelineRequest{Project: "my_group/my-lean_project", Ref: "production", RefType: "branch"}
	d.say("", "    $ mayfly-lab run --project %s --ref %s", request.Project, request.Ref)
	var log bytes.Buffer
	start := time.Now()
	report, err := d.Lab.RunLeanPipeline(ctx, request, &log)
	if err != nil {
		return err
	}
	d.quoteLog(log.String())
	if report.Status != "success" {
		return fmt.Errorf("the pipeline ended as %s:\n%s", report.Status, log.String())
	}
	d.proves("Side by side, from the pipeline's start to its end:")
	d.say("2", "      aws sts, aws eks, kubectl   %5.2f s", d.took.Seconds())
	d.say("2", "      mayfly exec, kubectl        %5.2f s", time.Since(start).Seconds())
	return nil
}

func (d *Demo) quoteLog(log string) {
	for line := range strings.Lines(log) {
		if line = strings.TrimRight(line, "\n"); line != "" {
			d.say("2", "      | %s", line)
		}
	}
}

// clusterAudit looks for the job's claims in the API server's audit log.
func (d *Demo) clusterAudit() error {
	raw, err := os.ReadFile(d.Lab.Cluster.AuditLog())
	if err != nil {
		return err
	}
	for line := range bytes.Lines(raw) {
		var e struct {
			Verb string `json:"verb"`
			User struct {
				Username string              `json:"username"`
				Extra    map[string][]string `json:"extra"`
			} `json:"user"`
			ObjectRef   struct{ Resource, Namespace, Name string } `json:"objectRef"`
			Annotations map[string]string                          `json:"annotations"`
		}
		if json.Unmarshal(line, &e) != nil || e.ObjectRef.Resource != "deployments" || e.Verb != "create" && e.Verb != "patch" || len(e.User.Extra) == 0 {
			continue
		}
		host, _, _ := strings.Cut(d.issuer, ":")
		d.say("2", "      %s %s/%s by %s", e.Verb, e.ObjectRef.Namespace, e.ObjectRef.Name, e.User.Username)
		for _, claim := range []string{"project_path", "ref", "sha", "pipeline_id", "job_id", "user_login"} {
			v := e.User.Extra[host+"/"+claim]
			if len(v) != 1 || v[0] == "" {
				return fmt.Errorf("the cluster's audit log does not name the %s of the job: %s", claim, line)
			}
			d.say("2", "        %s/%s = %s", host, claim, v[0])
		}
		d.say("2", "        %s", e.Annotations["authorization.k8s.io/reason"])
		return nil
	}
	return errors.New("the cluster's audit log does not show the job's request")
}

// token starts a job and gives its ID token.
func (d *Demo) token(ctx context.Context, request labgitlab.PipelineRequest) (string, error) {
	p, err := d.Lab.gitlab.CreatePipeline(ctx, request)
	if err != nil {
		return "", err
	}
	for _, j := range p.Jobs {
		started, err := d.Lab.gitlab.StartJob(ctx, j.ID, labgitlab.StartRequest{BuildsDir: d.Lab.path("builds"), ProjectDir: d.Lab.path("builds"), FilesDir: d.Lab.path("builds")})
		if err != nil {
			return "", err
		}
		for _, v := range started.Variables {
			if v.Key == "GITLAB_OIDC_TOKEN" {
				d.Secrets = append(d.Secrets, v.Value)
				return v.Value, nil
			}
		}
	}
	return "", errors.New("the pipeline has no job with an ID token")
}

// exchange is the job's aws sts call with a token.
func exchange(role, token string) []string {
	return []string{"sts", "assume-role-with-web-identity", "--role-arn", role, "--role-session-name", "GitLabRunner-1", "--web-identity-token", token, "--duration-seconds", "900", "--output", "json"}
}

// jobEnv is what a job knows before it has credentials.
func (d *Demo) jobEnv() map[string]string {
	env := map[string]string{}
	for _, v := range d.Lab.JobVariables() {
		env[v.Key] = v.Value
	}
	return env
}

// refuseTokens shows each neighbour of the job that may deploy.
func (d *Demo) refuseTokens(ctx context.Context) error {
	d.chapter("Every neighbour of that job is refused by STS")
	const notAuthorized, invalid = "AccessDenied", "InvalidIdentityToken"
	for _, p := range []struct {
		why     string
		request labgitlab.PipelineRequest
	}{
		{"The same job on a feature branch.", labgitlab.PipelineRequest{Project: project, Ref: "feature-1", RefType: "branch"}},
		{"A tag that is called production.", labgitlab.PipelineRequest{Project: project, Ref: "production", RefType: "tag"}},
		{"Another project, whose name begins the same, on its own branch production.", labgitlab.PipelineRequest{Project: project + "-fork", Ref: "production", RefType: "branch"}},
	} {
		d.proves("%s", p.why)
		report, log, err := d.pipeline(ctx, p.request, "gitlab-deployer")
		if err != nil {
			return err
		}
		if report.Status != "failed" || !strings.Contains(log, notAuthorized) {
			return fmt.Errorf("the pipeline ended as %s, and should have been refused with %s:\n%s", report.Status, notAuthorized, log)
		}
		for line := range strings.Lines(log) {
			if strings.Contains(line, "An error occurred") {
				d.say("33", "      refused: %s", strings.TrimSpace(line))
			}
		}
	}
	good, err := d.token(ctx, labgitlab.PipelineRequest{Project: project, Ref: "production", RefType: "branch"})
	if err != nil {
		return err
	}
	forge := d.Lab.gitlab.Forge()
	role := d.roleARN("gitlab-deployer")
	for _, t := range []struct {
		why, code string
		forgery   labgitlab.Forgery
	}{
		{"A token for another audience.", invalid, labgitlab.WithClaim("aud", "https://vault.example.com")},
		{"A token that ended a second ago.", "ExpiredTokenException", labgitlab.Expired(time.Now().Add(-time.Second))},
		{"A token with one bit of its signature changed.", invalid, labgitlab.WithOneBitChanged()},
		{"A token that says alg: none.", invalid, labgitlab.Unsigned()},
		{"A token signed with HS256 under the issuer's public key.", invalid, forge.SignedWithPublicKey()},
		{"A token of an issuer that is not registered: refused before any packet is sent to it.", invalid, labgitlab.WithClaim("iss", "https://gitlab.evil.example")},
		{"A token without its subject.", invalid, labgitlab.WithoutClaim("sub")},
	} {
		d.proves("%s", t.why)
		forged, err := forge.Token(good, t.forgery)
		if err != nil {
			return err
		}
		if err := d.refused(ctx, d.jobEnv(), t.code, "aws", exchange(role, forged)...); err != nil {
			return err
		}
	}
	d.proves("A role that does not exist: the same words, so that nobody learns which roles there are.")
	return d.refused(ctx, d.jobEnv(), "Not authorized to perform sts:AssumeRoleWithWebIdentity", "aws", exchange(d.roleARN("no-such-role"), good)...)
}

// assume exchanges a token of a branch and gives the environment of a job that
// has done so, with a kubeconfig.
func (d *Demo) assume(ctx context.Context, role, ref string) (map[string]string, error) {
	token, err := d.token(ctx, labgitlab.PipelineRequest{Project: project, Ref: ref, RefType: "branch"})
	if err != nil {
		return nil, err
	}
	out, err := d.run(ctx, d.jobEnv(), "aws", exchange(d.roleARN(role), token)...)
	if err != nil {
		return nil, err
	}
	var answer struct {
		Credentials struct{ AccessKeyId, SecretAccessKey, SessionToken string }
	}
	if err := json.Unmarshal([]byte(out), &answer); err != nil {
		return nil, err
	}
	d.Secrets = append(d.Secrets, answer.Credentials.SecretAccessKey, answer.Credentials.SessionToken)
	env := d.jobEnv()
	env["AWS_ACCESS_KEY_ID"], env["AWS_SECRET_ACCESS_KEY"], env["AWS_SESSION_TOKEN"] = answer.Credentials.AccessKeyId, answer.Credentials.SecretAccessKey, answer.Credentials.SessionToken
	env["KUBECONFIG"] = d.Lab.path("home/" + role + ".kubeconfig")
	_, err = d.run(ctx, env, "aws", "eks", "update-kubeconfig", "--name", ClusterName, "--region", Region)
	return env, err
}

// refuseInCluster shows how far the job reaches inside the cluster.
func (d *Demo) refuseInCluster(ctx context.Context) error {
	d.chapter("Inside the cluster the job reaches its namespace and nothing else")
	d.proves("Who the cluster takes it for.")
	env, err := d.assume(ctx, "gitlab-deployer", "production")
	if err != nil {
		return err
	}
	if _, err := d.works(ctx, env, "kubectl", "auth", "whoami"); err != nil {
		return err
	}
	for _, q := range []struct {
		why  string
		want string
		args []string
	}{
		{"Its own namespace.", "yes", []string{"create", "deployments", "-n", "production"}},
		{"Another namespace.", "no", []string{"create", "deployments", "-n", "default"}},
		{"All namespaces at once.", "no", []string{"list", "pods", "--all-namespaces"}},
		{"What has no namespace.", "no", []string{"get", "nodes"}},
		{"To grant itself more.", "no", []string{"create", "rolebindings", "-n", "production"}},
	} {
		d.proves("%s", q.why)
		args := append([]string{"auth", "can-i"}, q.args...)
		out, err := d.run(ctx, env, "kubectl", args...)
		if failed := (*CommandError)(nil); err != nil && !errors.As(err, &failed) {
			return err
		}
		if got, _, _ := strings.Cut(strings.TrimSpace(out), " "); got != q.want {
			return fmt.Errorf("kubectl auth can-i %s: %q, and should have been %q", strings.Join(q.args, " "), got, q.want)
		}
		d.quote(out)
	}
	d.proves("Reaching for another namespace is an error of Kubernetes.")
	if err := d.refused(ctx, env, "forbidden", "kubectl", "apply", "-n", "kube-system", "-f", filepath.Join(d.Examples, "project", "deployment.yaml")); err != nil {
		return err
	}
	d.proves("A bearer token for another cluster is nobody's here.")
	out, err := d.run(ctx, env, "aws", "eks", "get-token", "--cluster-name", "other-cluster", "--output", "json")
	if err != nil {
		return err
	}
	var cred struct{ Status struct{ Token string } }
	if err := json.Unmarshal([]byte(out), &cred); err != nil {
		return err
	}
	return d.refused(ctx, map[string]string{"KUBECONFIG": d.Lab.path("home/none")}, "logged in", "kubectl", "--server", d.Lab.Cluster.Endpoint(), "--certificate-authority", d.Lab.Cluster.CAFile(), "--token", cred.Status.Token, "get", "pods", "-n", "production")
}

// granular shows one role for each environment.
func (d *Demo) granular(ctx context.Context) error {
	d.chapter("A role for each environment")
	d.proves("production-deployer is for the branch and the namespace production, stage-deployer for stage.")
	for _, e := range []struct{ environment, trust string }{{"production", "trust-policy.json"}, {"stage", "trust-policy-stage.json"}} {
		if err := d.makeRole(ctx, e.environment+"-deployer", e.trust); err != nil {
			return err
		}
		if err := d.giveNamespace(ctx, e.environment+"-deployer", e.environment); err != nil {
			return err
		}
	}
	if _, err := d.works(ctx, d.kubeAdmin(), "kubectl", "create", "namespace", "stage"); ignoreExisting(err) != nil {
		return err
	}
	deployment := filepath.Join(d.Examples, "project", "deployment.yaml")
	for _, e := range [][2]string{{"production", "stage"}, {"stage", "production"}} {
		own, other := e[0], e[1]
		d.proves("A job of %s deploys to its own namespace and not to %s,", own, other)
		env, err := d.assume(ctx, own+"-deployer", own)
		if err != nil {
			return err
		}
		if _, err := d.works(ctx, env, "kubectl", "apply", "-n", own, "-f", deployment); err != nil {
			return err
		}
		if err := d.refused(ctx, env, "forbidden", "kubectl", "apply", "-n", other, "-f", deployment); err != nil {
			return err
		}
		d.proves("nor does it get the role of %s.", other)
		token, err := d.token(ctx, labgitlab.PipelineRequest{Project: project, Ref: own, RefType: "branch"})
		if err != nil {
			return err
		}
		if err := d.refused(ctx, d.jobEnv(), "Not authorized to perform sts:AssumeRoleWithWebIdentity", "aws", exchange(d.roleARN(other+"-deployer"), token)...); err != nil {
			return err
		}
	}
	return nil
}

// settingsTime is how long the server goes by what GitLab enforced, as the lab
// configures it, and a little more.
const settingsTime = 11 * time.Second

// guards shows what a trust policy is worth: as much as what guards the branch.
func (d *Demo) guards(ctx context.Context) error {
	const reviewed, guarded = "reviewed-deployer", "guarded-deployer"
	d.chapter("Trust in a branch is worth what guards the branch")
	d.proves("A role for production's own pipelines, pinned to the project's id: mayfly prove reads the policy and GitLab's settings, and finds nobody who gets in unreviewed.")
	if err := d.makeRole(ctx, reviewed, "trust-policy-reviewed.json"); err != nil {
		return err
	}
	if err := d.verdict(ctx, reviewed, "proven"); err != nil {
		return err
	}
	d.proves("Another that says the same and also has Mayfly ask GitLab when the job comes (mayfly:guard/…).")
	if err := d.makeRole(ctx, guarded, "trust-policy-guarded.json"); err != nil {
		return err
	}
	token, err := d.token(ctx, labgitlab.PipelineRequest{Project: project, Ref: "production", RefType: "branch"})
	if err != nil {
		return err
	}
	if err := d.gets(ctx, guarded, token); err != nil {
		return err
	}
	d.proves("Somebody unprotects the branch. mayfly prove shows the job that now gets through,")
	d.say("", "    $ mayfly-lab unprotect %s production", project)
	if err := d.Lab.gitlab.UnprotectBranch(project, "production"); err != nil {
		return err
	}
	if err := d.verdict(ctx, reviewed, "refuted"); err != nil {
		return err
	}
	d.proves("and within the ten seconds that this server goes by old settings, the role that asks refuses it and says why. The other one still lets it in.")
	if err := d.pause(ctx, settingsTime); err != nil {
		return err
	}
	if err := d.refused(ctx, d.jobEnv(), `the branch "production" is not protected, or no longer`, "aws", exchange(d.roleARN(guarded), token)...); err != nil {
		return err
	}
	if err := d.gets(ctx, reviewed, token); err != nil {
		return err
	}
	d.proves("Protected again, everything is as it was.")
	d.say("", "    $ mayfly-lab protect %s production", project)
	if err := d.Lab.gitlab.ProtectBranch(labgitlab.BranchProtection{Project: project, Name: "production", Merge: []labgitlab.LevelChange{{Level: "maintainer"}}}); err != nil {
		return err
	}
	if err := d.pause(ctx, settingsTime); err != nil {
		return err
	}
	if err := d.gets(ctx, guarded, token); err != nil {
		return err
	}
	return d.verdict(ctx, reviewed, "proven")
}

// gets exchanges a token that is good for a role.
func (d *Demo) gets(ctx context.Context, role, token string) error {
	args := append(exchange(d.roleARN(role), token), "--query", "AssumedRoleUser.Arn")
	_, err := d.works(ctx, d.jobEnv(), "aws", args...)
	return err
}

// verdict asks mayfly prove about a role.
func (d *Demo) verdict(ctx context.Context, role, want string) error {
	args := []string{"prove", role, "--gitlab", d.Lab.State.GitLabURL(), "--gitlab-ca-file", d.Lab.GitLabCA(), "--gitlab-token-file", d.Lab.GitLabToken()}
	out, err := d.run(ctx, d.admin, "mayfly", args...)
	if failed := (*CommandError)(nil); err != nil && !errors.As(err, &failed) {
		return err
	}
	d.quote(out)
	if !strings.Contains(out, role+": "+want) || (err == nil) != (want == "proven") {
		return fmt.Errorf("the verdict should be %s: %s", want, out)
	}
	return nil
}

// pause waits.
func (d *Demo) pause(ctx context.Context, t time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(t):
		return nil
	}
}

// classic shows the aws-auth ConfigMap beside access entries.
func (d *Demo) classic(ctx context.Context) error {
	const role, namespace = "classic-deployer", "classic"
	d.chapter("The classic way: the aws-auth ConfigMap and RBAC")
	d.proves("A role without an access entry; aws-auth maps it to the group deployers, which RBAC lets edit one namespace.")
	if err := d.makeRole(ctx, role, "trust-policy.json"); err != nil {
		return err
	}
	objects := d.Lab.path("classic.yaml")
	if err := os.WriteFile(objects, []byte(strings.NewReplacer("ROLE_ARN", d.roleARN(role), "NAMESPACE", namespace).Replace(classicObjects)), 0o600); err != nil {
		return err
	}
	if _, err := d.works(ctx, d.kubeAdmin(), "kubectl", "apply", "-f", objects); err != nil {
		return err
	}
	d.proves("Mayfly reads aws-auth with a session of its own that can do nothing else; the job is deployer, and deploys.")
	env, err := d.assume(ctx, role, "production")
	if err != nil {
		return err
	}
	if err := d.whoami(ctx, env, "deployer"); err != nil {
		return err
	}
	deployment := filepath.Join(d.Examples, "project", "deployment.yaml")
	if _, err := d.works(ctx, env, "kubectl", "apply", "-n", namespace, "-f", deployment); err != nil {
		return err
	}
	d.proves("Elsewhere it is refused, the ConfigMap that maps it included.")
	if err := d.refused(ctx, env, "forbidden", "kubectl", "apply", "-n", "production", "-f", deployment); err != nil {
		return err
	}
	if err := d.refused(ctx, env, "forbidden", "kubectl", "get", "configmap", "aws-auth", "-n", "kube-system"); err != nil {
		return err
	}
	d.proves("An access entry for the same role wins over aws-auth: the job is the entry's user now, whom no policy and no group lets in.")
	if _, err := d.works(ctx, d.admin, "aws", "eks", "create-access-entry", "--cluster-name", ClusterName, "--principal-arn", d.roleARN(role), "--query", "accessEntry.username", "--output", "text"); ignoreExisting(err) != nil {
		return err
	}
	if err := d.whoami(ctx, env, "assumed-role/"+role+"/GitLabRunner-1"); err != nil {
		return err
	}
	if err := d.refused(ctx, env, "forbidden", "kubectl", "get", "deployments", "-n", namespace); err != nil {
		return err
	}
	d.proves("Without the entry the mapping counts again.")
	if _, err := d.works(ctx, d.admin, "aws", "eks", "delete-access-entry", "--cluster-name", ClusterName, "--principal-arn", d.roleARN(role)); err != nil {
		return err
	}
	return d.whoami(ctx, env, "deployer")
}

// whoami shows who the cluster takes a job for, and wants a name in it. Bearer
// tokens of one second are one token, whose identity the API server keeps; so
// it waits for the next second.
func (d *Demo) whoami(ctx context.Context, env map[string]string, want string) error {
	if err := d.pause(ctx, time.Second); err != nil {
		return err
	}
	out, err := d.works(ctx, env, "kubectl", "auth", "whoami", "-o", "jsonpath={.status.userInfo.username} {.status.userInfo.groups}")
	if err == nil && !strings.Contains(out, want) {
		return fmt.Errorf("the cluster takes the job for %q, and should for %q", out, want)
	}
	return err
}

// classicObjects are what a cluster's administrator writes to map a role.
const classicObjects = `apiVersion: v1
kind: Namespace
metadata: {name: NAMESPACE}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: deployers, namespace: NAMESPACE}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: edit}
subjects:
- {apiGroup: rbac.authorization.k8s.io, kind: Group, name: deployers}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: aws-auth, namespace: kube-system}
data:
  mapRoles: |
    - rolearn: ROLE_ARN
      username: deployer
      groups:
      - deployers
`

// cacheTime is how long the API server keeps an answer, as webhook-config sets
// it, and a little more.
const cacheTime = 11 * time.Second

// take shows that what an operator takes away is gone, also for a session that
// is under way.
func (d *Demo) take(ctx context.Context) error {
	d.chapter("What is taken away is gone")
	d.proves("The access entry is deleted while a session of the role is under way: within the cluster's cache time of ten seconds it is refused.")
	env, err := d.assume(ctx, "stage-deployer", "stage")
	if err != nil {
		return err
	}
	if _, err := d.works(ctx, env, "kubectl", "get", "deployments", "-n", "stage"); err != nil {
		return err
	}
	if _, err := d.works(ctx, d.admin, "aws", "eks", "delete-access-entry", "--cluster-name", ClusterName, "--principal-arn", d.roleARN("stage-deployer")); err != nil {
		return err
	}
	if err := d.pause(ctx, cacheTime); err != nil {
		return err
	}
	return d.refused(ctx, env, "logged in", "kubectl", "get", "deployments", "-n", "stage")
}

// account_ shows the audit trail.
func (d *Demo) account_(ctx context.Context) error {
	d.chapter("Who had access to what, and when")
	d.proves("The audit trail of all this, as it was recorded before each answer.")
	d.say("", "    $ mayfly audit tail")
	out, err := d.Lab.Run(ctx, d.admin, d.Lab.Mayfly, "audit", "tail")
	if err != nil {
		return err
	}
	for line := range strings.Lines(out) {
		d.auditLine(line)
	}
	d.proves("The log is a Merkle tree under a signed checkpoint: nothing in it was changed, removed, added or moved.")
	_, err = d.works(ctx, d.admin, "mayfly", "audit", "verify")
	return err
}

func (d *Demo) auditLine(line string) {
	var e struct {
		Time, Action, Outcome, Reason, Actor, Resource, Cluster string
		As                                                      string `json:"issued_as"`
		Claims, Detail                                          map[string]string
	}
	if json.Unmarshal([]byte(line), &e) != nil {
		return
	}
	who := e.Actor
	if e.Claims["project_path"] != "" {
		who = fmt.Sprintf("%s %s %s, pipeline %s", e.Claims["project_path"], e.Claims["ref_type"], e.Claims["ref"], e.Claims["pipeline_id"])
	}
	switch {
	case e.Detail["uid"] != "":
		who = "uid " + e.Detail["uid"] + " of this machine"
	case e.Action == "mayfly:ReaderCredentials":
		who = "Mayfly itself, to read aws-auth"
	case who == "":
		who = "a token that is not believed"
	}
	what := e.Resource
	if what == "" {
		what = strings.TrimSpace(e.Cluster + " " + e.Detail["namespace"] + " " + e.Detail["verb"] + " " + e.Detail["resource"])
	}
	color := "2"
	if e.Outcome != "allowed" {
		color = "33"
	}
	short := func(s string) string { return strings.ReplaceAll(s, d.account, "…") }
	d.say(color, "      %s  %-7s %-32s %s  →  %s %s", strings.TrimSuffix(e.Time[11:], "Z")[:8], e.Outcome, e.Action, short(who), short(what), e.Reason)
}
