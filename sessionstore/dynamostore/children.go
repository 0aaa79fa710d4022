package dynamostore

import (
	"context"
	"fmt"
	"iter"
	"math"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/nonstick-io/nonstick/sessionstore"
)

// checkChild refuses names that are no keys.
func checkChild(parent string, name sessionstore.Namespace) error {
	if len(parent) > sessionstore.MaxParentName {
		return fmt.Errorf("parent of %d bytes: %w", len(parent), sessionstore.ErrTooLarge)
	}
	if len(name) > sessionstore.MaxName {
		return fmt.Errorf("name of %d bytes: %w", len(name), sessionstore.ErrTooLarge)
	}
	return nil
}

// PutChild implements [sessionstore.Children].
func (s *Store) PutChild(ctx context.Context, parent string, c sessionstore.Child) (first bool, err error) {
	const op = sessionstore.OpChild
	if err := s.begin(ctx, op); err != nil {
		return false, fmt.Errorf("put child: %w", err)
	}
	if err := checkChild(parent, c.Name); err != nil {
		return false, fmt.Errorf("put child: %w", err)
	}
	u := clauses{values: item{}}
	u.put(attrPut, str(c.Put))
	u.put(attrSeenAt, millis(c.SeenAt))
	u.put(attrTTL, seconds(s.rowsEnd()))
	u.assign(attrFirst, "if_not_exists(#"+attrFirst+",:"+attrPut+")")
	it, err := s.update(ctx, op, change{
		key: childKey(parent, c.Name), update: u.String(), values: u.values, returns: types.ReturnValueAllNew,
	})
	if err != nil {
		return false, fmt.Errorf("put child: %w", err)
	}
	return text(it, attrFirst) == string(c.Put), nil
}

// CountChildren implements [sessionstore.Children].
func (s *Store) CountChildren(ctx context.Context, parent string) (int, error) {
	n, err := s.count(ctx, sessionstore.OpChild, childrenPK(parent), sortKeys{}, 0, false)
	if err != nil {
		return 0, fmt.Errorf("count children: %w", err)
	}
	return n, nil
}

// count counts items of a partition, or stops at most of them unless that is 0.
func (s *Store) count(
	ctx context.Context, op sessionstore.Op, pk string, keys sortKeys, most int, consistent bool,
) (int, error) {
	if err := s.begin(ctx, op); err != nil {
		return 0, err
	}
	in := s.query(pk, keys, consistent)
	in.Select = types.SelectCount
	for n := 0; ; {
		if most > 0 {
			in.Limit = new(int32(min(most-n, math.MaxInt32)))
		}
		out, err := send(ctx, &in, true, s.client.Query)
		if err != nil {
			return 0, err
		}
		s.countRead(op, out.ConsumedCapacity)
		if n += int(out.Count); len(out.LastEvaluatedKey) == 0 || most > 0 && n >= most {
			return n, nil
		}
		in.ExclusiveStartKey = out.LastEvaluatedKey
	}
}

func childOf(it item) sessionstore.Child {
	return sessionstore.Child{
		Name: sessionstore.Namespace(text(it, attrSK)), Put: sessionstore.Owner(text(it, attrPut)),
		SeenAt: moment(it, attrSeenAt),
	}
}

// Children implements [sessionstore.Children]. It reads strongly consistent, so that what was put before is met.
func (s *Store) Children(ctx context.Context, parent string) iter.Seq2[sessionstore.Child, error] {
	return rows(
		ctx, s, sessionstore.OpChild, "walk children", childrenPK(parent), sortKeys{}, true, childOf,
	)
}

// RemoveChild implements [sessionstore.Children].
func (s *Store) RemoveChild(ctx context.Context, parent string, c sessionstore.Child) error {
	const op = sessionstore.OpChild
	if err := s.begin(ctx, op); err != nil {
		return fmt.Errorf("remove child: %w", err)
	}
	if err := checkChild(parent, c.Name); err != nil {
		return fmt.Errorf("remove child: %w", err)
	}
	_, err := s.remove(
		ctx, op, childKey(parent, c.Name), "#"+attrPut+" = :put", item{":put": str(c.Put)},
	)
	if err != nil {
		return lost(err, "remove child", sessionstore.ErrNotFound)
	}
	return nil
}
