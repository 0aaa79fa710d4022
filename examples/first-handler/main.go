// Command first-handler serves handlers of one's own on this machine: a Socket.IO server with a namespace, a room and
// an event, behind the emulated API Gateway of localdev. docs/first-handler.md walks through it.
package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/signal"
	"sync"
	"time"

	"github.com/nonstick-io/nonstick"
	"github.com/nonstick-io/nonstick/gateway/apigw"
	"github.com/nonstick-io/nonstick/gateway/engine"
	"github.com/nonstick-io/nonstick/internal/direct"
	"github.com/nonstick-io/nonstick/localdev/emulator"
	"github.com/nonstick-io/nonstick/sessionstore/memstore"
)

func main() {
	addr := "127.0.0.1:3000"
	if len(os.Args) > 1 {
		addr = os.Args[1]
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	l, err := net.Listen("tcp", addr)
	if err == nil {
		fmt.Printf("listening on http://%s/socket.io/\n", l.Addr())
		err = serve(ctx, l)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// register sets the handlers. Nothing in it says where they run.
func register(srv *nonstick.Server) {
	chat := srv.Namespace
	chat.OnConnect(func(ctx context.Context, s *nonstick.Socket) error {
		return s.Join(ctx, "lobby")
	})
	nonstick.OnAck(chat, "say", func(ctx context.Context, s *nonstick.Socket, text string) (int, error) {
		if text == "" {
			return 0, &nonstick.Error{Message: "say something"}
		}
		return len(text), chat.To("lobby").Emit(ctx, "said", text)
	})
}

// serve puts the pieces together and serves until ctx ends.
func serve(ctx context.Context, l net.Listener) error {
	endpoint := "http://" + l.Addr().String() + "/local" // of the management API; names this process in connections
	emu := direct.NewServer(emulator.Config{Endpoint: endpoint, Limits: emulator.AWS()})
	srv := nonstick.New(nonstick.Config{
		Store:  memstore.New(memstore.Options{}),
		Pusher: direct.New(emu, nil), // no other process shares the store, so there is no remote
	})
	register(srv)

	q := &queue{}
	q.handler = apigw.New(apigw.Config{Gateway: srv.Engine(), Queue: q, Endpoint: endpoint})
	emu.Route(emulator.API{Path: apigw.DefaultPath, Sets: []emulator.Handlers{q.handler}})
	return run(ctx, emu, srv.Engine(), l)
}

// run serves, and sweeps beside it: pings, timeouts and expired sessions are the sweeper's.
func run(ctx context.Context, emu *emulator.Server, e *engine.Engine, l net.Listener) error {
	sweeping, stopSweep := context.WithCancel(context.WithoutCancel(ctx)) // it ends after the server
	var sweep sync.WaitGroup
	sweep.Go(func() { _ = e.Sweep(sweeping) }) // nil, always
	served := make(chan error, 1)
	go func() { served <- emu.Serve(l) }()

	var err error
	select {
	case err = <-served:
	case <-ctx.Done():
		limit, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
		err = emu.Shutdown(limit)
		cancel()
		err = errors.Join(err, <-served)
	}
	stopSweep()
	sweep.Wait()
	return err
}

// queue runs what has to wait for the end of a $connect: there, the first packet to a new WebSocket.
type queue struct{ handler *apigw.Handler }

// Enqueue implements [apigw.Queue]. What fails there ends the session, so there is nothing to report.
func (q *queue) Enqueue(ctx context.Context, step engine.Step) error {
	if !emulator.AfterConnect(ctx, func(ctx context.Context) { _ = q.handler.Step(ctx, step) }) {
		return errors.New("a step can be queued during $connect only")
	}
	return nil
}
