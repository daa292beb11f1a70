package oidc

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"mayfly.internal/internal/arn"
	"mayfly.internal/internal/fault"
)

// Issuer is the iss of a token: an https URL, compared byte for byte. No form
// of it is normalised, so "https://a.example" and "https://a.example/" are two.
type Issuer string

// KeyPrefix is what stands before the colon in condition keys and behind
// oidc-provider/ in ARNs: the issuer without its scheme.
func (i Issuer) KeyPrefix() string { return strings.TrimPrefix(string(i), "https://") }

// Tag is a label of a provider.
type Tag struct{ Key, Value string }

// Provider is our record of an issuer: whose tokens are considered at all, and
// for which audiences. It is plain data; ParseProviderURL has read its URL. The
// zero value accepts no token.
type Provider struct {
	ID          string // unique and never used again, also by a provider of the same URL
	Account     arn.AccountID
	URL         string   // as registered, with https://; equal to the token's iss
	ClientIDs   []string // accepted audiences; none accepts no token
	Thumbprints []string // stored and returned; never an anchor of trust
	Tags        []Tag
	Created     time.Time
}

// Issuer is the iss that tokens of this provider carry.
func (p Provider) Issuer() Issuer { return Issuer(p.URL) }

// KeyPrefix is the part of this provider's condition keys before the colon.
func (p Provider) KeyPrefix() string { return p.Issuer().KeyPrefix() }

// ARN is the provider's name.
func (p Provider) ARN() arn.Provider {
	return arn.Provider{Account: p.Account, URL: p.KeyPrefix()}
}

const (
	// MaxURLBytes is the longest provider URL (IAM quota).
	MaxURLBytes = 255

	maxHostBytes  = 253 // RFC 1035 §2.3.4, as text
	maxLabelBytes = 63
)

// ParseProviderURL reads the URL of a provider about to be registered. Every
// refusal is a *fault.Error of kind Invalid whose sentence names what is wrong.
//
// It wants https://HOST[:PORT][/PATH] in at most 255 bytes: HOST a name or an
// IPv4 address, PORT in plain decimal, PATH of non-empty segments of letters,
// digits and "-._~", none of them "." or "..", perhaps with a slash at the end,
// which then counts. Nothing is decoded or folded. IAM's own documentation
// refuses a port; a private GitLab often has one.
//
// A host that is the prefix of AWS's or our own condition keys is refused: a
// provider "https://aws" would fill aws:SourceIp from its claims.
func ParseProviderURL(url string) (Issuer, error) {
	if len(url) > MaxURLBytes {
		return "", invalid("it is longer than %d characters", MaxURLBytes)
	}
	rest, ok := strings.CutPrefix(url, "https://")
	if !ok {
		return "", invalid("it does not begin with https://")
	}
	if i := strings.IndexAny(rest, "?#@"); i >= 0 {
		return "", invalid("it holds %q: no query, fragment or user is accepted", rest[i])
	}
	authority, path, hasPath := strings.Cut(rest, "/")
	host, port, hasPort := strings.Cut(authority, ":")
	switch {
	case !isHost(host):
		return "", invalid("%q is not a host name or IPv4 address", host)
	case hasPort && !isPort(port):
		return "", invalid("%q is not a port", port)
	case hasPath && !isPath(path):
		return "", invalid("its path is not of segments of letters, digits and -._~")
	case slices.Contains(reservedPrefixes, strings.ToLower(host)):
		return "", invalid("%q is the prefix of condition keys that do not come from tokens", host)
	}
	return Issuer(url), nil
}

func invalid(format string, args ...any) error {
	return fault.New(fault.Invalid, "Invalid Open ID Connect Provider URL: "+format, args...)
}

// isHost reports whether text is a name of DNS labels or an IPv4 address.
// Underscores occur in private names; a trailing dot would be a second spelling.
func isHost(text string) bool {
	if text == "" || len(text) > maxHostBytes {
		return false
	}
	for label := range strings.SplitSeq(text, ".") {
		if label == "" || len(label) > maxLabelBytes || label[0] == '-' || label[len(label)-1] == '-' ||
			strings.Trim(label, lettersAndDigits+"-_") != "" {
			return false
		}
	}
	return true
}

const lettersAndDigits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"

func isPort(text string) bool {
	n, err := strconv.ParseUint(text, 10, 16)
	return err == nil && n > 0 && strconv.FormatUint(n, 10) == text
}

// isPath reports whether text, what follows the first slash, is a path of which
// every reader makes the same: no empty or dot segment, no percent sign, and
// no character that means something in an ARN, a pattern or a condition key.
func isPath(text string) bool {
	if text == "" { // https://host/
		return true
	}
	for segment := range strings.SplitSeq(strings.TrimSuffix(text, "/"), "/") {
		if segment == "" || segment == "." || segment == ".." || strings.Trim(segment, lettersAndDigits+"-._~") != "" {
			return false
		}
	}
	return true
}

// reservedPrefixes are the prefixes of condition keys that somebody other than
// a token fills: AWS's global ones, the services' of its service authorization
// reference that have keys of their own, and ours. All are single labels, so
// only a host without a dot can be one.
var reservedPrefixes = strings.Fields(`
	aws sts iam eks mayfly kubernetes k8s saml sso identitystore identitycenter
	access-analyzer account acm acm-pca amplify aoss apigateway app-integrations appconfig appflow
	appmesh apprunner appstream appsync aps artifact athena auditmanager autoscaling
	backup batch bedrock budgets cassandra ce chatbot cloud9 clouddirectory cloudformation cloudfront
	cloudhsm cloudtrail cloudwatch codeartifact codebuild codecommit codeconnections codedeploy
	codepipeline codestar-connections cognito-identity cognito-idp config connect controltower cur
	datasync detective devicefarm dms ds dynamodb ebs ec2 ec2-instance-connect ecr ecs elasticache
	elasticbeanstalk elasticfilesystem elasticloadbalancing elasticmapreduce emr-containers es events
	execute-api firehose fis fsx glacier globalaccelerator glue grafana guardduty health
	imagebuilder inspector2 iot kafka kafka-cluster kendra kinesis kms lakeformation lambda lex
	license-manager lightsail logs macie2 mediaconvert mq mwaa neptune-db network-firewall
	networkmanager oam organizations outposts pipes polly quicksight ram rbin rds rds-db redshift
	rekognition resource-explorer-2 resource-groups rolesanywhere route53 route53resolver s3
	s3-object-lambda s3-outposts sagemaker scheduler schemas secretsmanager securityhub securitylake
	serverlessrepo servicecatalog servicediscovery servicequotas ses shield signer signin sms-voice
	sns sqs ssm ssm-guiconnect ssmmessages states storagegateway support swf synthetics tag textract
	token transcribe transfer trustedadvisor verifiedpermissions vpc vpc-lattice vpce waf
	waf-regional wafv2 wellarchitected workspaces xray`)
