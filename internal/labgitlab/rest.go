package labgitlab

import (
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// restCall is one call of the REST API, its caller known.
type restCall struct {
	*http.Request
	caller
	server *Server
}

// restRoutes serves what a reader of guards asks of GitLab's REST API v4; the
// answers are GitLab's documented ones. What the caller may not see is 404, what
// it sees and may not read is 403, and what the tier lacks is not mounted.
func (s *Server) restRoutes(mux *http.ServeMux, at string) {
	get := func(path string, answer func(c restCall) (any, error)) {
		mux.HandleFunc("GET "+at+path, s.named(s.rest(answer, "api", "read_api")))
	}
	get("/metadata", restCall.metadata)
	get("/version", restCall.metadata)
	get("/license", restCall.license)
	get("/user", restCall.self)
	get("/namespaces/{id}", restCall.namespace)

	get("/groups/{id}", ofGroup(Guest, false, restCall.group))
	get("/groups/{id}/projects", ofGroup(Guest, false, restCall.groupProjects))
	get("/groups/{id}/members", ofGroup(Guest, false, func(c restCall, g *Group) (any, error) { return memberList(c.world.membersOf(g.Members)), nil }))
	get("/groups/{id}/members/all", ofGroup(Guest, false, func(c restCall, g *Group) (any, error) { return memberList(c.world.allGroupMembers(g.Path)), nil }))
	get("/groups/{id}/protected_branches", ofGroup(Maintainer, true, func(c restCall, g *Group) (any, error) {
		return c.branches(g.ID, g.ProtectedBranches, nil), nil
	}))
	get("/groups/{id}/protected_environments", ofGroup(Maintainer, true, func(c restCall, g *Group) (any, error) {
		return c.protectedEnvironments(g.ID, g.ProtectedEnvironments), nil
	}))

	get("/projects/{id}", ofProject(NoAccess, false, restCall.project))
	get("/projects/{id}/protected_branches", ofProject(Maintainer, false, func(c restCall, p *Project) (any, error) {
		return c.branches(p.ID, p.ProtectedBranches, c.world.ancestors(p.namespacePath())), nil
	}))
	get("/projects/{id}/protected_tags", ofProject(Maintainer, false, restCall.protectedTags))
	get("/projects/{id}/environments", ofProject(Reporter, false, restCall.environments))
	get("/projects/{id}/protected_environments", ofProject(Maintainer, true, func(c restCall, p *Project) (any, error) {
		return c.protectedEnvironments(p.ID, p.ProtectedEnvironments), nil
	}))
	get("/projects/{id}/approvals", ofProject(Developer, true, restCall.approvals))
	get("/projects/{id}/merge_request_approval_settings", ofProject(Maintainer, true, restCall.approvalSettings))
	get("/projects/{id}/approval_rules", ofProject(Developer, true, restCall.approvalRules))
	get("/projects/{id}/push_rule", ofProject(Maintainer, true, restCall.pushRule))
	get("/projects/{id}/members", ofProject(Guest, false, func(c restCall, p *Project) (any, error) { return memberList(c.world.directMembers(p)), nil }))
	get("/projects/{id}/members/all", ofProject(Guest, false, func(c restCall, p *Project) (any, error) { return memberList(c.world.allMembers(p)), nil }))
	get("/projects/{id}/access_tokens", ofProject(Maintainer, false, restCall.accessTokens))
	get("/projects/{id}/deploy_keys", ofProject(Maintainer, false, restCall.deployKeys))
	get("/projects/{id}/triggers", ofProject(Maintainer, false, restCall.triggers))
	get("/projects/{id}/pipeline_schedules", ofProject(Developer, false, restCall.schedules))
	get("/projects/{id}/job_token_scope", ofProject(Maintainer, false, func(_ restCall, p *Project) (any, error) {
		return jobTokenScopeJSON{p.JobTokenScope.InboundEnabled, false}, nil
	}))
	get("/projects/{id}/job_token_scope/allowlist", ofProject(Maintainer, false, restCall.jobTokenProjects))
	get("/projects/{id}/job_token_scope/groups_allowlist", ofProject(Maintainer, false, restCall.jobTokenGroups))

	mux.HandleFunc("GET "+at+"/personal_access_tokens/self", s.named(s.rest(restCall.tokenSelf)))
	mux.HandleFunc("POST "+at+"/personal_access_tokens/self/rotate", s.named(s.rest(restCall.rotate, "api", "self_rotate")))
	mux.HandleFunc("POST "+at+"/projects/{id}/access_tokens/self/rotate", s.named(s.rest(restCall.rotateProjectToken, "api", "self_rotate")))
	mux.HandleFunc(at+"/", s.named(s.rest(func(restCall) (any, error) { return nil, errNotMounted })))
}

// rest wraps a call: the token, its scopes (none: any), JSON out, a list by
// pages.
func (s *Server) rest(answer func(c restCall) (any, error), scopes ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "max-age=0, private, must-revalidate")
		who, err := s.authenticate(r)
		if err == nil && len(scopes) > 0 && !who.may(scopes...) {
			err = insufficientScope(strings.Join(scopes, " "))
		}
		var body any
		if err == nil {
			body, err = answer(restCall{r, who, s})
		}
		if list, ok := body.(restList); ok && err == nil {
			body, err = list.page(w.Header(), r, s.issuer)
		}
		if err != nil {
			refusal, ok := err.(*restError)
			if !ok {
				refusal = message(http.StatusInternalServerError, "500 Internal Server Error")
			}
			writeJSON(w, refusal.status, refusal.body)
			return
		}
		writeJSON(w, http.StatusOK, body)
	}
}

