package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/gobwas/ws"
	"github.com/gobwas/ws/wsutil"
)

// patience is how long an answer may take: a function may have to start.
const patience = 12 * time.Second

// used counts what the verification itself takes of the platform.
type used struct {
	requests, in, out atomic.Int64 // of the HTTP API; messages of the WebSocket API from and to the client
	minutes           atomic.Int64 // of connections, in milliseconds
}

// way is one way to reach the deployment.
type way struct {
	name      string
	http      string // base URL
	webSocket string // whole URL, without a query
	// other is the same with the path that the outputs tell clients, if that is another; empty if not.
	other  string
	used   *used
	client *http.Client
}

// statusError is an answer that is not 200.
type statusError struct {
	status int
	body   string
}

func (e *statusError) Error() string {
	return fmt.Sprintf("status %d, %q", e.status, shorten(e.body))
}

func shorten(s string) string {
	if len(s) > 200 {
		return s[:200] + "..."
	}
	return s
}

// do sends a request of polling.
func (w *way) do(ctx context.Context, method, query, body string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, 40*time.Second)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, method, w.http+"/socket.io/?"+query, strings.NewReader(body))
	if err != nil {
		return "", err
	}
	if method == http.MethodPost {
		r.Header.Set("Content-Type", "text/plain;charset=UTF-8")
	}
	w.used.requests.Add(1)
	res, err := w.client.Do(r)
	if err != nil {
		return "", err
	}
	defer func() { _ = res.Body.Close() }()
	text, err := io.ReadAll(io.LimitReader(res.Body, 8<<20))
	if err != nil {
		return "", err
	}
	if res.StatusCode != http.StatusOK {
		return string(text), &statusError{res.StatusCode, string(text)}
	}
	return string(text), nil
}

// opened is an open packet.
type opened struct {
	SID          string   `json:"sid"`
	Upgrades     []string `json:"upgrades"`
	PingInterval int      `json:"pingInterval"`
	PingTimeout  int      `json:"pingTimeout"`
	MaxPayload   int      `json:"maxPayload"`
}

func readOpen(packet string) (o opened, err error) {
	if !strings.HasPrefix(packet, "0{") {
		return o, fmt.Errorf("%q is no open packet", shorten(packet))
	}
	err = json.Unmarshal([]byte(packet[1:]), &o)
	return o, err
}

// transport is what a session speaks over.
type transport interface {
	// send sends packets.
	send(ctx context.Context, packets ...string) error
	// receive waits for the next packet. Pings are answered and not returned.
	receive(ctx context.Context) (string, error)
	close(ctx context.Context)
}

// polling is a session on HTTP.
type polling struct {
	w    *way
	sid  string
	gets int
	got  []string
}

// poll opens a session on polling.
func (w *way) poll(ctx context.Context) (*polling, opened, error) {
	text, err := w.do(ctx, http.MethodGet, "EIO=4&transport=polling", "")
	if err != nil {
		return nil, opened{}, fmt.Errorf("handshake: %w", err)
	}
	o, err := readOpen(text)
	return &polling{w: w, sid: o.SID}, o, err
}

func (p *polling) query() string {
	p.gets++
	return "EIO=4&transport=polling&sid=" + url.QueryEscape(p.sid) + "&t=v" + strconv.Itoa(p.gets)
}

const separator = "\x1e"

func (p *polling) send(ctx context.Context, packets ...string) error {
	_, err := p.w.do(ctx, http.MethodPost, p.query(), strings.Join(packets, separator))
	if err != nil {
		return fmt.Errorf("POST: %w", err)
	}
	return nil
}

func (p *polling) receive(ctx context.Context) (string, error) {
	for {
		for len(p.got) > 0 {
			packet := p.got[0]
			p.got = p.got[1:]
			switch packet {
			case "2":
				if err := p.send(ctx, "3"); err != nil {
					return "", err
				}
			case "6":
			default:
				return packet, nil
			}
		}
		text, err := p.w.do(ctx, http.MethodGet, p.query(), "")
		if err != nil {
			return "", fmt.Errorf("GET: %w", err)
		}
		p.got = strings.Split(text, separator)
	}
}

func (p *polling) close(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), patience)
	defer cancel()
	_ = p.send(ctx, "1") // the session ends by itself as well
}

