package dynamostore

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/smithy-go"
)

// TableClient is what [CreateTable] needs of DynamoDB.
type TableClient interface {
	CreateTable(
		context.Context, *dynamodb.CreateTableInput, ...func(*dynamodb.Options),
	) (*dynamodb.CreateTableOutput, error)
	DescribeTable(
		context.Context, *dynamodb.DescribeTableInput, ...func(*dynamodb.Options),
	) (*dynamodb.DescribeTableOutput, error)
	UpdateTimeToLive(
		context.Context, *dynamodb.UpdateTimeToLiveInput, ...func(*dynamodb.Options),
	) (*dynamodb.UpdateTimeToLiveOutput, error)
}

// pollTable is how often a table that is being made is asked for.
const pollTable = 100 * time.Millisecond

// CreateTable makes the table, pays by request, and returns once it is ready. A table that is there already, or
// that another process is making, is as good. For local use: on AWS the template makes it.
func CreateTable(ctx context.Context, client TableClient, table string) error {
	_, err := client.CreateTable(ctx, &dynamodb.CreateTableInput{
		TableName:   &table,
		BillingMode: types.BillingModePayPerRequest,
		AttributeDefinitions: []types.AttributeDefinition{
			{AttributeName: new(attrPK), AttributeType: types.ScalarAttributeTypeS},
			{AttributeName: new(attrSK), AttributeType: types.ScalarAttributeTypeS},
		},
		KeySchema: []types.KeySchemaElement{
			{AttributeName: new(attrPK), KeyType: types.KeyTypeHash},
			{AttributeName: new(attrSK), KeyType: types.KeyTypeRange},
		},
	})
	var inUse *types.ResourceInUseException
	if err != nil && !errors.As(err, &inUse) {
		return fmt.Errorf("create table %q: %w", table, translate(err))
	}
	if err := waitForTable(ctx, client, table); err != nil {
		return fmt.Errorf("wait for table %q: %w", table, err)
	}
	if err := expireItems(ctx, client, table); err != nil {
		return fmt.Errorf("set time to live of table %q: %w", table, err)
	}
	return nil
}

func waitForTable(ctx context.Context, client TableClient, table string) error {
	for {
		out, err := client.DescribeTable(ctx, &dynamodb.DescribeTableInput{TableName: &table})
		var missing *types.ResourceNotFoundException // for a moment, after CreateTable
		switch {
		case err != nil && !errors.As(err, &missing):
			return translate(err)
		case err == nil && out.Table.TableStatus == types.TableStatusActive:
			return nil
		}
		if err := sleep(ctx, pollTable); err != nil {
			return err
		}
	}
}

func expireItems(ctx context.Context, client TableClient, table string) error {
	_, err := client.UpdateTimeToLive(ctx, &dynamodb.UpdateTimeToLiveInput{
		TableName:               &table,
		TimeToLiveSpecification: &types.TimeToLiveSpecification{AttributeName: new(attrTTL), Enabled: new(true)},
	})
	var api smithy.APIError
	if errors.As(err, &api) && api.ErrorCode() == "ValidationException" {
		return nil // it is set already
	}
	if err != nil {
		return translate(err)
	}
	return nil
}
