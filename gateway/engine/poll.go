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
	"github.com/nonstick-io/nonstick/internal/protocol"
	"github.com/nonstick-io/nonstick/sessionstore"
)

// What one answer to a GET may carry: each entry may be stored apart, and is a read unit then at least; and a
// Lambda's answer has 6 MB, of which base64 takes a quarter. The bytes are those of the answer, with its separators.
const (
	maxAnswerPackets = 400
	maxAnswerBytes   = 4 << 20
)

// LeastPollPace is the first wait of a parked GET on a store that cannot tell of changes. Each is twice as long as the
// one before, up to [Options.PollPace].
const LeastPollPace = 25 * time.Millisecond

// A GET that gathers answers once nothing has come for gatherPace, and after gatherMost at the latest.
const (
	gatherPace = 2 * time.Millisecond
	gatherMost = 30 * time.Millisecond
	// gatherParked is how many entries are a burst to a GET that was parked. What a handler emits, to two or three
	// rooms, is none, and is not held up.
	gatherParked = 4
)

// pollTries is how often a GET reads because a write of its own was refused or in doubt.
const pollTries = 100

// Poll serves a GET of a session: it answers what is in the buffer, or parks until something is to be said. t is the
// client's cache buster, of any length and form. Where it names the GET (engineio.Unique, and not the handshake's), a
// repetition by a proxy gets the same answer; else each call is a GET of its own.
//
// Errors are of the catalogue in package engineio, or the store's.
func (e *Engine) Poll(ctx context.Context, id sessionstore.SessionID, t string) (string, error) {
	return e.PollAs(ctx, id, t, Client{})
}

// PollAs is Poll for what the request says of its client: [engineio.ErrVersion] for one of another version than the
// session's. The answer is written as the session's codec has it.
func (e *Engine) PollAs(ctx context.Context, id sessionstore.SessionID, t string, from Client) (string, error) {
	now := time.Now()
	p := &poller{
		e: e, id: id, from: from, sent: t, began: now, deadline: e.pollDeadline(ctx, now), reread: LeastPollPace,
	}
	if e.hinter != nil {
		heard, stop := e.hinter.Hint(id)
		defer stop()
		p.heard = heard
	}
	tries := again.Times(pollTries)
	for tries.Next(ctx) {
		payload, err := p.until(ctx)
		if errors.Is(err, errAgain) && errors.Is(p.cause, sessionstore.ErrConflict) {
			payload, err = p.until(ctx) // with no pause: what it waits for may have come between its read and its write
		}
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
	from     Client
	sent     string // the client's cache buster
	t        string // names the GET, once the session has been read
	began    time.Time
	deadline time.Time
	parked   bool
	unprobed bool   // it has read the session before a probe
	found    string // the GET that had been answered last when this one first read the session
	reread   time.Duration
	heard    <-chan struct{} // that the session may have changed; nil if the store gives no hints
	gathered bool            // it has waited for more than it had found
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
		if p.t == "" {
			p.t, p.found = p.name(ctx, s.OpenedT), s.LastT
		}
		if err := p.more(ctx, &s); err != nil {
			return "", p.again(err)
		}
		g := p.state(&s, time.Now())
		action := p.e.rules.Get(g)
		if !p.from.ofVersion(&s) && action.Do != protocol.GetUnknown {
			return "", engineio.ErrVersion
		}
		if action.Do == protocol.GetGive && p.gathers(&s) && p.gather(ctx, changed) {
			continue
		}
		payload, done, err := p.act(ctx, g, action)
		if done || err != nil {
			return payload, err
		}
		p.wait(ctx, changed, p.state(&s, g.Now).Turn())
		if ctx.Err() != nil { // the platform's time is up: what is left of it is for the answer
			var cancel context.CancelFunc
			ctx, cancel = context.WithTimeout(context.WithoutCancel(ctx), answerTime)
			defer cancel()
			p.deadline = time.Time{}
		}
	}
}

// more brings what history the client has yet to get, once it has fetched all that waited, and reads the session again.
// A copy of a GET that was answered asks for no more.
func (p *poller) more(ctx context.Context, s *sessionstore.Session) error {
	if s.State != sessionstore.Open || s.Transport != sessionstore.Polling || len(s.Pending()) > 0 ||
		s.LastT != p.found || s.LastT == p.t || len(s.RewindsLeft()) == 0 {
		return nil
	}
	if err := p.e.delivery.More(ctx, s); err != nil {
		return err
	}
	now, err := p.e.store.Get(ctx, p.id, time.Now())
	if err == nil {
		*s = now
	}
	return err
}

// name returns what names the GET: what the client sent, or a token.
func (p *poller) name(ctx context.Context, opened string) string {
	if p.e.rules.Names(p.sent, opened, p.began) {
		return p.sent
	}
	return ids.New(ctx)
}

// state is what decides about the GET.
func (p *poller) state(s *sessionstore.Session, now time.Time) protocol.GetState {
	return protocol.GetState{
		Session: s, T: p.t, Began: p.began, Deadline: p.deadline, Parked: p.parked, Unprobed: p.unprobed,
		Passed: p.passed(s), ClientClosed: s.Reason == delivery.ReasonTransportClose,
		PingTimeout: p.e.opts.PingTimeout, Now: now,
	}
}

