package sessionstore

import (
	"context"
	"iter"
	"time"
)

// Child is a namespace that clients made by joining it: a parent, which the application registered, takes all names of
// a kind.
type Child struct {
	Name Namespace
	// Put names the call of [Children.PutChild] that wrote the row last, and SeenAt is the time of that call.
	Put    Owner
	SeenAt time.Time
}

// Children are the namespaces under parents that have had sockets. A row stays as long as the rows of sockets may,
// after the last PutChild; so a caller that puts it before each socket, or knows that it was put a moment ago, lists
// every namespace that has sockets. Names of parents are at most [MaxParentName] bytes, those of children [MaxName];
// ErrTooLarge above.
type Children interface {
	// PutChild writes the row of c.Name, whatever it was (1 write). It reports whether c.Put is the call that made the
	// row, also when the same call is repeated after one in doubt. ErrFull if the row is new and the store has no room
	// for it.
	PutChild(ctx context.Context, parent string, c Child) (first bool, err error)
	// CountChildren counts the rows of a parent (a read for each 1 MB of them, some 10,000). Eventually consistent.
	CountChildren(ctx context.Context, parent string) (int, error)
	// Children walks the rows of a parent in order of their names, page by page.
	Children(ctx context.Context, parent string) iter.Seq2[Child, error]
	// RemoveChild removes a row (1 write). Condition: its Put is c.Put, so that it has not been put since it was read;
	// ErrNotFound otherwise.
	RemoveChild(ctx context.Context, parent string, c Child) error
}
