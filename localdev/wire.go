package main

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/nonstick-io/nonstick"
	"github.com/nonstick-io/nonstick/adapter/delivery"
	"github.com/nonstick-io/nonstick/gateway/apigw"
	"github.com/nonstick-io/nonstick/gateway/engine"
	"github.com/nonstick-io/nonstick/gateway/management"
	"github.com/nonstick-io/nonstick/internal/apps/bench"
	"github.com/nonstick-io/nonstick/internal/apps/cases"
	"github.com/nonstick-io/nonstick/internal/apps/chat"
	"github.com/nonstick-io/nonstick/internal/apps/protocol"
	"github.com/nonstick-io/nonstick/internal/direct"
	"github.com/nonstick-io/nonstick/localdev/emulator"
	"github.com/nonstick-io/nonstick/sessionstore"
)

// enginePath is where --app protocol answers bare Engine.IO.
const enginePath = "/engine.io/"

// service is everything that runs in the process.
type service struct {
	server *emulator.Server
	// sweeps run beside the server until their context ends.
	sweeps []func(context.Context) error
	// stops end what has been started, the last one first, when the sweeps have been told to end.
	stops []func() error
	// about says what runs; stage is the path of the WebSocket API; outputs are what the template gives.
	about, stage string
	outputs      []output
}

// output is something that a template tells its user.
type output struct{ name, value string }

// stop ends what has been started.
func (s *service) stop() error {
	var errs []error
	for _, stop := range slices.Backward(s.stops) {
		errs = append(errs, stop())
	}
	return errors.Join(errs...)
}

// build puts together what the configuration asks for.
func build(ctx context.Context, c config, urls addresses, log *slog.Logger) (*service, error) {
	if err := checkDynamoDB(ctx, c); err != nil {
		return nil, err
	}
	if c.template != "" {
		return buildStack(ctx, c, urls, log)
	}
	if c.app == "chat" && !chat.HasClient(chat.ClientDir) {
		log.Warn(noClient, "folder", chat.ClientDir)
	}
	endpoint := urls.webSocket + stage
	s := &service{stage: stage, server: direct.NewServer(emulator.Config{
		Endpoint: endpoint, Limits: limitsOf(c), Fallback: fallback(pages(c, urls)), Logger: log,
	})}
	s.about = fmt.Sprintf("app %s, store %s, limits %s", c.app, c.store, c.limits)
	w := wiring{config: c, pusher: pusherOf(c, s.server), endpoint: endpoint, log: log}
	if err := s.add(ctx, w, c.path, c.table, (*wiring).socketIO); err != nil {
		return nil, err
	}
	if c.app == "protocol" {
		return s, s.add(ctx, w, enginePath, c.table+"-engineio", (*wiring).engineIO)
	}
	return s, nil
}

// add makes an API with a store of its own, for a sweeper acts on every session that it finds in its store.
func (s *service) add(
	ctx context.Context, w wiring, path, table string, newEngine func(*wiring, sessionstore.Store) *engine.Engine,
) error {
	store, err := openStore(ctx, w.config, table)
	if err != nil {
		return err
	}
	w.ends = engine.NewPool(w.log)
	api, first := w.api(path, store, newEngine)
	s.server.Route(api)
	finish := func(ctx context.Context) error {
		w.ends.Run(ctx, first.Finish)
		return nil
	}
	s.sweeps = append(s.sweeps, first.Sweep, finish)
	return nil
}

// noClient is said where the page would be of no use.
const noClient = "the chat page lacks its Socket.IO client for browsers: scripts/chat-client fetches it, " +
	"as make run does"

// pages returns what the application shows to a browser, or nil.
func pages(c config, urls addresses) http.Handler {
	if c.app != "chat" {
		return nil
	}
	mux := http.NewServeMux()
	mux.Handle("/", chat.Page(chat.ClientDir))
	mux.HandleFunc("GET "+chat.ConfigPath, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(urls.clientOptions(c.path)) // the client may be gone
	})
	return mux
}

