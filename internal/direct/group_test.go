package direct_test

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/gobwas/ws"

	"github.com/nonstick-io/nonstick/adapter/delivery"
	"github.com/nonstick-io/nonstick/internal/direct"
	"github.com/nonstick-io/nonstick/localdev/emulator"
	"github.com/nonstick-io/nonstick/sessionstore"
)

// Groups from two processes and single frames, all at once: nothing comes between the frames of a group.
func TestGroups(t *testing.T) {
	const groups, singles = 40, 80
	s := start(t, emulator.Native(1<<20))
	other := start(t, emulator.Native(1<<20))
	c := s.dial(t, "")
	conn := c.conn
	own, remote := direct.New(s.Server, nil), direct.New(other.Server, nil)

	var wg sync.WaitGroup
	for who, p := range map[string]*direct.Pusher{"own": own, "remote": remote} {
		wg.Go(func() {
			for i := range groups {
				name := fmt.Sprintf("%s%d", who, i)
				if err := p.PushGroup(
					t.Context(), conn, []string{"4head " + name, "bAQI=", "4tail " + name},
				); err != nil {
					t.Errorf("group %s: %v", name, err)
				}
			}
		})
	}
	wg.Go(func() {
		for range singles {
			if err := own.Push(t.Context(), conn, "4single"); err != nil {
				t.Errorf("single: %v", err)
			}
		}
	})
	for got := 0; got < 2*groups+singles; got++ {
		_, frame := c.frame()
		name, head := strings.CutPrefix(frame, "4head ")
		if !head {
			if frame != "4single" {
				t.Fatalf("%q out of its group", frame)
			}
			continue
		}
		c.want(ws.OpBinary, "\x01\x02")
		c.want(ws.OpText, "4tail "+name)
	}
	wg.Wait()
}

// In place goes what a connection of this process takes at once, and nothing else.
func TestPushNow(t *testing.T) {
	s := start(t, emulator.AWS())
	other := start(t, emulator.AWS())
	c := s.dial(t, "")
	own, remote := direct.New(s.Server, nil), direct.New(other.Server, nil)
	gone := sessionstore.Connection{ID: "AAAAAAAAAAAAAAA=", Endpoint: s.Endpoint()}
	for _, tt := range []struct {
		name   string
		pusher *direct.Pusher
		conn   sessionstore.Connection
		frames []string
		sent   bool
	}{
		{"a frame", own, c.conn, []string{"4a"}, true},
		{"a group", own, c.conn, []string{"4b", "4c"}, true},
		{"of another process", remote, c.conn, []string{"4d"}, false},
		{"gone", own, gone, []string{"4d"}, false},
		{"too large", own, c.conn, []string{"4d", "4" + strings.Repeat("x", 128<<10)}, false},
	} {
		if sent := tt.pusher.PushNow(tt.conn, tt.frames); sent != tt.sent {
			t.Errorf("%s: sent %v, want %v", tt.name, sent, tt.sent)
		}
	}
	if !own.PushNow(c.conn, []string{"4end"}) {
		t.Fatal("the last frame was not sent")
	}
	for _, frame := range []string{"4a", "4b", "4c", "4end"} {
		c.want(ws.OpText, frame)
	}
}

// A group is refused as a single frame is, and then none of it is sent.
func TestGroupErrors(t *testing.T) {
	s := start(t, emulator.AWS())
	other := start(t, emulator.AWS())
	c := s.dial(t, "")
	conn := c.conn
	gone := sessionstore.Connection{ID: "AAAAAAAAAAAAAAA=", Endpoint: s.Endpoint()}
	noProcess := sessionstore.Connection{ID: conn.ID, Endpoint: "http://127.0.0.1:1/x"}
	large := []string{"4small", "4" + strings.Repeat("x", 128<<10)}
	for name, p := range map[string]*direct.Pusher{
		"own": direct.New(s.Server, nil), "remote": direct.New(other.Server, nil),
	} {
		if err := p.PushGroup(t.Context(), conn, large); !errors.Is(err, delivery.ErrFrameTooLarge) {
			t.Errorf("%s: too large: %v", name, err)
		}
		if err := p.PushGroup(t.Context(), gone, []string{"4a", "4b"}); !errors.Is(err, delivery.ErrGone) {
			t.Errorf("%s: gone: %v", name, err)
		}
		if err := p.PushGroup(t.Context(), noProcess, []string{"4a", "4b"}); !errors.Is(err, delivery.ErrGone) {
			t.Errorf("%s: process gone: %v", name, err)
		}
	}
	if err := direct.New(s.Server, nil).Push(t.Context(), conn, "4after"); err != nil {
		t.Fatal(err)
	}
	c.want(ws.OpText, "4after")
}

// Groups are for programs of this machine, at the stage of the emulator.
func TestGroupsOverHTTP(t *testing.T) {
	s := start(t, emulator.AWS())
	c := s.dial(t, "")
	url := s.Endpoint() + "/@groups/" + c.conn.ID
	for _, tt := range []struct {
		name, method, url, origin, body string
		want                            int
	}{
		{"a group", "POST", url, "", `["4a","4b"]`, 200},
		{"from a page", "POST", url, "https://evil.example.net", `["4a"]`, 403},
		{"no JSON", "POST", url, "", `4a`, 400},
		{"above the limit of a body", "POST", url, "", strings.Repeat(" ", 8<<20+1), 400},
		{"no POST", "GET", url, "", "", 410},
		{"an id that no connection has", "POST", url + "x", "", `["4a"]`, 410},
		{"no stage", "POST", strings.Replace(url, "/local", "", 1), "", `["4a"]`, 404},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r, err := http.NewRequestWithContext(t.Context(), tt.method, tt.url, strings.NewReader(tt.body))
			if err != nil {
				t.Fatal(err)
			}
			if tt.origin != "" {
				r.Header.Set("Origin", tt.origin)
			}
			res, err := http.DefaultClient.Do(r)
			if err != nil {
				t.Fatal(err)
			}
			if res.Body.Close(); res.StatusCode != tt.want {
				t.Errorf("status %d, want %d", res.StatusCode, tt.want)
			}
		})
	}
	c.want(ws.OpText, "4a")
	c.want(ws.OpText, "4b")
}
