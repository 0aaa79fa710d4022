package queue

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// make1 makes one queue, and maybe more.
func make1(t *testing.T, specs ...Spec) *Queue {
	t.Helper()
	qs, err := New(Config{Base: "http://local", Region: "local", Queues: specs})
	if err != nil {
		t.Fatal(err)
	}
	return qs.all[0]
}

func send(t *testing.T, q *Queue, m Message) Sent {
	t.Helper()
	s, err := q.Send(m)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// bodies receives what is visible.
func bodies(q *Queue, limit int) []string {
	got := []string{}
	for _, m := range q.Receive(context.Background(), limit, nil, 0) {
		got = append(got, m.Body)
	}
	return got
}

// drop deletes by a receipt that is one.
func drop(t *testing.T, q *Queue, receipt string) {
	t.Helper()
	if err := q.Delete(receipt); err != nil {
		t.Fatal(err)
	}
}

func want(t *testing.T, got []string, want ...string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("received %v, want %v", got, want)
	}
}

func TestVisibility(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := make1(t, Spec{Name: "q", Visibility: 30 * time.Second})
		send(t, q, Message{Body: "a"})
		first := q.Receive(t.Context(), 10, nil, 0)
		if len(first) != 1 || first[0].Receives != 1 {
			t.Fatalf("received %+v", first)
		}
		want(t, bodies(q, 10))
		time.Sleep(29 * time.Second)
		want(t, bodies(q, 10))
		time.Sleep(time.Second)
		second := q.Receive(t.Context(), 10, nil, 0)
		if len(second) != 1 || second[0].Receives != 2 || second[0].ID != first[0].ID ||
			second[0].Receipt == first[0].Receipt ||
			!second[0].FirstAt.Equal(first[0].FirstAt) {
			t.Fatalf("received %+v, want the same again", second)
		}
		drop(t, q, first[0].Receipt) // of an earlier delivery
		time.Sleep(31 * time.Second)
		third := q.Receive(t.Context(), 10, nil, 0)
		if len(third) != 1 {
			t.Fatal("an old receipt deleted the message")
		}
		drop(t, q, third[0].Receipt)
		time.Sleep(time.Minute)
		want(t, bodies(q, 10))
	})
}

func TestHide(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := make1(t, Spec{Name: "q", Visibility: 30 * time.Second})
		send(t, q, Message{Body: "a"})
		m := q.Receive(t.Context(), 1, nil, 0)[0]
		if err := q.Hide(m.Receipt, 0); err != nil {
			t.Fatal(err)
		}
		want(t, bodies(q, 1), "a")
		if err := q.Hide("other", time.Second); !errors.Is(err, ErrReceipt) {
			t.Errorf("err = %v, want ErrReceipt", err)
		}
		if err := q.Hide(m.Receipt, 13*time.Hour); !errors.Is(err, ErrInvalid) {
			t.Errorf("err = %v, want ErrInvalid", err)
		}
	})
}

func TestDelay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := make1(t, Spec{Name: "q", Visibility: time.Minute, Delay: 5 * time.Second})
		send(t, q, Message{Body: "the queue's"})
		send(t, q, Message{Body: "none", Delay: new(time.Duration)})
		send(t, q, Message{Body: "its own", Delay: new(10 * time.Second)})
		want(t, bodies(q, 10), "none")
		if got := q.Stats(); got.Delayed != 2 || got.Hidden != 1 || got.Visible != 0 {
			t.Errorf("stats = %+v", got)
		}
		begin := time.Now()
		if got := q.Receive(
			t.Context(), 10, nil, 20*time.Second,
		); len(got) != 1 || got[0].Body != "the queue's" ||
			time.Since(begin) != 5*time.Second {
			t.Errorf("received %+v after %s, want it as soon as it is visible", got, time.Since(begin))
		}
		time.Sleep(5 * time.Second)
		want(t, bodies(q, 10), "its own")
	})
}

func TestLongPoll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := make1(t, Spec{Name: "q", Visibility: time.Minute})
		begin := time.Now()
		if got := q.Receive(t.Context(), 1, nil, 20*time.Second); len(got) > 0 || time.Since(begin) != 20*time.Second {
			t.Errorf("received %v after %s, want nothing after 20s", got, time.Since(begin))
		}
		go func() {
			time.Sleep(3 * time.Second)
			send(t, q, Message{Body: "a"})
		}()
		begin = time.Now()
		if got := q.Receive(t.Context(), 1, nil, 20*time.Second); len(got) != 1 || time.Since(begin) != 3*time.Second {
			t.Errorf("received %v after %s, want it after 3s", got, time.Since(begin))
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		begin = time.Now()
		if q.Receive(ctx, 1, nil, 20*time.Second); time.Since(begin) != time.Second {
			t.Errorf("it waited %s, longer than its context", time.Since(begin))
		}
	})
}

func TestDeadLetters(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		qs, err := New(Config{Base: "http://local", Region: "local", Queues: []Spec{
			{Name: "q", Visibility: time.Second, DeadLetters: "dead", MaxReceives: 3},
			{Name: "dead", Visibility: time.Second},
		}})
		if err != nil {
			t.Fatal(err)
		}
		q, dead := qs.all[0], qs.all[1]
		id := send(t, q, Message{Body: "a"}).ID
		for range 3 {
			want(t, bodies(q, 10), "a")
			want(t, bodies(dead, 10))
			time.Sleep(time.Second)
		}
		want(t, bodies(q, 10))
		got := dead.Receive(t.Context(), 10, nil, 0)
		if len(got) != 1 || got[0].ID != id || got[0].Receives != 1 || got[0].DeadFrom != "q" {
			t.Errorf("dead letters = %+v", got)
		}
		if s := q.Stats(); s.Dead != 1 || s.Visible+s.Hidden+s.Delayed != 0 {
			t.Errorf("stats = %+v", s)
		}
	})
}

