package clusterauth

import (
	"errors"
	"slices"
	"strconv"
	"time"

	"mayfly.internal/internal/eks"
	"mayfly.internal/internal/registry"
	"mayfly.internal/internal/session"
)

// readerName is the aws-auth reader in a cluster: Mayfly itself, reading one
// ConfigMap. It is user name, uid, principal and canonical ARN in one, and no
// role's principal can have any of them.
const readerName = "mayfly:aws-auth-reader"

// readerOf is the principal of a reader's session, in its own cluster only. It
// is nobody's: it has no ARN.
func readerOf(sess session.Session, c eks.Cluster, now time.Time) (eks.Principal, error) {
	switch {
	case sess.Reader != c.ID:
		return eks.Principal{}, &Refusal{OtherCluster, errors.New("the session may read aws-auth of another cluster")}
	case sess.Expired(now):
		return eks.Principal{}, &Refusal{Ended, registry.ErrExpired}
	}
	return eks.Principal{AccessKeyID: sess.AccessKeyID(), SessionID: sess.ID.String(), Expires: expiryText(sess.Expires)}, nil
}

// readerIdentity is the identity of a reader.
func readerIdentity(p eks.Principal) eks.Identity {
	return eks.Identity{Username: readerName, UID: readerName, Extra: map[string][]string{
		eks.ExtraCanonicalARN: {readerName}, eks.ExtraPrincipalID: {readerName}, eks.ExtraAccessKeyID: {p.AccessKeyID},
		eks.ExtraSession: {p.SessionID}, eks.ExtraExpires: {p.Expires},
	}}
}

func expiryText(t time.Time) string { return strconv.FormatInt(t.Unix(), 10) }

// isReader reports whether every part of a user says that it is the reader.
func isReader(in AccessInput) bool {
	return in.User == readerName && in.UID == readerName && one(in.Extra, eks.ExtraPrincipalID) == readerName && one(in.Extra, eks.ExtraCanonicalARN) == readerName
}

// authorizeReader allows get, list and watch of kube-system/aws-auth, the same of
// IAMIdentityMappings where they are read, and nothing else. A list or watch has
// the name of the ConfigMap only if a field selector limits it to that name.
func (s *Service) authorizeReader(in AccessInput, now time.Time) Answer {
	expires, ok := expiry(in.Extra)
	switch {
	case !ok:
		return Answer{Reason: "not a user of Mayfly's"}
	case !now.Before(expires):
		return Answer{Denied: true, Reason: "the session has expired"}
	}
	a := in.Attributes
	reads := a.IsResource && slices.Contains([]string{"get", "list", "watch"}, a.Verb) && a.Subresource == ""
	switch {
	case reads && a.Namespace == "kube-system" && a.Group == "" && a.Resource == "configmaps" && a.Name == "aws-auth":
		return Answer{Allowed: true, Reason: "Mayfly's own reading of aws-auth"}
	case reads && a.Namespace == "" && a.Group == "iamauthenticator.k8s.aws" && a.Resource == "iamidentitymappings" && s.CRD(in.Cluster):
		return Answer{Allowed: true, Reason: "Mayfly's own reading of IAMIdentityMappings"}
	}
	return Answer{Reason: "the aws-auth reader may read that ConfigMap, and IAMIdentityMappings where they map, and nothing else"}
}
