package attack

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"
)

// Where Mayfly has its token endpoint, its keys and its metadata.
const (
	tokenPath     = "/oauth/token"
	keysPath      = "/oauth/jwks"
	discoveryPath = "/.well-known/openid-configuration"
	metadataPath  = "/.well-known/oauth-authorization-server"
)

const (
	grantExchange = "urn:ietf:params:oauth:grant-type:token-exchange"
	grantBearer   = "urn:ietf:params:oauth:grant-type:jwt-bearer"
	tokenType     = "urn:ietf:params:oauth:token-type:" // and the type
)

const (
	classTarget  = "CVE-2022-1245: a token for somebody else"
	classSubject = "CVE-2026-9704: a subject that is left out"
	classGrant   = "another grant"
	classType    = "RFC 8693 §3: the type of a token"
	classActor   = "RFC 8693 §1.1: in another's name"
	classClient  = "a client nobody knows"
)

// subjectForm is a job's request for a token of the target's own (RFC 8693 §2.1).
func (g *good) subjectForm(token string) url.Values {
	return url.Values{"grant_type": {grantExchange}, "subject_token": {token}, "subject_token_type": {tokenType + "id_token"}, "resource": {g.Role}, "audience": {g.Audience}}
}

// assertionForm is the same as RFC 7523 §2.1 has it.
func (g *good) assertionForm(token string) url.Values {
	return url.Values{"grant_type": {grantBearer}, "assertion": {token}, "resource": {g.Role}, "audience": {g.Audience}}
}

// changed is a form with other parameters, name after name and value; an empty
// value takes one away.
func changed(form url.Values, change ...string) url.Values {
	for i := 0; i < len(change); i += 2 {
		if form.Set(change[i], change[i+1]); change[i+1] == "" {
			form.Del(change[i])
		}
	}
	return form
}

// issue asks for a token of the target's own.
func (g *good) issue(ctx context.Context, form url.Values) (Verdict, string, reply) {
	req, err := formRequest(ctx, http.MethodPost, g.Endpoint+tokenPath, form)
	if err != nil {
		return Broken, clip(err.Error()), reply{}
	}
	return send(g.HTTP, req, givesToken)
}

func givesToken(r reply) bool { return element(r.body, "access_token") != "" }

// controlIssuer gets a token of the target's own by each grant.
func (g *good) controlIssuer(ctx context.Context) error {
	verdict, answer, r := g.issue(ctx, g.subjectForm(g.forge().token()))
	if verdict != Accepted {
		return &ControlError{"the unbent token exchange", answer}
	}
	g.issued = element(r.body, "access_token")
	if verdict, answer, _ := g.issue(ctx, g.assertionForm(g.forge().token())); verdict != Accepted {
		return &ControlError{"the unbent JWT bearer grant", answer}
	}
	return nil
}

// subjectAttempts show every bent token to the token endpoint, by each grant.
func subjectAttempts() []attempt {
	return append(
		forgeries("subject/", func(ctx context.Context, g *good, token string) (Verdict, string, reply) {
			return g.issue(ctx, g.subjectForm(token))
		}),
		forgeries("assertion/", func(ctx context.Context, g *good, token string) (Verdict, string, reply) {
			return g.issue(ctx, g.assertionForm(token))
		})...)
}

// exchangeAttempts bend the request for a token around a good ID token.
func exchangeAttempts() []attempt {
	var x exchanges
	x.resources()
	x.audiences()
	x.grants()
	x.types()
	x.clients()
	x.forms()
	x.doors()
	return append(x.out, attempt{"exchange/oracle", "a role that does not exist is told apart from one that does not trust", "an oracle", issueOracle})
}

// exchanges are bent requests for a token.
type exchanges struct{ out []attempt }

func (x *exchanges) add(id, what, class string, make func(ctx context.Context, g *good, form url.Values) (*http.Request, error)) {
	x.out = append(x.out, attempt{"exchange/" + id, what, class, func(ctx context.Context, g *good) (Verdict, string) {
		req, err := make(ctx, g, g.subjectForm(g.forge().token()))
		if err != nil {
			return Broken, clip(err.Error())
		}
		verdict, answer, _ := send(g.HTTP, req, func(r reply) bool { return givesToken(r) || givesCredentials(r) })
		return verdict, answer
	}})
}

// bend changes the form.
func (x *exchanges) bend(id, what, class string, change func(g *good, form url.Values)) {
	x.add(id, what, class, func(ctx context.Context, g *good, form url.Values) (*http.Request, error) {
		change(g, form)
		return formRequest(ctx, http.MethodPost, g.Endpoint+tokenPath, form)
	})
}

