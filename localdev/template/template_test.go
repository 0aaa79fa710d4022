package template

import (
	"errors"
	"maps"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
)

func parse(text string, o Options) (*Template, error) {
	f, err := Parse("t.yaml", "/dir", []byte(text))
	if err != nil {
		return nil, err
	}
	return f.Read(o)
}

// read parses a template, which must be right.
func read(t *testing.T, text string, o Options) *Template {
	t.Helper()
	out, err := parse(text, o)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// function is a template with one function; more is put into its properties, and rest after it.
func function(more, rest string) string {
	return `
Parameters:
  Stage: {Type: String, Default: dev}
  List: {Type: CommaDelimitedList, Default: "a, b,c"}
Conditions:
  Dev: !Equals [!Ref Stage, dev]
  Prod: !Not [!Condition Dev]
  Both: !And [!Condition Dev, !Condition Prod]
  Either: !Or [!Condition Dev, !Condition Prod]
Resources:
  F:
    Type: AWS::Serverless::Function
    Properties:
      CodeUri: code
      Runtime: provided.al2023
      Handler: bootstrap
` + more + rest
}

func TestIntrinsics(t *testing.T) {
	tests := []struct{ name, value, want string }{
		{"plain", `text`, "text"},
		{"number", `12`, "12"},
		{"Ref of a parameter", `!Ref Stage`, "dev"},
		{"Ref of a resource", `!Ref Q`, "http://base/000000000000/Q"},
		{"Ref of a FIFO queue", `!Ref Fifo`, "http://base/000000000000/Fifo.fifo"},
		{"Ref of a named queue", `!Ref Named`, "http://base/000000000000/mine-dev"},
		{"Ref, long form", `{Ref: Stage}`, "dev"},
		{
			"pseudo parameters",
			`!Sub "${AWS::Region} ${AWS::AccountId} ${AWS::Partition} ${AWS::StackName} ${AWS::URLSuffix}"`,
			"us-east-1 000000000000 aws local amazonaws.com",
		},
		{"GetAtt", `!GetAtt Q.Arn`, "arn:aws:sqs:us-east-1:000000000000:Q"},
		{"GetAtt of a function", `!GetAtt F.Arn`, "arn:aws:lambda:us-east-1:000000000000:function:F"},
		{"GetAtt, long form", `{"Fn::GetAtt": [Q, QueueName]}`, "Q"},
		{"Sub", `!Sub "a-${Stage}-${Q.QueueName}-${!literal}"`, "a-dev-Q-${literal}"},
		{"Sub with values", `!Sub ["${X}/${Stage}", {X: !Ref Stage}]`, "dev/dev"},
		{"Join", `!Join ["-", [a, !Ref Stage]]`, "a-dev"},
		{"Join of a list", `!Join ["+", !Ref List]`, "a+b+c"},
		{"Select and Split", `!Select [1, !Split [",", "x,y"]]`, "y"},
		{"If", `!If [Dev, yes, no]`, "yes"},
		{"If not", `!If [Prod, yes, no]`, "no"},
		{"If both", `!If [Both, yes, no]`, "no"},
		{"If either", `!If [Either, yes, no]`, "yes"},
		{"If, long form", `{"Fn::If": [Prod, a, {Ref: Stage}]}`, "dev"},
		{
			"address of the WebSocket API", `!Sub "https://${Ws}.execute-api.${AWS::Region}.amazonaws.com/v1"`,
			"http://base/v1",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			out := read(t, function(`
      Environment: {Variables: {X: `+tt.value+`}}
`, `
  Q: {Type: AWS::SQS::Queue}
  Fifo: {Type: AWS::SQS::Queue, Properties: {FifoQueue: true}}
  Named: {Type: AWS::SQS::Queue, Properties: {QueueName: !Sub "mine-${Stage}"}}
  Ws: {Type: AWS::Serverless::WebSocketApi}
`), Options{BaseURL: "http://base"})
			if got := out.Functions[0].Environment["X"]; got != tt.want {
				t.Errorf("value = %q, want %q", got, tt.want)
			}
		})
	}
}

