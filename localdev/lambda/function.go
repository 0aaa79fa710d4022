//go:build unix

package lambda

import (
	"fmt"
	"slices"
	"sync"
	"time"
)

// function is a deployed function and its environments.
type function struct {
	Function
	platform *Platform
	out      *logFile

	mu     sync.Mutex
	envs   []*environment // all whose process lives
	idle   []*environment // frozen; the one used last is at the end
	counts Stats          // guarded by mu
}

// begin gives an invocation to an environment: to an idle one, else to a new one, else it is throttled.
func (f *function) begin(inv *invocation) error {
	account := f.platform.account
	if !account.enter(&f.Function) {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.counts.Throttles++
		return errAccount
	}
	err := f.place(inv, func() { account.leave(&f.Function) })
	if err != nil {
		account.leave(&f.Function)
	}
	return err
}

// place is begin within the account's concurrency. When it has returned nil, left is called at the end of the
// invocation.
func (f *function) place(inv *invocation, left func()) error {
	f.mu.Lock()
	var e *environment
	if n := len(f.idle); n > 0 {
		e = f.idle[n-1]
		f.idle = f.idle[:n-1]
	} else if len(f.envs) >= f.Concurrency {
		f.counts.Throttles++
		f.mu.Unlock()
		return ErrThrottled
	}
	cold := e == nil
	if cold {
		e = f.add()
	}
	f.counts.Invocations++
	f.mu.Unlock()
	if f.platform.enter(func() { f.serve(e, inv, cold, left) }) {
		return nil
	}
	if cold {
		f.remove(e)
	}
	return ErrStopping
}

// add makes an environment without a process. The caller holds mu.
func (f *function) add() *environment {
	e := newEnvironment(f)
	f.envs = append(f.envs, e)
	f.counts.ColdStarts++
	f.counts.Peak = max(f.counts.Peak, len(f.envs))
	return e
}

// serve sees an invocation through, on a cold environment after its start.
func (f *function) serve(e *environment, inv *invocation, cold bool, left func()) {
	defer close(inv.done)
	defer left() // before the caller may make another
	if !cold && e.ended() {
		// It was killed while it was frozen: the service knows, and takes another.
		f.mu.Lock()
		e, cold = f.add(), true
		f.mu.Unlock()
	}
	limit := f.Timeout
	if cold {
		var fault *fault
		if e, limit, fault = f.start(e); fault != nil {
			inv.fail(fault)
			f.count(fault)
			return
		}
	}
	usable, fault := e.run(inv, limit)
	f.count(fault)
	if usable {
		f.park(e)
	}
}

// start starts the environment's process. A start that fails is repeated once, as the service does, on the time
// of the invocation; what is left of that is returned.
func (f *function) start(e *environment) (*environment, time.Duration, *fault) {
	fault := e.start(f.platform.config.Init)
	if fault == nil {
		return e, f.Timeout, nil
	}
	f.remove(e)
	f.platform.log.Warn(
		"function did not start, trying again", "function", f.Name, "error", fault.message, "log", e.said,
	)
	f.mu.Lock()
	e = f.add()
	f.mu.Unlock()
	began := time.Now()
	if fault = e.start(f.Timeout); fault != nil {
		f.remove(e)
		return nil, 0, fault
	}
	return e, f.Timeout - time.Since(began), nil
}

// park makes a frozen environment available, or ends it if its program has been replaced.
func (f *function) park(e *environment) {
	f.mu.Lock()
	retired := e.retired
	if !retired && slices.Contains(f.envs, e) { // else it was killed meanwhile
		e.idleSince = time.Now()
		f.idle = append(f.idle, e)
	}
	f.mu.Unlock()
	if retired {
		e.kill()
	}
}

// remove forgets an environment whose process has ended or did not start.
func (f *function) remove(e *environment) {
	f.mu.Lock()
	defer f.mu.Unlock()
	is := func(o *environment) bool { return o == e }
	f.envs = slices.DeleteFunc(f.envs, is)
	f.idle = slices.DeleteFunc(f.idle, is)
}

// count counts how an invocation went, and says so if it went wrong.
func (f *function) count(fault *fault) {
	if fault == nil {
		return
	}
	f.mu.Lock()
	f.counts.Errors++
	if fault.kind == kindTimeout {
		f.counts.Timeouts++
	}
	f.mu.Unlock()
	select {
	case <-f.platform.stop: // and so is everything
		return
	default:
	}
	f.platform.log.Error("function failed", "function", f.Name, "type", string(fault.kind), "error", fault.message)
}

// billed counts what an invocation costs.
func (f *function) billed(ms int64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.counts.BilledMs += ms
}

// crashed counts a process that ended by itself: the platform did not end it.
func (f *function) crashed() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.counts.Crashes++
}

// answered notes the size of an answer.
func (f *function) answered(size int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.counts.LargestAnswer = max(f.counts.LargestAnswer, size)
}

// reap ends the environments that are idle since before a time.
func (f *function) reap(before time.Time) {
	f.mu.Lock()
	var old []*environment
	f.idle = slices.DeleteFunc(f.idle, func(e *environment) bool {
		if e.idleSince.Before(before) {
			old = append(old, e)
			return true
		}
		return false
	})
	f.mu.Unlock()
	for _, e := range old {
		e.kill()
	}
}

// killAll ends every process of the function.
func (f *function) killAll() {
	f.mu.Lock()
	all := slices.Clone(f.envs)
	f.mu.Unlock()
	for _, e := range all {
		e.kill()
	}
}

func (f *function) stats() Stats {
	f.mu.Lock()
	defer f.mu.Unlock()
	s := f.counts
	s.Function, s.Concurrency, s.Busy, s.PIDs = f.Name, f.Concurrency, len(f.envs)-len(f.idle), []int{}
	s.Memory, s.LogBytes = f.Memory, f.out.bytes()
	for _, e := range f.envs {
		if pid := e.pid.Load(); pid != 0 {
			s.PIDs = append(s.PIDs, int(pid))
		}
	}
	return s
}

// environ is the environment of a process, without what names the process itself.
func (f *function) environ() []string {
	region := f.platform.config.Region
	set := map[string]string{
		"AWS_LAMBDA_FUNCTION_NAME": f.Name, "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
		"AWS_LAMBDA_FUNCTION_MEMORY_SIZE": fmt.Sprint(f.Memory), "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
		"AWS_LAMBDA_LOG_GROUP_NAME": "/aws/lambda/" + f.Name, "AWS_REGION": region, "AWS_DEFAULT_REGION": region,
		"AWS_EXECUTION_ENV": "AWS_Lambda_provided.al2023", "_HANDLER": f.Handler,
		"PATH": "/usr/local/bin:/usr/bin:/bin", "LANG": "en_US.UTF-8", "TZ": ":UTC",
	}
	for _, more := range []map[string]string{f.Environment, f.platform.config.Environment} {
		for k, v := range more {
			set[k] = v
		}
	}
	list := make([]string, 0, len(set))
	for k, v := range set {
		list = append(list, k+"="+v)
	}
	return list
}