// set gives parameters other values; an empty one takes one away.
func (x *exchanges) set(id, what, class string, change ...string) {
	x.bend(id, what, class, func(_ *good, form url.Values) { changed(form, change...) })
}

// body changes the form as it is written.
func (x *exchanges) body(id, what, class string, change func(body string, form url.Values) string) {
	x.add(id, what, class, func(ctx context.Context, g *good, form url.Values) (*http.Request, error) {
		return textRequest(ctx, http.MethodPost, g.Endpoint+tokenPath, formType, change(form.Encode(), form))
	})
}

// header sets a header, to one value or to several.
func (x *exchanges) header(id, what, class, name string, values func(g *good) []string) {
	x.add(id, what, class, func(ctx context.Context, g *good, form url.Values) (*http.Request, error) {
		req, err := formRequest(ctx, http.MethodPost, g.Endpoint+tokenPath, form)
		if err == nil {
			req.Header[name] = values(g)
		}
		return req, err
	})
}

func (x *exchanges) resources() {
	role := func(id, what, class string, change func(role string) string) {
		x.bend(id, what, class, func(_ *good, form url.Values) { form.Set("resource", change(form.Get("resource"))) })
	}
	role("role-missing", "a role that does not exist", classRole, func(s string) string { return s + "-missing" })
	x.bend("role-next", "a role that trusts no ID token", classRole, func(g *good, form url.Values) {
		if form.Set("resource", g.Next); g.Next == "" {
			form.Set("resource", g.Role+"-next")
		}
	})
	role("role-account", "the role's name in another account", "CVE-2025-11621: same name, other account", otherAccount)
	role("role-partition", "the role in another partition", classRole, func(s string) string { return strings.Replace(s, "arn:aws:", "arn:aws-cn:", 1) })
	role("role-star", "a wildcard as role", classRole, func(s string) string { return s[:strings.LastIndexByte(s, '/')+1] + "*" })
	role("role-path", "the role under a path it is not in", "aws-iam-authenticator #268: role paths", func(s string) string { return strings.Replace(s, ":role/", ":role/x/", 1) })
	role("role-dots", "the role by way of another path", classRole, func(s string) string { return strings.Replace(s, ":role/", ":role/x/../", 1) })
	role("role-other-case", "the word role in upper case", classRole, func(s string) string { return strings.Replace(s, ":role/", ":ROLE/", 1) })
	role("role-user", "a user of the role's name", classRole, func(s string) string { return strings.Replace(s, ":role/", ":user/", 1) })
	role("role-session", "a session of the role as resource", classRole, func(s string) string {
		return strings.NewReplacer(":iam:", ":sts:", ":role/", ":assumed-role/").Replace(s) + "/x"
	})
	role("role-nul", "a NUL behind the role", classInput, func(s string) string { return s + "\x00" })
	role("role-space", "a space behind the role", classInput, func(s string) string { return s + " " })
	role("role-list", "two roles in one resource", classInput, func(s string) string { return s + " " + s + "-admin" })
	role("role-name", "the role's bare name", classInput, func(s string) string { return s[strings.LastIndexByte(s, '/')+1:] })
	role("role-fragment", "a fragment behind the role", "RFC 8707 §2", func(s string) string { return s + "#x" })
	role("resource-url", "a URL as resource", classTarget, func(string) string { return "https://api.invalid/" })
	x.set("resource-missing", "no resource", classTarget, "resource", "")
}

