package engine

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nonstick-io/nonstick/adapter/delivery"
	"github.com/nonstick-io/nonstick/internal/again"
	"github.com/nonstick-io/nonstick/internal/engineio"
	"github.com/nonstick-io/nonstick/internal/ids"
	"github.com/nonstick-io/nonstick/sessionstore"
)

// What one answer to a GET may carry: each entry may be stored apart, and is a read unit then at least; and a
// Lambda's answer has 6 MB, of which base64 takes a quarter. The bytes are those of the answer, with its separators.
const (
	maxAnswerPackets = 400
	maxAnswerBytes   = 4 << 20
)

// The wait of a parked GET on a store that cannot tell of changes: it reads again after 25 ms, growing to 1 s.
const (
	firstReread   = 25 * time.Millisecond
	longestReread = time.Second
)

// pollTries is how often a GET reads because a write of its own was refused or in doubt.
const pollTries = 100

// Poll serves a GET of a session: it answers what is in the buffer, or parks until something is to be said. t is the
// client's cache buster, of any length and form. Where it names the GET (engineio.Unique, and not the handshake's), a
// repetition by a proxy gets the same answer; else each call is a GET of its own.
//
// Errors are of the catalogue in package engineio, or the store's.
func (e *Engine) Poll(ctx context.Context, id sessionstore.SessionID, t string) (string, error) {
	now := time.Now()
	if !engineio.Unique(t, now) {
		t = ids.New(ctx)
	}
	p := &poller{
		e: e, id: id, t: t, began: now, deadline: e.pollDeadline(ctx, now), reread: firstReread,
	}
	tries := again.Times(pollTries)
	for tries.Next(ctx) {
		payload, err := p.until(ctx)
		if !errors.Is(err, errAgain) {
			return payload, err
		}
	}
	return "", fmt.Errorf("engine: poll: gave up (%w): %w", tries.Err(), p.cause)
}

// pollDeadline is when a GET is answered at the latest.
func (e *Engine) pollDeadline(ctx context.Context, now time.Time) time.Time {
	deadline := now.Add(e.opts.PollHold)
	if d, ok := ctx.Deadline(); ok && d.Add(-answerTime).Before(deadline) {
		deadline = d.Add(-answerTime)
	}
	return deadline
}

// answerTime is kept of the platform's time for answering.
const answerTime = time.Second

// errAgain says that a write was refused or is in doubt, so that the session must be read again.
var errAgain = errors.New("engine: read again")

// poller is one handler of one GET.
type poller struct {
	e        *Engine
	id       sessionstore.SessionID
	t        string // names the GET
	began    time.Time
	deadline time.Time
	parked   bool
	unprobed bool // it has read the session before a probe
	reread   time.Duration
	cause    error
}

// until reads the session and acts on it until the GET is answered or errAgain.
func (p *poller) until(ctx context.Context) (string, error) {
	for {
		var changed <-chan struct{}
		if p.e.waker != nil {
			changed = p.e.waker.Changed(p.id) // before the read, so that no change is missed
		}
		s, err := p.e.store.Get(ctx, p.id, time.Now())
		if errors.Is(err, sessionstore.ErrNotFound) {
			return "", engineio.ErrUnknownSession
		}
		if err != nil {
			return "", p.again(err)
		}
		if s.OpenedT == p.t { // it does not change from one request to the next
			p.t = ids.New(ctx)
		}
		payload, done, err := p.act(ctx, &s, time.Now())
		if done || err != nil {
			return payload, err
		}
		p.wait(ctx, changed, p.nextTurn(&s))
		if ctx.Err() != nil { // the platform's time is up: what is left of it is for the answer
			var cancel context.CancelFunc
			ctx, cancel = context.WithTimeout(context.WithoutCancel(ctx), answerTime)
			defer cancel()
			p.deadline = time.Time{}
		}
	}
}

