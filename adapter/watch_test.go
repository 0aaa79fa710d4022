package adapter_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/nonstick-io/nonstick/adapter"
	"github.com/nonstick-io/nonstick/adapter/delivery"
	"github.com/nonstick-io/nonstick/sessionstore"
	"github.com/nonstick-io/nonstick/sessionstore/memstore"
)

// staged is a store in which something happens in the middle of a call, or a call fails. Each is for one call.
type staged struct {
	sessionstore.Store
	before    func() // before a join or a leave is made
	after     func() // once it is made
	result    error  // what it answers all the same
	counts    []error
	countings int
	inRoom    error
}

func (s *staged) stage(do func() error) error {
	before, after, result := s.before, s.after, s.result
	s.before, s.after, s.result = nil, nil, nil
	if before != nil {
		before()
	}
	if err := do(); err != nil {
		return err
	}
	if after != nil {
		after()
	}
	return result
}

func (s *staged) Join(
	ctx context.Context, k sessionstore.Socket, room sessionstore.Room, hint sessionstore.Connection,
	limits sessionstore.SocketLimits,
) error {
	return s.stage(func() error { return s.Store.Join(ctx, k, room, hint, limits) })
}

func (s *staged) Leave(ctx context.Context, k sessionstore.Socket, room sessionstore.Room) error {
	return s.stage(func() error { return s.Store.Leave(ctx, k, room) })
}

func (s *staged) CountMembers(
	ctx context.Context, nsp sessionstore.Namespace, room sessionstore.Room, most int,
) (int, error) {
	s.countings++
	if len(s.counts) > 0 {
		err := s.counts[0]
		if s.counts = s.counts[1:]; err != nil {
			return 0, err
		}
	}
	return s.Store.CountMembers(ctx, nsp, room, most)
}

func (s *staged) InRoom(ctx context.Context, k sessionstore.Socket, room sessionstore.Room) (bool, error) {
	if s.inRoom != nil {
		return false, s.inRoom
	}
	return s.Store.InRoom(ctx, k, room)
}

// moves are what a watcher was told.
type moves struct {
	interest adapter.Interest
	list     []string
}

func (m *moves) Interest(sessionstore.Socket) adapter.Interest { return m.interest }

func (m *moves) Moved(_ context.Context, v adapter.Move, err error) {
	text := fmt.Sprintf("%s joins %s", v.Socket.ID, v.Room)
	if v.Left {
		text = fmt.Sprintf("%s leaves %s", v.Socket.ID, v.Room)
	}
	if v.Edge {
		text += ", edge"
	}
	if err != nil {
		text += ", doubt"
	}
	m.list = append(m.list, text)
}

// watchedHall is a store with sockets a, b and c, watched.
type watchedHall struct {
	t       *testing.T
	stage   *staged
	watched sessionstore.Store
	moves   *moves
}

func newWatchedHall(t *testing.T) *watchedHall {
	t.Helper()
	stage := &staged{Store: memstore.New(memstore.Options{})}
	h := &watchedHall{t: t, stage: stage, moves: &moves{interest: everything}}
	h.watched = adapter.Watch(h.stage, h.moves)
	for _, id := range []sessionstore.SocketID{"a", "b", "c"} {
		err := h.stage.Create(t.Context(), sessionstore.NewSession{ID: sessionstore.SessionID("of-" + id)})
		if err != nil {
			t.Fatal(err)
		}
		k := sessionstore.NewSocket{ID: id, Session: sessionstore.SessionID("of-" + id), Namespace: "/"}
		if err := h.stage.PutSocket(t.Context(), k, sessionstore.Connection{}, limitsOfSockets); err != nil {
			t.Fatal(err)
		}
	}
	return h
}

var (
	everything      = adapter.Interest{Joins: true, Leaves: true, Creates: true, Deletes: true}
	limitsOfSockets = delivery.Limits{}.WithDefaults().Socket
)

func socketOf(id sessionstore.SocketID) sessionstore.Socket {
	return sessionstore.Socket{ID: id, Session: sessionstore.SessionID("of-" + id), Namespace: "/", Rooms: 1}
}

func (h *watchedHall) join(id sessionstore.SocketID) error {
	return h.watched.Join(h.t.Context(), socketOf(id), "r", sessionstore.Connection{}, limitsOfSockets)
}

func (h *watchedHall) leave(id sessionstore.SocketID) error {
	k := socketOf(id)
	k.Rooms = 0 // as a selection has it, which has not read the row
	return h.watched.Leave(h.t.Context(), k, "r")
}

// must does a move that goes well.
func (h *watchedHall) must(err error) {
	h.t.Helper()
	if err != nil {
		h.t.Error(err)
	}
}

