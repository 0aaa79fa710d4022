package memstore

import (
	"fmt"
	"testing"
	"time"

	"github.com/nonstick-io/nonstick/sessionstore"
)

var start = time.Date(2050, time.March, 1, 12, 0, 0, 0, time.UTC)

// held counts everything that the store keeps.
func (s *Store) held() (entries, connections, expiries, rooms, rows int) {
	for i := range s.sessions {
		st := &s.sessions[i]
		entries += len(st.entries)
		connections += len(st.connections)
		expiries += len(st.expiries)
	}
	for i := range s.rooms {
		rooms += len(s.rooms[i].tables)
	}
	for i := range s.registry {
		rows += s.registry[i].rows.len()
	}
	return entries, connections, expiries, rooms, rows
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func sweepAll(t *testing.T, s *Store, now time.Time) {
	t.Helper()
	for shard := range s.Shards() {
		check(
			t,
			s.LeaseShard(t.Context(), shard, sessionstore.Lease{Owner: "sweeper", Until: now.Add(time.Second)}, now),
		)
	}
}

// live makes a session with everything that can belong to one, closes it, and leaves to expiry what may be.
func live(t *testing.T, s *Store, i int, tidy bool) {
	t.Helper()
	ctx := t.Context()
	id := sessionstore.SessionID(fmt.Sprint("session-", i))
	conn := sessionstore.Connection{ID: fmt.Sprint("conn-", i), Endpoint: "https://example.org"}
	k := sessionstore.NewSocket{
		ID: sessionstore.SocketID(fmt.Sprint("socket-", i)), Session: id, Namespace: "/",
		Rooms: []sessionstore.Room{"r"},
	}
	check(t, s.Create(ctx, sessionstore.NewSession{ID: id, Transport: sessionstore.Polling}))
	check(t, s.PutConnection(ctx, sessionstore.ConnectionRow{Conn: conn, Session: id, ExpiresAt: start.Add(time.Hour)}))
	check(t, s.PutSocket(ctx, k, conn, sessionstore.SocketLimits{Rooms: 1}))
	check(t, s.PutPartial(ctx, id, sessionstore.Partial{Want: 1, Deadline: start.Add(time.Minute)}, start))
	check(t, s.PutAck(ctx, sessionstore.Ack{Session: id, ID: 1, ExpiresAt: start.Add(2 * time.Hour)}, start))
	_, err := s.Close(
		ctx, sessionstore.CloseRequest{Session: id, Handler: sessionstore.Lease{Owner: "me", Until: start}},
	)
	check(t, err)
	check(t, s.Unregister(ctx, id))
	check(t, s.Finish(ctx, id, "me", start.Add(time.Minute)))
	if !tidy {
		return
	}
	check(t, s.DeleteConnection(ctx, conn))
	check(t, s.DeletePartial(ctx, id))
	check(t, s.DeleteAck(ctx, id, 1))
	_, err = s.RemoveSocket(ctx, k.Row())
	check(t, err)
}

func TestNothingIsKeptForEver(t *testing.T) {
	for _, c := range []struct {
		tidy bool
		at   time.Duration
		want string
	}{
		{false, time.Minute - time.Second, "200 200 800 17 0"},
		{false, time.Minute, "200 200 400 0 0"}, // sessions are gone; acknowledgements and connections wait
		{false, time.Hour, "200 0 200 0 0"},
		{false, 2 * time.Hour, "0 0 0 0 0"},
		{true, time.Minute - time.Second, "200 0 200 0 0"},
		{true, time.Minute, "0 0 0 0 0"},
	} {
		s := New(Options{})
		for i := range 200 {
			live(t, s, i, c.tidy)
		}
		sweepAll(t, s, start.Add(c.at))
		if got := fmt.Sprint(s.held()); got != c.want {
			t.Errorf("tidy %v after %v: %s, want %s", c.tidy, c.at, got, c.want)
		}
	}
}

// TestReadsSweep: a process that never leases a shard does not keep what has expired either.
func TestReadsSweep(t *testing.T) {
	s := New(Options{})
	for i := range 200 {
		live(t, s, i, true)
	}
	for i := range 200 {
		id := sessionstore.SessionID(fmt.Sprint("other-", i))
		check(t, s.Create(t.Context(), sessionstore.NewSession{ID: id, Transport: sessionstore.WebSocket}))
		_, err := s.Get(t.Context(), id, start.Add(time.Hour))
		check(t, err)
	}
	if entries, _, expiries, _, _ := s.held(); entries != 200 || expiries != 0 {
		t.Errorf("%d entries and %d expiries, want the 200 open sessions", entries, expiries)
	}
}

func TestExpiryOfReplacedRows(t *testing.T) {
	s := New(Options{})
	ctx := t.Context()
	conn := sessionstore.Connection{ID: "c"}
	for i := range 10 {
		at := start.Add(time.Duration(10-i) * time.Minute)
		if i == 9 {
			at = start.Add(time.Hour)
		}
		check(t, s.PutConnection(ctx, sessionstore.ConnectionRow{Conn: conn, ExpiresAt: at}))
		check(t, s.DeleteAck(ctx, "s", 1))
		check(t, s.PutAck(ctx, sessionstore.Ack{Session: "s", ID: 1, ExpiresAt: at}, start))
	}
	sweepAll(t, s, start.Add(30*time.Minute))
	if got := fmt.Sprint(s.held()); got != "1 1 2 0 0" {
		t.Errorf("held %s, want the last rows", got)
	}
	sweepAll(t, s, start.Add(time.Hour))
	if got := fmt.Sprint(s.held()) + fmt.Sprint(" ", s.Bytes()); got != "0 0 0 0 0 0" {
		t.Errorf("held %s, want nothing", got)
	}
}

func TestUnusedRoomsAreForgotten(t *testing.T) {
	s := New(Options{})
	ctx := t.Context()
	k := sessionstore.NewSocket{ID: "k", Session: "s", Namespace: "/"}
	check(t, s.PutSocket(ctx, k, sessionstore.Connection{}, sessionstore.SocketLimits{Rooms: 1}))
	for i := range 1000 {
		room := sessionstore.Room(fmt.Sprint(i))
		check(t, s.Join(ctx, k.Row(), room, sessionstore.Connection{}, sessionstore.SocketLimits{Rooms: 1}))
		check(t, s.Leave(ctx, k.Row(), room))
	}
	if _, _, _, rooms, _ := s.held(); rooms != 1 { // the namespace
		t.Errorf("%d rooms", rooms)
	}
}
