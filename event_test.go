package nonstick_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/nonstick-io/nonstick"
	"github.com/nonstick-io/nonstick/internal/socketio"
)

type point struct {
	X int `json:"x"`
	Y int `json:"y"`
}

// typed registers a handler of each kind. Each acknowledges with what it was given.
func typed(s *nonstick.Server) {
	n := s.Namespace
	nonstick.On(
		n, "none",
		func(context.Context, *nonstick.Socket, nonstick.Args) error {
			return nil
		},
	)
	nonstick.OnAck(
		n, "args",
		func(_ context.Context, _ *nonstick.Socket, a nonstick.Args) (nonstick.Args, error) { return a, nil },
	)
	nonstick.OnAck(n, "int", func(_ context.Context, _ *nonstick.Socket, v int) (int, error) { return v, nil })
	nonstick.OnAck(n, "point", func(_ context.Context, _ *nonstick.Socket, p point) (point, error) { return p, nil })
	nonstick.OnAck(
		n, "pointer", func(_ context.Context, _ *nonstick.Socket, p *point) (*point, error) { return p, nil },
	)
	nonstick.OnAck(
		n, "raw",
		func(_ context.Context, _ *nonstick.Socket, p json.RawMessage) (json.RawMessage, error) { return p, nil },
	)
	nonstick.OnAck(
		n, "two",
		func(
			_ context.Context, _ *nonstick.Socket, a nonstick.Args2[string, int],
		) (nonstick.Args2[int, string], error) {
			return nonstick.Args2[int, string]{First: a.Second, Second: a.First}, nil
		},
	)
	nonstick.OnAck(
		n, "three",
		func(
			_ context.Context, _ *nonstick.Socket, a nonstick.Args3[bool, point, []int],
		) (nonstick.Args3[[]int, point, bool], error) {
			return nonstick.Args3[[]int, point, bool]{First: a.Third, Second: a.Second, Third: a.First}, nil
		},
	)
	nonstick.OnAck(n, "refused", func(context.Context, *nonstick.Socket, nonstick.Args) (int, error) {
		return 0, fmt.Errorf("wrapped: %w", &nonstick.Error{Message: "no", Data: json.RawMessage(`[1]`)})
	})
	nonstick.OnAck(
		n, "failed",
		func(context.Context, *nonstick.Socket, nonstick.Args) (int, error) { return 0, errors.New("secret") },
	)
	nonstick.OnAck(n, "panic", func(context.Context, *nonstick.Socket, nonstick.Args) (int, error) { panic("secret") })
	nonstick.OnAck(
		n, "unencodable",
		func(context.Context, *nonstick.Socket, nonstick.Args) (chan int, error) { return make(chan int), nil },
	)
}

// What an event with an acknowledgement asked for is answered.
func TestEventTypes(t *testing.T) {
	for _, c := range []struct {
		name, event, want string // "" is no answer
	}{
		{"none", `"none"`, `[]`},
		{"none, with arguments", `"none",1,"x"`, `[]`},
		{"args", `"args",1,"x",{"a":[null]}`, `[1,"x",{"a":[null]}]`},
		{"args, without any", `"args"`, `[]`},
		{"int", `"int",7`, `[7]`},
		{"int, with more", `"int",7,8`, `[7]`},
		{"int, missing", `"int"`, `[0]`},
		{"int, null", `"int",null`, `[0]`},
		{"int, a string", `"int","7"`, `[{"message":"Invalid arguments"}]`},
		{"int, a fraction", `"int",7.5`, `[{"message":"Invalid arguments"}]`},
		{"struct", `"point",{"x":1,"y":2}`, `[{"x":1,"y":2}]`},
		{"struct, with more fields", `"point",{"x":1,"z":3}`, `[{"x":1,"y":0}]`},
		{"struct, missing", `"point"`, `[{"x":0,"y":0}]`},
		{"struct, an array", `"point",[1,2]`, `[{"message":"Invalid arguments"}]`},
		{"struct, a wrong field", `"point",{"x":"one"}`, `[{"message":"Invalid arguments"}]`},
		{"pointer", `"pointer",{"x":1}`, `[{"x":1,"y":0}]`},
		{"pointer, null", `"pointer",null`, `[null]`},
		{"pointer, missing", `"pointer"`, `[null]`},
		{"raw", `"raw",[1, 2]`, `[[1,2]]`},
		{"two", `"two","a",5`, `[5,"a"]`},
		{"two, one missing", `"two","a"`, `[0,"a"]`},
		{"two, both missing", `"two"`, `[0,""]`},
		{"two, the second wrong", `"two","a","b"`, `[{"message":"Invalid arguments"}]`},
		{"three", `"three",true,{"x":1,"y":2},[3]`, `[[3],{"x":1,"y":2},true]`},
		{"three, one missing", `"three",true,{"x":1,"y":2}`, `[null,{"x":1,"y":2},true]`},
		{"refused", `"refused"`, `[{"message":"no","data":[1]}]`},
		{"failed", `"failed"`, ""},
		{"panics", `"panic"`, ""},
		{"unknown event", `"other",1`, ""},
		{"answer that has no JSON", `"unencodable"`, ""},
		{"numeric event", `7,1`, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				p := w.join(w.server(typed))
				p.send(`4217[` + c.event + `]`)
				if c.want == "" {
					p.expect()
				} else {
					p.expect("4317" + c.want)
				}
				p.send(`42[` + c.event + `]`) // and without asking
				p.expect()
				p.send(`421["int",1]`) // the session goes on
				p.expect(`431[1]`)
				if log := w.log.String(); strings.Contains(c.name, "fail") && !strings.Contains(log, "secret") {
					t.Errorf("log: %s", log)
				}
			})
		})
	}
}

