package gitlab

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"mayfly.internal/internal/guard"
)

// Guards reads of one project, by its id, what guard.Project.Door looks at, in two
// rounds of at most seven requests together. path is where the project is believed
// to be; tier as in Pull.
//
// What GitLab does not show is unknown in the facts, as by Pull. An
// *IncompleteError beside the facts names what might be read the next time. Any
// other error comes without facts.
func (c *Client) Guards(ctx context.Context, id int64, path string, tier guard.Tier) (*guard.Project, error) {
	p := &puller{c: c, ctx: ctx, stated: tier, memo: map[string]*memo{}}
	facts := &guard.Facts{GitLab: c.URL(), Taken: p.now()}
	project := &guard.Project{Path: path, Taken: p.now()}
	r := &projectPull{puller: p, project: project, at: "/projects/" + strconv.FormatInt(id, 10)}
	var unreachable, unseen error
	each(func() {
		if unreachable = p.instance(facts); unreachable == nil {
			root, _, _ := strings.Cut(path, "/")
			project.Tier = p.namespaceTier(facts, root)
		}
	}, func() { unseen = r.itself(id) }, r.tags)
	switch {
	case unreachable != nil:
		return nil, unreachable
	case unseen != nil && !isSettled(unseen):
		return nil, unseen
	case unseen != nil:
		project.Unread(unseen.Error(), p.source(r.at))
		return project, nil
	}
	known, told := project.Tier.Value()
	r.free = told && known == guard.Free
	steps := []func(){r.branches}
	if r.free {
		project.Mirror = guard.Fact[bool]{}
	} else {
		steps = append(steps, r.approvals, r.approvalRules)
	}
	each(steps...)
	r.settle()
	p.missing = slices.DeleteFunc(p.missing, func(m Missing) bool { return isSettled(m.Err) })
	if len(p.missing) > 0 {
		return project, &IncompleteError{p.missing}
	}
	return project, nil
}

// itself reads the project's own settings.
func (r *projectPull) itself(id int64) error {
	s := r.source(r.at)
	a, err := get[projectAnswer](r.ctx, r.c, r.at)
	if err != nil {
		return err
	}
	path, err := fullPath(a.Path)
	if err == nil && a.ID != id {
		err = fmt.Errorf("the answer is about the project %d", a.ID)
	}
	if err != nil {
		return garbage(s.Call, err)
	}
	a.put(r.project, s)
	r.project.Path = path
	return nil
}
