package serve

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/nonstick-io/nonstick/adapter"
	"github.com/nonstick-io/nonstick/functions/internal/boot"
	"github.com/nonstick-io/nonstick/gateway"
	"github.com/nonstick-io/nonstick/gateway/apigw"
	"github.com/nonstick-io/nonstick/gateway/engine"
	"github.com/nonstick-io/nonstick/internal/bundle"
)

// Apps are the applications that a program carries. Its methods make the functions.
type Apps []gateway.App

// choose is the application that the environment names. A program that carries one without a name leaves no choice.
func (a Apps) choose(env *boot.Env) gateway.App {
	if len(a) == 1 && a[0].Name == "" {
		return a[0]
	}
	names := make([]string, len(a))
	for i := range a {
		names[i] = a[i].Name
	}
	return a[slices.Index(names, env.Choice("NONSTICK_APP", names[0], names...))]
}

// server is what the functions of this package have in common.
type server struct {
	*boot.Parts
	app    gateway.App
	config gateway.Config
	path   string
	walks  *walks
}

// server reads the configuration.
func (a Apps) server(p *boot.Parts) *server {
	s := &server{Parts: p, walks: &walks{}, app: a.choose(p.Env)}
	s.path = p.Env.Text("NONSTICK_PATH", apigw.DefaultPath)
	if len(s.path) < 3 || s.path[0] != '/' || !strings.HasSuffix(s.path, "/") {
		p.Env.Fail("NONSTICK_PATH", "want a path with a slash at both ends")
	}
	o := engineOptions(p.Env)
	if o.ConnectTimeout == 0 {
		o.ConnectTimeout = -1 // what an instance takes for never
	}
	b := p.Broadcasts()
	s.config = gateway.Config{
		Store: p.Store, Pusher: p.Pusher, Options: o, Unordered: !o.PushReplies, Fanout: b.Fanout, LargeRoom: b.Large,
		Parser:   b.Parser,
		Recovery: p.Env.Duration("NONSTICK_RECOVERY", 0, 0, gateway.MaxRecovery),
		DisconnectTime: p.Env.Duration(
			"NONSTICK_DISCONNECT_TIME", gateway.DefaultDisconnectTime, shortest, gateway.MaxDisconnectTime,
		),
		Ends: endsOf(p), Events: p.Events(), Hooks: hooks(p, s.walks), Logger: p.Log,
	}
	return s
}

// engine makes the instance of the application for a function that no request of a client comes to.
func (s *server) engine() *engine.Engine { return s.app.New(s.config).Engine }

// endsOf returns the queue of the ends of sessions; nil if there is none, and ends are finished where they come about.
func endsOf(p *boot.Parts) engine.Ends {
	const name = "NONSTICK_CLOSES_QUEUE"
	if p.Env.Text(name, "") == "" {
		return nil
	}
	return ends{p.Queue(name)}
}

// hooks count what happens in the engine.
func hooks(p *boot.Parts, w *walks) engine.Hooks {
	return engine.Hooks{
		Walked:         w.note,
		Pinged:         func(late time.Duration) { p.Metrics.Most(boot.SweepLag, float64(late.Milliseconds())) },
		TakenOver:      func() { p.Metrics.Add(boot.EndsTakenOver, 1) },
		HandlerGivenUp: func() { p.Metrics.Add(boot.HandlersGivenUp, 1) },
		Broadcast:      func(r adapter.Result) { p.Metrics.Add(boot.MembersFailed, r.Failed) },
	}
}

// The bounds of times that a configuration may name. API Gateway ends a WebSocket that is silent for 10 minutes and a
// request after 30 seconds.
const (
	shortest    = time.Millisecond
	longest     = time.Hour
	longestPing = 9*time.Minute + 30*time.Second
	longestHold = 25 * time.Second // what is left is for the answer
	longestPace = 10 * time.Second
	// The largest body fits into an event of 6 MB in base64; less than the smallest is a mistake, for a CONNECT may
	// need as much.
	minBody = gateway.MinHTTPBufferSize
	maxBody = gateway.MaxHTTPBufferSize
)

// How frames of one connection come: in order through a queue, or each as it is received.
const (
	inboundOrdered    = "ordered"
	inboundConcurrent = "concurrent"
)

// engineOptions are the settings of Engine.IO.
func engineOptions(env *boot.Env) engine.Options {
	return engine.Options{
		PingInterval:   env.Duration("NONSTICK_PING_INTERVAL", 25*time.Second, shortest, longestPing),
		PingTimeout:    env.Duration("NONSTICK_PING_TIMEOUT", 20*time.Second, shortest, longest),
		ConnectTimeout: env.Duration("NONSTICK_CONNECT_TIMEOUT", 45*time.Second, 0, longest),
		UpgradeTimeout: env.Duration("NONSTICK_UPGRADE_TIMEOUT", 10*time.Second, shortest, longest),
		PollHold:       env.Duration("NONSTICK_POLL_HOLD", 20*time.Second, shortest, longestHold),
		PollPace:       env.Duration("NONSTICK_POLL_PACE", 250*time.Millisecond, engine.LeastPollPace, longestPace),
		MaxPayload:     env.Number("NONSTICK_MAX_PAYLOAD", apigw.DefaultMaxPayload, minBody, maxBody),
		AllowEIO3:      env.Choice("NONSTICK_ALLOW_EIO3", "false", "true", "false") == "true",
		Limits:         boot.Limits(env),
		PushReplies: env.Choice(
			"NONSTICK_INBOUND", inboundConcurrent, inboundOrdered, inboundConcurrent,
		) == inboundOrdered,
	}
}

// edge is the distribution in front of both APIs, if there is one.
func edge(env *boot.Env) apigw.Edge {
	const key = "NONSTICK_EDGE_KEY"
	switch env.Choice("NONSTICK_EDGE", edgeOff, edgeOff, edgeOn, edgeOnly) {
	case edgeOn:
		return apigw.Edge{Key: env.Need(key)}
	case edgeOnly:
		return apigw.Edge{Key: env.Need(key), Only: true}
	default:
		return apigw.Edge{}
	}
}

// Whether there is a distribution, and whether clients may go round it.
const (
	edgeOff  = "off"
	edgeOn   = "on"
	edgeOnly = "only"
)

// start makes the instance of the application, with the handler that brings it the events of API Gateway. The queue may
// be nil where no $connect comes.
func (s *server) start(queue apigw.Queue) apigw.Instance {
	return apigw.Start(s.app, s.config, apigw.Config{
		Queue: queue, Endpoint: s.Env.URL("NONSTICK_MANAGEMENT_ENDPOINT"), Path: s.path, CORS: cors(s.Env),
		PageOrigin: s.Env.Text("NONSTICK_PAGE_ORIGIN", ""), Client: bundle.Beside,
	})
}

// sender is a queue as this package uses one.
type sender interface {
	Send(ctx context.Context, body string) error
	// SendLater sends a message that arrives after d.
	SendLater(ctx context.Context, body string, d time.Duration) error
}

// steps queues what has to wait until $connect has been answered.
type steps struct{ queue sender }

var _ apigw.Queue = steps{}

// Enqueue implements [apigw.Queue].
func (s steps) Enqueue(ctx context.Context, step engine.Step) error {
	body, err := json.Marshal(step)
	if err != nil {
		return fmt.Errorf("serve: encode step: %w", err)
	}
	return s.queue.Send(ctx, string(body))
}
