package functions

import (
	"context"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/nonstick-io/nonstick/functions/internal/boot"
	"github.com/nonstick-io/nonstick/localdev/template"
	"github.com/nonstick-io/nonstick/sessionstore/dynamostore"
)

// Every function starts with the defaults, and every variable is read by one.
func TestFunctionsStartWithTheDefaults(t *testing.T) {
	set := defaults(t, open(t))
	var names []string
	for id, env := range set {
		names = append(names, env[Variable])
		if !strings.EqualFold(env[Variable]+"Function", id) {
			t.Errorf("%s is the function %q", id, env[Variable])
		}
	}
	slices.Sort(names)
	if !slices.Equal(names, Names()) {
		t.Fatalf("the template has the functions %q, want %q", names, Names())
	}
	read := map[string]bool{}
	for id := range set {
		err := boot.Check(build(testApps), func(name string) (string, bool) {
			read[name] = true
			if v, ok := platform[name]; ok {
				return v, true
			}
			v, ok := set[id][name]
			return v, ok
		})
		if err != nil {
			t.Errorf("%s: %v", id, err)
		}
	}
	for id, env := range set {
		for name := range env {
			if !read[name] {
				t.Errorf("no function reads %s of %s", name, id)
			}
		}
	}
}

// resources are those of the stack, by their ids.
func resources(t *testing.T, parameters map[string]string) map[string]template.Resource {
	t.Helper()
	list, err := open(t).Resources(template.Options{Parameters: parameters})
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]template.Resource{}
	for _, r := range list {
		all[r.ID] = r
	}
	return all
}

// texts makes a list of a text or a list of texts.
func texts(v any) []string {
	list, ok := v.([]any)
	if !ok {
		return []string{v.(string)}
	}
	var all []string
	for _, e := range list {
		all = append(all, e.(string))
	}
	return all
}

// statements returns what a role allows: actions by resource.
func statements(role template.Resource) map[string][]string {
	all := map[string][]string{}
	for _, p := range role.Properties["Policies"].([]any) {
		document := p.(map[string]any)["PolicyDocument"].(map[string]any)
		for _, s := range document["Statement"].([]any) {
			statement := s.(map[string]any)
			for _, resource := range texts(statement["Resource"]) {
				all[resource] = append(all[resource], texts(statement["Action"])...)
			}
		}
	}
	return all
}

// What the roles allow is what the functions call, and what the parameters switch on.
func TestRoles(t *testing.T) {
	const key = "arn:aws:kms:us-east-1:000000000000:key/1"
	all := map[string]string{
		"KmsKeyArn": key, "Tracing": "on", "VpcSubnetIds": "subnet-12345678", "VpcSecurityGroupIds": "sg-12345678",
	}
	t.Run("defaults", func(t *testing.T) { testRoles(t, resources(t, nil), nil) })
	t.Run("all", func(t *testing.T) {
		testRoles(t, resources(t, all), map[string][]string{
			key: {"kms:Decrypt", "kms:GenerateDataKey"},
			"*": {
				"ec2:CreateNetworkInterface", "ec2:DescribeNetworkInterfaces", "ec2:DescribeSubnets",
				"ec2:DeleteNetworkInterface", "ec2:AssignPrivateIpAddresses", "ec2:UnassignPrivateIpAddresses",
				"xray:PutTraceSegments", "xray:PutTelemetryRecords",
			},
		})
	})
}

