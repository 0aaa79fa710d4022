// Command probe is a function for tests: it does what its event says.
package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"sync/atomic"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-lambda-go/lambdacontext"
)

// order is what to do: the event itself, the body of an HTTP request, of a frame, or of a queue's message.
type order struct {
	Do    string `json:"do"`
	Text  string `json:"text"`
	Sleep int    `json:"sleep"` // ms, before anything else
	MB    int    `json:"mb"`
	Bytes int    `json:"bytes"`
	File  string `json:"file"` // gets Text as a line
	call
}

// call is a request to a service of AWS.
type call struct {
	Method string `json:"method"`
	Of     string `json:"of"` // the variable with its URL; AWS_ENDPOINT_URL unless said otherwise
	Path   string `json:"path"`
	Target string `json:"target"` // X-Amz-Target
	Body   string `json:"request"`
}

// event is what may come.
type event struct {
	order
	Body    *string `json:"body"`
	Records []struct {
		MessageID  string            `json:"messageId"`
		Body       string            `json:"body"`
		Attributes map[string]string `json:"attributes"`
	} `json:"Records"`
	RequestContext *struct {
		RouteKey     string `json:"routeKey"`
		ConnectionID string `json:"connectionId"`
	} `json:"requestContext"`
}

var (
	kept  []byte
	ticks atomic.Int64
	runs  int
)

func main() {
	if os.Getenv("PROBE_INIT") == "crash" {
		fmt.Println("init says goodbye")
		os.Exit(7)
	}
	if n := os.Getenv("PROBE_INIT_SLEEP"); n != "" {
		d, _ := time.ParseDuration(n)
		time.Sleep(d)
	}
	fmt.Println("init done")
	lambda.Start(serve)
}

func serve(ctx context.Context, payload json.RawMessage) (any, error) {
	runs++
	var e event
	if err := json.Unmarshal(payload, &e); err != nil {
		return nil, err
	}
	switch {
	case e.Records != nil:
		return queued(ctx, e)
	case e.RequestContext != nil:
		return requested(ctx, e)
	}
	return act(ctx, e.order)
}

// queued does the orders of a batch, and names those that failed.
func queued(ctx context.Context, e event) (any, error) {
	res := events.SQSEventResponse{BatchItemFailures: []events.SQSBatchItemFailure{}}
	for _, r := range e.Records {
		var o order
		if err := json.Unmarshal([]byte(r.Body), &o); err != nil {
			return nil, err
		}
		if o.Do == "fail-twice" {
			o.Do = map[bool]string{true: "note", false: "error"}[r.Attributes["ApproximateReceiveCount"] > "2"]
		}
		if _, err := act(ctx, o); err != nil {
			res.BatchItemFailures = append(res.BatchItemFailures, events.SQSBatchItemFailure{ItemIdentifier: r.MessageID})
		}
	}
	return res, nil
}

// requested answers for API Gateway.
func requested(ctx context.Context, e event) (any, error) {
	if key := e.RequestContext.RouteKey; key == "$connect" || key == "$disconnect" || e.Body == nil {
		return events.APIGatewayProxyResponse{StatusCode: 200, Body: key}, nil
	}
	var o order
	if err := json.Unmarshal([]byte(*e.Body), &o); err != nil {
		return nil, err
	}
	if o.Do == "empty" {
		return events.APIGatewayProxyResponse{StatusCode: 200}, nil
	}
	v, err := act(ctx, o)
	if err != nil {
		return nil, err
	}
	b, err := json.Marshal(v)
	return events.APIGatewayProxyResponse{StatusCode: 200, Body: string(b)}, err
}

// act does an order.
func act(ctx context.Context, o order) (any, error) {
	time.Sleep(time.Duration(o.Sleep) * time.Millisecond)
	switch o.Do {
	case "", "echo":
		return o.Text, nil
	case "say":
		fmt.Println(o.Text)
		fmt.Fprint(os.Stderr, "an unfinished line")
		return nil, nil
	case "env":
		return os.Getenv(o.Text), nil
	case "runs":
		return runs, nil
	case "pid":
		return os.Getpid(), nil
	case "error":
		return nil, errors.New("as ordered")
	case "panic":
		panic("as ordered")
	case "crash":
		os.Exit(3)
	case "memory":
		kept = []byte(strings.Repeat("x", o.MB<<20))
		return len(kept), nil
	case "large":
		return strings.Repeat("x", o.MB<<20+o.Bytes), nil
	case "id":
		if c, ok := lambdacontext.FromContext(ctx); ok {
			o.Text = c.AwsRequestID
		}
		if err := note(o); err != nil {
			return nil, err
		}
		return nil, errors.New("again")
	case "tick":
		go func() {
			for range time.Tick(time.Millisecond) {
				ticks.Add(1)
			}
		}()
		return nil, nil
	case "ticks":
		return ticks.Load(), nil
	case "go on": // sends itself to the queue that it came from, as a client of AWS would
		return nil, goOn(ctx, o)
	case "call": // a service, as a client of AWS would
		return o.call.make(ctx)
	case "child":
		cmd := exec.Command("sleep", "600")
		err := cmd.Start()
		return cmd.Process.Pid, err
	case "note":
		return nil, note(o)
	}
	return nil, fmt.Errorf("unknown order %q", o.Do)
}

// note writes a line.
func note(o order) error {
	f, err := os.OpenFile(o.File, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = f.WriteString(o.Text + "\n")
	return err
}

// goOn notes that it was here and sends the order once more, with the trace of this invocation.
func goOn(ctx context.Context, o order) error {
	if _, err := act(ctx, order{Do: "note", File: o.File, Text: "round"}); err != nil {
		return err
	}
	order, err := json.Marshal(map[string]any{"do": o.Do, "file": o.File, "text": o.Text})
	if err != nil {
		return err
	}
	body, err := json.Marshal(map[string]string{"QueueUrl": o.Text, "MessageBody": string(order)})
	if err != nil {
		return err
	}
	answer, err := call{Method: http.MethodPost, Path: "/", Target: "AmazonSQS.SendMessage", Body: string(body)}.make(ctx)
	if err == nil && !strings.HasPrefix(answer, "200 ") {
		err = fmt.Errorf("SQS answered %s", answer)
	}
	return err
}

// make makes the request with the function's credentials, and returns the status code, the exception and the body of
// the answer. What the signature is made of is not verified.
func (c call) make(ctx context.Context) (string, error) {
	req, err := http.NewRequestWithContext(
		ctx, c.Method, os.Getenv(cmp.Or(c.Of, "AWS_ENDPOINT_URL"))+c.Path, strings.NewReader(c.Body),
	)
	if err != nil {
		return "", err
	}
	for name, value := range map[string]string{
		"Content-Type": "application/x-amz-json-1.0", "X-Amz-Target": c.Target,
		"Authorization":        "AWS4-HMAC-SHA256 probe",
		"X-Amz-Security-Token": os.Getenv("AWS_SESSION_TOKEN"), "X-Amzn-Trace-Id": os.Getenv("_X_AMZN_TRACE_ID"),
	} {
		if value != "" {
			req.Header.Set(name, value)
		}
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return "", err
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	return fmt.Sprintf("%d %s %s", res.StatusCode, res.Header.Get("X-Amzn-Errortype"), b), err
}
