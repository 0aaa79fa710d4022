package nonstick_test

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nonstick-io/nonstick"
	"github.com/nonstick-io/nonstick/sessionstore"
)

// asked finds the acknowledgement's id in the event "ask" with the argument 1.
var asked = regexp.MustCompile(`^42(\d+)\["ask",1\]$`)

// askedID returns the id that a client was asked with.
func (p *peer) askedID() string {
	p.w.t.Helper()
	got := p.take()
	if len(got) == 1 {
		if m := asked.FindStringSubmatch(got[0]); m != nil {
			return m[1]
		}
	}
	p.w.t.Fatalf("got %q, want to be asked", got)
	return ""
}

// ackApp has handlers that ask: another socket by its id, and the own client by continuation.
func ackApp(heard *[]string) func(s *nonstick.Server) {
	return func(s *nonstick.Server) {
		n := s.Namespace
		nonstick.OnAck(n, "ask other", func(ctx context.Context, _ *nonstick.Socket, id string) (string, error) {
			k, err := n.Socket(ctx, id)
			if err != nil {
				return "", &nonstick.Error{Message: err.Error()}
			}
			answer, err := nonstick.EmitWithAck[string](ctx, k, "ask", 1)
			if err != nil {
				return "", &nonstick.Error{Message: err.Error()}
			}
			return "heard " + answer, nil
		})
		nonstick.On(n, "ask me", func(ctx context.Context, k *nonstick.Socket, state string) error {
			return nonstick.EmitThen(ctx, k, "ask", "answered", state, 1)
		})
		nonstick.OnAck(n, "ask in vain", func(ctx context.Context, k *nonstick.Socket, _ nonstick.Args) (bool, error) {
			return errors.Is(nonstick.EmitThen(ctx, k, "ask", "nobody", 1, 1), nonstick.ErrNoHandler), nil
		})
		nonstick.OnReply(
			n, "answered",
			func(ctx context.Context, k *nonstick.Socket, answer nonstick.Args2[string, int], state string) error {
				*heard = append(*heard, fmt.Sprintf("%v %v %s", k.ID() != "", answer, state))
				return errors.Join(k.Emit(ctx, "thanks", answer.First), k.Join(ctx, "answerers"))
			},
		)
	}
}

// A handler asks another client, at another instance, and waits for the answer.
func TestEmitWithAck(t *testing.T) {
	for _, c := range []struct {
		name   string
		answer func(w *world, p *peer, id string)
		want   string
	}{
		{"answered", func(_ *world, p *peer, id string) { p.send("43" + id + `["yes"]`) }, `431["heard yes"]`},
		{
			"answered twice", func(_ *world, p *peer, id string) { p.send("43"+id+`["yes"]`, "43"+id+`["no"]`) },
			`431["heard yes"]`,
		},
		{
			"answered after a while",
			func(_ *world, p *peer, id string) { time.Sleep(9 * time.Second); p.send("43" + id + `["yes"]`) },
			`431["heard yes"]`,
		},
		{"answered with nothing", func(_ *world, p *peer, id string) { p.send("43" + id + `[]`) }, `431["heard "]`},
		{
			"another id is answered", func(_ *world, p *peer, id string) { p.send("43" + id + `0["no"]`) },
			`431[{"message":"nonstick: acknowledgement timed out"}]`,
		},
		{"not answered", func(*world, *peer, string) {}, `431[{"message":"nonstick: acknowledgement timed out"}]`},
		{
			"answered by somebody else", func(w *world, p *peer, id string) { w.join(p.at).send("43" + id + `["no"]`) },
			`431[{"message":"nonstick: acknowledgement timed out"}]`,
		},
	} {
		for _, transport := range []string{"websocket", "polling"} {
			t.Run(c.name+"/"+transport, func(t *testing.T) {
				inWorld(t, func(t *testing.T, w *world) {
					one, two := w.server(ackApp(nil)), w.server(ackApp(nil))
					asker, p := w.join(one), w.joinOn(two, transport)
					start := time.Now()
					done := make(chan error, 1)
					go func() { done <- asker.try(`421["ask other","` + p.id + `"]`) }()
					synctest.Wait()
					c.answer(w, p, p.askedID())
					if err := <-done; err != nil {
						t.Error(err)
					}
					asker.expect(c.want)
					if d := time.Since(start); d > 10*time.Second+time.Millisecond {
						t.Errorf("waited %v", d)
					}
				})
			})
		}
	}
}

