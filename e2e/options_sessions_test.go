package e2e

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/gobwas/ws"
	"github.com/gobwas/ws/wsutil"

	"github.com/nonstick-io/nonstick"
)

var sessionID = regexp.MustCompile(`"sid":"([A-Za-z0-9_-]+)"`)

// pollOnce sends a request and returns the status and the body.
func pollOnce(t *testing.T, method, url, body string) (status int, text string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	res, err := http.DefaultClient.Do(req)
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

// begin begins a session on polling and returns what its further requests have in their query.
func begin(t *testing.T, base string) string {
	t.Helper()
	_, open := pollOnce(t, http.MethodGet, base+byPolling, "")
	sid := sessionID.FindStringSubmatch(open)
	if sid == nil {
		t.Fatalf("open packet %q", open)
	}
	return "&sid=" + sid[1]
}

// dial opens a WebSocket.
func dial(t *testing.T, base, path string) net.Conn {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	conn, buffered, _, err := ws.Dial(ctx, "ws"+strings.TrimPrefix(base, "http")+path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(5 * time.Second))
	if buffered != nil { // frames that came with the answer
		return readsFrom{conn, io.MultiReader(io.LimitReader(buffered, int64(buffered.Buffered())), conn)}
	}
	return conn
}

// readsFrom is a connection of which something has been read already.
type readsFrom struct {
	net.Conn
	first io.Reader
}

func (c readsFrom) Read(p []byte) (int, error) { return c.first.Read(p) }

func sendFrame(t *testing.T, conn net.Conn, frame string) {
	t.Helper()
	if err := wsutil.WriteClientText(conn, []byte(frame)); err != nil {
		t.Fatal(err)
	}
}

func frame(t *testing.T, conn net.Conn) string {
	t.Helper()
	b, err := wsutil.ReadServerText(conn)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// ends fails the test unless the server ends the connection, whatever it sends before.
func ends(t *testing.T, conn net.Conn) {
	t.Helper()
	for {
		if _, err := wsutil.ReadServerText(conn); err != nil {
			if e, ok := errors.AsType[net.Error](err); ok && e.Timeout() {
				t.Error("the connection stays")
			}
			return
		}
	}
}

// both runs a test against the reference and against ours, with an option.
func both(t *testing.T, options string, ours func(*nonstick.Server), run func(t *testing.T, base string)) {
	t.Helper()
	t.Run("reference", func(t *testing.T) { run(t, referencesWith(t, []string{options})[0]) })
	t.Run("ours", func(t *testing.T) { run(t, withOptions(t, ours)) })
}

// A client that upgrades though it is told of no upgrade is let.
func TestUpgradeUntold(t *testing.T) {
	t.Parallel()
	both(t, `{"allowUpgrades": false}`, func(io *nonstick.Server) { io.AllowUpgrades(false) },
		func(t *testing.T, base string) {
			conn := dial(t, base, byWebSocket+begin(t, base))
			sendFrame(t, conn, "2probe")
			if got := frame(t, conn); got != "3probe" {
				t.Fatalf("probe: %q", got)
			}
			sendFrame(t, conn, "5")
			sendFrame(t, conn, "40")
			if got := frame(t, conn); !strings.HasPrefix(got, `40{"sid":"`) {
				t.Errorf("after the upgrade: %q", got)
			}
		})
}

// What is above maxHttpBufferSize is refused on both transports, and what is not is served.
func TestMaxHTTPBufferSize(t *testing.T) {
	t.Parallel()
	const limit = 2000
	event := func(size int) string {
		const head, tail = `42["echo","`, `"]`
		return head + strings.Repeat("x", size-len(head)-len(tail)) + tail
	}
	both(t, fmt.Sprintf(`{"maxHttpBufferSize": %d}`, limit),
		func(io *nonstick.Server) { io.MaxHTTPBufferSize(limit) },
		func(t *testing.T, base string) {
			session := base + byPolling + begin(t, base)
			if status, body := pollOnce(t, http.MethodPost, session, event(limit+1)); status != 413 || body != "" {
				t.Errorf("above: %d %q", status, body)
			}
			if status, body := pollOnce(t, http.MethodPost, session, "40"); status != 200 || body != "ok" {
				t.Errorf("the session lives on: %d %q", status, body)
			}
			if _, body := pollOnce(t, http.MethodGet, session, ""); !strings.HasPrefix(body, "40") {
				t.Errorf("connect: %q", body)
			}
			if status, body := pollOnce(t, http.MethodPost, session, event(limit)); status != 200 || body != "ok" {
				t.Errorf("as large as may be: %d %q", status, body)
			}
			if _, body := pollOnce(t, http.MethodGet, session, ""); body != event(limit) {
				t.Errorf("echo: %.50q", body)
			}

			conn := dial(t, base, byWebSocket)
			if got := frame(t, conn); !strings.Contains(got, fmt.Sprintf(`"maxPayload":%d}`, limit)) {
				t.Errorf("open: %q", got)
			}
			sendFrame(t, conn, "40")
			frame(t, conn)
			sendFrame(t, conn, event(limit))
			if got := frame(t, conn); got != event(limit) {
				t.Errorf("echo: %.50q", got)
			}
			sendFrame(t, conn, event(limit+1))
			ends(t, conn)
		})
}

// Other than the reference, ours lets no WebSocket begin a session that comes from a page which CORS does not allow:
// browsers ask no server whether they may open one.
func TestWebSocketsOfOtherPages(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]nonstick.CORS{
		"list":    {Origins: []string{"https://a.example"}},
		"pattern": {Patterns: []*regexp.Regexp{regexp.MustCompile(`^https://a\.example$`)}},
		"function": {OriginFunc: func(_ context.Context, origin string) (bool, error) {
			return origin == "https://a.example", nil
		}},
	} {
		t.Run(name, func(t *testing.T) {
			base := withOptions(t, func(io *nonstick.Server) { io.CORS(c) })
			own := "Origin: " + base
			for want, asks := range map[int][]ask{
				101: {webSocket(byWebSocket, fromA), webSocket(byWebSocket), webSocket(byWebSocket, own)},
				400: {webSocket(byWebSocket, fromEvil), webSocket(byWebSocket, "Origin: null")},
			} {
				for _, a := range asks {
					if got := send(t, base, a); got.status != want {
						t.Errorf("%v: %v, want %d", a.headers, got, want)
					}
				}
			}
		})
	}
}
