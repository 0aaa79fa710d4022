package edge

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"reflect"
	"regexp"
	"strings"
	"time"

	"github.com/dop251/goja"
)

// MaxCode is the greatest size of a function's code in bytes.
const MaxCode = 10 << 10

// runTime is how long a function may run. CloudFront bounds its computing, to about a millisecond; a laptop may be
// busy with something else.
var runTime = time.Second

// maxCalls is how deep calls may go. CloudFront gives a function 2 MB.
const maxCalls = 1000

// Errors of a [Function].
var (
	// ErrCode: the code of a function cannot be used.
	ErrCode = errors.New("edge: invalid function")
	// ErrRun: the function threw, or took too long. The viewer gets 503.
	ErrRun = errors.New("edge: function failed")
	// ErrResult: what the function returned cannot be used. The viewer gets 502.
	ErrResult = errors.New("edge: invalid result of the function")
)

// Function is the code of a CloudFront function. Safe for concurrent use: as at CloudFront, a request sees nothing that
// another one has left behind.
type Function struct{ program *goja.Program }

// imports finds what runtime 2.0 calls the modules that are built in. The engine here knows no modules.
var imports = regexp.MustCompile(
	`(?m)^[ \t]*import[ \t]+([A-Za-z_$][A-Za-z0-9_$]*)[ \t]+from[ \t]+['"]([a-z]+)['"][ \t]*;?`,
)

// restrict takes away what the runtime of CloudFront does not have: code that is made of text.
var restrict = goja.MustCompile("restrict", `(() => {
  const refuse = (name) => function () { throw new EvalError(name + ' is not allowed in a CloudFront function'); };
  globalThis.eval = refuse('eval');
  for (const f of [function () {}, async function () {}]) {
    const prototype = Object.getPrototypeOf(f);
    const constructor = refuse('Function');
    constructor.prototype = prototype;
    Object.defineProperty(prototype, 'constructor', { value: constructor });
  }
  globalThis.Function = (function () {}).constructor;
})()`, true)

// NewFunction reads the code of a function, which has a function called handler. Errors: [ErrCode].
func NewFunction(code string) (*Function, error) {
	if len(code) > MaxCode {
		return nil, fmt.Errorf("%w: it has %d bytes, and may have %d", ErrCode, len(code), MaxCode)
	}
	program, err := goja.Compile("function", imports.ReplaceAllString(code, `const $1 = require("$2");`), true)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrCode, err)
	}
	f := &Function{program: program}
	if _, err := f.load(slog.New(slog.DiscardHandler)); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrCode, err)
	}
	return f, nil
}

// call is one run of a function, in a runtime of its own: what code keeps in globals must not be seen by the next
// request.
type call struct {
	vm      *goja.Runtime
	handler goja.Callable
	log     *slog.Logger
	origin  string // that the helper methods have selected; empty: none
	// The runtime's own JSON and String, as they were before the code could replace them.
	parse, stringify, text goja.Callable
}

// load makes a runtime with the function in it.
func (f *Function) load(log *slog.Logger) (*call, error) {
	c := &call{vm: goja.New(), log: log}
	c.vm.SetMaxCallStackSize(maxCalls)
	begin := time.Now()
	c.vm.SetTimeSource(func() time.Time { return begin }) // a function cannot measure time
	if _, err := c.vm.RunProgram(restrict); err != nil {
		return nil, err
	}
	c.text, _ = goja.AssertFunction(c.vm.Get("String"))
	c.parse, _ = goja.AssertFunction(c.vm.Get("JSON").ToObject(c.vm).Get("parse"))
	c.stringify, _ = goja.AssertFunction(c.vm.Get("JSON").ToObject(c.vm).Get("stringify"))
	for name, value := range map[string]any{
		"require": c.require, "console": map[string]any{"log": c.say},
	} {
		if err := c.vm.Set(name, value); err != nil {
			return nil, err
		}
	}
	if err := c.bounded(func() error {
		_, err := c.vm.RunProgram(f.program)
		return err
	}); err != nil {
		return nil, err
	}
	var ok bool
	if c.handler, ok = goja.AssertFunction(c.vm.Get("handler")); !ok {
		return nil, errors.New("there is no function handler")
	}
	return c, nil
}

// bounded runs code for as long as a function may run.
func (c *call) bounded(run func() error) error {
	timer := time.AfterFunc(runTime, func() { c.vm.Interrupt("it took longer than a function may") })
	defer timer.Stop()
	return run()
}

