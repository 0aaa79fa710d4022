package emulator_test

import (
	"context"
	"encoding/hex"
	"net/http"
	"strings"
	"testing"

	"github.com/gobwas/ws"

	"github.com/nonstick-io/nonstick/localdev/emulator"
)

// inHex writes binary frames as 0x and digits; a client that asks for text gets text.
func inHex(r *http.Request) emulator.Binary {
	b := emulator.Binary{Text: func(payload []byte) string { return "0x" + hex.EncodeToString(payload) }}
	if r.URL.Query().Get("text") == "" {
		b.Payload = func(text string) (string, bool) {
			digits, ok := strings.CutPrefix(text, "0x")
			raw, err := hex.DecodeString(digits)
			return string(raw), ok && err == nil
		}
	}
	return b
}

func TestBinary(t *testing.T) {
	s := startAPI(
		t, emulator.Config{Limits: emulator.Native(1e6), Binary: inHex},
		emulator.API{Path: "/socket.io/", Sets: []emulator.Handlers{set{message: echo}}},
	)
	tests := []struct {
		name, query string
		op          ws.OpCode
		in          string
		wantOp      ws.OpCode
		want        string
	}{
		{"binary comes back as binary", "", ws.OpBinary, "\x01\x02\xff", ws.OpBinary, "\x01\x02\xff"},
		{"the text of one becomes binary", "", ws.OpText, "0x0102", ws.OpBinary, "\x01\x02"},
		{"empty binary", "", ws.OpBinary, "", ws.OpBinary, ""},
		{"no text of one", "", ws.OpText, "0xyz", ws.OpText, "0xyz"},
		{"a client that is sent text", "text=1", ws.OpBinary, "\x01\x02\x03", ws.OpText, "0x010203"},
		{"text stays text", "", ws.OpText, "40x0102", ws.OpText, "40x0102"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := s.dial(t, tt.query)
			c.send(tt.op, true, tt.in)
			c.want(tt.wantOp, tt.want)
		})
	}
}

// Without a form of one's own a binary frame is an event in base64, and everything goes out as text.
func TestBinaryWithoutForm(t *testing.T) {
	inBase64 := make(chan bool, 1)
	s := start(t, emulator.Native(1e6), set{message: func(ctx context.Context, e wsEvent) (wsAnswer, error) {
		inBase64 <- e.IsBase64Encoded
		return echo(ctx, e)
	}})
	c := s.dial(t, "")
	for _, frame := range []struct {
		op       ws.OpCode
		in, want string
		inBase64 bool
	}{{ws.OpBinary, "\x01\x02\x03", "AQID", true}, {ws.OpText, "AQID", "AQID", false}} {
		c.send(frame.op, true, frame.in)
		c.want(ws.OpText, frame.want)
		if got := receive(t, "event", inBase64); got != frame.inBase64 {
			t.Errorf("%q: IsBase64Encoded is %v", frame.in, got)
		}
	}
}

// The service has no binary frames, whatever form they would have.
func TestNoBinaryFormForTheService(t *testing.T) {
	s := startAPI(
		t, emulator.Config{Limits: emulator.AWS(), Binary: inHex},
		emulator.API{Path: "/socket.io/", Sets: []emulator.Handlers{set{message: echo}}},
	)
	c := s.dial(t, "")
	c.text("0x0102")
	c.want(ws.OpText, "0x0102")
	c.send(ws.OpBinary, true, "\x01")
	c.wantClose(1003)
}