func TestNoValue(t *testing.T) {
	text := function(`
      ReservedConcurrentExecutions: !If [Prod, 5, !Ref AWS::NoValue]
      Environment: {Variables: {X: !If [Prod, x, !Ref AWS::NoValue], Y: y}}
`, "")
	f := read(t, text, Options{}).Functions[0]
	if want := map[string]string{"Y": "y"}; f.Reserved != nil || !maps.Equal(f.Environment, want) {
		t.Errorf("reserved %v, environment %v, want none and %v", f.Reserved, f.Environment, want)
	}
	f = read(t, text, Options{Parameters: map[string]string{"Stage": "prod"}}).Functions[0]
	if f.Reserved == nil || *f.Reserved != 5 || f.Environment["X"] != "x" {
		t.Errorf("reserved %v, environment %v, want 5 and x", f.Reserved, f.Environment)
	}
}

func TestGlobals(t *testing.T) {
	out := read(t, `
Globals:
  Function: &all
    Runtime: provided.al2023
    Handler: bootstrap
    Timeout: 10
    MemorySize: 256
    Environment: {Variables: {A: global, B: global}}
Resources:
  F:
    Type: AWS::Serverless::Function
    Properties:
      CodeUri: code
      Timeout: 20
      Environment: {Variables: {B: own, C: own}}
      EventInvokeConfig: {MaximumRetryAttempts: 0, MaximumEventAgeInSeconds: 60,
        DestinationConfig: {OnFailure: {Type: SQS, Destination: !GetAtt Q.Arn}}}
  Q: {Type: AWS::SQS::Queue}
`, Options{Prefix: "p-"})
	want := Function{
		ID: "F", Name: "p-F", Source: "/dir/code", Handler: "bootstrap", Memory: 256, Timeout: 20 * time.Second,
		Environment: map[string]string{"A": "global", "B": "own", "C": "own"}, AsyncAge: time.Minute, Line: 11,
		OnFailure: "arn:aws:sqs:us-east-1:000000000000:p-Q",
	}
	got := out.Functions[0]
	if got.Rights == nil {
		t.Error("the rights of the role that SAM makes are not known")
	}
	if got.Rights = nil; !reflect.DeepEqual(got, want) {
		t.Errorf("function = %+v, want %+v", got, want)
	}
}

func TestRoutes(t *testing.T) {
	sam := read(t, function(`
      Events:
        A: {Type: HttpApi, Properties: {ApiId: !Ref Http, Path: /a, Method: get}}
        Rest: {Type: HttpApi}
`, `
  Http: {Type: AWS::Serverless::HttpApi}
  Ws:
    Type: AWS::Serverless::WebSocketApi
    Properties:
      StageName: v1
      Routes:
        $connect: {FunctionArn: !GetAtt F.Arn, RouteResponseSelectionExpression: $default}
        $default: {FunctionArn: !GetAtt F.Arn, RouteResponseSelectionExpression: $default}
  Response: {Type: AWS::ApiGatewayV2::RouteResponse,
    Properties: {ApiId: !Ref Ws, RouteId: !Ref WsDefaultRoute, RouteResponseKey: $default}}
`), Options{})
	plain := read(t, function("", `
  Http: {Type: AWS::ApiGatewayV2::Api, Properties: {ProtocolType: HTTP}}
  HttpIntegration: {Type: AWS::ApiGatewayV2::Integration,
    Properties: {ApiId: !Ref Http, IntegrationUri: !GetAtt F.Arn, PayloadFormatVersion: "2.0"}}
  A: {Type: AWS::ApiGatewayV2::Route,
    Properties: {ApiId: !Ref Http, RouteKey: GET /a, Target: !Sub "integrations/${HttpIntegration}"}}
  Rest: {Type: AWS::ApiGatewayV2::Route,
    Properties: {ApiId: !Ref Http, RouteKey: $default, Target: !Join [/, [integrations, !Ref HttpIntegration]]}}
  Permission: {Type: AWS::Lambda::Permission,
    Properties: {FunctionName: !Ref F, Action: lambda:InvokeFunction, Principal: apigateway.amazonaws.com}}
  Ws: {Type: AWS::ApiGatewayV2::Api, Properties: {ProtocolType: WEBSOCKET}}
  Stage: {Type: AWS::ApiGatewayV2::Stage, Properties: {ApiId: !Ref Ws, StageName: v1}}
  WsIntegration:
    Type: AWS::ApiGatewayV2::Integration
    Properties:
      ApiId: !Ref Ws
      IntegrationUri: !Sub "arn:aws:apigateway:${AWS::Region}:lambda:path/2015-03-31/functions/${F.Arn}/invocations"
  Connect: {Type: AWS::ApiGatewayV2::Route,
    Properties: {ApiId: !Ref Ws, RouteKey: $connect, Target: !Sub "integrations/${WsIntegration}"}}
  Default:
    Type: AWS::ApiGatewayV2::Route
    Properties: {ApiId: !Ref Ws, RouteKey: $default, Target: !Sub "integrations/${WsIntegration}",
      RouteResponseSelectionExpression: $default}
  Response: {Type: AWS::ApiGatewayV2::RouteResponse,
    Properties: {ApiId: !Ref Ws, RouteId: !Ref Default, RouteResponseKey: $default}}
`), Options{})
	for name, out := range map[string]*Template{"SAM": sam, "written out": plain} {
		wantHTTP := []Route{{Key: "GET /a", Function: "F"}, {Key: "$default", Function: "F"}}
		wantWS := []Route{{Key: "$connect", Function: "F"}, {Key: "$default", Function: "F", Responds: true}}
		if out.Stage != "v1" || !reflect.DeepEqual(withoutLines(out.HTTP), wantHTTP) ||
			!reflect.DeepEqual(withoutLines(out.WebSocket), wantWS) {
			t.Errorf("%s: stage %s, HTTP %+v, WebSocket %+v", name, out.Stage, out.HTTP, out.WebSocket)
		}
	}
}

