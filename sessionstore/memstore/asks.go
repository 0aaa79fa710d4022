package memstore

import (
	"context"
	"fmt"
	"iter"
	"slices"
	"sync"
	"time"

	"github.com/nonstick-io/nonstick/sessionstore"
)

// sweepAtAsk bounds how many questions a new one looks at to remove those that may go.
const sweepAtAsk = 8

// asked names a question.
type asked struct {
	nsp sessionstore.Namespace
	id  uint64
}

// askKey names a part of one.
type askKey struct {
	asked

	part int
}

// askRow is a part of a question and its answers.
type askRow struct {
	ask     sessionstore.Ask
	answers table[sessionstore.SocketID, sessionstore.AskAnswer]
	bytes   int64
}

// asks are the questions to several sockets.
type asks struct {
	mu      sync.Mutex
	rows    map[askKey]*askRow
	waiting map[asked]chan struct{}
}

func keyOf(a *sessionstore.Ask) askKey { return askKey{asked{a.Namespace, a.ID}, a.Part} }

// PutAsk implements [sessionstore.Asks].
func (s *Store) PutAsk(ctx context.Context, a sessionstore.Ask, now time.Time) error {
	if err := sessionstore.NotSent(ctx); err != nil {
		return err
	}
	s.wrote(sessionstore.OpAsk, 1)
	if err := a.Check(); err != nil {
		return fmt.Errorf("put question: %w", err)
	}
	s.asks.mu.Lock()
	defer s.asks.mu.Unlock()
	s.sweepAsks(now)
	k := keyOf(&a)
	if old := s.asks.rows[k]; old != nil {
		if !ended(old.ask.KeptUntil(), now) {
			return fmt.Errorf("put question: %w", sessionstore.ErrExists)
		}
		s.removeAsk(k)
	}
	if s.full() {
		return fmt.Errorf("put question: %w", sessionstore.ErrFull)
	}
	a.Sockets = slices.Clone(a.Sockets)
	row := &askRow{ask: a, bytes: int64(askWeight + len(a.Namespace) + len(a.State) + socketIDWeight*len(a.Sockets))}
	if s.asks.rows == nil {
		s.asks.rows = make(map[askKey]*askRow)
	}
	s.asks.rows[k] = row
	s.heldBytes.Add(row.bytes)
	return nil
}

// sweepAsks removes some of the questions that may go.
func (s *Store) sweepAsks(now time.Time) {
	looked := 0
	for k, row := range s.asks.rows {
		if looked == sweepAtAsk {
			return
		}
		if looked++; ended(row.ask.KeptUntil(), now) {
			s.removeAsk(k)
		}
	}
}

func (s *Store) removeAsk(k askKey) {
	s.heldBytes.Add(-s.asks.rows[k].bytes)
	delete(s.asks.rows, k)
	s.asks.wake(k.asked) // a caller that waits no more has left its channel
}

// wake tells the callers that wait for answers to a question.
func (a *asks) wake(k asked) {
	if c := a.waiting[k]; c != nil {
		close(c)
		delete(a.waiting, k)
	}
}

// Ask implements [sessionstore.Asks].
func (s *Store) Ask(
	ctx context.Context, nsp sessionstore.Namespace, id uint64, part int,
) (sessionstore.Ask, error) {
	if err := sessionstore.NotSent(ctx); err != nil {
		return sessionstore.Ask{}, err
	}
	s.read(sessionstore.OpAsk)
	s.asks.mu.Lock()
	defer s.asks.mu.Unlock()
	row := s.asks.rows[askKey{asked{nsp, id}, part}]
	if row == nil {
		return sessionstore.Ask{}, fmt.Errorf("read question: %w", sessionstore.ErrNotFound)
	}
	a := row.ask
	a.Sockets = slices.Clone(a.Sockets)
	return a, nil
}

// PutAnswer implements [sessionstore.Asks].
func (s *Store) PutAnswer(ctx context.Context, a sessionstore.Ask, answer sessionstore.AskAnswer) error {
	if err := sessionstore.NotSent(ctx); err != nil {
		return err
	}
	s.wrote(sessionstore.OpAsk, 1)
	s.asks.mu.Lock()
	defer s.asks.mu.Unlock()
	row := s.asks.rows[keyOf(&a)]
	if row == nil { // it has ended: a table would keep the answer for a while
		return nil
	}
	if _, there := row.answers.get(answer.Socket); there {
		return fmt.Errorf("put answer: %w", sessionstore.ErrExists)
	}
	if s.full() {
		return fmt.Errorf("put answer: %w", sessionstore.ErrFull)
	}
	n := int64(packetWeight)
	for _, frame := range answer.Answer {
		n += int64(len(frame))
	}
	answer.Answer = slices.Clone(answer.Answer)
	row.answers.put(answer.Socket, answer)
	row.bytes += n
	s.heldBytes.Add(n)
	s.asks.wake(asked{a.Namespace, a.ID})
	return nil
}

// Answers implements [sessionstore.Asks].
func (s *Store) Answers(
	ctx context.Context, nsp sessionstore.Namespace, id uint64, part int, from sessionstore.SocketID,
) iter.Seq2[sessionstore.AskAnswer, error] {
	page := func(last sessionstore.SocketID, more bool) ([]sessionstore.AskAnswer, sessionstore.SocketID, bool) {
		s.asks.mu.Lock()
		defer s.asks.mu.Unlock()
		row := s.asks.rows[askKey{asked{nsp, id}, part}]
		if row == nil {
			return nil, last, false
		}
		return row.answers.page(max(last, from), more, walkChunk)
	}
	return walk(ctx, s.meter, sessionstore.OpAsk, page)
}

// Answered implements [sessionstore.Waker].
func (s *Store) Answered(nsp sessionstore.Namespace, id uint64) <-chan struct{} {
	s.asks.mu.Lock()
	defer s.asks.mu.Unlock()
	k := asked{nsp, id}
	if s.asks.waiting == nil {
		s.asks.waiting = make(map[asked]chan struct{})
	}
	c := s.asks.waiting[k]
	if c == nil {
		c = make(chan struct{})
		s.asks.waiting[k] = c
	}
	return c
}
