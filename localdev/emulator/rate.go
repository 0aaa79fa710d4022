package emulator

import (
	"sync"
	"time"
)

// rate is a bucket of tokens: so many come each second, up to a burst. The nil rate gives all that is asked for. Safe
// for concurrent use.
type rate struct {
	perSecond, burst float64

	mu     sync.Mutex
	tokens float64
	at     time.Time // when tokens was counted
}

// newRate returns a full bucket; nil if nothing bounds it.
func newRate(perSecond, burst int) *rate {
	if perSecond == 0 {
		return nil
	}
	return &rate{perSecond: float64(perSecond), burst: float64(burst), tokens: float64(burst), at: time.Now()}
}

// take takes a token, and reports false if there is none.
func (r *rate) take(now time.Time) bool {
	if r == nil {
		return true
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if since := now.Sub(r.at); since > 0 {
		r.tokens = min(r.burst, r.tokens+since.Seconds()*r.perSecond)
		r.at = now
	}
	if r.tokens < 1 {
		return false
	}
	r.tokens--
	return true
}

// account is what all APIs of an account share: requests of HTTP, frames and connects of WebSockets, calls of the
// management API; and new WebSockets apart.
type account struct{ requests, connects *rate }

func newAccount(l Limits) account {
	return account{newRate(l.Requests, max(1, l.Requests/2)), newRate(l.Connects, l.Connects)}
}

// throttles reports whether the account has no request left, and counts it then.
func (s *Server) throttles() bool {
	if s.account.requests.take(time.Now()) {
		return false
	}
	s.throttled.Add(1)
	return true
}

// throttlesConnect is throttles for a new WebSocket.
func (s *Server) throttlesConnect() bool {
	if s.throttles() {
		return true
	}
	if s.account.connects.take(time.Now()) {
		return false
	}
	s.throttled.Add(1)
	return true
}
