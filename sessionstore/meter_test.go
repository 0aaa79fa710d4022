package sessionstore_test

import (
	"slices"
	"sync"
	"testing"

	"github.com/nonstick-io/nonstick/sessionstore"
)

func TestOpNames(t *testing.T) {
	seen := make(map[string]bool)
	for op := sessionstore.OpCreate; op <= sessionstore.OpMark; op++ {
		name := op.String()
		if name == "" || name == "unknown" || seen[name] {
			t.Errorf("operation %d is named %q", op, name)
		}
		seen[name] = true
	}
	for op, want := range map[sessionstore.Op]string{
		sessionstore.OpCreate: "Create", sessionstore.OpRenew: "Renew", sessionstore.OpRegister: "Register",
		sessionstore.OpPutSocket: "PutSocket", sessionstore.OpReap: "Reap", sessionstore.OpAck: "Ack",
		sessionstore.OpMark + 1: "unknown", 255: "unknown",
	} {
		if got := op.String(); got != want {
			t.Errorf("operation %d is named %q, want %q", op, got, want)
		}
	}
}

func TestMeter(t *testing.T) {
	var m sessionstore.Meter
	one := sessionstore.Usage{Calls: 1, Reads: 2, Writes: 3, ReadMilliUnits: 500, WriteMilliUnits: 4000}
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 100 {
				m.Add(sessionstore.OpGet, one)
				m.Add(sessionstore.OpAck, sessionstore.Usage{Calls: 1})
				m.Add(sessionstore.OpLeaseShard, one)
			}
		})
	}
	wg.Wait()
	want := sessionstore.Usage{
		Calls: 400, Reads: 800, Writes: 1200, ReadMilliUnits: 200_000, WriteMilliUnits: 1_600_000,
	}
	if got := m.Op(sessionstore.OpGet); got != want {
		t.Errorf("Get cost %+v, want %+v", got, want)
	}
	want.Calls = 800 // the sweeper's do not count
	if got := m.Total(); got != want {
		t.Errorf("in all %+v, want %+v", got, want)
	}
	var ops []sessionstore.Op
	m.Each(func(op sessionstore.Op, _ sessionstore.Usage) { ops = append(ops, op) })
	if !slices.Equal(ops, []sessionstore.Op{sessionstore.OpGet, sessionstore.OpLeaseShard, sessionstore.OpAck}) {
		t.Errorf("each: %v", ops)
	}
}

func TestUsageSub(t *testing.T) {
	a := sessionstore.Usage{Calls: 10, Reads: 20, Writes: 30, ReadMilliUnits: 40, WriteMilliUnits: 50}
	b := sessionstore.Usage{Calls: 1, Reads: 2, Writes: 3, ReadMilliUnits: 4, WriteMilliUnits: 5}
	if got, want := a.Sub(
		b,
	), (sessionstore.Usage{Calls: 9, Reads: 18, Writes: 27, ReadMilliUnits: 36, WriteMilliUnits: 45}); got != want {
		t.Errorf("difference %+v, want %+v", got, want)
	}
}

func TestNilMeter(t *testing.T) {
	var m *sessionstore.Meter
	m.Add(sessionstore.OpGet, sessionstore.Usage{Calls: 1})
	if m.Op(sessionstore.OpGet) != (sessionstore.Usage{}) || m.Total() != (sessionstore.Usage{}) {
		t.Error("a nil meter counted")
	}
	m.Each(func(op sessionstore.Op, _ sessionstore.Usage) { t.Errorf("a nil meter has %s", op) })
}
