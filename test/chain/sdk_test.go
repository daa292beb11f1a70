package chain

import (
	"context"
	"crypto/x509"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/credentials/stscreds"
	"github.com/aws/aws-sdk-go-v2/service/eks"
	ekstypes "github.com/aws/aws-sdk-go-v2/service/eks/types"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	iamtypes "github.com/aws/aws-sdk-go-v2/service/iam/types"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	ststypes "github.com/aws/aws-sdk-go-v2/service/sts/types"
	"github.com/aws/smithy-go"

	"mayfly.internal/internal/lab"
	"mayfly.internal/internal/labgitlab"
)

const project = "my_group/my-fancy_project"

// world is a lab and what tests need of it.
type world struct {
	*lab.Lab
	account string
	config  aws.Config // of the administrator
}

// newWorld brings up a lab without a cluster and its administrator's SDK.
func newWorld(t *testing.T) world { return newWorldIn(t, filepath.Join(t.TempDir(), "lab")) }

func newWorldIn(t *testing.T, dir string, server ...string) world {
	t.Helper()
	return worldOf(t, newLabIn(t, dir, false, server...))
}

// worldOf is a lab with the SDK of its administrator.
func worldOf(t *testing.T, l *lab.Lab) world {
	t.Helper()
	w := world{Lab: l}
	w.config = w.admin(t)
	who, err := sts.NewFromConfig(w.config).GetCallerIdentity(t.Context(), &sts.GetCallerIdentityInput{})
	if err != nil {
		t.Fatal(err)
	}
	w.account = aws.ToString(who.Account)
	return w
}

