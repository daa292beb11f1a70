package labgitlab

import (
	"crypto/sha256"
	"net/http"
	"slices"
	"strings"
	"time"
)

// tokenDigest is what is kept of a token's value.
type tokenDigest [sha256.Size]byte

func digestOf(value string) tokenDigest { return sha256.Sum256([]byte(value)) }

// heldToken is a token somebody has. It is not changed: a rotation makes
// another.
type heldToken struct {
	AccessToken
	project int64 // of a project's token
	created time.Time
}

// heldTokens are the tokens of a world that have a value.
func heldTokens(w *World, now time.Time) map[tokenDigest]*heldToken {
	held := map[tokenDigest]*heldToken{}
	add := func(t AccessToken, project int64) {
		if t.Value != "" {
			held[digestOf(t.Value)] = &heldToken{t, project, now}
		}
	}
	for _, t := range w.PersonalTokens {
		add(t, 0)
	}
	for _, p := range w.Projects {
		for _, t := range p.AccessTokens {
			add(t, p.ID)
		}
	}
	return held
}

// caller is who asks the REST API.
type caller struct {
	world *World
	token *heldToken
	user  *User // nil: a project's bot
}

// restError is an answer that refuses, in GitLab's words.
type restError struct {
	status int
	body   map[string]string
}

func (e *restError) Error() string { return e.body["message"] + e.body["error"] }

func message(status int, text string) *restError {
	return &restError{status, map[string]string{"message": text}}
}

var (
	errUnauthorized = message(http.StatusUnauthorized, "401 Unauthorized")
	errForbidden    = message(http.StatusForbidden, "403 Forbidden")
	// errNotMounted is what GitLab says where its tier has no such endpoint.
	errNotMounted   = &restError{http.StatusNotFound, map[string]string{"error": "404 Not Found"}}
	errExpiredToken = &restError{http.StatusUnauthorized, map[string]string{"error": "invalid_token", "error_description": "Token is expired. You can either do re-authorization or token refresh."}}
)

func insufficientScope(scope string) *restError {
	return &restError{http.StatusForbidden, map[string]string{"error": "insufficient_scope", "error_description": "The request requires higher privileges than provided by the access token.", "scope": scope}}
}

// authenticate finds the caller by PRIVATE-TOKEN or Authorization: Bearer.
func (s *Server) authenticate(r *http.Request) (caller, error) {
	value := r.Header.Get("PRIVATE-TOKEN")
	if bearer, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer "); ok && value == "" {
		value = bearer
	}
	s.mu.Lock()
	token := s.tokens[digestOf(value)] // a digest tells no prefix in the time it takes
	s.mu.Unlock()
	if token == nil {
		return caller{}, errUnauthorized
	}
	if token.expired(s.now()) {
		return caller{}, errExpiredToken
	}
	c := caller{world: s.World(), token: token}
	if token.User != "" {
		c.user, _ = c.world.User(token.User)
	}
	return c, nil
}

// may reports whether the token has one of some scopes.
func (c caller) may(scopes ...string) bool {
	return slices.ContainsFunc(scopes, func(scope string) bool { return slices.Contains(c.token.Scopes, scope) })
}

func (c caller) admin() bool { return c.user != nil && c.user.Admin }

// level is the caller's role in a project.
func (c caller) level(p *Project) AccessLevel {
	switch {
	case c.admin():
		return Owner
	case c.user != nil:
		return c.world.Level(p, c.user)
	case c.token.project == p.ID:
		return c.token.Level
	}
	return NoAccess
}

func (c caller) groupLevel(g *Group) AccessLevel {
	switch {
	case c.admin():
		return Owner
	case c.user != nil:
		return c.world.groupLevel(g.Path, c.user)
	}
	return NoAccess
}

// sees reports whether the caller knows that a project exists.
func (c caller) sees(p *Project) bool { return p.Visibility != "private" || c.level(p) >= Guest }

// seesGroup reports whether the caller knows that a group exists: as a member of
// it, of a group in it or of a project in it, or of a project that it is
// invited to.
func (c caller) seesGroup(g *Group) bool {
	if c.groupLevel(g) >= Guest {
		return true
	}
	for i := range c.world.Projects {
		p := &c.world.Projects[i]
		invited := slices.ContainsFunc(p.Shares, func(s GroupShare) bool { return strings.EqualFold(s.Group, g.Path) })
		if (invited || within(p.Path, g.Path)) && c.level(p) >= Guest {
			return true
		}
	}
	return false
}

// within reports whether a path lies in a group.
func within(path, group string) bool {
	return len(path) > len(group) && path[len(group)] == '/' && strings.EqualFold(path[:len(group)], group)
}

// member is a member with where the role comes from: the path of a project or
// group.
type member struct {
	id    int64
	login string
	name  string
	level AccessLevel
}

// directMembers are a project's own, its tokens' bots among them.
func (w *World) directMembers(p *Project) []member {
	out := w.membersOf(p.Members)
	for _, t := range p.AccessTokens {
		out = append(out, member{t.BotID, t.botName(p), t.Name, t.Level})
	}
	return out
}

func (w *World) membersOf(all []Member) []member {
	var out []member
	for _, m := range all {
		if u, ok := w.User(m.User); ok {
			out = append(out, member{u.ID, u.Username, u.Name, m.Level})
		}
	}
	return out
}

// allMembers are those of a project, of the groups above it, and of the groups
// it is shared with; each once, with the highest role.
func (w *World) allMembers(p *Project) []member {
	out := w.directMembers(p)
	if owner, ok := w.User(p.namespacePath()); ok {
		out = append(out, member{owner.ID, owner.Username, owner.Name, Owner})
	}
	for _, g := range w.ancestors(p.namespacePath()) {
		out = append(out, w.membersOf(g.Members)...)
	}
	for _, s := range p.Shares {
		for _, g := range w.ancestors(s.Group) {
			for _, m := range w.membersOf(g.Members) {
				m.level = min(m.level, s.Level)
				out = append(out, m)
			}
		}
	}
	return highest(out)
}

func (w *World) allGroupMembers(path string) []member {
	var out []member
	for _, g := range w.ancestors(path) {
		out = append(out, w.membersOf(g.Members)...)
	}
	return highest(out)
}

func highest(all []member) []member {
	var out []member
	for _, m := range all {
		i := slices.IndexFunc(out, func(known member) bool { return known.id == m.id })
		switch {
		case i < 0:
			out = append(out, m)
		case m.level > out[i].level:
			out[i] = m
		}
	}
	return out
}
