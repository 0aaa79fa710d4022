package hints_test

import (
	"context"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nonstick-io/nonstick/internal/hints"
	"github.com/nonstick-io/nonstick/sessionstore"
	"github.com/nonstick-io/nonstick/sessionstore/memstore"
)

// limits are those of a buffer that takes one packet.
var limits = sessionstore.BufferLimits{Packets: 1, Bytes: 100}

// process is one of several over a store, as if that were a table.
func process(t *testing.T, store sessionstore.Store, folder string) (s *hints.Store, end func()) {
	t.Helper()
	s, err := hints.New(store, folder, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		s.Run(ctx)
	}()
	end = func() {
		cancel()
		<-done
	}
	t.Cleanup(end)
	return s, end
}

func polling(t *testing.T, s sessionstore.Store, id sessionstore.SessionID) {
	t.Helper()
	n := sessionstore.NewSession{ID: id, Transport: sessionstore.Polling, CreatedAt: time.Now()}
	if err := s.Create(t.Context(), n); err != nil {
		t.Fatal(err)
	}
}

func deliver(t *testing.T, s sessionstore.Store, id sessionstore.SessionID) error {
	t.Helper()
	return s.Deliver(t.Context(), id, []sessionstore.Packet{{ID: "p", Frames: []string{"4a"}}}, limits)
}

// within reports whether a hint comes, which for one that must come may take long on a busy machine.
func within(c <-chan struct{}, d time.Duration) bool {
	select {
	case <-c:
		return true
	case <-time.After(d):
		return false
	}
}

const (
	surely = 10 * time.Second
	moment = 50 * time.Millisecond
)

// What one process writes, it and the others hear of: each that waits for that session, and no other.
func TestHints(t *testing.T) {
	table, folder := memstore.New(memstore.Options{}), filepath.Join(t.TempDir(), "h")
	polling(t, table, "a")
	polling(t, table, "b")
	one, _ := process(t, table, folder)
	two, _ := process(t, table, folder)
	own, stopOwn := one.Hint("a")
	defer stopOwn()
	theirs, stopTheirs := two.Hint("a")
	defer stopTheirs()
	second, stopSecond := two.Hint("a")
	defer stopSecond()
	other, stopOther := two.Hint("b")
	defer stopOther()
	if err := deliver(t, one, "a"); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]<-chan struct{}{"its own": own, "the other's": theirs, "the second": second} {
		if !within(c, surely) {
			t.Errorf("%s: no hint", name)
		}
	}
	if within(other, moment) {
		t.Error("a hint of another session")
	}
	if err := deliver(t, one, "a"); err == nil {
		t.Fatal("the buffer takes one packet")
	}
	if within(theirs, moment) {
		t.Error("a hint of a write that was refused")
	}
	stopTheirs()
	if _, err := one.Close(t.Context(), sessionstore.CloseRequest{Session: "a", Reason: "test"}); err != nil {
		t.Fatal(err)
	}
	if !within(second, surely) || within(theirs, moment) {
		t.Error("one that waits no more is told, or another is not")
	}
}

// What changes a session for a GET, or answers an acknowledgement, is told.
func TestWhatIsTold(t *testing.T) {
	conn := sessionstore.Connection{ID: "c", Endpoint: "http://127.0.0.1"}
	for _, c := range []struct {
		name string
		do   func(s *hints.Store) error
	}{
		{"probe and upgrade", func(s *hints.Store) error {
			now := time.Now()
			candidate := sessionstore.Candidate{Conn: conn, Until: now.Add(time.Hour)}
			if err := s.Bind(t.Context(), "a", candidate, now); err != nil {
				return err
			}
			return s.Probe(t.Context(), "a", conn)
		}},
		{"acknowledgement", func(s *hints.Store) error {
			now := time.Now()
			a := sessionstore.Ack{Session: "a", ID: 1, ExpiresAt: now.Add(time.Hour)}
			if err := s.PutAck(t.Context(), a, now); err != nil {
				return err
			}
			a.Answer = []string{`431[]`}
			_, err := s.AnswerAck(t.Context(), a, now)
			return err
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			s, _ := process(t, memstore.New(memstore.Options{}), filepath.Join(t.TempDir(), "h"))
			polling(t, s, "a")
			heard, stop := s.Hint("a")
			defer stop()
			if err := c.do(s); err != nil {
				t.Fatal(err)
			}
			if !within(heard, surely) {
				t.Error("no hint")
			}
		})
	}
}

// A process that has died leaves its socket; the others remove it and go on.
func TestDeadNeighbour(t *testing.T) {
	table, folder := memstore.New(memstore.Options{}), filepath.Join(t.TempDir(), "h")
	polling(t, table, "a")
	one, _ := process(t, table, folder)
	_, end := process(t, table, folder)
	heard, stop := one.Hint("a")
	defer stop()
	end()
	left, err := os.ReadDir(folder)
	if err != nil || len(left) != 1 {
		t.Errorf("%d sockets after the end of one of two, %v", len(left), err)
	}
	dead := filepath.Join(folder, "1-dead")
	makeDead(t, dead)
	if err := deliver(t, one, "a"); err != nil || !within(heard, surely) {
		t.Errorf("beside a dead neighbour: %v", err)
	}
	if _, err := os.Lstat(dead); !os.IsNotExist(err) {
		t.Errorf("its socket stays: %v", err)
	}
}

// A folder that others may write is not used.
func TestFolderOfOthers(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "h")
	if err := os.Mkdir(folder, 0o755); err != nil {
		t.Fatal(err)
	}
	_, err := hints.New(memstore.New(memstore.Options{}), folder, slog.New(slog.DiscardHandler))
	if err == nil || !strings.Contains(err.Error(), "other users") {
		t.Errorf("error %v", err)
	}
	if a, b := hints.Folder("x"), hints.Folder("y"); a == b || filepath.Dir(a) != filepath.Clean(os.TempDir()) {
		t.Errorf("folders %q and %q", a, b)
	}
}

// makeDead leaves a socket as a process does that was killed.
func makeDead(t *testing.T, name string) {
	t.Helper()
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: name, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	_ = conn.Close() // which does not remove the file
}
