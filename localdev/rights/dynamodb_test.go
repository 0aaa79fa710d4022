package rights

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/smithy-go"
)

const tables = "arn:aws:dynamodb:us-east-1:000000000000:table/"

// What an operation takes rights to.
func TestTableCalls(t *testing.T) {
	tests := []struct {
		operation, body string
		want            []string
	}{
		{"GetItem", `{"TableName":"T","Key":{}}`, []string{"GetItem T"}},
		{"Query", `{"TableName":"T","IndexName":"I"}`, []string{"Query T/index/I"}},
		{"DescribeTable", `{"TableName":"` + tables + `T"}`, []string{"DescribeTable " + tables + "T"}},
		{"BatchGetItem", `{"RequestItems":{"T":{"Keys":[]},"U":{}}}`, []string{"BatchGetItem T", "BatchGetItem U"}},
		{"BatchWriteItem", `{"RequestItems":{"T":[]}}`, []string{"BatchWriteItem T"}},
		{
			"TransactWriteItems",
			`{"TransactItems":[{"Put":{"TableName":"T"}},{"Put":{"TableName":"T"}},{"ConditionCheck":{"TableName":"U"}},` +
				`{"Update":{"TableName":"U"}},{"Delete":{"TableName":"T"}}]}`,
			[]string{"ConditionCheckItem U", "DeleteItem T", "PutItem T", "UpdateItem U"},
		},
		{"TransactGetItems", `{"TransactItems":[{"Get":{"TableName":"T"}}]}`, []string{"GetItem T"}},
		{"ListTables", `{}`, nil},
		{"ExecuteStatement", `{"Statement":"SELECT * FROM T"}`, nil},
		{"GetItem", `no JSON`, nil},
	}
	for _, tt := range tests {
		t.Run(tt.operation, func(t *testing.T) {
			var got []string
			for _, c := range tableCalls(tt.operation, []byte(tt.body)) {
				got = append(got, c.action+" "+c.of)
			}
			slices.Sort(got)
			if !slices.Equal(got, tt.want) {
				t.Errorf("calls = %q, want %q", got, tt.want)
			}
		})
	}
}

// A caller with rights to one table gets to it, whole, and is told of another as by AWS.
func TestDynamoDB(t *testing.T) {
	var reached []string
	local := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		reached = append(reached, string(b))
		_, _ = io.WriteString(w, `{}`)
	})
	c := NewCallers(nil)
	c.Add("some", &Rights{
		Principal:  "arn:aws:sts::000000000000:assumed-role/R/F",
		Statements: []Statement{allow("dynamodb:GetItem", tables+"T"), allow("dynamodb:PutItem", tables+"T")},
	})
	s := httptest.NewServer(c.DynamoDB(tables, local))
	defer s.Close()
	client := func(token string) *dynamodb.Client {
		return dynamodb.New(dynamodb.Options{
			Region: "us-east-1", BaseEndpoint: &s.URL, Retryer: aws.NopRetryer{},
			Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
				return aws.Credentials{AccessKeyID: "local", SecretAccessKey: "local", SessionToken: token}, nil
			}),
		})
	}
	get := func(token, table string) error {
		key := map[string]types.AttributeValue{"PK": &types.AttributeValueMemberS{Value: "x"}}
		_, err := client(token).GetItem(t.Context(), &dynamodb.GetItemInput{TableName: &table, Key: key})
		return err
	}
	if err := get("some", "T"); err != nil || len(reached) != 1 || !strings.Contains(reached[0], `"S":"x"`) {
		t.Errorf("allowed: %v, reached with %q", err, reached)
	}
	err := get("some", "U")
	refused, ok := errors.AsType[smithy.APIError](err)
	const want = "User: arn:aws:sts::000000000000:assumed-role/R/F is not authorized to perform: dynamodb:GetItem on " +
		"resource: " + tables + "U because no identity-based policy allows the dynamodb:GetItem action"
	if !ok || refused.ErrorCode() != "AccessDeniedException" || refused.ErrorMessage() != want || len(reached) != 1 {
		t.Errorf("refused: %v, reached with %q", err, reached)
	}
	put := types.Put{TableName: aws.String("T"), Item: map[string]types.AttributeValue{}}
	gone := types.Delete{TableName: aws.String("T"), Key: map[string]types.AttributeValue{}}
	_, err = client("some").TransactWriteItems(t.Context(), &dynamodb.TransactWriteItemsInput{
		TransactItems: []types.TransactWriteItem{{Put: &put}, {Delete: &gone}},
	})
	const missing = "dynamodb:DeleteItem on resource: " + tables + "T"
	if err == nil || !strings.Contains(err.Error(), missing) || len(reached) != 1 {
		t.Errorf("a transaction with one right missing: %v", err)
	}
	if err := get("a developer's", "U"); err != nil || len(reached) != 2 {
		t.Errorf("another caller: %v", err)
	}
}