// act does what the session as read asks of this GET, in the order of docs/protocol.md; it is not done if
// the GET is parked and goes on waiting.
func (p *poller) act(
	ctx context.Context, s *sessionstore.Session, now time.Time,
) (payload string, done bool, err error) {
	switch {
	case s.State != sessionstore.Open:
		payload, err = p.ended(ctx, s)
	case s.Transport == sessionstore.WebSocket:
		payload, err = p.upgraded(s)
	case p.e.timedOut(s.PingAt, now): // by the stored time, whether or not a sweeper has come by
		if err = p.e.pollTimeout(ctx, s); err == nil {
			err = p.again(sessionstore.ErrConflict) // what it is now, the next reading tells
		}
	case s.LastT == p.t:
		payload, err = p.repeat(ctx, s)
	case p.parked && s.Poll.T != p.t:
		err = engineio.ErrOverlap // somebody else's GET, which will close the session
	case s.Poll.Live(now) && s.Poll.T != p.t:
		err = p.overlap(ctx)
	case p.pingDue(s, now):
		payload, err = engineio.PingFrame, p.answer(ctx, sessionstore.AnswerRequest{Read: s, T: p.t, Ping: true})
	case len(s.Pending()) > 0:
		payload, err = p.give(ctx, s)
	case p.released(s, now):
		payload, err = engineio.NoopFrame, p.answer(ctx, sessionstore.AnswerRequest{Read: s, T: p.t})
	case p.parked:
		return "", false, nil
	default:
		return "", false, p.park(ctx, s)
	}
	return payload, true, err
}

// upgraded answers a GET that finds the session on WebSocket. One that was parked when the probe came is let go. One
// that began later is none of a client that upgrades: that waits for its last answer before it sends "5".
func (p *poller) upgraded(s *sessionstore.Session) (string, error) {
	switch {
	case !p.parked:
		return "", engineio.ErrBadRequest
	case !s.Probed: // "5" came without a probe, which let this GET go on
		return engineio.CloseFrame, nil
	case p.unprobed:
		return engineio.NoopFrame, nil
	default:
		return "", engineio.ErrBadRequest
	}
}

// pingDue reports whether the answer is to be the ping, which goes alone. Packets go first for a while, but not so long
// that steady traffic costs the client its time to answer.
func (p *poller) pingDue(s *sessionstore.Session, now time.Time) bool {
	due := s.PingAt
	if len(s.Pending()) > 0 {
		due = due.Add(p.e.opts.PingTimeout / 4)
	}
	return !s.Pinged && !now.Before(due)
}

// probePause is how long a GET waits that came after a probe: its client has not had the answer to the probe, and
// would send one GET after the other until then.
const probePause = 100 * time.Millisecond

// released reports whether a GET without packets has to end: a probe waits for it, or its time is up.
func (p *poller) released(s *sessionstore.Session, now time.Time) bool {
	return p.probed(s, now) && !now.Before(p.releaseAt()) || !now.Before(p.deadline)
}

// probed reports whether a probe waits for the GET, and remembers if none did.
func (p *poller) probed(s *sessionstore.Session, now time.Time) bool {
	waits := s.Probed && now.Before(s.Candidate.Until)
	p.unprobed = p.unprobed || !waits
	return waits
}

// releaseAt is when a probe ends the GET: at once if the GET was there before it.
func (p *poller) releaseAt() time.Time {
	if p.unprobed {
		return p.began
	}
	return p.began.Add(probePause)
}

// ended answers a GET of a session that is closing or closed. A parked one is told to end; a new one is
// refused, unless a server's close left packets to fetch.
func (p *poller) ended(ctx context.Context, s *sessionstore.Session) (string, error) {
	switch {
	case s.LastT == p.t:
		return p.repeat(ctx, s)
	case s.Drain && len(s.Pending()) > 0:
		return p.give(ctx, s)
	case s.Drain && p.parked:
		return engineio.CloseFrame, p.answer(ctx, sessionstore.AnswerRequest{Read: s, T: p.t, EndDrain: true})
	case s.Drain:
		payload := engineio.EncodePayload([]string{engineio.NoopFrame, engineio.CloseFrame})
		return payload, p.answer(ctx, sessionstore.AnswerRequest{Read: s, T: p.t, EndDrain: true})
	case p.parked && s.Reason == delivery.ReasonTransportClose:
		return engineio.NoopFrame, nil
	case p.parked:
		return engineio.CloseFrame, nil
	default:
		return "", engineio.ErrUnknownSession
	}
}

