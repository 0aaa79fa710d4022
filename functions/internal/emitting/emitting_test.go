package emitting

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/nonstick-io/nonstick/adapter/delivery"
	"github.com/nonstick-io/nonstick/functions/internal/boot"
	"github.com/nonstick-io/nonstick/internal/pushtest"
	"github.com/nonstick-io/nonstick/sessionstore"
	"github.com/nonstick-io/nonstick/sessionstore/memstore"
)

// store is a store in memory whose walks and claims can fail.
type store struct {
	*memstore.Store

	mu             sync.Mutex
	claims, walks  error
	failing        int  // so many walks fail; 0 means all
	dies           bool // no claim can be written again, as by an instance that is gone
	claimed, given int
}

func (s *store) Claim(
	ctx context.Context, name string, l sessionstore.Lease, from sessionstore.Owner, now time.Time,
) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.claims != nil {
		return s.claims
	}
	if s.dies && from != "" {
		return sessionstore.ErrUnavailable
	}
	if s.claimed++; !l.Until.After(now) {
		s.given++
	}
	return s.Store.Claim(ctx, name, l, from, now)
}

func (s *store) Members(
	ctx context.Context, nsp sessionstore.Namespace, room sessionstore.Room, ids sessionstore.Range,
) iter.Seq2[sessionstore.Member, error] {
	return s.walk(s.Store.Members(ctx, nsp, room, ids))
}

func (s *store) Unmarked(
	ctx context.Context, nsp sessionstore.Namespace, room sessionstore.Room,
) iter.Seq2[sessionstore.Member, error] {
	return s.walk(s.Store.Unmarked(ctx, nsp, room))
}

func (s *store) walk(all iter.Seq2[sessionstore.Member, error]) iter.Seq2[sessionstore.Member, error] {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.walks; err != nil {
		if s.failing--; s.failing == 0 {
			s.walks = nil
		}
		return func(yield func(sessionstore.Member, error) bool) { yield(sessionstore.Member{}, err) }
	}
	return all
}

// world is a function and what surrounds it.
type world struct {
	t      *testing.T
	store  *store
	pusher *pushtest.Pusher
	log    *strings.Builder
	parts  *boot.Parts
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{
		t: t, store: &store{Store: memstore.New(memstore.Options{})}, pusher: pushtest.New(), log: &strings.Builder{},
	}
	w.parts = &boot.Parts{
		Env: boot.NewEnv(
			func(string) (string, bool) { return "", false },
		),
		Log: slog.New(slog.NewTextHandler(w.log, nil)), Store: w.store, Pusher: w.pusher,
	}
	return w
}

func connOf(name string) sessionstore.Connection {
	return sessionstore.Connection{ID: name, Endpoint: "http://127.0.0.1"}
}

// client makes a session on WebSocket and its socket, both of the same name, in the rooms named.
func (w *world) client(name string, rooms ...string) {
	w.t.Helper()
	now := time.Now()
	n := sessionstore.NewSession{
		ID: sessionstore.SessionID(name), Transport: sessionstore.WebSocket, Conn: connOf(name), CreatedAt: now,
	}
	k := sessionstore.NewSocket{ID: sessionstore.SocketID(name), Session: n.ID, Namespace: "/", ConnectedAt: now}
	for _, r := range rooms {
		k.Rooms = append(k.Rooms, sessionstore.Room(r))
	}
	err := errors.Join(
		w.store.Create(w.t.Context(), n),
		w.store.Register(w.t.Context(), sessionstore.Registration{Session: n.ID, Conn: n.Conn}),
		w.store.PutSocket(w.t.Context(), k, n.Conn, delivery.Limits{}.WithDefaults().Socket),
	)
	if err != nil {
		w.t.Fatal(err)
	}
}

