package engine

import (
	"context"
	"sync"
	"time"
)

// lane bounds how much work of one kind is under way. Work that takes long makes room for other work, so that a few
// slow pieces hold no other up; a second, greater bound is for all of it.
type lane struct {
	quick time.Duration // how long a piece holds one of the slots at most; 0 if it holds it until it frees it
	slots chan struct{}
	all   chan struct{}
	group sync.WaitGroup
}

// newLane returns a lane that begins up to slots pieces within quick, and has up to most under way.
func newLane(slots, most int, quick time.Duration) *lane {
	return &lane{quick: quick, slots: make(chan struct{}, slots), all: make(chan struct{}, most)}
}

// start runs f beside its caller once there is room, for which it waits until ctx ends. It reports whether f runs.
func (l *lane) start(ctx context.Context, f func()) bool {
	return l.startFreeing(ctx, func(func()) { f() })
}

// startFreeing is start for work that can free its slot before it ends.
func (l *lane) startFreeing(ctx context.Context, f func(free func())) bool {
	if ctx.Err() != nil {
		return false
	}
	select {
	case l.all <- struct{}{}:
	case <-ctx.Done():
		return false
	}
	select {
	case l.slots <- struct{}{}:
	case <-ctx.Done():
		<-l.all
		return false
	}
	l.group.Go(func() {
		defer func() { <-l.all }()
		free := sync.OnceFunc(func() { <-l.slots })
		defer free()
		if l.quick > 0 {
			slow := time.AfterFunc(l.quick, free)
			defer slow.Stop()
		}
		f(free)
	})
	return true
}

// full reports whether start would wait for work that is slow.
func (l *lane) full() bool { return len(l.all) == cap(l.all) }

// wait returns when nothing is under way.
func (l *lane) wait() { l.group.Wait() }
