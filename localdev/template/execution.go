package template

import (
	"fmt"
	"slices"
	"strings"

	"github.com/nonstick-io/nonstick/localdev/rights"
)

// executionRoles finds out what the functions may do, by their roles or those that SAM makes for them.
func (r *reader) executionRoles() {
	connected := r.connected()
	for i := range r.out.Functions {
		f := &r.out.Functions[i]
		res := r.byID[f.ID]
		p := r.props(res)
		ro := r.executionRole(res, p, f)
		if ro == nil {
			continue
		}
		if !r.trusts(ro, lambdaService) {
			r.fail(
				p.line, p.where, "the role %s cannot be assumed by Lambda: its AssumeRolePolicyDocument must name %s",
				ro.where, lambdaService,
			)
		}
		if connected[res.id] {
			ro.unknown = append(slices.Clip(ro.unknown), "a connector of SAM")
		}
		if f.Rights = r.rightsOf(ro, f.Name); f.Rights == nil {
			r.note(p.line, p.where, nothingRefused+"this function: "+ro.where+" has "+strings.Join(ro.unknown, ", "))
			continue
		}
		r.checkLogs(p, f)
	}
}

// executionRole is the role of a function; nil, with a note, if it is not of this template.
func (r *reader) executionRole(res *resource, p properties, f *Function) *role {
	n := p.node("Role")
	if n == nil {
		return r.samRole(res, p, f)
	}
	v, err := r.eval(n)
	arn, ok := v.(string)
	switch {
	case v == (any)(noValue{}):
		return r.samRole(res, p, f)
	case err != nil || !ok:
		r.note(n.Line, p.where, nothingRefused+"this function: its Role cannot be told")
		return nil
	case !strings.HasPrefix(arn, "arn:"):
		r.fail(n.Line, p.where, "Role is %q, and must be the ARN of a role, for instance !GetAtt %s.Arn", arn, arn)
		return nil
	}
	ro := r.roleOf(arn)
	if ro == nil {
		r.note(n.Line, p.where, nothingRefused+"this function: the role "+arn+" is not of this template")
		return nil
	}
	own := *ro
	return &own
}

// samRole is the role that SAM makes for a function without one: it may write logs, do what Lambda does for it, and
// what the property Policies says.
func (r *reader) samRole(res *resource, p properties, f *Function) *role {
	name := r.options.Prefix + res.id + "Role"
	ro := &role{name: name, where: r.place(name, p.line), trust: p.node("AssumeRolePolicyDocument")}
	add := func(policy string) {
		ro.statements = append(ro.statements, rights.Statement{
			Actions: managedPolicies[policy], Resources: []string{"*"}, Where: policy,
		})
	}
	add(basicPolicy)
	if p.node("VpcConfig") != nil {
		add(vpcPolicy)
	}
	for _, event := range pairs(get(res.props, "Events")) {
		if kind := get(event, "Type"); kind != nil && kind.Value == "SQS" {
			add(pollerPolicy)
		}
	}
	for _, target := range r.targets(p, f) {
		ro.statements = append(ro.statements, rights.Statement{
			Actions: []string{"sqs:SendMessage"}, Resources: []string{target.arn}, Where: target.of,
		})
	}
	for _, policy := range r.chosenItems(p.node("Policies"), res.id) {
		switch v, err := r.eval(policy); {
		case err != nil:
			// A document is read below as far as it can be.
			if get(policy, "Statement") != nil {
				r.policy(ro, policy, policy, res.id)
				continue
			}
			ro.unknown = append(ro.unknown, fmt.Sprintf("a policy in line %d that cannot be told", policy.Line))
		case isText(v):
			r.managed(ro, policy)
		case get(policy, "Statement") != nil:
			r.policy(ro, policy, policy, res.id)
		default:
			ro.unknown = append(ro.unknown, "a policy template of SAM: "+keyOf(v))
		}
	}
	r.boundary(p)
	return ro
}

func isText(v any) bool {
	_, ok := v.(string)
	return ok
}

// keyOf is the name of a policy template of SAM.
func keyOf(v any) string {
	m, _ := v.(map[string]any) // else there is none
	for name := range m {
		return name
	}
	return "?"
}

// target is a queue that Lambda sends to with the function's role.
type target struct{ arn, of string }

// targets are the queues that get what asynchronous calls of a function leave behind.
func (r *reader) targets(p properties, f *Function) []target {
	var all []target
	if f.OnFailure != "" {
		all = append(all, target{f.OnFailure, "the destination OnFailure"})
	}
	dead := p.in("DeadLetterQueue")
	kind, _ := r.told(dead, "Type")
	if arn, known := r.told(dead, "TargetArn"); known && kind == "SQS" {
		all = append(all, target{arn, "DeadLetterQueue"})
	}
	return all
}

// connected are the ids of the resources that connectors of SAM give rights to.
func (r *reader) connected() map[string]bool {
	ids := map[string]bool{}
	add := func(p properties) {
		for _, end := range []string{"Source", "Destination"} {
			for _, n := range items(p.node(end)) {
				if id := get(n, "Id"); id != nil {
					ids[id.Value] = true
				}
			}
		}
	}
	for _, res := range r.resources {
		if res.kind == kindConnector {
			add(r.props(res))
		}
		for _, embedded := range pairs(get(res.node, "Connectors")) {
			ids[res.id] = true
			add(properties{own: get(embedded, "Properties")})
		}
	}
	return ids
}

// checkLogs notes a function that writes no log on AWS.
func (r *reader) checkLogs(p properties, f *Function) {
	group := "/aws/lambda/" + f.Name
	if n := p.in("LoggingConfig").node("LogGroup"); n != nil {
		v, err := r.eval(n)
		text, ok := v.(string)
		if err != nil || !ok {
			return
		}
		group = text
	}
	stream := r.arn("logs", "log-group:"+group+":log-stream:"+f.Name)
	for _, action := range []string{"logs:CreateLogStream", "logs:PutLogEvents"} {
		if !f.Rights.Allows(action, stream) {
			r.note(
				p.line, p.where,
				"the log is written, and on AWS it is not: "+f.Rights.Role+" does not allow "+action+" on "+group,
			)
			return
		}
	}
}

// lacking are those of some actions that the rights do not allow.
func lacking(of *rights.Rights, resource string, actions ...string) []string {
	return slices.DeleteFunc(slices.Clone(actions), func(a string) bool { return of.Allows(a, resource) })
}

// checkRights finds what Lambda refuses to create, for want of a right of the function's role.
func (r *reader) checkRights(functions map[string]Function) {
	for _, m := range r.out.Mappings {
		f := functions[m.Function]
		arn := r.arn("sqs", m.Queue)
		if missing := lacking(f.Rights, arn, pollerActions...); len(missing) > 0 {
			r.fail(
				m.Line, m.Function, "the function's role may not read the queue: %s does not allow %s on %s",
				f.Rights.Role, strings.Join(missing, ", "), arn,
			)
		}
	}
	for _, f := range r.out.Functions {
		for _, t := range r.targets(r.props(r.byID[f.ID]), &f) {
			if missing := lacking(f.Rights, t.arn, "sqs:SendMessage"); len(missing) > 0 {
				r.fail(
					f.Line, f.ID, "the function's role may not send to %s: %s does not allow %s on %s", t.of,
					f.Rights.Role, missing[0], t.arn,
				)
			}
		}
	}
}
