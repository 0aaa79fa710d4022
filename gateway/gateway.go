// Package gateway is the seam between an application and the programs that serve it: [Config] is what a program gives
// to each instance of an application, [App] is what it gets. The packages below it are what serves:
// [github.com/nonstick-io/nonstick/gateway/engine] runs the sessions of Engine.IO,
// [github.com/nonstick-io/nonstick/gateway/apigw] brings the requests of API Gateway to them.
//
// An application is one of package nonstick, as nonstick.App makes it, or a bare handler of Engine.IO. The programs are
// the functions of package functions and, on a laptop, localdev/laptop. Neither knows package nonstick, which
// runs them: nonstick.Main.
package gateway

import (
	"log/slog"
	"net/http"
	"time"

	"github.com/nonstick-io/nonstick/adapter"
	"github.com/nonstick-io/nonstick/adapter/delivery"
	"github.com/nonstick-io/nonstick/gateway/engine"
	"github.com/nonstick-io/nonstick/gateway/eventsout"
	"github.com/nonstick-io/nonstick/internal/socketio"
	"github.com/nonstick-io/nonstick/sessionstore"
)

// App is an application as programs serve it.
type App struct {
	// Name is what the programs call it. A program that carries several is told which to serve by name.
	Name string
	// New makes an instance. A program may make several, in one process or in many: they share nothing but the store.
	New func(Config) Instance
}

// Instance is one of those that serve an application.
type Instance struct {
	// Engine runs the sessions.
	Engine *engine.Engine
	// Pages, unless nil, answers the requests of browsers outside Socket.IO's path.
	Pages http.Handler
	// HTTPOptions are what the application says of how it is served.
	HTTPOptions HTTPOptions
}

// Config is what an instance of an application is made of.
type Config struct {
	Store  sessionstore.Store
	Pusher delivery.Pusher
	// Options are those of the Engine.IO sessions. A ConnectTimeout of 0 is Socket.IO's 45 s here; a negative
	// one means never.
	Options engine.Options
	// Packets bound what a client's packets may look like.
	Packets socketio.Limits
	// Parser is that of the clients; default [socketio.JSON].
	Parser socketio.Parser
	// Unordered says that messages of one WebSocket may be handled at the same time and in any order, as API Gateway
	// hands them to functions: see docs/protocol.md for what then becomes of those that overtook others. Binary needs
	// care: a packet with one attachment arrives, a second later and if the client has no other in flight; what
	// cannot be told apart ends the connection.
	Unordered bool
	// Recovery is how long the sockets of an application that says nothing itself wait for clients that lost their
	// connection, see nonstick.ConnectionStateRecovery; default 0: they are not recovered.
	Recovery time.Duration
	// Fanout, if given, takes broadcasts to more than LargeRoom sockets; see [adapter.Adapter.Broadcast] for what
	// that means for their order. LargeRoom's default is 500.
	Fanout    adapter.Fanout
	LargeRoom int
	// DisconnectTime is how long a disconnect handler may take: then its context ends. One that fails for that is run
	// again, up to DisconnectTries times in all; then the socket goes without it. Defaults [DefaultDisconnectTime] and
	// 2. At most [MaxDisconnectTime].
	DisconnectTime  time.Duration
	DisconnectTries int
	// Ends takes the ends of sessions; default none: the caller that closes a session waits for its disconnect
	// handlers. See [engine.Pool].
	Ends engine.Ends
	// Events says which events of sockets are told to another service; default none.
	Events eventsout.Config
	// Hooks tell of what happens.
	Hooks engine.Hooks
	// Logger gets what goes wrong; default none.
	Logger *slog.Logger
}

// The time that disconnect handlers have. Longer than MaxDisconnectTime none may be, for it has to fit into one go at
// the end of a session.
const (
	DefaultDisconnectTime = 10 * time.Second
	MaxDisconnectTime     = 20 * time.Second
)

// MaxRecovery is the most of Config.Recovery: what is large and is kept for a client lasts as long, see
// sessionstore.Outboxes.
const MaxRecovery = 24 * time.Hour

// DefaultConnectTimeout is how long a session may take to join a namespace: Socket.IO's own default.
const DefaultConnectTimeout = 45 * time.Second

// NewEngine returns the sessions whose messages h handles.
func (c Config) NewEngine(h engine.Handler) *engine.Engine {
	o := c.Options
	switch {
	case o.ConnectTimeout == 0:
		o.ConnectTimeout = DefaultConnectTimeout
	case o.ConnectTimeout < 0:
		o.ConnectTimeout = 0
	}
	return engine.New(engine.Config{
		Store: c.Store, Pusher: c.Pusher, Handler: h, Options: o, Ends: c.Ends, Hooks: c.Hooks, Logger: c.Logger,
	})
}
