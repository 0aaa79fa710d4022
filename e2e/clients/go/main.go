// Command client speaks the scenarios of the client matrix with the Go client of zishang520/socket.io, see
// ../README.md:
//
//	client URL TRANSPORT FRAMES [SCENARIO...]
package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"reflect"
	"slices"
	"time"

	transports "github.com/zishang520/socket.io/clients/engine/v3/transports"
	"github.com/zishang520/socket.io/clients/socket/v3"
	"github.com/zishang520/socket.io/v3/pkg/types"
)

const patience = 10 * time.Second

// run is one run of all scenarios.
type run struct {
	url, transport, frames string
	open                   []*socket.Socket
}

func main() {
	r := &run{url: os.Args[1], transport: os.Args[2], frames: os.Args[3]}
	for _, s := range []struct {
		name string
		do   func(*run) error
	}{
		{"connect", (*run).connects},
		{"refused", (*run).refused},
		{"acknowledged", (*run).acknowledged},
		{"asked", (*run).asked},
		{"waited", (*run).waited},
		{"binary", (*run).binary},
		{"rooms", (*run).rooms},
		{"namespaces", (*run).namespaces},
		{"ended", (*run).ended},
		{"reconnected", (*run).reconnected},
		{"recovered", (*run).recovered},
	} {
		if len(os.Args) > 4 && !slices.Contains(os.Args[4:], s.name) {
			continue
		}
		began := time.Now()
		status, text := "pass", ""
		if err := s.do(r); err != nil {
			status, text = "fail", err.Error()
		}
		report(map[string]any{"name": s.name, "status": status, "ms": time.Since(began).Milliseconds(), "error": text})
		for _, s := range r.open {
			s.Disconnect()
		}
		r.open = nil
	}
}

func report(line map[string]any) {
	b, err := json.Marshal(line)
	if err != nil {
		panic(err) // there is nothing in it that cannot be JSON
	}
	fmt.Println(string(b))
}

// options are those of a client that opens when connected is closed, see [late].
func (r *run) options(auth map[string]any, connected <-chan struct{}) *socket.Options {
	o := socket.DefaultOptions()
	o.SetForceNew(true)
	o.SetReconnectionDelay(50)
	o.SetReconnectionDelayMax(200)
	o.SetAuth(auth)
	o.SetForceBase64(r.frames == "text")
	polling := &late{TransportCtor: transports.Polling, connected: connected}
	webSocket := &late{TransportCtor: transports.WebSocket, connected: connected}
	switch r.transport {
	case "polling":
		o.SetTransports(types.NewSet[transports.TransportCtor](polling))
	case "websocket":
		o.SetTransports(types.NewSet[transports.TransportCtor](webSocket))
	default:
		webSocket.first = transports.Polling
		o.SetTransports(types.NewSet[transports.TransportCtor](polling, webSocket))
	}
	return o
}

// make is a client that is on its way; prepare sets its handlers.
func (r *run) make(auth map[string]any, prepare func(*socket.Socket)) (*socket.Socket, error) {
	connected := make(chan struct{})
	o := r.options(auth, connected)
	o.SetAutoConnect(false)
	s, err := socket.Connect(r.url, o)
	if err != nil {
		return nil, err
	}
	r.open = append(r.open, s)
	if prepare != nil {
		prepare(s)
	}
	s.Connect()
	close(connected)
	return s, nil
}

// connect is a client that is connected.
func (r *run) connect(auth map[string]any, prepare func(*socket.Socket)) (*socket.Socket, error) {
	var up *events
	s, err := r.make(auth, func(s *socket.Socket) {
		up = on(s, "connect")
		if prepare != nil {
			prepare(s)
		}
	})
	if err == nil {
		_, err = up.next()
	}
	return s, err
}

// events are those of one name, kept until they are asked for.
type events struct {
	name string
	all  chan []any
}

func on(s *socket.Socket, name string) *events {
	e := &events{name, make(chan []any, 100)}
	_ = s.On(types.EventName(name), func(args ...any) { e.all <- args }) // it refuses no listener
	return e
}

func (e *events) next() ([]any, error) {
	select {
	case args := <-e.all:
		return args, nil
	case <-time.After(patience):
		return nil, fmt.Errorf("no %q in %v", e.name, patience)
	}
}

