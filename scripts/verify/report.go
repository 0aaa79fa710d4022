package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"github.com/nonstick-io/nonstick/internal/prices"
)

// status is what became of a check.
type status string

const (
	ok      status = "ok"      // as it must be, or as is assumed
	differs status = "differs" // a question has another answer than is assumed
	failed  status = "FAILED"  // something that must hold does not
	skipped status = "not asked"
)

// result is one line of the report.
type result struct {
	Group  string `json:"group"`
	Name   string `json:"name"`
	Status status `json:"status"`
	// Seen is what came, Means what follows from it.
	Seen  string `json:"seen,omitempty"`
	Means string `json:"means,omitempty"`
	Ms    int64  `json:"ms"`
}

// report is what has been found out.
type report struct {
	progress io.Writer
	mu       sync.Mutex // guards results and progress
	results  []result
	// wrong are what is wrong with the deployment, each in a sentence that names the resource.
	wrong []string
}

// check runs a check that must hold.
func (r *report) check(ctx context.Context, group, name string, f func(context.Context) error) bool {
	began := time.Now()
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	err := f(ctx)
	out := result{Group: group, Name: name, Status: ok, Ms: time.Since(began).Milliseconds()}
	var no *skipError
	switch {
	case errors.As(err, &no):
		out.Status, out.Seen = skipped, no.why
	case err != nil:
		out.Status, out.Seen = failed, err.Error()
	}
	r.add(out)
	return err == nil
}

// skipError says why something is not asked.
type skipError struct{ why string }

func (e *skipError) Error() string { return e.why }

// question is something that only the service can answer.
type question struct {
	name string
	// assumed is what Nonstick takes for true, means what follows if it is not.
	assumed, means string
	// ask returns what was seen, and whether it is as assumed.
	ask func(context.Context) (seen string, asAssumed bool, err error)
}

func (r *report) ask(ctx context.Context, q question) {
	began := time.Now()
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	seen, as, err := q.ask(ctx)
	out := result{Group: "questions", Name: q.name, Status: ok, Seen: seen, Ms: time.Since(began).Milliseconds()}
	var no *skipError
	switch {
	case errors.As(err, &no):
		out.Status, out.Seen = skipped, no.why
	case err != nil:
		out.Status, out.Seen = failed, err.Error()
	case !as:
		out.Status, out.Means = differs, "assumed was: "+q.assumed+". "+q.means
	}
	r.add(out)
}

// last is the result that came last.
func (r *report) last() result { return r.results[len(r.results)-1] }

func (r *report) add(out result) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.results = append(r.results, out)
	fmt.Fprintf(r.progress, "%-10s %-12s %s (%d ms)", out.Status, out.Group, out.Name, out.Ms)
	if out.Seen != "" {
		fmt.Fprintf(r.progress, ": %s", out.Seen)
	}
	fmt.Fprintln(r.progress)
}

// failures counts what must hold and does not.
func (r *report) failures() (n int) {
	for _, x := range r.results {
		if x.Status == failed {
			n++
		}
	}
	return n
}

// write writes the report, as Markdown.
func (r *report) write(out io.Writer, o outputs, u *used, took time.Duration) error {
	fmt.Fprintf(out, "# What holds at %s\n\n", o["Url"])
	if o["Url"] == "" {
		fmt.Fprintf(out, "HTTP API %s, WebSocket API %s.\n\n", o["HttpUrl"], o["WebSocketUrl"])
	}
	counts := map[status]int{}
	for _, x := range r.results {
		counts[x.Status]++
	}
	fmt.Fprintf(out, "%d as it must be or is assumed, %d differ, %d failed, %d not asked, in %s.\n\n", counts[ok],
		counts[differs], counts[failed], counts[skipped], took.Round(time.Second))
	if len(r.wrong) > 0 {
		fmt.Fprint(out, "**What is wrong**\n\n")
		for _, w := range r.wrong {
			fmt.Fprintf(out, "- %s\n", w)
		}
		fmt.Fprintln(out)
	}
	group := ""
	for _, x := range r.results {
		if x.Group != group {
			group = x.Group
			fmt.Fprintf(out, "\n## %s\n\n| | | seen | means |\n|---|---|---|---|\n", group)
		}
		fmt.Fprintf(out, "| %s | %s | %s | %s |\n", x.Name, x.Status, cell(x.Seen), cell(x.Means))
	}
	list, err := prices.Read()
	if err != nil {
		return err
	}
	requests, messages := float64(u.requests.Load()), float64(u.in.Load()+u.out.Load())
	minutes := float64(u.minutes.Load()) / 60_000
	sum := list.Of("request", requests) + list.Of("message", messages) + list.Of("minute", minutes) +
		list.Of("invocation", requests+float64(u.in.Load())) + list.Of("fifoRequest", 3*float64(u.in.Load()))
	fmt.Fprintf(out, "\n## What it cost\n\n%.0f requests of the HTTP API, %.0f messages and %.0f minutes of "+
		"WebSockets, by the "+
		"count of this program; with\ninvocations and queues about %.4f dollars. The official clients are not "+
		"counted.\n",
		requests, messages, minutes, sum)
	return nil
}

func cell(s string) string { return strings.NewReplacer("|", "\\|", "\n", " ").Replace(s) }