// child puts a socket of a client into a namespace under the parent "tenants".
func (w *world) child(name string, nsp sessionstore.Namespace) {
	w.t.Helper()
	_, err := w.store.PutChild(w.t.Context(), "tenants", sessionstore.Child{Name: nsp, Put: "me", SeenAt: time.Now()})
	err = errors.Join(err, w.store.PutSocket(
		w.t.Context(), sessionstore.NewSocket{
			ID: sessionstore.SocketID(name + string(nsp)), Session: sessionstore.SessionID(name), Namespace: nsp,
			Parent: "tenants",
		}, connOf(name), delivery.Limits{}.WithDefaults().Socket,
	))
	if err != nil {
		w.t.Fatal(err)
	}
}

// got returns what a client was pushed since the last call.
func (w *world) got(name string) string { return strings.Join(w.pusher.Take(connOf(name)), " ") }

// ask invokes the emit function with a request. The answer of one that failed is the error's text.
func (w *world) ask(request string) Answer {
	w.t.Helper()
	raw, err := Emit(w.parts)(w.t.Context(), []byte(request))
	if f, ok := errors.AsType[*boot.TypedError](err); ok {
		raw = []byte(f.Message)
	} else if err != nil {
		w.t.Fatal(err)
	}
	var a Answer
	if err := json.Unmarshal(raw, &a); err != nil {
		w.t.Fatalf("%v: %s", err, raw)
	}
	return a
}

// TestEmitHistories: the function keeps what it emits to a room that has a mark. With NONSTICK_HISTORIES it reads what
// the servers keep, and so an event may be the first of its room.
func TestEmitHistories(t *testing.T) {
	keep := sessionstore.Keeping{Rooms: []string{"kept*"}, Events: 9, For: time.Hour}
	for setting, want := range map[string]int{"": 0, "off": 0, "on": 1} {
		w := newWorld(t)
		w.parts.Env = boot.NewEnv(func(name string) (string, bool) {
			return setting, name == "NONSTICK_HISTORIES" && setting != ""
		})
		err := errors.Join(
			w.store.PutKeeping(t.Context(), "/", keep, time.Now().Add(time.Hour)),
			w.store.Mark(t.Context(), "/", "kept-marked", keep, sessionstore.History{}, time.Now()),
		)
		if err != nil {
			t.Fatal(err)
		}
		for room, want := range map[sessionstore.Room]int{"kept-new": want, "kept-marked": 1, "other": 0} {
			if a := w.ask(fmt.Sprintf(`{"rooms":[%q],"event":"e"}`, room)); !a.OK {
				t.Errorf("%+v", a)
			}
			h, err := w.store.History(t.Context(), "/", room)
			if got := h.Last - h.First + 1; err != nil || h.Last > 0 && got != want || (h.Last > 0) != (want > 0) {
				t.Errorf("NONSTICK_HISTORIES %q: room %s: %+v, %v", setting, room, h, err)
			}
		}
	}
}

