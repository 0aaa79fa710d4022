package boot

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-lambda-go/lambda/messages"
	"github.com/aws/aws-lambda-go/lambdacontext"

	"github.com/nonstick-io/nonstick/adapter/delivery"
	"github.com/nonstick-io/nonstick/internal/pushtest"
	"github.com/nonstick-io/nonstick/sessionstore"
)

// complete is what every function needs.
var complete = environment{
	"AWS_REGION": "eu-central-1", "AWS_ACCESS_KEY_ID": "key",
	"AWS_SECRET_ACCESS_KEY": "secret", "NONSTICK_TABLE": "table",
	"AWS_LAMBDA_FUNCTION_NAME": "f",
}

func echo(*Parts) Handler {
	return func(_ context.Context, payload []byte) ([]byte, error) { return payload, nil }
}

func TestStart(t *testing.T) {
	if _, err := start(echo, complete.lookup, &bytes.Buffer{}); err != nil {
		t.Fatal(err)
	}
	tests := []struct{ name, value, want string }{
		{"AWS_REGION", "", "AWS_REGION is not set"},
		{"AWS_ACCESS_KEY_ID", "", "AWS_ACCESS_KEY_ID is not set"},
		{"AWS_SECRET_ACCESS_KEY", "", "AWS_SECRET_ACCESS_KEY is not set"},
		{"NONSTICK_TABLE", "", "NONSTICK_TABLE is not set"},
		{"NONSTICK_LOG_LEVEL", "loud", `NONSTICK_LOG_LEVEL="loud": want debug, info, warn, error`},
		{"NONSTICK_LOG_LEVEL", "INFO", `NONSTICK_LOG_LEVEL="INFO": want debug, info, warn, error`},
		{"NONSTICK_RELEASE", "a b", `NONSTICK_RELEASE="a b": want up to 64 letters, digits and ._-`},
		{"NONSTICK_METRICS", "yes", `NONSTICK_METRICS="yes": want on, off`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			vars := maps.Clone(complete)
			vars[tt.name] = tt.value
			_, err := start(echo, vars.lookup, &bytes.Buffer{})
			if err == nil || err.Error() != tt.want {
				t.Errorf("error %v, want %s", err, tt.want)
			}
		})
	}
	vars := maps.Clone(complete)
	_, err := start(func(p *Parts) Handler { p.Queue("Q"); return nil }, vars.lookup, &bytes.Buffer{})
	if err == nil || err.Error() != "Q is not set" {
		t.Errorf("what Build needs is not checked: %v", err)
	}
}

// lines decodes what was written.
func lines(t *testing.T, out *bytes.Buffer) []map[string]any {
	t.Helper()
	var all []map[string]any
	for line := range strings.Lines(out.String()) {
		var v map[string]any
		if err := json.Unmarshal([]byte(line), &v); err != nil {
			t.Fatalf("%v: %s", err, line)
		}
		all = append(all, v)
	}
	return all
}

func TestLog(t *testing.T) {
	const sid = sessionstore.SessionID("lv_VI97HAXpY6yYWAAAC")
	ctx := lambdacontext.NewContext(t.Context(), &lambdacontext.LambdaContext{AwsRequestID: "request"})
	var out bytes.Buffer
	log := newLogger(&out, slog.LevelInfo, nil).With("sid", string(sid))
	log.DebugContext(ctx, "silent")
	log.InfoContext(ctx, "said", "session", sid, slog.Group("g", "sid", sid), "error", errors.New("broken"))
	if strings.Contains(out.String(), string(sid)) {
		t.Errorf("a session's id is in the log: %s", out.String())
	}
	all := lines(t, &out)
	if len(all) != 1 {
		t.Fatalf("%d lines", len(all))
	}
	hash := SessionHash(sid)
	if len(hash) != 12 || hash == SessionHash(sid+"x") {
		t.Errorf("hash %q", hash)
	}
	group, _ := all[0]["g"].(map[string]any)
	for name, got := range map[string]any{"sid": all[0]["sid"], "session": all[0]["session"], "g.sid": group["sid"]} {
		if got != hash {
			t.Errorf("%s is %v, want %s", name, got, hash)
		}
	}
	// Lambda's log format JSON reads these two, and takes a line without a time for one of the level INFO.
	at, _ := all[0]["timestamp"].(string)
	if _, err := time.Parse(time.RFC3339, at); err != nil || !strings.HasSuffix(at, "Z") || all[0]["time"] != nil {
		t.Errorf("time %q of %v: %v", at, all[0], err)
	}
	if all[0]["requestId"] != "request" || all[0]["error"] != "broken" || all[0]["level"] != "INFO" {
		t.Errorf("line %v", all[0])
	}
}

