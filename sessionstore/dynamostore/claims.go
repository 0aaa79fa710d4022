package dynamostore

import (
	"context"
	"fmt"
	"time"

	"github.com/nonstick-io/nonstick/sessionstore"
)

// claimLife is how long the item of a lease stays after its end.
const claimLife = time.Hour

// Claim implements [sessionstore.Claims].
func (s *Store) Claim(
	ctx context.Context, name string, lease sessionstore.Lease, from sessionstore.Owner, now time.Time,
) error {
	const op = sessionstore.OpClaim
	if err := s.begin(ctx, op); err != nil {
		return fmt.Errorf("claim: %w", err)
	}
	if len(name) > sessionstore.MaxName {
		return fmt.Errorf("claim: name of %d bytes: %w", len(name), sessionstore.ErrTooLarge)
	}
	if from == "" {
		from = lease.Owner
	}
	_, err := s.update(ctx, op, change{
		key:    claimKey(name),
		update: "SET " + setLease + ", #" + attrTTL + " = :ttl",
		condition: "attribute_not_exists(#" + attrLease + ") OR #" + attrLeaseEnds + " <= :now OR #" +
			attrLease + " IN (:owner, :from)",
		values: item{
			":owner": str(lease.Owner), ":from": str(from), ":until": millis(lease.Until), ":now": millis(now),
			":ttl": seconds(lease.Until.Add(claimLife)),
		},
	})
	if r := refused(err); r != nil {
		err = &sessionstore.HeldError{Lease: leaseOf(r.found, attrLease, attrLeaseEnds)}
	}
	if err != nil {
		return fmt.Errorf("claim %q: %w", name, err)
	}
	return nil
}
