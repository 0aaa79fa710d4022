package template

import (
	"fmt"
	"strings"
	"testing"
)

const (
	queueQ = "arn:aws:sqs:us-east-1:000000000000:Q"
	conn   = "arn:aws:execute-api:us-east-1:000000000000:Ws/v1/POST/@connections/abc="
	other  = "arn:aws:lambda:us-east-1:000000000000:function:G"
)

// withRole is a template with a function, whose role has some properties, and more resources.
func withRole(role, more string) string {
	return function(`
      Role: !GetAtt R.Arn
`, `
  Q: {Type: AWS::SQS::Queue}
  Ws: {Type: AWS::Serverless::WebSocketApi, Properties: {StageName: v1}}
  R:
    Type: AWS::IAM::Role
    Properties:
      AssumeRolePolicyDocument:
        Statement: [{Effect: Allow, Principal: {Service: lambda.amazonaws.com}, Action: sts:AssumeRole}]
`+role+more)
}

// inline is a role with one policy with a statement.
func inline(statement string) string {
	return `
      Policies:
        - PolicyName: p
          PolicyDocument:
            Version: "2012-10-17"
            Statement:
              - {Effect: Allow, Action: "logs:*", Resource: "*"}
              - ` + statement + "\n"
}

// can is a right as the tests write it: "send", "push" and "invoke", with "-" in front for one that is missing.
var can = map[string][2]string{
	"send": {"sqs:SendMessage", queueQ}, "push": {"execute-api:ManageConnections", conn},
	"invoke": {"lambda:InvokeFunction", other},
}

// check compares rights with what the test wants, separated by spaces; "all" are rights that are not known.
func check(t *testing.T, f Function, want string) {
	t.Helper()
	if (f.Rights == nil) != (want == "all") {
		t.Fatalf("rights = %+v, want %s", f.Rights, want)
	}
	if want == "all" {
		return
	}
	for _, right := range strings.Fields(want) {
		name, missing := strings.CutPrefix(right, "-")
		if got := f.Rights.Allows(can[name][0], can[name][1]); got == missing {
			t.Errorf("may %s: %v, want %s; statements %+v", name, got, want, f.Rights.Statements)
		}
	}
}

