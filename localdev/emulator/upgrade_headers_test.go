package emulator_test

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"net/http"
	"testing"
	"time"

	"github.com/nonstick-io/nonstick/localdev/emulator"
)

// TestUpgradeHeaders sends upgrades by hand. A subprotocol is what $connect answers, as on API Gateway: a client that
// offers one and gets no answer is told of none.
func TestUpgradeHeaders(t *testing.T) {
	for _, tt := range []struct {
		name, headers string
		answer        map[string]string
		status        int
		protocol      string
	}{
		{"plain", "Connection: Upgrade\r\n", nil, 101, ""},
		{"Connection in two lines", "Connection: keep-alive\r\nConnection: Upgrade\r\n", nil, 101, ""},
		{"Connection as a list", "Connection: keep-alive, upgrade\r\n", nil, 101, ""},
		{"no Connection", "", nil, 400, ""},
		{"Connection without upgrade", "Connection: keep-alive\r\nConnection: close\r\n", nil, 400, ""},
		{
			"a subprotocol that is answered", "Connection: Upgrade\r\nSec-WebSocket-Protocol: a, b\r\n",
			map[string]string{"Sec-WebSocket-Protocol": "a"},
			101, "a",
		},
		{
			"in another spelling", "Connection: Upgrade\r\nSec-WebSocket-Protocol: a\r\n",
			map[string]string{"sec-websocket-protocol": "a"},
			101, "a",
		},
		{"a subprotocol that is not answered", "Connection: Upgrade\r\nSec-WebSocket-Protocol: a, b\r\n", nil, 101, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := start(t, emulator.AWS(), &set{connect: func(context.Context, wsEvent) (wsAnswer, error) {
				return wsAnswer{StatusCode: 200, Headers: tt.answer}, nil
			}})
			conn, err := net.Dial("tcp", r.addr)
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			_ = conn.SetDeadline(time.Now().Add(patience))
			fmt.Fprintf(
				conn,
				"GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: %s\r\nUpgrade: websocket\r\n"+
					"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n%s\r\n",
				r.addr, tt.headers,
			)
			res, err := http.ReadResponse(bufio.NewReader(conn), nil)
			if err != nil {
				t.Fatal(err)
			}
			if got := res.Header.Get("Sec-WebSocket-Protocol"); res.StatusCode != tt.status || got != tt.protocol {
				t.Errorf("%d with subprotocol %q, want %d with %q", res.StatusCode, got, tt.status, tt.protocol)
			}
		})
	}
}
