package dynamostore

import (
	"context"
	"fmt"
	"iter"
	"time"

	"github.com/nonstick-io/nonstick/sessionstore"
)

// Shards implements [sessionstore.Registry].
func (s *Store) Shards() int { return s.shards }

func (s *Store) registrationKey(id sessionstore.SessionID) key {
	return key{registryPK(shardOf(s, id)), string(id)}
}

func (s *Store) registrationItem(r sessionstore.Registration) item {
	it := s.registrationKey(r.Session).item()
	with(it, attrConn, r.Conn.String())
	withTime(it, attrPingAt, r.PingAt)
	withTime(it, attrLookAt, r.LookAt)
	if r.Serial {
		it[attrSerial] = yes()
	}
	if r.ClientPings {
		it[attrClientPings] = yes()
	}
	it[attrTTL] = seconds(s.rowsEnd())
	return it
}

func registrationOf(it item) sessionstore.Registration {
	return sessionstore.Registration{
		Session:     sessionstore.SessionID(text(it, attrSK)),
		Conn:        connection(it, attrConn),
		PingAt:      moment(it, attrPingAt),
		LookAt:      moment(it, attrLookAt),
		Serial:      flag(it, attrSerial),
		ClientPings: flag(it, attrClientPings),
		Expired:     flag(it, attrExpired),
		PingedAt:    moment(it, attrPingedAt),
	}
}

// Register implements [sessionstore.Registry].
func (s *Store) Register(ctx context.Context, r sessionstore.Registration) error {
	const op = sessionstore.OpRegister
	if err := s.begin(ctx, op); err != nil {
		return fmt.Errorf("register session: %w", err)
	}
	if err := s.put(ctx, op, s.registrationItem(r), absent); err != nil {
		return lost(err, "register session", sessionstore.ErrExists)
	}
	return nil
}

// unexpired is the condition of a row that is there and not expired.
const unexpired = present + " AND attribute_not_exists(#" + attrExpired + ")"

// changeRow is one conditional write of a row.
func (s *Store) changeRow(ctx context.Context, op sessionstore.Op, id sessionstore.SessionID, c change) error {
	if err := s.begin(ctx, op); err != nil {
		return fmt.Errorf("%s: registration: %w", op, err)
	}
	c.key = s.registrationKey(id)
	if _, err := s.update(ctx, op, c); err != nil {
		return lost(err, op.String()+": registration", sessionstore.ErrNotFound)
	}
	return nil
}

// Update implements [sessionstore.Registry].
func (s *Store) Update(ctx context.Context, r sessionstore.Registration) error {
	u := clauses{values: item{}}
	if r.Conn.IsZero() {
		u.remove(attrConn)
	} else {
		u.put(attrConn, str(r.Conn.String()))
	}
	u.putTime(attrPingAt, r.PingAt)
	u.putTime(attrLookAt, r.LookAt)
	return s.changeRow(ctx, sessionstore.OpUpdate, r.Session, change{
		update: u.String(), condition: unexpired, values: u.values,
	})
}

// Look implements [sessionstore.Registry].
func (s *Store) Look(ctx context.Context, id sessionstore.SessionID, at time.Time) error {
	u := clauses{values: item{}}
	u.putTime(attrLookAt, at)
	return s.changeRow(ctx, sessionstore.OpLook, id, change{update: u.String(), condition: present, values: u.values})
}

// Beat implements [sessionstore.Registry].
func (s *Store) Beat(ctx context.Context, id sessionstore.SessionID, pingAt time.Time) error {
	return s.changeRow(ctx, sessionstore.OpBeat, id, change{
		update: "SET #" + attrPingAt + " = :ping", condition: unexpired, values: item{":ping": millis(pingAt)},
	})
}

// Expire implements [sessionstore.Registry].
func (s *Store) Expire(ctx context.Context, r sessionstore.Registration, lookAt time.Time) error {
	u := clauses{values: item{}}
	u.put(attrExpired, yes())
	u.putTime(attrLookAt, lookAt)
	condition := rowAsRead(r, &u)
	return s.changeRow(ctx, sessionstore.OpExpire, r.Session, change{
		update: u.String(), condition: condition, values: u.values,
	})
}

// Pinged implements [sessionstore.Registry].
func (s *Store) Pinged(ctx context.Context, r sessionstore.Registration, at time.Time) error {
	u := clauses{values: item{}}
	u.putTime(attrPingedAt, at)
	condition := rowAsRead(r, &u) + " AND attribute_not_exists(#" + attrExpired + ")"
	return s.changeRow(
		ctx, sessionstore.OpPinged, r.Session, change{update: u.String(), condition: condition, values: u.values},
	)
}

// rowAsRead is the condition of a row that is there, with the ping and the connection that it was read with. Its
// values go into those of u.
func rowAsRead(r sessionstore.Registration, u *clauses) string {
	condition := present
	match := func(name, placeholder string, there bool) {
		if there {
			condition += " AND #" + name + " = " + placeholder
		} else {
			condition += " AND attribute_not_exists(#" + name + ")"
		}
	}
	match(attrPingAt, ":ping", !r.PingAt.IsZero())
	match(attrConn, ":conn", !r.Conn.IsZero())
	withTime(u.values, ":ping", r.PingAt)
	with(u.values, ":conn", r.Conn.String())
	return condition
}

// Unregister implements [sessionstore.Registry].
func (s *Store) Unregister(ctx context.Context, id sessionstore.SessionID) error {
	const op = sessionstore.OpUnregister
	if err := s.begin(ctx, op); err != nil {
		return fmt.Errorf("unregister session: %w", err)
	}
	if _, err := s.remove(ctx, op, s.registrationKey(id), "", nil); err != nil {
		return fmt.Errorf("unregister session: %w", err)
	}
	return nil
}

// Registrations implements [sessionstore.Registry], in order of session ids.
func (s *Store) Registrations(ctx context.Context, shard int) iter.Seq2[sessionstore.Registration, error] {
	return rows(
		ctx, s, sessionstore.OpRegistrations, "walk registry", registryPK(shard), sortKeys{}, false, registrationOf,
	)
}

// CountRegistrations implements [sessionstore.Registry].
func (s *Store) CountRegistrations(ctx context.Context, shard int) (int, error) {
	n, err := s.count(ctx, sessionstore.OpCountRegistrations, registryPK(shard), sortKeys{}, 0, false)
	if err != nil {
		return 0, fmt.Errorf("count registrations: %w", err)
	}
	return n, nil
}

// LeaseShard implements [sessionstore.Registry].
func (s *Store) LeaseShard(ctx context.Context, shard int, lease sessionstore.Lease, now time.Time) error {
	const op = sessionstore.OpLeaseShard
	if err := s.begin(ctx, op); err != nil {
		return fmt.Errorf("lease shard %d: %w", shard, err)
	}
	if shard < 0 || shard >= s.shards {
		return fmt.Errorf("lease shard %d of %d: %w", shard, s.shards, sessionstore.ErrNotFound)
	}
	_, err := s.update(ctx, op, change{
		key:    leaseKey(shard),
		update: "SET " + setLease,
		condition: "attribute_not_exists(#" + attrLease + ") OR #" + attrLeaseEnds + " <= :now OR #" +
			attrLease + " = :owner",
		values: item{":owner": str(lease.Owner), ":until": millis(lease.Until), ":now": millis(now)},
	})
	if err != nil {
		return lost(err, fmt.Sprintf("lease shard %d", shard), sessionstore.ErrExists)
	}
	return nil
}
