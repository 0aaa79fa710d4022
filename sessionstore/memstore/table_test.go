package memstore

import (
	"math/rand/v2"
	"slices"
	"testing"
)

// TestTable compares a table with a map, over random changes and walks.
func TestTable(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	var tab table[int, int]
	model := make(map[int]int)
	for step := range 20_000 {
		k := r.IntN(300)
		switch r.IntN(5) {
		case 0, 1:
			tab.put(k, step)
			model[k] = step
		case 2, 3:
			tab.remove(k)
			delete(model, k)
		default:
			if v, ok := tab.get(k); ok != (model[k] != 0) || v != model[k] {
				t.Fatalf("step %d: get %d: %d %v, want %d", step, k, v, ok, model[k])
			}
		}
		if step%97 == 0 {
			sameRows(t, &tab, model, 1+r.IntN(50))
		}
		if n := len(tab.order) + len(tab.added); n > 2*tab.len()+64 {
			t.Fatalf("step %d: %d keys for %d rows", step, n, tab.len())
		}
	}
}

// sameRows walks the table page by page.
func sameRows(t *testing.T, tab *table[int, int], model map[int]int, limit int) {
	t.Helper()
	var keys, want, got []int
	for k := range model {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	for _, k := range keys {
		want = append(want, model[k])
	}
	last, further := 0, true
	for page := 0; further; page++ {
		var rows []int
		rows, last, further = tab.page(last, page > 0, limit)
		if len(rows) > limit {
			t.Fatalf("a page of %d rows, want at most %d", len(rows), limit)
		}
		got = append(got, rows...)
	}
	if !slices.Equal(got, want) {
		t.Fatalf("walked %v, want %v", got, want)
	}
}
