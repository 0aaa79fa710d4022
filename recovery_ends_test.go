package nonstick_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nonstick-io/nonstick"
	"github.com/nonstick-io/nonstick/sessionstore"
)

// A recoverable socket that the server ends is told so, also while another caller pushes to it. One whose client takes
// nothing loses its session: it would not come to know.
func TestRecoveryToldToLeave(t *testing.T) {
	for _, c := range []struct {
		name string
		slow time.Duration // what the other caller's push takes
		told bool
	}{{"soon", 300 * time.Millisecond, true}, {"never", time.Minute, false}} {
		for _, by := range []string{"its handler", "another caller"} {
			t.Run(c.name+", by "+by, func(t *testing.T) {
				inWorld(t, func(t *testing.T, w *world) {
					var n notes
					s := w.server(lastingApp(&n), recovering)
					k := w.joinLasting(s, "websocket")
					n.list = nil
					w.pusher.OnPush = func(_ sessionstore.Connection, frame string) {
						if strings.Contains(frame, "slow") {
							time.Sleep(c.slow)
						}
					}
					emitted := make(chan error, 1)
					go func() { emitted <- s.To("room").Emit(t.Context(), "slow") }()
					synctest.Wait() // it pushes
					if by == "its handler" {
						_ = k.try(`42["kick",false]`)
					} else {
						to, err := s.Socket(t.Context(), k.id)
						w.must(err)
						w.must(to.Disconnect(t.Context(), false))
					}
					own := w.session(k.sid)
					if open := own.State == sessionstore.Open; open != c.told {
						t.Errorf("its session is open: %v", open)
					}
					if !c.told && own.Details.Description != "its client takes nothing, and is to leave" {
						t.Errorf("it has closed for %q: %q", own.Reason, own.Details.Description)
					}
					w.must(<-emitted)
					if got := k.take(); slices.Contains(got, "41") != c.told {
						t.Errorf("got %q", got)
					}
					synctest.Wait()
					n.expect(
						t, "disconnecting [room] Ann: server namespace disconnect",
						"disconnect: server namespace disconnect",
					)
				})
			})
		}
	}
}

// A client that is refused when it comes back ends its socket; of one that has that at the moment, the session ends,
// also if it took the socket while the middleware was asked.
func TestRecoveryRefusedToATwin(t *testing.T) {
	for _, transport := range []string{"websocket", "polling"} {
		for _, late := range []bool{false, true} {
			t.Run(fmt.Sprint(transport, ", late ", late), func(t *testing.T) {
				inWorld(t, func(t *testing.T, w *world) {
					var refused func()
					s := w.server(func(s *nonstick.Server) {
						s.ConnectionStateRecovery(nonstick.ConnectionStateRecovery{
							MaxDisconnectionDuration: keep, Middlewares: true,
						})
						s.Use(func(context.Context, *nonstick.Socket) error {
							if call := refused; call != nil {
								refused = nil
								call()
								return &nonstick.Error{Message: "not any more"}
							}
							return nil
						})
					}, patient)
					c := w.joinLasting(s, transport)
					twin := *c
					twin.peer = w.openOn(s, transport)
					refused = func() {
						if late {
							c.back(s, transport)
						}
					}
					twin.send(twin.hello())
					twin.expect(`44{"message":"not any more"}`)
					synctest.Wait()
					k := w.session(c.sid)
					if k.State == sessionstore.Open || k.Reason != "transport close" || k.Details.Description == "" {
						t.Errorf("the session of the other is %s: %q, %q", k.State, k.Reason, k.Details.Description)
					}
					twin.expectOpen()
					w.expectNobody("/")
				})
			})
		}
	}
}
