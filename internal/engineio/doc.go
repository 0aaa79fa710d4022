// Package engineio is the codec of the Engine.IO protocol, version 4: packets, payloads of several
// packets, the handshake, the judgement of a request's query, and the catalogue of refusals.
//
// The package is pure: strings in, values out. It holds no session, reads no clock and knows neither
// HTTP types nor WebSockets; whether a session exists, and which transport it is on, is for the caller.
//
// The protocol is described at https://socket.io/docs/v4/engine-io-protocol/.
package engineio
