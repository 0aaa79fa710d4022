package dynamolocal

import (
	"net/http"
	"strings"
	"testing"
)

func TestStart(t *testing.T) {
	url := Start(t)
	if again := Start(t); again != url {
		t.Errorf("second start: %s, first %s", again, url)
	}
	resp, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	if id := resp.Header.Get("X-Amzn-Requestid"); resp.StatusCode != http.StatusBadRequest || id == "" {
		t.Errorf("not DynamoDB: status %d, request id %q", resp.StatusCode, id)
	}
}

func TestWithoutJava(t *testing.T) {
	t.Setenv("PATH", "/nowhere")
	_, err := start()
	if err == nil {
		t.Fatal("started without Java")
	}
	if !strings.Contains(err.Error(), "bash") && !strings.Contains(err.Error(), "java is needed") {
		t.Errorf("the error does not say what is missing: %v", err)
	}
}
