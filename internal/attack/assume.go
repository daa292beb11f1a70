package attack

import (
	"context"
	"fmt"
	"net/url"
	"strings"
)

// classChain is the class of attacks on role chaining.
const classChain = "role chaining"

// assume is a good AssumeRole of the next role, changed by parameters; an empty
// one is taken away.
func (g *good) assume(change ...string) *signed {
	form := url.Values{"Action": {"AssumeRole"}, "Version": {"2011-06-15"}, "RoleArn": {g.Next}, "RoleSessionName": {"attack"}, "DurationSeconds": {"900"}}
	for i := 0; i < len(change); i += 2 {
		if form.Set(change[i], change[i+1]); change[i+1] == "" {
			form.Del(change[i])
		}
	}
	s := g.signed()
	s.body = form.Encode()
	return s
}

// assumes asks for credentials of another role.
func (g *good) assumes(ctx context.Context, s *signed) (Verdict, string) {
	return g.sendSigned(ctx, s, givesCredentials)
}

// assumeAttempts ask for a session of another role, which the target gives to the
// session at hand for sts:AssumeRole and for nothing else.
func assumeAttempts() []attempt {
	var out []attempt
	add := func(id, what, class string, make func(g *good) *signed) {
		out = append(out, attempt{"assume/" + id, what, class, func(ctx context.Context, g *good) (Verdict, string) { return g.assumes(ctx, make(g)) }})
	}
	mixed := func(id, what string, mix func(own, other credentials) credentials) {
		out = append(out, attempt{"assume/" + id, what, classChain, func(ctx context.Context, g *good) (Verdict, string) {
			verdict, answer, r := g.exchange(ctx, g.forge().token())
			other, err := readCredentials(r.body)
			if verdict != Accepted || err != nil {
				return Broken, answer
			}
			s := g.assume()
			s.creds = mix(g.creds, other)
			return g.assumes(ctx, s)
		}})
	}
	set := func(id, what, class string, change ...string) {
		add(id, what, class, func(g *good) *signed { return g.assume(change...) })
	}
	role := func(id, what, class string, bend func(g *good) string) {
		add(id, what, class, func(g *good) *signed { return g.assume("RoleArn", bend(g)) })
	}
	after := func(id, what, class string, bend func(g *good, s *sent), change ...string) {
		add(id, what, class, func(g *good) *signed {
			s := g.assume(change...)
			s.after = func(o *sent) { bend(g, o) }
			return s
		})
	}
	rewrite := func(o *sent, name, value string) {
		form, _ := url.ParseQuery(o.body)
		if form.Set(name, value); value == "" {
			form.Del(name)
		}
		o.body = form.Encode()
	}

	after("none", "no signature at all", classChain, func(_ *good, o *sent) { o.drop("Authorization"); o.drop("X-Amz-Security-Token"); o.drop("X-Amz-Date") })
	after("id-token", "a job's ID token in place of a signature", classChain, func(g *good, o *sent) {
		o.drop("Authorization")
		rewrite(o, "WebIdentityToken", g.forge().token())
	})
	add("service", "signed for another service", "CVE-2026-55873: the scope is part of the decision", func(g *good) *signed {
		s := g.assume()
		s.service = "iam"
		return s
	})
	mixed("token-of-another", "the session token of another session under this one's key", func(own, other credentials) credentials {
		return credentials{own.accessKeyID, own.secretKey, other.sessionToken}
	})
	mixed("secret-of-another", "the secret of another session under this one's token", func(own, other credentials) credentials {
		return credentials{own.accessKeyID, other.secretKey, own.sessionToken}
	})
	after("role-after", "the role changed after signing", classChain, func(g *good, o *sent) { rewrite(o, "RoleArn", g.Next) }, "RoleArn", "arn:aws:iam::111122223333:role/other")
	after("duration-after", "a longer session asked for after signing", classChain, func(_ *good, o *sent) { rewrite(o, "DurationSeconds", "3600") })
	after("policy-after", "the session policy taken away after signing", classChain, func(_ *good, o *sent) { rewrite(o, "Policy", "") },
		"Policy", `{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Action":"*","Resource":"*"}]}`)

	role("role-missing", "a role that does not exist", classRole, func(g *good) string { return g.Next + "-missing" })
	role("role-own", "the role at hand, which trusts no session", classRole, func(g *good) string { return g.Role })
	role("role-account", "the role's name in another account", "CVE-2025-11621: same name, other account", func(g *good) string { return otherAccount(g.Next) })
	role("role-star", "a wildcard as role", classRole, func(g *good) string { return g.Next[:strings.LastIndexByte(g.Next, '/')+1] + "*" })
	role("role-path", "the role under a path it is not in", "aws-iam-authenticator #268: role paths", func(g *good) string { return strings.Replace(g.Next, ":role/", ":role/x/", 1) })
	role("role-session", "a session of the role as role", classRole, func(g *good) string {
		return strings.NewReplacer(":iam:", ":sts:", ":role/", ":assumed-role/").Replace(g.Next) + "/attack"
	})
	add("role-twice", "two roles, the second one trusting", classForm, func(g *good) *signed {
		s := g.assume("RoleArn", g.Role)
		s.body += "&RoleArn=" + url.QueryEscape(g.Next)
		return s
	})
	add("role-case-twin", "a second role in another case", classForm, func(g *good) *signed {
		s := g.assume("RoleArn", g.Role)
		s.body += "&roleArn=" + url.QueryEscape(g.Next)
		return s
	})

	set("tag", "a session tag, which nothing allows", classChain, "Tags.member.1.Key", "team", "Tags.member.1.Value", "x")
	set("tag-aws", "a session tag of AWS's", classChain, "Tags.member.1.Key", "aws:PrincipalTag/team", "Tags.member.1.Value", "x")
	set("tag-transitive", "a transitive tag that is not passed", classChain, "TransitiveTagKeys.member.1", "team")
	set("source-identity", "a source identity, which nothing allows", classChain, "SourceIdentity", "somebody-else")
	set("duration-long", "a session longer than chained ones are", classChain, "DurationSeconds", fmt.Sprint(12*60*60))
	set("policy-broken", "a session policy that is none", classInput, "Policy", `{"Version":"2012-10-17","Statement":[`)
	set("policy-missing", "a managed session policy that does not exist", classInput, "PolicyArns.member.1.arn", "arn:aws:iam::111122223333:policy/none")
	set("name-slash", "a session name with a slash", classInput, "RoleSessionName", "a/b")
	set("name-line-break", "a session name with a line break", classInput, "RoleSessionName", "attack\n")
	return out
}
