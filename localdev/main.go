// Command localdev runs Nonstick on a laptop: the emulated API Gateway of package emulator, the same handlers
// that run on Lambda, and an application to try them with. Nothing has to be installed but Go; see
// localdev --help.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"sync"
	"syscall"
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

func main() {
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	if !signal.Ignored(syscall.SIGHUP) { // nohup
		signal.Notify(signals, syscall.SIGHUP)
	}
	os.Exit(run(os.Args[1:], os.LookupEnv, os.Stdout, os.Stderr, signals))
}

// run is main without the process. Its end is a signal; at a second one it waits for nothing.
func run(args []string, env func(string) (string, bool), stdout, stderr io.Writer, signals <-chan os.Signal) int {
	c, err := parseConfig(args, env, stdout)
	if errors.Is(err, flag.ErrHelp) {
		return exitOK
	}
	if err != nil {
		fmt.Fprintf(stderr, "localdev: %v\nRun localdev --help for the options.\n", err)
		return exitUsage
	}
	l, err := listen(c.addr)
	if err != nil {
		fmt.Fprintf(stderr, "localdev: %v\n", err)
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

// listen opens the port, with an error that says what to do.
func listen(addr string) (net.Listener, error) {
	l, err := net.Listen("tcp", addr)
	if errors.Is(err, syscall.EADDRINUSE) {
		return nil, fmt.Errorf("%s is in use by another process: stop it, or choose another address with --addr", addr)
	}
	if err != nil {
		return nil, fmt.Errorf("listen on %s: %w", addr, err)
	}
	return l, nil
}

// serve runs everything until stop ends, and then as long as an orderly end takes, or until now ends.
func serve(stop, now context.Context, c config, l net.Listener, log *slog.Logger, stdout, stderr io.Writer) int {
	base := baseURL(l.Addr())
	s, err := build(stop, c, base, log)
	if err != nil {
		fmt.Fprintf(stderr, "localdev: cannot start: %v\n", err)
		return exitFailed
	}
	var background sync.WaitGroup
	ctx, cancel := context.WithCancel(context.WithoutCancel(stop)) // the sweepers end after the server
	for _, sweep := range s.sweeps {
		background.Go(func() {
			if err := sweep(ctx); err != nil {
				log.Error("sweeper failed", "err", err)
			}
		})
	}
	failed := make(chan error, 1)
	go func() { failed <- s.server.Serve(l) }()
	fmt.Fprintf(stdout, "Nonstick listens on %s (%s)\n", base+"/", s.about)

	code := exitOK
	select {
	case err := <-failed:
		log.Error("server failed", "err", err)
		code = exitFailed
	case <-stop.Done():
	}
	limit, done := context.WithTimeout(now, shutdownTime)
	defer done()
	if err := s.server.Shutdown(limit); err != nil {
		log.Warn("stopped before everything had ended", "err", err)
	}
	cancel()
	if err := s.stop(); err != nil { // ends the functions that the sweepers wait for
		log.Warn("not everything was stopped in an orderly way", "err", err)
	}
	background.Wait()
	return code
}

// stage is the path of the management API.
const stage = "/local"

// baseURL is how this machine reaches a listener: by the loopback address if it listens on all.
func baseURL(a net.Addr) string {
	host, port, err := net.SplitHostPort(a.String())
	if err != nil {
		return "http://" + a.String()
	}
	if ip := net.ParseIP(host); ip != nil && ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	return "http://" + net.JoinHostPort(host, port)
}

// fallback serves what is not part of an API: the health check, and the application's pages.
func fallback(pages http.Handler) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		_, _ = io.WriteString(w, "ok\n") // the client may be gone
	})
	if pages != nil {
		mux.Handle("/", pages)
	}
	return mux
}
