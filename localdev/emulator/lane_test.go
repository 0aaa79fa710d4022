package emulator

import (
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// Frames keep the order in which they arrive, whatever the order of receipt, and those that were overtaken are counted.
func TestLane(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var l lane
		var all sync.WaitGroup
		var got []int
		overtaken := 0
		for _, after := range []time.Duration{20, 5, 18, 6, 30} {
			l.enter(after*time.Millisecond, func(number int) {
				if l.overtaken(number) {
					overtaken++
				}
				got = append(got, number)
			}, all.Go)
		}
		all.Wait()
		if want := []int{2, 4, 3, 1, 5}; !slices.Equal(got, want) || overtaken != 2 {
			t.Errorf("handed over %v with %d overtaken, want %v with 2", got, overtaken, want)
		}
		l.enter(time.Millisecond, func(number int) { got = append(got, number) }, all.Go)
		all.Wait()
		if got[len(got)-1] != 6 {
			t.Errorf("handed over %v", got)
		}
	})
}
