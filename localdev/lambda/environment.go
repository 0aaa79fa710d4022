//go:build unix

package lambda

import (
	"fmt"
	"os/exec"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"
)

// samplePause is how often the memory of a running invocation is looked at.
const samplePause = 50 * time.Millisecond

// environment is one process of a function, with the Runtime API that it talks to.
type environment struct {
	// static
	fn   *function
	dir  string           // the task root
	work chan *invocation // to the runtime's request for the next one
	gone chan struct{}    // closed when the process has ended and been seen to
	up   chan struct{}    // closed when the runtime asks for the first time
	pid  atomic.Int64
	peak atomic.Int64 // of memory, in bytes, when it was last looked at
	test bool         // it serves no call, and counts nowhere

	// guarded by fn.mu
	idleSince time.Time
	retired   bool // its program is no longer that of the function

	// owned by start, then by the caller that runs an invocation
	api      *runtimeAPI
	initTime time.Duration
	reported bool   // initTime is in the log
	said     string // the log of a start that failed

	mu      sync.Mutex
	proc    *process
	out     *capture
	killed  bool // from here on it is to end, or never to start
	current *invocation
	asked   bool   // the runtime has asked for the first time
	fault   *fault // why it ends, if that is known
	exit    string
}

// newEnvironment makes one for the program that the function has. The caller holds f.mu.
func newEnvironment(f *function) *environment {
	return &environment{
		fn: f, dir: f.Dir, work: make(chan *invocation), gone: make(chan struct{}), up: make(chan struct{}),
	}
}

// ended reports whether the process has ended.
func (e *environment) ended() bool {
	select {
	case <-e.gone:
		return true
	default:
		return false
	}
}

// start starts the process and waits until its runtime is ready, for limit at most.
func (e *environment) start(limit time.Duration) *fault {
	began := time.Now()
	if err := e.launch(); err != nil {
		return &fault{kind: kindEntrypoint, message: err.Error()}
	}
	if !e.fn.Quiet {
		e.out.note("INIT_START Runtime Version: provided.al2023, emulated")
	}
	timer := time.NewTimer(limit)
	defer timer.Stop()
	var why *fault
	select {
	case <-e.up:
		e.initTime = time.Since(began)
		return nil
	case <-e.gone:
		why = e.why()
	case <-timer.C:
		why = &fault{
			kind: kindTimeout, message: fmt.Sprintf("initialisation timed out after %.2f seconds", limit.Seconds()),
		}
	case <-e.fn.platform.stop:
		why = &fault{kind: kindExit, message: "the platform is stopping"}
	}
	e.kill()
	<-e.gone
	e.out.note(
		fmt.Sprintf(
			"INIT_REPORT Init Duration: %s ms\tPhase: init\tStatus: error\tError Type: %s", ms(time.Since(began)),
			why.kind,
		),
	)
	e.said = string(e.out.flush())
	return why
}

// launch starts the process and the goroutines that look after it.
func (e *environment) launch() (err error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.killed {
		return ErrStopping
	}
	if e.api, err = serveRuntimeAPI(e); err != nil {
		return err
	}
	defer func() {
		if err != nil {
			e.api.close()
		}
	}()
	var child output
	if e.out, child, err = newCapture(e.fn.out); err != nil {
		return err
	}
	defer child.Close()
	cmd := exec.Command(filepath.Join(e.dir, "bootstrap"))
	cmd.Dir, cmd.Env = e.dir, append(e.fn.environ(), "LAMBDA_TASK_ROOT="+e.dir, "AWS_LAMBDA_RUNTIME_API="+e.api.addr)
	cmd.Stdout, cmd.Stderr = child, child
	if e.proc, err = e.fn.platform.spawn.start(cmd); err != nil {
		child.Close()
		e.out.close()
		return fmt.Errorf("start %s: %w", cmd.Path, err)
	}
	e.pid.Store(int64(cmd.Process.Pid))
	if !e.fn.platform.enter(e.watch) {
		e.proc.kill()
		_ = e.proc.wait() // it was killed: how it ended is known
		e.api.close()
		e.out.close()
		return ErrStopping
	}
	return nil
}

// watch waits for the end of the process and cleans up behind it.
func (e *environment) watch() {
	err := e.proc.wait()
	e.pid.Store(0)
	e.mu.Lock()
	e.exit = "Runtime exited without providing a reason"
	if err != nil {
		e.exit = "Runtime exited with error: " + err.Error()
	}
	killed := e.killed
	e.killed = true
	e.mu.Unlock()
	if !killed && !e.test {
		e.fn.crashed()
	}
	e.fn.remove(e)
	e.out.close()
	close(e.gone) // ends the handlers of the Runtime API
	e.api.close()
}

