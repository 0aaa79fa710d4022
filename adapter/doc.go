// Package adapter delivers packets: to one session, whatever transport it is on at that moment, and to
// the members of rooms and namespaces.
//
// It owns the rules of delivery of docs/protocol.md: a push that is not a clear success is never repeated, a delivery
// in doubt closes the session before the error is returned, and a hint that turns out stale is repaired by the caller
// that meets it. It needs a store and a [Pusher] and links no server code, so that any program may emit.
package adapter
