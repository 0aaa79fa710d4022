//go:build unix

package laptop

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/lambda"

	"github.com/nonstick-io/nonstick/localdev/rights"
)

// launchRights runs localdev with the template whose functions may do different things.
func launchRights(t *testing.T) *process {
	t.Helper()
	dir, err := built()
	if err != nil {
		t.Fatal(err)
	}
	probes := t.TempDir()
	for _, id := range []string{"SomeFunction", "NoneFunction", "DeniedFunction", "UnknownFunction"} {
		if err := os.Symlink(filepath.Join(dir, "HttpFunction"), filepath.Join(probes, id)); err != nil {
			t.Fatal(err)
		}
	}
	dynamoDB := answering(t, http.StatusBadRequest, `{"__type":"UnrecognizedClientException"}`)
	p := launch(
		t, "--template", "testdata/rights/template.yaml", "--built", probes, "--logs", t.TempDir(),
		"--dynamodb-endpoint", dynamoDB.URL,
	)
	t.Cleanup(func() {
		select {
		case p.signals <- os.Interrupt:
		default:
		}
		p.wait(t)
	})
	return p
}

// calls has a function call a service, and returns the status code, the exception and the body of the answer.
func (p *process) calls(t *testing.T, function, request string) string {
	t.Helper()
	c := lambda.New(lambda.Options{Region: "us-east-1", BaseEndpoint: &p.url, Credentials: credentials})
	res, err := c.Invoke(t.Context(), &lambda.InvokeInput{FunctionName: &function, Payload: []byte(request)})
	var answer string
	if err != nil || json.Unmarshal(res.Payload, &answer) != nil {
		t.Fatalf("%s: %+v, %v", function, res, err)
	}
	return answer
}

