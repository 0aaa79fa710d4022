package capacity_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"

	"github.com/nonstick-io/nonstick/localdev/capacity"
)

// answers are what a table says to an operation that asks for its capacity; without asking it says none.
var answers = map[string]struct {
	status int
	body   string
}{
	"GetItem":            {200, `{"ConsumedCapacity":{"CapacityUnits":0.5,"TableName":"t"},"Item":{}}`},
	"BatchGetItem":       {200, `{"ConsumedCapacity":[{"CapacityUnits":2.0},{"CapacityUnits":1.5}]}`},
	"PutItem":            {200, `{"ConsumedCapacity":{"CapacityUnits":3.0}}`},
	"UpdateItem":         {400, `{"__type":"com.amazonaws.dynamodb.v20120810#ConditionalCheckFailedException"}`},
	"TransactWriteItems": {200, `{"ConsumedCapacity":[{"CapacityUnits":4.0}]}`},
	"DeleteItem":         {400, `{"__type":"com.amazon.coral.validate#ValidationException"}`},
	"ListTables":         {200, `{"TableNames":[]}`},
}

// What operations say that they took is added up, and their answers pass as they are.
func TestCounter(t *testing.T) {
	var bodies []string
	table := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		bodies = append(bodies, string(body))
		_, op, _ := strings.Cut(r.Header.Get("X-Amz-Target"), ".")
		if op != "ListTables" && strings.Count(string(body), `"ReturnConsumedCapacity"`) != 1 {
			http.Error(w, "not asked: "+string(body), http.StatusTeapot)
			return
		}
		w.WriteHeader(answers[op].status)
		_, _ = io.WriteString(w, answers[op].body)
	}))
	defer table.Close()
	c, err := capacity.New(table.URL)
	if err != nil {
		t.Fatal(err)
	}
	s := httptest.NewServer(c)
	defer s.Close()
	call := func(op, body string) {
		t.Helper()
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.URL, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("X-Amz-Target", "DynamoDB_20120810."+op)
		res, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = res.Body.Close() }()
		got, _ := io.ReadAll(res.Body)
		if string(got) != answers[op].body || res.StatusCode != answers[op].status {
			t.Errorf("%s: %d %s", op, res.StatusCode, got)
		}
	}
	for op := range answers {
		call(op, `{"TableName":"t"}`)
	}
	call("GetItem", `{}`)
	call("PutItem", ` { "ReturnConsumedCapacity" : "INDEXES" }`)
	want := capacity.Used{Read: 0.5 + 3.5 + 0.5, Write: 3 + 1 + 4 + 3, Requests: int64(len(answers)) + 2}
	got := c.Used()
	if o := got.Operations["GetItem"]; o != (capacity.Operation{Requests: 2, Units: 1}) {
		t.Errorf("GetItem: %+v", o)
	}
	if got.Operations = nil; !reflect.DeepEqual(got, want) {
		t.Errorf("%+v, want %+v", got, want)
	}
	if last := bodies[len(bodies)-1]; last != ` { "ReturnConsumedCapacity" : "INDEXES" }` {
		t.Errorf("a request that asks by itself became %s", last)
	}
	if _, err := capacity.New("nowhere"); err == nil {
		t.Error("no URL is taken for one")
	}
}