func TestRoleRights(t *testing.T) {
	const document = `{Statement: {Effect: Allow, Action: "sqs:*", Resource: !GetAtt Q.Arn}}`
	tests := []struct{ name, role, more, want string }{
		{"no policy", "", "", "-send -push -invoke"},
		{
			"action on a resource", inline(`{Effect: Allow, Action: sqs:SendMessage, Resource: !GetAtt Q.Arn}`), "",
			"send -push",
		},
		{
			"lists", inline(`{Effect: Allow, Action: [sqs:Get*, sqs:SendMessage], Resource: [!GetAtt Q.Arn]}`), "",
			"send",
		},
		{"other queue", inline(`{Effect: Allow, Action: sqs:SendMessage, Resource: !Sub "${Q.Arn}2"}`), "", "-send"},
		{
			"connections", inline(`{Effect: Allow, Action: execute-api:ManageConnections,
                 Resource: !Sub "arn:aws:execute-api:${AWS::Region}:${AWS::AccountId}:${Ws}/v1/POST/@connections/*"}`),
			"", "push -send",
		},
		{
			"deny wins", inline(`{Effect: Allow, Action: "*", Resource: "*"}
              - {Effect: Deny, Action: sqs:SendMessage, Resource: !GetAtt Q.Arn}`), "", "-send push invoke",
		},
		{"all but", inline(`{Effect: Allow, NotAction: "sqs:*", Resource: "*"}`), "", "-send push"},
		{"all resources but", inline(`{Effect: Allow, Action: "*", NotResource: !GetAtt Q.Arn}`), "", "-send push"},
		{
			"a statement that an If chooses",
			inline(`!If [Dev, {Effect: Allow, Action: "sqs:*", Resource: "*"}, !Ref AWS::NoValue]`), "", "send",
		},
		{
			"one that it does not",
			inline(`!If [Prod, {Effect: Allow, Action: "sqs:*", Resource: "*"}, !Ref AWS::NoValue]`), "", "-send",
		},
		{
			"a resource by Join",
			inline(`{Effect: Allow, Action: "sqs:*", Resource: !Join [":", [arn, aws, sqs, "*", "*", Q]]}`), "", "send",
		},
		{
			"AWS::IAM::Policy", "", `
  P: {Type: AWS::IAM::Policy, Properties: {PolicyName: p, Roles: [!Ref R], PolicyDocument: ` + document + `}}
`, "send -push",
		},
		{
			"AWS::IAM::Policy of another role", "", `
  P: {Type: AWS::IAM::Policy, Properties: {PolicyName: p, Roles: [Another], PolicyDocument: ` + document + `}}
`, "-send",
		},
		{
			"AWS::IAM::RolePolicy", "", `
  P: {Type: AWS::IAM::RolePolicy, Properties: {PolicyName: p, RoleName: !Ref R, PolicyDocument: ` + document + `}}
`, "send -push",
		},
		{
			"AWS::IAM::ManagedPolicy with its roles", "", `
  P: {Type: AWS::IAM::ManagedPolicy, Properties: {Roles: [!Ref R], PolicyDocument: ` + document + `}}
`, "send -push",
		},
		{
			"AWS::IAM::ManagedPolicy by its ARN", `
      ManagedPolicyArns: [!Ref P]
`, `
  P: {Type: AWS::IAM::ManagedPolicy, Properties: {PolicyDocument: ` + document + `}}
`, "send -push",
		},
		{
			"a policy of AWS that is known", `
      ManagedPolicyArns: [!Sub "arn:${AWS::Partition}:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole"]
`, "", "-send -push",
		},
		{
			"a policy of AWS that is not", `
      ManagedPolicyArns: ["arn:aws:iam::aws:policy/AmazonSQSFullAccess"]
`, "", "all",
		},
		{
			"a policy of another stack that is called as one of AWS", `
      ManagedPolicyArns: ["arn:aws:iam::000000000000:policy/AWSLambdaBasicExecutionRole"]
`, "", "all",
		},
		{
			"a policy that cannot be told", `
      ManagedPolicyArns: [!ImportValue P]
`, "", "all",
		},
		{
			"Allow with a condition",
			inline(`{Effect: Allow, Action: "sqs:*", Resource: "*", Condition: {Bool: {a: "true"}}}`),
			"", "send -push",
		},
		{
			"Deny with a condition", inline(`{Effect: Allow, Action: "sqs:*", Resource: "*"}
              - {Effect: Deny, Action: "*", Resource: "*", Condition: {Bool: {a: "false"}}}`), "", "send -push",
		},
		{
			"Allow on what cannot be told", inline(`{Effect: Allow, Action: "sqs:*", Resource: !ImportValue Q}`), "",
			"send -push",
		},
		{
			"Deny on what cannot be told", inline(`{Effect: Allow, Action: "*", Resource: "*"}
              - {Effect: Deny, Action: "sqs:*", Resource: !ImportValue Q}`), "", "send push",
		},
		{
			"Allow with a variable",
			inline(`{Effect: Allow, Action: "sqs:*", Resource: "arn:aws:sqs:*:*:${aws:PrincipalTag/queue}"}`), "",
			"send -push",
		},
		{
			"Deny with a variable", inline(`{Effect: Allow, Action: "*", Resource: "*"}
              - {Effect: Deny, Action: "sqs:*", Resource: "arn:aws:sqs:*:*:${aws:PrincipalTag/queue}"}`), "", "send",
		},
		{
			"a policy of the queue", "", `
  P: {Type: AWS::SQS::QueuePolicy, Properties: {Queues: [!Ref Q], PolicyDocument: {}}}
`, "send -push",
		},
		{
			"a permission of a function for an account", "", `
  P: {Type: AWS::Lambda::Permission,
    Properties: {FunctionName: G, Action: lambda:InvokeFunction, Principal: !Ref AWS::AccountId}}
`, "invoke -send",
		},
		{
			"a permission of a function for a service", "", `
  P: {Type: AWS::Lambda::Permission,
    Properties: {FunctionName: G, Action: lambda:InvokeFunction, Principal: events.amazonaws.com}}
`, "-invoke",
		},
		{
			"a policy of which it cannot be told whom it is for", "", `
  P: {Type: AWS::IAM::Policy, Properties: {PolicyName: p, Roles: [!ImportValue x], PolicyDocument: ` + document + `}}
`, "all",
		},
		{
			"a policy of a queue that cannot be told", "", `
  P: {Type: AWS::SQS::QueuePolicy, Properties: {Queues: [!ImportValue x], PolicyDocument: {}}}
`, "send -push",
		},
		{
			"a permission for a caller that cannot be told", "", `
  P: {Type: AWS::Lambda::Permission,
    Properties: {FunctionName: !ImportValue x, Action: lambda:InvokeFunction, Principal: !ImportValue y}}
`, "invoke -send",
		},
		{
			"a connector", "", `
  C: {Type: AWS::Serverless::Connector, Properties: {Source: {Id: F}, Destination: {Id: Q}, Permissions: [Write]}}
`, "all",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			out := read(t, withRole(tt.role, tt.more), Options{})
			f := out.Functions[0]
			check(t, f, tt.want)
			if f.Rights != nil && (f.Rights.Principal != "arn:aws:sts::000000000000:assumed-role/R/F" ||
				!strings.HasPrefix(f.Rights.Role, "R (t.yaml:")) {
				t.Errorf("the caller is %s with the role %s", f.Rights.Principal, f.Rights.Role)
			}
		})
	}
}