func TestEmit(t *testing.T) {
	tests := []struct {
		name, request string
		want          Answer
		one, two      string // what the clients get; one is in a, two in a and b
	}{
		{"everybody", `{"event":"e"}`, Answer{OK: true, Recipients: 2}, `42["e"]`, `42["e"]`},
		{
			"a room", `{"rooms":["b"],"event":"e","args":[1,{"x":null}]}`,
			Answer{OK: true, Recipients: 1},
			"",
			`42["e",1,{"x":null}]`,
		},
		{
			"except",
			`{"namespace":"/","rooms":["a"],"except":["b"],"event":"e","flags":{"volatile":true,"compress":false}}`,
			Answer{OK: true, Recipients: 1},
			`42["e"]`, "",
		},
		{
			"a room and another", `{"rooms":["a"],"and":["b"],"event":"e"}`,
			Answer{OK: true, Recipients: 1},
			"", `42["e"]`,
		},
		{"in all rooms", `{"and":["a","b"],"event":"e"}`, Answer{OK: true, Recipients: 1}, "", `42["e"]`},
		{"another namespace", `{"namespace":"/x","event":"e"}`, Answer{OK: true}, "", ""},
		{"a parent", `{"parent":"tenants","event":"e"}`, Answer{OK: true, Recipients: 1}, "", `42/tenant-2,["e"]`},
		{
			"a room of a parent", `{"parent":"tenants","rooms":["b"],"event":"e"}`, Answer{OK: true}, "", "",
		},
		{"another parent", `{"parent":"clubs","event":"e"}`, Answer{OK: true}, "", ""},
		{"join", `{"rooms":["b"],"join":["c","d"]}`, Answer{OK: true, Recipients: 1}, "", ""},
		{"leave", `{"leave":["a"]}`, Answer{OK: true, Recipients: 2}, "", ""},
		{"disconnect", `{"rooms":["b"],"disconnect":"socket"}`, Answer{OK: true, Recipients: 1}, "", "41"},
		{
			"batch",
			`{"batch":[{"rooms":["a"],"event":"x"},{"rooms":["b"],"event":"y"},{"namespace":"z","event":"e"}]}`,
			Answer{Recipients: 3},
			`42["x"]`, `42["x"] 42["y"]`,
		},
		{"shutdown", `{"shutdown":0}`, Answer{OK: true, Recipients: 2}, "", ""},
		{"nobody", `{"rooms":["none"],"event":"e"}`, Answer{OK: true}, "", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			w.client("one", "a")
			w.client("two", "a", "b")
			w.child("two", "/tenant-2")
			a := w.ask(tt.request)
			if a.OK != tt.want.OK || a.Recipients != tt.want.Recipients || a.Gone != 0 || a.Failed != 0 || a.Duplicate {
				t.Errorf("answered %+v, want %+v", a, tt.want)
			}
			if one, two := w.got("one"), w.got("two"); one != tt.one || two != tt.two {
				t.Errorf("one got %q, two %q", one, two)
			}
		})
	}
}

func TestEmitAnswers(t *testing.T) {
	w := newWorld(t)
	w.client("one", "a")
	w.client("two", "a")
	w.client("three", "a")
	w.pusher.AnswerAlways(connOf("one"), pushtest.ErrLost)
	if err := w.pusher.Close(t.Context(), connOf("two")); err != nil {
		t.Fatal(err)
	}
	a := w.ask(`{"event":"e"}`)
	if !a.OK || a.Recipients != 1 || a.Gone != 1 || a.Failed != 1 || len(a.Errors) != 0 {
		t.Errorf("answered %+v", a)
	}
	if err := w.store.SetData(
		t.Context(), sessionstore.Socket{ID: "three", Session: "three", Namespace: "/"}, "name", `{"first":"x"}`,
		delivery.Limits{}.WithDefaults().Socket,
	); err != nil {
		t.Fatal(err)
	}
	a = w.ask(`{"rooms":["a"],"fetch":10}`)
	if !a.OK || len(a.Sockets) != 1 || a.Sockets[0].ID != "three" || !slices.Equal(a.Sockets[0].Rooms, []string{"a"}) ||
		string(a.Sockets[0].Data["name"]) != `{"first":"x"}` {
		t.Errorf("fetched %+v", a)
	}
	b := w.ask(`{"batch":[{"event":"x"},{"event":"disconnect"},{"fetch":1}]}`)
	if b.OK || len(b.Results) != 3 || !b.Results[0].OK || b.Results[1].OK || b.Results[2].Recipients != 1 ||
		b.Recipients != 2 {
		t.Errorf("answered %+v", b)
	}
	if b = w.ask(`{"batch":[{"event":"x"},{"fetch":1}]}`); !b.OK || len(b.Results[1].Sockets) != 1 {
		t.Errorf("answered %+v", b)
	}
}

