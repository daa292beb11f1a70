package sts

import (
	"strings"
	"testing"

	"mayfly.internal/internal/oidc"
)

// TestExplanation: who belongs to the role's projects learns which of its own
// claims failed; everybody else learns nothing.
func TestExplanation(t *testing.T) {
	w := newWorld(t)
	const secretTerms = `"StringLike":{"gitlab.com:sub":"project_path:acme/web:ref_type:branch:ref:release-*"},"StringEquals":{"gitlab.com:environment":"hidden-environment"},"IpAddress":{"aws:SourceIp":"198.51.100.0/24"}`
	role := w.role(t, "deployer", trust(
		statement(gitlab, assume, `"StringEquals":{"gitlab.com:sub":"project_path:other/hidden-project:ref_type:branch:ref:main","gitlab.com:project_id":"99","gitlab.com:runner_environment":"hidden","gitlab.com:user_login":"hidden"}`),
		statement(gitlab, assume, secretTerms)))
	deny := w.role(t, "denied", trust(statement(gitlab, assume, anyBranch),
		`{"Sid":"HiddenSid","Effect":"Deny","Principal":"*","Action":"sts:*","Condition":{"StringEquals":{"gitlab.com:ref":"main"}}}`))
	// The other project's statement comes as near as the own one, and first.
	tie := w.role(t, "tie", trust(
		statement(gitlab, assume, `"StringEquals":{"gitlab.com:sub":"project_path:other/hidden-project:ref_type:branch:ref:main"}`),
		statement(gitlab, assume, `"StringEquals":{"gitlab.com:sub":"project_path:acme/web:ref_type:branch:ref:release"}`)))
	tagless := w.role(t, "tagless", trust(statement(gitlab, assume, anyBranch)))
	tagged := w.job(map[string]any{"https://aws.amazon.com/tags": map[string]any{"principal_tags": map[string]any{"a": []string{"b"}}}})
	for _, tt := range []struct {
		name, role, token string
		values            bool
		has, hasNot       []string
	}{
		{"a job of the project, on another branch", role, w.job(), false,
			[]string{notAuthorized + ". ", `the role wants a branch whose name fits a pattern, this job ran on the branch "main" (StringLike gitlab.com:sub)`, "this job has no environment (StringEquals gitlab.com:environment)", "a condition that is not about the token is not met", "(denial denial-1)"},
			[]string{"hidden", "release-", "SourceIp", "192.0.2.7", "198.51.100", "99"}},
		{"the same where the operator shows values", role, w.job(), true,
			[]string{"release-*", "hidden-environment"}, []string{"hidden-project", "198.51.100"}},
		{"a statement of another project that comes as near", tie, w.job(), true, []string{"ref:release"}, []string{"hidden"}},
		{"a job of another project", role, w.issuer.Token(jobOf("acme/web2", "main")), false, nil, nil},
		{"a job of another project where the operator shows values", role, w.issuer.Token(jobOf("acme/web2", "main")), true, nil, nil},
		{"an explicit deny", deny, w.job(), false, []string{"A statement of the role's trust policy denies it"}, []string{"HiddenSid", "ref"}},
		{"tags that no statement allows", tagless, tagged, false, []string{"sts:TagSession"}, []string{"acme"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			settings := w.Settings
			defer func() { w.Settings = settings }()
			w.Settings = func(issuer string) oidc.Settings {
				s := settings(issuer)
				if tt.values {
					s.Explain = oidc.ExplainValues
				}
				return s
			}
			_, reason, text := w.exchange(t, input(tt.role, tt.token))
			if reason != NotTrusted {
				t.Fatal(reason)
			}
			if tt.has == nil && text != notAuthorized {
				t.Errorf("a stranger learns %q", text)
			}
			for _, want := range tt.has {
				if !strings.Contains(text, want) {
					t.Errorf("%q does not say %q", text, want)
				}
			}
			for _, leak := range tt.hasNot {
				if strings.Contains(strings.TrimPrefix(text, notAuthorized), leak) {
					t.Errorf("%q says %q", text, leak)
				}
			}
		})
	}
}

// TestExplanationOfHostileClaims: a claim is quoted, and a long one is cut.
func TestExplanationOfHostileClaims(t *testing.T) {
	w := newWorld(t)
	role := w.role(t, "deployer", trust(statement(gitlab, assume, `"StringLike":{"gitlab.com:sub":"project_path:acme/web:*"},"StringEquals":{"gitlab.com:note":"x"}`)))
	_, reason, text := w.exchange(t, input(role, w.job(map[string]any{"note": "\x1b[31m\r\n\"<script>"})))
	if reason != NotTrusted || strings.ContainsAny(text, "\x1b\r\n") || !strings.Contains(text, `\x1b`) {
		t.Errorf("%q %q", reason, text)
	}
	_, _, text = w.exchange(t, input(role, w.job(map[string]any{"note": strings.Repeat("é", 3000)})))
	if len(text) > maxExplanation+200 || strings.ContainsRune(text, '�') || !strings.Contains(text, "… (denial") {
		t.Errorf("%d bytes: %q", len(text), text)
	}
}
