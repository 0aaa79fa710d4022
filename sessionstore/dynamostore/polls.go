package dynamostore

import (
	"context"
	"strconv"
	"strings"
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
	values := item{":open": valueOpen, ":yes": yes()}
	condition := "(" + isOpen + " OR #" + attrDrain + " = :yes) AND " + asRead(r.Read, values)
	var set, drop []string
	assign := func(name, placeholder string) { set = append(set, "#"+name+"="+placeholder) }
	clear := func(name string) { drop = append(drop, "#"+name) }

	if r.T == "" {
		clear(attrLastT)
	} else {
		assign(attrLastT, ":t")
		values[":t"] = str(r.T)
	}
	switch {
	case r.Give > 0:
		assign(attrGiven, ":give")
		values[":give"] = num(r.Give)
	case r.Read.Given > 0:
		clear(attrGiven)
	}
	if r.Ping {
		assign(attrPinged, ":yes")
	}
	if r.EndDrain {
		clear(attrDrain)
	}
	clear(attrPoll)
	clear(attrPollEnds)
	if given := r.Read.Buffer[:r.Read.Given]; len(given) > 0 {
		all, inline := sizes(given)
		assign(attrBufferSize, "#"+attrBufferSize+"-:all")
		assign(attrInlineSize, "#"+attrInlineSize+"-:inline")
		values[":all"], values[":inline"] = num(all), num(inline)
		// By place, since more may have been appended: an empty list may stay.
		for i := range given {
			clear(attrBuffer + "[" + strconv.Itoa(i) + "]")
		}
	}
	_, err := s.transition(ctx, sessionstore.OpAnswer, r.Read.ID, change{
		update: updates(set, drop), condition: condition, values: values,
	})
	return err
}

// updates joins the clauses of an update expression.
func updates(set, drop []string) string {
	var u string
	if len(set) > 0 {
		u = "SET " + strings.Join(set, ",") + " "
	}
	if len(drop) > 0 {
		u += "REMOVE " + strings.Join(drop, ",")
	}
	return u
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
