package emitter

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/nonstick-io/nonstick/adapter"
	"github.com/nonstick-io/nonstick/internal/again"
	"github.com/nonstick-io/nonstick/internal/ids"
	"github.com/nonstick-io/nonstick/sessionstore"
)

// ErrTooManyAsked says that more sockets are selected than may be asked at once, see sessionstore.MaxAsked. Nothing
// was emitted.
var ErrTooManyAsked = errors.New("nonstick: too many sockets to ask for an acknowledgement")

// ErrAnswersTooLarge says that the acknowledgements of a question take more than 32 MB: those behind are left out.
var ErrAnswersTooLarge = errors.New("nonstick: the acknowledgements together are too large")

const (
	// maxAnswers bounds the answers to one question that a caller gets, in bytes.
	maxAnswers = 32 << 20
	// partsAtOnce is how many parts of a question are written or read at a time.
	partsAtOnce = 16
)

// Answer is what one socket has acknowledged.
type Answer struct {
	// ID is the socket's.
	ID string
	// Args are what its client has acknowledged with.
	Args Args
}

// Answers are the acknowledgements of the sockets that a question went to.
type Answers struct {
	// Answered are those that came in time, sorted by the ids of their sockets.
	Answered []Answer
	// Missing are the ids of the sockets that did not answer in time, sorted.
	Missing []string
}

// question is an event to several sockets whose acknowledgements are waited for.
type question struct {
	via  *Via
	nsp  sessionstore.Namespace
	list []sessionstore.Member
	id   uint64

	mu      sync.Mutex
	waiting []map[sessionstore.SocketID]bool // by part: those that have not answered and may
	lost    []sessionstore.SocketID          // those that the event did not reach
	found   []found
	bytes   int
}

// found is an answer as the store has it.
type found struct {
	socket sessionstore.SocketID
	frames []string
}

// EmitWithAck emits an event to the sockets selected and waits for the acknowledgements of all of their clients: for as
// long as [Selection.Timeout] says, or until the deadline of ctx, or for [AckWait] if there is neither. Those selected
// when it is called are asked, at most sessionstore.MaxAsked. It returns as soon as all have answered. If some have
// not, the error matches [ErrAckTimeout], and the answers that came are returned with it, and who is missing. A socket
// that had gone when the event came to it was not asked; one that it could not be delivered to is missing, and not
// waited for.
//
// Beside the emit it takes one read of the members, one write for each 128 sockets, and a read and a write for each
// answer; and a read for each 128 sockets whenever it looks, which is at most every 10 ms, and every half a second
// after a while. With an error may come answers. Other errors: [ErrTooManyAsked], [adapter.ErrParent],
// [ErrAnswersTooLarge], and those of [Selection.Emit].
func (s Selection) EmitWithAck(ctx context.Context, event string, args ...any) (Answers, error) {
	encoded, err := EncodeArgs(args...)
	if err = errors.Join(s.mistake(), err); err != nil {
		return Answers{}, err
	}
	ctx, release := within(ctx, s.timeout)
	defer release()
	q, err := s.asked(ctx, event, encoded)
	if err != nil || len(q.list) == 0 {
		return Answers{}, err
	}
	ctx, cancel, err := s.via.ask(ctx, q.sessions()...)
	if err != nil {
		return Answers{}, err
	}
	defer cancel()
	expires := time.Now().Add(AckWait)
	if deadline, ok := ctx.Deadline(); ok {
		expires = deadline
	}
	if err := q.put(ctx, sessionstore.Ask{ExpiresAt: expires}); err != nil {
		return Answers{}, err
	}
	if err := q.emit(ctx, s.sel, event, encoded); err != nil {
		return Answers{}, err
	}
	return q.await(ctx)
}

// asked reads who is to be asked, and refuses what may not be emitted.
func (s Selection) asked(ctx context.Context, event string, args Args) (*question, error) {
	if s.sel.Parent != "" {
		return nil, adapter.ErrParent
	}
	if err := s.via.Accepts(event, args); err != nil {
		return nil, err
	}
	q := &question{via: s.via, nsp: s.sel.Namespace}
	for m, err := range s.via.Adapter.Select(ctx, s.sel) {
		if err != nil {
			return nil, fmt.Errorf("nonstick: ask: %w", err)
		}
		if len(q.list) == sessionstore.MaxAsked {
			return nil, fmt.Errorf("%w: more than %d", ErrTooManyAsked, sessionstore.MaxAsked)
		}
		q.list = append(q.list, m)
	}
	return q, nil
}

// sessions returns whose sessions are asked.
func (q *question) sessions() []sessionstore.SessionID {
	out := make([]sessionstore.SessionID, len(q.list))
	for i := range q.list {
		out[i] = q.list[i].Session
	}
	return out
}

// put stores the question under an id that is free.
func (q *question) put(ctx context.Context, ask sessionstore.Ask) error {
	ask.Namespace = q.nsp
	var err error
	for range ackDraws {
		q.id = sessionstore.AskID(len(q.list), uint64(ids.Number(ctx)))
		ask.ID = q.id
		if err = q.putParts(ctx, ask); !errors.Is(err, sessionstore.ErrExists) {
			break
		}
	}
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return ErrAckTimeout
	case errors.Is(err, sessionstore.ErrExists), errors.Is(err, sessionstore.ErrFull):
		return fmt.Errorf("%w: %w", ErrTooManyAcks, err)
	default:
		return fmt.Errorf("nonstick: ask: %w", err)
	}
}

