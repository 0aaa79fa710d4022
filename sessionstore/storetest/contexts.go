package storetest

import (
	"context"
	"errors"
	"time"

	"github.com/nonstick-io/nonstick/sessionstore"
)

var contextTests = []test{
	{"writes", cancelledWrites},
	{"reads", cancelledReads},
}

// cancelled returns a context that has ended.
func (x *tester) cancelled() context.Context {
	ctx, cancel := context.WithCancel(x.Context())
	cancel()
	return ctx
}

// notSent checks the error of a call whose context had ended before it.
func (x *tester) notSent(name string, err error) {
	x.Helper()
	if !errors.Is(err, sessionstore.ErrUnavailable) || !errors.Is(err, context.Canceled) || sessionstore.InDoubt(err) {
		x.Errorf("%s: error %v, want ErrUnavailable for the cancelled context", name, err)
	}
}

// call is a call that would succeed in the session it is given, but for its context.
type call struct {
	name string
	run  func(ctx context.Context, s sessionstore.Store, read *sessionstore.Session) error
}

var pollingCalls = []call{
	{"Close", func(ctx context.Context, s sessionstore.Store, read *sessionstore.Session) error {
		_, err := s.Close(ctx, closing(read.ID, false))
		return err
	}},
	{"Deliver", func(ctx context.Context, s sessionstore.Store, read *sessionstore.Session) error {
		return s.Deliver(ctx, read.ID, []sessionstore.Packet{packet("4x")}, wide)
	}},
	{"Deliver large", func(ctx context.Context, s sessionstore.Store, read *sessionstore.Session) error {
		return s.Deliver(ctx, read.ID, []sessionstore.Packet{packet("4" + body("x", 20<<10))}, wide)
	}},
	{"Answer", func(ctx context.Context, s sessionstore.Store, read *sessionstore.Session) error {
		return s.Answer(ctx, sessionstore.AnswerRequest{Read: read, T: "t9", Give: len(read.Pending())})
	}},
	{"Pong", func(ctx context.Context, s sessionstore.Store, read *sessionstore.Session) error {
		return s.Pong(ctx, read.ID, after(time.Hour))
	}},
	{"Probe", func(ctx context.Context, s sessionstore.Store, read *sessionstore.Session) error {
		return s.Probe(ctx, read.ID, connA)
	}},
	{"Upgrade", func(ctx context.Context, s sessionstore.Store, read *sessionstore.Session) error {
		_, err := s.Upgrade(ctx, read.ID, connA, lease(me))
		return err
	}},
	{"Abort", func(ctx context.Context, s sessionstore.Store, read *sessionstore.Session) error {
		return s.Abort(ctx, read.ID, connA)
	}},
	{"Look", func(ctx context.Context, s sessionstore.Store, read *sessionstore.Session) error {
		return s.Look(ctx, read.ID, after(time.Hour))
	}},
	{"Beat", func(ctx context.Context, s sessionstore.Store, read *sessionstore.Session) error {
		return s.Beat(ctx, read.ID, after(time.Hour))
	}},
	{"Update", func(ctx context.Context, s sessionstore.Store, read *sessionstore.Session) error {
		return s.Update(ctx, sessionstore.Registration{Session: read.ID, Conn: connB})
	}},
	{"Pinged", func(ctx context.Context, s sessionstore.Store, read *sessionstore.Session) error {
		return s.Pinged(ctx, sessionstore.Registration{Session: read.ID, PingAt: read.PingAt}, after(time.Hour))
	}},
	{"Expire", func(ctx context.Context, s sessionstore.Store, read *sessionstore.Session) error {
		return s.Expire(ctx, sessionstore.Registration{Session: read.ID, PingAt: read.PingAt}, after(time.Hour))
	}},
	{"Unregister", func(ctx context.Context, s sessionstore.Store, read *sessionstore.Session) error {
		return s.Unregister(ctx, read.ID)
	}},
	{"PutSocket", func(ctx context.Context, s sessionstore.Store, read *sessionstore.Session) error {
		return s.PutSocket(ctx, newSocket(read.ID, read.Sockets[0].Namespace+"2", "a"), connB, limits)
	}},
	{"RemoveSocket", func(ctx context.Context, s sessionstore.Store, read *sessionstore.Session) error {
		_, err := s.RemoveSocket(ctx, read.Sockets[0])
		return err
	}},
	{"SetData", func(ctx context.Context, s sessionstore.Store, read *sessionstore.Session) error {
		return s.SetData(ctx, read.Sockets[0], "k", "1", limits)
	}},
	{"SwapData", func(ctx context.Context, s sessionstore.Store, read *sessionstore.Session) error {
		return s.SwapData(ctx, read.Sockets[0], "k", "", "1", limits)
	}},
	{"ClearSockets", func(ctx context.Context, s sessionstore.Store, read *sessionstore.Session) error {
		return s.ClearSockets(ctx, read.ID)
	}},
	{"SetHint", func(ctx context.Context, s sessionstore.Store, read *sessionstore.Session) error {
		return s.SetHint(ctx, read.Sockets[0], connB)
	}},
	{"Join", func(ctx context.Context, s sessionstore.Store, read *sessionstore.Session) error {
		return s.Join(ctx, read.Sockets[0], "b", connB, limits)
	}},
	{"Leave", func(ctx context.Context, s sessionstore.Store, read *sessionstore.Session) error {
		return s.Leave(ctx, read.Sockets[0], "a")
	}},
	{"RepairHint", func(ctx context.Context, s sessionstore.Store, read *sessionstore.Session) error {
		k := read.Sockets[0]
		m := sessionstore.Member{Socket: k.ID, Session: k.Session, Hint: connB}
		return errors.Join(s.RepairHint(ctx, k.Namespace, "a", m), s.RepairHint(ctx, k.Namespace, "", m))
	}},
	{"Reap", func(ctx context.Context, s sessionstore.Store, read *sessionstore.Session) error {
		return errors.Join(s.Reap(ctx, read.Sockets[0].Namespace, "a", read.Sockets[0].ID),
			s.Reap(ctx, read.Sockets[0].Namespace, "", read.Sockets[0].ID))
	}},
	{"AddAttachments", func(ctx context.Context, s sessionstore.Store, read *sessionstore.Session) error {
		_, err := s.AddAttachments(ctx, read.ID, *read.Partial, packet("bAA=="))
		return err
	}},
	{"CountAttachment", func(ctx context.Context, s sessionstore.Store, read *sessionstore.Session) error {
		_, err := s.CountAttachment(ctx, read.ID, start)
		return err
	}},
	{"TakePartial", func(ctx context.Context, s sessionstore.Store, read *sessionstore.Session) error {
		return s.TakePartial(ctx, read.ID, *read.Partial)
	}},
	{"DeletePartial", func(ctx context.Context, s sessionstore.Store, read *sessionstore.Session) error {
		return s.DeletePartial(ctx, read.ID)
	}},
	{"AnswerAck", func(ctx context.Context, s sessionstore.Store, read *sessionstore.Session) error {
		_, err := s.AnswerAck(ctx, answerTo(newAck(read.ID, 1), "43[]"), start)
		return err
	}},
	{"DeleteAck", func(ctx context.Context, s sessionstore.Store, read *sessionstore.Session) error {
		return s.DeleteAck(ctx, read.ID, 1)
	}},
	{"DeleteConnection", func(ctx context.Context, s sessionstore.Store, read *sessionstore.Session) error {
		return s.DeleteConnection(ctx, sessionstore.Connection{ID: string(read.ID)})
	}},
}

