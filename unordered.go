package nonstick

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"github.com/nonstick-io/nonstick/adapter"
	"github.com/nonstick-io/nonstick/adapter/delivery"
	"github.com/nonstick-io/nonstick/gateway/engine"
	"github.com/nonstick-io/nonstick/internal/engineio"
	"github.com/nonstick-io/nonstick/sessionstore"
)

// Where messages of one WebSocket are handled at the same time ([Config.Unordered]), nothing in an attachment says
// which packet it is of, or which of several it is. So one packet with one attachment may be under way at a time;
// whatever shows that there were more ends the connection, and no handler gets any of it. It shows if it comes within
// engine.Lateness: for so long a packet that is complete waits before it is handled.

// unclear is the end of a connection whose frames do not tell what belongs together.
func unclear(format string, args ...any) error {
	return &engine.CloseError{Reason: delivery.ReasonOutOfOrder, Cause: fmt.Errorf(format, args...)}
}

// unorderedHeader stores a packet that waits for its attachment.
func (s protocol) unorderedHeader(ctx context.Context, inv *engine.Invocation, text string, want int) error {
	if want > 1 {
		return unclear("a packet with %d attachments: without an order nothing tells which is which", want)
	}
	p := sessionstore.Partial{
		Want: want, Deadline: time.Now().Add(partialTime), Packets: []sessionstore.Packet{framesOf([]string{text})},
	}
	err := s.store.PutPartial(ctx, inv.ID(), p, time.Now())
	if errors.Is(err, sessionstore.ErrExists) {
		return unclear(
			"two packets with attachments at a time: without an order nothing tells which packet an attachment belongs to",
		)
	}
	if err != nil {
		return fmt.Errorf("nonstick: keep partial packet: %w", err)
	}
	return nil
}

// unorderedAttachment completes the packet that waits, once that has come. The attachment itself is not stored.
func (s protocol) unorderedAttachment(ctx context.Context, inv *engine.Invocation, data string) error {
	if len(data) > s.maxPacket() {
		return invalid(fmt.Errorf("a packet with its attachments is above %d bytes", s.maxPayload))
	}
	p, err := s.store.CountAttachment(ctx, inv.ID(), time.Now())
	if errors.Is(err, sessionstore.ErrNotFound) {
		if _, err := s.engine.Overtaken(
			ctx, inv.ID(), engine.WaitHeader, engine.Lateness,
			func(now *sessionstore.Session) bool { return now.Partial != nil },
		); err != nil {
			return unclear("an attachment came without its packet: %w", err)
		}
		p, err = s.store.CountAttachment(ctx, inv.ID(), time.Now())
	}
	switch {
	case errors.Is(err, sessionstore.ErrSpoilt), errors.Is(err, sessionstore.ErrNotFound):
		return unclear("more attachments than the packet that waits for them wants: nothing tells which are its own")
	case err != nil:
		return fmt.Errorf("nonstick: count attachment: %w", err)
	case p.Count < p.Want:
		return unclear("one of several attachments: without an order nothing tells which")
	}
	return s.settle(ctx, inv, p, engineio.EncodeBinary([]byte(data)))
}

// settle handles a packet that is complete, unless something comes that might have belonged to it.
func (s protocol) settle(ctx context.Context, inv *engine.Invocation, p sessionstore.Partial, last string) error {
	kept, err := s.store.Bodies(ctx, inv.ID(), p.Packets)
	if err != nil {
		return fmt.Errorf("nonstick: read partial packet: %w", err)
	}
	t := time.NewTimer(engine.Lateness)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
		return fmt.Errorf("nonstick: wait for what might belong to a packet: %w", ctx.Err())
	}
	err = s.store.TakePartial(ctx, inv.ID(), p)
	if errors.Is(err, sessionstore.ErrNotFound) {
		return unclear(
			"another packet or attachment came before a packet was handled: nothing tells what belongs to which",
		)
	}
	if err != nil {
		return fmt.Errorf("nonstick: take packet: %w", err)
	}
	now, err := s.store.Get(ctx, inv.ID(), time.Now())
	if err != nil {
		return fmt.Errorf("nonstick: packet complete: %w", err)
	}
	if now.State != sessionstore.Open {
		return &engine.CloseError{
			Reason: now.Reason, Cause: errors.New("the session closed before a packet was handled"),
		}
	}
	inv.Reread(now)
	var all []string
	for _, k := range kept {
		all = append(all, k.Frames...)
	}
	packet, err := adapter.Assemble(append(all, last), s.packets)
	if err != nil {
		return invalid(err)
	}
	return s.packet(ctx, inv, packet)
}

