package eventsout

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nonstick-io/nonstick/adapter"
	"github.com/nonstick-io/nonstick/sessionstore"
)

// fake is a Sink. Unless hangs, it takes what takes says.
type fake struct {
	mu    sync.Mutex
	calls [][]Message
	hangs bool
	takes func(Message) bool // nil: everything
}

var errFake = errors.New("the service is down")

func (f *fake) Publish(ctx context.Context, messages []Message) (lost []Message, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.calls = append(f.calls, messages)
	if f.hangs {
		<-ctx.Done()
		return messages, ctx.Err()
	}
	for _, m := range messages {
		if f.takes != nil && !f.takes(m) {
			lost, err = append(lost, m), errFake
		}
	}
	return lost, err
}

// sizes are the numbers of messages of the calls.
func (f *fake) sizes() (all []int) {
	for _, c := range f.calls {
		all = append(all, len(c))
	}
	return all
}

func newOut(t *testing.T, s Sink, list string) (*Out, *bytes.Buffer) {
	t.Helper()
	what, err := ParseWhat(list)
	if err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	return New(Config{Sink: s, What: what}, slog.New(slog.NewTextHandler(&log, nil))), &log
}

func TestParseWhat(t *testing.T) {
	long := strings.Repeat("x", maxEventName)
	for list, ok := range map[string]bool{
		"connect": true, "connect,disconnect,join,leave,event:say,event:*": true, "event:a:b": true, "join,join": true,
		"event:" + long: true, "event:" + long + "x": false, "": false, "connect,": false, "event": false,
		"event:": false, "create": false, "connect, join": false, "event:a b": false, "event:ü": false,
	} {
		if _, err := ParseWhat(list); (err == nil) != ok {
			t.Errorf("ParseWhat(%q): %v, want ok %v", list, err, ok)
		}
	}
}

// Nothing is told, and nothing is asked for, where nothing is to be.
func TestOff(t *testing.T) {
	var none *Out
	if New(Config{}, nil) != nil {
		t.Error("an Out without a Sink")
	}
	if none.Wants(Join) || none.WantsEvent("a") || none.Interest(sessionstore.Socket{}) != (adapter.Interest{}) {
		t.Error("a nil Out wants something")
	}
	none.Tell(t.Context(), Event{Type: Join})
	none.TellNow(t.Context(), Event{Type: Join})
	b := none.Batch()
	b.Flush(b.In(t.Context()))
	b.End(t.Context())
}

func TestWanted(t *testing.T) {
	s := &fake{}
	o, _ := newOut(t, s, "join,event:say")
	o.Tell(t.Context(), Event{Type: Connect}, Event{Type: Join, Room: "a"}, Event{Type: Leave})
	if o.Wants(Connect) || !o.Wants(Join) || !o.WantsEvent("say") || o.WantsEvent("shout") {
		t.Error("wants other events than those of the list")
	}
	if all, _ := newOut(t, s, "event:*"); !all.WantsEvent("shout") {
		t.Error("* is not every event")
	}
	if len(s.calls) != 1 || len(s.calls[0]) != 1 || s.calls[0][0].Type != Join {
		t.Errorf("told %v", s.calls)
	}
}

// The JSON of each type is that of docs/events-out.md.
func TestMessage(t *testing.T) {
	at := time.Date(2026, 10, 1, 12, 0, 0, 7e6, time.FixedZone("", 3600))
	base := Event{ID: "i", Time: at, Namespace: "/", Socket: "s", Session: "secret"}
	const begin = `{"id":"i","type":"%s","time":"2026-10-01T11:00:00.007Z","namespace":"/","socket":"s",` +
		`"session":"2bb80d537b1d"`
	large := json.RawMessage(`["` + strings.Repeat("x", MaxData) + `"]`)
	for _, tt := range []struct {
		name string
		set  func(*Event)
		want string
	}{
		{"connect", func(e *Event) { e.Type = Connect }, ""},
		{"disconnect", func(e *Event) { e.Type, e.Reason = Disconnect, "ping timeout" }, `,"reason":"ping timeout"`},
		{"join", func(e *Event) { e.Type, e.Room = Join, "a<b>" }, `,"room":"a<b>"`},
		{"leave", func(e *Event) { e.Type, e.Room = Leave, "a" }, `,"room":"a"`},
		{
			"event", func(e *Event) { e.Type, e.Name, e.Data = ClientEvent, "say", []byte(`[1,"<ü>"]`) },
			`,"event":"say","data":[1,"<ü>"]`,
		},
		{
			"attachments", func(e *Event) {
				e.Type, e.Name, e.Attachments = ClientEvent, "say", 2
				e.Data = []byte(`[{"_placeholder":true,"num":0}]`)
			}, `,"event":"say","data":[{"_placeholder":true,"num":0}],"attachmentsOmitted":2`,
		},
		{
			"too large", func(e *Event) { e.Type, e.Name, e.Data = ClientEvent, "say", large },
			fmt.Sprintf(`,"event":"say","dataOmitted":%d`, len(large)),
		},
		{
			"not JSON", func(e *Event) { e.Type, e.Name, e.Data = ClientEvent, "say", []byte(`[`) },
			`,"event":"say","dataOmitted":1`,
		},
		{
			"what SQS refuses", func(e *Event) {
				e.Type, e.Name = ClientEvent, "say"
				e.Data = []byte("[\"\ufffe\uffff\xff\"]")
			}, `,"event":"say","data":["\ufffe\uffff` + "\ufffd" + `"]`,
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			e := base
			tt.set(&e)
			m := e.message()
			want := fmt.Sprintf(begin, e.Type) + tt.want + "}"
			if m.Body != want || m.ID != "i" || m.Group != "s" || !json.Valid([]byte(m.Body)) {
				t.Errorf("got  %s\nwant %s", m.Body, want)
			}
		})
	}
}

