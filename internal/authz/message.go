package authz

import (
	"bytes"
	"cmp"
	"compress/flate"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"mayfly.internal/internal/arn"
	"mayfly.internal/internal/policy"
	"mayfly.internal/internal/session"
)

// MaxMessageLen is the longest encoded message, in characters: what
// DecodeAuthorizationMessage takes (STS model, encodedMessageType).
const MaxMessageLen = 10240

// message is why a request was refused: what may be told to whoever may decode
// it. It holds of policies which and which of their statements, of the request
// what the caller itself brought along, and nothing of the resource.
type message struct {
	header
	body
}

// header is what depends on the resource's own policy. It has a fixed size, so
// that the length of an encoded message does not tell whether there is such a
// resource.
type header struct {
	explicit  bool
	silent    uint8  // a bit for each layer that had to allow and did not
	statement uint16 // number of the statement of the resource's policy that matched, one that denies first; 0: none
	denies    bool   // that statement does
}

// body is the rest, as JSON.
type body struct {
	Matched    []matched   `json:"m,omitempty"`
	ID         string      `json:"i"`
	ARN        string      `json:"a"`
	Action     string      `json:"o"`
	Resource   string      `json:"r"`
	Conditions []condition `json:"c,omitempty"`
	Cut        bool        `json:"x,omitempty"` // not all of it fits
}

// matched is a statement of a policy that is the caller's.
type matched struct {
	Statement string `json:"statementId"`
	Effect    string `json:"effect"`
	Type      string `json:"sourcePolicyType"`
	Policy    string `json:"sourcePolicyId,omitempty"` // the name of an inline policy, or an ARN
}

type condition struct {
	Key    string   `json:"k"`
	Values []string `json:"v"`
}

// Bounds of a message: it is to be read in a terminal.
const (
	maxMatched = 10
	maxShown   = 3 << 10 // bytes of condition keys and values
	maxValue   = 256     // bytes of one of them
	maxName    = 1 << 10 // bytes of an ARN
)

func newMessage(who session.Principal, x policy.Explanation, by sources, shown policy.Context) message {
	m := message{header{explicit: x.Effect == policy.ExplicitDeny},
		body{ID: who.UserID(), ARN: who.ARN().String(), Action: clip(x.Request.Action, maxName), Resource: clip(x.Request.Resource, maxName)}}
	for _, l := range x.Silent {
		m.silent |= 1 << l
	}
	for _, ref := range x.Statements {
		if ref.Layer != policy.LayerResource {
			m.Matched = append(m.Matched, newMatched(ref, by))
		} else if m.statement == 0 || ref.Denies() && !m.denies {
			m.statement, m.denies = uint16(min(ref.Index()+1, 1<<16-1)), ref.Denies()
		}
	}
	slices.SortStableFunc(m.Matched, func(a, b matched) int { return strings.Compare(b.Effect, a.Effect) }) // those that deny first
	if len(m.Matched) > maxMatched {
		m.Matched, m.Cut = m.Matched[:maxMatched], true
	}
	m.conditions(shown)
	return m
}

func newMatched(ref policy.StatementRef, by sources) matched {
	from := map[policy.Layer][]Source{policy.LayerIdentity: by.Identity, policy.LayerSession: by.Session, policy.LayerBoundary: by.Boundary}[ref.Layer][ref.Document]
	out := matched{Statement: clip(cmp.Or(ref.Sid(), ref.Name()), maxValue), Effect: effects[ref.Denies()], Type: ref.Layer.String(), Policy: from.Name}
	if from.Managed != (arn.Policy{}) {
		out.Policy = clip(from.Managed.String(), maxName)
	}
	return out
}

var effects = map[bool]string{true: "DENY", false: "ALLOW"}

// conditions keeps the keys of the request, by name, as far as there is room.
func (b *body) conditions(shown policy.Context) {
	for key, values := range shown.All() {
		c := condition{Key: clip(key, maxValue)}
		for _, v := range values {
			c.Values = append(c.Values, clip(v, maxValue))
		}
		b.Conditions = append(b.Conditions, c)
	}
	slices.SortFunc(b.Conditions, func(x, y condition) int { return strings.Compare(x.Key, y.Key) })
	room := maxShown
	for i, c := range b.Conditions {
		room -= len(c.Key)
		for _, v := range c.Values {
			room -= len(v)
		}
		if room < 0 {
			b.Conditions, b.Cut = b.Conditions[:i], true
			return
		}
	}
}

// clip cuts what is longer than anybody needs to see.
func clip(text string, most int) string {
	if len(text) <= most {
		return text
	}
	return strings.ToValidUTF8(text[:most], "") + "…"
}

const messageVersion = 1

// headerLen is a version, flags, the silent layers and a statement's number.
const headerLen = 5

