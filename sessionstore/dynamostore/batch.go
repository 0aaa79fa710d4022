package dynamostore

import (
	"context"
	"fmt"
	"slices"
	"sync"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/nonstick-io/nonstick/sessionstore"
)

const (
	// batchWrites and batchReads are DynamoDB's limits for the items of one call.
	batchWrites = 25
	batchReads  = 100
	// parallel bounds the calls that one operation makes at a time.
	parallel = 8
)

// each calls f for 0 to n-1, some at a time, waits for all and returns the first error.
func each(n int, f func(i int) error) error {
	if n == 1 {
		return f(0)
	}
	errs := make([]error, n)
	slots := make(chan struct{}, parallel)
	var wg sync.WaitGroup
	for i := range n {
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			errs[i] = f(i)
		})
	}
	wg.Wait()
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

func putRequest(it item) types.WriteRequest {
	return types.WriteRequest{PutRequest: &types.PutRequest{Item: it}}
}

func deleteRequest(k key) types.WriteRequest {
	return types.WriteRequest{DeleteRequest: &types.DeleteRequest{Key: k.item()}}
}

// writeAll makes unconditional writes, in no order. If it fails, some of them may have been made: see [partly].
func (s *Store) writeAll(ctx context.Context, op sessionstore.Op, writes []types.WriteRequest) error {
	if len(writes) == 0 {
		return nil
	}
	s.countWrites(op, len(writes))
	batches := slices.Collect(slices.Chunk(writes, batchWrites))
	err := each(len(batches), func(i int) error { return s.writeBatch(ctx, op, batches[i]) })
	if len(batches) > 1 {
		return partly(err)
	}
	return err
}

// writeBatch writes at most 25 items. What DynamoDB left over, for its rate, is tried again.
func (s *Store) writeBatch(ctx context.Context, op sessionstore.Op, writes []types.WriteRequest) error {
	all := len(writes)
	for attempt := 1; ; attempt++ {
		out, err := send(ctx, &dynamodb.BatchWriteItemInput{
			RequestItems:           map[string][]types.WriteRequest{s.table: writes},
			ReturnConsumedCapacity: types.ReturnConsumedCapacityTotal,
		}, false, s.client.BatchWriteItem)
		if err != nil && len(writes) < all {
			return partly(err)
		}
		if err != nil {
			return err
		}
		for i := range out.ConsumedCapacity {
			s.countWritten(op, &out.ConsumedCapacity[i])
		}
		writes = out.UnprocessedItems[s.table]
		if len(writes) == 0 {
			return nil
		}
		err = fmt.Errorf("%w: %d of %d writes left over", sessionstore.ErrThrottled, len(writes), all)
		if !again(ctx, attempt, err) {
			if len(writes) < all {
				return partly(err)
			}
			return err
		}
	}
}

// getAll reads items by keys that differ, strongly consistent. Those that are not there are left out.
func (s *Store) getAll(ctx context.Context, op sessionstore.Op, keys []key) (map[key]item, error) {
	batches := slices.Collect(slices.Chunk(keys, batchReads))
	results := make([][]item, len(batches))
	err := each(len(batches), func(i int) (err error) {
		results[i], err = s.getBatch(ctx, op, batches[i])
		return err
	})
	if err != nil {
		return nil, err
	}
	found := make(map[key]item, len(keys))
	for _, items := range results {
		for _, it := range items {
			found[key{text(it, attrPK), text(it, attrSK)}] = it
		}
	}
	return found, nil
}

// getBatch reads at most 100 items. An answer holds 16 MB at most, so there may be further calls.
func (s *Store) getBatch(ctx context.Context, op sessionstore.Op, keys []key) ([]item, error) {
	left := types.KeysAndAttributes{ConsistentRead: new(true)}
	for _, k := range keys {
		left.Keys = append(left.Keys, k.item())
	}
	var found []item
	for attempt := 1; ; {
		out, err := send(ctx, &dynamodb.BatchGetItemInput{
			RequestItems:           map[string]types.KeysAndAttributes{s.table: left},
			ReturnConsumedCapacity: types.ReturnConsumedCapacityTotal,
		}, true, s.client.BatchGetItem)
		if err != nil {
			return nil, err
		}
		s.countRead(op, firstOf(out.ConsumedCapacity))
		found = append(found, out.Responses[s.table]...)
		left = out.UnprocessedKeys[s.table]
		if len(left.Keys) == 0 {
			return found, nil
		}
		if len(out.Responses[s.table]) > 0 {
			attempt = 1 // it goes on
			continue
		}
		if attempt == attempts || backOff(ctx, attempt) != nil {
			return nil, fmt.Errorf("%w: %d reads left over", sessionstore.ErrThrottled, len(left.Keys))
		}
		attempt++
	}
}

func firstOf(c []types.ConsumedCapacity) *types.ConsumedCapacity {
	if len(c) == 0 {
		return nil
	}
	return &c[0]
}