// What is not evaluated is a note, with its line.
func TestRoleNotes(t *testing.T) {
	const base = 29 // the line of the last statement of inline
	tests := []struct{ name, text, want string }{
		{
			"role of another stack", function("\n      Role: arn:aws:iam::000000000000:role/x\n", ""),
			"t.yaml:18: F: not enforced: everything is allowed for this function: the role arn:aws:iam::000000000000:role/x is not of this template",
		},
		{"role that cannot be told", function("\n      Role: !ImportValue x\n", ""), "its Role cannot be told"},
		{
			"managed policy", withRole("\n      ManagedPolicyArns: [\"arn:aws:iam::aws:policy/X\"]\n", ""),
			"t.yaml:12: F: not enforced: everything is allowed for this function: R (t.yaml:23) has the managed policy arn:aws:iam::aws:policy/X",
		},
		{
			"policy template of SAM", function("\n      Policies: [{SQSSendMessagePolicy: {QueueName: q}}]\n", ""),
			"a policy template of SAM: SQSSendMessagePolicy",
		},
		{
			"condition", withRole(inline(`{Effect: Allow, Action: "*", Resource: "*", Condition: {}}`), ""),
			fmt.Sprintf("t.yaml:%d: R: its Condition is not evaluated: the statement counts as if it held", base+5),
		},
		{
			"condition of a Deny", withRole(inline(`{Effect: Deny, Action: "*", Resource: "*", Condition: {}}`), ""),
			"its Condition is not evaluated: the statement, which denies, does not count",
		},
		{
			"resource", withRole(inline(`{Effect: Allow, Action: "*", Resource: !ImportValue x}`), ""),
			"its Resource cannot be told: the statement counts as if it held",
		},
		{
			"variable", withRole(inline(`{Effect: Allow, Action: "*", Resource: "arn:aws:s3:::${aws:username}"}`), ""),
			"the variables in its Resource are not known",
		},
		{"boundary", withRole("\n      PermissionsBoundary: x\n", ""), "the permissions boundary is not evaluated"},
		{
			"queue policy", withRole("", "\n  P: {Type: AWS::SQS::QueuePolicy, Properties: {Queues: [!Ref Q]}}\n"),
			"P: not enforced: everything is allowed for sqs:* on " + queueQ + ": policies of resources are not read",
		},
		{
			"log", withRole("", ""),
			"F: the log is written, and on AWS it is not: R (t.yaml:23) does not allow logs:CreateLogStream on /aws/lambda/F",
		},
		{"no boundary", withRole("\n      PermissionsBoundary: !Ref AWS::NoValue\n", inline("")[:0]), ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			notes := strings.Join(read(t, tt.text, Options{}).Notes, "\n")
			if !strings.Contains(notes, tt.want) || tt.want == "" && strings.Contains(notes, "boundary") {
				t.Errorf("notes = %s\nwant   %s", notes, tt.want)
			}
			if n := strings.Count(notes, tt.want); tt.want != "" && n != 1 {
				t.Errorf("the note comes %d times: %s", n, notes)
			}
		})
	}
}

