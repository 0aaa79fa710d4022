package queue

import (
	"encoding/json"
	"encoding/xml"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"
)

// api speaks with an endpoint in both protocols, as bytes.
type api struct {
	t   *testing.T
	url string
	qs  *Queues
}

func newAPI(t *testing.T, specs ...Spec) *api {
	t.Helper()
	a := &api{t: t}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !Serves(r) {
			w.WriteHeader(http.StatusTeapot)
			return
		}
		a.qs.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	qs, err := New(Config{Base: server.URL, Region: "local", Queues: specs})
	if err != nil {
		t.Fatal(err)
	}
	a.url, a.qs = server.URL, qs
	return a
}

// told is an answer in what both protocols have in common.
type told struct {
	status     int
	name, code string // of an error; the query protocol has no name
	message    string
	body       string
}

// json asks in AWS JSON.
func (a *api) json(action, parameters string) told {
	a.t.Helper()
	status, header, body := a.post(
		"/", parameters,
		map[string]string{"X-Amz-Target": target + action, "Content-Type": "application/x-amz-json-1.0"},
	)
	var e struct {
		Type    string `json:"__type"`
		Message string `json:"message"`
	}
	if err := json.Unmarshal([]byte(body), &e); err != nil {
		a.t.Fatalf("%s: %s: %v", action, body, err)
	}
	code, fault, _ := strings.Cut(header.Get("X-Amzn-Query-Error"), ";")
	if status != 200 && fault != "Sender" {
		a.t.Errorf("%s: x-amzn-query-error = %q", action, header.Get("X-Amzn-Query-Error"))
	}
	return told{status, e.Type[strings.Index(e.Type, "#")+1:], code, e.Message, body}
}

// query asks in the query protocol.
func (a *api) query(path, form string) told {
	a.t.Helper()
	status, _, body := a.post(path, form, map[string]string{"Content-Type": "application/x-www-form-urlencoded"})
	var e struct {
		Error struct{ Type, Code, Message string }
	}
	if err := xml.Unmarshal([]byte(body), &e); err != nil {
		a.t.Fatalf("%s: %s: %v", form, body, err)
	}
	if status != 200 && e.Error.Type != "Sender" {
		a.t.Errorf("%s: %s", form, body)
	}
	return told{status, "", e.Error.Code, e.Error.Message, body}
}

func (a *api) post(path, body string, header map[string]string) (int, http.Header, string) {
	a.t.Helper()
	req, err := http.NewRequestWithContext(a.t.Context(), http.MethodPost, a.url+path, strings.NewReader(body))
	if err != nil {
		a.t.Fatal(err)
	}
	req.Header.Set(
		"Authorization",
		"AWS4-HMAC-SHA256 Credential=local/20261127/us-east-1/sqs/aws4_request, SignedHeaders=host, Signature=0",
	)
	for k, v := range header {
		req.Header.Set(k, v)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		a.t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		a.t.Fatal(err)
	}
	return res.StatusCode, res.Header, string(b)
}

// form is a JSON request in the query protocol.
func form(t *testing.T, action, parameters string) string {
	t.Helper()
	var m map[string]any
	if err := json.Unmarshal([]byte(parameters), &m); err != nil {
		t.Fatal(err)
	}
	v := url.Values{"Action": {action}, "Version": {queryVersion}}
	for name, value := range m {
		for singular, plural := range listNames {
			if plural == name && (name != "Entries" || strings.HasPrefix(singular, action)) {
				name = singular
			}
		}
		for singular, plural := range mapNames {
			if plural == name {
				name = singular
			}
		}
		flatten(v, name, value)
	}
	return v.Encode()
}

func flatten(v url.Values, name string, value any) {
	switch value := value.(type) {
	case []any:
		for i, e := range value {
			flatten(v, fmt.Sprintf("%s.%d", name, i+1), e)
		}
	case map[string]any:
		if strings.HasSuffix(name, "Attribute") {
			for i, k := range slices.Sorted(maps.Keys(value)) {
				v.Set(fmt.Sprintf("%s.%d.Name", name, i+1), k)
				flatten(v, fmt.Sprintf("%s.%d.Value", name, i+1), value[k])
			}
			return
		}
		for k, e := range value {
			flatten(v, name+"."+k, e)
		}
	default:
		v.Set(name, fmt.Sprint(value))
	}
}

