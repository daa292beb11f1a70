package mayflyapi

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"

	"mayfly.internal/internal/control"
	"mayfly.internal/internal/sts"
	"mayfly.internal/internal/wire/awsrest"
	"mayfly.internal/internal/wire/mayflywire"
)

func (a *API) explainTrust(ctx context.Context, c control.Call, _ *http.Request, body []byte) (any, error) {
	in, err := mayflywire.DecodeExplainTrust(body)
	if err != nil {
		return nil, err
	}
	role, err := a.Control.ExplainTrust(ctx, c, in.Role)
	if err != nil {
		return nil, err
	}
	said, err := a.Trust.Explain(ctx, sts.ExplainInput{Role: role, SessionName: in.SessionName, Token: in.Token, Claims: in.Claims, Info: c.Info})
	if r, ok := errors.AsType[*sts.Refusal](err); ok {
		return nil, &awsrest.ShapeError{Detail: r.Public}
	}
	if err != nil {
		return nil, err
	}
	out := mayflywire.TrustExplanation{Role: role.ARN().String(), Allowed: said.Allowed, Problems: said.Problems, Unchecked: said.Unchecked}
	if said.Trace != nil {
		out.Trace = json.RawMessage(said.Trace.Encode())
	}
	return out, nil
}

func (a *API) denial(ctx context.Context, c control.Call, r *http.Request, _ []byte) (any, error) {
	id := r.PathValue("id")
	if err := a.Control.ExplainDenial(ctx, c, id); err != nil {
		return nil, err
	}
	line, found, err := a.Audit.Denial(ctx, id)
	if err != nil {
		return nil, err
	}
	if !found {
		return nil, control.NoDenial(id)
	}
	return line, nil
}

// denialPage is how many denials one answer holds at most.
const denialPage = 200

func (a *API) denials(ctx context.Context, c control.Call, r *http.Request, _ []byte) (any, error) {
	if err := a.Control.ListDenials(ctx, c); err != nil {
		return nil, err
	}
	var limit int64 = denialPage
	if err := numbers(r, map[string]*int64{"limit": &limit}); err != nil {
		return nil, err
	}
	lines, err := a.Audit.Denials(ctx, int(min(limit, denialPage)))
	if err != nil {
		return nil, err
	}
	return mayflywire.Denials{Denials: lines}, nil
}