// Sockets whose acknowledgement cannot be waited for.
func TestEmitWithAckRefused(t *testing.T) {
	for _, c := range []struct {
		name string
		id   func(w *world, asker *peer) string
		want string
	}{
		{
			"oneself", func(_ *world, asker *peer) string { return asker.id },
			"nonstick: cannot wait for an acknowledgement of the client whose message is being handled: emit with EmitThen, and take the answer with OnReply",
		},
		{"nobody", func(*world, *peer) string { return "nobody" }, nonstick.ErrDisconnected.Error()},
		{"one that left", func(w *world, asker *peer) string {
			p := w.join(asker.at)
			p.send("41")
			return p.id
		}, nonstick.ErrDisconnected.Error()},
	} {
		t.Run(c.name, func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				asker := w.join(w.server(ackApp(nil)))
				id := c.id(w, asker)
				start := time.Now()
				asker.send(`421["ask other","` + id + `"]`)
				asker.expect(`431[{"message":"` + c.want + `"}]`)
				if time.Since(start) > 0 {
					t.Errorf("it took %v", time.Since(start))
				}
			})
		})
	}
}

// From outside of a handler: a deadline of the caller's, a socket that goes while one waits, types that do not fit,
// binary.
func TestEmitWithAckOutside(t *testing.T) {
	for _, c := range []struct {
		name   string
		answer func(p *peer, id string)
		want   string
		err    error
		after  time.Duration
	}{
		{"answered", func(p *peer, id string) { p.send("43"+id+`["yes"]`, "3") }, "yes", nil, 0},
		{"in time", func(*peer, string) {}, "", nonstick.ErrAckTimeout, 3 * time.Second},
		{"wrong type", func(p *peer, id string) { p.send("43" + id + `[7]`) }, "", nonstick.ErrArgs, 0},
		{
			"binary", func(p *peer, id string) { p.send("461-"+id+`[{"_placeholder":true,"num":0}]`, "beWVz") }, "eWVz",
			nil, 0,
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				s := w.server(ackApp(nil))
				p := w.join(s)
				k, err := s.Socket(t.Context(), p.id)
				if err != nil {
					t.Fatal(err)
				}
				ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
				defer cancel()
				start := time.Now()
				done := make(chan string, 1)
				go func() {
					answer, err := nonstick.EmitWithAck[string](ctx, k, "ask", 1)
					if !errors.Is(err, c.err) {
						t.Errorf("error %v, want %v", err, c.err)
					}
					done <- answer
				}()
				synctest.Wait()
				c.answer(p, p.askedID())
				if got := <-done; got != c.want {
					t.Errorf("answer %q, want %q", got, c.want)
				}
				if d := time.Since(start); d != c.after {
					t.Errorf("after %v, want %v", d, c.after)
				}
				for _, u := range []sessionstore.Op{sessionstore.OpAck} {
					if w.meter.Op(u).Calls == 0 {
						t.Error("the store was not asked")
					}
				}
			})
		})
	}
}

// The answer to EmitThen is taken by the instance that it arrives at, once.
func TestEmitThen(t *testing.T) {
	for _, transport := range []string{"websocket", "polling"} {
		t.Run(transport, func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				var one, two []string
				p := w.joinOn(w.server(ackApp(&one)), transport)
				p.send(`42["ask me","some state"]`)
				id := p.askedID()
				p.at = w.server(ackApp(&two))
				p.send("43"+id+`["yes",5]`, "43"+id+`["again",6]`)
				p.expect(`42["thanks","yes"]`)
				if len(one) != 0 || fmt.Sprint(two) != "[true {yes 5} some state]" {
					t.Errorf("heard %q and %q", one, two)
				}
				if rooms := w.kept(p.state().Sockets[0]); rooms != "[answerers] map[]" {
					t.Errorf("rooms %v", rooms)
				}
				p.send(`421["ask in vain"]`)
				p.expect("431[true]")
			})
		})
	}
}

// An answer that its handler cannot take is logged; the session goes on.
func TestEmitThenWrongAnswer(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		var heard []string
		p := w.join(w.server(ackApp(&heard)))
		p.send(`42["ask me","x"]`)
		p.send("43" + p.askedID() + `[7]`)
		p.expect()
		p.expectOpen()
		if len(heard) > 0 {
			t.Errorf("heard %q", heard)
		}
	})
}

