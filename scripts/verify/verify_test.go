package main

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"time"
)

// Outputs are read from what the AWS CLI, localdev and people write.
func TestParseOutputs(t *testing.T) {
	for name, text := range map[string]string{
		"the AWS CLI": `{"Stacks":[{"Outputs":[{"OutputKey":"HttpUrl","OutputValue":"https://h"},
			{"OutputKey":"WebSocketUrl","OutputValue":"wss://w/v1"}]}]}`,
		"JSON": `{"HttpUrl":"https://h","WebSocketUrl":"wss://w/v1"}`,
		"localdev": "Outputs of the template:\n  HttpUrl        https://h\n  WebSocketUrl   wss://w/v1\n" +
			"  Client  io(\"x\", { a: 1 })\n",
		"lines": "HttpUrl=https://h\nWebSocketUrl=wss://w/v1\n",
	} {
		o, err := parseOutputs([]byte(text))
		if err != nil || o["HttpUrl"] != "https://h" || o["WebSocketUrl"] != "wss://w/v1" {
			t.Errorf("%s: %v, %v", name, o, err)
		}
	}
	for _, text := range []string{"", "{}", "HttpUrl=https://h", `{"Stacks":[]}`} {
		if o, err := parseOutputs([]byte(text)); !errors.Is(err, errOutputs) {
			t.Errorf("%q: %v, %v", text, o, err)
		}
	}
}

// There is one address if the outputs have one besides the HTTP API's.
func TestWays(t *testing.T) {
	two := outputs{"HttpUrl": "https://h/", "WebSocketUrl": "wss://w/v1", "Url": "https://h"}
	if all := two.ways(&used{}); len(all) != 1 || all[0].webSocket != "wss://w/v1" || all[0].slash() != "" {
		t.Errorf("%+v", all)
	}
	two["Url"] = "https://one"
	all := two.ways(&used{})
	if len(all) != 2 || all[1].webSocket != "wss://one/socket.io" || all[1].slash() != "/" {
		t.Errorf("%+v", all[len(all)-1])
	}
}

// What is unanswered, or fails, is said with the resource to look at.
func TestDiagnoses(t *testing.T) {
	for _, c := range []struct{ got, want string }{
		{unanswered("nothing comes", "concurrent"), "no route response"},
		{unanswered("nothing comes", "ordered"), "InboundRole lacks execute-api:ManageConnections"},
		{unanswered("API Gateway writes into the connection", "ordered"), "InboundApiRole lacks sqs:SendMessage"},
		{unanswered("API Gateway writes into the connection", "concurrent"), "the function websocket fails"},
		{unpushed("User: x is not authorized to perform: y"), "PollingRole lacks"},
		{unpushed("https response error StatusCode: 403, Forbidden"), "wrong stage"},
		{unpushed("something else"), "a push fails: something else"},
	} {
		if !strings.Contains(c.got, c.want) {
			t.Errorf("%q, want %q", c.got, c.want)
		}
	}
}

// Every status is counted, said and, if something failed, an error.
func TestReport(t *testing.T) {
	r := &report{progress: io.Discard}
	r.check(t.Context(), "g", "holds", func(context.Context) error { return nil })
	r.check(t.Context(), "g", "fails", func(context.Context) error { return errors.New("a | b") })
	r.ask(t.Context(), question{name: "skips", ask: func(context.Context) (string, bool, error) {
		return "", false, &skipError{"why"}
	}})
	r.ask(t.Context(), question{name: "differs", assumed: "this", means: "Do that.", ask: func(context.Context) (
		string, bool, error,
	) {
		return "the other", false, nil
	}})
	r.wrong = append(r.wrong, "a role lacks a right")
	var out strings.Builder
	if err := r.write(&out, outputs{"Url": "https://one"}, &used{}, time.Second); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"1 as it must be or is assumed, 1 differ, 1 failed, 1 not asked", "- a role lacks a right", `a \| b`,
		"assumed was: this. Do that.", "| skips | not asked | why |",
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("the report lacks %q:\n%s", want, out.String())
		}
	}
	if r.failures() != 1 {
		t.Errorf("%d failures", r.failures())
	}
}

// Options that mean nothing say so, and a deployment that is not there is a failure with its reason.
func TestOptions(t *testing.T) {
	for _, args := range [][]string{
		{},
		{"--nothing"},
		{"--only", "nothing", "--http", "x", "--websocket", "y"},
		{"--http", "x"},
		{"--http", "x", "--websocket", "y", "z"},
	} {
		if err := run(t.Context(), args, io.Discard, io.Discard); !errors.Is(err, errUsage) {
			t.Errorf("%q: %v", args, err)
		}
	}
	var out strings.Builder
	err := run(
		t.Context(),
		[]string{"--http", "http://127.0.0.1:1", "--websocket", "ws://127.0.0.1:1"},
		&out,
		io.Discard,
	)
	if !errors.Is(err, errFailed) ||
		!strings.Contains(out.String(), "the HTTP API at http://127.0.0.1:1 does not answer") {
		t.Errorf("%v\n%s", err, out.String())
	}
}
