package labgitlab

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
)

// maxDoorBody bounds a request to the lab's door.
const maxDoorBody = 4 << 20

// ServeHTTP serves discovery and keys to anyone who asks under the instance's
// name, and the door to the holder of the lab's secret on this machine.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.handler.ServeHTTP(w, r) }

func (s *Server) routes() http.Handler {
	mux := http.NewServeMux()
	prefix := s.external.Path
	mux.HandleFunc("GET "+prefix+"/.well-known/openid-configuration", s.named(s.serveDiscovery))
	mux.HandleFunc("GET "+prefix+"/oauth/discovery/keys", s.named(s.serveKeys))
	door := func(pattern string, answer func(r *http.Request) (any, error)) {
		method, path, _ := strings.Cut(pattern, " ")
		mux.HandleFunc(method+" "+prefix+"/-/lab"+path, s.door(answer))
	}
	door("GET /projects", func(*http.Request) (any, error) { return s.Projects(), nil })
	door("POST /pipelines", s.doorPipeline)
	door("POST /jobs/{id}/start", s.doorStart)
	door("POST /jobs/{id}/finish", s.doorFinish)
	door("POST /login-tokens", s.doorLogin)
	door("POST /protected-branches", s.doorProtect)
	door("DELETE /protected-branches", s.doorUnprotect)
	door("POST /approvals", s.doorApprovals)
	s.restRoutes(mux, prefix+"/api/v4")
	return mux
}

// named refuses requests for another host: a page whose name was made to point
// at this machine must not read the instance as its own.
func (s *Server) named(next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if !strings.EqualFold(r.Host, s.external.Host) && !isLoopback(r.Host) {
			http.Error(w, "this is "+s.issuer+", and nothing else", http.StatusMisdirectedRequest)
			return
		}
		next(w, r)
	}
}

// isLoopback reports whether a Host header names this machine by a name that
// no one else controls.
func isLoopback(host string) bool {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	host = strings.ToLower(strings.Trim(host, "[]"))
	if host == "localhost" || strings.HasSuffix(host, ".localhost") { // RFC 6761 §6.3
		return true
	}
	address, err := netip.ParseAddr(host)
	return err == nil && address.IsLoopback()
}

// door wraps an operation of the lab's own API: loopback name, secret, bounded
// strict JSON in, JSON out.
func (s *Server) door(answer func(r *http.Request) (any, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if !isLoopback(r.Host) {
			http.Error(w, "the lab's door opens on loopback names only", http.StatusMisdirectedRequest)
			return
		}
		if !s.holdsSecret(r) {
			writeRefusal(w, refuse(ReasonUnauthorized, Position{}, "the lab's door needs the lab's secret"))
			return
		}
		r.Body = http.MaxBytesReader(w, r.Body, maxDoorBody)
		body, err := answer(r)
		if err != nil {
			writeRefusal(w, err)
			return
		}
		w.Header().Set("Cache-Control", "no-store")
		writeJSON(w, http.StatusOK, body)
	}
}

// holdsSecret compares digests, so that neither length nor content shows in
// the time it takes.
func (s *Server) holdsSecret(r *http.Request) bool {
	given, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	digest := sha256.Sum256([]byte(given))
	return subtle.ConstantTimeCompare(digest[:], s.secret[:]) == 1 && ok
}

var reasonStatus = map[Reason]int{
	ReasonMalformed:    http.StatusUnprocessableEntity,
	ReasonNotModelled:  http.StatusUnprocessableEntity,
	ReasonNoPipeline:   http.StatusUnprocessableEntity,
	ReasonUnknown:      http.StatusNotFound,
	ReasonForbidden:    http.StatusForbidden,
	ReasonConflict:     http.StatusConflict,
	ReasonUnauthorized: http.StatusUnauthorized,
}

// writeRefusal answers an error. The caller holds the lab's secret or gets a
// sentence that tells nothing, so the text is rendered.
func writeRefusal(w http.ResponseWriter, err error) {
	refusal, ok := errors.AsType[*Refusal](err)
	if !ok {
		refusal = &Refusal{Detail: err.Error()}
	}
	status, known := reasonStatus[refusal.Reason]
	if !known {
		status = http.StatusInternalServerError
	}
	writeJSON(w, status, refusal)
}

// readBody decodes a strict JSON body.
func readBody(r *http.Request, into any) error {
	decoder := json.NewDecoder(r.Body)
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(into); err != nil {
		return malformed(Position{}, "the request's body: %v", err)
	}
	return nil
}

func jobID(r *http.Request) (int64, error) {
	id, err := strconv.ParseInt(r.PathValue("id"), 10, 64)
	if err != nil {
		return 0, refuse(ReasonUnknown, Position{}, "%q is not a job id", r.PathValue("id"))
	}
	return id, nil
}

func (s *Server) doorPipeline(r *http.Request) (any, error) {
	var request PipelineRequest
	if err := readBody(r, &request); err != nil {
		return nil, err
	}
	return s.CreatePipeline(r.Context(), request)
}

func (s *Server) doorStart(r *http.Request) (any, error) {
	id, err := jobID(r)
	if err != nil {
		return nil, err
	}
	var start StartRequest
	if err := readBody(r, &start); err != nil {
		return nil, err
	}
	return s.StartJob(r.Context(), id, start)
}

// finishRequest is the body of a finish call.
type finishRequest struct {
	Status JobStatus `json:"status"`
}

func (s *Server) doorFinish(r *http.Request) (any, error) {
	id, err := jobID(r)
	if err != nil {
		return nil, err
	}
	var finish finishRequest
	if err := readBody(r, &finish); err != nil {
		return nil, err
	}
	return struct{}{}, s.FinishJob(r.Context(), id, finish.Status)
}

// loginRequest asks for a person's token.
type loginRequest struct {
	User     string `json:"user"`
	ClientID string `json:"client_id"`
	Nonce    string `json:"nonce,omitempty"`
}

// loginAnswer carries it.
type loginAnswer struct {
	IDToken string `json:"id_token"`
}

func (s *Server) doorLogin(r *http.Request) (any, error) {
	var login loginRequest
	if err := readBody(r, &login); err != nil {
		return nil, err
	}
	token, err := s.LoginToken(r.Context(), login.User, login.ClientID, login.Nonce)
	return loginAnswer{token}, err
}

// ProjectSummary is a project as a list shows it.
type ProjectSummary struct {
	ID            int64        `json:"id"`
	Path          string       `json:"path_with_namespace"`
	DefaultBranch string       `json:"default_branch"`
	Refs          []RefSummary `json:"refs"`
}

// RefSummary is a branch or tag as a list shows it.
type RefSummary struct {
	Name      string  `json:"name"`
	Type      RefType `json:"type"`
	Protected bool    `json:"protected"`
}

// Projects lists the world's projects with their refs.
func (s *Server) Projects() []ProjectSummary {
	out := []ProjectSummary{}
	w := s.World()
	for i := range w.Projects {
		p := &w.Projects[i]
		summary := ProjectSummary{ID: p.ID, Path: p.Path, DefaultBranch: p.DefaultBranch}
		for _, ref := range p.Branches {
			summary.Refs = append(summary.Refs, RefSummary{ref.Name, Branch, w.Protected(p, Branch, ref.Name)})
		}
		for _, ref := range p.Tags {
			summary.Refs = append(summary.Refs, RefSummary{ref.Name, Tag, w.Protected(p, Tag, ref.Name)})
		}
		out = append(out, summary)
	}
	return out
}
