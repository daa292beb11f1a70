package clusterauth

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"time"

	"mayfly.internal/internal/arn"
	"mayfly.internal/internal/eks"
	"mayfly.internal/internal/fault"
	"mayfly.internal/internal/registry"
	"mayfly.internal/internal/sigv4"
)

const (
	// vouchedSpan is how long AWS's word for one token is remembered.
	// aws-iam-authenticator asks for every TokenReview.
	vouchedSpan = time.Minute
	// vouchedLife is how long an identity counts that AWS vouches for: the life
	// of a presigned GetCallerIdentity. When its credentials end, AWS does not
	// say; every TokenReview asks anew.
	vouchedLife = 15 * time.Minute
)

// vouchedKey is a token and the name it must be bound to.
type vouchedKey [sha256.Size]byte

// askAWS is the principal AWS vouches for as the signer of a token. AWS verifies
// the signature, and with it the name that the token is bound to.
func (s *Service) askAWS(ctx context.Context, snap *registry.Snapshot, in ReviewInput, signed sigv4.Signed, now time.Time) (eks.Principal, error) {
	if age := now.Sub(signed.Time()); age > in.Cluster.BearerMaxAge {
		return eks.Principal{}, &Refusal{BadSignature, fmt.Errorf("signed longer ago than the %s the cluster allows", in.Cluster.BearerMaxAge)}
	}
	who, err := s.vouched.do(ctx, vouchedKey(digest(in.Name, in.URL)), now, func() (eks.Vouched, error) {
		return s.AWS.Caller(context.WithoutCancel(ctx), in.URL, in.Name, in.Cluster.ID)
	})
	if err != nil {
		return eks.Principal{}, &Refusal{vouchedReason(err), err}
	}
	p, err := who.Principal()
	switch {
	case err != nil:
		return eks.Principal{}, &Refusal{NotTrusted, err}
	case p.Account == string(snap.Account):
		return eks.Principal{}, &Refusal{NotTrusted, errors.New("AWS names Mayfly's own account, whose roles Mayfly alone vouches for")}
	case !trusts(in.Cluster, p.Account):
		return eks.Principal{}, &Refusal{NotTrusted, fmt.Errorf("%s does not trust the AWS account %s; it was registered without --trust-aws-account %[2]s", in.Cluster.Name, p.Account)}
	}
	p.Expires = expiryText(now.Add(vouchedLife))
	return p, nil
}

func trusts(c eks.Cluster, account string) bool {
	return slices.Contains(c.TrustAccounts, arn.AccountID(account))
}

// vouchedReason is what it means for a token that AWS does not vouch for it.
func vouchedReason(err error) Reason {
	switch fault.KindOf(err) {
	case fault.Invalid:
		return NotABearer
	case fault.Denied:
		return BadSignature
	case fault.Throttled:
		return Throttled
	}
	return Unreachable
}
