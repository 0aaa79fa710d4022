package edge

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"time"

	"github.com/dop251/goja"
)

// MaxCode is the greatest size of a function's code in bytes.
const MaxCode = 10 << 10

// runTime is how long a function may run. CloudFront bounds its computing, to about a millisecond; a laptop may be
// busy with something else.
const runTime = time.Second

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
	if _, _, err := f.load(&call{}); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrCode, err)
	}
	return f, nil
}

// call is one run of a function: what its helper methods have said.
type call struct {
	origin string // that it has selected; empty: none
}

// load makes a runtime with the function in it. Each run has a new one, for what code keeps in globals must not be seen
// by the next request.
func (f *Function) load(c *call) (*goja.Runtime, goja.Callable, error) {
	vm := goja.New()
	err := vm.Set("require", func(name string) (map[string]any, error) {
		if name != "cloudfront" {
			return nil, fmt.Errorf("the module %q is not emulated, only cloudfront is", name)
		}
		return c.helpers(), nil
	})
	if err == nil {
		err = vm.Set("console", map[string]any{"log": func(...any) {}})
	}
	if err == nil {
		_, err = bounded(vm, func() (goja.Value, error) { return vm.RunProgram(f.program) })
	}
	if err != nil {
		return nil, nil, err
	}
	handler, ok := goja.AssertFunction(vm.Get("handler"))
	if !ok {
		return nil, nil, errors.New("there is no function handler")
	}
	return vm, handler, nil
}

// bounded runs code for as long as a function may run.
func bounded(vm *goja.Runtime, run func() (goja.Value, error)) (goja.Value, error) {
	timer := time.AfterFunc(runTime, func() { vm.Interrupt("it took longer than a function may") })
	defer timer.Stop()
	return run()
}

// helpers are the methods of the module cloudfront.
func (c *call) helpers() map[string]any {
	missing := func(name string) func(...any) error {
		return func(...any) error { return fmt.Errorf("cloudfront.%s is not emulated", name) }
	}
	return map[string]any{
		"selectRequestOriginById":  func(id string) { c.origin = id },
		"updateRequestOrigin":      missing("updateRequestOrigin"),
		"createRequestOriginGroup": missing("createRequestOriginGroup"),
		"kvs":                      missing("kvs"),
	}
}

// run calls the handler with an event. What it returns is the request, maybe changed, or a response.
func (f *Function) run(event map[string]any) (result map[string]any, origin string, err error) {
	c := &call{}
	vm, handler, err := f.load(c)
	if err != nil {
		return nil, "", fmt.Errorf("%w: %w", ErrRun, err)
	}
	v, err := bounded(vm, func() (goja.Value, error) {
		parsed, err := parse(vm, event)
		if err != nil {
			return nil, err
		}
		return handler(goja.Undefined(), parsed)
	})
	if err != nil {
		return nil, "", fmt.Errorf("%w: %w", ErrRun, err)
	}
	out := v.Export()
	if p, ok := out.(*goja.Promise); ok { // of an async function; there is nothing in it that could wait
		switch p.State() {
		case goja.PromiseStateFulfilled:
			out = p.Result().Export()
		case goja.PromiseStateRejected:
			return nil, "", fmt.Errorf("%w: %s", ErrRun, p.Result())
		case goja.PromiseStatePending:
			return nil, "", fmt.Errorf("%w: it waits for what never comes", ErrRun)
		}
	}
	m, ok := out.(map[string]any)
	if !ok {
		return nil, "", fmt.Errorf("%w: handler returned %s, and must return a request or a response", ErrResult,
			strings.TrimSpace(fmt.Sprint(out)))
	}
	return m, c.origin, nil
}

// parse makes an event an object of the runtime, as plain as one that the code makes itself.
func parse(vm *goja.Runtime, event map[string]any) (goja.Value, error) {
	text, err := json.Marshal(event)
	if err != nil {
		return nil, err
	}
	read, _ := goja.AssertFunction(vm.Get("JSON").ToObject(vm).Get("parse"))
	return read(goja.Undefined(), vm.ToValue(string(text)))
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
	result, origin, err := f.run(eventOf(r, "TEST", "1"))
	if err != nil {
		return Outcome{}, err
	}
	if status := statusOf(result); status != 0 {
		return Outcome{Status: status}, nil
	}
	as, err := read(result, r)
	return Outcome{Origin: origin, URI: as.path, Query: as.query, Headers: as.header}, err
}
