package dynamostore_test

import (
	"context"
	"errors"
	"net"
	"sync"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/smithy-go"

	"github.com/nonstick-io/nonstick/sessionstore/dynamostore"
)

// fault decides about one call: apply makes it.
type fault func(apply func() error) error

// faulty is a client whose calls go wrong as told, which DynamoDB Local's never do.
type faulty struct {
	dynamostore.Client

	mu     sync.Mutex
	faults []fault // of the calls to come; those after go well
	always fault   // of all calls, if faults is empty
	calls  int
	later  []func() error // what is yet to be applied
}

// next says what happens to the calls from now on.
func (c *faulty) next(faults ...fault) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.faults, c.always, c.calls = faults, nil, 0
}

func (c *faulty) all(f fault) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.faults, c.always, c.calls = nil, f, 0
}

func (c *faulty) made() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.calls
}

func (c *faulty) do(apply func() error) error {
	c.mu.Lock()
	c.calls++
	f := c.always
	if len(c.faults) > 0 {
		f, c.faults = c.faults[0], c.faults[1:]
	}
	c.mu.Unlock()
	if f == nil {
		return apply()
	}
	return f(apply)
}

// call makes a call of the real client, or not.
func call[In, Out any](ctx context.Context, c *faulty, in In,
	real func(context.Context, In, ...func(*dynamodb.Options)) (*Out, error),
) (*Out, error) {
	var out *Out
	err := c.do(func() (err error) {
		out, err = real(ctx, in)
		return err
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

func (c *faulty) PutItem(
	ctx context.Context, in *dynamodb.PutItemInput, _ ...func(*dynamodb.Options),
) (*dynamodb.PutItemOutput, error) {
	return call(ctx, c, in, c.Client.PutItem)
}

func (c *faulty) UpdateItem(
	ctx context.Context, in *dynamodb.UpdateItemInput, _ ...func(*dynamodb.Options),
) (*dynamodb.UpdateItemOutput, error) {
	return call(ctx, c, in, c.Client.UpdateItem)
}

func (c *faulty) DeleteItem(
	ctx context.Context, in *dynamodb.DeleteItemInput, _ ...func(*dynamodb.Options),
) (*dynamodb.DeleteItemOutput, error) {
	return call(ctx, c, in, c.Client.DeleteItem)
}

func (c *faulty) GetItem(
	ctx context.Context, in *dynamodb.GetItemInput, _ ...func(*dynamodb.Options),
) (*dynamodb.GetItemOutput, error) {
	return call(ctx, c, in, c.Client.GetItem)
}

func (c *faulty) Query(
	ctx context.Context, in *dynamodb.QueryInput, _ ...func(*dynamodb.Options),
) (*dynamodb.QueryOutput, error) {
	return call(ctx, c, in, c.Client.Query)
}

func (c *faulty) BatchGetItem(
	ctx context.Context, in *dynamodb.BatchGetItemInput, _ ...func(*dynamodb.Options),
) (*dynamodb.BatchGetItemOutput, error) {
	return call(ctx, c, in, c.Client.BatchGetItem)
}

func (c *faulty) BatchWriteItem(
	ctx context.Context, in *dynamodb.BatchWriteItemInput, _ ...func(*dynamodb.Options),
) (*dynamodb.BatchWriteItemOutput, error) {
	return call(ctx, c, in, c.Client.BatchWriteItem)
}

// The faults. The errors are wrapped as those of the SDK are.
func wrap(err error) error {
	return &smithy.OperationError{ServiceID: "DynamoDB", OperationName: "Test", Err: err}
}

var errTimeout = &net.OpError{Op: "read", Net: "tcp", Err: errors.New("i/o timeout")}

func throttled(func() error) error {
	return wrap(&types.ProvisionedThroughputExceededException{})
}

func limited(func() error) error {
	return wrap(&smithy.GenericAPIError{Code: "ThrottlingException", Message: "KeyRangeThroughputExceeded"})
}

func unreachable(func() error) error {
	return wrap(&net.OpError{Op: "dial", Net: "tcp", Err: errors.New("connection refused")})
}

func broken(func() error) error { return wrap(&types.InternalServerError{}) }

func appliedUnheard(apply func() error) error {
	if err := apply(); err != nil {
		return err
	}
	return wrap(errTimeout)
}

func reset(func() error) error { return wrap(errTimeout) }

// appliedLater keeps the call for runLater.
func (c *faulty) appliedLater(apply func() error) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.later = append(c.later, apply)
	return wrap(errTimeout)
}

func (c *faulty) runLater(t *testing.T) {
	t.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, apply := range c.later {
		if err := apply(); err != nil {
			t.Errorf("applied later: %v", err)
		}
	}
	c.later = nil
}

// newFaulty returns a store over a faulty client, and the client.
func newFaulty(t *testing.T) (*dynamostore.Store, *faulty) {
	t.Helper()
	c := &faulty{Client: newTable(t)}
	return dynamostore.New(c, dynamostore.Options{Table: table}), c
}
