package template_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/nonstick-io/nonstick/localdev/template"
)

// stacks writes a template and the one that it nests, and reads them.
func stacks(t *testing.T, outer, inner string) (*template.Template, error) {
	t.Helper()
	dir := t.TempDir()
	for name, text := range map[string]string{"outer.yaml": outer, "inner.yaml": inner} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return template.Read(filepath.Join(dir, "outer.yaml"), template.Options{EdgeURL: "http://127.0.0.1:9"})
}

const outerStack = `
Parameters: {Two: {Type: String, Default: two}}
Resources:
  Inner:
    Type: AWS::CloudFormation::Stack
    Properties:
      TemplateURL: inner.yaml
      Parameters: {Name: !Ref Two}
Outputs:
  Url: {Value: !GetAtt Inner.Outputs.Url}
  Name: {Value: !Sub "${Inner.Outputs.Name}!"}
`

const innerStack = `
Parameters: {Name: {Type: String}, More: {Type: String, Default: more}}
Conditions: {Never: !Equals [!Ref Name, never]}
Resources:
  Code:
    Type: AWS::CloudFront::Function
    Properties:
      AutoPublish: true
      FunctionConfig: {Runtime: cloudfront-js-2.0}
      FunctionCode: !Sub "function handler(e) { return '${Name}'; }"
  Front:
    Type: AWS::CloudFront::Distribution
    Properties:
      DistributionConfig:
        Enabled: true
        Origins:
          - Id: one
            DomainName: one.example.com
            ConnectionAttempts: 1
            OriginCustomHeaders: [{HeaderName: x-key, HeaderValue: !Ref Name}]
            CustomOriginConfig: {OriginProtocolPolicy: https-only, OriginReadTimeout: 60}
        DefaultCacheBehavior:
          AllowedMethods: [GET, HEAD, OPTIONS]
          TargetOriginId: one
          CachePolicyId: 4135ea2d-6df8-44a3-9df3-4b5a84be39ad
          OriginRequestPolicyId: b689b0a8-53d0-40ab-baf2-68738e2966ac
          FunctionAssociations: [{EventType: viewer-request, FunctionARN: !GetAtt Code.FunctionMetadata.FunctionARN}]
Outputs:
  Url: {Value: !Sub "https://${Front.DomainName}"}
  Name: {Value: !Sub "${Name} and ${More}"}
  Absent: {Condition: Never, Value: x}
`

// A nested stack is read with its parameters, and gives its outputs.
func TestNested(t *testing.T) {
	out, err := stacks(t, outerStack, innerStack)
	if err != nil {
		t.Fatal(err)
	}
	if len(out.Distributions) != 1 || len(out.Notes) != 0 {
		t.Fatalf("%+v, notes %q", out.Distributions, out.Notes)
	}
	d := out.Distributions[0]
	if d.Function != "function handler(e) { return 'two'; }" || d.Default != "one" || len(d.Origins) != 1 ||
		d.Origins[0].Headers["x-key"] != "two" || d.Origins[0].URL != "https://one.example.com" ||
		d.Origins[0].Attempts != 1 || strings.Join(d.Methods, " ") != "GET HEAD OPTIONS" {
		t.Errorf("%+v", d)
	}
	for i, want := range []string{"http://127.0.0.1:9", "two and more!"} {
		if got := out.Outputs[i].Value; got != want {
			t.Errorf("%s is %q, want %q", out.Outputs[i].Name, got, want)
		}
	}
}

// What an If leaves out is not there.
func TestNestedChoices(t *testing.T) {
	inner := strings.NewReplacer(
		"OriginCustomHeaders: [{HeaderName: x-key, HeaderValue: !Ref Name}]",
		"OriginCustomHeaders: !If [Never, [{HeaderName: x-key, HeaderValue: !Ref Name}], !Ref AWS::NoValue]",
		"FunctionAssociations: [{EventType", "FunctionAssociations: [!If [Never, {}, !Ref AWS::NoValue], {EventType",
		"[GET, HEAD, OPTIONS]", "!If [Never, [GET], [GET, HEAD, !If [Never, POST, !Ref AWS::NoValue], !Ref More]]",
		"ConnectionAttempts: 1", "ConnectionAttempts: !Ref AWS::NoValue",
		"Enabled: true", "Enabled: true\n        CustomErrorResponses: !If [Never, [{}], !Ref AWS::NoValue]",
	).Replace(innerStack)
	out, err := stacks(
		t, strings.ReplaceAll(outerStack, "!Ref Two}", "!Ref Two, More: !If [None, x, !Ref AWS::NoValue]}")+
			"Conditions: {None: !Equals [a, b]}\n", inner,
	)
	if err != nil {
		t.Fatal(err)
	}
	d := out.Distributions[0]
	if len(d.Origins[0].Headers) != 0 || strings.Join(d.Methods, " ") != "GET HEAD more" ||
		d.Origins[0].Attempts != 3 || d.Function == "" || len(out.Notes) != 0 {
		t.Errorf("%+v, notes %q", d, out.Notes)
	}
}

