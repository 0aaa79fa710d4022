package serve

import (
	"bytes"
	"context"
	"encoding/base64"
	"fmt"
	"net/http"
	"strings"

	"github.com/aws/aws-lambda-go/events"
)

// page lets a handler of net/http answer a request of the HTTP API, whose path is given without the stage.
func page(
	ctx context.Context, h http.Handler, path string, e *events.APIGatewayV2HTTPRequest,
) (events.APIGatewayV2HTTPResponse, error) {
	url := path
	if e.RawQueryString != "" {
		url += "?" + e.RawQueryString
	}
	req, err := http.NewRequestWithContext(ctx, e.RequestContext.HTTP.Method, url, http.NoBody)
	if err != nil { // of the client's making
		return events.APIGatewayV2HTTPResponse{
			StatusCode: http.StatusBadRequest,
		}, nil //nolint:nilerr // the answer tells
	}
	req.RequestURI = url
	for name, value := range e.Headers {
		req.Header.Set(name, value)
	}
	w := &recorder{header: http.Header{}}
	h.ServeHTTP(w, req)
	return w.response(), nil
}

// recorder keeps an answer until it is complete.
type recorder struct {
	header http.Header
	status int
	body   bytes.Buffer
}

// Header implements [http.ResponseWriter].
func (w *recorder) Header() http.Header { return w.header }

// WriteHeader implements [http.ResponseWriter].
func (w *recorder) WriteHeader(status int) {
	if w.status == 0 {
		w.status = status
	}
}

// Write implements [http.ResponseWriter].
func (w *recorder) Write(b []byte) (int, error) {
	w.WriteHeader(http.StatusOK)
	n, err := w.body.Write(b)
	if err != nil {
		return n, fmt.Errorf("serve: keep answer: %w", err)
	}
	return n, nil
}

func (w *recorder) response() events.APIGatewayV2HTTPResponse {
	w.WriteHeader(http.StatusOK)
	headers := make(map[string]string, len(w.header))
	for name, values := range w.header {
		headers[name] = strings.Join(values, ", ")
	}
	return events.APIGatewayV2HTTPResponse{
		StatusCode: w.status, Headers: headers, Body: base64.StdEncoding.EncodeToString(w.body.Bytes()),
		IsBase64Encoded: true,
	}
}
