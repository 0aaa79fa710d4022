//go:build unix

package laptop

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/nonstick-io/nonstick/gateway"
	"github.com/nonstick-io/nonstick/internal/bundle"
	"github.com/nonstick-io/nonstick/internal/direct"
	"github.com/nonstick-io/nonstick/internal/dynamolocal"
	"github.com/nonstick-io/nonstick/localdev/capacity"
	"github.com/nonstick-io/nonstick/localdev/edge"
	"github.com/nonstick-io/nonstick/localdev/emulator"
	"github.com/nonstick-io/nonstick/localdev/lambda"
	"github.com/nonstick-io/nonstick/localdev/mapping"
	"github.com/nonstick-io/nonstick/localdev/proxy"
	"github.com/nonstick-io/nonstick/localdev/queue"
	"github.com/nonstick-io/nonstick/localdev/rights"
	"github.com/nonstick-io/nonstick/localdev/template"
	"github.com/nonstick-io/nonstick/localdev/topics"
)

// enginePrefix is before the names of the resources that serve bare Engine.IO, where the application has that: they
// are those of the template once more.
const enginePrefix = "EngineIO-"

// stack is a template at work.
type stack struct {
	config  config
	urls    addresses
	log     *slog.Logger
	service *service

	templates []*template.Template
	callers   *rights.Callers    // the functions, by what they sign with
	dynamodb  string             // URL
	capacity  *capacity.Counter  // before it; nil if it is not on this machine
	front     *edge.Distribution // nil if the template has none
	counted   string             // URL that the functions have for it
	built     string             // the folder of the functions
	deploying sync.Mutex
	queues    *queue.Queues
	topics    *topics.Topics // that events of sockets go to
	functions *lambda.Platform
}

// appsTag builds functions with every application of ours.
const appsTag = "nonstick_apps"

// buildStack starts what a template describes. Functions are built, but no process of theirs is started yet.
func buildStack(ctx context.Context, c config, urls addresses, log *slog.Logger) (_ *service, err error) {
	s := &stack{config: c, urls: urls, log: log, service: &service{}, callers: rights.NewCallers(log)}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.service.stop())
		}
	}()
	for _, step := range []func(context.Context) error{
		s.read, s.buildFunctions, s.checkPage, s.startTables, s.countCapacity, s.makeQueues, s.startFunctions,
		s.tryFunctions, s.route, s.distribute,
	} {
		if err := step(ctx); err != nil {
			return nil, err
		}
	}
	s.feed()
	app := ""
	switch {
	case c.set("app"):
		app = ", app " + c.app
	case c.program.chooses():
		app = ", app of the template"
	}
	s.service.about = fmt.Sprintf("functions of %s%s, DynamoDB at %s, limits %s, logs of the functions in %s",
		c.template, app, cmp.Or(s.dynamodb, "no address"), c.limits, s.logs())
	return s.service, nil
}

// read reads the template, a second time for bare Engine.IO.
func (s *stack) read(context.Context) error {
	prefixes := []string{""}
	if s.engineIO().New != nil {
		prefixes = append(prefixes, enginePrefix)
	}
	for _, prefix := range prefixes {
		parameters := maps.Clone(s.config.parameters)
		if s.config.set("inbound") {
			if parameters == nil {
				parameters = map[string]string{}
			}
			parameters["Inbound"] = s.config.inbound
		}
		t, err := template.Read(s.config.template, template.Options{
			Parameters: parameters, BaseURL: s.urls.polling, WebSocketURL: s.urls.webSocket, EdgeURL: s.urls.front,
			Prefix: prefix,
		})
		if err != nil {
			return err
		}
		s.templates = append(s.templates, t)
		for _, f := range t.Functions {
			s.callers.Add(sessionToken(f.Name), f.Rights)
		}
	}
	s.service.stage = "/" + s.templates[0].Stage
	for _, o := range s.templates[0].Outputs {
		s.service.outputs = append(s.service.outputs, output{o.Name, o.Value})
	}
	for _, note := range s.templates[0].Notes {
		s.log.Warn("not emulated", "what", note)
	}
	for _, r := range slices.Concat(s.templates[0].HTTP, s.templates[0].WebSocket) {
		if r.Denied != "" {
			s.log.Warn(missingRight, "route", r.Key, "error", r.Denied)
		}
	}
	return nil
}

