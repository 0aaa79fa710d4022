package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/gobwas/ws"
	"github.com/gobwas/ws/wsutil"
)

// inbounds are how frames come.
const ordered = "ordered"

// questions are what only the real service can answer. w is the two APIs, one the single address or nil.
func questions(w, one *way, inbound string, long bool) []question {
	return append([]question{
		{
			name:    "a slash at the end of the stage's URL",
			assumed: "it is refused with 403, or taken",
			means:   "Clients without addTrailingSlash: false cannot use the WebSocket API by itself.",
			ask: func(ctx context.Context) (string, bool, error) {
				s, err := w.dial(ctx, "/", "EIO=4&transport=websocket")
				var refused *refusedError
				if errors.As(err, &refused) {
					return fmt.Sprintf("refused with %d: such clients need addTrailingSlash: false", refused.status),
						refused.status == http.StatusForbidden, nil
				}
				if err != nil {
					return "", false, err
				}
				defer s.close(ctx)
				_, err = s.receive(ctx)
				return "taken", err == nil, err
			},
		},
		edgeQuestion(one, "a WebSocket through CloudFront's selectRequestOriginById, with its path rewritten",
			"The function's way to pick the origin does not hold: see ADR 22.",
			func(ctx context.Context) (string, bool, error) {
				s, _, err := one.webSocketOpen(ctx)
				if err != nil {
					return err.Error(), false, nil //nolint:nilerr // what came is the answer
				}
				s.close(ctx)
				return "it opens", true, nil
			}),
		edgeQuestion(one, "headers of CloudFront's function at the origin",
			"Handshakes have CloudFront's address, and pages behind Edge need their origin in CorsOrigin.",
			func(ctx context.Context) (string, bool, error) { return edgeHeaders(ctx, one) }),
		{
			name:    "pushes of 33 to 128 KB, and the frames that a client gets",
			assumed: "they are taken, and come as one message",
			means:   "Keep packets below what is taken.",
			ask:     func(ctx context.Context) (string, bool, error) { return largePushes(ctx, w) },
		},
		{
			name:    "a route response with an empty body",
			assumed: "nothing is sent",
			means:   "Clients get an empty frame for each pong, which none of them understands: use Inbound=ordered.",
			ask: func(ctx context.Context) (string, bool, error) {
				if inbound == ordered {
					return "", false, &skipError{"frames go to a queue here, and have no response: deploy with " +
						"Inbound=concurrent"}
				}
				return emptyResponse(ctx, w)
			},
		},
		{
			name:    "the order of 100 events that are sent at once (40 with Inbound=concurrent)",
			assumed: "with Inbound=ordered that of sending",
			means:   "API Gateway hands frames of one connection to the queue side by side: see FramesOutOfPlace.",
			ask:     func(ctx context.Context) (string, bool, error) { return orderOf(ctx, w, inbound) },
		},
		{
			name:    "an event with ten attachments, sent at once",
			assumed: "with Inbound=ordered it arrives whole",
			means:   "Attachments are not safe: send binary data by polling.",
			ask:     func(ctx context.Context) (string, bool, error) { return attachments(ctx, w, inbound) },
		},
		{
			name:    "text that queues and mapping templates may spoil",
			assumed: "it comes back as it was",
			means:   "The mapping template spoils frames: take its second form (template.yaml, FrameIntegration).",
			ask:     func(ctx context.Context) (string, bool, error) { return awkward(ctx, w) },
		},
		{
			name:    "the order of 100 pushes, one after the other",
			assumed: "that of pushing",
			means:   "Packets overtake each other on their way to clients: report it.",
			ask:     func(ctx context.Context) (string, bool, error) { return pushOrder(ctx, w) },
		},
		{
			name:    "pushes a second of one function, one after the other",
			assumed: "20 or more",
			means:   "Handlers that emit much need more memory, or fewer emits.",
			ask:     func(ctx context.Context) (string, bool, error) { return pushRate(ctx, w) },
		},
		closeQuestion(w, "a binary frame", 1003, "", func(s *socket) error {
			return wsutil.WriteClientBinary(s.conn, []byte{1, 2, 3})
		}),
		closeQuestion(w, "a frame above 32 KB", 1009, "", func(s *socket) error {
			return wsutil.WriteClientText(s.conn, bytes.Repeat([]byte("4"), 33<<10))
		}),
		closeQuestion(w, "DeleteConnection", 0,
			"Clients of other languages may take that code for an error.", func(s *socket) error {
				return wsutil.WriteClientText(s.conn, []byte(`42["kick"]`))
			}),
		{
			name: "a ping frame of WebSocket", assumed: "it is answered",
			means: "Clients that ping by themselves (Python, Go) may close: raise their timeout.",
			ask: func(ctx context.Context) (string, bool, error) {
				s, _, err := w.webSocketOpen(ctx)
				if err != nil {
					return "", false, err
				}
				defer s.close(ctx)
				if err := wsutil.WriteClientMessage(s.conn, ws.OpPing, []byte("hi")); err != nil {
					return "", false, err
				}
				for {
					text, op, _, err := s.frame(ctx)
					if errors.Is(err, errSilent) {
						return "no answer", false, nil
					}
					if err != nil || op == ws.OpPong {
						return "answered with " + text, text == "hi", err
					}
				}
			},
		},
		{
			name: "from the upgrade to the open packet, and from the first request to its answer", assumed: "below 2 s",
			means: "Provision concurrency, or let clients begin with polling.",
			ask: func(ctx context.Context) (string, bool, error) {
				began := time.Now()
				s, _, err := w.webSocketOpen(ctx)
				if err != nil {
					return "", false, err
				}
				open := time.Since(began)
				s.close(ctx)
				began = time.Now()
				p, _, err := w.poll(ctx)
				if err != nil {
					return "", false, err
				}
				polling := time.Since(began)
				p.close(ctx)
				return fmt.Sprintf("%d ms and %d ms, warm", open.Milliseconds(), polling.Milliseconds()),
					max(open, polling) < 2*time.Second, nil
			},
		},
		{
			name: "the error frame of a throttled function", assumed: `{"message": ...}`,
			means: "Clients see something else than docs/deploy.md says.",
			ask: func(context.Context) (string, bool, error) {
				return "", false, &skipError{"it takes a function without concurrency: deploy with " +
					"WebSocketConcurrency=1 and " +
					"run e2e/node/overload.test.mjs against it"}
			},
		},
	}, longQuestions(w, long)...)
}

