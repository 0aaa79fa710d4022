package dynamostore

import (
	"context"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/nonstick-io/nonstick/sessionstore"
)

// What a carrier has got of an outbox is an attribute of its item that is named by the outbox's id: so it can be set
// without a map that would have to be there, and no other name begins as these ids do.

// numbersOf reads what a carrier has got of its outboxes.
func numbersOf(it item) map[sessionstore.SessionID]int {
	var numbers map[sessionstore.SessionID]int
	for name := range it {
		if id := sessionstore.SessionID(name); id.IsOutbox() {
			if numbers == nil {
				numbers = make(map[sessionstore.SessionID]int)
			}
			numbers[id] = int(number(it, name))
		}
	}
	return numbers
}

// bring sets the number of what a carrier has got, and returns the condition on the one before.
func bring(u *clauses, n *sessionstore.Number) string {
	if n.Outbox == "" {
		return ""
	}
	const placeholder = "brought"
	u.names = map[string]string{"#" + placeholder: string(n.Outbox)}
	u.assign(placeholder, ":to")
	u.values[":to"] = num(n.To)
	none := "attribute_not_exists(#" + placeholder + ")"
	part := bringPart(u, n)
	if n.From < 0 {
		return part + " AND " + none
	}
	u.values[":from"] = num(n.From)
	condition := "#" + placeholder + " = :from"
	if n.First {
		condition = "(" + none + " OR " + condition + ")"
	}
	return part + " AND " + condition
}

// bringPart sets how much a carrier has got of a rewind, and returns the condition on how much it had.
func bringPart(u *clauses, n *sessionstore.Number) string {
	const placeholder = "part"
	u.names["#"+placeholder] = string(n.Outbox.Part())
	if n.PartTo > 0 {
		u.put(placeholder, num(n.PartTo))
	} else if n.PartFrom > 0 {
		u.remove(placeholder)
	}
	if n.PartFrom == 0 {
		return " AND attribute_not_exists(#" + placeholder + ")"
	}
	u.values[":had"] = num(n.PartFrom)
	return " AND #" + placeholder + " = :had"
}

// givenOf is how many entries of an outbox were sent. The item says the number of the last of them, which stays the
// same when entries are trimmed, and may stay when all are removed.
func givenOf(it item, v *sessionstore.Session) int {
	return min(max(int(number(it, attrSent))-v.Trimmed, 0), len(v.Buffer))
}

// isOutbox is the condition of an outbox that is open; its values are those of outboxValues.
const isOutbox = isOpen + " AND #" + attrTransport + " = :outbox"

func outboxValues() item { return item{":open": valueOpen, ":outbox": valueOutbox} }

// Link implements [sessionstore.Outboxes].
func (s *Store) Link(ctx context.Context, k sessionstore.Socket) error {
	const op = sessionstore.OpLink
	if err := s.begin(ctx, op); err != nil {
		return fmt.Errorf("link outbox: %w", err)
	}
	it := socketKey(k.Session, k.Namespace).item()
	it[attrID], it[attrOutbox] = str(k.ID), str(k.Outbox)
	with(it, attrParent, k.Parent)
	it[attrTTL] = seconds(s.rowsEnd())
	if err := s.putIf(ctx, op, it, absent+" OR "+isLink, linkValues(&k)); err != nil {
		return lost(err, "link outbox", sessionstore.ErrExists)
	}
	return nil
}

// Unlink implements [sessionstore.Outboxes].
func (s *Store) Unlink(ctx context.Context, k sessionstore.Socket) error {
	const op = sessionstore.OpUnlink
	if err := s.begin(ctx, op); err != nil {
		return fmt.Errorf("unlink outbox: %w", err)
	}
	_, err := s.remove(ctx, op, socketKey(k.Session, k.Namespace), isLink, linkValues(&k))
	if err != nil && refused(err) == nil {
		return fmt.Errorf("unlink outbox: %w", err)
	}
	return nil
}

// isLink is the condition that a socket's row is a link to this very outbox.
const isLink = isSocket + " AND #" + attrOutbox + " = :outbox"

func linkValues(k *sessionstore.Socket) item { return item{":id": str(k.ID), ":outbox": str(k.Outbox)} }

// carrierOf reads the carrier of an outbox (1 read); "" if there is none.
func (s *Store) carrierOf(
	ctx context.Context, op sessionstore.Op, id sessionstore.SessionID,
) (sessionstore.SessionID, error) {
	if len(id) > maxKeyPart {
		return "", nil
	}
	it, err := s.get(ctx, op, sessionKey(id))
	return sessionstore.SessionID(text(it, attrCarrier)), err
}

// take sets the hold of an outbox, or removes it.
func take(u *clauses, hold sessionstore.Lease) {
	if !hold.Held() {
		u.remove(attrHold)
		u.remove(attrHoldEnds)
		return
	}
	u.put(attrHold, str(hold.Owner))
	u.put(attrHoldEnds, millis(hold.Until)) // the zero time too: it is one that an Enqueue finds
}

// reach sets the connection of an outbox's carrier, or removes it.
func reach(u *clauses, conn sessionstore.Connection) {
	if conn.IsZero() {
		u.remove(attrConn)
	} else {
		u.put(attrConn, str(conn.String()))
	}
}

