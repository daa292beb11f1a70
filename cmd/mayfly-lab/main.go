// Command mayfly-lab is the laptop lab: a GitLab stand-in, a job runner, and a
// real Kubernetes control plane around a real Mayfly server, all on loopback.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"mayfly.internal/internal/lab"
	"mayfly.internal/internal/labgitlab"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := newRoot(os.Stdout, os.Stderr).ExecuteContext(ctx)
	stop()
	if err != nil {
		fmt.Fprintf(os.Stderr, "mayfly-lab: error: %s\n", strings.ReplaceAll(err.Error(), "\n", "\n  "))
		if _, ok := errors.AsType[usageError](err); ok || strings.HasPrefix(err.Error(), "unknown command") {
			fmt.Fprintln(os.Stderr, "mayfly-lab: hint: mayfly-lab --help says what there is")
			os.Exit(2)
		}
		os.Exit(1)
	}
}

// usageError is a wrong call: exit status 2.
type usageError struct{ error }

type options struct {
	dir, world, kubernetes, aws string
}

func newRoot(stdout, stderr io.Writer) *cobra.Command {
	o := &options{}
	root := &cobra.Command{Use: "mayfly-lab", Short: "The whole chain on one machine, to learn, to rehearse and to test", SilenceErrors: true, SilenceUsage: true,
		Long: `mayfly-lab runs a GitLab stand-in, a Mayfly server and a real Kubernetes control
plane on loopback.

The stand-in signs whatever its world says, and the scripts of jobs run
unsandboxed, as you: run only pipelines you would run in your own shell.`}
	root.SetOut(stdout)
	root.SetErr(stderr)
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usageError{err} })
	f := root.PersistentFlags()
	f.StringVar(&o.dir, "dir", ".lab", "directory of the lab: keys, data, logs")
	root.AddCommand(newUp(o, stdout), newRun(o, stdout), newProtect(o, stdout), newUnprotect(o, stdout), newDemo(o, stdout), newFindAWS(stdout, stderr))
	return root
}

func addUpFlags(cmd *cobra.Command, o *options) {
	cmd.Flags().StringVar(&o.world, "world", "examples/gitlab-to-kubernetes/world.yaml", "the world of the GitLab stand-in")
	cmd.Flags().StringVar(&o.kubernetes, "kubernetes", os.Getenv("MAYFLY_KUBERNETES"), "the program that testenv/build.sh makes (default $MAYFLY_KUBERNETES)")
	cmd.Flags().StringVar(&o.aws, "aws", "", "the AWS CLI to use (default: the one on PATH)")
}

// bring brings the lab up, saying each part.
func (o *options) bring(ctx context.Context, say io.Writer) (*lab.Lab, error) {
	if o.kubernetes == "" {
		return nil, usageError{errors.New("--kubernetes is missing: the path that testenv/build.sh prints")}
	}
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	beside := func(name string) string { return filepath.Join(filepath.Dir(self), name) }
	dir, err := filepath.Abs(o.dir)
	if err != nil {
		return nil, err
	}
	if err := lab.LinkTools(dir, o.kubernetes, o.aws); err != nil {
		return nil, err
	}
	return lab.Up(ctx, lab.Config{Dir: dir, World: o.world, Mayflyd: beside("mayflyd"), Mayfly: beside("mayfly"), Kubernetes: o.kubernetes,
		Say: func(format string, args ...any) { fmt.Fprintf(say, "up: "+format+"\n", args...) }})
}

func newUp(o *options, stdout io.Writer) *cobra.Command {
	cmd := &cobra.Command{Use: "up", Short: "Bring the lab up and keep it up until Ctrl-C", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			l, err := o.bring(cmd.Context(), stdout)
			if err != nil {
				return err
			}
			defer l.Down()
			hints(stdout, l)
			<-cmd.Context().Done()
			fmt.Fprintln(stdout, "going down")
			return nil
		}}
	addUpFlags(cmd, o)
	return cmd
}

// hints says what to try in a lab that is up.
func hints(w io.Writer, l *lab.Lab) {
	fmt.Fprintf(w, `
In another terminal, from the same folder:

  # administrator of Mayfly for fifteen minutes; the aws CLI talks to the lab then
  eval "$(bin/mayflyd admin credentials --data %[1]s)"
  aws iam list-roles --query 'Roles[].Arn'
  bin/mayfly audit tail -f

  # a job of the lab's GitLab, on any branch of its world
  bin/mayfly-lab run --dir %[2]s --project my_group/my-fancy_project --ref feature-1 --role ROLE_ARN

  # the cluster's own administrator
  %[2]s/bin/kubectl --kubeconfig %[3]s get all -A

Ctrl-C here takes it down.
`, l.DataDir(), l.Dir, l.Cluster.AdminKubeconfig())
}

func newDemo(o *options, stdout io.Writer) *cobra.Command {
	var examples string
	var keep bool
	cmd := &cobra.Command{Use: "demo", Short: "Run the story of examples/gitlab-to-kubernetes and say what each step proves", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx := cmd.Context()
			if err := lab.Clear(o.dir); err != nil {
				return err
			}
			l, err := o.bring(ctx, stdout)
			if err != nil {
				return err
			}
			defer l.Down()
			dir, err := filepath.Abs(examples)
			if err != nil {
				return err
			}
			d := &lab.Demo{Lab: l, Examples: dir, Out: stdout, Color: isTerminal(stdout)}
			if err := d.Run(ctx); err != nil {
				return err
			}
			if keep {
				hints(stdout, l)
				<-ctx.Done()
			}
			return nil
		}}
	addUpFlags(cmd, o)
	cmd.Flags().StringVar(&examples, "examples", "examples/gitlab-to-kubernetes", "the folder of the story's files")
	cmd.Flags().BoolVar(&keep, "keep", false, "leave the lab up afterwards, until Ctrl-C")
	return cmd
}

