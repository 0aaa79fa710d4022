package main

import (
	"bytes"
	"errors"
	"io"
	"math"
	"strings"
	"testing"
	"time"
)

// docs/cost.md is what the command writes. The test measures as the command does, so it needs DynamoDB Local.
func TestPage(t *testing.T) {
	t.Chdir("../..")
	if err := run(t.Context(), []string{"page", "--check"}, io.Discard, io.Discard); err != nil {
		t.Error(err)
	}
}

// A page that is not what is measured is found.
func TestStalePage(t *testing.T) {
	p, err := readPrices()
	if err != nil {
		t.Fatal(err)
	}
	m := measured{pong: units{0, 1}}
	a := render(p, m)
	m.pong.write = 2
	if b := render(p, m); bytes.Equal(a, b) {
		t.Error("a pong that takes twice as much makes the same page")
	}
}

// The sums of a bill, by hand.
func TestBill(t *testing.T) {
	p, err := readPrices()
	if err != nil {
		t.Fatal(err)
	}
	m := measured{pong: units{0, 1}}
	for _, c := range []struct {
		name string
		bill bill
		want float64
	}{
		{"minutes of a WebSocket", bill{{"", "minute", 43_800}}, 0.01095},
		// 43,800 pings and pongs at 1 dollar a million, as many writes at 0.625, invocations at 0.20, 10 ms of 256 MB
		{
			"an idle WebSocket at a minute", idleWebSocket(m, inbound{}, time.Minute),
			0.01095 + 0.0876 + 0.027375 + 0.00876 + 0.00146,
		},
		// three requests to a FIFO queue for each pong
		{"the same in order", idleWebSocket(m, inbound{ordered: true, batch: 1}, time.Minute), 0.136145 + 0.0657},
		{
			"a batch of three", frame(inbound{ordered: true, batch: 3}, 0),
			1e-6 + (1+2.0/3)*0.5e-6 + 0.2e-6/3 + 0.0025*0.0000133334,
		},
	} {
		if got := p.total(c.bill); math.Abs(got-c.want) > c.want/1000 {
			t.Errorf("%s: %g, want %g", c.name, got, c.want)
		}
	}
	defer func() {
		if recover() == nil {
			t.Error("a price that is not there is taken for one")
		}
	}()
	p.total(bill{{"", "nothing", 1}})
}

// What localdev counted between two looks is priced by what it is.
func TestBetween(t *testing.T) {
	var a, b state
	for _, s := range []*state{&a, &b} {
		s.Functions = append(s.Functions, struct {
			Function    string `json:"function"`
			Invocations int64  `json:"invocations"`
			BilledMs    int64  `json:"billedMs"`
			Memory      int64  `json:"memory"`
			LogBytes    int64  `json:"logBytes"`
		}{Function: "HeartbeatFunction", Memory: 256})
		s.Queues = append(s.Queues, struct {
			Queue    string `json:"queue"`
			Requests int64  `json:"requests"`
			FIFO     bool   `json:"fifo"`
		}{Queue: "InboundQueue.fifo", FIFO: true})
	}
	b.Gateway.MessagesIn, b.Gateway.MessagesOut, b.Gateway.ConnectionSeconds = 3, 4, 120
	b.Functions[0].BilledMs, b.Functions[0].LogBytes, b.Queues[0].Requests = 4000, 2e9, 5
	got := map[string]float64{}
	for _, it := range between(a, b) {
		got[it.name+" "+it.price] = it.quantity
	}
	for key, want := range map[string]float64{
		"messages message": 7, "connection minutes minute": 2, "heartbeat gbSecond": 1, "logs logGB": 2,
		"queues fifoRequest": 5,
	} {
		if got[key] != want {
			t.Errorf("%s: %g, want %g", key, got[key], want)
		}
	}
	if len(got) != 5 {
		t.Errorf("%v", got)
	}
}

// Arguments that mean nothing say so.
func TestArguments(t *testing.T) {
	for _, args := range [][]string{{}, {"nothing"}, {"page", "--nothing"}, {"idle", "--clients", "0"}} {
		if err := run(t.Context(), args, io.Discard, io.Discard); !errors.Is(err, errUsage) {
			t.Errorf("%q: %v", args, err)
		}
	}
	var out strings.Builder
	if err := run(
		t.Context(),
		[]string{"help"},
		&out,
		io.Discard,
	); err != nil ||
		!strings.Contains(out.String(), "usage:") {
		t.Errorf("help: %v, %s", err, out.String())
	}
	err := run(
		t.Context(),
		[]string{"idle", "--url", "http://127.0.0.1:1", "--clients", "1", "--for", "10ms", "--warm", "1ms"},
		io.Discard,
		io.Discard,
	)
	if err == nil {
		t.Error("nothing listens there, and it is no error")
	}
}
