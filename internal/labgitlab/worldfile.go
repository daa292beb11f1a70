package labgitlab

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"
)

// defaultVersion is the GitLab release whose claims the lab copies. Without its
// last part it is the Community Edition's, which has the free tier alone.
const defaultVersion = "19.1.0-ee"

// defaultBuildTimeout is the project setting's default in GitLab.
const defaultBuildTimeout = time.Hour

// LoadWorld reads a world from a YAML file; docs/lab.md describes its keys.
// Directories in it are relative to the file. Unknown keys, keys written
// twice, names that do not exist and numbers used twice are refused with file
// and line, as a *Refusal of ReasonMalformed.
func LoadWorld(path string) (*World, error) {
	content, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	base, err := filepath.Abs(filepath.Dir(path))
	if err != nil {
		return nil, err
	}
	return parseWorld(path, base, content)
}

func parseWorld(name, base string, content []byte) (*World, error) {
	documents, err := parseYAML(name, content, true)
	if err != nil {
		return nil, err
	}
	if len(documents) != 1 {
		return nil, malformed(Position{File: name}, "a world is one YAML document")
	}
	reader := worldReader{base: base}
	w := reader.world(documents[0])
	if reader.err != nil {
		return nil, reader.err
	}
	if err := checkWorld(w, documents[0]); err != nil {
		return nil, err
	}
	return w, nil
}

type worldReader struct {
	base string
	err  error
}

func (r *worldReader) world(root *node) *World {
	rec := newRecord(root, "a world", &r.err)
	w := &World{
		Tier:           TierName(rec.oneOf("tier", string(Ultimate), string(Free), string(Premium), string(Ultimate))),
		Version:        rec.text("version"),
		Users:          recordsOf(rec, "users", "a user", readUser),
		Groups:         recordsOf(rec, "groups", "a group", readGroup),
		Projects:       recordsOf(rec, "projects", "a project", r.project),
		Variables:      recordsOf(rec, "variables", "a variable", readWorldVariable),
		Runner:         RunnerIdentity{ID: 1, Description: "mayfly-lab", Environment: "self-hosted"},
		Burned:         recordsOf(rec, "burned_project_routes", "a burned route", readBurned),
		PersonalTokens: recordsOf(rec, "personal_access_tokens", "a personal access token", readPersonalToken),
	}
	if w.Version == "" {
		w.Version = defaultVersion
		if w.Tier == Free {
			w.Version = strings.TrimSuffix(defaultVersion, "-ee")
		}
	}
	if runner := rec.take("runner"); runner != nil {
		inner := newRecord(runner, "the runner", &r.err)
		w.Runner.ID = inner.number("id", w.Runner.ID)
		w.Runner.Description = inner.textOr("description", w.Runner.Description)
		w.Runner.Environment = inner.oneOf("environment", w.Runner.Environment, "self-hosted", "gitlab-hosted")
		w.Runner.MaxTimeout = inner.duration("maximum_timeout", 0)
		inner.done()
	}
	rec.done()
	return w
}

func readUser(rec *record) User {
	u := User{
		ID:          rec.id("id"),
		Username:    rec.need("username"),
		Name:        rec.text("name"),
		Email:       rec.text("email"),
		NamespaceID: rec.number("namespace_id", 0),
		Identities: recordsOf(rec, "identities", "an identity", func(rec *record) Identity {
			return Identity{Provider: rec.need("provider"), ExternUID: rec.need("extern_uid")}
		}),
		Admin: rec.boolean("is_admin", false),
	}
	if u.Name == "" {
		u.Name = u.Username
	}
	if u.Email == "" {
		u.Email = u.Username + "@example.com"
	}
	return u
}

func readMember(rec *record) Member {
	return Member{User: rec.need("username"), Level: readLevel(rec, "access_level")}
}

func readLevel(rec *record, key string) AccessLevel {
	text := rec.need(key)
	level, err := parseAccessLevel(text)
	if err != nil && text != "" {
		rec.fail(rec.node.keyPos(key), "%v", err)
	}
	return level
}

