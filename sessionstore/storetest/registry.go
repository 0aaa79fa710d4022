package storetest

import (
	"time"

	"github.com/nonstick-io/nonstick/sessionstore"
)

var registryTests = []test{
	{"register", register},
	{"update", registryUpdate},
	{"beat", registryBeat},
	{"look", registryLook},
	{"expire", registryExpire},
	{"pinged", registryPinged},
	{"unregister", unregister},
	{"every row is in one shard", registryShards},
	{"count", registryCount},
	{"lease a shard", leaseShard},
}

// registration finds a session's row by walking all shards.
func (x *tester) registration(id sessionstore.SessionID) (sessionstore.Registration, bool) {
	x.Helper()
	var found []sessionstore.Registration
	for shard := range x.store.Shards() {
		for _, r := range collect(x, x.store.Registrations(x.Context(), shard)) {
			if r.Session == id {
				found = append(found, r)
			}
		}
	}
	if len(found) > 1 {
		x.Errorf("%d registrations", len(found))
	}
	if len(found) == 0 {
		return sessionstore.Registration{}, false
	}
	return found[0], true
}

func (x *tester) sameRegistration(got, want sessionstore.Registration) {
	x.Helper()
	for _, t := range []*time.Time{
		&got.PingAt, &got.LookAt, &got.PingedAt, &want.PingAt, &want.LookAt, &want.PingedAt,
	} {
		*t = t.UTC()
	}
	equal(x, "the registration", got, want)
}

// registered checks the row of a session.
func (x *tester) registered(want sessionstore.Registration) {
	x.Helper()
	got, found := x.registration(want.Session)
	if !found {
		x.Fatal("no registration")
	}
	x.sameRegistration(got, want)
}

func (x *tester) row() sessionstore.Registration {
	x.Helper()
	r := sessionstore.Registration{
		Session: sessionstore.SessionID(sessionstore.NewID()), Conn: connA,
		PingAt: after(25*time.Second + 123*time.Millisecond),
	}
	x.must(x.store.Register(x.Context(), r))
	return r
}

// expired returns a row that is expired.
func (x *tester) expired() sessionstore.Registration {
	x.Helper()
	r := x.row()
	x.must(x.store.Expire(x.Context(), r, after(time.Minute)))
	r.Expired, r.LookAt = true, after(time.Minute)
	return r
}

func register(x *tester) {
	r := x.row()
	x.registered(r)
	again := r
	again.PingAt = after(time.Hour)
	x.is(x.store.Register(x.Context(), again), sessionstore.ErrExists)
	x.registered(r)

	e := x.expired()
	x.is(x.store.Register(x.Context(), sessionstore.Registration{Session: e.Session}), sessionstore.ErrExists)
	x.registered(e)
}

func registryUpdate(x *tester) {
	r := x.row()
	r.Conn, r.PingAt, r.LookAt = connB, after(time.Hour), after(2*time.Hour)
	x.must(x.store.Update(x.Context(), r))
	x.registered(r)
	r.Conn, r.LookAt = sessionstore.Connection{}, time.Time{}
	x.must(x.store.Update(x.Context(), r))
	x.registered(r)

	e := x.expired()
	late := e
	late.Expired, late.PingAt = false, after(time.Hour)
	x.is(x.store.Update(x.Context(), late), sessionstore.ErrNotFound)
	x.registered(e)
	x.refusesMissing(x.store.Update(x.Context(), sessionstore.Registration{Session: "none-update"}), "none-update")
}

// refusesMissing checks that a write of a row that is not there was refused and made none.
func (x *tester) refusesMissing(err error, id sessionstore.SessionID) {
	x.Helper()
	x.is(err, sessionstore.ErrNotFound)
	if r, found := x.registration(id); found {
		x.Errorf("made a row: %+v", r)
	}
}

func registryBeat(x *tester) {
	r := x.row()
	x.must(x.store.Look(x.Context(), r.Session, after(time.Minute)))
	x.must(x.store.Beat(x.Context(), r.Session, after(50*time.Second)))
	r.LookAt, r.PingAt = after(time.Minute), after(50*time.Second)
	x.registered(r)

	e := x.expired()
	x.is(x.store.Beat(x.Context(), e.Session, after(time.Hour)), sessionstore.ErrNotFound)
	x.registered(e)
	x.refusesMissing(x.store.Beat(x.Context(), "none-beat", start), "none-beat")
}

func registryLook(x *tester) {
	r := x.row()
	for _, at := range []time.Time{after(time.Minute), {}} {
		x.must(x.store.Look(x.Context(), r.Session, at))
		r.LookAt = at
		x.registered(r)
	}
	e := x.expired()
	x.must(x.store.Look(x.Context(), e.Session, after(time.Hour)))
	e.LookAt = after(time.Hour)
	x.registered(e)
	x.refusesMissing(x.store.Look(x.Context(), "none-look", start), "none-look")
}

