//go:build unix

package lambda

import (
	"fmt"
	"sync"
)

// Check starts a process of every function, ends it, and returns what those said that did not get ready, by the names
// of the functions. A function whose configuration is wrong would say so at its first call only, where a client
// waits. Nothing of it counts in [Platform.Stats].
func (p *Platform) Check() map[string]error {
	var mu sync.Mutex
	var all sync.WaitGroup
	failed := map[string]error{}
	for name, f := range p.functions {
		all.Go(func() {
			if err := f.check(); err != nil {
				mu.Lock()
				defer mu.Unlock()
				failed[name] = err
			}
		})
	}
	all.Wait()
	return failed
}

// check starts one process and ends it.
func (f *function) check() error {
	f.mu.Lock()
	e := newEnvironment(f)
	f.mu.Unlock()
	e.test = true
	if fault := e.start(f.platform.config.Init); fault != nil {
		return fmt.Errorf("lambda: %s: %s", fault.message, e.said)
	}
	e.kill()
	<-e.gone
	return nil
}
