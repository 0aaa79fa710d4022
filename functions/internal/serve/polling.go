package serve

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/aws/aws-lambda-go/events"

	"github.com/nonstick-io/nonstick/functions/internal/boot"
	"github.com/nonstick-io/nonstick/gateway"
	"github.com/nonstick-io/nonstick/gateway/apigw"
)

// polling serves the HTTP API: the polling transport, and the application's pages.
type polling struct {
	handler *apigw.Handler
	path    string
	page    http.Handler // nil if the application has none
	starter *starter
	edge    apigw.Edge
	// webSocket is the WebSocket API as clients reach it; nil if that is not known.
	webSocket *url.URL
}

// Polling makes the polling function.
func (a Apps) Polling(p *boot.Parts) boot.Handler {
	s := a.server(p)
	i := s.start(nil)
	f := &polling{handler: i.Handler, path: s.path, page: i.Pages, starter: newStarter(p), edge: edge(p.Env)}
	// Clients connect to the API's own address, also where pushes take another way.
	if u, err := url.Parse(
		p.Env.Text("NONSTICK_WEBSOCKET_URL", p.Env.URL("NONSTICK_MANAGEMENT_ENDPOINT")),
	); err == nil {
		f.webSocket = u
	}
	return boot.HTTP(p.Log, f.serve)
}

func (f *polling) serve(
	ctx context.Context, e events.APIGatewayV2HTTPRequest,
) (events.APIGatewayV2HTTPResponse, error) {
	passage := f.edge.HTTP(&e)
	if passage == apigw.PassageRefused {
		return notThroughEdge(), nil
	}
	path := apigw.Path(&e)
	if f.page != nil && path == gateway.ClientPath {
		return f.config(&e, passage)
	}
	if f.page != nil && !f.handler.Serves(path) {
		return page(ctx, f.page, path, &e)
	}
	res, err := f.handler.HTTP(ctx, e)
	if !f.handler.IsClient(path) { // a file of the client is no client yet
		f.starter.ensure(ctx)
	}
	return res, err
}

// ownHost is in the names of hosts that API Gateway gives to its APIs: each API its own.
const ownHost = ".execute-api."

// apart reports whether the WebSocket API is not where the page is.
func apart(webSocket *url.URL, page string) bool {
	if port := webSocket.Port(); port != "" {
		return !strings.HasSuffix(page, ":"+port)
	}
	return strings.Contains(webSocket.Hostname(), ownHost) && strings.Contains(page, ownHost)
}

// notThroughEdge answers a request that has gone round the distribution, as API Gateway refuses one itself.
func notThroughEdge() events.APIGatewayV2HTTPResponse {
	return events.APIGatewayV2HTTPResponse{
		StatusCode: http.StatusForbidden, Headers: map[string]string{"Content-Type": "application/json"},
		Body: `{"message":"Forbidden"}`,
	}
}

// config tells the page how to reach both APIs. Through the distribution they have one address. Else only at the hosts
// of API Gateway itself are there two, and at two ports of localdev: a domain of one's own, with something in front
// that picks the API, is one.
func (f *polling) config(
	e *events.APIGatewayV2HTTPRequest, passage apigw.Passage,
) (events.APIGatewayV2HTTPResponse, error) {
	o := gateway.ClientOptions{ForceBase64: true} // API Gateway takes no binary frames
	if f.path != apigw.DefaultPath {
		o.Path = f.path
	}
	if passage == apigw.PassageDirect && f.webSocket != nil && apart(f.webSocket, e.RequestContext.DomainName) {
		o.TransportOptions.WebSocket = gateway.WebSocketHost{
			Hostname: f.webSocket.Hostname(), Port: f.webSocket.Port(), Path: f.webSocket.Path,
		}
	}
	body, err := json.Marshal(o)
	if err != nil {
		return events.APIGatewayV2HTTPResponse{}, fmt.Errorf("serve: encode options: %w", err)
	}
	return events.APIGatewayV2HTTPResponse{
		StatusCode: http.StatusOK,
		Headers:    map[string]string{"Content-Type": "application/json", "Cache-Control": "no-cache"},
		Body:       string(body),
	}, nil
}
