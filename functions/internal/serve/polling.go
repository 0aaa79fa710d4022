package serve

import (
	"context"
	"net/http"
	"os"
	"path/filepath"
	"strings"

	"github.com/aws/aws-lambda-go/events"

	"github.com/nonstick-io/nonstick/functions/internal/boot"
	"github.com/nonstick-io/nonstick/gateway/apigw"
)

// polling serves the HTTP API: the polling transport, and the application's page.
type polling struct {
	handler *apigw.Handler
	path    string
	page    http.Handler // nil if the application has none
	starter *starter
}

// Polling makes the polling function.
func Polling(p *boot.Parts) boot.Handler {
	s := newServer(p)
	f := &polling{handler: s.handler(nil), path: s.path, starter: newStarter(p)}
	if s.app.Page != nil {
		f.page = s.app.Page(clientDir(p.Env))
	}
	return boot.JSON(f.serve)
}

// clientDir is where the build puts the Socket.IO client for browsers: beside the binary.
func clientDir(env *boot.Env) string {
	root := env.Text("LAMBDA_TASK_ROOT", "")
	if exe, err := os.Executable(); root == "" && err == nil {
		root = filepath.Dir(exe)
	}
	return filepath.Join(root, "client")
}

func (f *polling) serve(ctx context.Context, e events.APIGatewayV2HTTPRequest) (events.APIGatewayV2HTTPResponse, error) {
	if f.page != nil && !strings.HasPrefix(e.RawPath, f.path) {
		return page(ctx, f.page, &e)
	}
	res, err := f.handler.HTTP(ctx, e)
	f.starter.ensure(ctx)
	return res, err
}