func (x *exchanges) audiences() {
	audience := func(id, what string, change func(audience string) string) {
		x.bend(id, what, classTarget, func(_ *good, form url.Values) { form.Set("audience", change(form.Get("audience"))) })
	}
	audience("audience-other", "somebody else as audience", func(string) string { return "https://vault.invalid" })
	audience("audience-suffix", "an audience that begins with the good one", func(s string) string { return s + "-2" })
	audience("audience-shorter", "an audience with which the good one begins", func(s string) string { return s[:len(s)-1] })
	audience("audience-path", "an audience below the good one", func(s string) string { return s + "/x" })
	audience("audience-dots", "the good audience by way of another", func(s string) string { return "x/../" + s })
	audience("audience-escaped", "the good audience, escaped once more", func(s string) string {
		return fmt.Sprintf("%%%02x", s[0]) + s[1:]
	})
	audience("audience-other-case", "the audience in another case", swapCase)
	audience("audience-star", "a wildcard as audience", func(string) string { return "*" })
	audience("audience-question", "a wildcard in the audience", func(s string) string { return s[:len(s)-1] + "?" })
	audience("audience-variable", "a policy's variable as audience", func(string) string { return "${aws:userid}" })
	audience("audience-list", "two audiences with a space between", func(s string) string { return s + " https://vault.invalid" })
	audience("audience-comma", "two audiences with a comma between", func(s string) string { return s + ",https://vault.invalid" })
	audience("audience-json", "two audiences as a JSON list", func(s string) string { return object([]string{s, "https://vault.invalid"}) })
	audience("audience-quote", "an audience that ends a JSON string", func(s string) string { return s + `","aud":"evil` })
	audience("audience-nul", "a NUL and more behind the audience", func(s string) string { return s + "\x00evil" })
	audience("audience-line-break", "a line break behind the audience", func(s string) string { return s + "\n" })
	audience("audience-look-alike", "a letter of another alphabet", func(s string) string { return s + "\u0430" })
	audience("audience-arn", "an audience that is the end of an ARN", func(s string) string { return "audience/" + s })
	audience("audience-long", "an audience of 4 000 characters", func(s string) string { return s + strings.Repeat("a", 4000) })
	x.bend("audience-self", "the target itself as audience", classTarget, func(g *good, form url.Values) { form.Set("audience", g.Endpoint) })
	x.bend("audience-client", "the audience of ID tokens as audience", classTarget, func(g *good, form url.Values) { form.Set("audience", g.forge().text("aud")) })
	x.set("audience-missing", "no audience", classTarget, "audience", "")
}

func (x *exchanges) grants() {
	x.set("grant-missing", "no grant type", classGrant, "grant_type", "")
	for _, grant := range []string{"password", "client_credentials", "authorization_code", "refresh_token", "implicit", "urn:ietf:params:oauth:grant-type:saml2-bearer", "urn:ietf:params:oauth:grant-type:device_code", "urn:openid:params:grant-type:ciba"} {
		x.set("grant-"+strings.ReplaceAll(grant[strings.LastIndexByte(grant, ':')+1:], "_", "-"), "the grant type "+grant, classGrant, "grant_type", grant)
	}
	x.set("grant-short", "the grant type without its URN", classGrant, "grant_type", "token-exchange")
	x.set("grant-upper-case", "the grant type in upper case", classGrant, "grant_type", strings.ToUpper(grantExchange))
	x.set("grant-space", "a space behind the grant type", classGrant, "grant_type", grantExchange+" ")
	x.set("grant-two", "two grant types in one", classGrant, "grant_type", grantExchange+" "+grantBearer)
	x.set("grant-bearer", "a subject token by the other grant", classGrant, "grant_type", grantBearer)
	x.bend("grant-exchange-assertion", "an assertion by the other grant", classGrant, func(_ *good, form url.Values) {
		changed(form, "assertion", form.Get("subject_token"), "subject_token", "", "subject_token_type", "")
	})
	x.bend("grant-both", "a bad assertion beside a good subject token", classForm, func(_ *good, form url.Values) { form.Set("assertion", "a.b.c") })
	x.bend("grant-bearer-both", "a bad subject token beside a good assertion", classForm, func(_ *good, form url.Values) {
		changed(form, "grant_type", grantBearer, "assertion", form.Get("subject_token"), "subject_token", "a.b.c")
	})
}

func (x *exchanges) types() {
	x.set("subject-missing", "no subject token", classSubject, "subject_token", "")
	x.bend("subject-empty", "a subject token without a value", classSubject, func(_ *good, form url.Values) { form.Set("subject_token", "") })
	x.set("subject-type-missing", "no type of the subject token", classType, "subject_token_type", "")
	for _, kind := range []string{"access_token", "refresh_token", "saml1", "saml2", "none"} {
		x.set("subject-type-"+strings.ReplaceAll(kind, "_", "-"), "an ID token that is called "+kind, classType, "subject_token_type", tokenType+kind)
	}
	x.set("subject-type-upper-case", "the type in upper case", classType, "subject_token_type", strings.ToUpper(tokenType+"id_token"))
	x.set("subject-type-short", "the type without its URN", classType, "subject_token_type", "id_token")
	for _, kind := range []string{"id_token", "refresh_token", "saml1", "saml2", "txn_token"} {
		x.set("requested-"+strings.ReplaceAll(kind, "_", "-"), "a token of the type "+kind, classType, "requested_token_type", tokenType+kind)
	}
	x.set("requested-aws", "AWS's credentials as a token", classType, "requested_token_type", "urn:ietf:params:aws:token-type:aws4_request")
	x.bend("actor", "the same token as the actor's", classActor, func(_ *good, form url.Values) {
		changed(form, "actor_token", form.Get("subject_token"), "actor_token_type", tokenType+"id_token")
	})
	x.bend("actor-own", "a token of the target's own as the actor's", classActor, func(g *good, form url.Values) {
		changed(form, "actor_token", g.issued, "actor_token_type", tokenType+"access_token")
	})
	x.set("actor-type", "an actor's type and no actor", classActor, "actor_token_type", tokenType+"id_token")
	x.set("actor-bad", "an actor's token that is none", classActor, "actor_token", "x", "actor_token_type", tokenType+"id_token")
	x.set("scope", "a scope", classTarget, "scope", "openid offline_access")
	x.set("scope-admin", "a scope that would be all", classTarget, "scope", "*")
}

