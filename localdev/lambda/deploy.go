//go:build unix

package lambda

import "fmt"

// Deploy gives a function another program, the bootstrap in dir, as UpdateFunctionCode does on AWS: calls that are
// being served are finished by the program that has begun them, all that follow get the new one. The folder of the
// old program has to stay until those calls have ended. Error: [ErrNotFound].
func (p *Platform) Deploy(name, dir string) error {
	f := p.functions[name]
	if f == nil {
		return fmt.Errorf("deploy %q: %w", name, ErrNotFound)
	}
	f.mu.Lock()
	f.Dir = dir
	for _, e := range f.envs {
		e.retired = true
	}
	idle := f.idle
	f.idle = nil
	f.mu.Unlock()
	for _, e := range idle {
		e.kill()
	}
	return nil
}