// why is why the process has ended.
func (e *environment) why() *fault {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.fault != nil {
		return e.fault
	}
	return &fault{kind: kindExit, message: e.exit}
}

// kill ends the process, or sees to it that it never starts.
func (e *environment) kill() { e.end(nil) }

// end is kill for a reason, of which the first one counts.
func (e *environment) end(why *fault) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.fault == nil {
		e.fault = why
	}
	e.killed = true
	if e.proc != nil {
		e.proc.kill()
	}
}

// run has the process serve an invocation within limit. It reports whether the environment can be used again;
// then it is frozen.
func (e *environment) run(inv *invocation, limit time.Duration) (usable bool, why *fault) {
	inv.began = time.Now()
	inv.deadline = inv.began.Add(limit)
	if !e.fn.Quiet {
		e.out.note("START RequestId: " + inv.id + " Version: $LATEST")
	}
	e.proc.thaw()
	usable = e.await(inv, limit)
	if usable {
		e.out.drain()
		e.proc.freeze()
	}
	why = e.outcome(inv, usable)
	e.report(inv, why)
	return usable, why
}

// await hands the invocation over and waits for its end. It reports whether the process is ready for another.
func (e *environment) await(inv *invocation, limit time.Duration) bool {
	timer, sample := time.NewTimer(limit), time.NewTicker(samplePause)
	defer timer.Stop()
	defer sample.Stop()
	work := e.work
	for {
		select {
		case work <- inv:
			work = nil
		case <-inv.over:
			return true
		case <-e.gone:
			return false
		case <-timer.C:
			e.end(
				&fault{
					kind:    kindTimeout,
					message: fmt.Sprintf("Task timed out after %.2f seconds", e.fn.Timeout.Seconds()),
				},
			)
		case <-sample.C:
			if used, _ := e.measure(); used > e.fn.Memory<<20 {
				e.end(outOfMemory())
			}
		case <-e.fn.platform.stop:
			e.end(&fault{kind: kindExit, message: "the platform is stopping"})
		}
	}
}

func outOfMemory() *fault {
	return &fault{kind: kindMemory, message: "Runtime exited with error: signal: killed"}
}

// outcome is what became of an invocation: nil, or its fault, which then is its result too.
func (e *environment) outcome(inv *invocation, usable bool) *fault {
	e.mu.Lock()
	answered := inv.answered
	e.current = nil
	e.mu.Unlock()
	switch {
	case answered && inv.result.FunctionError != "":
		return &fault{kind: kindReported, message: string(inv.result.Payload)}
	case answered:
		return nil
	case usable:
		f := &fault{kind: kindExit, message: "Runtime asked for the next invocation without an answer"}
		inv.fail(f)
		return f
	}
	<-e.gone
	f := e.why()
	inv.fail(f)
	return f
}

// report writes the last lines of an invocation's log, as they are on AWS.
func (e *environment) report(inv *invocation, why *fault) {
	took := time.Since(inv.began)
	billed := took
	line := ""
	if !e.reported {
		e.reported = true
		billed += e.initTime
		line = fmt.Sprintf("Init Duration: %s ms\t", ms(e.initTime))
	}
	if why != nil {
		status := map[bool]string{true: "timeout", false: "error"}[why.kind == kindTimeout]
		line += "Status: " + status + "\t"
		if why.kind != kindReported && why.kind != kindTimeout {
			line += "Error Type: " + string(why.kind) + "\t"
		}
	}
	whole := int64((billed + time.Millisecond - 1) / time.Millisecond)
	e.fn.billed(whole)
	if !e.fn.Quiet || why != nil {
		e.out.note("END RequestId: " + inv.id)
		e.out.note(
			fmt.Sprintf(
				"REPORT RequestId: %s\tDuration: %s ms\tBilled Duration: %d ms\tMemory Size: %d MB\tMax Memory Used: %d MB\t%s",
				inv.id, ms(took), whole, e.fn.Memory, e.peak.Load()>>20, line,
			),
		)
	}
	inv.result.Log = e.out.flush()
}

// measure returns the memory that the process uses, and remembers the most that it has used.
func (e *environment) measure() (now, peak int) {
	now, peak = memory(int(e.pid.Load()))
	if peak > 0 { // else it has ended
		e.peak.Store(int64(peak))
	}
	return now, peak
}

func ms(d time.Duration) string { return fmt.Sprintf("%.2f", float64(d)/float64(time.Millisecond)) }
