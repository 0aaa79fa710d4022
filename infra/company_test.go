package infra

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/nonstick-io/nonstick/localdev/template"
)

const (
	boundary = "arn:aws:iam::000000000000:policy/boundary"
	key      = "arn:aws:kms:us-east-1:000000000000:key/1"
)

// all demands something of every resource of a type, of which there is one at least.
func (s stack) all(t *testing.T, kind string, want any, path ...string) {
	t.Helper()
	ids := s.of(kind)
	if len(ids) == 0 {
		t.Errorf("there is no %s", kind)
	}
	for _, id := range ids {
		if got := s.at(id, path...); !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %s is %v, want %v", id, strings.Join(path, "."), got, want)
		}
	}
}

func TestPermissionsBoundary(t *testing.T) {
	deploy(t, nil).all(t, kindRole, nil, "PermissionsBoundary")
	deploy(t, map[string]string{"PermissionsBoundary": boundary}).all(t, kindRole, boundary, "PermissionsBoundary")
}

// With KmsKeyArn that key encrypts the table, the queues, the logs and the functions' variables, and the roles that
// work with these may use it.
func TestKmsKey(t *testing.T) {
	s := deploy(t, nil)
	s.all(t, "AWS::DynamoDB::Table", nil, "SSESpecification")
	s.all(t, kindQueue, "true", "SqsManagedSseEnabled")
	s.all(t, kindQueue, nil, "KmsMasterKeyId")
	s.all(t, "AWS::Logs::LogGroup", nil, "KmsKeyId")
	s.all(t, kindFunction, nil, "KmsKeyArn")
	s = deploy(t, map[string]string{"KmsKeyArn": key})
	s.all(
		t, "AWS::DynamoDB::Table", map[string]any{"SSEEnabled": "true", "SSEType": "KMS", "KMSMasterKeyId": key},
		"SSESpecification",
	)
	s.all(t, kindQueue, nil, "SqsManagedSseEnabled")
	s.all(t, kindQueue, key, "KmsMasterKeyId")
	s.all(t, "AWS::Logs::LogGroup", key, "KmsKeyId")
	s.all(t, kindFunction, key, "KmsKeyArn")
	for _, role := range s.of(kindRole) { // API Gateway's, which sends to a queue, too
		for _, action := range []string{"kms:Decrypt", "kms:GenerateDataKey"} {
			if !s.allows(role, action, key) {
				t.Errorf("%s has no right to %s", role, action)
			}
		}
	}
}

func TestVpc(t *testing.T) {
	deploy(t, nil).all(t, kindFunction, nil, "VpcConfig")
	s := deploy(
		t, map[string]string{"VpcSubnetIds": "subnet-11111111,subnet-22222222", "VpcSecurityGroupIds": "sg-11111111"},
	)
	s.all(
		t, kindFunction,
		map[string]any{
			"SubnetIds": []any{"subnet-11111111", "subnet-22222222"}, "SecurityGroupIds": []any{"sg-11111111"},
		},
		"VpcConfig",
	)
	for _, function := range s.of(kindFunction) {
		for _, action := range []string{
			"CreateNetworkInterface", "DescribeNetworkInterfaces", "DescribeSubnets", "DeleteNetworkInterface",
			"AssignPrivateIpAddresses", "UnassignPrivateIpAddresses",
		} {
			if !s.allows(s.role(function), "ec2:"+action, "*") {
				t.Errorf("%s has no right to %s", s.role(function), action)
			}
		}
	}
}

func TestTracing(t *testing.T) {
	deploy(t, nil).all(t, kindFunction, "PassThrough", "TracingConfig", "Mode")
	s := deploy(t, map[string]string{"Tracing": "on"})
	s.all(t, kindFunction, "Active", "TracingConfig", "Mode")
	for _, function := range s.of(kindFunction) {
		if !s.allows(s.role(function), "xray:PutTraceSegments", "*") ||
			!s.allows(s.role(function), "xray:PutTelemetryRecords", "*") {
			t.Errorf("%s has no rights", s.role(function))
		}
	}
}

// Every function has a log group that forgets. By default Lambda's own lines are spared, and none of ours.
func TestLogs(t *testing.T) {
	s := deploy(t, map[string]string{"LogRetentionDays": "30", "LogFormat": "Text"})
	s.all(t, "AWS::Logs::LogGroup", "30", "RetentionInDays")
	for _, function := range s.of(kindFunction) {
		want := map[string]any{"LogGroup": strings.TrimSuffix(function, "Function") + "Logs", "LogFormat": "Text"}
		if got := s.at(function, "LoggingConfig"); !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %v, want %v", function, got, want)
		}
	}
	s = deploy(t, nil)
	for _, function := range s.of(kindFunction) {
		want := map[string]any{
			"LogGroup": strings.TrimSuffix(
				function, "Function",
			) + "Logs",
			"LogFormat": "JSON", "SystemLogLevel": "WARN", "ApplicationLogLevel": "DEBUG",
		}
		if got := s.at(function, "LoggingConfig"); !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %v, want %v", function, got, want)
		}
	}
}

