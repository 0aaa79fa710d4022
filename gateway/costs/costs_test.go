package costs

import (
	"fmt"
	"strings"
	"testing"
	"text/tabwriter"
	"time"

	"github.com/nonstick-io/nonstick/sessionstore"
)

// price is a request and what it may cost at most: reads and writes as counted, and units of capacity, those of
// refused writes too.
type price struct {
	name          string
	reads, writes int64
	rru, wru      float64
	run           func(w *worst)

	everyday bool           // its units must have one digit, whatever its client made the store keep
	parked   bool           // it reads again and again: each time
	apart    float64        // read units for packets stored apart that it carries, and their pages
	times    int            // that it is made, each time for the price; once if 0
	before   func(w *worst) // sets the scene and costs nothing
}

// everyday is an event, a GET or a pong: what clients send all the time.
func everyday(name string, reads, writes int64, rru, wru float64, run func(w *worst)) price {
	p := rare(name, reads, writes, rru, wru, run)
	p.everyday = true
	return p
}

// parked is a GET that waits until its time is up; what a read may cost is in the other rows.
func parked(name string, wru float64, run func(w *worst)) price {
	const rereads = 12
	p := everyday(name, rereads, 2, rereads*2, wru, run)
	p.parked = true
	return p
}

// rare is whatever else, and events that ask for what is large.
func rare(name string, reads, writes int64, rru, wru float64, run func(w *worst)) price {
	return price{name: name, reads: reads, writes: writes, rru: rru, wru: wru, run: run}
}

// check compares what a request has cost with its price.
func (p *price) check(got spent) error {
	if got.reads > p.reads || got.writes > p.writes || got.rru > p.rru || got.wru > p.wru {
		return fmt.Errorf("%d reads, %d writes, %g and %g units; at most %d, %d, %g and %g\n%s",
			got.reads, got.writes, got.rru, got.wru, p.reads, p.writes, p.rru, p.wru, got.calls)
	}
	read := got.rru - p.apart
	if p.parked {
		read /= float64(got.reads)
	}
	if p.everyday && (read > 9 || got.wru > 9) {
		return fmt.Errorf("%g and %g units, which are to have one digit\n%s", read, got.wru, got.calls)
	}
	return nil
}

// worst are clients that have all that a client can have stored.
type worst struct {
	*world
	polling, ws *client               // every namespace, auth and data at their limits, rooms one below it
	full        *client               // on polling, its buffer nearly full of references
	half        *client               // on polling, with half a packet of the largest size
	begun       *client               // by the rows of the beginning
	other       sessionstore.SocketID // that of polling in the main namespace
}

func newWorst(w *world) *worst {
	v := &worst{world: w, polling: w.polling(), ws: w.webSocket(), full: w.polling(), half: w.polling()}
	v.polling.fill(worstRooms - 1)
	v.ws.fill(worstRooms - 1)
	for _, c := range []*client{v.full, v.half} {
		c.fill(0)
	}
	s := v.polling.state()
	k, _ := s.Socket("/")
	v.other = k.ID
	v.full.buffer()
	v.half.send(`4510-["echo","`+strings.Repeat("x", 300<<10)+`"]`, "bAAAA")
	return v
}

