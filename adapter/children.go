package adapter

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/nonstick-io/nonstick/internal/protocol"
	"github.com/nonstick-io/nonstick/sessionstore"
)

// childrenAtOnce is how many children of a parent are seen to at a time.
const childrenAtOnce = 16

// ErrParent tells of what cannot be done with the namespaces under a parent together: to read their sockets. It can be
// done with each of them.
var ErrParent = errors.New("adapter: sockets of several namespaces cannot be read together: read those of each child")

// plus returns what became of two broadcasts together.
func (r Result) plus(o Result) Result {
	return Result{
		Delivered: r.Delivered + o.Delivered, Gone: r.Gone + o.Gone, Failed: r.Failed + o.Failed,
		Dropped: r.Dropped + o.Dropped, Queued: r.Queued || o.Queued,
	}
}

// inNamespace returns a packet with an id of its own for another namespace.
func (a *Adapter) inNamespace(ctx context.Context, p *Packet, nsp sessionstore.Namespace) *Packet {
	in := p.Packet
	in.Namespace = string(nsp)
	q := a.NewPacket(ctx, in)
	q.Volatile = p.Volatile
	return q
}

// toChildren is Broadcast to the children of a parent.
func (a *Adapter) toChildren(ctx context.Context, sel Selection, p *Packet) (Result, error) {
	return a.inChildren(ctx, sel, func(ctx context.Context, child Selection) (Result, error) {
		return a.Broadcast(ctx, child, a.inNamespace(ctx, p, child.Namespace))
	})
}

// inChildren does something with the selected sockets of each child of sel.Parent, several at a time, and adds up what
// became of it. It returns when all are done. A child that fails does not stop the others.
func (a *Adapter) inChildren(
	ctx context.Context, sel Selection, do func(context.Context, Selection) (Result, error),
) (Result, error) {
	var sum Result
	var errs []error
	var mu sync.Mutex
	var group errgroup.Group
	group.SetLimit(childrenAtOnce)
	children := 0
	for c, err := range a.store.Children(ctx, sel.Parent) {
		if err != nil {
			errs = append(errs, fmt.Errorf("adapter: children of %q, after %d of them: %w", sel.Parent, children, err))
			break
		}
		children++
		group.Go(func() error {
			in := sel
			in.Parent, in.Namespace = "", c.Name
			r, err := do(ctx, in)
			if err == nil && r == (Result{}) && in.whole() {
				a.forget(ctx, sel.Parent, c)
			}
			mu.Lock()
			defer mu.Unlock()
			if sum = sum.plus(r); err != nil && len(errs) < maxErrors {
				errs = append(errs, fmt.Errorf("namespace %q: %w", c.Name, err))
			}
			return nil
		})
	}
	_ = group.Wait() // errs has the errors
	return sum, errors.Join(errs...)
}

// whole reports whether all sockets of the namespace are selected.
func (s Selection) whole() bool { return len(s.Rooms)+len(s.And)+len(s.Except)+len(s.Skip) == 0 }

// forget takes a child that has no sockets off its parent's list, unless it may have one soon.
func (a *Adapter) forget(ctx context.Context, parent string, c sessionstore.Child) {
	if !protocol.ChildForgettable(c.SeenAt, time.Now()) {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, tidyTime)
	defer cancel()
	err := a.store.RemoveChild(ctx, parent, c)
	if err != nil && !errors.Is(err, sessionstore.ErrNotFound) {
		a.log.WarnContext(ctx, "empty namespace not forgotten", "nsp", string(c.Name), "error", err)
	}
}
