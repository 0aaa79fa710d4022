package awshttp

import (
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// After a pause a request goes on a new connection, for the old one may have been closed while nothing read from it.
func TestPause(t *testing.T) {
	for _, c := range []struct {
		name  string
		pause time.Duration
		conns int32
	}{{"short", staleAfter, 1}, {"long", staleAfter + 1, 2}} {
		t.Run(c.name, func(t *testing.T) {
			var conns atomic.Int32
			s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				_, _ = io.Copy(w, r.Body)
			}))
			s.Config.ConnState = func(_ net.Conn, state http.ConnState) {
				if state == http.StateNew {
					conns.Add(1)
				}
			}
			s.Start()
			defer s.Close()
			now := time.Now()
			client := New(NewHTTP(4, time.Minute))
			client.now = func() time.Time { return now }
			for range 2 {
				req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.URL, strings.NewReader("body"))
				if err != nil {
					t.Fatal(err)
				}
				resp, err := client.Do(req)
				if err != nil {
					t.Fatal(err)
				}
				if got, err := io.ReadAll(resp.Body); err != nil || string(got) != "body" {
					t.Errorf("answer %q, %v", got, err)
				}
				_ = resp.Body.Close()
				now = now.Add(c.pause)
			}
			if got := conns.Load(); got != c.conns {
				t.Errorf("%d connections, want %d", got, c.conns)
			}
		})
	}
}
