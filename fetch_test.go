package nonstick_test

import (
	"context"
	"slices"
	"strings"
	"testing"

	"github.com/nonstick-io/nonstick"
	"github.com/nonstick-io/nonstick/nonsticktest"
)

// Fetch reads the sockets that an emit to the same selection would reach.
func TestFetchOfSelections(t *testing.T) {
	type selection = nonstick.Selection
	for _, tt := range []struct {
		name string
		of   func(s *nonstick.Socket) selection
		want string
	}{
		{"all but itself", func(s *nonstick.Socket) selection { return s.Broadcast() }, "bob cat"},
		{"a room but itself", func(s *nonstick.Socket) selection { return s.To("room1") }, "bob"},
		{"all but itself and a room", func(s *nonstick.Socket) selection { return s.Except("room2") }, "bob"},
		{"a room", func(s *nonstick.Socket) selection { return s.Namespace().To("room1") }, "ann bob"},
		{"none", func(s *nonstick.Socket) selection { return s.To("room1").Except("room1") }, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			io := nonsticktest.New(t, func(io *nonstick.Server) {
				io.OnConnect(nameAndRoom)
				who := func(ctx context.Context, s *nonstick.Socket, _ nonstick.Args) (string, error) {
					return names(ctx, tt.of(s))
				}
				nonstick.OnAck(io, "who", who)
			})
			io.Connect(map[string]string{"name": "cat", "room": "room2"})
			io.Connect(map[string]string{"name": "bob", "room": "room1"})
			ann := io.Connect(map[string]string{"name": "ann", "room": "room1"})
			if got := nonsticktest.Ask[string](ann, "who"); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

// nameAndRoom gives a socket the name that its client has, and puts it into the room that it asks for.
func nameAndRoom(ctx context.Context, s *nonstick.Socket) error {
	auth, err := nonstick.Auth[struct{ Name, Room string }](ctx, s)
	if err != nil {
		return err
	}
	if err := s.SetData(ctx, "name", auth.Name); err != nil {
		return err
	}
	return s.Join(ctx, auth.Room)
}

// names are those of the sockets selected.
func names(ctx context.Context, of nonstick.Selection) (string, error) {
	found, err := of.Fetch(ctx, 10)
	if err != nil {
		return "", err
	}
	var all []string
	for _, r := range found {
		name, _, err := nonstick.Data[string](ctx, r, "name")
		if err != nil {
			return "", err
		}
		all = append(all, name)
	}
	slices.Sort(all)
	return strings.Join(all, " "), nil
}
