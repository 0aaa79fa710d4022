package rights

import (
	"errors"
	"testing"
)

const queue = "arn:aws:sqs:us-east-1:000000000000:Work"

func allow(action, resource string) Statement {
	return Statement{Actions: []string{action}, Resources: []string{resource}}
}

func deny(action, resource string) Statement {
	s := allow(action, resource)
	s.Deny = true
	return s
}

func TestAllows(t *testing.T) {
	const post = "arn:aws:execute-api:us-east-1:000000000000:Api/v1/POST/@connections/L0SM9cOFvHcCIhw="
	const function = "arn:aws:lambda:us-east-1:000000000000:function:Emit"
	tests := []struct {
		name             string
		statements       []Statement
		action, resource string
		want             bool
	}{
		{"no statement", nil, "sqs:SendMessage", queue, false},
		{"the same", []Statement{allow("sqs:SendMessage", queue)}, "sqs:SendMessage", queue, true},
		{"action in another case", []Statement{allow("SQS:sendmessage", queue)}, "sqs:SendMessage", queue, true},
		{"another action", []Statement{allow("sqs:SendMessage", queue)}, "sqs:SendMessageBatch", queue, false},
		{"another resource", []Statement{allow("sqs:SendMessage", queue)}, "sqs:SendMessage", queue + "2", false},
		{
			"resource in another case",
			[]Statement{allow("*", "arn:aws:sqs:us-east-1:000000000000:work")},
			"sqs:SendMessage", queue, false,
		},
		{"all of a service", []Statement{allow("sqs:*", queue)}, "sqs:SendMessage", queue, true},
		{"all of another service", []Statement{allow("sns:*", queue)}, "sqs:SendMessage", queue, false},
		{"all", []Statement{allow("*", "*")}, "sqs:SendMessage", queue, true},
		{"beginning of an action", []Statement{allow("sqs:Get*", "*")}, "sqs:GetQueueUrl", queue, true},
		{"one character of an action", []Statement{allow("sqs:SendMessag?", "*")}, "sqs:SendMessage", queue, true},
		{"one character is not none", []Statement{allow("sqs:SendMessage?", "*")}, "sqs:SendMessage", queue, false},
		{
			"wildcards in segments",
			[]Statement{allow("*", "arn:aws:sqs:*:*:W?r*")},
			"sqs:SendMessage", queue, true,
		},
		{
			"* at the end of a segment goes on",
			[]Statement{allow("*", "arn:aws:sqs:us-*")},
			"sqs:SendMessage", queue, true,
		},
		{
			"* within a segment ends with it",
			[]Statement{allow("*", "arn:aws:sqs:*Work")},
			"sqs:SendMessage", queue, false,
		},
		{"? is no colon", []Statement{allow("*", "arn:aws:sqs?us-east-1:*")}, "sqs:SendMessage", queue, false},
		{
			"a star that goes on, before one that does not",
			[]Statement{allow("*", "arn:aws:sqs:u*:0*k")},
			"sqs:SendMessage", "arn:aws:sqs:us:b:0k:0zk", true,
		},
		{
			"connections", []Statement{
				allow("execute-api:ManageConnections", "arn:aws:execute-api:*:*:Api/v1/POST/@connections/*"),
			}, "execute-api:ManageConnections", post, true,
		},
		{
			"connections by another method", []Statement{
				allow("execute-api:ManageConnections", "arn:aws:execute-api:*:*:Api/v1/DELETE/@connections/*"),
			}, "execute-api:ManageConnections", post, false,
		},
		{
			"a function, not its alias",
			[]Statement{allow("lambda:*", function)},
			"lambda:InvokeFunction", function + ":live", false,
		},
		{
			"a function and its aliases",
			[]Statement{allow("lambda:*", function+"*")},
			"lambda:InvokeFunction",
			function + ":live", true,
		},
		{
			"several of both", []Statement{{
				Actions: []string{"sqs:DeleteMessage", "sqs:SendMessage"}, Resources: []string{queue + "2", queue},
			}}, "sqs:SendMessage", queue, true,
		},
		{
			"two statements do not add up",
			[]Statement{allow("sqs:SendMessage", queue+"2"), allow("sqs:DeleteMessage", queue)},
			"sqs:SendMessage", queue, false,
		},
		{"deny before", []Statement{deny("sqs:*", "*"), allow("*", "*")}, "sqs:SendMessage", queue, false},
		{"deny after", []Statement{allow("*", "*"), deny("sqs:*", "*")}, "sqs:SendMessage", queue, false},
		{
			"deny of something else",
			[]Statement{allow("*", "*"), deny("sqs:Purge*", "*")},
			"sqs:SendMessage", queue,
			true,
		},
		{
			"all but",
			[]Statement{{NotActions: []string{"sqs:PurgeQueue"}, Resources: []string{"*"}}},
			"sqs:SendMessage", queue, true,
		},
		{
			"the but",
			[]Statement{{NotActions: []string{"sqs:Send*"}, Resources: []string{"*"}}},
			"sqs:SendMessage", queue, false,
		},
		{
			"all resources but",
			[]Statement{{Actions: []string{"sqs:*"}, NotResources: []string{queue + "2"}}},
			"sqs:SendMessage", queue, true,
		},
		{
			"the but of resources",
			[]Statement{{Actions: []string{"sqs:*"}, NotResources: []string{queue}}},
			"sqs:SendMessage", queue, false,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := &Rights{Statements: tt.statements}
			if got := r.Allows(tt.action, tt.resource); got != tt.want {
				t.Errorf("%s on %s = %v, want %v", tt.action, tt.resource, got, tt.want)
			}
		})
	}
}

