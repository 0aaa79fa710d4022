package memstore

import (
	"cmp"
	"slices"
)

// table is a set of rows that can be walked in order of their keys. A change costs no more than a map's: the next walk
// sorts what was added. The zero value is empty. The owner guards it.
type table[K cmp.Ordered, V any] struct {
	rows  map[K]V
	order []K // sorted; may name rows that have gone
	added []K // rows that order may lack
}

func (t *table[K, V]) len() int { return len(t.rows) }

func (t *table[K, V]) get(k K) (V, bool) {
	v, ok := t.rows[k]
	return v, ok
}

func (t *table[K, V]) put(k K, v V) {
	if _, ok := t.rows[k]; !ok {
		t.added = append(t.added, k)
	}
	if t.rows == nil {
		t.rows = make(map[K]V)
	}
	t.rows[k] = v
	t.compact()
}

func (t *table[K, V]) remove(k K) {
	delete(t.rows, k)
	t.compact()
}

// compact keeps the keys of removed rows from piling up in a table that is never walked.
func (t *table[K, V]) compact() {
	if len(t.order)+len(t.added) > 2*len(t.rows)+64 {
		t.settle()
	}
}

// settle brings order up to date.
func (t *table[K, V]) settle() {
	slices.Sort(t.added)
	merged := make([]K, 0, len(t.rows))
	i, j := 0, 0
	for i < len(t.order) || j < len(t.added) {
		var k K
		if j == len(t.added) || i < len(t.order) && t.order[i] <= t.added[j] {
			k = t.order[i]
			i++
		} else {
			k = t.added[j]
			j++
		}
		_, there := t.rows[k]
		if there && (len(merged) == 0 || merged[len(merged)-1] != k) {
			merged = append(merged, k)
		}
	}
	t.order, t.added = merged, nil
}

// page returns at most limit rows, in order, from a key on, or behind it. It also returns the last key looked at and
// whether there may be further rows.
func (t *table[K, V]) page(from K, behind bool, limit int) (rows []V, last K, further bool) {
	if len(t.added) > 0 {
		t.settle()
	}
	i, found := slices.BinarySearch(t.order, from)
	if found && behind {
		i++
	}
	keys := t.order[i:]
	further = len(keys) > limit
	keys = keys[:min(limit, len(keys))]
	rows, last = make([]V, 0, len(keys)), from
	for _, k := range keys {
		if v, ok := t.rows[k]; ok {
			rows = append(rows, v)
		}
		last = k
	}
	return rows, last, further
}