// edgeQuestion is one about CloudFront, which is not asked where there is none.
func edgeQuestion(
	one *way, name, means string, ask func(context.Context) (string, bool, error),
) question {
	return question{name: name, assumed: "it " +
		"works", means: means, ask: func(ctx context.Context) (string, bool, error) {
		if one == nil {
			return "", false, &skipError{"there is no CloudFront in front: deploy with Edge=on"}
		}
		return ask(ctx)
	}}
}

// edgeHeaders asks the server what it knows of a client that came through CloudFront.
func edgeHeaders(ctx context.Context, one *way) (string, bool, error) {
	u, err := url.Parse(one.http)
	if err != nil {
		return "", false, err
	}
	for _, webSocket := range []bool{false, true} {
		m, err := one.member(ctx, webSocket)
		if err != nil {
			return "", false, err
		}
		defer m.close(ctx)
		got, err := m.call(ctx, "hs")
		if err != nil {
			return "", false, err
		}
		var h struct {
			Headers map[string]string
			Address string
		}
		if err := json.Unmarshal(got, &h); err != nil {
			return "", false, err
		}
		if h.Headers["host"] != u.Host || h.Headers["x-nonstick-edge"] != "" || h.Headers["x-nonstick-viewer"] != "" {
			return fmt.Sprintf("the handshake has host %q and address %q", h.Headers["host"], h.Address), false, nil
		}
	}
	return "handshakes have the host that was asked for, and no key", true, nil
}

