package nonstick_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nonstick-io/nonstick"
	"github.com/nonstick-io/nonstick/adapter/delivery"
	"github.com/nonstick-io/nonstick/adapter/emitter"
	"github.com/nonstick-io/nonstick/sessionstore"
)

var question = regexp.MustCompile(`^42(\d+)\["question"`)

// questionID returns the id that a client was asked with, and fails the test unless it was asked once.
func (p *peer) questionID() string {
	p.w.t.Helper()
	got := p.take()
	if len(got) == 1 {
		if m := question.FindStringSubmatch(got[0]); m != nil {
			return m[1]
		}
	}
	p.w.t.Fatalf("got %q, want to be asked", got)
	return ""
}

// answered is what came of a question, in the order of the peers.
func answered(r nonstick.Responses[string], err error, peers ...*peer) string {
	var b strings.Builder
	for _, p := range peers {
		i := slices.IndexFunc(r.Answered, func(a nonstick.Response[string]) bool { return a.ID == p.id })
		switch {
		case i >= 0 && r.Answered[i].Err != nil:
			b.WriteString("unfit ")
		case i >= 0:
			b.WriteString(r.Answered[i].Value + " ")
		case slices.Contains(r.Missing, p.id):
			b.WriteString("missing ")
		default:
			b.WriteString("- ")
		}
	}
	if err != nil {
		b.WriteString(strings.TrimPrefix(err.Error(), "nonstick: "))
	}
	return strings.TrimSpace(b.String())
}

// votingApp has rooms, and asks them.
func votingApp(s *nonstick.Server) {
	nonstick.On(
		s,
		"join",
		func(ctx context.Context, k *nonstick.Socket, room string) error { return k.Join(ctx, room) },
	)
	nonstick.OnAck(s, "ask all", func(ctx context.Context, _ *nonstick.Socket, _ nonstick.Args) (string, error) {
		_, err := nonstick.EmitWithAcks[string](ctx, s, "question")
		return fmt.Sprint(errors.Is(err, nonstick.ErrAckOwnSession)), nil
	})
	nonstick.OnAck(s, "ask others", func(ctx context.Context, k *nonstick.Socket, room string) (string, error) {
		r, err := nonstick.EmitWithAcks[string](ctx, k.To(room), "question")
		return fmt.Sprint(len(r.Answered), len(r.Missing), err == nil), nil
	})
}

// A question to a room is answered by all of its sockets, on both transports, at other instances than the one that
// asks.
func TestEmitWithAcks(t *testing.T) {
	for _, c := range []struct {
		name   string
		answer []string // of each; empty for none
		want   string
		after  time.Duration
	}{
		{"by all", []string{`["a"]`, `["b"]`, `["c"]`}, "a b c", 0},
		{
			"by some",
			[]string{`["a"]`, "", `["c"]`},
			"a missing c acknowledgement timed out: 1 of 3 sockets did not answer", 10 * time.Second,
		},
		{
			"by none",
			[]string{"", "", ""},
			"missing missing missing acknowledgement timed out: 3 of 3 sockets did not answer", 10 * time.Second,
		},
		{"with nothing", []string{`[]`, `[]`, `["c"]`}, "  c", 0},
		{"with what does not fit", []string{`["a"]`, `[7]`, `["c"]`}, "a unfit c", 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				one, two := w.server(votingApp), w.server(votingApp)
				peers := []*peer{w.join(one), w.joinPolling(two), w.join(two)}
				other := w.join(two)
				for _, p := range peers {
					p.send(`42["join","room"]`)
				}
				start := time.Now()
				done := make(chan string, 1)
				go func() {
					r, err := nonstick.EmitWithAcks[string](t.Context(), one.To("room"), "question", 1)
					if err != nil && !errors.Is(err, nonstick.ErrAckTimeout) {
						t.Errorf("error %v", err)
					}
					done <- answered(r, err, peers...)
				}()
				synctest.Wait()
				for i, p := range peers {
					id := p.questionID()
					if c.answer[i] != "" {
						p.send("43" + id + c.answer[i])
						p.send("43" + id + `["again"]`) // once
					}
				}
				if got := <-done; got != strings.TrimSpace(c.want) {
					t.Errorf("got %q, want %q", got, c.want)
				}
				if d := time.Since(start); d != c.after {
					t.Errorf("after %v, want %v", d, c.after)
				}
				other.expect()
			})
		})
	}
}

