package simulation

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/nonstick-io/nonstick"
	"github.com/nonstick-io/nonstick/sessionstore"
)

// What a client may do about acknowledgements that the server waits for.
const (
	relay = "relay" // has the server ask another client, and wait for its answer
	stray = "stray" // acknowledges what it was not asked: what was asked of another, or nothing at all
)

// question is what the server waits for: the id of an acknowledgement, and the client that it has asked.
type question struct {
	of *client
	id string
}

const (
	askPatience = 3 * time.Second
	// promptly is how long a client may take that its asker must not wait for in vain.
	promptly = time.Second
)

// waiters registers it.
func (r *run) waiters(nsp *nonstick.Namespace) {
	nonstick.OnAck(nsp, relay, func(ctx context.Context, s *nonstick.Socket, key string) (string, error) {
		r.handles(key)
		target := r.another(r.owner(s.ID()), procOf(ctx).draw(mostClients))
		if target == nil {
			return key, nil
		}
		target.mu.Lock()
		id := target.socket
		target.mu.Unlock()
		before := r.undisturbed(ctx, target)
		limited, cancel := context.WithTimeout(ctx, askPatience)
		defer cancel()
		to, err := nsp.Socket(limited, id)
		if err == nil {
			var answer string
			answer, err = nonstick.EmitWithAck[string](limited, to, "relayed", key)
			if err == nil && answer != key {
				r.w.violation("%s was answered %q", key, answer)
			}
		}
		r.w.note(fmt.Sprintf("asked %s: %v", key, err))
		if err != nil && before && r.undisturbed(ctx, target) {
			r.w.violation("%s: %s had no answer: %v", key, target.name, err)
		}
		return key, nil
	})
}

// another returns another client that is in the namespace.
func (r *run) another(c *client, n int) *client {
	for i := range r.clients {
		other := r.clients[(i+n)%len(r.clients)]
		other.mu.Lock()
		ready := other != c && other.joined
		other.mu.Unlock()
		if ready {
			return other
		}
	}
	return nil
}

// undisturbed reports whether a client can answer at once, and nothing has gone wrong. One that changes to WebSocket
// cannot before its POSTs have been answered: that of two clients which ask one another takes as long as they wait.
func (r *run) undisturbed(ctx context.Context, c *client) bool {
	if r.line != nil || r.tight || r.closes(c) || !r.w.faultless() || !r.isOpen(ctx, c) {
		return false // behind slow frames it may take long
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.alive && !c.paired && !c.inSecond && (c.upgraded || !c.paused) && c.changed < promptly
}

// relayed answers what another client had the server ask.
func (c *client) relayed(ctx context.Context, frame string) {
	id, text, _ := strings.Cut(strings.TrimPrefix(frame, "42"), `["relayed",`)
	c.run.mu.Lock()
	c.run.asked = append(c.run.asked, question{c, id})
	c.run.mu.Unlock()
	answer := "43" + id + "[" + strings.TrimSuffix(text, "]") + "]"
	for n := range c.answers {
		c.spawn(ctx, fmt.Sprintf("reply%d %s", n, text), func(ctx context.Context) {
			c.run.w.pause(ctx, time.Duration(procOf(ctx).draw(3))*promptly/4)
			c.send(ctx, answer)
		})
	}
}

// strays sends acknowledgements for which no caller waits: not from this client.
func (c *client) strays(ctx context.Context, k int) bool {
	frames := []string{fmt.Sprintf(`43%d["stray"]`, 1000+k)}
	for end := time.Now().Add(promptly); time.Now().Before(end) && len(frames) == 1 && ctx.Err() == nil; {
		c.run.mu.Lock()
		for _, q := range c.run.asked[c.strayed:] {
			if q.of != c {
				frames = append(frames, fmt.Sprintf(`43%s["stray"]`, q.id))
			}
		}
		c.strayed = len(c.run.asked)
		c.run.mu.Unlock()
		c.run.w.pause(ctx, 10*time.Millisecond)
	}
	return c.send(ctx, frames...)
}

func (s *store) Ack(ctx context.Context, id sessionstore.SessionID, ack uint64) (sessionstore.Ack, error) {
	return read(ctx, s, "Ack "+string(id), func() (sessionstore.Ack, error) {
		a, err := s.Store.Ack(ctx, id, ack)
		for _, c := range s.r.clients {
			if err != nil && s.mutant == "anybody-answers" {
				a, err = s.Store.Ack(ctx, c.sid, ack)
			}
		}
		if s.mutant == "no-waiter-hears" {
			a.Answer = nil
		}
		return a, err
	})
}

// answerAny is AnswerAck without regard of whose session was asked.
func (s *store) answerAny(ctx context.Context, a sessionstore.Ack, now time.Time) (sessionstore.Ack, error) {
	was, err := s.Store.AnswerAck(ctx, a, now)
	for _, c := range s.r.clients {
		if err != nil && s.mutant == "anybody-answers" {
			a.Session = c.sid
			was, err = s.Store.AnswerAck(ctx, a, now)
		}
	}
	return was, err
}