const (
	flagExplicit = 1 << iota
	flagDenies
)

// encode seals a message: its header and, deflated, its body. One that cannot be
// sealed, or is too long all the same, is none: a refusal stands without it.
func encode(m message, account arn.AccountID, seal session.Sealer) string {
	plain := []byte{messageVersion, 0, m.silent}
	if m.explicit {
		plain[1] |= flagExplicit
	}
	if m.denies {
		plain[1] |= flagDenies
	}
	plain = binary.BigEndian.AppendUint16(plain, m.statement)
	text, err := json.Marshal(m.body)
	if err != nil {
		return "" // unreachable: texts and lists of them
	}
	sealed, err := seal.Seal(append(plain, deflate(text)...), messageData(account))
	if err != nil || messageEncoding.EncodedLen(len(sealed)) > MaxMessageLen {
		return ""
	}
	return messageEncoding.EncodeToString(sealed)
}

var messageEncoding = base64.RawURLEncoding.Strict()

// messageData binds a message to its account and its purpose.
func messageData(account arn.AccountID) []byte {
	return []byte("mayfly authorization message v1\x00" + string(account))
}

// ErrMessage is the one reason Decode gives: a message that is too long,
// malformed, or sealed by another key, for another account or purpose.
var ErrMessage = errors.New("not an authorization message of this server")

// Decode makes an encoded message clear: JSON in the form of EC2's. It refuses
// with ErrMessage what this server did not seal for the account as such a
// message.
func Decode(text string, account arn.AccountID, open session.Sealer) (string, error) {
	if text == "" || len(text) > MaxMessageLen {
		return "", ErrMessage
	}
	sealed, err := messageEncoding.DecodeString(text)
	if err != nil || messageEncoding.EncodedLen(len(sealed)) != len(text) { // the decoder skips line breaks
		return "", ErrMessage
	}
	plain, err := open.Open(sealed, messageData(account))
	if err != nil {
		return "", ErrMessage
	}
	m, err := decode(plain)
	if err != nil {
		return "", ErrMessage
	}
	return m.clear(), nil
}

// decode reads what encode wrote.
func decode(plain []byte) (message, error) {
	if len(plain) < headerLen || plain[0] != messageVersion || plain[1]&^(flagExplicit|flagDenies) != 0 {
		return message{}, ErrMessage
	}
	m := message{header: header{explicit: plain[1]&flagExplicit != 0, denies: plain[1]&flagDenies != 0, silent: plain[2], statement: binary.BigEndian.Uint16(plain[3:])}}
	text, err := inflate(plain[headerLen:])
	if err != nil {
		return message{}, err
	}
	if err := json.Unmarshal(text, &m.body); err != nil {
		return message{}, err
	}
	return m, nil
}

// items is a list as AWS writes it in a decoded message.
type items[T any] struct {
	Items []T `json:"items"`
}

func listOf[T any](list []T) items[T] { return items[T]{append([]T{}, list...)} }

// clear is a decoded message: the form is that of the messages of EC2. What
// failures holds is ours, AWS leaves them empty; so is what is told of a
// statement.
func (m message) clear() string {
	type failure struct {
		Type string `json:"policyType"`
	}
	type value struct {
		Value string `json:"value"`
	}
	type pair struct {
		Key    string       `json:"key"`
		Values items[value] `json:"values"`
	}
	var out struct {
		Allowed  bool           `json:"allowed"`
		Explicit bool           `json:"explicitDeny"`
		Matched  items[matched] `json:"matchedStatements"`
		Failures items[failure] `json:"failures"`
		Context  struct {
			Principal struct {
				ID  string `json:"id"`
				ARN string `json:"arn"`
			} `json:"principal"`
			Action     string      `json:"action"`
			Resource   string      `json:"resource"`
			Conditions items[pair] `json:"conditions"`
		} `json:"context"`
		Cut bool `json:"truncated,omitempty"`
	}
	out.Explicit, out.Cut = m.explicit, m.Cut
	out.Context.Principal.ID, out.Context.Principal.ARN = m.ID, m.ARN
	out.Context.Action, out.Context.Resource = m.Action, m.Resource
	list := slices.Clone(m.Matched)
	if m.statement != 0 {
		list = append(list, matched{Statement: fmt.Sprintf("statement %d", m.statement), Effect: effects[m.denies], Type: policy.LayerResource.String()})
	}
	out.Matched, out.Failures, out.Context.Conditions = listOf(list), listOf[failure](nil), listOf[pair](nil)
	for l := policy.LayerResource; l <= policy.LayerBoundary; l++ {
		if m.silent&(1<<l) != 0 {
			out.Failures.Items = append(out.Failures.Items, failure{l.String()})
		}
	}
	for _, c := range m.Conditions {
		p := pair{c.Key, listOf[value](nil)}
		for _, v := range c.Values {
			p.Values.Items = append(p.Values.Items, value{v})
		}
		out.Context.Conditions.Items = append(out.Context.Conditions.Items, p)
	}
	text, err := json.Marshal(out)
	if err != nil {
		return "" // unreachable: texts and lists of them
	}
	return string(text)
}

