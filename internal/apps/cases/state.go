package cases

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/nonstick-io/nonstick"
)

// flakyFailures is how often "flaky" fails for a key.
const flakyFailures = 2

// state sets events that count how often a key has come, over all instances of this machine: count acknowledges with
// the number; flaky does so from the third time on, and fails before. Keys are the client's to choose, anew for each
// run.
func (a App) state(n *nonstick.Namespace) {
	nonstick.OnAck(
		n, "count", func(_ context.Context, _ *nonstick.Socket, key string) (int64, error) { return a.count(key) },
	)
	nonstick.OnAck(n, "flaky", func(_ context.Context, _ *nonstick.Socket, key string) (int64, error) {
		times, err := a.count(key)
		if err == nil && times <= flakyFailures {
			return 0, errors.New("cases: not yet")
		}
		return times, err
	})
}

// count adds one to what has been counted for a key. A file has a byte for each: what is appended never overlaps,
// whichever process appends, and where it ended is the number.
func (a App) count(key string) (int64, error) {
	if err := os.MkdirAll(a.Counts, 0o700); err != nil {
		return 0, fmt.Errorf("cases: make the folder of counts: %w", err)
	}
	name := sha256.Sum256([]byte(key))
	f, err := os.OpenFile(
		filepath.Join(a.Counts, hex.EncodeToString(name[:])), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600,
	)
	if err != nil {
		return 0, fmt.Errorf("cases: count: %w", err)
	}
	defer f.Close()
	if _, err := f.Write([]byte{'x'}); err != nil {
		return 0, fmt.Errorf("cases: count: %w", err)
	}
	at, err := f.Seek(0, io.SeekCurrent)
	if err != nil {
		return 0, fmt.Errorf("cases: count: %w", err)
	}
	return at, nil
}
