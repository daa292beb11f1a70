package attack

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
)

const (
	classForm  = "CVE-2022-2385: two readers of one form"
	classRole  = "a neighbouring role"
	classInput = "the caller's own words"
	classURL   = "a URL is logged on its way"
	classDoor  = "CVE-2026-41145: a door per content type"
)

// requestAttempts bend the request around a good token.
func requestAttempts() []attempt {
	var out []attempt
	add := func(id, what, class string, try func(ctx context.Context, g *good, form url.Values) (Verdict, string)) {
		out = append(out, attempt{"request/" + id, what, class, func(ctx context.Context, g *good) (Verdict, string) {
			return try(ctx, g, g.form(g.forge().token()))
		}})
	}
	set := func(id, what, class, name string, value func(old string) string) {
		add(id, what, class, func(ctx context.Context, g *good, form url.Values) (Verdict, string) {
			form.Set(name, value(form.Get(name)))
			verdict, answer, _ := g.query(ctx, form)
			return verdict, answer
		})
	}
	body := func(id, what, class string, change func(body string, form url.Values) string) {
		add(id, what, class, func(ctx context.Context, g *good, form url.Values) (Verdict, string) {
			verdict, answer, _ := g.post(ctx, change(form.Encode(), form))
			return verdict, answer
		})
	}
	other := func(id, what, class string, make func(ctx context.Context, g *good, form url.Values) (*http.Request, error)) {
		add(id, what, class, func(ctx context.Context, g *good, form url.Values) (Verdict, string) {
			req, err := make(ctx, g, form)
			if err != nil {
				return Broken, clip(err.Error())
			}
			verdict, answer, _ := send(g.HTTP, req, givesCredentials)
			return verdict, answer
		})
	}

	set("role-missing", "a role that does not exist", classRole, "RoleArn", func(s string) string { return s + "-missing" })
	set("role-account", "the role's name in another account", "CVE-2025-11621: same name, other account", "RoleArn", otherAccount)
	set("role-star", "a wildcard as role", classRole, "RoleArn", func(s string) string { return s[:strings.LastIndexByte(s, '/')+1] + "*" })
	set("role-path", "the role under a path it is not in", "aws-iam-authenticator #268: role paths", "RoleArn", func(s string) string { return strings.Replace(s, ":role/", ":role/x/", 1) })
	set("role-dots", "the role by way of another path", classRole, "RoleArn", func(s string) string { return strings.Replace(s, ":role/", ":role/x/../", 1) })
	set("role-other-case", "the word role in upper case", classRole, "RoleArn", func(s string) string { return strings.Replace(s, ":role/", ":ROLE/", 1) })
	set("role-nul", "a NUL behind the role", classInput, "RoleArn", func(s string) string { return s + "\x00" })
	set("role-user", "a user of the role's name", classRole, "RoleArn", func(s string) string { return strings.Replace(s, ":role/", ":user/", 1) })
	set("role-session", "a session of the role as role", classRole, "RoleArn", func(s string) string {
		return strings.NewReplacer(":iam:", ":sts:", ":role/", ":assumed-role/").Replace(s) + "/x"
	})
	set("duration-long", "a session of a week", "bounds", "DurationSeconds", func(string) string { return "604800" })
	set("duration-short", "a session of a second", "bounds", "DurationSeconds", func(string) string { return "1" })
	set("duration-negative", "a session of less than nothing", "bounds", "DurationSeconds", func(string) string { return "-900" })
	set("duration-overflow", "a duration beyond 64 bits", "bounds", "DurationSeconds", func(string) string { return "18446744073709552516" })
	set("duration-float", "a duration with an exponent", "bounds", "DurationSeconds", func(string) string { return "9e2" })
	set("name-slash", "a session name that reads as another role's", classInput, "RoleSessionName", func(string) string { return "x/../admin" })
	set("name-colon", "a session name that reads as a user name of Kubernetes", classInput, "RoleSessionName", func(string) string { return "system:masters" })
	set("name-template", "a session name that is a template", classInput, "RoleSessionName", func(string) string { return "{{SessionName}}" })
	set("name-line-break", "a session name of two lines", classInput, "RoleSessionName", func(string) string { return "a\nb" })
	set("name-long", "a session name of 65 characters", "bounds", "RoleSessionName", func(string) string { return strings.Repeat("a", 65) })
	set("name-look-alike", "a session name in another alphabet", classInput, "RoleSessionName", func(string) string { return "\u0430dmin" })
	set("policy-broken", "a session policy that is none", "CVE-2025-62506: session policies", "Policy", func(string) string { return `{"Version":"2012-10-17","Statement":` })
	set("policy-operator", "a session policy with an operator nobody knows", "CVE-2025-62506: session policies", "Policy", func(string) string {
		return `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*","Condition":{"StringSometimes":{"aws:userid":"x"}}}]}`
	})
	set("provider-id", "a provider of another protocol", "CVE-2025-3879: a field that repeats a claim", "ProviderId", func(string) string { return "www.amazon.com" })

	body("token-twice", "a bad token before the good one", classForm, func(body string, _ url.Values) string { return "WebIdentityToken=a.b.c&" + body })
	body("role-twice", "the role twice, once another", classForm, func(body string, form url.Values) string {
		return body + "&RoleArn=" + url.QueryEscape(form.Get("RoleArn")+"-other")
	})
	body("role-case-twin", "roleArn beside RoleArn", classForm, func(body string, form url.Values) string {
		return body + "&roleArn=" + url.QueryEscape(form.Get("RoleArn")+"-other")
	})
	body("action-twice", "two actions", classForm, func(body string, _ url.Values) string { return "Action=GetCallerIdentity&" + body })
	body("broken-escape", "an escape that is none", classForm, func(body string, _ url.Values) string { return body + "&x=%zz" })
	body("semicolon", "parameters with a semicolon between", classForm, func(body string, _ url.Values) string { return strings.ReplaceAll(body, "&", ";") })
	body("broken-utf8", "a session name that is not UTF-8", classForm, func(body string, _ url.Values) string { return strings.Replace(body, "attack", "a%ff%fe", 1) })
	body("many-parameters", "ten thousand parameters", "size", func(body string, _ url.Values) string {
		var b strings.Builder
		b.WriteString(body)
		for i := range 10000 {
			fmt.Fprintf(&b, "&x%d=1", i)
		}
		return b.String()
	})
	body("large", "a body of ten megabytes", "size", func(body string, _ url.Values) string { return body + "&x=" + strings.Repeat("a", 10<<20) })

	other("get", "the token in the URL", classURL, func(ctx context.Context, g *good, form url.Values) (*http.Request, error) {
		return http.NewRequestWithContext(ctx, http.MethodGet, g.Endpoint+"/?"+form.Encode(), nil)
	})
	other("post-query", "the parameters in the URL of a POST", classURL, func(ctx context.Context, g *good, form url.Values) (*http.Request, error) {
		return http.NewRequestWithContext(ctx, http.MethodPost, g.Endpoint+"/?"+form.Encode(), strings.NewReader(""))
	})
	other("put", "PUT in place of POST", "one door", func(ctx context.Context, g *good, form url.Values) (*http.Request, error) {
		return formRequest(ctx, http.MethodPut, g.Endpoint, form)
	})
	other("multipart", "the parameters as multipart/form-data", classDoor, func(ctx context.Context, g *good, form url.Values) (*http.Request, error) {
		return textRequest(ctx, http.MethodPost, g.Endpoint, "multipart/form-data; boundary=x", multipart(form))
	})
	other("json", "the parameters as JSON", classDoor, func(ctx context.Context, g *good, form url.Values) (*http.Request, error) {
		return textRequest(ctx, http.MethodPost, g.Endpoint, "application/json", jsonForm(form))
	})

	return append(out, attempt{"request/oracle", "a role that does not exist is told apart from one that does not trust", "an oracle", oracle})
}

