package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"mayfly.internal/internal/arn"
	"mayfly.internal/internal/client"
	"mayfly.internal/internal/gitlab"
	"mayfly.internal/internal/guard"
	"mayfly.internal/internal/onboard"
	"mayfly.internal/internal/prove"
)

// onboarding is one call of the verb.
type onboarding struct {
	*app
	want                  onboard.Request
	proving               proving // what is required
	facts                 string
	gitlab                gitlabFlags
	account               string
	environments          []string
	apply, replace, force bool
}

func newOnboard(a *app) *cobra.Command {
	o := &onboarding{app: a, proving: proving{app: a}}
	cmd := &cobra.Command{Use: "onboard GROUP/PROJECT (--gitlab URL | --facts FILE) --environment NAME=BRANCH --cluster NAME --namespace NAME", Short: "Print or make what a new project needs to deploy", Args: exactArgs("GROUP/PROJECT"),
		Long: `onboard prints what a project's jobs need to deploy to a namespace of a cluster
with no stored secret, or makes it with --apply. For each environment that is

  a role, which jobs of one protected branch of this very project get, known by
    the project's id: not those of merge requests, nor of child pipelines;
  a policy to find the cluster;
  an access entry, and an access policy in the namespace;
  a job for the project's .gitlab-ci.yml.

-o terraform prints the same as resources of the AWS provider.

What GitLab enforces is asked of it, or read from a file that 'mayfly facts pull'
writes. Where a branch is not guarded as --require or mayfly-guard.yaml asks,
onboard says what is missing and writes nothing; --force writes nevertheless.

--apply leaves what is there and equal. What is there and different is shown and
refused, before anything is made, unless --replace is given.`,
		Example: `  mayfly onboard my_group/my-fancy_project --facts facts.yaml \
      --environment production=production --environment stage=stage \
      --cluster my-cluster --region eu-central-1 --namespace '{environment}'`,
		Annotations: outputs("text", "json", "terraform"),
		RunE:        func(cmd *cobra.Command, args []string) error { return o.run(cmd.Context(), args[0]) }}
	a.awsFlags(cmd)
	o.gitlab.add(cmd)
	f := cmd.Flags()
	f.Lookup("gitlab").Usage = "`URL` of the project's GitLab, which is asked what it enforces"
	f.StringVar(&o.facts, "facts", "", "what GitLab enforces, in a `FILE` that mayfly facts pull writes")
	f.StringArrayVar(&o.environments, "environment", nil, "`NAME=BRANCH`, an environment and the branch that deploys to it (repeatable)")
	f.StringVar(&o.want.Cluster, "cluster", "", "`NAME` of the cluster")
	f.StringVar(&o.want.Namespace, "namespace", "", "`NAME` of the namespace; {group}, {project} and {environment} stand for theirs")
	f.StringVar(&o.want.RoleName, "role-name", onboard.DefaultRoleName, "`NAME` of each role, at most 64 characters")
	f.StringVar(&o.want.Audience, "audience", onboard.DefaultAudience, "`AUD` of the jobs' ID tokens")
	f.StringVar(&o.want.AccessPolicy, "access-policy", onboard.DefaultAccessPolicy, "`NAME` of AWS's access policy in the namespace, or an ARN")
	f.StringSliceVar(&o.want.Sources, "pipeline-source", onboard.DefaultSources(), "`SOURCE` of the pipelines that may deploy")
	f.StringVar(&o.proving.require, "require", "", "what must hold of every job: `LIST` with commas (default as 'mayfly prove --help' says)")
	f.StringVar(&o.proving.guards, "guard-file", "", "YAML `FILE` that says what each role requires (default "+guardFile+", if it is there)")
	f.StringVar(&o.account, "account", "", "`ID` of the account (default $MAYFLY_ACCOUNT_ID, else the server is asked)")
	f.BoolVar(&o.apply, "apply", false, "make it")
	f.BoolVar(&o.replace, "replace", false, "with --apply: change what is there and different")
	f.BoolVar(&o.force, "force", false, "go on though a branch is not guarded")
	return cmd
}

// check refuses flags that do not go together.
func (o *onboarding) check() error {
	switch {
	case o.apply && o.output == "terraform":
		return &usageError{errors.New("-o terraform is for Terraform to apply: leave out --apply")}
	case o.replace && !o.apply:
		return &usageError{errors.New("--replace means something with --apply only")}
	case o.facts != "" && o.gitlab.url != "":
		return &usageError{errors.New("either --facts or --gitlab is wanted")}
	case o.facts == "" && o.gitlab.url == "":
		return &usageError{errors.New("--gitlab is missing, or --facts")}
	case !gitlab.IsPath(o.want.Project) || !strings.Contains(o.want.Project, "/"):
		return &usageError{fmt.Errorf("%q is no full path of a project, such as my_group/my-fancy_project", o.want.Project)}
	}
	for _, f := range [][2]string{{"environment", strings.Join(o.environments, "")}, {"cluster", o.want.Cluster}, {"namespace", o.want.Namespace}} {
		if f[1] == "" {
			return &usageError{fmt.Errorf("--%s is missing", f[0])}
		}
	}
	if o.facts != "" {
		return o.gitlab.unasked()
	}
	return nil
}

