package faults_test

import (
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nonstick-io/nonstick"
	"github.com/nonstick-io/nonstick/internal/apps/faults"
	"github.com/nonstick-io/nonstick/internal/pushtest"
	"github.com/nonstick-io/nonstick/sessionstore"
	"github.com/nonstick-io/nonstick/sessionstore/memstore"
)

// world is one client of the application.
type world struct {
	srv     *nonstick.Server
	pusher  *pushtest.Pusher
	conn    sessionstore.Connection
	journal string
	exits   int
}

func start(t *testing.T, connect string) *world {
	t.Helper()
	w := &world{
		pusher: pushtest.New(), journal: filepath.Join(t.TempDir(), "journal"),
		conn: sessionstore.Connection{ID: "c", Endpoint: "http://127.0.0.1"},
	}
	w.srv = nonstick.New(
		nonstick.Config{
			Logger: slog.New(slog.DiscardHandler), Store: memstore.New(memstore.Options{}), Pusher: w.pusher,
		},
	)
	faults.App{Journal: w.journal, Exit: func(int) { w.exits++ }}.Register(w.srv)
	step, err := w.srv.Engine().Connect(t.Context(), w.conn, sessionstore.Handshake{})
	if err == nil {
		err = w.srv.Engine().Run(t.Context(), step)
	}
	if err != nil {
		t.Fatal(err)
	}
	w.send(t, connect)
	w.pusher.Take(w.conn)
	return w
}

// send sends a frame and returns what answers it.
func (w *world) send(t *testing.T, frame string) string {
	t.Helper()
	reply, err := w.srv.Engine().Message(t.Context(), w.conn, frame)
	if err != nil {
		t.Fatal(err)
	}
	return reply
}

// lines are those of the journal, without ids.
func (w *world) lines(t *testing.T) []string {
	t.Helper()
	b, err := os.ReadFile(w.journal)
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	for line := range strings.Lines(string(b)) {
		what, rest, _ := strings.Cut(strings.TrimSuffix(line, "\n"), " ")
		_, more, _ := strings.Cut(rest, " ")
		lines = append(lines, strings.TrimSpace(what+" "+more))
	}
	return lines
}

func TestFaults(t *testing.T) {
	pid := os.Getpid()
	for _, tt := range []struct {
		name, connect, frame, reply string
		journal                     []string
		exits                       int
	}{
		{"note", "40", `421["note","a"]`, fmt.Sprintf("431[%d]", pid), []string{"joined", "note a"}, 0},
		{"note that is no text", "40", `421["note",7]`, `431[{"message":"Invalid arguments"}]`, []string{"joined"}, 0},
		{"sleep", "40", `421["sleep",1,"a"]`, fmt.Sprintf("431[%d]", pid), []string{"joined", "note a"}, 0},
		{"exit", "40", `421["exit"]`, "431[]", []string{"joined", fmt.Sprint("exit ", pid)}, 1},
		{"panic is not acknowledged", "40", `421["panic"]`, "", []string{"joined", fmt.Sprint("panic ", pid)}, 0},
		{
			"exit in the connect handler", `40{"do":"exit"}`, `421["note","a"]`, fmt.Sprintf("431[%d]", pid),
			[]string{"joined", "note a"},
			1,
		},
		{"auth is no object", `40{"do":7}`, "3", "", nil, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := start(t, tt.connect)
			if got := w.send(t, tt.frame); got != tt.reply {
				t.Errorf("reply = %q, want %q", got, tt.reply)
			}
			if w.exits != tt.exits {
				t.Errorf("%d exits, want %d", w.exits, tt.exits)
			}
			if tt.journal == nil {
				return
			}
			if got := w.lines(t); strings.Join(got, ", ") != strings.Join(tt.journal, ", ") {
				t.Errorf("journal = %q, want %q", got, tt.journal)
			}
		})
	}
}

// The first run of the disconnect handler ends the process, the second does not.
func TestLeaveBadly(t *testing.T) {
	w := start(t, "40")
	if got := w.send(t, `421["leave-badly"]`); got != "431[true]" {
		t.Fatalf("reply = %q", got)
	}
	if err := w.srv.Engine().Disconnect(t.Context(), w.conn); err != nil {
		t.Fatal(err)
	}
	if got := w.lines(t); len(got) != 2 || got[1] != "left transport close" {
		t.Errorf("journal = %q", got)
	}
	if w.exits != 1 {
		t.Errorf("%d exits, want 1", w.exits)
	}
	if marks, err := filepath.Glob(w.journal + ".*"); err != nil || len(marks) != 1 {
		t.Errorf("marks = %v, %v, want one, which the next run would find", marks, err)
	}
}

func TestLeave(t *testing.T) {
	w := start(t, "40")
	w.send(t, "41")
	if got := w.lines(t); len(got) != 2 || got[1] != "left client namespace disconnect" || w.exits != 0 {
		t.Errorf("journal = %q, %d exits", got, w.exits)
	}
}

func TestHang(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := start(t, "40")
		began := time.Now()
		w.send(t, `421["hang"]`)
		if took := time.Since(began); took < time.Minute {
			t.Errorf("it hung for %v only", took)
		}
	})
}