func limitsOf(c config) emulator.Limits {
	if c.limits == "none" {
		return emulator.Native(c.maxPayload)
	}
	l := emulator.AWS()
	l.Requests, l.Connects = c.accountRequests, c.accountConnects
	return l
}

// pusherOf returns how connections are pushed to.
func pusherOf(c config, server *emulator.Server) delivery.Pusher {
	remote := management.New(management.Options{Region: localRegion, Credentials: localCredentials})
	if c.push == "api" {
		return remote
	}
	return direct.New(server, remote)
}

// localCredentials sign the calls between local processes. The signatures are not verified.
var localCredentials = aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
	return aws.Credentials{AccessKeyID: "local", SecretAccessKey: "local", Source: "localdev"}, nil
})

// wiring is what all handler sets of the process have in common.
type wiring struct {
	config   config
	pusher   delivery.Pusher
	endpoint string
	log      *slog.Logger
	ends     *engine.Pool // of the API that is being made
}

// api makes an API of as many instances as the configuration says. It returns the first of them too.
func (w *wiring) api(
	path string, store sessionstore.Store, newEngine func(*wiring, sessionstore.Store) *engine.Engine,
) (emulator.API, *engine.Engine) {
	api := emulator.API{
		Path: path, Concurrent: w.config.inbound == "concurrent", EmptyFrames: w.config.emptyResponse == "frame",
	}
	var first *engine.Engine
	for range w.config.instances {
		g := newEngine(w, store)
		if first == nil {
			first = g
		}
		q := &stepQueue{log: w.log}
		q.handler = apigw.New(apigw.Config{
			Gateway: g, Queue: q, Endpoint: w.endpoint, Path: path, MaxPayload: w.config.maxPayload, Logger: w.log,
			CORS: apigw.CORS{Origins: w.config.origins(), Credentials: w.config.corsCredentials},
		})
		api.Sets = append(api.Sets, q.handler)
	}
	return api, first
}

// engineOptions are the settings of Engine.IO.
func (w *wiring) engineOptions() engine.Options {
	c := w.config
	return engine.Options{
		PingInterval: c.pingInterval, PingTimeout: c.pingTimeout, UpgradeTimeout: c.upgradeTimeout,
		ConnectTimeout: c.connectTimeout, PollHold: c.pollHold, MaxPayload: c.maxPayload, Limits: w.deliveryLimits(),
	}
}

func (w *wiring) deliveryLimits() delivery.Limits {
	l := delivery.Limits{Buffer: sessionstore.BufferLimits{Bytes: w.config.bufferLimit}}
	if w.config.limits == "none" {
		largest := len(
			"b",
		) + base64.StdEncoding.EncodedLen(
			w.config.maxPayload,
		) // a binary message, which is counted as it is kept
		l.Frame = max(largest, l.WithDefaults().Frame)
	}
	return l
}

// socketIO is the Socket.IO server of the application.
func (w *wiring) socketIO(store sessionstore.Store) *engine.Engine {
	o := w.engineOptions()
	if o.ConnectTimeout == 0 {
		o.ConnectTimeout = -1 // what the gateway takes for never
	}
	srv := nonstick.New(nonstick.Config{
		Store: store, Pusher: w.pusher, Options: o, Unordered: w.config.inbound == "concurrent", Ends: w.ends,
		Logger: w.log,
	})
	switch w.config.app {
	case "protocol":
		protocol.Register(srv)
	case "bench":
		bench.Register(srv)
	case "cases":
		cases.App{Logger: w.log}.Register(srv)
	default:
		chat.Register(srv)
	}
	return srv.Engine()
}

// engineIO is a bare Engine.IO server that echoes.
func (w *wiring) engineIO(store sessionstore.Store) *engine.Engine {
	o := w.engineOptions()
	o.ConnectTimeout = 0 // there are no namespaces to join
	return engine.New(
		engine.Config{
			Store: store, Pusher: w.pusher, Handler: protocol.Echo{}, Options: o, Ends: w.ends, Logger: w.log,
		},
	)
}
