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
	if credentials := r.str(p, "CredentialsArn"); credentials != "" {
		if credentials == callersOwn {
			return ""
		}
		return r.deniedToGateway(p, credentials, invokeAction, r.arn("lambda", "function:"+called))
	}
	for _, res := range r.resources {
		if res.kind != kindPermission {
			continue
		}
		pp := r.props(res)
		allowed := rights.Rights{Statements: []rights.Statement{
			{Actions: []string{r.str(pp, "Action")}, Resources: []string{"*"}},
		}}
		account := r.str(pp, "SourceAccount")
		if r.str(pp, "Principal") == gatewayService && allowed.Allows(invokeAction, "*") &&
			qualified(r.str(pp, "FunctionName")) == called && r.ofAPI(r.str(pp, "SourceArn"), api) &&
			(account == "" || account == r.options.Account) {
			return ""
		}
	}
	return "no AWS::Lambda::Permission lets " + gatewayService + " call " + called + " for " + api
}

// ofAPI reports whether the source of a permission may be an API. The stage and the route behind it are not looked at.
func (r *reader) ofAPI(source, api string) bool {
	if source == "" {
		return true
	}
	pattern, _, _ := strings.Cut(source, "/")
	named := rights.Rights{Statements: []rights.Statement{{Actions: []string{"*"}, Resources: []string{pattern}}}}
	return named.Allows("execute-api:Invoke", r.arn("execute-api", api))
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
