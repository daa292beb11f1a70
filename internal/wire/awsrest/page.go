package awsrest

import (
	"cmp"
	"encoding/base64"
	"slices"
)

// Page takes the part of a list, in the order of its names, that a page token
// and a size ask for, and makes the token of the next page. The token is the
// last name shown; a name that has gone since does no harm. A size of 0 is all.
func Page[T any](items []T, name func(T) string, token string, size int) (page []T, next string, err error) {
	after := ""
	if token != "" {
		raw, err := base64.RawURLEncoding.DecodeString(token)
		if err != nil || base64.RawURLEncoding.EncodeToString(raw) != token {
			return nil, "", &ShapeError{"The nextToken is not one that this server gave"}
		}
		after = string(raw)
	}
	page = slices.SortedFunc(slices.Values(items), func(a, b T) int { return cmp.Compare(name(a), name(b)) })
	for len(page) > 0 && token != "" && name(page[0]) <= after {
		page = page[1:]
	}
	if size > 0 && len(page) > size {
		page = page[:size]
		next = base64.RawURLEncoding.EncodeToString([]byte(name(page[size-1])))
	}
	return page, next, nil
}
