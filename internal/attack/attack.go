// Package attack asks an STS, its token endpoint and a cluster's authentication
// webhook for what they must not give: forged and bent tokens, requests and
// signatures, of the kinds that have got through elsewhere.
//
// It holds what an attacker of the worst kind holds: the signing key of an
// issuer that the target trusts, and the claims of a job it must let in. What it
// sends is made by its own hand, from strings; it shares no code with the rooms
// that check, so a mistake of theirs is not made twice.
//
// An attack shows something only if the same request without it is let in:
// Run begins and ends with that.
package attack

import (
	"context"
	"crypto"
	"errors"
	"fmt"
	"html"
	"io"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"time"
)

// Target is what is attacked, and with what.
type Target struct {
	Endpoint string       // URL of the STS
	HTTP     *http.Client // trusts the endpoint's certificate; follows no redirect
	Role     string       // ARN of a role that trusts exactly the subject and audience of Claims
	Region   string       // to sign for
	Now      func() time.Time

	// Key signs for the issuer, and KeyID is its kid: RSA (RS256), P-256 (ES256)
	// or Ed25519 (EdDSA).
	Key   crypto.Signer
	KeyID string
	// Claims are those of the job that is let in: at least iss, sub and aud. The
	// times and jti are filled in.
	Claims map[string]any

	// Next is the ARN of a role that gives itself to sessions of Role, for
	// sts:AssumeRole and nothing else; empty: AssumeRole is not attacked.
	Next string

	// Audience is whom the role may have a token of the target's own for, and
	// nobody else; empty: the token endpoint is not attacked.
	Audience string

	// Webhook is the TokenReview webhook of a cluster in which the role has an
	// identity; nil: none is attacked.
	Webhook *Webhook
}

// Webhook is a cluster's TokenReview webhook.
type Webhook struct {
	URL     string       // https://…/authenticate
	HTTP    *http.Client // with the cluster's client certificate
	Cluster string       // the name that bearer tokens are bound to
}

// Verdict is what became of an attack. The zero value is none.
type Verdict string

const (
	Refused  Verdict = "refused"
	Accepted Verdict = "ACCEPTED"
	// Broken: no proper answer. A refusal is an answer; a crash is not.
	Broken Verdict = "BROKEN"
)

// Result is an attack and what became of it.
type Result struct {
	ID      string  `json:"id"`              // "token/alg-none"
	What    string  `json:"what"`            // in words
	Class   string  `json:"class,omitempty"` // where it is known from
	Verdict Verdict `json:"verdict"`
	Answer  string  `json:"answer"` // the target's own, short
}

// ControlError says that the request which must be let in is not: then nothing
// is shown by what else is refused.
type ControlError struct {
	What, Answer string
}

func (e *ControlError) Error() string {
	return fmt.Sprintf("%s is not let in, so nothing is shown by what else is refused: %s", e.What, e.Answer)
}

// attempt is one attack.
type attempt struct {
	id, what, class string
	try             func(ctx context.Context, g *good) (Verdict, string)
}

// good is what an attacker begins with: a target, and credentials that it gave
// for a token it must take.
type good struct {
	Target
	creds  credentials
	issued string // a token of the target's own, for Audience
}

// Run attacks the target; seen is told of each result, of the number done and of
// all there are. The error is a *ControlError, the context's, or
// CheckKey's.
func Run(ctx context.Context, t Target, seen func(r Result, done, all int)) ([]Result, error) {
	if t.Now == nil {
		t.Now = time.Now
	}
	if err := CheckKey(t.Key); err != nil {
		return nil, err
	}
	g := &good{Target: t}
	if err := g.control(ctx); err != nil {
		return nil, err
	}
	all := attempts(t)
	var results []Result
	for i, a := range all {
		verdict, answer := a.try(ctx, g)
		if err := ctx.Err(); err != nil {
			return results, err
		}
		r := Result{a.id, a.what, a.class, verdict, answer}
		results = append(results, r)
		if seen != nil {
			seen(r, i+1, len(all))
		}
	}
	return results, g.control(ctx) // it still works for those it is for
}

