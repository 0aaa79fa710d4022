package queue

import (
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

	"github.com/aws/aws-lambda-go/events"
)

// fakeFunction remembers its calls and answers as it is told.
type fakeFunction struct {
	mu      sync.Mutex
	calls   []events.SQSEvent
	now     int // calls under way
	most    int
	answer  func(n int, e events.SQSEvent) (string, error)
	takes   time.Duration
	started []time.Time
}

func (f *fakeFunction) call(_ context.Context, _ string, event []byte) ([]byte, error) {
	var e events.SQSEvent
	if err := json.Unmarshal(event, &e); err != nil {
		return nil, err
	}
	f.mu.Lock()
	f.calls = append(f.calls, e)
	f.started = append(f.started, time.Now())
	n := len(f.calls)
	f.now++
	f.most = max(f.most, f.now)
	f.mu.Unlock()
	time.Sleep(f.takes)
	f.mu.Lock()
	defer f.mu.Unlock()
	f.now--
	if f.answer == nil {
		return nil, nil
	}
	answer, err := f.answer(n, e)
	return []byte(answer), err
}

// feed runs a mapping for some time.
func feed(t *testing.T, f *fakeFunction, m Mapping, specs []Spec, messages []Message, d time.Duration) *Queues {
	t.Helper()
	qs, err := New(Config{Base: "http://local", Region: "local", Queues: specs})
	if err != nil {
		t.Fatal(err)
	}
	for _, x := range messages {
		send(t, qs.all[0], x)
	}
	ctx, cancel := context.WithTimeout(context.Background(), d)
	defer cancel()
	m.Queue, m.Function = specs[0].Name, "f"
	if err := qs.Feed(ctx, m, f.call, slog.New(slog.DiscardHandler)); err != nil {
		t.Error(err)
	}
	return qs
}

func bodiesOf(n int) []Message {
	var all []Message
	for i := range n {
		all = append(all, Message{Body: fmt.Sprint(i)})
	}
	return all
}

func TestFeed(t *testing.T) {
	boom := errors.New("boom")
	spec := []Spec{{Name: "q", Visibility: 10 * time.Second, DeadLetters: "dead", MaxReceives: 3}, {Name: "dead"}}
	tests := []struct {
		name    string
		mapping Mapping
		n       int
		answer  func(n int, e events.SQSEvent) (string, error)
		calls   int // within a minute
		left    int // in the queue
		dead    int
	}{
		{"success", Mapping{Batch: 10}, 3, nil, 1, 0, 0},
		{"batches", Mapping{Batch: 1}, 3, nil, 3, 0, 0},
		{"fails once", Mapping{Batch: 10}, 3, func(n int, _ events.SQSEvent) (string, error) {
			if n == 1 {
				return "", boom
			}
			return "", nil
		}, 2, 0, 0},
		{
			"fails for ever",
			Mapping{Batch: 10},
			3, func(int, events.SQSEvent) (string, error) { return "", boom },
			3, 0, 3,
		},
		{
			"one of them fails for ever",
			Mapping{Batch: 10, Partial: true},
			3,
			func(_ int, e events.SQSEvent) (string, error) {
				return failing(e, "1"), nil
			},
			3, 0, 1,
		},
		{
			"partial failures are ignored unless asked for",
			Mapping{Batch: 10},
			3,
			func(_ int, e events.SQSEvent) (string, error) {
				return failing(e, "1"), nil
			},
			1, 0, 0,
		},
		{
			"an answer that names nobody's message",
			Mapping{Batch: 10, Partial: true},
			3,
			func(int, events.SQSEvent) (string, error) {
				return `{"batchItemFailures":[{"itemIdentifier":"?"}]}`, nil
			},
			3, 0, 3,
		},
		{
			"an answer that is no JSON",
			Mapping{Batch: 10, Partial: true},
			3,
			func(int, events.SQSEvent) (string, error) { return "{", nil }, 3, 0, 3,
		},
		{
			"an empty answer",
			Mapping{Batch: 10, Partial: true},
			3,
			func(int, events.SQSEvent) (string, error) { return "null", nil }, 1, 0, 0,
		},
		{"throttles are no deliveries", Mapping{Batch: 10}, 3, func(n int, _ events.SQSEvent) (string, error) {
			if n <= 5 {
				return "", ErrThrottled
			}
			return "", nil
		}, 6, 0, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := &fakeFunction{answer: tt.answer}
				qs := feed(t, f, tt.mapping, spec, bodiesOf(tt.n), time.Minute)
				s, d := qs.all[0].Stats(), qs.all[1].Stats()
				if len(f.calls) != tt.calls || s.Visible+s.Hidden != tt.left || d.Visible != tt.dead {
					t.Errorf(
						"%d calls, %d left, %d dead, want %d, %d, %d", len(f.calls), s.Visible+s.Hidden, d.Visible,
						tt.calls, tt.left, tt.dead,
					)
				}
			})
		})
	}
}

// failing is an answer that names the message with that body.
func failing(e events.SQSEvent, body string) string {
	res := events.SQSEventResponse{}
	for _, r := range e.Records {
		if r.Body == body {
			res.BatchItemFailures = append(
				res.BatchItemFailures, events.SQSBatchItemFailure{ItemIdentifier: r.MessageId},
			)
		}
	}
	b, _ := json.Marshal(res)
	return string(b)
}

