package protocol_test

import (
	"encoding/json"
	"log/slog"
	"strings"
	"testing"

	"github.com/nonstick-io/nonstick"
	"github.com/nonstick-io/nonstick/gateway/engine"
	"github.com/nonstick-io/nonstick/internal/apps/protocol"
	"github.com/nonstick-io/nonstick/internal/pushtest"
	"github.com/nonstick-io/nonstick/sessionstore"
	"github.com/nonstick-io/nonstick/sessionstore/memstore"
)

// What a POST makes the next GET carry; SID stands for a socket's id.
func TestSocketIO(t *testing.T) {
	for _, c := range []struct {
		name string
		post []string
		want []string
	}{
		{"connect", []string{"40"}, []string{`40{"sid":"SID"}`, `42["auth",{}]`}},
		{"connect with auth", []string{`40{"token":"123"}`}, []string{`40{"sid":"SID"}`, `42["auth",{"token":"123"}]`}},
		{
			"connect to /custom",
			[]string{`40/custom,{"a":[1]}`},
			[]string{`40/custom,{"sid":"SID"}`, `42/custom,["auth",{"a":[1]}]`},
		},
		{"connect to another", []string{"40/random,"}, []string{`44/random,{"message":"Invalid namespace"}`}},
		{
			"message",
			[]string{"40", `42["message",1,"2",{"3":[true]}]`},
			[]string{`40{"sid":"SID"}`, `42["auth",{}]`, `42["message-back",1,"2",{"3":[true]}]`},
		},
		{
			"message with an attachment",
			[]string{"40", `451-["message",{"_placeholder":true,"num":0}]`, "bAQID"},
			[]string{`40{"sid":"SID"}`, `42["auth",{}]`, `451-["message-back",{"_placeholder":true,"num":0}]`, "bAQID"},
		},
		{
			"acknowledged",
			[]string{"40", `42456["message-with-ack",1,"2"]`},
			[]string{`40{"sid":"SID"}`, `42["auth",{}]`, `43456[1,"2"]`},
		},
		{
			"acknowledged with attachments",
			[]string{
				"40", `452-789["message-with-ack",{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}]`,
				"bAQ==", "bAg==",
			},
			[]string{
				`40{"sid":"SID"}`, `42["auth",{}]`,
				`462-789[{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}]`, "bAQ==", "bAg==",
			},
		},
		{
			"disconnected by the server",
			[]string{"40", `42["bye",false]`},
			[]string{`40{"sid":"SID"}`, `42["auth",{}]`, "41"},
		},
		{
			"no handler in /custom",
			[]string{"40/custom,", `42/custom,1["message",1]`},
			[]string{`40/custom,{"sid":"SID"}`, `42/custom,["auth",{}]`},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			store := memstore.New(memstore.Options{})
			srv := nonstick.New(
				nonstick.Config{Logger: slog.New(slog.DiscardHandler), Store: store, Pusher: pushtest.New()},
			)
			protocol.Register(srv)
			expect(t, exchange(t, srv.Engine(), c.post), c.want)
		})
	}
}

func TestEcho(t *testing.T) {
	e := engine.New(
		engine.Config{Store: memstore.New(memstore.Options{}), Pusher: pushtest.New(), Handler: protocol.Echo{}},
	)
	frames := []string{"4hello", "4", "bAQID", "4€"}
	expect(t, exchange(t, e, frames), frames)
}

// exchange posts frames to a new session and returns what a GET then carries.
func exchange(t *testing.T, e *engine.Engine, frames []string) []string {
	t.Helper()
	open, err := e.Handshake(t.Context(), sessionstore.Handshake{})
	if err != nil {
		t.Fatal(err)
	}
	var h struct{ SID sessionstore.SessionID }
	if err := json.Unmarshal([]byte(open[1:]), &h); err != nil {
		t.Fatal(err)
	}
	if err := e.Post(t.Context(), h.SID, strings.Join(frames, "\x1e")); err != nil {
		t.Fatal(err)
	}
	body, err := e.Poll(t.Context(), h.SID, "t")
	if err != nil {
		t.Fatal(err)
	}
	return strings.Split(body, "\x1e")
}

func expect(t *testing.T, got, want []string) {
	t.Helper()
	for i, f := range got {
		if before, after, ok := strings.Cut(f, `{"sid":"`); ok && len(after) == 22 {
			got[i] = before + `{"sid":"SID` + after[20:]
		}
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}