func largePushes(ctx context.Context, w *way) (string, bool, error) {
	asker, err := w.member(ctx, false)
	if err != nil {
		return "", false, err
	}
	defer asker.close(ctx)
	var seen []string
	for _, kb := range []int{30, 33, 64, 100, 120} {
		m, err := w.member(ctx, true)
		if err != nil {
			return "", false, err
		}
		defer m.close(ctx)
		said, err := asker.call(ctx, "push", m.id, kb<<10)
		if err != nil {
			return "", false, err
		}
		if string(said) != `""` {
			return fmt.Sprintf("%d KB: %s", kb, said), false, nil
		}
		s := m.transport.(*socket)
		text, _, frames, err := s.frame(ctx)
		if err != nil {
			return fmt.Sprintf("%d KB: %v", kb, err), false, nil //nolint:nilerr // what came is the answer
		}
		if len(text) < kb<<10 {
			return fmt.Sprintf("%d KB: %d bytes came", kb, len(text)), false, nil
		}
		seen = append(seen, fmt.Sprintf("%d KB in %d", kb, frames))
	}
	return "frames: " + strings.Join(seen, ", "), true, nil
}

func emptyResponse(ctx context.Context, w *way) (string, bool, error) {
	m, err := w.member(ctx, true)
	if err != nil {
		return "", false, err
	}
	defer m.close(ctx)
	if err := m.send(ctx, "3"); err != nil {
		return "", false, err
	}
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	text, _, _, err := m.transport.(*socket).frame(ctx)
	if errors.Is(err, errSilent) {
		return "nothing is sent", true, nil
	}
	return fmt.Sprintf("a frame with %q", text), false, err
}

func orderOf(ctx context.Context, w *way, inbound string) (string, bool, error) {
	m, err := w.member(ctx, true)
	if err != nil {
		return "", false, err
	}
	defer m.close(ctx)
	count := 100
	if inbound != ordered {
		count = 40 // each takes an environment of its own
	}
	for i := range count {
		if _, err := m.emit(ctx, "int", i); err != nil {
			return "", false, err
		}
	}
	last, out := 0, 0
	for range count {
		n, _, err := m.next(ctx)
		if err != nil {
			return "", false, err
		}
		if n < last {
			out++
		}
		last = max(last, n)
	}
	return fmt.Sprintf("%d of %d answers out of place", out, count), inbound != ordered || out == 0, nil
}

func attachments(ctx context.Context, w *way, inbound string) (string, bool, error) {
	if inbound != ordered {
		return "", false, &skipError{"with Inbound=concurrent one attachment at a time is allowed"}
	}
	m, err := w.member(ctx, true)
	if err != nil {
		return "", false, err
	}
	defer m.close(ctx)
	const count = 10
	frames := make([]string, 1, count+1)
	holders := make([]string, count)
	for i := range count {
		holders[i] = fmt.Sprintf(`{"_placeholder":true,"num":%d}`, i)
		frames = append(frames, "bAQID") // 1, 2, 3
	}
	frames[0] = fmt.Sprintf(`45%d-9["echo",%s]`, count, strings.Join(holders, ","))
	if err := m.send(ctx, frames...); err != nil {
		return "", false, err
	}
	packet, err := m.receive(ctx)
	if err != nil {
		return err.Error(), false, nil //nolint:nilerr // what came is the answer
	}
	if !strings.HasPrefix(packet, fmt.Sprintf("46%d-9[", count)) {
		return "answered with " + shorten(packet), false, nil
	}
	for range count {
		if packet, err = m.receive(ctx); err != nil || packet != "bAQID" {
			return fmt.Sprintf("an attachment came back as %q, %v", shorten(packet), err), false, nil
		}
	}
	return "whole, there and back", true, nil
}

func awkward(ctx context.Context, w *way) (string, bool, error) {
	m, err := w.member(ctx, true)
	if err != nil {
		return "", false, err
	}
	defer m.close(ctx)
	for _, text := range []string{
		"ü😀\u2028\ufffe\uffff", "\u0001\u001f\u007f\u0085", `\ " ' $input.body #set($x=1) & = + % <>`,
		strings.Repeat("x", 30<<10),
	} {
		got, err := m.call(ctx, "str", text)
		if err != nil {
			return fmt.Sprintf("%q: %v", shorten(text), err), false, nil //nolint:nilerr // what came is the answer
		}
		var back string
		if json.Unmarshal(got, &back) != nil || back != text {
			return fmt.Sprintf("%q came back as %s", shorten(text), shorten(string(got))), false, nil
		}
	}
	return "all of it comes back", true, nil
}