func formRequest(ctx context.Context, method, target string, form url.Values) (*http.Request, error) {
	return textRequest(ctx, method, target, formType, form.Encode())
}

const formType = "application/x-www-form-urlencoded"

func textRequest(ctx context.Context, method, target, contentType, body string) (*http.Request, error) {
	req, err := http.NewRequestWithContext(ctx, method, target, strings.NewReader(body))
	if err == nil && contentType != "" {
		req.Header.Set("Content-Type", contentType)
	}
	return req, err
}

func multipart(form url.Values) string {
	var b strings.Builder
	for name := range form {
		fmt.Fprintf(&b, "--x\r\nContent-Disposition: form-data; name=%s\r\n\r\n%s\r\n", strconv.Quote(name), form.Get(name))
	}
	return b.String() + "--x--\r\n"
}

func jsonForm(form url.Values) string {
	in := map[string]string{}
	for name := range form {
		in[name] = form.Get(name)
	}
	return object(in)
}

// otherAccount is the same ARN in another account.
func otherAccount(arn string) string {
	parts := strings.Split(arn, ":")
	if len(parts) < 6 {
		return arn + "x"
	}
	if parts[4] == "999999999999" {
		parts[4] = "888888888888"
	} else {
		parts[4] = "999999999999"
	}
	return strings.Join(parts, ":")
}

// oracle asks as a stranger, with a good token of another project, for the role
// and for one that does not exist. The answers must say the same.
func oracle(ctx context.Context, g *good) (Verdict, string) {
	ask := func(role string) (Verdict, string, string) {
		f := g.forge()
		f.setSubject("project_path:stranger/project:ref_type:branch:ref:main")
		form := g.form(f.token())
		form.Set("RoleArn", role)
		verdict, answer, r := g.query(ctx, form)
		return verdict, answer, element(r.body, "Message")
	}
	first, answer, there := ask(g.Role)
	second, otherAnswer, missing := ask(g.Role + "-missing")
	switch {
	case first != Refused:
		return first, answer
	case second != Refused:
		return second, otherAnswer
	case answer != otherAnswer || there != missing:
		return Accepted, clip(fmt.Sprintf("%s %q, and %s %q", answer, there, otherAnswer, missing))
	}
	return Refused, answer
}
