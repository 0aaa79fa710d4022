package dynamostore

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/smithy-go"

	"github.com/nonstick-io/nonstick/sessionstore"
)

// refusal is a write whose condition failed. Operations turn it into what the contract names.
type refusal struct {
	found item // nil if there was no item
}

func (*refusal) Error() string { return "condition failed" }

// Is makes a refusal certain wherever it goes.
func (*refusal) Is(target error) bool { return target == sessionstore.ErrConflict }

// refused returns the refusal that err is, or nil.
func refused(err error) *refusal {
	var r *refusal
	if errors.As(err, &r) {
		return r
	}
	return nil
}

// throttles are the codes of calls that were refused for their rate before anything was written.
var throttles = map[string]bool{
	"ProvisionedThroughputExceededException": true,
	"RequestLimitExceeded":                   true,
	"Throttling":                             true,
	"ThrottlingException":                    true,
	"TooManyRequestsException":               true,
}

// translate is where errors of the SDK end: it says what is certain, and leaves all else in doubt.
func translate(err error) error {
	var condition *types.ConditionalCheckFailedException
	if errors.As(err, &condition) {
		return &refusal{found: condition.Item}
	}
	var api smithy.APIError
	if errors.As(err, &api) {
		switch {
		case throttles[api.ErrorCode()]:
			return fmt.Errorf("%w: %s", sessionstore.ErrThrottled, api.ErrorCode())
		case api.ErrorCode() == "ValidationException" &&
			strings.Contains(strings.ToLower(api.ErrorMessage()), "item size"):
			return fmt.Errorf("%w: %s", sessionstore.ErrTooLarge, api.ErrorMessage())
		}
	}
	var op *net.OpError
	if errors.As(err, &op) && op.Op == "dial" {
		return fmt.Errorf("%w: %s", sessionstore.ErrUnavailable, op.Error())
	}
	return doubt(err)
}

// doubt keeps the text of an error, and whether it was the context's end, and nothing that could make it
// look certain.
func doubt(err error) error {
	for _, end := range []error{context.Canceled, context.DeadlineExceeded} {
		if errors.Is(err, end) {
			return fmt.Errorf("%s: %w", err.Error(), end)
		}
	}
	return errors.New(err.Error())
}

// partly is the error of an operation that has written something before it failed: in doubt as a whole.
func partly(err error) error {
	if err == nil || sessionstore.InDoubt(err) {
		return err
	}
	return fmt.Errorf("written in part: %w", doubt(err))
}

// lost is a refusal or another error as the contract names it, for operations that do not tell more.
func lost(err error, what string, refusal error) error {
	if refused(err) != nil {
		err = refusal
	}
	return fmt.Errorf("%s: %w", what, err)
}

// transitionError is the error of a transition of a session.
func transitionError(op sessionstore.Op, id sessionstore.SessionID, err error) error {
	r := refused(err)
	switch {
	case r == nil:
		return fmt.Errorf("%s: session: %w", op, err)
	case r.found == nil:
		return fmt.Errorf("%s: session: %w", op, sessionstore.ErrNotFound)
	default:
		return &sessionstore.ConflictError{Op: op, Session: sessionOf(id, r.found)}
	}
}
