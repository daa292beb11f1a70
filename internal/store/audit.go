package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"golang.org/x/mod/sumdb/note"

	"mayfly.internal/internal/audit"
)

// head is the newest checkpoint and how many events it states.
type head struct {
	note string
	size int64
}

// Checkpoint is the newest signed statement of the audit log's size and root.
func (s *DB) Checkpoint() string { return s.head.Load().note }

// AuditLine is one event as it is stored.
type AuditLine struct {
	Index int64
	Body  []byte
}

// Audit reads events by index, from first, at most limit of them. It gives only
// events that the newest checkpoint states, so that a Checkpoint asked for
// afterwards states all of them.
func (s *DB) Audit(ctx context.Context, first int64, limit int) ([]AuditLine, error) {
	if limit <= 0 {
		return nil, nil
	}
	return s.auditLines(ctx, `SELECT idx, body FROM audit_event WHERE idx >= $1 AND idx < $2 ORDER BY idx LIMIT $3`, first, s.head.Load().size, limit)
}

// Denial finds the event of what was refused by the id of the request; false if
// there is none.
func (s *DB) Denial(ctx context.Context, request string) (AuditLine, bool, error) {
	lines, err := s.auditLines(ctx, `SELECT idx, body FROM audit_event WHERE denial = $1 AND idx < $2 ORDER BY idx DESC LIMIT 1`, request, s.head.Load().size)
	if err != nil || len(lines) == 0 {
		return AuditLine{}, false, err
	}
	return lines[0], true, nil
}

// Denials reads the events of what was refused, the newest first, at most limit
// of them.
func (s *DB) Denials(ctx context.Context, limit int) ([]AuditLine, error) {
	if limit <= 0 {
		return nil, nil
	}
	return s.auditLines(ctx, `SELECT idx, body FROM audit_event WHERE denial IS NOT NULL AND idx < $1 ORDER BY idx DESC LIMIT $2`, s.head.Load().size, limit)
}

func (s *DB) auditLines(ctx context.Context, query string, args ...any) (out []AuditLine, _ error) {
	err := each(ctx, s.db, func(rows *sql.Rows) error {
		var l AuditLine
		err := rows.Scan(&l.Index, &l.Body)
		out = append(out, l)
		return err
	}, query, args...)
	if err != nil {
		return nil, fmt.Errorf("read audit events: %w", err)
	}
	return out, nil
}

// loadTree reads the edge of the audit tree and the checkpoint that states it.
func loadTree(ctx context.Context, db *sql.DB, signer note.Signer) (*audit.Tree, *head, error) {
	// The newest event's number, not a count: counting reads the whole log. An
	// event missing in the middle is for mayfly audit verify to find.
	var last int64
	if err := db.QueryRowContext(ctx, `SELECT COALESCE(MAX(idx), -1) FROM audit_event`).Scan(&last); err != nil {
		return nil, nil, err
	}
	size := last + 1
	tree, err := audit.LoadTree(size, func(index int64) (audit.Hash, error) {
		event, nth := audit.Place(index)
		var hashes []byte
		if err := db.QueryRowContext(ctx, `SELECT hashes FROM audit_event WHERE idx = $1`, event).Scan(&hashes); err != nil {
			return audit.Hash{}, err
		}
		at := nth * len(audit.Hash{})
		if len(hashes)%len(audit.Hash{}) != 0 || at >= len(hashes) {
			return audit.Hash{}, fmt.Errorf("the hashes stored with event %d have the wrong length", event)
		}
		return audit.Hash(hashes[at : at+len(audit.Hash{})]), nil
	})
	if err != nil {
		return nil, nil, err
	}
	signed, err := tree.Checkpoint(signer)
	if err != nil {
		return nil, nil, err
	}
	var text string
	var generation int64
	err = db.QueryRowContext(ctx, `SELECT generation FROM account`).Scan(&generation)
	if err == nil {
		err = db.QueryRowContext(ctx, `SELECT note FROM audit_head`).Scan(&text)
	}
	switch {
	case errors.Is(err, sql.ErrNoRows) && size == 0 && generation <= 1:
		return tree, &head{signed, 0}, nil // nothing has happened yet
	case err != nil:
		return nil, nil, fmt.Errorf("read the audit checkpoint: %w", err)
	}
	if err := tree.States(text); err != nil {
		return nil, nil, err
	}
	// An Ed25519 signature of a text is always the same (RFC 8032 §5.1.6), so
	// the checkpoint is ours only if it is what we would sign.
	if text != signed {
		return nil, nil, errors.New("the audit checkpoint is not signed by this server's audit key: the log was written by somebody else, or keys/audit.key is not the one it was written with")
	}
	return tree, &head{text, size}, nil
}
