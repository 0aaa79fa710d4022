package dynamostore

import (
	"cmp"
	"context"
	"net/http"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"github.com/nonstick-io/nonstick/internal/awshttp"
)

// Client is what a store needs of DynamoDB: a *dynamodb.Client, see [NewClient], or a wrapper of one. It must
// not repeat calls by itself.
type Client interface {
	PutItem(context.Context, *dynamodb.PutItemInput, ...func(*dynamodb.Options)) (*dynamodb.PutItemOutput, error)
	UpdateItem(
		context.Context, *dynamodb.UpdateItemInput, ...func(*dynamodb.Options),
	) (*dynamodb.UpdateItemOutput, error)
	DeleteItem(
		context.Context, *dynamodb.DeleteItemInput, ...func(*dynamodb.Options),
	) (*dynamodb.DeleteItemOutput, error)
	GetItem(context.Context, *dynamodb.GetItemInput, ...func(*dynamodb.Options)) (*dynamodb.GetItemOutput, error)
	Query(context.Context, *dynamodb.QueryInput, ...func(*dynamodb.Options)) (*dynamodb.QueryOutput, error)
	BatchGetItem(
		context.Context, *dynamodb.BatchGetItemInput, ...func(*dynamodb.Options),
	) (*dynamodb.BatchGetItemOutput, error)
	BatchWriteItem(
		context.Context, *dynamodb.BatchWriteItemInput, ...func(*dynamodb.Options),
	) (*dynamodb.BatchWriteItemOutput, error)
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
		HTTPClient:            awshttp.New(o.HTTPClient),
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
			AccessKeyID: c.AccessKeyID, SecretAccessKey: c.SecretAccessKey, SessionToken: c.SessionToken,
			Source: "nonstick",
		}, nil
	})
}

func newHTTPClient(o ClientOptions) *http.Client {
	return awshttp.NewHTTP(cmp.Or(max(o.MaxConns, 0), DefaultMaxConns), cmp.Or(max(o.Timeout, 0), DefaultTimeout))
}
