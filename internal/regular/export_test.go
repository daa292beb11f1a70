package regular

import (
	"fmt"
	"slices"
)

// Canonical says in what a language is not as it should be: minimal, trimmed,
// numbered breadth first, edges in order and joined. It finds equivalent states
// the slow way, by Moore's refinement.
func (l Language) Canonical() error {
	if l = l.least(); l.d == nil {
		return nil
	}
	n := len(l.d.edges)
	seen := int32(1)
	for s, edges := range l.d.edges {
		for i, e := range edges {
			if e.lo > e.hi || i > 0 && edges[i-1].hi >= e.lo {
				return fmt.Errorf("state %d: edges %v are not in order", s, edges)
			}
			if i > 0 && edges[i-1].to == e.to && edges[i-1].hi+1 == e.lo {
				return fmt.Errorf("state %d: edges %v are not joined", s, edges)
			}
			if e.to > seen {
				return fmt.Errorf("state %d is numbered out of turn", e.to)
			}
			seen = max(seen, e.to+1)
		}
		if int(seen) <= s {
			return fmt.Errorf("state %d is not reached", s)
		}
	}
	block := make([]string, n)
	for s, a := range l.d.accept {
		block[s] = fmt.Sprint(a)
	}
	for before := 0; ; {
		number := map[string]int{}
		next := make([]string, n)
		for s := range n {
			key := block[s]
			for c := range 256 {
				if to := l.d.step(int32(s), byte(c)); to >= 0 {
					key += fmt.Sprint(" ", c, ":", block[to])
				}
			}
			if _, ok := number[key]; !ok {
				number[key] = len(number)
			}
			next[s] = fmt.Sprint(number[key])
		}
		block = next
		if len(number) == n {
			break
		}
		if len(number) == before {
			return fmt.Errorf("%d states, of which %d can be told apart", n, before)
		}
		before = len(number)
	}
	into, begins := l.d.into()
	var ends []int32
	for s, a := range l.d.accept {
		if a {
			ends = append(ends, int32(s))
		}
	}
	if slices.Contains(reach(n, ends, func(s int32, visit func(int32)) {
		for _, from := range into[begins[s]:begins[s+1]] {
			visit(from)
		}
	}), false) {
		return fmt.Errorf("a state leads to no accepting one")
	}
	return nil
}
