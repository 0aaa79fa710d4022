package laptop

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"math"
	"net"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/nonstick-io/nonstick/gateway"
	"github.com/nonstick-io/nonstick/gateway/engine"
	"github.com/nonstick-io/nonstick/gateway/eventsout"
	"github.com/nonstick-io/nonstick/internal/bundle"
	"github.com/nonstick-io/nonstick/internal/socketio"
)

// config is what the flags and the environment say.
type config struct {
	program          Program
	addr             string
	hosts            string
	webSocketAddr    string
	path             string
	store            string
	dynamoDBEndpoint string
	table            string
	instances        int
	app              string
	pingInterval     time.Duration
	pingTimeout      time.Duration
	connectTimeout   time.Duration
	recovery         time.Duration
	parser           string
	upgradeTimeout   time.Duration
	pollHold         time.Duration
	pollPace         time.Duration
	maxPayload       int
	bufferLimit      int
	memoryLimit      int
	corsOrigin       string
	corsCredentials  bool
	allowEIO3        bool
	client           string
	limits           string
	push             string
	inbound          string
	emptyResponse    string
	dispatchJitter   time.Duration
	queueP50         time.Duration
	queueP99         time.Duration
	logLevel         slog.Level
	events           string
	eventsOut        string
	what             eventsout.What // eventsOut, as read

	// what is of --template
	template           string
	parameters         map[string]string
	built              string
	concurrency        int
	accountConcurrency int
	accountRequests    int
	accountConnects    int
	idle               time.Duration
	logs               string

	// given are the values that were set, by the names of their options.
	given map[string]string
}

// set reports whether an option was.
func (c *config) set(name string) bool {
	_, ok := c.given[name]
	return ok
}

