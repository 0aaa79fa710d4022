package nonstick_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nonstick-io/nonstick"
	"github.com/nonstick-io/nonstick/sessionstore"
)

// roomApp joins, leaves, keeps data and shows what a handler sees of its socket.
func roomApp(s *nonstick.Server) {
	n := s.Namespace
	nonstick.OnAck(n, "join", func(ctx context.Context, k *nonstick.Socket, rooms []string) ([]string, error) {
		if err := k.Join(ctx, rooms...); err != nil {
			return nil, err
		}
		return k.Rooms(ctx)
	})
	nonstick.OnAck(n, "leave", func(ctx context.Context, k *nonstick.Socket, room string) ([]string, error) {
		if err := k.Leave(ctx, room); err != nil {
			return nil, err
		}
		return k.Rooms(ctx)
	})
	nonstick.On(
		n, "set",
		func(ctx context.Context, k *nonstick.Socket, in nonstick.Args2[string, json.RawMessage]) error {
			if in.Second == nil {
				return k.DeleteData(ctx, in.First)
			}
			return k.SetData(ctx, in.First, in.Second)
		},
	)
	nonstick.OnAck(n, "show", func(ctx context.Context, k *nonstick.Socket, key string) (string, error) {
		rooms, err := k.Rooms(ctx)
		v, ok, dataErr := nonstick.Data[json.RawMessage](ctx, k, key)
		return fmt.Sprintf("%v %s %v %v", rooms, v, ok, errors.Join(err, dataErr)), nil
	})
	nonstick.On(n, "cast", func(ctx context.Context, k *nonstick.Socket, rooms []string) error {
		return n.To(rooms...).Emit(ctx, "news", 1)
	})
}

// What a handler does to its socket is seen by the next event: in the same request, in the next, elsewhere.
func TestRoomsAndData(t *testing.T) {
	steps := []struct{ send, want string }{
		{`420["show","name"]`, `430["[]  false \u003cnil\u003e"]`},
		{`421["join",["b","a"]]`, `431[["a","b"]]`},
		{`422["join",["a"]]`, `432[["a","b"]]`},
		{`423["set","name",{"first":"Ann"}]`, `433[]`},
		{`424["show","name"]`, `434["[a b] {\"first\":\"Ann\"} true \u003cnil\u003e"]`},
		{`425["leave","a"]`, `435[["b"]]`},
		{`426["leave","a"]`, `436[["b"]]`},
		{`427["set","name"]`, `437[]`},
		{`428["show","name"]`, `438["[b]  false \u003cnil\u003e"]`},
	}
	for _, c := range []struct {
		name      string
		transport string
		together  bool
		elsewhere bool
	}{
		{"WebSocket", "websocket", false, false},
		{"WebSocket, each at another instance", "websocket", false, true},
		{"polling", "polling", false, false},
		{"polling, each at another instance", "polling", false, true},
		{"polling, in one POST", "polling", true, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				p := w.joinOn(w.server(roomApp), c.transport)
				var all, want []string
				for _, s := range steps {
					all, want = append(all, s.send), append(want, s.want)
					if c.elsewhere {
						p.at = w.server(roomApp)
					}
					if !c.together {
						p.send(s.send)
						p.expect(s.want)
					}
				}
				if c.together {
					p.send(all...)
					p.expect(want...)
				}
			})
		})
	}
}

// Rooms are told to the store: broadcasts of other instances find the members.
func TestBroadcastFromElsewhere(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		one, two := w.server(roomApp), w.server(roomApp)
		a, b, c := w.join(one), w.joinPolling(two), w.join(two)
		a.send(`42["join",["x"]]`)
		b.send(`42["join",["x","y"]]`)
		c.send(`42["join",["y"]]`)
		for _, step := range []struct {
			to      nonstick.Selection
			reached string
		}{
			{two.To("x"), "ab"},
			{one.To("y"), "bc"},
			{one.To("x", "y"), "abc"},
			{one.In("x").In("y"), "abc"},
			{one.To("y").Except("x"), "c"},
			{one.Except("x"), "c"},
			{one.To("x").And("y"), "b"},
			{two.And("x", "y"), "b"},
			{two.And("x").And("y").Except(b.id), ""},
			{one.In("x", "y").And(c.id), "c"},
			{one.Except("x", "y"), ""},
			{one.To(a.id, c.id), "ac"},
			{one.Except(b.id), "ac"},
		} {
			if err := step.to.Emit(t.Context(), "news", 1); err != nil {
				t.Error(err)
			}
			reached := ""
			for name, p := range map[string]*peer{"a": a, "b": b, "c": c} {
				if state := p.state(); p == b && len(state.Pending()) == 0 {
					continue // a GET would wait
				}
				if got := p.take(); slices.Equal(got, []string{`42["news",1]`}) {
					reached += name
				} else if len(got) > 0 {
					t.Errorf("%s got %q", name, got)
				}
			}
			if list := strings.Split(reached, ""); sortedJoin(list) != step.reached {
				t.Errorf("%v reached %q, want %q", step.to, reached, step.reached)
			}
		}
	})
}

func sortedJoin(list []string) string {
	slices.Sort(list)
	return strings.Join(list, "")
}

