package simulation

import (
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/nonstick-io/nonstick"
	"github.com/nonstick-io/nonstick/sessionstore"
)

// A voter asks the room, as another program or a handler does, and waits for nothing: each answer is taken once,
// wherever it arrives, and the server is told who has given none.

const (
	voters   = 2
	voteWait = 1500 * time.Millisecond
)

// vote is one question to the room.
type vote struct {
	asks    []sessionstore.Ask                  // its parts, as they were stored
	taken   map[sessionstore.SocketID]time.Time // answers that a handler has taken
	missing map[sessionstore.SocketID]int       // how often a socket was told to be missing
	sure    bool                                // it was put, and the server is to be told
}

// voteOf returns what is known of a vote. The run is locked.
func (r *run) voteOf(key string) *vote {
	if r.votes[key] == nil {
		r.votes[key] = &vote{
			taken: map[sessionstore.SocketID]time.Time{}, missing: map[sessionstore.SocketID]int{},
		}
	}
	return r.votes[key]
}

// ballots registers what takes the answers.
func (r *run) ballots(nsp *nonstick.Namespace) {
	nonstick.OnReply(nsp, "voted", func(_ context.Context, s *nonstick.Socket, answer, key string) error {
		r.handles("vote of " + s.ID() + " in " + key)
		r.mu.Lock()
		defer r.mu.Unlock()
		r.voteOf(key).taken[sessionstore.SocketID(s.ID())] = time.Now()
		if answer != key {
			r.w.violation("the vote %s was taken for one in %s", answer, key)
		}
		return nil
	})
	nonstick.OnNoReply(nsp, "voted", func(
		_ context.Context, _ *nonstick.Namespace, missing []string, key string,
	) error {
		r.mu.Lock()
		defer r.mu.Unlock()
		v := r.voteOf(key)
		for _, id := range missing {
			id := sessionstore.SocketID(id)
			v.missing[id]++
			if at, taken := v.taken[id]; taken && len(v.asks) > 0 && at.Before(v.asks[0].ExpiresAt) {
				r.w.violation("%s is missing in %s, though its vote was taken in time", id, key)
			}
		}
		return nil
	})
}

// voter asks the room.
func (r *run) voter(ctx context.Context, p *proc, i int) {
	first := r.clients[i%len(r.clients)]
	select {
	case <-first.connected:
	case <-ctx.Done():
		return
	}
	r.w.pause(ctx, time.Duration(p.draw(400))*time.Millisecond)
	key := fmt.Sprintf("v%d", i)
	srv := r.servers[p.draw(len(r.servers))]
	err := nonstick.EmitThen(ctx, srv.To(room).Timeout(voteWait), "vote", "voted", key, key)
	if p.crashed.Load() {
		return
	}
	r.w.note(fmt.Sprintf("asked the room %s: %v", key, err))
	r.mu.Lock()
	defer r.mu.Unlock()
	r.voteOf(key).sure = err == nil
}

// votes answers what the room was asked: some clients do so twice at once.
func (c *client) votes(ctx context.Context, frame string) {
	id, text, _ := strings.Cut(strings.TrimPrefix(frame, "42"), `["vote",`)
	answer := "43" + id + "[" + strings.TrimSuffix(text, "]") + "]"
	for n := range c.answers {
		c.spawn(ctx, fmt.Sprintf("vote%d %s", n, text), func(ctx context.Context) {
			c.run.w.pause(ctx, time.Duration(procOf(ctx).draw(4))*voteWait/3)
			c.send(ctx, answer)
		})
	}
}

