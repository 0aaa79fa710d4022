package adapter_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/nonstick-io/nonstick/adapter"
	"github.com/nonstick-io/nonstick/adapter/delivery"
	"github.com/nonstick-io/nonstick/sessionstore"
)

type roomList = []sessionstore.Room

// chosen names the sockets of the hall that are selected, in the order of the walk.
func (w *world) chosen(ctx context.Context, sel adapter.Selection) (string, error) {
	out := ""
	for m, err := range w.adapter.Select(ctx, sel) {
		if err != nil {
			return out, err
		}
		out += strings.TrimLeft(string(m.Socket), "-")
	}
	return out, nil
}

// A socket is selected if it is in one of the rooms, in all of those that it must be in, and in none of the others.
func TestAndSelectsWhatIsInAllRooms(t *testing.T) {
	b, w, none := sessionstore.Room(socketID("B")), sessionstore.Room(socketID("W")), sessionstore.Room("none")
	for _, c := range []struct {
		name               string
		rooms, and, except roomList
		want               string
	}{
		{"one room of the namespace", nil, roomList{"a"}, nil, "ABVW"},
		{"two rooms of the namespace", nil, roomList{"a", "b"}, nil, "BW"},
		{"the same the other way round", nil, roomList{"b", "a"}, nil, "BW"},
		{"a room and another", roomList{"a"}, roomList{"b"}, nil, "BW"},
		{"any of two rooms, and one of these", roomList{"a", "b"}, roomList{"b"}, nil, "BCWX"},
		{"any of two rooms, and another", roomList{"a", "b"}, roomList{long}, nil, "C"},
		{"a room and itself", roomList{"a"}, roomList{"a"}, nil, "ABVW"},
		{"a room with a name as long as an id", roomList{"b"}, roomList{long}, nil, "C"},
		{"of the namespace, the same", nil, roomList{long, "b"}, nil, "C"},
		{"a socket by its id", roomList{"a"}, roomList{b}, nil, "B"},
		{"a socket by its id that is not in the room", roomList{b}, roomList{long}, nil, ""},
		{"of the namespace, a socket by its id", nil, roomList{w, "a", "b"}, nil, "W"},
		{"two sockets at once", nil, roomList{w, b}, nil, ""},
		{"a room without members", roomList{"a", "b"}, roomList{none}, nil, ""},
		{"of a room without members", roomList{none}, roomList{"a"}, nil, ""},
		{"of the namespace, a room without members", nil, roomList{none, "a"}, nil, ""},
		{"three rooms, one of them empty", nil, roomList{"a", "b", none}, nil, ""},
		{"except a room", nil, roomList{"a"}, roomList{"b"}, "AV"},
		{"except a socket", nil, roomList{"a", "b"}, roomList{b}, "W"},
		{"except the room itself", roomList{"a"}, roomList{"b"}, roomList{"b"}, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			inWorld(t, delivery.Limits{}, func(t *testing.T, w *world) {
				hall(w)
				sel := adapter.Selection{Namespace: nsp, Rooms: c.rooms, And: c.and, Except: c.except}
				if got, err := w.chosen(t.Context(), sel); got != c.want || err != nil {
					t.Errorf("selected %q, want %q, in order; %v", got, c.want, err)
				}
				r, err := w.adapter.Broadcast(t.Context(), sel, adapter.PacketOf(w.Packet("4x")))
				all := adapter.Result{Delivered: len(c.want)}
				if got := w.reached("4x"); err != nil || got != c.want || r != all {
					t.Errorf("reached %q, want %q: %+v, %v", got, c.want, r, err)
				}
				paged := ""
				for from := ""; ; {
					next, err := w.adapter.FetchEach(t.Context(), sel, from, 1, func(f adapter.Found) bool {
						paged += strings.TrimLeft(string(f.Socket), "-")
						return true
					})
					w.Must(err)
					if from = next; from == "" {
						break
					}
				}
				if paged != c.want {
					t.Errorf("read one by one: %q, want %q", paged, c.want)
				}
			})
		})
	}
}