// registryExpire: a pong or an upgrade since the read saves the session.
func registryExpire(x *tester) {
	r := x.row()
	earlier, elsewhere, nowhere := r, r, r
	earlier.PingAt = r.PingAt.Add(-time.Millisecond)
	elsewhere.Conn = connB
	nowhere.Conn = sessionstore.Connection{}
	for _, stale := range []sessionstore.Registration{earlier, elsewhere, nowhere} {
		x.is(x.store.Expire(x.Context(), stale, after(time.Minute)), sessionstore.ErrNotFound)
		x.registered(r)
	}
	read, _ := x.registration(r.Session)
	x.must(x.store.Expire(x.Context(), read, after(time.Minute)))
	r.Expired, r.LookAt = true, after(time.Minute)
	x.registered(r)

	n := newSession(sessionstore.Polling) // a row without a connection
	x.must(x.store.Create(x.Context(), n))
	read, _ = x.registration(n.ID)
	wrong := read
	wrong.Conn = connA
	x.is(x.store.Expire(x.Context(), wrong, after(time.Minute)), sessionstore.ErrNotFound)
	x.must(x.store.Expire(x.Context(), read, after(time.Minute)))
	x.refusesMissing(
		x.store.Expire(x.Context(), sessionstore.Registration{Session: "none-expire"}, start), "none-expire",
	)
}

// registryPinged: what is recorded is about the row as it was read; a pong leaves it, as that of an earlier ping.
func registryPinged(x *tester) {
	r := x.row()
	earlier, elsewhere := r, r
	earlier.PingAt = r.PingAt.Add(-time.Millisecond)
	elsewhere.Conn = connB
	for _, stale := range []sessionstore.Registration{earlier, elsewhere} {
		x.is(x.store.Pinged(x.Context(), stale, after(time.Minute)), sessionstore.ErrNotFound)
		x.registered(r)
	}
	x.must(x.store.Pinged(x.Context(), r, after(30*time.Second)))
	r.PingedAt = after(30 * time.Second)
	x.registered(r)
	x.must(x.store.Beat(x.Context(), r.Session, after(time.Minute)))
	r.PingAt = after(time.Minute)
	x.registered(r)
	e := x.expired()
	x.is(x.store.Pinged(x.Context(), e, after(time.Minute)), sessionstore.ErrNotFound)
	x.registered(e)
	x.refusesMissing(
		x.store.Pinged(x.Context(), sessionstore.Registration{Session: "none-pinged", Conn: connA}, start),
		"none-pinged",
	)
}

func unregister(x *tester) {
	r := x.row()
	for range 2 {
		x.must(x.store.Unregister(x.Context(), r.Session))
		if got, found := x.registration(r.Session); found {
			x.Errorf("still there: %+v", got)
		}
	}
	x.must(x.store.Register(x.Context(), r))
	x.registered(r)
}

func registryShards(x *tester) {
	if x.store.Shards() < 1 {
		x.Fatalf("%d shards", x.store.Shards())
	}
	var rows []sessionstore.Registration
	for range 50 {
		rows = append(rows, x.row())
	}
	met := make(map[sessionstore.SessionID]int)
	for shard := range x.store.Shards() {
		for _, r := range collect(x, x.store.Registrations(x.Context(), shard)) {
			met[r.Session]++
		}
	}
	for _, r := range rows {
		if n := met[r.Session]; n != 1 {
			x.Errorf("%s was met %d times", r.Session, n)
		}
	}
	for range x.store.Registrations(x.Context(), 0) {
		break // a walk may be left
	}
}

// registryCount counts before and after: other tests may share the store.
func registryCount(x *tester) {
	sum := func() int {
		n := 0
		for shard := range x.store.Shards() {
			in, err := x.store.CountRegistrations(x.Context(), shard)
			x.must(err)
			if walked := len(collect(x, x.store.Registrations(x.Context(), shard))); walked != in {
				x.Errorf("shard %d: counted %d, walked %d", shard, in, walked)
			}
			n += in
		}
		return n
	}
	before := sum()
	a := x.row()
	x.row()
	x.expired()
	if n := sum() - before; n != 3 {
		x.Errorf("counted %d more, want 3", n)
	}
	x.must(x.store.Unregister(x.Context(), a.Session))
	if n := sum() - before; n != 2 {
		x.Errorf("counted %d more, want 2", n)
	}
	if n, err := x.store.CountRegistrations(x.Context(), x.store.Shards()); n != 0 || err != nil {
		x.Errorf("a shard that there is not: %d, %v", n, err)
	}
}

func leaseShard(x *tester) {
	last := x.store.Shards() - 1
	take := func(shard int, o sessionstore.Owner, from time.Duration) error {
		l := sessionstore.Lease{Owner: o, Until: after(from + leaseEnd)}
		return x.store.LeaseShard(x.Context(), shard, l, after(from))
	}
	x.must(take(last, me, 0))
	x.is(take(last, other, time.Second), sessionstore.ErrExists)
	x.must(take(last, me, 5*time.Second)) // renewed until 15 s
	x.is(take(last, other, 11*time.Second), sessionstore.ErrExists)
	if last > 0 {
		x.must(take(0, other, 11*time.Second))
	}
	x.must(take(last, other, 16*time.Second))
	x.is(take(last, me, 17*time.Second), sessionstore.ErrExists)
}