// A volatile event is dropped where the client cannot take it, and the answer counts that.
func TestEmitVolatile(t *testing.T) {
	w := newWorld(t)
	w.client("one", "a")
	w.client("two", "a")
	w.pusher.AnswerAlways(connOf("two"), delivery.ErrBusy)
	for _, c := range []struct {
		request string
		want    Answer
	}{
		{`{"event":"e","flags":{"volatile":true}}`, Answer{Recipients: 1, Dropped: 1}},
		{`{"rooms":["a"],"event":"e","flags":{"volatile":true,"compress":true}}`, Answer{Recipients: 1, Dropped: 1}},
		{
			`{"batch":[{"event":"e","flags":{"volatile":true}},{"event":"e","flags":{"volatile":true}}]}`,
			Answer{Recipients: 2, Dropped: 2},
		},
		{`{"event":"e"}`, Answer{Recipients: 1, Failed: 1}}, // and now it is closed
	} {
		a := w.ask(c.request)
		if !a.OK || a.Recipients != c.want.Recipients || a.Dropped != c.want.Dropped || a.Failed != c.want.Failed {
			t.Errorf("%s: %+v, want %+v", c.request, a, c.want)
		}
	}
}

// A count is answered with a number, also if that is 0, of a namespace and of a parent, and in a batch.
func TestEmitCounts(t *testing.T) {
	w := newWorld(t)
	w.client("one", "a")
	w.client("two", "a", "b")
	w.child("two", "/tenant-2")
	for request, want := range map[string]string{
		`{"count":true}`:                           "2",
		`{"rooms":["a"],"count":true}`:             "2",
		`{"rooms":["a"],"and":["b"],"count":true}`: "1",
		`{"rooms":["none"],"count":true}`:          "0",
		`{"parent":"tenants","count":true}`:        "1",
		`{"namespace":"/x","count":true}`:          "0",
		`{"rooms":["b"],"count":true,"key":"k"}`:   "1",
		`{"rooms":[""],"count":true}`:              "none",
		`{"event":"e"}`:                            "none",
	} {
		for range 2 { // with a key it is told again
			a := w.ask(request)
			got := "none"
			if a.Count != nil {
				got = fmt.Sprint(*a.Count)
			}
			if got != want || a.OK != (request != `{"rooms":[""],"count":true}`) {
				t.Errorf("%s: %s, want %s: %+v", request, got, want, a)
			}
		}
	}
	a := w.ask(`{"batch":[{"rooms":["b"],"leave":["a"]},{"rooms":["a"],"count":true}]}`)
	if n := a.Results[1].Count; !a.OK || a.Recipients != 1 || n == nil || *n != 1 || a.Results[0].Count != nil {
		t.Errorf("a batch: %+v", a)
	}
	w.store.walks = sessionstore.ErrUnavailable
	if a = w.ask(`{"rooms":["a","b"],"count":true}`); a.OK || a.Count != nil {
		t.Errorf("a store that cannot be read: %+v", a)
	}
}

func TestKeys(t *testing.T) {
	w := newWorld(t)
	w.client("one", "a")
	for i, want := range []string{`42["e"]`, "", ""} {
		a := w.ask(`{"event":"e","key":"order 7"}`)
		if got := w.got("one"); got != want || !a.OK || a.Duplicate != (i > 0) || a.Recipients != 1 {
			t.Errorf("call %d: pushed %q, answered %+v", i, got, a)
		}
	}
	if a := w.ask(`{"event":"e","key":"order 8"}`); a.Duplicate || w.got("one") == "" {
		t.Errorf("another key: %+v", a)
	}
	a := w.ask(`{"batch":[{"event":"e","key":"order 7"},{"event":"y","key":"order 9"}],"key":"batch"}`)
	if got := w.got("one"); got != `42["y"]` || !a.Results[0].Duplicate || a.Recipients != 1 {
		t.Errorf("pushed %q, answered %+v", got, a)
	}
	if a = w.ask(`{"event":"e"}`); a.Duplicate || w.got("one") == "" {
		t.Errorf("no key: %+v", a)
	}
}

