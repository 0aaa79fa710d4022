package functions

import (
	"context"
	"log/slog"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"go.yaml.in/yaml/v3"

	"github.com/nonstick-io/nonstick/functions/internal/boot"
	"github.com/nonstick-io/nonstick/functions/internal/emitting"
	"github.com/nonstick-io/nonstick/functions/internal/serve"
	"github.com/nonstick-io/nonstick/sessionstore/dynamostore"
	"github.com/nonstick-io/nonstick/sessionstore/memstore"
)

// node is a part of the template; a missing one is empty.
type node struct{ *yaml.Node }

func (n node) at(path ...string) node {
	for _, key := range path {
		n = n.child(key)
	}
	return n
}

func (n node) child(key string) node {
	if n.Node == nil {
		return n
	}
	if n.Kind == yaml.AliasNode {
		return node{n.Alias}.child(key)
	}
	for i := 0; i+1 < len(n.Content) && n.Kind == yaml.MappingNode; i += 2 {
		if n.Content[i].Value == key {
			return node{n.Content[i+1]}
		}
	}
	return node{}
}

// each calls f for every entry of a mapping.
func (n node) each(f func(key string, v node)) {
	for i := 0; n.Node != nil && i+1 < len(n.Content); i += 2 {
		f(n.Content[i].Value, node{n.Content[i+1]})
	}
}

// list returns the elements of a sequence, aliases followed.
func (n node) list() []node {
	var all []node
	if n.Node == nil {
		return nil
	}
	for _, c := range n.Content {
		if c.Kind == yaml.AliasNode {
			c = c.Alias
		}
		all = append(all, node{c})
	}
	return all
}

func (n node) value() string {
	if n.Node == nil {
		return ""
	}
	return n.Value
}

