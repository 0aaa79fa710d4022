package sessionstore

import (
	"context"
	"time"
)

// Claims are leases by name, for work that one caller at a time may do, or that is to be done once.
type Claims interface {
	// Claim gives the lease of a name to lease.Owner. Condition: the name has no owner, or its lease has ended at now,
	// or its owner is from or lease.Owner; a [HeldError] otherwise. So a holder renews it (from is empty), hands it
	// over (from is the old owner, which then has it no more), or gives it up (lease.Until is now). A name is at most
	// [MaxName] bytes; ErrTooLarge above. The lease is removed some time after it has ended.
	Claim(ctx context.Context, name string, lease Lease, from Owner, now time.Time) error
}
