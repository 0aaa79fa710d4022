package simulation

import (
	"context"
	"errors"
	"iter"
	"strings"
	"time"

	"github.com/nonstick-io/nonstick/internal/protocol"
	"github.com/nonstick-io/nonstick/sessionstore"
)

func (s *store) Record(
	ctx context.Context, nsp sessionstore.Namespace, room sessionstore.Room, e sessionstore.Event,
	k sessionstore.Keeping,
) (n int, err error) {
	if s.mutant == "record-makes-no-mark" {
		k.Marked = true
	}
	err = s.write(ctx, "Record "+string(e.ID), func(ctx context.Context) (err error) {
		if h, _ := s.Store.History(ctx, nsp, room); s.mutant == "recorded-behind-the-walk" && h.Last > 0 {
			n = h.Last + 1
			s.w.later(func() { _, _ = s.Store.Record(ctx, nsp, room, e, k) })
			return nil
		}
		n, err = s.Store.Record(ctx, nsp, room, e, k)
		s.r.marks(err == nil)
		return err
	})
	h, _ := s.Store.History(context.WithoutCancel(ctx), nsp, room)
	switch {
	case err == nil && s.mutant == "record-tells-the-number-before":
		n--
	case errors.Is(err, errDoubt) && s.mutant == "record-in-doubt-is-done":
		return h.Last, nil
	case errors.Is(err, errDoubt) && s.mutant == "record-in-doubt-is-repeated":
		return 0, sessionstore.ErrThrottled
	}
	return n, err
}

// marks notes that the room has a mark from now on.
func (r *run) marks(is bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.rewinding.marked = r.rewinding.marked || is
}

func (s *store) Recorded(
	ctx context.Context, nsp sessionstore.Namespace, room sessionstore.Room, id sessionstore.PacketID,
) (int, error) {
	return read(ctx, s, "Recorded "+string(id), func() (int, error) { return s.Store.Recorded(ctx, nsp, room, id) })
}

func (s *store) History(
	ctx context.Context, nsp sessionstore.Namespace, room sessionstore.Room,
) (h sessionstore.History, err error) {
	h, err = read(ctx, s, "History", func() (sessionstore.History, error) { return s.Store.History(ctx, nsp, room) })
	j := procOf(ctx).joins
	switch {
	case j == nil || err != nil:
	case s.mutant == "history-is-read-before-the-row":
		return j.before, nil
	case s.mutant == "member-before-its-history" && j.owner != "":
		_ = s.Store.Joined(context.WithoutCancel(ctx), j.k, room, j.owner, h.Last)
	}
	return h, err
}

func (s *store) Since(
	ctx context.Context, nsp sessionstore.Namespace, room sessionstore.Room, from, to int, at time.Time,
) (int, error) {
	return read(ctx, s, "Since", func() (int, error) {
		if s.mutant == "since-is-ignored" {
			return from + 1, nil
		}
		return s.Store.Since(ctx, nsp, room, from, to, at)
	})
}

func (s *store) Events(
	ctx context.Context, nsp sessionstore.Namespace, room sessionstore.Room, from, to int,
) iter.Seq2[sessionstore.Event, error] {
	return func(yield func(sessionstore.Event, error) bool) {
		n := 0
		for e, err := range s.Store.Events(ctx, nsp, room, from, to) {
			if n++; n%4 == 1 && err == nil {
				_, err = read(ctx, s, "Events", func() (int, error) { return 0, nil })
			}
			if !yield(e, err) || err != nil {
				return
			}
		}
	}
}

func (s *store) JoinLater(
	ctx context.Context, k sessionstore.Socket, room sessionstore.Room, lease sessionstore.Lease,
	l sessionstore.SocketLimits,
) error {
	j := procOf(ctx).joins
	if j == nil {
		j = &joining{}
	}
	j.owner, j.k = lease.Owner, k
	j.before, _ = s.Store.History(ctx, k.Namespace, room)
	return s.write(ctx, "JoinLater "+string(k.ID), func(ctx context.Context) error {
		err := s.Store.JoinLater(ctx, k, room, s.lease(lease), l)
		again := s.mutant == "a-member-joins-again" || s.mutant == "of-two-joins-both-are-first"
		if again && errors.Is(err, sessionstore.ErrExists) {
			err = errors.Join(s.Store.Leave(ctx, k, room), s.Store.JoinLater(ctx, k, room, s.lease(lease), l))
		}
		if s.r.rewinding.outside != ([instances]bool{}) { // what meets no mark comes live to those that join
			s.r.mayHave(k.ID)
		}
		return err
	})
}

func (s *store) Joined(
	ctx context.Context, k sessionstore.Socket, room sessionstore.Room, owner sessionstore.Owner, rewound int,
) error {
	switch s.mutant {
	case "the-seam-is-forgotten":
		rewound = 0
	case "the-seam-is-early":
		rewound--
	case "the-seam-is-late":
		rewound++
	}
	err := s.write(ctx, "Joined "+string(k.ID), func(ctx context.Context) error {
		err := s.Store.Joined(ctx, k, room, owner, rewound)
		if err == nil {
			s.r.mayHave(k.ID)
		}
		return err
	})
	if errors.Is(err, sessionstore.ErrNotFound) && s.mutant == "member-before-its-history" ||
		errors.Is(err, errDoubt) && s.mutant == "joined-in-doubt-is-done" {
		return nil
	}
	return err
}

