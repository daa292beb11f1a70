package client

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strings"
	"time"

	"mayfly.internal/internal/secret"
	"mayfly.internal/internal/sigv4"
	"mayfly.internal/internal/webclient"
	"mayfly.internal/internal/wire/awsquery"
	"mayfly.internal/internal/wire/awsrest"
	"mayfly.internal/internal/wire/ekswire"
	"mayfly.internal/internal/wire/iamwire"
	"mayfly.internal/internal/wire/stswire"
)

// AWSConfig says which IAM, STS and EKS to ask, and as whom.
type AWSConfig struct {
	// Config names a Mayfly server, which is all three; without an Endpoint they
	// are AWS's own, of its Region.
	Config
	IAM, STS, EKS string // endpoints instead of AWS's own; with an Endpoint they must be empty
}

// AWS asks an IAM, an STS and an EKS. It is safe for concurrent use.
//
// A question that is throttled, or that fails on their side (5xx), is asked
// again, three times at most; what changes something is sent once.
type AWS struct{ iam, sts, eks *link }

// iamRegion is what AWS's IAM is signed for, whatever the region of the rest.
const iamRegion = "us-east-1"

// NewAWS makes an AWS. It makes no network call.
func NewAWS(c AWSConfig) (*AWS, error) {
	if c.Endpoint != "" {
		if c.IAM+c.STS+c.EKS != "" {
			return nil, errors.New("one server is named, and endpoints of single services besides")
		}
		return newAWS(c.Config, c.Endpoint, c.Region, c.Endpoint, c.Endpoint)
	}
	if err := checkRegion(c.Region); err != nil {
		return nil, err
	}
	own := func(given, service string) string {
		if given != "" {
			return given
		}
		return "https://" + service + ".amazonaws.com"
	}
	return newAWS(c.Config, own(c.IAM, "iam"), iamRegion, own(c.STS, "sts."+c.Region), own(c.EKS, "eks."+c.Region))
}

func newAWS(c Config, iam, iamRegion, sts, eks string) (*AWS, error) {
	i, err1 := newLink(c, iam, iamRegion, "iam")
	s, err2 := newLink(c, sts, c.Region, "sts")
	e, err3 := newLink(c, eks, c.Region, "eks")
	for _, err := range []error{err1, err2, err3} {
		if err != nil {
			return nil, err // one says it
		}
	}
	return &AWS{i, s, e}, nil
}

// IsRegion reports whether a text is written as a region, or empty, which names none.
func IsRegion(text string) bool {
	return strings.Trim(text, "abcdefghijklmnopqrstuvwxyz0123456789-") == "" && strings.Trim(text, "-") == text
}

// checkRegion refuses what is no region of the partition aws: those of others
// have hosts and ARNs of their own.
func checkRegion(region string) error {
	if region == "" || !IsRegion(region) {
		return fmt.Errorf("%q is no region, such as eu-central-1", region)
	}
	for _, prefix := range []string{"cn-", "us-gov-", "us-iso", "eu-isoe-", "eusc-"} {
		if strings.HasPrefix(region, prefix) {
			return fmt.Errorf("the region %s is of another partition than aws, the only one that is known", region)
		}
	}
	return nil
}

// Role is a role of an IAM.
type Role struct {
	ARN, Path, Name, ID string
	Description         string
	Trust               string // the trust policy, as text
	MaxSession          time.Duration
}

func roleOf(r iamwire.Role) Role {
	return Role{ARN: r.ARN, Path: r.Path, Name: r.Name, ID: r.ID, Description: r.Description, Trust: r.Trust, MaxSession: time.Duration(r.MaxSession) * time.Second}
}

// Provider is an OpenID Connect identity provider of an IAM.
type Provider struct {
	ARN       string
	URL       string // with its scheme
	ClientIDs []string
}

// Caller is whom the credentials are of.
func (a *AWS) Caller(ctx context.Context) (arn, account string, err error) {
	r, err := query(ctx, a.sts, stswire.EncodeCallerIdentity(), stswire.ParseCallerIdentity)
	return r.ARN, r.Account, err
}

