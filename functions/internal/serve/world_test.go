package serve

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nonstick-io/nonstick/functions/internal/boot"
	"github.com/nonstick-io/nonstick/internal/pushtest"
	"github.com/nonstick-io/nonstick/sessionstore"
	"github.com/nonstick-io/nonstick/sessionstore/memstore"
)

// environment is one that a test makes up.
type environment map[string]string

func (e environment) lookup(name string) (string, bool) {
	v, ok := e[name]
	return v, ok
}

// world is what surrounds a function: a store in memory, connections, and queues that keep what they are sent.
type world struct {
	t      *testing.T
	env    environment
	store  *memstore.Store
	pusher *pushtest.Pusher
	log    *strings.Builder
	queues *httptest.Server

	mu   sync.Mutex
	sent map[string][]string // bodies by the name of the queue
	down bool
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{
		t: t, store: memstore.New(memstore.Options{}), pusher: pushtest.New(), log: &strings.Builder{},
		sent: map[string][]string{},
	}
	w.queues = httptest.NewServer(http.HandlerFunc(w.takeMessage))
	t.Cleanup(w.queues.Close)
	w.env = environment{
		"NONSTICK_MANAGEMENT_ENDPOINT": "https://ws.execute-api.eu-central-1.amazonaws.com/v1",
		"NONSTICK_OPEN_QUEUE":          w.queues.URL + "/1/open",
		"NONSTICK_HEARTBEAT_QUEUE":     w.queues.URL + "/1/heartbeat",
	}
	return w
}

func (w *world) takeMessage(out http.ResponseWriter, r *http.Request) {
	var in struct{ QueueUrl, MessageBody string } //nolint:revive // as SQS spells it
	body, err := io.ReadAll(r.Body)
	if err == nil {
		err = json.Unmarshal(body, &in)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if err != nil || w.down {
		out.WriteHeader(http.StatusBadRequest)
		return
	}
	name := in.QueueUrl[strings.LastIndex(in.QueueUrl, "/")+1:]
	w.sent[name] = append(w.sent[name], in.MessageBody)
}

// messages returns what was sent to a queue since the last call.
func (w *world) messages(queue string) []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	all := w.sent[queue]
	delete(w.sent, queue)
	return all
}

func (w *world) parts() *boot.Parts {
	return &boot.Parts{
		Env: boot.NewEnv(
			w.env.lookup,
		),
		Log: slog.New(slog.NewTextHandler(w.log, nil)), Store: w.store, Pusher: w.pusher,
	}
}

// start makes a function whose configuration is right.
func (w *world) start(build boot.Build) boot.Handler {
	w.t.Helper()
	p := w.parts()
	h := build(p)
	if err := p.Env.Err(); err != nil {
		w.t.Fatal(err)
	}
	return h
}

// invoke calls a function with an event and decodes its answer.
func invoke[Out any](t *testing.T, h boot.Handler, event string) Out {
	t.Helper()
	var out Out
	answer, err := h(t.Context(), []byte(event))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(answer, &out); err != nil {
		t.Fatalf("%v: %s", err, answer)
	}
	return out
}

// queue is a queue in memory.
type queue struct {
	mu   sync.Mutex
	sent []link
	err  error
	// later is what is on its way, with the time of its arrival.
	later []delayed
}

type delayed struct {
	link
	at time.Time
}

func (q *queue) Send(_ context.Context, body string) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.err != nil {
		return q.err
	}
	var l link
	if err := json.Unmarshal([]byte(body), &l); err != nil {
		return err
	}
	q.sent = append(q.sent, l)
	return nil
}

func (q *queue) SendLater(_ context.Context, body string, d time.Duration) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.err != nil {
		return q.err
	}
	l := delayed{at: time.Now().Add(d)}
	if err := json.Unmarshal([]byte(body), &l.link); err != nil {
		return err
	}
	q.later = append(q.later, l)
	return nil
}

// arrived removes what has arrived of what was sent to arrive later.
func (q *queue) arrived() (all []link) {
	q.mu.Lock()
	defer q.mu.Unlock()
	var rest []delayed
	for _, l := range q.later {
		if l.at.After(time.Now()) {
			rest = append(rest, l)
		} else {
			all = append(all, l.link)
		}
	}
	q.later = rest
	return all
}

// take returns what was sent since the last call.
func (q *queue) take() []link {
	q.mu.Lock()
	defer q.mu.Unlock()
	all := q.sent
	q.sent = nil
	return all
}

// register makes a session known to the sweeper.
func register(t *testing.T, store sessionstore.Registry) sessionstore.SessionID {
	t.Helper()
	id := sessionstore.SessionID(sessionstore.NewID())
	if err := store.Register(t.Context(), sessionstore.Registration{Session: id}); err != nil {
		t.Fatal(err)
	}
	return id
}
