package prove

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"mayfly.internal/internal/arn"
	"mayfly.internal/internal/guard"
	"mayfly.internal/internal/policy"
	"mayfly.internal/internal/regular"
)

// Realm says whose exchange it is: which claims become condition keys.
type Realm uint8

const (
	// Mayfly makes every claim a condition key.
	Mayfly Realm = iota
	// AWS knows sub and aud, and of gitlab.com a few more.
	AWS
)

// awsClaims are the claims that real AWS makes condition keys of: of every
// issuer, and of gitlab.com besides. (reference: AWS's service authorization
// reference for STS, "GitLab OIDC provider keys".)
var (
	awsClaims       = map[string]bool{"sub": true, "aud": true}
	awsGitLabClaims = map[string]bool{"namespace_id": true, "project_id": true, "user_id": true, "user_login": true, "user_email": true,
		"user_access_level": true, "ref_protected": true, "pipeline_source": true, "runner_environment": true}
)

// Issuer is one GitLab whose jobs a trust policy may let in.
type Issuer struct {
	Provider arn.Provider
	Realm    Realm
	// Facts are what is known of its projects; nil: nothing.
	Facts *guard.Facts
	// Audiences are those the provider accepts; none: nobody said.
	Audiences []string
	// LoginClientIDs are the audiences with which people sign in.
	LoginClientIDs []string
	// several: its jobs' tokens are for several audiences, of which nothing is said.
	several bool
}

// Class says whose tokens a shape's are.
type Class uint8

const (
	KnownProject  Class = iota + 1 // a project whose facts are known
	OtherProject                   // any other, one that is made tomorrow included
	ReusedPath                     // another project under the path of one that is known
	ForkOfKnown                    // a fork's merge request, run in a project that is known
	RunsElsewhere                  // a merge request run in another project, of one that is known or of any that is not
	Person                         // somebody who signed in
)

// origin says what a shape's tokens have in common.
type origin struct {
	class   Class
	project *guard.Project // of KnownProject, ReusedPath, ForkOfKnown and RunsElsewhere
	ref     guard.RefKind
	// components are those of sub, where they are not the project's own.
	components []string
	// What stands fixed where a customised sub names it.
	protected   string // ref_protected; empty: it varies
	environment *environment
	reused      bool // the project may also be one that took the path of a known one
	spelt       bool // the path that was taken is written in other letters
}

// environment is what a customised sub says of a job's environment.
type environment struct{ protected, tier string }

// Tracks of the group that says where a job comes from.
const (
	trackProjectID = iota + 1
	trackNamespaceID
	trackNamespace
	trackName
	trackRef
	trackProtected
	originTracks = trackProtected
)

// Pipeline sources, by what starts with them (GitLab, Enums::Ci::Pipeline). A
// child pipeline has the ref of the one it belongs to, a merge request's too.
var (
	refSources = []string{"push", "web", "trigger", "schedule", "api", "external", "pipeline", "chat", "webide", "parent_pipeline", "ondemand_dast_scan",
		"ondemand_dast_validation", "security_orchestration_policy", "container_registry_push", "duo_workflow", "pipeline_execution_policy_schedule", "dependency_management_security_update", "unknown"}
	mergeSources = []string{"merge_request_event", "parent_pipeline", "external_pull_request_event"}
	tiers        = []string{"production", "staging", "testing", "development", "other"}
	actions      = []string{"start", "prepare", "stop", "verify", "access"}
	levels       = []string{"guest", "planner", "reporter", "developer", "maintainer", "owner"}
)

// shapes are the shapes of a project's tokens.
func (is *Issuer) shapes(w *regular.Work, p *guard.Project) []*Shape {
	var out []*Shape
	for _, kind := range []guard.RefKind{guard.Branch, guard.Tag, guard.MergeRequest} {
		for _, v := range variants(origin{class: KnownProject, project: p, ref: kind}, subComponents(p)) {
			out = append(out, is.shape(w, v))
		}
	}
	return out
}

