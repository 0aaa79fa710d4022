package dynamostore

import (
	"strings"
	"testing"

	"github.com/nonstick-io/nonstick/sessionstore"
)

// What a socket keeps is found again by its key, whatever its namespace and its room are called, and the key is not too
// long.
func TestKeptBy(t *testing.T) {
	const session = "abcdefghij0123456789"
	long := sessionstore.Namespace("/" + strings.Repeat("#", sessionstore.MaxName-1))
	for _, nsp := range []sessionstore.Namespace{"/", "/n", "/a#b", "/.x#", long} {
		for _, id := range []sessionstore.SocketID{"9876543210abcdefghij", sessionstore.OldSocketID(session, nsp)} {
			k := &sessionstore.Socket{ID: id, Session: session, Namespace: nsp}
			for _, room := range []sessionstore.Room{"a", "#a", "x#r#y", sessionstore.Room(long)} {
				at := keptRoomKey(k, room)
				if got, in := keptBy(at.sk, session, nsp); got != id || in != room || len(at.sk) > 1024 {
					t.Errorf("%q in %q, %q: %q, %q of %d bytes", id, nsp, room, got, in, len(at.sk))
				}
			}
			for _, at := range []key{authKey(k), dataKey(k)} {
				if got, _ := keptBy(at.sk, session, nsp); got != id {
					t.Errorf("%q in %q: %q of %q", id, nsp, got, at.sk)
				}
			}
		}
	}
}
