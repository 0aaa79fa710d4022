package template

import (
	"crypto/sha256"
	"fmt"
	"net"
	"strings"

	"go.yaml.in/yaml/v3"
)

// The types of resources that are read.
const (
	kindFunction      = "AWS::Serverless::Function"
	kindPlainFunction = "AWS::Lambda::Function" // what SAM makes of it
	kindVersion       = "AWS::Lambda::Version"
	kindAlias         = "AWS::Lambda::Alias"
	kindHTTPAPI       = "AWS::Serverless::HttpApi"
	kindWebSocketAPI  = "AWS::Serverless::WebSocketApi"
	kindAPI           = "AWS::ApiGatewayV2::Api"
	kindStage         = "AWS::ApiGatewayV2::Stage"
	kindRoute         = "AWS::ApiGatewayV2::Route"
	kindIntegration   = "AWS::ApiGatewayV2::Integration"
	kindRouteResponse = "AWS::ApiGatewayV2::RouteResponse"
	kindAuthorizer    = "AWS::ApiGatewayV2::Authorizer"
	kindQueue         = "AWS::SQS::Queue"
	kindTable         = "AWS::DynamoDB::Table"
	kindMapping       = "AWS::Lambda::EventSourceMapping"
	kindStack         = "AWS::CloudFormation::Stack"
	kindDistribution  = "AWS::CloudFront::Distribution"
	kindEdgeFunction  = "AWS::CloudFront::Function"
	kindDomain        = "AWS::ApiGatewayV2::DomainName"
	kindRecords       = "AWS::Route53::RecordSet"
	kindRecordGroup   = "AWS::Route53::RecordSetGroup"
	kindPermission    = "AWS::Lambda::Permission"
	kindQueuePolicy   = "AWS::SQS::QueuePolicy"
	kindLogs          = "AWS::Logs::LogGroup"
	kindRole          = "AWS::IAM::Role"
	kindRolePolicy    = "AWS::IAM::RolePolicy" // a resource of its own for a policy of one role
	kindPolicy        = "AWS::IAM::Policy"
	kindManagedPolicy = "AWS::IAM::ManagedPolicy"
	kindConnector     = "AWS::Serverless::Connector"
)

// firstVersion is what every published version is called here.
const firstVersion = "1"

// ref is what Ref gives: a parameter, a pseudo parameter, or what a resource is called.
func (d *document) ref(name string) (any, error) {
	if list, ok := d.lists[name]; ok {
		return list, nil
	}
	if v, ok := d.parameters[name]; ok {
		return v, nil
	}
	switch name {
	case "AWS::NoValue":
		return noValue{}, nil
	case "AWS::Region":
		return d.options.Region, nil
	case "AWS::AccountId":
		return d.options.Account, nil
	case "AWS::Partition":
		return partitionOf(d.options.Region).name, nil
	case "AWS::URLSuffix":
		return partitionOf(d.options.Region).suffix, nil
	case "AWS::StackName":
		return d.options.Stack, nil
	case "AWS::StackId":
		return d.arn("cloudformation", "stack/"+d.options.Stack+"/"+d.stackUUID()), nil
	}
	r, ok := d.byID[name]
	if !ok {
		return nil, fmt.Errorf("there is no parameter or resource %s", name)
	}
	switch r.kind {
	case kindQueue:
		queue, err := d.name(r)
		return d.options.BaseURL + "/" + d.options.Account + "/" + queue, err
	case kindAlias:
		return d.aliasARN(r)
	case kindManagedPolicy:
		return d.attribute(name, "PolicyArn")
	}
	return d.name(r)
}

// aliasARN is what Ref gives for an alias: the ARN of its function with the alias behind it.
func (d *document) aliasARN(r *resource) (string, error) {
	function, alias := get(r.props, "FunctionName"), get(r.props, "Name")
	if function == nil || alias == nil {
		return "", fmt.Errorf("the alias %s has no FunctionName, or no Name", r.id)
	}
	name, err := d.text(function)
	if err != nil {
		return "", err
	}
	qualifier, err := d.text(alias)
	return d.arn("lambda", "function:"+lastOf(name)+":"+qualifier), err
}

// name is what a resource is called: as it says, else as in the template.
func (d *document) name(r *resource) (string, error) {
	property := map[string]string{
		kindFunction: "FunctionName", kindPlainFunction: "FunctionName", kindQueue: "QueueName", kindTable: "TableName",
		kindRole: "RoleName", kindManagedPolicy: "ManagedPolicyName", kindLogs: "LogGroupName",
	}[r.kind]
	if property == "" {
		return r.id, nil
	}
	name := d.options.Prefix + r.id
	if n := get(r.props, property); n != nil {
		given, err := d.text(n)
		if err != nil {
			return "", err
		}
		return given, nil
	}
	if fifo := get(r.props, "FifoQueue"); r.kind == kindQueue && fifo != nil && fifo.Value == "true" {
		name += ".fifo"
	}
	return name, nil
}

