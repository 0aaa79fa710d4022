package inbound

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nonstick-io/nonstick/adapter/delivery"
	"github.com/nonstick-io/nonstick/sessionstore"
)

// inDoubt reports whether a process died over one of the frames. The end of a connection is safe to handle again.
func (c *Consumer) inDoubt(ctx context.Context, frames []Frame) (bool, error) {
	for i := range frames {
		if !cameBack(frames[i]) {
			continue
		}
		given, err := c.wasGivenBack(ctx, &frames[i])
		if err != nil || !given {
			return err == nil, err
		}
	}
	return false, nil
}

// cameBack reports whether a frame was delivered before.
func cameBack(f Frame) bool { return f.Receives > 1 && f.Event != Disconnect }

// cut ends a connection of which it is unknown what was handled. All its frames are done with.
func (c *Consumer) cut(ctx context.Context, conn sessionstore.Connection, frames []Frame) error {
	if err := c.Sessions.Cut(ctx, conn, delivery.ReasonInDoubt); err != nil {
		return fmt.Errorf("end a connection in doubt: %w", err)
	}
	c.Hooks.InDoubt(len(frames))
	c.Logger.ErrorContext(ctx, "connection ended: a function died over its frames, and what was handled is unknown",
		"conn", conn.ID, "frames", len(frames), "reason", delivery.ReasonInDoubt)
	return nil
}

// givenBackFor is longer than a frame that was given back takes to be delivered again.
const givenBackFor = 5 * time.Minute

// deliveryOf names one delivery of a message.
func deliveryOf(f *Frame, receives int) string {
	return fmt.Sprintf("given/%s/%d", f.Message, receives)
}

// giveBack returns frames for which no time is left to the queue, and marks that no function has begun with them.
// Frames that could not be marked end their connection: when they come again, it could not be told.
func (c *Consumer) giveBack(ctx context.Context, conn sessionstore.Connection, frames []Frame) []Frame {
	c.isAlive(ctx, conn)
	now := time.Now()
	for i := range frames {
		lease := sessionstore.Lease{Owner: sessionstore.Owner(sessionstore.NewID()), Until: now.Add(givenBackFor)}
		if err := c.Claims.Claim(ctx, deliveryOf(&frames[i], frames[i].Receives), lease, "", now); err != nil {
			c.Logger.ErrorContext(ctx, "frames cannot be given back", "conn", conn.ID, "error", err)
			if err := c.cut(ctx, conn, frames); err != nil {
				c.Logger.ErrorContext(ctx, "frames given back", "conn", conn.ID, "frames", len(frames), "error", err)
				return frames // they come again as in doubt
			}
			return nil
		}
	}
	c.Logger.InfoContext(ctx, "frames given back for want of time", "conn", conn.ID, "frames", len(frames))
	return frames
}

// wasGivenBack reports whether the delivery before this one was given back. It takes the mark for no time at all: one
// that is there refuses that.
func (c *Consumer) wasGivenBack(ctx context.Context, f *Frame) (bool, error) {
	now := time.Now()
	lease := sessionstore.Lease{Owner: sessionstore.Owner(sessionstore.NewID()), Until: now}
	err := c.Claims.Claim(ctx, deliveryOf(f, f.Receives-1), lease, "", now)
	switch {
	case errors.Is(err, sessionstore.ErrExists):
		return true, nil
	case err != nil:
		return false, fmt.Errorf("look whether a frame was given back: %w", err)
	}
	return false, nil
}
