package costs

import (
	"strings"
	"testing"

	"github.com/nonstick-io/nonstick"
	"github.com/nonstick-io/nonstick/adapter/emitter"
)

// TestRewind holds what rooms with a history cost, on both stores: the table of docs/rewind.md. And that other rooms
// cost what they did.
func TestRewind(t *testing.T) {
	for _, s := range stores {
		t.Run(s.name, func(t *testing.T) {
			w := newWorld(t, s.make)
			w.recovery, w.history = keep, &nonstick.History{Rooms: []string{"kept*"}, Events: 10_000}
			w.another()
			c := &lasting{client: w.on("websocket")}
			c.connect("")
			took := func(what string, reads, writes [2]int64, do func()) spent {
				t.Helper()
				got := w.spend(do)
				t.Logf("%s: %d reads (%g units), %d writes (%g)", what, got.reads, got.rru, got.writes, got.wru)
				if got.reads < reads[0] || got.reads > reads[1] || got.writes < writes[0] || got.writes > writes[1] {
					t.Errorf(
						"%s: %d reads, %d writes; want %v and %v\n%s",
						what, got.reads, got.writes, reads, writes, got.calls,
					)
				}
				return got
			}
			exactly := func(n int64) [2]int64 { return [2]int64{n, n} }
			text := strings.Repeat("x", 100)
			emit := func(room string) { w.must(w.server.To(room).Emit(t.Context(), "news", text)) }
			took("an emit to a room that keeps none", exactly(1), exactly(0), func() { emit("room") })
			took("the first emit to one that does", exactly(1), [2]int64{2, 3}, func() { emit("kept") })
			took("another", exactly(1), exactly(1), func() { emit("kept") })
			outside := emitter.New(w.store, w.pusher, emitter.Options{})
			from := func(room string) { w.must(outside.To(room).Emit(t.Context(), "news", text)) }
			took("an emit from outside to a room that keeps none", exactly(1), exactly(0), func() { from("room") })
			took("its first emit to one that does", exactly(2), exactly(1), func() { from("kept") })
			took("its next", exactly(1), exactly(1), func() { from("kept") })
			all := w.spend(func() {
				for range 196 {
					emit("kept")
				}
			})
			each, most := float64(all.writes)/196, 1.25
			t.Logf("each of many: %.2f writes (%.2f units)", each, all.wru/196)
			if each < 1 || each > most || all.reads != 196 {
				t.Errorf("%d reads, and %.2f writes for each of many; at most %g\n%s", all.reads, each, most, all.calls)
			}
			emit("kept-2")
			// the session, the row of the room, the end of the history; then its pages
			took("an empty history", exactly(3), exactly(5), func() { c.send(`42["rewind","kept-1",10]`) })
			took("a history of one event", exactly(4), exactly(6), func() { c.send(`42["rewind","kept-2",10]`) })
			long := took("a history of 200 events", [2]int64{4, 8}, exactly(6), func() {
				c.send(`42["rewind","kept",200]`)
			})
			if n := len(w.pusher.Take(c.conn)); n != 201 {
				t.Errorf("%d events came of 201", n)
			}
			t.Logf("%d reads for 200 events", long.reads)
			took("an emit to its member", exactly(1), exactly(3), func() { emit("kept-2") })
		})
	}
}
