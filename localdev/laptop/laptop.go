// Package laptop is the main of programs that run Nonstick on a laptop: the emulated API Gateway of package emulator,
// the same handlers that run on Lambda, and a store in memory, all in one process; or, with --template, the functions
// of a SAM template as processes of their own. Nothing has to be installed but Go. nonstick.Main is this for an
// application of one's own, the command localdev for those of this repository.
package laptop

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"sync"
	"syscall"
	"text/tabwriter"
	"time"
)

// Exit codes.
const (
	exitOK     = 0
	exitFailed = 1
	exitUsage  = 2
)

// shutdownTime is how long an orderly stop may take.
const shutdownTime = 5 * time.Second

// Main runs the program with the arguments and the environment of the process, until it is interrupted or told to
// end, and ends the process: with code 0 after an orderly end, 1 if something failed, 2 if the options are wrong.
func Main(p Program) {
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	if !signal.Ignored(syscall.SIGHUP) { // nohup
		signal.Notify(signals, syscall.SIGHUP)
	}
	os.Exit(p.Run(os.Args[1:], os.LookupEnv, os.Stdout, os.Stderr, signals))
}

// Run is [Main] without the process: it returns the exit code. Env looks variables up, as os.LookupEnv does. A signal
// is the wish to end; at a second one it waits for nothing. What the program says to its user goes to stdout, among it
// a line that begins with "Nonstick listens on " and has the URL, when it is ready; the log and errors go to stderr.
func (p Program) Run(
	args []string, env func(string) (string, bool), stdout, stderr io.Writer, signals <-chan os.Signal,
) int {
	p = p.named()
	c, err := p.parseConfig(args, env, stdout)
	if errors.Is(err, flag.ErrHelp) {
		return exitOK
	}
	if err != nil {
		fmt.Fprintf(stderr, "%s: %v\nRun %[1]s --help for the options.\n", p.Name, err)
		return exitUsage
	}
	l, err := listenAll(c)
	if err != nil {
		fmt.Fprintf(stderr, "%s: %v\n", p.Name, err)
		return exitFailed
	}
	log := slog.New(slog.NewTextHandler(stderr, &slog.HandlerOptions{Level: c.logLevel}))
	done := make(chan int, 1)
	now, hurry := context.WithCancel(context.Background())
	defer hurry()
	stop, cancel := context.WithCancel(now)
	defer cancel()
	go func() { done <- serve(stop, now, c, l, log, stdout, stderr) }()
	select {
	case code := <-done:
		return code
	case <-signals:
		cancel()
	}
	select {
	case code := <-done:
		return code
	case <-signals:
		hurry()
	}
	select { // functions are killed in that time, and their folder removed
	case <-done:
	case <-time.After(hurryTime):
	}
	return exitFailed
}

// hurryTime is how long the end takes at most after a second signal.
const hurryTime = 300 * time.Millisecond

// serve runs everything until stop ends, and then as long as an orderly end takes, or until now ends.
func serve(stop, now context.Context, c config, l listeners, log *slog.Logger, stdout, stderr io.Writer) int {
	urls := l.urls()
	for _, idle := range c.idleOptions() {
		log.Warn(withoutEffect, "what", idle)
	}
	s, err := build(stop, c, urls, log)
	if err != nil {
		fmt.Fprintf(stderr, "%s: cannot start: %v\n", c.program.Name, err)
		return exitFailed
	}
	var background sync.WaitGroup
	ctx, cancel := context.WithCancel(context.WithoutCancel(stop)) // the sweepers end after the server
	for _, sweep := range s.sweeps {
		background.Go(func() {
			if err := sweep(ctx); err != nil {
				log.Error("sweeper failed", "error", err)
			}
		})
	}
	failed := make(chan error, 1)
	go func() { failed <- l.serve(s) }()
	s.announce(stdout, urls)

	code := exitOK
	select {
	case err := <-failed:
		log.Error("server failed", "error", err)
		code = exitFailed
	case <-stop.Done():
	}
	limit, done := context.WithTimeout(now, shutdownTime)
	defer done()
	if err := s.shutdown(limit); err != nil {
		log.Warn("stopped before everything had ended", "error", err)
	}
	cancel()
	if err := s.stop(); err != nil { // ends the functions that the sweepers wait for
		log.Warn("not everything was stopped in an orderly way", "error", err)
	}
	background.Wait()
	return code
}

// shutdown ends what listens. What is in front passes on the answers of what is behind it.
func (s *service) shutdown(limit context.Context) error {
	if s.front == nil {
		return s.server.Shutdown(limit)
	}
	s.front.refuse(limit)
	return errors.Join(s.server.Shutdown(limit), s.front.end(limit))
}

// withoutEffect is said of options that were given in vain.
const withoutEffect = "option without effect"

// announce says what is there, and at last where. Programs that start this one wait for that line.
func (s *service) announce(stdout io.Writer, urls addresses) {
	if len(s.outputs) > 0 {
		fmt.Fprintln(stdout, "Outputs of the template:")
		w := tabwriter.NewWriter(stdout, 0, 0, 2, ' ', 0)
		for _, o := range s.outputs {
			fmt.Fprintf(w, "  %s\t%s\n", o.name, o.value)
		}
		_ = w.Flush() // the reader may be gone
	}
	apis := ""
	if urls.twoHosts() {
		apis = "WebSocket API on " + "ws" + strings.TrimPrefix(urls.webSocket, "http") + s.stage + ", "
	}
	if s.front != nil {
		apis = "CloudFront's function in front, HTTP API on " + urls.polling + ", " + apis
	}
	fmt.Fprintf(stdout, "Nonstick listens on %s (%s%s)\n", urls.front+"/", apis, s.about)
}

// stage is the path of the management API.
const stage = "/local"

// healthz answers whether connections are accepted.
func healthz(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	_, _ = io.WriteString(w, "ok\n") // the client may be gone
}
