//go:build unix

package laptop

import (
	"io"
	"net/http"
	"strings"
	"testing"
)

// Nothing that is for programs is there for pages, or for names that lead here: whatever is served beside the APIs.
func TestServicesAreNotForPages(t *testing.T) {
	const signature = "AWS4-HMAC-SHA256 Credential=local/20261127/us-east-1/sqs/aws4_request, " +
		"SignedHeaders=host, Signature=0"
	p := launchStack(t)
	endpoints := []struct{ name, method, path, target, body string }{
		{"SQS", "POST", "", "AmazonSQS.ListQueues", "{}"},
		{"SQS by a query", "POST", "", "", "Action=ListQueues&Version=2012-11-05"},
		{"SQS by a query at a queue", "POST", "000000000000/Work", "", "Action=PurgeQueue&Version=2012-11-05"},
		{"Invoke", "POST", "2015-03-31/functions/WorkFunction/invocations", "", "{}"},
		{"another call of Lambda", "GET", "2015-03-31/functions/WorkFunction", "", ""},
		{"deploy", "POST", "localdev/deploy", "", ""},
		{"state", "GET", "localdev/state", "", ""},
		{"push", "POST", "v1/@connections/x", "", "x"},
		{"look", "GET", "v1/@connections/x", "", ""},
		{"close", "DELETE", "v1/@connections/x", "", ""},
		{"push at another stage", "POST", "prod/@connections/x", "", "x"},
		{"push of a group", "POST", "v1/@groups/x", "", "[]"},
	}
	refusals := []struct{ name, header, value string }{
		{"a page of another origin", "Origin", "https://evil.example.net"},
		{"a page of this origin", "Origin", strings.TrimSuffix(p.url, "/")},
		{"a sandboxed page", "Origin", "null"},
		{"an image of a page", "Sec-Fetch-Site", "cross-site"},
		{"a frame of a page", "Sec-Fetch-Site", "same-site"},
		{"a page's own", "Sec-Fetch-Site", "same-origin"},
		{"a name that leads here", "Host", "evil.example.net:3000"},
		{"no name", "Host", "."},
	}
	for _, e := range endpoints {
		ask := func(t *testing.T, header, value string) (int, string) {
			t.Helper()
			req, err := http.NewRequestWithContext(t.Context(), e.method, p.url+e.path, strings.NewReader(e.body))
			if err != nil {
				t.Fatal(err)
			}
			req.Header.Set("Authorization", signature)
			if e.target != "" {
				req.Header.Set("X-Amz-Target", e.target)
			}
			if header == "Host" {
				req.Host = value
			} else if header != "" {
				req.Header.Set(header, value)
			}
			res, err := http.DefaultClient.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			defer res.Body.Close()
			_, _ = io.Copy(io.Discard, res.Body)
			return res.StatusCode, res.Header.Get("X-Amzn-Errortype")
		}
		for _, r := range refusals {
			if status, kind := ask(t, r.header, r.value); status != 403 || kind != "ForbiddenException" {
				t.Errorf("%s, asked by %s: %d %s, want 403 ForbiddenException", e.name, r.name, status, kind)
			}
		}
		if e.name == "deploy" || strings.HasSuffix(e.name, "another stage") {
			continue // the one builds, the other is refused to programs too
		}
		if status, _ := ask(t, "", ""); status == 403 {
			t.Errorf("%s is refused to programs", e.name)
		}
	}
	for _, path := range []string{"socket.io/x", "api/x"} { // what the header means at "/" it means nowhere else
		req, err := http.NewRequestWithContext(
			t.Context(), http.MethodPost, p.url+path, strings.NewReader(order("text", "mine")),
		)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", signature)
		req.Header.Set("X-Amz-Target", "AmazonSQS.ListQueues")
		req.Header.Set("Content-Type", "text/plain")
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		if b, _ := io.ReadAll(res.Body); string(b) != `"mine"` {
			t.Errorf("/%s with the header of SQS: %d %s", path, res.StatusCode, b)
		}
		res.Body.Close()
	}
}