func withoutLines(routes []Route) []Route {
	for i := range routes {
		routes[i].Line = 0
	}
	return routes
}

func TestQueuesAndWhatTheyFeed(t *testing.T) {
	out := read(t, function(`
      Timeout: 30
      Events:
        Work:
          Type: SQS
          Properties:
            Queue: !GetAtt Work.Arn
            BatchSize: 5
            MaximumBatchingWindowInSeconds: 2
            FunctionResponseTypes: [ReportBatchItemFailures]
            ScalingConfig: {MaximumConcurrency: 3}
        Off: {Type: SQS, Properties: {Queue: !GetAtt Work.Arn, Enabled: false}}
        Tick: {Type: Schedule, Properties: {Schedule: rate(5 minutes), Input: "{}"}}
        Tock: {Type: ScheduleV2, Properties: {ScheduleExpression: rate(1 hour)}}
        Cron: {Type: Schedule, Properties: {Schedule: "cron(0 12 * * ? *)"}}
        Topic: {Type: SNS, Properties: {Topic: x}}
`, `
  Work:
    Type: AWS::SQS::Queue
    Properties:
      VisibilityTimeout: 60
      DelaySeconds: 3
      MessageRetentionPeriod: 120
      RedrivePolicy: {deadLetterTargetArn: !GetAtt Dead.Arn, maxReceiveCount: 4}
  Dead: {Type: AWS::SQS::Queue}
  Never: {Type: AWS::SQS::Queue, Condition: Prod}
  Other: {Type: AWS::Lambda::EventSourceMapping, Properties: {EventSourceArn: !GetAtt Dead.Arn, FunctionName: !Ref F}}
`), Options{})
	if want := []Queue{
		{
			ID: "Work", Name: "Work", Visibility: time.Minute, Delay: 3 * time.Second, Retention: 2 * time.Minute,
			DeadLetters: "Dead", MaxReceives: 4, Line: out.Queues[0].Line,
		},
		{ID: "Dead", Name: "Dead", Visibility: 30 * time.Second, Retention: 96 * time.Hour, Line: out.Queues[1].Line},
	}; !reflect.DeepEqual(out.Queues, want) {
		t.Errorf("queues = %+v, want %+v", out.Queues, want)
	}
	if want := []Mapping{
		{
			Queue: "Work", Function: "F", Batch: 5, Window: 2 * time.Second, Partial: true, Concurrency: 3,
			Line: out.Mappings[0].Line,
		},
		{Queue: "Dead", Function: "F", Batch: 10, Line: out.Mappings[1].Line},
	}; !reflect.DeepEqual(out.Mappings, want) {
		t.Errorf("mappings = %+v, want %+v", out.Mappings, want)
	}
	if s := out.Schedules; len(s) != 2 || s[0].Every != 5*time.Minute || s[0].Input != "{}" || s[1].Every != time.Hour {
		t.Errorf("schedules = %+v", s)
	}
	notes := strings.Join(out.Notes, "\n")
	if len(out.Notes) != 2 || !strings.Contains(notes, "Cron") || !strings.Contains(notes, "Topic of type SNS") ||
		!strings.Contains(notes, "t.yaml:") {
		t.Errorf("notes = %s", notes)
	}
}

