package dynamostore_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"text/tabwriter"
	"time"

	"github.com/nonstick-io/nonstick/sessionstore"
	"github.com/nonstick-io/nonstick/sessionstore/dynamostore"
)

// price is an operation and what it may cost: reads and writes exactly, units of capacity at most.
type price struct {
	name          string
	reads, writes int64
	rru, wru      float64
	run           func(ctx context.Context, s sessionstore.Store, v sessionstore.Session) error
}

func hundred(n int) []sessionstore.Packet {
	p := make([]sessionstore.Packet, n)
	for i := range p {
		p[i] = packet(fmt.Sprintf("42[\"message\",%80d]", i))
	}
	return p
}

// withData is the session's second socket, which has data.
func withData(v sessionstore.Session) sessionstore.Socket {
	k, _ := v.Socket("/data")
	return k
}

// outbox is a new recoverable socket of a session.
func outbox(v sessionstore.Session, hold sessionstore.Lease) sessionstore.NewSession {
	return sessionstore.NewSession{
		ID: sessionstore.OutboxID(sessionstore.NewID()), Transport: sessionstore.Outbox, Carrier: v.ID, Conn: conn,
		Serial: true, Hold: hold, CreatedAt: now,
	}
}

var prices = []price{
	{
		"event in (WebSocket, warm): Get", 1, 0, 1, 0,
		func(ctx context.Context, s sessionstore.Store, v sessionstore.Session) error {
			_, err := s.Get(ctx, v.ID, now)
			return err
		},
	},
	{
		"event in (cold): Connection", 1, 0, 1, 0,
		func(ctx context.Context, s sessionstore.Store, _ sessionstore.Session) error {
			_, err := s.Connection(ctx, conn)
			return err
		},
	},
	{"Create polling", 0, 3, 0, 3, func(ctx context.Context, s sessionstore.Store, _ sessionstore.Session) error {
		return s.Create(ctx, sessionstore.NewSession{ID: newID(), Transport: sessionstore.Polling, PingAt: now})
	}},
	{"Create WebSocket", 0, 1, 0, 1, func(ctx context.Context, s sessionstore.Store, _ sessionstore.Session) error {
		return s.Create(ctx, sessionstore.NewSession{ID: newID(), Transport: sessionstore.WebSocket, Conn: conn})
	}},
	{
		"Handshake of a session that began on polling", 1, 0, 2, 0,
		func(ctx context.Context, s sessionstore.Store, v sessionstore.Session) error {
			_, err := s.Handshake(ctx, v.ID)
			return err
		},
	},
	{
		"Handshake of one that began as WebSocket", 2, 0, 3, 0,
		func(ctx context.Context, s sessionstore.Store, _ sessionstore.Session) error {
			_, err := s.Handshake(ctx, "s")
			return err
		},
	},
	{"PutConnection", 0, 1, 0, 1, func(ctx context.Context, s sessionstore.Store, v sessionstore.Session) error {
		return s.PutConnection(
			ctx, sessionstore.ConnectionRow{Conn: sessionstore.Connection{ID: sessionstore.NewID()}, Session: v.ID},
		)
	}},
	{"Register", 0, 1, 0, 1, func(ctx context.Context, s sessionstore.Store, _ sessionstore.Session) error {
		return s.Register(ctx, sessionstore.Registration{Session: newID(), PingAt: now})
	}},
	{
		"Beat (a pong of a WebSocket)", 0, 1, 0, 1,
		func(ctx context.Context, s sessionstore.Store, v sessionstore.Session) error {
			return s.Beat(ctx, v.ID, now)
		},
	},
	{
		"PutSocket without rooms", 0, 2, 0, 2,
		func(ctx context.Context, s sessionstore.Store, v sessionstore.Session) error {
			return s.PutSocket(ctx, sessionstore.NewSocket{ID: "2", Session: v.ID, Namespace: "/2"}, conn, wideSocket)
		},
	},
	{
		"PutSocket, 30 rooms", 0, 62, 0, 62,
		func(ctx context.Context, s sessionstore.Store, v sessionstore.Session) error {
			k := sessionstore.NewSocket{ID: "30", Session: v.ID, Namespace: "/30"}
			for i := range 30 {
				k.Rooms = append(k.Rooms, sessionstore.Room(fmt.Sprint("room ", i)))
			}
			return s.PutSocket(ctx, k, conn, wideSocket)
		},
	},
	{"PutChild", 0, 1, 0, 1, func(ctx context.Context, s sessionstore.Store, _ sessionstore.Session) error {
		_, err := s.PutChild(ctx, "tenants", sessionstore.Child{Name: "/tenant-1", Put: "me", SeenAt: now})
		return err
	}},
	{"Join", 0, 3, 0, 3, func(ctx context.Context, s sessionstore.Store, v sessionstore.Session) error {
		return s.Join(ctx, v.Sockets[0], "joined", conn, wideSocket)
	}},
	{
		"the end of a socket in 1 room: ClaimSocket, Vacate, DropSocket", 1, 1 + 3 + 1, 1, 1 + 3 + 1,
		func(ctx context.Context, s sessionstore.Store, v sessionstore.Session) error {
			k, err := s.ClaimSocket(ctx, v.Sockets[0], sessionstore.Lease{Owner: "me", Until: now}, "", now)
			if err != nil {
				return err
			}
			return errors.Join(s.Vacate(ctx, k), s.DropSocket(ctx, k))
		},
	},
	{"Leave", 0, 3, 0, 3, func(ctx context.Context, s sessionstore.Store, v sessionstore.Session) error {
		return s.Leave(ctx, v.Sockets[0], "r")
	}},
	{"SetHint, 1 room", 1, 2, 1, 2, func(ctx context.Context, s sessionstore.Store, v sessionstore.Session) error {
		return s.SetHint(ctx, v.Sockets[0], sessionstore.Connection{})
	}},
	{
		"SetData, the first key", 0, 2, 0, 2,
		func(ctx context.Context, s sessionstore.Store, v sessionstore.Session) error {
			return s.SetData(ctx, v.Sockets[0], "score", "1", wideSocket)
		},
	},
	{
		"add to data, the first key: SwapData", 0, 2, 0, 2,
		func(ctx context.Context, s sessionstore.Store, v sessionstore.Session) error {
			return s.SwapData(ctx, v.Sockets[0], "score", "", "1", wideSocket)
		},
	},
	{
		"add to data: Data, SwapData", 1, 1, 1, 1,
		func(ctx context.Context, s sessionstore.Store, v sessionstore.Session) error {
			k := withData(v)
			data, err := s.Data(ctx, k)
			if err != nil {
				return err
			}
			return s.SwapData(ctx, k, "k", data["k"], "2", wideSocket)
		},
	},
	{
		"add to data that were read: SwapData", 0, 1, 0, 1,
		func(ctx context.Context, s sessionstore.Store, v sessionstore.Session) error {
			return s.SwapData(ctx, withData(v), "k", "1", "2", wideSocket)
		},
	},
	{
		"add to data, one race lost", 0, 2, 0, 1, // and 1 for the refused write, which is not reported
		func(ctx context.Context, s sessionstore.Store, v sessionstore.Session) error {
			k := withData(v)
			data, ok := sessionstore.CurrentData(s.SwapData(ctx, k, "k", "0", "1", wideSocket))
			if !ok {
				return errors.New("no race was lost")
			}
			return s.SwapData(ctx, k, "k", data["k"], "2", wideSocket)
		},
	},
	{"SetData", 1, 1, 1, 1, func(ctx context.Context, s sessionstore.Store, v sessionstore.Session) error {
		return s.SetData(ctx, withData(v), "k", "2", wideSocket)
	}},
	{
		"ReadSocket, with data", 1, 0, 3, 0,
		func(ctx context.Context, s sessionstore.Store, v sessionstore.Session) error {
			k := withData(v)
			_, _, err := s.ReadSocket(ctx, k.Namespace, sessionstore.Member{Socket: k.ID, Session: k.Session})
			return err
		},
	},
	{"RemoveSocket, 1 room", 1, 4, 1, 4, func(ctx context.Context, s sessionstore.Store, v sessionstore.Session) error {
		_, err := s.RemoveSocket(ctx, v.Sockets[0])
		return err
	}},
	{"Deliver, small", 0, 1, 0, 1, func(ctx context.Context, s sessionstore.Store, v sessionstore.Session) error {
		return s.Deliver(ctx, v.ID, hundred(1), wide)
	}},
	{
		"Deliver, 100 of 100 bytes", 0, 2, 0, 14,
		func(ctx context.Context, s sessionstore.Store, v sessionstore.Session) error {
			return s.Deliver(ctx, v.ID, hundred(100), wide)
		},
	},
	{"Deliver, 5 KB", 0, 2, 0, 7, func(ctx context.Context, s sessionstore.Store, v sessionstore.Session) error {
		return s.Deliver(ctx, v.ID, []sessionstore.Packet{packet("4" + strings.Repeat("x", 5<<10))}, wide)
	}},
	{
		"a recoverable socket is connected: Create, Link", 0, 2, 0, 2,
		func(ctx context.Context, s sessionstore.Store, v sessionstore.Session) error {
			n := outbox(v, sessionstore.Lease{})
			return errors.Join(s.Create(ctx, n), s.Link(ctx, sessionstore.Socket{
				ID: "k", Session: v.ID, Namespace: "/chat", Outbox: n.ID,
			}))
		},
	},
	{
		"to a recoverable socket on WebSocket: Create, Enqueue, Sent", 0, 3, 0, 3,
		func(ctx context.Context, s sessionstore.Store, v sessionstore.Session) error {
			n := outbox(v, sessionstore.Lease{})
			err := s.Create(ctx, n)
			_, err2 := s.Enqueue(ctx, n.ID, hundred(1), wide, lease)
			return errors.Join(err, err2, s.Sent(ctx, &sessionstore.Session{ID: n.ID}, lease.Owner, 1))
		},
	},
	{
		"to a recoverable socket on polling: Create, Enqueue, Deliver with Number", 0, 3, 0, 3,
		func(ctx context.Context, s sessionstore.Store, v sessionstore.Session) error {
			n := outbox(v, sessionstore.Lease{Owner: sessionstore.HoldPolling})
			err := s.Create(ctx, n)
			_, err2 := s.Enqueue(ctx, n.ID, hundred(1), wide, lease)
			limits := wide
			limits.Number = sessionstore.Number{Outbox: n.ID, From: 0, To: 1, First: true}
			return errors.Join(err, err2, s.Deliver(ctx, v.ID, hundred(1), limits))
		},
	},
	{
		"a recoverable socket is lost and comes back: Create, Lose, Get, Link, Recover, Sent, Unlink", 1, 6, 1, 6,
		func(ctx context.Context, s sessionstore.Store, v sessionstore.Session) error {
			n := outbox(v, sessionstore.Lease{})
			err := errors.Join(s.Create(ctx, n), s.Lose(ctx, n.ID, v.ID, now, "transport close"))
			read, err2 := s.Get(ctx, n.ID, now)
			k := sessionstore.Socket{ID: "k", Session: v.ID, Namespace: "/chat", Outbox: n.ID}
			err3 := s.Link(ctx, k)
			_, err4 := s.Recover(ctx, sessionstore.RecoverRequest{
				Read: &read, Carrier: v.ID, Conn: conn, Hold: lease, Now: now.Add(-time.Second),
			})
			return errors.Join(err, err2, err3, err4, s.Sent(ctx, &read, lease.Owner, 0), s.Unlink(ctx, k))
		},
	},
	{
		"Handshake of a recoverable socket: Create, Handshake", 2, 1, 3, 1,
		func(ctx context.Context, s sessionstore.Store, v sessionstore.Session) error {
			n := outbox(v, sessionstore.Lease{})
			err := s.Create(ctx, n)
			_, err2 := s.Handshake(ctx, n.ID)
			return errors.Join(err, err2)
		},
	},
	{
		"to a recoverable socket on polling, and its end: Create, Enqueue, Switch, Trim, Close, Finish", 0, 6, 0, 6,
		func(ctx context.Context, s sessionstore.Store, v sessionstore.Session) error {
			n := outbox(v, sessionstore.Lease{Owner: sessionstore.HoldPolling})
			err := s.Create(ctx, n)
			_, err2 := s.Enqueue(ctx, n.ID, hundred(2), wide, lease)
			after, err3 := s.Switch(ctx, n.ID, v.ID, conn, 1, lease)
			err4 := s.Trim(ctx, &after, 1)
			_, err5 := s.Close(ctx, sessionstore.CloseRequest{Session: n.ID, Handler: lease, Drain: true})
			return errors.Join(err, err2, err3, err4, err5, s.Finish(ctx, n.ID, lease.Owner, now))
		},
	},
	{"Answer", 0, 1, 0, 1, func(ctx context.Context, s sessionstore.Store, v sessionstore.Session) error {
		return s.Answer(ctx, sessionstore.AnswerRequest{Read: &v, T: "t2", Give: 1})
	}},
	{"Pong", 0, 1, 0, 1, func(ctx context.Context, s sessionstore.Store, v sessionstore.Session) error {
		return s.Pong(ctx, v.ID, now)
	}},
	{"Upgrade", 0, 1, 0, 1, func(ctx context.Context, s sessionstore.Store, v sessionstore.Session) error {
		_, err := s.Upgrade(ctx, v.ID, conn, lease)
		return err
	}},
	{"Close with Drain", 0, 1, 0, 1, func(ctx context.Context, s sessionstore.Store, v sessionstore.Session) error {
		_, err := s.Close(ctx, sessionstore.CloseRequest{Session: v.ID, Handler: lease, Drain: true})
		return err
	}},
	{"Close and Finish", 0, 3, 0, 3, func(ctx context.Context, s sessionstore.Store, v sessionstore.Session) error {
		if _, err := s.Close(ctx, sessionstore.CloseRequest{Session: v.ID, Handler: lease}); err != nil {
			return err
		}
		return s.Finish(ctx, v.ID, lease.Owner, now)
	}},
	{
		"Members of a small room", 1, 0, 1, 0,
		func(ctx context.Context, s sessionstore.Store, _ sessionstore.Session) error {
			for _, err := range s.Members(ctx, "/", "r", sessionstore.Range{}) {
				if err != nil {
					return err
				}
			}
			return nil
		},
	},
	{
		"a caller's ack: PutAck, Ack, AnswerAck", 1, 2, 1, 2,
		func(ctx context.Context, s sessionstore.Store, v sessionstore.Session) error {
			a := sessionstore.Ack{Session: v.ID, ID: 1, ExpiresAt: now.Add(time.Minute)}
			err := s.PutAck(ctx, a, now)
			a.Answer = []string{"431[]"}
			_, err2 := s.Ack(ctx, v.ID, 1)
			_, err3 := s.AnswerAck(ctx, a, now)
			return errors.Join(err, err2, err3)
		},
	},
	{
		"a handler's ack: PutAck, Ack, AnswerAck", 1, 2, 1, 2,
		func(ctx context.Context, s sessionstore.Store, v sessionstore.Session) error {
			a := sessionstore.Ack{Session: v.ID, ID: 1, Continuation: "c", ExpiresAt: now.Add(time.Minute)}
			err := s.PutAck(ctx, a, now)
			a.Answer = []string{"431[]"}
			_, err2 := s.Ack(ctx, v.ID, 1)
			_, err3 := s.AnswerAck(ctx, a, now)
			return errors.Join(err, err2, err3)
		},
	},
	{
		"what is pending: PendingAcks", 1, 0, 1, 0,
		func(ctx context.Context, s sessionstore.Store, v sessionstore.Session) error {
			_, err := s.PendingAcks(ctx, v.ID, now)
			return err
		},
	},
	{
		"a question to two: PutAsk, Ask, PutAnswer, Answers", 2, 2, 2, 2,
		func(ctx context.Context, s sessionstore.Store, _ sessionstore.Session) error {
			a := sessionstore.Ask{Namespace: "/", ID: sessionstore.AskID(2, 1), ExpiresAt: now.Add(time.Minute)}
			a.Sockets = []sessionstore.SocketID{"aaaaaaaaaaaaaaaaaaaa", "bbbbbbbbbbbbbbbbbbbb"}
			err := s.PutAsk(ctx, a, now)
			_, err2 := s.Ask(ctx, "/", a.ID, 0)
			err3 := s.PutAnswer(ctx, a, sessionstore.AskAnswer{Socket: a.Sockets[0], Answer: []string{"431[]"}})
			for _, e := range s.Answers(ctx, "/", a.ID, 0, "") {
				err3 = errors.Join(err3, e)
			}
			return errors.Join(err, err2, err3)
		},
	},
	{
		"a timer: PutTimer, DeleteTimer (DueTimers is the sweeper's)", 0, 2, 0, 2,
		func(ctx context.Context, s sessionstore.Store, _ sessionstore.Session) error {
			timer := sessionstore.Timer{At: now, Name: "t", Kind: "k"}
			err := s.PutTimer(ctx, timer)
			shard := sessionstore.TimerShard("t", sessionstore.TimerShards(s.Shards()))
			for _, e := range s.DueTimers(ctx, shard, now) {
				err = errors.Join(err, e)
			}
			return errors.Join(err, s.DeleteTimer(ctx, timer))
		},
	},
}

