package simulation

import (
	"context"
	"encoding/base64"
	"fmt"
	"strings"
	"time"

	"github.com/nonstick-io/nonstick"
	"github.com/nonstick-io/nonstick/sessionstore"
)

// second is a namespace that clients leave and join again.
const second = "/n"

// What a client may do whose frames are handled at once.
const (
	binary = "bin"  // a packet with an attachment
	pair   = "pair" // two of them at a time: nothing tells which packet an attachment belongs to
	excess = "more" // one attachment too many
	hop    = "hop"  // an event for a namespace, and the namespace left and joined again
)

// uploads registers what takes attachments, and the second namespace.
func (r *run) uploads(srv *nonstick.Server) {
	nonstick.OnAck(
		srv.Namespace, binary,
		func(_ context.Context, s *nonstick.Socket, in nonstick.Args2[string, nonstick.Binary]) (string, error) {
			r.handles(in.First)
			c := r.owner(s.ID())
			r.mu.Lock()
			disordered := c.disordered
			r.mu.Unlock()
			// If one is held up for longer than any may be late, also by a slow Close, or is lost with its instance,
			// another's may be taken for it: docs/protocol.md.
			if string(in.Second) != in.First && r.w.late() == 0 && !r.slowCloses && !disordered {
				r.w.violation("the handler of %s got the attachment of %s", in.First, in.Second)
			}
			return in.First, nil
		},
	)
	n := srv.Of(second)
	nonstick.OnAck(n, "n", func(_ context.Context, _ *nonstick.Socket, key string) (string, error) {
		r.handles(key)
		return key, nil
	})
	n.OnDisconnect(func(ctx context.Context, s *nonstick.Socket, _ nonstick.Reason) error {
		r.mu.Lock()
		r.closedSecond[s.ID()]++
		n := r.closedSecond[s.ID()]
		r.mu.Unlock()
		if n > 1 && r.w.faultless() {
			r.w.violation("the disconnect handler of %s ran %d times", second, n)
		}
		after(ctx, r.secondLeaves)
		return nil
	})
}

// binaryFrames are a packet with an attachment that says whose it is.
func binaryFrames(id int, key string) []string {
	return []string{
		fmt.Sprintf(`451-%d[%q,%q,{"_placeholder":true,"num":0}]`, id, binary, key),
		"b" + base64.StdEncoding.EncodeToString([]byte(key)),
	}
}

// atOnce does one of the things above.
func (c *client) atOnce(ctx context.Context, k int, event, key string) bool {
	if event != binary {
		c.awaitUpgrade(ctx)
	}
	switch event {
	case pair, excess:
		c.mu.Lock()
		c.paired = c.run.line == nil
		c.mu.Unlock()
		more := binaryFrames(100+k, key+"b")
		if event == excess && c.open() != nil {
			more = more[1:]
		}
		return c.together(ctx, append(binaryFrames(k, key+"a"), more...))
	case hop:
		if !c.secondJoined(ctx) {
			return false
		}
		frames := []string{fmt.Sprintf(`42%s,["n",%q]`, second, key), "41" + second + ",", "40" + second + ","}
		c.expectSecond()
		sent := c.together(ctx, frames)
		c.awaitSecond(ctx)
		return sent
	default:
		frames := binaryFrames(k, key)
		if c.open() == nil && k%2 == 0 { // in two POSTs, or one before the upgrade and one after
			return c.sendHalves(ctx, frames[0], frames[1])
		}
		return c.together(ctx, frames)
	}
}

// awaitUpgrade waits a second for an upgrade that the client is about to make.
func (c *client) awaitUpgrade(ctx context.Context) {
	for end := time.Now().Add(time.Second); c.upgrade > 0 && c.open() == nil && time.Now().Before(end) &&
		ctx.Err() == nil; {
		c.run.w.pause(ctx, 50*time.Millisecond)
	}
}

// together sends frames that are handled at once, where the client has a WebSocket.
func (c *client) together(ctx context.Context, frames []string) bool {
	ws := c.open()
	if ws == nil {
		return c.send(ctx, frames...)
	}
	if c.run.line != nil {
		defer c.halve()()
		for _, f := range frames {
			c.message(ctx, ws, f)
			if c.run.line.jitter {
				c.run.w.pause(ctx, time.Millisecond)
			}
		}
		return c.isAlive()
	}
	sent := make([]<-chan struct{}, len(frames))
	for i, f := range frames {
		sent[i] = c.run.w.spawn(
			ctx, fmt.Sprintf("%s/at once %d", c.name, i),
			func(ctx context.Context, _ *proc) { c.message(ctx, ws, f) },
		)
	}
	for _, done := range sent {
		<-done
	}
	c.run.w.at(ctx, "goes on", kindOther)
	return c.isAlive()
}

