package template

import (
	"fmt"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/nonstick-io/nonstick/localdev/rights"
)

// The services that assume roles.
const (
	lambdaService  = "lambda.amazonaws.com"
	gatewayService = "apigateway.amazonaws.com"
)

// gatewaySession is what API Gateway calls its sessions with the role of an integration.
const gatewaySession = "BackplaneAssumeRoleSession"

// nothingRefused is what a note says of rights that are not known.
const nothingRefused = "not enforced: everything is allowed for "

// role is a role of the template, or one that SAM makes for a function.
type role struct {
	name       string
	where      string // its id and its place, for messages
	statements []rights.Statement
	// unknown are the policies whose text is not known. Then nothing can be refused.
	unknown []string
	// trust is the AssumeRolePolicyDocument; nil for a role that SAM makes without one.
	trust *yaml.Node
}

// roleOf returns the role of an ARN, or nil if it is not of this template.
func (r *reader) roleOf(arn string) *role {
	if ro, read := r.roles[arn]; read {
		return ro
	}
	var ro *role
	for _, res := range r.resources {
		if res.kind != kindRole {
			continue
		}
		if name, err := r.name(res); err == nil && r.roleARN(name) == arn {
			ro = r.readRole(res, name)
		}
	}
	r.roles[arn] = ro
	return ro
}

// readRole reads a role with all policies that the template attaches to it.
func (r *reader) readRole(res *resource, name string) *role {
	p := r.props(res)
	ro := &role{name: name, where: r.place(res.id, res.node.Line), trust: p.node("AssumeRolePolicyDocument")}
	if ro.trust == nil {
		r.fail(p.line, p.where, "AssumeRolePolicyDocument is missing")
	}
	for _, policy := range r.chosenItems(p.node("Policies"), res.id) {
		r.policy(ro, get(policy, "PolicyDocument"), policy, res.id)
	}
	for _, n := range r.chosenItems(p.node("ManagedPolicyArns"), res.id) {
		r.managed(ro, n)
	}
	for _, other := range r.resources {
		op := r.props(other)
		switch other.kind {
		case kindPolicy, kindManagedPolicy:
			if n := op.node("Roles"); n != nil {
				r.attach(ro, other, n)
			}
		case kindRolePolicy:
			if n := op.node("RoleName"); n != nil {
				r.attach(ro, other, n)
			}
		}
	}
	r.boundary(p)
	return ro
}

// attach adds a policy that is a resource of its own, if the role is the one, or one of those, that it is for.
func (r *reader) attach(ro *role, policy *resource, roles *yaml.Node) {
	v, err := r.eval(roles)
	switch {
	case err != nil:
		ro.unknown = append(ro.unknown, "maybe "+policy.id+", of which it cannot be told whom it is for")
	case slices.Contains(texts(v), ro.name):
		r.policy(ro, r.props(policy).node("PolicyDocument"), policy.node, policy.id)
	}
}

// place is a resource and its line, for messages.
func (r *reader) place(id string, line int) string {
	return fmt.Sprintf("%s (%s:%d)", id, r.file, line)
}

// boundary notes a permissions boundary, which may take away what the policies allow.
func (r *reader) boundary(p properties) {
	n := p.node("PermissionsBoundary")
	if n == nil {
		return
	}
	if v, err := r.eval(n); err == nil && v == (any)(noValue{}) {
		return
	}
	r.note(n.Line, p.where, "the permissions boundary is not evaluated: what it forbids is allowed here")
}

// managed adds a managed policy, by its ARN, or by its name as SAM takes it.
func (r *reader) managed(ro *role, n *yaml.Node) {
	v, err := r.eval(n)
	arn, ok := v.(string)
	if err != nil || !ok {
		ro.unknown = append(ro.unknown, "a managed policy that cannot be told")
		return
	}
	for _, res := range r.resources {
		if res.kind != kindManagedPolicy {
			continue
		}
		if own, err := r.attribute(res.id, "PolicyArn"); err == nil && own == any(arn) {
			r.policy(ro, r.props(res).node("PolicyDocument"), res.node, res.id)
			return
		}
	}
	name := arn[strings.LastIndexByte(arn, '/')+1:]
	ofAWS := arn == name || strings.Contains(arn, ":iam::aws:policy/") || !strings.HasPrefix(arn, "arn:")
	actions, ok := managedPolicies[name]
	if !ok || !ofAWS {
		ro.unknown = append(ro.unknown, "the managed policy "+arn)
		return
	}
	ro.statements = append(ro.statements, rights.Statement{
		Actions: actions, Resources: []string{"*"}, Where: name,
	})
}

