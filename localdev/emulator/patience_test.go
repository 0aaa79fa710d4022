package emulator_test

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gobwas/ws"
	"github.com/gobwas/ws/wsutil"

	"github.com/nonstick-io/nonstick/localdev/emulator"
)

// pipes is a listener without a network: what a client does not read, the server cannot write, and time is that of
// synctest.
type pipes struct {
	accept chan net.Conn
	closed chan struct{}
}

func (p pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.accept:
		return c, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

func (p pipes) Close() error {
	close(p.closed)
	return nil
}

func (p pipes) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 1} }

// dial returns the client's end of a new connection.
func (p pipes) dial() net.Conn {
	client, server := net.Pipe()
	p.accept <- server
	return client
}

// inBubble serves a set to a test in a bubble of synctest.
func inBubble(t *testing.T, services func(*http.Request) http.Handler, s set, test func(t *testing.T, p pipes)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		p := pipes{make(chan net.Conn), make(chan struct{})}
		server := emulator.New(
			emulator.Config{Endpoint: "http://127.0.0.1:1/local", Limits: emulator.AWS(), Services: services},
		)
		server.Route(emulator.API{Path: "/", Sets: []emulator.Handlers{s}})
		served := make(chan error, 1)
		go func() { served <- server.Serve(p) }()
		test(t, p)
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		defer cancel()
		if err := server.Shutdown(ctx); err != nil {
			t.Errorf("Shutdown: %v", err)
		}
		if err := <-served; err != nil {
			t.Errorf("Serve: %v", err)
		}
	})
}

// upgradePipe makes a WebSocket of a connection.
func upgradePipe(t *testing.T, c net.Conn) {
	t.Helper()
	d := ws.Dialer{NetDial: func(context.Context, string, string) (net.Conn, error) { return c, nil }}
	if _, _, _, err := d.Dial(t.Context(), "ws://127.0.0.1:1/"); err != nil {
		t.Fatal(err)
	}
}

// A WebSocket whose client does not read is cut after 30 s, not before, and its end is told.
func TestWebSocketThatIsNotReadIsCut(t *testing.T) {
	var ended chan time.Time // one of the bubble
	s := set{message: echo, disconnect: func(_ context.Context, e wsEvent) {
		if e.RequestContext.DisconnectStatusCode == 1006 {
			ended <- time.Now()
		}
	}}
	inBubble(t, nil, s, func(t *testing.T, p pipes) {
		ended = make(chan time.Time, 1)
		c := p.dial()
		defer c.Close()
		upgradePipe(t, c)
		if err := wsutil.WriteClientText(c, []byte("hello")); err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		if took := (<-ended).Sub(began); took < 30*time.Second || took > 32*time.Second {
			t.Errorf("it was cut after %s", took)
		}
	})
}

// One that reads slowly is waited for.
func TestSlowReaderIsWaitedFor(t *testing.T) {
	large := strings.Repeat("x", 30<<10)
	var ended atomic.Bool
	s := set{message: echo, disconnect: func(context.Context, wsEvent) { ended.Store(true) }}
	inBubble(t, nil, s, func(t *testing.T, p pipes) {
		c := p.dial()
		defer c.Close()
		upgradePipe(t, c)
		const frames = 8
		go func() {
			for range frames {
				if wsutil.WriteClientText(c, []byte(large)) != nil {
					return // the reader tells
				}
			}
		}()
		for i := range frames {
			time.Sleep(25 * time.Second)
			if b, err := wsutil.ReadServerText(c); err != nil || string(b) != large {
				t.Fatalf("frame %d: %d bytes, %v", i, len(b), err)
			}
		}
		if ended.Load() {
			t.Error("it was cut")
		}
	})
}

