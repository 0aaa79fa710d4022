//go:build unix

package lambda

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"time"
)

// Why a call did not reach a function. Over the Invoke API each is the exception that it names.
var (
	// ErrNotFound: no function has that name. ResourceNotFoundException, status 404.
	ErrNotFound = errors.New("lambda: no such function")
	// ErrThrottled: all environments that the function may have are busy. TooManyRequestsException, status 429.
	ErrThrottled = errors.New("lambda: no concurrency is left")
	// ErrTooLarge: the payload is above 6 MiB, or 1 MiB of an asynchronous call. RequestTooLargeException, status 413.
	ErrTooLarge = errors.New("lambda: payload too large")
	// ErrLoop: the function was invoked some 16 times by what its own invocations sent or called.
	// RecursiveInvocationException, status 400.
	ErrLoop = errors.New("lambda: the function calls itself, and was stopped")
	// ErrStopping: [Platform.Close] was called. The service has no such error.
	ErrStopping = errors.New("lambda: the platform is stopping")
)

// Limits of the service, in bytes: https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html
const (
	maxPayload      = 6 << 20     // of a call
	maxAnswer       = 6<<20 + 100 // of the answer to one
	maxAsyncPayload = 1 << 20     // of an asynchronous call
)

// Function is a function as it is deployed.
type Function struct {
	// Name is what calls name it by; unique on a platform.
	Name string
	// ARN is what the function and its events know it by: arn:aws:lambda:REGION:ACCOUNT:function:NAME. Chains of calls
	// are counted by it.
	ARN string
	// Dir is the task root: the folder with the program "bootstrap", which runs in it.
	Dir string
	// Handler is what the process finds as _HANDLER.
	Handler string
	// Environment has the variables that the process finds beside those that Lambda sets. Of the variables of this
	// process it finds none.
	Environment map[string]string
	// Memory is in MiB, and must be given (on AWS 128 to 10,240); a process that uses more is killed. It is measured on
	// Linux alone.
	Memory int
	// Timeout must be given (on AWS 1 s to 15 min); it ends an invocation, and with it the environment.
	Timeout time.Duration
	// Concurrency is the greatest number of environments, for the sake of the machine; a call above it is throttled.
	// Zero throttles all.
	Concurrency int
	// Reserved is the function's part of the account's concurrency; nil: it shares what no function reserves.
	Reserved *int
	// AsyncRetries is how often an asynchronous call that failed is repeated, 0 to 2 (on AWS 2 unless said otherwise).
	AsyncRetries int
	// AsyncAge is how long an asynchronous call may wait; 0 means 6 h, the most on AWS.
	AsyncAge time.Duration
	// AllowLoop lets the function be invoked more than 16 times by what its own invocations have sent or called. Else
	// the call is refused.
	AllowLoop bool
	// Quiet leaves out Lambda's own lines of invocations that went well, as LogFormat JSON with a SystemLogLevel of
	// WARN or above does.
	Quiet bool
	// OnFailure is the ARN of the queue that is told of an asynchronous call that failed for good, see
	// [Config].Send; empty: no queue is told.
	OnFailure string
}

// Config is what a [Platform] is made of.
type Config struct {
	// Functions are all functions; their names differ.
	Functions []Function
	// Region is what functions find as AWS_REGION.
	Region string
	// Account is the concurrency of the account, which functions share; 0: without bound. What functions reserve is
	// taken out of it, and must leave 100. On AWS 1,000 in a new account's Region.
	Account int
	// Environment is added to that of every function, and wins.
	Environment map[string]string
	// Idle is how long an environment may wait for its next invocation; 0 means 5 minutes.
	Idle time.Duration
	// Init is how long a cold start may take; 0 means 10 s. It is tried twice.
	Init time.Duration
	// AsyncPauses are the pauses before the repetitions of an asynchronous call; none means 1 and 2 minutes.
	AsyncPauses []time.Duration
	// Send sends a message to the queue of an ARN. Functions with OnFailure need it, others do not.
	Send func(arn, body string) error
	// Authorize decides about a request to [Platform.ServeHTTP]: may the caller that signed r do action,
	// lambda:InvokeFunction, to the function with an ARN, with the version or alias behind it if the caller names one?
	// The text of an error goes to the caller, with 403 AccessDeniedException. Nil: every caller may.
	Authorize func(r *http.Request, action, arn string) error
	// Logs is a folder, made if need be, for a log of each function: NAME.log, begun anew; empty: none is kept.
	Logs string
	// Logger gets what goes wrong; nil discards.
	Logger *slog.Logger
}

// Call is one invocation.
type Call struct {
	Function string // name
	Payload  []byte // JSON, at most 6 MiB; asynchronously at most 1 MiB
	// Trace is the trace header of the caller, X-Amzn-Trace-Id; empty: the call begins a chain.
	Trace string
}

// Result is the answer to a call that reached its function.
type Result struct {
	// RequestID is the invocation's, as the function and its log know it.
	RequestID string
	// Payload is the answer in JSON, at most 6,291,556 bytes.
	Payload []byte
	// FunctionError is empty, or "Unhandled": then Payload describes the error, with errorType and errorMessage.
	FunctionError string
	// Log is the end of the invocation's log, at most 4 KiB.
	Log []byte
}

// Platform runs functions. Make it with [New], and [Platform.Close] it. Safe for concurrent use.
type Platform struct {
	config    Config
	functions map[string]*function
	names     []string
	account   *account
	spawn     *spawner
	log       *slog.Logger
	stop      chan struct{}

	mu       sync.Mutex
	stopping bool           // guarded by mu
	running  sync.WaitGroup // invocations, watchers of processes, the reaper; added to under mu
}

