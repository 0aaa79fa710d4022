package emitting

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"

	"github.com/nonstick-io/nonstick/adapter"
	"github.com/nonstick-io/nonstick/functions/internal/boot"
	"github.com/nonstick-io/nonstick/sessionstore"
)

func TestFanout(t *testing.T) {
	w := newWorld(t)
	w.client("one", "a")
	w.client("two", "a", "b")
	h := Fanout(w.parts)
	deliver := func(bodies ...string) string {
		t.Helper()
		var records []map[string]string
		for i, b := range bodies {
			records = append(
				records, map[string]string{"messageId": fmt.Sprint(i), "body": b, "eventSource": "aws:sqs"},
			)
		}
		event, err := json.Marshal(map[string]any{"Records": records})
		if err != nil {
			t.Fatal(err)
		}
		answer, err := h(t.Context(), event)
		if err != nil {
			t.Fatal(err)
		}
		return string(answer)
	}
	part := func(n int) string {
		return fmt.Sprintf(
			`{"namespace":"/","rooms":["a"],"except":["b"],"range":%d,"packet":{"id":"p","type":2,"data":["x"]}}`, n,
		)
	}
	var all []string // the client's socket is in one of the ranges
	for n := range 16 {
		all = append(all, part(n))
	}
	w.store.walks = sessionstore.ErrUnavailable
	if got := deliver(
		part(0), part(1),
	); got != `{"batchItemFailures":[{"itemIdentifier":"0"},{"itemIdentifier":"1"}]}` {
		t.Errorf("while the store is away: %s", got)
	}
	w.store.walks = nil
	for _, want := range []string{`42["x"]`, ""} { // the second time, all have been delivered
		if got := deliver(append(all, all...)...); got != `{"batchItemFailures":[]}` {
			t.Errorf("answered %s", got)
		}
		if one, two := w.got("one"), w.got("two"); one != want || two != "" {
			t.Errorf("one got %q, two %q, want %q", one, two, want)
		}
	}

	// What makes no sense is left to the dead letters, and holds nothing up.
	for name, garbage := range map[string]string{
		"no JSON": "{", "nothing": "{}", "no such range": part(16),
		"no namespace": strings.Replace(all[0], `"/"`, `""`, 1), "a number": "7",
		"too large": strings.Replace(all[0], `"x"`, `"`+strings.Repeat("x", 200<<10)+`"`, 1),
	} {
		w.log.Reset()
		if got := deliver(
			garbage, part(1),
		); got != `{"batchItemFailures":[{"itemIdentifier":"0"}]}` ||
			strings.Count(w.log.String(), "ERROR") != 1 {
			t.Errorf("%s: %s, log %s", name, got, w.log)
		}
	}
}

// returned is a queue to which messages are given back.
type returned struct{ got []string }

func (r *returned) Return(_ context.Context, receipt string, d time.Duration) error {
	r.got = append(r.got, receipt+" "+d.String())
	return nil
}

// What was not finished comes again: at once if it reached a socket, later and later while the store is away, and at
// once if it is not understood, for then it is to be among the dead letters soon.
func TestFanoutGivesBack(t *testing.T) {
	w := newWorld(t)
	w.client("one", "a")
	q := &returned{}
	f := &fanout{
		emitter: newEmitter(w.parts, w.parts.Store, adapter.Options{}), log: w.parts.Log,
		again: boot.Again{Queue: q, Log: w.parts.Log},
	}
	message := func(body, receives string) events.SQSMessage {
		return events.SQSMessage{
			MessageId: "m", ReceiptHandle: "r", Body: body,
			Attributes: map[string]string{"ApproximateReceiveCount": receives},
		}
	}
	const part = `{"namespace":"/","rooms":["a"],"range":0,"packet":{"id":"p","type":2,"data":["x"]}}`
	w.store.walks = sessionstore.ErrUnavailable
	for receives, want := range map[string]string{"1": "r 2s", "3": "r 8s", "7": "r 2m8s", "20": "r 2m8s", "": "r 2s"} {
		q.got = nil
		if res := f.serve(
			t.Context(), []events.SQSMessage{message(part, receives)},
		); len(res.BatchItemFailures) != 1 ||
			!slices.Equal(q.got, []string{want}) {
			t.Errorf(
				"received %s times: failures %v, given back %q, want %q", receives, res.BatchItemFailures, q.got,
				want,
			)
		}
	}
	w.store.walks = nil
	q.got = nil
	if res := f.serve(
		t.Context(), []events.SQSMessage{message("{", "3")},
	); len(res.BatchItemFailures) != 1 ||
		!slices.Equal(q.got, []string{"r 0s"}) {
		t.Errorf("not understood: failures %v, given back %q", res.BatchItemFailures, q.got)
	}
	q.got = nil
	if res := f.serve(
		t.Context(), []events.SQSMessage{message(part, "1")},
	); len(res.BatchItemFailures) != 0 ||
		q.got != nil {
		t.Errorf("delivered: failures %v, given back %q", res.BatchItemFailures, q.got)
	}
}

// A part that wants for nothing but time goes on at once.
func TestFanoutOutOfTime(t *testing.T) {
	w := newWorld(t)
	for i := range 300 { // more than are delivered to before time is looked at
		w.client(fmt.Sprintf("A%03d", i), "a")
	}
	q := &returned{}
	f := &fanout{
		emitter: newEmitter(w.parts, w.parts.Store, adapter.Options{}), log: w.parts.Log,
		again: boot.Again{Queue: q, Log: w.parts.Log},
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Second) // less than another chunk may take
	defer cancel()
	var again int
	for n := range 16 { // the clients are in one of the ranges
		body := fmt.Sprintf(`{"namespace":"/","rooms":["a"],"range":%d,"packet":{"id":"p","type":2,"data":["x"]}}`, n)
		m := events.SQSMessage{
			MessageId: "m", ReceiptHandle: "r", Body: body,
			Attributes: map[string]string{"ApproximateReceiveCount": "5"},
		}
		again += len(f.serve(ctx, []events.SQSMessage{m}).BatchItemFailures)
	}
	if again != 1 || !slices.Equal(q.got, []string{"r 0s"}) {
		t.Errorf("%d parts come again, given back %q", again, q.got)
	}
}