// missingRight is what the log says of a route that API Gateway has no right to serve.
const missingRight = "a right is missing, as it would be on AWS: every request of the route fails"

// sessionToken is what a function signs its requests with, and the services know it by. The access keys are the same
// for all: a DynamoDB Local that is not shared has a database for each of them.
func sessionToken(function string) string { return "localdev/" + function }

// engineIO is the bare Engine.IO that is to be served too, if there is one: where --app says so.
func (s *stack) engineIO() gateway.App {
	if !s.config.set("app") {
		return gateway.App{}
	}
	return s.config.served().EngineIO
}

// logs is the folder of the functions' logs.
func (s *stack) logs() string {
	return cmp.Or(s.config.logs, filepath.Join(filepath.Dir(s.config.template), ".cache", "localdev"))
}

// buildFunctions compiles every function for this machine, unless that has been done.
func (s *stack) buildFunctions(ctx context.Context) error {
	if s.built = s.config.built; s.built != "" {
		for _, f := range s.templates[0].Functions {
			if _, err := os.Stat(filepath.Join(s.built, f.ID, "bootstrap")); err != nil {
				return fmt.Errorf("function %s is not built: %w", f.ID, err)
			}
		}
		var err error
		s.built, err = filepath.Abs(s.built)
		return err
	}
	dir, err := os.MkdirTemp("", "nonstick-functions-*")
	if err != nil {
		return fmt.Errorf("make a folder for the functions: %w", err)
	}
	s.built = dir
	s.service.stops = append(s.service.stops, func() error { return os.RemoveAll(dir) })
	s.log.Info("building the functions", "count", len(s.templates[0].Functions))
	return s.buildAll(ctx, s.templates[0].Functions, dir)
}

// buildAll builds functions into folders with their ids. Those of one source are one program, which is built once.
func (s *stack) buildAll(ctx context.Context, functions []template.Function, to string) error {
	first := map[string]string{} // the id of the function that is built, by source
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(2) // each build is parallel itself
	for _, f := range functions {
		dir := filepath.Join(to, f.ID)
		if same, there := first[f.Source]; there {
			if err := os.Symlink(same, dir); err != nil {
				return errors.Join(fmt.Errorf("function %s: %w", f.ID, err), group.Wait())
			}
			continue
		}
		first[f.Source] = f.ID
		group.Go(func() error {
			if err := lambda.Build(ctx, f.Source, dir, appsTag); err != nil {
				return fmt.Errorf("function %s: %w", f.ID, err)
			}
			return s.linkClient(f.Source, dir)
		})
	}
	return group.Wait()
}

// appOf is the application that a function serves, if this program knows it.
func (s *stack) appOf(f template.Function) (App, bool) {
	if s.config.set("app") || !s.config.program.chooses() {
		return s.config.served(), true
	}
	return s.config.program.app(f.Environment["NONSTICK_APP"])
}

// checkPage says so if an application with a page is served, and the client that the page needs is beside no function.
func (s *stack) checkPage(context.Context) error {
	var lacks App
	for _, f := range s.templates[0].Functions {
		if bundle.In(filepath.Join(s.built, f.ID, bundle.Folder)) {
			return nil
		}
		if app, known := s.appOf(f); known && app.ClientDir != "" {
			lacks = app
		}
	}
	if lacks.ClientDir != "" {
		s.log.Warn(lacks.NoClient, "folder", lacks.ClientDir) //nolint:sloglint // the application's words
	}
	return nil
}

