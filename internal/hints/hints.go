// Package hints lets the processes of one machine that share a table tell each other which sessions have changed, so
// that a GET which waits reads at once and not at its next look. On a laptop these are the processes of localdev;
// functions of AWS have no machine in common.
//
// A hint is a datagram to a Unix socket. Each process has one in a folder that is named after the table, and sends to
// all others there. Hints may be lost: nothing depends on them but how soon a change is seen.
package hints

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"time"

	"github.com/nonstick-io/nonstick/sessionstore"
)

const (
	// lookAround is how often a process looks for new ones in the folder.
	lookAround = time.Second
	// sendTime bounds one datagram: a process that does not take it in time does without.
	sendTime = 5 * time.Millisecond
	// most bounds a datagram, and so the id of a session.
	most = 256
)

// Store is a store that tells of changes, those of this process and those of its neighbours. It implements
// [sessionstore.Hinter]. Safe for concurrent use.
type Store struct {
	sessionstore.Store

	log    *slog.Logger
	folder string
	own    string // name of its socket
	conn   *net.UnixConn

	mu      sync.Mutex
	waiting map[sessionstore.SessionID]map[chan struct{}]struct{}
	others  []*net.UnixAddr
	looked  time.Time
}

var _ sessionstore.Hinter = (*Store)(nil)

// Folder returns the folder of a table: one for each user of the machine, whatever programs share the table.
func Folder(table string) string {
	sum := sha256.Sum256([]byte(strconv.Itoa(os.Getuid()) + "\x00" + table))
	return filepath.Join(os.TempDir(), "nonstick-"+hex.EncodeToString(sum[:6]))
}

// New returns a Store over another one, with a socket in the folder, which it makes if it is not there. Run has to be
// called for what neighbours tell. Errors are those of the file system and of sockets, for instance on a system that
// has no Unix sockets for datagrams.
func New(s sessionstore.Store, folder string, log *slog.Logger) (*Store, error) {
	if err := private(folder); err != nil {
		return nil, fmt.Errorf("hints: %w", err)
	}
	own := strconv.Itoa(os.Getpid()) + "-" + strconv.FormatInt(time.Now().UnixNano(), 36)
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: filepath.Join(folder, own), Net: "unixgram"})
	if err != nil {
		return nil, fmt.Errorf("hints: %w", err)
	}
	return &Store{
		Store: s, log: log, folder: folder, own: own, conn: conn,
		waiting: make(map[sessionstore.SessionID]map[chan struct{}]struct{}),
	}, nil
}

// errShared says that the folder is not this user's alone.
var errShared = errors.New("the folder may be written by other users")

// private makes a folder that no other user can write.
func private(folder string) error {
	if err := os.Mkdir(folder, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	info, err := os.Lstat(folder)
	if err != nil {
		return err
	}
	if !info.IsDir() || info.Mode().Perm()&0o077 != 0 {
		return fmt.Errorf("%s: %w", folder, errShared)
	}
	return nil
}

// Run passes on what neighbours tell, until ctx ends; then the socket is gone.
func (s *Store) Run(ctx context.Context) {
	stop := context.AfterFunc(ctx, func() { _ = s.conn.Close() })
	defer stop()
	defer os.Remove(s.folder) // which fails while others have sockets in it
	defer os.Remove(filepath.Join(s.folder, s.own))
	b := make([]byte, most)
	for {
		n, err := s.conn.Read(b)
		if ctx.Err() != nil {
			return
		}
		if err != nil {
			s.log.WarnContext(ctx, "hints of other processes are not heard any more", "error", err)
			return
		}
		s.wake(sessionstore.SessionID(b[:n]))
	}
}

// Hint implements [sessionstore.Hinter].
func (s *Store) Hint(id sessionstore.SessionID) (heard <-chan struct{}, stop func()) {
	c := make(chan struct{}, 1)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.waiting[id] == nil {
		s.waiting[id] = make(map[chan struct{}]struct{}, 1)
	}
	s.waiting[id][c] = struct{}{}
	return c, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if delete(s.waiting[id], c); len(s.waiting[id]) == 0 {
			delete(s.waiting, id)
		}
	}
}

// wake tells those of this process that wait for a session.
func (s *Store) wake(id sessionstore.SessionID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.waiting[id] {
		select {
		case c <- struct{}{}:
		default: // it has been told, and has not read yet
		}
	}
}

// tell tells all processes of a change that may have been made.
func (s *Store) tell(id sessionstore.SessionID, err error) {
	if err != nil && !sessionstore.InDoubt(err) || len(id) > most {
		return
	}
	s.wake(id)
	for _, to := range s.neighbours() {
		_ = s.conn.SetWriteDeadline(time.Now().Add(sendTime))
		if _, err := s.conn.WriteToUnix([]byte(id), to); errors.Is(err, os.ErrNotExist) || isRefused(err) {
			s.left(to)
		}
	}
}

// neighbours returns the sockets of the other processes.
func (s *Store) neighbours() []*net.UnixAddr {
	s.mu.Lock()
	defer s.mu.Unlock()
	if time.Since(s.looked) < lookAround {
		return s.others
	}
	s.looked, s.others = time.Now(), nil
	files, err := os.ReadDir(s.folder)
	if err != nil { // removed by a cleaner of temporary files, with all sockets
		return nil
	}
	for _, f := range files {
		if f.Name() != s.own && f.Type()&fs.ModeSocket != 0 {
			s.others = append(s.others, &net.UnixAddr{Name: filepath.Join(s.folder, f.Name()), Net: "unixgram"})
		}
	}
	return s.others
}

// left removes the socket of a process that has ended without removing it.
func (s *Store) left(gone *net.UnixAddr) {
	_ = os.Remove(gone.Name) // another process may have done it
	s.mu.Lock()
	defer s.mu.Unlock()
	s.looked = time.Time{}
}
