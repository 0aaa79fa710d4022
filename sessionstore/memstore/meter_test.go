package memstore_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"testing"
	"time"

	"github.com/nonstick-io/nonstick/sessionstore"
	"github.com/nonstick-io/nonstick/sessionstore/memstore"
)

var (
	start      = time.Date(2050, time.March, 1, 12, 0, 0, 0, time.UTC)
	conn       = sessionstore.Connection{ID: "c", Endpoint: "https://example.org"}
	wideSocket = sessionstore.SocketLimits{Auth: 64 << 10, Data: 64 << 10, Rooms: 1000}
	wide       = sessionstore.BufferLimits{Packets: 1000, Bytes: 1 << 20}
)

// metered is a store with a session on polling, s, whose socket k is in two rooms.
func metered(t *testing.T) (*memstore.Store, *sessionstore.Meter, sessionstore.Socket) {
	t.Helper()
	m := &sessionstore.Meter{}
	s := memstore.New(memstore.Options{Meter: m})
	k := sessionstore.NewSocket{ID: "k", Session: "s", Namespace: "/", Rooms: []sessionstore.Room{"a", "b"}}
	err := errors.Join(
		s.Create(t.Context(), sessionstore.NewSession{ID: "s", Transport: sessionstore.Polling}),
		s.PutSocket(t.Context(), k, conn, wideSocket),
	)
	if err != nil {
		t.Fatal(err)
	}
	return s, m, k.Row()
}

