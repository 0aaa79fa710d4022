package queue

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

// movers are queues with dead letters of both, and Move at work until the test ends.
func movers(t *testing.T) *Queues {
	t.Helper()
	qs, err := New(Config{Base: "http://local", Region: "local", Queues: []Spec{
		{Name: "a", DeadLetters: "dead", MaxReceives: 1, Visibility: time.Second},
		{Name: "b", DeadLetters: "dead", MaxReceives: 1, Visibility: time.Second},
		{Name: "dead"},
		{Name: "other"},
	}})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		qs.Move(ctx)
	}()
	t.Cleanup(func() {
		stop()
		<-ended
	})
	return qs
}

// kill has messages become dead letters of a queue.
func (qs *Queues) kill(t *testing.T, name string, bodies ...string) {
	t.Helper()
	q := qs.byName[name]
	for _, b := range bodies {
		send(t, q, Message{Body: b})
	}
	for range 2 {
		q.Receive(t.Context(), 10, nil, 0)
		time.Sleep(time.Second)
	}
}

// ask does an operation and reads its answer into out.
func ask(t *testing.T, qs *Queues, action, parameters string, out any) error {
	t.Helper()
	got, err := qs.act(t.Context(), action, []byte(parameters))
	if err != nil {
		return err
	}
	b, err := json.Marshal(got)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(b, out); err != nil {
		t.Fatal(err)
	}
	return nil
}

const deadARN = "arn:aws:sqs:local:000000000000:dead"

// tasks are those of the queue of dead letters.
func tasks(t *testing.T, qs *Queues) []moveResult {
	t.Helper()
	var list struct{ Results []moveResult }
	if err := ask(t, qs, "ListMessageMoveTasks", `{"SourceArn":"`+deadARN+`","MaxResults":10}`, &list); err != nil {
		t.Fatal(err)
	}
	return list.Results
}

func TestMoveDeadLettersBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		qs := movers(t)
		qs.kill(t, "a", "1", "2")
		qs.kill(t, "b", "3")
		var started struct{ TaskHandle string }
		if err := ask(
			t, qs, "StartMessageMoveTask", `{"SourceArn":"`+deadARN+`"}`, &started,
		); err != nil ||
			started.TaskHandle == "" {
			t.Fatalf("started %+v, %v", started, err)
		}
		synctest.Wait()
		want(t, bodies(qs.byName["a"], 10), "1", "2")
		want(t, bodies(qs.byName["b"], 10), "3")
		want(t, bodies(qs.byName["dead"], 10))
		list := tasks(t, qs)
		if len(list) != 1 || list[0].Status != moveCompleted || list[0].ApproximateNumberOfMessagesMoved != 3 ||
			list[0].ApproximateNumberOfMessagesToMove != 3 ||
			list[0].TaskHandle != "" {
			t.Errorf("tasks = %+v", list)
		}
		if err := ask(
			t, qs, "CancelMessageMoveTask", fmt.Sprintf(`{"TaskHandle":%q}`, started.TaskHandle), &struct{}{},
		); err == nil ||
			asAPI(err).code != "ResourceNotFoundException" {
			t.Errorf("cancel what has ended: %v", err)
		}
	})
}

func TestMoveToAQueue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		qs := movers(t)
		send(t, qs.byName["dead"], Message{Body: "never alive"})
		task := `{"SourceArn":"` + deadARN + `","DestinationArn":"arn:aws:sqs:local:000000000000:other"}`
		if err := ask(t, qs, "StartMessageMoveTask", task, &struct{}{}); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		want(t, bodies(qs.byName["other"], 10), "never alive")
		if err := ask(
			t, qs, "StartMessageMoveTask", `{"SourceArn":"`+deadARN+`","DestinationArn":"`+deadARN+`"}`, &struct{}{},
		); err == nil {
			t.Error("a queue was moved to itself")
		}
		send(t, qs.byName["dead"], Message{Body: "never alive"})
		if err := ask(t, qs, "StartMessageMoveTask", `{"SourceArn":"`+deadARN+`"}`, &struct{}{}); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		list := tasks(t, qs)
		if len(list) != 2 || list[0].Status != moveFailed || list[0].FailureReason != "CouldNotDetermineMessageSource" {
			t.Errorf("tasks = %+v", list)
		}
		want(t, bodies(qs.byName["dead"], 10), "never alive")
	})
}

func TestMoveAtARate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		qs := movers(t)
		qs.kill(t, "a", "1", "2", "3", "4")
		task := `{"SourceArn":"` + deadARN + `","MaxNumberOfMessagesPerSecond":1}`
		var started struct{ TaskHandle string }
		if err := ask(t, qs, "StartMessageMoveTask", task, &started); err != nil {
			t.Fatal(err)
		}
		if err := ask(
			t, qs, "StartMessageMoveTask", task, &struct{}{},
		); err == nil ||
			asAPI(err).code != "InvalidParameterValue" {
			t.Errorf("a second task: %v", err)
		}
		time.Sleep(2*time.Second + time.Millisecond)
		synctest.Wait()
		list := tasks(t, qs)
		if len(list) != 1 || list[0].Status != moveRunning || list[0].ApproximateNumberOfMessagesMoved != 2 ||
			list[0].TaskHandle != started.TaskHandle {
			t.Errorf("tasks = %+v", list)
		}
		var cancelled struct{ ApproximateNumberOfMessagesMoved int }
		if err := ask(
			t, qs, "CancelMessageMoveTask", fmt.Sprintf(`{"TaskHandle":%q}`, started.TaskHandle), &cancelled,
		); err != nil ||
			cancelled.ApproximateNumberOfMessagesMoved != 2 {
			t.Errorf("cancelled %+v, %v", cancelled, err)
		}
		time.Sleep(time.Minute)
		want(t, bodies(qs.byName["a"], 10), "1", "2")
		if list := tasks(t, qs); list[0].Status != moveCancelled || qs.byName["dead"].Stats().Visible != 2 {
			t.Errorf("tasks = %+v, dead %+v", list, qs.byName["dead"].Stats())
		}
	})
}

// As many tasks are remembered as the service remembers.
func TestMovesAreForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		qs := movers(t)
		for range keptMoves + 3 {
			if err := ask(t, qs, "StartMessageMoveTask", `{"SourceArn":"`+deadARN+`"}`, &struct{}{}); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
		}
		if len(qs.moves) != keptMoves ||
			slices.ContainsFunc(tasks(t, qs), func(r moveResult) bool { return r.Status != moveCompleted }) {
			t.Errorf("%d tasks are kept: %+v", len(qs.moves), tasks(t, qs))
		}
	})
}