func TestMetrics(t *testing.T) {
	var out bytes.Buffer
	meter := &sessionstore.Meter{}
	m := newMetrics(&out, "f", meter)
	start := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	flush := func(after time.Duration) []map[string]any {
		t.Helper()
		out.Reset()
		if err := m.flush(start.Add(after)); err != nil {
			t.Fatal(err)
		}
		return lines(t, &out)
	}
	if got := flush(0); got != nil {
		t.Errorf("nothing was counted, yet %v", got)
	}
	m.Add(Pushes, 2)
	m.Add(Pushes, 1)
	m.Add(PushesGone, 0)
	m.Sample(OpenDelay, 12)
	m.Sample(OpenDelay, 15)
	meter.Add(sessionstore.OpGet, sessionstore.Usage{Calls: 1, ReadMilliUnits: 1500})
	got := flush(0)
	if len(got) != 1 || got[0]["Function"] != "f" || got[0]["Pushes"] != 3.0 || got[0]["ReadUnits"] != 1.5 ||
		got[0]["PushesGone"] != nil {
		t.Fatalf("line %v", got)
	}
	if samples, _ := got[0]["OpenDelay"].([]any); !slices.Equal(samples, []any{12.0, 15.0}) {
		t.Errorf("samples %v", got[0]["OpenDelay"])
	}
	checkHeader(t, got[0], start.UnixMilli(), []string{"OpenDelay Milliseconds", "Pushes Count", "ReadUnits Count"})

	m.Add(Pushes, 1)
	if got := flush(metricsEvery - 1); got != nil {
		t.Errorf("too early: %v", got)
	}
	m.Add(Errors, 1)
	if got := flush(
		metricsEvery - 1,
	); len(got) != 1 || got[0]["Errors"] != 1.0 || got[0]["Pushes"] != 1.0 ||
		got[0]["ReadUnits"] != nil {
		t.Errorf("an error is told at once, with what else there is: %v", got)
	}
	for range 2 * maxSamples {
		m.Sample(OpenDelay, 1)
	}
	if got := flush(3 * metricsEvery); len(got) != 1 || len(got[0]["OpenDelay"].([]any)) != maxSamples {
		t.Errorf("line %v", got)
	}
}

// checkHeader checks what CloudWatch reads of a line.
func checkHeader(t *testing.T, line map[string]any, at int64, want []string) {
	t.Helper()
	b, err := json.Marshal(line["_aws"])
	if err != nil {
		t.Fatal(err)
	}
	var h header
	if err := json.Unmarshal(b, &h); err != nil || len(h.CloudWatchMetrics) != 1 {
		t.Fatalf("header %s: %v", b, err)
	}
	d := h.CloudWatchMetrics[0]
	var got []string
	for _, m := range d.Metrics {
		got = append(got, m.Name+" "+m.Unit)
	}
	slices.Sort(got)
	if h.Timestamp != at || d.Namespace != "Nonstick" || len(d.Dimensions) != 1 || d.Dimensions[0][0] != "Function" ||
		!slices.Equal(got, want) {
		t.Errorf("header %s", b)
	}
}

// Every log line at the level of errors is a metric.
func TestErrorsAreCounted(t *testing.T) {
	var out bytes.Buffer
	m := newMetrics(&out, "f", nil)
	log := newLogger(&out, slog.LevelInfo, m).With("a", 1).WithGroup("g")
	log.Warn("no")
	log.Error("yes")
	if m.counts[Errors] != 1 {
		t.Errorf("counted %v", m.counts)
	}
}

func TestPushesAreCounted(t *testing.T) {
	var out bytes.Buffer
	pusher := pushtest.New()
	conn := sessionstore.Connection{ID: "c", Endpoint: "http://127.0.0.1"}
	pusher.Answer(conn, nil, delivery.ErrGone, delivery.ErrBusy, delivery.ErrFrameTooLarge, pushtest.ErrLost)
	p := countingPusher{pusher, newMetrics(&out, "f", nil)}
	for _, want := range []error{nil, delivery.ErrGone, delivery.ErrBusy, delivery.ErrFrameTooLarge, pushtest.ErrLost} {
		if err := p.Push(t.Context(), conn, "2"); !errors.Is(err, want) {
			t.Errorf("error %v, want %v", err, want)
		}
	}
	want := map[Metric]float64{Pushes: 5, PushesGone: 1, PushesBusy: 1, PushesInDoubt: 1}
	if !maps.Equal(p.metrics.counts, want) {
		t.Errorf("counted %v, want %v", p.metrics.counts, want)
	}
}

func TestInvocation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		var end time.Time
		h, err := start(func(p *Parts) Handler {
			return func(ctx context.Context, payload []byte) ([]byte, error) {
				end, _ = ctx.Deadline()
				switch string(payload) {
				case "panic":
					panic("oh")
				case "fail":
					return nil, errors.New("broken")
				case "refuse":
					return nil, fmt.Errorf("wrapped: %w", &TypedError{"Mine", `{"ok":false}`})
				case "large":
					return make([]byte, MaxAnswer+1), nil
				case "largest":
					return make([]byte, MaxAnswer), nil
				}
				return payload, nil
			}
		}, complete.lookup, &out)
		if err != nil {
			t.Fatal(err)
		}
		deadline := time.Now().Add(10 * time.Second)
		ctx, cancel := context.WithDeadline(t.Context(), deadline)
		defer cancel()
		answer, err := h(ctx, []byte("hi"))
		if err != nil || string(answer) != "hi" || !end.Equal(deadline.Add(-endMargin)) || out.Len() != 0 {
			t.Errorf("%s, %v, deadline %s early, log %s", answer, err, deadline.Sub(end), &out)
		}
		if _, err := h(
			ctx, []byte("panic"),
		); !errors.Is(err, ErrPanic) || !strings.Contains(out.String(), "boot_test.go") ||
			!strings.Contains(out.String(), `"Errors":1`) {
			t.Errorf("%v, log %s", err, &out)
		}
		out.Reset()
		if _, err := h(ctx, []byte("fail")); err == nil || !strings.Contains(out.String(), "broken") {
			t.Errorf("%v, log %s", err, &out)
		}
		var told messages.InvokeResponse_Error
		if _, err := h.Invoke(
			ctx, []byte("refuse"),
		); !errors.As(err, &told) || told.Type != "Mine" ||
			told.Message != `{"ok":false}` {
			t.Errorf("the caller is told %v", err)
		}
		if answer, err := h(ctx, []byte("largest")); err != nil || len(answer) != MaxAnswer {
			t.Errorf("the largest answer: %v", err)
		}
		if answer, err := h(ctx, []byte("large")); !errors.Is(err, ErrAnswerTooLarge) || answer != nil {
			t.Errorf("an answer that is too large: %v", err)
		}
	})
}
