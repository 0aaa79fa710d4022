package apigw_test

import (
	"maps"
	"strings"
	"testing"

	"github.com/aws/aws-lambda-go/events"

	"github.com/nonstick-io/nonstick/gateway/apigw"
)

// corsHeaders picks what is about CORS.
func corsHeaders(h map[string]string) map[string]string {
	got := map[string]string{}
	for k, v := range h {
		if k == "Vary" || strings.HasPrefix(k, "Access-Control-") {
			got[k] = v
		}
	}
	return got
}

func TestCORS(t *testing.T) {
	const (
		mine    = "https://app.example.com"
		theirs  = "https://evil.example.net"
		open    = "EIO=4&transport=polling"
		session = open + "&sid=SESSION"
		unknown = open + "&sid=x"
		methods = "GET,HEAD,PUT,PATCH,POST,DELETE"
	)
	off := apigw.CORS{}
	all := apigw.CORS{Origins: []string{"*"}}
	list := apigw.CORS{Origins: []string{"https://other.example.com", mine}}
	cookies := apigw.CORS{Origins: []string{mine}, Credentials: true}
	tests := []struct {
		name   string
		cors   apigw.CORS
		event  httpEvent
		status int
		want   map[string]string
	}{
		{"off, GET", off, request("GET", open, "", "origin", mine), 200, nil},
		{"off, OPTIONS", off, request("OPTIONS", open, "", "origin", mine), 400, nil},
		{"off, OPTIONS in a session", off, request("OPTIONS", session, "", "origin", mine), 500, nil},
		{
			"all, GET", all, request("GET", open, "", "origin", theirs), 200,
			map[string]string{"Access-Control-Allow-Origin": "*"},
		},
		{
			"all, refusal", all, request("GET", unknown, "", "origin", theirs), 400,
			map[string]string{"Access-Control-Allow-Origin": "*"},
		},
		{
			"all, refusal without body", all, request("PUT", session, "", "origin", theirs), 500,
			map[string]string{"Access-Control-Allow-Origin": "*"},
		},
		{
			"all, OPTIONS", all,
			request("OPTIONS", unknown, "", "origin", theirs, "access-control-request-headers", "x-mine"), 204,
			map[string]string{
				"Access-Control-Allow-Origin": "*", "Access-Control-Allow-Methods": methods,
				"Access-Control-Allow-Headers": "x-mine", "Vary": "Access-Control-Request-Headers",
			},
		},
		{
			"listed, GET", list, request("GET", open, "", "origin", mine), 200,
			map[string]string{"Access-Control-Allow-Origin": mine, "Vary": "Origin"},
		},
		{
			"listed, POST", list, request("POST", session, "4", "origin", mine), 200,
			map[string]string{"Access-Control-Allow-Origin": mine, "Vary": "Origin"},
		},
		{
			"not listed, still served", list, request("GET", open, "", "origin", theirs), 200,
			map[string]string{"Vary": "Origin"},
		},
		{"no origin", list, request("GET", open, ""), 200, map[string]string{"Vary": "Origin"}},
		{
			"listed, OPTIONS", list, request("OPTIONS", open, "", "origin", mine), 204,
			map[string]string{
				"Access-Control-Allow-Origin": mine, "Access-Control-Allow-Methods": methods,
				"Vary": "Origin, Access-Control-Request-Headers",
			},
		},
		{"not listed, OPTIONS", list, request("OPTIONS", open, "", "origin", theirs), 204, map[string]string{
			"Access-Control-Allow-Methods": methods, "Vary": "Origin, Access-Control-Request-Headers",
		}},
		{"cookies, GET", cookies, request("GET", open, "", "origin", mine), 200, map[string]string{
			"Access-Control-Allow-Origin": mine, "Access-Control-Allow-Credentials": "true", "Vary": "Origin",
		}},
		{"cookies, not listed", cookies, request("GET", open, "", "origin", theirs), 200, map[string]string{
			"Access-Control-Allow-Credentials": "true", "Vary": "Origin",
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			h := handler(newFake(), nil, func(c *apigw.Config) { c.CORS = tt.cors })
			for range 2 { // the headers are shared: a second answer must not differ
				res := serve(t, h, tt.event)
				if got := corsHeaders(res.Headers); res.StatusCode != tt.status || !maps.Equal(got, tt.want) {
					t.Errorf("answer = %d %v, want %d %v", res.StatusCode, got, tt.status, tt.want)
				}
			}
		})
	}
}