// leftFor is how long it is known that a namespace has been left: what its client sent before that may come so much
// later.
const leftFor = 30 * time.Second

// leftClaim names the mark of a namespace that was left. Names of namespaces may be as long as a claim's.
func leftClaim(id sessionstore.SessionID, nsp sessionstore.Namespace) string {
	sum := sha256.Sum256([]byte(nsp))
	return "gone/" + string(id) + "/" + hex.EncodeToString(sum[:8])
}

// markLeft notes that a namespace is being left, where what was sent before may be handled after it.
func (s *Server) markLeft(ctx context.Context, id sessionstore.SessionID, nsp sessionstore.Namespace) error {
	if !s.unordered {
		return nil
	}
	now := time.Now()
	lease := sessionstore.Lease{Owner: sessionstore.Owner(id), Until: now.Add(leftFor)}
	if err := s.store.Claim(ctx, leftClaim(id, nsp), lease, "", now); err != nil {
		return fmt.Errorf("nonstick: leave: %w", err)
	}
	return nil
}

// justLeft reports whether a session has left a namespace a moment ago.
func (s *Server) justLeft(ctx context.Context, id sessionstore.SessionID, nsp sessionstore.Namespace) (bool, error) {
	return s.held(ctx, leftClaim(id, nsp))
}

// held reports whether the lease of a name has an owner. It takes it for a time that is over, by the clock of a slow
// instance too: what is held refuses that.
func (s *Server) held(ctx context.Context, name string) (bool, error) {
	now := time.Now()
	err := s.store.Claim(
		ctx, name,
		sessionstore.Lease{Owner: sessionstore.Owner(sessionstore.NewID()), Until: now.Add(-delivery.LeaseMargin)}, "",
		now,
	)
	switch {
	case errors.Is(err, sessionstore.ErrExists):
		return true, nil
	case err != nil:
		return false, fmt.Errorf("nonstick: look for a claim: %w", err)
	}
	return false, nil
}

// twice is the end of a session whose client connects to what it has joined.
func twice(nsp sessionstore.Namespace) error {
	return violation("a client connected to %q twice", string(nsp))
}

// vacate sees to it that a namespace that CONNECT found joined is free: the DISCONNECT before it is being handled, or
// has been overtaken. If it does not become free, the client is refused, and told so.
func (s *Server) vacate(ctx context.Context, inv *engine.Invocation, row sessionstore.Socket) (free bool, err error) {
	if !s.unordered || !inv.OnWebSocket() {
		return false, twice(row.Namespace)
	}
	gone := func(now *sessionstore.Session) bool {
		k, _ := now.Socket(row.Namespace)
		return k.ID != row.ID
	}
	now, err := s.engine.Overtaken(ctx, inv.ID(), engine.WaitLeave, engine.Lateness, gone)
	if errors.Is(err, engine.ErrNeverCame) {
		now, err = s.store.Get(ctx, inv.ID(), time.Now())
		if err != nil {
			return false, fmt.Errorf("nonstick: connect: %w", err)
		}
		if now.State != sessionstore.Open { // a client that is refused does not come back, one that is cut off does
			return false, closedMeanwhile()
		}
		k, _ := now.Socket(row.Namespace)
		if k.ID != row.ID {
			inv.Reread(now)
			return true, nil
		}
		err = engine.ErrNeverCame
		if k.Leaving.Held() { // its disconnect handler takes long
			now, err = s.engine.Overtaken(ctx, inv.ID(), engine.WaitLeave, leavePatience, gone)
		}
	}
	switch {
	case err == nil:
		inv.Reread(now)
		return true, nil
	case errors.Is(err, engine.ErrCrowded), errors.Is(err, engine.ErrNeverCame):
		s.log.WarnContext(
			ctx, "CONNECT refused: the namespace is joined", "session", engine.NameInLog(inv.ID()), "nsp",
			string(row.Namespace), "error", err,
		)
		return false, s.refuse(ctx, inv, string(row.Namespace), errStillLeaving)
	default:
		return false, err
	}
}

// leavePatience bounds the wait for a namespace whose disconnect handler is running.
const leavePatience = 20 * time.Second