// callers are the resources that call a function, with the ARN or name that they call: integrations, permissions and
// mappings.
func (s stack) callers() map[string]string {
	calls := map[string]string{}
	for _, id := range s.of("AWS::ApiGatewayV2::Integration") {
		uri := s.text(id, "IntegrationUri")
		_, rest, ok := strings.Cut(uri, "/functions/")
		if ok {
			uri, _, _ = strings.Cut(rest, "/invocations")
		}
		if strings.Contains(uri, ":function:") {
			calls[id] = uri
		}
	}
	for _, kind := range []string{"AWS::Lambda::Permission", kindMapping} {
		for _, id := range s.of(kind) {
			calls[id] = s.text(id, "FunctionName")
		}
	}
	return calls
}

// Without a release every caller calls the functions as they are. With one, the callers that stand between a client and
// its answer call a version of that release, and only such versions have environments that are always warm.
func TestRelease(t *testing.T) {
	s := deploy(t, nil)
	for _, kind := range []string{"AWS::Lambda::Version", "AWS::Lambda::Alias"} {
		if ids := s.of(kind); len(ids) != 0 {
			t.Errorf("without a release: %q", ids)
		}
	}
	for id, function := range s.callers() {
		if strings.HasSuffix(function, ":live") {
			t.Errorf("%s calls %s", id, function)
		}
	}
	for inbound, aliased := range map[string][]string{
		"ordered":    {"PollingFunction", "WebSocketFunction", "InboundFunction"},
		"concurrent": {"PollingFunction", "WebSocketFunction"},
	} {
		s := deploy(
			t,
			map[string]string{
				"Release": "r1", "PollingProvisioned": "3", "WebSocketProvisioned": "4",
				"Inbound": inbound,
			},
		)
		met := map[string]bool{}
		for id, function := range s.callers() {
			live := slices.Contains(aliased, last(function))
			if strings.HasSuffix(function, ":function:"+last(function)+":live") != live {
				t.Errorf("%s: %s calls %s", inbound, id, function)
			}
			met[last(function)] = live
		}
		for _, function := range aliased {
			name := strings.TrimSuffix(function, "Function")
			provisioned := map[bool]string{true: "3", false: "4"}[name == "Polling"]
			if !met[function] ||
				s.text(name+"Alias", "ProvisionedConcurrencyConfig", "ProvisionedConcurrentExecutions") != provisioned {
				t.Errorf(
					"%s: called by the alias: %v, provisioned %v", function, met[function],
					s.at(name+"Alias", "ProvisionedConcurrencyConfig"),
				)
			}
			if s.text(name+"Alias", "FunctionName") != function || s.text(name+"Version", "FunctionName") != function {
				t.Errorf("%s: alias %v, version %v", function, s[name+"Alias"].Properties, s[name+"Version"].Properties)
			}
			// Both change with the release: the version's properties, so that CloudFormation makes another, and the
			// function's, so that Lambda does.
			if s.text(name+"Version", "Description") != "r1" ||
				s.text(function, "Environment", "Variables", "NONSTICK_RELEASE") != "r1" {
				t.Errorf("%s: another release would not be published", function)
			}
		}
		if got := len(s.of("AWS::Lambda::Alias")); got != len(aliased) {
			t.Errorf("%s: %d aliases, want %d", inbound, got, len(aliased))
		}
	}
	s = deploy(t, map[string]string{"Release": "r1"})
	s.all(t, "AWS::Lambda::Alias", nil, "ProvisionedConcurrencyConfig")
}

func TestManagementEndpoint(t *testing.T) {
	variable := []string{"Environment", "Variables", "NONSTICK_MANAGEMENT_ENDPOINT"}
	deploy(t, nil).all(t, kindFunction, "https://WebSocketApi.execute-api.us-east-1.amazonaws.com/v1", variable...)
	s := deploy(t, map[string]string{"ManagementEndpoint": "https://push.example.com/ws"})
	s.all(t, kindFunction, "https://push.example.com/ws", variable...)
	got := s.text("PollingFunction", "Environment", "Variables", "NONSTICK_WEBSOCKET_URL")
	if want := "wss://WebSocketApi.execute-api.us-east-1.amazonaws.com/v1"; got != want {
		t.Errorf("pages are told %q, want %q", got, want)
	}
}

// nameLimits are the most characters of names that a template may give. What it does not name CloudFormation names,
// and cuts to fit.
var nameLimits = map[string]map[string]int{
	"AWS::ApiGatewayV2::Api": {
		"Name": 128,
	},
	"AWS::ApiGatewayV2::Authorizer": {"Name": 128}, "AWS::ApiGatewayV2::Stage": {"StageName": 128},
	kindFunction: {
		"FunctionName": 64, "Description": 256,
	},
	kindQueue: {"QueueName": 80}, kindRole: {"RoleName": 64}, "AWS::Logs::LogGroup": {"LogGroupName": 512},
	"AWS::DynamoDB::Table": {
		"TableName": 255,
	},
	"AWS::Lambda::Alias": {"Name": 128}, "AWS::Lambda::Version": {"Description": 256},
}

