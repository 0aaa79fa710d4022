//go:build unix

package scenes

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"github.com/nonstick-io/nonstick/internal/dynamotest"
	"github.com/nonstick-io/nonstick/sessionstore/dynamostore"
	"github.com/nonstick-io/nonstick/sessionstore/memstore"
)

// On the store in memory, in simulated time.
func TestNeighboursInMemory(t *testing.T) {
	for _, s := range scenes {
		for _, ping := range []struct{ interval, timeout time.Duration }{
			{10 * time.Second, 4 * time.Second}, {60 * time.Second, 20 * time.Second},
		} {
			t.Run(fmt.Sprintf("%s/%s", s.name, ping.interval), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					for _, bad := range play(
						t, s, memstore.New(memstore.Options{}), ping.interval, ping.timeout, 0, none,
					) {
						t.Error(bad)
					}
				})
			})
		}
	}
}

// Without its cure each scene fails, so each shows what it is to show.
func TestScenesFailWithoutTheirCures(t *testing.T) {
	for missing, names := range map[cure][]string{
		pushesWaitForNobody:     {"connections whose pushes hang", "everything"},
		nobodyIsExpiredUnpinged: {"connections that are busy", "everything"},
		endsBesideOneAnother:    {"disconnect handlers that hang", "everything"},
		namespacesShare:         {"a namespace whose disconnect handlers all hang"},
		closesAreHandedOver:     {"an emit while the store is slow to close sessions"},
	} {
		for _, s := range scenes {
			if !slices.Contains(names, s.name) {
				continue
			}
			t.Run(fmt.Sprintf("%s/%s", missing, s.name), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					bad := play(t, s, memstore.New(memstore.Options{}), 10*time.Second, 4*time.Second, 0, missing)
					if len(bad) == 0 {
						t.Error("the scene does not notice")
						return
					}
					t.Logf("noticed: %s", bad[0])
				})
			})
		}
	}
}

// On DynamoDB, with the time that a real table takes, everything at once.
func TestNeighboursOnDynamoDB(t *testing.T) {
	if testing.Short() {
		t.Skip("a minute of real time")
	}
	t.Parallel()
	const table = "scenes"
	client := dynamostore.NewClient(dynamostore.ClientOptions{
		Region: "eu-central-1", Endpoint: dynamotest.Start(t),
		Credentials: dynamostore.Credentials{AccessKeyID: "scenes", SecretAccessKey: "s"},
	})
	if err := dynamostore.CreateTable(t.Context(), client, table); err != nil {
		t.Fatal(err)
	}
	interval, timeout := times(t)
	for _, bad := range play(
		t, everything, dynamostore.New(distant{client}, dynamostore.Options{Table: table}), interval, timeout, slack,
		none,
	) {
		t.Error(bad)
	}
}

// slack is what the ends may take longer on DynamoDB Local. A thousand of them come at once, at some ten calls each,
// and it does no more than one or two thousand calls a second, on a machine that is busy some hundred. A table of AWS
// does ten times as many; so the time for an end is held exactly in memory, and what the healthy clients and the
// sender feel is held here too.
const slack = 20 * time.Second

// distance is what DynamoDB takes for a call, beyond what DynamoDB Local takes.
const distance = 6 * time.Millisecond

// distant is a client of a table that is some way off.
type distant struct{ dynamostore.Client }

func (d distant) PutItem(
	ctx context.Context, in *dynamodb.PutItemInput, o ...func(*dynamodb.Options),
) (*dynamodb.PutItemOutput, error) {
	time.Sleep(distance)
	return d.Client.PutItem(ctx, in, o...)
}

func (d distant) UpdateItem(
	ctx context.Context, in *dynamodb.UpdateItemInput, o ...func(*dynamodb.Options),
) (*dynamodb.UpdateItemOutput, error) {
	time.Sleep(distance)
	return d.Client.UpdateItem(ctx, in, o...)
}

func (d distant) DeleteItem(
	ctx context.Context, in *dynamodb.DeleteItemInput, o ...func(*dynamodb.Options),
) (*dynamodb.DeleteItemOutput, error) {
	time.Sleep(distance)
	return d.Client.DeleteItem(ctx, in, o...)
}

func (d distant) GetItem(
	ctx context.Context, in *dynamodb.GetItemInput, o ...func(*dynamodb.Options),
) (*dynamodb.GetItemOutput, error) {
	time.Sleep(distance)
	return d.Client.GetItem(ctx, in, o...)
}

func (d distant) Query(
	ctx context.Context, in *dynamodb.QueryInput, o ...func(*dynamodb.Options),
) (*dynamodb.QueryOutput, error) {
	time.Sleep(distance)
	return d.Client.Query(ctx, in, o...)
}

func (d distant) BatchGetItem(
	ctx context.Context, in *dynamodb.BatchGetItemInput, o ...func(*dynamodb.Options),
) (*dynamodb.BatchGetItemOutput, error) {
	time.Sleep(distance)
	return d.Client.BatchGetItem(ctx, in, o...)
}

func (d distant) BatchWriteItem(
	ctx context.Context, in *dynamodb.BatchWriteItemInput, o ...func(*dynamodb.Options),
) (*dynamodb.BatchWriteItemOutput, error) {
	time.Sleep(distance)
	return d.Client.BatchWriteItem(ctx, in, o...)
}
