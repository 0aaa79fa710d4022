package emulator_test

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/gobwas/ws"

	"github.com/nonstick-io/nonstick/adapter/delivery"
	"github.com/nonstick-io/nonstick/localdev/emulator"
	"github.com/nonstick-io/nonstick/sessionstore"
)

// Groups from two processes and single frames, all at once: nothing comes between the frames of a group.
func TestGroups(t *testing.T) {
	const groups, singles = 40, 80
	ids := make(chan string, 1)
	s := start(t, emulator.Native(1<<20), connected(ids))
	other := start(t, emulator.Native(1<<20), connected(make(chan string, 1)))
	c := s.dial(t, "")
	conn := sessionstore.Connection{ID: receive(t, "connection", ids), Endpoint: s.endpoint}
	own, remote := emulator.NewDirectPusher(s.Server, nil), emulator.NewDirectPusher(other.Server, nil)

	var wg sync.WaitGroup
	for who, p := range map[string]*emulator.DirectPusher{"own": own, "remote": remote} {
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

// A group is refused as a single frame is, and then none of it is sent.
func TestGroupErrors(t *testing.T) {
	ids := make(chan string, 1)
	s := start(t, emulator.AWS(), connected(ids))
	other := start(t, emulator.AWS(), connected(make(chan string, 1)))
	c := s.dial(t, "")
	conn := sessionstore.Connection{ID: receive(t, "connection", ids), Endpoint: s.endpoint}
	gone := sessionstore.Connection{ID: "AAAAAAAAAAAAAAA=", Endpoint: s.endpoint}
	nobody := sessionstore.Connection{ID: conn.ID, Endpoint: "http://127.0.0.1:1/x"}
	large := []string{"4small", "4" + strings.Repeat("x", 128<<10)}
	for name, p := range map[string]*emulator.DirectPusher{
		"own": emulator.NewDirectPusher(s.Server, nil), "remote": emulator.NewDirectPusher(other.Server, nil),
	} {
		if err := p.PushGroup(t.Context(), conn, large); !errors.Is(err, delivery.ErrFrameTooLarge) {
			t.Errorf("%s: too large: %v", name, err)
		}
		if err := p.PushGroup(t.Context(), gone, []string{"4a", "4b"}); !errors.Is(err, delivery.ErrGone) {
			t.Errorf("%s: gone: %v", name, err)
		}
		if err := p.PushGroup(t.Context(), nobody, []string{"4a", "4b"}); !errors.Is(err, delivery.ErrGone) {
			t.Errorf("%s: process gone: %v", name, err)
		}
	}
	if err := emulator.NewDirectPusher(s.Server, nil).Push(t.Context(), conn, "4after"); err != nil {
		t.Fatal(err)
	}
	c.want(ws.OpText, "4after")
}