// reusedShapes are the shapes of the tokens of another project under a project's
// path, whose owner makes sub as the project does, or as GitLab does by default.
func (is *Issuer) reusedShapes(w *regular.Work, p *guard.Project, spelt bool) []*Shape {
	var out []*Shape
	lists := [][]string{defaultComponents}
	own := subComponents(p)
	if _, odd := (&shapeBuilder{origin: origin{class: ReusedPath, project: p}}).subOf(own); odd == "" && !slices.Equal(own, defaultComponents) {
		lists = append(lists, own)
	}
	for _, kind := range []guard.RefKind{guard.Branch, guard.Tag} {
		for _, components := range lists {
			for _, v := range variants(origin{class: ReusedPath, project: p, ref: kind, components: components, spelt: spelt}, components) {
				out = append(out, is.shape(w, v))
			}
		}
	}
	return out
}

// variants are the origins that one is parted into: where sub says whether the ref
// or the environment is protected, there is one for each thing it can say.
func variants(o origin, components []string) []origin {
	out := []origin{o}
	if slices.Contains(components, "ref_protected") {
		out = split(out, []string{"true", "false"}, func(o *origin, v string) { o.protected = v })
	}
	if slices.Contains(components, "environment_protected") || slices.Contains(components, "deployment_tier") {
		var states []environment
		for _, protected := range []string{"true", "false"} {
			for _, tier := range tiers {
				states = append(states, environment{protected, tier})
			}
		}
		out = split(out, append(states, environment{}), func(o *origin, v environment) { o.environment = &v })
	}
	return out
}

func split[T any](origins []origin, values []T, set func(*origin, T)) []origin {
	var out []origin
	for _, o := range origins {
		for _, v := range values {
			c := o
			set(&c, v)
			out = append(out, c)
		}
	}
	return out
}

// What sub is made of by default, and where a project is named by its id.
var (
	defaultComponents = []string{"project_path", "ref_type", "ref"}
	idComponents      = []string{"project_id", "ref_type", "ref"}
)

// subComponents are what the project's sub is made of: GitLab's default where
// nobody knows of another.
func subComponents(p *guard.Project) []string {
	if p != nil {
		if list, known := p.SubComponents.Value(); known && len(list) > 0 {
			return list
		}
	}
	return defaultComponents
}

// shape is the shape of an origin's tokens.
func (is *Issuer) shape(w *regular.Work, o origin) *Shape {
	b := &shapeBuilder{w: w, issuer: is, origin: o}
	s := is.finish(w, o, append([]Group{b.originGroup()}, b.otherGroups()...))
	for key, why := range b.unmodelled {
		s.opaque[policy.FoldKey(is.Provider.URL+":"+key)] = why
	}
	return s
}

// finish is the shape of some groups, and of what every request has.
func (is *Issuer) finish(w *regular.Work, o origin, groups []Group) *Shape {
	for i := range groups {
		groups[i].Keys = is.filter(groups[i].Keys)
	}
	s := NewShape(o.String(), append(groups, requestGroups(w, is.Provider)...)...)
	s.origin, s.doors = o, is.Realm == Mayfly
	s.environmentGroup = len(groups) - 1 // the last of otherGroups, be its claims keys or not
	s.opaque = opaqueKeys(is)
	if is.several {
		s.opaque[policy.FoldKey(is.Provider.URL+":aud")] = severalAudiences
	}
	if is.Realm == Mayfly { // AWS makes no key of a claim that it does not know
		s.unknownPrefix = policy.FoldKey(is.Provider.URL + ":")
	}
	return s
}

// String is the origin in words.
func (o origin) String() string {
	kind := map[guard.RefKind]string{guard.Branch: "branch", guard.Tag: "tag", guard.MergeRequest: "merge request"}[o.ref]
	switch o.class {
	case KnownProject:
		return "a " + kind + " pipeline of " + o.project.Path
	case OtherProject:
		return "a " + kind + " pipeline of another project"
	case ReusedPath:
		if o.spelt {
			return "a " + kind + " pipeline of another project that has taken the path " + o.project.Path + " in other letters"
		}
		return "a " + kind + " pipeline of another project that has taken the path " + o.project.Path
	case ForkOfKnown:
		return "a merge request pipeline from a fork, run in " + o.project.Path
	case RunsElsewhere:
		if o.project == nil {
			return "a merge request pipeline of another project, run in a third"
		}
		return "a merge request pipeline of " + o.project.Path + ", run in another project"
	}
	return "somebody who signed in"
}