// What a function may do is what its role says, at each service. A caller that is no function may do everything.
func TestStackRights(t *testing.T) {
	p := launchRights(t)
	sqs := func(action, name string) string {
		body := fmt.Sprintf(`{"QueueUrl":"%s000000000000/%s","MessageBody":"x","ReceiptHandle":"x"}`, p.url, name)
		return order("do", "call", "method", "POST", "path", "/", "target", "AmazonSQS."+action, "request", body)
	}
	connection := func(method string) string {
		return order("do", "call", "method", method, "path", "/v1/@connections/AAAAAAAAAAAAAAA=", "request", "x")
	}
	invoke := func(name string) string {
		return order("do", "call", "method", "POST", "path", "/2015-03-31/functions/"+name+"/invocations")
	}
	table := func(action string) string {
		return order(
			"do", "call", "method", "POST", "of", "AWS_ENDPOINT_URL_DYNAMODB", "path", "/", "target",
			"DynamoDB_20120810."+action, "request", `{"TableName":"T"}`,
		)
	}
	const (
		taken, gone = `200  {"`, `410 GoneException `
		queues      = "arn:aws:sqs:us-east-1:000000000000:"
		functions   = "arn:aws:lambda:us-east-1:000000000000:function:"
		api         = "arn:aws:execute-api:us-east-1:********0000:WebSocketApi/v1/"
		implicit    = ` because no identity-based policy allows the %s action"`
	)
	refused := func(key, role, function, action, resource, why string) string {
		if strings.Contains(why, "%s") {
			why = fmt.Sprintf(why, action)
		}
		return fmt.Sprintf(
			`"%s":"User: arn:aws:sts::000000000000:assumed-role/%s/%s is not authorized to perform: %s on resource: %s%s`,
			key, role, function, action, resource, why,
		)
	}
	some := func(action, resource, why string) string {
		return refused("Message", "SomeRole", "SomeFunction", action, resource, why)
	}
	none := func(action, resource, why string) string {
		return refused("Message", "NoneFunctionRole", "NoneFunction", action, resource, why)
	}
	tests := []struct {
		function, name, request, status, want string
	}{
		{"SomeFunction", "send", sqs("SendMessage", "Work"), taken, ""},
		{
			"SomeFunction", "send to another queue", sqs("SendMessage", "Other"), "403 ",
			some("sqs:sendmessage", queues+"Other", implicit),
		},
		{"SomeFunction", "attributes", sqs("GetQueueAttributes", "Work"), taken, ""},
		{
			"SomeFunction", "receive", sqs("ReceiveMessage", "Work"), "403 ",
			some("sqs:receivemessage", queues+"Work", implicit),
		},
		{
			"SomeFunction", "delete", sqs("DeleteMessage", "Work"), "403 ",
			some("sqs:deletemessage", queues+"Work", implicit),
		},
		{"SomeFunction", "push", connection("POST"), gone, ""},
		{
			"SomeFunction", "close", connection("DELETE"), "403 AccessDeniedException ",
			some("execute-api:ManageConnections", api+"DELETE/@connections/{connectionId}", `"`),
		},
		{"SomeFunction", "invoke", invoke("NoneFunction"), "200 ", ""},
		{
			"SomeFunction", "invoke another", invoke("DeniedFunction"), "403 AccessDeniedException ",
			some("lambda:InvokeFunction", functions+"DeniedFunction", implicit),
		},
		{
			"SomeFunction", "invoke an alias", invoke("NoneFunction:live"), "403 AccessDeniedException ",
			some("lambda:InvokeFunction", functions+"NoneFunction:live", implicit),
		},
		{"SomeFunction", "read an item", table("GetItem"), `400  {"__type":"UnrecognizedClientException"}`, ""},
		{
			"SomeFunction", "write an item", table("PutItem"), "400 ",
			some("dynamodb:PutItem", "arn:aws:dynamodb:us-east-1:000000000000:table/T", implicit),
		},
		{
			"NoneFunction", "send", sqs("SendMessage", "Work"), "403 ",
			none("sqs:sendmessage", queues+"Work", implicit),
		},
		{
			"NoneFunction", "push", connection("POST"), "403 AccessDeniedException ",
			none("execute-api:ManageConnections", api+"POST/@connections/{connectionId}", `"`),
		},
		{
			"NoneFunction", "invoke", invoke("SomeFunction"), "403 AccessDeniedException ",
			none("lambda:InvokeFunction", functions+"SomeFunction", implicit),
		},
		{"DeniedFunction", "receive", sqs("ReceiveMessage", "Other"), `200  {`, ""},
		{
			"DeniedFunction", "send", sqs("SendMessage", "Work"), "403 ",
			refused("Message", "DeniedFunctionRole", "DeniedFunction", "sqs:sendmessage", queues+"Work",
				` with an explicit deny in an identity-based policy"`),
		},
		{"UnknownFunction", "send", sqs("SendMessage", "Work"), taken, ""},
		{"UnknownFunction", "push", connection("POST"), gone, ""},
	}
	for _, tt := range tests {
		t.Run(tt.function+" "+tt.name, func(t *testing.T) {
			got := p.calls(t, tt.function, tt.request)
			if !strings.HasPrefix(got, tt.status) || !strings.Contains(got, tt.want) {
				t.Errorf("answer = %s\nwant     %s... %s", got, tt.status, tt.want)
			}
		})
	}
	t.Run("other callers", func(t *testing.T) {
		p.send(t, "Work", "", order("text", "x"))
	})
	t.Run("said once", func(t *testing.T) { rightsAreToldOnce(t, p) })
	t.Run("routes", func(t *testing.T) { routesWithoutRights(t, p) })
}

// rightsAreToldOnce looks for what localdev tells the developer: a line for each right that is missing, with the place
// of the role, and a row for each that was used.
func rightsAreToldOnce(t *testing.T, p *process) {
	calls := func() {
		p.calls(t, "NoneFunction", order("do", "call", "method", "POST", "path", "/v1/@connections/AAAAAAAAAAAAAAA="))
	}
	calls()
	calls()
	const line = `role="NoneFunctionRole (testdata/rights/template.yaml:`
	var pushes int
	for l := range strings.Lines(p.stderr.String()) {
		if strings.Contains(l, line) && strings.Contains(l, "execute-api:ManageConnections") {
			pushes++
		}
	}
	if pushes != 1 {
		t.Errorf("%d lines of the right, want one: %s", pushes, p.stderr)
	}
	if !strings.Contains(p.stderr.String(), "statement=testdata/rights/template.yaml:") {
		t.Errorf("the statement that denies has no place: %s", p.stderr)
	}
	var state struct{ Rights []rights.Use }
	_, body := p.get(t, "localdev/state")
	if err := json.Unmarshal([]byte(body), &state); err != nil {
		t.Fatal(err)
	}
	used := map[string]int64{}
	for _, u := range state.Rights {
		_, function, _ := strings.Cut(u.Principal, "Role/")
		used[fmt.Sprint(function, " ", u.Action, " ", u.Denied)] += u.Calls
	}
	if used["NoneFunction execute-api:ManageConnections true"] != 3 ||
		used["SomeFunction sqs:SendMessage false"] != 1 ||
		used["UnknownFunction sqs:SendMessage false"] != 0 {
		t.Errorf("rights = %v", used)
	}
}