func TestUnknownRightsAllowAll(t *testing.T) {
	if r := (*Rights)(nil); !r.Allows("sqs:SendMessage", queue) || r.Check("a:b", "c") != nil {
		t.Error("refused")
	}
}

// The messages were recorded on AWS, but for that of an explicit deny of API Gateway, which follows IAM's form.
func TestDenied(t *testing.T) {
	const user = "User: arn:aws:sts::000000000000:assumed-role/R/F is not authorized to perform: "
	const connection = "arn:aws:execute-api:us-east-1:000000001234:Api/v1/POST/@connections/abc="
	const hidden = "arn:aws:execute-api:us-east-1:********1234:Api/v1/POST/@connections/{connectionId}"
	tests := []struct {
		name, action, resource string
		statements             []Statement
		want                   string
	}{
		{
			"SQS", "sqs:SendMessage", queue, nil, user + "sqs:sendmessage on resource: " + queue +
				" because no identity-based policy allows the sqs:sendmessage action",
		},
		{
			"SQS, explicit", "sqs:SendMessage", queue,
			[]Statement{deny("sqs:*", "*")},
			user + "sqs:sendmessage on resource: " + queue + " with an explicit deny in an identity-based policy",
		},
		{
			"Lambda", "lambda:InvokeFunction", "arn:aws:lambda:us-east-1:000000000000:function:F", nil,
			user + "lambda:InvokeFunction on resource: arn:aws:lambda:us-east-1:000000000000:function:F" +
				" because no identity-based policy allows the lambda:InvokeFunction action",
		},
		{
			"API Gateway", "execute-api:ManageConnections", connection, nil,
			user + "execute-api:ManageConnections on resource: " + hidden,
		},
		{
			"API Gateway, explicit", "execute-api:ManageConnections", connection,
			[]Statement{deny("*", "*")},
			user + "execute-api:ManageConnections on resource: " + hidden +
				" with an explicit deny in an identity-based policy",
		},
		{
			"a resource that is no ARN", "execute-api:Invoke", "*", nil,
			user + "execute-api:Invoke on resource: *",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := &Rights{
				Principal: "arn:aws:sts::000000000000:assumed-role/R/F", Role: "R, t.yaml:1", Statements: tt.statements,
			}
			err := r.Check(tt.action, tt.resource)
			d, ok := errors.AsType[*DeniedError](err)
			if !ok || err.Error() != tt.want {
				t.Fatalf("error = %v\nwant    %s", err, tt.want)
			}
			if d.Resource != tt.resource || d.Action != tt.action || d.Role != r.Role ||
				d.Explicit != (tt.statements != nil) {
				t.Errorf("denied = %+v", d)
			}
		})
	}
}
