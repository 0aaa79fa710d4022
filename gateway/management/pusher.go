// Package management sends to WebSocket connections through the management API of API Gateway (@connections).
package management

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"syscall"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/apigatewaymanagementapi"
	"github.com/aws/aws-sdk-go-v2/service/apigatewaymanagementapi/types"

	"github.com/nonstick-io/nonstick/adapter/delivery"
	"github.com/nonstick-io/nonstick/internal/awshttp"
	"github.com/nonstick-io/nonstick/sessionstore"
)

// DefaultTimeout is how long a [Pusher] waits for one call.
const DefaultTimeout = 5 * time.Second

// pushConns is how many idle connections to an endpoint are kept.
const pushConns = 256

// Options are the settings of a [Pusher].
type Options struct {
	// Region is the one that calls are signed for. Needed.
	Region string
	// Credentials sign the calls. Needed.
	Credentials aws.CredentialsProvider
	// HTTPClient sends them; default is a client that keeps up to 256 idle connections to each endpoint.
	HTTPClient *http.Client
	// Timeout bounds one call, within the time that its context leaves; default [DefaultTimeout].
	Timeout time.Duration
}

// Pusher sends to connections through the management API of whichever API owns them. It never
// repeats a call. Safe for concurrent use.
type Pusher struct {
	opts Options

	mu      sync.RWMutex
	clients map[string]*apigatewaymanagementapi.Client // by endpoint
}

var _ delivery.Pusher = (*Pusher)(nil)

// New returns a Pusher.
func New(o Options) *Pusher {
	if o.HTTPClient == nil {
		o.HTTPClient = awshttp.NewHTTP(pushConns, 0) // Timeout bounds the calls
	}
	if o.Timeout == 0 {
		o.Timeout = DefaultTimeout
	}
	return &Pusher{opts: o, clients: map[string]*apigatewaymanagementapi.Client{}}
}

// Push implements [delivery.Pusher].
func (p *Pusher) Push(ctx context.Context, conn sessionstore.Connection, frame string) error {
	ctx, cancel := context.WithTimeout(ctx, p.opts.Timeout)
	defer cancel()
	_, err := p.client(conn.Endpoint).PostToConnection(ctx, &apigatewaymanagementapi.PostToConnectionInput{
		ConnectionId: &conn.ID, Data: []byte(frame),
	})
	if err != nil {
		return fmt.Errorf("management: push to connection %s: %w", conn.ID, pushError(err))
	}
	return nil
}

// Close implements [delivery.Pusher].
func (p *Pusher) Close(ctx context.Context, conn sessionstore.Connection) error {
	ctx, cancel := context.WithTimeout(ctx, p.opts.Timeout)
	defer cancel()
	_, err := p.client(conn.Endpoint).
		DeleteConnection(ctx, &apigatewaymanagementapi.DeleteConnectionInput{ConnectionId: &conn.ID})
	if err = pushError(err); err != nil {
		return fmt.Errorf("management: close connection %s: %w", conn.ID, err)
	}
	return nil
}

// client returns the client of an endpoint. There are as many endpoints as APIs share the store: few.
func (p *Pusher) client(endpoint string) *apigatewaymanagementapi.Client {
	p.mu.RLock()
	c := p.clients[endpoint]
	p.mu.RUnlock()
	if c != nil {
		return c
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if c = p.clients[endpoint]; c == nil {
		c = apigatewaymanagementapi.New(apigatewaymanagementapi.Options{
			Region: p.opts.Region, Credentials: p.opts.Credentials, HTTPClient: awshttp.New(p.opts.HTTPClient),
			BaseEndpoint: &endpoint, Retryer: aws.NopRetryer{},
		})
		p.clients[endpoint] = c
	}
	return c
}

// pushError maps the SDK's errors to those of [delivery.Pusher]; what it does not know is in doubt.
func pushError(err error) error {
	if err == nil {
		return nil
	}
	if _, ok := errors.AsType[*types.GoneException](err); ok {
		return delivery.ErrGone
	}
	if _, ok := errors.AsType[*types.LimitExceededException](err); ok {
		return delivery.ErrBusy
	}
	if _, ok := errors.AsType[*types.PayloadTooLargeException](err); ok {
		return delivery.ErrFrameTooLarge
	}
	if errors.Is(err, syscall.ECONNREFUSED) {
		return fmt.Errorf(
			"%w: %w", delivery.ErrGone, err,
		) // localdev: the process is no more, and its connections with it
	}
	return err
}
