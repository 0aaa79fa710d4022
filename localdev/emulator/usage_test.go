package emulator_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/gobwas/ws"

	"github.com/nonstick-io/nonstick/localdev/emulator"
)

// What the service bills is counted: requests and messages by their size, connections by their time.
func TestUsage(t *testing.T) {
	r := start(t, emulator.AWS(), set{message: echo})
	status, _, _ := do(t, http.MethodPost, "http://"+r.addr+"/socket.io/", "text/plain", "x")
	if status != http.StatusOK {
		t.Fatalf("status %d", status)
	}
	c := r.dial(t, "")
	c.text("a")
	c.want(ws.OpText, "a")
	half := strings.Repeat("x", 30<<10)
	c.send(ws.OpText, false, half) // a message of 40 KB in two frames, which is two messages to the service
	c.send(ws.OpContinuation, true, half[:10<<10])
	c.want(ws.OpText, half+half[:10<<10])
	time.Sleep(20 * time.Millisecond)
	got := r.Stats()
	if got.Requests != 1 || got.MessagesIn != 3 || got.MessagesOut != 3 {
		t.Errorf("%+v, want 1 request, 3 messages each way", got)
	}
	if got.ConnectionSeconds < 0.02 || got.ConnectionSeconds > patience.Seconds() {
		t.Errorf("connections were open for %g s", got.ConnectionSeconds)
	}
	r.stop()
	ended := r.Stats().ConnectionSeconds
	time.Sleep(20 * time.Millisecond)
	if again := r.Stats().ConnectionSeconds; again != ended || ended < got.ConnectionSeconds {
		t.Errorf("%g s after the end, then %g s: an ended connection costs nothing", ended, again)
	}
}
