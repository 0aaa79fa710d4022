package nonstick

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nonstick-io/nonstick/adapter"
	"github.com/nonstick-io/nonstick/adapter/delivery"
	"github.com/nonstick-io/nonstick/gateway/engine"
	"github.com/nonstick-io/nonstick/internal/engineio"
	"github.com/nonstick-io/nonstick/internal/socketio"
	"github.com/nonstick-io/nonstick/sessionstore"
)

// partialTime is how long the attachments of a packet may take to come.
const partialTime = 30 * time.Second

// header begins a packet that waits for attachments.
func (s protocol) header(inv *engine.Invocation, text string, want int) error {
	if want > sessionstore.MaxPartialWant {
		return invalid(fmt.Errorf("a packet announced %d attachments", want))
	}
	inv.Incoming = &engine.Incoming{Want: want, Deadline: time.Now().Add(partialTime), New: []string{text}}
	return nil
}

// attachment adds one attachment to the packet that waits for it, and handles the packet with its last one.
func (s protocol) attachment(ctx context.Context, inv *engine.Invocation, data string) error {
	in := inv.Incoming
	switch {
	case in == nil:
		return invalid(socketio.ErrNotText)
	case time.Now().After(in.Deadline):
		return invalid(errors.New("the attachments of a packet took too long"))
	case in.Bytes()+len(data) > s.maxPacket():
		return invalid(fmt.Errorf("a packet with its attachments is above %d bytes", s.maxPayload))
	}
	in.New = append(in.New, engineio.EncodeBinary([]byte(data)))
	if in.Count() < in.Want {
		return nil
	}
	inv.Incoming = nil
	all, err := s.whole(ctx, inv.ID(), in)
	if err != nil {
		return err
	}
	packet, err := adapter.Assemble(all, s.packets)
	if err != nil {
		return invalid(err)
	}
	return s.packet(ctx, inv, packet)
}

// maxPacket bounds the bytes of a packet with its attachments: base64 takes a third more.
func (s *Server) maxPacket() int { return min(2*s.maxPayload, sessionstore.MaxPartialBytes) }

// whole returns the frames of a packet of which everything has come, and takes it from the store.
func (s protocol) whole(ctx context.Context, id sessionstore.SessionID, in *engine.Incoming) ([]string, error) {
	if in.Stored == nil {
		return in.New, nil
	}
	kept, err := s.store.Bodies(ctx, id, in.Stored.Packets)
	if err != nil {
		return nil, fmt.Errorf("nonstick: read partial packet: %w", err)
	}
	if err := s.store.TakePartial(ctx, id, *in.Stored); err != nil {
		return nil, fmt.Errorf("nonstick: packet complete: %w", err)
	}
	var all []string
	for _, p := range kept {
		all = append(all, p.Frames...)
	}
	return append(all, in.New...), nil
}

// Done stores a packet whose attachments have not all come with this request, and tells a client that the server
// disconnects: one that is told does not come back by itself.
func (s protocol) Done(ctx context.Context, inv *engine.Invocation) error {
	defer inv.Told.End(ctx)
	if inv.Reason() == delivery.ReasonServerDisconnect {
		if err := s.tellAll(ctx, inv); err != nil {
			return err
		}
	}
	in := inv.Incoming
	if in == nil || len(in.New) == 0 || inv.Closing() {
		return nil
	}
	return s.keep(ctx, inv.ID(), in)
}

// tellAll tells all sockets of a session that they have to leave.
func (s protocol) tellAll(ctx context.Context, inv *engine.Invocation) error {
	for _, k := range inv.Session().Sockets {
		home := k.Home()
		if home.Session.IsOutbox() {
			if _, err := s.tellToLeave(ctx, inv, &home); err != nil {
				return err
			}
			continue
		}
		to := delivery.Target{Session: home.Session}
		if _, err := inv.Deliver(ctx, to, []sessionstore.Packet{s.bye(ctx, &home)}); err != nil {
			return err
		}
	}
	return nil
}

// keep stores what has come of a packet.
func (s protocol) keep(ctx context.Context, id sessionstore.SessionID, in *engine.Incoming) error {
	var err error
	if in.Stored != nil {
		_, err = s.store.AddAttachments(ctx, id, *in.Stored, framesOf(in.New))
	} else {
		p := sessionstore.Partial{
			Want: in.Want, Count: in.Count(), Deadline: in.Deadline,
			Packets: []sessionstore.Packet{framesOf(in.New[:1])},
		}
		if len(in.New) > 1 {
			p.Packets = append(p.Packets, framesOf(in.New[1:]))
		}
		err = s.store.PutPartial(ctx, id, p, time.Now())
	}
	if err != nil {
		return fmt.Errorf("nonstick: keep partial packet: %w", err)
	}
	return nil
}

// framesOf returns frames as the store keeps them.
func framesOf(frames []string) sessionstore.Packet {
	return sessionstore.Packet{ID: sessionstore.PacketID(sessionstore.NewID()), Frames: frames}
}
