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

	"github.com/nonstick-io/nonstick/gateway"
	"github.com/nonstick-io/nonstick/gateway/engine"
	"github.com/nonstick-io/nonstick/sessionstore"
)

// scene is who is there beside the healthy clients.
type scene struct {
	name    string
	trouble map[kind]int
	rooms   int  // of each silent client
	emit    bool // somebody emits to the healthy clients, and some of the others, in the middle
}

const (
	healthyClients = 200
	// handlerTime and the tries bound each disconnect handler.
	handlerTime  = 2 * time.Second
	handlerTries = 2
)

var scenes = []scene{
	{name: "a silent client in 1,000 rooms", trouble: map[kind]int{silent: 1}, rooms: 1000},
	{name: "disconnect handlers that hang", trouble: map[kind]int{hanging: 8}},
	{name: "connections that are busy", trouble: map[kind]int{full: 1000}},
	{name: "connections whose pushes hang", trouble: map[kind]int{stuck: 200}},
	{name: "an emit to members that do not read", trouble: map[kind]int{full: 300}, emit: true},
	everything,
}

var everything = scene{name: "everything", trouble: map[kind]int{silent: 1, hanging: 8, full: 1000, stuck: 50}, rooms: 1000, emit: true}

// world is a server with its clients.
type world struct {
	t        *testing.T
	scene    scene
	store    sessionstore.Store
	interval time.Duration
	timeout  time.Duration
	server   *gateway.Server
	platform *platform
	clients  []*client
	givenUp  atomic.Int32
	took     time.Duration // of the emit
	slack    time.Duration // what the store may be slower than a real one, when very much is to be done at once
	stall    atomic.Int64  // the longest read of one item, in nanoseconds: so long this machine held everything up
}

// play plays a scene: everybody connects, and is there for two pings; then all ends have to be finished.
func play(t *testing.T, s scene, store sessionstore.Store, interval, timeout, slack time.Duration) {
	t.Helper()
	w := &world{t: t, scene: s, store: store, interval: interval, timeout: timeout, slack: slack}
	w.platform = &platform{interval: interval, clients: map[string]*client{}}
	out := io.Discard
	if testing.Verbose() {
		out = os.Stderr
	}
	log := slog.New(slog.NewTextHandler(out, &slog.HandlerOptions{Level: slog.LevelError}))
	pool := engine.NewPool(log)
	w.server = gateway.New(gateway.Config{
		Store: store, Pusher: w.platform, Logger: log, Ends: pool, DisconnectTime: handlerTime, DisconnectTries: handlerTries,
		Options: engine.Options{PingInterval: interval, PingTimeout: timeout},
		Hooks:   engine.Hooks{HandlerGivenUp: func() { w.givenUp.Add(1) }},
	})
	w.platform.engine = w.server.Engine()
	w.register()

	ctx, cancel := context.WithCancel(context.Background())
	var background sync.WaitGroup
	background.Go(func() { _ = w.server.Engine().Sweep(ctx) })
	background.Go(func() { pool.Run(ctx, w.server.Engine().Finish) })
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
	// Two pings; and who cannot be pinged has given up an interval and a timeout after the first.
	time.Sleep(2*interval + 2*timeout)
	w.check(begun)
}

// probe reads an item again and again: a machine that is busy with something else is not the server's fault.
func (w *world) probe(ctx context.Context) {
	for ctx.Err() == nil {
		begun := time.Now()
		if _, err := w.store.Get(ctx, "none", begun); err != nil && !errors.Is(err, sessionstore.ErrNotFound) && ctx.Err() == nil {
			w.t.Logf("probe: %v", err)
		}
		w.stall.Store(max(w.stall.Load(), int64(time.Since(begun))))
		time.Sleep(100 * time.Millisecond)
	}
}

