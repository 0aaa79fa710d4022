// Package faults is an application that goes wrong when it is told to, and writes down what it does: for tests of what
// clients and sessions go through when a function crashes, hangs or is throttled. It is no application to deploy.
package faults

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"runtime"
	"time"

	"github.com/nonstick-io/nonstick"
)

const (
	// hangTime is how long "hang" takes: longer than any function may run.
	hangTime = 5 * time.Minute
	// exitCode is how the process ends by "exit".
	exitCode = 3
	// "allocate" takes memory in pieces, so that a test that watches the process sees it grow: 256 MB in half a second.
	allocations = 32
	piece       = 8 << 20
	piecePause  = 15 * time.Millisecond
	// pageSize is how far apart bytes are to be written so that all memory is really taken.
	pageSize = 4 << 10
	// maxSleep bounds "sleep".
	maxSleep = 10 * time.Second
)

// App is the application.
type App struct {
	// Journal is a file that a line is appended to for everything that happens: a word, the socket's id, and what
	// belongs to it. Several processes may share it. Empty: none.
	Journal string
	// Exit ends the process; nil means [os.Exit].
	Exit func(code int)
}

// greeting is what a client may send to connect.
type greeting struct {
	Do string `json:"do"`
}

// keyLeave is where a socket's data says that the process is to end in its disconnect handler.
const keyLeave = "leave"

// Register sets the handlers on the main namespace:
//
//   - note takes a string, writes it down ("note ID TEXT") and acknowledges with the process id;
//   - sleep takes a number of milliseconds and a string, waits, and is note then;
//   - exit ends the process, panic panics, hang neither returns nor minds its context, allocate takes 256 MB and
//     hangs: each writes its name and the process id down before;
//   - leave-badly acknowledges; the first run of the socket's disconnect handler then ends the process.
//
// A client whose auth is {"do": "exit"} ends the process in the connect handler. Connects and disconnects are written
// down as "joined ID" and "left ID REASON".
func (a App) Register(srv *nonstick.Server) {
	if a.Exit == nil {
		a.Exit = os.Exit
	}
	srv.OnConnect(a.joined)
	srv.OnDisconnect(a.left)
	nonstick.OnAck(srv, "note", func(_ context.Context, s *nonstick.Socket, text string) (int, error) {
		return os.Getpid(), a.write("note", s.ID(), text)
	})
	nonstick.OnAck(srv, "sleep", a.sleep)
	nonstick.OnAck(srv, "leave-badly", func(ctx context.Context, s *nonstick.Socket, _ nonstick.Args) (bool, error) {
		return true, s.SetData(ctx, keyLeave, true)
	})
	for name, fault := range map[string]func(){
		"exit":     func() { a.Exit(exitCode) },
		"panic":    func() { panic("faults: asked to") },
		"hang":     hang,
		"allocate": allocate,
	} {
		nonstick.On(srv, name, func(_ context.Context, s *nonstick.Socket, _ nonstick.Args) error {
			err := a.write(name, s.ID(), fmt.Sprint(os.Getpid()))
			fault()
			return err
		})
	}
}

func (a App) joined(ctx context.Context, s *nonstick.Socket) error {
	hello, err := nonstick.Auth[greeting](ctx, s)
	if err != nil {
		return &nonstick.Error{Message: "the auth is to be an object"}
	}
	if hello.Do == "exit" {
		a.Exit(exitCode)
	}
	return a.write("joined", s.ID(), "")
}

func (a App) left(ctx context.Context, s *nonstick.Socket, reason nonstick.Reason) error {
	err := a.write("left", s.ID(), string(reason))
	badly, _, dataErr := nonstick.Data[bool](ctx, s, keyLeave)
	if badly && a.first(s.ID()) {
		a.Exit(exitCode)
	}
	return errors.Join(err, dataErr)
}

func (a App) sleep(ctx context.Context, s *nonstick.Socket, in nonstick.Args2[int, string]) (int, error) {
	select {
	case <-time.After(min(time.Duration(in.First)*time.Millisecond, maxSleep)):
	case <-ctx.Done():
		return 0, ctx.Err()
	}
	return os.Getpid(), a.write("note", s.ID(), in.Second)
}

// hang does not return in time.
func hang() { time.Sleep(hangTime) }

// allocate uses memory, and keeps it.
func allocate() {
	var all [][]byte
	for range allocations {
		b := make([]byte, piece)
		for i := 0; i < len(b); i += pageSize {
			b[i] = 1
		}
		all = append(all, b)
		time.Sleep(piecePause)
	}
	hang()
	runtime.KeepAlive(all)
}

// write appends a line. What is appended at once stays in one piece, also if other processes write.
func (a App) write(what, id, more string) error {
	if a.Journal == "" {
		return nil
	}
	f, err := os.OpenFile(a.Journal, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("faults: open journal: %w", err)
	}
	_, err = fmt.Fprintf(f, "%s %s %s\n", what, id, more)
	return errors.Join(err, f.Close())
}

// first reports whether no process has asked for that socket before. Without a journal it is false.
func (a App) first(id string) bool {
	if a.Journal == "" {
		return false
	}
	f, err := os.OpenFile(a.Journal+"."+id, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return !errors.Is(err, fs.ErrExist)
	}
	return f.Close() == nil
}
