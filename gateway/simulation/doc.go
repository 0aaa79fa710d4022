// Package simulation runs the real gateway over a store and a pusher whose every call is a scheduling point, and
// checks that sessions stay exact: every packet once and in order, whatever crashes, fails, comes late or is
// repeated. It has tests only.
//
//	go test ./gateway/simulation                                  # a short run
//	go test ./gateway/simulation -run Schedules -schedules 10000  # a long one
//	go test ./gateway/simulation -run Schedules -seed 1234 -v     # one schedule again, step by step
//	go test ./gateway/simulation -run Mutants                     # broken rules, each of which must be caught
//
// A schedule is decided by its seed and by the ids of sessions and sockets, which are random: the clock is that of a
// testing/synctest bubble, and one goroutine goes on at a time. The ids decide when a WebSocket is pinged within a twentieth of the ping
// interval, and in which order members are met. So a schedule that failed may have to be run some times (-count 50) to fail again.
package simulation
