package dynamostore

import (
	"context"
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

// Answer implements [sessionstore.Polls]. DynamoDB takes 4 KB of expression, which is enough for an
// acknowledgement of about 480 packets.
func (s *Store) Answer(ctx context.Context, r sessionstore.AnswerRequest) error {
	u := clauses{values: item{":open": valueOpen, ":yes": yes()}}
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
	u.acknowledge(r.Read.Buffer[:r.Read.Given])
	_, err := s.transition(ctx, sessionstore.OpAnswer, r.Read.ID, change{
		update: u.String(), condition: condition, values: u.values,
	})
	return err
}

// acknowledge removes the first entries of the buffer by their places, since more may have been appended. An
// empty list may stay.
func (c *clauses) acknowledge(given []sessionstore.Packet) {
	if len(given) == 0 {
		return
	}
	all, inline := sizes(given)
	c.values[":all"], c.values[":inline"] = num(all), num(inline)
	c.assign(attrBufferSize, "#"+attrBufferSize+"-:all")
	c.assign(attrInlineSize, "#"+attrInlineSize+"-:inline")
	for i := range given {
		c.remove(attrBuffer + "[" + strconv.Itoa(i) + "]")
	}
}

// holds is the condition that the buffer has exactly n entries: an attribute that is not there has no size.
func holds(n int, values item) string {
	values[":n"] = num(n)
	condition := "size(#" + attrBuffer + ") = :n"
	if n == 0 {
		condition = "(attribute_not_exists(#" + attrBuffer + ") OR " + condition + ")"
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
