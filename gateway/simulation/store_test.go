package simulation

import (
	"context"
	"errors"
	"hash/fnv"
	"strings"
	"time"

	"github.com/nonstick-io/nonstick/sessionstore"
)

// store is the embedded store with a scheduling point, and maybe a fault, at every call.
type store struct {
	sessionstore.Store // the real one
	w                  *world
	mutant             string
	r                  *run
	skew               time.Duration // by how much the clock of this instance is wrong
}

// wakingStore can also tell of changes; half of the schedules run with it, half by reading again.
type wakingStore struct {
	*store
	sessionstore.Waker
}

func newStore(r *run, waking bool, skew time.Duration) sessionstore.Store {
	s := &store{Store: r.real, w: r.w, mutant: r.mutant, r: r, skew: skew}
	if waking {
		return wakingStore{s, r.real}
	}
	return s
}

// lease is a lease as an instance with a wrong clock writes it.
func (s *store) lease(l sessionstore.Lease) sessionstore.Lease {
	l.Until = l.Until.Add(s.skew)
	return l
}

// write is a scheduling point for a write.
func (s *store) write(ctx context.Context, name string, f func(context.Context) error) error {
	ctx = context.WithoutCancel(ctx)
	switch s.w.at(ctx, name, kindWrite) {
	case failBefore:
		return errDoubt
	case failAfter:
		_ = f(ctx)
		return errDoubt
	case failLater:
		s.w.later(func() { _ = f(ctx) })
		return errDoubt
	case refuse:
		return sessionstore.ErrThrottled
	default:
		return f(ctx)
	}
}

// read is a scheduling point for a read.
func read[T any](ctx context.Context, s *store, name string, f func() (T, error)) (T, error) {
	if s.w.at(ctx, name, kindRead) != proceed {
		var zero T
		return zero, sessionstore.ErrThrottled
	}
	return f()
}

func (s *store) Create(ctx context.Context, n sessionstore.NewSession) error {
	s.r.created(n.ID)
	return s.write(ctx, "Create "+string(n.ID), func(ctx context.Context) error {
		err := s.Store.Create(ctx, n)
		if err == nil && n.ID.IsOutbox() {
			s.r.carries(n.ID, n.Carrier)
		}
		return err
	})
}

func (s *store) Get(ctx context.Context, id sessionstore.SessionID, now time.Time) (sessionstore.Session, error) {
	return read(ctx, s, "Get "+string(id), func() (sessionstore.Session, error) {
		cur, err := s.Store.Get(ctx, id, now)
		return s.reread(ctx, cur), err
	})
}

func (s *store) Close(ctx context.Context, r sessionstore.CloseRequest) (old sessionstore.Session, err error) {
	r.Handler = s.lease(r.Handler)
	if s.ends(&r) {
		return old, sessionstore.ErrNotFound
	}
	if s.r.slowCloses {
		after(ctx, time.Second)
	}
	if ctx.Err() != nil { // of a broadcast, which waits for a close for a moment only
		return old, errDoubt
	}
	err = s.write(ctx, "Close "+string(r.Session)+" "+r.Reason, func(ctx context.Context) (err error) {
		old, err = s.Store.Close(ctx, r)
		return err
	})
	if cur, ok := sessionstore.Current(err); ok && s.mutant == "close-has-two-winners" &&
		cur.State == sessionstore.Closing {
		cur.Handler = r.Handler
		old, err = cur, nil
	}
	if err == nil {
		s.w.won(r)
	}
	return old, err
}

func (s *store) Claim(
	ctx context.Context, name string, l sessionstore.Lease, from sessionstore.Owner, now time.Time,
) error {
	if s.mutant == "left-is-forgotten" && strings.HasPrefix(name, "gone/") {
		return nil
	}
	if s.mutant == "given-back-is-in-doubt" && strings.HasPrefix(name, "given/") {
		return nil
	}
	if strings.HasPrefix(name, "timer#") { // what two timers of one outbox do that are due at once has the same names
		h := fnv.New32a()
		_, _ = h.Write([]byte(name)) // never fails
		after(ctx, time.Duration(h.Sum32()%1000)*time.Microsecond)
	}
	err := s.write(ctx, "Claim "+name, func(ctx context.Context) error {
		claim := func(from sessionstore.Owner) error {
			return s.Store.Claim(ctx, name, s.lease(l), from, now.Add(s.skew))
		}
		if s.r.parts != nil {
			return s.r.parts.claim(s.mutant, name, from, claim)
		}
		return claim(from)
	})
	if errors.Is(err, sessionstore.ErrExists) && s.mutant == "everybody-claims" {
		return nil
	}
	return err
}