// require returns a module that is built in.
func (c *call) require(name string) (map[string]any, error) {
	if name != "cloudfront" {
		return nil, fmt.Errorf("the module %q is not emulated, only cloudfront is", name)
	}
	missing := func(name string) func(...any) error {
		return func(...any) error { return fmt.Errorf("cloudfront.%s is not emulated", name) }
	}
	return map[string]any{
		"selectRequestOriginById":  func(id string) { c.origin = id },
		"updateRequestOrigin":      missing("updateRequestOrigin"),
		"createRequestOriginGroup": missing("createRequestOriginGroup"),
		"kvs":                      missing("kvs"),
	}, nil
}

// say is console.log.
func (c *call) say(values ...goja.Value) {
	words := make([]string, len(values))
	for i, v := range values {
		words[i] = v.String()
	}
	c.log.Info("function at viewer-request says", "text", strings.Join(words, " "))
}

// run calls the handler with an event. What it returns is the request, maybe changed, or a response.
func (f *Function) run(event map[string]any, log *slog.Logger) (result map[string]any, origin string, err error) {
	c, err := f.load(log)
	if err != nil {
		return nil, "", fmt.Errorf("%w: %w", ErrRun, err)
	}
	var text string
	if err := c.bounded(func() error {
		text, err = c.handle(event)
		return err
	}); err != nil {
		return nil, "", fmt.Errorf("%w: %w", ErrRun, err)
	}
	if json.Unmarshal([]byte(text), &result) != nil || result == nil {
		return nil, "", fmt.Errorf("%w: handler returned %s, and must return a request or a response", ErrResult, text)
	}
	return result, c.origin, nil
}

// handle calls the handler. Event and result go in and out as JSON: the one is as plain as an object that the code
// makes itself, and of the other nothing runs any more that the code has left in it.
func (c *call) handle(event map[string]any) (string, error) {
	in, err := json.Marshal(event)
	if err != nil {
		return "", err
	}
	parsed, err := c.parse(goja.Undefined(), c.vm.ToValue(string(in)))
	if err != nil {
		return "", err
	}
	v, err := c.handler(goja.Undefined(), parsed)
	if err != nil {
		return "", err
	}
	if v, err = c.settled(v); err != nil {
		return "", err
	}
	out, err := c.stringify(goja.Undefined(), v)
	if err != nil {
		return "", err
	}
	return out.String(), nil
}

// settled is what a handler returned, or what the promise of an async one has become. There is nothing that it could
// wait for.
func (c *call) settled(v goja.Value) (goja.Value, error) {
	o, ok := v.(*goja.Object)
	if !ok || o.ExportType() != reflect.TypeFor[*goja.Promise]() { // to export another object runs what is in it
		return v, nil
	}
	p, ok := o.Export().(*goja.Promise)
	switch {
	case !ok:
		return v, nil
	case p.State() == goja.PromiseStateFulfilled:
		return p.Result(), nil
	case p.State() == goja.PromiseStatePending:
		return nil, errors.New("it waits for what never comes")
	}
	reason, err := c.text(goja.Undefined(), p.Result())
	if err != nil {
		return nil, err
	}
	return nil, errors.New(reason.String())
}

// Request is a request of a viewer, for tests of a function's code.
type Request struct {
	// Method, URI and Query are as in the request line, the query without its question mark.
	Method, URI, Query string
	// Headers are in lower case, Host among them.
	Headers map[string][]string
	// IP is the address of the viewer.
	IP string
}

// Outcome is what a function made of a request.
type Outcome struct {
	// Status is that of a response of the function; 0 if the request goes on.
	Status int
	// Origin is the id of the origin that was selected; empty: the default.
	Origin string
	// URI, Query and Headers are what goes to the origin, Host and the headers of the origin apart.
	URI, Query string
	Headers    http.Header
}

// Run runs the function with a request, as a [Distribution] does. Errors: [ErrRun], [ErrResult].
func (f *Function) Run(in Request) (Outcome, error) {
	r := &http.Request{
		Method: in.Method, URL: &url.URL{Path: in.URI, RawQuery: in.Query}, Header: http.Header{},
		RemoteAddr: net.JoinHostPort(in.IP, "443"),
	}
	for name, lines := range in.Headers {
		if name == "host" {
			r.Host = lines[0]
			continue
		}
		r.Header[http.CanonicalHeaderKey(name)] = lines
	}
	result, origin, err := f.run(eventOf(r, "TEST", "1"), slog.New(slog.DiscardHandler))
	if err != nil {
		return Outcome{}, err
	}
	if isResponse(result) {
		a, err := responseOf(result)
		return Outcome{Status: a.status}, err
	}
	as, err := requestOf(result, r)
	return Outcome{Origin: origin, URI: as.path, Query: as.query, Headers: as.header}, err
}
