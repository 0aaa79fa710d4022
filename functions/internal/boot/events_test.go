package boot

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nonstick-io/nonstick/gateway/eventsout"
	"github.com/nonstick-io/nonstick/sessionstore/memstore"
)

// taken is a message as a service got it.
type taken struct{ to, body, group, key, source, kind string }

// fakeService answers batches as SQS, SNS and EventBridge do.
type fakeService struct {
	t *testing.T

	mu     sync.Mutex
	got    []taken
	sizes  []int          // of the batches
	status []int          // of the first calls, 0 for one that never ends
	refuse map[string]int // how often a message is refused, by its body; below 0 for good
}

// verdict is the error of a message; empty if it is taken.
func (f *fakeService) verdict(body string) (code string, fault bool) {
	switch n := f.refuse[body]; {
	case n > 0:
		f.refuse[body]--
		return "InternalFailure", false
	case n < 0:
		return "InvalidMessageContents", true
	}
	return "", false
}

func (f *fakeService) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		f.t.Error(err)
	}
	f.mu.Lock()
	if len(f.status) > 0 {
		status := f.status[0]
		f.status = f.status[1:]
		f.mu.Unlock()
		if status == 0 {
			<-r.Context().Done()
			return
		}
		w.WriteHeader(status)
		_, _ = io.WriteString(w, `{"__type":"X#Some","message":"words"}`)
		return
	}
	defer f.mu.Unlock()
	auth := r.Header.Get("Authorization")
	switch target := r.Header.Get("X-Amz-Target"); {
	case target == "AmazonSQS.SendMessageBatch" && strings.Contains(auth, "/eu-west-1/sqs/aws4_request"):
		f.sqs(w, body)
	case target == "AWSEvents.PutEvents" && strings.Contains(auth, "/eu-west-1/events/aws4_request"):
		f.bus(w, body)
	case target == "" && strings.Contains(auth, "/eu-west-1/sns/aws4_request"):
		f.sns(w, body)
	default:
		f.t.Errorf("target %q, signed as %s", target, auth)
	}
}

func (f *fakeService) sqs(w http.ResponseWriter, body []byte) {
	var in struct {
		QueueUrl string //nolint:revive // as on the wire
		Entries  []struct{ Id, MessageBody, MessageGroupId, MessageDeduplicationId string }
	}
	if err := json.Unmarshal(body, &in); err != nil {
		f.t.Error(err)
	}
	type result struct {
		Id, Code, Message string
		SenderFault       bool
	}
	out := struct{ Successful, Failed []result }{}
	f.sizes = append(f.sizes, len(in.Entries))
	for _, e := range in.Entries {
		if code, fault := f.verdict(e.MessageBody); code != "" {
			out.Failed = append(out.Failed, result{e.Id, code, "no", fault})
			continue
		}
		out.Successful = append(out.Successful, result{Id: e.Id})
		f.got = append(f.got, taken{
			to: in.QueueUrl, body: e.MessageBody, group: e.MessageGroupId, key: e.MessageDeduplicationId,
		})
	}
	_ = json.NewEncoder(w).Encode(out)
}

func (f *fakeService) sns(w http.ResponseWriter, body []byte) {
	in, err := url.ParseQuery(string(body))
	if err != nil || in.Get("Action") != "PublishBatch" || in.Get("Version") != "2010-03-31" {
		f.t.Errorf("%s: %v", body, err)
	}
	var failed, good strings.Builder
	n := 0
	for ; in.Has(fmt.Sprintf("PublishBatchRequestEntries.member.%d.Id", n+1)); n++ {
		get := func(name string) string {
			return in.Get("PublishBatchRequestEntries.member." + strconv.Itoa(n+1) + "." + name)
		}
		if code, fault := f.verdict(get("Message")); code != "" {
			fmt.Fprintf(&failed, "<member><Id>%s</Id><Code>%s</Code><Message>a &lt; b</Message><SenderFault>%v"+
				"</SenderFault></member>", get("Id"), code, fault)
			continue
		}
		fmt.Fprintf(&good, "<member><MessageId>m</MessageId><Id>%s</Id></member>", get("Id"))
		f.got = append(f.got, taken{
			to: in.Get("TopicArn"), body: get("Message"), group: get("MessageGroupId"),
			key: get("MessageDeduplicationId"),
		})
	}
	f.sizes = append(f.sizes, n)
	fmt.Fprintf(w, `<PublishBatchResponse xmlns="http://sns.amazonaws.com/doc/2010-03-31/"><PublishBatchResult>`+
		`<Failed>%s</Failed><Successful>%s</Successful></PublishBatchResult></PublishBatchResponse>`, &failed, &good)
}