// A stack may have a name of 128 characters. Nothing that is named after it may be too long.
func TestLongestStackName(t *testing.T) {
	const mark = "stackname"
	name := mark + strings.Repeat("x", 128-len(mark))
	s := deployAs(
		t,
		template.Options{
			Stack: name,
			Parameters: map[string]string{
				"Release": strings.Repeat("r", 64), "JwtIssuer": "https://i.example", "JwtAudience": "a",
			},
		},
	)
	limited := 0
	for id, r := range s {
		for property, v := range r.Properties {
			text := fmt.Sprint(v)
			limit, ok := nameLimits[r.Type][property]
			switch {
			case ok && len(text) > limit:
				t.Errorf("%s: %s has %d characters, at most %d are allowed", id, property, len(text), limit)
			case !ok && strings.Contains(text, mark):
				t.Errorf("%s: %s is named after the stack, and its limit is not known here", id, property)
			case ok:
				limited++
			}
		}
	}
	if limited < 5 {
		t.Errorf("%d names were looked at", limited)
	}
}

// Lambda takes 4 KB of variables for a function: the longest parameters fit, with addresses as long as they may be.
func TestVariablesFit(t *testing.T) {
	const most = 4096
	parameters := map[string]string{
		"CorsOrigin": "https://" + strings.Repeat(
			"a", 1024-len("https://"),
		),
		"ManagementEndpoint": "https://" + strings.Repeat("a", 320-len("https://")),
		"Release": strings.Repeat(
			"r", 64,
		),
		"PingInterval": "570000ms", "PingTimeout": "3600000ms", "ConnectTimeout": "3600000ms",
		"UpgradeTimeout": "3600000ms",
		"EventsTo":       "arn:aws:events:ap-southeast-99:123456789012:event-bus/" + strings.Repeat("b", 160),
		"EventsOut": "connect,disconnect,join,leave,event:" + strings.Repeat("e", 64) +
			strings.Repeat(",event:"+strings.Repeat("e", 64), 2)[:140],
		"Recovery": "86400000ms", "Parser": "msgpack",
	}
	s := deployAs(t, template.Options{Region: "ap-southeast-99", Parameters: parameters})
	for _, function := range s.of(kindFunction) {
		size := 0
		for name, v := range s.at(function, "Environment", "Variables").(map[string]any) {
			size += len(name) + len(v.(string))
			switch { // CloudFormation's names are up to so long
			case strings.HasSuffix(name, "_QUEUE"):
				size += len("https://sqs.ap-southeast-99.amazonaws.com.cn/") + 12 + 1 + 80
			case name == "NONSTICK_TABLE":
				size += 255
			}
		}
		if size > most {
			t.Errorf("%s has %d bytes of variables, at most %d are allowed", function, size, most)
		}
	}
}

// Every partition has ARNs and domains of its own.
func TestPartitions(t *testing.T) {
	everything := map[string]string{"Release": "r", "Tracing": "on", "Inbound": "ordered"}
	for region, want := range map[string][2]string{
		"eu-central-1": {"aws", "amazonaws.com"}, "cn-north-1": {"aws-cn", "amazonaws.com.cn"},
		"us-gov-west-1": {"aws-us-gov", "amazonaws.com"},
		"us-iso-east-1": {"aws-iso", "c2s.ic.gov"}, "us-isob-east-1": {"aws-iso-b", "sc2s.sgov.gov"},
	} {
		t.Run(region, func(t *testing.T) {
			arns, hosts := 0, 0
			for id, r := range deployAs(t, template.Options{Region: region, Parameters: everything}) {
				each(r.Properties, func(text string) {
					if rest, ok := strings.CutPrefix(text, "arn:"); ok {
						arns++
						if p, _, _ := strings.Cut(rest, ":"); p != want[0] {
							t.Errorf("%s: %s is of the partition %s", id, text, p)
						}
					}
					if _, host, ok := strings.Cut(text, ".execute-api."+region+"."); ok {
						hosts++
						if domain, _, _ := strings.Cut(host, "/"); domain != want[1] {
							t.Errorf("%s: %s is in the domain %s, want %s", id, text, domain, want[1])
						}
					}
				})
			}
			if arns < 30 || hosts < 10 {
				t.Errorf("%d ARNs and %d hosts were looked at", arns, hosts)
			}
		})
	}
}

// each calls f for every text in a value.
func each(v any, f func(string)) {
	switch v := v.(type) {
	case string:
		f(v)
	case []any:
		for _, e := range v {
			each(e, f)
		}
	case map[string]any:
		for _, k := range slices.Sorted(maps.Keys(v)) {
			each(v[k], f)
		}
	}
}
