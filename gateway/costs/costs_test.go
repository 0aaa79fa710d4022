package costs

import (
	"fmt"
	"strings"
	"testing"
	"text/tabwriter"

	"github.com/nonstick-io/nonstick/sessionstore"
)

// price is a request and what it may cost at most: reads and writes as counted, and units of capacity.
type price struct {
	name          string
	reads, writes int64
	rru, wru      float64
	run           func(w *worst)
}

// worst are clients that have all that a client can have stored.
type worst struct {
	*world
	polling, ws *client // every namespace, auth and data at their limits, rooms one below it
	full        *client // on polling, its buffer nearly full of references
	half        *client // on polling, with half a packet of the largest size
	begun       *client // by the rows of the beginning
}

func newWorst(w *world) *worst {
	v := &worst{world: w, polling: w.polling(), ws: w.webSocket(), full: w.polling(), half: w.polling()}
	v.polling.fill(worstRooms - 1)
	v.ws.fill(worstRooms - 1)
	for _, c := range []*client{v.full, v.half} {
		c.fill(0)
	}
	v.full.buffer()
	v.half.send(`4510-["echo","`+strings.Repeat("x", 300<<10)+`"]`, "bAAAA")
	return v
}

// A GET that is parked reads again until it ends; what a read may cost is in the other rows.
const rereads = 12

var prices = []price{
	{"event on WebSocket, acknowledged", 1, 0, 2, 0, func(w *worst) { w.ws.send(`421["echo",1]`) }},
	{"the same, at an instance that does not know the connection", 2, 0, 2 + 3, 0, func(w *worst) {
		w.another()
		w.ws.send(`421["echo",1]`)
	}},
	{"pong on WebSocket", 0, 1, 0, 1, func(w *worst) { w.ws.send("3") }},
	{"event in a POST, acknowledged", 1, 1, 2, 2, func(w *worst) { w.polling.send(`421["echo",1]`) }},
	{"GET that carries the acknowledgement", 1, 1, 2, 2, func(w *worst) { w.polling.get() }},
	{"100 events in a POST, acknowledged", 1, 1, 2, 4, func(w *worst) {
		w.polling.send(strings.Split(strings.Repeat(`421["echo",1]|`, 99)+`421["echo",1]`, "|")...)
	}},
	{"GET that carries 100 acknowledgements", 1, 1, 4, 4, func(w *worst) { w.polling.get() }},
	{"GET that is parked and ends", rereads, 2, rereads * 2, 9, func(w *worst) { w.polling.get() }},
	{"pong on polling that nobody asked for", 1, 0, 2, 0, func(w *worst) { w.polling.send("3") }},

	{"event that joins", 1, 3, 2, 4, func(w *worst) { w.ws.send(`42["join",["new"]]`) }},
	{"event that joins again, at the limit", 1, 3, 2, 4, func(w *worst) { w.ws.send(`42["join",["new"]]`) }},
	{"event that is refused a room", 1, 5, 2, 6, func(w *worst) { w.ws.send(`42["join",["one more"]]`) }},
	{"event that leaves", 1, 3, 2, 4, func(w *worst) { w.ws.send(`42["leave","new"]`) }},
	{"event that asks for one room", 2, 0, 3, 0, func(w *worst) { w.ws.send(`42["look","new"]`) }},
	{"event that reads data (16 KB)", 2, 0, 7, 0, func(w *worst) { w.ws.send(`42["data"]`) }},
	{"event that sets data (16 KB)", 2, 1, 7, 17, func(w *worst) {
		w.ws.send(`42["set","x","` + strings.Repeat("e", limits.Socket.Data-3) + `"]`)
	}},
	{"event that reads auth (32 KB)", 2, 0, 11, 0, func(w *worst) { w.ws.send(`42["auth"]`) }},
	{"event that reads its rooms (999 of 512 bytes)", 2, 0, 150, 0, func(w *worst) { w.ws.send(`42["rooms"]`) }},

	{"event in a POST, the buffer full", 1, 1, 12, 46, func(w *worst) { w.full.send(`421["echo",1]`) }},
	{"pong that nobody asked for, the buffer full", 1, 0, 12, 0, func(w *worst) { w.full.send("3") }},
	{"GET that carries 400 packets stored apart", 9, 1, 410, 46, func(w *worst) { w.full.get() }},
	{"pong that nobody asked for, half a packet waiting", 1, 0, 2, 0, func(w *worst) { w.half.send("3") }},
	{"GET, half a packet waiting", rereads, 2, rereads * 2, 4, func(w *worst) { w.half.get() }},

	{"1,000 acknowledgements in a POST that nobody waits for", 2, 0, 3, 0, func(w *worst) {
		var frames []string
		for i := range 1000 {
			frames = append(frames, fmt.Sprintf("43%d[]", i))
		}
		w.polling.send(frames...)
	}},
	{"2,000 pongs in a POST", 1, 0, 2, 0, func(w *worst) { w.polling.send(strings.Split(strings.Repeat("3|", 1999)+"3", "|")...) }},
	{"polling handshake", 0, 3, 0, 13, func(w *worst) { w.begun = w.world.polling() }},
	{"CONNECT on polling, with 32 KB of auth", 3, 5, 4, 40, func(w *worst) { w.begun.send("40" + text(limits.Socket.Auth-20)) }},
	{"WebSocket from handshake to open", 0, 3, 0, 12, func(w *worst) { w.begun = w.webSocket() }},
	{"CONNECT on WebSocket, with 32 KB of auth", 2, 4, 3, 37, func(w *worst) { w.begun.send("40" + text(limits.Socket.Auth-20)) }},
	{"end of a WebSocket in 32 namespaces and 999 rooms", 40, 2120, 190, 3300, func(w *worst) {
		w.must(w.server.Engine().Disconnect(w.t.Context(), w.ws.conn))
	}},
}

const worstRooms = 1000

// TestCosts holds the table of docs/architecture.md: what a request costs has a bound, whatever its client did before.
func TestCosts(t *testing.T) {
	for _, s := range stores {
		t.Run(s.name, func(t *testing.T) {
			w := newWorst(newWorld(t, s.make))
			var out strings.Builder
			table := tabwriter.NewWriter(&out, 0, 0, 2, ' ', 0)
			_, _ = fmt.Fprintln(table, "request\treads\twrites\tRRU\tWRU")
			for _, c := range prices {
				got := w.spend(func() { c.run(w) })
				_, _ = fmt.Fprintf(table, "%s\t%d/%d\t%d/%d\t%g/%g\t%g/%g\n", c.name, got.reads, c.reads, got.writes, c.writes, got.rru, c.rru, got.wru, c.wru)
				if got.reads > c.reads || got.writes > c.writes || got.rru > c.rru || got.wru > c.wru {
					t.Errorf("%s: %d reads, %d writes, %g and %g units; at most %d, %d, %g and %g\n%s",
						c.name, got.reads, got.writes, got.rru, got.wru, c.reads, c.writes, c.rru, c.wru, got.calls)
				}
				w.stillThere(c.name)
			}
			_ = table.Flush()
			t.Logf("spent/at most\n%s", out.String())
		})
	}
}

// stillThere fails unless the clients are connected, but for the one whose end is measured last.
func (w *worst) stillThere(after string) {
	w.t.Helper()
	for name, c := range map[string]*client{"polling": w.polling, "full": w.full, "half": w.half} {
		if s := c.state(); s.State != sessionstore.Open {
			w.t.Fatalf("after %q the client %s is %s: %s", after, name, s.State, s.Reason)
		}
	}
}