// A client that was not asked, or in another namespace, has no say, though it knows the id.
func TestEmitWithAcksStrangers(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		s := w.server(func(s *nonstick.Server) { votingApp(s); s.Of("/other") })
		asked, stranger := w.join(s), w.join(s)
		asked.send(`42["join","room"]`, "40/other")
		asked.take()
		done := make(chan string, 1)
		go func() {
			r, err := nonstick.EmitWithAcks[string](t.Context(), s.To("room").Timeout(time.Second), "question")
			done <- answered(r, err, asked, stranger)
		}()
		synctest.Wait()
		id := asked.questionID()
		stranger.send("43" + id + `["no"]`)
		asked.send("43/other," + id + `["no"]`)
		if got, want := <-done, "missing - acknowledgement timed out: 1 of 1 sockets did not answer"; got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	})
}

// One that has gone without a word was not asked; one whose answer is binary is heard; an empty room is no wait.
func TestEmitWithAcksEdges(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		s := w.server(votingApp)
		if r, err := nonstick.EmitWithAcks[string](
			t.Context(),
			s.To("empty"),
			"question",
		); err != nil ||
			r.Answered != nil {
			t.Errorf("an empty room: %v, %v", r, err)
		}
		gone, p := w.join(s), w.join(s)
		for _, k := range []*peer{gone, p} {
			k.send(`42["join","room"]`)
		}
		w.pusher.AnswerAlways(gone.conn, delivery.ErrGone)
		done := make(chan string, 1)
		go func() {
			r, err := nonstick.EmitWithAcks[string](t.Context(), s.To("room"), "question")
			done <- answered(r, err, gone, p)
		}()
		synctest.Wait()
		p.send("461-"+p.questionID()+`[{"_placeholder":true,"num":0}]`, "beWVz")
		if got := <-done; got != "- eWVz" {
			t.Errorf("got %q", got)
		}
	})
}

// The row of a member that is found gone is removed where it was read: in the room of To, or of And.
func TestEmitWithAcksReaps(t *testing.T) {
	for name, of := range map[string]func(s *nonstick.Server) nonstick.Selection{
		"To":  func(s *nonstick.Server) nonstick.Selection { return s.To("room") },
		"And": func(s *nonstick.Server) nonstick.Selection { return s.And("room") },
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				s := w.server(votingApp)
				gone := w.join(s)
				gone.send(`42["join","room"]`)
				closed := sessionstore.CloseRequest{Session: gone.sid, Reason: "transport close"}
				if _, err := w.store.Close(t.Context(), closed); err != nil { // the instance that closed it has died
					t.Fatal(err)
				}
				w.pusher.AnswerAlways(gone.conn, delivery.ErrGone)
				r, err := nonstick.EmitWithAcks[string](t.Context(), of(s), "question")
				if err != nil || r.Missing != nil {
					t.Errorf("%+v, %v", r, err)
				}
				for m := range w.store.Members(t.Context(), "/", "room", sessionstore.Range{}) {
					t.Errorf("the room still has %s", m.Socket)
				}
			})
		})
	}
}

// What may not be asked is refused before anything is emitted.
func TestEmitWithAcksRefused(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		s := w.server(func(s *nonstick.Server) {
			votingApp(s)
			s.OfPattern("tenants", regexp.MustCompile("^/tenant-"))
		})
		p := w.join(s)
		p.send(`421["ask all"]`)
		p.expect(`431["true"]`)
		for _, c := range []struct {
			to    nonstick.Asked
			event string
			want  error
		}{
			{s, "disconnect", nonstick.ErrReserved},
			{s.To(""), "question", nonstick.ErrRoomName},
			{emitterOf(t, w).Parent("tenants"), "question", nonstick.ErrParent},
		} {
			if _, err := nonstick.EmitWithAcks[string](t.Context(), c.to, c.event); !errors.Is(err, c.want) {
				t.Errorf("error %v, want %v", err, c.want)
			}
		}
		p.expect()
	})
}