// secondJoined joins the second namespace, unless the client is in it.
func (c *client) secondJoined(ctx context.Context) bool {
	c.mu.Lock()
	in := c.inSecond
	c.mu.Unlock()
	if in {
		return true
	}
	c.expectSecond()
	sent := c.send(ctx, "40"+second+",")
	c.awaitSecond(ctx)
	return sent
}

// expectSecond notes that a CONNECT is to be answered.
func (c *client) expectSecond() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.secondAsked++
	c.inSecond = false
}

// awaitSecond waits until each CONNECT has been answered, for five seconds at most; for longer where it may be behind
// frames that take long, since clients do not send another before.
func (c *client) awaitSecond(ctx context.Context) {
	patience := 5 * time.Second
	if c.run.line != nil {
		patience = time.Minute
	}
	for end := time.Now().Add(patience); time.Now().Before(end) && c.isAlive() && ctx.Err() == nil; {
		c.mu.Lock()
		done := c.secondAnswered >= c.secondAsked
		c.mu.Unlock()
		if done {
			return
		}
		c.run.w.pause(ctx, 50*time.Millisecond)
	}
}

// takeSecond takes what comes for the second namespace.
func (c *client) takeSecond(frame string) {
	kind, _, _ := strings.Cut(frame, second)
	c.mu.Lock()
	defer c.mu.Unlock()
	switch kind {
	case "40", "44":
		c.secondAnswered++
		c.inSecond = kind == "40"
	case "41":
		c.inSecond = false
	}
	if c.secondAnswered > c.secondAsked {
		c.run.w.violation(
			"%s: CONNECT to %s answered %d times, asked %d times", c.name, second, c.secondAnswered, c.secondAsked,
		)
	}
}

// checkSecond checks that an undisturbed client got an answer to each CONNECT. The client is locked.
func (c *client) checkSecond() {
	if c.secondAnswered != c.secondAsked {
		c.run.w.violation(
			"%s: CONNECT to %s answered %d times, asked %d times", c.name, second, c.secondAnswered, c.secondAsked,
		)
	}
}

func (s *store) PutPartial(
	ctx context.Context, id sessionstore.SessionID, p sessionstore.Partial, now time.Time,
) error {
	return s.write(ctx, "PutPartial "+string(id), func(ctx context.Context) error {
		err := s.Store.PutPartial(ctx, id, p, now)
		if err != nil && s.mutant == "second-header-accepted" {
			_ = s.Store.DeletePartial(ctx, id)
			err = s.Store.PutPartial(ctx, id, p, now)
		}
		return err
	})
}

func (s *store) AddAttachments(
	ctx context.Context, id sessionstore.SessionID, p sessionstore.Partial, more sessionstore.Packet,
) (after sessionstore.Partial, err error) {
	err = s.write(ctx, "AddAttachments "+string(id), func(ctx context.Context) (err error) {
		after, err = s.Store.AddAttachments(ctx, id, p, more)
		return err
	})
	return after, err
}

func (s *store) CountAttachment(
	ctx context.Context, id sessionstore.SessionID, now time.Time,
) (p sessionstore.Partial, err error) {
	err = s.write(ctx, "CountAttachment "+string(id), func(ctx context.Context) (err error) {
		p, err = s.Store.CountAttachment(ctx, id, now)
		if cur, e := s.Store.Get(
			ctx, id, now,
		); e == nil && cur.Partial != nil &&
			s.mutant == "attachment-without-condition" {
			p, err = *cur.Partial, nil
			p.Count = p.Want
		}
		return err
	})
	return p, err
}

func (s *store) TakePartial(ctx context.Context, id sessionstore.SessionID, p sessionstore.Partial) error {
	return s.write(ctx, "TakePartial "+string(id), func(ctx context.Context) error {
		err := s.Store.TakePartial(ctx, id, p)
		if err != nil && s.mutant == "attachment-without-condition" {
			return nil
		}
		return err
	})
}

func (s *store) DeletePartial(ctx context.Context, id sessionstore.SessionID) error {
	return s.write(
		ctx, "DeletePartial "+string(id), func(ctx context.Context) error { return s.Store.DeletePartial(ctx, id) },
	)
}

func (s *store) Bodies(
	ctx context.Context, id sessionstore.SessionID, p []sessionstore.Packet,
) ([]sessionstore.Packet, error) {
	return read(
		ctx, s, "Bodies "+string(id), func() ([]sessionstore.Packet, error) { return s.Store.Bodies(ctx, id, p) },
	)
}