func (o *onboarding) run(ctx context.Context, project string) error {
	o.want.Project = project
	if err := o.check(); err != nil {
		return err
	}
	if err := o.read(ctx); err != nil {
		return err
	}
	aws, err := o.place(ctx)
	if err != nil {
		return err
	}
	plan, err := onboard.New(o.want)
	if e, ok := errors.AsType[*onboard.FactsError](err); ok && e.Fix != "" {
		return hint(err, e.Fix)
	} else if _, ok := errors.AsType[*onboard.RequestError](err); ok {
		return &usageError{err}
	} else if err != nil {
		return err
	}
	for _, n := range plan.Notes {
		fmt.Fprintf(o.stderr, "mayfly: note: %s\n", plain(n))
	}
	if err := o.judge(plan); err != nil {
		return err
	}
	if !o.apply {
		return o.show(plan, nil)
	}
	steps, err := o.make(ctx, aws, plan)
	if err != nil {
		return err
	}
	return o.show(plan, steps)
}

// read reads what the flags say, the facts among it.
func (o *onboarding) read(ctx context.Context) error {
	for _, text := range o.environments {
		name, branch, found := strings.Cut(text, "=")
		if !found {
			return &usageError{fmt.Errorf("--environment %s: NAME=BRANCH is wanted", text)}
		}
		o.want.Environments = append(o.want.Environments, onboard.Environment{Name: name, Branch: branch})
	}
	guards, err := o.proving.guardFile()
	if err != nil {
		return err
	}
	o.want.Require = func(role string) ([]guard.Requirement, error) { return guards.of(role, o.proving.require) }
	o.want.Facts, err = o.projectFacts(ctx)
	return err
}

// projectFacts are the facts that the project is judged by. What GitLab does not
// show is unknown, and the verdict says so.
func (o *onboarding) projectFacts(ctx context.Context) (*guard.Facts, error) {
	if o.facts != "" {
		return o.factsFile(o.facts)
	}
	tier, err := o.gitlab.statedTier()
	if err != nil {
		return nil, err
	}
	c, err := o.gitlab.client(ctx, o.app)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	show, done := progress(o.stderr)
	facts, err := c.Pull(ctx, []string{o.want.Project}, tier, show)
	done()
	if facts == nil {
		return nil, explainGitLab(err)
	}
	if err != nil {
		fmt.Fprintf(o.stderr, "mayfly: %s\n", plainLines(err.Error()))
	}
	return facts, nil
}

// place finds out the account and the region, and whom to ask, nil where nobody
// has to be.
func (o *onboarding) place(ctx context.Context) (*client.AWS, error) {
	if o.realAWS() {
		o.want.Realm = prove.AWS
	}
	account := firstOf(o.account, os.Getenv("MAYFLY_ACCOUNT_ID"))
	o.want.Region = firstOf(o.region, os.Getenv("AWS_REGION"), os.Getenv("AWS_DEFAULT_REGION"))
	var aws *client.AWS
	if account == "" || o.apply || o.profile != "" {
		c, err := o.awsConfig(ctx)
		if err != nil {
			return nil, err
		}
		if o.want.Region = c.Region; c.Region == "" {
			return nil, &usageError{errors.New("--region is missing")}
		}
		if aws, err = newAWS(c); err != nil {
			return nil, err
		}
		_, actual, err := aws.Caller(ctx)
		if err != nil {
			return nil, explain(err)
		}
		if account != "" && account != actual {
			return nil, fmt.Errorf("the account is to be %s, and the credentials are of %s", account, actual)
		}
		account = actual
	}
	if o.want.Region == "" {
		return nil, &usageError{errors.New("--region is missing")}
	}
	id, err := arn.ParseAccountID(account)
	if err != nil {
		return nil, &usageError{err}
	}
	o.want.Account = id
	return aws, nil
}

