package storetest

import (
	"cmp"
	"errors"
	"fmt"
	"iter"
	"reflect"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/nonstick-io/nonstick/sessionstore"
)

// start is the time at which all tests happen.
var start = time.Date(2050, time.March, 1, 12, 0, 0, 0, time.UTC)

// after is the time d after the start.
func after(d time.Duration) time.Time { return start.Add(d) }

const (
	me    sessionstore.Owner = "me"
	other sessionstore.Owner = "other"
)

// leaseEnd is when the leases that the helpers take end.
const leaseEnd = 10 * time.Second

var (
	connA = sessionstore.Connection{ID: "L0SM9cOFvHcCIhw=", Endpoint: "https://a.example.org/prod"}
	connB = sessionstore.Connection{ID: "L0SM9cOFvHcCIhw=", Endpoint: "https://b.example.org/prod"}
)

// wide are limits that no test reaches by accident.
var wide = sessionstore.BufferLimits{Packets: 100_000, Bytes: 100 << 20}

// newSession is what the helpers create. Its ping is due at a fraction of a second, as pings are.
func newSession(transport sessionstore.Transport) sessionstore.NewSession {
	n := sessionstore.NewSession{
		ID: sessionstore.SessionID(sessionstore.NewID()), Transport: transport,
		Handshake: sessionstore.Handshake{
			Time: start, Address: "192.0.2.7", URL: "/socket.io/?EIO=4&transport=polling", Secure: true,
			Headers: map[string]string{"user-agent": "test", "x-a.b:c#d": "é"},
			Query:   map[string]string{"EIO": "4", "": "empty"},
		},
		CreatedAt: start, PingAt: after(25*time.Second + 123*time.Millisecond), LookAt: after(45 * time.Second),
		OpenedT: "PggDzUx.1",
	}
	if transport == sessionstore.WebSocket {
		n.Conn = connA
		n.PingAt = time.Time{} // lives in the registration
	}
	return n
}

// created is the session that a [sessionstore.NewSession] makes.
func created(n sessionstore.NewSession) sessionstore.Session {
	return sessionstore.Session{
		ID: n.ID, State: sessionstore.Open, Transport: n.Transport, Conn: n.Conn, PingAt: n.PingAt,
		CreatedAt: n.CreatedAt, Serial: n.Serial, OpenedT: n.OpenedT, Codec: n.Codec, Carrier: n.Carrier,
		Hold: n.Hold,
	}
}

func (x *tester) create(transport sessionstore.Transport) sessionstore.SessionID {
	x.Helper()
	n := newSession(transport)
	x.must(x.store.Create(x.Context(), n))
	return n.ID
}

func (x *tester) polling() sessionstore.SessionID {
	x.Helper()
	return x.create(sessionstore.Polling)
}

func (x *tester) websocket() sessionstore.SessionID {
	x.Helper()
	return x.create(sessionstore.WebSocket)
}

func (x *tester) get(id sessionstore.SessionID) sessionstore.Session {
	x.Helper()
	s, err := x.store.Get(x.Context(), id, start)
	x.must(err)
	return s
}

func (x *tester) deliver(id sessionstore.SessionID, packets ...sessionstore.Packet) {
	x.Helper()
	x.must(x.store.Deliver(x.Context(), id, packets, wide))
}

// answer answers a GET with the first give pending packets of the session as it is.
func (x *tester) answer(id sessionstore.SessionID, t string, give int) {
	x.Helper()
	s := x.get(id)
	x.must(x.store.Answer(x.Context(), sessionstore.AnswerRequest{Read: &s, T: t, Give: give}))
}

func (x *tester) bind(id sessionstore.SessionID, c sessionstore.Connection) {
	x.Helper()
	x.must(x.store.Bind(x.Context(), id, sessionstore.Candidate{Conn: c, Until: after(leaseEnd)}, start))
}