// The rooms that are asked for are read, each once, and the namespace is not.
func TestAndReadsRoomsOnly(t *testing.T) {
	for _, c := range []struct {
		sel   adapter.Selection
		reads int64
	}{
		{adapter.Selection{Rooms: roomList{"a"}, And: roomList{"b"}}, 2},
		{adapter.Selection{And: roomList{"a", "b"}}, 2},
		{adapter.Selection{And: roomList{"a"}}, 1},
		{adapter.Selection{Rooms: roomList{"a"}, And: roomList{"b"}, Except: roomList{"none"}}, 3},
	} {
		t.Run(fmt.Sprint(c.sel), func(t *testing.T) {
			inWorld(t, delivery.Limits{}, func(t *testing.T, w *world) {
				meter := w.metered()
				hall(w)
				c.sel.Namespace = nsp
				before := meter.Total()
				_, err := w.chosen(t.Context(), c.sel)
				w.Must(err)
				if n := meter.Total().Sub(before).Reads; n != c.reads {
					t.Errorf("%d reads, want %d", n, c.reads)
				}
			})
		})
	}
}

// A walk that fails says so, whichever of the rooms it is of.
func TestAndFailsWithItsRooms(t *testing.T) {
	for _, sel := range []adapter.Selection{
		{Rooms: roomList{"a"}, And: roomList{"b"}},
		{And: roomList{"a", "b"}},
		{Rooms: roomList{"a", "b"}, And: roomList{long}},
	} {
		t.Run(fmt.Sprint(sel), func(t *testing.T) {
			inWorld(t, delivery.Limits{}, func(t *testing.T, w *world) {
				hall(w)
				sel.Namespace = nsp
				ctx, cancel := context.WithCancel(t.Context())
				cancel()
				if got, err := w.chosen(ctx, sel); got != "" || !errors.Is(err, context.Canceled) {
					t.Errorf("selected %q, %v", got, err)
				}
			})
		})
	}
}

// Names that are no rooms are refused, and what was selected before stays.
func TestWithinRefusesNames(t *testing.T) {
	base, err := adapter.Selection{Namespace: nsp}.Within("a", "a", "b")
	if err != nil || len(base.And) != 2 {
		t.Errorf("%v, %v", base.And, err)
	}
	for _, name := range []string{"", strings.Repeat("x", sessionstore.MaxName+1)} {
		if _, err := base.Within(name); !errors.Is(err, adapter.ErrName) {
			t.Errorf("%.10q: %v", name, err)
		}
	}
}

// A large broadcast takes the rooms along through the queue.
func TestAndThroughTheQueue(t *testing.T) {
	inCrowd(t, func(t *testing.T, c *crowd) {
		sel := adapter.Selection{Namespace: nsp, Rooms: roomList{"a"}, And: roomList{"b"}}
		r, err := c.adapter.Broadcast(t.Context(), sel, adapter.EventOf("p", "/", "x"))
		if err != nil || !r.Queued {
			t.Fatalf("%+v, %v", r, err)
		}
		if r := c.carry(); r.Delivered != crowdSize/2 {
			t.Errorf("delivered to %d, want %d", r.Delivered, crowdSize/2)
		}
		c.expect(func(i int) string { return []string{"4x", ""}[i%2] })
	})
}

// A selection that another was made of stays what it was, also where many are made of it at once.
func TestSelectionsAreValues(t *testing.T) {
	base := adapter.Selection{Namespace: nsp}
	for _, room := range []string{"a", "b", "c"} { // slices with room to spare
		var errs [3]error
		base, errs[0] = base.To(room)
		base, errs[1] = base.Within(room)
		base, errs[2] = base.Without(room)
		if err := errors.Join(errs[:]...); err != nil {
			t.Fatal(err)
		}
	}
	var group sync.WaitGroup
	for i := range 16 {
		group.Go(func() {
			own := fmt.Sprint("own", i)
			for j, derive := range []func(...string) (adapter.Selection, error){base.To, base.Within, base.Without} {
				s, err := derive(own)
				list := [][]sessionstore.Room{s.Rooms, s.And, s.Except}[j]
				if err != nil || fmt.Sprint(list) != "[a b c "+own+"]" {
					t.Errorf("%v, %v", list, err)
				}
			}
		})
	}
	group.Wait()
	if fmt.Sprint(base.Rooms, base.And, base.Except) != "[a b c] [a b c] [a b c]" {
		t.Errorf("the base has become %+v", base)
	}
}
