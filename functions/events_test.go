package functions

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"

	"github.com/nonstick-io/nonstick/internal/dynamotest"
	"github.com/nonstick-io/nonstick/localdev/lambda"
	"github.com/nonstick-io/nonstick/sessionstore/dynamostore"
)

// deployed is one of the functions at work: its binary, over the Lambda Runtime API, with a table, a management API
// that does as it is told, and queues that no function reads.
type deployed struct {
	t        *testing.T
	platform *lambda.Platform
	name     string
	logs     string
}

func deploy(t *testing.T, name string) *deployed {
	t.Helper()
	connections := httptest.NewServer(
		http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) }),
	)
	t.Cleanup(connections.Close)
	table := "events-" + name
	o := dynamostore.ClientOptions{
		Region: "eu-central-1", Endpoint: dynamotest.Start(t),
		Credentials: dynamostore.Credentials{AccessKeyID: "functions", SecretAccessKey: "s"},
	}
	if err := dynamostore.CreateTable(t.Context(), dynamostore.NewClient(o), table); err != nil {
		t.Fatal(err)
	}
	env := map[string]string{
		"AWS_ENDPOINT_URL_DYNAMODB": o.Endpoint, "NONSTICK_TABLE": table,
		"AWS_ACCESS_KEY_ID": "functions", "AWS_SECRET_ACCESS_KEY": "s",
		"NONSTICK_MANAGEMENT_ENDPOINT": connections.URL, Variable: name,
	}
	for _, pair := range initEnvironment {
		k, v, _ := strings.Cut(pair, "=")
		if env[k] == "" {
			env[k] = strings.Replace(v, "https://sqs.example", "http://127.0.0.1:1", 1)
		}
	}
	d := &deployed{t: t, name: name, logs: t.TempDir()}
	platform, err := lambda.New(lambda.Config{Region: "eu-central-1", Logs: d.logs, Functions: []lambda.Function{
		{
			Name: name, ARN: "arn:aws:lambda:eu-central-1:000000000000:function:" + name,
			Dir: filepath.Dir(program(t)), Handler: "bootstrap", Environment: env, Memory: 256,
			Timeout: 20 * time.Second, Concurrency: 1,
		},
	}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := platform.Close(); err != nil {
			t.Error(err)
		}
	})
	d.platform = platform
	return d
}

// invoke invokes the function with an event of testdata/events, or of JSON.
func (d *deployed) invoke(event string) lambda.Result {
	d.t.Helper()
	payload := []byte(event)
	if strings.HasSuffix(event, ".json") {
		var err error
		if payload, err = os.ReadFile(filepath.Join("testdata", "events", event)); err != nil {
			d.t.Fatal(err)
		}
	}
	res, err := d.platform.Invoke(d.t.Context(), lambda.Call{Function: d.name, Payload: payload})
	if err != nil {
		d.t.Fatal(err)
	}
	return res
}

// errorsLogged are the lines of errors that the function has logged since a length of its log.
func (d *deployed) errorsLogged(since int) (lines []string, length int) {
	d.t.Helper()
	log, err := os.ReadFile(filepath.Join(d.logs, d.name+".log"))
	if err != nil {
		d.t.Fatal(err)
	}
	for line := range strings.Lines(string(log[since:])) {
		if strings.Contains(line, `"level":"ERROR"`) {
			lines = append(lines, line)
		}
	}
	return lines, len(log)
}

