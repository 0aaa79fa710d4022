package memstore

import (
	"context"

	"github.com/nonstick-io/nonstick/sessionstore"
)

// Deliver implements [sessionstore.Buffers].
func (s *Store) Deliver(ctx context.Context, id sessionstore.SessionID, packets []sessionstore.Packet,
	limits sessionstore.BufferLimits,
) error {
	return s.transition(ctx, sessionstore.OpDeliver, id, func(e *entry) bool {
		v := &e.session
		buffered := v.Transport == sessionstore.Polling ||
			v.Transport == sessionstore.WebSocket && v.Hold.Held() && limits.Number.Bears(v)
		return v.State == sessionstore.Open && buffered && e.fits(packets, limits) && limits.Takes(v) &&
			limits.Number.Meets(v)
	}, func(e *entry) {
		e.append(packets)
		e.number(limits.Number)
	})
}

func (e *entry) append(packets []sessionstore.Packet) {
	for _, p := range packets {
		p.Size = p.Bytes()
		e.bytes += p.Size
		e.session.Buffer = append(e.session.Buffer, p)
	}
}

// Enqueue implements [sessionstore.Flushes].
func (s *Store) Enqueue(ctx context.Context, id sessionstore.SessionID, packets []sessionstore.Packet,
	limits sessionstore.BufferLimits, hold sessionstore.Lease,
) (sessionstore.Session, error) {
	var after sessionstore.Session
	err := s.transition(ctx, sessionstore.OpEnqueue, id, func(e *entry) bool {
		v := &e.session
		serial := v.Transport == sessionstore.WebSocket && v.Serial || v.Transport == sessionstore.Outbox
		return v.State == sessionstore.Open && serial && e.fits(packets, limits) && limits.Takes(v) &&
			limits.Number.Meets(v)
	}, func(e *entry) {
		e.append(packets)
		e.number(limits.Number)
		if !e.session.Hold.Held() {
			e.session.Hold = hold
		}
		after = e.view()
	})
	return after, err
}

// fits is the negation of [sessionstore.BufferLimits.Exceeded] without a walk over the buffer.
func (e *entry) fits(packets []sessionstore.Packet, limits sessionstore.BufferLimits) bool {
	n := e.bytes
	for _, p := range packets {
		n += p.Bytes()
	}
	return len(e.session.Buffer)+len(packets) <= limits.Packets && n <= limits.Bytes
}

// acknowledge removes the given entries of the buffer. What is behind them stays where it is: readers may share it.
func (e *entry) acknowledge() {
	v := &e.session
	if v.Given >= len(v.Buffer) {
		e.clearBuffer()
		return
	}
	for _, p := range v.Buffer[:v.Given] {
		e.bytes -= p.Size
	}
	v.Buffer = v.Buffer[v.Given:]
	v.Given = 0
}

func (e *entry) clearBuffer() {
	e.session.Buffer, e.session.Given, e.bytes = nil, 0, 0
}

// Bodies implements [sessionstore.Buffers]. Every packet is whole already.
func (s *Store) Bodies(
	ctx context.Context, _ sessionstore.SessionID, packets []sessionstore.Packet,
) ([]sessionstore.Packet, error) {
	if err := sessionstore.NotSent(ctx); err != nil {
		return nil, err
	}
	return packets, nil
}

// asRead reports whether no GET was answered since read.
func (e *entry) asRead(read *sessionstore.Session) bool {
	v := &e.session
	return v.Transport == sessionstore.Polling && v.LastT == read.LastT && v.Given == read.Given
}

// Answer implements [sessionstore.Polls].
func (s *Store) Answer(ctx context.Context, r sessionstore.AnswerRequest) error {
	return s.transition(ctx, sessionstore.OpAnswer, r.Read.ID, func(e *entry) bool {
		return (e.session.State == sessionstore.Open || e.session.Drain) && e.asRead(r.Read)
	}, func(e *entry) {
		e.acknowledge()
		v := &e.session
		v.Given = min(r.Give, len(v.Buffer))
		v.LastT = r.T
		v.Poll = sessionstore.Poll{}
		v.Pinged = v.Pinged || r.Ping
		v.Drain = v.Drain && !r.EndDrain
	})
}

// Park implements [sessionstore.Polls].
func (s *Store) Park(ctx context.Context, r sessionstore.ParkRequest) error {
	return s.transition(ctx, sessionstore.OpPark, r.Read.ID, func(e *entry) bool {
		v := &e.session
		return v.State == sessionstore.Open && e.asRead(r.Read) && len(v.Buffer) == v.Given
	}, func(e *entry) {
		e.acknowledge()
		e.session.Poll = r.Poll
	})
}
