// Package emulator is API Gateway on a laptop: an HTTP API, a WebSocket API and the @connections management API on one
// port, in one process, with the limits that break real-time protocols there.
//
// It hands requests and frames to handlers as the event structs that a Lambda function would get, and the
// answers travel back in the response structs; nothing is marshalled in between. [Handlers] may be written by hand, as
// in the examples, or be those of package proxy, which call functions that run as processes. Several APIs may
// live on one server, each under its own path; each may have several handler sets, which take turns
// at every request and every frame, so that nothing can be kept in the memory of one of them.
//
// Frames of one connection are handed over one at a time, in the order in which they came, unless an API asks for
// what the service does: all at once, in no order ([API.Concurrent]).
//
// Clients of the management API are the SDKs, at [Config].Endpoint; a program that has the [Server] itself may call
// [Server.PostToConnection] and [Server.DeleteConnection]. What is not emulated is said in docs/emulation.md.
//
// What is emulated is described here; the limits of [AWS] are those of the last two pages:
//
// https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-websocket-api-overview.html
// https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-how-to-call-websocket-api-connections.html
// https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html
// https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-execution-service-websocket-limits-table.html
// https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-quotas.html
package emulator
