package rights

import (
	"bytes"
	"encoding/json"
	"fmt"
	"hash/crc32"
	"io"
	"net/http"
	"slices"
	"strings"
)

// DynamoDB returns a handler that stands before DynamoDB Local, which takes every call, and asks what a caller may do
// to a table before it hands the request to next. Tables is the ARN of a table without its name,
// arn:aws:dynamodb:REGION:ACCOUNT:table/. A call that does not say which table it is about, as one in PartiQL, passes.
//
// The operations and their rights:
// https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/transaction-apis-iam.html and
// https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazondynamodb.html
func (c *Callers) DynamoDB(tables string, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if c.byToken[token(r)] == nil {
			next.ServeHTTP(w, r)
			return
		}
		body, err := io.ReadAll(r.Body)
		if err != nil {
			http.Error(w, "the body ended early", http.StatusBadRequest)
			return
		}
		_, operation, _ := strings.Cut(r.Header.Get("X-Amz-Target"), ".")
		for _, call := range tableCalls(operation, body) {
			arn := tables + call.of
			if strings.HasPrefix(call.of, "arn:") {
				arn = call.of
			}
			if err := c.Check(r, "dynamodb:"+call.action, arn); err != nil {
				refuseTable(w, err)
				return
			}
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		next.ServeHTTP(w, r)
	})
}

// tableCall is what a request does to a table, by its name or ARN, or to an index of it.
type tableCall struct{ action, of string }

// itemAction are the actions of what a transaction does to an item.
var itemAction = map[string]string{
	"Get": "GetItem", "Put": "PutItem", "Update": "UpdateItem", "Delete": "DeleteItem",
	"ConditionCheck": "ConditionCheckItem",
}

// tableCalls are what a request takes rights to, each once. A body that is no request is for DynamoDB to refuse.
func tableCalls(operation string, body []byte) (all []tableCall) {
	var in struct {
		TableName, IndexName string
		RequestItems         map[string]json.RawMessage // of batches, by table
		TransactItems        []map[string]struct{ TableName string }
	}
	if json.Unmarshal(body, &in) != nil {
		return nil
	}
	if in.TableName != "" {
		of := in.TableName
		if in.IndexName != "" {
			of += "/index/" + in.IndexName
		}
		all = append(all, tableCall{operation, of})
	}
	for table := range in.RequestItems {
		all = append(all, tableCall{operation, table})
	}
	for _, item := range in.TransactItems {
		for does, to := range item {
			if call := (tableCall{itemAction[does], to.TableName}); call.action != "" && !slices.Contains(all, call) {
				all = append(all, call)
			}
		}
	}
	return all
}

// refuseTable answers as DynamoDB does. Its clients check the sum of what they get.
func refuseTable(w http.ResponseWriter, refusal error) {
	b, err := json.Marshal(struct {
		Type    string `json:"__type"`
		Message string
	}{"com.amazon.coral.service#AccessDeniedException", refusal.Error()})
	if err != nil {
		panic(err) // strings always marshal
	}
	w.Header().Set("Content-Type", "application/x-amz-json-1.0")
	w.Header().Set("X-Amz-Crc32", fmt.Sprint(crc32.ChecksumIEEE(b)))
	w.WriteHeader(http.StatusBadRequest)
	_, _ = w.Write(b) // the caller may be gone
}