// putParts stores the parts of a question. The first goes first: an id that is in use is met there.
func (q *question) putParts(ctx context.Context, ask sessionstore.Ask) error {
	q.waiting = make([]map[sessionstore.SocketID]bool, sessionstore.AskParts(q.id))
	parts := make([][]sessionstore.SocketID, len(q.waiting))
	for i := range q.waiting {
		q.waiting[i] = make(map[sessionstore.SocketID]bool)
	}
	for _, m := range q.list {
		n := sessionstore.AskPart(q.id, m.Socket)
		if !q.waiting[n][m.Socket] {
			q.waiting[n][m.Socket] = true
			parts[n] = append(parts[n], m.Socket)
		}
	}
	now := time.Now()
	put := func(n int) error {
		part := ask
		part.Part, part.Sockets = n, parts[n]
		return q.via.Store.PutAsk(ctx, part, now)
	}
	if err := put(0); err != nil {
		return err
	}
	var group errgroup.Group
	group.SetLimit(partsAtOnce)
	for n := 1; n < len(parts); n++ {
		if len(parts[n]) > 0 {
			group.Go(func() error { return put(n) })
		}
	}
	return group.Wait()
}

// emit sends the event to those that are asked.
func (q *question) emit(ctx context.Context, sel adapter.Selection, event string, args Args) error {
	p, err := q.via.Event(ctx, q.nsp, event, args, &q.id)
	if err != nil {
		return err
	}
	if _, err = q.via.Adapter.BroadcastTo(ctx, sel, q.list, p, q.lose); err != nil {
		return fmt.Errorf("nonstick: emit: %w", err)
	}
	return nil
}

// lose notes that a socket cannot answer.
func (q *question) lose(id sessionstore.SocketID, gone bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	delete(q.waiting[sessionstore.AskPart(q.id, id)], id)
	if !gone {
		q.lost = append(q.lost, id)
	}
}

// await waits until all have answered, or ctx ends.
func (q *question) await(ctx context.Context) (Answers, error) {
	waker, _ := q.via.Store.(sessionstore.Waker)
	pause := again.NewPause() // for a store that cannot tell of changes
	for {
		var answered <-chan struct{}
		if waker != nil {
			answered = waker.Answered(q.nsp, q.id)
		}
		left, err := q.look(ctx)
		switch {
		case ctx.Err() != nil || err == nil && left == 0:
			return q.answers(nil)
		case err != nil:
			return q.answers(err)
		}
		if answered == nil {
			pause.Wait(ctx)
			continue
		}
		select {
		case <-answered:
		case <-ctx.Done():
		}
	}
}

// look reads the answers that have come to parts of which some are missing, and returns how many are.
func (q *question) look(ctx context.Context) (int, error) {
	var group errgroup.Group
	group.SetLimit(partsAtOnce)
	for n := range q.waiting {
		if len(q.waiting[n]) > 0 {
			group.Go(func() error { return q.lookAt(ctx, n) })
		}
	}
	err := group.Wait()
	left := 0
	for _, waiting := range q.waiting {
		left += len(waiting)
	}
	return left, err
}

// lookAt reads the answers to a part, from the first socket on that has not answered.
func (q *question) lookAt(ctx context.Context, part int) error {
	q.mu.Lock()
	from := slices.Min(slices.Collect(maps.Keys(q.waiting[part])))
	q.mu.Unlock()
	for a, err := range q.via.Store.Answers(ctx, q.nsp, q.id, part, from) {
		if err != nil {
			return fmt.Errorf("nonstick: await acknowledgements: %w", err)
		}
		if err := q.take(part, a); err != nil {
			return err
		}
	}
	return nil
}

// take takes one answer.
func (q *question) take(part int, a sessionstore.AskAnswer) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	if !q.waiting[part][a.Socket] {
		return nil
	}
	for _, frame := range a.Answer {
		q.bytes += len(frame)
	}
	if q.bytes > maxAnswers {
		return fmt.Errorf("%w: above %d bytes", ErrAnswersTooLarge, maxAnswers)
	}
	delete(q.waiting[part], a.Socket)
	q.found = append(q.found, found{a.Socket, a.Answer})
	return nil
}

// answers tells who has answered what, and who has not. The error is why it did not wait any longer; nil if the time
// was up, or all have answered.
func (q *question) answers(err error) (Answers, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	var out Answers
	slices.SortFunc(q.found, func(a, b found) int { return cmp.Compare(a.socket, b.socket) })
	for _, f := range q.found {
		args, e := decodeAnswer(f.frames)
		if e != nil { // what arrives is checked: it is none of the client's
			return out, fmt.Errorf("acknowledgement of %s: %w", f.socket, e)
		}
		out.Answered = append(out.Answered, Answer{string(f.socket), args})
	}
	missing := slices.Clone(q.lost)
	for _, waiting := range q.waiting {
		missing = slices.AppendSeq(missing, maps.Keys(waiting))
	}
	slices.Sort(missing)
	for _, id := range missing {
		out.Missing = append(out.Missing, string(id))
	}
	if err == nil && len(missing) > 0 {
		err = fmt.Errorf("%w: %d of %d sockets did not answer", ErrAckTimeout, len(missing), len(q.list))
	}
	return out, err
}