func (x *tester) upgrade(id sessionstore.SessionID, c sessionstore.Connection) sessionstore.Session {
	x.Helper()
	s, err := x.store.Upgrade(x.Context(), id, c, lease(me))
	x.must(err)
	return s
}

func (x *tester) close(id sessionstore.SessionID, drain bool) sessionstore.Session {
	x.Helper()
	s, err := x.store.Close(x.Context(), closing(id, drain))
	x.must(err)
	return s
}

func closing(id sessionstore.SessionID, drain bool) sessionstore.CloseRequest {
	return sessionstore.CloseRequest{
		Session: id, Reason: "transport close", Details: details, Handler: lease(me), Drain: drain,
	}
}

func (x *tester) finish(id sessionstore.SessionID) {
	x.Helper()
	x.must(x.store.Finish(x.Context(), id, me, after(time.Hour)))
}

func lease(o sessionstore.Owner) sessionstore.Lease {
	return sessionstore.Lease{Owner: o, Until: after(leaseEnd)}
}

func packet(frames ...string) sessionstore.Packet {
	return sessionstore.Packet{ID: sessionstore.PacketID(sessionstore.NewID()), Frames: frames}
}

func newSocket(
	id sessionstore.SessionID, nsp sessionstore.Namespace, rooms ...sessionstore.Room,
) sessionstore.NewSocket {
	return sessionstore.NewSocket{
		ID: sessionstore.SocketID(sessionstore.NewID()), Session: id, Namespace: nsp, Rooms: rooms, ConnectedAt: start,
	}
}

// put stores a socket with a hint of connA.
func (x *tester) put(k sessionstore.NewSocket) sessionstore.NewSocket {
	x.Helper()
	x.must(x.putSocket(k, connA))
	return k
}

// must ends the test if a call failed that had no reason to.
func (x *tester) must(err error) {
	x.Helper()
	if err != nil {
		x.Fatalf("unexpected error: %v", err)
	}
}

// is checks that a call was refused for a reason, and with certainty.
func (x *tester) is(err, want error) {
	x.Helper()
	if !errors.Is(err, want) {
		x.Fatalf("error %v, want %v", err, want)
	}
	if sessionstore.InDoubt(err) {
		x.Fatalf("error %v is in doubt", err)
	}
}

// conflict checks that err is a refusal of op that carries the session as it was.
func (x *tester) conflict(err error, op sessionstore.Op, was sessionstore.Session) {
	x.Helper()
	x.is(err, sessionstore.ErrConflict)
	var c *sessionstore.ConflictError
	if !errors.As(err, &c) {
		x.Fatalf("error %v is no ConflictError", err)
	}
	if c.Op != op {
		x.Errorf("conflict of %s, want %s", c.Op, op)
	}
	was.Sockets, was.Partial = nil, nil
	x.same("the session in the conflict", c.Session, was)
}

// same compares sessions, but for the frames of packets, which a store may keep apart.
func (x *tester) same(what string, got, want sessionstore.Session) {
	x.Helper()
	if g, w := canon(got), canon(want); !reflect.DeepEqual(g, w) {
		x.Errorf("%s:\n got %s\nwant %s", what, dump(g), dump(w))
	}
}

// canon is a session with equal things written equally.
func canon(s sessionstore.Session) sessionstore.Session {
	for _, t := range []*time.Time{
		&s.Candidate.Until, &s.Hold.Until, &s.Poll.Until, &s.PingAt, &s.Handler.Until, &s.CreatedAt, &s.ExpiresAt,
	} {
		*t = t.UTC().Round(0)
	}
	var buffer []sessionstore.Packet
	for _, p := range s.Buffer {
		buffer = append(buffer, sessionstore.Packet{ID: p.ID, Size: p.Bytes(), Once: p.Once})
	}
	s.Buffer = buffer
	var sockets []sessionstore.Socket
	for _, k := range s.Sockets {
		sockets = append(sockets, canonSocket(k))
	}
	slices.SortFunc(sockets, func(a, b sessionstore.Socket) int { return cmp.Compare(a.Namespace, b.Namespace) })
	s.Sockets = sockets
	if s.Partial != nil {
		p := canonPartial(*s.Partial)
		s.Partial = &p
	}
	return s
}

