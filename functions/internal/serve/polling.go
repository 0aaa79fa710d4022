package serve

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"github.com/aws/aws-lambda-go/events"

	"github.com/nonstick-io/nonstick/functions/internal/boot"
	"github.com/nonstick-io/nonstick/gateway/apigw"
	"github.com/nonstick-io/nonstick/internal/apps/chat"
)

// polling serves the HTTP API: the polling transport, and the application's page.
type polling struct {
	handler *apigw.Handler
	path    string
	page    http.Handler // nil if the application has none
	starter *starter
	// webSocket is the WebSocket API as clients reach it; nil if that is not known.
	webSocket *url.URL
}

// Polling makes the polling function.
func Polling(p *boot.Parts) boot.Handler {
	s := newServer(p)
	f := &polling{handler: s.handler(nil), path: s.path, starter: newStarter(p)}
	if s.app.Page != nil {
		f.page = s.app.Page(clientDir(p.Env))
	}
	// Clients connect to the API's own address, also where pushes take another way.
	if u, err := url.Parse(
		p.Env.Text("NONSTICK_WEBSOCKET_URL", p.Env.URL("NONSTICK_MANAGEMENT_ENDPOINT")),
	); err == nil {
		f.webSocket = u
	}
	return boot.HTTP(p.Log, f.serve)
}

// clientDir is where the build puts the Socket.IO client for browsers: beside the binary.
func clientDir(env *boot.Env) string {
	root := env.Text("LAMBDA_TASK_ROOT", "")
	if exe, err := os.Executable(); root == "" && err == nil {
		root = filepath.Dir(exe)
	}
	return filepath.Join(root, "client")
}

func (f *polling) serve(
	ctx context.Context, e events.APIGatewayV2HTTPRequest,
) (events.APIGatewayV2HTTPResponse, error) {
	path := apigw.Path(&e)
	if f.page != nil && path == chat.ConfigPath {
		return f.config(&e)
	}
	if f.page != nil && !strings.HasPrefix(path, f.path) {
		return page(ctx, f.page, path, &e)
	}
	res, err := f.handler.HTTP(ctx, e)
	f.starter.ensure(ctx)
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

// config tells the page how to reach both APIs. Only at the hosts of API Gateway itself are there two, and at two
// ports of localdev: a domain of one's own, with something in front that picks the API, is one.
func (f *polling) config(e *events.APIGatewayV2HTTPRequest) (events.APIGatewayV2HTTPResponse, error) {
	o := chat.ClientOptions{ForceBase64: true} // API Gateway takes no binary frames
	if f.path != apigw.DefaultPath {
		o.Path = f.path
	}
	if f.webSocket != nil && apart(f.webSocket, e.RequestContext.DomainName) {
		o.TransportOptions.WebSocket = chat.WebSocketHost{
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