func TestMeter(t *testing.T) {
	lease := sessionstore.Lease{Owner: "me", Until: start}
	for _, c := range []struct {
		op            sessionstore.Op
		reads, writes int64
		run           func(ctx context.Context, s *memstore.Store, k sessionstore.Socket) error
	}{
		{sessionstore.OpCreate, 0, 3, func(ctx context.Context, s *memstore.Store, _ sessionstore.Socket) error {
			return s.Create(ctx, sessionstore.NewSession{ID: "p", Transport: sessionstore.Polling})
		}},
		{sessionstore.OpCreate, 0, 1, func(ctx context.Context, s *memstore.Store, _ sessionstore.Socket) error {
			return s.Create(ctx, sessionstore.NewSession{ID: "w", Transport: sessionstore.WebSocket})
		}},
		{sessionstore.OpGet, 1, 0, func(ctx context.Context, s *memstore.Store, _ sessionstore.Socket) error {
			_, err := s.Get(ctx, "s", start)
			return err
		}},
		{sessionstore.OpHandshake, 3, 0, func(ctx context.Context, s *memstore.Store, _ sessionstore.Socket) error {
			h := new(sessionstore.Handshake)
			err := s.Create(ctx, sessionstore.NewSession{ID: "w", Transport: sessionstore.WebSocket, Conn: conn})
			err2 := s.PutConnection(ctx, sessionstore.ConnectionRow{Conn: conn, Session: "w", Handshake: h})
			_, err3 := s.Handshake(ctx, "w") // the session, then its connection
			_, err4 := s.Handshake(ctx, "s")
			return errors.Join(err, err2, err3, err4)
		}},
		{sessionstore.OpHandshake, 3, 0, func(ctx context.Context, s *memstore.Store, _ sessionstore.Socket) error {
			n := sessionstore.NewSession{ID: "~o", Transport: sessionstore.Outbox, Carrier: "s"}
			err := s.Create(ctx, n)
			_, err2 := s.Handshake(ctx, "~o") // the outbox, then its carrier
			err3 := s.Lose(ctx, "~o", "s", start, "")
			if _, err := s.Handshake(ctx, "~o"); !errors.Is(err, sessionstore.ErrNotFound) {
				return fmt.Errorf("want none: %w", err)
			}
			return errors.Join(err, err2, err3)
		}},
		{sessionstore.OpLink, 0, 2, func(ctx context.Context, s *memstore.Store, _ sessionstore.Socket) error {
			k := sessionstore.Socket{ID: "l", Session: "s", Namespace: "/l", Outbox: "~o"}
			return errors.Join(s.Link(ctx, k), s.Link(ctx, k))
		}},
		{sessionstore.OpUnlink, 0, 1, func(ctx context.Context, s *memstore.Store, k sessionstore.Socket) error {
			return s.Unlink(ctx, k) // it is none, and the call is paid for
		}},
		{sessionstore.OpRecover, 0, 1, func(ctx context.Context, s *memstore.Store, _ sessionstore.Socket) error {
			_, err := s.Recover(ctx, sessionstore.RecoverRequest{Read: &sessionstore.Session{ID: "s"}, Carrier: "s"})
			if !errors.Is(err, sessionstore.ErrConflict) {
				return fmt.Errorf("want a conflict: %w", err)
			}
			return nil
		}},
		{sessionstore.OpTrim, 0, 1, func(ctx context.Context, s *memstore.Store, _ sessionstore.Socket) error {
			err := s.Create(ctx, sessionstore.NewSession{ID: "~o", Transport: sessionstore.Outbox, Carrier: "s"})
			v, err2 := s.Enqueue(ctx, "~o", []sessionstore.Packet{{ID: "1"}, {ID: "2"}}, wide, lease)
			return errors.Join(err, err2, s.Sent(ctx, &sessionstore.Session{ID: "~o"}, "me", 2), s.Trim(ctx, &v, 1))
		}},
		{sessionstore.OpDeliver, 0, 1, func(ctx context.Context, s *memstore.Store, _ sessionstore.Socket) error {
			return s.Deliver(ctx, "s", []sessionstore.Packet{{ID: "1"}, {ID: "2"}}, wide)
		}},
		{sessionstore.OpProbe, 0, 1, func(ctx context.Context, s *memstore.Store, _ sessionstore.Socket) error {
			if err := s.Probe(ctx, "s", conn); !errors.Is(err, sessionstore.ErrConflict) {
				return fmt.Errorf("want a conflict: %w", err)
			}
			return nil // refused, and paid for
		}},
		{sessionstore.OpFinish, 0, 2, func(ctx context.Context, s *memstore.Store, _ sessionstore.Socket) error {
			_, err := s.Close(ctx, sessionstore.CloseRequest{Session: "s", Handler: lease})
			return errors.Join(err, s.Finish(ctx, "s", "me", start)) // the handshake goes too
		}},
		{sessionstore.OpPutSocket, 0, 10, func(ctx context.Context, s *memstore.Store, k sessionstore.Socket) error {
			n := sessionstore.NewSocket{
				ID: k.ID, Session: k.Session, Namespace: "/2", Rooms: []sessionstore.Room{"a", "b", "c", "a"},
				Auth: "{}", Data: map[string]string{"a": "1"},
			}
			return s.PutSocket(ctx, n, conn, wideSocket)
		}},
		{sessionstore.OpRemoveSocket, 1, 6, func(ctx context.Context, s *memstore.Store, k sessionstore.Socket) error {
			k.Rooms = 0 // as the row has them
			_, err := s.RemoveSocket(ctx, k)
			return err
		}},
		{sessionstore.OpSetHint, 1, 3, func(ctx context.Context, s *memstore.Store, k sessionstore.Socket) error {
			return s.SetHint(ctx, k, conn)
		}},
		{sessionstore.OpSetData, 1, 3, func(ctx context.Context, s *memstore.Store, k sessionstore.Socket) error {
			err := s.SetData(ctx, k, "a", "1", wideSocket) // the first says so in the row
			k.HasData = true
			return errors.Join(err, s.SetData(ctx, k, "a", "2", wideSocket))
		}},
		{sessionstore.OpSwapData, 0, 4, func(ctx context.Context, s *memstore.Store, k sessionstore.Socket) error {
			err := s.SwapData(ctx, k, "a", "", "1", wideSocket) // the first says so in the row
			err2 := s.SwapData(ctx, k, "a", "1", "2", wideSocket)
			if lost := s.SwapData(ctx, k, "a", "1", "3", wideSocket); !errors.Is(lost, sessionstore.ErrConflict) {
				return fmt.Errorf("want a conflict: %w", lost)
			}
			return errors.Join(err, err2) // a refused one is paid for
		}},
		{sessionstore.OpReadSocket, 1, 0, func(ctx context.Context, s *memstore.Store, k sessionstore.Socket) error {
			_, _, err := s.ReadSocket(ctx, k.Namespace, sessionstore.Member{Socket: k.ID, Session: k.Session})
			return err
		}},
		{sessionstore.OpRoomsOf, 1, 0, func(ctx context.Context, s *memstore.Store, k sessionstore.Socket) error {
			_, err := s.RoomsOf(ctx, k)
			return err
		}},
		{sessionstore.OpInRoom, 1, 0, func(ctx context.Context, s *memstore.Store, k sessionstore.Socket) error {
			_, err := s.InRoom(ctx, k, "a")
			return err
		}},
		{sessionstore.OpClearSockets, 1, 0, func(ctx context.Context, s *memstore.Store, k sessionstore.Socket) error {
			return s.ClearSockets(ctx, k.Session)
		}},
		{sessionstore.OpJoin, 0, 3, func(ctx context.Context, s *memstore.Store, k sessionstore.Socket) error {
			return s.Join(ctx, k, "c", conn, wideSocket)
		}},
		{sessionstore.OpLeave, 0, 3, func(ctx context.Context, s *memstore.Store, k sessionstore.Socket) error {
			return s.Leave(ctx, k, "a")
		}},
		{sessionstore.OpMembers, 1, 0, func(ctx context.Context, s *memstore.Store, _ sessionstore.Socket) error {
			return drainAll(s.Members(ctx, "/", "a", sessionstore.Range{}))
		}},
		{sessionstore.OpPartial, 0, 5, func(ctx context.Context, s *memstore.Store, _ sessionstore.Socket) error {
			p := sessionstore.Partial{Want: 2, Packets: []sessionstore.Packet{{ID: "p", Frames: []string{"52-"}}}}
			err := s.PutPartial(ctx, "s", p, start)
			p, err2 := s.AddAttachments(ctx, "s", p, sessionstore.Packet{ID: "q", Frames: []string{"b"}})
			_, err3 := s.CountAttachment(ctx, "s", start)
			p.Count++
			return errors.Join(err, err2, err3, s.TakePartial(ctx, "s", p), s.DeletePartial(ctx, "s"))
		}},
		{sessionstore.OpAck, 1, 3, func(ctx context.Context, s *memstore.Store, _ sessionstore.Socket) error {
			err := s.PutAck(ctx, sessionstore.Ack{Session: "s", ID: 1}, start)
			_, err2 := s.AnswerAck(ctx, sessionstore.Ack{Session: "s", ID: 1, Answer: []string{"43[]"}}, start)
			_, err3 := s.Ack(ctx, "s", 1)
			return errors.Join(err, err2, err3, s.DeleteAck(ctx, "s", 1))
		}},
		{sessionstore.OpAsk, 2, 2, func(ctx context.Context, s *memstore.Store, _ sessionstore.Socket) error {
			a := sessionstore.Ask{ID: 1, Sockets: []sessionstore.SocketID{"a"}, ExpiresAt: start}
			err := s.PutAsk(ctx, a, start)
			_, err2 := s.Ask(ctx, "", 1, 0)
			err3 := s.PutAnswer(ctx, a, sessionstore.AskAnswer{Socket: "a"})
			return errors.Join(err, err2, err3, drainAll(s.Answers(ctx, "", 1, 0, "")))
		}},
		{sessionstore.OpTimer, 0, 2, func(ctx context.Context, s *memstore.Store, _ sessionstore.Socket) error {
			timer := sessionstore.Timer{At: start, Name: "t"}
			return errors.Join(s.PutTimer(ctx, timer), s.DeleteTimer(ctx, timer))
		}},
	} {
		s, m, k := metered(t)
		before := m.Op(c.op)
		if err := c.run(t.Context(), s, k); err != nil {
			t.Errorf("%s: %v", c.op, err)
		}
		u := m.Op(c.op).Sub(before)
		if u.Reads != c.reads || u.Writes != c.writes || u.ReadMilliUnits != 0 || u.WriteMilliUnits != 0 {
			t.Errorf("%s: %d reads and %d writes, want %d and %d", c.op, u.Reads, u.Writes, c.reads, c.writes)
		}
	}
}