// Session is a role session and its temporary credentials.
type Session struct {
	ARN         string // of the session
	Credentials sigv4.Credentials
	Expires     time.Time
}

// AssumeRoleWithWebIdentity exchanges an ID token for a role's credentials. It is
// unsigned, whoever asks: the token says who that is. It is asked again like a
// question, and where the provider of the token could not be reached.
func (a *AWS) AssumeRoleWithWebIdentity(ctx context.Context, in stswire.AssumeRoleWithWebIdentity) (Session, error) {
	f := stswire.EncodeAssumeRoleWithWebIdentity(in)
	r, err := retried(ctx, a.sts, func() (stswire.WebIdentityResult, error) {
		r := formRequest(f)
		r.unsigned = true
		return exchange(ctx, a.sts, r, stswire.ParseAssumeRoleWithWebIdentity, queryError)
	})
	if err != nil {
		return Session{}, err
	}
	c := r.Credentials
	expires, err := c.Expires()
	if err != nil {
		return Session{}, err // unreachable: the answer was read
	}
	return Session{ARN: r.AssumedRoleUser.ARN, Expires: expires, Credentials: sigv4.Credentials{AccessKeyID: c.AccessKeyID, SecretKey: secret.New(c.SecretAccessKey), SessionToken: c.SessionToken}}, nil
}

// Role is a role by its name, without its path.
func (a *AWS) Role(ctx context.Context, name string) (Role, error) {
	r, err := query(ctx, a.iam, iamwire.EncodeGetRole(name), func(body []byte) (iamwire.Role, error) { return iamwire.ParseRole("GetRole", body) })
	if err != nil {
		return Role{}, err
	}
	return roleOf(r), nil
}

// A list is read in pages, so many at most: ten times what an account may have.
const (
	pageSize = 1000
	maxPages = 50
)

// Roles are all roles whose path begins with a prefix; an empty one is every
// path.
func (a *AWS) Roles(ctx context.Context, prefix string) ([]Role, error) {
	var out []Role
	page := iamwire.Page{MaxItems: pageSize}
	for range maxPages {
		var next string
		roles, err := query(ctx, a.iam, iamwire.EncodeListRoles(prefix, page), func(body []byte) (roles []iamwire.Role, err error) {
			roles, next, err = iamwire.ParseListRoles(body)
			return roles, err
		})
		if err != nil {
			return nil, err
		}
		for _, r := range roles {
			out = append(out, roleOf(r))
		}
		if next == "" {
			return out, nil
		}
		page.Marker = next
	}
	return nil, fmt.Errorf("the list of roles of %s does not end", a.iam.host)
}

// RolePolicy is an inline policy of a role, as text.
func (a *AWS) RolePolicy(ctx context.Context, role, name string) (string, error) {
	return query(ctx, a.iam, iamwire.EncodeGetRolePolicy(role, name), iamwire.ParseRolePolicy)
}

// CreateRole makes a role.
func (a *AWS) CreateRole(ctx context.Context, in iamwire.CreateRole) (Role, error) {
	r, err := change(ctx, a.iam, iamwire.EncodeCreateRole(in), func(body []byte) (iamwire.Role, error) { return iamwire.ParseRole("CreateRole", body) })
	if err != nil {
		return Role{}, err
	}
	return roleOf(r), nil
}

// UpdateTrust gives a role another trust policy.
func (a *AWS) UpdateTrust(ctx context.Context, role, trust string) error {
	return changeOnly(ctx, a.iam, iamwire.EncodeUpdateTrust(role, trust))
}

// PutRolePolicy gives a role an inline policy, instead of one of that name.
func (a *AWS) PutRolePolicy(ctx context.Context, role, name, text string) error {
	return changeOnly(ctx, a.iam, iamwire.EncodePutRolePolicy(role, name, text))
}

// Providers are the ARNs of all providers.
func (a *AWS) Providers(ctx context.Context) ([]string, error) {
	return query(ctx, a.iam, iamwire.EncodeListProviders(), iamwire.ParseListProviders)
}