func cancelledWrites(x *tester) {
	ctx := x.cancelled()
	id := x.bound(x.given(1))
	k := x.put(newSocket(id, freshNamespace(), "a"))
	p, a := newPartial(2, "bAA=="), newAck(id, 1)
	row := newRow(sessionstore.Connection{ID: string(id)})
	x.must(x.store.PutPartial(x.Context(), id, p, start))
	x.must(x.store.PutAck(x.Context(), a, start))
	x.must(x.store.PutConnection(x.Context(), row))
	before := x.get(id)
	registered, _ := x.registration(id)

	for _, c := range pollingCalls {
		read := before
		x.notSent(c.name, c.run(ctx, x.store, &read))
	}

	x.same("the session", x.get(id), before)
	x.registered(registered)
	x.member(k, connA)
	x.inRoom(k.Namespace, "a", memberOf(k, connA))
	x.inRoom(k.Namespace, "b")
	equal(x, "the data", x.data(k), nil)
	equal(x, "members of the namespace not joined", len(x.namespaceMembers(k.Namespace+"2")), 0)
	x.pending(a)
	got, err := x.store.Connection(x.Context(), row.Conn)
	x.must(err)
	x.sameConnection(got, row)
	x.cancelledInOtherStates(ctx)
}

// cancelledInOtherStates tries the calls that the session of a polling client does not allow.
func (x *tester) cancelledInOtherStates(ctx context.Context) {
	n := newSession(sessionstore.Polling)
	x.notSent("Create", x.store.Create(ctx, n))
	_, err := x.store.Get(x.Context(), n.ID, start)
	x.is(err, sessionstore.ErrNotFound)
	x.notSent("Register", x.store.Register(ctx, sessionstore.Registration{Session: n.ID}))
	if _, found := x.registration(n.ID); found {
		x.Error("registered")
	}
	x.notSent("PutPartial", x.store.PutPartial(ctx, n.ID, newPartial(1), start))
	x.notSent("PutAck", x.store.PutAck(ctx, newAck(n.ID, 1), start))
	x.noAck(newAck(n.ID, 1))
	x.notSent("PutConnection", x.store.PutConnection(ctx, newRow(sessionstore.Connection{ID: string(n.ID)})))
	_, err = x.store.Connection(x.Context(), sessionstore.Connection{ID: string(n.ID)})
	x.is(err, sessionstore.ErrNotFound)

	id := x.polling()
	before := x.get(id)
	x.notSent("Bind", x.store.Bind(ctx, id, sameCandidate, start))
	x.notSent(
		"Park",
		x.store.Park(
			ctx, sessionstore.ParkRequest{Read: &before, Poll: sessionstore.Poll{T: "t", Until: after(leaseEnd)}},
		),
	)
	x.same("polling", x.get(id), before)

	id = x.held()
	before = x.get(id)
	x.notSent("Renew", x.store.Renew(ctx, id, renewed))
	x.notSent("Release", x.store.Release(ctx, id, me, 2))
	x.same("held", x.get(id), before)

	x.close(id, false)
	before = x.get(id)
	x.notSent("TakeOver", x.store.TakeOver(ctx, id, lateLease, "", after(time.Minute)))
	x.notSent("Finish", x.store.Finish(ctx, id, me, after(time.Hour)))
	x.same("closing", x.get(id), before)

	x.notSent("LeaseShard", x.store.LeaseShard(ctx, 0, lease(other), start))
	x.must(x.store.LeaseShard(x.Context(), 0, lease(me), start))
}

