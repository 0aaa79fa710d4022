package simulation

import (
	"context"
	"fmt"
	"slices"

	"github.com/nonstick-io/nonstick"
	"github.com/nonstick-io/nonstick/sessionstore"
)

// data has a client keep something for its socket.
const data = "data"

// score is the key of a number, to which the owner of a socket and others add at any time.
const score = "score"

// points are what a client's score may be, under the run's lock.
type points struct {
	least int // was added for sure
	most  int // and with what may have been added, or may yet be
}

// add adds a point to a client's score. It must come on top of those that were there before.
func (r *run) add(ctx context.Context, c *client, of nonstick.Holder) error {
	r.mu.Lock()
	before := c.score.least
	c.score.most++
	r.mu.Unlock()
	n, err := nonstick.AddData(ctx, of, score, 1)
	if procOf(ctx).crashed.Load() {
		return err // it never came to know
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case err == nil && (n <= before || n > c.score.most):
		r.w.violation("%s: a score of %d, where %d were there and no more than %d", c.name, n, before, c.score.most)
	case err == nil:
		c.score.least++
	}
	return err
}

// scorers are how many programs add to the score of the first client, each a few points, as soon as it has joined.
const scorers = 2

// scorer is one of them.
func (r *run) scorer(ctx context.Context, p *proc, i int) {
	c := r.clients[0]
	select {
	case <-c.connected:
	case <-ctx.Done():
		return
	}
	c.mu.Lock()
	id := c.socket
	c.mu.Unlock()
	for range 3 {
		to, err := r.servers[i].Socket(ctx, id)
		if err == nil {
			err = r.add(ctx, c, to)
		}
		if p.crashed.Load() {
			return
		}
		r.w.note(fmt.Sprintf("a point for %s: %v", c.name, err))
	}
}

// keeps registers it. Each event keeps a value under a key of its own, looks for those that were kept before, and adds
// a point to the score of its client.
func (r *run) keeps(nsp *nonstick.Namespace) {
	nonstick.OnAck(nsp, data, func(ctx context.Context, s *nonstick.Socket, key string) (string, error) {
		r.handles(key)
		c := r.owner(s.ID())
		r.mu.Lock()
		kept := slices.Clone(c.kept)
		r.mu.Unlock()
		for _, k := range kept {
			switch v, ok, err := nonstick.Data[string](ctx, s, k); {
			case err != nil:
				return "", err
			case (!ok || v != k) && r.w.spared(c.name): // a session that has ended has none
				r.w.violation("%s: of %s is kept %q", c.name, k, v)
			}
		}
		if err := s.SetData(ctx, key, key); err != nil {
			return "", err
		}
		r.mu.Lock()
		c.kept = append(c.kept, key)
		r.mu.Unlock()
		return key, r.add(ctx, c, s)
	})
}

func (s *store) SetData(
	ctx context.Context, k sessionstore.Socket, key, value string, l sessionstore.SocketLimits,
) error {
	return s.write(ctx, "SetData "+string(k.ID), func(ctx context.Context) error {
		before, _ := s.Store.Data(ctx, k)
		err := s.Store.SetData(ctx, k, key, value, l)
		for other := range before {
			if s.mutant == "data-is-overwritten" && other != key {
				_ = s.Store.SetData(ctx, k, other, "", l)
			}
		}
		return err
	})
}

func (s *store) SwapData(
	ctx context.Context, k sessionstore.Socket, key, old, value string, l sessionstore.SocketLimits,
) error {
	return s.write(ctx, "SwapData "+string(k.ID), func(ctx context.Context) error {
		if s.mutant == "swap-ignores-what-was-read" {
			return s.Store.SetData(ctx, k, key, value, l)
		}
		return s.Store.SwapData(ctx, k, key, old, value, l)
	})
}

func (s *store) Data(ctx context.Context, k sessionstore.Socket) (map[string]string, error) {
	return read(ctx, s, "Data "+string(k.ID), func() (map[string]string, error) { return s.Store.Data(ctx, k) })
}

// readSocket is what ReadSocket returns.
type readSocket struct {
	row  sessionstore.Socket
	data map[string]string
}

func (s *store) ReadSocket(
	ctx context.Context, nsp sessionstore.Namespace, m sessionstore.Member,
) (sessionstore.Socket, map[string]string, error) {
	r, err := read(ctx, s, "ReadSocket "+string(m.Socket), func() (r readSocket, err error) {
		r.row, r.data, err = s.Store.ReadSocket(ctx, nsp, m)
		return r, err
	})
	return r.row, r.data, err
}