// linkClient puts the Socket.IO client for browsers beside a function, where the build for AWS puts it too. Without one
// the function says how to get it.
func (s *stack) linkClient(source, dir string) error {
	folder := cmp.Or(s.config.clientFolder(), bundle.Above(source))
	if folder == "" {
		return nil
	}
	folder, err := filepath.Abs(folder)
	if err == nil {
		err = os.Symlink(folder, filepath.Join(dir, bundle.Folder))
	}
	if err != nil {
		return fmt.Errorf("link the client for browsers: %w", err)
	}
	return nil
}

// errNoDynamoDB: only the repository of Nonstick has what fetches DynamoDB Local.
var errNoDynamoDB = errors.New("there is no DynamoDB Local to start: run one, for instance by " +
	"docker run -p 8000:8000 amazon/dynamodb-local, and say --dynamodb-endpoint http://127.0.0.1:8000")

// startTables starts DynamoDB Local, unless there is an endpoint, and makes the tables.
func (s *stack) startTables(ctx context.Context) error {
	s.dynamodb = s.config.dynamoDBEndpoint
	if s.dynamodb == "" && len(s.templates[0].Tables) > 0 {
		d, err := dynamolocal.Start(
			ctx, dynamolocal.Options{Near: []string{filepath.Dir(s.config.template), "."}, Shared: true},
		)
		if errors.Is(err, os.ErrNotExist) {
			return fmt.Errorf("%w: %w", errNoDynamoDB, err)
		}
		if err != nil {
			return fmt.Errorf("start DynamoDB Local (or say --dynamodb-endpoint): %w", err)
		}
		s.service.stops = append(s.service.stops, d.Stop)
		s.dynamodb = d.URL()
	}
	for _, t := range s.templates {
		for _, table := range t.Tables {
			if err := createTable(ctx, s.dynamodb, table); err != nil {
				return fmt.Errorf("make table %s: %w", table.Name, err)
			}
		}
	}
	return nil
}

// tablesARN is the ARN of a table without its name.
const tablesARN = "arn:aws:dynamodb:" + localRegion + ":" + queue.Account + ":table/"

// countCapacity puts a counter before a DynamoDB on this machine, and what asks for the rights of its callers. A
// request to AWS is signed for its host, so none can stand before that.
func (s *stack) countCapacity(context.Context) error {
	s.counted = s.dynamodb
	u, err := url.Parse(s.dynamodb)
	if err != nil || !isLoopback(u.Hostname()) {
		return nil //nolint:nilerr // it is looked at where it is used
	}
	if s.capacity, err = capacity.New(s.dynamodb); err != nil {
		return err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return fmt.Errorf("listen for what counts the table's capacity: %w", err)
	}
	server := &http.Server{
		Handler: s.callers.DynamoDB(tablesARN, s.capacity), ReadHeaderTimeout: time.Minute,
		ErrorLog: slog.NewLogLogger(s.log.Handler(), slog.LevelDebug),
	}
	go func() { _ = server.Serve(l) }() // until it is closed
	s.service.stops = append(s.service.stops, server.Close)
	s.counted = "http://" + l.Addr().String()
	return nil
}

func isLoopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// makeQueues makes the queues, which are empty.
func (s *stack) makeQueues(context.Context) (err error) {
	var specs []queue.Spec
	for _, t := range s.templates {
		for _, q := range t.Queues {
			specs = append(specs, queue.Spec{
				Name: q.Name, FIFO: q.FIFO, ContentDedup: q.ContentDedup, GroupDedup: q.GroupDedup,
				Latency: s.latency(q), Visibility: q.Visibility, Delay: q.Delay, Retention: q.Retention,
				DeadLetters: q.DeadLetters, MaxReceives: q.MaxReceives,
			})
		}
	}
	specs = append(specs, s.eventQueues(specs)...)
	s.topics = topics.New(topics.Config{ARNs: s.eventTopics(), Authorize: s.callers.Check})
	s.queues, err = queue.New(queue.Config{
		Base: s.urls.polling, Region: localRegion, Queues: specs, Authorize: s.callers.Check,
	})
	return err
}