// Routes of a WebSocket API may go straight to a queue, as their integration's template says.
func TestRoutesToAQueue(t *testing.T) {
	text := func(change ...string) string {
		resources := `
  Ws: {Type: AWS::ApiGatewayV2::Api, Properties: {ProtocolType: WEBSOCKET}}
  Q: {Type: AWS::SQS::Queue, Properties: {FifoQueue: true, DeduplicationScope: messageGroup}}
  Send:
    Type: AWS::ApiGatewayV2::Integration
    Properties:
      ApiId: !Ref Ws
      IntegrationType: AWS
      IntegrationMethod: POST
      CredentialsArn: role
      IntegrationUri: !Sub "arn:aws:apigateway:${AWS::Region}:sqs:path/${AWS::AccountId}/${Q.QueueName}"
      TemplateSelectionExpression: \$default
      RequestTemplates: {$default: "b=$input.body"}
  Call: {Type: AWS::ApiGatewayV2::Integration, Properties: {ApiId: !Ref Ws, IntegrationUri: !GetAtt F.Arn}}
  Default: {Type: AWS::ApiGatewayV2::Route,
    Properties: {ApiId: !Ref Ws, RouteKey: $default,
      Target: !If [Dev, !Sub "integrations/${Send}", !Sub "integrations/${Call}"]}}
`
		return function("", strings.NewReplacer(change...).Replace(resources))
	}
	out := read(t, text(), Options{Prefix: "p-"})
	if r := out.WebSocket[0]; r.Queue != "p-Q.fifo" || r.Mapping != "b=$input.body" || r.Function != "" {
		t.Errorf("route %+v", r)
	}
	if !out.Queues[0].GroupDedup {
		t.Error("deduplication is of the queue")
	}
	if r := read(t, text(), Options{Parameters: map[string]string{"Stage": "prod"}}).WebSocket[0]; r.Queue != "" ||
		r.Function != "F" {
		t.Errorf("by the condition: route %+v", r)
	}
	for _, tt := range [][3]string{
		{"$input.body", "$input.json('$')", "this is not emulated"},
		{"sqs:path", "sns:path", "only one with a queue of SQS is"},
		{"${Q.QueueName}", "other", `there is no queue "other"`},
		{"      CredentialsArn: role\n", "", "CredentialsArn is missing"},
		{`TemplateSelectionExpression: \$default`, "Description: x", "TemplateSelectionExpression is"},
	} {
		_, err := parse(text(tt[0], tt[1]), Options{})
		if err == nil || !strings.Contains(err.Error(), tt[2]) {
			t.Errorf("%q for %q: %v, want %q", tt[1], tt[0], err, tt[2])
		}
	}
}

func TestTable(t *testing.T) {
	out := read(t, `
Resources:
  T:
    Type: AWS::DynamoDB::Table
    Properties:
      AttributeDefinitions: [{AttributeName: a, AttributeType: S}, {AttributeName: b, AttributeType: N}]
      KeySchema: [{AttributeName: a, KeyType: HASH}, {AttributeName: b, KeyType: RANGE}]
      TimeToLiveSpecification: {AttributeName: ttl, Enabled: true}
`, Options{})
	want := Table{ID: "T", Name: "T", Hash: Attribute{"a", "S"}, Range: Attribute{"b", "N"}, TTL: "ttl", Line: 4}
	if got := out.Tables[0]; got != want {
		t.Errorf("table = %+v, want %+v", got, want)
	}
}

// rules is a template with one rule, R, about the parameter P, which is a.
func rules(rule string) string {
	return "Parameters:\n  P: {Type: String, Default: a}\nRules:\n  R: {" + rule + "}\nResources: {}"
}

// A rule that does not apply refuses nothing, nor does one whose assertions hold; and tests may read on in any case.
func TestRules(t *testing.T) {
	for _, rule := range []string{
		"RuleCondition: !Equals [!Ref P, c], Assertions: [{Assert: !Equals [!Ref P, b]}]",
		"Assertions: [{Assert: !Equals [!Ref P, a]}, {Assert: !Not [!Equals [!Ref P, b]]}]",
	} {
		read(t, rules(rule), Options{})
	}
	read(t, rules("Assertions: [{Assert: !Equals [!Ref P, b]}]"), Options{Unchecked: true})
	// All that is refused is told at once.
	_, err := parse(rules("Assertions: [{Assert: !Equals [!Ref P, b]}, {Assert: !Equals [!Ref P, c]}]"), Options{})
	if err == nil || strings.Count(err.Error(), "rule R") != 2 {
		t.Errorf("error %v, want two", err)
	}
}

