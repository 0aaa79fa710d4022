package emulator_test

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/apigatewaymanagementapi"
	"github.com/aws/smithy-go"
	"github.com/gobwas/ws"

	"github.com/nonstick-io/nonstick/localdev/emulator"
)

// sdk is the client that functions use.
func sdk(endpoint string) *apigatewaymanagementapi.Client {
	return apigatewaymanagementapi.New(apigatewaymanagementapi.Options{
		Region: "us-east-1", BaseEndpoint: &endpoint, Retryer: aws.NopRetryer{},
		HTTPClient: &http.Client{Transport: &http.Transport{DisableKeepAlives: true}},
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: "a", SecretAccessKey: "s"}, nil
		}),
	})
}

func post(client *apigatewaymanagementapi.Client, id, data string) error {
	_, err := client.PostToConnection(
		context.Background(), &apigatewaymanagementapi.PostToConnectionInput{ConnectionId: &id, Data: []byte(data)},
	)
	return err
}

// wantCode expects an error of the service; "" for success.
func wantCode(t *testing.T, what string, err error, code string) {
	t.Helper()
	if code == "" {
		if err != nil {
			t.Errorf("%s: %v", what, err)
		}
		return
	}
	var api smithy.APIError
	if !errors.As(err, &api) || api.ErrorCode() != code {
		t.Errorf("%s: error %v, want %s", what, err, code)
	}
}

// connected returns a set that tells the ids of connections once they can be pushed to.
func connected(ids chan<- string) set {
	return set{message: echo, connect: func(ctx context.Context, e wsEvent) (wsAnswer, error) {
		id := e.RequestContext.ConnectionID
		emulator.AfterConnect(ctx, func(context.Context) { ids <- id })
		return wsAnswer{StatusCode: 200}, nil
	}}
}

func TestManagementAPI(t *testing.T) {
	ids := make(chan string, 1)
	s := start(t, emulator.AWS(), connected(ids))
	c := s.dial(t, "")
	id := receive(t, "connection", ids)
	client := sdk(s.endpoint)

	wantCode(t, "push", post(client, id, "4hello"), "")
	c.want(ws.OpText, "4hello")
	big := strings.Repeat("x", 128<<10)
	wantCode(t, "push of 128 KB", post(client, id, big), "")
	c.want(ws.OpText, big)
	wantCode(t, "push above 128 KB", post(client, id, big+"x"), "PayloadTooLargeException")
	wantCode(t, "push of base64", post(client, id, "bAQID"), "")
	c.want(ws.OpText, "bAQID")

	got, err := client.GetConnection(
		context.Background(), &apigatewaymanagementapi.GetConnectionInput{ConnectionId: &id},
	)
	if err != nil {
		t.Fatalf("get: %v", err)
	}
	if since := time.Since(
		*got.ConnectedAt,
	); since < 0 || since > patience || *got.Identity.SourceIp != "127.0.0.1" ||
		got.LastActiveAt.Before(got.ConnectedAt.Add(-time.Second)) {
		t.Errorf("connection = %v %v %v", got.ConnectedAt, *got.Identity.SourceIp, got.LastActiveAt)
	}
	_, err = client.DeleteConnection(
		context.Background(), &apigatewaymanagementapi.DeleteConnectionInput{ConnectionId: &id},
	)
	wantCode(t, "delete", err, "")
	c.wantClose(1005)
	wantCode(t, "push after the end", post(client, id, "x"), "GoneException")
}

func TestManagementErrors(t *testing.T) {
	s := start(t, emulator.AWS(), set{})
	const unknown = "AAAAAAAAAAAAAAA="
	other := "http://" + s.addr + "/other"
	wantCode(t, "unknown connection", post(sdk(s.endpoint), unknown, "x"), "GoneException")
	wantCode(t, "malformed id", post(sdk(s.endpoint), "nonsense", "x"), "BadRequestException")
	wantCode(t, "other stage", post(sdk(other), unknown, "x"), "ForbiddenException")
	_, err := sdk(
		s.endpoint,
	).GetConnection(
		context.Background(), &apigatewaymanagementapi.GetConnectionInput{ConnectionId: aws.String(unknown)},
	)
	wantCode(t, "get of unknown connection", err, "GoneException")
	_, err = sdk(
		s.endpoint,
	).DeleteConnection(
		context.Background(), &apigatewaymanagementapi.DeleteConnectionInput{ConnectionId: aws.String(unknown)},
	)
	wantCode(t, "delete of unknown connection", err, "GoneException")
	if status, header, _ := do(
		t, "POST", s.endpoint+"/@connections/"+unknown, "", "x",
	); status != 403 ||
		header.Get("X-Amzn-Errortype") != "MissingAuthenticationTokenException" {
		t.Errorf("unsigned push: %d %v", status, header)
	}
}