func emitterOf(t *testing.T, w *world) *emitter.Emitter {
	t.Helper()
	return emitter.New(w.store, w.pusher, emitter.Options{})
}

// A handler asks the others of a room and leaves out its own client, whose answer it would hold up.
func TestEmitWithAcksInHandler(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		s := w.server(votingApp)
		asker, p := w.join(s), w.join(s)
		for _, k := range []*peer{asker, p} {
			k.send(`42["join","room"]`)
		}
		done := make(chan error, 1)
		go func() { done <- asker.try(`421["ask others","room"]`) }()
		synctest.Wait()
		p.send("43" + p.questionID() + `["yes"]`)
		if err := <-done; err != nil {
			t.Error(err)
		}
		asker.expect(`431["1 0 true"]`)
	})
}

// noteLock is taken by handlers that note something: what is due may be done at once.
var noteLock sync.Mutex

// note notes what a handler was told.
func note(list *[]string, what string) {
	noteLock.Lock()
	defer noteLock.Unlock()
	*list = append(*list, what)
}

// pollApp asks by continuation, and notes what comes of it.
func pollApp(heard *[]string) func(s *nonstick.Server) {
	return func(s *nonstick.Server) {
		votingApp(s)
		nonstick.On(s, "poll", func(ctx context.Context, k *nonstick.Socket, room string) error {
			return nonstick.EmitThen(ctx, s.To(room).Timeout(72*time.Hour), "question", "vote", "state of "+room, 1)
		})
		nonstick.OnReply(s, "vote", func(ctx context.Context, k *nonstick.Socket, answer, state string) error {
			note(heard, fmt.Sprintf("%s %s (%s)", k.ID(), answer, state))
			return k.Emit(ctx, "thanks")
		})
		nonstick.OnNoReply(
			s, "vote", func(_ context.Context, n *nonstick.Namespace, missing []string, state string) error {
				note(heard, fmt.Sprintf("%s missing %v (%s)", n.Name(), missing, state))
				return nil
			},
		)
		nonstick.OnReply(s, "quiet", func(context.Context, *nonstick.Socket, string, string) error { return nil })
	}
}

// sweep has an instance do what is due.
func (w *world) sweep(at *nonstick.Server, d time.Duration) {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.t.Context(), d)
	defer cancel()
	if err := at.Engine().Sweep(ctx); err != nil {
		w.t.Error(err)
	}
	synctest.Wait()
}

// Answers to a question to a room are taken as they come, once for each socket; days later the server is told who has
// not answered, once, whichever instances sweep.
func TestEmitThenSelection(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		var heard []string
		one, two := w.server(pollApp(&heard), patient), w.server(pollApp(&heard), patient)
		a, b, c := w.join(one), w.join(two), w.join(two)
		for _, p := range []*peer{a, b, c} {
			p.send(`42["join","room"]`)
		}
		a.send(`42["poll","room"]`)
		for _, p := range []*peer{a, b} {
			id := p.questionID()
			p.at = two
			p.send("43"+id+`["yes"]`, "43"+id+`["no"]`)
			p.expect(`42["thanks"]`)
		}
		time.Sleep(72*time.Hour - time.Second)
		w.sweep(one, 500*time.Millisecond)
		want := []string{a.id + " yes (state of room)", b.id + " yes (state of room)"}
		if !slices.Equal(heard, want) {
			t.Errorf("heard %q, want %q", heard, want)
		}
		time.Sleep(time.Second)
		c.send("43" + c.questionID() + `["late"]`)
		for _, s := range []*nonstick.Server{two, one, two} {
			w.sweep(s, 5*time.Second)
		}
		want = append(want, "/ missing ["+c.id+"] (state of room)")
		if !slices.Equal(heard, want) {
			t.Errorf("heard %q, want %q", heard, want)
		}
	})
}

