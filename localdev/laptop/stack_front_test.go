//go:build unix

package laptop

import (
	"bytes"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"
)

// httpHost finds where the HTTP API is in what localdev says at the start.
var httpHost = regexp.MustCompile(`CloudFront's function in front, HTTP API on (http://\S+), WebSocket API on ws://`)

// Where the template has CloudFront in front, that is at the address: it leads to both APIs, which are at ports of
// their own.
func TestStackFront(t *testing.T) {
	p := launchStack(t, "--parameter", "Front=yes")
	at := httpHost.FindStringSubmatch(p.said)
	if at == nil || at[1]+"/" == p.url || !strings.Contains(p.said, "Front   "+strings.TrimSuffix(p.url, "/")+"\n") {
		t.Fatalf("%s said %q", p.url, p.said)
	}
	behind := &process{url: at[1] + "/"}
	for name, host := range map[string]*process{"in front": p, "behind": behind} {
		if status, body := host.post(t, "api/x", order("text", "hello")); status != 200 || body != `"hello"` {
			t.Errorf("%s: %d %s", name, status, body)
		}
	}
	for host, want := range map[*process]int{p: 101, behind: 404} {
		if got := upgrade(t, "ws"+host.url[4:]+"socket"); got != want {
			t.Errorf("a WebSocket at %s: %d, want %d", host.url, got, want)
		}
	}
	conn := p.dial(t, "socket")
	write(t, conn, order("text", "mine"))
	if got := text(t, conn); got != `"mine"` {
		t.Errorf("frame %s", got)
	}
	var state struct{ EdgeRequests int }
	_, body := behind.get(t, "localdev/state")
	if err := json.Unmarshal([]byte(body), &state); err != nil || state.EdgeRequests != 3 {
		t.Errorf("state %s, %v, want 3 requests", body, err)
	}
}

// A client whose request is under way when localdev is told to end gets all of the answer, also one that reads slowly.
func TestStackFrontEnds(t *testing.T) {
	p := launchStack(t, "--parameter", "Front=yes")
	const size = 4 << 20
	res, err := http.Post(p.url+"api/x", "text/plain", strings.NewReader(order("text", strings.Repeat("x", size))))
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	p.signals <- os.Interrupt
	eventually(t, "it takes no more", func() bool {
		c, err := net.Dial("tcp", strings.Trim(p.url, "htp:/"))
		if err == nil {
			c.Close()
		}
		return err != nil
	})
	time.Sleep(300 * time.Millisecond) // the reader is slow
	if body, err := io.ReadAll(res.Body); err != nil || len(body) != size+len(`""`) {
		t.Errorf("the answer has %d bytes, %v", len(body), err)
	}
	if code := p.wait(t); code != exitOK {
		t.Errorf("exit code %d: %s", code, p.stderr)
	}
}

// What does not go with CloudFront in front is said.
func TestStackFrontRefuses(t *testing.T) {
	for want, args := range map[string][]string{
		"each of which has a host of its own behind it": {"--hosts", "two"},
		"the application has two":                       {"--app", "protocol"},
	} {
		var out, errOut bytes.Buffer
		code := run(append([]string{
			"--addr", "127.0.0.1:0", "--template", stackTemplate, "--built", t.TempDir(), "--parameter", "Front=yes",
		}, args...), environment{}.lookup, &out, &errOut, nil)
		if code != exitFailed || !strings.Contains(errOut.String(), want) || out.Len() > 0 {
			t.Errorf("%v: exit code %d, it said %s", args, code, errOut.String())
		}
	}
}