// ofProject finds the project of a call, by number or by path, for callers of at
// least a role.
func ofProject(least AccessLevel, paid bool, answer func(c restCall, p *Project) (any, error)) func(c restCall) (any, error) {
	return func(c restCall) (any, error) {
		p := c.findProject(c.PathValue("id"))
		switch {
		case p == nil:
			return nil, message(http.StatusNotFound, "404 Project Not Found")
		case paid && !c.world.Tier.paid():
			return nil, errNotMounted
		case c.level(p) < least:
			return nil, errForbidden
		}
		return answer(c, p)
	}
}

func (c restCall) findProject(id string) *Project {
	i := slices.IndexFunc(c.world.Projects, func(p Project) bool { return decimal(p.ID) == id || strings.EqualFold(p.Path, id) })
	if i < 0 || !c.sees(&c.world.Projects[i]) {
		return nil
	}
	return &c.world.Projects[i]
}

// ofGroup finds the group of a call likewise.
func ofGroup(least AccessLevel, paid bool, answer func(c restCall, g *Group) (any, error)) func(c restCall) (any, error) {
	return func(c restCall) (any, error) {
		id := c.PathValue("id")
		i := slices.IndexFunc(c.world.Groups, func(g Group) bool { return decimal(g.ID) == id || strings.EqualFold(g.Path, id) })
		switch {
		case i < 0 || !c.seesGroup(&c.world.Groups[i]):
			return nil, message(http.StatusNotFound, "404 Group Not Found")
		case paid && !c.world.Tier.paid():
			return nil, errNotMounted
		case least > Guest && c.groupLevel(&c.world.Groups[i]) < least:
			return nil, errForbidden
		}
		return answer(c, &c.world.Groups[i])
	}
}

// restList is a list that is answered by pages.
type restList []any

func listOf[T any](all []T) restList {
	out := restList{}
	for _, v := range all {
		out = append(out, v)
	}
	return out
}

// Offset-based pagination as GitLab documents it.
const (
	defaultPerPage = 20
	maxPerPage     = 100
)