// routesWithoutRights has requests come to routes whose function or queue API Gateway may not call.
func routesWithoutRights(t *testing.T, p *process) {
	if status, body := p.post(t, "some", order("text", "hello")); status != http.StatusOK || body != `"hello"` {
		t.Errorf("with a permission: %d %s", status, body)
	}
	if status, body := p.post(t, "none", order("text", "hello")); status != http.StatusInternalServerError ||
		body != `{"message":"Internal Server Error"}` {
		t.Errorf("without a permission: %d %s", status, body)
	}
	conn := p.dial(t, "v1")
	write(t, conn, "hello")
	if got := text(t, conn); !strings.Contains(got, `"message": "Internal server error"`) &&
		!strings.Contains(got, `"message":"Internal server error"`) {
		t.Errorf("frame = %s, want the error frame", got)
	}
	if n := p.queued(t, "Work"); n != 3 {
		t.Errorf("%d messages in the queue, want those of the functions and of the test", n)
	}
	for _, want := range []string{
		`route=$default error="User: arn:aws:sts::000000000000:assumed-role/ApiRole/BackplaneAssumeRoleSession`,
		`route="ANY /none" error="no AWS::Lambda::Permission lets apigateway.amazonaws.com call NoneFunction for HttpApi"`,
	} {
		if !strings.Contains(p.stderr.String(), want) {
			t.Errorf("it said %s\nwant    %s", p.stderr, want)
		}
	}
}

// A template that lacks a right without which AWS makes no stack does not start: each of ours.
func TestRefusedRoles(t *testing.T) {
	template, err := os.ReadFile("../../template.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ name, role, lacks, instead, want string }{
		{
			"websocket", "WebSocketRole", "sqs:ReceiveMessage, ", "",
			"WebSocketRole (%s) does not allow sqs:ReceiveMessage on arn:aws:sqs:us-east-1:000000000000:OpenQueue",
		},
		{
			"inbound", "InboundRole", "sqs:DeleteMessage, ", "",
			"InboundRole (%s) does not allow sqs:DeleteMessage on arn:aws:sqs:us-east-1:000000000000:InboundQueue.fifo",
		},
		{
			"heartbeat", "HeartbeatRole", "sqs:GetQueueAttributes, ", "",
			"HeartbeatRole (%s) does not allow sqs:GetQueueAttributes on arn:aws:sqs:us-east-1:000000000000:HeartbeatQueue",
		},
		{
			"close", "CloseRole", "sqs:ReceiveMessage, ", "",
			"CloseRole (%s) does not allow sqs:ReceiveMessage on arn:aws:sqs:us-east-1:000000000000:ClosesQueue",
		},
		{
			"fanout", "FanoutRole", "sqs:ReceiveMessage, ", "",
			"FanoutRole (%s) does not allow sqs:ReceiveMessage on arn:aws:sqs:us-east-1:000000000000:FanoutQueue.fifo",
		},
		{
			"emit", "EmitRole", ", !GetAtt DeadLetters.Arn", "",
			"EmitRole (%s) does not allow sqs:SendMessage on arn:aws:sqs:us-east-1:000000000000:DeadLetters",
		},
		{
			"trust", "PollingRole", "Service: lambda.amazonaws.com", "Service: ec2.amazonaws.com",
			"PollingRole (%s) cannot be assumed by Lambda",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			before, after, ok := strings.Cut(string(template), "\n  "+tt.role+":\n")
			if !ok || !strings.Contains(after, tt.lacks) {
				t.Fatalf("the template has no %s with %q", tt.role, tt.lacks)
			}
			file := filepath.Join(t.TempDir(), "template.yaml")
			text := before + "\n  " + tt.role + ":\n" + strings.Replace(after, tt.lacks, tt.instead, 1)
			if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			line := fmt.Sprintf("%s:%d", file, strings.Count(before, "\n")+3)
			var out, errOut bytes.Buffer
			code := run(
				[]string{"--addr", "127.0.0.1:0", "--template", file, "--built", t.TempDir()}, environment{}.lookup,
				&out, &errOut, nil,
			)
			if want := fmt.Sprintf(tt.want, line); code != exitFailed || !strings.Contains(errOut.String(), want) {
				t.Errorf("exit code = %d, it said %s\nwant %s", code, errOut.String(), want)
			}
		})
	}
}