// heard is the next event of the application without the offset that a server with recovery puts behind its arguments.
func (e *events) heard() ([]any, error) {
	got, err := e.next()
	if err != nil || os.Getenv("NONSTICK_RECOVERY") != "on" {
		return got, err
	}
	if len(got) > 0 {
		if _, ok := got[len(got)-1].(string); ok {
			return got[:len(got)-1], nil
		}
	}
	return nil, fmt.Errorf("no offset is the last of %v", got)
}

// expect is heard, which has to be this.
func (e *events) expect(want ...any) error {
	got, err := e.heard()
	if err != nil {
		return err
	}
	return same(got, want)
}

// ask emits an event and compares what it is acknowledged with.
func ask(s *socket.Socket, event string, args []any, want ...any) error {
	answers := make(chan []any, 1)
	s.EmitWithAck(event, args...)(func(answer []any, _ error) { answers <- answer })
	select {
	case got := <-answers:
		return same(got, want)
	case <-time.After(patience):
		return fmt.Errorf("%q was not acknowledged in %v", event, patience)
	}
}

// answer answers an event with an acknowledgement.
func answer(s *socket.Socket, event string, with func(string) []any) {
	_ = s.On(types.EventName(event), func(args ...any) {
		ack, ok := args[len(args)-1].(func([]any, error))
		text, _ := args[0].(string)
		if ok {
			ack(with(text), nil)
		}
	})
}

// plain makes values comparable: numbers are those of JSON, binary data is bytes.
func plain(v any) any {
	switch v := v.(type) {
	case types.BufferInterface:
		return v.Bytes()
	case []any:
		out := make([]any, len(v))
		for i := range v {
			out[i] = plain(v[i])
		}
		return out
	case map[string]any:
		out := map[string]any{}
		for k := range v {
			out[k] = plain(v[k])
		}
		return out
	case int:
		return float64(v)
	default:
		return v
	}
}

func same(got, want []any) error {
	if g, w := plain(got), plain(want); !reflect.DeepEqual(g, w) {
		return fmt.Errorf("got %v, want %v", g, w)
	}
	return nil
}

