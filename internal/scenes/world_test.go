package scenes

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/nonstick-io/nonstick"
	"github.com/nonstick-io/nonstick/gateway/engine"
	"github.com/nonstick-io/nonstick/sessionstore"
)

// scene is the clients that are there beside the healthy ones.
type scene struct {
	name    string
	trouble map[kind]int
	rooms   int  // of each silent client
	emit    bool // in the middle a program emits to the healthy clients and to some of the others
	// slowCloses is what the store takes for the write that closes a session: it is slow for that alone.
	slowCloses time.Duration
}

const (
	healthyClients = 200
	// handlerTime and the tries bound each disconnect handler.
	handlerTime  = 2 * time.Second
	handlerTries = 2
	// hangingAtOnce is how many disconnect handlers of one namespace run at a time.
	hangingAtOnce = 512
)

var scenes = []scene{
	{name: "a silent client in 1,000 rooms", trouble: map[kind]int{silent: 1}, rooms: 1000},
	{name: "disconnect handlers that hang", trouble: map[kind]int{hanging: 8}},
	{name: "a namespace whose disconnect handlers all hang", trouble: map[kind]int{crowding: 1500, silent: 20}},
	{name: "connections that are busy", trouble: map[kind]int{full: 1000}},
	{name: "connections whose pushes hang", trouble: map[kind]int{stuck: 200}},
	{name: "an emit to members that do not read", trouble: map[kind]int{full: 300}, emit: true},
	{name: "an emit to members whose pushes hang", trouble: map[kind]int{stuck: 100}, emit: true},
	{
		name: "an emit while the store is slow to close sessions", trouble: map[kind]int{full: 300}, emit: true,
		slowCloses: 3 * time.Second,
	},
	everything,
}

var everything = scene{
	name: "everything", trouble: map[kind]int{silent: 1, hanging: 8, full: 1000, stuck: 50}, rooms: 1000, emit: true,
}

// senderTime is how long an emit to the crowd takes at most. Members that are busy take 0.75 s, and those whose
// pushes hang two seconds, all beside one another; 64 more that hang begin each tenth of a second. Where the store is
// slow, the ends of members take half a second, or a second for all of them.
func (s scene) senderTime() time.Duration {
	d := 800 * time.Millisecond
	if n := min(s.trouble[stuck], crowd); n > 0 {
		d = 2*time.Second + time.Duration(1+n/64)*100*time.Millisecond
	}
	if s.slowCloses > 0 {
		d += time.Second
	}
	return d
}

// endTime is how long the end of a client may take from when it was cut off: the time of its disconnect handler, in
// its turn.
func (s scene) endTime(k kind) time.Duration {
	d := time.Second
	switch k {
	case hanging:
		d += handlerTries * handlerTime
	case crowding:
		turns := 1 + (s.trouble[crowding]-1)/hangingAtOnce
		d += time.Duration(turns) * (handlerTries*handlerTime + time.Second)
	case healthy, silent, full, stuck:
	}
	return d
}

// world is a server with its clients.
type world struct {
	t        *testing.T
	scene    scene
	cure     cure
	store    *watched
	interval time.Duration
	timeout  time.Duration
	server   *nonstick.Server
	platform *platform
	clients  []*client
	givenUp  atomic.Int32
	took     []time.Duration // by each emit
	slack    time.Duration   // what the store may be slower than a real one, when very much is to be done at once
	stall    atomic.Int64    // the longest read of one item, in nanoseconds: so long this machine held everything up
	bad      []string        // what was wrong
}