func TestFeedConcurrency(t *testing.T) {
	for _, tt := range []struct {
		limit, n int
		takes    time.Duration
		want     int
	}{
		{0, 5, time.Second, 5},
		{0, 20, time.Minute, 20}, // grows by one every 200 ms
		{2, 20, time.Second, 2},
	} {
		synctest.Test(t, func(t *testing.T) {
			f := &fakeFunction{takes: tt.takes}
			feed(
				t, f, Mapping{Batch: 1, Concurrency: tt.limit}, []Spec{{Name: "q", Visibility: 5 * time.Minute}},
				bodiesOf(tt.n), time.Minute,
			)
			if f.most != tt.want || len(f.calls) != tt.n {
				t.Errorf("%d calls, %d at a time, want %d and %d", len(f.calls), f.most, tt.n, tt.want)
			}
		})
	}
}

func TestFeedWindow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fakeFunction{}
		feed(
			t, f, Mapping{Batch: 25, Window: 2 * time.Second, Concurrency: 1},
			[]Spec{{Name: "q", Visibility: time.Minute}}, bodiesOf(30), 30*time.Second,
		)
		if len(f.calls) != 2 || len(f.calls[0].Records) != 25 || len(f.calls[1].Records) != 5 {
			t.Errorf("%d calls, of %d messages first, want 25 and 5", len(f.calls), len(f.calls[0].Records))
		}
	})
}

// A group is served by one call at a time, in order, also when a message of it fails; others go on meanwhile.
func TestFeedKeepsTheOrderOfGroups(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var messages []Message
		for i := range 40 {
			group := string(rune('a' + i%4))
			messages = append(
				messages, Message{Body: fmt.Sprintf("%s%02d", group, i), Group: group, Dedup: fmt.Sprint(i)},
			)
		}
		failedOnce := false
		done := []string{} // what was not in the batch that failed
		f := &fakeFunction{takes: 100 * time.Millisecond}
		f.answer = func(_ int, e events.SQSEvent) (string, error) {
			if !failedOnce &&
				slices.ContainsFunc(e.Records, func(r events.SQSMessage) bool { return r.Body == "b05" }) {
				failedOnce = true
				return "", errors.New("boom")
			}
			for _, r := range e.Records {
				done = append(done, r.Body)
			}
			return "", nil
		}
		spec := []Spec{{Name: "q.fifo", FIFO: true, Visibility: 10 * time.Second}}
		feed(t, f, Mapping{Batch: 3}, spec, messages, 2*time.Minute)
		for _, group := range []string{"a", "b", "c", "d"} {
			var got []string
			for _, body := range done {
				if strings.HasPrefix(body, group) {
					got = append(got, body)
				}
			}
			if len(got) != 10 || !slices.IsSorted(got) {
				t.Errorf("group %s: %v, want all ten in order", group, got)
			}
		}
		if !failedOnce {
			t.Error("no batch failed")
		}
	})
}

func TestEventShape(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fakeFunction{}
		m := Message{
			Body: "hello", Group: "g", Dedup: "d",
			Attributes: map[string]Attribute{
				"s": {Type: "String", String: "x"}, "b": {Type: "Binary", Binary: []byte{1}},
			},
		}
		feed(
			t, f, Mapping{Batch: 10}, []Spec{{Name: "q.fifo", FIFO: true, Visibility: time.Minute}}, []Message{m},
			time.Second,
		)
		r := f.calls[0].Records[0]
		a := r.Attributes
		if r.EventSource != "aws:sqs" || r.EventSourceARN != "arn:aws:sqs:local:000000000000:q.fifo" ||
			r.Md5OfBody != "5d41402abc4b2a76b9719d911017c592" ||
			a["ApproximateReceiveCount"] != "1" || a["MessageGroupId"] != "g" || a["MessageDeduplicationId"] != "d" ||
			a["SequenceNumber"] == "" ||
			a["SentTimestamp"] == "" {
			t.Errorf("record = %+v", r)
		}
		if s := r.MessageAttributes["s"].StringValue; s == nil || *s != "x" ||
			string(r.MessageAttributes["b"].BinaryValue) != "\x01" {
			t.Errorf("attributes = %+v", r.MessageAttributes)
		}
	})
}

func TestSchedule(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var at []time.Duration
		var event string
		begin := time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute+time.Second)
		defer cancel()
		s := Schedule{Name: "s", Function: "f", Every: 2 * time.Minute}
		s.Run(ctx, func(_ context.Context, _ string, e []byte) ([]byte, error) {
			at, event = append(at, time.Since(begin)), string(e)
			return nil, nil
		}, slog.New(slog.DiscardHandler))
		if !slices.Equal(at, []time.Duration{2 * time.Minute, 4 * time.Minute}) {
			t.Errorf("called after %v", at)
		}
		var e events.CloudWatchEvent
		if err := json.Unmarshal(
			[]byte(event), &e,
		); err != nil || e.Source != "aws.events" ||
			e.DetailType != "Scheduled Event" {
			t.Errorf("event = %s, %v", event, err)
		}
		s.Input = `{"mine":true}`
		if got := string(s.event(begin)); got != s.Input {
			t.Errorf("event = %s, want the input", got)
		}
	})
}
