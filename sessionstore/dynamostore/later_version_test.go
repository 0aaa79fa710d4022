package dynamostore_test

import (
	"context"
	"maps"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/nonstick-io/nonstick/sessionstore"
	"github.com/nonstick-io/nonstick/sessionstore/dynamostore"
	"github.com/nonstick-io/nonstick/sessionstore/storetest"
)

// later writes what a later version of the store might: every item has an attribute that this version does not know.
type later struct{ dynamostore.Client }

const laterName, laterValue = "zz", ":zz"

// with returns a copy of an item, or of values, with one more.
func with(it map[string]types.AttributeValue, name string) map[string]types.AttributeValue {
	it = maps.Clone(it)
	if it == nil {
		it = map[string]types.AttributeValue{}
	}
	it[name] = &types.AttributeValueMemberM{
		Value: map[string]types.AttributeValue{"n": &types.AttributeValueMemberN{Value: "1"}},
	}
	return it
}

func (c later) PutItem(
	ctx context.Context, in *dynamodb.PutItemInput, o ...func(*dynamodb.Options),
) (*dynamodb.PutItemOutput, error) {
	changed := *in
	changed.Item = with(in.Item, laterName)
	return c.Client.PutItem(ctx, &changed, o...)
}

func (c later) UpdateItem(
	ctx context.Context, in *dynamodb.UpdateItemInput, o ...func(*dynamodb.Options),
) (*dynamodb.UpdateItemOutput, error) {
	changed := *in
	const set = "SET " + laterName + " = " + laterValue
	expression := *in.UpdateExpression
	if strings.Contains(expression, "SET ") {
		expression = strings.Replace(expression, "SET ", set+", ", 1)
	} else {
		expression = set + " " + expression
	}
	changed.UpdateExpression = &expression
	changed.ExpressionAttributeValues = with(in.ExpressionAttributeValues, laterValue)
	return c.Client.UpdateItem(ctx, &changed, o...)
}

func (c later) BatchWriteItem(
	ctx context.Context, in *dynamodb.BatchWriteItemInput, o ...func(*dynamodb.Options),
) (*dynamodb.BatchWriteItemOutput, error) {
	changed := *in
	changed.RequestItems = make(map[string][]types.WriteRequest, len(in.RequestItems))
	for name, requests := range in.RequestItems {
		for _, r := range requests {
			if r.PutRequest != nil {
				r.PutRequest = &types.PutRequest{Item: with(r.PutRequest.Item, laterName)}
			}
			changed.RequestItems[name] = append(changed.RequestItems[name], r)
		}
	}
	return c.Client.BatchWriteItem(ctx, &changed, o...)
}

// During a deploy instances of two versions share the table. The older one is not disturbed by what the newer adds.
func TestItemsOfALaterVersion(t *testing.T) {
	t.Parallel()
	storetest.Run(t, func(t *testing.T) sessionstore.Store {
		return dynamostore.New(later{newTable(t)}, dynamostore.Options{Table: table})
	}, "Races", "Trims", "Outbox races") // which are about the order of calls, and take half of the time
}
