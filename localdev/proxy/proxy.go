//go:build unix

package proxy

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/aws/aws-lambda-go/events"

	"github.com/nonstick-io/nonstick/localdev/emulator"
	"github.com/nonstick-io/nonstick/localdev/lambda"
	"github.com/nonstick-io/nonstick/localdev/mapping"
	"github.com/nonstick-io/nonstick/localdev/queue"
)

// Why a function's answer is none. The client gets 500 of the HTTP API, 502 or an error frame of the WebSocket API.
var (
	// ErrFunction: the function returned an error, crashed, or ran out of time.
	ErrFunction = errors.New("proxy: the function failed")
	// ErrDenied: API Gateway has no right to call the function, or to send to the queue.
	ErrDenied = errors.New("proxy: API Gateway has no right to that")
	// ErrAnswer: what the function returned is no JSON, or not that of an answer.
	ErrAnswer = errors.New("proxy: the function's answer has not the form of a proxy integration's")
)

// Invoker invokes functions: a [*lambda.Platform]. Errors are those of [lambda.Platform.Invoke].
type Invoker interface {
	Invoke(ctx context.Context, c lambda.Call) (lambda.Result, error)
}

// Route says which function serves what.
type Route struct {
	// Key is "$connect", "$disconnect" or "$default" of a WebSocket API; "METHOD /path" or "$default" of an HTTP API,
	// where the method may be ANY, and a segment of the path {name} or, as the last one, {name+}. The most specific
	// route wins.
	Key string
	// Function is the name of the function that serves the route.
	Function string
	// Responds: what the function answers to a frame goes to the client.
	Responds bool
	// Queue is the name of a queue that takes the frames instead of a function, if it is not empty.
	Queue string
	// Mapping makes the form of a SendMessage of a frame, and must be given where Queue is.
	Mapping *mapping.Template
	// Denied says which right API Gateway lacks to call the function or to send to the queue; empty: none. Requests of
	// such a route fail, and nothing is called.
	Denied string
}

// denies returns an error if API Gateway has no right to what the route leads to.
func (r *Route) denies() error {
	if r.Denied == "" {
		return nil
	}
	return fmt.Errorf("route %s: %w: %s", r.Key, ErrDenied, r.Denied)
}

// Sender sends a message to a queue, by its name, as a form of SQS's query protocol: a [*queue.Queues].
type Sender interface {
	SendForm(queue, form string) (queue.Sent, error)
}

// Handlers serves an HTTP API and a WebSocket API by functions. Make it with [New]. Safe for concurrent use.
type Handlers struct {
	invoker   Invoker
	http      []httpRoute
	webSocket map[string]Route
	sender    Sender
}

var _ emulator.Handlers = (*Handlers)(nil)

// New returns Handlers for the routes of both APIs. The sender may be nil if no route has a queue. The error names a
// key of an HTTP route that is none.
func New(invoker Invoker, sender Sender, httpRoutes, webSocketRoutes []Route) (*Handlers, error) {
	h := &Handlers{invoker: invoker, sender: sender, webSocket: map[string]Route{}}
	for _, r := range httpRoutes {
		parsed, err := parseRoute(r)
		if err != nil {
			return nil, err
		}
		h.http = append(h.http, parsed)
	}
	for _, r := range webSocketRoutes {
		h.webSocket[r.Key] = r
	}
	return h, nil
}

// HTTP implements [emulator.Handlers]. Without a route it answers 404, as the service does.
func (h *Handlers) HTTP(
	ctx context.Context, e events.APIGatewayV2HTTPRequest,
) (events.APIGatewayV2HTTPResponse, error) {
	route, parameters, ok := h.match(e.RequestContext.HTTP.Method, e.RawPath)
	if !ok {
		return events.APIGatewayV2HTTPResponse{
			StatusCode: http.StatusNotFound, Headers: map[string]string{"Content-Type": "application/json"},
			Body: `{"message":"Not Found"}`,
		}, nil
	}
	if err := route.denies(); err != nil {
		return events.APIGatewayV2HTTPResponse{}, err
	}
	e.RouteKey, e.RequestContext.RouteKey, e.PathParameters = route.Key, route.Key, parameters
	e.QueryStringParameters = joinedQuery(e.RawQueryString)
	answer, err := invoke(ctx, h.invoker, route.Function, e)
	if err != nil {
		return events.APIGatewayV2HTTPResponse{}, err
	}
	return httpAnswer(answer)
}