// Callers need a right to the connection by the method that they use. It is asked for once the stage is right, and
// before anything is said of the connection.
func TestManagementRights(t *testing.T) {
	const unknown, api = "AAAAAAAAAAAAAAA=", "arn:aws:execute-api:us-east-1:000000000000:Api"
	var asked []string
	refuse := true
	authorize := func(r *http.Request, action, resource string) error {
		asked = append(asked, action+" "+resource)
		if refuse && strings.HasPrefix(r.Header.Get("Authorization"), "AWS4-") {
			return errors.New("User may not " + action)
		}
		return nil
	}
	s := startAPI(
		t, emulator.Config{Limits: emulator.AWS(), Authorize: authorize, ARN: api},
		emulator.API{Path: "/socket.io/", Sets: []emulator.Handlers{set{}}},
	)
	c, ctx := sdk(s.endpoint), context.Background()
	calls := map[string]func() error{
		"POST": func() error { return post(c, unknown, "x") },
		"GET": func() error {
			in := apigatewaymanagementapi.GetConnectionInput{ConnectionId: aws.String(unknown)}
			_, err := c.GetConnection(ctx, &in)
			return err
		},
		"DELETE": func() error {
			_, err := c.DeleteConnection(
				ctx, &apigatewaymanagementapi.DeleteConnectionInput{ConnectionId: aws.String(unknown)},
			)
			return err
		},
	}
	for method, call := range calls {
		asked, refuse = nil, true
		err := call()
		wantCode(t, method, err, "AccessDeniedException")
		if !strings.Contains(err.Error(), "User may not execute-api:ManageConnections") {
			t.Errorf("%s: error %v", method, err)
		}
		want := "execute-api:ManageConnections " + api + "/local/" + method + "/@connections/" + unknown
		if !slices.Equal(asked, []string{want}) {
			t.Errorf("%s: asked for %q, want %q", method, asked, want)
		}
		refuse = false
		wantCode(t, method, call(), "GoneException")
	}
	asked, refuse = nil, true
	wantCode(t, "other stage", post(sdk("http://"+s.addr+"/other"), unknown, "x"), "ForbiddenException")
	if len(asked) > 0 {
		t.Errorf("asked for %q, which is of no stage", asked)
	}
}

func TestPushBeforeConnectReturned(t *testing.T) {
	var s *running
	got := make(chan error, 2)
	s = start(t, emulator.AWS(), set{connect: func(ctx context.Context, e wsEvent) (wsAnswer, error) {
		id := e.RequestContext.ConnectionID
		got <- post(sdk(s.endpoint), id, "0{}")
		if !emulator.AfterConnect(ctx, func(context.Context) { got <- post(sdk(s.endpoint), id, "0{}") }) {
			t.Error("AfterConnect refused during $connect")
		}
		return wsAnswer{StatusCode: 200}, nil
	}})
	c := s.dial(t, "")
	wantCode(t, "push during $connect", receive(t, "push", got), "GoneException")
	wantCode(t, "push after $connect", receive(t, "push", got), "")
	c.want(ws.OpText, "0{}")
}

func TestAfterConnectOfARefusedConnection(t *testing.T) {
	var s *running
	got := make(chan error, 1)
	s = start(t, emulator.AWS(), set{connect: func(ctx context.Context, e wsEvent) (wsAnswer, error) {
		id := e.RequestContext.ConnectionID
		emulator.AfterConnect(ctx, func(context.Context) { got <- post(sdk(s.endpoint), id, "0{}") })
		return wsAnswer{StatusCode: 400}, nil
	}})
	if _, err := s.tryDial(t, ""); err == nil {
		t.Fatal("the connection opened")
	}
	wantCode(t, "push", receive(t, "push", got), "GoneException")
	if emulator.AfterConnect(context.Background(), func(context.Context) {}) {
		t.Error("AfterConnect accepted outside of $connect")
	}
}

func TestSlowReader(t *testing.T) {
	l := emulator.AWS()
	l.Outbox = 64 << 10
	ids := make(chan string, 1)
	s := start(t, l, connected(ids))
	c := s.dial(t, "")
	id := receive(t, "connection", ids)
	frame := strings.Repeat("x", 30<<10)
	sent := fill(t, s.Server, id, frame)
	wantCode(t, "push by HTTP", post(sdk(s.endpoint), id, frame), "LimitExceededException")
	for range sent { // nothing of what was taken is lost, and then there is room again
		c.want(ws.OpText, frame)
	}
	if err := s.PostToConnection(id, "4after"); err != nil {
		t.Fatalf("push after reading: %v", err)
	}
	c.want(ws.OpText, "4after")
	if err := s.PostToConnection("AAAAAAAAAAAAAAA=", "x"); !errors.Is(err, emulator.ErrGone) {
		t.Errorf("push to nobody: %v, want ErrGone", err)
	}
}