// admin is the SDK with credentials of the admin socket.
func (w world) admin(t *testing.T) aws.Config {
	t.Helper()
	env, err := w.AdminEnv(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return w.sdk(t, credentials.NewStaticCredentialsProvider(env["AWS_ACCESS_KEY_ID"], env["AWS_SECRET_ACCESS_KEY"], env["AWS_SESSION_TOKEN"]))
}

// sdk is the SDK's configuration for the lab's server.
func (w world) sdk(t *testing.T, c aws.CredentialsProvider) aws.Config {
	t.Helper()
	pem, err := os.ReadFile(filepath.Join(w.DataDir(), "ca.pem"))
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(pem)
	client := awshttp.NewBuildableClient().WithTransportOptions(func(tr *http.Transport) { tr.TLSClientConfig.RootCAs = pool })
	return aws.Config{Region: lab.Region, BaseEndpoint: aws.String(w.State.MayflyURL()), Credentials: c, HTTPClient: client, RetryMaxAttempts: 1}
}

func (w world) issuer() string { return strings.TrimPrefix(w.State.GitLabURL(), "https://") }

func (w world) provider() string {
	return "arn:aws:iam::" + w.account + ":oidc-provider/" + w.issuer()
}

func (w world) role(name string) string { return "arn:aws:iam::" + w.account + ":role/" + name }

// trust is a trust policy with the story's audience and a condition on sub.
func (w world) trust(operator, sub string) string {
	return `{"Version":"2012-10-17","Statement":[{"Sid":"Branch","Effect":"Allow","Principal":{"Federated":"` + w.provider() + `"},"Action":"sts:AssumeRoleWithWebIdentity",
		"Condition":{"StringEquals":{"` + w.issuer() + `:aud":"gitlab-aws-deploy"},"` + operator + `":{"` + w.issuer() + `:sub":"` + sub + `"}}}]}`
}

// teach registers the lab's GitLab and the story's role.
func (w world) teach(t *testing.T) {
	t.Helper()
	c := iam.NewFromConfig(w.config)
	if _, err := c.CreateOpenIDConnectProvider(t.Context(), &iam.CreateOpenIDConnectProviderInput{Url: aws.String(w.State.GitLabURL()), ClientIDList: []string{"gitlab-aws-deploy"}}); err != nil {
		t.Fatal(err)
	}
	w.makeRole(t, "gitlab-deployer", w.trust("StringLike", "project_path:"+project+":ref_type:branch:ref:production"))
}

func (w world) makeRole(t *testing.T, name, trust string) {
	t.Helper()
	if _, err := iam.NewFromConfig(w.config).CreateRole(t.Context(), &iam.CreateRoleInput{RoleName: &name, AssumeRolePolicyDocument: &trust}); err != nil {
		t.Fatal(err)
	}
}

// token is the ID token of a fresh job.
func (w world) token(t *testing.T, r labgitlab.PipelineRequest) string {
	t.Helper()
	return w.tokenNamed(t, r, "GITLAB_OIDC_TOKEN")
}

// tokenNamed is the ID token of a name of a fresh job.
func (w world) tokenNamed(t *testing.T, r labgitlab.PipelineRequest, name string) string {
	t.Helper()
	p, err := w.GitLab().CreatePipeline(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	started, err := w.GitLab().StartJob(t.Context(), p.Jobs[0].ID, labgitlab.StartRequest{BuildsDir: w.Dir, ProjectDir: w.Dir, FilesDir: w.Dir})
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range started.Variables {
		if v.Key == name {
			return v.Value
		}
	}
	t.Fatal("the job got no token")
	return ""
}

func production() labgitlab.PipelineRequest {
	return labgitlab.PipelineRequest{Project: project, Ref: "production", RefType: "branch"}
}

// exchange asks for a session, unsigned.
func (w world) exchange(t *testing.T, role, token string) (*sts.AssumeRoleWithWebIdentityOutput, error) {
	t.Helper()
	return sts.NewFromConfig(w.sdk(t, aws.AnonymousCredentials{})).AssumeRoleWithWebIdentity(t.Context(), &sts.AssumeRoleWithWebIdentityInput{
		RoleArn: &role, RoleSessionName: aws.String("GitLabRunner-1"), WebIdentityToken: &token, DurationSeconds: aws.Int32(900)})
}

// code is the error code of a refusal, and "" for none.
func code(err error) string {
	if e := smithy.APIError(nil); errors.As(err, &e) {
		return e.ErrorCode()
	}
	if err != nil {
		return err.Error()
	}
	return ""
}

// TestWebIdentityProvider is how every AWS SDK finds a job's credentials: a
// token in a file, AWS_WEB_IDENTITY_TOKEN_FILE.
func TestWebIdentityProvider(t *testing.T) {
	w := newWorld(t)
	w.teach(t)
	file := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(file, []byte(w.token(t, production())+"\n"), 0o600); err != nil { // with the line break that echo writes
		t.Fatal(err)
	}
	p := stscreds.NewWebIdentityRoleProvider(sts.NewFromConfig(w.sdk(t, aws.AnonymousCredentials{})), w.role("gitlab-deployer"), stscreds.IdentityTokenFile(file), func(o *stscreds.WebIdentityRoleOptions) {
		o.RoleSessionName, o.Duration = "from-sdk", 15*time.Minute
	})
	c, err := p.Retrieve(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(c.AccessKeyID, "ASIA") || len(c.AccessKeyID) != 20 || len(c.SecretAccessKey) != 40 || c.AccountID != w.account {
		t.Errorf("credentials %s, %d characters of secret, account %s", c.AccessKeyID, len(c.SecretAccessKey), c.AccountID)
	}
	if left := time.Until(c.Expires); left < 14*time.Minute || left > 15*time.Minute {
		t.Errorf("they end in %s", left)
	}
	who, err := sts.NewFromConfig(w.sdk(t, aws.NewCredentialsCache(p))).GetCallerIdentity(t.Context(), &sts.GetCallerIdentityInput{})
	if err != nil {
		t.Fatal(err)
	}
	if got := aws.ToString(who.Arn); got != "arn:aws:sts::"+w.account+":assumed-role/gitlab-deployer/from-sdk" {
		t.Errorf("the caller is %s", got)
	}
	// The job's role may describe nothing and change nothing.
	job := w.sdk(t, aws.NewCredentialsCache(p))
	if _, err := iam.NewFromConfig(job).ListRoles(t.Context(), &iam.ListRolesInput{}); code(err) != "AccessDenied" {
		t.Errorf("iam:ListRoles: %v", err)
	}
	if _, err := eks.NewFromConfig(job).ListClusters(t.Context(), &eks.ListClustersInput{}); code(err) != "AccessDeniedException" {
		t.Errorf("eks:ListClusters: %v", err)
	}
}

// TestExchangeRefuses asks the assembled server for each neighbour of what is
// allowed.
func TestExchangeRefuses(t *testing.T) {
	w := newWorld(t)
	w.teach(t)
	good := w.token(t, production())
	if _, err := w.exchange(t, w.role("gitlab-deployer"), good); err != nil {
		t.Fatalf("the allowed case is refused: %v", err)
	}
	forge := w.GitLab().Forge()
	forged := func(f ...labgitlab.Forgery) string {
		token, err := forge.Token(good, f...)
		if err != nil {
			t.Fatal(err)
		}
		return token
	}
	login, err := w.GitLab().LoginToken(t.Context(), "mia", "gitlab-aws-deploy", "")
	if err != nil {
		t.Fatal(err)
	}
	const denied, invalid, expired = "AccessDenied", "InvalidIdentityToken", "ExpiredTokenException"
	for _, tt := range []struct{ name, role, token, want string }{
		{"another branch", "gitlab-deployer", w.token(t, labgitlab.PipelineRequest{Project: project, Ref: "feature-1", RefType: "branch"}), denied},
		{"a tag of the same name", "gitlab-deployer", w.token(t, labgitlab.PipelineRequest{Project: project, Ref: "production", RefType: "tag"}), denied},
		{"a project with a longer name", "gitlab-deployer", w.token(t, labgitlab.PipelineRequest{Project: project + "-fork", Ref: "production", RefType: "branch"}), denied},
		{"the branch in upper case", "gitlab-deployer", forged(labgitlab.WithClaim("ref", "PRODUCTION"), labgitlab.WithClaim("sub", "project_path:"+project+":ref_type:branch:ref:PRODUCTION")), denied},
		{"a longer branch", "gitlab-deployer", forged(labgitlab.WithClaim("ref", "production2"), labgitlab.WithClaim("sub", "project_path:"+project+":ref_type:branch:ref:production2")), denied},
		{"no sub", "gitlab-deployer", forged(labgitlab.WithoutClaim("sub")), invalid},
		{"no aud", "gitlab-deployer", forged(labgitlab.WithoutClaim("aud")), invalid},
		{"no exp", "gitlab-deployer", forged(labgitlab.WithoutClaim("exp")), invalid},
		{"no iat", "gitlab-deployer", forged(labgitlab.WithoutClaim("iat")), invalid},
		{"a sub that is an array", "gitlab-deployer", forged(labgitlab.WithClaim("sub", []string{"project_path:" + project + ":ref_type:branch:ref:production"})), invalid},
		{"two audiences", "gitlab-deployer", forged(labgitlab.WithClaim("aud", []string{"gitlab-aws-deploy", "other"})), invalid},
		{"another audience", "gitlab-deployer", forged(labgitlab.WithClaim("aud", "other")), invalid},
		{"a token a second too old", "gitlab-deployer", forged(labgitlab.Expired(time.Now().Add(-time.Second))), expired},
		{"a token of tomorrow", "gitlab-deployer", forged(labgitlab.ValidFrom(time.Now().Add(24 * time.Hour))), invalid},
		{"one bit of the signature", "gitlab-deployer", forged(labgitlab.WithOneBitChanged()), invalid},
		{"alg none", "gitlab-deployer", forged(labgitlab.Unsigned()), invalid},
		{"HS256 under the public key", "gitlab-deployer", forged(forge.SignedWithPublicKey()), invalid},
		{"an embedded key", "gitlab-deployer", forged(labgitlab.WithHeader("jwk", map[string]string{"kty": "RSA"})), invalid},
		{"a key URL", "gitlab-deployer", forged(labgitlab.WithHeader("jku", "https://evil.example/keys")), invalid},
		{"a critical header", "gitlab-deployer", forged(labgitlab.WithHeader("crit", []string{"exp"})), invalid},
		{"the login key under its own name", "gitlab-deployer", login, invalid},
		{"an issuer that is not registered", "gitlab-deployer", forged(labgitlab.WithClaim("iss", "https://gitlab.evil.example")), invalid},
		{"the issuer with a slash", "gitlab-deployer", forged(labgitlab.WithClaim("iss", w.State.GitLabURL()+"/")), invalid},
		{"a role that does not exist", "no-such-role", good, denied},
		{"the administrator's role", "mayfly-admin", good, denied},
		{"the role in another case", "GitLab-Deployer", good, denied},
		{"an access token", "gitlab-deployer", "glpat-0000000000000000", invalid},
	} {
		t.Run(tt.name, func(t *testing.T) {
			out, err := w.exchange(t, w.role(tt.role), tt.token)
			if got := code(err); got != tt.want {
				t.Errorf("got %q, want %s (%v)", got, tt.want, err)
			}
			if out != nil && out.Credentials != nil {
				t.Error("credentials came with it")
			}
		})
	}
	t.Run("another account", func(t *testing.T) {
		_, err := w.exchange(t, "arn:aws:iam::000000000001:role/gitlab-deployer", good)
		if code(err) != denied {
			t.Error(err)
		}
	})
	t.Run("typed errors of the SDK", func(t *testing.T) {
		_, err := w.exchange(t, w.role("gitlab-deployer"), forged(labgitlab.Expired(time.Now().Add(-time.Minute))))
		if e := (*ststypes.ExpiredTokenException)(nil); !errors.As(err, &e) {
			t.Error(err)
		}
		_, err = w.exchange(t, w.role("gitlab-deployer"), forged(labgitlab.WithOneBitChanged()))
		if e := (*ststypes.InvalidIdentityTokenException)(nil); !errors.As(err, &e) {
			t.Error(err)
		}
	})
}

// TestManage makes and unmakes everything of the story through the SDK.
func TestManage(t *testing.T) {
	w := newWorld(t)
	w.teach(t)
	ctx := t.Context()
	i, k := iam.NewFromConfig(w.config), eks.NewFromConfig(w.config)
	must := func(what string, err error) {
		t.Helper()
		if err != nil {
			t.Fatalf("%s: %v", what, err)
		}
	}
	wants := func(what string, err error, target any) {
		t.Helper()
		if !errors.As(err, target) {
			t.Errorf("%s: %v", what, err)
		}
	}
	_, err := i.CreateOpenIDConnectProvider(ctx, &iam.CreateOpenIDConnectProviderInput{Url: aws.String(w.State.GitLabURL())})
	wants("a provider twice", err, new(*iamtypes.EntityAlreadyExistsException))
	p, err := i.GetOpenIDConnectProvider(ctx, &iam.GetOpenIDConnectProviderInput{OpenIDConnectProviderArn: aws.String(w.provider())})
	must("get the provider", err)
	if aws.ToString(p.Url) != w.State.GitLabURL() || len(p.ClientIDList) != 1 {
		t.Errorf("the provider is %s %v", aws.ToString(p.Url), p.ClientIDList)
	}
	_, err = i.CreateRole(ctx, &iam.CreateRoleInput{RoleName: aws.String("GITLAB-deployer"), AssumeRolePolicyDocument: aws.String(w.trust("StringLike", "x"))})
	wants("a role whose name differs in case", err, new(*iamtypes.EntityAlreadyExistsException))
	_, err = i.CreateRole(ctx, &iam.CreateRoleInput{RoleName: aws.String("broken"), AssumeRolePolicyDocument: aws.String(`{"Version":"2012-10-17"`)})
	wants("a broken trust policy", err, new(*iamtypes.MalformedPolicyDocumentException))
	_, err = i.GetRole(ctx, &iam.GetRoleInput{RoleName: aws.String("nobody")})
	wants("a role that is not there", err, new(*iamtypes.NoSuchEntityException))
	for _, name := range []string{"a", "b", "c"} {
		w.makeRole(t, "page-"+name, w.trust("StringLike", "x"))
	}
	var names []string
	for pages := iam.NewListRolesPaginator(i, &iam.ListRolesInput{MaxItems: aws.Int32(2)}); pages.HasMorePages(); {
		page, err := pages.NextPage(ctx)
		must("list roles", err)
		for _, r := range page.Roles {
			names = append(names, aws.ToString(r.RoleName))
		}
	}
	if got := strings.Join(names, " "); got != "gitlab-deployer mayfly-admin page-a page-b page-c" {
		t.Errorf("roles: %s", got)
	}
	_, err = i.PutRolePolicy(ctx, &iam.PutRolePolicyInput{RoleName: aws.String("gitlab-deployer"), PolicyName: aws.String("p"), PolicyDocument: aws.String(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"eks:DescribeCluster","Resource":"*"}]}`)})
	must("put a policy", err)
	_, err = i.DeleteRole(ctx, &iam.DeleteRoleInput{RoleName: aws.String("gitlab-deployer")})
	wants("delete a role with policies", err, new(*iamtypes.DeleteConflictException))
	_, err = i.PutRolePolicy(ctx, &iam.PutRolePolicyInput{RoleName: aws.String("mayfly-admin"), PolicyName: aws.String("p"), PolicyDocument: aws.String(`{"Version":"2012-10-17","Statement":[]}`)})
	if err == nil {
		t.Error("the administrator's role was changed")
	}

	env, err := w.AdminEnv(ctx)
	must("admin", err)
	if _, err := w.Run(ctx, env, w.Mayfly, "cluster", "register", "sdk", "--endpoint", "https://127.0.0.1:1", "--ca-file", filepath.Join(w.DataDir(), "ca.pem"), "--region", lab.Region); err != nil {
		t.Fatal(err)
	}
	c, err := k.DescribeCluster(ctx, &eks.DescribeClusterInput{Name: aws.String("sdk")})
	must("describe the cluster", err)
	if c.Cluster.Status != ekstypes.ClusterStatusActive || aws.ToString(c.Cluster.Endpoint) != "https://127.0.0.1:1" || aws.ToString(c.Cluster.CertificateAuthority.Data) == "" {
		t.Errorf("the cluster is %+v", c.Cluster)
	}
	_, err = k.DescribeCluster(ctx, &eks.DescribeClusterInput{Name: aws.String("none")})
	wants("a cluster that is not there", err, new(*ekstypes.ResourceNotFoundException))
	_, err = k.CreateAccessEntry(ctx, &eks.CreateAccessEntryInput{ClusterName: aws.String("sdk"), PrincipalArn: aws.String(w.role("nobody"))})
	wants("an entry for nobody", err, new(*ekstypes.InvalidParameterException))
	entry := &eks.CreateAccessEntryInput{ClusterName: aws.String("sdk"), PrincipalArn: aws.String(w.role("gitlab-deployer")), KubernetesGroups: []string{"deployers"}}
	_, err = k.CreateAccessEntry(ctx, entry)
	must("create an entry", err)
	_, err = k.CreateAccessEntry(ctx, &eks.CreateAccessEntryInput{ClusterName: entry.ClusterName, PrincipalArn: entry.PrincipalArn})
	wants("an entry twice", err, new(*ekstypes.ResourceInUseException))
	for _, group := range []string{"system:masters", "a-{{SessionName}}"} {
		_, err = k.UpdateAccessEntry(ctx, &eks.UpdateAccessEntryInput{ClusterName: entry.ClusterName, PrincipalArn: entry.PrincipalArn, KubernetesGroups: []string{group}})
		wants("the group "+group, err, new(*ekstypes.InvalidParameterException))
	}
	view := aws.String("arn:aws:eks::aws:cluster-access-policy/AmazonEKSViewPolicy")
	_, err = k.AssociateAccessPolicy(ctx, &eks.AssociateAccessPolicyInput{ClusterName: entry.ClusterName, PrincipalArn: entry.PrincipalArn, PolicyArn: view, AccessScope: &ekstypes.AccessScope{Type: ekstypes.AccessScopeTypeNamespace, Namespaces: []string{"dev-*"}}})
	must("associate", err)
	list, err := k.ListAssociatedAccessPolicies(ctx, &eks.ListAssociatedAccessPoliciesInput{ClusterName: entry.ClusterName, PrincipalArn: entry.PrincipalArn})
	must("list associations", err)
	if len(list.AssociatedAccessPolicies) != 1 || list.AssociatedAccessPolicies[0].AccessScope.Namespaces[0] != "dev-*" {
		t.Errorf("associations: %+v", list.AssociatedAccessPolicies)
	}
	_, err = k.AssociateAccessPolicy(ctx, &eks.AssociateAccessPolicyInput{ClusterName: entry.ClusterName, PrincipalArn: entry.PrincipalArn, PolicyArn: aws.String("arn:aws:eks::aws:cluster-access-policy/Nope"), AccessScope: &ekstypes.AccessScope{Type: ekstypes.AccessScopeTypeCluster}})
	wants("a policy that is not there", err, new(*ekstypes.InvalidParameterException))
	_, err = k.DisassociateAccessPolicy(ctx, &eks.DisassociateAccessPolicyInput{ClusterName: entry.ClusterName, PrincipalArn: entry.PrincipalArn, PolicyArn: view})
	must("disassociate", err)
	_, err = k.DeleteAccessEntry(ctx, &eks.DeleteAccessEntryInput{ClusterName: entry.ClusterName, PrincipalArn: entry.PrincipalArn})
	must("delete the entry", err)

	good := w.token(t, production())
	out, err := w.exchange(t, w.role("gitlab-deployer"), good)
	must("exchange", err)
	job := w.sdk(t, credentials.NewStaticCredentialsProvider(aws.ToString(out.Credentials.AccessKeyId), aws.ToString(out.Credentials.SecretAccessKey), aws.ToString(out.Credentials.SessionToken)))
	_, err = eks.NewFromConfig(job).DescribeCluster(ctx, &eks.DescribeClusterInput{Name: aws.String("sdk")})
	must("the job describes the cluster", err)
	_, err = i.DeleteOpenIDConnectProvider(ctx, &iam.DeleteOpenIDConnectProviderInput{OpenIDConnectProviderArn: aws.String(w.provider())})
	must("delete the provider", err)
	if _, err = eks.NewFromConfig(job).DescribeCluster(ctx, &eks.DescribeClusterInput{Name: aws.String("sdk")}); code(err) != "UnrecognizedClientException" {
		t.Errorf("a session outlived its provider: %v", err)
	}
	if _, err = w.exchange(t, w.role("gitlab-deployer"), good); code(err) != "InvalidIdentityToken" {
		t.Errorf("a token of a deleted provider: %v", err)
	}
}

// TestSignedRequestsRefused changes signed requests on their way.
func TestSignedRequestsRefused(t *testing.T) {
	w := newWorld(t)
	for name, change := range map[string]func(*http.Request){
		"one bit of the signature":      func(r *http.Request) { r.Header.Set("Authorization", flipLast(r.Header.Get("Authorization"))) },
		"an x-amz header added":         func(r *http.Request) { r.Header.Set("X-Amz-Meta", "x") },
		"another content type":          func(r *http.Request) { r.Header.Set("Content-Type", "text/plain") },
		"another session token":         func(r *http.Request) { r.Header.Set("X-Amz-Security-Token", "x"+r.Header.Get("X-Amz-Security-Token")) },
		"no signature":                  func(r *http.Request) { r.Header.Del("Authorization") },
		"no date":                       func(r *http.Request) { r.Header.Del("X-Amz-Date") },
		"a query added":                 func(r *http.Request) { r.URL.RawQuery = "x=y" },
		"another operation in the body": func(r *http.Request) {},
	} {
		t.Run(name, func(t *testing.T) {
			c := w.config.Copy()
			c.HTTPClient = changing{w.config.HTTPClient, change, name == "another operation in the body"}
			_, err := sts.NewFromConfig(c).GetCallerIdentity(context.Background(), &sts.GetCallerIdentityInput{})
			if err == nil {
				t.Fatal("accepted")
			}
			if got := code(err); got == "InternalFailure" || strings.Contains(got, " ") {
				t.Errorf("refused as %s", got)
			}
		})
	}
}

func flipLast(s string) string {
	last := s[len(s)-1]
	if last == '0' {
		return s[:len(s)-1] + "1"
	}
	return s[:len(s)-1] + "0"
}

// changing changes a request after it was signed.
type changing struct {
	aws.HTTPClient
	change func(*http.Request)
	body   bool
}

func (c changing) Do(r *http.Request) (*http.Response, error) {
	c.change(r)
	if c.body {
		form := "Action=GetCallerIdentity&Version=2011-06-15&X=1"
		r.Body, r.ContentLength = http.NoBody, 0
		r2, err := http.NewRequestWithContext(r.Context(), r.Method, r.URL.String(), strings.NewReader(form))
		if err != nil {
			return nil, err
		}
		r2.Header = r.Header
		r = r2
	}
	return c.HTTPClient.Do(r)
}
