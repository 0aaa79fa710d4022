package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/gobwas/ws"
	"github.com/gobwas/ws/wsutil"
	"golang.org/x/sync/errgroup"
)

// state is what /localdev/state says of what AWS would bill.
type state struct {
	Functions []struct {
		Function    string `json:"function"`
		Invocations int64  `json:"invocations"`
		BilledMs    int64  `json:"billedMs"`
		Memory      int64  `json:"memory"`
		LogBytes    int64  `json:"logBytes"`
	} `json:"functions"`
	Queues []struct {
		Queue    string `json:"queue"`
		Requests int64  `json:"requests"`
		FIFO     bool   `json:"fifo"`
	} `json:"queues"`
	Gateway struct {
		Requests          int64   `json:"requests"`
		MessagesIn        int64   `json:"messagesIn"`
		MessagesOut       int64   `json:"messagesOut"`
		ConnectionSeconds float64 `json:"connectionSeconds"`
	} `json:"gateway"`
	Table *struct {
		Read  float64 `json:"read"`
		Write float64 `json:"write"`
	} `json:"table"`
	Edge int64     `json:"edgeRequests"`
	Time time.Time `json:"time"`
}

// readState asks localdev. Only one with --template answers.
func readState(ctx context.Context, base string) (s state, err error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, base+"/localdev/state", nil)
	if err != nil {
		return s, err
	}
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		return s, fmt.Errorf("ask %s for its counts: %w", base, err)
	}
	defer func() { _ = res.Body.Close() }()
	if res.StatusCode != http.StatusOK {
		return s, fmt.Errorf("%s/localdev/state answers %s: it is there with --template alone", base, res.Status)
	}
	if err := json.NewDecoder(res.Body).Decode(&s); err != nil {
		return s, fmt.Errorf("read the counts of %s: %w", base, err)
	}
	return s, nil
}

// between is the bill of what was used between two states. What Lambda asks its queues in vain, and what does not
// depend on use, is left out.
func between(a, b state) bill {
	var out bill
	out.add(
		"messages",
		"message",
		float64(b.Gateway.MessagesIn-a.Gateway.MessagesIn+b.Gateway.MessagesOut-a.Gateway.MessagesOut),
	)
	out.add("connection minutes", "minute", (b.Gateway.ConnectionSeconds-a.Gateway.ConnectionSeconds)/60)
	out.add("HTTP API", "request", float64(b.Gateway.Requests-a.Gateway.Requests))
	out.add("CloudFront", "edgeRequest", float64(b.Edge-a.Edge))
	out.add("CloudFront", "edgeFunction", float64(b.Edge-a.Edge))
	for i, f := range b.Functions {
		was := a.Functions[i]
		out.add("Lambda, invocations", "invocation", float64(f.Invocations-was.Invocations))
		name := "Lambda, duration"
		if f.Function == "HeartbeatFunction" {
			name = "heartbeat"
		}
		out.add(name, "gbSecond", float64(f.BilledMs-was.BilledMs)/1000*float64(f.Memory)/1024)
		out.add("logs", "logGB", float64(f.LogBytes-was.LogBytes)/1e9)
	}
	for i, q := range b.Queues {
		key := "standardRequest"
		if q.FIFO {
			key = "fifoRequest"
		}
		out.add("queues", key, float64(q.Requests-a.Queues[i].Requests))
	}
	if a.Table != nil && b.Table != nil {
		out.add("table, writes", "writeUnit", b.Table.Write-a.Table.Write)
		out.add("table, reads", "readUnit", b.Table.Read-a.Table.Read)
	}
	return out
}

// month is 730 hours.
const month = 730 * time.Hour

