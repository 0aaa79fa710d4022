package dynamostore

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/nonstick-io/nonstick/sessionstore"
)

// asRead is the condition that no GET was answered since the session was read: LastT and Given are the fence.
func asRead(read *sessionstore.Session, values item) string {
	condition := "#" + attrTransport + " = :polling"
	values[":polling"] = valuePolling
	if read.LastT == "" {
		condition += " AND attribute_not_exists(#" + attrLastT + ")"
	} else {
		condition += " AND #" + attrLastT + " = :readT"
		values[":readT"] = str(read.LastT)
	}
	if read.Given == 0 {
		condition += " AND attribute_not_exists(#" + attrGiven + ")"
	} else {
		condition += " AND #" + attrGiven + " = :readGiven"
		values[":readGiven"] = num(read.Given)
	}
	return condition
}

// Answer implements [sessionstore.Polls]. One that acknowledges a part of a page takes a read for each level of
// pages; one that meets a page which has been turned since the reading takes another write.
func (s *Store) Answer(ctx context.Context, r sessionstore.AnswerRequest) error {
	const op = sessionstore.OpAnswer
	if err := s.begin(ctx, op); err != nil {
		return fmt.Errorf("%s: session: %w", op, err)
	}
	read := *r.Read
	for range changes {
		u, condition := answer(r)
		left, err := s.acknowledge(ctx, op, u, &read)
		if err != nil {
			return fmt.Errorf("%s: session: %w", op, err)
		}
		condition += left
		_, err = s.move(ctx, op, read.ID, change{update: u.String(), condition: condition, values: u.values})
		if err == nil {
			return nil
		}
		refusal := refused(err)
		if refusal == nil || !answerable(refusal.found, r.Read) {
			return transitionError(op, read.ID, err)
		}
		read = sessionOf(read.ID, refusal.found) // the same packets, but some of them have come into a page
	}
	return fmt.Errorf("%s: session: %w", op, changing())
}

// answerable reports whether a session allows an answer by what the contract says.
func answerable(found item, read *sessionstore.Session) bool {
	if found == nil {
		return false
	}
	v := sessionOf(read.ID, found)
	return (v.State == sessionstore.Open || v.Drain) && v.Transport == sessionstore.Polling && v.LastT == read.LastT &&
		v.Given == read.Given
}

// answer is the write of an answer, without what it acknowledges.
func answer(r sessionstore.AnswerRequest) (*clauses, string) {
	u := &clauses{values: item{":open": valueOpen, ":yes": yes()}}
	condition := "(" + isOpen + " OR #" + attrDrain + " = :yes) AND " + asRead(r.Read, u.values)
	if r.T == "" {
		u.remove(attrLastT)
	} else {
		u.put(attrLastT, str(r.T))
	}
	switch {
	case r.Give > 0:
		u.put(attrGiven, num(r.Give))
	case r.Read.Given > 0:
		u.remove(attrGiven)
	}
	if r.Ping {
		u.assign(attrPinged, ":yes")
	}
	if r.EndDrain {
		u.remove(attrDrain)
	}
	u.remove(attrPoll)
	u.remove(attrPollEnds)
	return u, condition
}

// acknowledge removes the packets that were given, and returns the condition that the list has them as they were
// read. Entries go by their places, since more may have been appended; an empty list may stay. Of a page that was
// given in part the item says from then on where the rest begins: putting the rest into the list would let that grow.
func (s *Store) acknowledge(
	ctx context.Context, op sessionstore.Op, u *clauses, read *sessionstore.Session,
) (string, error) {
	if read.Given == 0 {
		return "", nil
	}
	entries := entriesAsRead(read.Buffer)
	var condition string
	is := func(i int, placeholder string) {
		u.values[placeholder] = str(entries[i].id)
		condition += " AND " + at(i) + " = " + placeholder
	}
	n, part := covered(entries, read.Given)
	packets, bytes := packetsIn(entries[:n]), sizeOf(entries[:n])
	for i := range n {
		u.remove(attrBuffer + "[" + strconv.Itoa(i) + "]")
	}
	if n > 0 {
		is(n-1, ":gone")
	}
	switch {
	case part > 0:
		is(n, ":rest")
		rest := &entries[n]
		gone, err := s.sizeOfFirst(ctx, op, read.ID, rest, part)
		if op == sessionstore.OpTrim && errors.Is(err, sessionstore.ErrNotFound) {
			gone, err = rest.size*part/rest.packets, nil // the page's time to live has passed
		}
		if err != nil {
			return "", err
		}
		packets, bytes = packets+part, bytes+gone
		u.put(attrFirstFrom, num(rest.from+part))
		u.put(attrFirstSize, num(rest.size-gone))
	case n > 0 && entries[0].level > 0:
		u.remove(attrFirstFrom)
		u.remove(attrFirstSize)
	}
	u.subtract(attrPackets, packets)
	u.subtract(attrBufferSize, bytes)
	u.subtract(attrBufferWeight, weightOf(entries[:n]))
	return condition, nil
}

// covered returns how many entries the first packets of a list take whole, and how many packets they take of the one
// behind.
func covered(entries []entry, packets int) (whole, part int) {
	for whole < len(entries) && entries[whole].packets <= packets {
		packets -= entries[whole].packets
		whole++
	}
	if whole == len(entries) {
		return whole, 0
	}
	return whole, packets
}

// holds is the condition that the buffer has exactly n packets.
func holds(n int, values item) string {
	return counts(attrPackets, ":n", n, values)
}

// counts is the condition that a number is n; one that is not there counts as 0.
func counts(name, placeholder string, n int, values item) string {
	values[placeholder] = num(n)
	condition := "#" + name + " = " + placeholder
	if n == 0 {
		condition = "(attribute_not_exists(#" + name + ") OR " + condition + ")"
	}
	return condition
}

// Park implements [sessionstore.Polls].
func (s *Store) Park(ctx context.Context, r sessionstore.ParkRequest) error {
	values := item{":open": valueOpen, ":t": str(r.Poll.T), ":until": millis(r.Poll.Until)}
	condition := isOpen + " AND " + asRead(r.Read, values) + " AND " + holds(r.Read.Given, values)
	_, err := s.transition(ctx, sessionstore.OpPark, r.Read.ID, change{
		update:    "SET #" + attrPoll + " = :t, #" + attrPollEnds + " = :until REMOVE " + removeBuffer,
		condition: condition, values: values,
	})
	return err
}

// Pong implements [sessionstore.Polls].
func (s *Store) Pong(ctx context.Context, id sessionstore.SessionID, pingAt time.Time) error {
	_, err := s.transition(ctx, sessionstore.OpPong, id, change{
		update:    "SET #" + attrPingAt + " = :ping REMOVE #" + attrPinged,
		condition: isPolling,
		values:    pollingValues(item{":ping": millis(pingAt)}),
	})
	return err
}