// patient keeps a session for days without pongs.
func patient(c *nonstick.Config) { c.Options.PingInterval = 2000 * time.Hour }

// From outside, and to one socket: the same; and where all have answered, nothing is told.
func TestEmitThenOutside(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		var heard []string
		s := w.server(pollApp(&heard), patient)
		e := emitterOf(t, w)
		p, q := w.join(s), w.join(s)
		remote, err := e.Socket(t.Context(), p.id)
		if err != nil {
			t.Fatal(err)
		}
		then := emitter.Then{Name: "vote", State: "outside"}
		ids := make(map[*peer]string)
		for _, to := range []nonstick.Continued{e.To(p.id), remote} {
			if err := to.EmitThen(t.Context(), then, "question", 1); err != nil {
				t.Fatal(err)
			}
			ids[p] = p.questionID()
			p.send("43" + ids[p] + `["yes"]`)
			p.expect(`42["thanks"]`)
		}
		if remote, err = e.Socket(t.Context(), q.id); err != nil {
			t.Fatal(err)
		}
		if err := remote.Timeout(time.Minute).EmitThen(t.Context(), then, "question", 1); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		q.send("43" + q.questionID() + `["late"]`)
		w.sweep(s, time.Second)
		time.Sleep(25 * time.Hour)
		w.sweep(s, time.Second)
		want := []string{p.id + " yes (outside)", p.id + " yes (outside)", "/ missing [" + q.id + "] (outside)"}
		if !slices.Equal(heard, want) {
			t.Errorf("heard %q, want %q", heard, want)
		}
	})
}

// What no handler takes, or is above a limit, is refused before anything is emitted.
func TestEmitThenRefused(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		s := w.server(pollApp(new([]string)))
		p := w.join(s)
		for _, c := range []struct {
			name  string
			to    nonstick.Continued
			state string
			want  error
		}{
			{"nobody", s, "", nonstick.ErrNoHandler},
			{"", emitterOf(t, w).To(p.id), "", emitter.ErrThen},
			{"vote", s.Timeout(31 * 24 * time.Hour), "", emitter.ErrThen},
			{"vote", s, strings.Repeat("s", sessionstore.MaxAckState), nonstick.ErrTooLarge},
			{"vote", s.To(""), "", nonstick.ErrRoomName},
		} {
			if err := nonstick.EmitThen(t.Context(), c.to, "question", c.name, c.state); !errors.Is(err, c.want) {
				t.Errorf("%s: error %v, want %v", c.name, err, c.want)
			}
		}
		p.expect()
	})
}

// An event to the server runs once, on an instance that sweeps, at its time.
func TestServerSideEmit(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		var ran []string
		app := func(s *nonstick.Server) {
			nonstick.OnServerSideEmit(
				s, "tidy", func(_ context.Context, n *nonstick.Namespace, in nonstick.Args2[string, int]) error {
					note(&ran, fmt.Sprint(n.Name(), in.First, in.Second))
					return nil
				},
			)
			nonstick.OnServerSideEmit(
				s, "panic", func(context.Context, *nonstick.Namespace, nonstick.Args) error { panic("oh") },
			)
		}
		one, two := w.server(app), w.server(app)
		e := emitterOf(t, w)
		for _, err := range []error{
			one.ServerSideEmit(t.Context(), "tidy", "now", 1),
			e.Of("/").ServerSideEmit(t.Context(), "tidy", "outside", 2),
			one.ServerSideEmitAt(t.Context(), time.Now().Add(time.Hour), "tidy", "later", 3),
			one.ServerSideEmit(t.Context(), "panic"),
		} {
			if err != nil {
				t.Error(err)
			}
		}
		if err := one.ServerSideEmit(t.Context(), "nothing"); !errors.Is(err, nonstick.ErrNoHandler) {
			t.Errorf("error %v", err)
		}
		if err := one.ServerSideEmit(t.Context(), "tidy", nonstick.Binary("b")); !errors.Is(err, nonstick.ErrArgs) {
			t.Errorf("error %v", err)
		}
		large := json.RawMessage(`"` + strings.Repeat("x", sessionstore.MaxTimerBody) + `"`)
		if err := one.ServerSideEmit(t.Context(), "tidy", large); !errors.Is(err, nonstick.ErrTooLarge) {
			t.Errorf("error %v", err)
		}
		w.sweep(two, time.Second)
		w.sweep(one, time.Second)
		slices.Sort(ran)
		if want := []string{"/now1", "/outside2"}; !slices.Equal(ran, want) {
			t.Errorf("ran %q, want %q", ran, want)
		}
		time.Sleep(time.Hour)
		w.sweep(one, time.Second)
		if ran[len(ran)-1] != "/later3" || len(ran) != 3 {
			t.Errorf("ran %q", ran)
		}
		if !strings.Contains(w.log.String(), "panic: oh") {
			t.Errorf("log: %s", w.log)
		}
	})
}

