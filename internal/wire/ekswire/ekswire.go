// Package ekswire is the EKS 2017-11-01 request and answer shapes for clusters,
// access entries and access policies. It decides nothing.
package ekswire

import (
	"mayfly.internal/internal/wire/awsrest"
)

// CreateAccessEntry is that operation's body.
type CreateAccessEntry struct {
	PrincipalARN string
	Groups       []string
	Username     string
	Type         string
	Tags         map[string]string
	ClientToken  string
}

// DecodeCreateAccessEntry reads the body of CreateAccessEntry.
func DecodeCreateAccessEntry(data []byte) (CreateAccessEntry, error) {
	b, err := awsrest.ParseBody(data)
	if err != nil {
		return CreateAccessEntry{}, err
	}
	in := CreateAccessEntry{PrincipalARN: b.Required("principalArn"), Username: b.Text("username"), Type: b.Text("type"), Tags: b.TextMap("tags"), ClientToken: b.Text("clientRequestToken")}
	in.Groups, _ = b.Texts("kubernetesGroups")
	if err := b.Check(); err != nil {
		return CreateAccessEntry{}, err
	}
	return in, nil
}

// UpdateAccessEntry is that operation's body; an absent field stays as it is.
type UpdateAccessEntry struct {
	Groups      []string
	GroupsGiven bool
	Username    *string
	ClientToken string
}

// DecodeUpdateAccessEntry reads the body of UpdateAccessEntry.
func DecodeUpdateAccessEntry(data []byte) (UpdateAccessEntry, error) {
	b, err := awsrest.ParseBody(data)
	if err != nil {
		return UpdateAccessEntry{}, err
	}
	in := UpdateAccessEntry{Username: b.OptionalText("username"), ClientToken: b.Text("clientRequestToken")}
	in.Groups, in.GroupsGiven = b.Texts("kubernetesGroups")
	if err := b.Check(); err != nil {
		return UpdateAccessEntry{}, err
	}
	return in, nil
}

// Scope is an access scope on the wire.
type Scope struct {
	Type       string   `json:"type"`
	Namespaces []string `json:"namespaces"`
}

// DecodeAssociateAccessPolicy reads the body of AssociateAccessPolicy.
func DecodeAssociateAccessPolicy(data []byte) (policyARN string, scope Scope, err error) {
	b, err := awsrest.ParseBody(data)
	if err != nil {
		return "", Scope{}, err
	}
	policyARN = b.Required("policyArn")
	inner := b.Object("accessScope")
	if inner != nil {
		scope.Type = inner.Required("type")
		scope.Namespaces, _ = inner.Texts("namespaces")
		if err := inner.Check(); err != nil {
			return "", Scope{}, err
		}
	}
	if err := b.Check(); err != nil {
		return "", Scope{}, err
	}
	if inner == nil {
		return "", Scope{}, &awsrest.ShapeError{Detail: "accessScope is missing"}
	}
	return policyARN, scope, nil
}

// UpdateClusterConfig is that operation's body.
type UpdateClusterConfig struct {
	AuthenticationMode string
	ClientToken        string
}

// DecodeUpdateClusterConfig reads the body of UpdateClusterConfig: of the
// authentication mode, and nothing else.
func DecodeUpdateClusterConfig(data []byte) (UpdateClusterConfig, error) {
	b, err := awsrest.ParseBody(data)
	if err != nil {
		return UpdateClusterConfig{}, err
	}
	in := UpdateClusterConfig{ClientToken: b.Text("clientRequestToken")}
	inner := b.Object("accessConfig")
	if inner != nil {
		in.AuthenticationMode = inner.Required("authenticationMode")
		if err := inner.Check(); err != nil {
			return UpdateClusterConfig{}, err
		}
	}
	if err := b.Check(); err != nil {
		return UpdateClusterConfig{}, err
	}
	if inner == nil {
		return UpdateClusterConfig{}, &awsrest.ShapeError{Detail: "accessConfig is missing"}
	}
	return in, nil
}

// Update is an update of a cluster on the wire.
type Update struct {
	ID        string        `json:"id"`
	Status    string        `json:"status"`
	Type      string        `json:"type"`
	Params    []UpdateParam `json:"params"`
	CreatedAt awsrest.Time  `json:"createdAt"`
	Errors    []struct{}    `json:"errors"` // empty: what fails is refused
}

// UpdateParam is what an update changed.
type UpdateParam struct {
	Type  string `json:"type"`
	Value string `json:"value"` // JSON
}

// OneUpdate answers UpdateClusterConfig and DescribeUpdate.
type OneUpdate struct {
	Update Update `json:"update"`
}

// ListUpdates answers ListUpdates.
type ListUpdates struct {
	UpdateIDs []string `json:"updateIds"`
	NextToken string   `json:"nextToken,omitempty"`
}

// DecodeTagResource reads the body of TagResource.
func DecodeTagResource(data []byte) (map[string]string, error) {
	b, err := awsrest.ParseBody(data)
	if err != nil {
		return nil, err
	}
	tags := b.TextMap("tags")
	if err := b.Check(); err != nil {
		return nil, err
	}
	if len(tags) == 0 {
		return nil, &awsrest.ShapeError{Detail: "tags is missing, or empty"}
	}
	return tags, nil
}

