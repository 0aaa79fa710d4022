package nonstick

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/nonstick-io/nonstick/adapter/emitter"
	"github.com/nonstick-io/nonstick/gateway/engine"
	"github.com/nonstick-io/nonstick/sessionstore"
)

var _ engine.TimerHandler = protocol{}

// ServerSideEmit emits an event to the server rather than to its clients: the handler of [OnServerSideEmit] runs once,
// on some instance, within a few seconds. See [emitter.Via.ServerSideEmit] for what it means where there are no
// servers, for limits and errors.
func (n *Namespace) ServerSideEmit(ctx context.Context, event string, args ...any) error {
	return n.ServerSideEmitAt(ctx, time.Time{}, event, args...)
}

// ServerSideEmitAt is ServerSideEmit at a time, within a few seconds. [ErrNoHandler] if no handler of the event is
// registered.
func (n *Namespace) ServerSideEmitAt(ctx context.Context, at time.Time, event string, args ...any) error {
	if n.isParent() {
		return ErrParent
	}
	if n.table.serverSide[event] == nil {
		return fmt.Errorf("%w: server side event %q", ErrNoHandler, event)
	}
	return n.server.via.ServerSideEmit(ctx, n.name, at, event, args...)
}

// Timed reports whether anything is called at times, so that the sweeper need not look for nothing.
func (s protocol) Timed() bool {
	s.seal.mu.RLock()
	defer s.seal.mu.RUnlock()
	return s.timed
}

// Due does what a timer asks for.
func (s protocol) Due(ctx context.Context, t sessionstore.Timer) error {
	s.seal.close(s.build)
	switch t.Kind {
	case emitter.KindReply:
		var late emitter.Late
		if err := json.Unmarshal([]byte(t.Body), &late); err != nil {
			return fmt.Errorf("nonstick: timer of a reply: %w", err)
		}
		return s.late(ctx, late)
	case emitter.KindServer:
		var event emitter.ServerEvent
		if err := json.Unmarshal([]byte(t.Body), &event); err != nil {
			return fmt.Errorf("nonstick: timer of a server side event: %w", err)
		}
		return s.serverSide(ctx, event)
	case emitter.KindExpire:
		var expiry emitter.Expiry
		if err := json.Unmarshal([]byte(t.Body), &expiry); err != nil {
			return fmt.Errorf("nonstick: timer of an expiry: %w", err)
		}
		return s.expire(ctx, t, expiry)
	default:
		return fmt.Errorf("nonstick: timer of unknown kind %q", t.Kind)
	}
}

// serverSide runs the handler of an event to the server.
func (s *Server) serverSide(ctx context.Context, e emitter.ServerEvent) error {
	n := s.find(e.Namespace)
	if n == nil || n.table.serverSide[e.Event] == nil {
		return fmt.Errorf("%w: server side event %q of %q", ErrNoHandler, e.Event, e.Namespace)
	}
	return n.guarded(ctx, func() error { return n.table.serverSide[e.Event](ctx, n, Args{JSON: e.Args}) })
}

// late tells who has not answered an EmitThen.
func (s *Server) late(ctx context.Context, l emitter.Late) error {
	name, state, missing, err := s.missing(ctx, l)
	if err != nil {
		return fmt.Errorf("%w: nonstick: end of a reply: %w", engine.ErrUnfinished, err)
	}
	n := s.find(l.Namespace)
	if len(missing) == 0 || name == "" || n == nil {
		return nil
	}
	handle := n.table.late[name]
	if handle == nil {
		return fmt.Errorf("%w: no reply %q of %q", ErrNoHandler, name, l.Namespace)
	}
	err = n.guarded(ctx, func() error { return handle(ctx, n, missing, stateOf(state)) })
	if l.Session != "" {
		if e := s.store.DeleteAck(ctx, l.Session, l.ID); e != nil {
			err = errors.Join(err, fmt.Errorf("nonstick: acknowledgement not removed: %w", e))
		}
	}
	return err
}

// missing reads who has not answered.
func (s *Server) missing(ctx context.Context, l emitter.Late) (name, state string, missing []string, err error) {
	if l.Session != "" {
		a, err := s.store.Ack(ctx, l.Session, l.ID)
		if errors.Is(err, sessionstore.ErrNotFound) {
			return "", "", nil, nil // it was answered
		}
		return a.Continuation, a.State, []string{string(l.Socket)}, err
	}
	for part := range sessionstore.AskParts(l.ID) {
		a, err := s.store.Ask(ctx, l.Namespace, l.ID, part)
		if errors.Is(err, sessionstore.ErrNotFound) {
			continue
		}
		if err != nil {
			return "", "", nil, err
		}
		name, state = a.Continuation, a.State
		answered := make(map[sessionstore.SocketID]bool)
		for answer, err := range s.store.Answers(ctx, l.Namespace, l.ID, part, "") {
			if err != nil {
				return "", "", nil, err
			}
			answered[answer.Socket] = true
		}
		for _, id := range a.Sockets {
			if !answered[id] {
				missing = append(missing, string(id))
			}
		}
	}
	slices.Sort(missing)
	return name, state, missing, nil
}
