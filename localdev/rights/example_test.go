package rights_test

import (
	"errors"
	"fmt"

	"github.com/nonstick-io/nonstick/localdev/rights"
)

// A role that may send to one queue, and read none.
func Example() {
	r := rights.Rights{
		Principal: "arn:aws:sts::000000000000:assumed-role/Shop/Order",
		Statements: []rights.Statement{
			{Actions: []string{"sqs:*"}, Resources: []string{"arn:aws:sqs:*:*:orders"}},
			{Deny: true, Actions: []string{"sqs:Receive*", "sqs:Purge*"}, Resources: []string{"*"}},
		},
	}
	const orders = "arn:aws:sqs:us-east-1:000000000000:orders"
	fmt.Println(r.Allows("sqs:SendMessage", orders), r.Allows("sqs:ReceiveMessage", orders))

	err := r.Check("sqs:PurgeQueue", orders)
	if denied, ok := errors.AsType[*rights.DeniedError](err); ok {
		fmt.Println(denied.Action, denied.Resource, denied.Explicit)
	}
	// Output:
	// true false
	// sqs:PurgeQueue arn:aws:sqs:us-east-1:000000000000:orders true
}