// filter is the claims that become condition keys.
func (is *Issuer) filter(keys []Key) []Key {
	if is.Realm == Mayfly {
		return keys
	}
	var out []Key
	for _, k := range keys {
		claim := strings.TrimPrefix(k.Name, is.Provider.URL+":")
		if awsClaims[claim] || is.Provider.URL == "gitlab.com" && awsGitLabClaims[claim] {
			out = append(out, k)
		}
	}
	return out
}

type shapeBuilder struct {
	w      *regular.Work
	issuer *Issuer
	origin origin
	// unmodelled :: claim → why nothing can be said of it.
	unmodelled map[string]string
}

// key is a condition key of a claim: pieces are texts and numbers of tracks.
func (b *shapeBuilder) key(claim string, pieces ...any) Key {
	return Key{Name: b.issuer.Provider.URL + ":" + claim, Template: template(pieces...)}
}

func template(pieces ...any) regular.Template {
	var t regular.Template
	for _, p := range pieces {
		switch p := p.(type) {
		case int:
			t = append(t, regular.Piece{Track: p})
		case string:
			t = append(t, regular.Piece{Text: p})
		}
	}
	return t
}

// refType is ref_type, and the beginning of ref_path.
func (o origin) refType() (name, path string) {
	if o.ref == guard.Tag {
		return "tag", "refs/tags/"
	}
	return "branch", "refs/heads/"
}

// originGroup says where the job comes from: project and ref.
func (b *shapeBuilder) originGroup() Group {
	o := b.origin
	if o.class == Person {
		return Group{Words: guard.Numbers(), Tracks: 1, Keys: []Key{b.key("sub", 1)}}
	}
	refType, refPath := o.refType()
	g := Group{Tracks: originTracks, Words: b.w.Join(b.project(), b.refs())}
	b.undecided(&g)
	components := o.components
	if components == nil {
		components = subComponents(o.project)
	}
	if sub, why := b.subOf(components); why == "" {
		g.Keys = append(g.Keys, b.key("sub", sub...))
	} else {
		b.lacks("sub", why)
	}
	g.Keys = append(g.Keys,
		b.key("project_id", trackProjectID), b.key("namespace_id", trackNamespaceID),
		b.key("project_path", trackNamespace, "/", trackName), b.key("namespace_path", trackNamespace),
		b.key("ref", trackRef), b.key("ref_path", refPath, trackRef), b.key("ref_type", refType), b.key("ref_protected", trackProtected))
	switch o.class {
	case RunsElsewhere:
		return g // where it runs is another group's
	case OtherProject, ReusedPath, KnownProject:
		g.Keys = append(g.Keys, b.key("job_project_path", trackNamespace, "/", trackName), b.key("job_project_id", trackProjectID),
			b.key("job_namespace_path", trackNamespace), b.key("job_namespace_id", trackNamespaceID))
		return g
	}
	g.Keys = append(g.Keys, b.key("job_project_path", o.project.Path), b.key("job_namespace_path", o.project.Namespace()))
	for claim, f := range map[string]guard.Fact[int64]{"job_project_id": o.project.ID, "job_namespace_id": o.project.NamespaceID} {
		if id, known := f.Value(); known {
			g.Keys = append(g.Keys, b.key(claim, strconv.FormatInt(id, 10)))
		} else {
			b.lacks(claim, "the project's ids: "+f.Why())
		}
	}
	if slices.Contains(components, "job_project_id") && o.project.ID.State() != guard.StateKnown {
		g.Keys = slices.DeleteFunc(g.Keys, func(k Key) bool { return policy.SameKey(k.Name, b.issuer.Provider.URL+":sub") })
		b.lacks("sub", "the project's id: "+o.project.ID.Why())
	}
	return g
}

