package memstore

import (
	"errors"
	"testing"

	"github.com/nonstick-io/nonstick/sessionstore"
)

// TestOrphans: rows without a socket, as an instance leaves them when it dies, go with the first call that
// meets them.
func TestOrphans(t *testing.T) {
	k := sessionstore.NewSocket{ID: "k", Session: "s", Namespace: "/"}
	m := sessionstore.Member{Socket: k.ID, Session: k.Session}
	for _, c := range []struct {
		name string
		key  func(s *Store) roomKey
		call func(s *Store) error
	}{
		{"RemoveSocket", func(s *Store) roomKey { return s.memberKey("/", k.ID) }, func(s *Store) error {
			_, err := s.RemoveSocket(t.Context(), k.Row())
			return err
		}},
		{"Join", func(*Store) roomKey { return inRoom("/", "r") }, func(s *Store) error {
			return s.Join(t.Context(), k.Row(), "r", sessionstore.Connection{}, sessionstore.SocketLimits{Rooms: 1})
		}},
	} {
		s := New(Options{})
		s.putMember(c.key(s), m)
		if err := c.call(s); !errors.Is(err, sessionstore.ErrNotFound) {
			t.Errorf("%s: error %v", c.name, err)
		}
		if _, _, _, rooms, _ := s.held(); rooms != 0 {
			t.Errorf("%s: the orphan is still there", c.name)
		}
	}
}
