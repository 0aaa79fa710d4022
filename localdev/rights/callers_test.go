package rights

import (
	"bytes"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"sync"
	"testing"
)

// signed is a request of the program with a session token.
func signed(token string) *http.Request {
	r := httptest.NewRequest(http.MethodPost, "/", nil)
	r.Header.Set("X-Amz-Security-Token", token)
	return r
}

func TestCallers(t *testing.T) {
	var log bytes.Buffer
	c := NewCallers(slog.New(slog.NewTextHandler(&log, nil)))
	some := &Rights{Principal: "some", Role: "Some, t.yaml:3", Statements: []Statement{
		{Actions: []string{"sqs:Send*"}, Resources: []string{"arn:q*"}, Where: "t.yaml:7"},
		{Deny: true, Actions: []string{"*"}, Resources: []string{"arn:q2"}, Where: "t.yaml:9"},
	}}
	c.Add("some", some)
	c.Add("all", nil)
	inQuery := httptest.NewRequest(http.MethodPost, "/?X-Amz-Security-Token=some", nil)
	const connection = "arn:aws:execute-api:us-east-1:000000000000:Api/v1/POST/@connections/"
	for _, tt := range []struct {
		name             string
		request          *http.Request
		action, resource string
		allowed          bool
	}{
		{"allowed", signed("some"), "sqs:SendMessage", "arn:q1", true},
		{"allowed, signed in the query", inQuery, "sqs:SendMessage", "arn:q1", true},
		{"refused", signed("some"), "execute-api:ManageConnections", connection + "a", false},
		{"refused again", signed("some"), "execute-api:ManageConnections", connection + "b", false},
		{"refused, signed in the query", inQuery, "lambda:InvokeFunction", "arn:f", false},
		{"denied", signed("some"), "sqs:SendMessage", "arn:q2", false},
		{"rights that are not known", signed("all"), "lambda:InvokeFunction", "arn:f", true},
		{"another token", signed("a developer's"), "lambda:InvokeFunction", "arn:f", true},
		{"no token", httptest.NewRequest(http.MethodPost, "/", nil), "lambda:InvokeFunction", "arn:f", true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if err := c.Check(tt.request, tt.action, tt.resource); (err == nil) != tt.allowed {
				t.Errorf("Check = %v, want allowed %v", err, tt.allowed)
			}
		})
	}
	want := []Use{
		{"some", "execute-api:ManageConnections", connection + "{connectionId}", "", true, 2},
		{"some", "lambda:InvokeFunction", "arn:f", "", true, 1},
		{"some", "sqs:SendMessage", "arn:q*", "t.yaml:7", false, 2},
		{"some", "sqs:SendMessage", "arn:q2", "t.yaml:9", true, 1},
	}
	if got := c.Uses(); !reflect.DeepEqual(got, want) {
		t.Errorf("uses = %+v\nwant   %+v", got, want)
	}
	if n := strings.Count(log.String(), "a right is missing"); n != 3 ||
		strings.Count(log.String(), `role="Some, t.yaml:3"`) != 3 {
		t.Errorf("%d lines, want one for each right that is missing, with its role: %s", n, log.String())
	}
}

func TestCallersAtOnce(t *testing.T) {
	c := NewCallers(nil)
	c.Add("f", &Rights{Principal: "f"})
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for range 100 {
				_ = c.Check(signed("f"), "sqs:SendMessage", "arn:q")
				c.Uses()
			}
		})
	}
	all.Wait()
	if got := c.Uses(); len(got) != 1 || got[0].Calls != 800 {
		t.Errorf("uses = %+v, want 800 calls", got)
	}
}

func BenchmarkCheck(b *testing.B) {
	c := NewCallers(nil)
	const api = "arn:aws:execute-api:us-east-1:000000000000:WebSocketApi/v1/"
	c.Add("f", &Rights{Principal: "f", Statements: []Statement{
		allow("logs:PutLogEvents", "arn:aws:logs:us-east-1:000000000000:log-group:Logs:*"),
		allow("dynamodb:GetItem", "arn:aws:dynamodb:us-east-1:000000000000:table/Table"),
		{
			Actions:   []string{"execute-api:ManageConnections"},
			Resources: []string{api + "DELETE/@connections/*", api + "POST/@connections/*"},
		},
	}})
	r := signed("f")
	b.ReportAllocs()
	for b.Loop() {
		if err := c.Check(r, "execute-api:ManageConnections", api+"POST/@connections/L0SM9cOFvHcCIhw="); err != nil {
			b.Fatal(err)
		}
	}
}