// undecided notes what nobody knows of where a job comes from. A merge request's
// target is chosen: what is not protected is always to be had.
func (b *shapeBuilder) undecided(g *Group) {
	p, ref := b.origin.project, b.origin.ref
	if b.origin.class != KnownProject {
		return
	}
	for track, id := range map[int]guard.Fact[int64]{trackProjectID: p.ID, trackNamespaceID: p.NamespaceID} {
		if id.State() != guard.StateKnown {
			g.Open = append(g.Open, track)
		}
	}
	_, known := p.ProtectedRefs(b.w, ref)
	switch _, told := p.ProtectMergeRequestPipelines.Value(); {
	case ref != guard.MergeRequest && !known:
		g.Open = append(g.Open, trackProtected)
	case ref == guard.MergeRequest && !(known && told):
		g.Doubtful = b.w.Intersect(g.Words, b.w.Preimage(regular.Literal("true"), template(trackProtected), originTracks))
	}
}

// lacks notes a claim of which nothing can be said.
func (b *shapeBuilder) lacks(claim, why string) {
	if b.unmodelled == nil {
		b.unmodelled = map[string]string{}
	}
	b.unmodelled[claim] = why
}

// project is the words of the tracks of ids and path.
func (b *shapeBuilder) project() regular.Language {
	w, p := b.w, b.origin.project
	switch b.origin.class {
	case KnownProject:
		return w.Join(b.ownID(p), idOf(p.NamespaceID), regular.Literal(p.Namespace()), regular.Literal(p.Path[len(p.Namespace())+1:]))
	case ReusedPath: // neither the project nor the group is who it was, nor another that is known
		return w.Join(w.Subtract(guard.Numbers(), b.knownIDs()), w.Subtract(guard.Numbers(), knownID(p.NamespaceID)),
			b.takenPath())
	case ForkOfKnown: // its owner's group may be the very same, its id and path are not
		return w.Join(b.otherIDs(), guard.Numbers(), b.otherPaths())
	}
	if !b.origin.reused {
		return b.others()
	}
	all := []regular.Language{b.others()}
	for i := 0; b.issuer.Facts != nil && i < len(b.issuer.Facts.Projects); i++ {
		one := *b
		one.origin.class, one.origin.project = ReusedPath, &b.issuer.Facts.Projects[i]
		all = append(all, one.project())
		one.origin.spelt = true
		all = append(all, one.project())
	}
	return w.Union(all...)
}

// takenPath is the path that another project took, as two tracks. Paths that differ
// in the case of letters alone are one to GitLab.
func (b *shapeBuilder) takenPath() regular.Language {
	p := b.origin.project
	path := b.w.Join(regular.Literal(p.Namespace()), regular.Literal(p.Path[len(p.Namespace())+1:]))
	if b.origin.spelt {
		return b.w.Subtract(pathOf(b.w, p), path)
	}
	return path
}

// knownIDs are the ids of the projects that are known.
func (b *shapeBuilder) knownIDs() regular.Language {
	var words []string
	if b.issuer.Facts == nil {
		return regular.Language{}
	}
	for i := range b.issuer.Facts.Projects {
		if id, known := b.issuer.Facts.Projects[i].ID.Value(); known {
			words = append(words, strconv.FormatInt(id, 10))
		}
	}
	return regular.OneOf(words...)
}

// idOf is what an id can be.
func idOf(f guard.Fact[int64]) regular.Language {
	if id, known := f.Value(); known {
		return regular.Literal(strconv.FormatInt(id, 10))
	}
	return guard.Numbers()
}

// knownID is an id, or nothing where it is not known.
func knownID(f guard.Fact[int64]) regular.Language {
	if id, known := f.Value(); known {
		return regular.Literal(strconv.FormatInt(id, 10))
	}
	return regular.Language{}
}

