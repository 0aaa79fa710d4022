//go:build unix

package lambda

import (
	"os/exec"
	"runtime"
	"sync"
	"syscall"
)

// spawner starts processes, all from one thread: a process that is to end with its parent ends with the thread
// that started it.
type spawner struct {
	requests chan spawning
	done     chan struct{}
}

type spawning struct {
	cmd    *exec.Cmd
	result chan error
}

func newSpawner() *spawner {
	s := &spawner{requests: make(chan spawning), done: make(chan struct{})}
	go func() {
		defer close(s.done)
		runtime.LockOSThread() // and never unlocked: the thread ends with the goroutine
		for r := range s.requests {
			r.result <- r.cmd.Start()
		}
	}()
	return s
}

// start starts a process in a group of its own.
func (s *spawner) start(cmd *exec.Cmd) (*process, error) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	endWithParent(cmd.SysProcAttr)
	r := spawning{cmd: cmd, result: make(chan error, 1)}
	s.requests <- r
	if err := <-r.result; err != nil {
		return nil, err
	}
	return &process{cmd: cmd}, nil
}

// close may be called when nothing is started any more, and every process has ended.
func (s *spawner) close() {
	close(s.requests)
	<-s.done
}

// process is a process and those it started, as long as they stay in its group.
type process struct {
	cmd *exec.Cmd

	mu   sync.Mutex
	over bool // waited for: its number may be another's
}

// wait returns when the process has ended, and what it had started is killed; the error says how it ended.
func (p *process) wait() error {
	err := p.cmd.Wait()
	p.kill()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.over = true
	return err
}

// kill ends the group, frozen or not; freeze stops it, and thaw lets it go on.
func (p *process) kill()   { p.signal(syscall.SIGKILL) }
func (p *process) freeze() { p.signal(syscall.SIGSTOP) }
func (p *process) thaw()   { p.signal(syscall.SIGCONT) }

func (p *process) signal(s syscall.Signal) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.over {
		_ = syscall.Kill(-p.cmd.Process.Pid, s) // it may have ended
	}
}
