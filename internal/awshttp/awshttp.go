// Package awshttp sends the requests of the AWS SDK.
package awshttp

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"
)

// Client sends requests whose bodies it has taken over. The SDK closes the body of a request as soon as there is an
// answer; if net/http is not done with it then, it takes the closed body for a failure to send, and closes the
// connection while the answer is being read: a call that was answered would be in doubt. Besides, net/http can send
// such a body again on another connection, if the first turns out to be dead before anything was written.
type Client struct{ HTTP *http.Client }

// Do sends a request.
func (c Client) Do(req *http.Request) (*http.Response, error) {
	if req.Body == nil || req.Body == http.NoBody {
		return c.HTTP.Do(req)
	}
	var text bytes.Buffer
	text.Grow(int(max(req.ContentLength, 0)) + bytes.MinRead)
	if _, err := text.ReadFrom(req.Body); err != nil {
		return nil, fmt.Errorf("read request: %w", err)
	}
	req = req.WithContext(req.Context()) // a copy
	req.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(text.Bytes())), nil }
	req.Body, _ = req.GetBody()
	return c.HTTP.Do(req)
}

// NewHTTP returns an HTTP client that keeps up to conns idle connections to a host and follows no redirects. A call ends
// after the timeout; 0 means never.
func NewHTTP(conns int, timeout time.Duration) *http.Client {
	return &http.Client{
		Timeout: timeout,
		Transport: &http.Transport{
			Proxy:               http.ProxyFromEnvironment,
			DialContext:         (&net.Dialer{Timeout: 2 * time.Second, KeepAlive: 30 * time.Second}).DialContext,
			TLSHandshakeTimeout: 3 * time.Second,
			MaxIdleConns:        4 * conns,
			MaxIdleConnsPerHost: conns, // the default of 2 would make nearly every call dial
			IdleConnTimeout:     90 * time.Second,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}
