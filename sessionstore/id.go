package sessionstore

import (
	"crypto/rand"
	"encoding/base64"
	"strings"
)

// SessionID names an Engine.IO session. It is a secret: a program that knows it can speak for the client.
type SessionID string

// SocketID names a Socket.IO socket, which is one session's membership of one namespace. It is public.
type SocketID string

// OldSocketID is the id of the socket of a client of Socket.IO v2 in a namespace. Such a client makes it by itself, of
// the id of its session, which is no secret then.
func OldSocketID(session SessionID, nsp Namespace) SocketID {
	if nsp == "/" {
		return SocketID(session)
	}
	return SocketID(nsp) + "#" + SocketID(session)
}

// PacketID names one delivery of one packet, so that a delivery in doubt can be looked up.
type PacketID string

// Namespace is a Socket.IO namespace; the main one is "/". At most [MaxName] bytes.
type Namespace string

// Room is the name of a room in a namespace. At most [MaxName] bytes.
type Room string

// Owner is a token that names one holder of a lease. It is unique for each call that takes a lease, so that a caller
// can tell a repeat of its own applied write from a lost race.
type Owner string

// MaxName is the greatest length of a namespace or room name in bytes: DynamoDB's keys have room for it.
const MaxName = 512

// MaxParentName is the greatest length of the name of a parent of namespaces in bytes, see [Children]: it is kept with
// each socket under it.
const MaxParentName = 64

// NewID returns 15 random bytes as 20 characters of base64url, the form that Socket.IO clients expect
// of session and socket ids.
func NewID() string {
	var b [15]byte
	_, _ = rand.Read(b[:]) // never fails: crypto/rand aborts the program instead
	return base64.RawURLEncoding.EncodeToString(b[:])
}

// Connection names a WebSocket connection: the endpoint of the management API that owns it, and the
// connection's id there. Several APIs, or several localdev processes, may share one table. The zero
// value means none.
type Connection struct {
	// ID is the connection's id at its endpoint.
	ID string
	// Endpoint is the base URL of the @connections API, without a trailing slash.
	Endpoint string
}

// IsZero reports whether c names no connection.
func (c Connection) IsZero() bool { return c == Connection{} }

// String returns the form in which a connection is stored: "id@endpoint", or "" for none.
func (c Connection) String() string {
	if c.IsZero() {
		return ""
	}
	return c.ID + "@" + c.Endpoint
}

// ParseConnection is the inverse of [Connection.String].
func ParseConnection(s string) Connection {
	id, endpoint, _ := strings.Cut(s, "@")
	return Connection{ID: id, Endpoint: endpoint}
}