// TestWatch is what a watcher is told of moves at once, and of such as fail.
func TestWatch(t *testing.T) {
	broken := errors.New("no answer") // in doubt
	for _, tt := range []struct {
		name string
		run  func(h *watchedHall)
		want []string
	}{
		{"one after the other", func(h *watchedHall) {
			h.must(errors.Join(h.join("a"), h.join("b"), h.join("a"), h.leave("a"), h.leave("a"), h.leave("b")))
		}, []string{"a joins r, edge", "b joins r", "a leaves r", "b leaves r, edge"}},
		{"a leave of a room in which it was not", func(h *watchedHall) { h.must(h.leave("a")) }, nil},
		{"two come into an empty room at once: each creates it", func(h *watchedHall) {
			h.stage.before = func() { h.must(h.join("b")) }
			h.must(h.join("a"))
		}, []string{"b joins r, edge", "a joins r, edge"}},
		{"the only one leaves while another comes", func(h *watchedHall) {
			h.must(h.join("a"))
			h.stage.before = func() { h.must(h.leave("a")) }
			h.must(h.join("b"))
		}, []string{"a joins r, edge", "a leaves r, edge", "b joins r, edge"}},
		{"another comes while the only one leaves", func(h *watchedHall) {
			h.must(h.join("a"))
			h.stage.before = func() { h.must(h.join("b")) }
			h.must(h.leave("a"))
		}, []string{"a joins r, edge", "b joins r", "a leaves r"}},
		{"another comes right behind the last", func(h *watchedHall) {
			h.must(h.join("a"))
			h.stage.after = func() { h.must(h.join("b")) }
			h.must(h.leave("a"))
		}, []string{"a joins r, edge", "b joins r, edge", "a leaves r"}},
		{"two leave at once: the last deletes it", func(h *watchedHall) {
			h.must(errors.Join(h.join("a"), h.join("b")))
			h.stage.before = func() { h.must(h.leave("b")) }
			h.must(h.leave("a"))
		}, []string{"a joins r, edge", "b joins r", "b leaves r", "a leaves r, edge"}},
		{"two leave at once, and neither sees the other: both do", func(h *watchedHall) {
			h.must(errors.Join(h.join("a"), h.join("b")))
			h.stage.after = func() { h.must(h.leave("b")) }
			h.must(h.leave("a"))
		}, []string{"a joins r, edge", "b joins r", "b leaves r, edge", "a leaves r, edge"}},
		{"a join that is refused", func(h *watchedHall) {
			k := socketOf("gone")
			err := h.watched.Join(h.t.Context(), k, "r", sessionstore.Connection{}, limitsOfSockets)
			if !errors.Is(err, sessionstore.ErrNotFound) {
				h.t.Errorf("error %v", err)
			}
		}, nil},
		{"moves in doubt", func(h *watchedHall) {
			h.stage.result = broken
			if err := h.join("a"); !errors.Is(err, broken) {
				h.t.Errorf("error %v", err)
			}
			h.stage.result = broken
			if err := h.leave("a"); !errors.Is(err, broken) {
				h.t.Errorf("error %v", err)
			}
		}, []string{"a joins r, edge", "a leaves r, edge"}},
		{"a room that cannot be read before: nothing is done", func(h *watchedHall) {
			h.stage.counts = []error{broken}
			if err := h.join("a"); !errors.Is(err, broken) {
				h.t.Errorf("error %v", err)
			}
			h.must(h.join("b"))
			h.stage.inRoom = broken
			if err := h.join("a"); !errors.Is(err, broken) {
				h.t.Errorf("error %v", err)
			}
			if err := h.leave("b"); !errors.Is(err, broken) {
				h.t.Errorf("error %v", err)
			}
			if n, err := h.stage.Store.CountMembers(h.t.Context(), "/", "r", 0); n != 1 || err != nil {
				h.t.Errorf("%d members, %v", n, err)
			}
		}, []string{"b joins r, edge"}},
		{"a room that cannot be read after", func(h *watchedHall) {
			h.must(h.join("a"))
			h.stage.counts = []error{nil, broken}
			h.must(h.join("b"))
			h.stage.counts = []error{broken}
			h.must(h.leave("b"))
		}, []string{"a joins r, edge", "b joins r, doubt", "b leaves r, doubt"}},
		{"no interest", func(h *watchedHall) {
			h.moves.interest = adapter.Interest{}
			h.stage.inRoom = broken
			h.must(errors.Join(h.join("a"), h.leave("a")))
			if h.stage.countings > 0 {
				h.t.Errorf("%d counts", h.stage.countings)
			}
		}, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			h := newWatchedHall(t)
			tt.run(h)
			if !slices.Equal(h.moves.list, tt.want) {
				t.Errorf("told %q\nwant %q", h.moves.list, tt.want)
			}
		})
	}
}