// repeat answers a GET that was answered before.
func (p *poller) repeat(ctx context.Context, s *sessionstore.Session) (string, error) {
	switch {
	case s.Given > 0:
		return p.given(ctx, s)
	case s.State != sessionstore.Open:
		return engineio.EncodePayload([]string{engineio.NoopFrame, engineio.CloseFrame}), nil
	case s.Pinged:
		return engineio.PingFrame, nil
	default:
		return engineio.NoopFrame, nil
	}
}

// overlap closes a session whose client has two GETs open.
func (p *poller) overlap(ctx context.Context) error {
	if err := p.e.Fail(ctx, p.id, delivery.ReasonTransportError); err != nil {
		return fmt.Errorf("engine: overlapping polls: %w", err)
	}
	return engineio.ErrOverlap
}

// give answers with the longest prefix of what is pending that fits.
func (p *poller) give(ctx context.Context, s *sessionstore.Session) (string, error) {
	whole, err := p.e.store.Bodies(ctx, p.id, fitting(s.Pending()))
	if err != nil {
		return "", p.again(err)
	}
	whole = fitting(whole) // now that it is known how many frames they are
	return encoded(whole), p.answer(ctx, sessionstore.AnswerRequest{Read: s, T: p.t, Give: len(whole)})
}

// fitting returns the longest prefix of packets that one answer may carry, but at least one.
func fitting(packets []sessionstore.Packet) []sessionstore.Packet {
	bytes := 0
	for n, q := range packets {
		bytes += q.Bytes() + max(len(q.Frames), 1)
		if n > 0 && bytes > maxAnswerBytes || n == maxAnswerPackets {
			return packets[:n]
		}
	}
	return packets
}

// given is what the GET before was answered.
func (p *poller) given(ctx context.Context, s *sessionstore.Session) (string, error) {
	packets, err := p.e.store.Bodies(ctx, p.id, s.Buffer[:s.Given])
	if err != nil {
		return "", err
	}
	return encoded(packets), nil
}

func encoded(packets []sessionstore.Packet) string {
	frames := make([]string, 0, len(packets))
	for _, q := range packets {
		frames = append(frames, q.Frames...)
	}
	return engineio.EncodePayload(frames)
}

func (p *poller) answer(ctx context.Context, r sessionstore.AnswerRequest) error {
	return p.again(p.e.store.Answer(ctx, r))
}

// park takes the poll lease. The lease belongs to the GET, so a copy of this GET parks too.
func (p *poller) park(ctx context.Context, s *sessionstore.Session) error {
	lease := sessionstore.Poll{T: p.t, Until: p.deadline.Add(delivery.LeaseMargin)}
	err := p.again(p.e.store.Park(ctx, sessionstore.ParkRequest{Read: s, Poll: lease}))
	p.parked = p.parked || err == nil
	return err
}

// again turns an error of the store into errAgain, and remembers it.
func (p *poller) again(err error) error {
	if err == nil {
		return nil
	}
	p.cause = err
	return errAgain
}

// nextTurn is when the waiting GET has something to do though nothing changes.
func (p *poller) nextTurn(s *sessionstore.Session) time.Time {
	turn := p.deadline
	if !s.Pinged && s.PingAt.Before(turn) {
		turn = s.PingAt
	}
	if at := p.releaseAt(); s.Probed && at.Before(turn) {
		turn = at
	}
	return turn
}

// wait waits for a change, or for the time to read again.
func (p *poller) wait(ctx context.Context, changed <-chan struct{}, turn time.Time) {
	d := time.Until(turn)
	if changed == nil {
		d = min(d, p.reread)
		p.reread = min(2*p.reread, longestReread)
	}
	timer := time.NewTimer(max(d, time.Millisecond))
	defer timer.Stop()
	select {
	case <-changed:
	case <-timer.C:
	case <-ctx.Done():
	}
}
