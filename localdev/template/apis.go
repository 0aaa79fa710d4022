package template

import (
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/nonstick-io/nonstick/localdev/mapping"
)

// apis reads the APIs and their routes: those of SAM, and those that are written out.
func (r *reader) apis() {
	r.out.Stage = "default"
	protocol := map[string]string{} // of each API
	for _, res := range r.resources {
		p := r.props(res)
		switch res.kind {
		case kindHTTPAPI:
			protocol[res.id] = "HTTP"
		case kindWebSocketAPI:
			protocol[res.id] = "WEBSOCKET"
			if stage := r.str(p, "StageName"); stage != "" {
				r.out.Stage = stage
			}
			r.webSocketRoutes(res)
		case kindAPI:
			protocol[res.id] = r.need(p, "ProtocolType")
		}
	}
	for _, res := range r.resources {
		p := r.props(res)
		switch res.kind {
		case kindStage:
			if protocol[r.target(get(res.props, "ApiId"))] == "WEBSOCKET" {
				r.out.Stage = r.need(p, "StageName")
			}
		case kindRoute:
			r.route(res, protocol)
		}
	}
	r.one(protocol)
	r.webSockets = map[string]bool{}
	for id, kind := range protocol {
		r.webSockets[id] = kind == "WEBSOCKET"
		if r.webSockets[id] {
			r.out.WebSocketAPI = r.arn("execute-api", id)
		}
	}
}

// one complains about a second API of a kind: there is one front.
func (r *reader) one(protocol map[string]string) {
	count := map[string]int{}
	for _, res := range r.resources {
		kind := protocol[res.id]
		if count[kind]++; kind != "" && count[kind] == 2 {
			r.fail(res.node.Line, res.id, "a second API of kind %s: one is emulated", kind)
		}
	}
}

// webSocketRoutes reads the routes of an AWS::Serverless::WebSocketApi.
func (r *reader) webSocketRoutes(res *resource) {
	for key, n := range pairs(get(res.props, "Routes")) {
		p := properties{where: res.id, line: key.Line, own: n}
		route := Route{Key: key.Value, Function: lastOf(r.need(p, "FunctionArn")), Line: key.Line}
		name := strings.TrimPrefix(key.Value, "$")
		generated := res.id + strings.ToUpper(name[:min(1, len(name))]) + name[min(1, len(name)):] + "Route"
		route.Responds = r.responds(p, generated)
		r.out.WebSocket = append(r.out.WebSocket, route)
	}
}

// route reads an AWS::ApiGatewayV2::Route.
func (r *reader) route(res *resource, protocol map[string]string) {
	p := r.props(res)
	kind, ok := protocol[r.target(get(res.props, "ApiId"))]
	if !ok {
		r.fail(p.line, p.where, "ApiId names no API of this template")
		return
	}
	integration := r.byID[r.target(get(res.props, "Target"))]
	if integration == nil || integration.kind != kindIntegration {
		r.fail(p.line, p.where, "Target names no integration of this template")
		return
	}
	route := Route{Key: r.need(p, "RouteKey"), Line: p.line}
	r.integrate(&route, r.props(integration), r.target(get(res.props, "ApiId")))
	if kind == "WEBSOCKET" {
		route.Responds = r.responds(p, res.id)
		r.out.WebSocket = append(r.out.WebSocket, route)
		return
	}
	if version := r.str(r.props(integration), "PayloadFormatVersion"); version != "2.0" {
		r.fail(integration.node.Line, integration.id, "PayloadFormatVersion is %q: 2.0 is emulated", version)
	}
	r.out.HTTP = append(r.out.HTTP, route)
}

// queueTarget is what the address of a queue has before the account and its name.
const queueTarget = ":sqs:path/"

// integrate reads what a route of an API leads to: a function, or a queue that it sends to by itself.
func (r *reader) integrate(route *Route, p properties, api string) {
	uri := r.need(p, "IntegrationUri")
	if r.str(p, "IntegrationType") != "AWS" {
		route.Function, route.Denied = lastOf(uri), r.deniedToCall(p, api, uri)
		return
	}
	_, path, ok := strings.Cut(uri, queueTarget)
	account, name, _ := strings.Cut(path, "/")
	if !ok || account != r.options.Account {
		r.fail(p.line, p.where, "the integration with %s is not emulated: only one with a queue of SQS is", uri)
		return
	}
	route.Queue = name
	route.Mapping = r.need(p.in("RequestTemplates"), "$default")
	if selection := r.str(p, "TemplateSelectionExpression"); selection != `\$default` {
		r.fail(p.line, p.where, `TemplateSelectionExpression is %q: \$default is emulated`, selection)
	}
	credentials := r.need(p, "CredentialsArn")
	if credentials == "" || r.need(p, "IntegrationMethod") != "POST" {
		r.fail(p.line, p.where, "API Gateway needs a role, and the method POST, to send to a queue")
	}
	route.Denied = r.deniedToGateway(p, credentials, "sqs:SendMessage", r.arn("sqs", name))
	if _, err := mapping.Parse(route.Mapping); err != nil {
		r.fail(p.line, p.where, "the template of the request: %v", err)
	}
}