// checkVotes checks that every socket that was asked has answered, or was told to be missing: the last at least once.
// The run is locked.
func (r *run) checkVotes() {
	for _, key := range slices.Sorted(maps.Keys(r.votes)) {
		v := r.votes[key]
		if !v.sure {
			continue
		}
		for _, a := range v.asks {
			for _, id := range a.Sockets {
				if _, taken := v.taken[id]; taken || v.missing[id] > 0 {
					continue
				}
				if !r.w.faultless() && r.recorded(a, id) {
					continue // it is in doubt whether a handler took it, or its instance died
				}
				r.w.violation("%s was asked in %s, has not answered, and is not missing", id, key)
			}
		}
		for id, n := range v.missing {
			if n > 1 && r.w.crashes == 0 && r.w.faultless() {
				r.w.violation("%s was told to be missing in %s %d times", id, key, n)
			}
		}
	}
}

// recorded reports whether the store has a socket's answer.
func (r *run) recorded(a sessionstore.Ask, id sessionstore.SocketID) bool {
	for k := range r.real.Answers(context.Background(), a.Namespace, a.ID, a.Part, "") {
		if k.Socket == id {
			return true
		}
	}
	return false
}

func (s *store) PutAsk(ctx context.Context, a sessionstore.Ask, now time.Time) error {
	return s.write(ctx, fmt.Sprintf("PutAsk %d", a.Part), func(ctx context.Context) error {
		err := s.Store.PutAsk(ctx, a, now)
		if err == nil {
			var key string
			_ = json.Unmarshal([]byte(a.State), &key)
			s.r.mu.Lock()
			defer s.r.mu.Unlock()
			v := s.r.voteOf(key)
			v.asks = slices.DeleteFunc(v.asks, func(b sessionstore.Ask) bool { return b.ID != a.ID })
			v.asks = append(v.asks, a)
		}
		return err
	})
}

func (s *store) Ask(
	ctx context.Context, nsp sessionstore.Namespace, id uint64, part int,
) (sessionstore.Ask, error) {
	return read(ctx, s, "Ask", func() (sessionstore.Ask, error) { return s.Store.Ask(ctx, nsp, id, part) })
}

func (s *store) PutAnswer(ctx context.Context, a sessionstore.Ask, answer sessionstore.AskAnswer) error {
	return s.write(ctx, "PutAnswer "+string(answer.Socket), func(ctx context.Context) error {
		err := s.Store.PutAnswer(ctx, a, answer)
		if s.mutant == "votes-count-twice" {
			return nil
		}
		return err
	})
}

func (s *store) Answers(
	ctx context.Context, nsp sessionstore.Namespace, id uint64, part int, from sessionstore.SocketID,
) iter.Seq2[sessionstore.AskAnswer, error] {
	if s.w.at(ctx, "Answers", kindRead) != proceed {
		return func(yield func(sessionstore.AskAnswer, error) bool) {
			yield(sessionstore.AskAnswer{}, sessionstore.ErrThrottled)
		}
	}
	if s.mutant == "all-are-missing" {
		return func(func(sessionstore.AskAnswer, error) bool) {}
	}
	return s.Store.Answers(ctx, nsp, id, part, from)
}

func (s *store) PutTimer(ctx context.Context, t sessionstore.Timer) error {
	if t.Kind == outboxTimer {
		t.At = t.At.Add(s.skew) // which is what the outbox says, too
	}
	return s.write(ctx, "PutTimer "+t.Kind, func(ctx context.Context) error {
		if s.mutant == "lost-without-a-timer" && t.Kind == outboxTimer {
			return nil
		}
		return s.Store.PutTimer(ctx, t)
	})
}

func (s *store) DueTimers(
	ctx context.Context, shard int, now time.Time,
) iter.Seq2[sessionstore.Timer, error] {
	if s.mutant == "silence-is-untold" {
		return func(func(sessionstore.Timer, error) bool) {}
	}
	return s.Store.DueTimers(ctx, shard, now)
}

func (s *store) DeleteTimer(ctx context.Context, t sessionstore.Timer) error {
	return s.write(ctx, "DeleteTimer "+t.Kind, func(ctx context.Context) error {
		if s.mutant == "timer-stays" {
			return nil
		}
		return s.Store.DeleteTimer(ctx, t)
	})
}
