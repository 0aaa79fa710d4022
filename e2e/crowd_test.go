package e2e

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/gobwas/ws"
	"github.com/gobwas/ws/wsutil"

	"github.com/nonstick-io/nonstick/internal/engineio"
	"github.com/nonstick-io/nonstick/internal/socketio"
)

// crowdPatience is how long a request of a member, or the answer to what it asks, may take: machines are busy.
const crowdPatience = 40 * time.Second

// A member is a Socket.IO client without a library: so light that a process holds thousands. Its connection is a
// WebSocket, or polling. One that loses its connection comes back, and offers what it has for recovery.
type member struct {
	url, transport string // http://host:port; "websocket" or "polling"
	// heard is called with each event, one after the other, without the offset behind its arguments.
	heard func(event string, args []json.RawMessage)
	// msgpack says that the parser is not that of JSON.
	msgpack bool

	mu        sync.Mutex
	line      line // nil while it is not connected
	id, pid   string
	offset    string
	recovered bool
	losses    []error // why connections were lost
	anew      int     // how often it came back as a new socket
	lastAsk   int
	asked     map[int]chan json.RawMessage
}

// A line carries packets of one Engine.IO session.
type line interface {
	send(ctx context.Context, packet string) error
	// receive waits for the next packets.
	receive(ctx context.Context) ([]string, error)
	close()
}

// stay holds the member connected until ctx is done. up is called once, when it is connected for the first time.
func (m *member) stay(ctx context.Context, up func()) {
	m.asked = map[int]chan json.RawMessage{}
	var once sync.Once
	wait := time.Second // before it comes back, as clients do
	for {
		err := m.session(ctx, func() {
			once.Do(up)
			wait = time.Second
		})
		if ctx.Err() != nil {
			return
		}
		m.mu.Lock()
		m.losses = append(m.losses, err)
		m.mu.Unlock()
		select {
		case <-ctx.Done():
		case <-time.After(wait):
		}
		wait = min(2*wait, 8*time.Second)
	}
}

// session opens a session, joins, and takes what comes until the connection ends, with the reason.
func (m *member) session(ctx context.Context, up func()) error {
	l, err := openLine(ctx, m.url, m.transport, m.msgpack)
	if err != nil {
		return err
	}
	defer l.close()
	stop := context.AfterFunc(ctx, l.close)
	defer stop()
	if err := m.join(ctx, l); err != nil {
		return err
	}
	defer m.away()
	for {
		packets, err := l.receive(ctx)
		if err != nil {
			return err
		}
		for _, packet := range packets {
			if err := m.take(ctx, l, packet, up); err != nil {
				return err
			}
		}
	}
}

func (m *member) join(ctx context.Context, l line) error {
	m.mu.Lock()
	auth := map[string]string{}
	if m.pid != "" {
		auth["pid"], auth["offset"] = m.pid, m.offset
	}
	m.mu.Unlock()
	b, err := json.Marshal(auth)
	if err != nil {
		return err
	}
	return l.send(ctx, "40"+string(b))
}

// away forgets the connection, and what is asked over it.
func (m *member) away() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.line = nil
	for id, answer := range m.asked {
		close(answer)
		delete(m.asked, id)
	}
}

func (m *member) take(ctx context.Context, l line, packet string, up func()) error {
	switch {
	case packet == "2":
		return l.send(ctx, "3")
	case packet == "6":
		return nil
	case packet == "1":
		return errors.New("the server closes the session")
	case strings.HasPrefix(packet, "40"):
		if err := m.connected(l, packet[len("40"):]); err != nil {
			return err
		}
		up()
		return nil
	case strings.HasPrefix(packet, "42["):
		return m.event(packet[len("42"):])
	case strings.HasPrefix(packet, "43"):
		return m.answered(packet[len("43"):])
	default:
		return fmt.Errorf("the server sends %.100q", packet)
	}
}

