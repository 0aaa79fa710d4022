package queue

import (
	"errors"
	"fmt"
	"net/http"
)

// Why an operation was refused. The errors of this package match one of these (errors.Is), and say what AWS says.
var (
	// ErrNotFound: no queue has that name or URL. QueueDoesNotExist.
	ErrNotFound = errors.New("queue: no such queue")
	// ErrInvalid: a parameter is missing or has a value that SQS refuses; the text says which.
	ErrInvalid = errors.New("queue: invalid parameter")
	// ErrDenied: the caller has no right to do that, as Config.Authorize says. AccessDenied.
	ErrDenied = errors.New("queue: access denied")
	// ErrTooLarge: a message, or all of a batch together, is above 1 MiB.
	ErrTooLarge = errors.New("queue: message too large")
	// ErrReceipt: a receipt handle is of no delivery of this queue. ReceiptHandleIsInvalid.
	ErrReceipt = errors.New("queue: no such receipt handle")
	// ErrNotInFlight: the message that is to be hidden for longer is not hidden. MessageNotInflight.
	ErrNotInFlight = errors.New("queue: message is not in flight")
)

// kind is an error of the service: its name in the JSON protocol, its code in the older one, which the header
// x-amzn-query-error tells too, and its status. Which is which was recorded on AWS.
type kind struct {
	name, code string
	status     int
	is         error
}

// simple is what the code of many errors begins with.
const simple = "AWS.SimpleQueueService."

var (
	noQueue      = kind{"QueueDoesNotExist", simple + "NonExistentQueue", http.StatusBadRequest, ErrNotFound}
	noResource   = kind{"ResourceNotFoundException", "ResourceNotFoundException", http.StatusNotFound, ErrNotFound}
	invalid      = kind{"InvalidParameterValueException", "InvalidParameterValue", http.StatusBadRequest, ErrInvalid}
	missingKind  = kind{"MissingRequiredParameterException", "MissingParameter", http.StatusBadRequest, ErrInvalid}
	badName      = kind{"InvalidAttributeName", "InvalidAttributeName", http.StatusBadRequest, ErrInvalid}
	badAttribute = kind{"InvalidAttributeValue", "InvalidAttributeValue", http.StatusBadRequest, ErrInvalid}
	badContents  = kind{"InvalidMessageContents", "InvalidMessageContents", http.StatusBadRequest, ErrInvalid}
	tooLarge     = kind{
		"InvalidParameterValueException", "InvalidParameterValue", http.StatusBadRequest, ErrTooLarge,
	}
	badReceipt      = kind{"ReceiptHandleIsInvalid", "ReceiptHandleIsInvalid", http.StatusBadRequest, ErrReceipt}
	notInFlight     = kind{"MessageNotInflight", simple + "MessageNotInflight", http.StatusBadRequest, ErrNotInFlight}
	purgeInProgress = kind{"PurgeQueueInProgress", simple + "PurgeQueueInProgress", http.StatusForbidden, ErrInvalid}

	emptyBatch = kind{"EmptyBatchRequest", simple + "EmptyBatchRequest", http.StatusBadRequest, ErrInvalid}
	tooMany    = kind{
		"TooManyEntriesInBatchRequest", simple + "TooManyEntriesInBatchRequest", http.StatusBadRequest, ErrInvalid,
	}
	badEntryID    = kind{"InvalidBatchEntryId", simple + "InvalidBatchEntryId", http.StatusBadRequest, ErrInvalid}
	repeatedEntry = kind{
		"BatchEntryIdsNotDistinct", simple + "BatchEntryIdsNotDistinct", http.StatusBadRequest, ErrInvalid,
	}
	batchTooLong = kind{"BatchRequestTooLong", simple + "BatchRequestTooLong", http.StatusBadRequest, ErrTooLarge}

	unsupported = kind{"UnsupportedOperation", simple + "UnsupportedOperation", http.StatusBadRequest, ErrInvalid}
	noAction    = kind{"UnknownOperationException", "InvalidAction", http.StatusBadRequest, ErrInvalid}
	malformed   = kind{"SerializationException", "MalformedInput", http.StatusBadRequest, ErrInvalid}
	unsigned    = kind{
		"MissingAuthenticationTokenException", "MissingAuthenticationToken", http.StatusForbidden, ErrInvalid,
	}
	denied = kind{"AccessDeniedException", "AccessDenied", http.StatusForbidden, ErrDenied}
)

// apiError is an error of a kind, with its message.
type apiError struct {
	kind
	message string
}

// says returns an error of a kind.
func (k kind) says(format string, args ...any) error {
	return &apiError{k, fmt.Sprintf(format, args...)}
}

// Error implements error.
func (e *apiError) Error() string { return "queue: " + e.name + ": " + e.message }

// Unwrap returns the error that callers of this package branch on.
func (e *apiError) Unwrap() error { return e.is }

func missing(parameter string) error {
	return missingKind.says("The request must contain the parameter %s.", parameter)
}

func badValue(value, parameter, reason string) error {
	return invalid.says("Value %s for parameter %s is invalid. Reason: %s", value, parameter, reason)
}

// asAPI is an error as clients are told of it.
func asAPI(err error) *apiError {
	if e, ok := errors.AsType[*apiError](err); ok {
		return e
	}
	return &apiError{invalid, err.Error()}
}