func (s *store) TakeOver(
	ctx context.Context, id sessionstore.SessionID, l sessionstore.Lease, from sessionstore.Owner, now time.Time,
) error {
	return s.write(
		ctx, "TakeOver "+string(id),
		func(ctx context.Context) error { return s.Store.TakeOver(ctx, id, s.lease(l), from, now.Add(s.skew)) },
	)
}

func (s *store) Finish(ctx context.Context, id sessionstore.SessionID, owner sessionstore.Owner, at time.Time) error {
	return s.write(
		ctx, "Finish "+string(id), func(ctx context.Context) error { return s.Store.Finish(ctx, id, owner, at) },
	)
}

func (s *store) Deliver(
	ctx context.Context, id sessionstore.SessionID, p []sessionstore.Packet, l sessionstore.BufferLimits,
) error {
	return s.write(ctx, "Deliver "+string(id), func(ctx context.Context) error {
		if s.mutant == "deliver-ignores-the-hold" {
			if cur, e := s.Store.Get(
				ctx, id, time.Now(),
			); e == nil && cur.State == sessionstore.Open &&
				cur.Hold.Held() {
				cur.Hold = sessionstore.Lease{}
				return &sessionstore.ConflictError{Op: sessionstore.OpDeliver, Session: cur}
			}
		}
		p, l = s.numbered(ctx, id, p, l)
		err := s.Store.Deliver(ctx, id, p, l)
		if err == nil && l.Number.Outbox != "" {
			s.r.sends(l.Number.Outbox, l.Number.To)
		}
		return err
	})
}

func (s *store) Answer(ctx context.Context, r sessionstore.AnswerRequest) error {
	return s.write(ctx, "Answer "+string(r.Read.ID)+" "+r.T, func(ctx context.Context) error {
		if s.mutant == "answer-ignores-what-was-read" {
			if cur, err := s.Store.Get(ctx, r.Read.ID, time.Now()); err == nil {
				r.Read = &cur
			}
		}
		err := s.Store.Answer(ctx, r)
		if err == nil && r.Give > 0 && s.mutant == "answer-removes-what-it-gives" {
			if cur, e := s.Store.Get(ctx, r.Read.ID, time.Now()); e == nil {
				_ = s.Store.Answer(ctx, sessionstore.AnswerRequest{Read: &cur, T: r.T})
			}
		}
		return err
	})
}

func (s *store) Park(ctx context.Context, r sessionstore.ParkRequest) error {
	r.Poll.Until = r.Poll.Until.Add(s.skew)
	return s.write(
		ctx, "Park "+string(r.Read.ID)+" "+r.Poll.T, func(ctx context.Context) error { return s.Store.Park(ctx, r) },
	)
}

func (s *store) Pong(ctx context.Context, id sessionstore.SessionID, at time.Time) error {
	return s.write(
		ctx, "Pong "+string(id), func(ctx context.Context) error { return s.Store.Pong(ctx, id, at.Add(s.skew)) },
	)
}

func (s *store) Bind(ctx context.Context, id sessionstore.SessionID, c sessionstore.Candidate, now time.Time) error {
	c.Until = c.Until.Add(s.skew)
	return s.write(
		ctx, "Bind "+string(id), func(ctx context.Context) error { return s.Store.Bind(ctx, id, c, now.Add(s.skew)) },
	)
}

func (s *store) Probe(ctx context.Context, id sessionstore.SessionID, c sessionstore.Connection) error {
	return s.write(ctx, "Probe "+string(id), func(ctx context.Context) error { return s.Store.Probe(ctx, id, c) })
}

func (s *store) Abort(ctx context.Context, id sessionstore.SessionID, c sessionstore.Connection) error {
	s.r.aborts.Store(id, true)
	return s.write(ctx, "Abort "+string(id), func(ctx context.Context) error { return s.Store.Abort(ctx, id, c) })
}