// batch is the entries of a request, with their ids and what else each has.
func batch(more string, ids ...string) string {
	var entries []string
	for _, id := range ids {
		entries = append(entries, fmt.Sprintf(`{"Id":%q%s}`, id, more))
	}
	return `{"QueueUrl":"q","Entries":[` + strings.Join(entries, ",") + `]}`
}

// Each error has its name, its code in both protocols, its status and its message as on AWS.
func TestErrors(t *testing.T) {
	a := newAPI(
		t, Spec{Name: "q", Visibility: 30 * time.Second, DeadLetters: "dead", MaxReceives: 3}, Spec{Name: "dead"},
		Spec{Name: "f.fifo", FIFO: true, Visibility: time.Hour},
	)
	send(t, a.qs.byName["q"], Message{Body: "x"})
	inFlight := a.qs.byName["q"].Receive(t.Context(), 1, nil, 0)[0].Receipt
	send(t, a.qs.byName["q"], Message{Body: "x"})
	back := a.qs.byName["q"].Receive(t.Context(), 1, nil, 0)[0].Receipt
	if err := a.qs.byName["q"].Hide(back, 0); err != nil {
		t.Fatal(err)
	}
	send(t, a.qs.byName["f.fifo"], Message{Body: "x", Group: "g", Dedup: "d"})
	expired := a.qs.byName["f.fifo"].Receive(t.Context(), 1, new(time.Duration(0)), 0)[0].Receipt
	ids := strings.Split("0 1 2 3 4 5 6 7 8 9 10", " ")
	const body = `,"MessageBody":"x"`
	missing := func(p string) string { return "The request must contain the parameter " + p + "." }
	const entryID = "A batch entry id can only contain alphanumeric characters, hyphens and underscores. " +
		"It can be at most 80 letters long."
	tests := []struct {
		name, action, parameters string
		is                       kind
		message                  string
	}{
		{
			"no queue", "SendMessage", `{"QueueUrl":"nobody","MessageBody":"x"}`, noQueue,
			"The specified queue does not exist",
		},
		{
			"no queue of that name", "GetQueueUrl", `{"QueueName":"nobody"}`, noQueue,
			"The specified queue does not exist",
		},
		{"no body", "SendMessage", `{"QueueUrl":"q"}`, missingKind, missing("MessageBody")},
		{"an empty body", "SendMessage", `{"QueueUrl":"q","MessageBody":""}`, missingKind, missing("MessageBody")},
		{
			"a body that is too large", "SendMessage",
			`{"QueueUrl":"q","MessageBody":"` + strings.Repeat("x", maxMessage+1) + `"}`, tooLarge,
			"Message must be shorter than 1048576 bytes",
		},
		{
			"a control character", "SendMessage", `{"QueueUrl":"q","MessageBody":"a\u0001b"}`, badContents,
			"Invalid characters found",
		},
		{
			"what is no character", "SendMessage", `{"QueueUrl":"q","MessageBody":"a\uffff"}`, badContents,
			"Invalid characters found",
		},
		{
			"delay", "SendMessage", `{"QueueUrl":"q","MessageBody":"x","DelaySeconds":901}`, invalid,
			"Value 901 for parameter DelaySeconds is invalid. Reason: DelaySeconds must be >= 0 and <= 900.",
		},
		{
			"deduplication without FIFO", "SendMessage",
			`{"QueueUrl":"q","MessageBody":"x","MessageDeduplicationId":"d"}`, invalid,
			"The request include parameter that is not valid for this queue type",
		},
		{"no group", "SendMessage", `{"QueueUrl":"f.fifo","MessageBody":"x"}`, missingKind, missing("MessageGroupId")},
		{
			"an empty group", "SendMessage", `{"QueueUrl":"f.fifo","MessageBody":"x","MessageGroupId":""}`, invalid,
			"MessageGroupId can only include alphanumeric and punctuation characters. 1 to 128 in length.",
		},
		{
			"a group with a space", "SendMessage", `{"QueueUrl":"f.fifo","MessageBody":"x","MessageGroupId":"a b"}`,
			invalid, "Value a b for parameter MessageGroupId is invalid",
		},
		{
			"no deduplication", "SendMessage", `{"QueueUrl":"f.fifo","MessageBody":"x","MessageGroupId":"g"}`,
			invalid, "The queue should either have ContentBasedDeduplication enabled",
		},
		{
			"delay of a message of a FIFO queue", "SendMessage",
			`{"QueueUrl":"f.fifo","MessageBody":"x","MessageGroupId":"g","MessageDeduplicationId":"d","DelaySeconds":2}`,
			invalid, "Value 2 for parameter DelaySeconds is invalid",
		},
		{
			"an empty attribute", "SendMessage",
			`{"QueueUrl":"q","MessageBody":"x","MessageAttributes":{"a":{"DataType":"String","StringValue":""}}}`,
			invalid, "Message (user) attribute 'a' must contain a non-empty value of type 'String'.",
		},
		{
			"an attribute of no type", "SendMessage",
			`{"QueueUrl":"q","MessageBody":"x","MessageAttributes":{"a":{"DataType":"Text","StringValue":"x"}}}`,
			invalid, "has an invalid message attribute type",
		},

		{
			"no entries", "SendMessageBatch", `{"QueueUrl":"q","Entries":[]}`, emptyBatch,
			"There should be at least one SendMessageBatchRequestEntry in the request.",
		},
		{
			"no entries to delete", "DeleteMessageBatch", `{"QueueUrl":"q"}`, emptyBatch,
			"at least one DeleteMessageBatchRequestEntry",
		},
		{
			"too many entries", "SendMessageBatch", batch(body, ids...), tooMany,
			"Maximum number of entries per request are 10. You have sent 11.",
		},
		{
			"too many to delete", "DeleteMessageBatch", batch(`,"ReceiptHandle":"x"`, ids...), tooMany,
			"You have sent 11.",
		},
		{
			"too many to hide", "ChangeMessageVisibilityBatch", batch(`,"ReceiptHandle":"x"`, ids...), tooMany,
			"You have sent 11.",
		},
		{"an id twice", "SendMessageBatch", batch(body, "a", "b", "a"), repeatedEntry, "Id a repeated."},
		{"an id that is none", "SendMessageBatch", batch(body, "a:b"), badEntryID, entryID},
		{"no id", "DeleteMessageBatch", batch(`,"ReceiptHandle":"x"`, ""), badEntryID, entryID},
		{
			"a long id", "DeleteMessageBatch", batch(`,"ReceiptHandle":"x"`, strings.Repeat("a", 81)), badEntryID,
			entryID,
		},
		{
			"too long a batch", "SendMessageBatch",
			batch(`,"MessageBody":"`+strings.Repeat("x", maxMessage/2+1)+`"`, "a", "b"), batchTooLong,
			"Batch requests cannot be longer than 1048576 bytes. You have sent 1048578 bytes.",
		},
		{
			"no group in a batch", "SendMessageBatch", strings.Replace(batch(body, "a"), `"q"`, `"f.fifo"`, 1),
			invalid, missing("MessageGroupId"),
		},

		{
			"too many wanted", "ReceiveMessage", `{"QueueUrl":"q","MaxNumberOfMessages":11}`, invalid,
			"Value 11 for parameter MaxNumberOfMessages is invalid. Reason: Must be between 1 and 10, if provided.",
		},
		{
			"none wanted", "ReceiveMessage", `{"QueueUrl":"q","MaxNumberOfMessages":0}`, invalid,
			"Value 0 for parameter MaxNumberOfMessages is invalid",
		},
		{
			"too long a wait", "ReceiveMessage", `{"QueueUrl":"q","WaitTimeSeconds":21}`, invalid,
			"Value 21 for parameter WaitTimeSeconds is invalid. Reason: Must be >= 0 and <= 20, if provided.",
		},
		{
			"hidden too long", "ReceiveMessage", `{"QueueUrl":"q","VisibilityTimeout":43201}`, invalid,
			"Value 43201 for parameter VisibilityTimeout is invalid",
		},

		{"no receipt", "DeleteMessage", `{"QueueUrl":"q"}`, missingKind, missing("ReceiptHandle")},
		{
			"a receipt that is none", "DeleteMessage", `{"QueueUrl":"q","ReceiptHandle":"nonsense"}`, badReceipt,
			`The input receipt handle "nonsense" is not a valid receipt handle.`,
		},
		{
			"a receipt of another queue", "DeleteMessage", `{"QueueUrl":"dead","ReceiptHandle":"` + inFlight + `"}`,
			badReceipt, "is not a valid receipt handle.",
		},
		{
			"a receipt that has expired", "DeleteMessage", `{"QueueUrl":"f.fifo","ReceiptHandle":"` + expired + `"}`,
			invalid, "Reason: The receipt handle has expired.",
		},
		{
			"hide by a receipt that is none", "ChangeMessageVisibility",
			`{"QueueUrl":"q","ReceiptHandle":"nonsense","VisibilityTimeout":1}`, badReceipt,
			"is not a valid receipt handle.",
		},
		{
			"hide without a time", "ChangeMessageVisibility", `{"QueueUrl":"q","ReceiptHandle":"` + inFlight + `"}`,
			missingKind, missing("VisibilityTimeout"),
		},
		{
			"hide too long", "ChangeMessageVisibility",
			`{"QueueUrl":"q","ReceiptHandle":"` + inFlight + `","VisibilityTimeout":43201}`, invalid,
			"Value 43201 for parameter VisibilityTimeout is invalid",
		},
		{
			"hide what is not in flight", "ChangeMessageVisibility",
			`{"QueueUrl":"q","ReceiptHandle":"` + back + `","VisibilityTimeout":1}`, notInFlight, "isn't in flight",
		},

		{
			"unknown attribute", "GetQueueAttributes", `{"QueueUrl":"q","AttributeNames":["All","Colour"]}`, badName,
			"Unknown Attribute Colour.",
		},
		{
			"attribute to set that is unknown", "SetQueueAttributes",
			`{"QueueUrl":"q","Attributes":{"Colour":"red"}}`, badName, "Unknown Attribute Colour.",
		},
		{
			"FIFO of a standard queue", "SetQueueAttributes", `{"QueueUrl":"q","Attributes":{"FifoQueue":"true"}}`,
			badName, "Unknown Attribute FifoQueue.",
		},
		{
			"FIFO of a FIFO queue", "SetQueueAttributes", `{"QueueUrl":"f.fifo","Attributes":{"FifoQueue":"false"}}`,
			badAttribute, "Modifying queue type is not supported.",
		},
		{
			"value that is none", "SetQueueAttributes", `{"QueueUrl":"q","Attributes":{"VisibilityTimeout":"43201"}}`,
			badAttribute, "Invalid value for the parameter VisibilityTimeout.",
		},
		{
			"what the template says", "SetQueueAttributes", `{"QueueUrl":"q","Attributes":{"RedrivePolicy":"{}"}}`,
			unsupported, "localdev does not emulate changes of RedrivePolicy",
		},

		{"move without a source", "StartMessageMoveTask", `{}`, missingKind, missing("SourceArn")},
		{
			"move from nowhere", "StartMessageMoveTask", `{"SourceArn":"arn:aws:sqs:local:000000000000:nobody"}`,
			noResource, "The resource that you specified for the SourceArn parameter doesn't exist.",
		},
		{
			"move to nowhere", "StartMessageMoveTask",
			`{"SourceArn":"arn:aws:sqs:local:000000000000:dead","DestinationArn":"nobody"}`, noResource,
			"for the DestinationArn parameter doesn't exist.",
		},
		{
			"move what is not dead", "StartMessageMoveTask", `{"SourceArn":"arn:aws:sqs:local:000000000000:q"}`,
			invalid, "Source queue must be configured as a Dead Letter Queue.",
		},
		{
			"move too fast", "StartMessageMoveTask",
			`{"SourceArn":"arn:aws:sqs:local:000000000000:dead","MaxNumberOfMessagesPerSecond":501}`, invalid,
			"Value 501 for parameter MaxNumberOfMessagesPerSecond",
		},
		{
			"cancel nothing", "CancelMessageMoveTask", `{"TaskHandle":"nonsense"}`, invalid,
			"Value for parameter TaskHandle is invalid.",
		},

		{"not emulated", "CreateQueue", `{"QueueName":"new"}`, unsupported, "localdev does not emulate CreateQueue"},
		{"no operation of SQS", "Nonsense", `{}`, noAction, "The action Nonsense is not valid"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			a := &api{t, a.url, a.qs}
			got := a.json(tt.action, tt.parameters)
			if got.status != tt.is.status || got.name != tt.is.name || got.code != tt.is.code ||
				!strings.Contains(got.message, tt.message) {
				t.Errorf(
					"JSON: %d %s %s %.300q, want %+v %q", got.status, got.name, got.code, got.message, tt.is,
					tt.message,
				)
			}
			got = a.query("/", form(t, tt.action, tt.parameters))
			if got.status != tt.is.status || got.code != tt.is.code || !strings.Contains(got.message, tt.message) {
				t.Errorf("query: %d %s %.300q, want %+v %q", got.status, got.code, got.message, tt.is, tt.message)
			}
		})
	}
}

