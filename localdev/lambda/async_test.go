//go:build unix

package lambda_test

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/nonstick-io/nonstick/localdev/lambda"
)

func TestAsync(t *testing.T) {
	file := func(t *testing.T) string { return t.TempDir() + "/notes" }
	lines := func(name string) int { b, _ := os.ReadFile(name); return strings.Count(string(b), "\n") }
	t.Run("delivered", func(t *testing.T) {
		s, f := start(t, nil), file(t)
		if err := s.InvokeAsync(lambda.Call{Function: "probe", Payload: order("do", "note", "file", f)}); err != nil {
			t.Fatal(err)
		}
		eventually(t, "the note", func() bool { return lines(f) == 1 })
	})
	t.Run("again after errors, so often", func(t *testing.T) {
		s := start(t, func(c *lambda.Config, f *lambda.Function) {
			c.AsyncPauses, f.AsyncRetries = []time.Duration{10 * time.Millisecond, 20 * time.Millisecond}, 2
		})
		if err := s.InvokeAsync(lambda.Call{Function: "probe", Payload: order("do", "error")}); err != nil {
			t.Fatal(err)
		}
		eventually(t, "three attempts", func() bool { return s.stats().Errors == 3 })
		time.Sleep(100 * time.Millisecond)
		if got := s.stats().Errors; got != 3 {
			t.Errorf("%d attempts, want 3", got)
		}
	})
	t.Run("each attempt has the id of the first", func(t *testing.T) {
		s := start(t, func(c *lambda.Config, f *lambda.Function) {
			c.AsyncPauses, f.AsyncRetries = []time.Duration{time.Millisecond}, 2
		})
		f := file(t)
		for range 2 {
			if err := s.InvokeAsync(lambda.Call{Function: "probe", Payload: order("do", "id", "file", f)}); err != nil {
				t.Fatal(err)
			}
		}
		eventually(t, "three attempts each", func() bool { return lines(f) == 6 })
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		ids := map[string]int{}
		for _, id := range strings.Fields(string(b)) {
			ids[id]++
		}
		if len(ids) != 2 {
			t.Errorf("attempts by id: %v, want two ids", ids)
		}
	})
	t.Run("again after throttles", func(t *testing.T) {
		s, f := start(t, func(_ *lambda.Config, f *lambda.Function) { f.Concurrency = 1 }), file(t)
		done := make(chan struct{})
		go func() {
			defer close(done)
			s.invoke(t, "sleep", 300)
		}()
		eventually(t, "it is busy", func() bool { return s.stats().Busy == 1 })
		if err := s.InvokeAsync(lambda.Call{Function: "probe", Payload: order("do", "note", "file", f)}); err != nil {
			t.Fatal(err)
		}
		eventually(t, "the note", func() bool { return lines(f) == 1 })
		<-done
		if s.stats().Throttles == 0 {
			t.Error("it was not throttled")
		}
	})
	t.Run("unknown function", func(t *testing.T) {
		if err := start(t, nil).InvokeAsync(lambda.Call{Function: "nobody"}); !errors.Is(err, lambda.ErrNotFound) {
			t.Errorf("err = %v", err)
		}
	})
}

