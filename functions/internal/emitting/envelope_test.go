package emitting

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/aws/aws-lambda-go/lambdacontext"

	"github.com/nonstick-io/nonstick/functions/internal/boot"
	"github.com/nonstick-io/nonstick/sessionstore"
)

func fixture(t *testing.T, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestEnvelopes(t *testing.T) {
	tests := []struct{ file, want, answer string }{
		{"sqs.json", `42["first",1] 42["second"]`, `{"batchItemFailures":[]}`},
		{"sns.json", `42["first",1]`, ""},
		{"eventbridge.json", `42["first",1]`, ""},
	}
	for _, tt := range tests {
		t.Run(tt.file, func(t *testing.T) {
			w := newWorld(t)
			w.client("one", "a")
			h := Emit(w.parts)
			event := fixture(t, tt.file)
			for _, want := range []string{tt.want, ""} { // the platform may deliver it twice
				answer, err := h(t.Context(), event)
				if err != nil || string(answer) != tt.answer {
					t.Errorf("answered %s, %v", answer, err)
				}
				if got := w.got("one"); got != want {
					t.Errorf("pushed %q, want %q", got, want)
				}
			}
		})
		t.Run(tt.file+" while the store is away", func(t *testing.T) {
			w := newWorld(t)
			w.client("one", "a")
			h := Emit(w.parts)
			event := fixture(t, tt.file)
			w.store.walks = sessionstore.ErrUnavailable
			answer, err := h(t.Context(), event)
			if again := errors.Is(err, errFailed) || strings.Contains(string(answer), "itemIdentifier"); !again {
				t.Errorf("answered %s, %v", answer, err)
			}
			w.store.walks = nil
			if _, err := h(t.Context(), event); err != nil || w.got("one") != tt.want {
				t.Errorf("again: %v", err)
			}
		})
	}
}

// A message that makes no sense, or cannot be done, is neither taken for done nor done in part: it comes again until
// it is among the dead letters.
func TestEnvelopesOfNothing(t *testing.T) {
	for name, event := range map[string]string{
		"no request":    `{"Records":[{"messageId":"1","eventSource":"aws:sqs","body":"{"}]}`,
		"nothing":       `{"Records":[{"messageId":"1","eventSource":"aws:sqs","body":""}]}`,
		"wrong request": `{"Records":[{"messageId":"1","eventSource":"aws:sqs","body":"{\"event\":\"connect\"}"}]}`,
		"wrong topic":   `{"Records":[{"EventSource":"aws:sns","Sns":{"MessageId":"1","Message":"x"}}]}`,
		"wrong detail":  `{"detail-type":"x","id":"1","detail":7}`,
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			for range 2 { // the second time as the first
				w.log.Reset()
				answer, err := Emit(w.parts)(t.Context(), []byte(event))
				failed := errors.Is(err, errFailed) || strings.Contains(string(answer), `"itemIdentifier":"1"`)
				if !failed || strings.Count(w.log.String(), "ERROR") != 1 {
					t.Errorf("answered %s, %v; log %s", answer, err, w.log)
				}
			}
		})
	}
	if _, err := Emit(
		newWorld(t).parts,
	)(
		t.Context(), []byte(`{"Records":[{"eventSource":"aws:kinesis"}]}`),
	); !errors.Is(
		err, boot.ErrEvent,
	) {
		t.Errorf("records of another source: %v", err)
	}
}

// In a FIFO queue what is behind a message that failed waits for it, and other groups do not.
func TestGroups(t *testing.T) {
	w := newWorld(t)
	w.client("one")
	record := func(id, group, event string) string {
		return fmt.Sprintf(
			`{"messageId":%q,"eventSource":"aws:sqs","attributes":{"MessageGroupId":%q},"body":"{\"event\":\"%s\"}"}`,
			id, group, event,
		)
	}
	event := `{"Records":[` + strings.Join(
		[]string{record("1", "a", "connect"), record("2", "b", "x"), record("3", "a", "y"), record("4", "b", "z")},
		",",
	) + `]}`
	answer, err := Emit(w.parts)(t.Context(), []byte(event))
	if want := `{"batchItemFailures":[{"itemIdentifier":"1"},{"itemIdentifier":"3"}]}`; err != nil ||
		string(answer) != want {
		t.Errorf("answered %s, %v, want %s", answer, err, want)
	}
	if got := w.got("one"); got != `42["x"] 42["z"]` {
		t.Errorf("pushed %q", got)
	}
}

