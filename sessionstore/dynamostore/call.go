package dynamostore

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/nonstick-io/nonstick/sessionstore"
)

const (
	// attempts is how often a call is made at most.
	attempts = 5
	// firstPause is the longest pause after the first attempt; it doubles from one to the next, up to longestPause.
	firstPause   = 25 * time.Millisecond
	longestPause = time.Second
	// patienceMargin is what a patient call leaves of its context's time, for its caller to tell of the error.
	patienceMargin = time.Second
)

type patienceKey struct{}

// patient returns the context of calls that wait while the table is busy, as long as ctx has time: a room is one
// partition, and sockets that join it at once wait for one another.
func patient(ctx context.Context) context.Context {
	return context.WithValue(ctx, patienceKey{}, true)
}

// again pauses after a failed attempt, and reports whether there is to be another.
func again(ctx context.Context, attempt int, err error) bool {
	if attempt < attempts {
		return backOff(ctx, attempt) == nil
	}
	end, ok := ctx.Deadline()
	if ctx.Value(patienceKey{}) == nil || !ok || !errors.Is(err, sessionstore.ErrThrottled) {
		return false
	}
	pause := pauseAfter(attempt)
	return time.Until(end) > pause+patienceMargin && sleep(ctx, pause) == nil
}

// send makes a call of the client, repeats it where that is safe, and translates its error. A write is
// repeated only if it is certain that nothing was written.
func send[In, Out any](ctx context.Context, in In, read bool,
	call func(context.Context, In, ...func(*dynamodb.Options)) (Out, error),
) (Out, error) {
	for attempt := 1; ; attempt++ {
		if err := sessionstore.NotSent(ctx); err != nil {
			var none Out
			return none, err
		}
		out, err := call(ctx, in)
		if err == nil {
			return out, nil
		}
		err = translate(err)
		if !repeatable(err, read) || !again(ctx, attempt, err) {
			var none Out
			return none, err
		}
	}
}

func repeatable(err error, read bool) bool {
	return errors.Is(err, sessionstore.ErrThrottled) || errors.Is(err, sessionstore.ErrUnavailable) ||
		read && sessionstore.InDoubt(err)
}

// backOff pauses after an attempt, for a random time, so that many calls that failed together do not come back
// together.
func backOff(ctx context.Context, attempt int) error {
	return sleep(ctx, pauseAfter(attempt))
}

func pauseAfter(attempt int) time.Duration {
	longest := longestPause
	if attempt < 7 { // or the shift would overflow in the end
		longest = min(longest, firstPause<<(attempt-1))
	}
	return longest/2 + rand.N(longest/2)
}