// New starts a platform. No process is started before it is called for. The error matches [ErrReserved] if that is
// wrong.
func New(c Config) (*Platform, error) {
	c.defaults()
	a, err := newAccount(c.Account, c.Functions)
	if err != nil {
		return nil, err
	}
	p := &Platform{
		config: c, account: a, functions: map[string]*function{}, spawn: newSpawner(), log: c.Logger,
		stop: make(chan struct{}),
	}
	for _, spec := range c.Functions {
		if p.functions[spec.Name] != nil {
			return nil, errors.Join(fmt.Errorf("lambda: two functions are called %s", spec.Name), p.Close())
		}
		out, err := openLog(c.Logs, spec.Name)
		if err != nil {
			return nil, errors.Join(err, p.Close())
		}
		p.functions[spec.Name] = &function{Function: spec, platform: p, out: out}
		p.names = append(p.names, spec.Name)
	}
	p.enter(p.reap)
	return p, nil
}

func (c *Config) defaults() {
	if c.Idle == 0 {
		c.Idle = 5 * time.Minute
	}
	if c.Init == 0 {
		c.Init = 10 * time.Second
	}
	if c.AsyncPauses == nil {
		c.AsyncPauses = []time.Duration{time.Minute, 2 * time.Minute}
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
}

// Invoke calls a function and waits for its answer. If ctx ends first its error is returned, and the function
// runs on, as it does on AWS. Errors: [ErrNotFound], [ErrThrottled], [ErrTooLarge], [ErrLoop],
// [ErrStopping].
func (p *Platform) Invoke(ctx context.Context, c Call) (Result, error) {
	f := p.functions[c.Function]
	if f == nil {
		return Result{}, fmt.Errorf("invoke %q: %w", c.Function, ErrNotFound)
	}
	if len(c.Payload) > maxPayload {
		return Result{}, fmt.Errorf("invoke %s with %d bytes: %w", c.Function, len(c.Payload), ErrTooLarge)
	}
	return p.invoke(ctx, f, newInvocation(newRequestID(), c))
}

// invoke makes a call whose invocation has its id.
func (p *Platform) invoke(ctx context.Context, f *function, inv *invocation) (Result, error) {
	if !f.AllowLoop && inv.chain.loops(f.ARN) {
		f.mu.Lock()
		f.counts.Loops++
		f.mu.Unlock()
		return Result{}, fmt.Errorf("invoke %s: %w", f.Name, ErrLoop)
	}
	if err := f.begin(inv); err != nil {
		return Result{}, fmt.Errorf("invoke %s: %w", f.Name, err)
	}
	select {
	case <-inv.done:
		return inv.result, nil
	case <-ctx.Done():
		return Result{}, fmt.Errorf("invoke %s: %w", f.Name, ctx.Err())
	}
}

// function returns what is deployed under a name.
func (p *Platform) function(name string) (Function, bool) {
	f := p.functions[name]
	if f == nil {
		return Function{}, false
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.Function, true
}

// enter runs f on a goroutine that Close waits for. It reports false, and does not, if the platform stops.
func (p *Platform) enter(f func()) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.stopping {
		return false
	}
	p.running.Go(f)
	return true
}

// reap ends environments that have been idle for too long.
func (p *Platform) reap() {
	tick := time.NewTicker(max(p.config.Idle/10, 10*time.Millisecond))
	defer tick.Stop()
	for {
		select {
		case <-p.stop:
			return
		case now := <-tick.C:
			for _, f := range p.functions {
				f.reap(now.Add(-p.config.Idle))
			}
		}
	}
}

// Close kills every process, frozen ones too, and waits until all have ended. Calls that are running fail.
func (p *Platform) Close() error {
	p.mu.Lock()
	first := !p.stopping
	p.stopping = true
	p.mu.Unlock()
	if first {
		close(p.stop)
	}
	for _, f := range p.functions {
		f.killAll()
	}
	p.running.Wait()
	var errs []error
	if first {
		p.spawn.close()
		for _, f := range p.functions {
			errs = append(errs, f.out.close())
		}
	}
	return errors.Join(errs...)
}

// Stats are the counts of a function since the start, and its processes now.
type Stats struct {
	Function    string `json:"function"`    // name
	Invocations int64  `json:"invocations"` // that reached an environment
	ColdStarts  int64  `json:"coldStarts"`  // environments that were started for a call
	Errors      int64  `json:"errors"`      // reported by the function, crashes and timeouts included
	Crashes     int64  `json:"crashes"`     // processes that ended by themselves, or were killed from outside
	Timeouts    int64  `json:"timeouts"`    // invocations killed for their time
	Throttles   int64  `json:"throttles"`   // calls that found no concurrency
	Loops       int64  `json:"loops"`       // calls that were refused since the function calls itself
	Concurrency int    `json:"concurrency"` // the limit
	// LargestAnswer is in bytes, as the function sent it: what the limit is on.
	LargestAnswer int `json:"largestAnswer"`
	// BilledMs is what Lambda bills: milliseconds of invocations, each rounded up, and of starts.
	BilledMs int64 `json:"billedMs"`
	Memory   int   `json:"memory"` // MiB, as configured
	// LogBytes is what CloudWatch would take in: the function's lines, and Lambda's own.
	LogBytes int64 `json:"logBytes"`
	Busy     int   `json:"busy"` // environments that serve an invocation
	Peak     int   `json:"peak"` // the most environments at a time
	PIDs     []int `json:"pids"` // of the processes that run or are frozen
}

// Stats returns the counts of all functions, in the order of the configuration.
func (p *Platform) Stats() []Stats {
	all := make([]Stats, 0, len(p.names))
	for _, name := range p.names {
		all = append(all, p.functions[name].stats())
	}
	return all
}