func (l restList) page(h http.Header, r *http.Request, issuer string) (any, error) {
	query := r.URL.Query()
	page, err := pageNumber(query, "page", 1)
	if err != nil {
		return nil, err
	}
	size, err := pageNumber(query, "per_page", defaultPerPage)
	if err != nil {
		return nil, err
	}
	size = min(size, maxPerPage)
	pages := max((len(l)+size-1)/size, 1)
	from := min((page-1)*size, len(l))
	to := min(from+size, len(l))
	h.Set("X-Page", strconv.Itoa(page))
	h.Set("X-Per-Page", strconv.Itoa(size))
	h.Set("X-Total", strconv.Itoa(len(l)))
	h.Set("X-Total-Pages", strconv.Itoa(pages))
	h.Set("X-Prev-Page", optionalPage(page-1, pages))
	h.Set("X-Next-Page", optionalPage(page+1, pages))
	var links []string
	link := func(number int, rel string) {
		if optionalPage(number, pages) != "" {
			query.Set("page", strconv.Itoa(number))
			query.Set("per_page", strconv.Itoa(size))
			links = append(links, fmt.Sprintf(`<%s%s?%s>; rel="%s"`, issuer, r.URL.EscapedPath(), query.Encode(), rel))
		}
	}
	link(page-1, "prev")
	link(page+1, "next")
	link(1, "first")
	link(pages, "last")
	h.Set("Link", strings.Join(links, ", "))
	return l[from:to], nil
}

func optionalPage(number, pages int) string {
	if number < 1 || number > pages {
		return ""
	}
	return strconv.Itoa(number)
}

// maxPage keeps a product of page and size in bounds; GitLab ends at an offset of
// 50 000.
const maxPage = 50_000

func pageNumber(query url.Values, name string, otherwise int) (int, error) {
	if !query.Has(name) {
		return otherwise, nil
	}
	number, err := strconv.Atoi(query.Get(name))
	if err != nil || number < 1 || number > maxPage {
		return 0, &restError{http.StatusBadRequest, map[string]string{"error": name + " does not have a valid value"}}
	}
	return number, nil
}

// tokenSelf describes the token that asks.
func (c restCall) tokenSelf() (any, error) { return c.describe(c.token, ""), nil }

func (c restCall) describe(t *heldToken, value string) tokenSelfJSON {
	out := t.describe(value)
	if c.user != nil {
		out.UserID = c.user.ID
	}
	return out
}

func (t *heldToken) describe(value string) tokenSelfJSON {
	out := tokenSelfJSON{ID: t.ID, Name: t.Name, CreatedAt: t.created.UTC(), Scopes: t.Scopes, UserID: t.BotID, Active: true, Token: value}
	if t.Expires != "" {
		out.ExpiresAt = &t.Expires
	}
	return out
}

// rotate puts another value in the place of a person's token.
func (c restCall) rotate() (any, error) {
	if c.token.project != 0 {
		return nil, message(http.StatusMethodNotAllowed, "405 Method Not Allowed")
	}
	return c.renew()
}

func (c restCall) rotateProjectToken() (any, error) {
	if p := c.findProject(c.PathValue("id")); p == nil || p.ID != c.token.project {
		return nil, errUnauthorized
	}
	return c.renew()
}

// defaultAccessTokenLife is what a rotated token gets where no day is named.
const defaultAccessTokenLife = 7 * 24 * time.Hour

func (c restCall) renew() (any, error) {
	s := c.server
	expires := s.now().UTC().Add(defaultAccessTokenLife).Format(time.DateOnly)
	if named := c.URL.Query().Get("expires_at"); named != "" {
		if _, err := time.Parse(time.DateOnly, named); err != nil {
			return nil, &restError{http.StatusBadRequest, map[string]string{"error": "expires_at is invalid"}}
		}
		expires = named
	}
	value, err := newTokenValue(s)
	if err != nil {
		return nil, err
	}
	next := *c.token
	next.ID, next.Value, next.Expires, next.created = s.nextID(), value, expires, s.now()
	s.mu.Lock()
	defer s.mu.Unlock()
	old := digestOf(c.token.Value)
	if s.tokens[old] != c.token {
		return nil, errUnauthorized // another rotation was first
	}
	delete(s.tokens, old)
	s.tokens[digestOf(value)] = &next
	return c.describe(&next, value), nil
}

func newTokenValue(s *Server) (string, error) {
	raw := make([]byte, 15)
	if _, err := io.ReadFull(s.rand, raw); err != nil {
		return "", err
	}
	return "glpat-" + base64.RawURLEncoding.EncodeToString(raw), nil
}
