package nonstick_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/nonstick-io/nonstick"
	"github.com/nonstick-io/nonstick/sessionstore"
)

// scoreApp has a score in each socket's data.
func scoreApp(s *nonstick.Server) {
	s.OnConnect(func(ctx context.Context, k *nonstick.Socket) error {
		_, err := nonstick.AddData(ctx, k, "score", 100)
		return err
	})
	nonstick.OnAck(s, "add", func(ctx context.Context, k *nonstick.Socket, n int) (int, error) {
		return nonstick.AddData(ctx, k, "score", n)
	})
	nonstick.OnAck(
		s, "add to", func(ctx context.Context, _ *nonstick.Socket, in nonstick.Args2[string, int]) (int, error) {
			r, err := s.Socket(ctx, in.First)
			if err != nil {
				return 0, err
			}
			return nonstick.AddData(ctx, r, "score", in.Second)
		},
	)
	nonstick.OnAck(s, "rename", func(ctx context.Context, k *nonstick.Socket, name string) (string, error) {
		return nonstick.UpdateData(ctx, k, "name", func(old string, ok bool) (string, error) {
			if ok && old == name {
				return "", &nonstick.Error{Message: "that is your name"}
			}
			return name, nil
		})
	})
	nonstick.OnAck(s, "score", func(ctx context.Context, k *nonstick.Socket, _ nonstick.Args) (int, error) {
		n, _, err := nonstick.Data[int](ctx, k, "score")
		return n, err
	})
	nonstick.OnAck(s, "forget and add", func(ctx context.Context, k *nonstick.Socket, n int) (int, error) {
		if err := k.DeleteData(ctx, "score"); err != nil {
			return 0, err
		}
		return nonstick.AddData(ctx, k, "score", n)
	})
}

// Points that are added at the same time, on several instances and from other sockets, are all counted.
func TestAddDataLosesNothing(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		one, two := w.server(scoreApp), w.server(scoreApp)
		p, other := w.join(one), w.join(two)
		const adders, each = 8, 5
		var group sync.WaitGroup
		for i := range adders {
			group.Go(func() {
				for range each {
					at := one
					if i%2 == 0 {
						at = two
					}
					frame := `42["add",1]`
					conn := p.conn
					if i == 0 {
						frame, conn = fmt.Sprintf(`42["add to",%q,1]`, p.id), other.conn
					}
					if _, err := at.Engine().Message(t.Context(), conn, frame); err != nil {
						t.Error(err)
					}
				}
			})
		}
		group.Wait()
		p.send(`421["score"]`)
		p.expect(fmt.Sprintf(`431[%d]`, 100+adders*each))
	})
}

func TestUpdateData(t *testing.T) {
	inWorld(t, func(_ *testing.T, w *world) {
		p := w.join(w.server(scoreApp))
		for _, c := range []struct{ send, want string }{
			{`421["add",-1.5]`, `431[{"message":"Invalid arguments"}]`},
			{`421["add",7]`, `431[107]`},
			{`421["rename","Ann"]`, `431["Ann"]`},
			{`421["rename","Ann"]`, `431[{"message":"that is your name"}]`},
			{`421["rename","Bob"]`, `431["Bob"]`},
			{`421["forget and add",5]`, `431[5]`},
			{`421["score"]`, `431[5]`},
			{`421["rename","` + strings.Repeat("x", 20<<10) + `"]`, `431[{"message":"Data too large"}]`},
		} {
			p.send(c.send)
			p.expect(c.want)
		}
	})
}

// What has left has no data to change, and a socket whose handler has returned says so.
func TestUpdateDataTooLate(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		var kept *nonstick.Socket
		s := w.server(func(s *nonstick.Server) {
			scoreApp(s)
			nonstick.On(
				s, "keep", func(_ context.Context, k *nonstick.Socket, _ nonstick.Args) error { kept = k; return nil },
			)
			s.OnDisconnect(func(ctx context.Context, k *nonstick.Socket, _ nonstick.Reason) error {
				if _, err := nonstick.AddData(ctx, k, "score", 1); !errors.Is(err, nonstick.ErrDisconnected) {
					t.Errorf("in the disconnect handler: %v", err)
				}
				return nil
			})
		})
		p := w.join(s)
		p.send(`42["keep"]`)
		if _, err := nonstick.AddData(t.Context(), kept, "score", 1); !errors.Is(err, nonstick.ErrHandlerReturned) {
			t.Errorf("kept: %v", err)
		}
		r, err := s.Socket(t.Context(), p.id)
		if err != nil {
			t.Fatal(err)
		}
		if err := r.SetData(t.Context(), "", 1); err == nil {
			t.Error("data without a key was taken")
		}
		if err := r.SetData(t.Context(), "score", 40); err != nil {
			t.Error(err)
		}
		if n, err := nonstick.AddData(t.Context(), r, "score", 2); err != nil || n != 42 {
			t.Errorf("from elsewhere: %d, %v", n, err)
		}
		p.send("41")
		if _, err := nonstick.AddData(t.Context(), r, "score", 2); !errors.Is(err, nonstick.ErrDisconnected) {
			t.Errorf("after the socket has left: %v", err)
		}
		if err := r.SetData(t.Context(), "score", 1); !errors.Is(err, nonstick.ErrDisconnected) {
			t.Errorf("set after the socket has left: %v", err)
		}
	})
}

// doubtful is a store whose changes of data are made, and never heard of.
type doubtful struct{ sessionstore.Store }

var errUnheard = errors.New("the answer was lost")

func (s doubtful) SetData(
	ctx context.Context, k sessionstore.Socket, key, value string, l sessionstore.SocketLimits,
) error {
	return errors.Join(errUnheard, s.Store.SetData(ctx, k, key, value, l))
}

func (s doubtful) SwapData(
	ctx context.Context, k sessionstore.Socket, key, old, value string, l sessionstore.SocketLimits,
) error {
	return errors.Join(errUnheard, s.Store.SwapData(ctx, k, key, old, value, l))
}

// A change in doubt is not made again, and what the handler has read before is not taken for what is there.
func TestDataInDoubt(t *testing.T) {
	for name, change := range map[string]func(context.Context, *nonstick.Socket) error{
		"set": func(ctx context.Context, k *nonstick.Socket) error { return k.SetData(ctx, "score", 101) },
		"add": func(ctx context.Context, k *nonstick.Socket) error {
			_, err := nonstick.AddData(ctx, k, "score", 1)
			return err
		},
	} {
		inWorld(t, func(_ *testing.T, w *world) {
			s := w.server(func(s *nonstick.Server) {
				scoreApp(s)
				nonstick.OnAck(s, "doubt", func(ctx context.Context, k *nonstick.Socket, _ nonstick.Args) (int, error) {
					before, _, err := nonstick.Data[int](ctx, k, "score")
					if err != nil || before != 100 {
						return before, err
					}
					if err := change(ctx, k); !errors.Is(err, errUnheard) {
						t.Errorf("%s: %v", name, err)
					}
					after, _, err := nonstick.Data[int](ctx, k, "score")
					return after, err
				})
			}, func(c *nonstick.Config) { c.Store = doubtful{w.store} })
			p := w.join(s)
			p.send(`421["doubt"]`)
			p.expect(`431[101]`)
		})
	}
}
