package engineio

import "strings"

// Transport is the value of the query parameter "transport".
type Transport string

// The transports of this server.
const (
	Polling   Transport = "polling"
	WebSocket Transport = "websocket"
)

// Kind is what a request asks for. The zero Kind is no request.
type Kind int

// The kinds of request.
const (
	KindHandshake          Kind = iota + 1 // GET without a session id: open a session on polling
	KindPoll                               // GET with one: ask for packets
	KindPost                               // POST with one: hand packets in
	KindWebSocketHandshake                 // WebSocket without a session id: open a session on it
	KindWebSocketBind                      // WebSocket with one: move that session to it
)

// Request is the meaning of a request's query.
type Request struct {
	// Kind is what the request asks for.
	Kind Kind
	// SID is the session's id as the client gave it, unchecked; empty for a new session.
	SID string
	// T is the client's cache buster, empty if it sends none. Official clients never repeat one.
	T string
	// Transport is the transport that the client believes to be on.
	Transport Transport
	// Base64 asks for binary messages as base64 text on a WebSocket too.
	Base64 bool
}

// ParseRequest judges a request by its method and its decoded query. websocket tells that it is a
// WebSocket upgrade; its method is then not looked at.
//
// The checks come in the protocol's order: transport, session id, method, version. Errors are *[Error]:
// [ErrUnknownTransport], [ErrBadHandshakeMethod], [ErrBadRequest], [ErrUnsupportedVersion] and [ErrMethod]. With
// ErrMethod, and with ErrBadRequest for another version or transport than the session can have, the Request is filled
// but for its Kind, because an unknown session, and a session on another transport, are to be reported before it.
func ParseRequest(method string, query map[string]string, websocket bool) (Request, error) {
	return parseRequest(method, query, query["EIO"], websocket)
}

// ParseAnyVersion is ParseRequest where clients of version 3 may come, too: every version is one that is served, see
// [CodecOf].
func ParseAnyVersion(method string, query map[string]string, websocket bool) (Request, error) {
	return parseRequest(method, query, supportedVersion, websocket)
}

func parseRequest(method string, query map[string]string, version string, websocket bool) (Request, error) {
	r := Request{
		SID:       query["sid"],
		T:         query["t"],
		Transport: Transport(query["transport"]),
		Base64:    query["b64"] != "",
	}
	if r.Transport != Polling && r.Transport != WebSocket {
		return Request{}, ErrUnknownTransport
	}
	if websocket && r.Transport != WebSocket {
		return Request{SID: r.SID, Transport: r.Transport}, ErrBadRequest
	}
	if r.SID != "" {
		return inSession(r, method, version, websocket)
	}
	if err := mayOpen(r, method, version, websocket); err != nil {
		return Request{}, err
	}
	r.Kind = KindHandshake
	if websocket {
		r.Kind = KindWebSocketHandshake
	}
	return r, nil
}

// supportedVersion is the protocol's version as the query parameter EIO has it.
const supportedVersion = "4"

// Supported reports whether a query asks for the version of the protocol that this server speaks.
func Supported(query map[string]string) bool { return query["EIO"] == supportedVersion }

// inSession sets the kind of a request that names a session.
func inSession(r Request, method, version string, websocket bool) (Request, error) {
	switch {
	case version != supportedVersion: // the session was opened with the one that is supported
		return r, ErrBadRequest
	case !websocket && r.Transport == WebSocket:
		return r, ErrBadRequest
	case websocket:
		r.Kind = KindWebSocketBind
	case method == "GET":
		r.Kind = KindPoll
	case method == "POST":
		r.Kind = KindPost
	default:
		return r, ErrMethod
	}
	return r, nil
}

// mayOpen judges a request that opens a session. It returns error, not *Error: a nil pointer in an
// interface would not be nil.
func mayOpen(r Request, method, version string, websocket bool) error {
	switch {
	case !websocket && method != "GET":
		return ErrBadHandshakeMethod
	case !websocket && r.Transport == WebSocket:
		return ErrBadRequest
	case version != supportedVersion:
		return ErrUnsupportedVersion
	}
	return nil
}

// ParseQuery decodes the query of a URL, without or with its question mark. Of repeated keys the last
// one wins. It never fails: a bad escape stays as it is, and what is not UTF-8 becomes U+FFFD.
func ParseQuery(raw string) map[string]string {
	query := make(map[string]string)
	for pair := range strings.SplitSeq(strings.TrimPrefix(raw, "?"), "&") {
		if pair == "" {
			continue
		}
		key, value, _ := strings.Cut(pair, "=")
		query[unescape(key)] = unescape(value)
	}
	return query
}

// unescape decodes one part of a form-encoded query.
func unescape(s string) string {
	if !strings.ContainsAny(s, "%+") {
		return strings.ToValidUTF8(s, "\uFFFD")
	}
	out := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] == '+':
			out = append(out, ' ')
		case s[i] == '%' && i+2 < len(s) && isHex(s[i+1]) && isHex(s[i+2]):
			out = append(out, fromHex(s[i+1])<<4|fromHex(s[i+2]))
			i += 2
		default:
			out = append(out, s[i])
		}
	}
	return strings.ToValidUTF8(string(out), "\uFFFD")
}

func isHex(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'a' && c <= 'f' || c >= 'A' && c <= 'F'
}

func fromHex(c byte) byte {
	switch {
	case c <= '9':
		return c - '0'
	case c <= 'F':
		return c - 'A' + 10
	default:
		return c - 'a' + 10
	}
}
