package dynamostore

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
)

// Client is what a store needs of DynamoDB: a *dynamodb.Client, see [NewClient], or a wrapper of one. It must
// not repeat calls by itself.
type Client interface {
	PutItem(context.Context, *dynamodb.PutItemInput, ...func(*dynamodb.Options)) (*dynamodb.PutItemOutput, error)
	UpdateItem(context.Context, *dynamodb.UpdateItemInput, ...func(*dynamodb.Options)) (*dynamodb.UpdateItemOutput, error)
	DeleteItem(context.Context, *dynamodb.DeleteItemInput, ...func(*dynamodb.Options)) (*dynamodb.DeleteItemOutput, error)
	GetItem(context.Context, *dynamodb.GetItemInput, ...func(*dynamodb.Options)) (*dynamodb.GetItemOutput, error)
	Query(context.Context, *dynamodb.QueryInput, ...func(*dynamodb.Options)) (*dynamodb.QueryOutput, error)
	BatchGetItem(context.Context, *dynamodb.BatchGetItemInput, ...func(*dynamodb.Options)) (*dynamodb.BatchGetItemOutput, error)
	BatchWriteItem(context.Context, *dynamodb.BatchWriteItemInput, ...func(*dynamodb.Options)) (*dynamodb.BatchWriteItemOutput, error)
}

// DefaultMaxConns is how many connections to DynamoDB a client keeps open.
const DefaultMaxConns = 256

// DefaultTimeout bounds one call of a client, in addition to the context's deadline.
const DefaultTimeout = 10 * time.Second

// Credentials are AWS keys. DynamoDB Local takes any of letters and digits, and keeps apart what they wrote.
type Credentials struct {
	AccessKeyID     string
	SecretAccessKey string
	// SessionToken belongs to temporary keys, as those of a Lambda function.
	SessionToken string
}

// ClientOptions configures [NewClient].
type ClientOptions struct {
	// Region is the AWS Region; needed.
	Region string
	// Endpoint is the URL of a DynamoDB Local; empty for that of the Region.
	Endpoint string
	// Credentials sign the calls; needed.
	Credentials Credentials
	// MaxConns is how many idle connections are kept, at best as many as there are calls at a time;
	// DefaultMaxConns if 0.
	MaxConns int
	// Timeout bounds one call; DefaultTimeout if 0.
	Timeout time.Duration
	// HTTPClient replaces the client that MaxConns and Timeout describe, unless nil.
	HTTPClient *http.Client
}

// NewClient returns a client that makes each call once: whether to repeat it is the store's decision. It
// makes no connection yet.
func NewClient(o ClientOptions) *dynamodb.Client {
	if o.HTTPClient == nil {
		o.HTTPClient = newHTTPClient(o)
	}
	options := dynamodb.Options{
		Region:                o.Region,
		Credentials:           o.Credentials.provider(),
		Retryer:               aws.NopRetryer{},
		HTTPClient:            sender{o.HTTPClient},
		AccountIDEndpointMode: aws.AccountIDEndpointModeDisabled,
	}
	if o.Endpoint != "" {
		options.BaseEndpoint = &o.Endpoint
	}
	return dynamodb.New(options)
}

func (c Credentials) provider() aws.CredentialsProvider {
	return aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
		return aws.Credentials{
			AccessKeyID: c.AccessKeyID, SecretAccessKey: c.SecretAccessKey, SessionToken: c.SessionToken, Source: "nonstick",
		}, nil
	})
}

func newHTTPClient(o ClientOptions) *http.Client {
	if o.MaxConns <= 0 {
		o.MaxConns = DefaultMaxConns
	}
	if o.Timeout <= 0 {
		o.Timeout = DefaultTimeout
	}
	return &http.Client{
		Timeout: o.Timeout,
		Transport: &http.Transport{
			Proxy:               http.ProxyFromEnvironment,
			DialContext:         (&net.Dialer{Timeout: 2 * time.Second, KeepAlive: 30 * time.Second}).DialContext,
			TLSHandshakeTimeout: 3 * time.Second,
			MaxIdleConns:        o.MaxConns,
			MaxIdleConnsPerHost: o.MaxConns, // the default of 2 would make nearly every call dial
			IdleConnTimeout:     90 * time.Second,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// sender sends requests whose bodies it has taken over. The SDK closes the body of a request as soon as there
// is an answer; if net/http is not done with it then, it takes the closed body for a failure to send, and closes the
// connection while the answer is being read: a write that was answered would be in doubt. Besides, net/http can
// send such a body again on another connection, if the first turns out to be dead before anything was written.
type sender struct{ client *http.Client }

// Do sends a request.
func (s sender) Do(req *http.Request) (*http.Response, error) {
	if req.Body == nil || req.Body == http.NoBody {
		return s.client.Do(req)
	}
	var text bytes.Buffer
	text.Grow(int(max(req.ContentLength, 0)) + bytes.MinRead)
	if _, err := text.ReadFrom(req.Body); err != nil {
		return nil, fmt.Errorf("read request: %w", err)
	}
	req = req.WithContext(req.Context()) // a copy
	req.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(text.Bytes())), nil }
	req.Body, _ = req.GetBody()
	return s.client.Do(req)
}