// flags declares the options on fs.
func (c *config) flags(fs *flag.FlagSet) *declaration {
	d := &declaration{fs: fs}
	d.group = "What is served, and where:"
	d.text(&c.addr, "addr", "HOST:PORT", "127.0.0.1:3000", "address to listen on; port 0 picks a free one")
	d.text(
		&c.hosts, "hosts", "HOW", "one",
		"one (both APIs on the address, as behind a front) or two (the WebSocket API on a port of its own, "+
			"as AWS has them without a front). Where the template has CloudFront in front, that is at the address, and "+
			"each API at a free port, which is said at the start",
	)
	d.text(
		&c.webSocketAddr, "websocket-addr", "HOST:PORT", "",
		"(with --hosts two) address of the WebSocket API; empty means the next port after that of --addr",
	)
	d.text(&c.path, "path", "PATH", "/socket.io/", "path of the Socket.IO API, with a slash at both ends")
	c.app = c.program.Apps[0].Name
	if c.program.chooses() {
		d.text(&c.app, "app", "NAME", c.app, "application to serve: "+c.program.usage())
	}
	d.text(
		&c.corsOrigin, "cors-origin", "LIST", "",
		"origins that may use polling, and, if it is a list, WebSockets: with commas, * for all, or off; "+
			"default "+c.program.origins(),
	)
	d.toggle(&c.corsCredentials, "cors-credentials", "let pages of those origins send cookies")
	d.toggle(&c.allowEIO3, "allow-eio3", "let clients of Socket.IO v2 and before connect, and JSONP")
	d.text(
		&c.client, "client", "DIR", "",
		"folder with the Socket.IO client for browsers (socket.io.min.js and its like), which is served below the path; "+
			"empty means a folder client beside the program, or node_modules here or in a folder above",
	)
	d.level(&c.logLevel, "log-level", "LEVEL", slog.LevelInfo, "debug, info, warn or error")
	d.text(
		&c.events, "events", "FILE", "",
		"write what happens to sockets to a file as lines of JSON, behind what it has; - means the standard output",
	)
	d.text(
		&c.eventsOut, "events-out", "LIST", "connect,disconnect,join,leave",
		"(with --events) what is written: these, and event:NAME for events of clients, with commas between them",
	)

	d.group = "Sessions and their times:"
	positive := func(most time.Duration) span { return span{least: time.Millisecond, most: most} }
	d.duration(&c.pingInterval, "ping-interval", 25*time.Second, positive(0), "time between a pong and the next ping")
	d.duration(&c.pingTimeout, "ping-timeout", 20*time.Second, positive(0), "time to answer a ping")
	d.duration(
		&c.connectTimeout, "connect-timeout", 45*time.Second, span{}, "time to join a namespace; 0 means for ever",
	)
	d.duration(
		&c.upgradeTimeout, "upgrade-timeout", 10*time.Second, positive(0), "time to complete an upgrade to WebSocket",
	)
	d.duration(
		&c.pollHold, "poll-hold", 20*time.Second, positive(28*time.Second),
		"time that a GET waits for packets, at most 28s: a request ends after 30s",
	)
	d.duration(
		&c.pollPace, "poll-pace", 250*time.Millisecond, span{least: engine.LeastPollPace, most: 10 * time.Second},
		"(with --store dynamodb or --template) time between two looks of a waiting GET at the table, at most",
	)
	d.duration(
		&c.recovery,
		"recovery",
		0,
		span{most: gateway.MaxRecovery, example: 2 * time.Minute},
		"time that a socket waits for a client that lost its connection, and then gets what it missed; 0 means not at all",
	)
	d.text(
		&c.parser, "parser", "NAME", "json",
		"parser of the clients: json (Socket.IO's default) or msgpack (socket.io-msgpack-parser)",
	)
	d.number(
		&c.maxPayload, "max-payload", "BYTES", 1_000_000, 1, 10<<20,
		"greatest body of a POST, and greatest frame of a WebSocket",
	)
	d.number(
		&c.bufferLimit, "buffer-limit", "BYTES", 4<<20, 1, math.MaxInt32,
		"what may wait for a polling client before its session is closed",
	)

	d.group = "Where sessions live:"
	d.text(&c.store, "store", "NAME", "memory", "memory or dynamodb")
	d.number(
		&c.memoryLimit, "memory-limit", "MIB", 512, 1, 1<<20,
		"(with --store memory) what it holds, roughly, before new clients are refused (503)",
	)
	d.text(
		&c.dynamoDBEndpoint,
		"dynamodb-endpoint",
		"URL",
		"",
		"(with --store dynamodb or --template) endpoint of DynamoDB, for instance http://127.0.0.1:8000; empty means that of the AWS region, with --template a DynamoDB Local of its own",
	)
	d.text(
		&c.table, "table", "NAME", "nonstick",
		"(with --store dynamodb) name of the table; created if an endpoint is given",
	)

	d.group = "The platform:"
	d.text(
		&c.limits, "limits", "NAME", "aws",
		"limits to enforce: aws (those of API Gateway) or none (binary frames, large messages)",
	)
	d.text(
		&c.inbound,
		"inbound",
		"HOW",
		"",
		"frames of one connection: ordered (one at a time) or concurrent (at once); with --template its parameter Inbound; default ordered, or the template's",
	)
	d.text(
		&c.emptyResponse,
		"empty-response",
		"HOW",
		"nothing",
		"what the client gets where a route response has an empty body: nothing or frame (an empty one); AWS does not say which",
	)
	d.text(
		&c.push, "push", "HOW", "direct",
		"pushes to connections of this process: direct (a call) or api (signed HTTP, as on AWS)",
	)
	d.number(
		&c.instances, "instances", "N", 1, 1, 64, "sets of handlers that take turns at every request and every frame",
	)

	d.group = "With --template:"
	d.text(
		&c.template, "template", "FILE", "",
		"run the functions of a SAM template, as processes; what is given above overrides their environment",
	)
	d.add(
		"parameter", "NAME=VALUE", "a parameter of the template; may be repeated", c.addParameter,
		func() string { return "" },
	)
	d.text(
		&c.built, "built", "DIR", "",
		"folder with the functions built already, each as ID/bootstrap; empty means that they are built now",
	)
	d.number(
		&c.concurrency, "concurrency", "N", 50, 1, 1000,
		"environments of each function at a time, unless the template reserves fewer; calls above are throttled",
	)
	d.number(
		&c.accountConcurrency,
		"account-concurrency",
		"N",
		1000,
		1,
		1_000_000,
		"invocations at a time of all functions for which the template reserves nothing, together with what it reserves; on AWS 1000, in new accounts 10",
	)
	d.number(
		&c.accountRequests,
		"account-requests",
		"N",
		0,
		0,
		1_000_000,
		"requests, connects, frames and pushes a second that API Gateway takes of the account, above which it answers 429; 0 means any number, on AWS 10000, in newer Regions 2500",
	)
	d.number(
		&c.accountConnects, "account-connects", "N", 0, 0, 1_000_000,
		"new WebSockets a second that API Gateway takes of the account; 0 means any number, on AWS 500",
	)
	d.duration(&c.idle, "idle", 5*time.Minute, positive(0), "time after which an environment that is not used is ended")
	d.text(
		&c.logs, "logs", "DIR", "",
		"folder for the logs of the functions; empty means .cache/localdev beside the template",
	)
	d.duration(
		&c.dispatchJitter, "dispatch-jitter", 0, span{example: 15 * time.Millisecond},
		"frames that come this close together may overtake each other on their way to a queue; on AWS perhaps 15ms",
	)
	d.duration(
		&c.queueP50, "queue-p50", 0, span{example: 28 * time.Millisecond},
		"time that a FIFO queue takes to deliver, median; measured on AWS: 28ms",
	)
	d.duration(
		&c.queueP99, "queue-p99", 0, span{example: 645 * time.Millisecond},
		"the same, 99th percentile; measured on AWS: 645ms",
	)
	return d
}

