package cases_test

import (
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nonstick-io/nonstick"
	"github.com/nonstick-io/nonstick/internal/apps/cases"
	"github.com/nonstick-io/nonstick/internal/pushtest"
	"github.com/nonstick-io/nonstick/sessionstore"
	"github.com/nonstick-io/nonstick/sessionstore/memstore"
)

// world is the application with clients on WebSocket.
type world struct {
	t       *testing.T
	srv     *nonstick.Server
	pusher  *pushtest.Pusher
	clients int
}

// inWorld runs a test in a bubble of its own time.
func inWorld(t *testing.T, f func(t *testing.T, w *world)) {
	t.Helper()
	counts := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		w := &world{t: t, pusher: pushtest.New()}
		w.srv = nonstick.New(nonstick.Config{Store: memstore.New(memstore.Options{}), Pusher: w.pusher})
		cases.App{Counts: counts, Logger: slog.New(slog.DiscardHandler)}.Register(w.srv)
		f(t, w)
	})
}

// client opens a session on WebSocket, and joins nothing.
func (w *world) client() *client {
	w.t.Helper()
	w.clients++
	c := &client{w, sessionstore.Connection{ID: fmt.Sprint("c", w.clients), Endpoint: "http://127.0.0.1"}}
	step, err := w.srv.Engine().Connect(w.t.Context(), c.conn, sessionstore.Handshake{})
	if err == nil {
		err = w.srv.Engine().Run(w.t.Context(), step)
	}
	if err != nil {
		w.t.Fatal(err)
	}
	w.pusher.Take(c.conn)
	return c
}

type client struct {
	w    *world
	conn sessionstore.Connection
}

// join is a client that is connected to the main namespace, and its socket id.
func (w *world) join(auth string) (*client, string) {
	w.t.Helper()
	c := w.client()
	answer := c.send("40" + auth)[0]
	_, id, _ := strings.Cut(answer, `"sid":"`)
	id, _, ok := strings.Cut(id, `"`)
	if !ok {
		w.t.Fatalf("answer to CONNECT: %s", answer)
	}
	return c, id
}

// send sends a frame and returns what comes back, in order.
func (c *client) send(frame string) []string {
	c.w.t.Helper()
	reply, err := c.w.srv.Engine().Message(c.w.t.Context(), c.conn, frame)
	if err != nil {
		c.w.t.Fatal(err)
	}
	got := c.w.pusher.Take(c.conn)
	if reply != "" {
		got = append(got, reply)
	}
	return got
}

func (c *client) expect(got []string, want ...string) {
	c.w.t.Helper()
	if strings.Join(got, " ") != strings.Join(want, " ") {
		c.w.t.Errorf("got  %q\nwant %q", got, want)
	}
}

func TestEvents(t *testing.T) {
	for _, tt := range []struct {
		name   string
		frames []string
		want   []string
	}{
		{"echo", []string{`421["echo",1,null,"a"]`}, []string{`431[1,null,"a"]`}},
		{"echo without a name", []string{`421["",1]`}, []string{`431[1]`}},
		{"echo whose name is a number", []string{`421["7",1]`}, []string{`431[1]`}},
		{"echo with an awkward name", []string{`421["ünï😀 \u001e\"\\\n",1]`}, []string{`431[1]`}},
		{"back", []string{`421["back",1,2]`}, []string{`42["back",1,2]`, `431[]`}},
		{
			"back with an attachment",
			[]string{`451-["back",{"_placeholder":true,"num":0}]`, "bAAE="},
			[]string{`451-["back",{"_placeholder":true,"num":0}]`, "bAAE="},
		},
		{"int", []string{`421["int",9007199254740993]`}, []string{`431[9007199254740993]`}},
		{"int that is text", []string{`421["int","1"]`}, []string{`431[{"message":"Invalid arguments"}]`}},
		{"float", []string{`421["float",0.5]`}, []string{`431[0.5]`}},
		{"str", []string{`421["str","ü"]`}, []string{`431["ü"]`}},
		{"any", []string{`421["any",[1,{"a":null}]]`}, []string{`431[[1,{"a":null}]]`}},
		{"map", []string{`421["map",{"a":[1]}]`}, []string{`431[{"a":[1]}]`}},
		{"none", []string{`421["none"]`}, []string{`431[]`}},
		{
			"bin",
			[]string{`451-1["bin",{"_placeholder":true,"num":0}]`, "bAAE="},
			[]string{`461-1[{"_placeholder":true,"num":0}]`, "bAAE="},
		},
		{"bytes", []string{`451-1["bytes",{"_placeholder":true,"num":0}]`, "bAAE="}, []string{`431[2]`}},
		{"struct", []string{`451-1["struct",{"a":1,"b":{"_placeholder":true,"num":0}}]`, "bAAE="}, []string{`431[3]`}},
		{"fail", []string{`421["fail"]`}, nil},
		{"refuse", []string{`421["refuse"]`}, []string{`431[{"message":"no"}]`}},
		{"burst", []string{`421["burst",2]`}, []string{`42["self",0]`, `42["self",1]`, `431[2]`}},
		{"slow", []string{`421["slow",500]`}, []string{`431[500]`}},
		{"auth, none", []string{`421["auth"]`}, []string{`431[null]`}},
		{"join and rooms", []string{`42["join","b"]`, `42["join","a"]`, `421["rooms"]`}, []string{`431[["a","b"]]`}},
		{"leave", []string{`42["join","b"]`, `421["leave","b"]`, `422["rooms"]`}, []string{`431["ok"]`, `432[[]]`}},
		{"say", []string{`42["join","b"]`, `421["say","b",{"x":1}]`}, []string{`42["said",{"x":1}]`, `431[true]`}},
		{
			"cast", []string{
				`42["join","a"]`, `421["cast",{"to":["a","b"],"and":["a"]},1]`, `422["cast",{"and":["a","b"]},2]`,
				`423["cast",{"to":["a"],"except":["a"]},3]`,
			}, []string{`42["said",1]`, `431[true]`, `432[true]`, `433[true]`},
		},
		{
			"members, none",
			[]string{`42["join","a"]`, `421["members",{"to":["a"],"and":["b"]}]`},
			[]string{`431[{"count":0,"any":false,"ids":[],"rooms":{}}]`},
		},
		{
			"vote, an empty room",
			[]string{`421["vote",{"to":["a"]},10]`},
			[]string{`431[{"answers":{},"missing":[],"late":false}]`},
		},
		{"later", []string{`421["later",0,"x"]`}, []string{`431[true]`}},
		{"expire", []string{`421["expire",0]`}, []string{`431[true]`}},
		{"all", []string{`421["all",1,2]`}, []string{`42["all",1,2]`, `431[true]`}},
		{"bye", []string{`421["bye"]`}, []string{`42["last",1]`, `41`, `431[true]`}},
		{
			"count",
			[]string{`421["count","k"]`, `422["count","k"]`, `423["count","l"]`},
			[]string{`431[1]`, `432[2]`, `433[1]`},
		},
		{"flaky", []string{`421["flaky","k"]`, `422["flaky","k"]`, `423["flaky","k"]`}, []string{`433[3]`}},
		{"askother, nobody", []string{`421["askother","nobody"]`}, nil},
		{"panic", []string{`421["panic"]`}, nil},
		{"err", []string{`421["err"]`}, nil},
		{"nosuch", []string{`421["nosuch",1,"a",null]`}, []string{`431["[1,\"a\",null]"]`}},
		{"twice: the second counts", []string{`421["twice"]`}, []string{`431["one"]`}},
		{"late", []string{`421["late"]`, `422["none"]`}, []string{`432[]`}},
		{"no such event", []string{`421["unknown"]`}, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			inWorld(t, func(_ *testing.T, w *world) {
				c, _ := w.join("")
				var got []string
				for _, frame := range tt.frames {
					got = append(got, c.send(frame)...)
				}
				// The answer to a frame is returned, what is emitted is pushed: both in the order in which they come.
				c.expect(got, tt.want...)
			})
		})
	}
}

