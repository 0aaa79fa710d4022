//go:build unix

package dynamotest

import (
	"net/http"
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
	_ = resp.Body.Close()
	if id := resp.Header.Get("X-Amzn-Requestid"); resp.StatusCode != http.StatusBadRequest || id == "" {
		t.Errorf("not DynamoDB: status %d, request id %q", resp.StatusCode, id)
	}
}
