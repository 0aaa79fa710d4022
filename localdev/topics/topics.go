// Package topics takes what programs publish to topics of SNS and event buses of EventBridge on a laptop, and shows it:
// there are no subscriptions and no rules, so nothing goes on from here.
//
// What is emulated is described here, and the bounds come from there too:
//
//   - https://docs.aws.amazon.com/sns/latest/api/API_PublishBatch.html
//   - https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_PutEvents.html
package topics

import (
	"encoding/json"
	"encoding/xml"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Bounds of one call: entries, and bytes of all of them.
const (
	maxEntries = 10
	maxBytes   = 256 << 10
	// maxRequest bounds the body of a request, in bytes.
	maxRequest = 2 << 20
	// maxKept is how many messages are kept: the last ones.
	maxKept = 10_000
)

// Config is what [Topics] are made of.
type Config struct {
	// ARNs are those of the topics and buses that there are.
	ARNs []string
	// Authorize decides about a request: may the caller that signed r do action, for instance sns:Publish, to what has
	// an ARN? The text of an error goes to the caller. Nil: every caller may.
	Authorize func(r *http.Request, action, arn string) error
}

// Topics are topics and event buses that keep what is published. Safe for concurrent use.
type Topics struct {
	config Config

	mu   sync.Mutex
	kept []Message // guarded by mu
	next int       // number of the message to come
}

// New makes topics and buses.
func New(c Config) *Topics { return &Topics{config: c} }

// Message is one that was published.
type Message struct {
	// To is the ARN of the topic or the bus.
	To string    `json:"to"`
	At time.Time `json:"at"`
	// Body is the message of SNS, or the detail of EventBridge.
	Body string `json:"body"`
	// Source and DetailType are those of EventBridge.
	Source     string `json:"source,omitempty"`
	DetailType string `json:"detailType,omitempty"`
	// Group and Key are those of a FIFO topic.
	Group string `json:"group,omitempty"`
	Key   string `json:"key,omitempty"`
}

// Messages returns what was published last, up to 10,000, in its order.
func (t *Topics) Messages() []Message {
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.Clone(t.kept)
}

func (t *Topics) keep(m Message) string {
	t.mu.Lock()
	defer t.mu.Unlock()
	m.At = time.Now()
	t.kept = append(t.kept, m)
	if len(t.kept) > maxKept {
		t.kept = slices.Delete(t.kept, 0, len(t.kept)-maxKept)
	}
	t.next++
	return fmt.Sprintf("00000000-0000-4000-8000-%012d", t.next)
}

const putEvents = "AWSEvents."

// Serves reports whether a request is one to SNS or to EventBridge.
func Serves(r *http.Request) bool {
	if r.Method != http.MethodPost || r.URL.Path != "/" {
		return false
	}
	return strings.HasPrefix(r.Header.Get("X-Amz-Target"), putEvents) ||
		signed(r) && strings.Contains(r.Header.Get("Authorization"), "/sns/aws4_request")
}

func signed(r *http.Request) bool { return strings.HasPrefix(r.Header.Get("Authorization"), "AWS4-") }

// ServeHTTP is Publish and PublishBatch of SNS, in its query protocol, and PutEvents of EventBridge in AWS JSON 1.1.
// Requests must carry a signature, which is not verified.
func (t *Topics) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(io.LimitReader(r.Body, maxRequest))
	if target, isBus := strings.CutPrefix(r.Header.Get("X-Amz-Target"), putEvents); isBus {
		t.bus(w, r, target, body, err)
		return
	}
	form, formErr := url.ParseQuery(string(body))
	if err == nil {
		err = formErr
	}
	t.topic(w, r, form, err)
}

// refusal is an error of a service.
type refusal struct {
	status        int
	code, message string
}

// allow says why a call may not be.
func (t *Topics) allow(r *http.Request, action, arn string) *refusal {
	if !signed(r) {
		return &refusal{http.StatusForbidden, "MissingAuthenticationToken", "Missing Authentication Token"}
	}
	if t.config.Authorize != nil {
		if err := t.config.Authorize(r, action, arn); err != nil {
			return &refusal{http.StatusForbidden, "AccessDenied", err.Error()}
		}
	}
	if !slices.Contains(t.config.ARNs, arn) {
		return &refusal{http.StatusNotFound, "NotFound", "There is no " + arn}
	}
	return nil
}

// topic is SNS.
func (t *Topics) topic(w http.ResponseWriter, r *http.Request, in url.Values, err error) {
	arn, action := in.Get("TopicArn"), in.Get("Action")
	no := t.allow(r, "sns:Publish", arn)
	switch {
	case err != nil:
		no = &refusal{http.StatusBadRequest, "InvalidParameter", err.Error()}
	case no != nil:
	case action == "Publish":
		id := t.keep(Message{
			To: arn, Body: in.Get("Message"), Group: in.Get("MessageGroupId"), Key: in.Get("MessageDeduplicationId"),
		})
		writeXML(w, http.StatusOK, "<PublishResponse><PublishResult><MessageId>"+id+
			"</MessageId></PublishResult></PublishResponse>")
		return
	case action == "PublishBatch":
		if no = t.publishBatch(w, arn, in); no == nil {
			return
		}
	default:
		no = &refusal{
			http.StatusBadRequest, "InvalidAction",
			"localdev emulates Publish and PublishBatch, and nothing else of SNS",
		}
	}
	var message strings.Builder
	_ = xml.EscapeText(&message, []byte(no.message)) // a Builder takes everything
	writeXML(w, no.status, "<ErrorResponse><Error><Type>Sender</Type><Code>"+no.code+"</Code><Message>"+
		message.String()+"</Message></Error></ErrorResponse>")
}

