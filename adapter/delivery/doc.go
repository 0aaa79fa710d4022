// Package delivery delivers packets to one session, whatever transport it is on at that moment, and ends sessions.
//
// It owns the rules of delivery of docs/protocol.md: a push that is not a clear success is never repeated; a delivery
// in doubt closes the session before the error is returned; nothing is pushed past another instance that flushes the
// session's buffer. [Delivery] delivers and flushes, [Closing] ends a session so that of several closers one runs what
// follows, and [Pusher] is what both need of a platform: send a frame to a connection, and cut it.
//
// It knows nothing of rooms, namespaces and Socket.IO; these are adapter's. It links the contract of the store and no
// server.
package delivery
