package dynamostore_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"github.com/nonstick-io/nonstick/internal/dynamotest"
	"github.com/nonstick-io/nonstick/sessionstore"
	"github.com/nonstick-io/nonstick/sessionstore/dynamostore"
	"github.com/nonstick-io/nonstick/sessionstore/storetest"
)

const table = "sessions"

// newClient returns a client of a database of its own.
func newClient(t testing.TB) *dynamodb.Client {
	t.Helper()
	keep := func(r rune) rune {
		if r == '-' || r == '_' {
			return -1
		}
		return r
	}
	return dynamostore.NewClient(dynamostore.ClientOptions{
		Region: "eu-central-1", Endpoint: dynamotest.Start(t),
		Credentials: dynamostore.Credentials{
			AccessKeyID: strings.Map(keep, sessionstore.NewID()), SecretAccessKey: "secret",
		},
	})
}

// newTable returns a client of a database with the table.
func newTable(t testing.TB) *dynamodb.Client {
	t.Helper()
	client := newClient(t)
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	if err := dynamostore.CreateTable(ctx, client, table); err != nil {
		t.Fatal(err)
	}
	return client
}

func TestStore(t *testing.T) {
	t.Parallel() // it waits for the database most of the time, as the others that do so
	storetest.Run(t, func(t *testing.T) sessionstore.Store {
		return dynamostore.New(newTable(t), dynamostore.Options{Table: table})
	})
}
