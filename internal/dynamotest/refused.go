//go:build unix

package dynamotest

import (
	"context"
	"errors"
	"sync/atomic"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/nonstick-io/nonstick/sessionstore/dynamostore"
)

// Refused is a client that counts the write units of refused writes. DynamoDB bills each by the item that it found,
// and reports the units of those writes alone that were applied.
type Refused struct {
	dynamostore.Client
	units atomic.Int64
}

// Units are the write units of all writes that were refused so far.
func (c *Refused) Units() int { return int(c.units.Load()) }

// UpdateItem makes the call, and counts it if it is refused.
func (c *Refused) UpdateItem(
	ctx context.Context, in *dynamodb.UpdateItemInput, o ...func(*dynamodb.Options),
) (*dynamodb.UpdateItemOutput, error) {
	out, err := c.Client.UpdateItem(ctx, in, o...)
	return out, c.count(err)
}

// PutItem makes the call, and counts it if it is refused.
func (c *Refused) PutItem(
	ctx context.Context, in *dynamodb.PutItemInput, o ...func(*dynamodb.Options),
) (*dynamodb.PutItemOutput, error) {
	out, err := c.Client.PutItem(ctx, in, o...)
	return out, c.count(err)
}

// DeleteItem makes the call, and counts it if it is refused.
func (c *Refused) DeleteItem(
	ctx context.Context, in *dynamodb.DeleteItemInput, o ...func(*dynamodb.Options),
) (*dynamodb.DeleteItemOutput, error) {
	out, err := c.Client.DeleteItem(ctx, in, o...)
	return out, c.count(err)
}

func (c *Refused) count(err error) error {
	var refused *types.ConditionalCheckFailedException
	if errors.As(err, &refused) {
		c.units.Add(int64(max(1, (Size(refused.Item)+1023)/1024)))
	}
	return err
}

// Size is about how many bytes DynamoDB bills of an item.
func Size(it map[string]types.AttributeValue) int {
	return sizeOf(&types.AttributeValueMemberM{Value: it}) - 3
}

func sizeOf(v types.AttributeValue) int {
	n := 0
	switch v := v.(type) {
	case *types.AttributeValueMemberS:
		n = len(v.Value)
	case *types.AttributeValueMemberN:
		n = len(v.Value)/2 + 1
	case *types.AttributeValueMemberBOOL:
		n = 1
	case *types.AttributeValueMemberL:
		n = 3
		for _, e := range v.Value {
			n += 1 + sizeOf(e)
		}
	case *types.AttributeValueMemberM:
		n = 3
		for k, e := range v.Value {
			n += 1 + len(k) + sizeOf(e)
		}
	}
	return n
}
