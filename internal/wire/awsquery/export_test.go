package awsquery

import (
	"maps"
	"slices"
)

// Names are all parameters.
func (r *Request) Names() []string { return slices.Sorted(maps.Keys(r.params)) }
