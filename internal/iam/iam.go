// Package iam is roles, managed policies and the limits of what IAM keeps: names, paths, sizes,
// quotas, and which trust a role may carry at all. (IAM API reference
// 2010-05-08; IAM User Guide, "IAM and STS quotas".)
//
// It evaluates no policy (policy does), knows no caller and stores nothing.
// Users, groups and access keys do not exist here, on purpose.
package iam

import (
	"encoding/base32"
	"fmt"
	"io"
)

// Quotas that nobody may change. Each is AWS's. Quotas has the others.
const (
	maxClientIDs   = 100
	maxThumbprints = 5
	maxTags        = 50
)

// NewID draws an id of 21 characters that begins with a prefix of four: AROA
// for a role.
func NewID(prefix string, random io.Reader) (string, error) {
	const length = 17 // characters of base32, five bits each
	var b [11]byte
	if _, err := io.ReadFull(random, b[:]); err != nil {
		return "", fmt.Errorf("draw an id: %w", err)
	}
	return prefix + base32.StdEncoding.EncodeToString(b[:])[:length], nil
}
