package emitter

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nonstick-io/nonstick/adapter"
	"github.com/nonstick-io/nonstick/internal/again"
	"github.com/nonstick-io/nonstick/internal/ids"
	"github.com/nonstick-io/nonstick/internal/socketio"
	"github.com/nonstick-io/nonstick/sessionstore"
)

// Errors of acknowledgements that are waited for.
var (
	// ErrAckTimeout: the client did not acknowledge in time.
	ErrAckTimeout = errors.New("nonstick: acknowledgement timed out")
	// ErrTooManyAcks: the client owes as many acknowledgements as it may, see sessionstore.AckPlaces; with very many
	// the error may come a little earlier. Nothing was emitted.
	ErrTooManyAcks = errors.New("nonstick: too many acknowledgements pending")
)

const (
	// ackDraws bounds how often an id is drawn again because it is in use.
	ackDraws = 16
	// MaxAckID is the greatest id that every client reads: those in Java, Kotlin and Rust have 31 bits for it, and lose
	// the event above. The greater half are ids of questions to several, see sessionstore.AskID.
	MaxAckID = 1<<31 - 1
	maxOwnID = MaxAckID >> 1 // of those to one socket
)

// EmitWithAck emits an event to the socket and waits for its client's acknowledgement: for as long as
// [RemoteSocket.Timeout] says, or until the deadline of ctx, or for [AckWait] if there is neither. It takes 2 writes of
// the store, the client's answer among them, and the reads of the wait. Errors: [ErrAckTimeout], [ErrDisconnected],
// [ErrTooManyAcks], [ErrArgs] and those of [RemoteSocket.Emit].
func (r *RemoteSocket) EmitWithAck(ctx context.Context, event string, args ...any) (Args, error) {
	encoded, err := EncodeArgs(args...)
	if err != nil {
		return Args{}, err
	}
	ctx, release := within(ctx, r.timeout)
	defer release()
	ctx, cancel, err := r.via.ask(ctx, r.member.Session)
	if err != nil {
		return Args{}, err
	}
	defer cancel()
	if err := r.via.Accepts(event, encoded); err != nil {
		return Args{}, err
	}
	return r.ask(ctx, event, encoded)
}

// within bounds a wait by what the caller has said, if it has.
func within(ctx context.Context, d time.Duration) (context.Context, context.CancelFunc) {
	if d <= 0 {
		return ctx, func() {}
	}
	return context.WithTimeout(ctx, d)
}

// ask emits with an acknowledgement id and waits for the answer.
func (r *RemoteSocket) ask(ctx context.Context, event string, args Args) (Args, error) {
	store := r.via.Store
	expires := time.Now().Add(AckWait)
	if deadline, ok := ctx.Deadline(); ok {
		expires = deadline
	}
	a, crowded, err := expect(ctx, store, sessionstore.Ack{
		Session: r.member.Session, Namespace: r.nsp, ExpiresAt: expires.Add(time.Minute),
	})
	switch {
	case err != nil && ctx.Err() != nil:
		return Args{}, ErrAckTimeout
	case err != nil:
		return Args{}, err
	}
	p, err := r.via.Event(ctx, r.nsp, event, args, &a.ID)
	if err == nil {
		err = r.send(ctx, p, false)
	}
	if err == nil {
		a, err = await(ctx, store, a)
	}
	if err != nil || crowded { // the place of one that was answered is soon free by itself
		r.via.forget(ctx, a)
	}
	if err != nil {
		return Args{}, err
	}
	return decodeAnswer(a.Answer)
}

// forget removes an acknowledgement that is waited for no more.
func (v *Via) forget(ctx context.Context, a sessionstore.Ack) {
	if err := v.Store.DeleteAck(context.WithoutCancel(ctx), a.Session, a.ID); err != nil {
		v.log().WarnContext(ctx, "acknowledgement not removed", "error", err) // its time to live does it
	}
}

// decodeAnswer reads what a client answered, as much binary data as by any parser.
func decodeAnswer(frames []string) (Args, error) {
	answer, err := adapter.Assemble(frames, socketio.Limits{MaxAttachments: socketio.MaxBinaries})
	if err != nil {
		return Args{}, fmt.Errorf("%w: %w", ErrArgs, err)
	}
	return Args{JSON: answer.Data, Attachments: answer.Attachments}, nil
}

// await waits until an acknowledgement is answered.
func await(ctx context.Context, store Store, a sessionstore.Ack) (sessionstore.Ack, error) {
	waker, _ := store.(sessionstore.Waker)
	pause := again.NewPause() // for a store that cannot tell of changes
	var heard <-chan struct{}
	if hinter, ok := store.(sessionstore.Hinter); ok {
		hints, stop := hinter.Hint(a.Session)
		defer stop()
		heard = hints
	}
	for {
		var changed <-chan struct{}
		if waker != nil {
			changed = waker.Changed(a.Session)
		}
		now, err := store.Ack(ctx, a.Session, a.ID)
		switch {
		case ctx.Err() != nil:
			return a, ErrAckTimeout
		case errors.Is(err, sessionstore.ErrNotFound): // its place was given away, so its time is over
			return a, ErrAckTimeout
		case err != nil:
			return a, fmt.Errorf("nonstick: await acknowledgement: %w", err)
		case now.Answer != nil:
			return now, nil
		}
		if changed == nil {
			pause.WaitOr(ctx, heard)
			continue
		}
		select {
		case <-changed:
		case <-ctx.Done():
		}
	}
}

// ExpectAck stores an acknowledgement under an id that no other of its session has. [ErrTooManyAcks] if there is none
// left.
func ExpectAck(ctx context.Context, store sessionstore.Acks, a sessionstore.Ack) (sessionstore.Ack, error) {
	a, _, err := expect(ctx, store, a)
	return a, err
}

// expect is ExpectAck; it also reports whether the session has so many that ids were in use.
func expect(
	ctx context.Context, store sessionstore.Acks, a sessionstore.Ack,
) (put sessionstore.Ack, crowded bool, err error) {
	for n := range ackDraws {
		a.ID = uint64(ids.Number(ctx) & maxOwnID)
		if err = store.PutAck(ctx, a, time.Now()); err == nil {
			return a, n > 0, nil
		}
		if !errors.Is(err, sessionstore.ErrExists) {
			break
		}
	}
	if errors.Is(err, sessionstore.ErrExists) {
		return a, true, ErrTooManyAcks
	}
	return a, false, fmt.Errorf("nonstick: ask: %w", err)
}