// A receiver knows repeats by the id, so an end is told with the same id by whichever instance.
func TestEndID(t *testing.T) {
	a, b := EndID("s", "room"), EndID("s", "other")
	if a != EndID("s", "room") || a == b || a == EndID("s", "") || len(EndID("12345678901234567890", "r")) > 100 {
		t.Errorf("ids %q, %q, %q", a, b, EndID("s", ""))
	}
}

// What a request tells is told by few calls when it ends, and at once where there is much of it; what comes behind its
// end, from a goroutine that lives on, is told by itself.
func TestBatch(t *testing.T) {
	s := &fake{}
	o, _ := newOut(t, s, "join")
	b := o.Batch()
	ctx := b.In(t.Context())
	for range maxPending + 3 {
		o.Tell(ctx, Event{Type: Join})
	}
	if got := s.sizes(); !slices.Equal(got, []int{maxPending}) {
		t.Errorf("calls of %v before the end", got)
	}
	o.TellNow(ctx, Event{Type: Join})
	b.End(t.Context())
	o.Tell(ctx, Event{Type: Join})
	b.End(t.Context())
	if got := s.sizes(); !slices.Equal(got, []int{maxPending, 1, 3, 1}) {
		t.Errorf("calls of %v", got)
	}
	ids := map[string]bool{}
	for _, c := range s.calls {
		for _, m := range c {
			ids[m.ID] = true
		}
	}
	if len(ids) != maxPending+5 {
		t.Errorf("%d ids", len(ids))
	}
}

// A context that has ended is no reason to lose what has happened.
func TestEndedContext(t *testing.T) {
	s := &fake{hangs: true}
	o, _ := newOut(t, s, "join")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	synctestTime(t, func() time.Duration {
		begun := time.Now()
		o.Tell(ctx, Event{Type: Join})
		return time.Since(begun)
	}, MaxTime)
}

func synctestTime(t *testing.T, f func() time.Duration, want time.Duration) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		if got := f(); got != want {
			t.Errorf("took %v, want %v", got, want)
		}
	})
}

// A service that hangs delays a request by MaxTime, those behind it by MaxTimeFailing until it has been down for
// FailingTime or takes something again; and the log names what is lost.
func TestHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &fake{hangs: true}
		o, log := newOut(t, s, "join")
		request := func() time.Duration {
			begun := time.Now()
			b := o.Batch()
			for i := range 3*maxPending + 1 {
				o.Tell(b.In(t.Context()), Event{Type: Join, ID: fmt.Sprint("id-", i)})
			}
			b.End(t.Context())
			return time.Since(begun)
		}
		if got := request(); got != MaxTime {
			t.Errorf("the first request took %v, want %v", got, MaxTime)
		}
		if !strings.Contains(log.String(), "events not told") || !strings.Contains(log.String(), "join id-0") ||
			!strings.Contains(log.String(), "no time left") {
			t.Errorf("log: %s", log)
		}
		for _, each := range []string{"count=100", "count=1 "} {
			if !strings.Contains(log.String(), each) {
				t.Errorf("the log does not say %s", each)
			}
		}
		if got := request(); got > 4*MaxTimeFailing {
			t.Errorf("the second took %v", got)
		}
		s.hangs = false
		log.Reset()
		if got := request(); got != 0 || log.Len() > 0 {
			t.Errorf("took %v where the service is there again: %s", got, log)
		}
		s.hangs = true
		if got := request(); got != MaxTime {
			t.Errorf("took %v where it is down again, want %v", got, MaxTime)
		}
		time.Sleep(FailingTime)
		if got := request(); got != MaxTime {
			t.Errorf("took %v after a while, want %v", got, MaxTime)
		}
	})
}

// A message that the service refuses for what it is does no harm to others.
func TestRefusedMessage(t *testing.T) {
	s := &fake{takes: func(m Message) bool { return m.ID != "bad" }}
	o, log := newOut(t, s, "join")
	o.Tell(t.Context(), Event{Type: Join, ID: "good"}, Event{Type: Join, ID: "bad"})
	if !strings.Contains(log.String(), "count=1 events=\"[join bad]\"") || o.failing.Load() != 0 {
		t.Errorf("log: %s", log)
	}
}

func TestMoved(t *testing.T) {
	s := &fake{}
	o, _ := newOut(t, s, "join,leave")
	if o.Interest(sessionstore.Socket{}) != (adapter.Interest{Joins: true, Leaves: true}) {
		t.Error("no interest")
	}
	row := sessionstore.Socket{Namespace: "/", ID: "s"}
	o.Moved(t.Context(), adapter.Move{Socket: row, Room: "a"}, nil)
	o.Moved(t.Context(), adapter.Move{Socket: row, Room: "a", Left: true, Reason: "why"}, nil)
	if len(s.calls) != 2 || s.calls[0][0].Type != Join || s.calls[1][0].Type != Leave ||
		!strings.HasSuffix(s.calls[1][0].Body, `"room":"a","reason":"why"}`) {
		t.Errorf("told %v", s.calls)
	}
}
