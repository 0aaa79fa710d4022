package gateway

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nonstick-io/nonstick/adapter"
	"github.com/nonstick-io/nonstick/gateway/engine"
	"github.com/nonstick-io/nonstick/gateway/engineio"
	"github.com/nonstick-io/nonstick/sessionstore"
)

// overtakePatience bounds the wait for a message that was sent before and is handled later.
const overtakePatience = time.Second

// Where messages of one WebSocket are handled at the same time ([Config.Unordered]), the header of a packet and its attachments
// meet in the store: whoever adds the last attachment handles the packet. Two attachments that overtake each other
// cannot be told apart, for nothing in them says which is which: API Gateway promises no order, and a client that sends
// several at once relies on luck there.

// unorderedHeader stores a packet that waits for attachments, behind one that waits already.
func (s protocol) unorderedHeader(ctx context.Context, inv *engine.Invocation, text string, want int) error {
	p := sessionstore.Partial{Header: text, Want: want, Deadline: time.Now().Add(partialTime)}
	err := overtaken(ctx, sessionstore.ErrExists, func() error { return s.store.PutPartial(ctx, inv.Session.ID, p) })
	if errors.Is(err, sessionstore.ErrExists) {
		return invalid(errors.New("a packet came before the attachments of the one before it"))
	}
	if err != nil {
		return fmt.Errorf("gateway: keep partial packet: %w", err)
	}
	return nil
}

// unorderedAttachment adds an attachment to the packet that waits, once that has come.
func (s protocol) unorderedAttachment(ctx context.Context, inv *engine.Invocation, data string) error {
	var p sessionstore.Partial
	err := overtaken(ctx, sessionstore.ErrNotFound, func() (err error) {
		p, err = s.store.AddAttachments(ctx, inv.Session.ID, []string{engineio.EncodeBinary([]byte(data))})
		return err
	})
	switch {
	case errors.Is(err, sessionstore.ErrNotFound):
		return invalid(errors.New("an attachment came without its packet"))
	case err != nil:
		return fmt.Errorf("gateway: keep partial packet: %w", err)
	case time.Now().After(p.Deadline):
		return invalid(errors.New("the attachments of a packet took too long"))
	case p.Bytes() > 2*s.maxPayload: // base64 takes a third more
		return invalid(fmt.Errorf("a packet with its attachments is above %d bytes", s.maxPayload))
	case len(p.Attachments) < p.Want:
		return nil
	}
	packet, err := s.assemble(&p)
	if err != nil {
		return invalid(err)
	}
	if err := s.store.DeletePartial(ctx, inv.Session.ID); err != nil {
		return fmt.Errorf("gateway: packet complete: %w", err)
	}
	return s.packet(ctx, inv, packet)
}

// overtaken repeats a call while it fails for what another message of the connection has yet to do.
func overtaken(ctx context.Context, not error, call func() error) error {
	pause := adapter.NewPause()
	for end := time.Now().Add(overtakePatience); ; pause.Wait(ctx) {
		err := call()
		if !errors.Is(err, not) || time.Now().After(end) || ctx.Err() != nil {
			return err
		}
	}
}