// A function without a role has the one that SAM makes.
func TestSAMRoles(t *testing.T) {
	const q = "\n  Q: {Type: AWS::SQS::Queue}\n"
	tests := []struct{ name, properties, want string }{
		{"none", "", "-send -push -invoke"},
		{"a role that an If leaves out", `
      Role: !If [Prod, x, !Ref AWS::NoValue]
`, "-send"},
		{"a statement", `
      Policies: [{Statement: [{Effect: Allow, Action: sqs:SendMessage, Resource: !GetAtt Q.Arn}]}]
`, "send -push"},
		{"a document alone", `
      Policies: {Statement: {Effect: Allow, Action: sqs:SendMessage, Resource: !GetAtt Q.Arn}}
`, "send -push"},
		{"a document with a resource that cannot be told", `
      Policies: {Statement: {Effect: Allow, Action: sqs:SendMessage, Resource: !ImportValue q}}
`, "send -push"},
		{"a policy of AWS that is known, by its name", `
      Policies: AWSLambdaSQSQueueExecutionRole
`, "-send"},
		{"a policy of AWS that is not", `
      Policies: [AmazonSQSFullAccess]
`, "all"},
		{"a policy template", `
      Policies: [{SQSSendMessagePolicy: {QueueName: q}}]
`, "all"},
		{"an import", `
      Policies: [!ImportValue p]
`, "all"},
		{"a destination", `
      EventInvokeConfig: {DestinationConfig: {OnFailure: {Type: SQS, Destination: !GetAtt Q.Arn}}}
`, "send -push"},
		{"a queue that feeds it", `
      Events: {E: {Type: SQS, Properties: {Queue: !GetAtt Q.Arn}}}
`, "-send"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := read(t, function(tt.properties, q), Options{}).Functions[0]
			check(t, f, tt.want)
			if f.Rights != nil && (f.Rights.Principal != "arn:aws:sts::000000000000:assumed-role/FRole/F" ||
				!f.Rights.Allows("logs:PutLogEvents", "arn:aws:logs:us-east-1:000000000000:log-group:x:log-stream:y")) {
				t.Errorf("rights = %+v", f.Rights)
			}
		})
	}
}

// What AWS refuses to create is an error.
func TestRoleErrors(t *testing.T) {
	const mapping = `
  M: {Type: AWS::Lambda::EventSourceMapping, Properties: {FunctionName: !Ref F, EventSourceArn: !GetAtt Q.Arn}}
`
	const trust = `
      AssumeRolePolicyDocument: {Statement: [{Effect: Allow, Principal: {Service: %s}, Action: %s}]}
`
	role := func(properties string) string {
		const r = "\n  R:\n    Type: AWS::IAM::Role\n    Properties:\n"
		return function("\n      Role: !GetAtt R.Arn\n", r+properties)
	}
	read := inline(`{Effect: Allow, Resource: !GetAtt Q.Arn,
                 Action: [sqs:ReceiveMessage, sqs:DeleteMessage, sqs:GetQueueAttributes]}`)
	tests := []struct{ name, text, want string }{
		{"mapping", withRole(read, mapping), ""},
		{
			"mapping without rights", withRole("", mapping),
			"t.yaml:28: F: the function's role may not read the queue: R (t.yaml:23) does not allow " +
				"sqs:ReceiveMessage, sqs:DeleteMessage, sqs:GetQueueAttributes on " + queueQ,
		},
		{
			"mapping without one of them", withRole(strings.Replace(read, "sqs:DeleteMessage, ", "", 1), mapping),
			"does not allow sqs:DeleteMessage on " + queueQ,
		},
		{
			"mapping of another queue",
			withRole(strings.Replace(read, "!GetAtt Q.Arn", `!Sub "${Q.Arn}2"`, 1), mapping),
			"does not allow sqs:ReceiveMessage, sqs:DeleteMessage, sqs:GetQueueAttributes on",
		},
		{
			"mapping, and a role that SAM makes", function("", "\n  Q: {Type: AWS::SQS::Queue}\n"+mapping),
			"FRole (t.yaml:12) does not allow sqs:ReceiveMessage",
		},
		{
			"destination", strings.Replace(withRole("", ""), "      Role:", `
      EventInvokeConfig: {DestinationConfig: {OnFailure: {Type: SQS, Destination: !GetAtt Q.Arn}}}
      Role:`, 1),
			"F: the function's role may not send to the destination OnFailure: R (t.yaml:25) does not allow " +
				"sqs:SendMessage on " + queueQ,
		},
		{
			"dead letters", strings.Replace(withRole("", ""), "      Role:", `
      DeadLetterQueue: {Type: SQS, TargetArn: !GetAtt Q.Arn}
      Role:`, 1), "the function's role may not send to DeadLetterQueue",
		},
		{"trust", role(fmt.Sprintf(trust, "lambda.amazonaws.com", "sts:AssumeRole")), ""},
		{"trust in lists", role(fmt.Sprintf(trust, "[ec2.amazonaws.com, lambda.amazonaws.com]", "[\"sts:*\"]")), ""},
		{
			"trust in another service", role(fmt.Sprintf(trust, "ec2.amazonaws.com", "sts:AssumeRole")),
			"t.yaml:12: F: the role R (t.yaml:21) cannot be assumed by Lambda: its AssumeRolePolicyDocument must name lambda.amazonaws.com",
		},
		{
			"trust for another action", role(fmt.Sprintf(trust, "lambda.amazonaws.com", "sts:TagSession")),
			"cannot be assumed by Lambda",
		},
		{"no trust", role("      Path: /\n"), "R: AssumeRolePolicyDocument is missing"},
		{
			"no ARN", function("\n      Role: !Ref Stage\n", ""),
			`t.yaml:18: F: Role is "dev", and must be the ARN of a role`,
		},
		{
			"effect", withRole(inline(`{Effect: allow, Action: "*", Resource: "*"}`), ""),
			`R: the Effect of a statement is "allow", and must be Allow or Deny`,
		},
		{
			"no action", withRole(inline(`{Effect: Allow, Resource: "*"}`), ""),
			"a statement has either Action or NotAction",
		},
		{
			"both actions", withRole(inline(`{Effect: Allow, Action: "*", NotAction: "*", Resource: "*"}`), ""),
			"a statement has either Action or NotAction",
		},
		{
			"no resource", withRole(inline(`{Effect: Allow, Action: "*"}`), ""),
			"a statement has either Resource or NotResource",
		},
		{
			"action without a service", withRole(inline(`{Effect: Allow, Action: SendMessage, Resource: "*"}`), ""),
			`the action "SendMessage" is none`,
		},
		{
			"action of any service", withRole(inline(`{Effect: Allow, Action: "*:Send", Resource: "*"}`), ""),
			`the action "*:Send" is none`,
		},
		{
			"resource that is no ARN", withRole(inline(`{Effect: Allow, Action: "*", Resource: !Ref Q}`), ""),
			`the resource "http://127.0.0.1:3000/000000000000/Q" is none: IAM wants * or an ARN`,
		},
		{
			"resource of any service",
			withRole(inline(`{Effect: Allow, Action: "*", Resource: "arn:aws:*:*:*:x"}`), ""),
			"IAM takes no wildcard for the service",
		},
		{
			"principal", withRole(inline(`{Effect: Allow, Action: "*", Resource: "*", Principal: "*"}`), ""),
			"a statement of a role's policy has no Principal",
		},
		{
			"no document", withRole("\n      Policies: [{PolicyName: p}]\n", ""),
			"the policy has no PolicyDocument with a Statement",
		},
		{"unknown condition", withRole(inline(`!If [What, {}, {}]`), ""), "there is no condition What"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := parse(tt.text, Options{})
			if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
				t.Errorf("error = %v\nwant    %s", err, tt.want)
			}
		})
	}
}