func TestRetention(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := make1(t, Spec{Name: "q", Retention: time.Minute})
		send(t, q, Message{Body: "a"})
		time.Sleep(61 * time.Second)
		want(t, bodies(q, 10))
	})
}

func TestFIFO(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := make1(t, Spec{Name: "q.fifo", FIFO: true, Visibility: 30 * time.Second})
		for i, group := range []string{"a", "b", "a", "a", "b"} {
			send(t, q, Message{Body: fmt.Sprint(group, i), Group: group, Dedup: fmt.Sprint(i)})
		}
		first := q.Receive(t.Context(), 2, nil, 0)
		if len(first) != 2 || first[0].Body != "a0" || first[1].Body != "b1" || first[0].Sequence >= first[1].Sequence {
			t.Fatalf("received %+v, want the first two", first)
		}
		want(t, bodies(q, 10)) // both groups are busy
		drop(t, q, first[0].Receipt)
		want(t, bodies(q, 10), "a2", "a3") // the rest of a, in order
		time.Sleep(30 * time.Second)
		want(t, bodies(q, 10), "b1", "a2", "a3", "b4") // what came back comes before what followed it
	})
}

func TestFIFODelayHoldsUpTheGroup(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := make1(t, Spec{Name: "q.fifo", FIFO: true, Visibility: time.Minute, Delay: time.Second})
		send(t, q, Message{Body: "1", Group: "g", Dedup: "1"})
		time.Sleep(500 * time.Millisecond)
		send(t, q, Message{Body: "2", Group: "g", Dedup: "2"})
		time.Sleep(500 * time.Millisecond)
		want(t, bodies(q, 10), "1")
	})
}

func TestDeduplication(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := make1(t, Spec{Name: "q.fifo", FIFO: true, ContentDedup: true, Visibility: time.Minute})
		one := send(t, q, Message{Body: "same", Group: "g"})
		if again := send(t, q, Message{Body: "same", Group: "h"}); again != one {
			t.Errorf("sent %+v, then %+v, want the same", one, again)
		}
		send(t, q, Message{Body: "same", Group: "g", Dedup: "own"})
		if got := q.Stats().Visible; got != 2 {
			t.Errorf("%d messages, want 2", got)
		}
		time.Sleep(5*time.Minute + time.Second)
		send(t, q, Message{Body: "same", Group: "g"})
		if got := q.Stats().Visible; got != 3 {
			t.Errorf("%d messages after the window, want 3", got)
		}
	})
}

func TestRefusals(t *testing.T) {
	standard, fifo := Spec{Name: "q"}, Spec{Name: "q.fifo", FIFO: true}
	tests := []struct {
		name string
		spec Spec
		m    Message
		want error
	}{
		{"fine", standard, Message{Body: "a", Group: "fair-queues-have-groups"}, nil},
		{"fine, greatest", standard, Message{Body: strings.Repeat("x", maxMessage)}, nil},
		{"empty", standard, Message{}, ErrInvalid},
		{"too large", standard, Message{Body: strings.Repeat("x", maxMessage+1)}, ErrTooLarge},
		{
			"too large with attributes", standard,
			Message{Body: strings.Repeat("x", maxMessage), Attributes: map[string]Attribute{"a": {}}},
			ErrTooLarge,
		},
		{"delay too long", standard, Message{Body: "a", Delay: new(maxDelay + 1)}, ErrInvalid},
		{"deduplication without FIFO", standard, Message{Body: "a", Dedup: "d"}, ErrInvalid},
		{"fine, FIFO", fifo, Message{Body: "a", Group: "g", Dedup: "d"}, nil},
		{"no group", fifo, Message{Body: "a", Dedup: "d"}, ErrInvalid},
		{"no deduplication", fifo, Message{Body: "a", Group: "g"}, ErrInvalid},
		{"delay of a message", fifo, Message{Body: "a", Group: "g", Dedup: "d", Delay: new(time.Second)}, ErrInvalid},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if _, err := make1(t, tt.spec).Send(tt.m); !errors.Is(err, tt.want) {
				t.Errorf("err = %v, want %v", err, tt.want)
			}
		})
	}
}

func TestNewRefuses(t *testing.T) {
	for name, specs := range map[string][]Spec{
		"two of a name":           {{Name: "q"}, {Name: "q"}},
		"dead letters to nowhere": {{Name: "q", DeadLetters: "other"}},
	} {
		if _, err := New(Config{Queues: specs}); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

// Requests are counted as SQS bills them: each begun 64 KB is one.
func TestRequests(t *testing.T) {
	q := make1(t, Spec{Name: "q"})
	for _, c := range []struct{ size, want int }{{1, 1}, {64 << 10, 2}, {64<<10 + 1, 4}} {
		send(t, q, Message{Body: strings.Repeat("x", c.size)})
		if got := q.Stats().Requests; got != int64(c.want) {
			t.Errorf("after %d bytes: %d requests, want %d", c.size, got, c.want)
		}
	}
}