// startFunctions starts the platform of the functions.
func (s *stack) startFunctions(context.Context) (err error) {
	var all []lambda.Function
	for i, t := range s.templates {
		for _, f := range t.Functions {
			limit := s.config.concurrency
			if f.Reserved != nil {
				limit = min(limit, *f.Reserved)
			}
			s.override(f.Environment, i > 0)
			f.Environment["AWS_SESSION_TOKEN"] = sessionToken(f.Name)
			all = append(all, lambda.Function{
				Name: f.Name, ARN: "arn:aws:lambda:" + localRegion + ":" + queue.Account + ":function:" + f.Name,
				Dir: filepath.Join(s.built, f.ID), Handler: f.Handler, Environment: f.Environment, Memory: f.Memory,
				Timeout: f.Timeout, Concurrency: limit, Reserved: f.Reserved, AsyncRetries: f.AsyncRetries,
				AsyncAge: f.AsyncAge, OnFailure: f.OnFailure, AllowLoop: f.AllowLoop,
				Quiet: f.Quiet,
			})
		}
	}
	s.functions, err = lambda.New(lambda.Config{
		Functions: all, Region: localRegion, Idle: s.config.idle, Logs: s.logs(), Logger: s.log, Send: s.sendTo,
		Account: s.config.accountConcurrency, Authorize: s.callers.Check,
		Environment: map[string]string{
			"AWS_ACCESS_KEY_ID": localKey, "AWS_SECRET_ACCESS_KEY": localKey,
			"AWS_ENDPOINT_URL": s.urls.polling, "AWS_ENDPOINT_URL_DYNAMODB": s.counted,
		},
	})
	if err == nil {
		s.service.stops = append(s.service.stops, s.functions.Close)
	}
	return err
}

// tryFunctions starts each function once. One that cannot start with what it got is said now, and not at its first
// call, where a client waits; as on AWS it is there all the same.
func (s *stack) tryFunctions(context.Context) error {
	for name, err := range s.functions.Check() {
		s.log.Error("function cannot start with what it got", "function", name, "error", err)
	}
	return nil
}

// sendTo sends a message to the queue of an ARN.
func (s *stack) sendTo(arn, body string) error {
	q, err := s.queues.Get(arn[strings.LastIndexByte(arn, ':')+1:])
	if err != nil {
		return err
	}
	_, err = q.Send(queue.Message{Body: body})
	return err
}

// variables are the values of the options that a function's environment has too, by the names of the options, as
// functions read them.
func (c *config) variables() map[string]string {
	ms := func(d time.Duration) string { return strconv.FormatInt(d.Milliseconds(), 10) + "ms" }
	return map[string]string{
		"app": c.app, "path": c.path, "ping-interval": ms(c.pingInterval),
		"ping-timeout": ms(c.pingTimeout), "connect-timeout": ms(c.connectTimeout),
		"recovery": ms(c.recovery), "parser": c.parser,
		"upgrade-timeout": ms(
			c.upgradeTimeout,
		),
		"poll-hold": ms(c.pollHold), "poll-pace": ms(c.pollPace), "max-payload": strconv.Itoa(c.maxPayload),
		"buffer-limit": strconv.Itoa(c.bufferLimit), "cors-origin": c.corsOrigin,
		"cors-credentials": strconv.FormatBool(c.corsCredentials),
		"allow-eio3":       strconv.FormatBool(c.allowEIO3),
		"log-level":        strings.ToLower(c.logLevel.String()),
	}
}