func canonSocket(k sessionstore.Socket) sessionstore.Socket {
	k.ConnectedAt = k.ConnectedAt.UTC().Round(0)
	return k
}

func canonPartial(p sessionstore.Partial) sessionstore.Partial {
	p.Deadline = p.Deadline.UTC().Round(0)
	var packets []sessionstore.Packet
	for _, k := range p.Packets {
		packets = append(packets, sessionstore.Packet{ID: k.ID, Size: k.Bytes()})
	}
	p.Packets = packets
	return p
}

func dump(s sessionstore.Session) string {
	text := fmt.Sprintf("%+v", s)
	if s.Partial != nil {
		text += fmt.Sprintf(" partial %+v", *s.Partial)
	}
	return shorten(text)
}

func shorten(s string) string {
	if len(s) > 3000 {
		return s[:3000] + "..."
	}
	return s
}

// equal compares values of any other kind.
func equal[T any](x *tester, what string, got, want T) {
	x.Helper()
	if !reflect.DeepEqual(got, want) {
		x.Errorf("%s:\n got %s\nwant %s", what, shorten(fmt.Sprintf("%+v", got)), shorten(fmt.Sprintf("%+v", want)))
	}
}

// collect reads a walk to its end.
func collect[T any](x *tester, rows iter.Seq2[T, error]) []T {
	x.Helper()
	var all []T
	for r, err := range rows {
		x.must(err)
		all = append(all, r)
	}
	return all
}

// ids returns the sockets of a room, which must come in order and once each.
func (x *tester) ids(nsp sessionstore.Namespace, room sessionstore.Room) []sessionstore.SocketID {
	x.Helper()
	var ids []sessionstore.SocketID
	for _, m := range collect(x, x.store.Members(x.Context(), nsp, room, sessionstore.Range{})) {
		ids = append(ids, m.Socket)
	}
	x.ascending(ids)
	return ids
}

func (x *tester) ascending(ids []sessionstore.SocketID) {
	x.Helper()
	for i := 1; i < len(ids); i++ {
		if ids[i-1] >= ids[i] {
			x.Errorf("row %d: %q comes after %q", i, ids[i], ids[i-1])
		}
	}
}

// namespaceMembers returns the members of a namespace, over all shards.
func (x *tester) namespaceMembers(nsp sessionstore.Namespace) []sessionstore.Member {
	x.Helper()
	var all []sessionstore.Member
	for shard := range x.store.Shards() {
		rows := collect(x, x.store.NamespaceMembers(x.Context(), nsp, shard, sessionstore.Range{}))
		var ids []sessionstore.SocketID
		for _, m := range rows {
			ids = append(ids, m.Socket)
		}
		x.ascending(ids)
		all = append(all, rows...)
	}
	return all
}

// race calls f from n goroutines at once and returns their errors.
func race(n int, f func(i int) error) []error {
	errs := make([]error, n)
	begin := make(chan struct{})
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			<-begin
			errs[i] = f(i)
		})
	}
	close(begin)
	wg.Wait()
	return errs
}

// limited calls f for 0 to n-1, at most limit at a time, and returns the first error.
func limited(n, limit int, f func(i int) error) error {
	next := make(chan int, n)
	for i := range n {
		next <- i
	}
	close(next)
	errs := race(limit, func(int) error {
		for i := range next {
			if err := f(i); err != nil {
				return err
			}
		}
		return nil
	})
	return errors.Join(errs...)
}

// body is a text of n bytes that differs from place to place, as a swapped part would.
func body(seed string, n int) string {
	var b strings.Builder
	for i := 0; b.Len() < n; i++ {
		fmt.Fprintf(&b, "%s%d,", seed, i)
	}
	return b.String()[:n]
}
