package gateway

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/nonstick-io/nonstick/adapter"
	"github.com/nonstick-io/nonstick/gateway/engine"
	"github.com/nonstick-io/nonstick/gateway/engineio"
	"github.com/nonstick-io/nonstick/gateway/socketio"
	"github.com/nonstick-io/nonstick/sessionstore"
)

// partialTime is how long the attachments of a packet may take to come.
const partialTime = 30 * time.Second

// attachment adds one attachment to the packet that waits for it, and handles the packet with its last one.
func (s protocol) attachment(ctx context.Context, inv *engine.Invocation, data string) error {
	p := inv.Session.Partial
	switch {
	case p == nil:
		return invalid(errors.New("an attachment came without its packet"))
	case time.Now().After(p.Deadline):
		return invalid(errors.New("the attachments of a packet took too long"))
	case p.Bytes()+len(data) > 2*s.maxPayload: // base64 takes a third more
		return invalid(fmt.Errorf("a packet with its attachments is above %d bytes", s.maxPayload))
	}
	next := *p // what was read is shared
	next.Attachments = append(slices.Clip(p.Attachments), engineio.EncodeBinary([]byte(data)))
	inv.Session.Partial = &next
	if len(next.Attachments) < next.Want {
		return nil
	}
	inv.Session.Partial = nil
	packet, err := s.assemble(&next)
	if err != nil {
		return invalid(err)
	}
	if inv.PartialStored >= 0 {
		inv.PartialStored = -1
		if err := s.store.DeletePartial(ctx, inv.Session.ID); err != nil {
			return fmt.Errorf("gateway: packet complete: %w", err)
		}
	}
	return s.packet(ctx, inv, packet)
}

// assemble decodes a packet whose attachments have all come.
func (s *Server) assemble(p *sessionstore.Partial) (socketio.Packet, error) {
	packet, _, err := socketio.Decode(p.Header, s.packets)
	if err != nil {
		return packet, err
	}
	packet.Attachments = make([][]byte, len(p.Attachments))
	for i, a := range p.Attachments {
		frame, err := engineio.Decode(a)
		if err != nil {
			return packet, err
		}
		packet.Attachments[i] = []byte(frame.Data)
	}
	return packet, nil
}

// Done stores a packet whose attachments have not all come with this request, and tells a client that the server
// disconnects: one that is told does not come back by itself.
func (s protocol) Done(ctx context.Context, inv *engine.Invocation) error {
	if inv.Reason() == adapter.ReasonServerDisconnect {
		for _, k := range inv.Session.Sockets {
			if err := bye(ctx, inv, k.Namespace); err != nil {
				return err
			}
		}
	}
	p := inv.Session.Partial
	if p == nil || len(p.Attachments) == inv.PartialStored {
		return nil
	}
	var err error
	if inv.PartialStored < 0 {
		err = s.store.PutPartial(ctx, inv.Session.ID, *p)
	} else {
		_, err = s.store.AddAttachments(ctx, inv.Session.ID, p.Attachments[inv.PartialStored:])
	}
	if err != nil {
		return fmt.Errorf("gateway: keep partial packet: %w", err)
	}
	return nil
}
