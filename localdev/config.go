package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// config is what the flags and the environment say.
type config struct {
	addr             string
	path             string
	store            string
	dynamoDBEndpoint string
	table            string
	instances        int
	app              string
	pingInterval     time.Duration
	pingTimeout      time.Duration
	connectTimeout   time.Duration
	upgradeTimeout   time.Duration
	pollHold         time.Duration
	maxPayload       int
	bufferLimit      int
	memoryLimit      int
	corsOrigin       string
	corsCredentials  bool
	limits           string
	push             string
	inbound          string
	dispatchJitter   time.Duration
	queueP50         time.Duration
	queueP99         time.Duration
	logLevel         slog.Level

	// what is of --template
	template    string
	parameters  map[string]string
	built       string
	concurrency int
	idle        time.Duration
	logs        string

	// given are the values that were set, by the names of their options.
	given map[string]string
}

// set reports whether an option was.
func (c *config) set(name string) bool {
	_, ok := c.given[name]
	return ok
}

// option is one flag, which is an environment variable too.
type option struct {
	name, arg, usage string
}

// env is the option's environment variable: NONSTICK_PING_INTERVAL for --ping-interval.
func (o option) env() string {
	return "NONSTICK_" + strings.ToUpper(strings.ReplaceAll(o.name, "-", "_"))
}

