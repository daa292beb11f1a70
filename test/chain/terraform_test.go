package chain

import (
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/eks"
	ekstypes "github.com/aws/aws-sdk-go-v2/service/eks/types"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"
)

// TestTerraformRole makes the calls that Terraform's AWS provider makes for an
// aws_iam_role with an inline policy: create, read, change, destroy.
func TestTerraformRole(t *testing.T) {
	w := newWorld(t)
	w.teach(t)
	c, ctx, name := iam.NewFromConfig(w.config), t.Context(), aws.String("terraformed")
	trust := w.trust("StringLike", "project_path:"+project+":ref_type:branch:ref:production")
	must := func(what string, err error) {
		t.Helper()
		if err != nil {
			t.Fatalf("%s: %v", what, err)
		}
	}
	tag := func(key, value string) types.Tag {
		return types.Tag{Key: aws.String(key), Value: aws.String(value)}
	}
	created, err := c.CreateRole(ctx, &iam.CreateRoleInput{RoleName: name, Path: aws.String("/ci/"), AssumeRolePolicyDocument: &trust, MaxSessionDuration: aws.Int32(3600), Tags: []types.Tag{tag("team", "web")}})
	must("create", err)
	_, err = c.PutRolePolicy(ctx, &iam.PutRolePolicyInput{RoleName: name, PolicyName: aws.String("describe"), PolicyDocument: aws.String(`{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"eks:DescribeCluster","Resource":"*"}}`)})
	must("put a policy", err)

	read := func() types.Role {
		t.Helper()
		out, err := c.GetRole(ctx, &iam.GetRoleInput{RoleName: name})
		must("read", err)
		if *out.Role.Arn != *created.Role.Arn || *out.Role.RoleId != *created.Role.RoleId {
			t.Errorf("it is %s %s", *out.Role.Arn, *out.Role.RoleId)
		}
		policies, err := c.ListRolePolicies(ctx, &iam.ListRolePoliciesInput{RoleName: name})
		must("read its policies", err)
		for _, p := range policies.PolicyNames {
			_, err := c.GetRolePolicy(ctx, &iam.GetRolePolicyInput{RoleName: name, PolicyName: &p})
			must("read a policy", err)
		}
		attached, err := c.ListAttachedRolePolicies(ctx, &iam.ListAttachedRolePoliciesInput{RoleName: name})
		must("read what is attached", err)
		if len(policies.PolicyNames) != 1 || len(attached.AttachedPolicies) != 0 || attached.IsTruncated {
			t.Errorf("policies %v, attached %v", policies.PolicyNames, attached.AttachedPolicies)
		}
		return *out.Role
	}
	if r := read(); len(r.Tags) != 1 || *r.MaxSessionDuration != 3600 || r.Description != nil {
		t.Errorf("%+v", r)
	}

	_, err = c.UpdateRoleDescription(ctx, &iam.UpdateRoleDescriptionInput{RoleName: name, Description: aws.String("deploys")})
	must("describe", err)
	_, err = c.UpdateRole(ctx, &iam.UpdateRoleInput{RoleName: name, MaxSessionDuration: aws.Int32(7200)})
	must("lengthen", err)
	_, err = c.UntagRole(ctx, &iam.UntagRoleInput{RoleName: name, TagKeys: []string{"team"}})
	must("untag", err)
	_, err = c.TagRole(ctx, &iam.TagRoleInput{RoleName: name, Tags: []types.Tag{tag("team", "data"), tag("env", "prod")}})
	must("tag", err)
	if r := read(); *r.Description != "deploys" || *r.MaxSessionDuration != 7200 {
		t.Errorf("%+v", r)
	}
	tags, err := c.ListRoleTags(ctx, &iam.ListRoleTagsInput{RoleName: name})
	must("list tags", err)
	if len(tags.Tags) != 2 || *tags.Tags[0].Key != "env" || *tags.Tags[1].Value != "data" {
		t.Errorf("%v", tags.Tags)
	}

	profiles, err := c.ListInstanceProfilesForRole(ctx, &iam.ListInstanceProfilesForRoleInput{RoleName: name})
	must("list instance profiles", err)
	if len(profiles.InstanceProfiles) != 0 {
		t.Errorf("%v", profiles.InstanceProfiles)
	}
	_, err = c.DeleteRole(ctx, &iam.DeleteRoleInput{RoleName: name})
	if code(err) != "DeleteConflict" {
		t.Errorf("a role with a policy is deleted: %v", err)
	}
	_, err = c.DeleteRolePolicy(ctx, &iam.DeleteRolePolicyInput{RoleName: name, PolicyName: aws.String("describe")})
	must("delete its policy", err)
	_, err = c.DeleteRole(ctx, &iam.DeleteRoleInput{RoleName: name})
	must("delete", err)
	if _, err := c.GetRole(ctx, &iam.GetRoleInput{RoleName: name}); code(err) != "NoSuchEntity" {
		t.Errorf("it is still there: %v", err)
	}
}