// connected takes the answer to CONNECT.
func (m *member) connected(l line, answer string) error {
	var told struct{ SID, PID string }
	if err := json.Unmarshal([]byte(answer), &told); err != nil {
		return fmt.Errorf("%.100q answers CONNECT: %w", answer, err)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.recovered = told.PID != "" && told.PID == m.pid
	if m.id != "" && !m.recovered {
		m.anew++
	}
	m.line, m.id, m.pid = l, told.SID, told.PID
	return nil
}

// event notes the offset of an event, if there are any, and hands it on.
func (m *member) event(text string) error {
	var all []json.RawMessage
	var name string
	err := json.Unmarshal([]byte(text), &all)
	if err == nil {
		err = json.Unmarshal(all[0], &name)
	}
	if err != nil {
		return fmt.Errorf("event %.100q: %w", text, err)
	}
	args := all[1:]
	m.mu.Lock()
	if m.pid != "" {
		if len(args) == 0 || json.Unmarshal(args[len(args)-1], &m.offset) != nil {
			m.mu.Unlock()
			return fmt.Errorf("event %.100q has no offset", text)
		}
		args = args[:len(args)-1]
	}
	m.mu.Unlock()
	if m.heard != nil {
		m.heard(name, args)
	}
	return nil
}

func (m *member) answered(text string) error {
	at := strings.IndexByte(text, '[')
	if at < 0 {
		return fmt.Errorf("acknowledgement %.100q", text)
	}
	id, err := strconv.Atoi(text[:at])
	if err != nil {
		return fmt.Errorf("acknowledgement %.100q: %w", text, err)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if answer, ok := m.asked[id]; ok {
		answer <- json.RawMessage(text[at:])
		delete(m.asked, id)
	}
	return nil
}

// lost says why connections were lost, and how often the member came back as a new socket.
func (m *member) lost() (losses []error, anew int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.losses), m.anew
}

// errNotConnected: the connection of a member is lost, or ends before the answer.
var errNotConnected = errors.New("not connected")

// ask emits an event and waits for its acknowledgement, a JSON array.
func (m *member) ask(ctx context.Context, event string, args ...any) (json.RawMessage, error) {
	ctx, cancel := context.WithTimeout(ctx, crowdPatience)
	defer cancel()
	b, err := json.Marshal(append([]any{event}, args...))
	if err != nil {
		return nil, err
	}
	m.mu.Lock()
	l := m.line
	if l == nil {
		m.mu.Unlock()
		return nil, errNotConnected
	}
	m.lastAsk++
	id, answer := m.lastAsk, make(chan json.RawMessage, 1)
	m.asked[id] = answer
	m.mu.Unlock()
	if err := l.send(ctx, fmt.Sprintf("42%d%s", id, b)); err != nil {
		return nil, err
	}
	select {
	case got, ok := <-answer:
		if !ok {
			return nil, errNotConnected
		}
		return got, nil
	case <-ctx.Done():
		return nil, fmt.Errorf("%s was not acknowledged: %w", event, ctx.Err())
	}
}

// openLine opens an Engine.IO session.
func openLine(ctx context.Context, url, transport string, msgpack bool) (line, error) {
	if transport == "polling" {
		return openPolled(ctx, url)
	}
	ctx, cancel := context.WithTimeout(ctx, crowdPatience)
	defer cancel()
	at := "ws" + strings.TrimPrefix(url, "http") + "/socket.io/?EIO=4&transport=websocket"
	if msgpack {
		at += "&b64=1"
	}
	conn, early, _, err := ws.Dial(ctx, at)
	if err != nil {
		return nil, fmt.Errorf("open a WebSocket: %w", err)
	}
	if early == nil {
		early = bufio.NewReader(conn)
	}
	s := &framed{conn: conn, read: early}
	first, err := s.receive(ctx)
	if err == nil && !strings.HasPrefix(first[0], "0{") {
		err = fmt.Errorf("%.100q opens a session", first[0])
	}
	if err != nil {
		conn.Close()
		return nil, err
	}
	if msgpack {
		return packed{s}, nil
	}
	return s, nil
}

// packed is a session whose packets of Socket.IO go in MessagePack, without attachments.
type packed struct{ line }

func (s packed) send(ctx context.Context, packet string) error {
	if text, ok := strings.CutPrefix(packet, "4"); ok {
		p, _, err := socketio.Decode(text, socketio.Limits{})
		if err != nil {
			return err
		}
		message, _ := socketio.MsgPack.Encode(p)
		packet = engineio.EncodeBinary([]byte(message))
	}
	return s.line.send(ctx, packet)
}

func (s packed) receive(ctx context.Context) ([]string, error) {
	packets, err := s.line.receive(ctx)
	for i, packet := range packets {
		frame, frameErr := engineio.Decode(packet)
		if frameErr != nil || !frame.Binary {
			continue
		}
		p, _, packetErr := socketio.MsgPack.Decode(frame.Data, true, socketio.Limits{})
		if packetErr != nil {
			return nil, packetErr
		}
		packets[i] = "4" + p.Encode()
	}
	return packets, err
}

// framed is a session on WebSocket.
type framed struct {
	conn net.Conn
	read *bufio.Reader
	mu   sync.Mutex // held to write
}

func (s *framed) send(_ context.Context, packet string) error {
	var frame bytes.Buffer
	if err := wsutil.WriteClientText(&frame, []byte(packet)); err != nil {
		return err
	}
	_, err := s.Write(frame.Bytes())
	return err
}

// Write writes a whole frame: a packet, or the answer to a ping of the gateway.
func (s *framed) Write(frame []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.conn.SetWriteDeadline(time.Now().Add(crowdPatience)); err != nil {
		return 0, err
	}
	return s.conn.Write(frame)
}

// receive returns the payload of the next frame; a ping comes at least twice in the time that it waits.
func (s *framed) receive(context.Context) ([]string, error) {
	if err := s.conn.SetReadDeadline(time.Now().Add(2 * crowdPatience)); err != nil {
		return nil, err
	}
	got, op, err := wsutil.ReadServerData(struct {
		io.Reader
		io.Writer
	}{s.read, s})
	if err != nil {
		return nil, err
	}
	if op != ws.OpText {
		return nil, fmt.Errorf("a frame of kind %d", op)
	}
	return []string{string(got)}, nil
}

func (s *framed) close() { s.conn.Close() }

// polled is a session on polling.
type polled struct {
	at    string // the URL of its requests
	leave sync.Once
}

func openPolled(ctx context.Context, url string) (*polled, error) {
	s := &polled{at: url + polling}
	packets, err := s.receive(ctx)
	if err != nil {
		return nil, fmt.Errorf("handshake: %w", err)
	}
	var opened struct{ SID string }
	if err := json.Unmarshal([]byte(strings.TrimPrefix(packets[0], "0")), &opened); err != nil {
		return nil, fmt.Errorf("%.100q opens a session: %w", packets[0], err)
	}
	s.at += "&sid=" + opened.SID
	return s, nil
}

func (s *polled) do(ctx context.Context, method, body string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, crowdPatience)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, s.at, strings.NewReader(body))
	if err != nil {
		return "", err
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return "", err
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err == nil && res.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: status %d, %.100q", method, res.StatusCode, text)
	}
	return string(text), err
}

func (s *polled) send(ctx context.Context, packet string) error {
	_, err := s.do(ctx, http.MethodPost, packet)
	return err
}

func (s *polled) receive(ctx context.Context) ([]string, error) {
	body, err := s.do(ctx, http.MethodGet, "")
	return strings.Split(body, "\x1e"), err
}

// close tells the server, which may not listen any more.
func (s *polled) close() {
	s.leave.Do(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		_ = s.send(ctx, "1")
	})
}
