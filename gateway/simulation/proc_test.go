package simulation

import (
	"context"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"sync"
	"sync/atomic"

	"github.com/nonstick-io/nonstick/internal/ids"
)

// proc is one request at one instance: what a crash ends.
type proc struct {
	name    string
	crashed atomic.Bool // a sweeper is several goroutines
	retired bool        // it reads no more: nobody can still be listening to it

	mu     sync.Mutex
	chance *rand.ChaCha8 // decided by the seed and the name, whatever other processes do
}

type procKey struct{}

// procOf returns the process that runs under a context.
func procOf(ctx context.Context) *proc { return ctx.Value(procKey{}).(*proc) }

// newProc makes a process and the context that it runs under. Names that are given twice get a number.
func (w *world) newProc(ctx context.Context, name string) (context.Context, *proc) {
	w.mu.Lock()
	w.names[name]++
	if n := w.names[name]; n > 1 {
		name = fmt.Sprintf("%s#%d", name, n)
	}
	w.mu.Unlock()
	var seed [32]byte
	h := fnv.New128a()
	_, _ = fmt.Fprint(h, w.seed, " ", name) // never fails
	h.Sum(seed[:0])
	p := &proc{name: name, chance: rand.NewChaCha8(seed)}
	return context.WithValue(ids.WithSource(ctx, p), procKey{}, p), p
}

// Read makes the process a source of ids.
func (p *proc) Read(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.chance.Read(b)
}

// draw returns a number below n.
func (p *proc) draw(n int) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return int(p.chance.Uint64() % uint64(n))
}

// spawn starts a process, which begins when the scheduler lets it; its name orders it among those that wait. The channel is closed
// when it has ended.
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
