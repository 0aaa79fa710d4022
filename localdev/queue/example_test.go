package queue_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/aws/aws-lambda-go/events"

	"github.com/nonstick-io/nonstick/localdev/queue"
)

// A message that is not deleted comes again, and after two deliveries it is a dead letter.
func Example() {
	queues, err := queue.New(queue.Config{Base: "http://127.0.0.1:3000", Region: "us-east-1", Queues: []queue.Spec{
		{Name: "work", Visibility: time.Minute, DeadLetters: "dead", MaxReceives: 2},
		{Name: "dead"},
	}})
	if err != nil {
		fmt.Println(err)
		return
	}
	work, _ := queues.Get("work")
	if _, err := work.Send(queue.Message{Body: "carry the piano"}); err != nil {
		fmt.Println(err)
		return
	}
	again := time.Duration(0) // the visibility timeout of these deliveries: it comes again at once
	for range 3 {
		for _, m := range work.Receive(context.Background(), 10, &again, 0) {
			fmt.Println(m.Body, m.Receives)
		}
	}
	for _, s := range queues.Stats() {
		fmt.Println(s.Queue, s.Visible)
	}
	fmt.Println(queues.URL("work"))
	// Output:
	// carry the piano 1
	// carry the piano 2
	// work 0
	// dead 1
	// http://127.0.0.1:3000/000000000000/work
}

// Feed calls a function with what is sent to a queue, until its context ends.
func ExampleQueues_Feed() {
	queues, err := queue.New(queue.Config{Base: "http://127.0.0.1:3000", Region: "us-east-1", Queues: []queue.Spec{
		{Name: "work.fifo", FIFO: true, ContentDedup: true, Visibility: time.Minute},
	}})
	if err != nil {
		fmt.Println(err)
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	call := func(_ context.Context, function string, event []byte) ([]byte, error) {
		var e events.SQSEvent
		if err := json.Unmarshal(event, &e); err != nil {
			return nil, err
		}
		for _, r := range e.Records {
			fmt.Println(function, "gets", r.Body)
			if r.Body == "last" {
				cancel()
			}
		}
		return nil, nil // all of them are done
	}
	q, _ := queues.Get("work.fifo")
	for _, body := range []string{"first", "second", "second", "last"} { // the repetition is dropped
		if _, err := q.Send(queue.Message{Body: body, Group: "g"}); err != nil {
			fmt.Println(err)
		}
	}
	m := queue.Mapping{Queue: "work.fifo", Function: "Worker", Batch: 1, Concurrency: 2}
	if err := queues.Feed(ctx, m, call, nil); err != nil || !errors.Is(ctx.Err(), context.Canceled) {
		fmt.Println(err, ctx.Err())
	}
	// Output:
	// Worker gets first
	// Worker gets second
	// Worker gets last
}