func readAccessRule(rec *record) AccessRule {
	rule := AccessRule{User: rec.text("username"), Group: rec.text("group"), DeployKey: rec.number("deploy_key_id", 0)}
	switch named := len(nonEmpty(rule.User)) + len(nonEmpty(rule.Group)); {
	case named == 0 && rule.DeployKey == 0:
		rule.Level = readLevel(rec, "access_level")
	case named > 1 || named > 0 && rule.DeployKey != 0:
		rec.fail(rec.node.pos, "an access level names a role, a username or a group: one of the three, or a deploy_key_id")
	}
	return rule
}

func readGroup(rec *record) Group {
	return Group{
		ID:                    rec.id("id"),
		Path:                  rec.need("full_path"),
		Members:               recordsOf(rec, "members", "a member", readMember),
		Variables:             recordsOf(rec, "variables", "a variable", readWorldVariable),
		ProtectedBranches:     recordsOf(rec, "protected_branches", "a protected branch", readProtectedBranch),
		ProtectedEnvironments: recordsOf(rec, "protected_environments", "a protected environment", readProtectedEnvironment),
	}
}

func (r *worldReader) project(rec *record) Project {
	p := Project{
		ID:                    rec.id("id"),
		Path:                  rec.need("path_with_namespace"),
		Name:                  rec.text("name"),
		Visibility:            rec.oneOf("visibility", "private", "private", "internal", "public"),
		DefaultBranch:         rec.textOr("default_branch", "main"),
		Directory:             r.directory(rec),
		ConfigPath:            rec.textOr("ci_config_path", ".gitlab-ci.yml"),
		CatalogResource:       rec.boolean("catalog_resource", false),
		BuildTimeout:          rec.duration("build_timeout", defaultBuildTimeout),
		SubComponents:         rec.strings("ci_id_token_sub_claim_components"),
		ForkedFrom:            rec.text("forked_from_project"),
		ProtectMergeRequests:  rec.boolean("protect_merge_request_pipelines", true),
		RunForksInParent:      rec.boolean("ci_allow_fork_pipelines_to_run_in_parent_project", true),
		PipelineVariables:     readOverrideRole(rec),
		Members:               recordsOf(rec, "members", "a member", readMember),
		Variables:             recordsOf(rec, "variables", "a variable", readWorldVariable),
		Branches:              r.refs(rec, "branches"),
		Tags:                  r.refs(rec, "tags"),
		ProtectedBranches:     recordsOf(rec, "protected_branches", "a protected branch", readProtectedBranch),
		ProtectedTags:         recordsOf(rec, "protected_tags", "a protected tag", readProtectedTag),
		Environments:          recordsOf(rec, "environments", "an environment", readEnvironment),
		ProtectedEnvironments: recordsOf(rec, "protected_environments", "a protected environment", readProtectedEnvironment),
	}
	readGuardrails(rec, &p)
	if p.Name == "" && strings.Contains(p.Path, "/") {
		p.Name = p.slugName()
	}
	if p.SubComponents == nil {
		p.SubComponents = []string{"project_path", "ref_type", "ref"}
	}
	return p
}

// readOverrideRole reads who may set variables when starting a pipeline.
func readOverrideRole(rec *record) AccessLevel {
	role := rec.oneOf("ci_pipeline_variables_minimum_override_role", "developer", "no_one_allowed", "developer", "maintainer", "owner")
	level, err := parseAccessLevel(role)
	if err != nil {
		return NoAccess // no_one_allowed
	}
	return level
}

func (r *worldReader) directory(rec *record) string {
	written := rec.text("directory")
	if written == "" {
		return ""
	}
	path := written
	if !filepath.IsAbs(path) {
		path = filepath.Join(r.base, path)
	}
	if info, err := os.Stat(path); err != nil || !info.IsDir() {
		rec.fail(rec.node.keyPos("directory"), "there is no directory %s", path)
	}
	return path
}

// refs reads a list whose entries are a bare name or a mapping.
func (r *worldReader) refs(rec *record, key string) []Ref {
	var out []Ref
	for _, item := range rec.items(key) {
		if item.scalar() {
			out = append(out, Ref{Name: item.raw})
			continue
		}
		inner := newRecord(item, "a ref", rec.err)
		ref := Ref{
			Name:      inner.need("name"),
			Directory: r.directory(inner),
			SHA:       inner.text("sha"),
			Message:   inner.text("message"),
		}
		if ref.SHA != "" && !isSHA.MatchString(ref.SHA) {
			inner.fail(inner.node.keyPos("sha"), "sha should be 40 lower-case hexadecimal digits")
		}
		inner.done()
		out = append(out, ref)
	}
	return out
}

