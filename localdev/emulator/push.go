package emulator

import "errors"

// Errors of [Server.PostToConnection] and [Server.DeleteConnection], named as the management API's, which answers with
// them in its turn.
var (
	// ErrGone: there is no such connection, or it is being closed. GoneException, status 410.
	ErrGone = errors.New("emulator: connection is gone")
	// ErrPayloadTooLarge: a message is above [Limits].Push. PayloadTooLargeException, status 413.
	ErrPayloadTooLarge = errors.New("emulator: message too large")
	// ErrLimitExceeded: so much waits for a client that reads too slowly that [Limits].Outbox is full. Later the
	// connection may take it. LimitExceededException, status 429.
	ErrLimitExceeded = errors.New("emulator: too much waits for the client")
)

// PostToConnection sends messages to a connection, as the management API's operation of that name does, but without
// HTTP, a signature, and the account's rate. It takes several, which the service does not: then all of them go out with
// nothing between them, or none. It does not wait for the client; nil says that the messages are queued, in the order
// of the calls.
//
// The errors are [ErrGone], [ErrPayloadTooLarge] and [ErrLimitExceeded]; then nothing was sent.
func (s *Server) PostToConnection(id string, messages ...string) error {
	c := s.conns.get(id)
	if c == nil {
		return ErrGone
	}
	if len(messages) == 1 {
		return c.push(messages[0])
	}
	return c.pushGroup(messages)
}

// DeleteConnection closes a connection, as the management API's operation of that name does: after what is queued for
// it, and without a status code (the client sees 1005). It does not wait for the client. The error is [ErrGone].
func (s *Server) DeleteConnection(id string) error {
	c := s.conns.get(id)
	if c == nil {
		return ErrGone
	}
	c.close(0, "")
	return nil
}

// Endpoint returns [Config].Endpoint.
func (s *Server) Endpoint() string { return s.endpoint }
