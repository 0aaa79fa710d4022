package laptop

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/nonstick-io/nonstick/adapter/delivery"
	"github.com/nonstick-io/nonstick/gateway"
	"github.com/nonstick-io/nonstick/gateway/apigw"
	"github.com/nonstick-io/nonstick/gateway/engine"
	"github.com/nonstick-io/nonstick/gateway/eventsout"
	"github.com/nonstick-io/nonstick/gateway/management"
	"github.com/nonstick-io/nonstick/internal/direct"
	"github.com/nonstick-io/nonstick/internal/socketio"
	"github.com/nonstick-io/nonstick/localdev/emulator"
	"github.com/nonstick-io/nonstick/sessionstore"
)

// enginePath is where the bare Engine.IO of an application is served, see [App].
const enginePath = "/engine.io/"

// service is everything that runs in the process.
type service struct {
	server *emulator.Server
	// front is CloudFront's, where the template has that; else nil.
	front *front
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
func build(ctx context.Context, c config, urls addresses, log *slog.Logger) (_ *service, err error) {
	if err := checkDynamoDB(ctx, c); err != nil {
		return nil, err
	}
	if c.template != "" {
		return buildStack(ctx, c, urls, log)
	}
	app := c.served()
	if c.lacksClient(app) {
		log.Warn(app.NoClient, "folder", app.ClientDir) //nolint:sloglint // the application's words
	}
	endpoint := urls.webSocket + stage
	front := http.NewServeMux()
	front.HandleFunc("GET /healthz", healthz)
	s := &service{stage: stage, server: direct.NewServer(emulator.Config{
		Endpoint: endpoint, Limits: limitsOf(c), Fallback: front, Logger: log,
	})}
	s.about = fmt.Sprintf("store %s, limits %s", c.store, c.limits)
	if app.Name != "" {
		s.about = fmt.Sprintf("app %s, %s", app.Name, s.about)
	}
	w := wiring{config: c, pusher: pusherOf(c, s.server), endpoint: endpoint, log: log}
	if w.events, err = s.eventsTo(c); err != nil {
		return nil, err
	}
	pages, err := s.add(ctx, w, c.path, c.table, app.App)
	if err != nil {
		return nil, err
	}
	if pages != nil {
		front.Handle("/", pages)
		front.HandleFunc("GET "+gateway.ClientPath, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			_ = json.NewEncoder(w).Encode(urls.clientOptions(c.path)) // the client may be gone
		})
	}
	if app.EngineIO.New != nil {
		_, err = s.add(ctx, w, enginePath, c.table+"-engineio", app.EngineIO)
	}
	return s, err
}

// add makes an API with a store of its own, for a sweeper acts on every session that it finds in its store. It returns
// what the application shows to a browser, or nil.
func (s *service) add(ctx context.Context, w wiring, path, table string, app gateway.App) (http.Handler, error) {
	store, err := openStore(ctx, w.config, table)
	if err != nil {
		return nil, err
	}
	store = s.hinted(ctx, w, store, table)
	w.ends = engine.NewPool(w.log)
	api, first := w.api(path, store, app)
	s.server.Route(api)
	finish := func(ctx context.Context) error {
		w.ends.Run(ctx, first.Engine.Finish)
		return nil
	}
	s.sweeps = append(s.sweeps, first.Engine.Sweep, finish)
	return first.Pages, nil
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
	events   eventsout.Config
	ends     *engine.Pool // of the API that is being made
}

// api makes an API of as many instances as the configuration says. It returns the first of them too.
func (w *wiring) api(path string, store sessionstore.Store, app gateway.App) (emulator.API, apigw.Instance) {
	api := emulator.API{
		Path: path, Concurrent: w.config.inbound == "concurrent", EmptyFrames: w.config.emptyResponse == "frame",
	}
	var first apigw.Instance
	for range w.config.instances {
		q := &stepQueue{log: w.log}
		i := apigw.Start(app, w.instance(store), apigw.Config{
			Queue: q, Endpoint: w.endpoint, Path: path,
			CORS:   apigw.CORS{Origins: w.config.origins(), Credentials: w.config.corsCredentials},
			Client: w.config.clientFolder,
		})
		q.handler = i.Handler
		api.Sets = append(api.Sets, i.Handler)
		if first.Handler == nil {
			first = i
		}
	}
	api.AnySlash = first.Serves(strings.TrimSuffix(path, "/"))
	return api, first
}

// instance is the configuration of an instance of the application.
func (w *wiring) instance(store sessionstore.Store) gateway.Config {
	parser, _ := socketio.ParserOf(w.config.parser) // which was checked
	return gateway.Config{
		Store: store, Pusher: w.pusher, Options: w.engineOptions(), Unordered: w.config.inbound == "concurrent",
		Parser: parser, Recovery: w.config.recovery, Ends: w.ends, Events: w.events, Logger: w.log,
	}
}

// engineOptions are the settings of Engine.IO.
func (w *wiring) engineOptions() engine.Options {
	c := w.config
	o := engine.Options{
		PingInterval: c.pingInterval, PingTimeout: c.pingTimeout, UpgradeTimeout: c.upgradeTimeout,
		ConnectTimeout: c.connectTimeout, PollHold: c.pollHold, PollPace: c.pollPace, MaxPayload: c.maxPayload,
		Limits: w.deliveryLimits(), AllowEIO3: c.allowEIO3,
	}
	if o.ConnectTimeout == 0 {
		o.ConnectTimeout = -1 // what an instance takes for never
	}
	return o
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