// others are the projects that are not among the known ones: neither their paths
// in any case of their letters, nor their ids. A group that is known has its id,
// for other projects in it too.
func (b *shapeBuilder) others() regular.Language {
	w := b.w
	ids, groups, paths := guard.Numbers(), guard.Numbers(), w.Join(guard.NamespacePaths(), guard.SegmentNames())
	if b.issuer.Facts == nil {
		return w.Join(ids, groups, paths)
	}
	var named []regular.Language
	var idWords, nsIDs []string
	namespaces := map[string]string{} // :: path → id
	for i := range b.issuer.Facts.Projects {
		p := &b.issuer.Facts.Projects[i]
		named = append(named, pathOf(w, p))
		if id, known := p.ID.Value(); known {
			idWords = append(idWords, strconv.FormatInt(id, 10))
		}
		if id, known := p.NamespaceID.Value(); known && namespaces[p.Namespace()] == "" {
			namespaces[p.Namespace()] = strconv.FormatInt(id, 10)
			nsIDs = append(nsIDs, strconv.FormatInt(id, 10))
		}
	}
	ids = w.Subtract(ids, regular.OneOf(idWords...))
	paths = w.Subtract(paths, w.Union(named...))
	var inKnown, knownNamespaces []regular.Language
	for path, id := range namespaces {
		inKnown = append(inKnown, w.Join(ids, regular.Literal(id), regular.Literal(path), guard.SegmentNames()))
		knownNamespaces = append(knownNamespaces, w.Join(regular.Literal(path), regular.Text()))
	}
	elsewhere := w.Join(ids, w.Subtract(groups, regular.OneOf(nsIDs...)), w.Subtract(paths, w.Union(knownNamespaces...)))
	return w.Union(elsewhere, w.Intersect(w.Union(inKnown...), w.Join(ids, groups, paths)))
}

// refs is the words of the tracks ref and ref_protected.
func (b *shapeBuilder) refs() regular.Language {
	w, o := b.w, b.origin
	yes, no := regular.Literal("true"), regular.Literal("false")
	either := regular.OneOf("true", "false")
	if o.class != KnownProject {
		names, said := guard.BranchNames(), either
		if o.ref == guard.Tag {
			names = guard.TagNames()
		}
		if o.class == ForkOfKnown {
			said = no // GitLab never takes a fork's pipeline for protected
		}
		if o.protected != "" {
			said = w.Intersect(said, regular.Literal(o.protected))
		}
		return w.Join(names, said)
	}
	names := o.project.Refs(w, o.ref)
	protected, known := o.project.ProtectedRefs(w, o.ref)
	if o.ref == guard.MergeRequest { // true only if the target is protected too, and the project's setting is on
		yes = either
		if on, told := o.project.ProtectMergeRequestPipelines.Value(); told && !on {
			yes, either = no, no
		}
	}
	out := w.Union(w.Join(w.Intersect(names, protected), yes), w.Join(w.Subtract(names, protected), no))
	if !known {
		out = w.Join(names, either)
	}
	if o.protected != "" {
		out = w.Intersect(out, w.Join(regular.Text(), regular.Literal(o.protected)))
	}
	return out
}

