package dynamostore

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/nonstick-io/nonstick/sessionstore"
)

// maxInlineAnswer is the most bytes of an answer within its acknowledgement's item: all of a session's may be read at
// once.
const maxInlineAnswer = 4 << 10

// PutAck implements [sessionstore.Acks].
func (s *Store) PutAck(ctx context.Context, a sessionstore.Ack, now time.Time) error {
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
		if a.Continuation != "" {
			it[attrTTL] = seconds(a.ExpiresAt.Add(sessionstore.AckKept))
		}
	}
	if err := s.putIf(ctx, op, it, isFree, item{":now": millis(now)}); err != nil {
		return lost(err, "put acknowledgement", sessionstore.ErrExists)
	}
	return nil
}

// isFree is the condition of a place that takes an acknowledgement.
const isFree = absent + " OR (attribute_not_exists(#" + attrContinuation + ") AND #" + attrExpiresAt + " <= :now)"

// PendingAcks implements [sessionstore.Acks]. The bodies of large answers lie behind the ids, which are digits.
func (s *Store) PendingAcks(ctx context.Context, id sessionstore.SessionID, now time.Time) ([]uint64, error) {
	const op, what = sessionstore.OpAck, "read pending acknowledgements"
	if err := s.begin(ctx, op); err != nil {
		return nil, fmt.Errorf("%s: %w", what, err)
	}
	var ids []uint64
	for it, err := range s.walk(ctx, op, ackPK(id), sortKeys{condition: sk + " < :to", to: "A"}, true) {
		if err != nil {
			return nil, fmt.Errorf("%s: %w", what, err)
		}
		at := moment(it, attrExpiresAt)
		if _, answered := it[attrAnswer]; answered || !at.IsZero() && !now.Before(at) {
			continue
		}
		n, err := strconv.ParseUint(text(it, attrID), 10, 64)
		if err != nil {
			return nil, fmt.Errorf("%s: id: %w", what, err)
		}
		ids = append(ids, n)
	}
	return ids, nil
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

// AnswerAck implements [sessionstore.Acks].
func (s *Store) AnswerAck(ctx context.Context, a sessionstore.Ack, now time.Time) (sessionstore.Ack, error) {
	const op, what = sessionstore.OpAck, "answer acknowledgement"
	if err := s.begin(ctx, op); err != nil {
		return sessionstore.Ack{}, fmt.Errorf("%s: %w", what, err)
	}
	var it item
	var err error
	if a.Continuation == "" {
		it, err = s.answerAck(ctx, a, now)
	} else {
		it, err = s.remove(
			ctx, op, ackKey(a.Session, a.ID), isPending+" AND #"+attrContinuation+" = :name",
			item{":id": ackID(a.ID), ":now": millis(now), ":name": str(a.Continuation)},
		)
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
	answer, err := s.answerAttr(ctx, op, ackPK(a.Session), a.Answer)
	if err != nil {
		return nil, err
	}
	return s.update(ctx, op, change{
		key:       ackKey(a.Session, a.ID),
		update:    "SET #" + attrAnswer + " = :answer, #" + attrExpiresAt + " = :free",
		condition: isPending + " AND attribute_not_exists(#" + attrContinuation + ")",
		values: item{
			":id": ackID(a.ID), ":now": millis(now), ":answer": answer, ":free": millis(now.Add(sessionstore.AckRead)),
		},
		returns: types.ReturnValueAllNew,
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
	if a.Answer, err = s.answerOf(ctx, op, ackPK(id), it); err != nil {
		return a, fmt.Errorf("read acknowledgement: %w", err)
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