// sleep returns early if the context ends, and does not begin what the context's deadline would cut short.
func sleep(ctx context.Context, d time.Duration) error {
	if end, ok := ctx.Deadline(); ok && time.Until(end) < d {
		return context.DeadlineExceeded
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// units are capacity units times 1,000.
func units(c *types.ConsumedCapacity) int64 {
	if c == nil || c.CapacityUnits == nil {
		return 0
	}
	return int64(*c.CapacityUnits*1000 + 0.5)
}

func (s *Store) countRead(op sessionstore.Op, c *types.ConsumedCapacity) {
	s.meter.Add(op, sessionstore.Usage{Reads: 1, ReadMilliUnits: units(c)})
}

// countWrites counts items as written before the answer is known, and countWritten what they cost.
func (s *Store) countWrites(op sessionstore.Op, items int) {
	s.meter.Add(op, sessionstore.Usage{Writes: int64(items)})
}

func (s *Store) countWritten(op sessionstore.Op, c *types.ConsumedCapacity) {
	s.meter.Add(op, sessionstore.Usage{WriteMilliUnits: units(c)})
}

// get reads one item, strongly consistent; nil if there is none.
func (s *Store) get(ctx context.Context, op sessionstore.Op, k key) (item, error) {
	out, err := send(ctx, &dynamodb.GetItemInput{
		TableName: &s.table, Key: k.item(), ConsistentRead: new(true),
		ReturnConsumedCapacity: types.ReturnConsumedCapacityTotal,
	}, true, s.client.GetItem)
	if err != nil {
		return nil, err
	}
	s.countRead(op, out.ConsumedCapacity)
	return out.Item, nil
}

// put writes an item if its condition, unless empty, holds.
func (s *Store) put(ctx context.Context, op sessionstore.Op, it item, condition string) error {
	return s.putIf(ctx, op, it, condition, nil)
}

// putIf is put with values of the condition.
func (s *Store) putIf(ctx context.Context, op sessionstore.Op, it item, condition string, values item) error {
	in := &dynamodb.PutItemInput{
		TableName: &s.table, Item: it, ReturnConsumedCapacity: types.ReturnConsumedCapacityTotal,
		ReturnValuesOnConditionCheckFailure: types.ReturnValuesOnConditionCheckFailureAllOld,
		ExpressionAttributeValues:           values,
	}
	if condition != "" {
		in.ConditionExpression, in.ExpressionAttributeNames = &condition, names(condition)
	}
	s.countWrites(op, 1)
	out, err := send(ctx, in, false, s.client.PutItem)
	if err != nil {
		return err
	}
	s.countWritten(op, out.ConsumedCapacity)
	return nil
}

// putOver writes an item and reports whether there was one under its key.
func (s *Store) putOver(ctx context.Context, op sessionstore.Op, it item) (there bool, err error) {
	s.countWrites(op, 1)
	out, err := send(ctx, &dynamodb.PutItemInput{
		TableName: &s.table, Item: it, ReturnValues: types.ReturnValueAllOld,
		ReturnConsumedCapacity: types.ReturnConsumedCapacityTotal,
	}, false, s.client.PutItem)
	if err != nil {
		return false, err
	}
	s.countWritten(op, out.ConsumedCapacity)
	return len(out.Attributes) > 0, nil
}

// change is an update of one item, conditional unless condition is empty.
type change struct {
	key       key
	update    string
	condition string
	values    item
	// names adds to those that the expressions speak of by themselves.
	names map[string]string
	// returns is what the call returns; nothing if empty.
	returns types.ReturnValue
}

// update applies a change. A *[refusal] has the item as it was.
func (s *Store) update(ctx context.Context, op sessionstore.Op, c change) (item, error) {
	in := &dynamodb.UpdateItemInput{
		TableName: &s.table, Key: c.key.item(), UpdateExpression: &c.update,
		ExpressionAttributeNames: names(c.update, c.condition), ReturnValues: c.returns,
		ReturnConsumedCapacity:              types.ReturnConsumedCapacityTotal,
		ReturnValuesOnConditionCheckFailure: types.ReturnValuesOnConditionCheckFailureAllOld,
	}
	if c.condition != "" {
		in.ConditionExpression = &c.condition
	}
	for placeholder, name := range c.names {
		in.ExpressionAttributeNames[placeholder] = name
	}
	if len(c.values) > 0 {
		in.ExpressionAttributeValues = c.values
	}
	s.countWrites(op, 1)
	out, err := send(ctx, in, false, s.client.UpdateItem)
	if err != nil {
		return nil, err
	}
	s.countWritten(op, out.ConsumedCapacity)
	return out.Attributes, nil
}

// remove deletes an item if its condition, unless empty, holds, and returns the item as it was.
func (s *Store) remove(ctx context.Context, op sessionstore.Op, k key, condition string, values item) (item, error) {
	in := &dynamodb.DeleteItemInput{
		TableName: &s.table, Key: k.item(), ReturnConsumedCapacity: types.ReturnConsumedCapacityTotal,
	}
	if condition != "" {
		in.ConditionExpression, in.ExpressionAttributeNames = &condition, names(condition)
		in.ExpressionAttributeValues = values
		in.ReturnValues = types.ReturnValueAllOld
		in.ReturnValuesOnConditionCheckFailure = types.ReturnValuesOnConditionCheckFailureAllOld
	}
	s.countWrites(op, 1)
	out, err := send(ctx, in, false, s.client.DeleteItem)
	if err != nil {
		return nil, err
	}
	s.countWritten(op, out.ConsumedCapacity)
	return out.Attributes, nil
}