// A question to many lies in several parts, and goes through the queue where a broadcast would: all are heard.
func TestEmitWithAcksLarge(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		q := &line{}
		s := w.server(votingApp, func(c *nonstick.Config) { c.Fanout, c.LargeRoom = q, 100 })
		peers := make([]*peer, 300)
		for i := range peers {
			peers[i] = w.join(s)
		}
		type outcome struct {
			r   nonstick.Responses[string]
			err error
		}
		done := make(chan outcome, 1)
		go func() {
			r, err := nonstick.EmitWithAcks[string](t.Context(), s, "question")
			done <- outcome{r, err}
		}()
		synctest.Wait()
		if len(q.bodies) != 16 {
			t.Fatalf("%d messages are queued", len(q.bodies))
		}
		q.carry(t, w)
		for i, p := range peers {
			if id := p.questionID(); i > 0 {
				p.send("43" + id + `["yes"]`)
			}
		}
		got := <-done
		if len(got.r.Answered) != 299 || !slices.Equal(got.r.Missing, []string{peers[0].id}) ||
			!errors.Is(got.err, nonstick.ErrAckTimeout) {
			t.Errorf("%d answered, missing %q, %v", len(got.r.Answered), got.r.Missing, got.err)
		}
	})
}

// More than may be asked at once are not asked at all, and answers that are too large together end the wait.
func TestEmitWithAcksLimits(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		s := w.server(votingApp)
		limits := delivery.Limits{}.WithDefaults().Socket
		for i := range sessionstore.MaxAsked + 1 {
			n := sessionstore.NewSocket{
				ID: sessionstore.SocketID(fmt.Sprintf("%020d", i)), Session: sessionstore.SessionID(fmt.Sprint("s", i)),
				Namespace: "/",
			}
			if err := w.store.PutSocket(t.Context(), n, sessionstore.Connection{}, limits); err != nil {
				t.Fatal(err)
			}
		}
		before := w.meter.Total().Writes
		if _, err := nonstick.EmitWithAcks[string](
			t.Context(),
			s,
			"question",
		); !errors.Is(
			err,
			nonstick.ErrTooManyAsked,
		) {
			t.Errorf("error %v", err)
		}
		if n := w.meter.Total().Writes - before; n > 0 {
			t.Errorf("%d writes", n)
		}
	})
	inWorld(t, func(t *testing.T, w *world) {
		s := w.server(votingApp)
		large := `["` + strings.Repeat("x", 900_000) + `"]`
		peers := make([]*peer, 40)
		for i := range peers {
			peers[i] = w.joinPolling(s)
		}
		done := make(chan error, 1)
		go func() {
			_, err := nonstick.EmitWithAcks[string](t.Context(), s, "question")
			done <- err
		}()
		synctest.Wait()
		for _, p := range peers {
			p.send("43" + p.questionID() + large)
		}
		if err := <-done; !errors.Is(err, emitter.ErrAnswersTooLarge) {
			t.Errorf("error %v", err)
		}
	})
}
