package memstore

import (
	"context"
	"fmt"
	"math"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nonstick-io/nonstick/sessionstore"
)

// DefaultShards is the number of shards of the registry and of each namespace's members.
const DefaultShards = 16

// stripes is the number of locks that sessions, and apart from them rooms, are spread over.
const stripes = 64

// sweepAtRead bounds how many expired items a read removes in passing.
const sweepAtRead = 4

// Options configures a Store. The zero value is ready to use.
type Options struct {
	// Shards is the number of shards of the registry and of each namespace's members; DefaultShards if 0 or less.
	Shards int
	// Meter counts operations; nil counts nothing.
	Meter *sessionstore.Meter
	// MaxBytes is how many bytes, roughly, the store may hold before it refuses new sessions and sockets with
	// sessionstore.ErrFull; DefaultMaxBytes if 0, no limit if below. Those that it has go on, within their own limits.
	MaxBytes int64
}

// Store keeps sessions in memory. Use [New]. It is safe for concurrent use.
//
// Locks are taken in the order sessions, then rooms; never two of one kind.
type Store struct {
	meter     *sessionstore.Meter
	maxBytes  int64
	heldBytes atomic.Int64
	sessions  [stripes]stripe
	rooms     [stripes]roomStripe
	registry  []registryShard
	claims    claims
	children  children
	asks      asks
	timers    timers
	histories histories
}

var (
	_ sessionstore.Store     = (*Store)(nil)
	_ sessionstore.Waker     = (*Store)(nil)
	_ sessionstore.Immediate = (*Store)(nil)
)

// New returns an empty store.
func New(o Options) *Store {
	if o.Shards <= 0 {
		o.Shards = DefaultShards
	}
	s := &Store{meter: o.Meter, registry: make([]registryShard, o.Shards), maxBytes: o.MaxBytes}
	switch {
	case s.maxBytes == 0:
		s.maxBytes = DefaultMaxBytes
	case s.maxBytes < 0:
		s.maxBytes = math.MaxInt64
	}
	for i := range s.sessions {
		s.sessions[i].heldBytes = &s.heldBytes
		s.sessions[i].entries = make(map[sessionstore.SessionID]*entry)
		s.sessions[i].connections = make(map[sessionstore.Connection]*connection)
	}
	for i := range s.rooms {
		s.rooms[i].tables = make(map[roomKey]*members)
	}
	return s
}

// stripe is a part of the sessions, with all that belongs to them, and of the connections.
type stripe struct {
	mu          sync.Mutex
	entries     map[sessionstore.SessionID]*entry
	connections map[sessionstore.Connection]*connection
	expiries    expiryQueue
	heldBytes   *atomic.Int64 // of the whole store
}

// entry holds the rows of one session. Those of sockets, the partial packet and acknowledgements may be
// there without the session, as in a table.
type entry struct {
	exists         bool
	session        sessionstore.Session // its Sockets and Partial are below
	bytes          int                  // of session.Buffer
	expiry         *expiry
	handshake      *sessionstore.Handshake
	handshakeBytes int                   // of it: it never changes
	sockets        []sessionstore.Socket // by namespace; replaced, never changed in place: readers share it
	kept           map[sessionstore.SocketID]*kept
	partial        *partial
	acks           map[uint64]*ack // by place
	ackBytes       int
	weight         int           // as it counts into what the store holds
	changed        chan struct{} // nil unless a caller waits
}

// kept is what a socket keeps apart from its row.
type kept struct {
	nsp   sessionstore.Namespace
	auth  string
	data  map[string]string // replaced, never changed in place: readers share it
	rooms map[sessionstore.Room]struct{}
	bytes int // of all of it
}

// view is the session as a caller may keep it. Buffer's capacity is clipped, because the store appends in
// place beyond what it handed out.
func (e *entry) view() sessionstore.Session {
	v := e.session
	v.Buffer = v.Buffer[:len(v.Buffer):len(v.Buffer)]
	return v
}

// wake tells the caller that waits for a change.
func (e *entry) wake() {
	if e.changed != nil {
		close(e.changed)
		e.changed = nil
	}
}

// empty reports whether nothing is left that a key could find.
func (e *entry) empty() bool {
	return !e.exists && e.handshake == nil && len(e.sockets) == 0 && e.partial == nil && len(e.acks) == 0
}

// entry returns the rows of a session, made on demand.
func (st *stripe) entry(id sessionstore.SessionID) *entry {
	e := st.entries[id]
	if e == nil {
		e = &entry{}
		st.entries[id] = e
	}
	return e
}

// tidy weighs an entry that has changed, and forgets it if it has become empty.
func (st *stripe) tidy(id sessionstore.SessionID, e *entry) {
	st.settle(e)
	if e.empty() {
		e.wake()
		delete(st.entries, id)
	}
}

// stripe returns the part of the store that holds a session.
func (s *Store) stripe(id sessionstore.SessionID) *stripe { return &s.sessions[hash(id)%stripes] }

// transition is one conditional write of a session: apply happens if allowed says so of the same state.
func (s *Store) transition(ctx context.Context, op sessionstore.Op, id sessionstore.SessionID,
	allowed func(*entry) bool, apply func(*entry),
) error {
	if err := sessionstore.NotSent(ctx); err != nil {
		return err
	}
	s.wrote(op, 1)
	st := s.stripe(id)
	st.mu.Lock()
	defer st.mu.Unlock()
	e := st.entries[id]
	if e == nil || !e.exists {
		return fmt.Errorf("%s: session: %w", op, sessionstore.ErrNotFound)
	}
	if !allowed(e) {
		return &sessionstore.ConflictError{Op: op, Session: e.view()}
	}
	apply(e)
	st.settle(e)
	e.wake()
	return nil
}

// Changed returns a channel that is closed at the next change of the session or of one of its
// acknowledgements. For a session that does not exist it returns a closed channel: there is nothing to wait for.
func (s *Store) Changed(id sessionstore.SessionID) <-chan struct{} {
	st := s.stripe(id)
	st.mu.Lock()
	defer st.mu.Unlock()
	e := st.entries[id]
	if e == nil {
		return closed
	}
	if e.changed == nil {
		e.changed = make(chan struct{})
	}
	return e.changed
}

// Immediate implements [sessionstore.Immediate].
func (s *Store) Immediate() {}

var closed = func() chan struct{} {
	c := make(chan struct{})
	close(c)
	return c
}()

func (s *Store) wrote(op sessionstore.Op, items int) {
	s.meter.Add(op, sessionstore.Usage{Calls: 1, Writes: int64(items)})
}

func (s *Store) read(op sessionstore.Op) {
	s.meter.Add(op, sessionstore.Usage{Calls: 1, Reads: 1})
}

// hash is FNV-1a. It has no seed, so that a run over the store can be repeated exactly.
func hash[T ~string](s T) uint32 {
	h := uint32(2166136261)
	for i := range len(s) {
		h = (h ^ uint32(s[i])) * 16777619
	}
	return h
}

// ended reports whether a time to live has passed at now; the zero time never passes.
func ended(at, now time.Time) bool { return !at.IsZero() && !now.Before(at) }
