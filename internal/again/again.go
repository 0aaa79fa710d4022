// Package again repeats what may succeed another time: a write that was certainly not applied, a push to a connection
// that is busy, a read. It bounds the tries, by their number or by a moment, and pauses between them. What may be
// repeated at all is for the caller to know, see docs/protocol.md: a push that is in doubt is not.
package again

import (
	"context"
	"errors"
	"time"
)

// What ends tries, besides the end of their context.
var (
	// ErrUsedUp says that as many tries were made as there may be.
	ErrUsedUp = errors.New("again: all tries are used up")
	// ErrTooLate says that the moment is over until which there may be tries.
	ErrTooLate = errors.New("again: the time for tries is over")
)

// Tries are bounded tries of one thing:
//
//	for tries := again.Times(6); tries.Next(ctx); {
//		if err = try(ctx); err == nil || !mayBeRepeated(err) {
//			return err
//		}
//	}
//	return fmt.Errorf("gave up: %w", err)
//
// Not safe for concurrent use.
type Tries struct {
	most  int       // 0 for any number
	end   time.Time // zero for never
	pause Pause
	made  int // tries, and whatever came before the first one
	err   error
}

// Times returns up to n tries. The first is made at once.
func Times(n int) *Tries { return &Tries{most: n, pause: *NewPause()} }

// Until returns tries that begin before end. The last pause may go beyond it, and is followed by a try.
func Until(end time.Time) *Tries { return &Tries{end: end, pause: *NewPause()} }

// Unbounded returns tries that only the end of the context ends.
func Unbounded() *Tries { return &Tries{pause: *NewPause()} }

// Paused has the first try come after a pause too: the caller has made one itself, or knows that it is too early.
func (t *Tries) Paused() *Tries {
	if t.made++; t.most > 0 {
		t.most++ // what came before is none of them
	}
	return t
}

// Next pauses, unless it is for the first try, and reports whether there is to be a try. There is none if all are used
// up, if time is over, or if ctx has ended; but the first is made whatever ctx is, so that its error is one that says
// what was being done.
func (t *Tries) Next(ctx context.Context) bool {
	switch {
	case t.most > 0 && t.made >= t.most:
		t.err = ErrUsedUp
	case !t.end.IsZero() && !time.Now().Before(t.end):
		t.err = ErrTooLate
	case t.made > 0:
		t.err = t.wait(ctx)
	}
	if t.err != nil {
		return false
	}
	t.made++
	return true
}

// wait pauses, and returns why there is no sense in a try after that.
func (t *Tries) wait(ctx context.Context) error {
	if ctx.Err() == nil {
		t.pause.Wait(ctx)
	}
	return ctx.Err()
}

// Err returns what ended the tries: [ErrUsedUp], [ErrTooLate], or the error of the context. It is nil as long as Next
// has not returned false.
func (t *Tries) Err() error { return t.err }
