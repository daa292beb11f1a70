package webidentity

import (
	"strings"
	"testing"

	"mayfly.internal/internal/arn"
)

func TestSessionName(t *testing.T) {
	long := strings.Repeat("group/", 20) + "project"
	for name, tt := range map[string]struct {
		claims map[string]string
		want   string
	}{
		"a job":                         {map[string]string{"project_path": "acme/web", "pipeline_id": "574", "job_id": "302", "sub": "x"}, "acme-web-574-302"},
		"ids of gitlab.com":             {map[string]string{"project_path": long, "pipeline_id": "2574123456", "job_id": "12302123456"}, "oup-group-group-group-group-group-project-2574123456-12302123456"},
		"a cut that begins with a dash": {map[string]string{"project_path": "a/" + strings.Repeat("b", 63)}, strings.Repeat("b", 63)},
		"somebody who is no job":        {map[string]string{"sub": "user:*:é a@example.com"}, "user-a@example.com"},
		"ids that are none":             {map[string]string{"project_path": "a/b", "pipeline_id": strings.Repeat("1", 21)}, "a-b"},
		"nothing":                       {nil, "mayfly"},
		"too little":                    {map[string]string{"sub": "x"}, "mayfly"},
	} {
		if got := SessionName(func(c string) string { return tt.claims[c] }); got != tt.want || len(got) < 2 || !arn.IsName(got, 64) {
			t.Errorf("%s: %q, want %q", name, got, tt.want)
		}
	}
}