// judge says what is missing, and goes on only if nothing is, or with --force.
func (o *onboarding) judge(p onboard.Plan) error {
	if p.Proven() {
		return nil
	}
	var open []string
	said := &proving{app: &app{stdout: o.stderr}}
	for _, r := range p.Roles {
		if !r.Closed && r.Report.Verdict == prove.Proven {
			continue
		}
		open = append(open, r.Name)
		said.print(proved{trusting{name: r.ARN.Name}, r.Report}, o.want.Facts)
		if r.Closed {
			fmt.Fprintf(o.stderr, "\n  As things stand no job gets the role: it asks for a protected branch, and %s is none.\n", r.Branch)
		}
	}
	if o.force {
		return nil
	}
	return hint(fmt.Errorf("%s: not guarded as required, and nothing is written", strings.Join(open, ", ")), "mend what is named above and read the facts anew; or say with --require what must hold; --force goes on nevertheless")
}

// role is a role of the plan as JSON.
type onboardRole struct {
	Environment  string          `json:"environment"`
	Branch       string          `json:"branch"`
	Name         string          `json:"roleName"`
	ARN          string          `json:"roleArn"`
	Trust        json.RawMessage `json:"trustPolicy"`
	PolicyName   string          `json:"policyName"`
	Policy       json.RawMessage `json:"policy"`
	AccessPolicy string          `json:"accessPolicyArn"`
	Namespace    string          `json:"namespace"`
	Verdict      string          `json:"verdict"`
}

// show prints the plan, or what has come of it.
func (o *onboarding) show(p onboard.Plan, done []stepDone) error {
	switch {
	case o.output == "terraform":
		_, err := fmt.Fprint(o.stdout, p.Terraform())
		return err
	case o.output == "json":
		out := struct {
			Project   string        `json:"project"`
			ProjectID int64         `json:"projectId"`
			GitLab    string        `json:"gitlab"`
			Provider  string        `json:"providerArn"`
			Issuer    string        `json:"issuer"`
			Audience  string        `json:"audience"`
			Cluster   string        `json:"clusterArn"`
			Roles     []onboardRole `json:"roles"`
			Pipeline  string        `json:"gitlabCi"`
			Steps     []stepDone    `json:"steps,omitempty"`
		}{p.Project, p.ProjectID, p.GitLab, p.Provider.String(), p.Issuer, p.Audience, p.Cluster.String(), nil, p.Pipeline(), done}
		for _, r := range p.Roles {
			verdict := r.Report.Verdict.String()
			if r.Closed {
				verdict = "closed"
			}
			out.Roles = append(out.Roles, onboardRole{r.Name, r.Branch, r.ARN.Name, r.ARN.String(), json.RawMessage(r.Trust), onboard.PolicyName, json.RawMessage(r.Policy), r.AccessPolicy, r.Namespace, verdict})
		}
		return o.json(out)
	case o.apply:
		fmt.Fprint(o.stdout, p.Pipeline())
		fmt.Fprintf(o.stderr, "mayfly: these jobs belong into .gitlab-ci.yml of %s%s\n", p.Project, o.variables())
		return nil
	}
	o.showText(p)
	return nil
}

// variables is what the project's jobs must be told besides.
func (o *onboarding) variables() string {
	if o.realAWS() {
		return ""
	}
	return "; its CI/CD variables AWS_ENDPOINT_URL and AWS_CA_BUNDLE (a file) name the Mayfly server"
}

func (o *onboarding) showText(p onboard.Plan) {
	w := o.stdout
	fmt.Fprintf(w, "%s, project %d of %s\n\n", p.Project, p.ProjectID, p.GitLab)
	fmt.Fprintf(w, "The provider %s\naccepts the audience %s.\n", p.Provider, p.Audience)
	for _, r := range p.Roles {
		fmt.Fprintf(w, "\n%s: jobs of the branch %s become %s\n", r.Name, r.Branch, r.ARN)
		fmt.Fprintf(w, "\n  trust policy%s\n%s\n", map[bool]string{true: ", proven: " + requirementList(r.Report.Require)}[!r.Closed && r.Report.Verdict == prove.Proven], indent(r.Trust))
		fmt.Fprintf(w, "\n  policy %s\n%s\n", onboard.PolicyName, indent(r.Policy))
		fmt.Fprintf(w, "\n  access entry in the cluster %s\n    %s in the namespace %s\n", p.Cluster.Name, policyWord(r.AccessPolicy), r.Namespace)
	}
	fmt.Fprintf(w, "\n.gitlab-ci.yml of the project%s\n\n%s\n", o.variables(), indent(p.Pipeline()))
	fmt.Fprintf(o.stderr, "mayfly: nothing is made yet: --apply makes it, -o terraform prints it for Terraform\n")
}

func indent(text string) string {
	lines := strings.Split(strings.TrimSuffix(text, "\n"), "\n")
	for i, line := range lines {
		if line != "" {
			lines[i] = "    " + plain(line)
		}
	}
	return strings.Join(lines, "\n")
}