// Arguments in Go and as they travel, both ways.
func TestEncodeArgs(t *testing.T) {
	check := func(name string, got nonstick.Args, err error, want string) {
		t.Helper()
		if err != nil || string(got.JSON) != want {
			t.Errorf("%s: %s, %v; want %s", name, got.JSON, err, want)
		}
	}
	a, err := nonstick.EncodeArgs()
	check("none", a, err, "")
	a, err = nonstick.EncodeArgs(nonstick.Args2[int, *int]{First: 1})
	check("two", a, err, "[1,null]")
	a, err = nonstick.EncodeArgs([]int{1, 2})
	check("a slice is one argument", a, err, "[[1,2]]")
	a, err = nonstick.EncodeArgs(map[string]nonstick.Binary{"b": nonstick.Binary("hi")})
	check("binary", a, err, `[{"b":{"_placeholder":true,"num":0}}]`)
	if len(a.Attachments) != 1 || string(a.Attachments[0]) != "hi" {
		t.Errorf("attachments %q", a.Attachments)
	}
	back, err := nonstick.DecodeArgs[map[string]nonstick.Binary](a)
	if err != nil || string(back["b"]) != "hi" {
		t.Errorf("decoded %v, %v", back, err)
	}
	if _, err := nonstick.EncodeArgs(make(chan int)); err == nil {
		t.Error("a channel was encoded")
	}
	if _, err := nonstick.EncodeArgs(nonstick.Args2[int, func()]{}); err == nil {
		t.Error("a function was encoded")
	}
	for _, bad := range []string{`{"not":"an array"}`, `[1`, `"x"`} {
		if _, err := nonstick.DecodeArgs[int](
			nonstick.Args{JSON: json.RawMessage(bad)},
		); !errors.Is(
			err, nonstick.ErrArgs,
		) {
			t.Errorf("%s: error %v", bad, err)
		}
	}
}

// What no Socket.IO client sends closes the session, with a reason that says whose fault it was.
func TestViolations(t *testing.T) {
	for _, c := range []struct{ name, frame, reason string }{
		{"no packet", "4", "forced close"},
		{"unknown type", "49", "forced close"},
		{"no JSON", "42[", "forced close"},
		{"no event name", "42[]", "forced close"},
		{"an object for an array", `42{"a":1}`, "forced close"},
		{"reserved event", `42["disconnect"]`, "forced close"},
		{"reserved event, connect_error", `42["connect_error"]`, "forced close"},
		{"depth bomb", `42["int",` + strings.Repeat("[", 1300) + strings.Repeat("]", 1300) + `]`, "forced close"},
		{"deep bomb that is no JSON either", `42["int",` + strings.Repeat("[", 100_000), "forced close"},
		{"too many attachments", `451000-["args"]`, "forced close"},
		{"connect error", `44{"message":"x"}`, "forced server close"},
		{"event for a namespace not joined", `42/admin,["int",1]`, "forced server close"},
		{"acknowledgement for a namespace not joined", `43/admin,1[]`, "forced server close"},
		{"leaving a namespace not joined", "41/admin,", "forced server close"},
		{"event for an unknown namespace", `42/none,["int",1]`, "forced server close"},
		{"attachment without a packet", "bAA==", "forced close"},
	} {
		t.Run(c.name, func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				s := w.server(func(s *nonstick.Server) { typed(s); s.Of("/admin") })
				p := w.join(s)
				p.send(c.frame)
				p.expectClosed(c.reason)
				other := w.join(s) // and no other's
				other.expectOpen()
			})
		})
	}
}