// An answer that is not read is given up after 30 s.
func TestAnswerThatIsNotReadIsCut(t *testing.T) {
	s := set{http: answering(httpAnswer{StatusCode: 200, Body: strings.Repeat("x", 1<<20)})}
	inBubble(t, nil, s, func(t *testing.T, p pipes) {
		for name, read := range map[string]int64{"nothing is read": 0, "some of it is read": 200 << 10} {
			c := p.dial()
			began := time.Now()
			if _, err := io.WriteString(c, "GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"); err != nil {
				t.Fatal(err)
			}
			if _, err := io.CopyN(io.Discard, c, read); err != nil {
				t.Fatal(err)
			}
			time.Sleep(29 * time.Second)
			if _, err := io.CopyN(io.Discard, c, 1); err != nil { // it is there still, and has its time once more
				t.Errorf("%s: after %s: %v", name, time.Since(began), err)
			}
			time.Sleep(31 * time.Second)
			if _, err := io.Copy(io.Discard, c); err != nil {
				t.Errorf("%s: after %s: %v", name, time.Since(began), err)
			}
			if _, err := c.Write([]byte("x")); err == nil {
				t.Errorf("%s: after %s the connection lives", name, time.Since(began))
			}
			c.Close()
		}
	})
}

// A slow reader of an answer gets all of it.
func TestAnswerIsReadSlowly(t *testing.T) {
	body := strings.Repeat("x", 300<<10)
	inBubble(t, nil, set{http: answering(httpAnswer{StatusCode: 200, Body: body})}, func(t *testing.T, p pipes) {
		c := p.dial()
		defer c.Close()
		if _, err := io.WriteString(c, "GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"); err != nil {
			t.Fatal(err)
		}
		res, err := http.ReadResponse(bufio.NewReaderSize(c, 16), nil)
		if err != nil {
			t.Fatal(err)
		}
		got := 0
		for b := make([]byte, 64<<10); ; {
			time.Sleep(20 * time.Second)
			n, err := io.ReadFull(res.Body, b)
			if got += n; err != nil {
				break
			}
		}
		if res.Body.Close(); got != len(body) {
			t.Errorf("%d bytes came, want %d", got, len(body))
		}
	})
}

// The bodies of calls to services have 30 s too, and a call that takes longer than that is not touched.
func TestSlowBodiesOfServices(t *testing.T) {
	services := func(r *http.Request) http.Handler {
		if r.URL.Path != "/service" {
			return nil
		}
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if _, err := io.ReadAll(r.Body); err != nil {
				w.WriteHeader(http.StatusBadRequest)
				return
			}
			select {
			case <-time.After(time.Minute):
				w.WriteHeader(http.StatusAccepted)
			case <-r.Context().Done():
				w.WriteHeader(http.StatusTeapot)
			}
		})
	}
	inBubble(t, services, set{}, func(t *testing.T, p pipes) {
		for _, tt := range []struct {
			name, path, body string
			status           int
			took             time.Duration
		}{
			{"a service that takes long", "/service", "1234", 202, time.Minute},
			{"a service that gets half", "/service", "12", 400, 30 * time.Second},
			{
				"management of nobody, which reads nothing", "/local/@connections/AAAAAAAAAAAAAAA=", "12", 410,
				30 * time.Second,
			},
			{"the HTTP API", "/", "12", 408, 30 * time.Second},
		} {
			c := p.dial()
			began := time.Now()
			go func() {
				_, _ = io.WriteString(
					c,
					"POST "+tt.path+
						" HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: AWS4-x\r\nContent-Length: 4\r\n\r\n"+tt.body,
				) // the answer tells
			}()
			res, err := http.ReadResponse(bufio.NewReader(c), nil)
			if err != nil {
				t.Fatalf("%s: %v", tt.name, err)
			}
			if took := time.Since(began).Round(time.Second); res.StatusCode != tt.status || took != tt.took {
				t.Errorf("%s: %d after %s, want %d after %s", tt.name, res.StatusCode, took, tt.status, tt.took)
			}
			res.Body.Close()
			c.Close()
		}
	})
}
