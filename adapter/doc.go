// Package adapter delivers packets to the members of rooms and namespaces.
//
// It owns what concerns many sockets at a time: which sockets a [Selection] means, broadcasts to them, in place or in
// parts by way of a queue ([Fanout], [Adapter.Carry]), and fetching, moving and disconnecting them. A member's trouble
// stays with that member: the others get the packet, and the [Result] counts. A hint that turns out stale, and the row
// of a member that is gone, are repaired by the broadcast that meets them.
//
// How a packet reaches one session, and how a session ends, is [delivery]'s. For programs that serve no clients
// adapter/emitter puts both together. None of the three links a server or a cloud, so that any program may emit.
//
// [delivery]: https://pkg.go.dev/github.com/nonstick-io/nonstick/adapter/delivery
package adapter
