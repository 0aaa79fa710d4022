package emitter

import (
	"context"
	"fmt"
	"iter"

	"github.com/nonstick-io/nonstick/adapter"
	"github.com/nonstick-io/nonstick/sessionstore"
)

// Parent is a parent of namespaces that clients made, as an emitter sees it: a [Selection] of the sockets in all of
// them. It emits, joins, leaves and disconnects in each of its children that has had a socket; each takes the reads of
// the same in one namespace. What reads sockets returns [adapter.ErrParent].
type Parent struct{ Selection }

// Parent returns the parent that the server registered under a name, by nonstick.Server.OfPattern or OfFunc. A mistake
// in its name is the error of whatever is done with it.
func (e *Emitter) Parent(name string) Parent { return Parent{e.via.Parent(name)} }

// Parent returns the sockets in all children of a parent.
func (v *Via) Parent(name string) Selection {
	s := v.Select(adapter.Selection{Parent: name})
	if name == "" || len(name) > sessionstore.MaxParentName {
		s.err = fmt.Errorf("%w: parent %q", adapter.ErrName, name)
	}
	return s
}

// Children walks the names of the namespaces under the parent, in order: those that have sockets, and some that had
// some. It takes a read for each 1 MB of them, which is some 8,000.
func (p Parent) Children(ctx context.Context) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		if p.err != nil {
			yield("", p.err)
			return
		}
		for c, err := range p.via.Store.Children(ctx, p.sel.Parent) {
			if !yield(string(c.Name), wrapped("children", err)) || err != nil {
				return
			}
		}
	}
}