// socket is a WebSocket.
type socket struct {
	w      *way
	conn   net.Conn
	read   *bufio.Reader
	began  time.Time
	ended  bool
	closed ws.StatusCode // how the other side has closed; 0 while it has not
}

// refusedError is an answer to an upgrade that is not 101.
type refusedError struct{ status int }

func (e *refusedError) Error() string {
	return fmt.Sprintf("the WebSocket is refused with %d", e.status)
}

// dial opens a WebSocket with a query, at the way's URL with something behind its path.
func (w *way) dial(ctx context.Context, behind, query string) (*socket, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	began := time.Now()
	status := 0
	d := ws.Dialer{OnStatusError: func(code int, _ []byte, _ io.Reader) { status = code }}
	conn, early, _, err := d.Dial(ctx, w.webSocket+behind+"?"+query)
	if status != 0 {
		return nil, &refusedError{status}
	}
	if err != nil {
		return nil, fmt.Errorf("open a WebSocket: %w", err)
	}
	if early == nil {
		early = bufio.NewReader(conn)
	}
	return &socket{w: w, conn: conn, read: early, began: began}, nil
}

// webSocketOpen opens a session on WebSocket.
func (w *way) webSocketOpen(ctx context.Context) (*socket, opened, error) {
	s, err := w.dial(ctx, w.slash(), "EIO=4&transport=websocket")
	if err != nil {
		return nil, opened{}, err
	}
	packet, err := s.receive(ctx)
	if err != nil {
		s.close(ctx)
		return nil, opened{}, fmt.Errorf("no open packet: %w", err)
	}
	o, err := readOpen(packet)
	return s, o, err
}

// slash is what stands behind the path of a WebSocket: of one address it is Socket.IO's own, which ends in one.
func (w *way) slash() string {
	if strings.HasSuffix(w.webSocket, "/socket.io") {
		return "/"
	}
	return ""
}

func (s *socket) send(_ context.Context, packets ...string) error {
	_ = s.conn.SetWriteDeadline(time.Now().Add(patience))
	for _, p := range packets {
		s.w.used.in.Add(int64(1 + len(p)/(32<<10)))
		if err := wsutil.WriteClientText(s.conn, []byte(p)); err != nil {
			return fmt.Errorf("send a frame: %w", err)
		}
	}
	return nil
}

// errClosed is the end of a WebSocket by the other side.
var errClosed = errors.New("the WebSocket is closed")

// errSilent: nothing came in time.
var errSilent = errors.New("nothing comes")

// frame reads the next message, as it comes.
func (s *socket) frame(ctx context.Context) (string, ws.OpCode, int, error) {
	until := time.Now().Add(patience)
	if d, ok := ctx.Deadline(); ok && d.Before(until) {
		until = d
	}
	_ = s.conn.SetReadDeadline(until)
	frames := 0
	var text []byte
	for {
		h, err := ws.ReadHeader(s.read)
		if err != nil {
			return "", 0, 0, readError(err)
		}
		payload := make([]byte, h.Length)
		if _, err := io.ReadFull(s.read, payload); err != nil {
			return "", 0, 0, readError(err)
		}
		switch h.OpCode {
		case ws.OpClose:
			s.closed, _ = ws.ParseCloseFrameData(payload)
			s.ended = true
			return "", h.OpCode, 1, fmt.Errorf("%w with code %d", errClosed, s.closed)
		case ws.OpPing, ws.OpPong:
			return string(payload), h.OpCode, 1, nil
		case ws.OpText, ws.OpBinary, ws.OpContinuation:
			frames++
			text = append(text, payload...)
			if h.Fin {
				s.w.used.out.Add(int64(1 + len(text)/(32<<10)))
				return string(text), h.OpCode, frames, nil
			}
		}
	}
}

func readError(err error) error {
	var timeout net.Error
	if errors.As(err, &timeout) && timeout.Timeout() {
		return errSilent
	}
	return fmt.Errorf("%w: %w", errClosed, err)
}

func (s *socket) receive(ctx context.Context) (string, error) {
	for {
		text, op, _, err := s.frame(ctx)
		switch {
		case err != nil:
			return "", err
		case op == ws.OpPing || op == ws.OpPong:
		case text == "2":
			if err := s.send(ctx, "3"); err != nil {
				return "", err
			}
		case strings.HasPrefix(text, `{"`):
			return "", &serviceError{text}
		default:
			return text, nil
		}
	}
}