// managedPolicies are policies of AWS that are for functions, each with all that it allows, which it does for every
// resource: https://docs.aws.amazon.com/lambda/latest/dg/permissions-managed-policies.html
var managedPolicies = func() map[string][]string {
	logs := []string{"logs:CreateLogGroup", "logs:CreateLogStream", "logs:PutLogEvents"}
	traces := []string{
		"xray:PutTraceSegments", "xray:PutTelemetryRecords", "xray:GetSamplingRules", "xray:GetSamplingTargets",
		"xray:GetSamplingStatisticSummaries",
	}
	return map[string][]string{
		basicPolicy:  logs,
		pollerPolicy: slices.Concat(logs, pollerActions),
		vpcPolicy: slices.Concat(logs, []string{
			"ec2:CreateNetworkInterface", "ec2:DescribeNetworkInterfaces", "ec2:DescribeSubnets",
			"ec2:DeleteNetworkInterface", "ec2:AssignPrivateIpAddresses", "ec2:UnassignPrivateIpAddresses",
		}),
		"AWSXRayDaemonWriteAccess": traces,
		"AWSXrayWriteOnlyAccess":   traces,
	}
}()

// The managed policies that SAM gives the roles that it makes.
const (
	basicPolicy  = "AWSLambdaBasicExecutionRole"
	pollerPolicy = "AWSLambdaSQSQueueExecutionRole"
	vpcPolicy    = "AWSLambdaVPCAccessExecutionRole"
)

// pollerActions are what Lambda does with the function's role to feed it from a queue.
var pollerActions = []string{"sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"}

// trusts reports whether a service may assume a role. What cannot be evaluated is trusted.
func (r *reader) trusts(ro *role, service string) bool {
	if ro.trust == nil {
		return true
	}
	v, err := r.eval(ro.trust)
	document, ok := v.(map[string]any)
	if err != nil || !ok {
		return true
	}
	statements, ok := document["Statement"].([]any)
	if !ok {
		statements = []any{document["Statement"]}
	}
	return slices.ContainsFunc(statements, func(v any) bool {
		s, _ := v.(map[string]any) // else it allows nothing
		assume := rights.Rights{Statements: []rights.Statement{
			{Actions: texts(s["Action"]), Resources: []string{"*"}},
		}}
		return s["Effect"] == "Allow" && assume.Allows("sts:AssumeRole", "*") && names(s["Principal"], service)
	})
}

// names reports whether the Principal of a statement names a service.
func names(principal any, service string) bool {
	if m, ok := principal.(map[string]any); ok {
		return slices.ContainsFunc(texts(m["Service"]), func(s string) bool { return s == service || s == "*" })
	}
	return principal == "*"
}

// texts makes a list of a text, or of the texts in a list.
func texts(v any) []string {
	switch v := v.(type) {
	case string:
		return []string{v}
	case []any:
		var all []string
		for _, e := range v {
			all = append(all, texts(e)...)
		}
		return all
	}
	return nil
}

// rightsOf are what a role allows a session of it, with what the resources of the template allow; nil if that is not
// known.
func (r *reader) rightsOf(ro *role, session string) *rights.Rights {
	if len(ro.unknown) > 0 {
		return nil
	}
	return &rights.Rights{
		Principal: r.sessionARN(ro.name, session), Role: ro.where,
		Statements: slices.Concat(ro.statements, r.resourcePolicies()),
	}
}

// resourcePolicies are statements in the place of the policies that queues and functions have for others than
// services. These are not read: what they are about is allowed to every role.
func (r *reader) resourcePolicies() []rights.Statement {
	if r.ofResources != nil {
		return *r.ofResources
	}
	var all []rights.Statement
	add := func(res *resource, action string, arns ...string) {
		r.note(
			res.node.Line, res.id,
			nothingRefused+action+" on "+strings.Join(arns, ", ")+": policies of resources are not read",
		)
		all = append(all, rights.Statement{
			Actions: []string{action}, Resources: arns, Where: r.place(res.id, res.node.Line),
		})
	}
	for _, res := range r.resources {
		p := r.props(res)
		switch res.kind {
		case kindQueuePolicy:
			if arns := r.queueARNs(p.node("Queues")); len(arns) > 0 {
				add(res, "sqs:*", arns...)
			}
		case kindPermission:
			if r.may(p, "Principal", func(s string) bool { return s != "" && !strings.Contains(s, ".amazonaws.") }) {
				name, known := r.told(p, "FunctionName")
				if !known {
					name = "*"
				}
				function := r.arn("lambda", "function:"+lastOf(name))
				add(res, invokeAction, function, function+":*")
			}
		}
	}
	r.ofResources = &all
	return all
}

// queueARNs are the ARNs of queues by their URLs; of every queue if these are not known.
func (r *reader) queueARNs(n *yaml.Node) []string {
	if n == nil {
		return nil
	}
	v, err := r.eval(n)
	if err != nil {
		return []string{r.arn("sqs", "*")}
	}
	var arns []string
	for _, url := range texts(v) {
		arns = append(arns, r.arn("sqs", url[strings.LastIndexByte(url, '/')+1:]))
	}
	return arns
}
