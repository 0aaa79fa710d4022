package management_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/nonstick-io/nonstick/adapter/delivery"
	"github.com/nonstick-io/nonstick/gateway/management"
	"github.com/nonstick-io/nonstick/sessionstore"
)

func newPusher(timeout time.Duration) *management.Pusher {
	return management.New(management.Options{
		Region: "eu-west-1", Timeout: timeout,
		HTTPClient: &http.Client{Transport: &http.Transport{DisableKeepAlives: true}},
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: "a", SecretAccessKey: "s"}, nil
		}),
	})
}

// api runs a management API that counts its calls.
func api(t *testing.T, calls *atomic.Int32, h http.HandlerFunc) sessionstore.Connection {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		calls.Add(1)
		h(w, r)
	}))
	t.Cleanup(s.Close)
	return sessionstore.Connection{ID: "L0SM9cOFvHcCIhw=", Endpoint: s.URL + "/prod"}
}

func TestPushAndClose(t *testing.T) {
	var calls atomic.Int32
	var got []string
	c := api(t, &calls, func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		got = append(got, r.Method+" "+r.URL.Path+" "+string(b))
		if r.Header.Get("Authorization") == "" {
			t.Error("the call is not signed")
		}
		if r.Method == http.MethodDelete {
			w.WriteHeader(http.StatusNoContent)
		}
	})
	p := newPusher(0)
	if err := p.Push(context.Background(), c, "4hello"); err != nil {
		t.Errorf("Push: %v", err)
	}
	if err := p.Close(context.Background(), c); err != nil {
		t.Errorf("Close: %v", err)
	}
	want := []string{"POST /prod/@connections/L0SM9cOFvHcCIhw= 4hello", "DELETE /prod/@connections/L0SM9cOFvHcCIhw= "}
	if len(got) != 2 || got[0] != want[0] || got[1] != want[1] {
		t.Errorf("calls = %q, want %q", got, want)
	}
}

func TestPushErrors(t *testing.T) {
	refuse := func(status int, kind string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("X-Amzn-Errortype", kind)
			w.WriteHeader(status)
			io.WriteString(w, `{"message":"no"}`)
		}
	}
	tests := []struct {
		name    string
		handler http.HandlerFunc
		want    error // nil: in doubt
	}{
		{"gone", refuse(410, "GoneException"), delivery.ErrGone},
		{"gone, with a type's address", refuse(410, "GoneException:http://example.com/"), delivery.ErrGone},
		{"busy", refuse(429, "LimitExceededException"), delivery.ErrBusy},
		{"too large", refuse(413, "PayloadTooLargeException"), delivery.ErrFrameTooLarge},
		{"forbidden", refuse(403, "ForbiddenException"), nil},
		{"server error", refuse(500, "InternalServerError"), nil},
		{"no answer", func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, nil},
		{"late answer", func(_ http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body) // only then does the server notice that the client leaves
			<-r.Context().Done()
		}, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var calls atomic.Int32
			c := api(t, &calls, tt.handler)
			err := newPusher(200*time.Millisecond).Push(context.Background(), c, "4hello")
			if err == nil {
				t.Fatal("no error")
			}
			for _, known := range []error{delivery.ErrGone, delivery.ErrBusy, delivery.ErrFrameTooLarge} {
				if errors.Is(err, known) != errors.Is(tt.want, known) {
					t.Errorf("error %v: is %v: %v", err, known, errors.Is(err, known))
				}
			}
			if n := calls.Load(); n != 1 {
				t.Errorf("%d calls, want 1: a push is never repeated", n)
			}
		})
	}
}

// The error for want of a right says which, once, with the ARN.
func TestMissingRight(t *testing.T) {
	const denied = "User: arn:aws:sts::123456789012:assumed-role/R/F is not authorized to perform: " +
		"execute-api:ManageConnections on resource: " +
		"arn:aws:execute-api:eu-west-1:********9012:api/prod/POST/@connections/{connectionId}"
	for _, key := range []string{"Message", "message"} {
		var calls atomic.Int32
		c := api(t, &calls, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("X-Amzn-Errortype", "AccessDeniedException")
			w.WriteHeader(http.StatusForbidden)
			io.WriteString(w, `{"`+key+`":"`+denied+`"}`)
		})
		for name, call := range map[string]func() error{
			"Push":  func() error { return newPusher(0).Push(context.Background(), c, "4") },
			"Close": func() error { return newPusher(0).Close(context.Background(), c) },
		} {
			if err := call(); err == nil || strings.Count(err.Error(), "AccessDeniedException: "+denied) != 1 ||
				strings.Count(err.Error(), "arn:aws:execute-api") != 1 {
				t.Errorf("%s, %s: error = %v, want one that says %s", name, key, err, denied)
			}
		}
	}
}

func TestPushToAProcessThatIsNoMore(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	c := sessionstore.Connection{ID: "x", Endpoint: "http://" + l.Addr().String() + "/local"}
	l.Close()
	if err := newPusher(0).Push(context.Background(), c, "4"); !errors.Is(err, delivery.ErrGone) {
		t.Errorf("Push: %v, want ErrGone", err)
	}
	if err := newPusher(0).Close(context.Background(), c); !errors.Is(err, delivery.ErrGone) {
		t.Errorf("Close: %v, want ErrGone", err)
	}
}
