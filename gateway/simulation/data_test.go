package simulation

import (
	"context"
	"slices"

	"github.com/nonstick-io/nonstick"
	"github.com/nonstick-io/nonstick/sessionstore"
)

// data has a client keep something for its socket.
const data = "data"

// keeps registers it. Each event keeps a value under a key of its own, and looks for those that were kept before.
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
		return key, nil
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