// Provider is a provider by its ARN.
func (a *AWS) Provider(ctx context.Context, arn string) (Provider, error) {
	return query(ctx, a.iam, iamwire.EncodeGetProvider(arn), func(body []byte) (Provider, error) {
		url, ids, err := iamwire.ParseGetProvider(body)
		if err != nil {
			return Provider{}, err
		}
		return Provider{ARN: arn, URL: url, ClientIDs: ids}, nil
	})
}

// CreateProvider makes a provider and gives its ARN.
func (a *AWS) CreateProvider(ctx context.Context, url string, clientIDs ...string) (string, error) {
	return change(ctx, a.iam, iamwire.EncodeCreateProvider(iamwire.CreateProvider{URL: url, ClientIDs: clientIDs}), iamwire.ParseCreateProvider)
}

// AddClientID makes a provider accept an audience.
func (a *AWS) AddClientID(ctx context.Context, arn, id string) error {
	return changeOnly(ctx, a.iam, iamwire.EncodeAddClientID(arn, id))
}

// Cluster describes a cluster.
func (a *AWS) Cluster(ctx context.Context, name string) (ekswire.Cluster, error) {
	return get(ctx, a.eks, ekswire.ClusterPath(name), nil, ekswire.ParseCluster)
}

// AccessEntry is what a principal is in a cluster.
func (a *AWS) AccessEntry(ctx context.Context, cluster, principalARN string) (ekswire.AccessEntry, error) {
	return get(ctx, a.eks, ekswire.EntryPath(cluster, principalARN), nil, ekswire.ParseAccessEntry)
}

// CreateAccessEntry makes a principal somebody in a cluster.
func (a *AWS) CreateAccessEntry(ctx context.Context, cluster string, in ekswire.CreateAccessEntry) (ekswire.AccessEntry, error) {
	return post(ctx, a.eks, ekswire.EntriesPath(cluster), ekswire.EncodeCreateAccessEntry(in), ekswire.ParseAccessEntry)
}

// AccessPolicies are the access policies of a principal in a cluster.
func (a *AWS) AccessPolicies(ctx context.Context, cluster, principalARN string) ([]ekswire.AssociatedPolicy, error) {
	var out []ekswire.AssociatedPolicy
	next := ""
	for range maxPages {
		q := url.Values{}
		if next != "" {
			q.Set("nextToken", next)
		}
		page, err := get(ctx, a.eks, ekswire.PoliciesPath(cluster, principalARN), q, func(body []byte) (list []ekswire.AssociatedPolicy, err error) {
			list, next, err = ekswire.ParseListAssociated(body)
			return list, err
		})
		if err != nil {
			return nil, err
		}
		if out = append(out, page...); next == "" {
			return out, nil
		}
	}
	return nil, fmt.Errorf("the list of access policies of %s does not end", a.eks.host)
}

// AssociateAccessPolicy gives a principal an access policy in a cluster, or the
// one it has another scope.
func (a *AWS) AssociateAccessPolicy(ctx context.Context, cluster, principalARN, policyARN string, scope ekswire.Scope) (ekswire.AssociatedPolicy, error) {
	return post(ctx, a.eks, ekswire.PoliciesPath(cluster, principalARN), ekswire.EncodeAssociateAccessPolicy(policyARN, scope), ekswire.ParseAssociated)
}

// How long EKS may take to hear of what IAM has made (the Terraform provider waits
// as long).
const (
	settleAttempts = 40
	settlePause    = 3 * time.Second
)

// Settle does something with a principal that has just been made, again until EKS
// knows it.
func (a *AWS) Settle(ctx context.Context, do func() error) error {
	for attempt := 1; ; attempt++ {
		err := do()
		e, ok := errors.AsType[*Error](err)
		unknown := ok && (e.Code == "InvalidParameterException" && strings.Contains(e.Message, "invalid principal") || e.Code == "ResourceNotFoundException" && strings.Contains(e.Message, "principalArn"))
		if !unknown || attempt == settleAttempts || a.eks.config.Wait(ctx, settlePause) != nil {
			return err
		}
	}
}