// attempts are all attacks there are on a target.
func attempts(t Target) []attempt {
	list := slices.Concat(tokenAttempts(), requestAttempts(), signatureAttempts())
	if t.Next != "" {
		list = append(list, assumeAttempts()...)
	}
	if t.Audience != "" {
		list = slices.Concat(list, subjectAttempts(), exchangeAttempts(), issuedAttempts(), issuerAttempts())
	}
	if t.Webhook != nil {
		list = append(list, bearerAttempts()...)
	}
	if t.Audience != "" && t.Webhook != nil {
		list = append(list, issuedBearerAttempts()...)
	}
	return list
}

// control gets credentials for the token that is let in, and uses them.
func (g *good) control(ctx context.Context) error {
	verdict, answer, r := g.exchange(ctx, g.forge().token())
	if verdict != Accepted {
		return &ControlError{"the unbent token", answer}
	}
	var err error
	if g.creds, err = readCredentials(r.body); err != nil {
		return &ControlError{"the unbent token", err.Error()}
	}
	if verdict, answer := g.callerIdentity(ctx, g.signed()); verdict != Accepted {
		return &ControlError{"the unbent signature", answer}
	}
	if g.Next != "" {
		if verdict, answer := g.assumes(ctx, g.assume()); verdict != Accepted {
			return &ControlError{"the unbent AssumeRole", answer}
		}
	}
	if g.Audience != "" {
		if err := g.controlIssuer(ctx); err != nil {
			return err
		}
	}
	if g.Webhook == nil {
		return nil
	}
	if verdict, answer := g.review(ctx, g.bearer()); verdict != Accepted {
		return &ControlError{"the unbent bearer token", answer}
	}
	return nil
}

// credentials are what an exchange gives.
type credentials struct{ accessKeyID, secretKey, sessionToken string }

// element finds a value in an answer, be it XML or JSON.
func element(body, name string) string {
	m := regexp.MustCompile(`<` + name + `>([^<]+)<|"` + name + `"\s*:\s*"([^"]+)"`).FindStringSubmatch(body)
	if m == nil {
		return ""
	}
	return m[1] + m[2]
}

func readCredentials(body string) (credentials, error) {
	c := credentials{element(body, "AccessKeyId"), element(body, "SecretAccessKey"), element(body, "SessionToken")}
	if c.accessKeyID == "" || c.secretKey == "" {
		return c, errors.New("the answer holds no credentials that could be read")
	}
	return c, nil
}

// maxAnswer bounds what is read of an answer.
const maxAnswer = 1 << 20

// patience is how often a target that throttles is asked again, a second apart: a
// throttled attack is not a refused one.
const patience = 30

// reply is an answer as it came.
type reply struct {
	status int
	header http.Header
	body   string
}

// say is the answer in short.
func (r reply) say() string {
	answer := fmt.Sprint(r.status)
	for _, name := range []string{"Code", "__type", "Message", "message", "error", "error_description"} {
		if text := element(r.body, name); text != "" {
			answer += " " + html.UnescapeString(text)
		}
	}
	return clip(answer)
}

// send sends a request; lets marks an answer that lets it in.
func send(hc *http.Client, req *http.Request, lets func(r reply) bool) (Verdict, string, reply) {
	for range patience {
		r, err := ask(hc, req)
		if err != nil {
			return Broken, clip(err.Error()), reply{}
		}
		switch {
		case r.status == http.StatusTooManyRequests || strings.HasPrefix(element(r.body, "Code"), "Throttling"):
			if err := wait(req.Context(), time.Second); err != nil {
				return Broken, clip(err.Error()), reply{}
			}
			continue
		case r.status >= 500:
			return Broken, r.say(), r
		case lets(r):
			return Accepted, r.say(), r
		}
		return Refused, r.say(), r
	}
	return Broken, "it does not stop throttling", reply{}
}

func ask(hc *http.Client, req *http.Request) (r reply, err error) {
	if req.GetBody != nil {
		if req.Body, err = req.GetBody(); err != nil {
			return reply{}, err
		}
	}
	resp, err := hc.Do(req)
	if err != nil {
		return reply{}, err
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	return reply{resp.StatusCode, resp.Header, string(data)}, err
}

func wait(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// clip keeps a target's own text short and harmless to a terminal.
func clip(text string) string {
	text = strings.Map(func(c rune) rune {
		if c < 0x20 || c > 0x7e {
			return '?'
		}
		return c
	}, text)
	if len(text) > 160 {
		return text[:160] + "…"
	}
	return text
}
