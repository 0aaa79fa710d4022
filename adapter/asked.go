package adapter

import (
	"context"

	"github.com/nonstick-io/nonstick/sessionstore"
)

// Lost is told of a socket that a packet did not reach: it had gone, or it could not be delivered to. It is called from
// several goroutines at once.
type Lost func(id sessionstore.SocketID, gone bool)

// BroadcastTo is [Adapter.Broadcast] for a caller that knows the sockets selected, as [Adapter.Select] has returned
// them: the packet goes to them alone, and lost is told which of them it did not reach. What is queued for the [Fanout]
// goes to those that are selected then, and lost hears nothing of it. There is no parent.
func (a *Adapter) BroadcastTo(
	ctx context.Context, sel Selection, list []sessionstore.Member, p *Packet, lost Lost,
) (Result, error) {
	if sel.Parent != "" {
		return Result{}, ErrParent
	}
	if err := a.delivery.Check(p.frames); err != nil {
		return Result{}, err
	}
	large := len(list) > a.large
	if a.fanout != nil && (large || len(list) > 0 && a.order.has(sel.Namespace)) {
		known := list
		if large {
			known = nil
		}
		if r, queued, err := a.enqueue(ctx, sel, p, known); queued {
			return r, err
		}
	}
	_, room := a.members(ctx, sel, sessionstore.Range{}) // nothing is read: the list is known
	f := newFan(a, sel.Namespace, room, p)
	f.lost = lost
	return a.toEach(ctx, f, listed(list, nil))
}
