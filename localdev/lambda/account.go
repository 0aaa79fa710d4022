//go:build unix

package lambda

import (
	"errors"
	"fmt"
	"sync"
)

// leastUnreserved is what of the account's concurrency no function may reserve.
const leastUnreserved = 100

// errAccount is the throttle of a function that has nothing reserved.
var errAccount = fmt.Errorf("%w in the account", ErrThrottled)

// ErrReserved says that functions reserve more than the account lets them.
var ErrReserved = errors.New("lambda: too much concurrency is reserved")

// account is the concurrency that all functions of an account share. What a function reserves is taken out of it.
type account struct {
	limit, reserved int // no limit: 0

	mu        sync.Mutex
	busy      int // invocations of functions with nothing reserved
	peak      int
	throttles int64
}

// newAccount adds up what is reserved. The error matches [ErrReserved].
func newAccount(limit int, functions []Function) (*account, error) {
	a := &account{limit: limit}
	for _, f := range functions {
		if f.Reserved != nil {
			a.reserved += *f.Reserved
		}
	}
	if left := limit - a.reserved; limit > 0 && a.reserved > 0 && left < leastUnreserved {
		return nil, fmt.Errorf(
			"%w: %d of the account's %d, %d of which must be left to functions that reserve nothing", ErrReserved,
			a.reserved, limit, leastUnreserved,
		)
	}
	return a, nil
}

// enter takes a place for an invocation of a function, and reports false if there is none. It has to be left again.
func (a *account) enter(f *Function) bool {
	if a.limit == 0 || f.Reserved != nil {
		return true
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.busy >= a.limit-a.reserved {
		a.throttles++
		return false
	}
	a.busy++
	a.peak = max(a.peak, a.busy)
	return true
}

func (a *account) leave(f *Function) {
	if a.limit == 0 || f.Reserved != nil {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.busy--
}

// AccountStats are the counts of what functions with no reserved concurrency share.
type AccountStats struct {
	Concurrency int   `json:"concurrency"` // of the account; 0: not counted
	Unreserved  int   `json:"unreserved"`  // what of it is not reserved
	Busy        int   `json:"busy"`        // invocations
	Peak        int   `json:"peak"`        // the most at a time
	Throttles   int64 `json:"throttles"`   // those of functions for want of it
}

// Account returns the counts of the account.
func (p *Platform) Account() AccountStats {
	a := p.account
	a.mu.Lock()
	defer a.mu.Unlock()
	return AccountStats{a.limit, a.limit - a.reserved, a.busy, a.peak, a.throttles}
}