func pushOrder(ctx context.Context, w *way) (string, bool, error) {
	m, err := w.member(ctx, true)
	if err != nil {
		return "", false, err
	}
	defer m.close(ctx)
	const count = 100
	if _, err := m.call(ctx, "burst", count); err != nil {
		return "", false, err
	}
	out := 0
	for i := range count {
		args, err := m.want(ctx, "self")
		if err != nil {
			return "", false, err
		}
		if len(args) != 1 || string(args[0]) != fmt.Sprint(i) {
			out++
		}
	}
	return fmt.Sprintf("%d of %d out of place", out, count), out == 0, nil
}

func pushRate(ctx context.Context, w *way) (string, bool, error) {
	asker, err := w.member(ctx, false)
	if err != nil {
		return "", false, err
	}
	defer asker.close(ctx)
	m, err := w.member(ctx, true)
	if err != nil {
		return "", false, err
	}
	defer m.close(ctx)
	const count = 100
	got, err := asker.call(ctx, "pushes", m.id, count)
	if err != nil {
		return "", false, err
	}
	var ms int64
	if err := json.Unmarshal(got, &ms); err != nil {
		return "", false, err
	}
	rate := count * 1000 / max(ms, 1)
	return fmt.Sprintf("%d", rate), rate >= 20, nil
}

// closeQuestion is what code a connection is closed with. A code of 0 says that any is as good.
func closeQuestion(w *way, what string, code ws.StatusCode, means string, do func(*socket) error) question {
	assumed := fmt.Sprint(code)
	if code == 0 {
		assumed = "any"
	}
	if means == "" {
		means = "docs/deploy.md says another code."
	}
	return question{
		name: "the close code after " + what, assumed: assumed, means: means,
		ask: func(ctx context.Context) (string, bool, error) {
			m, err := w.member(ctx, true)
			if err != nil {
				return "", false, err
			}
			defer m.close(ctx)
			s := m.transport.(*socket)
			if err := do(s); err != nil {
				return "", false, err
			}
			for {
				if _, err := s.receive(ctx); err != nil {
					if errors.Is(err, errClosed) {
						return fmt.Sprint(uint16(s.closed)), code == 0 || s.closed == code, nil
					}
					return "", false, err
				}
			}
		},
	}
}

// longQuestions take longer than ten minutes.
func longQuestions(w *way, long bool) []question {
	hold := func(d time.Duration, pong bool) func(context.Context) (string, bool, error) {
		return func(ctx context.Context) (string, bool, error) {
			if !long {
				return "", false, &skipError{fmt.Sprintf("it takes %s: say --long", d)}
			}
			ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), d+time.Minute)
			defer cancel()
			m, err := w.member(ctx, true)
			if err != nil {
				return "", false, err
			}
			defer m.close(ctx)
			s, began := m.transport.(*socket), time.Now()
			for time.Since(began) < d {
				_, err := s.receive(ctx)
				if errors.Is(err, errClosed) {
					return fmt.Sprintf("closed after %s with "+
						"%d", time.Since(began).Round(time.Second), s.closed), !pong, nil
				}
				if err != nil && !errors.Is(err, errSilent) {
					return "", false, err
				}
			}
			return fmt.Sprintf("open after %s", d), pong, nil
		}
	}
	return []question{
		{
			name: "15 minutes of nothing but pings", assumed: "the connection stays",
			means: "The heartbeat is cut off, or pings do not count as traffic: see RecursiveLoop and PingInterval.",
			ask:   hold(15*time.Minute, true),
		},
		{
			name: "a connection after 2 hours", assumed: "it is cut",
			means: "The limit is another; docs/deploy.md says 2 hours.", ask: hold(2*time.Hour+time.Minute, false),
		},
	}
}