// fill pushes until the connection's outbox stays full, and returns how many frames were taken.
func fill(t *testing.T, s *emulator.Server, id, frame string) int {
	t.Helper()
	sent := 0
	for refused := 0; refused < 50; { // in a row, so that the socket's own buffers are full too
		err := s.PostToConnection(id, frame)
		switch {
		case err == nil:
			sent, refused = sent+1, 0
		case errors.Is(err, emulator.ErrLimitExceeded):
			refused++
			time.Sleep(2 * time.Millisecond)
		default:
			t.Fatalf("after %d pushes: %v", sent, err)
		}
		if sent > 10_000 {
			t.Fatal("the outbox has no bound")
		}
	}
	return sent
}

func TestSlowReaderOfRouteResponses(t *testing.T) {
	l := emulator.AWS()
	l.Outbox = 64 << 10
	ids := make(chan string, 1)
	s := start(t, l, connected(ids))
	c := s.dial(t, "")
	id := receive(t, "connection", ids)
	frame := strings.Repeat("x", 30<<10)
	fill(t, s.Server, id, frame)
	for range 50 { // the network may take something at any moment, so that one echo still fits
		c.text(frame)
		for s.PostToConnection(id, frame) == nil { // full again
		}
		if err := s.PostToConnection(id, frame); errors.Is(err, emulator.ErrGone) {
			break
		}
		time.Sleep(2 * time.Millisecond)
	}
	c.wantClose(1001)
}

// The operations of the management API as calls.
func TestOperationsAsCalls(t *testing.T) {
	ids := make(chan string, 1)
	s := start(t, emulator.AWS(), connected(ids))
	c := s.dial(t, "")
	id := receive(t, "connection", ids)

	if err := s.PostToConnection(id, "4direct"); err != nil {
		t.Fatal(err)
	}
	c.want(ws.OpText, "4direct")
	large := strings.Repeat("x", 128<<10+1)
	for _, messages := range [][]string{{large}, {"4small", large}} {
		if err := s.PostToConnection(id, messages...); !errors.Is(err, emulator.ErrPayloadTooLarge) {
			t.Errorf("%d messages, one too large: %v, want ErrPayloadTooLarge", len(messages), err)
		}
	}
	if err := s.DeleteConnection(id); err != nil {
		t.Fatal(err)
	}
	for _, messages := range [][]string{{"4late"}, {"4late", "4later"}} {
		if err := s.PostToConnection(id, messages...); !errors.Is(err, emulator.ErrGone) {
			t.Errorf("%d messages after the end: %v, want ErrGone", len(messages), err)
		}
	}
	c.wantClose(1005)
	if err := s.DeleteConnection(id); !errors.Is(err, emulator.ErrGone) {
		t.Errorf("second close: %v, want ErrGone", err)
	}
}

func TestPushesKeepTheirOrder(t *testing.T) {
	ids := make(chan string, 1)
	s := start(t, emulator.AWS(), connected(ids))
	c := s.dial(t, "")
	id := receive(t, "connection", ids)
	const pushers, each = 4, 300
	var all sync.WaitGroup
	for k := range pushers {
		all.Go(func() {
			for i := range each {
				if err := s.PostToConnection(
					id, string([]byte{'4', byte('a' + k), byte(i >> 7), byte(i & 0x7f)}),
				); err != nil {
					t.Error(err)
				}
			}
		})
	}
	next := make([]int, pushers)
	for range pushers * each {
		_, f := c.frame()
		k, i := int(f[1]-'a'), int(f[2])<<7|int(f[3])
		if i != next[k] {
			t.Fatalf("pusher %d: frame %d came when %d was due", k, i, next[k])
		}
		next[k]++
	}
	all.Wait()
}

func TestFrameSizes(t *testing.T) {
	ids := make(chan string, 1)
	s := start(t, emulator.Native(1e6), connected(ids))
	c := s.dial(t, "")
	id := receive(t, "connection", ids)
	for _, n := range []int{0, 1, 125, 126, 127, 65535, 65536, 300_000} {
		frame := string(bytes.Repeat([]byte("4"), n))
		if err := s.PostToConnection(id, frame); err != nil {
			t.Fatalf("push %d bytes: %v", n, err)
		}
		c.want(ws.OpText, frame)
		c.text(frame)
		if n > 0 {
			c.want(ws.OpText, frame)
		}
	}
}
