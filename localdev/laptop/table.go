//go:build unix

package laptop

import (
	"context"
	"errors"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/nonstick-io/nonstick/localdev/template"
	"github.com/nonstick-io/nonstick/sessionstore/dynamostore"
)

// createTable makes a table as the template describes it. One that is there already is as good.
func createTable(ctx context.Context, endpoint string, t template.Table) error {
	ctx, cancel := context.WithTimeout(ctx, tableTime)
	defer cancel()
	client := dynamostore.NewClient(dynamostore.ClientOptions{
		Region: localRegion, Endpoint: endpoint,
		Credentials: dynamostore.Credentials{AccessKeyID: localKey, SecretAccessKey: localKey},
	})
	in := &dynamodb.CreateTableInput{TableName: &t.Name, BillingMode: types.BillingModePayPerRequest}
	for i, key := range []template.Attribute{t.Hash, t.Range} {
		if key.Name == "" {
			continue
		}
		kind := []types.KeyType{types.KeyTypeHash, types.KeyTypeRange}[i]
		in.AttributeDefinitions = append(
			in.AttributeDefinitions,
			types.AttributeDefinition{AttributeName: &key.Name, AttributeType: types.ScalarAttributeType(key.Type)},
		)
		in.KeySchema = append(in.KeySchema, types.KeySchemaElement{AttributeName: &key.Name, KeyType: kind})
	}
	_, err := client.CreateTable(ctx, in)
	if _, there := errors.AsType[*types.ResourceInUseException](err); there {
		return nil
	}
	if err != nil || t.TTL == "" {
		return err
	}
	_, err = client.UpdateTimeToLive(ctx, &dynamodb.UpdateTimeToLiveInput{
		TableName:               &t.Name,
		TimeToLiveSpecification: &types.TimeToLiveSpecification{AttributeName: &t.TTL, Enabled: new(true)},
	})
	return err
}
