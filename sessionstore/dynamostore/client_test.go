package dynamostore_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/nonstick-io/nonstick/sessionstore"
	"github.com/nonstick-io/nonstick/sessionstore/dynamostore"
)

// lagging is a client whose eventually consistent reads find nothing yet, as the service's may.
type lagging struct {
	dynamostore.Client
	stale atomic.Int64
}

func consistent(c *bool) bool { return c != nil && *c }

func (c *lagging) GetItem(
	ctx context.Context, in *dynamodb.GetItemInput, f ...func(*dynamodb.Options),
) (*dynamodb.GetItemOutput, error) {
	if !consistent(in.ConsistentRead) {
		c.stale.Add(1)
		return &dynamodb.GetItemOutput{}, nil
	}
	return c.Client.GetItem(ctx, in, f...)
}

func (c *lagging) Query(
	ctx context.Context, in *dynamodb.QueryInput, f ...func(*dynamodb.Options),
) (*dynamodb.QueryOutput, error) {
	if !consistent(in.ConsistentRead) {
		c.stale.Add(1)
		return &dynamodb.QueryOutput{}, nil
	}
	return c.Client.Query(ctx, in, f...)
}

func (c *lagging) BatchGetItem(
	ctx context.Context, in *dynamodb.BatchGetItemInput, f ...func(*dynamodb.Options),
) (*dynamodb.BatchGetItemOutput, error) {
	for _, k := range in.RequestItems {
		if !consistent(k.ConsistentRead) {
			c.stale.Add(1)
			return &dynamodb.BatchGetItemOutput{}, nil
		}
	}
	return c.Client.BatchGetItem(ctx, in, f...)
}

// TestStaleReads: nothing but the sweeper's walk reads what may be old.
func TestStaleReads(t *testing.T) {
	c := &lagging{Client: newTable(t)}
	s := dynamostore.New(c, dynamostore.Options{Table: table, Shards: 1})
	v := everything(t, s)
	got := get(t, s, v.ID)
	if len(got.Sockets) != 2 || got.Partial == nil || len(got.Partial.Packets) != 2 {
		t.Errorf("read %d sockets, partial packet %v", len(got.Sockets), got.Partial != nil)
	}
	whole, err := s.Bodies(t.Context(), v.ID, got.Buffer)
	must(t, err)
	if len(whole) != 23 || len(whole[2].Frames) != 1 || len(whole[22].Frames) != 1 {
		t.Errorf("read %d packets", len(whole))
	}
	_, err = s.Handshake(t.Context(), v.ID)
	must(t, err)
	_, err = s.Connection(t.Context(), conn)
	must(t, err)
	_, err = s.Ack(t.Context(), v.ID, 1)
	must(t, err)
	_, err = s.Member(t.Context(), "/", v.Sockets[0].ID)
	must(t, err)
	members := 0
	for range s.Members(t.Context(), "/", "r", sessionstore.Range{}) {
		members++
	}
	for range s.NamespaceMembers(t.Context(), "/", 0, sessionstore.Range{}) {
		members++
	}
	if members != 2 || c.stale.Load() != 0 {
		t.Errorf("met %d members; %d reads may be old", members, c.stale.Load())
	}
	for r := range s.Registrations(t.Context(), 0) {
		t.Errorf("the sweeper's walk costs double: %v", r)
	}
	if c.stale.Load() != 1 {
		t.Errorf("%d reads may be old, want the sweeper's", c.stale.Load())
	}
}

// leaving is a client whose batches leave all but one item over, as the service's may for their rate.
type leaving struct {
	dynamostore.Client
	once  bool // leave all over and write nothing
	calls atomic.Int64
}

func (c *leaving) BatchWriteItem(
	ctx context.Context, in *dynamodb.BatchWriteItemInput, f ...func(*dynamodb.Options),
) (*dynamodb.BatchWriteItemOutput, error) {
	c.calls.Add(1)
	writes := in.RequestItems[table]
	if c.once {
		return &dynamodb.BatchWriteItemOutput{UnprocessedItems: in.RequestItems}, nil
	}
	first := *in
	first.RequestItems = map[string][]types.WriteRequest{table: writes[:1]}
	out, err := c.Client.BatchWriteItem(ctx, &first, f...)
	if err == nil && len(writes) > 1 {
		out.UnprocessedItems = map[string][]types.WriteRequest{table: writes[1:]}
	}
	return out, err
}

func (c *leaving) BatchGetItem(
	ctx context.Context, in *dynamodb.BatchGetItemInput, f ...func(*dynamodb.Options),
) (*dynamodb.BatchGetItemOutput, error) {
	left := in.RequestItems[table]
	first := *in
	one := left
	one.Keys = left.Keys[:1]
	first.RequestItems = map[string]types.KeysAndAttributes{table: one}
	out, err := c.Client.BatchGetItem(ctx, &first, f...)
	if err == nil && len(left.Keys) > 1 {
		left.Keys = left.Keys[1:]
		out.UnprocessedKeys = map[string]types.KeysAndAttributes{table: left}
	}
	return out, err
}

