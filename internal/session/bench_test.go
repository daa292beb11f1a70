package session

import (
	"crypto/rand"
	"testing"
	"time"
)

// BenchmarkSession compares a session's whole way with the AEAD alone, which is
// the limit.
func BenchmarkSession(b *testing.B) {
	seal := newSealer(7)
	s := Session{RoleID: "AROAEXAMPLEEXAMPLE123", ProviderID: "OIDC1", Name: "GitLabRunner-574", Issued: issued, Expires: issued.Add(15 * time.Minute), Claims: Claims{
		Issuer: "https://gitlab.com", Subject: "project_path:my_group/my-fancy_project:ref_type:branch:ref:production", Audience: "gitlab-aws-deploy", ProjectPath: "my_group/my-fancy_project", ProjectID: "4711",
		NamespaceID: "72", Ref: "production", RefType: "branch", SHA: "714a629c0b401fdce83e847fc9589983fc6f46bc", PipelineID: "574", JobID: "302", UserID: "1", UserLogin: "sample-user"}}
	_, creds, err := Issue(s, account, seal, rand.Reader)
	if err != nil {
		b.Fatal(err)
	}
	b.Run("issue", func(b *testing.B) {
		for b.Loop() {
			if _, _, err := Issue(s, account, seal, rand.Reader); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("open", func(b *testing.B) {
		for b.Loop() {
			if _, err := Open(creds.Token.Reveal(), creds.AccessKeyID, account, seal); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("bare seal", func(b *testing.B) {
		plain, _ := encode(s, [30]byte{})
		for b.Loop() {
			if _, err := seal.Seal(plain, nil); err != nil {
				b.Fatal(err)
			}
		}
	})
}
