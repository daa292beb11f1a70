package registry

import (
	"maps"
	"math/rand/v2"
	"testing"
)

// TestTable does to a table and to a map the same, and wants them to hold the
// same; every table made on the way must stay as it was.
func TestTable(t *testing.T) {
	r := rand.New(rand.NewPCG(2026, 11))
	var now table[int, int]
	plain := map[int]int{}
	var tables []table[int, int]
	var copies []map[int]int
	for step := range 3000 {
		next := now.next()
		for range r.IntN(4) + r.IntN(2)*r.IntN(40) {
			key := r.IntN(600)
			if r.IntN(3) == 0 {
				next.remove(key)
				delete(plain, key)
			} else {
				next.put(key, step)
				plain[key] = step
			}
		}
		now = next
		if step%50 == 0 {
			tables, copies = append(tables, now), append(copies, maps.Clone(plain))
		}
		for range 5 {
			key := r.IntN(600)
			got, ok := now.get(key)
			if want, there := plain[key]; got != want || ok != there {
				t.Fatalf("step %d: key %d is %d, %v; want %d, %v", step, key, got, ok, want, there)
			}
		}
		if len(now.over) > max(fewEdits, len(now.base)/16)+44 {
			t.Fatalf("step %d: %d edits over %d", step, len(now.over), len(now.base))
		}
	}
	for i := range tables {
		if !maps.Equal(maps.Collect(tables[i].all()), copies[i]) {
			t.Fatalf("table %d has changed", i)
		}
	}
}