func (x *exchanges) clients() {
	x.set("client-id", "a client's id", classClient, "client_id", "admin")
	x.set("client-secret", "a client's id and password", classClient, "client_id", "admin", "client_secret", "admin")
	x.bend("client-assertion", "a client's assertion", "CVE-2025-27371: a client's assertion", func(_ *good, form url.Values) {
		changed(form, "client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer", "client_assertion", form.Get("subject_token"))
	})
	x.header("authorization-basic", "a client's password in the header", classClient, "Authorization", func(*good) []string { return []string{"Basic YWRtaW46YWRtaW4="} })
	x.header("authorization-bearer", "a token of the target's own in the header", classClient, "Authorization", func(g *good) []string { return []string{"Bearer " + g.issued} })
	x.header("authorization-id-token", "the ID token in the header", classClient, "Authorization", func(g *good) []string { return []string{"Bearer " + g.forge().token()} })
	x.header("authorization-second", "a client's password in a second header", classForm, "Authorization", func(*good) []string { return []string{"", "Basic YWRtaW46YWRtaW4="} })
}

func (x *exchanges) forms() {
	for _, name := range []string{"grant_type", "subject_token", "subject_token_type", "resource", "audience"} {
		id := strings.ReplaceAll(name, "_", "-")
		x.body(id+"-twice", name+" twice, the second the good one", classForm, func(body string, _ url.Values) string { return name + "=x&" + body })
		x.body(id+"-case-twin", name+" twice, once in another case", classForm, func(body string, _ url.Values) string { return body + "&" + swapCase(name[:1]) + name[1:] + "=x" })
	}
	x.body("audience-again", "two audiences, the first the good one", classTarget, func(body string, _ url.Values) string { return body + "&audience=https%3A%2F%2Fvault.invalid" })
	x.body("resource-again", "two roles, the first the good one", classTarget, func(body string, form url.Values) string {
		return body + "&resource=" + url.QueryEscape(form.Get("resource")+"-admin")
	})
	x.body("audience-brackets", "an audience[] beside the audience", classForm, func(body string, _ url.Values) string { return body + "&audience%5B%5D=https%3A%2F%2Fvault.invalid" })
	x.body("unknown", "a life of a day", classInput, func(body string, _ url.Values) string { return body + "&expires_in=86400" })
	x.body("unknown-claims", "claims of its own", classInput, func(body string, _ url.Values) string {
		return body + "&claims=" + url.QueryEscape(`{"roles":["admin"]}`)
	})
	x.body("unknown-role", "the parameter of STS beside the resource", classForm, func(body string, form url.Values) string {
		return body + "&RoleArn=" + url.QueryEscape(form.Get("resource")+"-admin")
	})
	x.body("broken-escape", "an escape that is none", classForm, func(body string, _ url.Values) string { return body + "&x=%zz" })
	x.body("semicolon", "parameters with a semicolon between", classForm, func(body string, _ url.Values) string { return strings.ReplaceAll(body, "&", ";") })
	x.body("broken-utf8", "an audience that is not UTF-8", classForm, func(body string, _ url.Values) string {
		return strings.Replace(body, "audience=", "audience=%ff%fe", 1)
	})
	x.body("many-parameters", "a thousand parameters", "size", func(body string, _ url.Values) string {
		var b strings.Builder
		b.WriteString(body)
		for i := range 1000 {
			fmt.Fprintf(&b, "&x%d=", i)
		}
		return b.String()
	})
	x.body("large", "a body of ten megabytes", "size", func(body string, _ url.Values) string { return body + "&x=" + strings.Repeat("a", 10<<20) })
}

