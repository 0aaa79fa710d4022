package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"
)

// behaviour is something that Socket.IO's protocols ask of a server.
type behaviour struct {
	name string
	of   func(context.Context, *way) error
}

// behaviours are those that can be seen from outside, as the protocols name them.
var behaviours = []behaviour{
	{"polling: opens a session", func(ctx context.Context, w *way) error {
		_, o, err := w.poll(ctx)
		if err == nil && (len(o.SID) < 20 || o.PingInterval < 1 || o.PingTimeout < 1 || o.MaxPayload < 1) {
			err = fmt.Errorf("the open packet is %+v", o)
		}
		if err == nil && strings.Join(o.Upgrades, "") != "websocket" {
			err = fmt.Errorf("upgrades %q", o.Upgrades)
		}
		return err
	}},
	{"polling: refuses an unknown transport", refuses(http.MethodGet, "EIO=4&transport=abc", `{"code":0,`)},
	{"polling: refuses a handshake by POST", refuses(http.MethodPost, "EIO=4&transport=polling", `{"code":2,`)},
	{"polling: refuses another version", refuses(http.MethodGet, "EIO=3&transport=polling", `{"code":5,`)},
	{"polling: refuses an unknown session", refuses(http.MethodGet, "EIO=4&transport=polling&sid=abc", `{"code":1,`)},
	{"polling: connects and acknowledges", func(ctx context.Context, w *way) error { return echoes(ctx, w, false) }},
	{"polling: takes several packets at once", func(ctx context.Context, w *way) error {
		p, _, err := w.poll(ctx)
		if err != nil {
			return err
		}
		defer p.close(ctx)
		if err := p.send(ctx, "40", `420["str","a"]`, `421["str","b"]`); err != nil {
			return err
		}
		return inOrder(ctx, p, "40{", `430["a"]`, `431["b"]`)
	}},
	{"polling: refuses a GET beside another", func(ctx context.Context, w *way) error {
		p, _, err := w.poll(ctx)
		if err != nil {
			return err
		}
		if err := p.send(ctx, "40"); err != nil {
			return err
		}
		if _, err := p.receive(ctx); err != nil {
			return err
		}
		ended := make(chan error, 2)
		for _, t := range []string{"a", "b"} {
			go func() {
				_, err := w.do(ctx, http.MethodGet, "EIO=4&transport=polling&sid="+p.sid+"&t="+t, "")
				ended <- err
			}()
			time.Sleep(700 * time.Millisecond)
		}
		var status *statusError
		if err := <-ended; err != nil && !errors.As(err, &status) {
			return err
		}
		if _, err := w.do(ctx, http.MethodGet, p.query(), ""); !errors.As(err, &status) {
			return errors.New("the session lives on")
		}
		return nil
	}},
	{"polling: ends a session", func(ctx context.Context, w *way) error {
		p, _, err := w.poll(ctx)
		if err != nil {
			return err
		}
		if err := p.send(ctx, "1"); err != nil {
			return err
		}
		var status *statusError
		if _, err := w.do(ctx, http.MethodGet, p.query(), ""); !errors.As(err, &status) {
			return fmt.Errorf("a GET after the end: %w", err)
		}
		return nil
	}},
	{"WebSocket: opens, connects and acknowledges", func(ctx context.Context, w *way) error {
		return echoes(ctx, w, true)
	}},
	{"WebSocket: a packet that is none ends it", func(ctx context.Context, w *way) error {
		s, _, err := w.webSocketOpen(ctx)
		if err != nil {
			return err
		}
		defer s.close(ctx)
		if err := s.send(ctx, "abc"); err != nil {
			return err
		}
		if _, err := s.receive(ctx); !errors.Is(err, errClosed) {
			return fmt.Errorf("after it: %w", err)
		}
		return nil
	}},
	{"upgrade: from polling, with nothing lost", upgrades},
	{"upgrade: refuses an unknown session", func(ctx context.Context, w *way) error {
		s, err := w.dial(ctx, w.slash(), "EIO=4&transport=websocket&sid=abc")
		var refused *refusedError
		if errors.As(err, &refused) {
			return nil
		}
		if err != nil {
			return err
		}
		defer s.close(ctx)
		if _, err := s.receive(ctx); !errors.Is(err, errClosed) {
			return fmt.Errorf("it is let in: %w", err)
		}
		return nil
	}},
	{"namespaces: one is refused, one is joined and left", func(ctx context.Context, w *way) error {
		p, _, err := w.poll(ctx)
		if err != nil {
			return err
		}
		defer p.close(ctx)
		if err := p.send(ctx, "40/nowhere,", "40/custom,", `42/custom,7["str","x"]`, "41/custom,", "40"); err != nil {
			return err
		}
		return inOrder(ctx, p, `44/nowhere,{"message":"Invalid namespace"}`, "40/custom,{", `43/custom,7["x"]`, "40{")
	}},
	{"a connect handler refuses, with data", func(ctx context.Context, w *way) error {
		p, _, err := w.poll(ctx)
		if err != nil {
			return err
		}
		defer p.close(ctx)
		if err := p.send(ctx, `40{"deny":true}`); err != nil {
			return err
		}
		return inOrder(ctx, p, `44{"message":"denied","data":{"code":7,`)
	}},
	{"rooms: members on both transports get what is emitted", func(ctx context.Context, w *way) error {
		var all []*member
		for _, webSocket := range []bool{false, true} {
			m, err := w.member(ctx, webSocket)
			if err != nil {
				return err
			}
			defer m.close(ctx)
			if _, err := m.call(ctx, "join", "verify"); err != nil {
				return err
			}
			all = append(all, m)
		}
		if _, err := all[0].call(ctx, "say", "verify", "hello"); err != nil {
			return err
		}
		for _, m := range all {
			if args, err := m.want(ctx, "said"); err != nil || len(args) != 1 || string(args[0]) != `"hello"` {
				return fmt.Errorf("a member got %s: %w", args, err)
			}
		}
		return nil
	}},
	{"the server asks, and is answered", func(ctx context.Context, w *way) error {
		m, err := w.member(ctx, true)
		if err != nil {
			return err
		}
		defer m.close(ctx)
		if err := m.send(ctx, `42["ask","why"]`); err != nil {
			return err
		}
		packet, err := m.receive(ctx)
		id := strings.TrimSuffix(strings.TrimPrefix(packet, "42"), `["question","why"]`)
		if err != nil || strings.HasSuffix(id, "]") {
			return fmt.Errorf("asked was %q: %w", packet, err)
		}
		if err := m.send(ctx, "43"+id+`["so"]`); err != nil {
			return err
		}
		_, err = m.want(ctx, "answered")
		return err
	}},
	{"the server ends a session", func(ctx context.Context, w *way) error {
		m, err := w.member(ctx, true)
		if err != nil {
			return err
		}
		defer m.close(ctx)
		if err := m.send(ctx, `42["kick"]`); err != nil {
			return err
		}
		if _, err := m.want(ctx, "last"); err != nil {
			return err
		}
		for {
			if _, err := m.receive(ctx); errors.Is(err, errClosed) {
				return nil
			} else if err != nil {
				return err
			}
		}
	}},
	{"pings come, and pongs count", func(ctx context.Context, w *way) error {
		s, o, err := w.webSocketOpen(ctx)
		if err != nil {
			return err
		}
		defer s.close(ctx)
		interval := time.Duration(o.PingInterval) * time.Millisecond
		if interval > 15*time.Second {
			return &skipError{fmt.Sprintf("the ping interval is %s: deploy with PingInterval=5s to ask it", interval)}
		}
		if _, err := join(ctx, s); err != nil {
			return err
		}
		ctx, cancel := context.WithTimeout(ctx, 3*interval+time.Duration(o.PingTimeout)*time.Millisecond)
		defer cancel()
		for pings := 0; pings < 2; {
			text, _, _, err := s.frame(ctx)
			switch {
			case errors.Is(err, errSilent) && ctx.Err() == nil:
			case err != nil:
				return fmt.Errorf("%d pings came in %s: %w", pings, 3*interval, err)
			case text == "2":
				pings++
				if err := s.send(ctx, "3"); err != nil {
					return err
				}
			}
		}
		return nil
	}},
}

