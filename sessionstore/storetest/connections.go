package storetest

import (
	"time"

	"github.com/nonstick-io/nonstick/sessionstore"
)

var connectionTests = []test{
	{"round trip", connectionRoundTrip},
	{"endpoints are apart", connectionEndpoints},
	{"delete", connectionDelete},
}

func newRow(c sessionstore.Connection) sessionstore.ConnectionRow {
	return sessionstore.ConnectionRow{
		Conn: c, Session: sessionstore.SessionID(sessionstore.NewID()), ExpiresAt: after(3 * time.Hour),
	}
}

func (x *tester) sameConnection(got, want sessionstore.ConnectionRow) {
	x.Helper()
	got.ExpiresAt = got.ExpiresAt.UTC()
	if got.Handshake != nil && want.Handshake != nil {
		g, w := *got.Handshake, *want.Handshake
		g.Time = g.Time.UTC()
		equal(x, "the handshake", g, w)
		got.Handshake, want.Handshake = nil, nil
	}
	equal(x, "the row", got, want)
}

func connectionRoundTrip(x *tester) {
	h := newSession(sessionstore.WebSocket).Handshake
	for _, handshake := range []*sessionstore.Handshake{nil, &h} {
		r := newRow(sessionstore.Connection{ID: sessionstore.NewID() + "=", Endpoint: "http://127.0.0.1:3000/@x"})
		r.Handshake = handshake
		_, err := x.store.Connection(x.Context(), r.Conn)
		x.is(err, sessionstore.ErrNotFound)
		x.must(x.store.PutConnection(x.Context(), r))
		got, err := x.store.Connection(x.Context(), r.Conn)
		x.must(err)
		x.sameConnection(got, r)
	}
}

func connectionEndpoints(x *tester) {
	id := sessionstore.NewID()
	a := newRow(sessionstore.Connection{ID: id, Endpoint: connA.Endpoint})
	b := newRow(sessionstore.Connection{ID: id, Endpoint: connB.Endpoint})
	x.must(x.store.PutConnection(x.Context(), a))
	x.must(x.store.PutConnection(x.Context(), b))
	got, err := x.store.Connection(x.Context(), a.Conn)
	x.must(err)
	x.sameConnection(got, a)
	x.must(x.store.DeleteConnection(x.Context(), a.Conn))
	got, err = x.store.Connection(x.Context(), b.Conn)
	x.must(err)
	x.sameConnection(got, b)
}

func connectionDelete(x *tester) {
	r := newRow(sessionstore.Connection{ID: sessionstore.NewID(), Endpoint: connA.Endpoint})
	x.must(x.store.PutConnection(x.Context(), r))
	for range 2 {
		x.must(x.store.DeleteConnection(x.Context(), r.Conn))
		_, err := x.store.Connection(x.Context(), r.Conn)
		x.is(err, sessionstore.ErrNotFound)
	}
}
