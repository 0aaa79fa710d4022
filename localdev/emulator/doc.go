// Package emulator is API Gateway on a laptop: an HTTP API, a WebSocket API and the @connections
// management API on one port, in one process, with the limits that break real-time protocols there.
//
// It hands requests and frames to handlers as the event structs that a Lambda function would get, and the
// answers travel back in the response structs; nothing is marshalled in between. Several APIs may
// live on one server, each under its own path; each may have several handler sets, which take turns
// at every request and every frame, so that nothing can be kept in the memory of one of them.
//
// Where the service does not promise order the emulator is kinder: frames of one connection are handed
// over one at a time, in the order in which they came.
package emulator