// A role that no function has is not looked at: what is in it may be for another service.
func TestRolesOfOthersAreNotRead(t *testing.T) {
	out := read(t, function("", `
  R: {Type: AWS::IAM::Role, Properties: {Policies: [{PolicyDocument: {Statement: [!ImportValue x]}}]}}
`), Options{})
	if len(out.Notes) > 0 {
		t.Errorf("notes = %q", out.Notes)
	}
}

// API Gateway needs a role to send to a queue, and the permission of a function, or a role, to call it.
func TestGatewayRights(t *testing.T) {
	const integration = `
  Q: {Type: AWS::SQS::Queue}
  Ws: {Type: AWS::ApiGatewayV2::Api, Properties: {ProtocolType: WEBSOCKET}}
  D: {Type: AWS::ApiGatewayV2::Route,
    Properties: {ApiId: !Ref Ws, RouteKey: $default, Target: !Sub "integrations/${I}"}}
  I:
    Type: AWS::ApiGatewayV2::Integration
    Properties:
      ApiId: !Ref Ws
`
	const toQueue = integration + `
      IntegrationType: AWS
      IntegrationMethod: POST
      IntegrationUri: !Sub "arn:aws:apigateway:us-east-1:sqs:path/${AWS::AccountId}/${Q.QueueName}"
      TemplateSelectionExpression: \$default
      RequestTemplates: {$default: "Action=SendMessage&MessageBody=."}
`
	const toFunction = integration + `
      IntegrationType: AWS_PROXY
      IntegrationUri: !Sub "arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/${F.Arn}/invocations"
`
	role := func(service, statement string) string {
		return `
      CredentialsArn: !GetAtt R.Arn
  R:
    Type: AWS::IAM::Role
    Properties:
      AssumeRolePolicyDocument:
        Statement: {Effect: Allow, Principal: {Service: ` + service + `}, Action: sts:AssumeRole}
` + inline(statement)
	}
	permission := func(properties string) string {
		return `
  P: {Type: AWS::Lambda::Permission,
    Properties: {Action: lambda:InvokeFunction, Principal: apigateway.amazonaws.com, ` + properties + "}}\n"
	}
	const send = `{Effect: Allow, Action: sqs:SendMessage, Resource: !GetAtt Q.Arn}`
	const call = `{Effect: Allow, Action: lambda:InvokeFunction, Resource: !GetAtt F.Arn}`
	const gateway = "apigateway.amazonaws.com"
	tests := []struct{ name, more, want string }{
		{"role that may send", toQueue + role(gateway, send), ""},
		{
			"role that may not", toQueue + role(gateway, call), "User: arn:aws:sts::000000000000:assumed-role/R/" +
				"BackplaneAssumeRoleSession is not authorized to perform: sqs:sendmessage on resource: " +
				queueQ + " because no identity-based policy allows the sqs:sendmessage action, see R (t.yaml:",
		},
		{"role of Lambda's", toQueue + role("lambda.amazonaws.com", send), "cannot be assumed by API Gateway"},
		{"role of another stack", toQueue + "\n      CredentialsArn: arn:aws:iam::000000000000:role/x\n", ""},
		{
			"role with a managed policy",
			toQueue + role(gateway, call) + "\n      ManagedPolicyArns: [\"arn:aws:iam::aws:policy/X\"]\n", "",
		},
		{
			"function without a permission", toFunction,
			"no AWS::Lambda::Permission lets apigateway.amazonaws.com call F for Ws",
		},
		{"function with one", toFunction + permission("FunctionName: !Ref F"), ""},
		{
			"with one for the API",
			toFunction + permission(`FunctionName: !GetAtt F.Arn, SourceArn: !Sub "arn:aws:execute-api:*:*:${Ws}/*"`),
			"",
		},
		{
			"with one for any API",
			toFunction + permission(`FunctionName: !Ref F, SourceArn: "arn:aws:execute-api:*:*:*"`), "",
		},
		{
			"with one for another API",
			toFunction + permission(`FunctionName: !Ref F, SourceArn: "arn:aws:execute-api:*:*:Http/*"`),
			"no AWS::Lambda::Permission",
		},
		{
			"with one for another account",
			toFunction + permission(`FunctionName: !Ref F, SourceAccount: "123456789012"`),
			"no AWS::Lambda::Permission",
		},
		{"with one of which nothing can be told", toFunction + permission("FunctionName: !ImportValue x"), ""},
		{
			"with one for an API that cannot be told",
			toFunction + permission("FunctionName: !Ref F, SourceArn: !ImportValue x"), "",
		},
		{"with one of another function", toFunction + permission("FunctionName: G"), "no AWS::Lambda::Permission"},
		{
			"with one of its alias", toFunction + permission(`FunctionName: !Sub "${F}:live"`),
			"no AWS::Lambda::Permission",
		},
		{
			"with one for another service",
			toFunction + strings.Replace(permission("FunctionName: !Ref F"), "apigateway", "events", 1),
			"no AWS::Lambda::Permission",
		},
		{
			"with one for another action",
			toFunction + strings.Replace(permission("FunctionName: !Ref F"), "Invoke", "Get", 1),
			"no AWS::Lambda::Permission",
		},
		{"function, and a role that may call it", toFunction + role(gateway, call), ""},
		{
			"function, and a role that may not", toFunction + role(gateway, send),
			"is not authorized to perform: lambda:InvokeFunction on resource: arn:aws:lambda:us-east-1:000000000000:function:F",
		},
		{
			"function, and the caller's own credentials",
			toFunction + "\n      CredentialsArn: arn:aws:iam::*:user/*\n", "",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			out := read(t, function("", tt.more), Options{})
			got := out.WebSocket[0].Denied
			if !strings.Contains(got, tt.want) || (got == "") != (tt.want == "") {
				t.Errorf("denied = %q\nwant     %q", got, tt.want)
			}
			if out.WebSocketAPI != "arn:aws:execute-api:us-east-1:000000000000:Ws" {
				t.Errorf("the API is %s", out.WebSocketAPI)
			}
		})
	}
}
