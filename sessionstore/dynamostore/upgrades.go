package dynamostore

import (
	"context"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/nonstick-io/nonstick/sessionstore"
)

// Bind implements [sessionstore.Upgrades].
func (s *Store) Bind(ctx context.Context, id sessionstore.SessionID, c sessionstore.Candidate, now time.Time) error {
	const op = sessionstore.OpBind
	if err := s.begin(ctx, op); err != nil {
		return fmt.Errorf("%s: session: %w", op, err)
	}
	_, err := s.move(ctx, op, id, change{
		update: "SET #" + attrCandidate + " = :conn, #" + attrCandidateEnds + " = :until REMOVE #" + attrProbed,
		condition: isPolling + " AND (attribute_not_exists(#" + attrCandidate + ") OR #" +
			attrCandidateEnds + " <= :now)",
		values: pollingValues(item{":conn": str(c.Conn.String()), ":until": millis(c.Until), ":now": millis(now)}),
	})
	if r := refused(err); r != nil && boundTo(r.found, c.Conn) {
		return nil // as it is: its probe may have come since
	}
	if err != nil {
		return transitionError(op, id, err)
	}
	return nil
}

// boundTo reports whether a session has this candidate already.
func boundTo(it item, conn sessionstore.Connection) bool {
	return text(it, attrState) == string(sessionstore.Open) &&
		text(it, attrTransport) == string(sessionstore.Polling) &&
		connection(it, attrCandidate) == conn
}

const isCandidate = isPolling + " AND #" + attrCandidate + " = :conn"

func candidateValues(conn sessionstore.Connection) item {
	return pollingValues(item{":conn": str(conn.String())})
}

// Probe implements [sessionstore.Upgrades].
func (s *Store) Probe(ctx context.Context, id sessionstore.SessionID, conn sessionstore.Connection) error {
	values := candidateValues(conn)
	values[":yes"] = yes()
	_, err := s.transition(ctx, sessionstore.OpProbe, id, change{
		update: "SET #" + attrProbed + " = :yes", condition: isCandidate, values: values,
	})
	return err
}

// Upgrade implements [sessionstore.Upgrades].
func (s *Store) Upgrade(ctx context.Context, id sessionstore.SessionID, conn sessionstore.Connection,
	hold sessionstore.Lease,
) (sessionstore.Session, error) {
	values := candidateValues(conn)
	values[":websocket"] = valueWebSocket
	values[":owner"], values[":until"] = str(hold.Owner), millis(hold.Until)
	it, err := s.transition(ctx, sessionstore.OpUpgrade, id, change{
		update: "SET #" + attrTransport + " = :websocket, #" + attrConn + " = :conn, #" + attrHold + " = :owner, #" +
			attrHoldEnds + " = :until REMOVE #" + attrCandidate + ", #" + attrCandidateEnds + ", " + removePoll,
		condition: isCandidate, values: values, returns: types.ReturnValueAllNew,
	})
	if err != nil {
		return sessionstore.Session{}, err
	}
	return sessionOf(id, it), nil
}

// Abort implements [sessionstore.Upgrades].
func (s *Store) Abort(ctx context.Context, id sessionstore.SessionID, conn sessionstore.Connection) error {
	_, err := s.transition(ctx, sessionstore.OpAbort, id, change{
		update: "REMOVE " + removeCandidate, condition: isCandidate, values: candidateValues(conn),
	})
	return err
}

// Renew implements [sessionstore.Flushes].
func (s *Store) Renew(ctx context.Context, id sessionstore.SessionID, hold sessionstore.Lease) error {
	_, err := s.transition(ctx, sessionstore.OpRenew, id, change{
		update:    "SET #" + attrHoldEnds + " = :until",
		condition: "#" + attrHold + " = :owner",
		values:    item{":owner": str(hold.Owner), ":until": millis(hold.Until)},
	})
	return err
}

// Release implements [sessionstore.Flushes].
func (s *Store) Release(ctx context.Context, id sessionstore.SessionID, owner sessionstore.Owner, n int) error {
	values := item{":open": valueOpen, ":websocket": valueWebSocket, ":owner": str(owner)}
	_, err := s.transition(ctx, sessionstore.OpRelease, id, change{
		update: "REMOVE " + removeHold + ", " + removeBuffer,
		condition: isOpen + " AND #" + attrTransport + " = :websocket AND #" + attrHold + " = :owner AND " +
			holds(n, values),
		values: values,
	})
	return err
}
