package labgitlab_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"mayfly.internal/internal/labgitlab"
)

const catalogWorld = `
users: [{id: 1, username: ann, namespace_id: 9}, {id: 2, username: guest}, {id: 3, username: rep}]
groups:
  - {id: 7, full_path: infra, members: [{username: ann, access_level: developer}, {username: rep, access_level: reporter}]}
projects:
  - {id: 5, path_with_namespace: ann/site, directory: site, branches: [main], members: [{username: guest, access_level: developer}, {username: rep, access_level: developer}]}
  - id: 6
    path_with_namespace: infra/parts
    visibility: VISIBILITY
    catalog_resource: CATALOG
    directory: old
    branches: [{name: main, directory: new, sha: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa}]
    tags: [1.0.0, 1.9.0, {name: 1.10.0, directory: new}, v2.0.0-rc.1, nightly]
`

// catalog is a lab whose project ann/site includes a component at a version.
func catalog(t *testing.T, address, visibility, published string) *labgitlab.Server {
	t.Helper()
	dir := t.TempDir()
	for name, text := range map[string]string{
		"world.yaml":                        strings.NewReplacer("VISIBILITY", visibility, "CATALOG", published).Replace(catalogWorld),
		"site/.gitlab-ci.yml":               "include: [{component: '" + address + "', inputs: {name: mine}}]",
		"old/templates/deploy.yml":          "spec: {inputs: {name: }}\n---\n'old $[[ inputs.name ]]': {script: [x]}",
		"new/templates/deploy/template.yml": "spec: {inputs: {name: }}\n---\ninclude: [{local: shared.yml}]\n'new $[[ inputs.name ]]': {extends: .shared}",
		"new/shared.yml":                    ".shared: {script: [shared]}",
		"site/shared.yml":                   ".shared: {script: [the including project's]}\nwrong: {script: [x]}",
	} {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return newLab(t, filepath.Join(dir, "world.yaml"))
}

// TestComponents: where a component's version leads (GitLab docs, "CI/CD
// components"), and who may not have it.
func TestComponents(t *testing.T) {
	const parts = "$CI_SERVER_FQDN/infra/parts/deploy@"
	for _, tt := range []struct{ address, want string }{
		{parts + "1.0.0", "old mine"},
		{parts + "1.10.0", "new mine"},
		{parts + "1", "new mine"}, // 1.10.0, not 1.9.0
		{parts + "1.0", "old mine"},
		{parts + "1.1", "has no version 1.1"}, // not 1.10.0
		{parts + "~latest", "new mine"},       // not the pre-release
		{parts + "main", "new mine"},
		{parts + "nightly", "old mine"},
		{parts + strings.Repeat("a", 40), "new mine"},
		{parts + strings.Repeat("b", 40), "has no version"},
		{parts + "2", "has no version 2"},
		{parts + "v2.0.0-rc.1", "old mine"},
		{"$CI_SERVER_FQDN/infra/parts/none@1", "has no templates/none.yml and no templates/none/template.yml"},
		{"$CI_SERVER_FQDN/infra/none/deploy@1", "no such project"},
		{"elsewhere.example/infra/parts/deploy@1", "it should be"},
		{"$CI_SERVER_FQDN/infra/parts/deploy", "it should be"},
		{"$CI_SERVER_FQDN/infra/parts/deploy@", "it should be"},
		{"$CI_SERVER_FQDN/infra/parts/../deploy@1", "no such project"},
		{"$CI_SERVER_FQDN/infra/parts/..@1", "it should be"},
		{"$CI_SERVER_FQDN/deploy@1", "it should be"},
	} {
		p, err := catalog(t, tt.address, "private", "true").CreatePipeline(ctx, labgitlab.PipelineRequest{Project: "ann/site", Ref: "main"})
		if err != nil {
			if !strings.Contains(err.Error(), tt.want) || labgitlab.ReasonOf(err) != labgitlab.ReasonMalformed {
				t.Errorf("%s: %v, want %s", tt.address, err, tt.want)
			}
			continue
		}
		if diff := cmp.Diff(tt.want, p.Jobs[0].Name); diff != "" || len(p.Jobs) != 1 {
			t.Errorf("%s: %s %+v", tt.address, diff, p.Jobs)
		}
	}
	for _, tt := range []struct{ address, visibility, published, user, want string }{
		{parts + "1.0.0", "private", "true", "guest", "guest may not read it"},
		{parts + "1.0.0", "private", "true", "rep", ""},
		{parts + "1.0.0", "internal", "true", "guest", ""},
		{parts + "1.0.0", "public", "false", "guest", ""},
		{parts + "1", "public", "false", "ann", "published in the CI/CD catalog"},
		{parts + "~latest", "public", "false", "ann", "published in the CI/CD catalog"},
	} {
		_, err := catalog(t, tt.address, tt.visibility, tt.published).CreatePipeline(ctx, labgitlab.PipelineRequest{Project: "ann/site", Ref: "main", User: tt.user})
		if (err == nil) != (tt.want == "") || err != nil && !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s, %s, %s: %v, want %q", tt.address, tt.visibility, tt.user, err, tt.want)
		}
	}
}