// TestCapacity prints what operations cost and compares it with what they may.
func TestCapacity(t *testing.T) {
	meter := new(sessionstore.Meter)
	s := dynamostore.New(newTable(t), dynamostore.Options{Table: table, Meter: meter})
	webSocket := sessionstore.NewSession{ID: "s", Transport: sessionstore.WebSocket, Conn: conn}
	must(t, s.Create(t.Context(), webSocket))
	must(t, s.PutConnection(
		t.Context(), sessionstore.ConnectionRow{Conn: conn, Session: "s", Handshake: &webSocket.Handshake},
	))
	var out strings.Builder
	w := tabwriter.NewWriter(&out, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(w, "operation\treads\twrites\tRRU\tWRU")
	for _, p := range prices {
		v := polling(t, s)
		must(t, s.PutSocket(t.Context(), sessionstore.NewSocket{
			ID: "data", Session: v.ID, Namespace: "/data", Data: map[string]string{"k": "1"},
		}, conn, wideSocket))
		v = get(t, s, v.ID)
		before := meter.Total()
		if err := p.run(t.Context(), s, v); err != nil {
			t.Errorf("%s: %v", p.name, err)
		}
		u := meter.Total().Sub(before)
		rru, wru := float64(u.ReadMilliUnits)/1000, float64(u.WriteMilliUnits)/1000
		_, _ = fmt.Fprintf(w, "%s\t%d\t%d\t%g\t%g\n", p.name, u.Reads, u.Writes, rru, wru)
		if u.Reads != p.reads || u.Writes != p.writes || rru > p.rru || wru > p.wru {
			t.Errorf("%s: %d reads and %d writes for %g and %g units; want %d and %d for at most %g and %g",
				p.name, u.Reads, u.Writes, rru, wru, p.reads, p.writes, p.rru, p.wru)
		}
	}
	must(t, w.Flush())
	t.Logf("\n%s", out.String())
}
