package storetest

import (
	"time"

	"github.com/nonstick-io/nonstick/sessionstore"
)

var upgradeTests = []test{
	{"upgrade returns the session after", upgradeReturns},
	{"a repeated upgrade finds its own hold", upgradeAgain},
	{"a new candidate is not probed", newCandidate},
	{"release meets a delivery", releaseMeetsDelivery},
	{"a repeated release", releaseAgain},
	{"a hold outlives its time", expiredHold},
	{"an aborted upgrade may be tried again", abortAndBind},
}

func upgradeReturns(x *tester) {
	id := x.bound(x.given(1))
	x.put(newSocket(id, "/"))
	got := x.upgrade(id, connA)
	want := x.get(id)
	got.Sockets, want.Sockets = nil, nil // filled by Get only
	x.same("the session after", got, want)
	if got.Given != 1 || len(got.Buffer) != 2 || got.Hold.Owner != me {
		x.Errorf("upgraded: %+v", got)
	}
}

func upgradeAgain(x *tester) {
	id := x.held()
	_, err := x.store.Upgrade(x.Context(), id, connA, lease(me))
	x.is(err, sessionstore.ErrConflict)
	s, ok := sessionstore.Current(err)
	if !ok || s.Hold.Owner != me || len(s.Buffer) != 2 || s.Given != 1 {
		x.Errorf("the repeat learned %v %+v", ok, s)
	}
	x.samePackets(x.bodies(id, s.Pending()), []sessionstore.Packet{
		{ID: s.Buffer[1].ID, Frames: []string{`451-["second",{"_placeholder":true,"num":0}]`, "bAAEC"}},
	})
}

func newCandidate(x *tester) {
	id := x.bound(x.polling())
	x.must(x.store.Probe(x.Context(), id, connA))
	x.must(x.store.Bind(x.Context(), id, lateCandidate, after(leaseEnd+time.Second)))
	if s := x.get(id); s.Probed || s.Candidate.Conn != connB {
		x.Errorf("the new candidate: %+v probed %v", s.Candidate, s.Probed)
	}
	_, err := x.store.Upgrade(x.Context(), id, connA, lease(me))
	x.conflict(err, sessionstore.OpUpgrade, x.get(id))
}

func releaseMeetsDelivery(x *tester) {
	id := x.held()
	late := packet("4late")
	x.deliver(id, late)
	err := x.store.Release(x.Context(), id, me, 2)
	x.conflict(err, sessionstore.OpRelease, x.get(id))
	s, _ := sessionstore.Current(err)
	x.samePackets(x.bodies(id, s.Buffer[2:]), []sessionstore.Packet{late})
	x.must(x.store.Release(x.Context(), id, me, 3))
	if s := x.get(id); s.Hold.Held() || len(s.Buffer) != 0 || s.Given != 0 || s.Hint() != connA {
		x.Errorf("released: %+v", s)
	}
}

// releaseAgain: open and no hold in the refusal tells that the first try was applied.
func releaseAgain(x *tester) {
	id := x.held()
	x.must(x.store.Release(x.Context(), id, me, 2))
	err := x.store.Release(x.Context(), id, me, 2)
	x.conflict(err, sessionstore.OpRelease, x.get(id))
	if s, _ := sessionstore.Current(err); s.State != sessionstore.Open || s.Hold.Held() {
		x.Errorf("the repeat learned %+v", s)
	}
}

// expiredHold: the caller that meets an expired hold closes; nothing happens by itself.
func expiredHold(x *tester) {
	id := x.held()
	s, err := x.store.Get(x.Context(), id, after(time.Hour))
	x.must(err)
	if !s.Hold.Held() || !s.Hold.Expired(after(time.Hour)) || s.Hold.Expired(start) {
		x.Errorf("hold: %+v", s.Hold)
	}
	x.deliver(id, packet("4late"))
	x.must(x.store.Renew(x.Context(), id, renewed))
	x.must(x.store.Renew(x.Context(), id, renewed))
	x.must(x.store.Release(x.Context(), id, me, 3))
}

func abortAndBind(x *tester) {
	id := x.bound(x.polling())
	x.must(x.store.Probe(x.Context(), id, connA))
	x.must(x.store.Abort(x.Context(), id, connA))
	x.bind(id, connB)
	if s := x.get(id); s.Candidate.Conn != connB || s.Probed {
		x.Errorf("candidate %+v probed %v", s.Candidate, s.Probed)
	}
}
