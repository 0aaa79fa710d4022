// Package emulator is API Gateway on a laptop: an HTTP API, a WebSocket API and the @connections
// management API on one port, in one process, with the limits that break real-time protocols there.
//
// It hands requests and frames to handlers as the event structs that a Lambda function would get, and the
// answers travel back in the response structs; nothing is marshalled in between. Several APIs may
// live on one server, each under its own path; each may have several handler sets, which take turns
// at every request and every frame, so that nothing can be kept in the memory of one of them.
//
// Frames of one connection are handed over one at a time, in the order in which they came, unless an API asks for
// what the service does: all at once, in no order ([API.Concurrent]).
package emulator