// A queue is named by its URL too, and without one that is what is missing.
func TestQueueOfAQuery(t *testing.T) {
	a := newAPI(t, Spec{Name: "q"})
	if got := a.query("/000000000000/q", "Action=SendMessage&Version=2012-11-05&MessageBody=x"); got.status != 200 {
		t.Errorf("at the queue's URL: %+v", got)
	}
	if got := a.query("/", "Action=SendMessage&Version=2012-11-05&MessageBody=x"); got.code != "MissingParameter" {
		t.Errorf("without a queue: %+v", got)
	}
	if got := a.query("/", "Version=2012-11-05"); got.code != "MissingParameter" {
		t.Errorf("without an action: %+v", got)
	}
	if got := a.json("SendMessage", `{"MessageBody":"x"}`); got.code != "MissingParameter" {
		t.Errorf("without a queue, in JSON: %+v", got)
	}
}

// What is malformed is refused, whatever it would take to read it.
func TestMalformed(t *testing.T) {
	a := newAPI(t, Spec{Name: "q"})
	for _, form := range []string{
		"%", "Action=ReceiveMessage&QueueUrl=q&MaxNumberOfMessages=many",
		"Action=ReceiveMessage&QueueUrl=q&AttributeName.1000000000=All",
		"Action=ReceiveMessage&QueueUrl=q&" + strings.Repeat("a.", 100_000) + "=x",
		"Action=SendMessage&QueueUrl.1=q&MessageBody=x",
	} {
		if got := a.query(
			"/", form,
		); got.status != 400 ||
			got.code != "MalformedInput" && got.code != "InvalidParameterValue" {
			t.Errorf("%.100s: %+v", form, got)
		}
	}
	if got := a.json("SendMessage", `{"QueueUrl":["q"]}`); got.status != 400 || got.name != "SerializationException" {
		t.Errorf("JSON of another form: %+v", got)
	}
}

