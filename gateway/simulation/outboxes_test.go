package simulation

import (
	"context"
	"errors"
	"math"
	"strings"
	"time"

	"github.com/nonstick-io/nonstick/internal/protocol"
	"github.com/nonstick-io/nonstick/sessionstore"
)

// outboxTimer is the kind of the timers of outboxes.
const outboxTimer = "outbox"

// created notes an outbox that may have been made.
func (r *run) created(id sessionstore.SessionID) {
	if id.IsOutbox() {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.boxes[id] = &box{
			usurped: map[sessionstore.SessionID]sessionstore.SessionID{}, carried: map[sessionstore.SessionID]bool{},
		}
	}
}

// carries notes that a session is the carrier of an outbox from now on, until another one is.
func (r *run) carries(outbox, carrier sessionstore.SessionID) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.carriers[outbox] = carrier
}

// usurps notes that a session has taken an outbox from another one.
func (r *run) usurps(q sessionstore.RecoverRequest, before *sessionstore.Session) {
	r.mu.Lock()
	defer r.mu.Unlock()
	b := r.boxes[q.Read.ID]
	if before.Carrier != "" && before.Carrier != q.Carrier {
		b.usurped[q.Carrier] = before.Carrier
	}
	if b.last != q.Carrier && b.carried[q.Carrier] && !r.sameMoment(b.last, q.Carrier) {
		r.w.violation("%s is carried by %s again, which it was taken from", q.Read.ID, q.Carrier)
	}
	b.last = q.Carrier
	b.carried[q.Carrier] = true
}

// sameMoment reports whether two sessions were made at the same moment: then each of them is as late as the other. A
// client that connects twice is never that fast.
func (r *run) sameMoment(one, other sessionstore.SessionID) bool {
	a, errA := r.real.Get(context.Background(), one, time.Now())
	b, errB := r.real.Get(context.Background(), other, time.Now())
	return errA == nil && errB == nil && a.CreatedAt.Equal(b.CreatedAt)
}

// appends and sends note how far an outbox has come.
func (r *run) appends(id sessionstore.SessionID, seq int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if b := r.boxes[id]; b != nil {
		b.seq = max(b.seq, seq)
	}
}

func (r *run) sends(id sessionstore.SessionID, number int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if b := r.boxes[id]; b != nil {
		b.sent = max(b.sent, number)
	}
}

// now is a session as it is, for mutants.
func (s *store) now(ctx context.Context, id sessionstore.SessionID) *sessionstore.Session {
	cur, err := s.Store.Get(ctx, id, time.Now())
	if err != nil {
		return &sessionstore.Session{ID: id}
	}
	return &cur
}

func (s *store) Link(ctx context.Context, k sessionstore.Socket) error {
	procOf(ctx).links = k.Session
	return s.write(ctx, "Link "+string(k.Outbox), func(ctx context.Context) error {
		if s.mutant == "outbox-is-not-linked" {
			return nil
		}
		return s.Store.Link(ctx, k)
	})
}

func (s *store) Unlink(ctx context.Context, k sessionstore.Socket) error {
	return s.write(ctx, "Unlink "+string(k.Outbox), func(ctx context.Context) error {
		if is, ok := s.now(ctx, k.Session).Socket(k.Namespace); ok && s.mutant == "unlink-takes-any" {
			k = is
		}
		return s.Store.Unlink(ctx, k)
	})
}

func (s *store) Recover(
	ctx context.Context, r sessionstore.RecoverRequest,
) (before sessionstore.Session, err error) {
	r.Hold = s.lease(r.Hold)
	asked := r.Now
	r.Now = r.Now.Add(s.skew)
	err = s.write(ctx, "Recover "+string(r.Read.ID), func(ctx context.Context) (err error) {
		switch cur := s.now(ctx, r.Read.ID); s.mutant {
		case "over-is-recovered":
			r.Now = time.Time{}
		case "recover-ignores-what-was-read":
			read := *r.Read
			read.Moves, r.Read = cur.Moves, &read
		case "recover-leaves-the-hold":
			if cur.Hold.Held() && !cur.Hold.Lasting() {
				r.Hold = cur.Hold
			}
		}
		before, err = s.Store.Recover(ctx, r)
		if err == nil {
			s.r.carries(r.Read.ID, r.Carrier)
			s.r.usurps(r, &before)
		}
		if cur, refused := sessionstore.Current(err); refused && s.mutant == "what-has-ended-is-recovered" &&
			cur.State != sessionstore.Open {
			before, err = cur, nil
			before.State = sessionstore.Open
			s.r.carries(r.Read.ID, r.Carrier)
		}
		if err == nil && !before.PingAt.IsZero() && asked.Sub(before.PingAt) > maxSkew*time.Millisecond {
			s.w.violation("%s was recovered though it was over", r.Read.ID)
		}
		return err
	})
	return before, err
}