// otherGroups are what varies without regard to project and ref. Who can set each
// is in setby.go.
func (b *shapeBuilder) otherGroups() []Group {
	one := func(words regular.Language, claims ...string) Group {
		g := Group{Words: words, Tracks: 1}
		for _, c := range claims {
			g.Keys = append(g.Keys, b.key(c, 1))
		}
		return g
	}
	maybe := func(g Group) Group {
		g.Optional = true
		return g
	}
	audience := regular.Text()
	if len(b.issuer.Audiences) > 0 {
		audience = regular.OneOf(b.issuer.Audiences...)
	}
	if b.origin.class == Person {
		return []Group{one(b.loginAudience(audience), "aud"), one(regular.Literal("https://"+b.issuer.Provider.URL), "iss")}
	}
	number := guard.Numbers()
	hex := names().hex
	sources, source := refSources, "push"
	switch {
	case b.origin.ref == guard.MergeRequest:
		sources, source = mergeSources, "merge_request_event"
	case b.origin.class != KnownProject && b.origin.ref == guard.Branch:
		sources = append(append([]string(nil), refSources...), mergeSources...)
	}
	visibility := one(regular.OneOf("public", "internal", "private"), "project_visibility")
	if b.origin.class == KnownProject || b.origin.class == ForkOfKnown { // of the project where it runs
		visibility.Open = []int{1}
		if v, known := b.origin.project.Visibility.Value(); known {
			visibility.Words, visibility.Open = regular.Literal(v), nil
		}
	}
	usual := func(word string, g Group) Group {
		g.Usual = word
		return g
	}
	text := regular.Text()
	var groups []Group
	if !b.issuer.several {
		groups = append(groups, usual(b.usualAudience(), one(audience, "aud")))
	}
	return append(groups,
		one(regular.Literal("https://"+b.issuer.Provider.URL), "iss"),
		usual(source, one(regular.OneOf(sources...), "pipeline_source")), maybe(one(text, "job_source")),
		usual("714a629c0b401fdce83e847fc9589983fc6f46bc", one(hex, "sha", "ci_config_sha")), maybe(one(text, "ci_config_ref_uri")), visibility,
		usual("574", one(number, "pipeline_id")), usual("302", one(number, "job_id")), usual("235b3a54-b797-45c7-ae9a-f72d7bc6ef5b", one(text, "jti")),
		usual("12", one(b.w.Union(number, regular.Literal("")), "user_id")), usual("dev", maybe(one(names().login, "user_login"))),
		usual("dev@example.com", maybe(one(text, "user_email"))), maybe(one(regular.OneOf(levels...), "user_access_level")),
		usual("1\x00self-hosted", maybe(Group{Words: b.w.Join(number, regular.OneOf("self-hosted", "gitlab-hosted")), Tracks: 2, Keys: []Key{b.key("runner_id", 1), b.key("runner_environment", 2)}})),
		maybe(one(text, "target_audience")),
		b.environmentGroup(),
	)
}

// usualAudience is an audience for a witness: a job's author may write any that is
// accepted.
func (b *shapeBuilder) usualAudience() string {
	if len(b.issuer.Audiences) > 0 {
		return b.issuer.Audiences[0]
	}
	return "https://mayfly.example.com"
}

// loginAudience: the audience of somebody who signed in is the id of an
// application at GitLab, which nobody chooses.
func (b *shapeBuilder) loginAudience(accepted regular.Language) regular.Language {
	if b.issuer.Realm == Mayfly {
		return b.w.Intersect(accepted, regular.OneOf(b.issuer.LoginClientIDs...))
	}
	return b.w.Intersect(accepted, names().application)
}

// environmentGroup: the job's YAML names the environment and, in the claim, its tier;
// whether it is protected is GitLab's to say.
func (b *shapeBuilder) environmentGroup() Group {
	w, o := b.w, b.origin
	g := Group{Tracks: 4, Optional: true, Keys: []Key{b.key("environment", 1), b.key("environment_protected", 2), b.key("deployment_tier", 3), b.key("environment_action", 4)}}
	tier, action := regular.OneOf(tiers...), regular.OneOf(actions...)
	states := w.Join(names().environment, regular.OneOf("true", "false"))
	if o.class == KnownProject || o.class == ForkOfKnown { // a fork's job deploys where it runs
		var open bool
		if states, open = b.environmentStates(); open {
			g.Open = []int{2}
		}
	}
	g.Words = w.Join(states, tier, action)
	switch e := o.environment; {
	case e == nil:
	case *e == environment{}:
		g.Words = regular.Language{}
	default:
		g.Optional = false
		g.Words = w.Intersect(g.Words, w.Join(regular.Text(), regular.Literal(e.protected), regular.Literal(e.tier), regular.Text()))
	}
	return g
}

