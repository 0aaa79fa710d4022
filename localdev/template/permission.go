package template

import (
	"strings"

	"github.com/nonstick-io/nonstick/localdev/rights"
)

// invokeAction is what it takes to call a function.
const invokeAction = "lambda:InvokeFunction"

// callersOwn is the role of an integration that calls with the credentials of the client.
const callersOwn = "arn:aws:iam::*:user/*"

// deniedToCall says why API Gateway may not call the function of an integration that is written out: that takes a
// permission of the function for this API, or a role of the integration. Empty: it may. SAM makes the permissions of
// the routes that it makes.
func (r *reader) deniedToCall(p properties, api, uri string) string {
	called := qualified(uri)
	if credentials, known := r.told(p, "CredentialsArn"); credentials != "" || !known {
		if credentials == callersOwn {
			return ""
		}
		return r.deniedToGateway(p, credentials, invokeAction, r.arn("lambda", "function:"+called))
	}
	for _, res := range r.resources {
		if res.kind != kindPermission {
			continue
		}
		if r.permits(r.props(res), called, api) {
			return ""
		}
	}
	return "no AWS::Lambda::Permission lets " + gatewayService + " call " + called + " for " + api
}

// permits reports whether a permission may let API Gateway call a function for an API.
func (r *reader) permits(p properties, called, api string) bool {
	return r.may(p, "Principal", func(s string) bool { return s == gatewayService }) &&
		r.may(p, "Action", func(s string) bool { return statement(s, "*").Allows(invokeAction, "*") }) &&
		r.may(p, "FunctionName", func(s string) bool { return qualified(s) == called }) &&
		r.may(p, "SourceArn", func(s string) bool { return r.ofAPI(s, api) }) &&
		r.may(p, "SourceAccount", func(s string) bool { return s == "" || s == r.options.Account })
}

// statement are rights of one statement.
func statement(action, resource string) *rights.Rights {
	return &rights.Rights{Statements: []rights.Statement{{Actions: []string{action}, Resources: []string{resource}}}}
}

// ofAPI reports whether the source of a permission may be an API. The stage and the route behind it are not looked at.
func (r *reader) ofAPI(source, api string) bool {
	if source == "" {
		return true
	}
	pattern, _, _ := strings.Cut(source, "/")
	return statement("*", pattern).Allows("execute-api:Invoke", r.arn("execute-api", api))
}

// qualified is the name of a function with the version or alias behind it: of a name, an ARN, or the address of an
// integration.
func qualified(s string) string {
	if _, arn, ok := strings.Cut(s, "/functions/"); ok {
		s, _, _ = strings.Cut(arn, "/")
	}
	if _, name, ok := strings.Cut(s, ":function:"); ok {
		return name
	}
	return s
}
