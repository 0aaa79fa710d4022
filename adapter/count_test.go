package adapter_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nonstick-io/nonstick/adapter"
	"github.com/nonstick-io/nonstick/adapter/delivery"
	"github.com/nonstick-io/nonstick/sessionstore"
)

// family is every selection of the hall that differs in how it is counted.
func family() map[string]adapter.Selection {
	b, y := socketID("B"), socketID("Y")
	none := sessionstore.Room("none")
	return map[string]adapter.Selection{
		"ABCDEVWXYZ": {},
		"ACDEVWXYZ":  {Skip: []sessionstore.SocketID{b}},
		"ABVW":       {Rooms: roomList{"a"}},
		"AVW":        {Rooms: roomList{"a"}, Skip: []sessionstore.SocketID{b, y}},
		"BCWX":       {And: roomList{"b"}},
		"BW":         {Rooms: roomList{"a"}, And: roomList{"b"}},
		"ABCVWX":     {Rooms: roomList{"a", "b"}},
		"AV":         {Rooms: roomList{"a"}, Except: roomList{"b"}},
		"CZ":         {Rooms: roomList{long}},
		"B":          {Rooms: roomList{sessionstore.Room(b)}},
		"Y":          {And: roomList{sessionstore.Room(y)}, Skip: []sessionstore.SocketID{b}},
		"":           {Rooms: roomList{none}, Skip: []sessionstore.SocketID{b}},
		"CDEXYZ":     {Except: roomList{"a"}},
		"BY":         {Rooms: roomList{sessionstore.Room(b), sessionstore.Room(y), none}},
		"CX":         {Rooms: roomList{none, "b"}, Skip: []sessionstore.SocketID{b, socketID("W")}, And: roomList{"b"}},
	}
}

// A selection is counted as it is walked, whichever way it is counted, and its ids and sockets are those of the walk.
func TestCountIsWhatIsWalked(t *testing.T) {
	for want, sel := range family() {
		t.Run(fmt.Sprint(sel), func(t *testing.T) {
			inWorld(t, delivery.Limits{}, func(t *testing.T, w *world) {
				hall(w)
				sel.Namespace = nsp
				n, err := w.adapter.Count(t.Context(), sel)
				if n != len(want) || err != nil {
					t.Errorf("counted %d, want %d; %v", n, len(want), err)
				}
				found, err := w.adapter.Any(t.Context(), sel)
				if found != (want != "") || err != nil {
					t.Errorf("any: %v, %v", found, err)
				}
				var ids, all string
				for id, err := range w.adapter.IDs(t.Context(), sel) {
					w.Must(err)
					ids += strings.TrimLeft(string(id), "-")
				}
				for f, err := range w.adapter.All(t.Context(), sel) {
					w.Must(err)
					all += strings.TrimLeft(string(f.Socket), "-")
				}
				if sorted(ids) != want || sorted(all) != want {
					t.Errorf("ids %q, all %q, want %q", ids, all, want)
				}
			})
		})
	}
}

// A socket that has joined a room with the name of its id is one socket.
func TestCountOfARoomNamedLikeItsSocket(t *testing.T) {
	inWorld(t, delivery.Limits{}, func(t *testing.T, w *world) {
		own := sessionstore.Room(socketID("A"))
		w.Polling("A")
		w.socket("A", own)
		w.Polling("B")
		w.socket("B", own)
		w.Polling("C")
		w.socket("C")
		for sel, want := range map[string]adapter.Selection{
			"2": {Rooms: roomList{own}},
			"1": {Rooms: roomList{own}, Skip: []sessionstore.SocketID{socketID("A")}},
			"0": {Rooms: roomList{own}, Skip: []sessionstore.SocketID{socketID("A"), socketID("B")}},
		} {
			want.Namespace = nsp
			n, err := w.adapter.Count(t.Context(), want)
			found, err2 := w.adapter.Any(t.Context(), want)
			if fmt.Sprint(n) != sel || found != (n > 0) || errors.Join(err, err2) != nil {
				t.Errorf("counted %d, want %s; any: %v, %v", n, sel, found, errors.Join(err, err2))
			}
		}
	})
}

// What is counted costs reads of counts, and not of the sockets.
func TestCountReads(t *testing.T) {
	self := []sessionstore.SocketID{socketID("B")}
	for _, c := range []struct {
		name       string
		sel        adapter.Selection
		count, any int64
	}{
		{"a room", adapter.Selection{Rooms: roomList{"a"}}, 1, 1},
		{"a room, by And", adapter.Selection{And: roomList{"a"}}, 1, 1},
		{"a room but for the socket itself", adapter.Selection{Rooms: roomList{"a"}, Skip: self}, 2, 1},
		{"an empty room", adapter.Selection{Rooms: roomList{"none"}}, 1, 1},
		{"a room with a name like an id", adapter.Selection{Rooms: roomList{long}}, 2, 1},
		{"a socket by its id", adapter.Selection{Rooms: roomList{sessionstore.Room(self[0])}}, 3, 3},
		{"the namespace", adapter.Selection{}, 16, 2},
		{"the namespace but for the socket itself", adapter.Selection{Skip: self}, 17, 4},
		{"several rooms", adapter.Selection{Rooms: roomList{"none", "a", "b"}}, 3, 2},
		{"a room except another", adapter.Selection{Rooms: roomList{"a"}, Except: roomList{"b"}}, 2, 2},
	} {
		t.Run(c.name, func(t *testing.T) {
			inWorld(t, delivery.Limits{}, func(t *testing.T, w *world) {
				meter := w.metered()
				w.adapter = adapter.New(w.Store, w.Delivery, adapter.Options{})
				hall(w)
				c.sel.Namespace = nsp
				before := meter.Total()
				_, err := w.adapter.Count(t.Context(), c.sel)
				w.Must(err)
				if n := meter.Total().Sub(before).Reads; n != c.count {
					t.Errorf("count: %d reads, want %d", n, c.count)
				}
				before = meter.Total()
				_, err = w.adapter.Any(t.Context(), c.sel)
				w.Must(err)
				if n := meter.Total().Sub(before).Reads; n > c.any {
					t.Errorf("any: %d reads, want at most %d", n, c.any)
				}
			})
		})
	}
}

