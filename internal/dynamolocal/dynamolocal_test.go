//go:build unix

package dynamolocal

import (
	"context"
	"errors"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
)

func TestStart(t *testing.T) {
	s, err := Start(t.Context(), Options{Near: []string{"."}, Shared: true})
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.Get(s.URL())
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	if id := resp.Header.Get("X-Amzn-Requestid"); resp.StatusCode != http.StatusBadRequest || id == "" {
		t.Errorf("not DynamoDB: status %d, request id %q", resp.StatusCode, id)
	}
	if err := s.Stop(); err != nil {
		t.Error(err)
	}
	if c, err := net.Dial("tcp", strings.TrimPrefix(s.URL(), "http://")); err == nil {
		_ = c.Close()
		t.Error("still there after its end")
	}
}

func TestWithoutJava(t *testing.T) {
	t.Setenv("PATH", "/nowhere")
	_, err := Start(t.Context(), Options{Near: []string{"."}})
	if err == nil {
		t.Fatal("started without Java")
	}
	if !strings.Contains(err.Error(), "bash") && !strings.Contains(err.Error(), "java is needed") {
		t.Errorf("the error does not say what is missing: %v", err)
	}
}

func TestNoScript(t *testing.T) {
	if _, err := Start(t.Context(), Options{Near: []string{t.TempDir()}}); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("error %v", err)
	}
}

func TestStartGivenUp(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Start(ctx, Options{Near: []string{"."}}); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
}