// environmentStates are the names of the environments of the project where a job
// runs, each with what GitLab says of its protection; open: of some it says one of the
// two, and nobody knows which.
//
// A group protects by the tier that an environment has, which is not the one that the
// claim says: that is the job's YAML's, and an environment keeps the tier it was made
// with. Whoever makes one chooses. (GitLab, Ci::Deployable#environment_tier and
// Environments::CreateForJobService.)
func (b *shapeBuilder) environmentStates() (states regular.Language, open bool) {
	w, p := b.w, b.origin.project
	own, shared := p.ProtectedEnvironments, p.GroupProtectedEnvironments
	yes, no, either := regular.Literal("true"), regular.Literal("false"), regular.OneOf("true", "false")
	byName := w.Intersect(names().environment, oneOfNames(own))
	rest := w.Subtract(names().environment, byName)
	states = w.Join(byName, yes)
	protected, _ := shared.Value()
	is := func(tier string) bool {
		return slices.ContainsFunc(protected, func(e guard.ProtectedEnvironment) bool { return e.Name == tier })
	}
	there, listed := p.Environments.Value()
	untold := slices.ContainsFunc(there, func(e guard.Environment) bool { return e.Tier == "" })
	switch {
	case own.State() == guard.StateAbsent: // the tier has none of either
		return w.Join(names().environment, no), false
	case own.State() == guard.StateUnknown || shared.State() == guard.StateUnknown:
		return w.Union(states, w.Join(rest, either)), true
	case !slices.ContainsFunc(tiers, is):
		return w.Union(states, w.Join(rest, no)), false
	case !slices.ContainsFunc(tiers, func(t string) bool { return !is(t) }):
		return w.Union(states, w.Join(rest, yes)), false
	case !listed || untold:
		return w.Union(states, w.Join(rest, either)), true
	}
	var all [2][]string // those that are not protected by their tier, and those that are
	for _, e := range there {
		i := 0
		if is(e.Tier) {
			i = 1
		}
		all[i] = append(all[i], e.Name)
	}
	loose, tight := w.Intersect(rest, regular.OneOf(all[0]...)), w.Intersect(rest, regular.OneOf(all[1]...))
	return w.Union(states, w.Join(loose, no), w.Join(tight, yes), w.Join(w.Subtract(rest, w.Union(loose, tight)), either)), false
}

func oneOfNames(f guard.Fact[[]guard.ProtectedEnvironment]) regular.Language {
	var words []string
	list, _ := f.Value()
	for _, e := range list {
		words = append(words, e.Name)
	}
	return regular.OneOf(words...)
}

// requestGroups are what whoever asks chooses besides the token.
func requestGroups(w *regular.Work, p arn.Provider) []Group {
	return []Group{
		{Words: names().sessionName, Tracks: 1, Usual: "GitLabRunner-574", Keys: []Key{{Name: "sts:RoleSessionName", Template: template(1)}}},
		{Words: guard.Numbers(), Tracks: 1, Usual: "900", Keys: []Key{{Name: "sts:DurationSeconds", Template: template(1)}}},
		{Words: regular.Text(), Tracks: 1, Optional: true, Keys: []Key{{Name: "aws:UserAgent", Template: template(1)}}},
		{Words: regular.Literal(p.String()), Tracks: 1, Keys: []Key{{Name: "aws:FederatedProvider", Template: template(1)}}},
		{Words: regular.OneOf("true", "false"), Tracks: 1, Keys: []Key{{Name: "aws:SecureTransport", Template: template(1)}}},
	}
}

// opaqueKeys are keys that a request has and that nothing here knows.
func opaqueKeys(is *Issuer) map[string]string {
	opaque := map[string]string{}
	for _, k := range []struct{ key, why string }{
		{"aws:SourceIp", "where a runner's requests come from is not known"},
		{"aws:CurrentTime", "it depends on the time"}, {"aws:EpochTime", "it depends on the time"},
	} {
		opaque[policy.FoldKey(k.key)] = fmt.Sprintf("%s: %s", k.key, k.why)
	}
	if is.Realm == Mayfly {
		for _, claim := range []string{"iat", "nbf", "exp"} {
			opaque[policy.FoldKey(is.Provider.URL+":"+claim)] = claim + " depends on the time"
		}
		for _, claim := range []string{"source_project_id", "source_project_path", "source_namespace_id", "source_namespace_path"} {
			opaque[policy.FoldKey(is.Provider.URL+":"+claim)] = claim + ", which only the newest GitLabs fill"
		}
		opaque[policy.FoldKey(is.Provider.URL+":groups_direct")] = "groups_direct, which GitLab fills behind a flag only, has many values"
	}
	return opaque
}