// addParameter reads NAME=VALUE.
func (c *config) addParameter(s string) error {
	name, value, ok := strings.Cut(s, "=")
	if !ok || name == "" {
		return errParameter
	}
	if c.parameters == nil {
		c.parameters = map[string]string{}
	}
	c.parameters[name] = value
	return nil
}

var errParameter = errors.New("want NAME=VALUE, for example PingInterval=60s")

// parseConfig reads the arguments, then the environment for what they do not say. It returns flag.ErrHelp
// after it has written the help text or the version to out; another error says all that is wrong.
func (p Program) parseConfig(args []string, env func(string) (string, bool), out io.Writer) (config, error) {
	c := config{program: p}
	fs := flag.NewFlagSet(p.Name, flag.ContinueOnError)
	fs.SetOutput(io.Discard)
	d := c.flags(fs)
	version := fs.Bool("version", false, "") // its line of the help text is in help
	err := fs.Parse(args)
	if errors.Is(err, flag.ErrHelp) {
		p.help(fs, d.options, out)
		return c, err
	}
	if err != nil {
		return c, errors.New(strings.Replace(err.Error(), ": -", ": --", 1)) // as the help text writes flags
	}
	if *version {
		p.writeVersion(out)
		return c, flag.ErrHelp
	}
	if fs.NArg() > 0 {
		return c, fmt.Errorf("unexpected argument %q", fs.Arg(0))
	}
	c.given = map[string]string{}
	fs.Visit(func(f *flag.Flag) { c.given[f.Name] = f.Value.String() })
	for _, o := range d.options {
		value, ok := env(o.env())
		if !ok || c.set(o.name) {
			continue
		}
		if err := o.read(value); err != nil {
			d.wrong = append(d.wrong, badValue(o.env(), value, err))
		}
		c.given[o.name] = value
	}
	if c.corsOrigin == "" {
		c.corsOrigin = defaultOrigins(c.served())
	}
	if c.inbound == "" {
		c.inbound = "ordered" // the default of our template, too
	}
	return c, errors.Join(append(d.wrong, c.check())...)
}

