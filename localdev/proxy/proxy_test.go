//go:build unix

package proxy_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"strings"
	"testing"

	"github.com/aws/aws-lambda-go/events"

	"github.com/nonstick-io/nonstick/localdev/emulator"
	"github.com/nonstick-io/nonstick/localdev/lambda"
	"github.com/nonstick-io/nonstick/localdev/mapping"
	"github.com/nonstick-io/nonstick/localdev/proxy"
	"github.com/nonstick-io/nonstick/localdev/queue"
)

// fake remembers its call and answers as it is told.
type fake struct {
	call   lambda.Call
	result lambda.Result
	err    error
}

func (f *fake) Invoke(_ context.Context, c lambda.Call) (lambda.Result, error) {
	f.call = c
	return f.result, f.err
}

func handlers(t *testing.T, f *fake) *proxy.Handlers {
	t.Helper()
	h, err := proxy.New(f, nil, []proxy.Route{
		{Key: "$default", Function: "default"},
		{Key: "OPTIONS /{proxy+}", Function: "options"},
		{Key: "ANY /items/{id}", Function: "item"},
		{Key: "GET /items/{id}", Function: "getItem"},
		{Key: "GET /items/new", Function: "newItem"},
		{Key: "ANY /items/{rest+}", Function: "rest"},
	}, []proxy.Route{{Key: "$connect", Function: "ws"}, {Key: "$default", Function: "ws", Responds: true}})
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func TestRoutes(t *testing.T) {
	tests := []struct {
		method, path, function, key string
		parameters                  map[string]string
	}{
		{"GET", "/", "default", "$default", nil},
		{"GET", "/items", "default", "$default", nil},
		{"OPTIONS", "/socket.io/", "options", "OPTIONS /{proxy+}", map[string]string{"proxy": "socket.io/"}},
		{"OPTIONS", "/", "default", "$default", nil},
		{"GET", "/items/7", "getItem", "GET /items/{id}", map[string]string{"id": "7"}},
		{"POST", "/items/7", "item", "ANY /items/{id}", map[string]string{"id": "7"}},
		{"GET", "/items/new", "newItem", "GET /items/new", nil},
		{"GET", "/items/7/parts", "rest", "ANY /items/{rest+}", map[string]string{"rest": "7/parts"}},
	}
	for _, tt := range tests {
		t.Run(tt.method+" "+tt.path, func(t *testing.T) {
			f := &fake{result: lambda.Result{Payload: []byte(`{"statusCode":200}`)}}
			e := events.APIGatewayV2HTTPRequest{RawPath: tt.path, RawQueryString: "a=1&b=2&a=3"}
			e.RequestContext.HTTP.Method = tt.method
			if _, err := handlers(t, f).HTTP(t.Context(), e); err != nil {
				t.Fatal(err)
			}
			var got events.APIGatewayV2HTTPRequest
			if err := json.Unmarshal(f.call.Payload, &got); err != nil {
				t.Fatal(err)
			}
			if f.call.Function != tt.function || got.RouteKey != tt.key || got.RequestContext.RouteKey != tt.key ||
				!maps.Equal(got.PathParameters, tt.parameters) {
				t.Errorf(
					"function %s, key %s, parameters %v, want %s, %s, %v", f.call.Function, got.RouteKey,
					got.PathParameters, tt.function, tt.key, tt.parameters,
				)
			}
			if want := map[string]string{"a": "1,3", "b": "2"}; !maps.Equal(got.QueryStringParameters, want) {
				t.Errorf("query = %v, want %v", got.QueryStringParameters, want)
			}
		})
	}
}

func TestNoRoute(t *testing.T) {
	h, err := proxy.New(&fake{}, nil, []proxy.Route{{Key: "GET /x", Function: "f"}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	res, err := h.HTTP(t.Context(), events.APIGatewayV2HTTPRequest{RawPath: "/y"})
	if err != nil || res.StatusCode != 404 {
		t.Errorf("answer = %+v, %v", res, err)
	}
	if _, err := proxy.New(&fake{}, nil, []proxy.Route{{Key: "nonsense"}}, nil); err == nil {
		t.Error("a route that is none was taken")
	}
}

func TestHTTPAnswers(t *testing.T) {
	tests := []struct {
		name   string
		result lambda.Result
		err    error
		want   events.APIGatewayV2HTTPResponse
		fails  error
	}{
		{
			"response",
			lambda.Result{Payload: []byte(`{"statusCode":201,"headers":{"A":"b"},"body":"x","cookies":["c"]}`)},
			nil,
			events.APIGatewayV2HTTPResponse{
				StatusCode: 201, Headers: map[string]string{"A": "b"}, Body: "x", Cookies: []string{"c"},
			},
			nil,
		},
		{
			"any JSON",
			lambda.Result{Payload: []byte(`{"a":1}`)},
			nil,
			events.APIGatewayV2HTTPResponse{StatusCode: 200, Body: `{"a":1}`},
			nil,
		},
		{
			"a string",
			lambda.Result{Payload: []byte(`"text"`)},
			nil,
			events.APIGatewayV2HTTPResponse{StatusCode: 200, Body: "text"},
			nil,
		},
		{
			"a status that is no number",
			lambda.Result{Payload: []byte(`{"statusCode":"x"}`)},
			nil,
			events.APIGatewayV2HTTPResponse{},
			proxy.ErrAnswer,
		},
		{
			"function error",
			lambda.Result{FunctionError: "Unhandled", Payload: []byte(`{}`)},
			nil,
			events.APIGatewayV2HTTPResponse{},
			proxy.ErrFunction,
		},
		{
			"throttled",
			lambda.Result{},
			fmt.Errorf("wrapped: %w", lambda.ErrThrottled),
			events.APIGatewayV2HTTPResponse{},
			emulator.ErrThrottled,
		},
		{"stopping", lambda.Result{}, lambda.ErrStopping, events.APIGatewayV2HTTPResponse{}, lambda.ErrStopping},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			res, err := handlers(
				t, &fake{result: tt.result, err: tt.err},
			).HTTP(t.Context(), events.APIGatewayV2HTTPRequest{RawPath: "/"})
			if !errors.Is(err, tt.fails) {
				t.Fatalf("err = %v, want %v", err, tt.fails)
			}
			if err == nil &&
				(res.StatusCode != tt.want.StatusCode || res.Body != tt.want.Body ||
					len(res.Cookies) != len(tt.want.Cookies)) {
				t.Errorf("answer = %+v, want %+v", res, tt.want)
			}
		})
	}
}

func TestWebSocketAnswers(t *testing.T) {
	tests := []struct {
		name, key string
		payload   string
		body      string
		fails     error
	}{
		{"connect", "$connect", `{"statusCode":200,"body":"x"}`, "x", nil},
		{"frame", "$default", `{"statusCode":200,"body":"x"}`, "x", nil},
		{"no status", "$default", `{"body":"x"}`, "", proxy.ErrAnswer},
		{"null", "$default", `null`, "", proxy.ErrAnswer},
		{"no object", "$connect", `"x"`, "", proxy.ErrAnswer},
		{"no route", "$disconnect", `never asked`, "", nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			e := events.APIGatewayWebsocketProxyRequest{}
			e.RequestContext.RouteKey = tt.key
			res, err := handlers(t, &fake{result: lambda.Result{Payload: []byte(tt.payload)}}).WebSocket(t.Context(), e)
			if !errors.Is(err, tt.fails) || err == nil && res.Body != tt.body {
				t.Errorf("answer = %+v, %v, want %q, %v", res, err, tt.body, tt.fails)
			}
		})
	}
}

