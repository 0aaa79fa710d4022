package main

import (
	"cmp"
	"context"
	"errors"
	"os"
	"time"

	"github.com/nonstick-io/nonstick/sessionstore"
	"github.com/nonstick-io/nonstick/sessionstore/dynamostore"
	"github.com/nonstick-io/nonstick/sessionstore/memstore"
)

// localRegion is the one that calls are signed for where none is configured.
const localRegion = "us-east-1"

// shards is the number of the registry's shards, the same for all processes on a table. It is below the default, for one
// process on a laptop walks them all.
const shards = 4

// tableTime is how long the making of a table may take.
const tableTime = 30 * time.Second

var errNoCredentials = errors.New("no AWS credentials: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or --dynamodb-endpoint for a local DynamoDB")

// openStore returns the store that sessions live in. A table at a local endpoint is made if it is not there.
func openStore(ctx context.Context, c config, table string) (sessionstore.Store, error) {
	if c.store == "memory" {
		return memstore.New(memstore.Options{MaxBytes: int64(c.memoryLimit) << 20}), nil
	}
	keys := dynamostore.Credentials{
		AccessKeyID: os.Getenv("AWS_ACCESS_KEY_ID"), SecretAccessKey: os.Getenv("AWS_SECRET_ACCESS_KEY"), SessionToken: os.Getenv("AWS_SESSION_TOKEN"),
	}
	local := c.dynamoDBEndpoint != ""
	if keys.AccessKeyID == "" || keys.SecretAccessKey == "" {
		if !local {
			return nil, errNoCredentials
		}
		keys = dynamostore.Credentials{AccessKeyID: "local", SecretAccessKey: "local"}
	}
	client := dynamostore.NewClient(dynamostore.ClientOptions{
		Region: cmp.Or(os.Getenv("AWS_REGION"), os.Getenv("AWS_DEFAULT_REGION"), localRegion), Endpoint: c.dynamoDBEndpoint, Credentials: keys,
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
