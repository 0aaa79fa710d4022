package dynamostore

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/nonstick-io/nonstick/sessionstore"
)

// maxInlineAnswer is the most bytes of an answer within its acknowledgement's item.
const maxInlineAnswer = 64 << 10

// PutAck implements [sessionstore.Acks].
func (s *Store) PutAck(ctx context.Context, a sessionstore.Ack) error {
	const op = sessionstore.OpAck
	if err := s.begin(ctx, op); err != nil {
		return fmt.Errorf("put acknowledgement: %w", err)
	}
	if len(a.State) > sessionstore.MaxAckState {
		return fmt.Errorf("put acknowledgement: state of %d bytes: %w", len(a.State), sessionstore.ErrTooLarge)
	}
	it := ackKey(a.Session, a.ID).item()
	it[attrID] = ackID(a.ID)
	with(it, attrNamespace, a.Namespace)
	with(it, attrContinuation, a.Continuation)
	with(it, attrAckState, a.State)
	withTime(it, attrExpiresAt, a.ExpiresAt)
	it[attrTTL] = seconds(s.rowsEnd())
	if !a.ExpiresAt.IsZero() {
		it[attrTTL] = seconds(a.ExpiresAt)
	}
	if err := s.put(ctx, op, it, absent); err != nil {
		return lost(err, "put acknowledgement", sessionstore.ErrExists)
	}
	return nil
}

// PendingAcks implements [sessionstore.Acks] by one query of at most MaxPendingAcks items. The bodies of large
// answers lie behind the ids, which are digits.
func (s *Store) PendingAcks(ctx context.Context, id sessionstore.SessionID) (ids []uint64, all bool, err error) {
	const op, what = sessionstore.OpAck, "read pending acknowledgements"
	if err := s.begin(ctx, op); err != nil {
		return nil, false, fmt.Errorf("%s: %w", what, err)
	}
	condition := "#" + attrPK + " = :pk AND " + sk + " < :behind"
	out, err := send(ctx, &dynamodb.QueryInput{
		TableName: &s.table, KeyConditionExpression: &condition, ConsistentRead: new(true),
		Limit: new(int32(sessionstore.MaxPendingAcks)), ExpressionAttributeNames: names(condition, "#"+attrID),
		ProjectionExpression:      new("#" + attrID),
		ExpressionAttributeValues: item{":pk": str(ackPK(id)), ":behind": str("A")},
		ReturnConsumedCapacity:    types.ReturnConsumedCapacityTotal,
	}, true, s.client.Query)
	if err != nil {
		return nil, false, fmt.Errorf("%s: %w", what, err)
	}
	s.countRead(op, out.ConsumedCapacity)
	for _, it := range out.Items {
		n, err := strconv.ParseUint(text(it, attrID), 10, 64)
		if err != nil {
			return nil, false, fmt.Errorf("%s: id: %w", what, err)
		}
		ids = append(ids, n)
	}
	return ids, len(out.LastEvaluatedKey) == 0, nil
}

// ackID is an acknowledgement's own id: its key is but the place.
func ackID(n uint64) types.AttributeValue { return str(strconv.FormatUint(n, 10)) }

// isAck is the condition that a place holds this very acknowledgement.
const isAck = "#" + attrID + " = :id"

func ackOf(id sessionstore.SessionID, n uint64, it item) sessionstore.Ack {
	return sessionstore.Ack{
		Session: id, Namespace: sessionstore.Namespace(text(it, attrNamespace)), ID: n,
		Continuation: text(it, attrContinuation), State: text(it, attrAckState),
		Answer: framesOf(it[attrAnswer]), ExpiresAt: moment(it, attrExpiresAt),
	}
}

// isPending is the condition of an acknowledgement that may still be answered.
const isPending = isAck + " AND attribute_not_exists(#" + attrAnswer + ") AND (attribute_not_exists(#" +
	attrExpiresAt + ") OR #" + attrExpiresAt + " > :now)"