func (w *world) register() {
	type auth struct {
		Kind  kind `json:"kind"`
		Rooms int  `json:"rooms"`
		Crowd bool `json:"crowd"`
	}
	nsp := w.server.Of("/")
	nsp.OnConnect(func(ctx context.Context, s *gateway.Socket) error {
		a, err := gateway.Auth[auth](ctx, s)
		rooms := make([]string, a.Rooms)
		for i := range rooms {
			rooms[i] = fmt.Sprintf("room-%d", i)
		}
		if a.Crowd {
			rooms = append(rooms, "crowd")
		}
		return errors.Join(err, gateway.SetData(ctx, s, "kind", a.Kind), s.Join(ctx, rooms...))
	})
	nsp.OnDisconnect(func(ctx context.Context, s *gateway.Socket, _ string) error {
		if k, _, err := gateway.Data[kind](ctx, s, "kind"); err != nil || k != hanging {
			return err
		}
		<-ctx.Done()
		return ctx.Err()
	})
}

// connect connects everybody, several at a time.
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

// emit emits to the crowd. The sender sees no error, and does not wait for those that do not read.
func (w *world) emit() {
	begun := time.Now()
	if err := gateway.Emit(context.Background(), w.server.Of("/").To("crowd"), "news", 1); err != nil {
		w.t.Errorf("an emit to all of them: %v", err)
	}
	w.took = time.Since(begun)
}

// check looks at everybody. Ends may take their time: what a handler may take, and a go or two.
func (w *world) check(begun time.Time) {
	w.t.Helper()
	budget := time.Now().Add(handlerTries*handlerTime + 5*time.Second + w.slack)
	cut, unpinged, open := 0, 0, 0
	var late time.Duration
	for _, c := range w.clients {
		c.mu.Lock()
		if c.kind == healthy {
			late = max(late, c.late)
			if c.closed {
				cut++
			}
			if c.pings < 2 {
				unpinged++
			}
		}
		c.mu.Unlock()
		for c.kind != healthy && w.state(c) != sessionstore.Closed {
			if time.Now().After(budget) {
				open++
				w.t.Logf("%s is %s", c.conn.ID, w.state(c))
				break
			}
			time.Sleep(50 * time.Millisecond)
		}
	}
	w.t.Logf("healthy clients cut: %d of %d; latest ping %s late; unfinished ends %d; handlers given up %d; the emit took %s; longest read of an item %s; all in %s",
		cut, healthyClients, late.Round(time.Millisecond), open, w.givenUp.Load(), w.took.Round(time.Millisecond), time.Duration(w.stall.Load()).Round(time.Millisecond), time.Since(begun).Round(time.Millisecond))
	if cut > 0 || unpinged > 0 || open > 0 || late > w.timeout/2+2*time.Duration(w.stall.Load()) {
		w.t.Errorf("healthy clients cut: %d, without their two pings: %d; latest ping %s late; unfinished ends: %d", cut, unpinged, late, open)
	}
	if got, want := int(w.givenUp.Load()), w.scene.trouble[hanging]; got != want {
		w.t.Errorf("%d disconnect handlers were given up, want %d", got, want)
	}
	if w.took > 4*time.Second+w.slack/2 {
		w.t.Errorf("the emit took %s", w.took)
	}
	w.rooms()
}

// rooms checks that nothing of the silent clients is left.
func (w *world) rooms() {
	w.t.Helper()
	for i := range w.scene.rooms {
		for m, err := range w.store.Members(context.Background(), "/", sessionstore.Room(fmt.Sprintf("room-%d", i)), sessionstore.Range{}) {
			w.t.Fatalf("left in room %d: %+v, %v", i, m, err)
		}
	}
}

func (w *world) state(c *client) sessionstore.State {
	s, err := w.store.Get(context.Background(), c.sid, time.Now())
	if errors.Is(err, sessionstore.ErrNotFound) {
		return sessionstore.Closed // long ago
	}
	if err != nil {
		w.t.Fatal(err)
	}
	return s.State
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
