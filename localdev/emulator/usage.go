package emulator

import "sync/atomic"

// What the service counts as one request or message, in bytes.
const (
	requestUnit = 512 << 10
	messageUnit = 32 << 10
)

// usage is what the service would bill.
type usage struct {
	requests, in, out atomic.Int64
	connected         atomic.Int64 // nanoseconds, of connections that have ended
}

// units is how many of a unit a size begins; nothing is one too.
func units(size, unit int) int64 { return int64(max(1, (size+unit-1)/unit)) }