// TestTerraformPolicy is the same of an aws_iam_policy, an
// aws_iam_role_policy_attachment and a role with a permissions boundary.
func TestTerraformPolicy(t *testing.T) {
	w := newWorld(t)
	w.teach(t)
	c, ctx, name := iam.NewFromConfig(w.config), t.Context(), aws.String("bounded")
	trust := w.trust("StringLike", "project_path:"+project+":ref_type:branch:ref:production")
	must := func(what string, err error) {
		t.Helper()
		if err != nil {
			t.Fatalf("%s: %v", what, err)
		}
	}
	const document = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"eks:Describe*","Resource":"*"}]}`
	made, err := c.CreatePolicy(ctx, &iam.CreatePolicyInput{PolicyName: aws.String("describe"), Path: aws.String("/ci/"), Description: aws.String("d"), PolicyDocument: aws.String(document), Tags: []types.Tag{{Key: aws.String("team"), Value: aws.String("web")}}})
	must("create", err)
	policy := made.Policy.Arn
	limit, err := c.CreatePolicy(ctx, &iam.CreatePolicyInput{PolicyName: aws.String("limit"), PolicyDocument: aws.String(document)})
	must("create the boundary", err)

	_, err = c.CreateRole(ctx, &iam.CreateRoleInput{RoleName: name, AssumeRolePolicyDocument: &trust, PermissionsBoundary: limit.Policy.Arn})
	must("create the role", err)
	_, err = c.AttachRolePolicy(ctx, &iam.AttachRolePolicyInput{RoleName: name, PolicyArn: policy})
	must("attach", err)
	role, err := c.GetRole(ctx, &iam.GetRoleInput{RoleName: name})
	must("read the role", err)
	if b := role.Role.PermissionsBoundary; b == nil || *b.PermissionsBoundaryArn != *limit.Policy.Arn {
		t.Errorf("it is bounded by %+v", b)
	}
	attached, err := c.ListAttachedRolePolicies(ctx, &iam.ListAttachedRolePoliciesInput{RoleName: name})
	must("read what is attached", err)
	if len(attached.AttachedPolicies) != 1 || *attached.AttachedPolicies[0].PolicyArn != *policy {
		t.Errorf("attached is %+v", attached.AttachedPolicies)
	}

	version, err := c.CreatePolicyVersion(ctx, &iam.CreatePolicyVersionInput{PolicyArn: policy, PolicyDocument: aws.String(strings.Replace(document, "Describe", "List", 1)), SetAsDefault: true})
	must("change", err)
	read, err := c.GetPolicy(ctx, &iam.GetPolicyInput{PolicyArn: policy})
	must("read", err)
	if p := read.Policy; *p.AttachmentCount != 1 || *p.PermissionsBoundaryUsageCount != 0 || *p.DefaultVersionId != *version.PolicyVersion.VersionId || !p.IsAttachable || len(p.Tags) != 1 || *p.Description != "d" {
		t.Errorf("%+v", p)
	}
	text, err := c.GetPolicyVersion(ctx, &iam.GetPolicyVersionInput{PolicyArn: policy, VersionId: read.Policy.DefaultVersionId})
	must("read the version", err)
	if got, err := url.QueryUnescape(*text.PolicyVersion.Document); err != nil || !strings.Contains(got, "eks:List*") {
		t.Errorf("it says %s, %v", got, err)
	}
	versions := iam.NewListPolicyVersionsPaginator(c, &iam.ListPolicyVersionsInput{PolicyArn: policy, MaxItems: aws.Int32(1)})
	seen := ""
	for versions.HasMorePages() {
		page, err := versions.NextPage(ctx)
		must("list the versions", err)
		for _, v := range page.Versions {
			seen += *v.VersionId
		}
	}
	if seen != "v2v1" {
		t.Errorf("the versions are %s", seen)
	}

	says := func(action string) types.PolicyEvaluationDecisionType {
		t.Helper()
		out, err := c.SimulatePrincipalPolicy(ctx, &iam.SimulatePrincipalPolicyInput{PolicySourceArn: role.Role.Arn, ActionNames: []string{action}, ResourceArns: []string{"arn:aws:eks:eu-central-1:" + w.account + ":cluster/x"}})
		must("simulate", err)
		if len(out.EvaluationResults) != 1 || *out.EvaluationResults[0].EvalActionName != action || len(out.EvaluationResults[0].ResourceSpecificResults) != 1 {
			t.Fatalf("%+v", out.EvaluationResults)
		}
		return out.EvaluationResults[0].EvalDecision
	}
	if got := says("eks:ListClusters"); got != types.PolicyEvaluationDecisionTypeImplicitDeny { // beyond the boundary
		t.Errorf("a simulation says %s", got)
	}
	_, err = c.DeleteRolePermissionsBoundary(ctx, &iam.DeleteRolePermissionsBoundaryInput{RoleName: name})
	must("unbound", err)
	if got := says("eks:ListClusters"); got != types.PolicyEvaluationDecisionTypeAllowed {
		t.Errorf("unbounded, a simulation says %s", got)
	}
	_, err = c.PutRolePermissionsBoundary(ctx, &iam.PutRolePermissionsBoundaryInput{RoleName: name, PermissionsBoundary: limit.Policy.Arn})
	must("bound again", err)
	custom, err := c.SimulateCustomPolicy(ctx, &iam.SimulateCustomPolicyInput{PolicyInputList: []string{document}, ActionNames: []string{"eks:DescribeCluster"},
		ContextEntries: []types.ContextEntry{{ContextKeyName: aws.String("aws:SourceIp"), ContextKeyType: types.ContextKeyTypeEnumIp, ContextKeyValues: []string{"192.0.2.1"}}}})
	must("simulate a text", err)
	if r := custom.EvaluationResults[0]; r.EvalDecision != types.PolicyEvaluationDecisionTypeAllowed || *r.MatchedStatements[0].SourcePolicyId != "PolicyInputList.1" || r.MatchedStatements[0].StartPosition.Column != 38 {
		t.Errorf("%+v", r)
	}

	details, err := c.GetAccountAuthorizationDetails(ctx, &iam.GetAccountAuthorizationDetailsInput{Filter: []types.EntityType{types.EntityTypeRole, types.EntityTypeLocalManagedPolicy}})
	must("read everything", err)
	if len(details.Policies) != 2 || len(details.RoleDetailList) != 3 || len(details.UserDetailList) != 0 || len(details.Policies[0].PolicyVersionList) != 2 {
		t.Errorf("%d policies, %d roles", len(details.Policies), len(details.RoleDetailList))
	}
	summary, err := c.GetAccountSummary(ctx, &iam.GetAccountSummaryInput{})
	must("summarise", err)
	if summary.SummaryMap["Policies"] != 2 || summary.SummaryMap["AttachedPoliciesPerRoleQuota"] != 10 {
		t.Errorf("%v", summary.SummaryMap)
	}
	_, err = c.CreateAccountAlias(ctx, &iam.CreateAccountAliasInput{AccountAlias: aws.String("acme")})
	must("name the account", err)
	aliases, err := c.ListAccountAliases(ctx, &iam.ListAccountAliasesInput{})
	must("read its name", err)
	if len(aliases.AccountAliases) != 1 || aliases.AccountAliases[0] != "acme" {
		t.Errorf("%v", aliases.AccountAliases)
	}
	_, err = c.DeleteAccountAlias(ctx, &iam.DeleteAccountAliasInput{AccountAlias: aws.String("acme")})
	must("take its name", err)

	if _, err = c.DeletePolicy(ctx, &iam.DeletePolicyInput{PolicyArn: limit.Policy.Arn}); code(err) != "DeleteConflict" {
		t.Errorf("a boundary is deleted: %v", err)
	}
	if _, err = c.DeleteRole(ctx, &iam.DeleteRoleInput{RoleName: name}); code(err) != "DeleteConflict" {
		t.Errorf("a role with an attached policy is deleted: %v", err)
	}
	if _, err = c.AttachRolePolicy(ctx, &iam.AttachRolePolicyInput{RoleName: name, PolicyArn: aws.String("arn:aws:iam::aws:policy/ReadOnlyAccess")}); code(err) != "NoSuchEntity" {
		t.Errorf("a policy of AWS's is attached: %v", err)
	}
	entities, err := c.ListEntitiesForPolicy(ctx, &iam.ListEntitiesForPolicyInput{PolicyArn: policy})
	must("list the roles", err)
	for _, r := range entities.PolicyRoles {
		_, err = c.DetachRolePolicy(ctx, &iam.DetachRolePolicyInput{RoleName: r.RoleName, PolicyArn: policy})
		must("detach", err)
	}
	_, err = c.DeletePolicyVersion(ctx, &iam.DeletePolicyVersionInput{PolicyArn: policy, VersionId: aws.String("v1")})
	must("delete the old version", err)
	_, err = c.DeletePolicy(ctx, &iam.DeletePolicyInput{PolicyArn: policy})
	must("delete", err)
	_, err = c.DeleteRole(ctx, &iam.DeleteRoleInput{RoleName: name})
	must("delete the role", err)
	_, err = c.DeletePolicy(ctx, &iam.DeletePolicyInput{PolicyArn: limit.Policy.Arn})
	must("delete the boundary", err)
	if _, err := c.GetPolicy(ctx, &iam.GetPolicyInput{PolicyArn: policy}); code(err) != "NoSuchEntity" {
		t.Errorf("it is still there: %v", err)
	}
}

// TestTerraformProvider is the same of an aws_iam_openid_connect_provider.
func TestTerraformProvider(t *testing.T) {
	w := newWorld(t)
	c, ctx := iam.NewFromConfig(w.config), t.Context()
	must := func(what string, err error) {
		t.Helper()
		if err != nil {
			t.Fatalf("%s: %v", what, err)
		}
	}
	created, err := c.CreateOpenIDConnectProvider(ctx, &iam.CreateOpenIDConnectProviderInput{Url: aws.String("https://gitlab.example.com"), ClientIDList: []string{"a"}, Tags: []types.Tag{{Key: aws.String("team"), Value: aws.String("web")}}})
	must("create", err)
	name := created.OpenIDConnectProviderArn
	_, err = c.AddClientIDToOpenIDConnectProvider(ctx, &iam.AddClientIDToOpenIDConnectProviderInput{OpenIDConnectProviderArn: name, ClientID: aws.String("b")})
	must("add a client id", err)
	_, err = c.RemoveClientIDFromOpenIDConnectProvider(ctx, &iam.RemoveClientIDFromOpenIDConnectProviderInput{OpenIDConnectProviderArn: name, ClientID: aws.String("a")})
	must("remove a client id", err)
	_, err = c.TagOpenIDConnectProvider(ctx, &iam.TagOpenIDConnectProviderInput{OpenIDConnectProviderArn: name, Tags: []types.Tag{{Key: aws.String("env"), Value: aws.String("prod")}}})
	must("tag", err)
	_, err = c.UntagOpenIDConnectProvider(ctx, &iam.UntagOpenIDConnectProviderInput{OpenIDConnectProviderArn: name, TagKeys: []string{"team"}})
	must("untag", err)
	tags, err := c.ListOpenIDConnectProviderTags(ctx, &iam.ListOpenIDConnectProviderTagsInput{OpenIDConnectProviderArn: name})
	must("list tags", err)
	got, err := c.GetOpenIDConnectProvider(ctx, &iam.GetOpenIDConnectProviderInput{OpenIDConnectProviderArn: name})
	must("read", err)
	if *got.Url != "gitlab.example.com" || len(got.ClientIDList) != 1 || got.ClientIDList[0] != "b" || len(got.ThumbprintList) != 0 || len(got.Tags) != 1 || len(tags.Tags) != 1 || *tags.Tags[0].Key != "env" {
		t.Errorf("%+v, tags %v", got, tags.Tags)
	}
	_, err = c.DeleteOpenIDConnectProvider(ctx, &iam.DeleteOpenIDConnectProviderInput{OpenIDConnectProviderArn: name})
	must("delete", err)
	if _, err := c.GetOpenIDConnectProvider(ctx, &iam.GetOpenIDConnectProviderInput{OpenIDConnectProviderArn: name}); code(err) != "NoSuchEntity" {
		t.Errorf("it is still there: %v", err)
	}
}

// TestTerraformCluster is what the data source aws_eks_cluster reads, and an
// aws_eks_cluster's change of the authentication mode with the wait for it.
func TestTerraformCluster(t *testing.T) {
	w := newWorld(t)
	w.register(t, "terraformed", "--authentication-mode", "CONFIG_MAP")
	c, ctx, name := eks.NewFromConfig(w.config), t.Context(), aws.String("terraformed")
	read := func() *ekstypes.Cluster {
		t.Helper()
		out, err := c.DescribeCluster(ctx, &eks.DescribeClusterInput{Name: name})
		if err != nil {
			t.Fatal(err)
		}
		return out.Cluster
	}
	k := read()
	if k.CreatedAt == nil || k.CertificateAuthority == nil || k.ResourcesVpcConfig == nil || k.ResourcesVpcConfig.PublicAccessCidrs == nil || k.KubernetesNetworkConfig == nil || k.Identity == nil || k.Logging == nil ||
		k.AccessConfig == nil || k.UpgradePolicy == nil || k.Tags == nil || k.OutpostConfig != nil || k.Version != nil || k.Identity.Oidc != nil || k.Status != ekstypes.ClusterStatusActive {
		t.Errorf("%+v", k)
	}
	for _, mode := range []ekstypes.AuthenticationMode{ekstypes.AuthenticationModeApiAndConfigMap, ekstypes.AuthenticationModeApi} {
		made, err := c.UpdateClusterConfig(ctx, &eks.UpdateClusterConfigInput{Name: name, AccessConfig: &ekstypes.UpdateAccessConfigRequest{AuthenticationMode: mode}})
		if err != nil {
			t.Fatalf("%s: %v", mode, err)
		}
		got, err := c.DescribeUpdate(ctx, &eks.DescribeUpdateInput{Name: name, UpdateId: made.Update.Id})
		if err != nil {
			t.Fatalf("wait for %s: %v", mode, err)
		}
		if u := got.Update; u.Status != ekstypes.UpdateStatusSuccessful || u.Type != ekstypes.UpdateTypeAccessConfigUpdate || len(u.Params) != 1 || *u.Params[0].Value != `"`+string(mode)+`"` || len(u.Errors) != 0 {
			t.Errorf("%+v", u)
		}
		if k := read(); k.AccessConfig.AuthenticationMode != mode {
			t.Errorf("in force is %s", k.AccessConfig.AuthenticationMode)
		}
		waiter := eks.NewClusterActiveWaiter(c)
		if err := waiter.Wait(ctx, &eks.DescribeClusterInput{Name: name}, time.Minute); err != nil {
			t.Errorf("wait until it is active: %v", err)
		}
	}
	list, err := c.ListUpdates(ctx, &eks.ListUpdatesInput{Name: name})
	if err != nil || len(list.UpdateIds) != 2 {
		t.Errorf("%+v, %v", list, err)
	}
	_, err = c.UpdateClusterConfig(ctx, &eks.UpdateClusterConfigInput{Name: name, AccessConfig: &ekstypes.UpdateAccessConfigRequest{AuthenticationMode: ekstypes.AuthenticationModeConfigMap}})
	if code(err) != "InvalidParameterException" {
		t.Errorf("back again: %v", err)
	}
}

// TestTerraformEntry is the same of an aws_eks_access_entry and an
// aws_eks_access_policy_association.
func TestTerraformEntry(t *testing.T) {
	w := newWorld(t)
	w.teach(t)
	w.register(t, "terraformed")
	c, ctx := eks.NewFromConfig(w.config), t.Context()
	cluster, principal, view := aws.String("terraformed"), aws.String(w.role("gitlab-deployer")), aws.String("arn:aws:eks::aws:cluster-access-policy/AmazonEKSViewPolicy")
	must := func(what string, err error) {
		t.Helper()
		if err != nil {
			t.Fatalf("%s: %v", what, err)
		}
	}
	created, err := c.CreateAccessEntry(ctx, &eks.CreateAccessEntryInput{ClusterName: cluster, PrincipalArn: principal, KubernetesGroups: []string{"a"}, Type: aws.String("STANDARD"), Tags: map[string]string{"team": "web"}})
	must("create", err)
	_, err = c.UpdateAccessEntry(ctx, &eks.UpdateAccessEntryInput{ClusterName: cluster, PrincipalArn: principal, KubernetesGroups: []string{"b"}, Username: created.AccessEntry.Username})
	must("update", err)
	_, err = c.UntagResource(ctx, &eks.UntagResourceInput{ResourceArn: created.AccessEntry.AccessEntryArn, TagKeys: []string{"team", "none"}})
	must("untag", err)
	_, err = c.TagResource(ctx, &eks.TagResourceInput{ResourceArn: created.AccessEntry.AccessEntryArn, Tags: map[string]string{"env": "prod"}})
	must("tag", err)
	tags, err := c.ListTagsForResource(ctx, &eks.ListTagsForResourceInput{ResourceArn: created.AccessEntry.AccessEntryArn})
	must("list tags", err)
	got, err := c.DescribeAccessEntry(ctx, &eks.DescribeAccessEntryInput{ClusterName: cluster, PrincipalArn: principal})
	must("read", err)
	if e := got.AccessEntry; len(e.KubernetesGroups) != 1 || e.KubernetesGroups[0] != "b" || len(e.Tags) != 1 || e.Tags["env"] != "prod" || tags.Tags["env"] != "prod" {
		t.Errorf("%+v, tags %v", e, tags.Tags)
	}
	_, err = c.AssociateAccessPolicy(ctx, &eks.AssociateAccessPolicyInput{ClusterName: cluster, PrincipalArn: principal, PolicyArn: view, AccessScope: &ekstypes.AccessScope{Type: ekstypes.AccessScopeTypeNamespace, Namespaces: []string{"dev-*"}}})
	must("associate", err)
	list, err := c.ListAssociatedAccessPolicies(ctx, &eks.ListAssociatedAccessPoliciesInput{ClusterName: cluster, PrincipalArn: principal})
	must("list what is associated", err)
	if len(list.AssociatedAccessPolicies) != 1 || *list.AssociatedAccessPolicies[0].PolicyArn != *view {
		t.Errorf("%+v", list.AssociatedAccessPolicies)
	}
	_, err = c.DisassociateAccessPolicy(ctx, &eks.DisassociateAccessPolicyInput{ClusterName: cluster, PrincipalArn: principal, PolicyArn: view})
	must("disassociate", err)
	_, err = c.DeleteAccessEntry(ctx, &eks.DeleteAccessEntryInput{ClusterName: cluster, PrincipalArn: principal})
	must("delete", err)
	if _, err := c.ListTagsForResource(ctx, &eks.ListTagsForResourceInput{ResourceArn: created.AccessEntry.AccessEntryArn}); code(err) != "NotFoundException" {
		t.Errorf("it still has tags: %v", err)
	}
}
