package rights

import "strings"

// DeniedError says that a caller may not do something. Its text is what the service says that was called.
type DeniedError struct {
	Principal string // ARN of the caller
	Action    string // as "sqs:SendMessage"
	Resource  string // ARN
	// Explicit: a statement denies it, which is at Where. Else none allows it.
	Explicit bool
	// Role and Where are where the role, and a statement that denies, are written; may be empty.
	Role, Where string
}

func (r *Rights) denied(action, resource string, d decision) *DeniedError {
	e := &DeniedError{Principal: r.Principal, Action: action, Resource: resource, Role: r.Role}
	if d.by != nil {
		e.Explicit, e.Where = true, d.by.Where
	}
	return e
}

// Error is the message of the service that the action is of: SQS writes actions in lower case; API Gateway hides the
// account and the connection, and gives no reason but a statement that denies.
func (d *DeniedError) Error() string {
	service, _, _ := strings.Cut(d.Action, ":")
	action, resource := d.Action, d.Resource
	switch service {
	case "sqs":
		action = strings.ToLower(action)
	case "execute-api":
		resource = hidden(resource)
	}
	text := "User: " + d.Principal + " is not authorized to perform: " + action + " on resource: " + resource
	switch {
	case d.Explicit:
		return text + " with an explicit deny in an identity-based policy"
	case service == "execute-api":
		return text
	}
	return text + " because no identity-based policy allows the " + action + " action"
}

// shownDigits is how many digits API Gateway shows of an account.
const shownDigits = 4

// hidden is the ARN of an API's resource as API Gateway tells it.
func hidden(arn string) string {
	parts := strings.SplitN(arn, ":", 6)
	if len(parts) < 6 {
		return arn
	}
	if n := len(parts[4]) - shownDigits; n > 0 {
		parts[4] = strings.Repeat("*", n) + parts[4][n:]
	}
	return anyConnection(strings.Join(parts, ":"))
}

// anyConnection is the ARN of a connection without its id.
func anyConnection(arn string) string {
	const connections = "/@connections/"
	if before, _, ok := strings.Cut(arn, connections); ok {
		return before + connections + "{connectionId}"
	}
	return arn
}