// TestLeftovers: what a batch left over is tried again, and what stays is told.
func TestLeftovers(t *testing.T) {
	c := &leaving{Client: newTable(t)}
	s := dynamostore.New(c, dynamostore.Options{Table: table})
	k := sessionstore.NewSocket{ID: "k", Session: "s", Namespace: "/", Rooms: []sessionstore.Room{"a", "b"}}
	must(t, s.PutSocket(t.Context(), k, conn, wideSocket)) // 5 rows in 5 calls
	for _, room := range k.Rooms {
		for _, err := range s.Members(t.Context(), "/", room, sessionstore.Range{}) {
			must(t, err)
		}
	}
	k.ID, k.Namespace, k.Rooms = "k2", "/2", append(k.Rooms, "d", "e", "f", "g")
	checkOutcome(t, s.PutSocket(t.Context(), k, conn, wideSocket), errDoubt) // some of the rows are written
	c.once = true
	k.ID, k.Namespace = "k3", "/3"
	checkOutcome(t, s.PutSocket(t.Context(), k, conn, wideSocket), sessionstore.ErrThrottled)

	c.once = false
	v := polling(t, s)
	for i := range 6 {
		must(
			t,
			s.Deliver(
				t.Context(), v.ID, []sessionstore.Packet{packet("4" + strings.Repeat(fmt.Sprint(i), 2000))}, wide,
			),
		)
	}
	whole, err := s.Bodies(t.Context(), v.ID, get(t, s, v.ID).Buffer)
	must(t, err)
	for i, p := range whole[2:] {
		if p.Frames[0][1:2] != fmt.Sprint(i) {
			t.Errorf("packet %d is %.10q", i, p.Frames[0])
		}
	}
}

// early answers a request whose body it has not read to its end, as a server does whose client has not noticed yet
// that all is sent. Like net/http it reads on while the answer is read, and breaks off if that fails.
type early struct{ answer string }

func (e early) RoundTrip(req *http.Request) (*http.Response, error) {
	if _, err := io.CopyN(io.Discard, req.Body, req.ContentLength); err != nil {
		return nil, err
	}
	return &http.Response{
		StatusCode: http.StatusBadRequest, Header: http.Header{}, Request: req,
		Body: &sending{rest: req.Body, answer: strings.NewReader(e.answer)},
	}, nil
}

// sending is the body of an answer.
type sending struct {
	rest   io.ReadCloser
	answer io.Reader
}

func (s *sending) Read(p []byte) (int, error) {
	if _, err := io.Copy(io.Discard, s.rest); err != nil {
		return 0, fmt.Errorf("use of closed network connection: %w", err)
	}
	return s.answer.Read(p)
}

func (s *sending) Close() error { return s.rest.Close() }

// TestEarlyAnswer: an answer that comes early arrives whole.
func TestEarlyAnswer(t *testing.T) {
	refusal := `{"__type":"ConditionalCheckFailedException","Item":{"s":{"S":"closing"},"r":{"S":"reason"}}}`
	s := dynamostore.New(dynamostore.NewClient(dynamostore.ClientOptions{
		Region: "eu-central-1", Endpoint: "http://127.0.0.1:1", HTTPClient: &http.Client{Transport: early{refusal}},
		Credentials: dynamostore.Credentials{AccessKeyID: "a", SecretAccessKey: "b"},
	}), dynamostore.Options{Table: table})
	err := s.Pong(t.Context(), "s", now)
	if v, ok := sessionstore.Current(err); !ok || v.Reason != "reason" {
		t.Errorf("error %v, session %+v", err, v)
	}
}

// TestConnectionsAreKept: calls that come together do not make a connection each time.
func TestConnectionsAreKept(t *testing.T) {
	var opened atomic.Int64
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "{}")
	}))
	server.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			opened.Add(1)
		}
	}
	server.Start()
	defer server.Close()
	s := dynamostore.New(dynamostore.NewClient(dynamostore.ClientOptions{
		Region: "eu-central-1", Endpoint: server.URL,
		Credentials: dynamostore.Credentials{AccessKeyID: "a", SecretAccessKey: "b"},
	}), dynamostore.Options{Table: table})
	var wg sync.WaitGroup
	for range 16 {
		wg.Go(func() {
			for range 50 {
				if err := s.Pong(t.Context(), "s", now); err != nil {
					t.Errorf("error %v", err)
					return
				}
			}
		})
	}
	wg.Wait()
	if n := opened.Load(); n > 64 { // a few more than are used at a time, since dials race
		t.Errorf("%d connections for 800 calls, 16 at a time", n)
	}
}
