package laptop

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"syscall"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/smithy-go"

	"github.com/nonstick-io/nonstick/sessionstore"
	"github.com/nonstick-io/nonstick/sessionstore/dynamostore"
	"github.com/nonstick-io/nonstick/sessionstore/memstore"
)

// localRegion is the one that calls are signed for where none is configured.
const localRegion = "us-east-1"

// localKey is the access key, and its secret, of local processes.
const localKey = "local"

// shards is the number of the registry's shards, the same for all processes on a table. It is below the default, for
// one process on a laptop walks them all.
const shards = 4

// tableTime is how long the making of a table may take.
const tableTime = 30 * time.Second

var errNoCredentials = errors.New(
	"no AWS credentials: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or --dynamodb-endpoint for a local DynamoDB",
)

// probeTime is how long DynamoDB may take to answer at the start.
const probeTime = 10 * time.Second

// checkDynamoDB asks an endpoint that was given something that every DynamoDB answers, if with a refusal.
func checkDynamoDB(ctx context.Context, c config) error {
	if c.dynamoDBEndpoint == "" || c.template == "" && c.store == "memory" {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, probeTime)
	defer cancel()
	client := dynamostore.NewClient(dynamostore.ClientOptions{
		Region: localRegion, Endpoint: c.dynamoDBEndpoint,
		Credentials: dynamostore.Credentials{AccessKeyID: localKey, SecretAccessKey: localKey},
	})
	_, err := client.ListTables(ctx, &dynamodb.ListTablesInput{Limit: aws.Int32(1)})
	refused, ok := errors.AsType[smithy.APIError](err)
	switch {
	case err == nil, ok && fromDynamoDB(refused.ErrorCode()):
		return nil
	case errors.Is(err, syscall.ECONNREFUSED):
		return fmt.Errorf(
			"--dynamodb-endpoint %s: no server listens there: start DynamoDB Local, for instance with scripts/dynamodb-local",
			c.dynamoDBEndpoint,
		)
	default:
		return fmt.Errorf("--dynamodb-endpoint %s: what answers there is not DynamoDB: %w", c.dynamoDBEndpoint, err)
	}
}

// fromDynamoDB reports whether an error has a code as those of DynamoDB are. Of no other service that speaks its
// protocol has this operation.
func fromDynamoDB(code string) bool {
	return strings.HasSuffix(code, "Exception") && code != "UnknownOperationException"
}

// openStore returns the store that sessions live in. A table at a local endpoint is made if it is not there.
func openStore(ctx context.Context, c config, table string) (sessionstore.Store, error) {
	if c.store == "memory" {
		return memstore.New(memstore.Options{MaxBytes: int64(c.memoryLimit) << 20}), nil
	}
	keys := dynamostore.Credentials{
		AccessKeyID: os.Getenv(
			"AWS_ACCESS_KEY_ID",
		),
		SecretAccessKey: os.Getenv("AWS_SECRET_ACCESS_KEY"), SessionToken: os.Getenv("AWS_SESSION_TOKEN"),
	}
	local := c.dynamoDBEndpoint != ""
	if keys.AccessKeyID == "" || keys.SecretAccessKey == "" {
		if !local {
			return nil, errNoCredentials
		}
		keys = dynamostore.Credentials{AccessKeyID: localKey, SecretAccessKey: localKey}
	}
	client := dynamostore.NewClient(dynamostore.ClientOptions{
		Region: cmp.Or(
			os.Getenv("AWS_REGION"), os.Getenv("AWS_DEFAULT_REGION"), localRegion,
		),
		Endpoint: c.dynamoDBEndpoint, Credentials: keys,
	})
	if local {
		ctx, cancel := context.WithTimeout(ctx, tableTime)
		defer cancel()
		if err := dynamostore.CreateTable(ctx, client, table); err != nil {
			return nil, err
		}
	}
	return dynamostore.New(client, dynamostore.Options{Table: table, Shards: shards}), nil
}
