package laptop

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gobwas/ws"
	"github.com/gobwas/ws/wsutil"
)

// patience is how long a test waits for what must come.
const patience = 10 * time.Second

// startPatience is how long a test waits for localdev to be ready: functions may have to be built.
const startPatience = 3 * time.Minute

// process is a localdev in this process.
type process struct {
	url     string
	signals chan os.Signal
	exit    chan int
	stderr  *safeBuffer
	said    string // until it was ready
}

// safeBuffer is a buffer that is written by others.
type safeBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *safeBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *safeBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

var listening = regexp.MustCompile(`http://[0-9.:]+/`)

// launch runs localdev on a free port and waits until it is ready.
func launch(t *testing.T, args ...string) *process {
	t.Helper()
	p := &process{signals: make(chan os.Signal, 2), exit: make(chan int, 1), stderr: &safeBuffer{}}
	r, w := io.Pipe()
	go func() {
		code := run(append([]string{"--addr", "127.0.0.1:0"}, args...), environment{}.lookup, w, p.stderr, p.signals)
		w.Close()
		p.exit <- code
	}()
	p.listen(t, r)
	t.Cleanup(func() {
		select {
		case p.signals <- os.Interrupt:
		default:
		}
	})
	return p
}

// listen reads what localdev says until it is ready.
func (p *process) listen(t *testing.T, out io.ReadCloser) {
	t.Helper()
	late := time.AfterFunc(startPatience, func() { _ = out.Close() }) // which ends the reading
	defer late.Stop()
	lines := bufio.NewReader(out)
	for p.url == "" {
		line, err := lines.ReadString('\n')
		if err != nil {
			t.Fatalf("it said %q (%v), and %s", p.said, err, p.stderr)
		}
		if p.said += line; strings.HasPrefix(line, "Nonstick listens on ") {
			p.url = listening.FindString(line)
		}
	}
}

// wait returns the exit code.
func (p *process) wait(t *testing.T) int {
	t.Helper()
	select {
	case code := <-p.exit:
		p.exit <- code // for the caller that asks again
		return code
	case <-time.After(patience):
		t.Fatalf("it did not end within %s; it said %s", patience, p.stderr)
		return -1
	}
}

func (p *process) get(t *testing.T, path string) (int, string) {
	t.Helper()
	res, err := http.Get(p.url + path)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, string(b)
}

func TestServesAndStops(t *testing.T) {
	for _, push := range []string{"direct", "api"} {
		t.Run(push, func(t *testing.T) {
			p := launch(t, "--app", "protocol", "--instances", "2", "--push", push)
			if status, body := p.get(t, "healthz"); status != 200 || body != "ok\n" {
				t.Errorf("healthz = %d %q", status, body)
			}
			for _, path := range []string{"socket.io/", "engine.io/"} {
				if status, body := p.get(
					t, path+"?EIO=4&transport=polling",
				); status != 200 ||
					!strings.HasPrefix(body, `0{"sid":"`) {
					t.Errorf("%s = %d %q, want an open packet", path, status, body)
				}
			}
			if status, _ := p.get(t, "other"); status != 404 {
				t.Errorf("other path = %d, want 404", status)
			}
			conn := open(t, p, "engine.io/")
			defer conn.Close()
			if err := wsutil.WriteClientText(conn, []byte("4hello")); err != nil {
				t.Fatal(err)
			}
			if got := text(t, conn); got != "4hello" {
				t.Errorf("echo = %q", got)
			}
			p.signals <- os.Interrupt
			if _, err := wsutil.ReadServerText(conn); !isClose(err, ws.StatusGoingAway) {
				t.Errorf("at the end the WebSocket has %v, want close 1001", err)
			}
			conn.Close()
			if code := p.wait(t); code != exitOK {
				t.Errorf("exit code = %d, want 0; it said %s", code, p.stderr)
			}
		})
	}
}

// open opens a WebSocket session, up to its open packet.
func open(t *testing.T, p *process, path string) net.Conn {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	conn, br, _, err := ws.Dial(ctx, "ws"+strings.TrimPrefix(p.url, "http")+path+"?EIO=4&transport=websocket")
	if err != nil {
		t.Fatal(err)
	}
	conn.SetDeadline(time.Now().Add(patience))
	if br != nil {
		conn = buffered{conn, br}
	}
	if got := text(t, conn); !strings.HasPrefix(got, `0{"sid":"`) {
		t.Fatalf("first frame = %q, want the open packet", got)
	}
	return conn
}

// buffered is a connection of which the dialer has read on.
type buffered struct {
	net.Conn
	br *bufio.Reader
}

func (b buffered) Read(p []byte) (int, error) { return b.br.Read(p) }

func text(t *testing.T, conn net.Conn) string {
	t.Helper()
	b, err := wsutil.ReadServerText(conn)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func isClose(err error, code ws.StatusCode) bool {
	closed, ok := errors.AsType[wsutil.ClosedError](err)
	return ok && closed.Code == code
}

func TestSecondSignalEndsAtOnce(t *testing.T) {
	p := launch(t, "--app", "protocol")
	conn := open(t, p, "engine.io/") // it never answers the close, which keeps the shutdown waiting
	defer conn.Close()
	begin := time.Now()
	p.signals <- os.Interrupt
	p.signals <- os.Interrupt
	if code := p.wait(t); code != exitFailed || time.Since(begin) > 500*time.Millisecond {
		t.Errorf("exit code = %d after %s, want 1 at once", code, time.Since(begin))
	}
}

func TestPortInUse(t *testing.T) {
	p := launch(t, "--app", "protocol")
	addr := strings.Trim(strings.TrimPrefix(p.url, "http://"), "/")
	var out, errOut bytes.Buffer
	code := run([]string{"--addr", addr}, environment{}.lookup, &out, &errOut, nil)
	if code != exitFailed || !strings.Contains(errOut.String(), addr+" is in use") {
		t.Errorf("exit code = %d, it said %q", code, errOut.String())
	}
	p.signals <- os.Interrupt
	p.wait(t)
}

func TestUsage(t *testing.T) {
	var out, errOut bytes.Buffer
	if code := run(
		[]string{"--instances", "0"}, environment{}.lookup, &out, &errOut, nil,
	); code != exitUsage ||
		!strings.Contains(errOut.String(), `--instances "0"`) {
		t.Errorf("exit code = %d, it said %q", code, errOut.String())
	}
	if code := run(
		[]string{"--help"}, environment{}.lookup, &out, &errOut, nil,
	); code != exitOK ||
		!strings.Contains(out.String(), "NONSTICK_ADDR") {
		t.Errorf("--help: exit code = %d", code)
	}
	out.Reset()
	if code := run(
		[]string{"--version"}, environment{}.lookup, &out, &errOut, nil,
	); code != exitOK ||
		!regexp.MustCompile(`^localdev \S+ go1\S* \w+/\w+\n$`).MatchString(out.String()) {
		t.Errorf("--version: exit code = %d, it said %q", code, out.String())
	}
}
