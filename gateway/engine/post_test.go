package engine_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/nonstick-io/nonstick/gateway/engine"
	"github.com/nonstick-io/nonstick/internal/engineio"
	"github.com/nonstick-io/nonstick/sessionstore"
)

// What the packets of a POST do.
func TestPost(t *testing.T) {
	for _, c := range []struct {
		name   string
		body   string // spaces separate packets, underscores are spaces
		want   string // what the application saw, likewise
		buffer string
		reason string
	}{
		{"a message", "4a", "4a", "", ""},
		{"messages in order", "4a bAA== 4b", "4a bAA== 4b", "", ""},
		{"answers in order", "4send_1 4reply_2 4send_3", "4send_1 4reply_2 4send_3", "41 42 43", ""},
		{"pong", "3", "", "", ""},
		{"noop, open and upgrade are ignored", "6 0 5 4a", "4a", "", ""},
		{"ping from a client", "2", "", "", "transport error"},
		{"ping after a message", "4a 2 4b", "4a", "", "transport error"},
		{"close", "1", "", "", "transport close"},
		{"close after a message", "4a 1 4b", "4a", "", "transport close"},
		{"bad packet", "abc", "", "", "parse error"},
		{"empty body", "", "", "", "parse error"},
		{"bad packet after good ones", "4a 4b 9 4c", "4a 4b", "", "parse error"},
		{"unknown type", "4a x?", "4a", "", "parse error"},
		{"garbage behind b", "4a b?", "4a b", "", ""},
		{"the handler closes", "4a 4close_enough 4b", "4a 4close enough", "", "enough"},
		{"the handler refuses", "4refuse_bad 4b", "4refuse bad", "", "bad"},
		{"the handler fails", "4fail 4b", "4fail", "", "forced close"},
		{"the handler panics", "4panic 4b", "4panic", "", "forced close"},
		{"the handler closes before a bad packet", "4close_enough 9", "4close enough", "", "enough"},
	} {
		t.Run(c.name, func(t *testing.T) {
			inWorld(t, engine.Options{}, func(t *testing.T, w *world) {
				id := w.polling()
				body := strings.ReplaceAll(strings.ReplaceAll(c.body, " ", "\x1e"), "_", " ")
				if err := w.engine.Post(t.Context(), id, body); err != nil {
					t.Errorf("post: %v", err)
				}
				if got := strings.Join(w.app.seen(), " "); got != strings.ReplaceAll(c.want, "_", " ") {
					t.Errorf("the application saw %q, want %q", got, c.want)
				}
				var buffered []string
				for _, p := range w.session(id).Buffer {
					buffered = append(buffered, p.Frames...)
				}
				if got := strings.Join(buffered, " "); got != c.buffer {
					t.Errorf("in the buffer %q, want %q", got, c.buffer)
				}
				w.expectState(id, c.reason)
			})
		})
	}
}

// A POST that no session can take.
func TestPostRefused(t *testing.T) {
	for _, c := range []struct {
		name    string
		prepare func(w *world, id sessionstore.SessionID)
		want    error
	}{
		{
			"closed", func(w *world, id sessionstore.SessionID) { w.must(w.engine.Fail(w.t.Context(), id, "test")) },
			engineio.ErrUnknownSession,
		},
		{"forgotten", func(w *world, id sessionstore.SessionID) { w.forget(id) }, engineio.ErrUnknownSession},
		{"on WebSocket", func(w *world, id sessionstore.SessionID) { w.upgraded(id) }, engineio.ErrBadRequest},
		{"store in trouble", func(w *world, _ sessionstore.SessionID) {
			w.store.faults[sessionstore.OpGet] = []fault{{errNoAnswer, false}}
		}, errNoAnswer},
	} {
		t.Run(c.name, func(t *testing.T) {
			inWorld(t, engine.Options{}, func(t *testing.T, w *world) {
				id := w.polling()
				c.prepare(w, id)
				if err := w.engine.Post(t.Context(), id, "4a"); !errors.Is(err, c.want) {
					t.Errorf("error %v, want %v", err, c.want)
				}
				if len(w.app.seen()) > 0 {
					t.Errorf("the application saw %q", w.app.seen())
				}
			})
		})
	}
}