// all is the first error.
func all(steps ...func() error) error {
	for _, step := range steps {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

func (r *run) connects() error {
	auth := map[string]any{"hello": true, "text": "ü😀"}
	var hello *events
	s, err := r.connect(auth, func(s *socket.Socket) { hello = on(s, "hello") })
	if err != nil {
		return err
	}
	return all(
		func() error { return hello.expect(map[string]any{"nsp": "/"}) },
		func() error { return ask(s, "auth", nil, auth) },
	)
}

func (r *run) refused() error {
	var refusal *events
	if _, err := r.make(
		map[string]any{"deny": true}, func(s *socket.Socket) { refusal = on(s, "connect_error") },
	); err != nil {
		return err
	}
	got, err := refusal.next()
	if err != nil {
		return err
	}
	told, ok := got[0].(*types.ExtendedError)
	if !ok {
		return fmt.Errorf("got %T %v", got[0], got[0])
	}
	return same([]any{told.Error(), told.Data}, []any{"denied", map[string]any{"code": 7, "text": "ü😀"}})
}

func (r *run) acknowledged() error {
	s, err := r.connect(nil, nil)
	if err != nil {
		return err
	}
	args := []any{1, "ü😀", nil, map[string]any{"a": []any{true, 0.5}}}
	return all(
		func() error { return ask(s, "echo", args, args...) },
		func() error { return ask(s, "refuse", nil, map[string]any{"message": "no"}) },
	)
}

func (r *run) asked() error {
	var answered *events
	s, err := r.connect(nil, func(s *socket.Socket) {
		answered = on(s, "answered")
		answer(s, "question", func(text string) []any { return []any{text + "!", 2} })
	})
	if err != nil {
		return err
	}
	if err := s.Emit("ask", "why"); err != nil {
		return err
	}
	return answered.expect("why!", 2)
}

func (r *run) waited() error {
	asking, err := r.connect(nil, nil)
	if err != nil {
		return err
	}
	other, err := r.connect(nil, func(s *socket.Socket) {
		answer(s, "q", func(text string) []any { return []any{"pong " + text} })
	})
	if err != nil {
		return err
	}
	return ask(asking, "askother", []any{other.Id()}, "pong hi")
}

func (r *run) binary() error {
	var back *events
	s, err := r.connect(nil, func(s *socket.Socket) { back = on(s, "back") })
	if err != nil {
		return err
	}
	data := make([]byte, 256)
	for i := range data {
		data[i] = byte(i)
	}
	list := func() map[string]any { return map[string]any{"list": []any{bytes.Clone(data), []byte("x")}} }
	return all(
		func() error { return ask(s, "bin", []any{bytes.Clone(data)}, data) },
		func() error { return s.Emit("back", list(), "text") },
		func() error { return back.expect(list(), "text") },
	)
}

func (r *run) rooms() error {
	room := fmt.Sprint("room ", time.Now().UnixNano())
	var saidA, saidB *events
	a, err := r.connect(map[string]any{"room": room}, func(s *socket.Socket) { saidA = on(s, "said") })
	if err != nil {
		return err
	}
	b, err := r.connect(nil, func(s *socket.Socket) { saidB = on(s, "said") })
	if err != nil {
		return err
	}
	return all(
		func() error { return ask(b, "join", []any{room}, "ok") },
		func() error { return ask(a, "say", []any{room, 1}, true) },
		func() error { return saidA.expect(1) },
		func() error { return saidB.expect(1) },
		func() error { return ask(a, "leave", []any{room}, "ok") },
		func() error { return ask(a, "say", []any{room, 2}, true) },
		func() error { return saidB.expect(2) },
		func() error {
			if len(saidA.all) > 0 {
				return fmt.Errorf("a socket that has left the room was reached")
			}
			return nil
		},
	)
}

func (r *run) namespaces() error {
	main, err := r.connect(nil, nil)
	if err != nil {
		return err
	}
	o := socket.DefaultSocketOptions()
	o.SetAuth(map[string]any{"hello": true})
	custom := main.Io().Socket("/custom", o)
	hello := on(custom, "hello")
	custom.Connect()
	return all(
		func() error { return hello.expect(map[string]any{"nsp": "/custom"}) },
		func() error { return ask(main, "echo", []any{1}, 1) },
		func() error { return ask(custom, "echo", []any{2}, 2) },
		func() error { custom.Disconnect(); return ask(main, "echo", []any{3}, 3) },
	)
}

func (r *run) ended() error {
	var last, end *events
	s, err := r.connect(nil, func(s *socket.Socket) { last, end = on(s, "last"), on(s, "disconnect") })
	if err != nil {
		return err
	}
	return all(
		func() error { return s.Emit("bye") },
		func() error { return last.expect(1) },
		func() error {
			got, err := end.next()
			if err != nil {
				return err
			}
			return same(got[:1], []any{"io server disconnect"})
		},
	)
}

func (r *run) reconnected() error {
	var end, up *events
	s, err := r.connect(nil, func(s *socket.Socket) { end = on(s, "disconnect") })
	if err != nil {
		return err
	}
	before := s.Id()
	up = on(s, "connect")
	report(map[string]any{"cut": true})
	return all(
		func() error { _, err := end.next(); return err },
		func() error { _, err := up.next(); return err },
		func() error {
			if s.Id() == before {
				return fmt.Errorf("the socket has its old id")
			}
			return ask(s, "echo", []any{"again"}, "again")
		},
	)
}

func (r *run) recovered() error {
	room := fmt.Sprint("room ", time.Now().UnixNano())
	var said, end *events
	s, err := r.connect(map[string]any{"room": room}, func(s *socket.Socket) {
		said, end = on(s, "said"), on(s, "disconnect")
	})
	if err != nil {
		return err
	}
	say := func(value int) error { return ask(s, "say", []any{room, value}, true) }
	if err := all(func() error { return say(1) }, func() error { return said.expect(1) }); err != nil {
		return err
	}
	before := s.Id()
	up := on(s, "connect")
	report(map[string]any{"cut": true, "say": map[string]any{"room": room, "values": []int{2, 3}}})
	return all(
		func() error { _, err := end.next(); return err },
		func() error { _, err := up.next(); return err },
		func() error {
			if !s.Recovered() || s.Id() != before {
				return fmt.Errorf("recovered is %t, the id %s, want %s", s.Recovered(), s.Id(), before)
			}
			return say(4)
		},
		func() error { return said.expect(2) },
		func() error { return said.expect(3) },
		func() error { return said.expect(4) },
	)
}