// check says what is wrong with the configuration, all of it.
func (c *config) check() error {
	var wrong []error
	demand := func(ok bool, format string, args ...any) {
		if !ok {
			wrong = append(wrong, fmt.Errorf(format, args...))
		}
	}
	demand(isAddress(c.addr), "--addr %q: want HOST:PORT, for example 127.0.0.1:3000", c.addr)
	demand(
		c.webSocketAddr == "" || isAddress(c.webSocketAddr),
		"--websocket-addr %q: want HOST:PORT, for example 127.0.0.1:3001", c.webSocketAddr,
	)
	demand(
		len(c.path) > 2 && strings.HasPrefix(c.path, "/") && strings.HasSuffix(c.path, "/"),
		"--path %q: want a path with a slash at both ends, for example /socket.io/", c.path,
	)
	demand(c.client == "" || bundle.In(c.client), "--client %q: there is no socket.io.min.js in that folder", c.client)
	demand(c.path != enginePath || c.served().EngineIO.New == nil, "--path %s: is taken by --app %s", enginePath, c.app)
	var err error
	c.what, err = eventsout.ParseWhat(c.eventsOut)
	demand(err == nil, "--events-out %q: %w", c.eventsOut, err)
	c.checkNames(demand)
	c.checkModes(demand)
	return errors.Join(wrong...)
}

// checkNames checks the options that choose by name.
func (c *config) checkNames(demand func(bool, string, ...any)) {
	oneOf := func(name, value string, allowed ...string) {
		for _, a := range allowed {
			if value == a {
				return
			}
		}
		demand(false, "--%s %q: want one of %s", name, value, strings.Join(allowed, ", "))
	}
	if c.template == "" { // else the functions know which they have
		oneOf("app", c.app, c.program.names()...)
	}
	oneOf("hosts", c.hosts, "one", "two")
	oneOf("store", c.store, "memory", "dynamodb")
	oneOf("limits", c.limits, "aws", "none")
	oneOf("empty-response", c.emptyResponse, "nothing", "frame")
	oneOf("push", c.push, "direct", "api")
	oneOf("inbound", c.inbound, "concurrent", "ordered")
	oneOf("parser", c.parser, socketio.JSON.String(), socketio.MsgPack.String())
	demand(
		tableName.MatchString(c.table), "--table %q: want 3 to 200 letters, digits and _-., for example nonstick",
		c.table,
	)
	demand(
		c.dynamoDBEndpoint == "" || isURL(c.dynamoDBEndpoint),
		"--dynamodb-endpoint %q: want a URL as http://127.0.0.1:8000", c.dynamoDBEndpoint,
	)
	for _, o := range c.origins() {
		demand(o == "*" || isURL(o), "--cors-origin %q: want an origin as https://example.com, * or off", o)
		demand(o != "*" || len(c.origins()) == 1, "--cors-origin: * stands alone")
		demand(o != "*" || !c.corsCredentials, "--cors-credentials: browsers want the origins named, not *")
	}
}

// origins returns the allowed origins; none if CORS is off.
func (c *config) origins() []string {
	if c.corsOrigin == "off" {
		return nil
	}
	var list []string
	for o := range strings.SplitSeq(c.corsOrigin, ",") {
		list = append(list, strings.TrimSpace(o))
	}
	return list
}

// tableName is what DynamoDB takes, with room for a suffix of ours.
var tableName = regexp.MustCompile(`^[A-Za-z0-9_.-]{3,200}$`)

// isAddress reports whether s is an address to listen on.
func isAddress(s string) bool {
	_, port, err := net.SplitHostPort(s)
	_, portErr := strconv.ParseUint(port, 10, 16)
	return err == nil && portErr == nil
}

func isURL(s string) bool {
	u, err := url.Parse(s)
	return err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Host != ""
}
