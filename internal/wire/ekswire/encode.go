package ekswire

import (
	"slices"

	"mayfly.internal/internal/wire/awsrest"
)

// ClusterPath is the path of DescribeCluster.
func ClusterPath(cluster string) string { return awsrest.Path("clusters", cluster) }

// EntriesPath is the path of CreateAccessEntry.
func EntriesPath(cluster string) string { return awsrest.Path("clusters", cluster, "access-entries") }

// EntryPath is the path of DescribeAccessEntry.
func EntryPath(cluster, principalARN string) string {
	return awsrest.Path("clusters", cluster, "access-entries", principalARN)
}

// PoliciesPath is the path of AssociateAccessPolicy and
// ListAssociatedAccessPolicies.
func PoliciesPath(cluster, principalARN string) string {
	return awsrest.Path("clusters", cluster, "access-entries", principalARN, "access-policies")
}

// EncodeCreateAccessEntry is what DecodeCreateAccessEntry reads.
func EncodeCreateAccessEntry(in CreateAccessEntry) []byte {
	return awsrest.Encode(struct {
		PrincipalARN string            `json:"principalArn"`
		Groups       []string          `json:"kubernetesGroups,omitempty"`
		Username     string            `json:"username,omitempty"`
		Type         string            `json:"type,omitempty"`
		Tags         map[string]string `json:"tags,omitempty"`
		ClientToken  string            `json:"clientRequestToken,omitempty"`
	}(in))
}

// EncodeAssociateAccessPolicy is what DecodeAssociateAccessPolicy reads.
func EncodeAssociateAccessPolicy(policyARN string, scope Scope) []byte {
	scope.Namespaces = slices.Concat([]string{}, scope.Namespaces) // [], not null
	return awsrest.Encode(struct {
		PolicyARN string `json:"policyArn"`
		Scope     Scope  `json:"accessScope"`
	}{policyARN, scope})
}

// ParseCluster reads the answer to DescribeCluster. Every refusal of this and the
// functions below is an *awsrest.AnswerError.
func ParseCluster(body []byte) (Cluster, error) {
	out, err := awsrest.ParseAnswer[DescribeCluster](body)
	if err == nil && (out.Cluster.Name == "" || out.Cluster.ARN == "") {
		return Cluster{}, &awsrest.AnswerError{Detail: "the cluster has no name or no ARN"}
	}
	return out.Cluster, err
}

// ParseAccessEntry reads the answer to Create- and DescribeAccessEntry.
func ParseAccessEntry(body []byte) (AccessEntry, error) {
	out, err := awsrest.ParseAnswer[OneAccessEntry](body)
	if err == nil && out.AccessEntry.PrincipalARN == "" {
		return AccessEntry{}, &awsrest.AnswerError{Detail: "the access entry has no principal"}
	}
	return out.AccessEntry, err
}

// ParseAssociated reads the answer to AssociateAccessPolicy.
func ParseAssociated(body []byte) (AssociatedPolicy, error) {
	out, err := awsrest.ParseAnswer[AssociateAccessPolicy](body)
	if err == nil && out.Associated.PolicyARN == "" {
		return AssociatedPolicy{}, &awsrest.AnswerError{Detail: "the association has no policy"}
	}
	return out.Associated, err
}

// ParseListAssociated reads the answer to ListAssociatedAccessPolicies. The token
// is empty where no more follows.
func ParseListAssociated(body []byte) (list []AssociatedPolicy, next string, err error) {
	out, err := awsrest.ParseAnswer[ListAssociatedAccessPolicies](body)
	return out.Associated, out.NextToken, err
}