func (t *Topics) publishBatch(w http.ResponseWriter, arn string, in url.Values) *refusal {
	var batch []Message
	var ids []string
	bytes := 0
	for i := 1; ; i++ {
		entry := "PublishBatchRequestEntries.member." + strconv.Itoa(i) + "."
		id := in.Get(entry + "Id")
		if id == "" {
			break
		}
		m := Message{
			To: arn, Body: in.Get(entry + "Message"), Group: in.Get(entry + "MessageGroupId"),
			Key: in.Get(entry + "MessageDeduplicationId"),
		}
		bytes += len(m.Body)
		batch, ids = append(batch, m), append(ids, id)
	}
	switch {
	case len(batch) == 0:
		return &refusal{http.StatusBadRequest, "EmptyBatchRequest", "The batch request doesn't contain any entries."}
	case len(batch) > maxEntries:
		return &refusal{http.StatusBadRequest, "TooManyEntriesInBatchRequest", "At most 10 entries."}
	case bytes > maxBytes:
		return &refusal{http.StatusBadRequest, "BatchRequestTooLong", "At most 262144 bytes."}
	}
	var good, bad strings.Builder
	for i, m := range batch {
		if strings.HasSuffix(arn, ".fifo") && (m.Group == "" || m.Key == "") {
			fmt.Fprintf(&bad, "<member><Id>%s</Id><Code>InvalidParameter</Code><Message>a FIFO topic needs a group "+
				"and a key</Message><SenderFault>true</SenderFault></member>", ids[i])
			continue
		}
		fmt.Fprintf(&good, "<member><Id>%s</Id><MessageId>%s</MessageId></member>", ids[i], t.keep(m))
	}
	writeXML(w, http.StatusOK, "<PublishBatchResponse><PublishBatchResult><Failed>"+bad.String()+
		"</Failed><Successful>"+good.String()+"</Successful></PublishBatchResult></PublishBatchResponse>")
	return nil
}

func writeXML(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "text/xml")
	w.WriteHeader(status)
	_, _ = io.WriteString(w, text) // the client may be gone
}

// entry is one of PutEvents.
type entry struct{ EventBusName, Source, DetailType, Detail string }

// putResult is what becomes of an entry.
type putResult struct {
	EventID      string `json:"EventId,omitempty"`
	ErrorCode    string `json:"ErrorCode,omitempty"`
	ErrorMessage string `json:"ErrorMessage,omitempty"`
}

// bus is EventBridge.
func (t *Topics) bus(w http.ResponseWriter, r *http.Request, action string, body []byte, err error) {
	var in struct{ Entries []entry }
	if err == nil {
		err = json.Unmarshal(body, &in)
	}
	bytes := 0
	for i := range in.Entries {
		e := &in.Entries[i]
		bytes += len(e.Source) + len(e.DetailType) + len(e.Detail)
		if no := t.allow(r, "events:PutEvents", e.EventBusName); no != nil {
			code := map[string]string{"NotFound": "ResourceNotFoundException"}[no.code]
			if code == "" {
				code = no.code + "Exception"
			}
			writeJSON(w, http.StatusBadRequest, map[string]string{"__type": code, "message": no.message})
			return
		}
	}
	switch {
	case action != "PutEvents":
		err = fmt.Errorf("localdev emulates PutEvents, and not %s", action)
	case err != nil:
	case len(in.Entries) == 0 || len(in.Entries) > maxEntries:
		err = fmt.Errorf("%d entries, want 1 to %d", len(in.Entries), maxEntries)
	case bytes > maxBytes:
		err = fmt.Errorf("%d bytes, at most %d", bytes, maxBytes)
	}
	if err != nil {
		writeJSON(
			w, http.StatusBadRequest, map[string]string{"__type": "ValidationException", "message": err.Error()},
		)
		return
	}
	out := struct {
		FailedEntryCount int
		Entries          []putResult
	}{}
	for _, e := range in.Entries {
		switch {
		case e.Source == "" || e.DetailType == "":
			out.Entries = append(out.Entries, putResult{
				ErrorCode: "InvalidArgument", ErrorMessage: "Parameters Source and DetailType are required",
			})
			out.FailedEntryCount++
		case !json.Valid([]byte(e.Detail)):
			out.Entries = append(out.Entries, putResult{
				ErrorCode: "MalformedDetail", ErrorMessage: "Detail is malformed.",
			})
			out.FailedEntryCount++
		default:
			out.Entries = append(out.Entries, putResult{EventID: t.keep(Message{
				To: e.EventBusName, Body: e.Detail, Source: e.Source, DetailType: e.DetailType,
			})})
		}
	}
	writeJSON(w, http.StatusOK, out)
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err) // strings and numbers always marshal
	}
	w.Header().Set("Content-Type", "application/x-amz-json-1.1")
	w.WriteHeader(status)
	_, _ = w.Write(b) // the client may be gone
}