// An alias stands for its function wherever a function is called.
func TestAlias(t *testing.T) {
	text := function(`
      Policies: [AWSLambdaSQSQueueExecutionRole]
`, `
  V: {Type: AWS::Lambda::Version, Properties: {FunctionName: !Ref F, Description: !GetAtt F.Arn}}
  A: {Type: AWS::Lambda::Alias, Properties: {FunctionName: !Ref F, FunctionVersion: !GetAtt V.Version, Name: live}}
  Q: {Type: AWS::SQS::Queue}
  M: {Type: AWS::Lambda::EventSourceMapping, Properties: {FunctionName: !Ref A, EventSourceArn: !GetAtt Q.Arn}}
  Permission: {Type: AWS::Lambda::Permission,
    Properties: {FunctionName: !Ref A, Action: lambda:InvokeFunction, Principal: apigateway.amazonaws.com}}
  Http: {Type: AWS::ApiGatewayV2::Api, Properties: {ProtocolType: HTTP}}
  Integration: {Type: AWS::ApiGatewayV2::Integration,
    Properties: {ApiId: !Ref Http, IntegrationUri: !Ref A, PayloadFormatVersion: "2.0"}}
  Route: {Type: AWS::ApiGatewayV2::Route,
    Properties: {ApiId: !Ref Http, RouteKey: $default, Target: !Sub "integrations/${Integration}"}}
`)
	out := read(t, text, Options{Prefix: "p-"})
	if out.Mappings[0].Function != "p-F" || out.HTTP[0].Function != "p-F" || out.HTTP[0].Denied != "" {
		t.Errorf("mapping %+v, route %+v", out.Mappings[0], out.HTTP[0])
	}
	f, err := Parse("t.yaml", "/dir", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	all, err := f.Resources(Options{Region: "cn-north-1"})
	if err != nil {
		t.Fatal(err)
	}
	properties := map[string]map[string]any{}
	for _, r := range all {
		properties[r.ID] = r.Properties
	}
	const arn = "arn:aws-cn:lambda:cn-north-1:000000000000:function:F"
	if got := properties["M"]["FunctionName"]; got != arn+":live" {
		t.Errorf("the mapping calls %v", got)
	}
	if got := properties["V"]["Description"]; got != arn || properties["A"]["FunctionVersion"] != "1" {
		t.Errorf("version %v, alias %v", properties["V"], properties["A"])
	}
}

// Every error names the file, the line and the resource.
func TestErrors(t *testing.T) {
	tests := []struct{ name, text, want string }{
		{"no YAML", "a: [", "t.yaml"},
		{"no mapping", "- a", "t.yaml:1: a template is a mapping"},
		{"no resources", "Parameters: {}", "t.yaml:1: there are no Resources"},
		{"no type", "Resources:\n  X: {}", "t.yaml:2: X: the resource has no Type"},
		{
			"parameter without default", "Parameters:\n  P: {Type: String}\nResources: {}",
			"t.yaml:2: P: the parameter has no default",
		},
		{
			"value not allowed", "Parameters:\n  P: {Type: String, Default: c, AllowedValues: [a, b]}\nResources: {}",
			`t.yaml:2: P: "c" is not among`,
		},
		{
			"value that the pattern refuses",
			"Parameters:\n  P: {Type: String, Default: ac, AllowedPattern: \"a|b\", ConstraintDescription: a or b}\nResources: {}",
			`t.yaml:2: P: "ac" is refused by the AllowedPattern a|b (a or b)`,
		},
		{
			"a line behind what the pattern allows",
			"Parameters:\n  P: {Type: String, Default: \"a\\n\", AllowedPattern: \"^a$\"}\nResources: {}",
			`t.yaml:2: P: "a\n" is refused by the AllowedPattern`,
		},
		{
			"pattern that is none",
			"Parameters:\n  P: {Type: String, Default: a, AllowedPattern: \"(\"}\nResources: {}",
			"t.yaml:2: P: the AllowedPattern is none",
		},
		{
			"number too small", "Parameters:\n  P: {Type: Number, Default: 1, MinValue: 2}\nResources: {}",
			`t.yaml:2: P: "1" is refused by the MinValue 2`,
		},
		{
			"number too great", "Parameters:\n  P: {Type: Number, Default: 3.5, MaxValue: 3}\nResources: {}",
			`t.yaml:2: P: "3.5" is refused by the MaxValue 3`,
		},
		{"no number", "Parameters:\n  P: {Type: Number, Default: x}\nResources: {}", `t.yaml:2: P: "x" is no number`},
		{
			"text too short", "Parameters:\n  P: {Type: String, Default: \"\", MinLength: 1}\nResources: {}",
			`t.yaml:2: P: "" is refused by the MinLength 1`,
		},
		{
			"text too long", "Parameters:\n  P: {Type: String, Default: abc, MaxLength: 2}\nResources: {}",
			`t.yaml:2: P: "abc" is refused by the MaxLength 2`,
		},
		{
			"rule", rules("Assertions: [{Assert: !Equals [!Ref P, b], AssertDescription: P is b}]"),
			"t.yaml:4: rule R: P is b",
		},
		{
			"rule without a word", rules("Assertions: [{Assert: !Equals [!Ref P, b]}]"),
			"t.yaml:4: rule R: an assertion does not hold",
		},
		{
			"rule that applies",
			rules("RuleCondition: !Equals [!Ref P, a], Assertions: [{Assert: !Equals [!Ref P, b]}]"),
			"t.yaml:4: rule R",
		},
		{
			"rule without an assertion", rules("Assertions: [{AssertDescription: x}]"),
			"rule R: an assertion has no Assert",
		},
		{
			"rule of a parameter that is not there", rules("Assertions: [{Assert: !Equals [!Ref Q, b]}]"),
			"rule R: there is no parameter or resource Q",
		},
		{
			"no queue for calls that fail",
			function("      EventInvokeConfig: {DestinationConfig: {OnFailure: {Type: SQS, Destination: x}}}\n", ""),
			`F: there is no standard queue "x" for calls that fail`,
		},
		{
			"unknown name", function("      Environment: {Variables: {X: !Ref Nobody}}\n", ""),
			"t.yaml:17: F: there is no parameter or resource Nobody",
		},
		{
			"unknown name in Sub", function("      Environment: {Variables: {X: !Sub \"${Nobody}\"}}\n", ""),
			"t.yaml:17: F: there is no parameter or resource Nobody",
		},
		{
			"unknown attribute", function("      Environment: {Variables: {X: !GetAtt F.Nothing}}\n", ""),
			"t.yaml:17: F: the attribute Nothing",
		},
		{
			"unknown function", function("      Environment: {Variables: {X: !FindInMap [a, b, c]}}\n", ""),
			"t.yaml:17: F: the function FindInMap",
		},
		{
			"unknown condition", function("      Timeout: !If [Nobody, 1, 2]\n", ""),
			"t.yaml:17: F: there is no condition Nobody",
		},
		{
			"circle",
			"Conditions:\n  A: !Condition B\n  B: !Condition A\nResources:\n  Q: {Type: AWS::SQS::Queue, Condition: A}",
			"depends on itself",
		},
		{
			"Sub without end", function("      Environment: {Variables: {X: !Sub \"${Stage\"}}\n", ""),
			"t.yaml:17: F: the text of Sub",
		},
		{
			"Select out of range", function("      Environment: {Variables: {X: !Select [7, !Ref List]}}\n", ""),
			"t.yaml:17: F: the Select of 7",
		},
		{
			"a list for a string", function("      Description: x\n      MemorySize: [1]\n", ""),
			"t.yaml:18: F: MemorySize must be a string",
		},
		{"out of bounds", function("      Timeout: 901\n", ""), `t.yaml:17: F: Timeout is "901", and must be 1 to 900`},
		{
			"missing",
			"Resources:\n  F:\n    Type: AWS::Serverless::Function\n    Properties: {Runtime: provided.al2023, Handler: x}",
			"t.yaml:3: F: CodeUri is missing",
		},
		{
			"runtime", strings.Replace(function("", ""), "provided.al2023", "python3.13", 1),
			"F: the runtime python3.13 is not emulated",
		},
		{"image", function("      PackageType: Image\n", ""), "F: functions from images"},
		{
			"FIFO by name",
			function("", "  Q: {Type: AWS::SQS::Queue, Properties: {FifoQueue: true, QueueName: q}}\n"),
			"Q: the name of a FIFO queue",
		},
		{
			"dead letters of another kind",
			function(
				"",
				"  Q: {Type: AWS::SQS::Queue, Properties: {FifoQueue: true, RedrivePolicy: {deadLetterTargetArn: !GetAtt D.Arn, maxReceiveCount: 1}}}\n  D: {Type: AWS::SQS::Queue}\n",
			),
			`Q: there is no queue "D" of the same kind`,
		},
		{
			"visibility",
			function(
				"      Timeout: 60\n      Events: {E: {Type: SQS, Properties: {Queue: !GetAtt Q.Arn}}}\n",
				"  Q: {Type: AWS::SQS::Queue}\n",
			),
			"t.yaml:18: F: the visibility timeout of Q is 30s",
		},
		{
			"no such queue", function("      Events: {E: {Type: SQS, Properties: {Queue: x}}}\n", ""),
			`F: there is no queue "x"`,
		},
		{
			"batch of a FIFO queue",
			function(
				"      Events: {E: {Type: SQS, Properties: {Queue: !GetAtt Q.Arn, BatchSize: 11}}}\n",
				"  Q: {Type: AWS::SQS::Queue, Properties: {FifoQueue: true}}\n",
			),
			"F: a FIFO queue delivers at most 10",
		},
		{
			"no such function",
			"Resources:\n  W:\n    Type: AWS::Serverless::WebSocketApi\n    Properties:\n      Routes:\n        $default: {FunctionArn: x}",
			`t.yaml:6: route $default: there is no function "x"`,
		},
		{
			"two APIs",
			function("", "  A: {Type: AWS::Serverless::HttpApi}\n  B: {Type: AWS::Serverless::HttpApi}\n"),
			"t.yaml:18: B: a second API",
		},
		{
			"route without API",
			function("", "  R: {Type: AWS::ApiGatewayV2::Route, Properties: {ApiId: x, RouteKey: $default}}\n"),
			"R: ApiId names no API",
		},
		{
			"key without definition",
			"Resources:\n  T:\n    Type: AWS::DynamoDB::Table\n    Properties:\n      KeySchema: [{AttributeName: a, KeyType: HASH}]",
			"t.yaml:5: T: the key a",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := parse(tt.text, Options{})
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("err = %v, want %q", err, tt.want)
			}
		})
	}
	_, err := parse(function("      Timeout: x\n      MemorySize: y\n", ""), Options{})
	if e, ok := errors.AsType[*Error](err); !ok || e.Resource != "F" || strings.Count(err.Error(), "\n") != 1 {
		t.Errorf("err = %v, want both mistakes", err)
	}
}