func newFindAWS(stdout, stderr io.Writer) *cobra.Command {
	return &cobra.Command{Use: "find-aws", Short: "Print the path of an AWS CLI that honours AWS_ENDPOINT_URL, installing one if there is none", Args: cobra.NoArgs,
		Long: `find-aws tries the aws on PATH against a listener on loopback: a CLI that does not
honour AWS_ENDPOINT_URL would send the job's token to the real STS. If that one
is of no use, it installs one with pip into the user's cache.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cache, err := os.UserCacheDir()
			if err != nil {
				return err
			}
			path, err := lab.FindAWS(cmd.Context(), "", filepath.Join(cache, "mayfly"), func(format string, args ...any) { fmt.Fprintf(stderr, "mayfly-lab: "+format+"\n", args...) })
			if err != nil {
				return err
			}
			fmt.Fprintln(stdout, path)
			return nil
		}}
}

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd())) && os.Getenv("NO_COLOR") == ""
}

// door is the way into a lab that is up.
func (o *options) door() (*lab.Lab, *labgitlab.Client, error) {
	state, err := lab.LoadState(o.dir)
	if err != nil {
		return nil, nil, err
	}
	dir, err := filepath.Abs(o.dir)
	if err != nil {
		return nil, nil, err
	}
	trust, err := lab.Trust(filepath.Join(dir, "gitlab-ca.crt"))
	if err != nil {
		return nil, nil, err
	}
	return &lab.Lab{Config: lab.Config{Dir: dir}, State: state},
		&labgitlab.Client{URL: state.GitLabURL(), Secret: state.Secret, HTTP: &http.Client{Transport: &http.Transport{TLSClientConfig: trust}}}, nil
}

func newProtect(o *options, stdout io.Writer) *cobra.Command {
	var push, merge []string
	var change labgitlab.BranchProtection
	cmd := &cobra.Command{Use: "protect PROJECT BRANCH", Short: "Protect a branch in a lab that is up, or change how it is protected", Args: cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			_, door, err := o.door()
			if err != nil {
				return err
			}
			change.Project, change.Name, change.Push, change.Merge = args[0], args[1], levels(push), levels(merge)
			if err := door.ProtectBranch(cmd.Context(), change); err != nil {
				return err
			}
			fmt.Fprintf(stdout, "%s is protected in %s\n", args[1], args[0])
			return nil
		}}
	f := cmd.Flags()
	f.StringArrayVar(&push, "push", nil, "`ROLE` that may push (repeatable; default no one)")
	f.StringArrayVar(&merge, "merge", []string{"maintainer"}, "`ROLE` that may merge (repeatable)")
	f.BoolVar(&change.AllowForcePush, "allow-force-push", false, "whether those who push may replace history")
	f.BoolVar(&change.CodeOwners, "code-owners", false, "whether code owners must approve")
	return cmd
}

func levels(roles []string) []labgitlab.LevelChange {
	var out []labgitlab.LevelChange
	for _, role := range roles {
		out = append(out, labgitlab.LevelChange{Level: role})
	}
	return out
}

func newUnprotect(o *options, stdout io.Writer) *cobra.Command {
	return &cobra.Command{Use: "unprotect PROJECT BRANCH", Short: "Take the protection of a branch away in a lab that is up", Args: cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			_, door, err := o.door()
			if err != nil {
				return err
			}
			if err := door.UnprotectBranch(cmd.Context(), args[0], args[1]); err != nil {
				return err
			}
			fmt.Fprintf(stdout, "%s is no longer protected in %s\n", args[1], args[0])
			return nil
		}}
}

func newRun(o *options, stdout io.Writer) *cobra.Command {
	var request labgitlab.PipelineRequest
	var job, role, target string
	cmd := &cobra.Command{Use: "run --project PATH --ref REF", Short: "Run a project's pipeline against a lab that is up", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			l, door, err := o.door()
			if err != nil {
				return err
			}
			if target != "" {
				request.Source = "merge_request_event"
				request.MergeRequest = &labgitlab.MergeRequest{TargetBranch: target}
			}
			request.InstanceVariables = append(l.JobVariables(), request.InstanceVariables...)
			if role != "" {
				request.InstanceVariables = append(request.InstanceVariables, labgitlab.Variable{Key: "EKS_ROLE_ARN", Value: role})
			}
			p, err := door.CreatePipeline(cmd.Context(), request)
			if err != nil {
				return err
			}
			r := labgitlab.Runner{Door: door, Out: stdout, Environment: l.BaseEnv(), TempDir: filepath.Join(l.Dir, "builds"), Color: isTerminal(stdout)}
			if job != "" {
				r.Only = []string{job}
			}
			report, err := r.Run(cmd.Context(), p)
			if err != nil {
				return err
			}
			if report.Status != "success" {
				return fmt.Errorf("the pipeline ended as %s", report.Status)
			}
			return nil
		}}
	f := cmd.Flags()
	f.StringVar(&request.Project, "project", "", "full path of the project")
	f.StringVar(&request.Ref, "ref", "", "branch or tag")
	f.StringVar((*string)(&request.RefType), "ref-type", "", "branch or tag (default: a branch of that name, else a tag)")
	f.StringVar(&request.User, "user", "", "login of who starts it (default: the world's first user)")
	f.StringVar(&request.Source, "source", "push", "pipeline source: "+strings.Join(labgitlab.Sources, ", "))
	f.StringVar(&target, "mr", "", "run a merge request pipeline into this target branch")
	f.StringVar(&job, "job", "", "run only this job")
	f.StringVar(&role, "role", "", "sets the CI/CD variable EKS_ROLE_ARN")
	return cmd
}
