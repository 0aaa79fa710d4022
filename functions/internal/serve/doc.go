// Package serve is the functions that serve clients: polling, websocket, and the heartbeat that looks after sessions
// while there are any. All of them carry the application, whose handlers may run in each.
package serve