// The caller that invokes the function asynchronously sees no answer: what failed is an error of the function. The
// platform repeats the invocation then, with the same id, and nothing is done twice.
func TestInvocationsWithoutAnswer(t *testing.T) {
	const mixed = `{"batch":[{"event":"x"},{"event":"connect"}]}`
	const keyed = `{"batch":[{"event":"x","key":"x"},{"rooms":["a"],"join":["b"]}]}`
	tests := []struct {
		name, request string
		walks         int // how many walks fail
		kind          []string
		pushed        string // in the end
	}{
		{"done", `{"event":"x"}`, 0, []string{"", ""}, `42["x"]`},
		{"invalid", `{"event":"connect"}`, 0, []string{failedForGood, failedForGood}, ""},
		{"not a request", `{"events":"x"}`, 0, []string{failedForGood, failedForGood}, ""},
		{"the store is away", `{"rooms":["a"],"event":"x"}`, 1, []string{failed, "", ""}, `42["x"]`},
		{"done in part", mixed, 0, []string{failed, failed, failed}, `42["x"]`},
		{"done in part, the rest later", keyed, 1, []string{failed, "", ""}, `42["x"]`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			w.client("one", "a")
			if tt.walks > 0 {
				w.store.failing, w.store.walks = tt.walks, sessionstore.ErrUnavailable
			}
			ctx := lambdacontext.NewContext(t.Context(), &lambdacontext.LambdaContext{AwsRequestID: "1-2-3"})
			pushed := ""
			for i, want := range tt.kind {
				_, err := Emit(w.parts)(ctx, []byte(tt.request))
				kind := ""
				if f, ok := errors.AsType[*boot.TypedError](err); ok {
					kind = f.Type
				}
				if kind != want || (err == nil) != (want == "") {
					t.Errorf("invocation %d: %v, want %q", i, err, want)
				}
				pushed += w.got("one")
			}
			if pushed != tt.pushed {
				t.Errorf("pushed %q, want %q", pushed, tt.pushed)
			}
		})
	}
}

// An invocation that died over a request is not taken for one that did it.
func TestInvocationThatDied(t *testing.T) {
	w := newWorld(t)
	w.client("one", "a")
	w.store.dies = true
	request := `{"event":"x","key":"k"}`
	w.ask(request)
	if got := w.got("one"); got != `42["x"]` {
		t.Fatalf("pushed %q", got)
	}
	w.store.dies = false
	for range 2 {
		if a := w.ask(
			request,
		); a.OK || !a.Duplicate || !strings.Contains(fmt.Sprint(a.Errors), errUnfinished.Error()) ||
			w.got("one") != "" {
			t.Errorf("answered %+v", a)
		}
	}
}

// A key is bound to what was asked with it.
func TestKeyOfAnotherRequest(t *testing.T) {
	w := newWorld(t)
	w.client("one", "a")
	w.ask(`{"event":"x","args":[1, {"a": 2}],"key":"k"}`)
	if a := w.ask(`{ "args": [1,{"a":2}], "key": "k", "event": "x" }`); !a.OK || !a.Duplicate || a.Recipients != 1 {
		t.Errorf("the same, spelled otherwise: %+v", a)
	}
	w.got("one")
	for _, other := range []string{
		`{"event":"y","args":[1,{"a":2}],"key":"k"}`, `{"event":"x","args":[1,{"a":3}],"key":"k"}`,
		`{"event":"x","args":[1,{"a":2}],"rooms":["a"],"key":"k"}`,
		`{"fetch":1,"key":"k"}`, `{"batch":[{"event":"x","args":[1,{"a":2}]}],"key":"k"}`,
	} {
		_, err := Emit(w.parts)(t.Context(), []byte(other))
		f, ok := errors.AsType[*boot.TypedError](err)
		if !ok || f.Type != failedForGood || !strings.Contains(f.Message, errKeyReused.Error()) ||
			strings.Contains(f.Message, "duplicate") {
			t.Errorf("%s: %v", other, err)
		}
	}
	if got := w.got("one"); got != "" {
		t.Errorf("pushed %q", got)
	}
}
