package cases

import (
	"context"
	"errors"
	"time"

	"github.com/nonstick-io/nonstick"
)

// answered is the name of the continuation of "ask".
const answered = "answered"

// questions sets events in which the server asks a client:
//
//   - ask emits its arguments to the sender as "question", and what that acknowledges with comes back as "answered",
//     emitted by whichever instance takes the answer;
//   - askother takes a socket's id, asks that one "q" and waits for the answer, which it acknowledges with;
//   - askme asks the sender itself and waits, which is refused, see nonstick.ErrAckOwnSession;
//   - vote takes a choice of sockets and a number of milliseconds, asks them "q" and waits so long: it acknowledges
//     with what each has answered and who has not;
//   - poll takes the same, and does not wait: each answer comes back to the sender as "voted", with who gave it, and
//     who has given none as "silent";
//   - later takes a number of milliseconds and a word, which comes back then as "later";
//   - expire takes a number of milliseconds, after which the socket gets "expired", and is disconnected.
func questions(n *nonstick.Namespace) {
	nonstick.OnReply(n, answered, func(ctx context.Context, s *nonstick.Socket, answer nonstick.Args, _ string) error {
		return s.Emit(ctx, "answered", answer)
	})
	nonstick.On(n, "ask", func(ctx context.Context, s *nonstick.Socket, args nonstick.Args) error {
		return nonstick.EmitThen(ctx, s, "question", answered, "state", args)
	})
	nonstick.OnAck(n, "askother", func(ctx context.Context, _ *nonstick.Socket, id string) (string, error) {
		return ask(ctx, n, id)
	})
	votes(n)
	times(n)
	nonstick.OnAck(n, "askme", func(ctx context.Context, s *nonstick.Socket, _ nonstick.Args) (string, error) {
		return ask(ctx, n, s.ID())
	})
}

// ask emits "q" to a socket and waits for its answer.
func ask(ctx context.Context, n *nonstick.Namespace, id string) (string, error) {
	r, err := n.Socket(ctx, id)
	if err != nil {
		return "", err
	}
	return nonstick.EmitWithAck[string](ctx, r, "q", "hi")
}

// ballot is what came of "vote".
type ballot struct {
	Answers map[string]string `json:"answers"`
	Missing []string          `json:"missing"`
	Late    bool              `json:"late"`
}

const voted = "voted"

// votes sets the events that ask many.
func votes(n *nonstick.Namespace) {
	type question = nonstick.Args2[choice, int]
	of := func(in question) nonstick.Selection {
		return in.First.of(n).Timeout(time.Duration(in.Second) * time.Millisecond)
	}
	nonstick.OnAck(n, "vote", func(ctx context.Context, _ *nonstick.Socket, in question) (ballot, error) {
		r, err := nonstick.EmitWithAcks[string](ctx, of(in), "q", "hi")
		late := errors.Is(err, nonstick.ErrAckTimeout)
		if err != nil && !late {
			return ballot{}, err
		}
		b := ballot{Answers: map[string]string{}, Missing: append([]string{}, r.Missing...), Late: late}
		for _, a := range r.Answered {
			b.Answers[a.ID] = a.Value
		}
		return b, nil
	})
	nonstick.On(n, "poll", func(ctx context.Context, s *nonstick.Socket, in question) error {
		return nonstick.EmitThen(ctx, of(in), "q", voted, s.ID(), "hi")
	})
	nonstick.OnReply(n, voted, func(ctx context.Context, s *nonstick.Socket, answer, asker string) error {
		return n.To(asker).Emit(ctx, "voted", s.ID(), answer)
	})
	nonstick.OnNoReply(
		n,
		voted,
		func(ctx context.Context, _ *nonstick.Namespace, missing []string, asker string) error {
			return n.To(asker).Emit(ctx, "silent", missing)
		},
	)
}

// closes sets the event "shutdown" of the server itself, which takes a number of milliseconds and ends all sessions
// within it: also that of the client that asks for it, so some instance does it a moment later.
func closes(srv *nonstick.Server) {
	nonstick.OnServerSideEmit(srv, "shutdown", func(ctx context.Context, _ *nonstick.Namespace, ms int) error {
		_, err := srv.Shutdown(ctx, time.Duration(ms)*time.Millisecond)
		return err
	})
	nonstick.OnAck(srv, "shutdown", func(ctx context.Context, _ *nonstick.Socket, ms int) (bool, error) {
		return true, srv.ServerSideEmit(ctx, "shutdown", ms)
	})
}

// times sets the events that something comes of later.
func times(n *nonstick.Namespace) {
	in := func(ms int) time.Time { return time.Now().Add(time.Duration(ms) * time.Millisecond) }
	nonstick.OnAck(
		n, "later",
		func(ctx context.Context, s *nonstick.Socket, what nonstick.Args2[int, string]) (bool, error) {
			return true, n.ServerSideEmitAt(ctx, in(what.First), "later", s.ID(), what.Second)
		},
	)
	nonstick.OnServerSideEmit(
		n, "later", func(ctx context.Context, _ *nonstick.Namespace, what nonstick.Args2[string, string]) error {
			return n.To(what.First).Emit(ctx, "later", what.Second)
		},
	)
	nonstick.OnAck(n, "expire", func(ctx context.Context, s *nonstick.Socket, ms int) (bool, error) {
		return true, s.ExpireAt(ctx, in(ms))
	})
	n.OnExpire(func(ctx context.Context, s *nonstick.RemoteSocket) error {
		return errors.Join(s.Emit(ctx, "expired"), s.Disconnect(ctx, false))
	})
}