// What the header and the signature do not say is for SQS is not.
func TestServes(t *testing.T) {
	const scope = "AWS4-HMAC-SHA256 Credential=local/20261127/us-east-1/sqs/aws4_request, " +
		"SignedHeaders=host, Signature=0"
	tests := []struct {
		name, method, path, target, authorization string
		want                                      bool
	}{
		{"JSON", "POST", "/", "AmazonSQS.SendMessage", scope, true},
		{"JSON, unsigned: to be refused", "POST", "/", "AmazonSQS.SendMessage", "", true},
		{"JSON elsewhere", "POST", "/socket.io/", "AmazonSQS.SendMessage", scope, false},
		{"JSON at a queue", "POST", "/000000000000/q", "AmazonSQS.SendMessage", scope, false},
		{
			"JSON of another service", "POST", "/", "DynamoDB_20120810.GetItem",
			strings.Replace(scope, "/sqs/", "/dynamodb/", 1), false,
		},
		{"query", "POST", "/", "", scope, true},
		{"query at a queue", "POST", "/000000000000/q", "", scope, true},
		{"query, unsigned", "POST", "/", "", "", false},
		{"query of another service", "POST", "/", "", strings.Replace(scope, "/sqs/", "/sns/", 1), false},
		{"query elsewhere", "POST", "/socket.io/", "", scope, false},
		{"a GET", "GET", "/", "AmazonSQS.SendMessage", scope, false},
	}
	for _, tt := range tests {
		r := httptest.NewRequestWithContext(t.Context(), tt.method, tt.path, nil)
		r.Header.Set("X-Amz-Target", tt.target)
		r.Header.Set("Authorization", tt.authorization)
		if got := Serves(r); got != tt.want {
			t.Errorf("%s: %v, want %v", tt.name, got, tt.want)
		}
	}
}