// query asks a question of the Query protocol.
func query[T any](ctx context.Context, l *link, f *awsquery.Form, parse func([]byte) (T, error)) (T, error) {
	return retried(ctx, l, func() (T, error) { return change(ctx, l, f, parse) })
}

func changeOnly(ctx context.Context, l *link, f *awsquery.Form) error {
	_, err := change(ctx, l, f, func(body []byte) (struct{}, error) { return struct{}{}, iamwire.ParseNothing(f.Action(), body) })
	return err
}

// change sends a form of the Query protocol, once.
func change[T any](ctx context.Context, l *link, f *awsquery.Form, parse func([]byte) (T, error)) (out T, err error) {
	return exchange(ctx, l, formRequest(f), parse, queryError)
}

func formRequest(f *awsquery.Form) request {
	return request{method: http.MethodPost, path: "/", contentType: "application/x-www-form-urlencoded; charset=utf-8", body: f.Body()}
}

func queryError(a answer) *Error {
	e, id, err := awsquery.ParseFailure(a.status, a.body)
	if err != nil {
		return nil
	}
	return &Error{Status: e.Status, Code: e.Code, Message: e.Message, Request: id}
}

// get asks a question of a REST protocol.
func get[T any](ctx context.Context, l *link, path string, q url.Values, parse func([]byte) (T, error)) (T, error) {
	return retried(ctx, l, func() (T, error) {
		return exchange(ctx, l, request{method: http.MethodGet, path: path, query: q}, parse, restError)
	})
}

// post changes something by a REST protocol, once.
func post[T any](ctx context.Context, l *link, path string, body []byte, parse func([]byte) (T, error)) (T, error) {
	return exchange(ctx, l, request{method: http.MethodPost, path: path, contentType: "application/json", body: body}, parse, restError)
}

func restError(a answer) *Error {
	e, err := awsrest.ParseFailure(a.status, a.header.Get(awsrest.ErrorTypeHeader), a.body)
	if err != nil {
		return nil
	}
	return &Error{Status: e.Status, Code: e.Code, Message: e.Message, Request: a.header.Get(requestIDHeader)}
}

// exchange sends a request once and reads the answer, or the refusal, which is
// nil where it is of no form that is known.
func exchange[T any](ctx context.Context, l *link, r request, parse func([]byte) (T, error), refusal func(answer) *Error) (out T, err error) {
	a, err := l.send(ctx, r)
	if err != nil {
		return out, err
	}
	if a.status != http.StatusOK {
		if e := refusal(a); e != nil {
			e.Message, e.Request = webclient.OneLine(e.Message), webclient.OneLine(e.Request)
			return out, e
		}
		return out, &Error{Status: a.status, Message: fmt.Sprintf("%s answered %s and not as %s does", l.host, statusText(a.status), strings.ToUpper(l.service)), Request: a.header.Get(requestIDHeader)}
	}
	if out, err = parse(a.body); err != nil {
		return out, fmt.Errorf("the answer of %s: %w", l.host, err)
	}
	return out, nil
}

// How often something is asked, and how long at most before the second time; it
// doubles. (AWS SDKs and Tools Reference Guide, "Retry behavior".)
const (
	maxAttempts  = 4
	firstBackoff = 500 * time.Millisecond
)

func retried[T any](ctx context.Context, l *link, ask func() (T, error)) (T, error) {
	for attempt := 1; ; attempt++ {
		out, err := ask()
		e, ok := errors.AsType[*Error](err)
		if !ok || !e.passing() || attempt == maxAttempts {
			return out, err
		}
		if l.config.Wait(ctx, rand.N(firstBackoff<<(attempt-1))) != nil {
			return out, err // what was answered says more
		}
	}
}

// passing reports whether the same question may be answered later.
func (e *Error) passing() bool {
	return e.Status >= 500 || e.Status == http.StatusTooManyRequests || strings.Contains(e.Code, "Throttl") || e.Code == "TooManyRequestsException" || e.Code == "RequestLimitExceeded" ||
		e.Code == "IDPCommunicationError" // (STS API, AssumeRoleWithWebIdentity: "you can retry the request a limited number of times")
}
