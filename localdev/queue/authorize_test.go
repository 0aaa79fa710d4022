package queue

import (
	"encoding/base64"
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"
)

// authorized is an API whose Authorize remembers what it was asked, and refuses what the test says.
type authorized struct {
	*api
	asked   []string
	refused func(question string) bool
}

func newAuthorized(t *testing.T) *authorized {
	t.Helper()
	a := &authorized{refused: func(string) bool { return false }}
	a.api = newAPI(
		t, Spec{Name: "q", DeadLetters: "dead", MaxReceives: 2, Visibility: time.Minute}, Spec{Name: "dead"},
		Spec{Name: "other", Visibility: time.Minute},
	)
	a.qs.authorize = func(r *http.Request, action, arn string) error {
		if r.Header.Get("Authorization") == "" {
			t.Error("the request is not signed")
		}
		question := action + " " + strings.TrimPrefix(arn, "arn:aws:sqs:local:000000000000:")
		a.asked = append(a.asked, question)
		if a.refused(question) {
			return errors.New("User may not " + question)
		}
		return nil
	}
	return a
}

// What callers need a right to, by operation.
func TestAuthorize(t *testing.T) {
	const arn = "arn:aws:sqs:local:000000000000:"
	handle := base64.StdEncoding.EncodeToString([]byte(`{"taskId":"1","sourceArn":"` + arn + `dead"}`))
	move := []string{
		"sqs:StartMessageMoveTask dead", "sqs:ReceiveMessage dead", "sqs:DeleteMessage dead",
		"sqs:GetQueueAttributes dead",
	}
	tests := []struct {
		action, parameters string
		want               []string
	}{
		{"SendMessage", `"MessageBody":"x"`, []string{"sqs:SendMessage q"}},
		{"SendMessageBatch", `"Entries":[{"Id":"1","MessageBody":"x"}]`, []string{"sqs:SendMessage q"}},
		{"ReceiveMessage", ``, []string{"sqs:ReceiveMessage q"}},
		{"DeleteMessage", `"ReceiptHandle":"x"`, []string{"sqs:DeleteMessage q"}},
		{"DeleteMessageBatch", `"Entries":[{"Id":"1","ReceiptHandle":"x"}]`, []string{"sqs:DeleteMessage q"}},
		{"ChangeMessageVisibility", `"ReceiptHandle":"x"`, []string{"sqs:ChangeMessageVisibility q"}},
		{"ChangeMessageVisibilityBatch", `"Entries":[]`, []string{"sqs:ChangeMessageVisibility q"}},
		{"GetQueueAttributes", ``, []string{"sqs:GetQueueAttributes q"}},
		{"SetQueueAttributes", `"Attributes":{}`, []string{"sqs:SetQueueAttributes q"}},
		{"PurgeQueue", ``, []string{"sqs:PurgeQueue q"}},
		{"DeleteQueue", ``, []string{"sqs:DeleteQueue q"}},
		{"GetQueueUrl", `"QueueName":"q"`, []string{"sqs:GetQueueUrl q"}},
		{"ListQueues", ``, []string{"sqs:ListQueues "}},
		{
			"StartMessageMoveTask", `"SourceArn":"` + arn + `dead","DestinationArn":"` + arn + `other"`,
			append(slices.Clone(move), "sqs:SendMessage other"),
		},
		{"ListMessageMoveTasks", `"SourceArn":"` + arn + `dead"`, []string{"sqs:ListMessageMoveTasks dead"}},
		{"CancelMessageMoveTask", `"TaskHandle":"` + handle + `"`, []string{"sqs:CancelMessageMoveTask dead"}},
	}
	for _, tt := range tests {
		t.Run(tt.action, func(t *testing.T) {
			a := newAuthorized(t)
			parameters := `{"QueueUrl":"` + a.qs.URL("q") + `"`
			if tt.parameters != "" {
				parameters += "," + tt.parameters
			}
			a.json(tt.action, parameters+"}")
			if !slices.Equal(a.asked, tt.want) {
				t.Errorf("asked for %q, want %q", a.asked, tt.want)
			}
			a.refused = func(question string) bool { return question == tt.want[len(tt.want)-1] }
			if got := a.json(tt.action, parameters+"}"); got.status != 403 || got.name != "AccessDeniedException" ||
				got.code != "AccessDenied" || !strings.Contains(got.body, `"Message":"User may not sqs:`) {
				t.Errorf("answer = %+v, want AccessDenied", got)
			}
		})
	}
	t.Run("move back to where letters came from", func(t *testing.T) {
		a := newAuthorized(t)
		a.json("StartMessageMoveTask", `{"SourceArn":"`+arn+`dead"}`)
		if want := append(slices.Clone(move), "sqs:SendMessage q"); !slices.Equal(a.asked, want) {
			t.Errorf("asked for %q, want %q", a.asked, want)
		}
	})
}

// The query protocol says the same, and what is refused is not done.
func TestAuthorizeQuery(t *testing.T) {
	a := newAuthorized(t)
	a.refused = func(string) bool { return true }
	for _, path := range []string{"/000000000000/q", "/"} {
		form := "Action=SendMessage&Version=2012-11-05&MessageBody=x"
		if path == "/" {
			form += "&QueueUrl=" + a.qs.URL("q")
		}
		got := a.query(path, form)
		if got.status != 403 || got.code != "AccessDenied" || got.message != "User may not sqs:SendMessage q" {
			t.Errorf("%s: answer = %+v", path, got)
		}
	}
	if n := a.qs.Stats()[0].Visible; n != 0 {
		t.Errorf("%d messages were sent", n)
	}
}

// A request that names no queue is refused for that, and a batch is of the queue that it names, whatever its entries
// say.
func TestAuthorizeNamesTheQueue(t *testing.T) {
	a := newAuthorized(t)
	a.refused = func(string) bool { return true }
	if got := a.json("SendMessage", `{"MessageBody":"x"}`); got.name != "MissingRequiredParameterException" {
		t.Errorf("without a queue: %+v", got)
	}
	if got := a.json("SendMessage", `{"QueueUrl":7}`); got.name != "SerializationException" {
		t.Errorf("with a number for a queue: %+v", got)
	}
	a.refused = func(question string) bool { return strings.HasSuffix(question, " other") }
	other, err := a.qs.Get("other")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := other.Send(Message{Body: "x"}); err != nil {
		t.Fatal(err)
	}
	receipt := other.Receive(t.Context(), 1, nil, 0)[0].Receipt
	got := a.json("DeleteMessageBatch", `{"QueueUrl":"`+a.qs.URL("q")+`","Entries":[{"Id":"1","QueueUrl":"`+
		a.qs.URL("other")+`","ReceiptHandle":"`+receipt+`"}]}`)
	if !strings.Contains(got.body, "ReceiptHandleIsInvalid") || a.qs.Stats()[2].Hidden != 1 {
		t.Errorf("an entry reached another queue: %+v, %+v", got, a.qs.Stats()[2])
	}
}