// A key is used up by what may have been done, and by nothing else.
func TestKeysOfWhatFailed(t *testing.T) {
	w := newWorld(t)
	w.client("one", "a")
	const request = `{"rooms":["a"],"event":"e","key":"k"}`
	w.store.claims = sessionstore.ErrThrottled
	if a := w.ask(request); a.OK || !strings.Contains(fmt.Sprint(a.Errors), "throttled") {
		t.Errorf("no claim: %+v", a)
	}
	w.store.claims, w.store.walks = nil, sessionstore.ErrUnavailable
	if a := w.ask(request); a.OK || a.Duplicate || w.store.given != 1 {
		t.Errorf("nobody could be found: %+v, given back %d times", a, w.store.given)
	}
	w.store.walks = nil
	if a := w.ask(request); !a.OK || a.Recipients != 1 {
		t.Errorf("at last: %+v", a)
	}
	w.pusher.AnswerAlways(connOf("one"), pushtest.ErrLost)
	if a := w.ask(`{"event":"e","key":"l"}`); !a.OK || a.Failed != 1 {
		t.Errorf("in doubt: %+v", a)
	}
	if a := w.ask(`{"event":"e","key":"l"}`); !a.Duplicate || !a.OK || a.Failed != 1 {
		t.Errorf("what is in doubt was done again, or its answer is lost: %+v", a)
	}
}

// What may be large is not kept of an answer.
func TestAnswersThatAreNotKept(t *testing.T) {
	w := newWorld(t)
	w.client("one", "a")
	if a := w.ask(`{"fetch":5,"key":"f"}`); len(a.Sockets) != 1 {
		t.Errorf("fetched %+v", a)
	}
	if a := w.ask(`{"fetch":5,"key":"f"}`); !a.Duplicate || a.Sockets != nil || a.Recipients != 1 {
		t.Errorf("fetched again %+v", a)
	}
	room := strings.Repeat("r", 400)
	mistake := fmt.Sprintf(`{"batch":[{"event":"e"},{"event":"connect","rooms":[%q]}],"key":"m"}`, room)
	if a := w.ask(mistake); a.OK || len(a.Results) != 2 {
		t.Errorf("mistake: %+v", a)
	}
	if a := w.ask(
		mistake,
	); !a.Duplicate || a.OK || a.Results != nil || len(a.Errors) != 1 ||
		!strings.Contains(a.Errors[0], "request 1: invalid request") {
		t.Errorf("mistake again: %+v", a)
	}
}

var question = regexp.MustCompile(`^42(\d+)\["q"`)

// answer has a client acknowledge what it was asked, as the server of its session records it.
func (w *world) answer(name, answer string) error {
	for {
		for _, frame := range w.pusher.Take(connOf(name)) {
			m := question.FindStringSubmatch(frame)
			if m == nil {
				continue
			}
			id, err := strconv.ParseUint(m[1], 10, 64)
			if err != nil {
				return err
			}
			socket := sessionstore.SocketID(name)
			a, err := w.store.Ask(w.t.Context(), "/", id, sessionstore.AskPart(id, socket))
			if err != nil {
				return err
			}
			return w.store.PutAnswer(
				w.t.Context(), a, sessionstore.AskAnswer{Socket: socket, Answer: []string{"3" + m[1] + answer}},
			)
		}
		time.Sleep(time.Millisecond)
	}
}

// Acknowledgements that are waited for are in the answer, and who has sent none; that is no error.
func TestEmitAsks(t *testing.T) {
	w := newWorld(t)
	w.client("one", "a")
	w.client("two", "a")
	done := make(chan error, 1)
	go func() { done <- w.answer("one", `["yes",1]`) }()
	a := w.ask(`{"batch":[{"rooms":["a"],"event":"q","ack":0.5},{"rooms":["none"],"event":"q","ack":0.5}]}`)
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	r := a.Results[0]
	if !a.OK || r.Recipients != 1 || len(r.Answers) != 1 || r.Answers[0].ID != "one" ||
		string(r.Answers[0].Args) != `["yes",1]` || !slices.Equal(r.Missing, []string{"two"}) {
		t.Errorf("answered %+v", a)
	}
	if r = a.Results[1]; !r.OK || r.Answers != nil || r.Missing != nil {
		t.Errorf("an empty room: %+v", r)
	}
}

