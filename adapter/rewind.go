package adapter

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nonstick-io/nonstick/adapter/delivery"
	"github.com/nonstick-io/nonstick/internal/again"
	"github.com/nonstick-io/nonstick/sessionstore"
)

// Rewind is how much of a room's history a socket gets that joins the room.
type Rewind struct {
	// Events is the most events, the last ones; 0 for as many as are kept.
	Events int
	// Within is how long ago they may have been emitted; 0 for as long as they are kept.
	Within time.Duration
}

// JoinRewind puts a recoverable socket into a room and sends it the room's last events, then live ones: none is missing
// between them, and none comes twice. If it is in the room already, nothing is sent. After an error this call has not
// put it into the room; or it has ended ([delivery.ErrClosed]).
func (a *Adapter) JoinRewind(
	ctx context.Context, k sessionstore.Socket, room sessionstore.Room, r Rewind, keep sessionstore.Keeping,
) error {
	var err error
	for range historyTries {
		switch m, read := a.roomMember(ctx, k.Namespace, room, k.ID); {
		case errors.Is(read, sessionstore.ErrNotFound):
		case read != nil:
			return fmt.Errorf("join with history: %w", read)
		case !m.Joining.Held():
			return nil
		default: // another handler of this socket is at it, or was
			p := &Packet{history: []logged{{room, 1}}}
			if _, err := a.seam(ctx, k.Namespace, p, m); !errors.Is(err, errLeft) {
				return err
			}
		}
		if err = a.joinRewind(ctx, k, room, r, keep); !errors.Is(err, sessionstore.ErrExists) {
			return err
		}
	}
	return err
}

// joinRewind is JoinRewind of a socket that is not in the room. ErrExists if another caller has it join.
func (a *Adapter) joinRewind(
	ctx context.Context, k sessionstore.Socket, room sessionstore.Room, r Rewind, keep sessionstore.Keeping,
) error {
	joining := sessionstore.Lease{
		Owner: sessionstore.Owner(sessionstore.NewID()), Until: time.Now().Add(joinTime),
	}
	err := a.store.JoinLater(ctx, k, room, joining, a.delivery.Limits().Socket)
	if err != nil && !sessionstore.InDoubt(err) {
		return err
	}
	last := 0
	if err == nil {
		last, err = a.rewind(ctx, k, room, r, keep)
	}
	if err != nil {
		return errors.Join(err, a.takeBack(ctx, k, room))
	}
	return a.joined(ctx, k, room, joining.Owner, last)
}

// takeBack takes a socket out of a room that it could not join. If that fails, a broadcast that meets its row ends it.
func (a *Adapter) takeBack(ctx context.Context, k sessionstore.Socket, room sessionstore.Room) error {
	ctx = context.WithoutCancel(ctx)
	var err error
	for tries := again.Times(historyTries); tries.Next(ctx); {
		if err = a.store.Leave(ctx, k, room); err == nil {
			return nil
		}
	}
	return fmt.Errorf("take back a join: %w", err)
}

// rewind sends a socket what it gets of a history. It returns the number of the last event that belongs to that: those
// behind it are live. The row of the socket is there: so what the history does not have yet meets it.
func (a *Adapter) rewind(
	ctx context.Context, k sessionstore.Socket, room sessionstore.Room, r Rewind, keep sessionstore.Keeping,
) (int, error) {
	h, err := readAgain(ctx, func() (sessionstore.History, error) { return a.store.History(ctx, k.Namespace, room) })
	if err != nil {
		return 0, err
	}
	if err := a.mark(ctx, k, room, keep, h); err != nil {
		return 0, err
	}
	if h.Last == 0 {
		return 0, nil
	}
	from := max(h.First-1, h.Last-keep.Events)
	if r.Events > 0 {
		from = max(from, h.Last-r.Events)
	}
	within := keep.For
	if r.Within > 0 {
		within = min(within, r.Within)
	}
	if since := time.Now().Add(-within); from < h.Last && h.Begun.Before(since) {
		first, err := readAgain(ctx, func() (int, error) {
			return a.store.Since(ctx, k.Namespace, room, from, h.Last, since)
		})
		if err != nil {
			return 0, err
		}
		from = first - 1
	}
	if from >= h.Last {
		return h.Last, nil
	}
	entry := sessionstore.Packet{
		ID: sessionstore.PacketID(sessionstore.NewID()), Frames: []string{},
		Rewind: &sessionstore.Rewind{
			Namespace: k.Namespace, Room: room, Socket: k.ID, From: from, To: h.Last, Binary: a.parser.Whole(),
		},
	}
	_, err = a.delivery.Deliver(ctx, delivery.Target{Session: k.Session}, []sessionstore.Packet{entry})
	return h.Last, err
}

// mark has a room have a mark that a socket joins: from now on those that emit to it record that.
func (a *Adapter) mark(
	ctx context.Context, k sessionstore.Socket, room sessionstore.Room, keep sessionstore.Keeping,
	h sessionstore.History,
) error {
	_, err := readAgain(ctx, func() (struct{}, error) {
		return struct{}{}, a.store.Mark(ctx, k.Namespace, room, keep, h, time.Now())
	})
	return err
}

// joined makes a socket that has its history a member like any other. If it is not known whether it is, it ends.
func (a *Adapter) joined(
	ctx context.Context, k sessionstore.Socket, room sessionstore.Room, owner sessionstore.Owner, last int,
) error {
	ctx = context.WithoutCancel(ctx)
	var err error
	for tries := again.Times(historyTries); tries.Next(ctx); {
		err = a.store.Joined(ctx, k, room, owner, last)
		if err == nil {
			return nil
		}
		if errors.Is(err, sessionstore.ErrNotFound) { // by an earlier try, or it has been ended, or has left
			if m, e := a.roomMember(ctx, k.Namespace, room, k.ID); e == nil && m.Rewound == last {
				return nil
			} else if e == nil || errors.Is(e, sessionstore.ErrNotFound) {
				return a.leftOrEnded(ctx, k)
			}
		}
	}
	end := a.delivery.Closing().Close(ctx, k.Session, delivery.ReasonTransportError, delivery.CloseOptions{
		Details: sessionstore.Details{Description: "join with history: " + err.Error()},
	})
	return errors.Join(delivery.ErrClosed, err, end)
}

// leftOrEnded is the error of a join whose row is not there any more.
func (a *Adapter) leftOrEnded(ctx context.Context, k sessionstore.Socket) error {
	_, err := readAgain(ctx, func() (sessionstore.Member, error) { return a.store.Member(ctx, k.Namespace, k.ID) })
	switch {
	case errors.Is(err, sessionstore.ErrNotFound):
		return delivery.ErrClosed
	case err != nil:
		return fmt.Errorf("join with history: %w", err)
	}
	return fmt.Errorf("join with history: %w", errLeft)
}