func (s *store) Lose(
	ctx context.Context, id, carrier sessionstore.SessionID, over time.Time, reason string,
) error {
	return s.write(ctx, "Lose "+string(id), func(ctx context.Context) error {
		if cur := s.now(ctx, id); s.mutant == "lose-ignores-the-carrier" && cur.Carrier != "" {
			carrier = cur.Carrier
		}
		return s.Store.Lose(ctx, id, carrier, over.Add(s.skew), reason)
	})
}

func (s *store) Switch(
	ctx context.Context, id, carrier sessionstore.SessionID, conn sessionstore.Connection, sent int,
	hold sessionstore.Lease,
) (after sessionstore.Session, err error) {
	err = s.write(ctx, "Switch "+string(id), func(ctx context.Context) (err error) {
		cur := s.now(ctx, id)
		switch s.mutant {
		case "switch-ignores-the-carrier":
			carrier = cur.Carrier
		case "switch-sends-all":
			sent = 0
		case "switch-sends-nothing":
			sent = cur.Seq()
		}
		after, err = s.Store.Switch(ctx, id, carrier, conn, sent, s.lease(hold))
		if cur, refused := sessionstore.Current(err); refused && s.mutant == "switch-ignores-the-hold" &&
			cur.State == sessionstore.Open && cur.Carrier == carrier {
			after, after.Hold = cur, hold
			return nil
		}
		return err
	})
	return after, err
}

func (s *store) Sent(ctx context.Context, read *sessionstore.Session, owner sessionstore.Owner, n int) error {
	return s.write(ctx, "Sent "+string(read.ID), func(ctx context.Context) error {
		cur := s.now(ctx, read.ID)
		switch s.mutant {
		case "sent-ignores-the-hold":
			owner = cur.Hold.Owner
		case "sent-forgets-what-was-appended":
			n, read = len(cur.Buffer), cur
		}
		err := s.Store.Sent(ctx, read, owner, n)
		if err == nil {
			s.r.sends(read.ID, read.Trimmed+n)
		}
		return err
	})
}

func (s *store) Trim(ctx context.Context, read *sessionstore.Session, n int) error {
	return s.write(ctx, "Trim "+string(read.ID), func(ctx context.Context) error {
		switch cur := s.now(ctx, read.ID); s.mutant {
		case "trim-ignores-what-was-read":
			one := *read
			one.Trimmed, read = cur.Trimmed, &one
		case "trim-takes-what-was-not-sent":
			read, n = cur, len(cur.Buffer)
		}
		return s.Store.Trim(ctx, read, n)
	})
}

// numbered is Deliver to a carrier, with its condition broken.
func (s *store) numbered(
	ctx context.Context, id sessionstore.SessionID, p []sessionstore.Packet, l sessionstore.BufferLimits,
) ([]sessionstore.Packet, sessionstore.BufferLimits) {
	if l.Number.Outbox == "" {
		return p, l
	}
	l = s.pieces(ctx, id, l)
	got, has := s.now(ctx, id).Numbers[l.Number.Outbox]
	switch {
	case s.mutant == "the-last-word-is-any" && l.Number.To == math.MaxInt32:
		l.Number.To = l.Number.From
	case s.mutant == "number-is-no-condition" && has:
		l.Number.From = got
	case s.mutant == "number-is-no-condition":
		l.Number.First = true
	case s.mutant == "others-come-first" && l.Number.From >= 0:
		l.Number.First = true
	}
	return p, l
}

// enqueues is Enqueue to an outbox, with a rule of the last packet broken, which is on condition that the hold is free.
func (s *store) enqueues(
	ctx context.Context, id sessionstore.SessionID, p []sessionstore.Packet, l sessionstore.BufferLimits,
	hold sessionstore.Lease,
) (after sessionstore.Session, err error) {
	p = s.rewound(p)
	last := id.IsOutbox() && !l.IfTaken.IsZero() && strings.HasPrefix(p[0].Frames[0], "41")
	if last && s.mutant == "the-last-word-shares-the-hold" {
		l.IfTaken = time.Time{}
	}
	if after, err = s.Store.Enqueue(ctx, id, p, l, s.lease(hold)); err != nil {
		return after, err
	}
	s.r.appends(id, after.Seq())
	if last && s.mutant == "the-last-word-does-not-hold" {
		_ = s.Store.Sent(ctx, &after, hold.Owner, len(after.Buffer))
	}
	return after, nil
}

// reread is what Get tells, with a look broken.
func (s *store) reread(ctx context.Context, read sessionstore.Session) sessionstore.Session {
	if s.mutant == "carrier-is-not-looked-at" && read.ID == procOf(ctx).links {
		read.State = sessionstore.Open
	}
	return s.partial(read)
}

// enqueued is what Enqueue to an outbox tells, with a doubt taken for something else.
func (s *store) enqueued(ctx context.Context, id sessionstore.SessionID, err error) (sessionstore.Session, error) {
	cur := s.now(context.WithoutCancel(ctx), id)
	if !id.IsOutbox() || !errors.Is(err, errDoubt) || cur.State != sessionstore.Open {
		return sessionstore.Session{}, err
	}
	switch s.mutant {
	case "append-in-doubt-is-done":
		return *cur, nil
	case "append-in-doubt-is-repeated":
		return sessionstore.Session{}, sessionstore.ErrThrottled
	}
	return sessionstore.Session{}, err
}