// outbox is one transition of an outbox. The condition comes on top of isOutbox.
func (s *Store) outbox(
	ctx context.Context, op sessionstore.Op, id sessionstore.SessionID, u *clauses, condition string,
	returns types.ReturnValue,
) (sessionstore.Session, error) {
	it, err := s.transition(ctx, op, id, change{
		update: u.String(), condition: isOutbox + " AND " + condition, values: u.values, returns: returns,
	})
	if err != nil || returns == "" {
		return sessionstore.Session{}, err
	}
	return sessionOf(id, it), nil
}

// Recover implements [sessionstore.Outboxes].
func (s *Store) Recover(ctx context.Context, r sessionstore.RecoverRequest) (sessionstore.Session, error) {
	u := &clauses{values: outboxValues()}
	u.values[":zero"], u.values[":now"] = num(0), millis(r.Now)
	condition := counts(attrMoves, ":read", r.Read.Moves, u.values) + " AND (attribute_not_exists(#" + attrPingAt +
		") OR #" + attrPingAt + " > :now)"
	u.put(attrCarrier, str(r.Carrier))
	reach(u, r.Conn)
	take(u, r.Hold)
	u.add(attrMoves, 1)
	u.remove(attrPingAt)
	return s.outbox(ctx, sessionstore.OpRecover, r.Read.ID, u, condition, types.ReturnValueAllOld)
}

const isCarrier = "#" + attrCarrier + " = :carrier"

// Lose implements [sessionstore.Outboxes].
func (s *Store) Lose(
	ctx context.Context, id, carrier sessionstore.SessionID, over time.Time, reason string,
) error {
	u := &clauses{values: outboxValues()}
	u.values[":carrier"] = str(carrier)
	u.remove(attrCarrier)
	reach(u, sessionstore.Connection{})
	take(u, sessionstore.Lease{Owner: sessionstore.HoldAway})
	u.putTime(attrPingAt, over)
	u.put(attrReason, str(reason))
	_, err := s.outbox(ctx, sessionstore.OpLose, id, u, isCarrier, "")
	return err
}

// Switch implements [sessionstore.Outboxes].
func (s *Store) Switch(
	ctx context.Context, id, carrier sessionstore.SessionID, conn sessionstore.Connection, sent int,
	hold sessionstore.Lease,
) (sessionstore.Session, error) {
	u := &clauses{values: outboxValues()}
	u.values[":carrier"], u.values[":lasting"] = str(carrier), str(sessionstore.HoldPolling)
	reach(u, conn)
	take(u, hold)
	u.put(attrSent, num(sent))
	condition := isCarrier + " AND #" + attrHold + " = :lasting"
	return s.outbox(ctx, sessionstore.OpSwitch, id, u, condition, types.ReturnValueAllNew)
}

// Sent implements [sessionstore.Outboxes].
func (s *Store) Sent(ctx context.Context, read *sessionstore.Session, owner sessionstore.Owner, n int) error {
	u := &clauses{values: outboxValues()}
	u.values[":owner"] = str(owner)
	condition := "#" + attrHold + " = :owner AND " + holds(n, u.values) + " AND " +
		counts(attrTrimmed, ":read", read.Trimmed, u.values)
	take(u, sessionstore.Lease{})
	u.put(attrSent, num(read.Trimmed+n))
	_, err := s.outbox(ctx, sessionstore.OpSent, read.ID, u, condition, "")
	return err
}

// Trim implements [sessionstore.Outboxes]. One that meets a page which has been turned since the reading takes another
// write.
func (s *Store) Trim(ctx context.Context, read *sessionstore.Session, n int) error {
	const op = sessionstore.OpTrim
	if err := s.begin(ctx, op); err != nil {
		return fmt.Errorf("%s: session: %w", op, err)
	}
	was := *read
	was.Given = min(max(n, 0), len(was.Buffer)) // what goes
	for range changes {
		u := &clauses{values: outboxValues()}
		u.values[":zero"] = num(0)
		condition := isOutbox + " AND " + counts(attrTrimmed, ":read", was.Trimmed, u.values) + " AND " +
			counts(attrMoves, ":moves", was.Moves, u.values)
		u.add(attrTrimmed, was.Given)
		gone, err := s.acknowledge(ctx, op, u, &was)
		if err != nil {
			return fmt.Errorf("%s: session: %w", op, err)
		}
		_, err = s.move(ctx, op, was.ID, change{update: u.String(), condition: condition + gone, values: u.values})
		if err == nil {
			return nil
		}
		refusal := refused(err)
		if refusal == nil || !trimmable(refusal.found, &was) {
			return transitionError(op, was.ID, err)
		}
		was.Buffer = bufferOf(refusal.found) // the same packets, but some of them have come into a page
	}
	return fmt.Errorf("%s: session: %w", op, changing())
}

// trimmable reports whether a session allows a trim by what the contract says.
func trimmable(found item, read *sessionstore.Session) bool {
	if found == nil {
		return false
	}
	v := sessionOf(read.ID, found)
	return v.State == sessionstore.Open && v.Transport == sessionstore.Outbox && v.Trimmed == read.Trimmed &&
		v.Moves == read.Moves
}