// refuses is a request that is refused with a body that begins so.
func refuses(method, query, body string) func(context.Context, *way) error {
	return func(ctx context.Context, w *way) error {
		_, err := w.do(ctx, method, query, "")
		var status *statusError
		switch {
		case !errors.As(err, &status):
			return fmt.Errorf("it is not refused: %w", err)
		case status.status != http.StatusBadRequest || !strings.HasPrefix(status.body, body):
			return status
		}
		return nil
	}
}

// inOrder wants packets that begin so, in this order.
func inOrder(ctx context.Context, t transport, want ...string) error {
	for _, w := range want {
		if got, err := t.receive(ctx); err != nil || !strings.HasPrefix(got, w) {
			return fmt.Errorf("got %q, want %q: %w", shorten(got), w, err)
		}
	}
	return nil
}

// echoes connects and has a value of every kind acknowledged.
func echoes(ctx context.Context, w *way, webSocket bool) error {
	m, err := w.member(ctx, webSocket)
	if err != nil {
		return err
	}
	defer m.close(ctx)
	const value = `{"a":[1,-2.5,null,true],"ü😀":"\u0001\u001e\ufffe\u2028 \\ \""}`
	got, err := m.call(ctx, "any", json.RawMessage(value))
	if err != nil {
		return err
	}
	var a, b any
	if json.Unmarshal([]byte(value), &a) != nil || json.Unmarshal(got, &b) != nil || fmt.Sprint(a) != fmt.Sprint(b) {
		return fmt.Errorf("%s came back as %s", value, got)
	}
	return nil
}

// upgrades changes from polling to WebSocket while events come.
func upgrades(ctx context.Context, w *way) error {
	p, o, err := w.poll(ctx)
	if err != nil {
		return err
	}
	m, err := join(ctx, p)
	if err != nil {
		return err
	}
	s, err := w.dial(ctx, w.slash(), "EIO=4&transport=websocket&sid="+o.SID)
	if err != nil {
		return err
	}
	defer s.close(ctx)
	if err := s.send(ctx, "2probe"); err != nil {
		return err
	}
	if got, err := s.receive(ctx); err != nil || got != "3probe" {
		return fmt.Errorf("the probe is answered with %q: %w", shorten(got), err)
	}
	if err := p.send(ctx, `425["str","before"]`); err != nil {
		return err
	}
	got, err := p.receive(ctx) // the GET that is acknowledged by the upgrade
	if err != nil {
		return err
	}
	if err := s.send(ctx, "5"); err != nil {
		return err
	}
	m.transport = s
	if got != `435["before"]` {
		return fmt.Errorf("before the upgrade came %q", shorten(got))
	}
	answer, err := m.call(ctx, "str", "after")
	if err == nil && string(answer) != `"after"` {
		err = fmt.Errorf("after the upgrade came %s", answer)
	}
	return err
}
