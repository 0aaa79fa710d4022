// Package awshttp sends the requests of the AWS SDK.
package awshttp

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync/atomic"
	"time"
)

// staleAfter is how long connections may have been idle to be used again. A function that is frozen between
// invocations does not see them being closed, and a request on one of them would be in doubt.
const staleAfter = 20 * time.Second

// Client sends requests whose bodies it has taken over. The SDK closes the body of a request as soon as there is an
// answer; if net/http is not done with it then, it takes the closed body for a failure to send, and closes the
// connection while the answer is being read: a call that was answered would be in doubt. Besides, net/http can send
// such a body again on another connection, if the first turns out to be dead before anything was written.
type Client struct {
	http *http.Client
	now  func() time.Time
	last atomic.Int64 // when the last request began, by the wall clock: it goes on while the process is frozen
}

// New returns a Client that sends by h.
func New(h *http.Client) *Client { return &Client{http: h, now: time.Now} }

// Do sends a request, after a pause on a new connection.
func (c *Client) Do(req *http.Request) (*http.Response, error) {
	now := c.now().UnixNano()
	if last := c.last.Swap(now); last != 0 && now-last > int64(staleAfter) {
		c.http.CloseIdleConnections()
	}
	if req.Body == nil || req.Body == http.NoBody {
		return c.http.Do(req)
	}
	var text bytes.Buffer
	text.Grow(int(max(req.ContentLength, 0)) + bytes.MinRead)
	if _, err := text.ReadFrom(req.Body); err != nil {
		return nil, fmt.Errorf("read request: %w", err)
	}
	req = req.WithContext(req.Context()) // a copy
	req.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(text.Bytes())), nil }
	req.Body, _ = req.GetBody()
	return c.http.Do(req)
}

// NewHTTP returns an HTTP client that keeps up to conns idle connections to a host and follows no redirects. A call
// ends after the timeout; 0 means never.
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