func TestOutputs(t *testing.T) {
	text := function("", `
  Http: {Type: AWS::Serverless::HttpApi}
  Ws: {Type: AWS::Serverless::WebSocketApi}
  Q: {Type: AWS::SQS::Queue}
Outputs:
  Page: {Description: a page, Value: !Sub "https://${Http}.execute-api.${AWS::Region}.${AWS::URLSuffix}/x"}
  Socket: {Value: !Sub "wss://${Ws}.execute-api.${AWS::Region}.amazonaws.com/v1"}
  Option: {Value: !Sub 'io({ hostname: "${Ws}.execute-api.${AWS::Region}.amazonaws.com", path: "/v1" })'}
  Host: {Value: !Sub "${Ws}.execute-api.${AWS::Region}.amazonaws.com"}
  Never: {Condition: Prod, Value: !GetAtt Nobody.Arn}
  Queue: {Condition: Dev, Value: !Ref Q}
`)
	one := []Output{
		{"Page", "http://base:1/x"},
		{"Socket", "ws://base:1/v1"},
		{"Option", `io({ hostname: "base", port: "1", path: "/v1" })`},
		{"Host", "base:1"},
		{"Queue", "http://base:1/000000000000/Q"},
	}
	if got := read(t, text, Options{BaseURL: "http://base:1"}).Outputs; !slices.Equal(got, one) {
		t.Errorf("outputs = %q, want %q", got, one)
	}
	two := []Output{
		{"Page", "http://base:1/x"},
		{"Socket", "ws://base:2/v1"},
		{"Option", `io({ hostname: "base", port: "2", path: "/v1" })`},
		{"Host", "base:2"},
		{"Queue", "http://base:1/000000000000/Q"},
	}
	if got := read(
		t, text, Options{BaseURL: "http://base:1", WebSocketURL: "http://base:2"},
	).Outputs; !slices.Equal(
		got, two,
	) {
		t.Errorf("outputs = %q, want %q", got, two)
	}
	for part, want := range map[string]string{
		"A: {}": "Value is missing", "A: {Value: !Ref Nobody}": "Nobody",
		"A: {Condition: Nobody, Value: x}": "no condition Nobody",
	} {
		_, err := parse(function("", "Outputs:\n  "+part+"\n"), Options{})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", part, err, want)
		}
	}
}