// usual is what most messages hold, for their compression. Another text is
// another messageVersion.
const usual = `{"m":[{"statementId":"statement 1","effect":"ALLOW","sourcePolicyType":"permissions boundary","sourcePolicyId":"arn:aws:iam::policy/"},` +
	`{"statementId":"statement 2","effect":"DENY","sourcePolicyType":"session policy"},"sourcePolicyType":"identity policy"}],` +
	`"i":"AROA","a":"arn:aws:sts::assumed-role/mayfly-admin/uid-0","o":"sts:AssumeRole","o":"sts:TagSession","o":"eks:DescribeCluster","o":"eks:ListClusters","o":"iam:CreateRole","o":"iam:GetRole","r":"arn:aws:iam::role/","r":"arn:aws:eks:us-east-1:cluster/","r":"*",` +
	`"c":[{"k":"aws:CurrentTime","v":["2026-11-23T03:00:00Z"]},{"k":"aws:EpochTime","v":["17"]},{"k":"aws:FederatedProvider","v":["arn:aws:iam::oidc-provider/gitlab.com"]},` +
	`{"k":"aws:PrincipalAccount","v":[""]},{"k":"aws:PrincipalArn","v":["arn:aws:iam::role/"]},{"k":"aws:PrincipalIsAWSService","v":["false"]},{"k":"aws:PrincipalTag/","v":[""]},{"k":"aws:PrincipalType","v":["AssumedRole"]},` +
	`{"k":"aws:RequestTag/","v":[""]},{"k":"aws:RequestedRegion","v":["eu-central-1"]},{"k":"aws:ResourceAccount","v":[""]},{"k":"aws:SecureTransport","v":["true"]},{"k":"aws:SourceIp","v":["127.0.0.1"]},{"k":"aws:TagKeys","v":[""]},{"k":"aws:TokenIssueTime","v":["2026-11-23T03:00:00Z"]},` +
	`{"k":"aws:UserAgent","v":["aws-cli/2.31.0 md/awscrt#0.27.6 ua/2.1 os/linux#6.12.0 md/arch#x86_64 lang/python#3.13.7 md/pyimpl#CPython m/b,Z,E,n,C,D cfg/retry-mode#standard md/installer#exe md/prompt#off md/command#sts.assume-role"]},` +
	`{"k":"aws:ViaAWSService","v":["false"]},{"k":"aws:userid","v":["AROA:GitLabRunner-"]},` +
	`{"k":"gitlab.com:aud","v":[""]},{"k":"gitlab.com:environment","v":["production"]},{"k":"gitlab.com:iss","v":["https://gitlab.com"]},{"k":"gitlab.com:job_id","v":[""]},{"k":"gitlab.com:namespace_id","v":[""]},{"k":"gitlab.com:pipeline_id","v":[""]},{"k":"gitlab.com:project_id","v":[""]},{"k":"gitlab.com:project_path","v":[""]},` +
	`{"k":"gitlab.com:ref","v":["main"]},{"k":"gitlab.com:ref_type","v":["branch"]},{"k":"gitlab.com:sha","v":[""]},{"k":"gitlab.com:sub","v":["project_path::ref_type:branch:ref:main"]},{"k":"gitlab.com:user_id","v":[""]},{"k":"gitlab.com:user_login","v":[""]},` +
	`{"k":"sts:DurationSeconds","v":["3600"]},{"k":"sts:ExternalId","v":[""]},{"k":"sts:RoleSessionName","v":["GitLabRunner-"]},{"k":"sts:SourceIdentity","v":[""]},{"k":"sts:TransitiveTagKeys","v":[""]}]}`

func deflate(text []byte) []byte {
	var out bytes.Buffer
	w, err := flate.NewWriterDict(&out, flate.BestCompression, []byte(usual))
	if err != nil {
		return nil // unreachable: the level is a constant
	}
	w.Write(text)
	w.Close()
	return out.Bytes()
}

// maxBodyLen is more than any body has: each byte of a text is six in JSON at
// most.
const maxBodyLen = 256 << 10

func inflate(flat []byte) ([]byte, error) {
	out, err := io.ReadAll(io.LimitReader(flate.NewReaderDict(bytes.NewReader(flat), []byte(usual)), maxBodyLen+1))
	if err == nil && len(out) > maxBodyLen {
		err = ErrMessage
	}
	return out, err
}