func (f *fakeService) bus(w http.ResponseWriter, body []byte) {
	var in struct {
		Entries []struct {
			EventBusName, Source, DetailType, Detail string
			Time                                     float64
		}
	}
	if err := json.Unmarshal(body, &in); err != nil {
		f.t.Error(err)
	}
	out := struct {
		FailedEntryCount int
		Entries          []map[string]string
	}{}
	f.sizes = append(f.sizes, len(in.Entries))
	for _, e := range in.Entries {
		if e.Time != 1.7e9 {
			f.t.Errorf("time %v", e.Time)
		}
		if code, fault := f.verdict(e.Detail); code != "" {
			if fault {
				code = "MalformedDetail"
			}
			out.FailedEntryCount++
			out.Entries = append(out.Entries, map[string]string{"ErrorCode": code, "ErrorMessage": "no"})
			continue
		}
		out.Entries = append(out.Entries, map[string]string{"EventId": "1"})
		f.got = append(f.got, taken{to: e.EventBusName, body: e.Detail, source: e.Source, kind: e.DetailType})
	}
	_ = json.NewEncoder(w).Encode(out)
}

// sinkTo makes the Sink of an ARN whose service is fake.
func sinkTo(t *testing.T, arn string, f *fakeService) eventsout.Sink {
	t.Helper()
	f.t = t
	s := httptest.NewServer(f)
	t.Cleanup(func() { s.CloseClientConnections(); s.Close() })
	env := map[string]string{"AWS_ENDPOINT_URL": s.URL, eventsToVariable: arn}
	p := &Parts{Env: NewEnv(func(name string) (string, bool) { v, ok := env[name]; return v, ok }), region: "us-east-1"}
	p.keys.AccessKeyID, p.keys.SecretAccessKey = "key", "secret"
	c := p.Events()
	if err := p.Env.Err(); err != nil || c.Sink == nil {
		t.Fatalf("%s: %v", arn, err)
	}
	return c.Sink
}

// services are ARNs of each kind.
var services = []struct {
	name, arn string
	want      taken // of the first message
}{
	{"SQS", "arn:aws:sqs:eu-west-1:123456789012:q", taken{to: "/123456789012/q"}},
	{
		"SQS, FIFO", "arn:aws:sqs:eu-west-1:123456789012:q.fifo",
		taken{to: "/123456789012/q.fifo", group: "s", key: "id0"},
	},
	{"SNS", "arn:aws:sns:eu-west-1:123456789012:t", taken{to: "arn:aws:sns:eu-west-1:123456789012:t"}},
	{
		"SNS, FIFO", "arn:aws:sns:eu-west-1:123456789012:t.fifo",
		taken{to: "arn:aws:sns:eu-west-1:123456789012:t.fifo", group: "s", key: "id0"},
	},
	{
		"EventBridge", "arn:aws:events:eu-west-1:123456789012:event-bus/b",
		taken{to: "arn:aws:events:eu-west-1:123456789012:event-bus/b", source: "nonstick", kind: "join"},
	},
}

func someMessages(n int) (all []eventsout.Message) {
	for i := range n {
		all = append(all, eventsout.Message{
			ID: fmt.Sprint("id", i), Type: eventsout.Join, Group: "s", Time: time.Unix(1.7e9, 5e8),
			Body: fmt.Sprintf(`{"n":"%d+ <ü>&"}`, i),
		})
	}
	return all
}

// Each service gets each message once where it takes it, ten at a time, and again what it did not take.
func TestSinks(t *testing.T) {
	const most = 25
	for _, tt := range []struct {
		name   string
		n      int
		status []int
		refuse map[int]int
		lost   []int
		sizes  []int // without those that got a status
		err    string
	}{
		{name: "one", n: 1, sizes: []int{1}},
		{name: "many", n: most, sizes: []int{5, 10, 10}},
		{name: "busy", n: 2, status: []int{503, 500, 429}, sizes: []int{2}},
		{name: "one is tried again", n: 3, refuse: map[int]int{1: 2}, sizes: []int{1, 1, 3}},
		{name: "one is refused for good", n: 3, refuse: map[int]int{1: -1}, lost: []int{1}, sizes: []int{3}, err: "no"},
		{name: "no right", n: 2, status: []int{403}, lost: []int{0, 1}, err: "403"},
		{name: "no such thing", n: 2, status: []int{400}, lost: []int{0, 1}, err: "words"},
		{name: "the first call hangs", n: 1, status: []int{0}, sizes: []int{1}},
	} {
		for _, service := range services {
			t.Run(tt.name+"/"+service.name, func(t *testing.T) {
				t.Parallel()
				messages := someMessages(tt.n)
				f := &fakeService{status: slices.Clone(tt.status), refuse: map[string]int{}}
				for i, n := range tt.refuse {
					f.refuse[messages[i].Body] = n
				}
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
				defer cancel()
				lost, err := sinkTo(t, service.arn, f).Publish(ctx, messages)
				var want []taken
				var wantLost []string
				for i, m := range messages {
					if slices.Contains(tt.lost, i) {
						wantLost = append(wantLost, m.ID)
						continue
					}
					each := service.want
					each.body = m.Body
					if each.key != "" {
						each.key = m.ID
					}
					want = append(want, each)
				}
				checkTaken(t, f, want)
				var ids []string
				for _, m := range lost {
					ids = append(ids, m.ID)
				}
				if !slices.Equal(ids, wantLost) || (err == nil) != (tt.err == "") {
					t.Errorf("lost %q, %v; want %q", ids, err, wantLost)
				}
				slices.Sort(f.sizes)
				if !slices.Equal(f.sizes, tt.sizes) {
					t.Errorf("batches of %v, want %v", f.sizes, tt.sizes)
				}
			})
		}
	}
}

