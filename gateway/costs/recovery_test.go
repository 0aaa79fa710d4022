package costs

import (
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nonstick-io/nonstick/adapter/delivery"
	"github.com/nonstick-io/nonstick/sessionstore"
)

// keep is how long the servers of these tests wait for a client.
const keep = 2 * time.Minute

// lasting is a client of a recoverable socket.
type lasting struct {
	*client
	id, pid string
}

func (c *lasting) box() sessionstore.SessionID { return sessionstore.OutboxID(c.pid) }

// connect sends a CONNECT and reads its answer.
func (c *lasting) connect(auth string) {
	c.w.t.Helper()
	reply := c.send("40" + auth)
	if c.conn.IsZero() {
		reply = c.get()
	}
	pushed := append(c.w.pusher.Take(c.conn), reply)
	var k struct{ SID, PID string }
	text, _, _ := strings.Cut(strings.TrimPrefix(pushed[0], "40"), "\x1e")
	if err := json.Unmarshal([]byte(text), &k); err != nil || k.PID == "" {
		c.w.t.Fatalf("answer to CONNECT: %q", pushed)
	}
	if c.pid != "" && (c.id != k.SID || c.pid != k.PID) {
		c.w.t.Fatal("not recovered")
	}
	c.id, c.pid = k.SID, k.PID
}

// on opens a session, on WebSocket or polling.
func (w *world) on(transport string) *client {
	if transport == "polling" {
		return w.polling()
	}
	return w.webSocket()
}

// news delivers a small event to a session or an outbox.
func (w *world) news(to sessionstore.SessionID, n int) {
	p := sessionstore.Packet{
		ID: sessionstore.PacketID(sessionstore.NewID()), Frames: []string{fmt.Sprintf(`42["news",%d]`, n)},
	}
	d := w.server.Engine().Delivery()
	_, err := d.Deliver(w.t.Context(), delivery.Target{Session: to}, []sessionstore.Packet{p})
	if err != nil {
		w.t.Error(err)
	}
}

// TestRecovery holds what connection state recovery costs, on both stores: the table of docs/architecture.md.
func TestRecovery(t *testing.T) {
	for _, s := range stores {
		for _, transport := range []string{"websocket", "polling"} {
			t.Run(s.name+"/"+transport, func(t *testing.T) {
				w := newWorld(t, s.make)
				w.recovery = keep
				w.another()
				c := &lasting{client: w.on(transport)}
				polling := c.conn.IsZero()
				of := func(webSocket, poll int64) int64 {
					if polling {
						return poll
					}
					return webSocket
				}
				takes := func(what string, reads, writes int64, do func()) {
					t.Helper()
					got := w.spend(do)
					t.Logf("%s: %d reads (%g units), %d writes (%g)", what, got.reads, got.rru, got.writes, got.wru)
					if got.reads > reads || got.writes > writes || got.writes < min(writes, 1) {
						t.Errorf(
							"%s: %d reads, %d writes; at most %d and %d\n%s", what, got.reads, got.writes, reads,
							writes, got.calls,
						)
					}
				}
				get := of(0, 1) // the answer to CONNECT is fetched
				takes("CONNECT", 2+get, 6+2*get, func() { c.connect("") })
				takes("delivery to a client that is there", 0, 2, func() { w.news(c.box(), 1) })
				takes("the next", 0, 2, func() { w.news(c.box(), 2) })
				if polling {
					takes("the GET for both", 1, 1, func() { c.get() })
				}
				takes("event, acknowledged", 1, of(0, 1), func() { c.send(`421["echo",1]`) })
				lose := func() { w.must(w.server.Engine().Fail(t.Context(), c.client.id, delivery.ReasonPingTimeout)) }
				if !polling {
					lose = func() { w.must(w.server.Engine().Disconnect(t.Context(), c.conn)) }
				}
				takes("loss", 2, 7, lose)
				for _, m := range []int{0, 10, 100} {
					for i := range m { // three writes where a page is turned
						takes("delivery to a client that is away", 0, 3, func() { w.news(c.box(), i) })
					}
					c.client = w.on(transport)
					// a read and a write more where what it missed lies in pages; two reads for the GET
					pages := int64(m / 100)
					reads, writes := 3+2*get+pages*of(1, 2), 5+get+pages*of(0, 1)
					takes(fmt.Sprint("recovery of ", m, " events"), reads, writes, func() {
						c.connect(fmt.Sprintf(`{"pid":%q}`, c.pid))
					})
					if polling {
						c.drain()
					}
					lose()
				}
				c.client = w.on(transport)
				c.connect(fmt.Sprintf(`{"pid":%q}`, c.pid))
				lose()
				takes("its end", 3, 4, func() {
					w.must(w.server.Engine().CloseAway(t.Context(), c.box(), sessionstore.Details{}))
				})
			})
		}
	}
}

// TestRecoveryUnderLoad holds what a delivery takes where several emit to one socket at once. On WebSocket one caller
// pushes what the others append, so it is less than two writes; on polling they meet at the number of the carrier.
func TestRecoveryUnderLoad(t *testing.T) {
	const emitters, events = 8, 25
	for _, s := range stores {
		for _, transport := range []string{"websocket", "polling"} {
			t.Run(s.name+"/"+transport, func(t *testing.T) {
				w := newWorld(t, s.make)
				w.recovery = keep
				w.another()
				w.pusher.OnPush = func(sessionstore.Connection, string) { time.Sleep(2 * time.Millisecond) }
				c := &lasting{client: w.on(transport)}
				c.connect("")
				got := w.spend(func() {
					var group sync.WaitGroup
					for e := range emitters {
						group.Go(func() {
							for i := range events {
								w.news(c.box(), e*events+i)
							}
						})
					}
					group.Wait()
				})
				each, most := float64(got.writes)/(emitters*events), 2.0
				if c.conn.IsZero() { // each of those that are refused has written in vain
					most = 6
				}
				t.Logf("%.2f writes for a delivery\n%s", each, got.calls)
				if each < 1 || each > most {
					t.Errorf("%.2f writes for a delivery\n%s", each, got.calls)
				}
			})
		}
	}
}
