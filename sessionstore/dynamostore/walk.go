package dynamostore

import (
	"context"
	"fmt"
	"iter"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/nonstick-io/nonstick/sessionstore"
)

// walk yields the items of a partition in order of their sort keys, page by page of 1 MB. A page is read when
// it is needed, and none after the consumer has left. begins, unless empty, is how the sort keys begin.
func (s *Store) walk(ctx context.Context, op sessionstore.Op, pk, begins string, consistent bool) iter.Seq2[item, error] {
	condition := "#" + attrPK + " = :pk"
	values := item{":pk": str(pk)}
	if begins != "" {
		condition += " AND begins_with(#" + attrSK + ", :sk)"
		values[":sk"] = str(begins)
	}
	in := dynamodb.QueryInput{
		TableName: &s.table, KeyConditionExpression: &condition, ConsistentRead: &consistent,
		ExpressionAttributeNames: names(condition), ExpressionAttributeValues: values,
		ReturnConsumedCapacity: types.ReturnConsumedCapacityTotal,
	}
	return func(yield func(item, error) bool) {
		page := in // a walk may be walked again
		for {
			out, err := send(ctx, &page, true, s.client.Query)
			if err != nil {
				yield(nil, err)
				return
			}
			s.countRead(op, out.ConsumedCapacity)
			for _, it := range out.Items {
				if !yield(it, nil) {
					return
				}
			}
			if len(out.LastEvaluatedKey) == 0 {
				return
			}
			page.ExclusiveStartKey = out.LastEvaluatedKey
		}
	}
}

// rows is a walk that yields something else than items. It counts as one call of op.
func rows[T any](ctx context.Context, s *Store, op sessionstore.Op, what, pk string, consistent bool,
	read func(item) T,
) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		var none T
		if err := s.begin(ctx, op); err != nil {
			yield(none, fmt.Errorf("%s: %w", what, err))
			return
		}
		for it, err := range s.walk(ctx, op, pk, "", consistent) {
			if err != nil {
				yield(none, fmt.Errorf("%s: %w", what, err))
				return
			}
			if !yield(read(it), nil) {
				return
			}
		}
	}
}
