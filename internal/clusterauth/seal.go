package clusterauth

import (
	"encoding/base64"
	"fmt"

	"mayfly.internal/internal/arn"
	"mayfly.internal/internal/eks"
)

// extraSeal is the key of extra that shows that the rest of it is Review's word
// for this cluster. The API server hands extra back as it got it, but whoever
// may create a LocalSubjectAccessReview writes extra of its own choice, and what
// is allowed is recorded under it.
const extraSeal = "mayfly/seal"

// sealedKeys are the keys of extra that the authorizer reads.
var sealedKeys = []string{eks.ExtraARN, eks.ExtraCanonicalARN, eks.ExtraPrincipalID, eks.ExtraSessionName, eks.ExtraSession, eks.ExtraExpires, eks.ExtraIssuer, eks.ExtraProvider, eks.ExtraChain, eks.ExtraEntry, eks.ExtraRealm, eks.ExtraAccessKeyID}

// identityDigest is what a seal is over: the cluster, the uid, and what the
// authorizer reads of extra.
func identityDigest(c eks.Cluster, uid string, extra map[string][]string) []byte {
	parts := []string{c.ID, uid}
	for _, key := range sealedKeys {
		parts = append(parts, fmt.Sprint(len(extra[key])))
		parts = append(parts, extra[key]...)
	}
	sum := digest(parts...)
	return sum[:]
}

func sealData(account arn.AccountID) []byte {
	return []byte("mayfly cluster identity v2\x00" + string(account))
}

// seal adds the seal to an identity.
func (s *Service) seal(id eks.Identity, c eks.Cluster, account arn.AccountID) (eks.Identity, error) {
	sealed, err := s.Sealer.Seal(identityDigest(c, id.UID, id.Extra), sealData(account))
	if err != nil {
		return eks.Identity{}, fmt.Errorf("seal the identity: %w", err)
	}
	id.Extra[extraSeal] = []string{base64.RawURLEncoding.EncodeToString(sealed)}
	return id, nil
}

// genuine reports whether a user of a SubjectAccessReview is one that Review
// answered, for this cluster, unchanged.
func (s *Service) genuine(in AccessInput, account arn.AccountID) bool {
	sealed, err := base64.RawURLEncoding.Strict().DecodeString(one(in.Extra, extraSeal))
	if err != nil {
		return false
	}
	digest, err := s.Sealer.Open(sealed, sealData(account))
	return err == nil && string(digest) == string(identityDigest(in.Cluster, in.UID, in.Extra))
}