// ListTags answers ListTagsForResource.
type ListTags struct {
	Tags map[string]string `json:"tags"`
}

// Cluster is a cluster on the wire. Objects that Mayfly has nothing to say of
// are present and empty: clients read through them.
type Cluster struct {
	Name                 string               `json:"name"`
	ARN                  string               `json:"arn"`
	CreatedAt            awsrest.Time         `json:"createdAt"`
	Endpoint             string               `json:"endpoint"`
	ResourcesVPCConfig   VPCConfig            `json:"resourcesVpcConfig"`
	NetworkConfig        NetworkConfig        `json:"kubernetesNetworkConfig"`
	Logging              Logging              `json:"logging"`
	Identity             ClusterIdentity      `json:"identity"`
	Status               string               `json:"status"`
	CertificateAuthority CertificateAuthority `json:"certificateAuthority"`
	Tags                 map[string]string    `json:"tags"`
	AccessConfig         AccessConfig         `json:"accessConfig"`
	UpgradePolicy        UpgradePolicy        `json:"upgradePolicy"`
}

type (
	// VPCConfig is empty: a registered cluster's network is not Mayfly's.
	VPCConfig struct {
		SubnetIDs         []string `json:"subnetIds"`
		SecurityGroupIDs  []string `json:"securityGroupIds"`
		PublicAccessCIDRs []string `json:"publicAccessCidrs"`
	}
	// NetworkConfig is empty, as VPCConfig is.
	NetworkConfig struct{}
	// Logging is empty: the cluster's logs are not Mayfly's.
	Logging struct {
		ClusterLogging []struct{} `json:"clusterLogging"`
	}
	// ClusterIdentity is empty: the cluster's own issuer is not Mayfly's.
	ClusterIdentity struct{}
	// CertificateAuthority holds the endpoint's CA: base64 of PEM.
	CertificateAuthority struct {
		Data []byte `json:"data"` // JSON writes bytes as base64
	}
	// AccessConfig holds the authentication mode.
	AccessConfig struct {
		AuthenticationMode string `json:"authenticationMode"`
	}
	// UpgradePolicy is empty: the cluster's version is not Mayfly's.
	UpgradePolicy struct{}
)

// DescribeCluster answers DescribeCluster.
type DescribeCluster struct {
	Cluster Cluster `json:"cluster"`
}

// ListClusters answers ListClusters.
type ListClusters struct {
	Clusters  []string `json:"clusters"`
	NextToken string   `json:"nextToken,omitempty"`
}

// AccessEntry is an access entry on the wire.
type AccessEntry struct {
	ClusterName      string            `json:"clusterName"`
	PrincipalARN     string            `json:"principalArn"`
	KubernetesGroups []string          `json:"kubernetesGroups"`
	ARN              string            `json:"accessEntryArn"`
	CreatedAt        awsrest.Time      `json:"createdAt"`
	ModifiedAt       awsrest.Time      `json:"modifiedAt"`
	Tags             map[string]string `json:"tags"`
	Username         string            `json:"username"`
	Type             string            `json:"type"`
}

// OneAccessEntry answers Create-, Describe- and UpdateAccessEntry.
type OneAccessEntry struct {
	AccessEntry AccessEntry `json:"accessEntry"`
}

// ListAccessEntries answers ListAccessEntries.
type ListAccessEntries struct {
	AccessEntries []string `json:"accessEntries"`
	NextToken     string   `json:"nextToken,omitempty"`
}

// AssociatedPolicy is an association on the wire.
type AssociatedPolicy struct {
	PolicyARN    string       `json:"policyArn"`
	Scope        Scope        `json:"accessScope"`
	AssociatedAt awsrest.Time `json:"associatedAt"`
	ModifiedAt   awsrest.Time `json:"modifiedAt"`
}

// AssociateAccessPolicy answers AssociateAccessPolicy.
type AssociateAccessPolicy struct {
	ClusterName  string           `json:"clusterName"`
	PrincipalARN string           `json:"principalArn"`
	Associated   AssociatedPolicy `json:"associatedAccessPolicy"`
}

// ListAssociatedAccessPolicies answers that operation.
type ListAssociatedAccessPolicies struct {
	ClusterName  string             `json:"clusterName"`
	PrincipalARN string             `json:"principalArn"`
	Associated   []AssociatedPolicy `json:"associatedAccessPolicies"`
	NextToken    string             `json:"nextToken,omitempty"`
}

// AccessPolicy is a name in ListAccessPolicies.
type AccessPolicy struct {
	Name string `json:"name"`
	ARN  string `json:"arn"`
}

// ListAccessPolicies answers that operation.
type ListAccessPolicies struct {
	AccessPolicies []AccessPolicy `json:"accessPolicies"`
	NextToken      string         `json:"nextToken,omitempty"`
}

// Empty answers the deletes.
type Empty struct{}