// serviceError is what API Gateway writes into a connection itself.
type serviceError struct{ text string }

func (e *serviceError) Error() string {
	return "API Gateway writes into the connection: " + shorten(e.text)
}

func (s *socket) close(context.Context) {
	s.w.used.minutes.Add(time.Since(s.began).Milliseconds())
	_ = s.conn.Close() // nothing is waited for
}

// member is a socket of Socket.IO in the main namespace.
type member struct {
	transport
	id   string
	acks int
	// events are those that came while something else was waited for.
	events []event
}

// event is an event of the server.
type event struct {
	name string
	args []json.RawMessage
}

// join joins the main namespace.
func join(ctx context.Context, t transport) (*member, error) {
	if err := t.send(ctx, "40"); err != nil {
		return nil, err
	}
	packet, err := t.receive(ctx)
	if err != nil {
		return nil, fmt.Errorf("no answer to CONNECT: %w", err)
	}
	var c struct{ SID string }
	if !strings.HasPrefix(packet, "40{") || json.Unmarshal([]byte(packet[2:]), &c) != nil || c.SID == "" {
		return nil, fmt.Errorf("CONNECT is answered with %q", shorten(packet))
	}
	return &member{transport: t, id: c.SID}, nil
}

// member opens a session and joins.
func (w *way) member(ctx context.Context, webSocket bool) (*member, error) {
	var t transport
	var err error
	if webSocket {
		t, _, err = w.webSocketOpen(ctx)
	} else {
		t, _, err = w.poll(ctx)
	}
	if err != nil {
		return nil, err
	}
	m, err := join(ctx, t)
	if err != nil {
		t.close(ctx)
	}
	return m, err
}

// call emits an event and waits for its acknowledgement.
func (m *member) call(ctx context.Context, name string, args ...any) (json.RawMessage, error) {
	id, err := m.emit(ctx, name, args...)
	if err != nil {
		return nil, err
	}
	for {
		n, answer, err := m.next(ctx)
		switch {
		case err != nil:
			return nil, fmt.Errorf("no acknowledgement of %s: %w", name, err)
		case n == id:
			var list []json.RawMessage
			if err := json.Unmarshal(answer, &list); err != nil || len(list) == 0 {
				return nil, err
			}
			return list[0], nil
		}
	}
}

// emit emits an event that asks for an acknowledgement, by the number that is returned.
func (m *member) emit(ctx context.Context, name string, args ...any) (int, error) {
	data, err := json.Marshal(append([]any{name}, args...))
	if err != nil {
		return 0, err
	}
	m.acks++
	return m.acks, m.send(ctx, "42"+strconv.Itoa(m.acks)+string(data))
}

// next waits for the next acknowledgement, and keeps the events that come before it.
func (m *member) next(ctx context.Context) (int, json.RawMessage, error) {
	for {
		packet, err := m.receive(ctx)
		if err != nil {
			return 0, nil, err
		}
		if rest, ok := strings.CutPrefix(packet, "43"); ok {
			digits := rest[:len(rest)-len(strings.TrimLeft(rest, "0123456789"))]
			n, _ := strconv.Atoi(digits)
			return n, json.RawMessage(rest[len(digits):]), nil
		}
		m.keep(packet)
	}
}

// keep keeps an event.
func (m *member) keep(packet string) {
	var list []json.RawMessage
	if rest, ok := strings.CutPrefix(packet, "42"); ok && json.Unmarshal([]byte(rest), &list) == nil && len(list) > 0 {
		var name string
		if json.Unmarshal(list[0], &name) == nil {
			m.events = append(m.events, event{name, list[1:]})
		}
	}
}

// want waits for the next event of a name.
func (m *member) want(ctx context.Context, name string) ([]json.RawMessage, error) {
	for {
		for i, e := range m.events {
			if e.name == name {
				m.events = append(m.events[:i:i], m.events[i+1:]...)
				return e.args, nil
			}
		}
		packet, err := m.receive(ctx)
		if err != nil {
			return nil, fmt.Errorf("no event %s: %w", name, err)
		}
		m.keep(packet)
	}
}
