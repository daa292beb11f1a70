package chain

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/credentials/stscreds"
	"github.com/aws/aws-sdk-go-v2/service/eks"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	ststypes "github.com/aws/aws-sdk-go-v2/service/sts/types"

	"mayfly.internal/internal/lab"
)

// allow makes a role of a trust statement for an AWS principal and of permission
// statements.
func (w world) allow(t *testing.T, name, principal, condition, permissions string) {
	t.Helper()
	w.makeRole(t, name, `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"`+principal+`"},"Action":["sts:AssumeRole","sts:TagSession","sts:SetSourceIdentity"],"Condition":{`+condition+`}}]}`)
	if _, err := iam.NewFromConfig(w.config).PutRolePolicy(t.Context(), &iam.PutRolePolicyInput{RoleName: &name, PolicyName: aws.String("inline"), PolicyDocument: aws.String(`{"Version":"2012-10-17","Statement":[` + permissions + `]}`)}); err != nil {
		t.Fatal(err)
	}
}

// jobConfig is the SDK with credentials of a fresh job.
func (w world) jobConfig(t *testing.T) aws.Config {
	t.Helper()
	out, err := w.exchange(t, w.role("gitlab-deployer"), w.token(t, production()))
	if err != nil {
		t.Fatal(err)
	}
	return w.sdk(t, credentials.NewStaticCredentialsProvider(aws.ToString(out.Credentials.AccessKeyId), aws.ToString(out.Credentials.SecretAccessKey), aws.ToString(out.Credentials.SessionToken)))
}