// passed reports whether another GET was answered since this one first read the session: then a proxy has sent this one
// twice, and the client, which has its answer, hears nothing more of it.
func (p *poller) passed(s *sessionstore.Session) bool { return s.LastT != p.found && s.LastT != p.t }

// act does what the session as read asks of this GET; it is not done if the GET is parked and goes on waiting.
func (p *poller) act(
	ctx context.Context, g protocol.GetState, action protocol.GetAction,
) (payload string, done bool, err error) {
	s := g.Session
	answer := sessionstore.AnswerRequest{Read: s, T: p.t, Ping: action.Say == engineio.PingFrame}
	switch action.Do {
	case protocol.GetUnknown:
		err = engineio.ErrUnknownSession
	case protocol.GetBad:
		err = engineio.ErrBadRequest
	case protocol.GetOverlap:
		err = engineio.ErrOverlap
	case protocol.GetCloseOverlap:
		err = p.overlap(ctx)
	case protocol.GetTimeOut:
		if err = p.e.pollTimeout(ctx, s); err == nil {
			err = p.again(sessionstore.ErrConflict) // what it is now, the next reading tells
		}
	case protocol.GetTell:
		payload = said(s, action.Say)
	case protocol.GetRepeat:
		payload, err = p.given(ctx, s)
	case protocol.GetAnswer:
		payload, err = said(s, action.Say), p.answer(ctx, answer)
	case protocol.GetEndDrain:
		answer.EndDrain = true
		payload, err = said(s, action.Say), p.answer(ctx, answer)
	case protocol.GetGive:
		payload, err = p.give(ctx, s)
	case protocol.GetPark, protocol.GetWait:
		p.unprobed = p.unprobed || !g.Probing()
		if action.Do == protocol.GetPark {
			err = p.park(ctx, s)
		}
		return "", false, err
	}
	return payload, true, err
}

// gathers reports whether the GET waits for more before it takes what it has found. A GET that comes while broadcasts
// follow each other finds several entries, and one that was parked does so if many came while it woke. If it took them
// at once, its client would be back for the next few, and a burst would cost each client dozens of requests. So it
// waits as long as more comes, for gatherMost at most, and not much longer: all clients wait for the end of the burst.
// It does that once, and only where reading costs nothing.
func (p *poller) gathers(s *sessionstore.Session) bool {
	least := 2
	if p.parked {
		least = gatherParked
	}
	n := len(s.Pending())
	return p.e.immediate && !p.gathered && n >= least && n < maxAnswerPackets
}

// gather waits while the session changes, and reports whether it has.
func (p *poller) gather(ctx context.Context, changed <-chan struct{}) (more bool) {
	p.gathered = true
	pace := time.NewTicker(gatherPace)
	defer pace.Stop()
	for range gatherMost / gatherPace {
		select {
		case <-pace.C:
		case <-ctx.Done():
			return more
		}
		select {
		case <-changed:
		default:
			return more
		}
		more, changed = true, p.e.waker.Changed(p.id)
	}
	return more
}

// overlap closes a session whose client has two GETs open.
func (p *poller) overlap(ctx context.Context) error {
	if err := p.e.FailFor(ctx, p.id, delivery.ReasonTransportError, engineio.ErrOverlap.Message); err != nil {
		return fmt.Errorf("engine: overlapping polls: %w", err)
	}
	return engineio.ErrOverlap
}

// give answers with the longest prefix of what is pending that fits.
func (p *poller) give(ctx context.Context, s *sessionstore.Session) (string, error) {
	whole, err := p.e.store.Bodies(ctx, p.id, p.fitting(s.Pending()))
	if err != nil {
		return "", p.again(err)
	}
	whole = p.fitting(whole) // now that it is known how many frames they are
	return encoded(s, whole), p.answer(ctx, sessionstore.AnswerRequest{Read: s, T: p.t, Give: len(whole)})
}

// fitting returns the longest prefix of packets that one answer may carry, but at least one.
func (p *poller) fitting(packets []sessionstore.Packet) []sessionstore.Packet {
	bytes := 0
	for n, q := range packets {
		bytes += q.Bytes() + max(len(q.Frames), 1)
		if n > 0 && bytes > p.from.maxAnswer() || n == maxAnswerPackets {
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
	return encoded(s, packets), nil
}

func encoded(s *sessionstore.Session, packets []sessionstore.Packet) string {
	frames := make([]string, 0, len(packets))
	for _, q := range packets {
		frames = append(frames, q.Frames...)
	}
	return engineio.Codec(s.Codec).EncodePayload(frames)
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

// wait waits for a change, or for the time to read again.
func (p *poller) wait(ctx context.Context, changed <-chan struct{}, turn time.Time) {
	d := time.Until(turn)
	if changed == nil {
		d = min(d, p.reread)
		p.reread = min(2*p.reread, p.e.opts.PollPace)
	}
	timer := time.NewTimer(max(d, time.Millisecond))
	defer timer.Stop()
	select {
	case <-changed:
	case <-p.heard:
	case <-timer.C:
	case <-ctx.Done():
	}
}
