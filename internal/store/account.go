package store

import (
	"context"
	"database/sql"
	"fmt"
	"io"
	"time"

	"mayfly.internal/internal/arn"
)

// Create makes the account of a new database whose schema is in place, with an
// id drawn from random if none is given. It is done once per database.
func Create(ctx context.Context, db *sql.DB, account arn.AccountID, now time.Time, random io.Reader) error {
	if account == "" {
		var err error
		if account, err = drawAccount(random); err != nil {
			return err
		}
	}
	if _, err := arn.ParseAccountID(string(account)); err != nil {
		return err
	}
	if _, err := db.ExecContext(ctx, `INSERT INTO account (one, id, created, generation) VALUES (1, $1, $2, 1)`, string(account), now.UnixMicro()); err != nil {
		return fmt.Errorf("make the account: %w", err)
	}
	return nil
}

// drawAccount draws twelve digits that do not begin with 0: tools that take an
// account id for a number would lose it.
func drawAccount(random io.Reader) (arn.AccountID, error) {
	var b [1]byte
	out := make([]byte, 0, 12)
	for len(out) < 12 {
		if _, err := io.ReadFull(random, b[:]); err != nil {
			return "", fmt.Errorf("draw an account id: %w", err)
		}
		if d := b[0]; d < 250 && (len(out) > 0 || d%10 != 0) { // below 250 every digit is as likely
			out = append(out, '0'+d%10)
		}
	}
	return arn.AccountID(out), nil
}
