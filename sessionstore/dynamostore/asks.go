package dynamostore

import (
	"context"
	"fmt"
	"iter"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/nonstick-io/nonstick/sessionstore"
)

// A part of a question and the answers to it share a partition: the question first, then an item for each socket that
// has answered, so that no answer waits for another.

// PutAsk implements [sessionstore.Asks].
func (s *Store) PutAsk(ctx context.Context, a sessionstore.Ask, now time.Time) error {
	const op, what = sessionstore.OpAsk, "put question"
	if err := s.begin(ctx, op); err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	if err := a.Check(); err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	it := key{askPK(a.Namespace, a.ID, a.Part), skSession}.item()
	ids := make([]string, len(a.Sockets))
	for i, id := range a.Sockets {
		ids[i] = string(id)
	}
	with(it, attrAsked, strings.Join(ids, askedSep))
	with(it, attrContinuation, a.Continuation)
	with(it, attrAckState, a.State)
	withTime(it, attrExpiresAt, a.ExpiresAt)
	it[attrKeptUntil] = millis(a.KeptUntil())
	it[attrTTL] = seconds(a.KeptUntil())
	err := s.putIf(ctx, op, it, absent+" OR #"+attrKeptUntil+" <= :now", item{":now": millis(now)})
	if err != nil {
		return lost(err, what, sessionstore.ErrExists)
	}
	return nil
}

// askedSep stands between the ids of sockets, in none of which it is.
const askedSep = ","

// Ask implements [sessionstore.Asks].
func (s *Store) Ask(
	ctx context.Context, nsp sessionstore.Namespace, id uint64, part int,
) (sessionstore.Ask, error) {
	const op, what = sessionstore.OpAsk, "read question"
	if err := s.begin(ctx, op); err != nil {
		return sessionstore.Ask{}, fmt.Errorf("%s: %w", what, err)
	}
	it, err := s.get(ctx, op, key{askPK(nsp, id, part), skSession})
	if err == nil && it == nil {
		err = sessionstore.ErrNotFound
	}
	if err != nil {
		return sessionstore.Ask{}, fmt.Errorf("%s: %w", what, err)
	}
	a := sessionstore.Ask{
		Namespace: nsp, ID: id, Part: part, Continuation: text(it, attrContinuation), State: text(it, attrAckState),
		ExpiresAt: moment(it, attrExpiresAt),
	}
	if ids := text(it, attrAsked); ids != "" {
		for socket := range strings.SplitSeq(ids, askedSep) {
			a.Sockets = append(a.Sockets, sessionstore.SocketID(socket))
		}
	}
	return a, nil
}

// PutAnswer implements [sessionstore.Asks].
func (s *Store) PutAnswer(ctx context.Context, a sessionstore.Ask, answer sessionstore.AskAnswer) error {
	const op, what = sessionstore.OpAsk, "put answer"
	if err := s.begin(ctx, op); err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	pk := askPK(a.Namespace, a.ID, a.Part)
	it := key{pk, skAnswer + string(answer.Socket)}.item()
	if len(answer.Answer) > 0 {
		stored, err := s.answerAttr(ctx, op, pk, answer.Answer)
		if err != nil {
			return fmt.Errorf("%s: %w", what, err)
		}
		it[attrAnswer] = stored
	}
	it[attrTTL] = seconds(a.KeptUntil())
	if err := s.put(ctx, op, it, absent); err != nil {
		return lost(err, what, sessionstore.ErrExists)
	}
	return nil
}

// Answers implements [sessionstore.Asks].
func (s *Store) Answers(
	ctx context.Context, nsp sessionstore.Namespace, id uint64, part int, from sessionstore.SocketID,
) iter.Seq2[sessionstore.AskAnswer, error] {
	const op, what = sessionstore.OpAsk, "read answers"
	return func(yield func(sessionstore.AskAnswer, error) bool) {
		if err := s.begin(ctx, op); err != nil {
			yield(sessionstore.AskAnswer{}, fmt.Errorf("%s: %w", what, err))
			return
		}
		pk := askPK(nsp, id, part)
		keys := sortKeys{sk + " BETWEEN :from AND :to", skAnswer + string(from), skAnswer + "~"} // above every id
		for it, err := range s.walk(ctx, op, pk, keys, true) {
			var found sessionstore.AskAnswer
			if err == nil {
				found.Socket = sessionstore.SocketID(strings.TrimPrefix(text(it, attrSK), skAnswer))
				found.Answer, err = s.answerOf(ctx, op, pk, it)
			}
			if err != nil {
				yield(sessionstore.AskAnswer{}, fmt.Errorf("%s: %w", what, err))
				return
			}
			if !yield(found, nil) {
				return
			}
		}
	}
}

// answerAttr is an answer as its item has it: a large one is stored apart, in the same partition.
func (s *Store) answerAttr(
	ctx context.Context, op sessionstore.Op, pk string, answer []string,
) (types.AttributeValue, error) {
	stored := valid(answer)
	n := size(stored)
	if n <= maxInlineAnswer {
		return frames(stored), nil
	}
	name := sessionstore.NewID() // a name of its own: the answer of another call may come first
	if err := s.putApart(ctx, op, body{answerBody(pk, name), stored}.puts()); err != nil {
		return nil, fmt.Errorf("large answer: %w", err)
	}
	return &types.AttributeValueMemberM{Value: item{attrID: str(name), attrSize: num(n)}}, nil
}

// answerOf reads the answer of an item, nil if there is none yet.
func (s *Store) answerOf(ctx context.Context, op sessionstore.Op, pk string, it item) ([]string, error) {
	large, ok := it[attrAnswer].(*types.AttributeValueMemberM)
	if !ok {
		return framesOf(it[attrAnswer]), nil
	}
	k := answerBody(pk, text(large.Value, attrID))
	bodies, err := s.bodies(ctx, op, []bodyRef{{k, int(number(large.Value, attrSize))}})
	if err != nil {
		return nil, fmt.Errorf("large answer: %w", err)
	}
	return bodies[k], nil
}
