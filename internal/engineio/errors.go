package engineio

import (
	"strconv"
)

// noCode marks a refusal that is sent without a body.
const noCode = -1

// Error is a refusal of a request, as the client sees it.
type Error struct {
	// Code is the number in the body, 0 to 5, or -1 for a refusal without a body.
	Code int
	// Message is the text in the body. A refused WebSocket upgrade has it as its whole body.
	Message string
	// Status is the HTTP status of the answer. A refused WebSocket upgrade is answered 400,
	// but for [ErrFull] and [ErrHandshakeTooLarge].
	Status int
}

// The catalogue of refusals with a body.
var (
	// ErrUnknownTransport: the query names no transport that this server has.
	ErrUnknownTransport = &Error{0, "Transport unknown", 400}
	// ErrUnknownSession: there is no session of that id, or no longer.
	ErrUnknownSession = &Error{1, "Session ID unknown", 400}
	// ErrBadHandshakeMethod: a request without a session id that is not a GET.
	ErrBadHandshakeMethod = &Error{2, "Bad handshake method", 400}
	// ErrBadRequest: the transport does not fit the request, or not the session.
	ErrBadRequest = &Error{3, "Bad request", 400}
	// ErrForbidden: the application refused the handshake. See [Forbidden].
	ErrForbidden = &Error{4, "Forbidden", 403}
	// ErrUnsupportedVersion: the client does not speak version 4 of the protocol.
	ErrUnsupportedVersion = &Error{5, "Unsupported protocol version", 400}
)

// ErrIDGeneration is an [ErrBadRequest]: the application made no id for the session, or one that is none.
var ErrIDGeneration = &Error{ErrBadRequest.Code, ErrBadRequest.Message, ErrBadRequest.Status}

// ErrOrigin is an [ErrBadRequest]: the application failed to judge the origin of a request.
var ErrOrigin = &Error{ErrBadRequest.Code, ErrBadRequest.Message, ErrBadRequest.Status}

// ErrVersion is an [ErrBadRequest]: the request is of another version of the protocol than its session.
var ErrVersion = &Error{ErrBadRequest.Code, ErrBadRequest.Message, ErrBadRequest.Status}

// The catalogue of refusals without a body. Their Message is for logs.
var (
	// ErrPayloadTooLarge: a POST is above the advertised limit. The session lives on.
	ErrPayloadTooLarge = &Error{noCode, "payload too large", 413}
	// ErrOverlap: a second GET or POST while the first is still open. It closes the session.
	ErrOverlap = &Error{noCode, "overlapping requests", 400}
	// ErrInvalidContent: a POST of type application/octet-stream. It closes the session.
	ErrInvalidContent = &Error{noCode, "invalid content", 400}
	// ErrMethod: a request with a session id that is neither GET nor POST. The session lives on.
	ErrMethod = &Error{noCode, "method not allowed", 500}
	// ErrHandshakeTooLarge: the headers and the query of a request that begins a session are above what is kept.
	ErrHandshakeTooLarge = &Error{noCode, "handshake too large", 431}
	// ErrFull: the server takes no further session for now.
	ErrFull = &Error{noCode, "server is full", 503}
)

// Forbidden returns the refusal of a handshake by the application, with its own message. It matches
// [ErrForbidden] with errors.Is. The client sees the message.
func Forbidden(message string) *Error {
	return &Error{ErrForbidden.Code, message, ErrForbidden.Status}
}

// Error returns the message with the package's prefix.
func (e *Error) Error() string { return "engineio: " + e.Message }

// Is makes refusals with the same code match, whatever their message.
func (e *Error) Is(target error) bool {
	t, ok := target.(*Error)
	return ok && (e == t || e.Code != noCode && e.Code == t.Code)
}

// HasBody reports whether the refusal is sent with a JSON body.
func (e *Error) HasBody() bool { return e.Code != noCode }

// Body returns the JSON of the refusal, {"code":N,"message":"..."}, or "" for one without a body.
func (e *Error) Body() string {
	if !e.HasBody() {
		return ""
	}
	b := append([]byte(`{"code":`), strconv.Itoa(e.Code)...)
	b = append(b, `,"message":`...)
	b = appendQuoted(b, e.Message)
	return string(append(b, '}'))
}