func testRoles(t *testing.T, stack map[string]template.Resource, more map[string][]string) {
	t.Helper()
	var calls []string
	client := reflect.TypeFor[dynamostore.Client]()
	for i := range client.NumMethod() {
		calls = append(calls, "dynamodb:"+client.Method(i).Name)
	}
	receive := []string{"sqs:DeleteMessage", "sqs:GetQueueAttributes", "sqs:ReceiveMessage"}
	send, again := []string{"sqs:SendMessage"}, []string{"sqs:ChangeMessageVisibility"}
	const arn = ":us-east-1:000000000000:"
	const connections = "arn:aws:execute-api" + arn + "WebSocketApi/v1/"
	queues := map[string]map[string][]string{
		"PollingFunction": {"HeartbeatQueue": send, "FanoutQueue.fifo": send, "ClosesQueue": send},
		"WebSocketFunction": {
			"HeartbeatQueue": send, "FanoutQueue.fifo": send, "ClosesQueue": send,
			"OpenQueue": slices.Concat(send, receive),
		},
		"HeartbeatFunction": {"HeartbeatQueue": slices.Concat(send, receive, again), "ClosesQueue": send},
		"CloseFunction":     {"ClosesQueue": slices.Concat(send, receive), "FanoutQueue.fifo": send},
		"InboundFunction": {
			"HeartbeatQueue": send, "FanoutQueue.fifo": send, "ClosesQueue": send,
			"InboundQueue.fifo": receive,
		},
		"FanoutFunction": {"FanoutQueue.fifo": slices.Concat(receive, again), "ClosesQueue": send},
		"EmitFunction":   {"FanoutQueue.fifo": send, "ClosesQueue": send, "DeadLetters": send},
	}
	for id, ofQueues := range queues {
		name := strings.TrimSuffix(id, "Function")
		if got, want := stack[id].Properties["Role"], "arn:aws:iam::000000000000:role/"+name+"Role"; got != want {
			t.Errorf("%s has the role %s, want %s", id, got, want)
		}
		want := map[string][]string{
			"arn:aws:logs" + arn + "log-group:" + name + "Logs:*": {
				"logs:CreateLogStream", "logs:PutLogEvents",
			},
			"arn:aws:dynamodb" + arn + "table/Table": calls,
			connections + "POST/@connections/*":      {"execute-api:ManageConnections"},
			connections + "DELETE/@connections/*":    {"execute-api:ManageConnections"},
		}
		for queue, actions := range ofQueues {
			want["arn:aws:sqs"+arn+queue] = actions
		}
		for resource, actions := range more {
			want[resource] = actions
		}
		got := statements(stack[name+"Role"])
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

func (c *tableClient) CreateTable(
	_ context.Context, in *dynamodb.CreateTableInput, _ ...func(*dynamodb.Options),
) (*dynamodb.CreateTableOutput, error) {
	c.create = in
	return &dynamodb.CreateTableOutput{}, nil
}

func (c *tableClient) DescribeTable(
	context.Context, *dynamodb.DescribeTableInput, ...func(*dynamodb.Options),
) (*dynamodb.DescribeTableOutput, error) {
	return &dynamodb.DescribeTableOutput{Table: &types.TableDescription{TableStatus: types.TableStatusActive}}, nil
}

func (c *tableClient) UpdateTimeToLive(
	_ context.Context, in *dynamodb.UpdateTimeToLiveInput, _ ...func(*dynamodb.Options),
) (*dynamodb.UpdateTimeToLiveOutput, error) {
	c.ttl = in
	return &dynamodb.UpdateTimeToLiveOutput{}, nil
}

// The template makes the table that the store would make for itself.
func TestTable(t *testing.T) {
	var c tableClient
	if err := dynamostore.CreateTable(t.Context(), &c, "table"); err != nil {
		t.Fatal(err)
	}
	var keys, attributes []any
	for _, k := range c.create.KeySchema {
		keys = append(keys, map[string]any{"AttributeName": *k.AttributeName, "KeyType": string(k.KeyType)})
	}
	for _, a := range c.create.AttributeDefinitions {
		attributes = append(
			attributes, map[string]any{"AttributeName": *a.AttributeName, "AttributeType": string(a.AttributeType)},
		)
	}
	table := resources(t, nil)["Table"].Properties
	for name, want := range map[string]any{
		"KeySchema": keys, "AttributeDefinitions": attributes, "BillingMode": string(c.create.BillingMode),
		"TimeToLiveSpecification": map[string]any{
			"AttributeName": *c.ttl.TimeToLiveSpecification.AttributeName, "Enabled": "true",
		},
	} {
		if !reflect.DeepEqual(table[name], want) {
			t.Errorf("%s is %v, want %v", name, table[name], want)
		}
	}
}
