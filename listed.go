package nonstick

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"sync"
	"time"

	rules "github.com/nonstick-io/nonstick/internal/protocol"
	"github.com/nonstick-io/nonstick/sessionstore"
)

// maxListed bounds what an instance remembers of the children of a parent; past it, it starts anew.
const maxListed = 10_000

// countTrust is how long an instance goes by a number of children that it has counted, while that is far from the most
// there may be, or above it.
const countTrust = time.Minute

// listed is what an instance knows of the list of a parent's children in the store. To have forgotten it costs a write
// for each child that a socket joins. Safe for concurrent use.
type listed struct {
	mu      sync.Mutex
	at      map[sessionstore.Namespace]time.Time // when this instance listed them
	count   int                                  // as it was counted, and what this instance has added since
	counted time.Time
}

func (l *listed) has(name sessionstore.Namespace, now time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	at, ok := l.at[name]
	return ok && rules.ChildListed(at, now)
}

func (l *listed) add(name sessionstore.Namespace, at time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.at == nil || len(l.at) >= maxListed {
		l.at = make(map[sessionstore.Namespace]time.Time)
	}
	l.at[name] = at
}

// added counts one more child. It reports whether that is known to be too many, or that it has to be counted.
func (l *listed) added(most int, now time.Time) (tooMany, unknown bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.count++
	if now.Sub(l.counted) >= countTrust || l.count > most/2 && l.count <= most {
		return false, true
	}
	return l.count > most, false
}

func (l *listed) is(count int, now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.count, l.counted = count, now
}

// list sees to it that a child is on its parent's list in the store, before a socket joins it: so a broadcast to all
// children meets it. The first socket of a child is told to the hooks. It is a refusal if the parent has as many
// children as it may have.
func (n *Namespace) list(ctx context.Context) (*Error, error) {
	p, now := n.parent, time.Now()
	if p.listed.has(n.name, now) {
		return nil, nil
	}
	row := sessionstore.Child{Name: n.name, Put: sessionstore.Owner(sessionstore.NewID()), SeenAt: now}
	first, err := n.server.store.PutChild(ctx, p.name, row)
	switch {
	case errors.Is(err, sessionstore.ErrFull):
		return errFull, nil
	case errors.Is(err, ErrBusy):
		return errBusy, nil
	case err != nil:
		return nil, fmt.Errorf("nonstick: connect: %w", err)
	}
	if first {
		full, err := n.full(ctx, now)
		if err != nil {
			return nil, err
		}
		if full && n.unlist(ctx, row) {
			n.server.log.WarnContext(
				ctx, "CONNECT refused: the parent has too many children", "parent", p.name, "most",
				n.server.limits.Children,
			)
			return errTooManySockets, nil
		}
	}
	p.listed.add(n.name, now)
	if first {
		n.tellNew(ctx)
	}
	return nil, nil
}

// full reports whether the parent has more children than it may have, this one among them.
func (n *Namespace) full(ctx context.Context, now time.Time) (bool, error) {
	most := n.server.limits.Children
	tooMany, unknown := n.parent.listed.added(most, now)
	if !unknown {
		return tooMany, nil
	}
	count, err := n.server.store.CountChildren(ctx, n.parent.name)
	if err != nil {
		return false, fmt.Errorf("nonstick: connect: %w", err)
	}
	n.parent.listed.is(count, now)
	return count > most, nil
}

// unlist takes back what list has put. It reports false if another instance has listed the child meanwhile: then it is
// in, for sockets may have joined it.
func (n *Namespace) unlist(ctx context.Context, row sessionstore.Child) bool {
	err := n.server.store.RemoveChild(ctx, n.parent.name, row)
	if errors.Is(err, sessionstore.ErrNotFound) {
		return false
	}
	if err != nil {
		n.server.log.WarnContext(ctx, "child not taken off the list", "parent", n.parent.name, "error", err)
	}
	return true
}

// tellNew tells the hooks of a child's first socket.
func (n *Namespace) tellNew(ctx context.Context) {
	for _, hook := range n.parent.created {
		if err := n.guarded(ctx, func() error { return hook(ctx, n) }); err != nil {
			n.server.log.ErrorContext(ctx, "hook of a new namespace failed", "nsp", string(n.name), "error", err)
		}
	}
}

// guarded runs a hook, and turns its panic into an error.
func (n *Namespace) guarded(ctx context.Context, hook func() error) (err error) {
	defer n.server.via.Bulk.Flush(ctx)
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("panic: %v\n%s", r, debug.Stack())
		}
	}()
	return hook()
}
