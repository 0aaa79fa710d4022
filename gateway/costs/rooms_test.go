package costs

import (
	"context"
	"slices"
	"strings"
	"testing"

	"github.com/nonstick-io/nonstick"
)

// told is what hooks of rooms were called with: the hook, the room, and the id of a member.
type told struct{ list []string }

func (o *told) member(name string) func(context.Context, *nonstick.Namespace, string, string) error {
	return func(_ context.Context, n *nonstick.Namespace, room, id string) error {
		o.list = append(o.list, name+" "+n.Name()+" "+room+" "+id)
		return nil
	}
}

func (o *told) room(name string) func(context.Context, *nonstick.Namespace, string) error {
	return func(_ context.Context, n *nonstick.Namespace, room string) error {
		o.list = append(o.list, name+" "+n.Name()+" "+room)
		return nil
	}
}

// TestRoomHooks holds on both stores what hooks of rooms are told, and what they cost beside what a join, a leave or
// the end of a socket costs: an application without them pays nothing.
func TestRoomHooks(t *testing.T) {
	const join, leave, create, remove = "join", "leave", "create", "delete"
	for _, s := range stores {
		t.Run(s.name, func(t *testing.T) {
			for _, tt := range []struct {
				name  string
				hooks []string
				// reads beside those without hooks: first and second socket of a room, the third, one that joins again,
				// a leave, the last leave, an end in two rooms
				first, second, third, again, leave, last, end int64
			}{
				{name: "none"},
				{name: join, hooks: []string{join}, first: 0, second: 0, third: 0, again: 1},
				{name: leave, hooks: []string{leave}, leave: 1, last: 1, end: 1},
				{name: create, hooks: []string{create}, first: 1, second: 2, third: 1, again: 2},
				{name: remove, hooks: []string{remove}, leave: 2, last: 2, end: 3},
				{
					name: "all", hooks: []string{join, leave, create, remove}, first: 1, second: 2, third: 1, again: 2,
					leave: 2, last: 2, end: 3,
				},
			} {
				t.Run(tt.name, func(t *testing.T) {
					w := newWorld(t, s.make)
					o := &told{}
					for _, name := range tt.hooks {
						switch name {
						case join:
							w.server.OnJoinRoom(o.member(name))
						case leave:
							w.server.OnLeaveRoom(o.member(name))
						case create:
							w.server.OnCreateRoom(o.room(name))
						case remove:
							w.server.OnDeleteRoom(o.room(name))
						}
					}
					ids := map[*client]string{}
					connect := func() *client {
						c := w.webSocket()
						c.send("40")
						state := c.state()
						k, _ := state.Socket("/")
						ids[c] = string(k.ID)
						return c
					}
					// takes compares what a step takes and tells. The baselines are those of architecture.md.
					takes := func(what string, reads, writes int64, do func(), want ...string) {
						t.Helper()
						got := w.spend(do)
						if got.reads != reads || got.writes > writes {
							t.Errorf(
								"%s: %d reads, want %d; %d writes, at most %d\n%s", what, got.reads, reads, got.writes,
								writes, got.calls,
							)
						}
						var heard []string
						for _, each := range want {
							name, _, _ := strings.Cut(each, " ")
							if slices.Contains(tt.hooks, name) {
								heard = append(heard, each)
							}
						}
						if !slices.Equal(o.list, heard) {
							t.Errorf("%s: told %q, want %q", what, o.list, heard)
						}
						o.list = nil
					}
					a, b, c := connect(), connect(), connect()
					takes(
						"first", 1+tt.first, 3, func() { a.send(`42["join",["r"]]`) }, "create / r",
						"join / r "+ids[a],
					)
					takes("second", 1+tt.second, 3, func() { b.send(`42["join",["r"]]`) }, "join / r "+ids[b])
					takes("third", 1+tt.third, 3, func() { c.send(`42["join",["r"]]`) }, "join / r "+ids[c])
					takes("again", 1+tt.again, 3, func() { a.send(`42["join",["r"]]`) })
					takes("leave", 1+tt.leave, 3, func() { a.send(`42["leave","r"]`) }, "leave / r "+ids[a])
					b.send(`42["leave","r"]`)
					o.list = nil
					takes(
						"last", 1+tt.last, 3, func() { c.send(`42["leave","r"]`) }, "leave / r "+ids[c], "delete / r",
					)
					a.send(`42["join",["r","q"]]`)
					b.send(`42["join",["q"]]`)
					o.list = nil
					takes("end", 3+tt.end, 6+2*2+1, func() {
						w.must(w.server.Engine().Disconnect(t.Context(), a.conn))
					}, "leave / q "+ids[a], "leave / r "+ids[a], "delete / r")
				})
			}
		})
	}
}