func (n node) number(t *testing.T) int {
	t.Helper()
	v, err := strconv.Atoi(n.value())
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// template is the template of the repository.
func template(t *testing.T) node {
	t.Helper()
	b, err := os.ReadFile("../template.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var doc yaml.Node
	if err := yaml.Unmarshal(b, &doc); err != nil {
		t.Fatal(err)
	}
	return node{doc.Content[0]}
}

// builds are the functions by their names in the template.
var builds = map[string]boot.Build{
	"PollingFunction": serve.Polling, "WebSocketFunction": serve.WebSocket, "HeartbeatFunction": serve.Heartbeat,
	"CloseFunction": serve.Close, "InboundFunction": serve.Inbound, "FanoutFunction": emitting.Fanout, "EmitFunction": emitting.Emit,
}

// functionsOf returns the functions of the template.
func functionsOf(t *testing.T, tmpl node) map[string]node {
	t.Helper()
	all := map[string]node{}
	tmpl.at("Resources").each(func(id string, r node) {
		if r.at("Type").value() == "AWS::Serverless::Function" {
			all[id] = r.at("Properties")
		}
	})
	if len(all) != len(builds) {
		t.Fatalf("%d functions in the template, want %d", len(all), len(builds))
	}
	return all
}

// environment is the functions' as a deployment with no parameter changed has it.
func environment(t *testing.T, tmpl node) map[string]string {
	t.Helper()
	env := map[string]string{}
	tmpl.at("Globals", "Function", "Environment", "Variables").each(func(name string, v node) {
		parameter := tmpl.at("Parameters", v.value())
		switch {
		case v.Tag == "!Ref" && parameter.Node != nil:
			env[name] = parameter.at("Default").value()
		case v.Tag == "!Ref" && strings.HasSuffix(v.value(), "Queue"):
			env[name] = "https://sqs.eu-central-1.amazonaws.com/123456789012/" + v.value()
		case v.Tag == "!Sub":
			env[name] = regexp.MustCompile(`\$\{[^}]*\}`).ReplaceAllString(v.value(), "x")
		default:
			env[name] = v.value()
		}
	})
	if len(env) < 10 {
		t.Fatalf("environment %v", env)
	}
	return env
}

func TestFunctionsStartWithTheDefaults(t *testing.T) {
	env := environment(t, template(t))
	env["NONSTICK_INBOUND_QUEUE"] = "https://sqs.eu-central-1.amazonaws.com/123456789012/InboundQueue.fifo" // of one function alone
	read := map[string]bool{"NONSTICK_TABLE": true, "NONSTICK_LOG_LEVEL": true, "NONSTICK_METRICS": true}   // of every function
	for id, build := range builds {
		p := &boot.Parts{
			Env: boot.NewEnv(func(name string) (string, bool) {
				read[name] = true
				v, ok := env[name]
				return v, ok
			}),
			Log: slog.New(slog.DiscardHandler), Store: memstore.New(memstore.Options{}),
		}
		build(p)
		if err := p.Env.Err(); err != nil {
			t.Errorf("%s: %v", id, err)
		}
	}
	for name := range env {
		if !read[name] {
			t.Errorf("no function reads %s", name)
		}
	}
}

// The HTTP API gives up after 30 s, the WebSocket API after 29 s. A message that becomes visible while its
// function still works would be worked on twice at a time.
func TestTimes(t *testing.T) {
	tmpl := template(t)
	most := map[string]int{"PollingFunction": 29, "WebSocketFunction": 28}
	for id, f := range functionsOf(t, tmpl) {
		timeout := f.at("Timeout").number(t)
		if limit, ok := most[id]; ok && timeout > limit {
			t.Errorf("%s may take %d s, the API waits for less", id, timeout)
		}
		f.at("Events").each(func(name string, e node) {
			queue, _, _ := strings.Cut(e.at("Properties", "Queue").value(), ".")
			visibility := tmpl.at("Resources", queue, "Properties", "VisibilityTimeout").number(t)
			if visibility <= timeout {
				t.Errorf("%s: messages of %s become visible after %d s, the function may take %d s", id, queue, visibility, timeout)
			}
			if got := e.at("Properties", "FunctionResponseTypes").list(); len(got) != 1 || got[0].value() != "ReportBatchItemFailures" {
				t.Errorf("%s: what the function says of %s is not listened to", id, name)
			}
		})
	}
	tmpl.at("Resources").each(func(id string, r node) {
		dead := strings.HasSuffix(id, "DeadLetters")
		if r.at("Type").value() == "AWS::SQS::Queue" && !dead && r.at("Properties", "RedrivePolicy").Node == nil {
			t.Errorf("%s has no queue for dead letters", id)
		}
	})
}

// statements returns what a role allows: actions by resource.
func statements(role node) map[string][]string {
	all := map[string][]string{}
	for _, p := range role.at("Properties", "Policies").list() {
		for _, s := range p.at("PolicyDocument", "Statement").list() {
			var actions []string
			if list := s.at("Action").list(); len(list) > 0 {
				for _, a := range list {
					actions = append(actions, a.value())
				}
			} else {
				actions = []string{s.at("Action").value()}
			}
			resources := s.at("Resource").list()
			if len(resources) == 0 {
				resources = []node{s.at("Resource")}
			}
			for _, r := range resources {
				all[r.value()] = append(all[r.value()], actions...)
			}
		}
	}
	return all
}

func TestRoles(t *testing.T) {
	tmpl := template(t)
	var calls []string
	client := reflect.TypeFor[dynamostore.Client]()
	for i := range client.NumMethod() {
		calls = append(calls, "dynamodb:"+client.Method(i).Name)
	}
	receive := []string{"sqs:DeleteMessage", "sqs:GetQueueAttributes", "sqs:ReceiveMessage"}
	send := []string{"sqs:SendMessage"}
	const connections = "arn:${AWS::Partition}:execute-api:${AWS::Region}:${AWS::AccountId}:${WebSocketApi}/v1/"
	extra := map[string]map[string][]string{
		"PollingFunction":   {"HeartbeatQueue.Arn": send, "FanoutQueue.Arn": send, "ClosesQueue.Arn": send},
		"WebSocketFunction": {"HeartbeatQueue.Arn": send, "FanoutQueue.Arn": send, "ClosesQueue.Arn": send, "OpenQueue.Arn": append(slices.Clone(send), receive...)},
		"HeartbeatFunction": {"HeartbeatQueue.Arn": append(slices.Clone(send), receive...), "ClosesQueue.Arn": send},
		"CloseFunction":     {"ClosesQueue.Arn": append(slices.Clone(send), receive...), "FanoutQueue.Arn": send},
		"InboundFunction":   {"HeartbeatQueue.Arn": send, "FanoutQueue.Arn": send, "ClosesQueue.Arn": send, "InboundQueue.Arn": receive},
		"FanoutFunction":    {"FanoutQueue.Arn": receive, "ClosesQueue.Arn": send},
		"EmitFunction":      {"FanoutQueue.Arn": send, "ClosesQueue.Arn": send},
	}
	for id, f := range functionsOf(t, tmpl) {
		name := strings.TrimSuffix(id, "Function")
		if got := f.at("Role").value(); got != name+"Role.Arn" {
			t.Errorf("%s has the role %s", id, got)
		}
		want := map[string][]string{
			name + "Logs.Arn": {"logs:CreateLogStream", "logs:PutLogEvents"}, "Table.Arn": calls,
			connections + "POST/@connections/*":   {"execute-api:ManageConnections"},
			connections + "DELETE/@connections/*": {"execute-api:ManageConnections"},
		}
		for resource, actions := range extra[id] {
			want[resource] = actions
		}
		got := statements(tmpl.at("Resources", name+"Role"))
		for _, m := range []map[string][]string{got, want} {
			for _, actions := range m {
				slices.Sort(actions)
			}
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%s may do\n%v, want\n%v", id, got, want)
		}
	}
}

// tableClient keeps what a table is made of.
type tableClient struct {
	create *dynamodb.CreateTableInput
	ttl    *dynamodb.UpdateTimeToLiveInput
}

func (c *tableClient) CreateTable(_ context.Context, in *dynamodb.CreateTableInput, _ ...func(*dynamodb.Options)) (*dynamodb.CreateTableOutput, error) {
	c.create = in
	return &dynamodb.CreateTableOutput{}, nil
}

func (c *tableClient) DescribeTable(context.Context, *dynamodb.DescribeTableInput, ...func(*dynamodb.Options)) (*dynamodb.DescribeTableOutput, error) {
	return &dynamodb.DescribeTableOutput{Table: &types.TableDescription{TableStatus: types.TableStatusActive}}, nil
}

func (c *tableClient) UpdateTimeToLive(_ context.Context, in *dynamodb.UpdateTimeToLiveInput, _ ...func(*dynamodb.Options)) (*dynamodb.UpdateTimeToLiveOutput, error) {
	c.ttl = in
	return &dynamodb.UpdateTimeToLiveOutput{}, nil
}

// The template makes the table that the store would make for itself.
func TestTable(t *testing.T) {
	var c tableClient
	if err := dynamostore.CreateTable(t.Context(), &c, "table"); err != nil {
		t.Fatal(err)
	}
	table := template(t).at("Resources", "Table", "Properties")
	for i, k := range table.at("KeySchema").list() {
		if want := c.create.KeySchema[i]; k.at("AttributeName").value() != *want.AttributeName || k.at("KeyType").value() != string(want.KeyType) {
			t.Errorf("key %d is %s %s", i, k.at("AttributeName").value(), k.at("KeyType").value())
		}
	}
	for i, a := range table.at("AttributeDefinitions").list() {
		if want := c.create.AttributeDefinitions[i]; a.at("AttributeName").value() != *want.AttributeName || a.at("AttributeType").value() != string(want.AttributeType) {
			t.Errorf("attribute %d is %s %s", i, a.at("AttributeName").value(), a.at("AttributeType").value())
		}
	}
	if got := table.at("TimeToLiveSpecification", "AttributeName").value(); got != *c.ttl.TimeToLiveSpecification.AttributeName {
		t.Errorf("items live until %s", got)
	}
	if got := table.at("BillingMode").value(); got != string(c.create.BillingMode) {
		t.Errorf("billed by %s", got)
	}
}

// The patterns of parameters take what the functions take.
func TestParameters(t *testing.T) {
	tests := []struct {
		name     string
		yes, not []string
	}{
		{"PingInterval", []string{"300ms", "25s", "5m"}, []string{"", "0s", "25", "s", "1h", "-1s"}},
		{"PollHold", []string{"1s", "25s"}, []string{"0s", "26s", "1m"}},
		{"ConnectTimeout", []string{"0s", "45s"}, []string{"", "45"}},
		{"CorsOrigin", []string{"off", "*", "https://a.example", "https://a.example, http://localhost:3000"}, []string{"", "a.example", "*,https://a.example", "https://a.example/", "https://*.example"}},
		{"App", []string{"chat", "my-app"}, []string{"", "Chat", "-"}},
		{"JwtIssuer", []string{"", "https://issuer.example/x"}, []string{"http://issuer.example", "issuer"}},
	}
	tmpl := template(t)
	for _, tt := range tests {
		p := tmpl.at("Parameters", tt.name)
		pattern := regexp.MustCompile(p.at("AllowedPattern").value())
		for _, v := range append(tt.yes, p.at("Default").value()) {
			if !pattern.MatchString(v) {
				t.Errorf("%s does not take %q", tt.name, v)
			}
		}
		for _, v := range tt.not {
			if pattern.MatchString(v) {
				t.Errorf("%s takes %q", tt.name, v)
			}
		}
	}
	tmpl.at("Parameters").each(func(name string, p node) {
		if p.at("Description").value() == "" || p.at("Default").Node == nil {
			t.Errorf("%s has no description, or no default", name)
		}
	})
}