// Of a parent the children are counted together; what would read their sockets is refused.
func TestCountOfAParent(t *testing.T) {
	inWorld(t, delivery.Limits{}, func(t *testing.T, w *world) {
		parent := adapter.Selection{Parent: "tenants"}
		expect := func(sel adapter.Selection, want int) {
			t.Helper()
			n, err := w.adapter.Count(t.Context(), sel)
			found, err2 := w.adapter.Any(t.Context(), sel)
			if n != want || found != (want > 0) || errors.Join(err, err2) != nil {
				t.Errorf("counted %d, want %d; any: %v, %v", n, want, found, errors.Join(err, err2))
			}
		}
		expect(parent, 0)
		for i := range 3 {
			child := sessionstore.Namespace(fmt.Sprint("/tenant-", i))
			row := sessionstore.Child{Name: child, Put: "x", SeenAt: time.Now()}
			_, err := w.Store.PutChild(t.Context(), "tenants", row)
			w.Must(err)
			for j := range i {
				id := sessionstore.SessionID(fmt.Sprint("T", i, j))
				w.Polling(id)
				w.Must(w.Store.PutSocket(t.Context(), sessionstore.NewSocket{
					ID: socketID(id), Session: id, Namespace: child, Rooms: roomList{"a"}[:j%2],
				}, sessionstore.Connection{}, delivery.Limits{}.WithDefaults().Socket))
			}
		}
		expect(parent, 3)
		expect(adapter.Selection{Parent: "tenants", Rooms: roomList{"a"}}, 1)
		expect(adapter.Selection{Parent: "clubs"}, 0)
		for _, err := range w.adapter.IDs(t.Context(), parent) {
			if !errors.Is(err, adapter.ErrParent) {
				t.Errorf("ids: %v", err)
			}
		}
		for _, err := range w.adapter.All(t.Context(), parent) {
			if !errors.Is(err, adapter.ErrParent) {
				t.Errorf("all: %v", err)
			}
		}
	})
}

// A store that cannot be read is an error, and no smaller number; a walk ends with it.
func TestCountFails(t *testing.T) {
	inWorld(t, delivery.Limits{}, func(t *testing.T, w *world) {
		hall(w)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		for _, sel := range family() {
			sel.Namespace = nsp
			n, err := w.adapter.Count(ctx, sel)
			found, err2 := w.adapter.Any(ctx, sel)
			if n != 0 || found || !errors.Is(err, context.Canceled) || !errors.Is(err2, context.Canceled) {
				t.Errorf("%+v: %d, %v; any: %v, %v", sel, n, err, found, err2)
			}
			var errs []error
			for _, err := range w.adapter.IDs(ctx, sel) {
				errs = append(errs, err)
			}
			for _, err := range w.adapter.All(ctx, sel) {
				errs = append(errs, err)
			}
			if len(errs) != 2 || !errors.Is(errs[0], context.Canceled) || !errors.Is(errs[1], context.Canceled) {
				t.Errorf("%+v: walks: %v", sel, errs)
			}
		}
	})
}

// All reads the sockets a few at a time, as they are asked for, and none after the caller has left.
func TestAllReadsAsItGoes(t *testing.T) {
	inWorld(t, delivery.Limits{}, func(t *testing.T, w *world) {
		meter := w.metered()
		w.adapter = adapter.New(w.Store, w.Delivery, adapter.Options{})
		const size = 200
		for i := range size {
			id := sessionstore.SessionID(fmt.Sprintf("S%03d", i))
			w.Polling(id)
			w.socket(id, "a")
		}
		sel := adapter.Selection{Namespace: nsp, Rooms: roomList{"a"}}
		w.Must(w.Closing.Close(t.Context(), "S003", "test", delivery.CloseOptions{}))
		var met []sessionstore.SessionID
		for f, err := range w.adapter.All(t.Context(), sel) {
			w.Must(err)
			if len(f.Rooms) != 1 {
				t.Errorf("%s is in %v", f.Socket, f.Rooms)
			}
			read := int(meter.Op(sessionstore.OpReadSocket).Calls)
			if met = append(met, f.Session); read-len(met) > 33 {
				t.Fatalf("%d sockets were read for %d", read, len(met))
			}
		}
		if len(met) != size-1 || !slices.IsSorted(met) || slices.Contains(met, "S003") {
			t.Errorf("met %d, want %d: %v", len(met), size-1, met)
		}
		before := meter.Op(sessionstore.OpReadSocket).Calls
		for range w.adapter.All(t.Context(), sel) {
			break
		}
		if n := meter.Op(sessionstore.OpReadSocket).Calls - before; n > 32 {
			t.Errorf("%d sockets were read for one", n)
		}
	})
}