func (x *exchanges) doors() {
	x.add("get", "the token in the URL", classURL, func(ctx context.Context, g *good, form url.Values) (*http.Request, error) {
		return http.NewRequestWithContext(ctx, http.MethodGet, g.Endpoint+tokenPath+"?"+form.Encode(), nil)
	})
	x.add("post-query", "the parameters in the URL of a POST", classURL, func(ctx context.Context, g *good, form url.Values) (*http.Request, error) {
		return textRequest(ctx, http.MethodPost, g.Endpoint+tokenPath+"?"+form.Encode(), formType, "")
	})
	x.add("query-besides", "another audience in the URL", classForm, func(ctx context.Context, g *good, form url.Values) (*http.Request, error) {
		return formRequest(ctx, http.MethodPost, g.Endpoint+tokenPath+"?audience=https%3A%2F%2Fvault.invalid", form)
	})
	x.add("get-body", "GET with a body", "one door", func(ctx context.Context, g *good, form url.Values) (*http.Request, error) {
		return formRequest(ctx, http.MethodGet, g.Endpoint+tokenPath, form)
	})
	x.add("put", "PUT in place of POST", "one door", func(ctx context.Context, g *good, form url.Values) (*http.Request, error) {
		return formRequest(ctx, http.MethodPut, g.Endpoint+tokenPath, form)
	})
	for _, p := range [][3]string{{"path-slash", tokenPath + "/", "a slash behind the path"}, {"path-slash-before", "/" + tokenPath, "a slash before the path"}, {"path-other-case", strings.ToUpper(tokenPath), "the path in upper case"},
		{"path-escaped", "/oauth/%74oken", "the path escaped"}, {"path-dots", "/healthz/.." + tokenPath, "the path by way of another"}, {"path-keys", keysPath, "the form at the keys' door"}, {"path-metadata", metadataPath, "the form at the metadata's door"}} {
		x.add(p[0], p[2], "a path that a proxy reads otherwise", func(ctx context.Context, g *good, form url.Values) (*http.Request, error) {
			return formRequest(ctx, http.MethodPost, g.Endpoint+p[1], form)
		})
	}
	x.add("path-sts", "the form at the door of STS", "one door", func(ctx context.Context, g *good, form url.Values) (*http.Request, error) {
		return formRequest(ctx, http.MethodPost, g.Endpoint, form)
	})
	x.add("sts-form", "the form of STS at this door", "one door", func(ctx context.Context, g *good, form url.Values) (*http.Request, error) {
		return formRequest(ctx, http.MethodPost, g.Endpoint+tokenPath, g.form(form.Get("subject_token")))
	})
	for _, kind := range [][2]string{{"type-missing", ""}, {"type-text", "text/plain"}, {"type-json", "application/json"}, {"type-utf16", formType + "; charset=utf-16"}, {"type-list", formType + ", application/json"}} {
		x.add(kind[0], fmt.Sprintf("the form as %q", kind[1]), classDoor, func(ctx context.Context, g *good, form url.Values) (*http.Request, error) {
			return textRequest(ctx, http.MethodPost, g.Endpoint+tokenPath, kind[1], form.Encode())
		})
	}
	x.header("type-twice", "the form, and JSON in a second header", classForm, "Content-Type", func(*good) []string { return []string{formType, "application/json"} })
	x.header("type-encoded", "the form, said to be compressed", classForm, "Content-Encoding", func(*good) []string { return []string{"gzip"} })
	x.add("multipart", "the parameters as multipart/form-data", classDoor, func(ctx context.Context, g *good, form url.Values) (*http.Request, error) {
		return textRequest(ctx, http.MethodPost, g.Endpoint+tokenPath, "multipart/form-data; boundary=x", multipart(form))
	})
	x.add("json", "the parameters as JSON", classDoor, func(ctx context.Context, g *good, form url.Values) (*http.Request, error) {
		return textRequest(ctx, http.MethodPost, g.Endpoint+tokenPath, "application/json", jsonForm(form))
	})
}

// issueOracle asks as a stranger, with a good token of another project, for the
// role, for one that does not exist, and for another audience. The answers must say
// the same.
func issueOracle(ctx context.Context, g *good) (Verdict, string) {
	ask := func(change ...string) (Verdict, string, reply) {
		f := g.forge()
		f.setSubject("project_path:stranger/project:ref_type:branch:ref:main")
		return g.issue(ctx, changed(g.subjectForm(f.token()), change...))
	}
	first, answer, there := ask()
	if first != Refused {
		return first, answer
	}
	for _, change := range [][]string{{"resource", g.Role + "-missing"}, {"audience", g.Audience + "-2"}} {
		verdict, otherAnswer, other := ask(change...)
		switch {
		case verdict != Refused:
			return verdict, otherAnswer
		case other.status != there.status || other.body != there.body:
			return Accepted, clip(fmt.Sprintf("%s, and with another %s %s", answer, change[0], otherAnswer))
		}
	}
	return Refused, answer
}