// Without a route response what a function answers to a frame is thrown away.
func TestRouteWithoutResponse(t *testing.T) {
	f := &fake{result: lambda.Result{Payload: []byte(`{"statusCode":200,"body":"x"}`)}}
	h, err := proxy.New(f, nil, nil, []proxy.Route{{Key: "$default", Function: "ws"}})
	if err != nil {
		t.Fatal(err)
	}
	e := events.APIGatewayWebsocketProxyRequest{}
	e.RequestContext.RouteKey = "$default"
	if res, err := h.WebSocket(t.Context(), e); err != nil || res.Body != "" {
		t.Errorf("answer = %+v, %v, want no body", res, err)
	}
	none, err := proxy.New(f, nil, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := none.WebSocket(t.Context(), e); err == nil {
		t.Error("a frame without a route is no error")
	}
}

// sender is a queue that remembers what it was sent.
type sender struct {
	queue, form string
	err         error
}

func (s *sender) SendForm(name, form string) (queue.Sent, error) {
	s.queue, s.form = name, form
	return queue.Sent{}, s.err
}

// A route to a queue sends what the template says; if it cannot, that is an error of the integration.
func TestRouteToAQueue(t *testing.T) {
	m, err := mapping.Parse(
		"g=$util.urlEncode($context.connectionId)&t=$context.requestTimeEpoch&e=$context.eventType&m=$context.messageId&b=.$util.urlEncode($input.body)",
	)
	if err != nil {
		t.Fatal(err)
	}
	s := &sender{}
	h, err := proxy.New(&fake{}, s, nil, []proxy.Route{{Key: "$default", Queue: "q.fifo", Mapping: m}})
	if err != nil {
		t.Fatal(err)
	}
	e := events.APIGatewayWebsocketProxyRequest{Body: "42[\"a b\"]"}
	r := &e.RequestContext
	r.RouteKey, r.ConnectionID, r.RequestTimeEpoch, r.EventType, r.MessageID = "$default", "c=", 17, "MESSAGE", "m1"
	if res, err := h.WebSocket(t.Context(), e); err != nil || res.StatusCode != 200 || res.Body != "" {
		t.Errorf("answer = %+v, %v", res, err)
	}
	if want := "g=c%3D&t=17&e=MESSAGE&m=m1&b=.42%5B%22a+b%22%5D"; s.queue != "q.fifo" || s.form != want {
		t.Errorf("sent to %s\n%s, want\n%s", s.queue, s.form, want)
	}
	s.err = queue.ErrInvalid
	if _, err := h.WebSocket(t.Context(), e); !errors.Is(err, queue.ErrInvalid) {
		t.Errorf("a queue that refuses: %v", err)
	}
}

// A route whose target API Gateway has no right to fails, and nothing is called.
func TestDeniedRoutes(t *testing.T) {
	const why = "no permission"
	f := &fake{result: lambda.Result{Payload: []byte(`{"statusCode":200}`)}}
	h, err := proxy.New(
		f, nil, []proxy.Route{{Key: "GET /a", Function: "a", Denied: why}, {Key: "$default", Function: "b"}},
		[]proxy.Route{{Key: "$connect", Function: "a"}, {Key: "$default", Queue: "q", Denied: why}},
	)
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name string
		call func() error
		want bool
	}{
		{"HTTP, denied", func() error { return httpGet(t, h, "/a") }, true},
		{"HTTP, allowed", func() error { return httpGet(t, h, "/b") }, false},
		{"WebSocket, denied", func() error { return frame(t, h, "$default") }, true},
		{"WebSocket, allowed", func() error { return frame(t, h, "$connect") }, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f.call = lambda.Call{}
			err := tt.call()
			if errors.Is(err, proxy.ErrDenied) != tt.want || tt.want && !strings.Contains(err.Error(), why) ||
				!tt.want && err != nil {
				t.Errorf("error = %v, want denied: %v", err, tt.want)
			}
			if (f.call.Function == "") != tt.want {
				t.Errorf("called %q", f.call.Function)
			}
		})
	}
}

func httpGet(t *testing.T, h *proxy.Handlers, path string) error {
	t.Helper()
	e := events.APIGatewayV2HTTPRequest{RawPath: path}
	e.RequestContext.HTTP.Method = "GET"
	_, err := h.HTTP(t.Context(), e)
	return err
}

func frame(t *testing.T, h *proxy.Handlers, key string) error {
	t.Helper()
	var e events.APIGatewayWebsocketProxyRequest
	e.RequestContext.RouteKey = key
	_, err := h.WebSocket(t.Context(), e)
	return err
}