// What was said before the client broke a rule reaches its parked GET.
func TestSaidBeforeBadPacket(t *testing.T) {
	inWorld(t, engine.Options{}, func(t *testing.T, w *world) {
		id := w.polling()
		parked := w.park(id, "t1")
		w.must(w.engine.Post(t.Context(), id, "4reply hello\x1e9"))
		if got := <-parked; got.body != "4hello" || got.err != nil {
			t.Errorf("the parked GET: %+v", got)
		}
		w.expectState(id, "parse error")
	})
}

// A client's close and its last GET come in any order; the GET is answered like any other.
func TestCloseBeforeGET(t *testing.T) {
	inWorld(t, engine.Options{}, func(t *testing.T, w *world) {
		id := w.polling()
		posted := make(chan error, 1)
		go func() { posted <- w.engine.Post(t.Context(), id, "1") }()
		time.Sleep(30 * time.Millisecond)
		if got := <-w.park(id, "t1"); got.body != "6" || got.err != nil {
			t.Errorf("the GET: %+v", got)
		}
		w.must(<-posted)
		w.expectState(id, "transport close")
	})
}

// Clients whose pongs come at the same moment are not pinged at the same moment again.
func TestPingsSpread(t *testing.T) {
	inWorld(t, engine.Options{}, func(t *testing.T, w *world) {
		const herd, crowd = 100, 30
		due := map[time.Duration]int{} // in tenths of a second
		var ids []sessionstore.SessionID
		for range herd {
			ids = append(ids, w.polling())
		}
		time.Sleep(25 * time.Second)
		for _, id := range ids {
			w.must(w.engine.Post(t.Context(), id, "3"))
			due[time.Until(w.session(id).PingAt).Truncate(100*time.Millisecond)]++
		}
		for at, n := range due {
			if n > crowd {
				t.Errorf("%d of %d pings are due %v from now", n, herd, at)
			}
		}
	})
}

// A pong moves the next ping on, from when it came.
func TestPongOnPolling(t *testing.T) {
	inWorld(t, engine.Options{}, func(t *testing.T, w *world) {
		id := w.polling()
		for i := range 3 {
			time.Sleep(25 * time.Second)
			if got := w.get(id, fmt.Sprint("t", i)); got != "2" {
				t.Errorf("GET %d: %q", i, got)
			}
			time.Sleep(time.Second)
			w.must(w.engine.Post(t.Context(), id, "3"))
			if next := time.Until(w.session(id).PingAt); next > 25*time.Second || next < 25*time.Second*19/20 {
				t.Errorf("the next ping is due in %v", next)
			}
		}
	})
}

// What an invocation sends is sent on when it becomes much, in order. It takes few entries of the buffer, however
// many packets it is: bytes are limited, not packets.
func TestManyAnswers(t *testing.T) {
	inWorld(t, engine.Options{}, func(t *testing.T, w *world) {
		for _, n := range []int{1, 600, 12_000} {
			id := w.polling()
			var body, want []string
			for i := range n {
				body = append(body, fmt.Sprint("4send ", i))
				want = append(want, fmt.Sprint("4", i))
			}
			w.must(w.engine.Post(t.Context(), id, strings.Join(body, "\x1e")))
			if entries := len(w.session(id).Buffer); entries > 1+n/4000 {
				t.Errorf("%d packets take %d entries", n, entries)
			}
			if got := w.get(id, "t1"); got != strings.Join(want, " ") {
				t.Errorf("%d packets: got %.200s...", n, got)
			}
		}
	})
}

// Pongs without a ping cost no write, and a due one costs those of one pong.
func TestPongsThatNobodyAskedFor(t *testing.T) {
	inWorld(t, engine.Options{}, func(t *testing.T, w *world) {
		id := w.polling()
		pongs := strings.Repeat("3\x1e", 999) + "3"
		cost := func() int64 {
			before := w.meter.Total()
			w.must(w.engine.Post(t.Context(), id, pongs))
			return w.meter.Total().Sub(before).Writes
		}
		if n := cost(); n != 0 {
			t.Errorf("before a ping: %d writes, want none", n)
		}
		time.Sleep(25 * time.Second)
		if got := w.get(id, "t1"); got != "2" {
			t.Errorf("GET: %q, want the ping", got)
		}
		if n := cost(); n != 2 {
			t.Errorf("after a ping: %d writes, want 2: the session and its registration", n)
		}
		if n := cost(); n != 0 {
			t.Errorf("after its pong: %d writes, want none", n)
		}
	})
}