// What is odd but harmless.
func TestTolerated(t *testing.T) {
	for _, c := range []struct{ name, frame string }{
		{"acknowledgement that nobody waits for", `43123["x"]`},
		{"acknowledgement without an id", `43["x"]`},
		{
			"nesting at the limit",
			`42["int",` + strings.Repeat("[", socketio.DefaultMaxDepth-1) + strings.Repeat(
				"]", socketio.DefaultMaxDepth-1,
			) + `]`,
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				p := w.join(w.server(func(s *nonstick.Server) { typed(s); s.Of("/admin") }))
				p.send(c.frame)
				p.expect()
				p.expectOpen()
			})
		})
	}
}

// An event for a namespace that was never joined ends the session at once, also where frames may overtake each other:
// clients send it only after the answer to CONNECT.
func TestEventBeforeConnect(t *testing.T) {
	for _, unordered := range []bool{true, false} {
		inWorld(t, func(t *testing.T, w *world) {
			p := w.open(w.server(typed, func(g *nonstick.Config) { g.Unordered = unordered }))
			start := time.Now()
			p.send(`421["int",5]`)
			p.expectClosed("forced server close")
			if waited := time.Since(start); waited > 0 {
				t.Errorf("unordered %v: it waited %v", unordered, waited)
			}
		})
	}
}

// What a handler emits to its own socket, to others and to all comes in the order of the emits, before the answer.
func TestOrderWithinHandler(t *testing.T) {
	for _, transport := range []string{"websocket", "polling"} {
		t.Run(transport, func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				s := w.server(func(s *nonstick.Server) {
					n := s.Namespace
					nonstick.OnAck(
						n, "go", func(ctx context.Context, k *nonstick.Socket, _ nonstick.Args) (string, error) {
							return "done", errors.Join(
								k.Emit(ctx, "a", 1),
								n.Emit(ctx, "b", 2),
								k.Emit(ctx, "c", 3),
								k.Join(ctx, "room"),
								n.To("room").Emit(ctx, "d", 4),
								k.Broadcast().Emit(ctx, "e", 5),
								n.To(k.ID()).Emit(ctx, "f", 6),
								k.To("room").Emit(ctx, "g", 7),
							)
						},
					)
				})
				other := w.join(s)
				p := w.join(s)
				if transport == "polling" {
					p = w.joinPolling(s)
				}
				p.send(`420["go"]`)
				p.expect(`42["a",1]`, `42["b",2]`, `42["c",3]`, `42["d",4]`, `42["f",6]`, `430["done"]`)
				other.expect(`42["b",2]`, `42["e",5]`)
			})
		})
	}
}

func TestReservedEvents(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		s := w.server(typed)
		n := s.Namespace
		p := w.join(s)
		k, err := n.Socket(t.Context(), p.id)
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{
			"connect", "connect_error", "disconnect", "disconnecting", "newListener", "removeListener",
		} {
			for what, target := range map[string]nonstick.Emitter{"namespace": n, "room": n.To("a"), "socket": k} {
				if err := target.Emit(t.Context(), name, 1); !errors.Is(err, nonstick.ErrReserved) {
					t.Errorf("%s to a %s: %v", name, what, err)
				}
			}
			func() {
				defer func() {
					if recover() == nil {
						t.Errorf("a handler of %s was taken", name)
					}
				}()
				nonstick.On(
					n, name,
					func(context.Context, *nonstick.Socket, nonstick.Args) error {
						return nil
					},
				)
			}()
		}
		p.expect()
	})
}