// checkTaken compares what a service got, whose queue's URL has the address of the fake in front.
func checkTaken(t *testing.T, f *fakeService, want []taken) {
	t.Helper()
	byBody := func(a, b taken) int { return strings.Compare(a.body, b.body) }
	slices.SortFunc(f.got, byBody)
	slices.SortFunc(want, byBody)
	for i := range f.got {
		if _, rest, ok := strings.Cut(f.got[i].to, "//"); ok {
			_, path, _ := strings.Cut(rest, "/")
			f.got[i].to = "/" + path
		}
	}
	if !slices.Equal(f.got, want) {
		t.Errorf("got  %+v\nwant %+v", f.got, want)
	}
}

// A service that is down takes no more than the time that there is, and the error says what was wrong.
func TestSinkDown(t *testing.T) {
	for _, service := range services {
		for name, status := range map[string][]int{"hangs": {0, 0, 0}, "fails": slices.Repeat([]int{500}, 1000)} {
			t.Run(service.name+"/"+name, func(t *testing.T) {
				t.Parallel()
				f := &fakeService{status: status}
				s := sinkTo(t, service.arn, f)
				ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
				defer cancel()
				lost, err := s.Publish(ctx, someMessages(2))
				if len(lost) != 2 || err == nil {
					t.Errorf("lost %d, %v", len(lost), err)
				}
			})
		}
	}
}

// What goes into one call is bounded by bytes too.
func TestBatchOf(t *testing.T) {
	large := eventsout.Message{Body: strings.Repeat("x", batchBytes/2)}
	for _, tt := range []struct {
		messages []eventsout.Message
		want     int
	}{
		{[]eventsout.Message{large}, 1},
		{[]eventsout.Message{large, large}, 2},
		{[]eventsout.Message{large, large, large}, 2},
		{[]eventsout.Message{{Body: strings.Repeat("x", 2*batchBytes)}, large}, 1},
		{someMessages(9), 9},
		{someMessages(11), 10},
	} {
		if got := batchOf(tt.messages); got != tt.want {
			t.Errorf("batchOf(%d messages) = %d, want %d", len(tt.messages), got, tt.want)
		}
	}
}

func TestEventsEnvironment(t *testing.T) {
	for _, tt := range []struct {
		name  string
		env   map[string]string
		sink  bool
		wrong string // variable
	}{
		{name: "not set"},
		{name: "off", env: map[string]string{eventsToVariable: "off"}},
		{
			name: "China", env: map[string]string{eventsToVariable: "arn:aws-cn:sqs:cn-north-1:123456789012:q"},
			sink: true,
		},
		{name: "no ARN", env: map[string]string{eventsToVariable: "queue"}, wrong: eventsToVariable},
		{
			name: "a table", env: map[string]string{eventsToVariable: "arn:aws:dynamodb:x:123456789012:table/t"},
			wrong: eventsToVariable,
		},
		{
			name: "a rule", env: map[string]string{eventsToVariable: "arn:aws:events:x:123456789012:rule/r"},
			wrong: eventsToVariable,
		},
		{name: "wrong list", env: map[string]string{eventsOutVariable: "birth"}, wrong: eventsOutVariable},
		{
			name: "long list", env: map[string]string{eventsOutVariable: "join" + strings.Repeat(",join", 60)},
			wrong: eventsOutVariable,
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := &Parts{
				Env:   NewEnv(func(name string) (string, bool) { v, ok := tt.env[name]; return v, ok }),
				Store: memstore.New(memstore.Options{}),
			}
			c := p.Events()
			err := p.Env.Err()
			if (err == nil) != (tt.wrong == "") || err != nil && !strings.Contains(err.Error(), tt.wrong) {
				t.Errorf("error %v, want one about %q", err, tt.wrong)
			}
			if (c.Sink != nil) != tt.sink {
				t.Errorf("sink %v", c.Sink)
			}
		})
	}
}