// ends is Close of an outbox or its carrier, with a rule broken. It reports true if nothing is to be done.
func (s *store) ends(r *sessionstore.CloseRequest) bool {
	why := r.Details.Description
	switch s.mutant {
	case "timer-ends-what-came-back":
		if r.Session.IsOutbox() {
			r.IfPingAt = time.Time{}
		}
	case "whose-it-is-now-does-not-count":
		r.IfCarrier = ""
	case "old-carrier-stays":
		return why == "its client has come back" || strings.HasPrefix(why, "another session has its socket")
	}
	return false
}

// carries is Carry with one action for another.
func carries(sound, broken protocol.CarryAction) func(
	sessionstore.Lease, sessionstore.Owner, time.Time,
) protocol.CarryAction {
	return func(hold sessionstore.Lease, mine sessionstore.Owner, now time.Time) protocol.CarryAction {
		if action := protocol.Carry(hold, mine, now); action != sound {
			return action
		}
		return broken
	}
}

// numbers is Numbered with one action for another.
func numbers(sound, broken protocol.NumberAction) func(
	error, *sessionstore.Session, sessionstore.Number,
) (protocol.NumberAction, int) {
	return func(
		err error, outbox *sessionstore.Session, n sessionstore.Number,
	) (protocol.NumberAction, int) {
		action, got := protocol.Numbered(err, outbox, n)
		if action != sound {
			return action, got
		}
		return broken, got
	}
}

// resumes is Resumes of what is changed before.
func resumes(change func(outbox *sessionstore.Session, offset string) string) func(
	*sessionstore.Session, string, time.Time,
) (protocol.ResumeAction, protocol.Offset) {
	return func(
		outbox *sessionstore.Session, offset string, now time.Time,
	) (protocol.ResumeAction, protocol.Offset) {
		one := *outbox
		offset = change(&one, offset)
		return protocol.Resumes(&one, offset, now)
	}
}

// outboxBreaks are the mutants that replace a decision about outboxes.
var outboxBreaks = map[string]func(*protocol.Rules){
	"outbox-shares-the-hold": func(r *protocol.Rules) { r.Carry = carries(protocol.CarryDone, protocol.CarryPush) },
	"dead-hold-of-an-outbox-stays": func(r *protocol.Rules) {
		r.Carry = carries(protocol.CarryCloseDead, protocol.CarryDone)
	},
	"polling-carrier-gets-nothing": func(r *protocol.Rules) {
		r.Carry = carries(protocol.CarryNumber, protocol.CarryDone)
	},
	"behind-is-done": func(r *protocol.Rules) { r.Numbered = numbers(protocol.NumberBehind, protocol.NumberDone) },
	"carrier-is-not-followed": func(r *protocol.Rules) {
		r.Numbered = numbers(protocol.NumberSwitch, protocol.NumberDone)
	},
	"trimmed-is-resumed": func(r *protocol.Rules) {
		r.Resumes = func(
			outbox *sessionstore.Session, offset string, now time.Time,
		) (protocol.ResumeAction, protocol.Offset) {
			action, at := protocol.Resumes(outbox, offset, now)
			if action != protocol.Resume && !protocol.Retained(outbox, at) {
				return protocol.Resume, protocol.Offset{Entry: outbox.Trimmed}
			}
			return action, at
		}
	},
	"over-is-recovered": func(r *protocol.Rules) {
		r.Resumes = resumes(func(outbox *sessionstore.Session, offset string) string {
			outbox.PingAt = time.Time{}
			return offset
		})
	},
	"foreign-offset-is-ours": func(r *protocol.Rules) {
		r.Resumes = resumes(func(outbox *sessionstore.Session, offset string) string {
			place, _, foreign := strings.Cut(offset, ".")
			if _, tag, _ := strings.Cut(protocol.Offset{}.Encode(outbox.ID), "."); foreign {
				return place + "." + tag
			}
			return offset
		})
	},
	"missed-before-the-answer": func(r *protocol.Rules) {
		r.Welcome = func(answer, missed []sessionstore.Packet) []sessionstore.Packet {
			return protocol.Welcome(missed, answer)
		}
	},
	"first-come-is-served": func(r *protocol.Rules) {
		r.Recovered = func(err error, req *sessionstore.RecoverRequest) protocol.RecoverAction {
			if action := protocol.Recovered(err, req); action != protocol.RecoverCompare {
				return action
			}
			return protocol.RecoverNew
		}
	},
	"last-handled-is-served": func(r *protocol.Rules) {
		r.Follows = func(*sessionstore.Session, *sessionstore.Session) bool { return true }
	},
	"no-offset-is-new": func(r *protocol.Rules) {
		r.Resumes = func(
			outbox *sessionstore.Session, offset string, now time.Time,
		) (protocol.ResumeAction, protocol.Offset) {
			if offset == "" {
				return protocol.ResumeNew, protocol.Offset{}
			}
			return protocol.Resumes(outbox, offset, now)
		}
	},
}
