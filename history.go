package nonstick

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/nonstick-io/nonstick/adapter"
	"github.com/nonstick-io/nonstick/adapter/delivery"
	"github.com/nonstick-io/nonstick/sessionstore"
)

// Errors of joining a room with its history.
var (
	// ErrNoHistory: no history is kept of the room, see [Namespace.KeepHistory].
	ErrNoHistory = errors.New("nonstick: no history is kept of this room: see Namespace.KeepHistory")
	// ErrNotRecoverable: the socket is not one that can be recovered, which is what sends a history. Its namespace has
	// no [ConnectionStateRecovery], or it is of an old client, or one of very many of a session on polling.
	ErrNotRecoverable = errors.New(
		"nonstick: joining with history needs ConnectionStateRecovery in the namespace, and a client that is not too old",
	)
)

// History says of which rooms the events are kept, for sockets that join later.
type History struct {
	// Rooms are names of rooms, in which one * stands for any text: "news", "chat-*". At most
	// sessionstore.MaxKeptPatterns.
	Rooms []string
	// Events is how many of the last events of a room a socket can get; at most sessionstore.MaxKeptEvents, by default
	// 1,000. Up to twice as many are stored.
	Events int
	// For is how long an event can be got; at most sessionstore.MaxKeptFor, by default a day.
	For time.Duration
}

// Rewind is how much of a room's history a socket gets with [Socket.JoinRewind].
type Rewind = adapter.Rewind

const (
	defaultHistoryEvents = 1000
	defaultHistoryFor    = 24 * time.Hour
)

// KeepHistory has the events be kept that are emitted to some rooms of the namespace, or of all children of a parent:
// then sockets can join these rooms with [Socket.JoinRewind]. By default none is kept. Kept is what goes to the room by
// its name, whichever program emits it; see docs/rewind.md for what is not. Such an emit takes a write of the store
// more, and a room takes some 500 of them a second. It panics at a mistake in h, and with [ErrServing] after the first
// request of a client.
func (n *Namespace) KeepHistory(h History) {
	k := sessionstore.Keeping{Rooms: h.Rooms, Events: h.Events, For: h.For}
	if k.Events == 0 {
		k.Events = defaultHistoryEvents
	}
	if k.For == 0 {
		k.For = defaultHistoryFor
	}
	if err := k.Check(); err != nil {
		panic(fmt.Sprintf("nonstick: history of namespace %q: %v", n.name, err))
	}
	n.register("history", func() {
		n.hooks.history = &k
		n.server.keepers.some = true
	})
}

// JoinRewind is [Socket.Join] with the last events of the room: they come as ordinary events, the oldest first, then
// those that are emitted from now on. None is missing between them, and none comes twice, whichever instances emit
// meanwhile. If the socket is in the room already, it gets none. A connection that is lost on the way is no harm: the
// history goes on where it was when the client comes back. In a connect handler it waits until the socket is connected.
//
// Errors: [ErrNoHistory], [ErrNotRecoverable], [ErrTooManyRooms], [ErrDisconnected]; after any error the socket is not
// in the room, or it has ended.
func (s *Socket) JoinRewind(ctx context.Context, room string, r Rewind) error {
	if err := s.inHandler(); err != nil {
		return err
	}
	if err := adapter.CheckRoom(room); err != nil {
		return withLimit(err)
	}
	keep := s.nsp.hooks.history
	switch {
	case s.phase == disconnected:
		return ErrDisconnected
	case keep == nil || !keep.Keeps(sessionstore.Room(room)):
		return fmt.Errorf("%w: %q", ErrNoHistory, room)
	case s.phase == connecting && !s.entry.Session.IsOutbox(), s.phase == connected && !s.row.Session.IsOutbox():
		return ErrNotRecoverable
	case s.phase == connecting:
		s.later(func(ctx context.Context) error { return s.joinRewind(ctx, room, r) })
		return nil
	}
	return s.joinRewind(ctx, room, r)
}

func (s *Socket) joinRewind(ctx context.Context, room string, r Rewind) error {
	err := s.inv.InOrder(ctx)
	if err == nil {
		err = s.inv.Flush(ctx) // what the client is told already comes first
	}
	if err != nil {
		return fmt.Errorf("nonstick: join room %q with history: %w", room, err)
	}
	err = s.nsp.server.via.Adapter.JoinRewind(ctx, s.row, sessionstore.Room(room), r, *s.nsp.hooks.history)
	if err == nil {
		s.row.Rooms++
		s.changed = true
		return nil
	}
	if errors.Is(err, delivery.ErrClosed) || errors.Is(err, sessionstore.ErrNotFound) {
		err = errors.Join(ErrDisconnected, err)
	}
	return fmt.Errorf("nonstick: join room %q with history: %w", room, withLimit(err))
}

const (
	// keepingLasts is how long other programs know what is kept of a namespace after an instance has said so.
	keepingLasts = 30 * 24 * time.Hour
	// keepingAgain is when an instance says it again.
	keepingAgain = time.Hour
	// keepersMost is of how many namespaces an instance remembers that it has said so.
	keepersMost = 4096
)

// keepers tell other programs what is kept of namespaces.
type keepers struct {
	some bool // there is something; not changed once the server serves
	mu   sync.Mutex
	said map[sessionstore.Namespace]time.Time
}

// keeper is an [adapter.Keeper].
func (s *Server) keeper(_ context.Context, nsp sessionstore.Namespace) (*sessionstore.Keeping, error) {
	s.seal.mu.RLock()
	defer s.seal.mu.RUnlock()
	if !s.keepers.some {
		return nil, nil
	}
	if n := s.find(nsp); n != nil {
		return n.hooks.history, nil
	}
	return nil, nil
}

// sayKept has programs that emit to the namespace and do not serve it know what is kept of it.
func (n *Namespace) sayKept(ctx context.Context) {
	if n.hooks.history == nil {
		return
	}
	k, now := &n.server.keepers, time.Now()
	k.mu.Lock()
	fresh := now.Sub(k.said[n.name]) < keepingAgain
	if !fresh {
		if k.said == nil || len(k.said) >= keepersMost {
			k.said = make(map[sessionstore.Namespace]time.Time)
		}
		k.said[n.name] = now
	}
	k.mu.Unlock()
	if fresh {
		return
	}
	if err := n.server.store.PutKeeping(ctx, n.name, *n.hooks.history, now.Add(keepingLasts)); err != nil {
		k.mu.Lock()
		delete(k.said, n.name)
		k.mu.Unlock()
		n.server.log.WarnContext(ctx, "emitters are not told what history is kept", "nsp", string(n.name), "error", err)
	}
}
