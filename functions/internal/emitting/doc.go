// Package emitting is the functions that speak to clients and serve none: emit, which does for other programs what an
// emitter.Emitter does, and fanout, which carries out broadcasts that were queued.
package emitting