func (s *store) Upgrade(
	ctx context.Context, id sessionstore.SessionID, c sessionstore.Connection, l sessionstore.Lease,
) (after sessionstore.Session, err error) {
	err = s.write(ctx, "Upgrade "+string(id), func(ctx context.Context) (err error) {
		after, err = s.Store.Upgrade(ctx, id, c, s.lease(l))
		if err != nil {
			return err
		}
		switch s.mutant {
		case "upgrade-does-not-hold":
			_ = s.Store.Release(ctx, id, l.Owner, len(after.Buffer))
		case "hint-before-release":
			full, _ := s.Store.Get(ctx, id, time.Now())
			for _, k := range full.Sockets {
				_ = s.Store.SetHint(ctx, k, c)
			}
		}
		return nil
	})
	return after, err
}

func (s *store) Enqueue(
	ctx context.Context, id sessionstore.SessionID, p []sessionstore.Packet, l sessionstore.BufferLimits,
	hold sessionstore.Lease,
) (after sessionstore.Session, err error) {
	err = s.write(ctx, "Enqueue "+string(id), func(ctx context.Context) (err error) {
		if s.mutant == "volatile-is-kept" {
			for i := range p {
				p[i].Once = false
			}
		}
		after, err = s.enqueues(ctx, id, p, l, hold)
		return err
	})
	if err != nil {
		after, err = s.enqueued(ctx, id, err)
	}
	return after, err
}

func (s *store) Renew(ctx context.Context, id sessionstore.SessionID, l sessionstore.Lease) error {
	return s.write(
		ctx, "Renew "+string(id), func(ctx context.Context) error { return s.Store.Renew(ctx, id, s.lease(l)) },
	)
}

func (s *store) Release(ctx context.Context, id sessionstore.SessionID, owner sessionstore.Owner, n int) error {
	return s.write(ctx, "Release "+string(id), func(ctx context.Context) error {
		if s.mutant == "release-forgets-what-was-appended" {
			if cur, err := s.Store.Get(ctx, id, time.Now()); err == nil {
				n = len(cur.Buffer)
			}
		}
		return s.Store.Release(ctx, id, owner, n)
	})
}

func (s *store) PutConnection(ctx context.Context, r sessionstore.ConnectionRow) error {
	return s.write(
		ctx, "PutConnection "+r.Conn.ID, func(ctx context.Context) error { return s.Store.PutConnection(ctx, r) },
	)
}

func (s *store) Connection(ctx context.Context, c sessionstore.Connection) (sessionstore.ConnectionRow, error) {
	return read(
		ctx, s, "Connection "+c.ID, func() (sessionstore.ConnectionRow, error) { return s.Store.Connection(ctx, c) },
	)
}

func (s *store) DeleteConnection(ctx context.Context, c sessionstore.Connection) error {
	return s.write(
		ctx, "DeleteConnection "+c.ID, func(ctx context.Context) error { return s.Store.DeleteConnection(ctx, c) },
	)
}

func (s *store) Register(ctx context.Context, r sessionstore.Registration) error {
	return s.write(
		ctx, "Register "+string(r.Session), func(ctx context.Context) error { return s.Store.Register(ctx, r) },
	)
}

func (s *store) Update(ctx context.Context, r sessionstore.Registration) error {
	return s.write(ctx, "Update "+string(r.Session), func(ctx context.Context) error { return s.Store.Update(ctx, r) })
}

func (s *store) Look(ctx context.Context, id sessionstore.SessionID, at time.Time) error {
	return s.write(ctx, "Look "+string(id), func(ctx context.Context) error { return s.Store.Look(ctx, id, at) })
}

func (s *store) Beat(ctx context.Context, id sessionstore.SessionID, at time.Time) error {
	return s.write(
		ctx, "Beat "+string(id), func(ctx context.Context) error { return s.Store.Beat(ctx, id, at.Add(s.skew)) },
	)
}

func (s *store) Pinged(ctx context.Context, r sessionstore.Registration, at time.Time) error {
	return s.write(
		ctx, "Pinged "+string(r.Session), func(ctx context.Context) error { return s.Store.Pinged(ctx, r, at) },
	)
}

func (s *store) Expire(ctx context.Context, r sessionstore.Registration, at time.Time) error {
	return s.write(
		ctx, "Expire "+string(r.Session), func(ctx context.Context) error { return s.Store.Expire(ctx, r, at) },
	)
}

