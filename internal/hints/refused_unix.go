//go:build unix

package hints

import (
	"errors"
	"syscall"
)

// isRefused reports whether no process has the socket any more.
func isRefused(err error) bool { return errors.Is(err, syscall.ECONNREFUSED) }
