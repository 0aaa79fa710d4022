//go:build unix

package laptop

import (
	"math"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/nonstick-io/nonstick/localdev/template"
)

// leastDispatch is what API Gateway takes at least to hand a frame to a queue, if it takes any time at all here.
const leastDispatch = 5 * time.Millisecond

// queued reports whether the frames of a WebSocket API go straight to a queue.
func queued(routes []template.Route) bool {
	return slices.ContainsFunc(routes, func(r template.Route) bool { return r.Key == "$default" && r.Queue != "" })
}

// responds reports whether what a function answers to a frame goes to the client.
func responds(routes []template.Route) bool {
	return slices.ContainsFunc(routes, func(r template.Route) bool { return r.Key == "$default" && r.Responds })
}

// dispatch is how long API Gateway takes to hand a frame to a queue: frames that come closer together than the jitter
// may overtake each other.
func (s *stack) dispatch() func() time.Duration {
	jitter := s.config.dispatchJitter
	if jitter == 0 {
		return nil
	}
	return func() time.Duration { return leastDispatch + rand.N(jitter) }
}

// latency is how long a FIFO queue takes to deliver a message, with the median and the 99th percentile that are
// configured: a log-normal distribution, as latencies are.
func (s *stack) latency(q template.Queue) func() time.Duration {
	p50, p99 := float64(s.config.queueP50), float64(s.config.queueP99)
	if !q.FIFO || p50 == 0 {
		return nil
	}
	const z99 = 2.3263 // of the normal distribution
	sigma := math.Log(max(p99, p50)/p50) / z99
	return func() time.Duration { return time.Duration(p50 * math.Exp(sigma*rand.NormFloat64())) }
}
