package registry

import (
	"iter"
	"maps"
)

// table is a map of which the next snapshot's copy costs little, however large
// it is: what has changed lately lies over a base that the snapshots share. The
// zero value is empty.
type table[K comparable, V any] struct {
	base map[K]V       // shared; never written to
	over map[K]edit[V] // what differs from base; written to until the snapshot is made
}

// edit is a value put in, or the word that there is none any more.
type edit[V any] struct {
	value V
	gone  bool
}

// fewEdits is how many edits are carried from one snapshot to the next at least
// before they become part of the base.
const fewEdits = 64

// next is a copy to change.
func (t table[K, V]) next() table[K, V] {
	if len(t.over) <= max(fewEdits, len(t.base)/16) {
		return table[K, V]{t.base, maps.Clone(t.over)}
	}
	base := maps.Collect(t.all())
	return table[K, V]{base: base}
}

func (t table[K, V]) get(key K) (V, bool) {
	if e, ok := t.over[key]; ok {
		return e.value, !e.gone
	}
	v, ok := t.base[key]
	return v, ok
}

func (t *table[K, V]) put(key K, v V) {
	if t.over == nil {
		t.over = map[K]edit[V]{}
	}
	t.over[key] = edit[V]{value: v}
}

func (t *table[K, V]) remove(key K) {
	delete(t.over, key)
	if _, ok := t.base[key]; !ok {
		return
	}
	if t.over == nil {
		t.over = map[K]edit[V]{}
	}
	t.over[key] = edit[V]{gone: true}
}

// all walks the keys and values, in no order.
func (t table[K, V]) all() iter.Seq2[K, V] {
	return func(yield func(K, V) bool) {
		for k, v := range t.base {
			if _, edited := t.over[k]; !edited && !yield(k, v) {
				return
			}
		}
		for k, e := range t.over {
			if !e.gone && !yield(k, e.value) {
				return
			}
		}
	}
}