// TestEventsOfOthers gives the functions that API Gateway invokes each kind of event that may be sent to them by
// mistake: what they do not serve is answered 500, and one line of the log says what came and what is wanted.
func TestEventsOfOthers(t *testing.T) {
	const (
		wantHTTP      = "want an event of an HTTP API in payload format 2.0"
		wantWebSocket = "want an event of a WebSocket API"
	)
	names := map[string]string{
		"http.json": "", "http-stage.json": "", "http-domain.json": "",
		"http-format-1.json":   "got an event of an HTTP API in payload format 1.0",
		"rest.json":            "got an event of a REST API",
		"alb.json":             "got an event of an Application Load Balancer",
		"function-url.json":    "got an event of a function URL",
		"websocket-stage.json": "got an event of a WebSocket API",
		"eventbridge.json":     "got an event of EventBridge", "s3.json": "got records of ",
	}
	t.Run("polling", func(t *testing.T) {
		d, since := deploy(t, "polling"), 0
		for event, what := range names {
			var res events.APIGatewayV2HTTPResponse
			if err := json.Unmarshal(d.invoke(event).Payload, &res); err != nil {
				t.Fatal(err)
			}
			var lines []string
			lines, since = d.errorsLogged(since)
			if what == "" {
				if res.StatusCode != 200 || !strings.HasPrefix(res.Body, `0{"sid":"`) || len(lines) != 0 {
					t.Errorf("%s: %d %s, log %q", event, res.StatusCode, res.Body, lines)
				}
				continue
			}
			said := strings.Join(lines, "")
			if res.StatusCode != 500 || len(lines) != 1 || !strings.Contains(said, what) ||
				!strings.Contains(said, wantHTTP) {
				t.Errorf("%s: %d %s, log %q, want %s", event, res.StatusCode, res.Body, lines, what)
			}
		}
	})
	t.Run("websocket", func(t *testing.T) {
		d, since := deploy(t, "websocket"), 0
		names["http.json"] = "got an event of an HTTP API in payload format 2.0"
		for event, what := range names {
			var res events.APIGatewayProxyResponse
			if err := json.Unmarshal(d.invoke(event).Payload, &res); err != nil {
				t.Fatal(err)
			}
			var lines []string
			lines, since = d.errorsLogged(since)
			switch said := strings.Join(lines, ""); {
			case what == "": // another that is refused
			case event == "websocket-stage.json":
				if res.StatusCode != 200 || len(lines) != 0 {
					t.Errorf("%s: %d, log %q", event, res.StatusCode, lines)
				}
			case res.StatusCode != 500 || len(lines) != 1 || !strings.Contains(said, what) ||
				!strings.Contains(said, wantWebSocket):
				t.Errorf("%s: %d, log %q, want %s", event, res.StatusCode, lines, what)
			}
		}
	})
}

// TestGarbage gives each function of a queue messages that make no sense: they are left to the dead letters, and the
// function lives on. An event of something else is an error of the function.
func TestGarbage(t *testing.T) {
	bodies := []string{"", "{", "[]", "7", `"x"`, "null", "{}", `{"Session":7}`, strings.Repeat("[", 5000), "\x00\xff"}
	for _, name := range []string{"websocket", "inbound", "close", "heartbeat", "fanout", "emit"} {
		t.Run(name, func(t *testing.T) {
			d := deploy(t, name)
			var e events.SQSEvent
			for i, body := range bodies {
				if name == "heartbeat" && (strings.HasPrefix(body, "{") && len(body) > 1 || body == "null") {
					continue // a watch, which asks whether there are sessions
				}
				e.Records = append(e.Records, events.SQSMessage{
					MessageId: fmt.Sprint(
						i,
					),
					EventSource: "aws:sqs", Body: body, Attributes: map[string]string{"ApproximateReceiveCount": "1"},
				})
			}
			payload, err := json.Marshal(e)
			if err != nil {
				t.Fatal(err)
			}
			res := d.invoke(string(payload))
			var answer events.SQSEventResponse
			if err := json.Unmarshal(
				res.Payload, &answer,
			); err != nil || res.FunctionError != "" ||
				len(answer.BatchItemFailures) != len(e.Records) {
				t.Errorf("answered %s %s, want %d failures", res.FunctionError, res.Payload, len(e.Records))
			}
			if lines, _ := d.errorsLogged(0); len(lines) != len(e.Records) {
				t.Errorf("%d messages, logged %q", len(e.Records), lines)
			}
			if name == "websocket" {
				return // TestEventsOfOthers has the rest
			}
			if res := d.invoke("alb.json"); res.FunctionError == "" {
				t.Errorf("an event of something else is answered %s", res.Payload)
			}
			if crashes := d.platform.Stats()[0].Crashes; crashes != 0 {
				t.Errorf("%d crashes", crashes)
			}
		})
	}
}
