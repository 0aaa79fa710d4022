package simulation

import (
	"context"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nonstick-io/nonstick/internal/ids"
	"github.com/nonstick-io/nonstick/sessionstore"
)

// proc is one request at one instance: what a crash ends.
type proc struct {
	*source // decided by the seed and the name, whatever other processes do

	name    string
	crashed atomic.Bool            // a sweeper is several goroutines
	retired bool                   // it reads no more: no client can still be listening to it
	worked  bool                   // it has written something
	links   sessionstore.SessionID // the session that it has linked to an outbox, for a mutant
	joins   *joining               // what it does about a room that has a history; nil if it does not join
}

type procKey struct{}

// procOf returns the process that runs under a context.
func procOf(ctx context.Context) *proc { return ctx.Value(procKey{}).(*proc) }

// newProc makes a process and the context that it runs under.
func (w *world) newProc(ctx context.Context, name string) (context.Context, *proc) {
	name = w.newName(name)
	p := &proc{name: name, source: w.newSource(name)}
	return context.WithValue(ids.WithSource(ctx, p), procKey{}, p), p
}

// newName makes a name one that no process has had: it gets a number if it was given before.
func (w *world) newName(name string) string {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.names[name]++
	if n := w.names[name]; n > 1 {
		name = fmt.Sprintf("%s#%d", name, n)
	}
	return name
}

// source is a source of chance that is decided by a seed and a name.
type source struct {
	mu     sync.Mutex
	chance *rand.ChaCha8
}

func (w *world) newSource(name string) *source {
	var seed [32]byte
	h := fnv.New128a()
	_, _ = fmt.Fprint(h, w.seed, " ", name) // never fails
	h.Sum(seed[:0])
	return &source{chance: rand.NewChaCha8(seed)}
}

// Read makes it a source of ids.
func (s *source) Read(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.chance.Read(b)
}

// draw returns a number below n.
func (s *source) draw(n int) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return int(s.chance.Uint64() % uint64(n))
}

// pause has a process wait, and its turn come after that: what happens at the same moment comes before or after, as
// the scheduler decides.
func (w *world) pause(ctx context.Context, d time.Duration) {
	after(ctx, d)
	w.at(ctx, "wakes", kindOther)
}

// spawn starts a process, which begins when the scheduler lets it; its name orders it among those that wait. The
// channel is closed when it has ended.
func (w *world) spawn(ctx context.Context, name string, f func(context.Context, *proc)) <-chan struct{} {
	ctx, p := w.newProc(ctx, name)
	ended := make(chan struct{})
	w.wg.Add(1)
	go func() {
		defer w.wg.Done()
		defer close(ended)
		w.at(ctx, "begins", kindOther)
		f(ctx, p)
	}()
	return ended
}
