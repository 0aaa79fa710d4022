// Package apigw brings the requests of API Gateway to a gateway, and its answers back: the polling transport
// by an HTTP API (payload format 2.0), the WebSocket transport by a WebSocket API, and the work that is queued
// at $connect. It owns what is HTTP about Engine.IO: status codes, headers, CORS, the encoding of bodies.
// What packets mean is none of its business.
package apigw

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"slices"
	"strings"

	"github.com/nonstick-io/nonstick/gateway"
	"github.com/nonstick-io/nonstick/gateway/engine"
	"github.com/nonstick-io/nonstick/internal/engineio"
	"github.com/nonstick-io/nonstick/sessionstore"
)

// Gateway is what serves sessions. An error that is an [*engineio.Error] is shown to the client; of any
// other the client learns nothing.
type Gateway interface {
	// Handshake begins a session on polling and returns the body of the answer.
	Handshake(ctx context.Context, h sessionstore.Handshake) (payload string, err error)
	// PollAs serves a GET, named by its t; it may wait for packets as long as ctx's deadline allows.
	PollAs(ctx context.Context, sid sessionstore.SessionID, t string, from engine.Client) (payload string, err error)
	// PostAs serves a POST, whose body is within the limit, and UTF-8 unless it is binary.
	PostAs(ctx context.Context, sid sessionstore.SessionID, body string, from engine.Client) error
	// Known tells a session that is there, and on that transport, from one that is not: ErrUnknownSession,
	// ErrBadRequest.
	Known(ctx context.Context, sid sessionstore.SessionID, on engineio.Transport) error
	// FailFor closes a session whose client broke the rules of the transport. The details are for disconnect handlers.
	FailFor(ctx context.Context, sid sessionstore.SessionID, reason, details string) error
	// Connect begins a session on a WebSocket that is about to open.
	Connect(ctx context.Context, conn sessionstore.Connection, h sessionstore.Handshake) (engine.Step, error)
	// BindAs offers a WebSocket that is about to open to a session on polling.
	BindAs(
		ctx context.Context, conn sessionstore.Connection, sid sessionstore.SessionID, from engine.Client,
	) (engine.Step, error)
	// Run does what had to wait until the WebSocket was open.
	Run(ctx context.Context, step engine.Step) error
	// Message serves a frame. The reply, unless empty, is sent to the same connection.
	Message(ctx context.Context, conn sessionstore.Connection, frame string) (reply string, err error)
	// DisconnectFor is told that a connection has ended, and what is known of why.
	DisconnectFor(ctx context.Context, conn sessionstore.Connection, details sessionstore.Details) error
	// Requests returns what the application has registered about requests.
	Requests() *engine.RequestHooks
	// Guard calls a hook of that, and logs its panic.
	Guard(ctx context.Context, name string, hook func())
}

// Queue takes work that must not be done before $connect has returned. The caller that receives it calls
// [Handler.Step].
type Queue interface {
	Enqueue(ctx context.Context, step engine.Step) error
}

// Defaults of [Config].
const (
	DefaultPath       = "/socket.io/"
	DefaultMaxPayload = 1_000_000
)

// Config is what a [Handler] is made of. Gateway, Queue and Endpoint are needed.
type Config struct {
	Gateway Gateway
	Queue   Queue
	// Endpoint is the base URL of the management API of the WebSocket API that the handler serves. It is
	// configuration, and not taken from events, because an event names whatever host the client asked for.
	Endpoint string
	// Path is the prefix of the requests served; default [DefaultPath].
	Path string
	// CORS is off unless it allows origins. That of HTTP takes its place.
	CORS CORS
	// HTTP is what the application says.
	HTTP gateway.HTTPOptions
	// Client, unless nil, returns the folder with the Socket.IO client for browsers, package internal/bundle; empty if
	// there is none. It is asked when a client asks for a file that has not been found yet.
	Client func() string
	// PageOrigin is the origin of the HTTP API's own pages, which may open WebSockets whatever CORS names. Needed
	// where the two APIs have different hosts.
	PageOrigin string
	// MaxPayload is the greatest body of a POST in bytes; default [DefaultMaxPayload].
	MaxPayload int
	// AllowEIO3 serves clients of version 3 of Engine.IO, as the Gateway has to, and JSONP.
	AllowEIO3 bool
	// Logger gets the errors that clients learn nothing of; nil discards.
	Logger *slog.Logger
}