// The template of the project must stay readable: the person who changes it learns here what localdev makes of it.
func TestOurTemplate(t *testing.T) {
	out, err := Read(filepath.Join("..", "..", "template.yaml"), Options{BaseURL: "http://base", Prefix: "p-"})
	if err != nil {
		t.Fatal(err)
	}
	if len(out.Functions) < 6 || len(out.HTTP) < 1 || len(out.WebSocket) != 3 || len(out.Tables) != 1 ||
		len(out.Mappings) < 3 ||
		len(out.Notes) > 0 {
		t.Errorf("functions %d, HTTP routes %d, WebSocket routes %d, tables %d, mappings %d, notes %v",
			len(out.Functions), len(out.HTTP), len(out.WebSocket), len(out.Tables), len(out.Mappings), out.Notes)
	}
	for _, f := range out.Functions {
		if got := f.Environment["NONSTICK_MANAGEMENT_ENDPOINT"]; got != "http://base/"+out.Stage {
			t.Errorf("%s: management endpoint = %q", f.ID, got)
		}
		if f.Rights == nil {
			t.Errorf("%s: its rights are not known", f.ID)
		}
		if got := f.Environment["NONSTICK_TABLE"]; !strings.HasPrefix(f.Name, "p-") || !strings.HasPrefix(got, "p-") {
			t.Errorf("%s: name %s, table %s", f.ID, f.Name, got)
		}
	}
	for _, r := range slices.Concat(out.HTTP, out.WebSocket) {
		if r.Denied != "" {
			t.Errorf("route %s: %s", r.Key, r.Denied)
		}
	}
	for _, r := range out.WebSocket {
		if r.Responds || (r.Queue == "") != (r.Key == "$connect") {
			t.Errorf("route %s responds: %v, goes to the queue %q", r.Key, r.Responds, r.Queue)
		}
	}
}