// mayHave notes that a socket is a member of the room, or is about to get its history.
func (r *run) mayHave(id sessionstore.SocketID) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.rewinding.sent[string(id)] = true
}

func (s *store) Mark(
	ctx context.Context, nsp sessionstore.Namespace, room sessionstore.Room, k sessionstore.Keeping,
	h sessionstore.History, now time.Time,
) error {
	return s.write(ctx, "Mark "+string(room), func(ctx context.Context) error {
		if s.mutant == "join-makes-no-mark" {
			return nil
		}
		return s.Store.Mark(ctx, nsp, room, k, h, now)
	})
}

func (s *store) Unmarked(
	ctx context.Context, nsp sessionstore.Namespace, room sessionstore.Room,
) iter.Seq2[sessionstore.Member, error] {
	walk := s.Store.Unmarked(ctx, nsp, room)
	if s.mutant == "the-mark-is-not-heeded" {
		walk = s.Store.Members(ctx, nsp, room, sessionstore.Range{})
	}
	return s.members(ctx, nsp, room, sessionstore.Range{}, walk)
}

func (s *store) RoomMember(
	ctx context.Context, nsp sessionstore.Namespace, room sessionstore.Room, id sessionstore.SocketID,
) (m sessionstore.Member, err error) {
	m, err = read(ctx, s, "RoomMember "+string(id), func() (sessionstore.Member, error) {
		return s.Store.RoomMember(ctx, nsp, room, id)
	})
	if j := procOf(ctx).joins; j != nil {
		if !j.looked && s.mutant == "a-member-joins-again" {
			m, err = sessionstore.Member{}, sessionstore.ErrNotFound
		}
		j.looked = true
		return m, err
	}
	switch held := m.Joining.Held(); {
	case held && s.mutant == "joining-gets-it-live":
		m.Joining = sessionstore.Lease{}
	case held && s.mutant == "joining-has-had-it":
		m.Joining, m.Rewound = sessionstore.Lease{}, 1<<60
	case held && s.mutant == "dead-joiner-is-waited-for":
		m.Joining.Until = time.Now().Add(time.Hour)
	case held && s.mutant == "joiner-is-taken-for-dead":
		m.Joining.Until = time.Now().Add(-time.Hour)
	}
	return m, err
}

// seen is a row of a room as a walk gives it out, with a rule of those that join broken.
func (s *store) seen(m sessionstore.Member) sessionstore.Member {
	if s.mutant == "joining-is-not-seen" {
		m.Joining = sessionstore.Lease{}
	}
	return m
}

// rewound is an entry that comes into an outbox, with a rule of rewinds broken.
func (s *store) rewound(p []sessionstore.Packet) []sessionstore.Packet {
	if len(p) == 0 || p[0].Rewind == nil {
		return p
	}
	s.r.mayHave(p[0].Rewind.Socket)
	one := *p[0].Rewind
	if h, err := s.Store.History(context.Background(), one.Namespace, one.Room); err == nil &&
		s.mutant == "rewind-begins-early" && one.From >= h.First {
		one.From--
	}
	return []sessionstore.Packet{{ID: p[0].ID, Frames: p[0].Frames, Rewind: &one}}
}

// pieces is Deliver by number of a part of a rewind, with its condition broken.
func (s *store) pieces(
	ctx context.Context, id sessionstore.SessionID, l sessionstore.BufferLimits,
) sessionstore.BufferLimits {
	n := &l.Number
	switch {
	case s.mutant == "part-is-no-condition" && n.From >= 0:
		n.PartFrom = s.now(ctx, id).Numbers[n.Outbox.Part()]
	case s.mutant == "a-part-is-the-whole" && n.PartTo > 0:
		n.To, n.PartTo = n.From+1, 0
	}
	return l
}

// partial is what a session tells of the parts of rewinds that it has, with a rule broken.
func (s *store) partial(read sessionstore.Session) sessionstore.Session {
	if s.mutant != "the-part-is-forgotten" {
		return read
	}
	numbers := map[sessionstore.SessionID]int{}
	for id, n := range read.Numbers {
		if !strings.HasSuffix(string(id), string(sessionstore.SessionID("").Part())) {
			numbers[id] = n
		}
	}
	read.Numbers = numbers
	return read
}

// rewindBreaks are the mutants that replace a decision about rewinds.
var rewindBreaks = map[string]func(*protocol.Rules){
	"offset-in-a-rewind-is-its-begin": func(r *protocol.Rules) {
		r.Resumes = within(func(at protocol.Offset) protocol.Offset { return protocol.Offset{Entry: at.Entry - 1} })
	},
	"offset-in-a-rewind-is-its-end": func(r *protocol.Rules) {
		r.Resumes = within(func(at protocol.Offset) protocol.Offset { return protocol.Offset{Entry: at.Entry} })
	},
}

// within is Resumes, with an offset within a rewind taken for another.
func within(other func(protocol.Offset) protocol.Offset) func(
	*sessionstore.Session, string, time.Time,
) (protocol.ResumeAction, protocol.Offset) {
	return func(
		outbox *sessionstore.Session, offset string, now time.Time,
	) (protocol.ResumeAction, protocol.Offset) {
		action, at := protocol.Resumes(outbox, offset, now)
		n := at.Entry - outbox.Trimmed - 1
		if action == protocol.Resume && at.Packets > 0 && n >= 0 && n < len(outbox.Buffer) &&
			outbox.Buffer[n].Rewind != nil {
			at = other(at)
		}
		return action, at
	}
}
