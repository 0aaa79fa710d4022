package nonstick_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/nonstick-io/nonstick"
)

// upload is an argument with binary in it.
type upload struct {
	Name string          `json:"name"`
	Data nonstick.Binary `json:"data"`
}

// binaryApp echoes.
func binaryApp(s *nonstick.Server) {
	s.AllowAttachments()
	n := s.Namespace
	nonstick.OnAck(
		n, "args",
		func(_ context.Context, _ *nonstick.Socket, a nonstick.Args) (nonstick.Args, error) { return a, nil },
	)
	nonstick.OnAck(n, "upload", func(ctx context.Context, k *nonstick.Socket, u upload) (upload, error) {
		return upload{u.Name, append(u.Data, '!')}, k.Emit(ctx, "got", u)
	})
	nonstick.OnAck(
		n, "size", func(_ context.Context, _ *nonstick.Socket, u upload) (int, error) { return len(u.Data), nil },
	)
}

const (
	sent = `451-7["upload",{"name":"a","data":{"_placeholder":true,"num":0}}]`
	got  = `451-["got",{"name":"a","data":{"_placeholder":true,"num":0}}]`
	ack  = `461-7[{"name":"a","data":{"_placeholder":true,"num":0}}]`
)

// A packet with attachments arrives whole, in however many requests it comes, and at whichever instance.
func TestBinary(t *testing.T) {
	two := `452-8["args",{"_placeholder":true,"num":1},{"_placeholder":true,"num":0}]`
	twoBack := `462-8[{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}]`
	for _, c := range []struct {
		name      string
		transport string
		requests  [][]string
		want      []string
	}{
		{"WebSocket", "websocket", [][]string{{sent}, {"bAQI="}}, []string{got, "bAQI=", ack, "bAQIh"}},
		{
			"WebSocket, two attachments", "websocket",
			[][]string{{two}, {"bAQ=="}, {"bAg=="}},
			[]string{twoBack, "bAg==", "bAQ=="},
		},
		{"WebSocket, an empty attachment", "websocket", [][]string{{sent}, {"b"}}, []string{got, "b", ack, "bIQ=="}},
		{
			"WebSocket, two packets", "websocket",
			[][]string{{sent}, {"bAQI="}, {sent}, {"bAw=="}},
			[]string{got, "bAQI=", ack, "bAQIh", got, "bAw==", ack, "bAyE="},
		},
		{"one POST", "polling", [][]string{{sent, "bAQI="}}, []string{got, "bAQI=", ack, "bAQIh"}},
		{
			"one POST, with more around it", "polling",
			[][]string{{`421["args",1]`, sent, "bAQI=", `422["args",2]`}},
			[]string{"431[1]", got, "bAQI=", ack, "bAQIh", "432[2]"},
		},
		{"two POSTs", "polling", [][]string{{sent}, {"bAQI="}}, []string{got, "bAQI=", ack, "bAQIh"}},
		{"three POSTs", "polling", [][]string{{two}, {"bAQ=="}, {"bAg=="}}, []string{twoBack, "bAg==", "bAQ=="}},
		{
			"two POSTs, split in the middle", "polling",
			[][]string{{two, "bAQ=="}, {"bAg==", `421["args",1]`}},
			[]string{twoBack, "bAg==", "bAQ==", "431[1]"},
		},
		{
			"three POSTs, two packets", "polling",
			[][]string{{two, "bAQ=="}, {"bAg==", sent}, {"bAQI="}},
			[]string{twoBack, "bAg==", "bAQ==", got, "bAQI=", ack, "bAQIh"},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			inWorlds(t, func(t *testing.T, w *world) {
				s := w.server(binaryApp)
				p := w.joinOn(s, c.transport)
				for _, frames := range c.requests {
					p.at = w.server(binaryApp)
					p.send(frames...)
				}
				p.expect(c.want...)
				if left := p.state().Partial; left != nil {
					t.Errorf("left in the store: %+v", left)
				}
			})
		})
	}
}

func (w *world) joinOn(s *nonstick.Server, transport string) *peer {
	if transport == "polling" {
		return w.joinPolling(s)
	}
	return w.join(s)
}

// Attachments that do not fit their packet close the session, and leave nothing of it.
func TestBinaryViolations(t *testing.T) {
	header := func(n int) string { return fmt.Sprintf(`45%d-["args",{"_placeholder":true,"num":0}]`, n) }
	large := "b" + strings.Repeat("AAAA", 300)
	for _, c := range []struct {
		name   string
		frames []string
		wait   time.Duration // before the last one
	}{
		{"too many", []string{header(1), "bAQ==", "bAQ=="}, 0},
		{"none announced", []string{`42["args",1]`, "bAQ=="}, 0},
		{"text between", []string{header(2), "bAQ==", `42["args",1]`}, 0},
		{"another header between", []string{header(2), "bAQ==", header(1)}, 0},
		{"more announced than allowed", []string{header(11)}, 0},
		{"a placeholder of one that cannot be", []string{`451-["args",{"_placeholder":true,"num":1}]`}, 0},
		{"above the limit in all", []string{header(3), large, large}, 0},
		{"too late", []string{header(1), "bAQ=="}, 31 * time.Second},
	} {
		for _, transport := range []string{"websocket", "polling"} {
			t.Run(c.name+"/"+transport, func(t *testing.T) {
				inWorld(t, func(t *testing.T, w *world) {
					s := w.server(binaryApp, func(g *nonstick.Config) { g.Options.MaxPayload = 1000 })
					p := w.joinOn(s, transport)
					for i, f := range c.frames {
						if i == len(c.frames)-1 {
							p.expectOpen()
							time.Sleep(c.wait)
						}
						p.send(f)
					}
					p.expectClosed("forced close")
					if left := p.state().Partial; left != nil {
						t.Errorf("left in the store: %+v", left)
					}
				})
			})
		}
	}
}

// A packet whose attachments never come keeps no request waiting, and goes with its session.
func TestTooFewAttachments(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		s := w.server(binaryApp)
		p := w.join(s)
		p.send(sent)
		if left := p.state().Partial; left == nil || left.Want != 1 {
			t.Errorf("in the store: %+v", left)
		}
		if err := s.Engine().Disconnect(t.Context(), p.conn); err != nil {
			t.Error(err)
		}
		p.expectClosed("transport close")
		if left := p.state().Partial; left != nil {
			t.Errorf("left in the store: %+v", left)
		}
	})
}

// A broadcast with attachments reaches each member whole.
func TestBinaryBroadcast(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		s := w.server(binaryApp)
		peers := []*peer{w.join(s), w.joinPolling(s)}
		if err := s.Emit(t.Context(), "got", upload{"a", nonstick.Binary{1, 2}}); err != nil {
			t.Fatal(err)
		}
		for _, p := range peers {
			p.expect(got, "bAQI=")
		}
	})
}