// What companies set changes the rights of roles, and not which function calls which: the same stack runs here.
func TestOurTemplateForCompanies(t *testing.T) {
	file := filepath.Join("..", "..", "template.yaml")
	plain, err := Read(file, Options{})
	if err != nil {
		t.Fatal(err)
	}
	out, err := Read(file, Options{Parameters: map[string]string{
		"Release": "r1", "PollingProvisioned": "1", "WebSocketProvisioned": "2",
		"Tracing": "on", "LogFormat": "JSON",
		"ManagementEndpoint":  "https://push.example.com/ws",
		"PermissionsBoundary": "arn:aws:iam::000000000000:policy/p",
		"KmsKeyArn":           "arn:aws:kms:us-east-1:000000000000:key/k", "VpcSubnetIds": "subnet-12345678",
		"VpcSecurityGroupIds": "sg-12345678",
	}})
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(out.HTTP, plain.HTTP) || !reflect.DeepEqual(out.WebSocket, plain.WebSocket) ||
		!reflect.DeepEqual(out.Mappings, plain.Mappings) ||
		!reflect.DeepEqual(out.Queues, plain.Queues) {
		t.Errorf(
			"calls are %v %v %v, want %v %v %v", out.HTTP, out.WebSocket, out.Mappings, plain.HTTP, plain.WebSocket,
			plain.Mappings,
		)
	}
	for _, f := range out.Functions {
		if f.Environment["NONSTICK_MANAGEMENT_ENDPOINT"] != "https://push.example.com/ws" ||
			f.Environment["NONSTICK_RELEASE"] != "r1" {
			t.Errorf("%s: %v", f.ID, f.Environment)
		}
		if f.Rights == nil {
			t.Errorf("%s: its rights are not known", f.ID)
		}
	}
	if n := strings.Count(strings.Join(out.Notes, "\n"), "the permissions boundary is not evaluated"); n < 7 {
		t.Errorf("%d notes of the permissions boundary, want one for each role: %q", n, out.Notes)
	}
}

// Without order the frames go straight to a function, which answers them, and there is nothing of the queue.
func TestOurTemplateConcurrent(t *testing.T) {
	out, err := Read(
		filepath.Join("..", "..", "template.yaml"),
		Options{BaseURL: "http://base", Parameters: map[string]string{"Inbound": "concurrent"}},
	)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range out.WebSocket {
		if r.Function != "WebSocketFunction" || r.Queue != "" || r.Responds != (r.Key == "$default") ||
			r.Denied != "" {
			t.Errorf("route %+v", r)
		}
	}
	for _, q := range out.Queues {
		if strings.HasPrefix(q.ID, "Inbound") {
			t.Errorf("there is a queue %s", q.ID)
		}
	}
	for _, f := range out.Functions {
		if f.ID == "InboundFunction" {
			t.Error("there is an inbound function")
		}
	}
}