// What a handler of the server is to take, and what is for the server itself, waits in the store.
func TestEmitForTheServer(t *testing.T) {
	w := newWorld(t)
	w.client("one", "a")
	for _, request := range []string{
		`{"rooms":["a"],"event":"q","then":{"name":"vote","state":{"x":1},"within":60}}`,
		`{"serverSideEmit":"tidy","args":["monday"],"at":1000}`,
		`{"serverSideEmit":"tidy","namespace":"/n"}`,
	} {
		if a := w.ask(request); !a.OK {
			t.Errorf("%s: %+v", request, a)
		}
	}
	m := question.FindStringSubmatch(w.got("one"))
	if m == nil {
		t.Fatal("not asked")
	}
	id, err := strconv.ParseUint(m[1], 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	kept, err := w.store.Ask(t.Context(), "/", id, 0)
	if err != nil || kept.Continuation != "vote" || kept.State != `{"x":1}` {
		t.Errorf("kept %+v, %v", kept, err)
	}
	var due []string
	for shard := range sessionstore.TimerShards(w.store.Shards()) {
		for timer, err := range w.store.DueTimers(t.Context(), shard, time.Now().Add(time.Hour)) {
			if err != nil {
				t.Fatal(err)
			}
			due = append(due, timer.Kind+" "+timer.Body)
		}
	}
	slices.Sort(due)
	want := []string{
		fmt.Sprintf(`reply {"nsp":"/","id":%d}`, id),
		`server {"nsp":"/","event":"tidy","args":["monday"]}`, `server {"nsp":"/n","event":"tidy","args":[]}`,
	}
	if !slices.Equal(due, want) {
		t.Errorf("due %q, want %q", due, want)
	}
	large := `{"serverSideEmit":"tidy","args":["` + strings.Repeat("x", sessionstore.MaxTimerBody) + `"]}`
	if a := w.ask(large); a.OK || !strings.Contains(a.Errors[0], "too large") {
		t.Errorf("answered %+v", a)
	}
}

// schema is docs/emit.schema.json.
func schema(t *testing.T) *jsonschema.Schema {
	t.Helper()
	s, err := jsonschema.NewCompiler().Compile(filepath.Join("..", "..", "..", "docs", "emit.schema.json"))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func valid(t *testing.T, s *jsonschema.Schema, request string) error {
	t.Helper()
	v, err := jsonschema.UnmarshalJSON(strings.NewReader(request))
	if err != nil {
		t.Fatalf("%v: %s", err, request)
	}
	return s.Validate(v)
}

// The schema and the function agree about what a request is.
func TestSchema(t *testing.T) {
	s := schema(t)
	long := func(n int) string { return strings.Repeat("x", n) }
	tests := []struct {
		request string
		ok      bool
	}{
		{`{"event":"e"}`, true},
		{`{"event":"","args":[]}`, true},
		{`{"namespace":"","event":"e"}`, true},
		{`{"namespace":"/n","rooms":["a"],"except":["b"],"event":"e","args":[1],"flags":{},"key":"k"}`, true},
		{`{"parent":"tenants","rooms":["a"],"except":["b"],"event":"e"}`, true},
		{`{"and":["a","b"],"event":"e"}`, true},
		{`{"and":[""],"event":"e"}`, false},
		{`{"and":"a","event":"e"}`, false},
		{`{"batch":[{"event":"e"}],"and":["a"]}`, false},
		{`{"parent":"tenants","namespace":"","join":["a"]}`, true},
		{`{"parent":"tenants","disconnect":"socket"}`, true},
		{`{"parent":"tenants","namespace":"/n","event":"e"}`, false},
		{`{"parent":"","event":"e"}`, false},
		{`{"parent":"` + long(65) + `","event":"e"}`, false},
		{`{"parent":"tenants","fetch":10}`, false},
		{`{"batch":[{"parent":"tenants","event":"e"}]}`, true},
		{`{"batch":[{"event":"e"}],"parent":"tenants"}`, false},
		{`{"event":"e","args":[{"_placeholder":true,"num":0}],"attachments":["aGk="]}`, true},
		{`{"join":["a"]}`, true},
		{`{"leave":["a"],"rooms":[]}`, true},
		{`{"disconnect":"session"}`, true},
		{`{"fetch":1000}`, true},
		{`{"count":true}`, true},
		{`{"parent":"tenants","rooms":["a"],"and":["b"],"count":true}`, true},
		{`{"count":true,"fetch":1}`, false},
		{`{"count":false}`, false},
		{`{"count":1}`, false},
		{`{"count":true,"after":"0.x"}`, false},
		{`{"event":"e","ack":5}`, true},
		{`{"event":"e","ack":0.5,"rooms":["a"]}`, true},
		{`{"event":"e","ack":0}`, false},
		{`{"event":"e","ack":51}`, false},
		{`{"event":"e","ack":"5"}`, false},
		{`{"join":["a"],"ack":5}`, false},
		{`{"event":"e","ack":5,"parent":"tenants"}`, false},
		{`{"event":"e","ack":5,"then":{"name":"n"}}`, false},
		{`{"event":"e","then":{"name":"n"}}`, true},
		{`{"event":"e","then":{"name":"n","state":{"x":[1]},"within":2592000}}`, true},
		{`{"event":"e","then":{"name":""}}`, false},
		{`{"event":"e","then":{}}`, false},
		{`{"event":"e","then":{"name":"` + long(513) + `"}}`, false},
		{`{"event":"e","then":{"name":"n","within":2592001}}`, false},
		{`{"event":"e","then":{"name":"n","within":-1}}`, false},
		{`{"event":"e","then":{"name":"n"},"parent":"tenants"}`, false},
		{`{"leave":["a"],"then":{"name":"n"}}`, false},
		{`{"serverSideEmit":"tidy"}`, true},
		{`{"serverSideEmit":"tidy","namespace":"/n","args":[1],"at":1800000000000}`, true},
		{`{"serverSideEmit":"tidy","at":-1}`, false},
		{`{"serverSideEmit":"tidy","at":1.5}`, false},
		{`{"serverSideEmit":"tidy","rooms":["a"]}`, false},
		{`{"serverSideEmit":"tidy","parent":"tenants"}`, false},
		{`{"serverSideEmit":"tidy","attachments":["aGk="]}`, false},
		{`{"serverSideEmit":"tidy","event":"e"}`, false},
		{`{"event":"e","at":1}`, false},
		{`{"shutdown":0}`, true},
		{`{"shutdown":50}`, true},
		{`{"shutdown":-1}`, false},
		{`{"shutdown":51}`, false},
		{`{"shutdown":true}`, false},
		{`{"shutdown":1,"rooms":["a"]}`, false},
		{`{"shutdown":1,"namespace":"/n"}`, false},
		{`{"shutdown":1,"event":"e"}`, false},
		{`{"fetch":10,"after":""}`, true},
		{`{"fetch":10,"after":"0.x"}`, true},
		{`{"event":"e","after":"0.x"}`, false},
		{`{"fetch":10,"after":"` + long(65) + `"}`, false},
		{`{"batch":[{"event":"e"}]}`, true},
		{`{}`, false},
		{`[]`, false},
		{`{"event":1}`, false},
		{`{"event":"connect"}`, false},
		{`{"event":"e","join":["a"]}`, false},
		{`{"events":"e"}`, false},
		{`{"event":"e","args":{}}`, false},
		{`{"join":["a"],"args":[]}`, false},
		{`{"event":"e","flags":{"local":true}}`, false},
		{`{"event":"e","rooms":[""]}`, false},
		{`{"event":"e","rooms":["` + long(513) + `"]}`, false},
		{`{"event":"e","namespace":"n"}`, false},
		{`{"event":"e","namespace":"/` + long(512) + `"}`, false},
		{`{"event":"e","key":"` + long(257) + `"}`, false},
		{`{"disconnect":"all"}`, false},
		{`{"disconnect":true}`, false},
		{`{"fetch":0}`, false},
		{`{"fetch":1001}`, false},
		{`{"fetch":1.5}`, false},
		{`{"batch":[]}`, false},
		{`{"batch":[{"batch":[{"event":"e"}]}]}`, false},
		{`{"batch":[{"event":"e"}],"rooms":["a"]}`, false},
		{`{"batch":[` + strings.Repeat(`{"event":"e"},`, 100) + `{"event":"e"}]}`, false},
		{`{"join":[` + strings.Repeat(`"a",`, 1000) + `"a"]}`, false},
	}
	for _, tt := range tests {
		name := tt.request[:min(len(tt.request), 60)]
		if err := valid(t, s, tt.request); (err == nil) != tt.ok {
			t.Errorf("the schema says of %s: %v", name, err)
		}
		if a := newWorld(t).ask(tt.request); a.OK != tt.ok || a.OK != (len(a.Errors) == 0) {
			t.Errorf("the function says of %s: %+v", name, a)
		}
	}
}

// Every request that the documentation shows is one.
func TestExamples(t *testing.T) {
	s := schema(t)
	root := filepath.Join("..", "..", "..")
	doc, err := os.ReadFile(filepath.Join(root, "docs", "emit.md"))
	if err != nil {
		t.Fatal(err)
	}
	var requests []string
	for _, block := range strings.Split(string(doc), "```json request\n")[1:] {
		request, _, _ := strings.Cut(block, "```")
		requests = append(requests, request)
	}
	files, err := filepath.Glob(filepath.Join(root, "examples", "emit", "*", "*request.json"))
	if err != nil || len(files) == 0 || len(requests) < 5 {
		t.Fatalf("%d files, %d requests in the documentation, %v", len(files), len(requests), err)
	}
	for _, file := range files {
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		requests = append(requests, string(b))
	}
	for _, r := range requests {
		if err := valid(t, s, r); err != nil {
			t.Errorf("%v: %s", err, r)
		}
		if a := newWorld(t).ask(r); !a.OK {
			t.Errorf("%v: %s", a.Errors, r)
		}
	}
}

// A session whose close takes too long for an emit goes to the queue of ends, as the close function reads it.
func TestLater(t *testing.T) {
	var body string
	queue := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		var in struct{ MessageBody string }
		if err := json.NewDecoder(r.Body).Decode(&in); err != nil {
			t.Error(err)
		}
		body = in.MessageBody
	}))
	defer queue.Close()
	w := newWorld(t)
	w.parts.Env = boot.NewEnv(
		func(name string) (string, bool) { return queue.URL + "/1/closes", name == "NONSTICK_CLOSES_QUEUE" },
	)
	want := delivery.Ending{Session: "s", Owner: "o", Reason: delivery.ReasonTransportError, Doubtful: connOf("c")}
	if err := later(w.parts)(t.Context(), want); err != nil {
		t.Fatal(err)
	}
	var got delivery.Ending
	if err := json.Unmarshal([]byte(body), &got); err != nil || got != want {
		t.Errorf("queued %s, %v", body, err)
	}
	queue.Close()
	if err := later(w.parts)(t.Context(), want); err == nil {
		t.Error("no error without a queue")
	}
	if later(newWorld(t).parts) != nil {
		t.Error("later without a queue")
	}
}