// joinedQuery is how format 2.0 shows a query: repeated keys joined with commas.
func joinedQuery(raw string) map[string]string {
	values, _ := url.ParseQuery(raw) // what can be read
	if len(values) == 0 {
		return nil
	}
	joined := make(map[string]string, len(values))
	for k, v := range values {
		joined[k] = strings.Join(v, ",")
	}
	return joined
}

// httpAnswer reads an answer of format 2.0: a response, or else any JSON, which is the body of one.
func httpAnswer(b []byte) (events.APIGatewayV2HTTPResponse, error) {
	var probe struct {
		StatusCode *json.RawMessage `json:"statusCode"`
	}
	if err := json.Unmarshal(b, &probe); err != nil || probe.StatusCode == nil {
		body := string(b)
		var text string
		if json.Unmarshal(b, &text) == nil {
			body = text
		}
		return events.APIGatewayV2HTTPResponse{
			StatusCode: http.StatusOK, Headers: map[string]string{"Content-Type": "application/json"}, Body: body,
		}, nil
	}
	var res events.APIGatewayV2HTTPResponse
	if err := json.Unmarshal(b, &res); err != nil {
		return res, fmt.Errorf("%w: %w", ErrAnswer, err)
	}
	return res, nil
}

// WebSocket implements [emulator.Handlers]. The service has no $connect or $disconnect that is not a route; a frame
// without a route is an error.
func (h *Handlers) WebSocket(
	ctx context.Context, e events.APIGatewayWebsocketProxyRequest,
) (events.APIGatewayProxyResponse, error) {
	key := e.RequestContext.RouteKey
	route, ok := h.webSocket[key]
	if !ok && key == "$default" {
		return events.APIGatewayProxyResponse{}, fmt.Errorf("proxy: no route %s: %w", key, ErrAnswer)
	}
	if !ok {
		return events.APIGatewayProxyResponse{StatusCode: http.StatusOK}, nil
	}
	if err := route.denies(); err != nil {
		return events.APIGatewayProxyResponse{}, err
	}
	if route.Queue != "" {
		return h.send(route, &e)
	}
	answer, err := invoke(ctx, h.invoker, route.Function, e)
	if err != nil {
		return events.APIGatewayProxyResponse{}, err
	}
	var res events.APIGatewayProxyResponse
	if err := json.Unmarshal(answer, &res); err != nil || res.StatusCode == 0 {
		return res, fmt.Errorf("%s: %w", route.Function, errors.Join(ErrAnswer, err))
	}
	if !route.Responds && key != "$connect" {
		res.Body = ""
	}
	return res, nil
}

// invoke calls a function with an event and returns its answer.
func invoke[E any](ctx context.Context, invoker Invoker, function string, e E) ([]byte, error) {
	payload, err := json.Marshal(e)
	if err != nil {
		return nil, fmt.Errorf("proxy: encode event: %w", err)
	}
	res, err := invoker.Invoke(ctx, lambda.Call{Function: function, Payload: payload})
	switch {
	case errors.Is(err, lambda.ErrThrottled):
		return nil, fmt.Errorf("%s: %w", function, emulator.ErrThrottled)
	case err != nil:
		return nil, fmt.Errorf("proxy: call function: %w", err)
	case res.FunctionError != "":
		return nil, fmt.Errorf("%s, request %s: %w: %s", function, res.RequestID, ErrFunction, res.Payload)
	}
	return res.Payload, nil
}