// AnswerAck implements [sessionstore.Acks]. One with a continuation takes a second write, which removes it; a
// large answer takes a write for each 300 KB or part of it.
func (s *Store) AnswerAck(ctx context.Context, a sessionstore.Ack, now time.Time) (sessionstore.Ack, error) {
	const op, what = sessionstore.OpAck, "answer acknowledgement"
	if err := s.begin(ctx, op); err != nil {
		return sessionstore.Ack{}, fmt.Errorf("%s: %w", what, err)
	}
	it, err := s.answerAck(ctx, a, now)
	if r := refused(err); r != nil && text(r.found, attrContinuation) != "" {
		it, err = s.remove(ctx, op, ackKey(a.Session, a.ID), isPending, item{":id": ackID(a.ID), ":now": millis(now)})
	}
	if err != nil {
		return sessionstore.Ack{}, lost(err, what, sessionstore.ErrNotFound)
	}
	answered := ackOf(a.Session, a.ID, it)
	answered.Answer = a.Answer
	return answered, nil
}

// answerAck records an answer for a caller that waits. It is refused if the acknowledgement has a continuation.
func (s *Store) answerAck(ctx context.Context, a sessionstore.Ack, now time.Time) (item, error) {
	const op = sessionstore.OpAck
	stored := valid(a.Answer)
	answer := frames(stored)
	if n := size(stored); n > maxInlineAnswer {
		name := sessionstore.NewID() // a name of its own: the answer of another call may come first
		if err := s.putApart(ctx, op, body{answerBody(a.Session, name), stored}.puts()); err != nil {
			return nil, fmt.Errorf("large answer: %w", err)
		}
		answer = &types.AttributeValueMemberM{Value: item{attrID: str(name), attrSize: num(n)}}
	}
	return s.update(ctx, op, change{
		key:       ackKey(a.Session, a.ID),
		update:    "SET #" + attrAnswer + " = :answer",
		condition: isPending + " AND attribute_not_exists(#" + attrContinuation + ")",
		values:    item{":id": ackID(a.ID), ":now": millis(now), ":answer": answer},
		returns:   types.ReturnValueAllNew,
	})
}

// Ack implements [sessionstore.Acks].
func (s *Store) Ack(ctx context.Context, id sessionstore.SessionID, n uint64) (sessionstore.Ack, error) {
	const op = sessionstore.OpAck
	if err := s.begin(ctx, op); err != nil {
		return sessionstore.Ack{}, fmt.Errorf("read acknowledgement: %w", err)
	}
	it, err := s.get(ctx, op, ackKey(id, n))
	if err == nil && text(it, attrID) != strconv.FormatUint(n, 10) {
		err = sessionstore.ErrNotFound
	}
	if err != nil {
		return sessionstore.Ack{}, fmt.Errorf("read acknowledgement: %w", err)
	}
	a := ackOf(id, n, it)
	if large, ok := it[attrAnswer].(*types.AttributeValueMemberM); ok {
		k := answerBody(id, text(large.Value, attrID))
		bodies, err := s.bodies(ctx, op, []bodyRef{{k, int(number(large.Value, attrSize))}})
		if err != nil {
			return a, fmt.Errorf("read acknowledgement: answer: %w", err)
		}
		a.Answer = bodies[k]
	}
	return a, nil
}

// DeleteAck implements [sessionstore.Acks].
func (s *Store) DeleteAck(ctx context.Context, id sessionstore.SessionID, n uint64) error {
	const op = sessionstore.OpAck
	if err := s.begin(ctx, op); err != nil {
		return fmt.Errorf("delete acknowledgement: %w", err)
	}
	_, err := s.remove(ctx, op, ackKey(id, n), isAck, item{":id": ackID(n)})
	if err != nil && refused(err) == nil {
		return fmt.Errorf("delete acknowledgement: %w", err)
	}
	return nil
}