// idle opens WebSockets that do nothing but answer pings, and prices what a month of so many costs.
func idle(ctx context.Context, base string, clients, scale int, warm, d time.Duration, out, progress io.Writer) error {
	p, err := readPrices()
	if err != nil {
		return err
	}
	var open sync.WaitGroup
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	group, ctx := errgroup.WithContext(ctx)
	fmt.Fprintf(progress, "opening %d WebSockets\n", clients)
	for i := range clients {
		open.Add(1)
		var once sync.Once
		opened := func() { once.Do(open.Done) }
		group.Go(func() error {
			defer opened()
			time.Sleep(time.Duration(i) * warm / time.Duration(2*clients)) // not all at once
			return answerPings(ctx, base, opened)
		})
	}
	open.Wait()
	if ctx.Err() == nil {
		fmt.Fprintf(progress, "all are connected, counting in %s for %s\n", warm, d)
	}
	select {
	case <-ctx.Done():
	case <-time.After(warm):
	}
	before, err := readState(ctx, base)
	if err != nil {
		stop()
		return errors.Join(err, ignoreCanceled(group.Wait()))
	}
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
	after, err := readState(ctx, base)
	stop()
	if err := errors.Join(ignoreCanceled(group.Wait()), err); err != nil {
		return err
	}
	took := after.Time.Sub(before.Time)
	b := between(before, after).times(float64(month) / float64(took) * float64(scale) / float64(clients))
	fmt.Fprintf(out, "%d idle WebSockets for a month, by %d in %s:\n\n", scale, clients, took.Round(time.Second))
	fmt.Fprintf(out, "%-22s %14s %10s\n", "", "quantity", "dollars")
	for _, name := range names(b) {
		quantity := 0.0
		for _, it := range b {
			if it.name == name {
				quantity += it.quantity
			}
		}
		fmt.Fprintf(out, "%-22s %14s %10.2f\n", name, short(quantity), p.named(b, name))
	}
	fmt.Fprintf(out, "%-22s %14s %10.2f\n", "all", "", p.total(b))
	fmt.Fprintln(out, "\nThe heartbeat, and its reads, are one for up to 10,000 sessions: here they are counted for "+
		fmt.Sprint(scale)+" by rule of three.")
	return nil
}

func ignoreCanceled(err error) error {
	if errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}

// names are those of the lines, in order, each once.
func names(b bill) []string {
	var all []string
	seen := map[string]bool{}
	for _, it := range b {
		if !seen[it.name] {
			seen[it.name] = true
			all = append(all, it.name)
		}
	}
	return all
}

// answerPings is a client on WebSocket that joins the main namespace and answers pings until ctx ends.
func answerPings(ctx context.Context, base string, opened func()) error {
	c, early, _, err := ws.Dial(ctx, "ws"+strings.TrimPrefix(base, "http")+"/socket.io/?EIO=4&transport=websocket")
	if err != nil {
		return fmt.Errorf("open a WebSocket: %w", err)
	}
	defer context.AfterFunc(ctx, func() { _ = c.Close() })()
	if early == nil {
		early = bufio.NewReader(c)
	}
	rw := struct {
		io.Reader
		io.Writer
	}{early, c}
	for {
		text, err := wsutil.ReadServerText(rw)
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case err != nil:
			return fmt.Errorf("a WebSocket ended: %w", err)
		}
		answer := ""
		switch {
		case strings.HasPrefix(string(text), "0"):
			answer = "40"
		case string(text) == "2":
			answer = "3"
		case strings.HasPrefix(string(text), "40"):
			opened()
		}
		if answer != "" {
			if err := wsutil.WriteClientText(c, []byte(answer)); err != nil && !errors.Is(err, net.ErrClosed) {
				return fmt.Errorf("answer: %w", err)
			}
		}
	}
}

// short is a number as people write it.
func short(n float64) string {
	switch {
	case n >= 1e6:
		return fmt.Sprintf("%.2f M", n/1e6)
	case n >= 100:
		return fmt.Sprintf("%.0f", n)
	default:
		return fmt.Sprintf("%.3g", n)
	}
}