var prices = []price{
	everyday("event on WebSocket, acknowledged", 1, 0, 2, 0, func(w *worst) { w.ws.send(`421["echo",1]`) }),
	everyday("the same, at an instance that does not know the connection", 2, 0, 2+3, 0, func(w *worst) {
		w.another()
		w.ws.send(`421["echo",1]`)
	}),
	everyday("pong on WebSocket", 0, 1, 0, 1, func(w *worst) { w.ws.send("3") }),
	everyday("pong on WebSocket that nobody asked for", 0, 0, 0, 0, func(w *worst) { w.ws.send("3") }),
	everyday("event in a POST, acknowledged", 1, 1, 2, 2, func(w *worst) { w.polling.send(`421["echo",1]`) }),
	everyday("GET that carries the acknowledgement", 1, 1, 2, 2, func(w *worst) { w.polling.get() }),
	everyday("100 events in a POST, acknowledged", 1, 1, 2, 4, func(w *worst) {
		w.polling.send(strings.Split(strings.Repeat(`421["echo",1]|`, 99)+`421["echo",1]`, "|")...)
	}),
	everyday("GET that carries 100 acknowledgements", 1, 1, 4, 4, func(w *worst) { w.polling.get() }),
	parked("GET that is parked and ends", 4, func(w *worst) { w.polling.get() }),
	everyday("pong on polling that nobody asked for", 1, 0, 2, 0, func(w *worst) { w.polling.send("3") }),

	everyday("event that joins", 1, 3, 2, 4, func(w *worst) { w.ws.send(`42["join",["new"]]`) }),
	everyday("event that joins again, at the limit", 1, 3, 2, 4, func(w *worst) { w.ws.send(`42["join",["new"]]`) }),
	everyday("event that is refused a room", 1, 5, 2, 6, func(w *worst) { w.ws.send(`42["join",["one more"]]`) }),
	everyday("event that leaves", 1, 3, 2, 4, func(w *worst) { w.ws.send(`42["leave","new"]`) }),
	everyday("event that asks for one room", 2, 0, 3, 0, func(w *worst) { w.ws.send(`42["look","new"]`) }),
	rare("event that reads data (16 KB)", 2, 0, 7, 0, func(w *worst) { w.ws.send(`42["data"]`) }),
	rare("event that sets data (16 KB)", 2, 1, 7, 17, func(w *worst) {
		w.ws.send(`42["set","x","` + strings.Repeat("e", dataBytes) + `"]`)
	}),
	rare("event that adds to its data (16 KB)", 2, 1, 7, 17, func(w *worst) { w.ws.send(`42["add",10]`) }),
	{
		name: "event that adds to the data (16 KB) of another socket", reads: 3, writes: 1, rru: 8, wru: 17, times: 2,
		run: func(w *worst) { w.ws.send(`42["add to","` + string(w.other) + `",10]`) },
	},
	rare("event that reads auth (32 KB)", 2, 0, 11, 0, func(w *worst) { w.ws.send(`42["auth"]`) }),
	rare("event that reads its rooms (999 of 512 bytes)", 2, 0, 150, 0, func(w *worst) { w.ws.send(`42["rooms"]`) }),

	{
		name: "event in a POST, the buffer full", reads: 1, writes: 3, rru: 3, wru: 9, everyday: true, times: 12,
		run: func(w *worst) { w.full.send(`421["echo","` + strings.Repeat("x", 900) + `"]`) },
	},
	everyday("pong that nobody asked for, the buffer full", 1, 0, 3, 0, func(w *worst) { w.full.send("3") }),
	{
		name: "pong, the buffer full", reads: 1, writes: 2, rru: 3, wru: 4, everyday: true,
		before: func(w *worst) { w.must(w.store.Pong(w.t.Context(), w.full.id, time.Now())) },
		run:    func(w *worst) { w.full.send("3") },
	},
	{
		name: "GET that carries 400 packets stored apart", reads: 9, writes: 1, rru: 415, wru: 3, everyday: true,
		apart: 400 + 10, times: 2,
		run: func(w *worst) { w.full.get() },
	},
	everyday("pong that nobody asked for, half a packet waiting", 1, 0, 2, 0, func(w *worst) { w.half.send("3") }),
	parked("GET, half a packet waiting", 4, func(w *worst) { w.half.get() }),

	everyday("1,000 acknowledgements in a POST that no caller waits for", 6, 0, 7, 0, func(w *worst) {
		var frames []string
		for i := range 1000 {
			frames = append(frames, fmt.Sprintf("43%d[]", i))
		}
		w.polling.send(frames...)
	}),
	everyday(
		"2,000 pongs in a POST", 1, 0, 2, 0,
		func(w *worst) { w.polling.send(strings.Split(strings.Repeat("3|", 1999)+"3", "|")...) },
	),
	rare("polling handshake", 0, 3, 0, 13, func(w *worst) { w.begun = w.world.polling() }),
	rare(
		"CONNECT on polling, with 32 KB of auth", 3, 5, 4, 40,
		func(w *worst) { w.begun.send("40" + text(limits.Socket.Auth-20)) },
	),
	rare("WebSocket from handshake to open", 0, 3, 0, 12, func(w *worst) { w.begun = w.webSocket() }),
	rare(
		"CONNECT on WebSocket, with 32 KB of auth", 2, 4, 3, 37,
		func(w *worst) { w.begun.send("40" + text(limits.Socket.Auth-20)) },
	),
	rare("end of a WebSocket in 32 namespaces and 999 rooms", 40, 2120, 190, 3300, func(w *worst) {
		w.must(w.server.Engine().Disconnect(w.t.Context(), w.ws.conn))
	}),
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
				if c.before != nil {
					c.before(w)
				}
				var most spent
				for range max(c.times, 1) {
					got := w.spend(func() { c.run(w) })
					if err := c.check(got); err != nil {
						t.Errorf("%s: %v", c.name, err)
					}
					most = most.dearer(got)
				}
				_, _ = fmt.Fprintf(
					table, "%s\t%d/%d\t%d/%d\t%g/%g\t%g/%g\n", c.name, most.reads, c.reads, most.writes, c.writes,
					most.rru, c.rru, most.wru, c.wru,
				)
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