// play plays a scene: all clients connect, and are there for two pings; then all ends have to be finished. It returns
// what was wrong.
func play(
	t *testing.T, s scene, store sessionstore.Store, interval, timeout, slack time.Duration, missing cure,
) []string {
	t.Helper()
	w := &world{
		t: t, scene: s, cure: missing, store: &watched{Store: store, closes: s.slowCloses, missing: missing},
		interval: interval, timeout: timeout, slack: slack,
	}
	w.platform = &platform{
		interval: interval, clients: map[string]*client{}, missing: missing, one: make(chan struct{}, 1),
	}
	out := io.Discard
	if testing.Verbose() {
		out = os.Stderr
	}
	log := slog.New(slog.NewTextHandler(out, &slog.HandlerOptions{Level: slog.LevelError}))
	pool := engine.NewPool(log)
	w.server = nonstick.New(nonstick.Config{
		Store: w.store, Pusher: w.platform, Logger: log, Ends: broken{pool, missing}, DisconnectTime: handlerTime,
		DisconnectTries: handlerTries,
		Options:         engine.Options{PingInterval: interval, PingTimeout: timeout},
		Hooks:           engine.Hooks{HandlerGivenUp: func() { w.givenUp.Add(1) }},
	})
	w.platform.engine = w.server.Engine()
	w.register("/")
	w.register(crowdedNamespace)

	ctx, cancel := context.WithCancel(context.Background())
	var background sync.WaitGroup
	background.Go(func() { _ = w.server.Engine().Sweep(ctx) })
	background.Go(func() { pool.Run(ctx, missing.finish(w.server.Engine().Finish)) })
	background.Go(func() { w.probe(ctx) })
	defer background.Wait()
	defer w.platform.end()
	defer cancel()

	begun := time.Now()
	w.connect()
	t.Logf("%d clients after %s", len(w.clients), time.Since(begun).Round(time.Millisecond))
	time.Sleep(interval / 2)
	if s.emit {
		w.emit()
	}
	// Two pings; and a client that cannot be pinged has given up an interval and a timeout after the first.
	time.Sleep(2*interval + 2*timeout)
	w.check(begun)
	return w.bad
}

func (w *world) wrong(format string, args ...any) {
	w.bad = append(w.bad, fmt.Sprintf(format, args...))
}

// probe reads an item again and again: a machine that is busy with something else is not the server's fault.
func (w *world) probe(ctx context.Context) {
	for ctx.Err() == nil {
		begun := time.Now()
		if _, err := w.store.Get(
			ctx, "none", begun,
		); err != nil && !errors.Is(err, sessionstore.ErrNotFound) &&
			ctx.Err() == nil {
			w.t.Logf("probe: %v", err)
		}
		w.stall.Store(max(w.stall.Load(), int64(time.Since(begun))))
		time.Sleep(100 * time.Millisecond)
	}
}

// register sets the handlers of a namespace.
func (w *world) register(name string) {
	type auth struct {
		Kind  kind `json:"kind"`
		Rooms int  `json:"rooms"`
		Crowd bool `json:"crowd"`
	}
	nsp := w.server.Of(name)
	nsp.OnConnect(func(ctx context.Context, s *nonstick.Socket) error {
		a, err := nonstick.Auth[auth](ctx, s)
		rooms := make([]string, a.Rooms)
		for i := range rooms {
			rooms[i] = fmt.Sprintf("room-%d", i)
		}
		if a.Crowd {
			rooms = append(rooms, "crowd")
		}
		return errors.Join(err, s.SetData(ctx, "kind", a.Kind), s.Join(ctx, rooms...))
	})
	nsp.OnDisconnect(func(ctx context.Context, s *nonstick.Socket, _ nonstick.Reason) error {
		if k, _, err := nonstick.Data[kind](ctx, s, "kind"); err != nil || k != hanging && k != crowding {
			return err
		}
		<-ctx.Done()
		return ctx.Err()
	})
}

// connect connects all clients, several at a time.
func (w *world) connect() {
	w.t.Helper()
	want := map[kind]int{healthy: healthyClients}
	for k, n := range w.scene.trouble {
		want[k] = n
	}
	var mu sync.Mutex
	var group errgroup.Group
	group.SetLimit(32)
	for k, n := range want {
		for i := range n {
			rooms := 0
			if k == silent {
				rooms = w.scene.rooms
			}
			group.Go(func() error {
				c, err := w.platform.connect(context.Background(), i, k, rooms)
				if err != nil {
					return err
				}
				mu.Lock()
				defer mu.Unlock()
				w.clients = append(w.clients, c)
				return nil
			})
		}
	}
	if err := group.Wait(); err != nil {
		w.t.Fatal(err)
	}
}

// emits is how often the crowd is emitted to: the sender waits for a member in trouble once.
const emits = 3