// override changes a function's environment to what the options say: those that were given.
func (s *stack) override(env map[string]string, engineIO bool) {
	for name, value := range s.config.variables() {
		if s.config.set(name) {
			env[option{name: name}.env()] = value
		}
	}
	if s.config.set("app") && s.config.served().AnyOrigin {
		env["NONSTICK_CORS_ORIGIN"] = s.config.corsOrigin
	}
	if engineIO {
		env["NONSTICK_APP"], env["NONSTICK_PATH"] = s.engineIO().Name, enginePath
	}
}

// route makes the APIs.
func (s *stack) route(context.Context) error {
	s.service.server = direct.NewServer(emulator.Config{
		Endpoint: s.urls.webSocket + s.service.stage, Limits: limitsOf(s.config), Services: s.services, Logger: s.log,
		Authorize: s.callers.Check, ARN: s.templates[0].WebSocketAPI,
	})
	paths := []string{"/", enginePath}
	for i := len(s.templates) - 1; i >= 0; i-- { // "/" is for what is left
		t := s.templates[i]
		webSocket, err := routes(t.WebSocket)
		if err != nil {
			return err
		}
		polling, err := routes(t.HTTP)
		if err != nil {
			return err
		}
		h, err := proxy.New(s.functions, s.queues, polling, webSocket)
		if err != nil {
			return err
		}
		api := emulator.API{Path: paths[i], Sets: []emulator.Handlers{h}, Concurrent: true}
		api.EmptyFrames = s.config.emptyResponse == "frame" && responds(t.WebSocket)
		if queued(t.WebSocket) {
			api.Concurrent, api.Dispatch = false, s.dispatch()
		}
		s.service.server.Route(api)
	}
	s.checkTimes()
	return nil
}

// distribute puts CloudFront in front of the APIs, where the template has it.
func (s *stack) distribute(context.Context) error {
	list := s.templates[0].Distributions
	if len(list) == 0 {
		return nil
	}
	if len(list) > 1 {
		s.log.Warn("not emulated", "what", "a second distribution of CloudFront")
	}
	c := edge.Config{
		ID: list[0].ID, Default: list[0].Default, Methods: list[0].Methods, Function: list[0].Function, Logger: s.log,
	}
	for _, o := range list[0].Origins {
		c.Origins = append(c.Origins, edge.Origin{
			ID: o.ID, URL: o.URL, Headers: o.Headers, Attempts: o.Attempts, ConnectTime: o.ConnectTime,
			ReadTime: o.ReadTime,
		})
	}
	d, err := edge.New(c)
	if err != nil {
		return err
	}
	s.front = d
	if s.config.set("path") {
		s.log.Warn(withoutEffect, "what", "--path: the function of CloudFront goes by the path of the template")
	}
	s.service.front = newFront(d, s.log)
	return nil
}

// checkTimes names the options that are of queues, where the template has none that they are about.
func (s *stack) checkTimes() {
	t := s.templates[0]
	if s.config.dispatchJitter > 0 && !queued(t.WebSocket) {
		s.log.Warn(withoutEffect, "what", "--dispatch-jitter: no frame of the WebSocket API goes to a queue")
	}
	if s.config.emptyResponse == "frame" && !responds(t.WebSocket) {
		s.log.Warn(withoutEffect, "what", "--empty-response: the WebSocket API has no route response")
	}
	if s.config.queueP50 > 0 && !slices.ContainsFunc(t.Queues, func(q template.Queue) bool { return q.FIFO }) {
		s.log.Warn(withoutEffect, "what", "--queue-p50: the template has no FIFO queue")
	}
}

func routes(from []template.Route) ([]proxy.Route, error) {
	var to []proxy.Route
	for _, r := range from {
		m, err := mapping.Parse(r.Mapping)
		if err != nil {
			return nil, fmt.Errorf("route %s: %w", r.Key, err)
		}
		to = append(to, proxy.Route{
			Key: r.Key, Function: r.Function, Responds: r.Responds, Queue: r.Queue, Mapping: m, Denied: r.Denied,
		})
	}
	return to, nil
}
