package emulator_test

import (
	"context"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"

	"github.com/nonstick-io/nonstick/localdev/emulator"
)

// Large bodies take turns, so that a few clients cannot fill the memory of the process; small ones never wait for them.
func TestLargeBodiesAreBounded(t *testing.T) {
	release := make(chan struct{})
	var inside sync.WaitGroup
	inside.Add(2)
	limits := emulator.AWS()
	limits.LargeBodies, limits.BodyTime = 512<<10, 300*time.Millisecond
	s := start(
		t, limits,
		set{http: func(_ context.Context, e events.APIGatewayV2HTTPRequest) (events.APIGatewayV2HTTPResponse, error) {
			if strings.HasPrefix(e.Body, "wait") {
				inside.Done()
				<-release
			}
			return events.APIGatewayV2HTTPResponse{StatusCode: 200, Body: "ok"}, nil
		}},
	)
	url := "http://" + s.addr + "/socket.io/"
	large := strings.Repeat("x", 300<<10)
	status := func(body string) int {
		code, _, _ := do(t, "POST", url, "text/plain", body)
		return code
	}
	var holders sync.WaitGroup
	for range 2 {
		holders.Go(func() {
			if code := status("wait" + large); code != 200 {
				t.Errorf("a large body that found room: %d, want 200", code)
			}
		})
	}
	inside.Wait()
	if code := status(large); code != 503 {
		t.Errorf("one more large body: %d, want 503", code)
	}
	if code := status(large[:64<<10-1]); code != 200 {
		t.Errorf("a small body meanwhile: %d, want 200", code)
	}
	close(release)
	holders.Wait()
	for range 5 {
		if code := status(large); code != 200 {
			t.Errorf("a large body afterwards: %d, want 200: room was not given back", code)
		}
	}
}

// A client that sends its body drop by drop is cut off, large or not.
func TestSlowBody(t *testing.T) {
	limits := emulator.AWS()
	limits.BodyTime = 100 * time.Millisecond
	s := start(t, limits, set{})
	conn, err := net.Dial("tcp", s.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(patience))
	_, err = io.WriteString(
		conn, "POST /socket.io/ HTTP/1.1\r\nHost: a\r\nContent-Type: text/plain\r\nContent-Length: 100\r\n\r\nabc",
	)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := io.ReadAll(conn)
	if err != nil || !strings.HasPrefix(string(answer), "HTTP/1.1 408 ") {
		t.Errorf("answer = %q, %v; want 408 and the end of the connection", answer, err)
	}
	if status, _, _ := do(t, http.MethodPost, "http://"+s.addr+"/socket.io/", "text/plain", "abc"); status != 200 {
		t.Errorf("another client: %d, want 200", status)
	}
}

// The time for a body is not the time for its answer, nor for the next request of the connection.
func TestBodyTimeEndsWithTheBody(t *testing.T) {
	limits := emulator.AWS()
	limits.BodyTime = 50 * time.Millisecond
	s := start(
		t, limits,
		set{http: func(ctx context.Context, _ events.APIGatewayV2HTTPRequest) (events.APIGatewayV2HTTPResponse, error) {
			time.Sleep(120 * time.Millisecond)
			return events.APIGatewayV2HTTPResponse{StatusCode: 200, Body: "ok"}, ctx.Err()
		}},
	)
	for range 2 {
		if status, _, _ := do(t, http.MethodPost, "http://"+s.addr+"/socket.io/", "text/plain", "abc"); status != 200 {
			t.Errorf("answer = %d, want 200", status)
		}
	}
}