func cancelledReads(x *tester) {
	ctx := x.cancelled()
	id := x.given(1)
	k := x.put(newSocket(id, freshNamespace(), "a"))
	x.must(x.store.PutAck(x.Context(), newAck(id, 1), start))
	row := newRow(sessionstore.Connection{ID: string(id)})
	x.must(x.store.PutConnection(x.Context(), row))

	_, err := x.store.Get(ctx, id, start)
	x.notSent("Get", err)
	_, err = x.store.Handshake(ctx, id)
	x.notSent("Handshake", err)
	_, err = x.store.Connection(ctx, row.Conn)
	x.notSent("Connection", err)
	_, err = x.store.Member(ctx, k.Namespace, k.ID)
	x.notSent("Member", err)
	_, err = x.store.Ack(ctx, id, 1)
	x.notSent("Ack", err)
	_, err = x.store.Auth(ctx, k.Row())
	x.notSent("Auth", err)
	_, err = x.store.Data(ctx, k.Row())
	x.notSent("Data", err)
	_, err = x.store.RoomsOf(ctx, k.Row())
	x.notSent("RoomsOf", err)
	_, err = x.store.InRoom(ctx, k.Row(), "a")
	x.notSent("InRoom", err)
	_, _, err = x.store.ReadSocket(ctx, k.Namespace, memberOf(k, connA))
	x.notSent("ReadSocket", err)
	x.notSentWalk("Members", walkErrors(x.store.Members(ctx, k.Namespace, "a", sessionstore.Range{})))
	x.notSentWalk("NamespaceMembers", walkErrors(x.store.NamespaceMembers(ctx, k.Namespace, 0, sessionstore.Range{})))
	_, err = x.store.CountMembers(ctx, k.Namespace, "a", 0)
	x.notSent("CountMembers", err)
	_, err = x.store.CountNamespaceMembers(ctx, k.Namespace, 0, 1)
	x.notSent("CountNamespaceMembers", err)
	_, err = x.store.CountRegistrations(ctx, 0)
	x.notSent("CountRegistrations", err)
	x.notSentWalk("Registrations", walkErrors(x.store.Registrations(ctx, 0)))
	_, err = x.store.CountChildren(ctx, "tenants")
	x.notSent("CountChildren", err)
	x.notSentWalk("Children", walkErrors(x.store.Children(ctx, "tenants")))
}

// walkErrors returns what a walk yields as errors, nil for rows.
func walkErrors[T any](rows func(func(T, error) bool)) []error {
	var errs []error
	for _, err := range rows {
		errs = append(errs, err)
	}
	return errs
}

func (x *tester) notSentWalk(name string, errs []error) {
	x.Helper()
	if len(errs) != 1 {
		x.Fatalf("%s: yielded %d times, want one error", name, len(errs))
	}
	x.notSent(name, errs[0])
}
