package simulation

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/nonstick-io/nonstick"
	"github.com/nonstick-io/nonstick/sessionstore"
)

// ask has the server ask the client something and take its answer in a continuation.
const ask = "ask"

// asks registers it.
func (r *run) asks(nsp *nonstick.Namespace) {
	nonstick.OnAck(nsp, ask, func(ctx context.Context, s *nonstick.Socket, key string) (string, error) {
		r.handles(key)
		return key, nonstick.EmitThen(ctx, s, "question", "answered", key, key)
	})
	nonstick.OnReply(nsp, "answered", func(_ context.Context, s *nonstick.Socket, answer string, key string) error {
		r.handles("answer to " + key)
		if answer != key {
			r.w.violation("the answer to %s was taken for that to %s", answer, key)
		}
		return nil
	})
}

// question answers what the server asks: some clients do so twice at once.
func (c *client) question(ctx context.Context, frame string) {
	id, text, _ := strings.Cut(strings.TrimPrefix(frame, "42"), `["question",`)
	answer := "43" + id + "[" + strings.TrimSuffix(text, "]") + "]"
	for n := range c.answers {
		c.spawn(ctx, fmt.Sprintf("answer%d %s", n, text), func(ctx context.Context) { c.send(ctx, answer) })
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.questions = append(c.questions, "answer to "+strings.Trim(text, `"]`))
}

func (s *store) PutAck(ctx context.Context, a sessionstore.Ack, now time.Time) error {
	return s.write(ctx, "PutAck "+string(a.Session), func(ctx context.Context) error {
		return s.Store.PutAck(ctx, a, now)
	})
}

func (s *store) PendingAcks(
	ctx context.Context, id sessionstore.SessionID, now time.Time,
) ([]uint64, error) {
	return read(
		ctx,
		s,
		"PendingAcks "+string(id),
		func() ([]uint64, error) { return s.Store.PendingAcks(ctx, id, now) },
	)
}

func (s *store) AnswerAck(ctx context.Context, a sessionstore.Ack, now time.Time) (was sessionstore.Ack, err error) {
	err = s.write(ctx, "AnswerAck "+string(a.Session), func(ctx context.Context) (err error) {
		was, err = s.answerAny(ctx, a, now)
		if err == nil && s.mutant == "answer-stays" {
			again := was
			again.Answer = nil
			_ = s.Store.PutAck(ctx, again, now)
		}
		return err
	})
	return was, err
}

func (s *store) DeleteAck(ctx context.Context, id sessionstore.SessionID, ack uint64) error {
	return s.write(
		ctx, "DeleteAck "+string(id), func(ctx context.Context) error { return s.Store.DeleteAck(ctx, id, ack) },
	)
}