// Of an asynchronous call that fails for good the function's destination gets a record, as the service makes it.
func TestDestination(t *testing.T) {
	const arn = "arn:aws:sqs:local:000000000000:dead"
	type record struct {
		Context struct {
			Condition string
			Calls     int    `json:"approximateInvokeCount"`
			Function  string `json:"functionArn"`
		} `json:"requestContext"`
		Payload  map[string]any `json:"requestPayload"`
		Response struct {
			Error string `json:"functionError"`
		} `json:"responseContext"`
		Answer struct {
			Message string `json:"errorMessage"`
		} `json:"responsePayload"`
	}
	for _, tt := range []struct {
		name, condition string
		calls           int
		concurrency     int
		age             time.Duration
	}{
		{"tried often enough", "RetriesExhausted", 2, 4, time.Hour},
		{"too old for another try", "EventAgeExceeded", 0, 0, 500 * time.Millisecond},
	} {
		t.Run(tt.name, func(t *testing.T) {
			told := make(chan string, 2)
			s := start(t, func(c *lambda.Config, f *lambda.Function) {
				c.AsyncPauses, f.AsyncRetries, f.AsyncAge = []time.Duration{time.Millisecond}, 1, tt.age
				f.OnFailure, f.Concurrency = arn, tt.concurrency
				c.Send = func(to, body string) error {
					told <- to + " " + body
					return nil
				}
			})
			if err := s.InvokeAsync(lambda.Call{Function: "probe", Payload: order("do", "error")}); err != nil {
				t.Fatal(err)
			}
			var got string
			select {
			case got = <-told:
			case <-time.After(patience):
				t.Fatal("the destination was not told")
			}
			to, body, _ := strings.Cut(got, " ")
			var r record
			if err := json.Unmarshal([]byte(body), &r); err != nil || to != arn {
				t.Fatalf("%s got %s: %v", to, body, err)
			}
			if r.Context.Condition != tt.condition || r.Context.Calls != tt.calls ||
				!strings.HasSuffix(r.Context.Function, ":probe:$LATEST") ||
				r.Payload["do"] != "error" {
				t.Errorf("record %s", body)
			}
			if failed := tt.calls > 0; (r.Response.Error == "Unhandled") != failed ||
				(r.Answer.Message == "as ordered") != failed {
				t.Errorf("what the function said, in %s", body)
			}
		})
	}
}

// Check finds a function that does not start before its first call, and returns what the function says.
func TestCheck(t *testing.T) {
	if got := start(t, nil).Check(); len(got) != 0 {
		t.Errorf("a function that starts: %v", got)
	}
	s := start(t, func(_ *lambda.Config, f *lambda.Function) { f.Environment["PROBE_INIT"] = "crash" })
	if err := s.Check()["probe"]; err == nil || !strings.Contains(err.Error(), "init says goodbye") {
		t.Errorf("error %v, want what the function said", err)
	}
	if got := s.stats(); got.ColdStarts != 0 || got.Crashes != 0 || len(got.PIDs) != 0 {
		t.Errorf("stats %+v, want none", got)
	}
}

// A function that has been invoked 16 times in one chain of calls is refused in it, unless it is meant to call
// itself. Other chains, and other functions of this one, go on.
func TestLoop(t *testing.T) {
	const arn = "arn:aws:lambda:local:000000000000:function:probe"
	call := func(s *started, trace string) error {
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		defer cancel()
		_, err := s.Invoke(ctx, lambda.Call{Function: "probe", Payload: order("text", "x"), Trace: trace})
		return err
	}
	s := start(t, nil)
	for trace, looped := range map[string]bool{
		"": false, "Root=1-2-3": false, "nonsense;;Lineage=x:y,:": false,
		lambda.Lineage(arn, 15): false, lambda.Lineage(arn, 16): true, "Root=1-2-3;" + lambda.Lineage(arn, 17): true,
		lambda.Lineage(arn+"2", 16): false,
	} {
		if err := call(s, trace); errors.Is(err, lambda.ErrLoop) != looped || err != nil && !looped {
			t.Errorf("%q: %v, want a loop: %v", trace, err, looped)
		}
	}
	if got := s.stats(); got.Loops != 2 || got.Invocations != 5 {
		t.Errorf("stats %+v", got)
	}
	if err := call(
		start(t, func(_ *lambda.Config, f *lambda.Function) { f.AllowLoop = true }), lambda.Lineage(arn, 1000),
	); err != nil {
		t.Errorf("a function that may: %v", err)
	}
	// What the function hands on counts this invocation too, and keeps the root.
	res, err := s.Invoke(
		t.Context(),
		lambda.Call{
			Function: "probe", Payload: order("do", "env", "text", "_X_AMZN_TRACE_ID"),
			Trace: "Root=1-2-3;" + lambda.Lineage(arn, 3),
		},
	)
	if got := string(
		res.Payload,
	); err != nil || !strings.Contains(got, "Root=1-2-3;") ||
		!strings.Contains(got, lambda.Lineage(arn, 4)) {
		t.Errorf("handed on: %s, %v", got, err)
	}
}