// TestEmitWithAckInTime: a handler that waits in vain answers its client before the platform ends it.
func TestEmitWithAckInTime(t *testing.T) {
	for _, c := range []struct {
		name           string
		platform, want time.Duration // want: until the client has its answer
		own            time.Duration // deadline that the handler sets, if not zero
	}{
		{"no platform", 0, 10 * time.Second, 0},
		{"a platform with much time", 29 * time.Second, 10 * time.Second, 0},
		{"a platform with less", 12 * time.Second, 9 * time.Second, 0},
		{"a platform with little", 4 * time.Second, 3 * time.Second, 0},
		{"a shorter deadline of the handler", 29 * time.Second, 2 * time.Second, 2 * time.Second},
		{"a longer one", 29 * time.Second, 20 * time.Second, 20 * time.Second},
		{"one too long for the platform", 29 * time.Second, 26 * time.Second, 28 * time.Second},
	} {
		t.Run(c.name, func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				s := w.server(func(s *nonstick.Server) {
					n := s.Namespace
					nonstick.OnAck(
						n, "ask other", func(ctx context.Context, _ *nonstick.Socket, id string) (bool, error) {
							if c.own > 0 {
								var cancel context.CancelFunc
								ctx, cancel = context.WithTimeout(ctx, c.own)
								defer cancel()
							}
							k, err := n.Socket(ctx, id)
							if err != nil {
								return false, err
							}
							_, err = nonstick.EmitWithAck[string](ctx, k, "ask", 1)
							return errors.Is(err, nonstick.ErrAckTimeout), nil
						},
					)
				})
				asker, silent := w.join(s), w.join(s)
				ctx := t.Context()
				if c.platform > 0 {
					var cancel context.CancelFunc
					ctx, cancel = context.WithTimeout(ctx, c.platform)
					defer cancel()
				}
				start := time.Now()
				reply, err := s.Engine().Message(ctx, asker.conn, `421["ask other","`+silent.id+`"]`)
				if err != nil || reply != "431[true]" {
					t.Errorf("answer %q, %v", reply, err)
				}
				if d := time.Since(start); d != c.want {
					t.Errorf("after %v, want %v", d, c.want)
				}
			})
		})
	}
}

// TestAcksNobodyWaitsFor: what a client acknowledges that was not asked costs a few readings in a request, however many
// they are, and is no reason to end it.
func TestAcksNobodyWaitsFor(t *testing.T) {
	var unasked []string
	for n := range 1001 {
		unasked = append(unasked, fmt.Sprintf("43%d[1]", n))
	}
	unasked = append(unasked, "43", "43[]", "437", "43 8[]", "43 8 9[]", "4399999999999999999999[]", "461-5")
	unasked = append(unasked, "bAQ==")
	inWorld(t, func(t *testing.T, w *world) {
		var heard []string
		s := w.server(ackApp(&heard))
		p := w.joinPolling(s)
		u := w.spend(func() { p.send(unasked...) })
		if u.reads > 6 || u.writes > 0 {
			t.Errorf(
				"%d reads and %d writes, want the session's, 4 and one of what is pending (%s)", u.reads, u.writes,
				u.calls,
			)
		}
		p.expectOpen()
		p.send(`42["ask me","state"]`)
		id := p.askedID()
		u = w.spend(func() { p.send(append(unasked, "43"+id+`["yes",5]`)...) })
		if len(heard) != 1 {
			t.Errorf("heard %q among others", heard)
		}
		if u.reads > 8 || u.writes > 5 {
			t.Errorf("%d reads and %d writes for one that was asked (%s)", u.reads, u.writes, u.calls)
		}
	})
}

// TestAckIDs: every client reads the ids that the server makes.
func TestAckIDs(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		var heard []string
		p := w.join(w.server(ackApp(&heard)))
		for range 20 {
			p.send(`42["ask me","x"]`)
			if n, err := strconv.ParseInt(p.askedID(), 10, 32); err != nil || n < 0 {
				t.Errorf("id %d, %v", n, err)
			}
		}
	})
}

// TestAckWithoutPayload answers with nothing.
func TestAckWithoutPayload(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		var heard []string
		p := w.join(w.server(ackApp(&heard)))
		p.send(`42["ask me","x"]`)
		p.send("43" + p.askedID())
		if fmt.Sprint(heard) != "[true { 0} x]" {
			t.Errorf("heard %q", heard)
		}
	})
}
