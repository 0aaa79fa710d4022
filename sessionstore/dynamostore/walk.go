package dynamostore

import (
	"context"
	"fmt"
	"iter"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/nonstick-io/nonstick/sessionstore"
)

// sortKeys selects items of a partition by their sort keys; the zero value selects all.
type sortKeys struct {
	condition string // on :from and :to
	from, to  string // unused if empty, for no key is
}

const sk = "#" + attrSK

func beginningWith(s string) sortKeys { return sortKeys{"begins_with(" + sk + ", :from)", s, ""} }

// within selects the keys of a range. BETWEEN has both of its ends within, so the caller that walks meets ids.To too,
// and passes it over.
func within(ids sessionstore.Range) sortKeys {
	in := sortKeys{from: string(ids.From), to: string(ids.To)}
	switch {
	case in.from != "" && in.to != "":
		in.condition = sk + " BETWEEN :from AND :to"
	case in.from != "":
		in.condition = sk + " >= :from"
	case in.to != "":
		in.condition = sk + " < :to"
	}
	return in
}

// behindMark selects all members of a room, which may have a mark.
func behindMark() sortKeys { return sortKeys{sk + " > :from", skMark, ""} }

// query selects items of a partition.
func (s *Store) query(pk string, keys sortKeys, consistent bool) dynamodb.QueryInput {
	condition := "#" + attrPK + " = :pk"
	values := item{":pk": str(pk)}
	if keys.condition != "" {
		condition += " AND " + keys.condition
	}
	if keys.from != "" {
		values[":from"] = str(keys.from)
	}
	if keys.to != "" {
		values[":to"] = str(keys.to)
	}
	return dynamodb.QueryInput{
		TableName: &s.table, KeyConditionExpression: &condition, ConsistentRead: &consistent,
		ExpressionAttributeNames: names(condition), ExpressionAttributeValues: values,
		ReturnConsumedCapacity: types.ReturnConsumedCapacityTotal,
	}
}

// walk yields the items of a partition in order of their sort keys, page by page of 1 MB. A page is read when
// it is needed, and none after the consumer has left.
func (s *Store) walk(
	ctx context.Context, op sessionstore.Op, pk string, keys sortKeys, consistent bool,
) iter.Seq2[item, error] {
	in := s.query(pk, keys, consistent)
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
func rows[T any](ctx context.Context, s *Store, op sessionstore.Op, what, pk string, keys sortKeys, consistent bool,
	read func(item) T,
) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		var none T
		if err := s.begin(ctx, op); err != nil {
			yield(none, fmt.Errorf("%s: %w", what, err))
			return
		}
		for it, err := range s.walk(ctx, op, pk, keys, consistent) {
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
