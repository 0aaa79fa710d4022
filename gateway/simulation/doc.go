// Package simulation runs the real gateway over a store, a pusher and queues whose every call is a scheduling point,
// and checks that sessions stay exact: every packet once and in order, whatever crashes, fails, comes late or is
// repeated. It has tests only. What it plays, checks and breaks is in docs/protocol.md.
//
//	go test ./gateway/simulation                                  # a short run
//	go test ./gateway/simulation -run Schedules -schedules 10000  # a long one
//	go test ./gateway/simulation -run Schedules -seed 1234 -v     # one schedule again, step by step
//	go test ./gateway/simulation -run Mutants                     # broken rules, each of which must be caught
//
// A schedule is decided by its seed alone, and so fails again, or not, whenever it is run: the clock is that of a
// testing/synctest bubble, one process goes on at a time, and the ids of sessions, sockets, GETs and acknowledgements
// come from the seed and the name of the process that makes them. TestReplay runs schedules twice and compares.
package simulation
