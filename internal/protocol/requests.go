package protocol

import (
	"errors"

	"github.com/nonstick-io/nonstick/internal/engineio"
	"github.com/nonstick-io/nonstick/sessionstore"
)

// OpenAction is what to do in the open step of a session that begins on WebSocket.
type OpenAction string

// What may be done after Register, which is the claim on the open step.
const (
	OpenPush OpenAction = "push the open packet"
	OpenNone OpenAction = "nothing" // the step came twice: a second open packet would restart the client
	OpenFail OpenAction = "close"
)

// Open decides what to do after Register returned err.
func Open(err error) OpenAction {
	switch {
	case err == nil:
		return OpenPush
	case errors.Is(err, sessionstore.ErrExists):
		return OpenNone
	default:
		return OpenFail
	}
}

// FrameAction is what a WebSocket message is, by its connection.
type FrameAction string

// What may be done with a WebSocket message.
const (
	FrameServe     FrameAction = "serve"
	FrameCandidate FrameAction = "as a candidate" // see Candidate
	FrameRefuse    FrameAction = "close the WebSocket"
)

// Frame decides about a message of a WebSocket.
func Frame(s *sessionstore.Session, conn sessionstore.Connection) FrameAction {
	switch {
	case s.State != sessionstore.Open:
		return FrameRefuse
	case s.Conn == conn:
		return FrameServe
	case s.Candidate.Conn == conn:
		return FrameCandidate
	default:
		return FrameRefuse
	}
}

// PostAction is what to do with a POST.
type PostAction string

// What may be done with a POST.
const (
	PostServe   PostAction = "serve"
	PostIgnore  PostAction = "ignore" // the client does not know yet that the server closed
	PostUnknown PostAction = "unknown session"
	PostBad     PostAction = "bad request"
)

// Post decides about a POST.
func Post(s *sessionstore.Session) PostAction {
	switch {
	case s.State != sessionstore.Open && s.Drain:
		return PostIgnore
	case s.State != sessionstore.Open:
		return PostUnknown
	case s.Transport != sessionstore.Polling:
		return PostBad
	default:
		return PostServe
	}
}

// PacketAction is what to do with an Engine.IO packet of a client.
type PacketAction string

// What may be done with a packet.
const (
	PacketServe  PacketAction = "serve"
	PacketPong   PacketAction = "pong"
	PacketPing   PacketAction = "ping" // of an old client: does what a pong does, and is answered
	PacketClose  PacketAction = "close: asked for"
	PacketRefuse PacketAction = "close: broke the rules"
	PacketIgnore PacketAction = "ignore"
)

// Packet decides about a packet that came by POST, or over the session's own WebSocket.
func Packet(t engineio.PacketType, c engineio.Codec) PacketAction {
	switch {
	case t == engineio.Ping && c.ClientPings():
		return PacketPing
	case t == engineio.Pong && c.ClientPings():
		return PacketRefuse
	}
	switch t {
	case engineio.Message:
		return PacketServe
	case engineio.Pong:
		return PacketPong
	case engineio.Close: // which the reference server ignores over WebSocket, and waits for the ping timeout
		return PacketClose
	case engineio.Ping: // the heartbeat goes the other way
		return PacketRefuse
	case engineio.Open, engineio.Upgrade, engineio.Noop:
	}
	return PacketIgnore
}

// CloseAction is what to do for the caller of Close.
type CloseAction string

// What may be done after Close.
const (
	CloseWon     CloseAction = "won"
	CloseApplied CloseAction = "won: an earlier call was applied" // the session and the lease are those of the refusal
	CloseRefused CloseAction = "refused"                          // the session is open: a condition has failed
	CloseLost    CloseAction = "lost"                             // another caller does the rest, or did
	CloseRepeat  CloseAction = "repeat"                           // it is applied once, and its owner tells
)

// Close decides what to do after Close returned err.
func Close(err error, mine sessionstore.Owner) CloseAction {
	cur, refused := sessionstore.Current(err)
	switch {
	case err == nil:
		return CloseWon
	case refused && cur.State == sessionstore.Open:
		return CloseRefused
	case refused && cur.State == sessionstore.Closing && cur.Handler.Owner == mine:
		return CloseApplied
	case refused, errors.Is(err, sessionstore.ErrNotFound):
		return CloseLost
	default:
		return CloseRepeat
	}
}

// ConnEndAction is what to do for a connection that has ended.
type ConnEndAction string

// What may be done after the Close for a connection that has ended.
const (
	ConnEndDone  ConnEndAction = "done"           // its row goes with the session
	ConnEndAbort ConnEndAction = "abort"          // it was a candidate: the upgrade, and its row
	ConnEndRow   ConnEndAction = "remove its row" // the session goes on without it, or has ended
	ConnEndFail  ConnEndAction = "fail"
)

// ConnEnds decides what to do after the Close of the session of a connection that has ended returned err. Whether the
// client of a candidate has had "3probe", and so polls no more, is not known: if it has, the ping timeout ends the
// session.
func ConnEnds(err error, conn sessionstore.Connection) ConnEndAction {
	s, refused := sessionstore.Current(err)
	switch {
	case err == nil:
		return ConnEndDone
	case refused && s.State == sessionstore.Open && s.Candidate.Conn == conn:
		return ConnEndAbort
	case refused:
		return ConnEndRow
	default:
		return ConnEndFail
	}
}