func TestMeterCountsNothingThatWasNotSent(t *testing.T) {
	s, m, k := metered(t)
	before := m.Total()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := s.Get(ctx, "s", start)
	if err == nil || s.SetHint(ctx, k, conn) == nil || drainAll(s.Members(ctx, "/", "a", sessionstore.Range{})) == nil {
		t.Error("a call with a cancelled context succeeded")
	}
	if u := m.Total().Sub(before); u != (sessionstore.Usage{}) {
		t.Errorf("counted %+v", u)
	}
}

func TestMeterCountsPages(t *testing.T) {
	s, m, _ := metered(t)
	for i := range 20_001 {
		k := sessionstore.NewSocket{
			ID: sessionstore.SocketID(fmt.Sprint(i)), Session: sessionstore.SessionID(fmt.Sprint(i)),
			Namespace: "/", Rooms: []sessionstore.Room{"big"},
		}
		if i == 20_000 {
			expectReads(t, s, m, 2)
		}
		if err := s.PutSocket(t.Context(), k, conn, wideSocket); err != nil {
			t.Fatal(err)
		}
	}
	expectReads(t, s, m, 3)
}

func expectReads(t *testing.T, s *memstore.Store, m *sessionstore.Meter, want int64) {
	t.Helper()
	before := m.Op(sessionstore.OpMembers)
	if err := drainAll(s.Members(t.Context(), "/", "big", sessionstore.Range{})); err != nil {
		t.Fatal(err)
	}
	if u := m.Op(sessionstore.OpMembers).Sub(before); u.Reads != want {
		t.Errorf("%d reads, want %d", u.Reads, want)
	}
}

// drainAll walks to the end and returns the first error.
func drainAll[T any](rows iter.Seq2[T, error]) error {
	for _, err := range rows {
		if err != nil {
			return err
		}
	}
	return nil
}
