// Package socketio is the codec of the Socket.IO protocol, version 5, as it travels inside Engine.IO
// messages: packets, their limits, event names, and binary attachments.
//
// The package is pure: strings in, values out. It knows no namespaces or sockets that exist, keeps no
// half-received packet, and leaves Engine.IO framing to its caller. Payloads stay JSON; only what the
// protocol itself has to see is looked at, in one pass.
//
// The protocol is described at https://socket.io/docs/v4/socket-io-protocol/.
package socketio