// flags declares the options on fs and returns them in the order of the help text.
func (c *config) flags(fs *flag.FlagSet) []option {
	var all []option
	add := func(name, arg, usage string) (string, string) {
		all = append(all, option{name, arg, usage})
		return name, usage
	}
	text := func(p *string, name, arg, value, usage string) {
		n, u := add(name, arg, usage)
		fs.StringVar(p, n, value, u)
	}
	number := func(p *int, name, arg string, value int, usage string) {
		n, u := add(name, arg, usage)
		fs.IntVar(p, n, value, u)
	}
	duration := func(p *time.Duration, name string, value time.Duration, usage string) {
		n, u := add(name, "DURATION", usage)
		fs.DurationVar(p, n, value, u)
	}
	text(&c.addr, "addr", "HOST:PORT", "127.0.0.1:3000", "address to listen on; port 0 picks a free one")
	text(&c.path, "path", "PATH", "/socket.io/", "path of the Socket.IO API, with a slash at both ends")
	text(&c.app, "app", "NAME", "chat", "application to serve: chat, protocol (what the official test suites ask for), bench (to measure) or cases (a handler for each thing that users ask about)")
	text(&c.store, "store", "NAME", "memory", "where sessions live: memory or dynamodb")
	text(&c.dynamoDBEndpoint, "dynamodb-endpoint", "URL", "", "endpoint of DynamoDB, for instance http://127.0.0.1:8000; empty means that of the AWS region")
	text(&c.table, "table", "NAME", "nonstick", "name of the DynamoDB table; created if an endpoint is given")
	number(&c.instances, "instances", "N", 1, "sets of handlers that take turns at every request and every frame, 1 to 64")
	duration(&c.pingInterval, "ping-interval", 25*time.Second, "time between a pong and the next ping")
	duration(&c.pingTimeout, "ping-timeout", 20*time.Second, "time to answer a ping")
	duration(&c.connectTimeout, "connect-timeout", 45*time.Second, "time to join a namespace; 0 means for ever")
	duration(&c.upgradeTimeout, "upgrade-timeout", 10*time.Second, "time to complete an upgrade to WebSocket")
	duration(&c.pollHold, "poll-hold", 20*time.Second, "time that a GET waits for packets, at most 28s")
	number(&c.maxPayload, "max-payload", "BYTES", 1_000_000, "greatest body of a POST, and greatest message with --limits none")
	number(&c.bufferLimit, "buffer-limit", "BYTES", 4<<20, "what may wait for a polling client before its session is closed")
	number(&c.memoryLimit, "memory-limit", "MIB", 512, "what --store memory holds, roughly, before new clients are refused (503)")
	text(&c.corsOrigin, "cors-origin", "LIST", "", "origins that may use polling, and, if it is a list, WebSockets: with commas, * for all, or off; default off, * with --app protocol")
	n, u := add("cors-credentials", "", "let pages of those origins send cookies")
	fs.BoolVar(&c.corsCredentials, n, false, u)
	text(&c.limits, "limits", "NAME", "aws", "limits to enforce: aws (those of API Gateway) or none (binary frames, large messages)")
	text(&c.push, "push", "HOW", "direct", "pushes to connections of this process: direct (a call) or api (signed HTTP, as on AWS)")
	text(&c.inbound, "inbound", "HOW", "", "frames of one connection: ordered (one at a time) or concurrent (at once); with --template its parameter Inbound; default ordered, or the template's")
	n, u = add("log-level", "LEVEL", "debug, info, warn or error")
	fs.TextVar(&c.logLevel, n, slog.LevelInfo, u)
	text(&c.template, "template", "FILE", "", "run the functions of a SAM template, as processes; what is given above overrides their environment")
	n, u = add("parameter", "NAME=VALUE", "(with --template) a parameter of the template; may be repeated")
	fs.Func(n, u, c.addParameter)
	text(&c.built, "built", "DIR", "", "(with --template) folder with the functions built already, each as ID/bootstrap; empty means that they are built now")
	duration(&c.dispatchJitter, "dispatch-jitter", 0, "(with --template) frames that come this close together may overtake each other on their way to a queue; on AWS perhaps 15ms")
	duration(&c.queueP50, "queue-p50", 0, "(with --template) time that a FIFO queue takes to deliver, median; measured on AWS: 28ms")
	duration(&c.queueP99, "queue-p99", 0, "(with --template) the same, 99th percentile; measured on AWS: 645ms")
	number(&c.concurrency, "concurrency", "N", 50, "(with --template) environments of each function at a time, unless the template reserves fewer; calls above are throttled")
	duration(&c.idle, "idle", 5*time.Minute, "(with --template) time after which an environment that is not used is ended")
	text(&c.logs, "logs", "DIR", "", "(with --template) folder for the logs of the functions; empty means .cache/localdev beside the template")
	return all
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

var errParameter = errors.New("want NAME=VALUE")

// parseConfig reads the arguments, then the environment for what they do not say. It returns flag.ErrHelp
// after it has written the help text to out.
func parseConfig(args []string, env func(string) (string, bool), out io.Writer) (config, error) {
	var c config
	fs := flag.NewFlagSet("localdev", flag.ContinueOnError)
	fs.SetOutput(io.Discard)
	options := c.flags(fs)
	err := fs.Parse(args)
	if errors.Is(err, flag.ErrHelp) {
		help(fs, options, out)
		return c, err
	}
	if err != nil {
		return c, err
	}
	if fs.NArg() > 0 {
		return c, fmt.Errorf("unexpected argument %q", fs.Arg(0))
	}
	c.given = map[string]string{}
	fs.Visit(func(f *flag.Flag) { c.given[f.Name] = f.Value.String() })
	for _, o := range options {
		value, ok := env(o.env())
		if !ok || c.set(o.name) {
			continue
		}
		if err := fs.Set(o.name, value); err != nil {
			return c, fmt.Errorf("invalid value %q for %s: %w", value, o.env(), err)
		}
		c.given[o.name] = value
	}
	if c.corsOrigin == "" {
		c.corsOrigin = map[bool]string{true: "*", false: "off"}[c.app == "protocol"]
	}
	if c.inbound == "" {
		c.inbound = "ordered" // the default of our template, too
	}
	return c, c.check()
}

// help writes the help text.
func help(fs *flag.FlagSet, options []option, out io.Writer) {
	fmt.Fprint(out, `localdev runs Nonstick on this machine: API Gateway (HTTP, WebSocket and @connections), the functions
behind it, their queue and the sweeper, all in one process; or, with --template, the functions of a SAM
template as processes of their own, as Lambda runs them, with SQS and DynamoDB Local.

Usage: localdev [flags]

Every flag is an environment variable too; the flag wins.

`)
	for _, o := range options {
		fmt.Fprintf(out, "  --%s\n        %s\n        %s", strings.TrimSpace(o.name+" "+o.arg), o.usage, o.env())
		if def := fs.Lookup(o.name).DefValue; def != "" {
			fmt.Fprintf(out, " (default %s)", def)
		}
		fmt.Fprintln(out)
	}
	fmt.Fprint(out, `
GET /healthz answers 200 while the server accepts connections. With --template, GET /localdev/state counts
functions and queues, and POST /localdev/deploy builds the functions anew and goes on with the new ones,
while connections stay. An interrupt stops everything in an orderly way; a second one at once.
`)
}

// check says what is wrong with the configuration, all of it.
func (c *config) check() error {
	var wrong []error
	demand := func(ok bool, format string, args ...any) {
		if !ok {
			wrong = append(wrong, fmt.Errorf(format, args...))
		}
	}
	_, port, err := net.SplitHostPort(c.addr)
	n, portErr := strconv.ParseUint(port, 10, 16)
	demand(err == nil && portErr == nil && n <= 65535, "--addr %q: want HOST:PORT", c.addr)
	demand(len(c.path) > 2 && strings.HasPrefix(c.path, "/") && strings.HasSuffix(c.path, "/"), "--path %q: want a path with a slash at both ends", c.path)
	demand(c.path != enginePath || c.app != "protocol", "--path %s: is taken by --app protocol", enginePath)
	c.checkNames(demand)
	demand(c.instances >= 1 && c.instances <= 64, "--instances %d: want 1 to 64", c.instances)
	demand(c.pingInterval > 0, "--ping-interval %s: must be above 0", c.pingInterval)
	demand(c.pingTimeout > 0, "--ping-timeout %s: must be above 0", c.pingTimeout)
	demand(c.connectTimeout >= 0, "--connect-timeout %s: must not be negative", c.connectTimeout)
	demand(c.upgradeTimeout > 0, "--upgrade-timeout %s: must be above 0", c.upgradeTimeout)
	demand(c.pollHold > 0 && c.pollHold <= 28*time.Second, "--poll-hold %s: want up to 28s, for a request ends after 30s", c.pollHold)
	demand(c.maxPayload > 0 && c.maxPayload <= 10<<20, "--max-payload %d: want 1 to %d", c.maxPayload, 10<<20)
	demand(c.memoryLimit > 0, "--memory-limit %d: must be above 0", c.memoryLimit)
	demand(c.bufferLimit > 0, "--buffer-limit %d: must be above 0", c.bufferLimit)
	c.checkTemplate(demand)
	return errors.Join(wrong...)
}

// checkTemplate checks the options that are of --template, or do not go with it.
func (c *config) checkTemplate(demand func(bool, string, ...any)) {
	with := c.template != ""
	for _, name := range []string{"parameter", "built", "concurrency", "idle", "logs", "dispatch-jitter", "queue-p50", "queue-p99"} {
		demand(with || !c.set(name), "--%s: is of --template", name)
	}
	for _, name := range []string{"instances", "push", "table"} {
		demand(!with || !c.set(name), "--%s: does not go with --template", name)
	}
	demand(!with || c.store == "dynamodb" || !c.set("store"), "--store %s: the functions of a template use dynamodb", c.store)
	demand(c.concurrency >= 1 && c.concurrency <= 1000, "--concurrency %d: want 1 to 1000", c.concurrency)
	demand(c.dispatchJitter >= 0, "--dispatch-jitter %s: must not be negative", c.dispatchJitter)
	demand(c.queueP50 >= 0 && c.queueP99 >= c.queueP50, "--queue-p99 %s: want --queue-p50 (%s) or more", c.queueP99, c.queueP50)
	demand(c.idle > 0, "--idle %s: must be above 0", c.idle)
}

// checkNames checks the options that choose by name.
func (c *config) checkNames(demand func(bool, string, ...any)) {
	oneOf := func(name, value string, allowed ...string) {
		for _, a := range allowed {
			if value == a {
				return
			}
		}
		demand(false, "--%s %q: want %s", name, value, strings.Join(allowed, ", "))
	}
	if c.template == "" { // else the functions know which they have
		oneOf("app", c.app, "chat", "protocol", "bench", "cases")
	}
	oneOf("store", c.store, "memory", "dynamodb")
	oneOf("limits", c.limits, "aws", "none")
	oneOf("push", c.push, "direct", "api")
	oneOf("inbound", c.inbound, "concurrent", "ordered")
	demand(tableName.MatchString(c.table), "--table %q: want 3 to 200 letters, digits and _-.", c.table)
	demand(c.dynamoDBEndpoint == "" || isURL(c.dynamoDBEndpoint), "--dynamodb-endpoint %q: want a URL as http://127.0.0.1:8000", c.dynamoDBEndpoint)
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

func isURL(s string) bool {
	u, err := url.Parse(s)
	return err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Host != ""
}