func TestAuth(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		c := w.client()
		c.expect(c.send(`40{"deny":true}`), `44{"message":"denied","data":{"code":7,"text":"ü😀"}}`)
		c.expect(c.send(`40{"deny":"yes"}`), `44{"message":"denied","data":{"code":7,"text":"ü😀"}}`)
		c.expect(c.send(`40{"late":true}`), `44{"message":"Internal server error"}`)
		began := time.Now()
		got := c.send(`40/a/b,{"room":"r","hello":true,"delay":70}`)
		if len(got) != 2 || !strings.HasPrefix(got[0], `40/a/b,{"sid":`) ||
			got[1] != `42/a/b,["hello",{"nsp":"/a/b"}]` {
			t.Errorf("got %q", got)
		}
		if took := time.Since(began); took != 70*time.Millisecond {
			t.Errorf("took %v", took)
		}
		c.expect(c.send(`42/a/b,1["rooms"]`), `43/a/b,1[["r"]]`)
		c.expect(c.send(`42/a/b,2["auth"]`), `43/a/b,2[{"room":"r","hello":true,"delay":70}]`)
	})
}

// A socket that leaves is told to the room of watchers, after the time that it asked for.
func TestLeft(t *testing.T) {
	for name, tt := range map[string]struct {
		frame, reason string
	}{
		"client": {"41", "client namespace disconnect"},
		"bye":    {`42["bye"]`, "server namespace disconnect"},
		"kick":   {`42["kick"]`, "server namespace disconnect"},
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				watcher, _ := w.join(`{"room":"watchers"}`)
				c, id := w.join(`{"room":"r","leave":40,"bye":30}`)
				began := time.Now()
				c.send(tt.frame)
				if took := time.Since(began); took != 70*time.Millisecond {
					t.Errorf("took %v", took)
				}
				watcher.expect(
					w.pusher.Take(watcher.conn),
					fmt.Sprintf(`42["left",{"id":%q,"reason":%q,"rooms":["r"]}]`, id, tt.reason),
					fmt.Sprintf(`42["gone",{"id":%q,"reason":%q,"rooms":[]}]`, id, tt.reason),
				)
			})
		})
	}
}

// The server asks: with a continuation, and another client while its handler waits.
func TestQuestions(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		c, _ := w.join("")
		got := c.send(`42["ask","a"]`)
		number, args, _ := strings.Cut(strings.TrimPrefix(got[0], "42"), "[")
		if args != `"question","a"]` {
			t.Fatalf("got %q", got)
		}
		c.expect(c.send("43"+number+`["b",1]`), `42["answered","b",1]`)
		c.expect(c.send(`421["askme"]`)) // refused, so not acknowledged
		other, otherID := w.join("")
		done := make(chan []string)
		go func() { done <- c.send(fmt.Sprintf(`422["askother",%q]`, otherID)) }()
		synctest.Wait()
		asked := w.pusher.Take(other.conn)[0]
		number, _, _ = strings.Cut(strings.TrimPrefix(asked, "42"), "[")
		other.send("43" + number + `["pong"]`)
		c.expect(<-done, `432["pong"]`)
	})
}

func TestKeep(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		c, _ := w.join("")
		c.expect(c.send(`421["keep"]`), `431["ok"]`)
		time.Sleep(time.Second)
		synctest.Wait()
		c.expect(w.pusher.Take(c.conn), fmt.Sprintf(`42["kept-result",%q]`, nonstick.ErrHandlerReturned.Error()))
	})
}