func (d *document) getAtt(arg *yaml.Node) (any, error) {
	if arg.Kind == yaml.SequenceNode && len(arg.Content) == 2 {
		return d.attribute(arg.Content[0].Value, arg.Content[1].Value)
	}
	id, attribute, ok := strings.Cut(arg.Value, ".")
	if !ok {
		return nil, fmt.Errorf("GetAtt takes a resource and an attribute")
	}
	return d.attribute(id, attribute)
}

// attribute is what GetAtt gives.
func (d *document) attribute(id, attribute string) (any, error) {
	r, ok := d.byID[id]
	if !ok {
		return nil, fmt.Errorf("there is no resource %s", id)
	}
	name, err := d.name(r)
	if err != nil {
		return nil, err
	}
	if out, ok := strings.CutPrefix(attribute, "Outputs."); ok && r.kind == kindStack {
		return d.output(r, out)
	}
	switch {
	case (r.kind == kindFunction || r.kind == kindPlainFunction) && attribute == "Arn":
		return d.arn("lambda", "function:"+name), nil
	case r.kind == kindQueue && attribute == "Arn":
		return d.arn("sqs", name), nil
	case r.kind == kindQueue && attribute == "QueueName":
		return name, nil
	case r.kind == kindQueue && attribute == "QueueUrl":
		return d.ref(id)
	case r.kind == kindTable && attribute == "Arn":
		return d.arn("dynamodb", "table/"+name), nil
	case r.kind == kindRole && attribute == "Arn":
		return d.roleARN(name), nil
	case r.kind == kindManagedPolicy && attribute == "PolicyArn":
		return d.iamARN("policy/" + name), nil
	case r.kind == kindLogs && attribute == "Arn":
		return d.arn("logs", "log-group:"+name+":*"), nil
	case r.kind == kindVersion && attribute == "Version":
		return firstVersion, nil
	case r.kind == kindDistribution && attribute == "DomainName":
		return edgeHost(name), nil
	case r.kind == kindEdgeFunction && attribute == "FunctionMetadata.FunctionARN":
		return d.arn("cloudfront", "function/"+name), nil
	case r.kind == kindDomain && (attribute == "RegionalDomainName" || attribute == "RegionalHostedZoneId"):
		return strings.ToLower(attribute) + "." + name, nil // no record is made of it
	case attribute == "ApiEndpoint":
		return "https://" + d.apiHost(id), nil
	case attribute == "Arn":
		return d.arn(strings.ToLower(strings.Split(r.kind, "::")[1]), name), nil
	}
	return nil, fmt.Errorf("the attribute %s of %s is not known here", attribute, r.kind)
}

// stackUUID is the part of the stack's id that no other stack has. Here it is made of the name.
func (d *document) stackUUID() string {
	sum := sha256.Sum256([]byte(d.options.Region + d.options.Account + d.options.Prefix + d.options.Stack))
	return fmt.Sprintf("%x-%x-%x-%x-%x", sum[:4], sum[4:6], sum[6:8], sum[8:10], sum[10:16])
}

// local puts where the APIs and the distributions are reached in the place of their hosts on AWS.
func (r *reader) local(s string) string {
	if strings.Contains(s, ".cloudfront.net") {
		for _, dist := range r.out.Distributions {
			s = localHost(s, edgeHost(dist.ID), r.options.EdgeURL)
		}
	}
	if !strings.Contains(s, ".execute-api.") {
		return s
	}
	for _, res := range r.resources {
		switch res.kind {
		case kindHTTPAPI, kindWebSocketAPI, kindAPI:
			base := r.options.BaseURL
			if r.webSockets[res.id] {
				base = r.options.WebSocketURL
			}
			s = localHost(s, r.apiHost(res.id), base)
		}
	}
	return s
}

// localHost puts a base URL in the place of a host: in URLs, as an option hostname of a client, which has the port
// apart, and by itself.
func localHost(s, host, base string) string {
	plain := strings.TrimPrefix(base, "http://")
	option := `hostname: "` + plain + `"`
	if name, port, err := net.SplitHostPort(plain); err == nil {
		option = `hostname: "` + name + `", port: "` + port + `"`
	}
	return strings.NewReplacer(
		"https://"+host, base, "wss://"+host, "ws://"+plain, `hostname: "`+host+`"`, option, host, plain,
	).Replace(s)
}
