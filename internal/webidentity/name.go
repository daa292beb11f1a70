package webidentity

import (
	"strings"

	"mayfly.internal/internal/arn"
)

// maxSessionName is the longest name of a role session (IAM quota).
const maxSessionName = 64

// SessionName is a name for the session of a token's job, where the caller gives
// none: its project, pipeline and job, the ids whole and the end of the project's
// path; of another token, its subject. claim gives claims that are texts. It names
// and decides nothing.
func SessionName(claim func(name string) string) string {
	path, ids := sessionWord(claim("project_path")), ""
	for _, name := range []string{"pipeline_id", "job_id"} {
		if id := sessionWord(claim(name)); id != "" && len(id) <= 20 {
			ids += "-" + id
		}
	}
	if path == "" {
		path = sessionWord(claim("sub"))
	}
	name := path[max(0, len(path)+len(ids)-maxSessionName):] + ids
	if len(strings.Trim(name, "-")) < 2 {
		return "mayfly"
	}
	return strings.TrimLeft(name, "-")
}

// sessionWord is a text with a - for each run of what a session's name may not
// hold.
func sessionWord(text string) string {
	var b strings.Builder
	for i := 0; i < len(text); i++ {
		if c := text[i : i+1]; arn.IsName(c, 1) {
			b.WriteString(c)
		} else if b.Len() > 0 && !strings.HasSuffix(b.String(), "-") {
			b.WriteByte('-')
		}
	}
	return b.String()
}