var isSHA = regexp.MustCompile(`^[0-9a-f]{40}$`)

func readProtectedBranch(rec *record) ProtectedBranch {
	return ProtectedBranch{
		Name:           rec.need("name"),
		Push:           accessLevels(rec, "push_access_levels"),
		Merge:          accessLevels(rec, "merge_access_levels"),
		Unprotect:      recordsOf(rec, "unprotect_access_levels", "an access level", readAccessRule),
		AllowForcePush: rec.boolean("allow_force_push", false),
		CodeOwners:     rec.boolean("code_owner_approval_required", false),
	}
}

// accessLevels reads who may; a key left out means Maintainers, as in GitLab's
// API, and an empty list means no one.
func accessLevels(rec *record, key string) []AccessRule {
	if !rec.node.has(key) {
		rec.take(key)
		return []AccessRule{{Level: Maintainer}}
	}
	return recordsOf(rec, key, "an access level", readAccessRule)
}

func readProtectedTag(rec *record) ProtectedTag {
	return ProtectedTag{
		Name:   rec.need("name"),
		Create: accessLevels(rec, "create_access_levels"),
	}
}

func readEnvironment(rec *record) Environment {
	name := rec.need("name")
	return Environment{
		Name:        name,
		Tier:        rec.oneOf("tier", guessTier(name), deploymentTiers...),
		ExternalURL: rec.text("external_url"),
	}
}

func readProtectedEnvironment(rec *record) ProtectedEnvironment {
	return ProtectedEnvironment{
		Name:              rec.need("name"),
		Deploy:            recordsOf(rec, "deploy_access_levels", "an access level", readAccessRule),
		RequiredApprovals: rec.count("required_approval_count"),
		Approvals:         recordsOf(rec, "approval_rules", "an approval rule", readEnvironmentApproval),
	}
}

func readWorldVariable(rec *record) WorldVariable {
	v := WorldVariable{
		Variable: Variable{
			Key:    rec.need("key"),
			Value:  rec.text("value"),
			Masked: rec.boolean("masked", false),
			Raw:    rec.boolean("raw", false),
			File:   rec.oneOf("variable_type", "env_var", "env_var", "file") == "file",
		},
		Protected: rec.boolean("protected", false),
		Scope:     rec.textOr("environment_scope", "*"),
	}
	if !variableKey.MatchString(v.Key) {
		rec.fail(rec.node.keyPos("key"), "a variable's key has letters, digits and _ only")
	}
	if v.Masked && !maskable.MatchString(v.Value) {
		rec.fail(rec.node.keyPos("masked"), "a masked value is one line of at least 8 characters without spaces")
	}
	return v
}

var (
	variableKey = regexp.MustCompile(`^[a-zA-Z_][a-zA-Z0-9_]*$`)
	maskable    = regexp.MustCompile(`^\S{8,}$`) // GitLab's rule for masked and hidden variables
)

func readBurned(rec *record) BurnedPath {
	return BurnedPath{Path: rec.need("path"), ProjectID: rec.id("project_id")}
}

// deploymentTiers are GitLab's five.
var deploymentTiers = []string{"production", "staging", "testing", "development", "other"}

var tierGuesses = []struct {
	tier    string
	pattern *regexp.Regexp
}{
	{"development", regexp.MustCompile(`(?i)(dev|review|trunk)`)},
	{"testing", regexp.MustCompile(`(?i)(test|tst|int|ac(ce|)pt|qa|qc|control|quality)`)},
	{"staging", regexp.MustCompile(`(?i)(st(a|)g|mod(e|)l|pre|demo|non)`)},
	{"production", regexp.MustCompile(`(?i)(pr(o|)d|live)`)},
}

// guessTier is the tier GitLab gives an environment by its name alone.
func guessTier(name string) string {
	for _, guess := range tierGuesses {
		if guess.pattern.MatchString(name) {
			return guess.tier
		}
	}
	return "other"
}