func TestOriginsOfWebSockets(t *testing.T) {
	list := apigw.CORS{Origins: []string{"https://app.example.com", "https://b.example.com"}}
	tests := []struct {
		name    string
		cors    apigw.CORS
		headers map[string]string
		status  int
	}{
		{"off", apigw.CORS{}, map[string]string{"Origin": "https://evil.example.net"}, 200},
		{"all", apigw.CORS{Origins: []string{"*"}}, map[string]string{"Origin": "https://evil.example.net"}, 200},
		{"in the list", list, map[string]string{"Origin": "https://b.example.com"}, 200},
		{"in lower case", list, map[string]string{"origin": "https://b.example.com"}, 200},
		{"not in the list", list, map[string]string{"Origin": "https://evil.example.net"}, 400},
		{"not in the list, in lower case", list, map[string]string{"origin": "https://evil.example.net"}, 400},
		{"another scheme", list, map[string]string{"Origin": "http://b.example.com"}, 400},
		{"a sandboxed page", list, map[string]string{"Origin": "null"}, 400},
		{"no URL", list, map[string]string{"Origin": "%zz"}, 400},
		{"no browser", list, nil, 200},
		{
			"a page of this host", list,
			map[string]string{"Origin": "http://ws.example.com", "Host": "ws.example.com"},
			200,
		},
		{
			"another port of this host", list,
			map[string]string{"Origin": "http://ws.example.com:81", "Host": "ws.example.com"},
			400,
		},
		{"no host at all", list, map[string]string{"Origin": "x:", "Host": ""}, 400},
		{
			"a page of the HTTP API", list,
			map[string]string{"Origin": "https://http.example.com", "Host": "ws.example.com"},
			200,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			g := newFake()
			h := handler(
				g, &fakeQueue{}, func(c *apigw.Config) { c.CORS, c.PageOrigin = tt.cors, "https://http.example.com" },
			)
			e := fixture[events.APIGatewayWebsocketProxyRequest](t, "ws_connect.json")
			e.Headers = tt.headers
			res := call(t, h, e)
			if res.StatusCode != tt.status || (tt.status == 400) != (res.Body == "Forbidden") ||
				(tt.status == 200) != (g.connections[conn] == "NEW") {
				t.Errorf("answer = %d %q, sessions %v; want %d", res.StatusCode, res.Body, g.connections, tt.status)
			}
			e.QueryStringParameters["sid"] = "SESSION"
			if res := call(t, h, e); res.StatusCode != 200 {
				t.Errorf("an upgrade = %d %q, want 200: its page knows the session's id", res.StatusCode, res.Body)
			}
		})
	}
}

func TestCORSOfWebSockets(t *testing.T) {
	q := &fakeQueue{}
	h := handler(
		newFake(), q, func(c *apigw.Config) { c.CORS = apigw.CORS{Origins: []string{"https://app.example.com"}} },
	)
	e := fixture[events.APIGatewayWebsocketProxyRequest](t, "ws_connect.json")
	if got := corsHeaders(call(t, h, e).Headers); got["Access-Control-Allow-Origin"] != "https://app.example.com" {
		t.Errorf("accepted: %v, want the origin", got)
	}
	e.QueryStringParameters = map[string]string{"EIO": "4"}
	if got := corsHeaders(call(t, h, e).Headers); len(got) > 0 {
		t.Errorf("refused: %v, want none", got)
	}
}
