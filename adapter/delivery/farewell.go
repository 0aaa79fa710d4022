package delivery

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/nonstick-io/nonstick/internal/again"
	"github.com/nonstick-io/nonstick/internal/protocol"
	"github.com/nonstick-io/nonstick/sessionstore"
)

const (
	// farewellTime bounds the wait for what another caller is pushing.
	farewellTime = 2 * time.Second
	// farewell is the number of a carrier that polls and has got the last that it gets of an outbox.
	farewell = math.MaxInt32
)

// untold says of a session why it is closed: because [Delivery.Farewell] could not tell its client, for an error of the
// store or, if there is none but a refusal, because the client takes nothing.
func untold(err error) string {
	if _, refused := sessionstore.Current(err); err == nil || refused {
		return "its client takes nothing, and is to leave"
	}
	return "its client could not be told to leave: " + err.Error()
}

// Farewell brings the last packet of an outbox to the session that carries it. What was appended before it goes before
// it, also where another caller pushes that. What is appended behind it waits in the outbox: a client that is told to
// leave, and connects again over the same connection at once, would take it for what its next socket gets.
//
// Farewell returns the outbox as it is by now. If its carrier is still the one that was given, the caller closes the
// outbox, on condition of that carrier. If it is another session, or none, that has not been told. Why is empty if the
// client was told. Else it takes nothing for two seconds, or may not have the packet: then the caller closes the
// session too, and why is what there is to say of it.
func (d *Delivery) Farewell(
	ctx context.Context, outbox, carrier sessionstore.SessionID, p sessionstore.Packet,
) (now sessionstore.Session, why string, err error) {
	if err := d.lead(ctx, outbox); err != nil && !errors.Is(err, ErrClosed) {
		return now, "", err
	}
	d = d.patient()
	p.Once = true // it is for this session alone: a carrier behind it does not get it with what is sent again
	packets := []sessionstore.Packet{p}
	for tries := again.Until(time.Now().Add(farewellTime)); tries.Next(ctx); {
		hold, limits := NewHold(), d.limits.Buffer
		limits.IfTaken = time.Now() // which is when the hold is free
		now, err = d.store.Enqueue(ctx, outbox, packets, limits, hold)
		cur, refused := sessionstore.Current(err)
		switch {
		case err == nil:
			why, err = d.farewell(ctx, now, carrier, hold, p)
			return now, why, err
		case errors.Is(err, sessionstore.ErrNotFound):
			return sessionstore.Session{ID: outbox, State: sessionstore.Closed}, "", nil
		case refused:
			done, why, err := d.farewellHeld(ctx, &cur, carrier, p)
			if now = cur; done || err != nil {
				return now, why, err
			}
		case sessionstore.InDoubt(err): // the client comes back, or learns that its session is over
			why = untold(err)
			now, err = d.readAgain(context.WithoutCancel(ctx), outbox)
			return now, why, err
		}
	}
	if err != nil && now.ID == "" {
		return now, "", fmt.Errorf("farewell: %w", err)
	}
	return now, untold(err), nil
}

// farewell pushes all up to the last packet, for the owner of the hold, who keeps it. If the carrier is another by now,
// that does not get it, and the hold is given back.
func (d *Delivery) farewell(
	ctx context.Context, s sessionstore.Session, carrier sessionstore.SessionID, hold sessionstore.Lease,
	p sessionstore.Packet,
) (why string, err error) {
	f := d.outboxPusher(&s, hold)
	if s.Carrier != carrier {
		_, err := f.run(ctx, s, s.Given, 0)
		return untold(nil), err
	}
	f.last = p.ID
	if lost, err := f.entries(ctx, &s, s.Given, 0); lost || err != nil {
		return untold(err), err
	}
	return "", nil
}

// farewellHeld is Farewell where an outbox refuses the packet, because it has a hold or is closed. It is not done if
// another caller pushes.
func (d *Delivery) farewellHeld(
	ctx context.Context, s *sessionstore.Session, carrier sessionstore.SessionID, p sessionstore.Packet,
) (done bool, why string, err error) {
	if s.State != sessionstore.Open || s.Carrier != carrier {
		return true, untold(nil), nil
	}
	switch d.rules.Carry(s.Hold, "", time.Now()) {
	case protocol.CarryCloseDead:
		return true, untold(nil), d.closeCarrier(ctx, *s, ReasonTransportError, diedInDelivery)
	case protocol.CarryNumber:
		return d.farewellByNumber(ctx, *s, p)
	case protocol.CarryDone:
		return false, "", nil
	default: // it has no hold, and is full
		return true, untold(nil), nil
	}
}

// farewellByNumber appends to the buffer of a carrier that polls: what it has not got, up to a rewind that it has not
// got whole, and the last packet. It is not done if the carrier is on WebSocket by now.
func (d *Delivery) farewellByNumber(
	ctx context.Context, s sessionstore.Session, p sessionstore.Packet,
) (done bool, why string, err error) {
	has, part := s.Seq(), 0
	for tries := again.Times(storeTries); tries.Next(ctx); {
		limits := d.limits.Buffer
		limits.Number = sessionstore.Number{
			Outbox: s.ID, From: has, To: farewell, First: s.Moves == 0 && has == 0, PartFrom: part,
		}
		var packets []sessionstore.Packet
		if packets, _, err = d.numbered(ctx, &s, has); err != nil {
			continue
		}
		err = d.store.Deliver(ctx, s.Carrier, join(joined(packets), p.ID, p.Frames), limits)
		cur, _ := sessionstore.Current(err)
		switch action, got := d.rules.Numbered(err, &s, limits.Number); action {
		case protocol.NumberDone:
			return true, "", nil
		case protocol.NumberBehind:
			has, part = got, cur.Numbers[s.ID.Part()]
		case protocol.NumberSwitch:
			return false, "", d.follow(ctx, s, cur, NewHold())
		case protocol.NumberLeave: // the caller that recovers the outbox is about to bring the first
			return false, "", nil
		case protocol.NumberRepeat:
		default:
			return true, untold(err), nil
		}
	}
	return true, untold(err), nil
}