// emit emits to the crowd. The sender sees no error, and does not wait for those that do not read.
func (w *world) emit() {
	for range emits {
		begun := time.Now()
		if err := w.server.To("crowd").Emit(context.Background(), "news", 1); err != nil {
			w.wrong("an emit to all of them: %v", err)
		}
		w.took = append(w.took, time.Since(begun))
	}
}

// check looks at every client.
func (w *world) check(begun time.Time) {
	w.t.Helper()
	w.awaitEnds()
	cut, unpinged := 0, 0
	var late time.Duration
	longest := map[kind]time.Duration{}
	for _, c := range w.clients {
		c.mu.Lock()
		at, closed := c.closedAt, c.closed
		if c.kind == healthy {
			late = max(late, c.late)
			if closed {
				cut++
			}
			if c.pings < 2 {
				unpinged++
			}
		}
		c.mu.Unlock()
		if c.kind == healthy {
			continue
		}
		if ended, ok := w.store.finishedAt(c.sid); ok && closed {
			longest[c.kind] = max(longest[c.kind], ended.Sub(at))
		}
	}
	stall := time.Duration(w.stall.Load())
	w.t.Logf(
		"healthy clients cut: %d of %d; latest ping %s late; ends took %v; handlers given up %d; emits took %v; longest read of an item %s; all in %s",
		cut, healthyClients, late.Round(time.Millisecond), longest, w.givenUp.Load(), w.took,
		stall.Round(time.Millisecond), time.Since(begun).Round(time.Millisecond),
	)
	if cut > 0 || unpinged > 0 || late > w.timeout/2+2*stall {
		w.wrong("healthy clients cut: %d, without their two pings: %d; latest ping %s late", cut, unpinged, late)
	}
	for k, took := range longest {
		if most := w.scene.endTime(k) + w.slack + w.scene.slowCloses; took > most {
			w.wrong("the end of a client that is %s took %s, at most %s were expected", k, took, most)
		}
	}
	if got, want := int(w.givenUp.Load()), w.scene.trouble[hanging]+w.scene.trouble[crowding]; got != want {
		w.wrong("%d disconnect handlers were given up, want %d", got, want)
	}
	for i, took := range w.took { // which is a few calls of the store, one after the other, in each member's time
		if most := w.scene.senderTime() + 4*stall; took > most {
			w.wrong("emit %d took %s, at most %s were expected", i, took, most)
		}
	}
	w.rooms()
}

// awaitEnds waits until all clients in trouble are finished, or the time for the slowest of them is over.
func (w *world) awaitEnds() {
	over := time.Now().Add(w.slack)
	for k := range w.scene.trouble {
		if end := time.Now().Add(w.scene.endTime(k) + w.scene.slowCloses + w.slack); end.After(over) {
			over = end
		}
	}
	for _, c := range w.clients {
		for c.kind != healthy {
			if _, ok := w.store.finishedAt(c.sid); ok {
				break
			}
			if time.Now().After(over) {
				w.wrong("the end of %s is not finished", c.conn.ID)
				break
			}
			time.Sleep(50 * time.Millisecond)
		}
	}
}

// rooms checks that nothing of the silent clients is left.
func (w *world) rooms() {
	for i := range w.scene.rooms {
		for m, err := range w.store.Members(
			context.Background(), "/", sessionstore.Room(fmt.Sprintf("room-%d", i)), sessionstore.Range{},
		) {
			w.wrong("left in room %d: %+v, %v", i, m, err)
			return
		}
	}
}

// times reads the ping interval and timeout of a run in real time.
func times(t *testing.T) (interval, timeout time.Duration) {
	t.Helper()
	a, b, _ := strings.Cut(os.Getenv("NONSTICK_SCENE_PING"), "/")
	if a == "" {
		return 10 * time.Second, 4 * time.Second
	}
	var err, e error
	if interval, err = time.ParseDuration(a); err == nil {
		timeout, e = time.ParseDuration(b)
	}
	if err != nil || e != nil {
		t.Fatal("NONSTICK_SCENE_PING wants two times, for instance 60s/20s")
	}
	return interval, timeout
}