// TestChainedSDK: the SDK's own provider assumes a role with a job's session,
// and another with that, with tags, a source identity, an external id and a
// session policy; a refusal's message is decoded.
func TestChainedSDK(t *testing.T) {
	w := newWorld(t)
	w.teach(t)
	deployer := "gitlab-deployer"
	if _, err := iam.NewFromConfig(w.config).PutRolePolicy(t.Context(), &iam.PutRolePolicyInput{RoleName: &deployer, PolicyName: aws.String("inline"), PolicyDocument: aws.String(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"sts:SetSourceIdentity","Resource":"*"}]}`)}); err != nil {
		t.Fatal(err)
	}
	w.allow(t, "first", w.role("gitlab-deployer"), `"StringEquals":{"sts:ExternalId":"x-7","aws:RequestTag/Team":"web"}`, `{"Effect":"Allow","Action":["sts:*","iam:*"],"Resource":"*"}`)
	w.allow(t, "second", w.account, `"StringEquals":{"aws:PrincipalTag/Team":"web","sts:SourceIdentity":"alice"}`, `{"Effect":"Allow","Action":["eks:ListClusters","eks:DescribeCluster","iam:ListRoles","sts:DecodeAuthorizationMessage"],"Resource":"*"}`)
	job := w.jobConfig(t)
	ctx := t.Context()
	assume := func(c aws.Config, role string, change func(*stscreds.AssumeRoleOptions)) aws.Config {
		return w.sdk(t, aws.NewCredentialsCache(stscreds.NewAssumeRoleProvider(sts.NewFromConfig(c), w.role(role), func(o *stscreds.AssumeRoleOptions) {
			o.RoleSessionName, o.Duration = "sdk-"+role, 15*time.Minute
			if change != nil {
				change(o)
			}
		})))
	}
	tagged := func(o *stscreds.AssumeRoleOptions) {
		o.ExternalID, o.SourceIdentity = aws.String("x-7"), aws.String("alice")
		o.Tags, o.TransitiveTagKeys = []ststypes.Tag{{Key: aws.String("Team"), Value: aws.String("web")}}, []string{"Team"}
	}
	first := assume(job, "first", tagged)
	second := assume(first, "second", func(o *stscreds.AssumeRoleOptions) {
		o.Policy = aws.String(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["eks:*","sts:*"],"Resource":"*"}]}`)
	})
	who, err := sts.NewFromConfig(second).GetCallerIdentity(ctx, &sts.GetCallerIdentityInput{})
	if err != nil || aws.ToString(who.Arn) != "arn:aws:sts::"+w.account+":assumed-role/second/sdk-second" {
		t.Fatalf("%+v, %v", who, err)
	}
	if _, err := eks.NewFromConfig(second).ListClusters(ctx, &eks.ListClustersInput{}); err != nil {
		t.Errorf("what role and session policy allow: %v", err)
	}
	_, err = iam.NewFromConfig(second).ListRoles(ctx, &iam.ListRolesInput{})
	if code(err) != "AccessDenied" || !strings.Contains(err.Error(), "because no session policy allows the iam:ListRoles action") {
		t.Errorf("what the session policy does not allow: %v", err)
	}
	_, message, _ := strings.Cut(err.Error(), "Encoded authorization failure message: ")
	decoded, err := sts.NewFromConfig(second).DecodeAuthorizationMessage(ctx, &sts.DecodeAuthorizationMessageInput{EncodedMessage: &message})
	if err != nil {
		t.Fatal(err)
	}
	var said struct {
		Allowed, ExplicitDeny bool
		Context               struct {
			Principal  struct{ ID, ARN string }
			Action     string
			Conditions struct {
				Items []struct {
					Key    string
					Values struct{ Items []struct{ Value string } }
				}
			}
		}
	}
	if err := json.Unmarshal([]byte(aws.ToString(decoded.DecodedMessage)), &said); err != nil || said.Allowed || said.ExplicitDeny || said.Context.Action != "iam:ListRoles" || said.Context.Principal.ARN != aws.ToString(who.Arn) || len(said.Context.Conditions.Items) < 10 {
		t.Errorf("%v %s", err, aws.ToString(decoded.DecodedMessage))
	}

	for name, c := range map[string]aws.Config{
		"another external id":            assume(job, "first", func(o *stscreds.AssumeRoleOptions) { tagged(o); o.ExternalID = aws.String("x-8") }),
		"another tag":                    assume(job, "first", func(o *stscreds.AssumeRoleOptions) { tagged(o); o.Tags[0].Value = aws.String("other") }),
		"no tag":                         assume(job, "first", func(o *stscreds.AssumeRoleOptions) { tagged(o); o.Tags, o.TransitiveTagKeys = nil, nil }),
		"past the role on the way":       assume(job, "second", nil),
		"back to the role it began with": assume(first, "gitlab-deployer", nil),
	} {
		if _, err := c.Credentials.Retrieve(ctx); code(err) != "AccessDenied" {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := assume(first, "second", func(o *stscreds.AssumeRoleOptions) { o.SourceIdentity = aws.String("bob") }).Credentials.Retrieve(ctx); code(err) != "ValidationError" {
		t.Errorf("another source identity: %v", err)
	}
	if _, err := assume(first, "second", func(o *stscreds.AssumeRoleOptions) { o.Duration = 2 * time.Hour }).Credentials.Retrieve(ctx); code(err) != "ValidationError" {
		t.Errorf("two hours: %v", err)
	}
	if _, err := assume(first, "second", func(o *stscreds.AssumeRoleOptions) {
		o.PolicyARNs = []ststypes.PolicyDescriptorType{{Arn: aws.String("arn:aws:iam::" + w.account + ":policy/none")}}
	}).Credentials.Retrieve(ctx); code(err) != "ValidationError" {
		t.Errorf("a managed policy that is not there: %v", err)
	}

	admin := iam.NewFromConfig(w.config)
	if _, err := admin.DeleteRolePolicy(ctx, &iam.DeleteRolePolicyInput{RoleName: aws.String("first"), PolicyName: aws.String("inline")}); err != nil {
		t.Fatal(err)
	}
	if _, err := admin.DeleteRole(ctx, &iam.DeleteRoleInput{RoleName: aws.String("first")}); err != nil {
		t.Fatal(err)
	}
	if _, err := sts.NewFromConfig(second).GetCallerIdentity(ctx, &sts.GetCallerIdentityInput{}); code(err) != "InvalidClientTokenId" {
		t.Errorf("a session outlives a role it was assumed through: %v", err)
	}
}

// TestChainedCLI: the AWS CLI assumes a role by command, by a profile with
// role_arn, and on the way into a cluster.
func TestChainedCLI(t *testing.T) {
	w := newWorld(t)
	w.teach(t)
	w.allow(t, "next", w.role("gitlab-deployer"), `"StringEquals":{"aws:PrincipalAccount":"`+w.account+`"}`, `{"Effect":"Allow","Action":"eks:DescribeCluster","Resource":"*"}`)
	w.register(t, "chained")
	job, err := w.jobConfig(t).Credentials.Retrieve(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	_, _, bin := programs(t)
	dir := t.TempDir()
	config := filepath.Join(dir, "config")
	if err := os.WriteFile(config, []byte("[profile job]\naws_access_key_id = "+job.AccessKeyID+"\naws_secret_access_key = "+job.SecretAccessKey+"\naws_session_token = "+job.SessionToken+
		"\n[profile next]\nrole_arn = "+w.role("next")+"\nsource_profile = job\nduration_seconds = 900\n[profile environment]\nrole_arn = "+w.role("next")+"\ncredential_source = Environment\n[profile nobody]\nrole_arn = "+w.role("nobody")+"\nsource_profile = job\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	keys := []string{"AWS_ACCESS_KEY_ID=" + job.AccessKeyID, "AWS_SECRET_ACCESS_KEY=" + job.SecretAccessKey, "AWS_SESSION_TOKEN=" + job.SessionToken}
	run := func(env []string, args ...string) (string, error) {
		cmd := exec.CommandContext(t.Context(), bin, args...)
		cmd.Env = append([]string{"PATH=" + os.Getenv("PATH"), "HOME=" + dir, "AWS_CONFIG_FILE=" + config, "KUBECONFIG=" + filepath.Join(dir, "kubeconfig"), "AWS_ENDPOINT_URL=" + w.State.MayflyURL(), "AWS_CA_BUNDLE=" + filepath.Join(w.DataDir(), "ca.pem"), "AWS_DEFAULT_REGION=" + lab.Region, "AWS_REGION=" + lab.Region}, env...)
		out, err := cmd.CombinedOutput()
		return string(out), err
	}
	for _, tt := range []struct {
		name string
		env  []string
		args string
		want string
	}{
		{"assume-role", keys, "sts assume-role --role-arn " + w.role("next") + " --role-session-name cli --tags Key=Team,Value=web --transitive-tag-keys Team --duration-seconds 900", `:assumed-role/next/cli"`},
		{"a profile with a source profile", nil, "sts get-caller-identity --profile next", ":assumed-role/next/botocore-session-"},
		{"a profile with credentials of the environment", keys, "sts get-caller-identity --profile environment", ":assumed-role/next/botocore-session-"},
		{"update-kubeconfig with the role", nil, "eks update-kubeconfig --name chained --role-arn " + w.role("next") + " --profile next", "Added new context"},
		{"get-token with the role", keys, "eks get-token --cluster-name chained --role-arn " + w.role("next"), `"token": "k8s-aws-v1.`},
		{"a role that does not exist", nil, "sts get-caller-identity --profile nobody", "An error occurred (AccessDenied) when calling the AssumeRole operation: User: arn:aws:sts::" + w.account + ":assumed-role/gitlab-deployer/GitLabRunner-1 is not authorized to perform: sts:AssumeRole on resource: " + w.role("nobody") + ". Encoded authorization failure message: "},
	} {
		t.Run(tt.name, func(t *testing.T) {
			out, err := run(tt.env, strings.Fields(tt.args)...)
			if !strings.Contains(out, tt.want) || (err != nil) != strings.HasPrefix(tt.want, "An error") {
				t.Errorf("%v\n%s", err, out)
			}
		})
	}
	kubeconfig, err := os.ReadFile(filepath.Join(dir, "kubeconfig"))
	if err != nil || !strings.Contains(string(kubeconfig), "--role") && !strings.Contains(string(kubeconfig), "- --role-arn") || !strings.Contains(string(kubeconfig), w.role("next")) {
		t.Errorf("%v\n%s", err, kubeconfig)
	}
}