// A distribution may also be in the template itself, beside the APIs that are its origins.
func TestOwnDistribution(t *testing.T) {
	one := strings.NewReplacer(
		"\nResources:", "\nResources:\n  Api: {Type: AWS::ApiGatewayV2::Api, Properties: {ProtocolType: HTTP}}",
		"Name: {Type: String}", "Name: {Type: String, Default: two}",
		"one.example.com", `!Sub "${Api}.execute-api.${AWS::Region}.${AWS::URLSuffix}"`,
	).Replace(innerStack)
	path := filepath.Join(t.TempDir(), "one.yaml")
	if err := os.WriteFile(path, []byte(one), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := template.Read(path, template.Options{BaseURL: "http://127.0.0.1:8", EdgeURL: "http://127.0.0.1:9"})
	if err != nil {
		t.Fatal(err)
	}
	if got := out.Distributions[0].Origins[0].URL; got != "http://127.0.0.1:8" {
		t.Errorf("the origin is %s", got)
	}
	if got := out.Outputs[0].Value; got != "http://127.0.0.1:9" {
		t.Errorf("the address is %s", got)
	}
}

// What cannot be read says where.
func TestNestedErrors(t *testing.T) {
	for name, c := range map[string]struct{ outer, inner, want string }{
		"no file": {strings.ReplaceAll(outerStack, "inner.yaml", "none.yaml"), innerStack, "none.yaml"},
		"an address": {
			strings.ReplaceAll(outerStack, "inner.yaml", "https://example.com/x"), innerStack, "only a file",
		},
		"no output": {
			strings.ReplaceAll(outerStack, "Outputs.Url", "Outputs.Other"), innerStack, "no output Other",
		},
		"an output that is off": {
			strings.ReplaceAll(outerStack, "Outputs.Url", "Outputs.Absent"), innerStack, "under its conditions",
		},
		"a parameter too many": {
			strings.ReplaceAll(outerStack, "{Name: !Ref Two}", "{Name: x, Other: y}"), innerStack, "no parameter Other",
		},
		"a parameter is missing": {strings.ReplaceAll(outerStack, "{Name: !Ref Two}", "{}"), innerStack, "no default"},
		"itself": {
			strings.ReplaceAll(outerStack, "inner.yaml", "outer.yaml"), innerStack, "outer.yaml",
		},
		"its own output": {
			strings.ReplaceAll(outerStack, "!Ref Two}", "!GetAtt Inner.Outputs.Name}"), innerStack, "depends on itself",
		},
		"two that need each other": {
			strings.ReplaceAll(outerStack, "!Ref Two}", "!GetAtt Other.Outputs.Name}\n  Other:\n"+
				"    Type: AWS::CloudFormation::Stack\n    Properties:\n      TemplateURL: inner.yaml\n"+
				"      Parameters: {Name: !GetAtt Inner.Outputs.Name}"), innerStack, "depends on itself",
		},
		"no default origin": {
			outerStack, strings.ReplaceAll(innerStack, "TargetOriginId: one", "TargetOriginId: two"),
			"none of the origins",
		},
		"another runtime": {
			outerStack, strings.ReplaceAll(innerStack, "js-2.0", "js-1.0"), "cloudfront-js-2.0 is emulated",
		},
		"not published": {
			outerStack, strings.ReplaceAll(innerStack, "AutoPublish: true", "AutoPublish: false"), "AutoPublish",
		},
		"no such function": {
			outerStack, strings.ReplaceAll(innerStack, "!GetAtt Code.FunctionMetadata.FunctionARN", "arn:x/y"),
			"names no function",
		},
		"an S3 origin": {
			outerStack, strings.ReplaceAll(innerStack, "CustomOriginConfig", "S3OriginConfig"),
			"without CustomOriginConfig",
		},
	} {
		if _, err := stacks(t, c.outer, c.inner); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
}

// What is asked for in vain is said.
func TestNestedNotes(t *testing.T) {
	for name, c := range map[string]struct{ from, to, want string }{
		"caching": {
			"4135ea2d-6df8-44a3-9df3-4b5a84be39ad", "658327ea-f89d-4fab-a63d-7e88639e58f6", "cache policy",
		},
		"another policy": {
			"b689b0a8-53d0-40ab-baf2-68738e2966ac", "216adef6-5c7f-47e4-b989-5492eafa07d3", "origin request policy",
		},
		"viewer-response":  {"viewer-request", "viewer-response", "viewer-response"},
		"another resource": {"\n  Front:", "\n  Topic: {Type: AWS::SNS::Topic}\n  Front:", "AWS::SNS::Topic"},
		"a page of its own": {
			"        Enabled: true", "        Enabled: true\n        DefaultRootObject: index.html",
			"DefaultRootObject",
		},
		"Lambda@Edge": {
			"          TargetOriginId", "          LambdaFunctionAssociations: [{EventType: viewer-request}]\n" +
				"          TargetOriginId", "LambdaFunctionAssociations",
		},
		"pages": {
			"        Enabled: true", "        Enabled: true\n        CustomErrorResponses: [{ErrorCode: 404}]",
			"CustomErrorResponses",
		},
	} {
		out, err := stacks(t, outerStack, strings.ReplaceAll(innerStack, c.from, c.to))
		if err != nil || len(out.Notes) != 1 || !strings.Contains(out.Notes[0], c.want) {
			t.Errorf("%s: %v, %v", name, err, out)
		}
	}
}