// Handler serves the events of one HTTP API and one WebSocket API. Safe for concurrent use.
type Handler struct {
	gateway    Gateway
	queue      Queue
	endpoint   string
	path       string
	anySlash   bool
	transports []sessionstore.Transport // none: both
	cors       corsPolicy
	pageOrigin string
	cookie     *gateway.Cookie // nil: none
	compress   compression
	client     *client // nil: not served
	maxPayload int
	eio3       bool
	log        *slog.Logger
}

// New returns a Handler.
func New(c Config) *Handler {
	if c.HTTP.CORS != nil {
		c.CORS = *c.HTTP.CORS
	}
	h := &Handler{
		gateway: c.Gateway, queue: c.Queue, endpoint: c.Endpoint, path: c.Path, anySlash: c.HTTP.AnySlash,
		transports: c.HTTP.Transports, cors: newCORSPolicy(c.CORS), pageOrigin: c.PageOrigin, cookie: c.HTTP.Cookie,
		compress: newCompression(c.HTTP.Compression), maxPayload: c.MaxPayload, eio3: c.AllowEIO3, log: c.Logger,
	}
	if c.HTTP.ServeClient {
		h.client = newClient(c.Client)
	}
	if h.path == "" {
		h.path = DefaultPath
	}
	if h.maxPayload == 0 {
		h.maxPayload = DefaultMaxPayload
	}
	if h.log == nil {
		h.log = slog.New(slog.DiscardHandler)
	}
	return h
}

// Step does the work that was queued at a $connect. An error means that the queue should deliver it again.
func (h *Handler) Step(ctx context.Context, step engine.Step) (err error) {
	defer h.recovered(ctx, &err)
	if err := h.gateway.Run(ctx, step); err != nil {
		return fmt.Errorf("apigw: run step %q: %w", step.Kind, err)
	}
	return nil
}

// recovered turns a panic into an error: one bad packet must not end a process that serves others.
func (h *Handler) recovered(ctx context.Context, err *error) {
	if p := recover(); p != nil {
		h.log.ErrorContext(ctx, "panic", "value", fmt.Sprint(p), "stack", string(debug.Stack()))
		*err = fmt.Errorf("apigw: panic: %v", p)
	}
}

// maxSID is longer than any session id. No store need be asked about what is longer yet.
const maxSID = 64

// Serves reports whether a path, without the stage, is the handler's.
func (h *Handler) Serves(path string) bool {
	return strings.HasPrefix(path, h.path) || h.anySlash && path == strings.TrimSuffix(h.path, "/")
}

// has reports whether clients may use a transport.
func (h *Handler) has(t string) bool {
	return len(h.transports) == 0 || slices.Contains(h.transports, sessionstore.Transport(t))
}

// parse judges a request by its query.
func (h *Handler) parse(method string, query map[string]string, websocket bool) (engineio.Request, error) {
	if !h.has(query["transport"]) {
		return engineio.Request{}, engineio.ErrUnknownTransport
	}
	judge := engineio.ParseRequest
	if h.eio3 {
		judge = engineio.ParseAnyVersion
	}
	req, err := judge(method, query, websocket)
	if len(req.SID) > maxSID {
		err = engineio.ErrUnknownSession
	}
	return req, err
}

// refusal is what the client may know of an error: itself if it is of the protocol, else nil.
func refusal(err error) *engineio.Error {
	if e, ok := errors.AsType[*engineio.Error](err); ok {
		return e
	}
	return nil
}