// deniedToGateway says why API Gateway, with the role of an integration, may not do something; empty: it may, or that
// is not known.
func (r *reader) deniedToGateway(p properties, credentials, action, arn string) string {
	ro := r.roleOf(credentials)
	if ro == nil {
		r.note(
			p.line, p.where,
			nothingRefused+"API Gateway: the role "+credentials+" of the integration is not of this template",
		)
		return ""
	}
	if !r.trusts(ro, gatewayService) {
		return ro.where + " cannot be assumed by API Gateway: its AssumeRolePolicyDocument does not name " +
			gatewayService
	}
	of := r.rightsOf(ro, gatewaySession)
	if of == nil {
		r.note(p.line, p.where, nothingRefused+"API Gateway: "+ro.where+" has "+strings.Join(ro.unknown, ", "))
		return ""
	}
	if err := of.Check(action, arn); err != nil {
		return err.Error() + ", see " + ro.where
	}
	return ""
}

// responds reports whether what a route's function returns goes to the client: that takes a selection
// expression and a route response.
func (r *reader) responds(route properties, id string) bool {
	if r.str(route, "RouteResponseSelectionExpression") == "" {
		return false
	}
	return slices.ContainsFunc(r.resources, func(res *resource) bool {
		return res.kind == kindRouteResponse && r.target(get(res.props, "RouteId")) == id
	})
}

// httpEvent reads a route that a function names.
func (r *reader) httpEvent(p properties, function string) {
	method, path := strings.ToUpper(r.str(p, "Method")), r.str(p, "Path")
	key := "$default"
	if path != "" {
		if method == "" || method == "X-AMAZON-APIGATEWAY-ANY-METHOD" {
			method = "ANY"
		}
		key = method + " " + path
	}
	r.out.HTTP = append(r.out.HTTP, Route{Key: key, Function: function, Line: p.line})
}

// target is the resource that a value refers to: !Ref X, or !Sub "integrations/${X}".
func (r *reader) target(n *yaml.Node) string {
	n = real(n)
	if n == nil {
		return ""
	}
	name, arg, ok := intrinsic(n)
	if !ok {
		return ""
	}
	switch name {
	case "Ref":
		return arg.Value
	case "Sub":
		_, rest, _ := strings.Cut(arg.Value, "${")
		id, _, _ := strings.Cut(rest, "}")
		return id
	case "If":
		args := items(arg)
		if len(args) != 3 {
			return ""
		}
		holds, err := r.condition(args[0].Value, args[0])
		if err != nil {
			r.errs = append(r.errs, r.at(err, n, ""))
			return ""
		}
		if holds {
			return r.target(args[1])
		}
		return r.target(args[2])
	case "Join":
		for _, part := range items(arg) {
			for _, n := range items(part) {
				if id := r.target(n); id != "" {
					return id
				}
			}
		}
	}
	return ""
}

// check finds what refers to nothing, and what the service would refuse.
func (r *reader) check() {
	functions, queues := map[string]Function{}, map[string]Queue{}
	for _, f := range r.out.Functions {
		functions[f.Name] = f
	}
	for _, q := range r.out.Queues {
		queues[q.Name] = q
	}
	for _, route := range slices.Concat(r.out.HTTP, r.out.WebSocket) {
		if route.Queue != "" {
			if _, ok := queues[route.Queue]; !ok {
				r.fail(route.Line, "route "+route.Key, "there is no queue %q", route.Queue)
			}
			continue
		}
		if _, ok := functions[route.Function]; !ok {
			r.fail(route.Line, "route "+route.Key, "there is no function %q", route.Function)
		}
	}
	for _, m := range r.out.Mappings {
		f, ok := functions[m.Function]
		q, ok2 := queues[m.Queue]
		switch {
		case !ok || !ok2:
			r.fail(m.Line, m.Function, "there is no queue %q that could feed it", m.Queue)
		case q.Visibility < f.Timeout:
			r.fail(
				m.Line, m.Function,
				"the visibility timeout of %s is %s, and less than the timeout of the function, %s", q.Name,
				q.Visibility, f.Timeout,
			)
		case q.FIFO && m.Batch > 10:
			r.fail(m.Line, m.Function, "a FIFO queue delivers at most 10 messages at a time, not %d", m.Batch)
		}
	}
	r.checkRights(functions)
	for _, f := range r.out.Functions {
		if q, ok := queues[lastOf(f.OnFailure)]; f.OnFailure != "" && (!ok || q.FIFO) {
			r.fail(f.Line, f.ID, "there is no standard queue %q for calls that fail", lastOf(f.OnFailure))
		}
	}
	for _, q := range r.out.Queues {
		dead, ok := queues[q.DeadLetters]
		if q.DeadLetters != "" && (!ok || dead.FIFO != q.FIFO) {
			r.fail(q.Line, q.ID, "there is no queue %q of the same kind for dead letters", q.DeadLetters)
		}
	}
}
