package labgitlab

import (
	"os"
	"strings"
	"testing"
)

// The page for users names every keyword by what the lab does with it.
func TestTheDocumentationNamesEveryKeyword(t *testing.T) {
	content, err := os.ReadFile("../../docs/lab.md")
	if err != nil {
		t.Fatal(err)
	}
	page := string(content)
	section := func(from, to string) string {
		_, after, found := strings.Cut(page, "\n### "+from)
		if !found {
			t.Fatalf("no section %s", from)
		}
		inside, _, _ := strings.Cut(after, "\n### "+to)
		return inside
	}
	sections := map[treatment]string{
		modelled: section("Imitated", "Accepted"),
		ignored:  section("Accepted", "Refused"),
		refused:  section("Refused", "Variables"),
	}
	for keyword, known := range jobKeywords {
		if !strings.Contains(sections[known.treatment], "`"+keyword+"`") {
			t.Errorf("docs/lab.md does not name %s where it belongs", keyword)
		}
	}
	for _, key := range []string{"tier", "version", "users", "runner", "burned_project_routes", "identities", "namespace_id", "full_path", "path_with_namespace",
		"ci_config_path", "catalog_resource", "build_timeout", "ci_id_token_sub_claim_components", "ci_pipeline_variables_minimum_override_role", "forked_from_project",
		"ci_allow_fork_pipelines_to_run_in_parent_project", "protect_merge_request_pipelines", "required_approval_count", "environment_scope", "variable_type", "maximum_timeout", "external_url"} {
		if !strings.Contains(page, "`"+key+"`") {
			t.Errorf("docs/lab.md does not explain %s", key)
		}
	}
	for _, component := range subComponentNames {
		if !strings.Contains(page, "`"+component+"`") {
			t.Errorf("docs/lab.md does not name the sub component %s", component)
		}
	}
}
