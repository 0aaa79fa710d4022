package dynamostore

import (
	"context"
	"errors"
	"fmt"
	"net"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/smithy-go"

	"github.com/nonstick-io/nonstick/sessionstore"
)

func TestTranslate(t *testing.T) {
	api := func(code, text string) error { return &smithy.GenericAPIError{Code: code, Message: text} }
	tests := []struct {
		name string
		err  error
		want error // nil: in doubt
	}{
		{"condition", &types.ConditionalCheckFailedException{}, sessionstore.ErrConflict},
		{"provisioned throughput", &types.ProvisionedThroughputExceededException{}, sessionstore.ErrThrottled},
		{"request limit", &types.RequestLimitExceeded{}, sessionstore.ErrThrottled},
		{"throttling", &types.ThrottlingException{}, sessionstore.ErrThrottled},
		{
			"put too large", api("ValidationException", "Item size has exceeded the maximum allowed size"),
			sessionstore.ErrTooLarge,
		},
		{
			"update too large",
			api("ValidationException", "Item size to update has exceeded the maximum allowed size"),
			sessionstore.ErrTooLarge,
		},
		{"invalid", api("ValidationException", "Invalid UpdateExpression"), nil},
		{"server", &types.InternalServerError{}, nil},
		{"service unavailable", api("ServiceUnavailable", ""), nil},
		{"refused", &net.OpError{Op: "dial", Err: errors.New("connection refused")}, sessionstore.ErrUnavailable},
		{
			"no such host", &net.OpError{Op: "dial", Err: &net.DNSError{Err: "no such host"}},
			sessionstore.ErrUnavailable,
		},
		{"reset", &net.OpError{Op: "read", Err: errors.New("connection reset by peer")}, nil},
		{"broken pipe", &net.OpError{Op: "write", Err: errors.New("broken pipe")}, nil},
		{"cancelled", &smithy.CanceledError{Err: context.Canceled}, nil},
		{"deadline", context.DeadlineExceeded, nil},
		{"unknown", errors.New("unknown"), nil},
	}
	for _, c := range tests {
		t.Run(c.name, func(t *testing.T) {
			got := translate(fmt.Errorf("operation: %w", c.err))
			if c.want == nil && !sessionstore.InDoubt(got) || c.want != nil && !errors.Is(got, c.want) {
				t.Errorf("got %v, want %v", got, c.want)
			}
			if errors.Is(c.err, context.Canceled) && !errors.Is(got, context.Canceled) {
				t.Errorf("%v does not tell that the context was cancelled", got)
			}
			if part := partly(got); !sessionstore.InDoubt(part) {
				t.Errorf("partly: %v is certain", part)
			}
		})
	}
}