func (s *store) Unregister(ctx context.Context, id sessionstore.SessionID) error {
	return s.write(
		ctx, "Unregister "+string(id), func(ctx context.Context) error { return s.Store.Unregister(ctx, id) },
	)
}

func (s *store) PutSocket(
	ctx context.Context, k sessionstore.NewSocket, hint sessionstore.Connection, l sessionstore.SocketLimits,
) error {
	return s.write(
		ctx, "PutSocket "+string(k.ID), func(ctx context.Context) error { return s.Store.PutSocket(ctx, k, hint, l) },
	)
}

func (s *store) RemoveSocket(ctx context.Context, k sessionstore.Socket) (row sessionstore.Socket, err error) {
	if s.mutant == "end-forgets-rooms" {
		return k, nil
	}
	err = s.write(ctx, "RemoveSocket "+string(k.ID), func(ctx context.Context) (err error) {
		row, err = s.Store.RemoveSocket(ctx, k)
		return err
	})
	return row, err
}

func (s *store) ClaimSocket(
	ctx context.Context, k sessionstore.Socket, l sessionstore.Lease, from sessionstore.Owner, now time.Time,
) (row sessionstore.Socket, err error) {
	if s.mutant == "claim-ends-at-once" {
		l.Until = now
	}
	err = s.write(ctx, "ClaimSocket "+string(k.ID), func(ctx context.Context) (err error) {
		row, err = s.Store.ClaimSocket(ctx, k, s.lease(l), from, now.Add(s.skew))
		return err
	})
	if errors.Is(err, sessionstore.ErrExists) && s.mutant == "everybody-claims" {
		return k, nil
	}
	return row, err
}

func (s *store) Vacate(ctx context.Context, k sessionstore.Socket) error {
	if s.mutant == "end-forgets-rooms" || s.mutant == "rooms-after-the-handler" {
		return nil
	}
	return s.write(ctx, "Vacate "+string(k.ID), func(ctx context.Context) error { return s.Store.Vacate(ctx, k) })
}

func (s *store) DropSocket(ctx context.Context, k sessionstore.Socket) error {
	if s.mutant == "end-forgets-rooms" {
		return nil
	}
	return s.write(
		ctx,
		"DropSocket "+string(k.ID),
		func(ctx context.Context) error { return s.Store.DropSocket(ctx, k) },
	)
}

func (s *store) ClearSockets(ctx context.Context, id sessionstore.SessionID) error {
	if s.mutant == "end-forgets-rooms" {
		return nil
	}
	return s.write(
		ctx, "ClearSockets "+string(id), func(ctx context.Context) error { return s.Store.ClearSockets(ctx, id) },
	)
}

func (s *store) RepairHint(
	ctx context.Context, nsp sessionstore.Namespace, room sessionstore.Room, m sessionstore.Member,
) error {
	return s.write(
		ctx, "RepairHint "+string(m.Socket),
		func(ctx context.Context) error { return s.Store.RepairHint(ctx, nsp, room, m) },
	)
}

func (s *store) SetHint(ctx context.Context, k sessionstore.Socket, hint sessionstore.Connection) error {
	return s.write(
		ctx, "SetHint "+string(k.ID), func(ctx context.Context) error { return s.Store.SetHint(ctx, k, hint) },
	)
}

func (s *store) Reap(
	ctx context.Context, nsp sessionstore.Namespace, room sessionstore.Room, id sessionstore.SocketID,
) error {
	reaps(ctx, id)
	return s.write(ctx, "Reap "+string(id), func(ctx context.Context) error { return s.Store.Reap(ctx, nsp, room, id) })
}

func (s *store) Join(
	ctx context.Context, k sessionstore.Socket, room sessionstore.Room, hint sessionstore.Connection,
	l sessionstore.SocketLimits,
) error {
	return s.write(ctx, "Join "+string(k.ID), func(ctx context.Context) error {
		if s.mutant == "join-does-nothing" {
			return nil
		}
		return s.Store.Join(ctx, k, room, hint, l)
	})
}

func (s *store) Leave(ctx context.Context, k sessionstore.Socket, room sessionstore.Room) error {
	return s.write(ctx, "Leave "+string(k.ID), func(ctx context.Context) error {
		if s.mutant == "leave-does-nothing" {
			return nil
		}
		return s.Store.Leave(ctx, k, room)
	})
}
