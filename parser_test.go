package nonstick_test

import (
	"context"
	"encoding/hex"
	"strings"
	"testing"

	"github.com/nonstick-io/nonstick"
	"github.com/nonstick-io/nonstick/adapter"
	"github.com/nonstick-io/nonstick/adapter/emitter"
	"github.com/nonstick-io/nonstick/internal/engineio"
	"github.com/nonstick-io/nonstick/sessionstore"
)

// pictures is an application that emits binary data and says nothing of attachments.
func pictures(s *nonstick.Server) {
	nonstick.OnAck(s, "draw", func(ctx context.Context, k *nonstick.Socket, b []byte) (nonstick.Binary, error) {
		return b, k.Emit(ctx, "drawn", nonstick.Binary(b))
	})
}

func byMsgPack(c *nonstick.Config) { c.Parser = nonstick.MsgPack }

const (
	draw    = `451-1["draw",{"_placeholder":true,"num":0}]`
	drawn   = `451-["drawn",{"_placeholder":true,"num":0}]`
	drawAck = `461-1[{"_placeholder":true,"num":0}]`
)

// With msgpack binary data needs no leave, and costs what other packets cost; by JSON it is refused without.
func TestBinaryWithoutLeave(t *testing.T) {
	for _, transport := range []string{"websocket", "polling"} {
		inWorlds(t, func(t *testing.T, w *world) {
			p := w.joinOn(w.server(pictures), transport)
			before := w.meter.Total()
			p.send(draw, "bAQI=")
			if w.parser == nonstick.JSON {
				if !strings.Contains(w.log.String(), nonstick.ErrAttachments.Error()) {
					t.Errorf("the log does not say why:\n%s", w.log)
				}
				return
			}
			p.expect(drawn, "bAQI=", drawAck, "bAQI=")
			if after := w.meter.Total(); transport == "websocket" && after.Writes != before.Writes {
				t.Errorf("%d writes", after.Writes-before.Writes)
			}
			if p.state().Partial != nil {
				t.Error("half a packet is in the store")
			}
		})
	}
}

// What allows attachments by JSON does nothing with msgpack: sessions are not serial, and no packet waits for its turn.
func TestNotSerialByMsgPack(t *testing.T) {
	inWorlds(t, func(t *testing.T, w *world) {
		p := w.join(w.server(binaryApp))
		if got, want := p.state().Serial, w.parser == nonstick.JSON; got != want {
			t.Errorf("serial: %t, want %t", got, want)
		}
	})
}

// Where frames are handled in any order, events with attachments are whole all the same, and none waits.
func TestMsgPackUnordered(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.parser = nonstick.MsgPack
		p := w.join(w.server(binaryApp, func(c *nonstick.Config) { c.Unordered = true }))
		two := `452-8["args",{"_placeholder":true,"num":1},{"_placeholder":true,"num":0}]`
		p.send(two, "bAQ==", "bAg==", sent, "bAQI=", sent, "bAw==")
		p.expect(
			`462-8[{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}]`, "bAg==", "bAQ==",
			got, "bAQI=", ack, "bAQIh", got, "bAw==", ack, "bAyE=",
		)
		p.expectOpen()
	})
}

// A client that has another parser than its server, or sends no packet at all, is closed, and the log says why.
func TestOtherParser(t *testing.T) {
	bad := func(text string) string {
		b, err := hex.DecodeString(text)
		if err != nil {
			t.Fatal(err)
		}
		return engineio.EncodeBinary(b)
	}
	for _, c := range []struct {
		name, frame, log string
		change           func(*nonstick.Config)
	}{
		{"JSON to msgpack", "40", "the parser of the server is msgpack", byMsgPack},
		{"an event of JSON to msgpack", `42["a"]`, "the parser of the server is msgpack", byMsgPack},
		{
			"msgpack to JSON", bad("82a47479706500a36e7370a12f"), "the parser of the client is msgpack",
			func(*nonstick.Config) {},
		},
		{"no MessagePack", bad("c1"), "no packet in MessagePack", byMsgPack},
		{"nothing", "b", "no packet in MessagePack", byMsgPack},
		{"an unknown type", bad("82a47479706507a36e7370a12f"), "unknown packet type", byMsgPack},
		{"an event of a namespace not joined", bad("83a47479706502a46461746191a165a36e7370a12f"), "", byMsgPack},
	} {
		for _, transport := range []string{"websocket", "polling"} {
			t.Run(c.name+"/"+transport, func(t *testing.T) {
				inWorld(t, func(t *testing.T, w *world) {
					s := w.server(binaryApp, c.change)
					p := w.open(s)
					if transport == "polling" {
						p = w.openPolling(s)
					}
					_ = p.try(c.frame)
					reason := "forced close"
					if c.log == "" {
						reason = "forced server close"
					}
					now := p.state()
					if now.State != sessionstore.Closed && transport == "websocket" || now.Reason != reason {
						t.Errorf("session is %s for %q", now.State, now.Reason)
					}
					if !strings.Contains(w.log.String(), c.log) {
						t.Errorf("the log does not say %q:\n%s", c.log, w.log)
					}
				})
			})
		}
	}
}

// Programs beside the server emit by its parser, and ask by it; a broadcast to very many is in the queue as ever, and
// the program that carries it writes it.
func TestEmitterByMsgPack(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.parser = nonstick.MsgPack
		s := w.server(pictures)
		a, b := w.join(s), w.joinPolling(s)
		queue := &line{}
		options := emitter.Options{Options: adapter.Options{Parser: emitter.MsgPack, Fanout: queue, Large: 1}}
		e := emitter.New(w.store, w.pusher, options)
		if err := e.Emit(t.Context(), "drawn", emitter.Binary{1, 2}); err != nil {
			t.Fatal(err)
		}
		if len(queue.bodies) == 0 {
			t.Fatal("nothing is in the queue")
		}
		queue.carryBy(t, e)
		a.expect(drawn, "bAQI=")
		b.expect(drawn, "bAQI=")
		large := emitter.Binary(make([]byte, 100<<10)) // above 128 KB in base64
		one, err := e.Socket(t.Context(), a.id)
		if err != nil {
			t.Fatal(err)
		}
		if err := one.Emit(t.Context(), "drawn", large); err == nil || !strings.Contains(err.Error(), "too large") {
			t.Errorf("100 KB: %v", err)
		}
	})
}
