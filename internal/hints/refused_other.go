//go:build !unix

package hints

// isRefused reports whether no process has the socket any more: there are no such sockets here.
func isRefused(error) bool { return false }