// A broadcast leaves out the socket that emits it by itself, even in a room, and each operator makes a new selection.
func TestOperators(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		register := func(s *nonstick.Server) {
			roomApp(s)
			nonstick.On(
				s.Namespace, "others",
				func(ctx context.Context, k *nonstick.Socket, room string) error {
					base := k.To(room)
					_ = base.To("y") // changes nothing of base
					_ = base.Except(room)
					return base.Emit(ctx, "news", 1)
				},
			)
			nonstick.On(
				s.Namespace, "but",
				func(ctx context.Context, k *nonstick.Socket, room string) error {
					return k.Except(room).Emit(ctx, "news", 1)
				},
			)
		}
		s := w.server(register)
		a, b, c := w.join(s), w.join(s), w.join(s)
		a.send(`42["join",["x"]]`)
		b.send(`42["join",["x"]]`)
		c.send(`42["join",["y"]]`)
		a.send(`42["others","x"]`)
		a.expect()
		b.expect(`42["news",1]`)
		c.expect()
		a.send(`42["but","x"]`)
		a.expect()
		b.expect()
		c.expect(`42["news",1]`)
	})
}

// Selections made of one do not change one another, however their memory is shared.
func TestOperatorsDoNotShare(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		s := w.server(roomApp)
		a, b := w.join(s), w.join(s)
		a.send(`42["join",["a"]]`)
		b.send(`42["join",["b"]]`)
		base := s.To("1").To("2").To("3")
		toA, toB := base.To("a"), base.To("b")
		except := s.Except("1").Except("2").Except("3")
		exceptA, exceptB := except.Except("a"), except.Except("b")
		for i, target := range []nonstick.Selection{toA, toB, exceptB, exceptA} {
			if err := target.Emit(t.Context(), "news", i); err != nil {
				t.Error(err)
			}
		}
		a.expect(`42["news",0]`, `42["news",2]`)
		b.expect(`42["news",1]`, `42["news",3]`)
	})
}

func TestRoomNames(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		s := w.server(roomApp)
		p := w.join(s)
		long := strings.Repeat("x", sessionstore.MaxName)
		for _, c := range []struct {
			room string
			ok   bool
		}{{"", false}, {long + "x", false}, {long, true}, {"a#b/ ä", true}} {
			for what, b := range map[string]nonstick.Selection{"to": s.To(c.room), "except": s.Except(c.room)} {
				err := b.Emit(t.Context(), "news", 1)
				if (err == nil) != c.ok || !c.ok && !errors.Is(err, nonstick.ErrRoomName) {
					t.Errorf("%s %.10q: %v", what, c.room, err)
				}
			}
			if _, err := s.To(c.room).Fetch(t.Context(), 10); (err == nil) != c.ok {
				t.Errorf("fetch of %.10q: %v", c.room, err)
			}
			if c.ok {
				p.take()
				frame, _ := json.Marshal([]any{"join", []string{c.room}})
				p.send("42" + string(frame))
				rooms, err := w.store.RoomsOf(t.Context(), p.state().Sockets[0])
				if err != nil || !slices.Contains(rooms, sessionstore.Room(c.room)) {
					t.Errorf("%.10q is not among the rooms %v", c.room, rooms)
				}
			}
		}
	})
}

func TestDataKeys(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		s := w.server(func(s *nonstick.Server) {
			nonstick.OnAck(
				s.Namespace, "try", func(ctx context.Context, k *nonstick.Socket, _ nonstick.Args) (string, error) {
					long := strings.Repeat("x", sessionstore.MaxDataKey)
					errs := []bool{
						k.SetData(ctx, "", 1) != nil,
						k.SetData(ctx, long+"x", 1) != nil,
						k.SetData(ctx, "ch", make(chan int)) != nil,
						k.SetData(ctx, "large", strings.Repeat("x", 500<<10)) != nil,
						k.SetData(ctx, long, 1) != nil,
					}
					_, found, _ := nonstick.Data[string](ctx, k, "large")
					_, _, err := nonstick.Data[string](ctx, k, long)
					return fmt.Sprint(errs, found, err != nil), nil
				},
			)
		})
		p := w.join(s)
		p.send(`420["try"]`)
		p.expect(`430["[true true true true false] false true"]`)
	})
}

func TestFetchSockets(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		s := w.server(roomApp)
		for i := range 6 {
			p := w.joinOn(s, []string{"websocket", "polling"}[i%2])
			p.send(fmt.Sprintf(`42["set","n",%d]`, i))
			if i < 4 {
				p.send(`42["join",["x"]]`)
			}
			if i == 3 {
				p.send("41")
			}
		}
		for _, c := range []struct {
			name  string
			b     nonstick.Selection
			limit int
			want  string
		}{
			{"a room", s.To("x"), 10, "0 1 2"},
			{"all", s.Except("none"), 10, "0 1 2 4 5"},
			{"except", s.Except("x"), 10, "4 5"},
			{"none", s.To("none"), 10, ""},
		} {
			found, err := c.b.Fetch(t.Context(), c.limit)
			if err != nil {
				t.Errorf("%s: %v", c.name, err)
			}
			var got []string
			for _, r := range found {
				n, ok, err := nonstick.Data[int](t.Context(), r, "n")
				if !ok || err != nil || len(r.ID()) != 20 {
					t.Errorf("%s: %v, %v", c.name, ok, err)
				}
				got = append(got, fmt.Sprint(n))
			}
			slices.Sort(got)
			if strings.Join(got, " ") != c.want {
				t.Errorf("%s: %v, want %s", c.name, got, c.want)
			}
		}
		if found, err := s.Except("none").Fetch(t.Context(), 2); err != nil || len(found) != 2 {
			t.Errorf("at most two: %d, %v", len(found), err)
		}
		closing := w.join(s) // its close is under way, its rows are still there
		r := sessionstore.CloseRequest{
			Session: closing.sid, Reason: "test",
			Handler: sessionstore.Lease{Owner: "x", Until: time.Now().Add(time.Minute)},
		}
		if _, err := w.store.Close(t.Context(), r); err != nil {
			t.Fatal(err)
		}
		if found, err := s.Except("none").Fetch(t.Context(), 10); err != nil || len(found) != 5 {
			t.Errorf("all but one that is closing: %d, %v", len(found), err)
		}
	})
}
