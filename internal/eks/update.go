package eks

import (
	"slices"
	"time"
)

// Update is a change of a cluster's configuration. It was in force before
// anybody was told of it: none is ever in progress, and none fails.
type Update struct {
	ID      string // a UUID
	Mode    AuthenticationMode
	Created time.Time
}

// modes are the authentication modes in the order in which a cluster may take
// them.
var modes = []AuthenticationMode{ModeConfigMap, ModeAPIAndConfigMap, ModeAPI}

// ChangeMode is the cluster after an update of its authentication mode: to the
// next one, never over it and never back (EKS User Guide, "Change authentication
// mode to use access entries"). So a cluster has two updates at most.
func (c Cluster) ChangeMode(u Update) (Cluster, error) {
	from, to := slices.Index(modes, c.Mode), slices.Index(modes, u.Mode)
	if to < 0 {
		return c, checkMode(u.Mode)
	}
	if to != from+1 {
		return c, refuse(InvalidValue, "Unsupported authentication mode update from %s to %s", c.Mode, u.Mode)
	}
	c.Mode, c.Updates = u.Mode, append(slices.Clip(c.Updates), u)
	return c, nil
}

func checkMode(m AuthenticationMode) error {
	if !slices.Contains(modes, m) {
		return refuse(InvalidValue, "The authentication mode %q is invalid: API, API_AND_CONFIG_MAP or CONFIG_MAP is wanted", clip(string(m)))
	}
	return nil
}

// Update is the cluster's update of an id.
func (c Cluster) Update(id string) (Update, bool) {
	i := slices.IndexFunc(c.Updates, func(u Update) bool { return u.ID == id })
	if i < 0 {
		return Update{}, false
	}
	return c.Updates[i], true
}
