package apigw_test

import (
	"maps"
	"testing"

	"github.com/aws/aws-lambda-go/events"

	"github.com/nonstick-io/nonstick/gateway/apigw"
)

const edgeKey = "5d0c6a52-6f1b-4c5e-9f0e-0a1b2c3d4e5f"

// edgeCases are requests with headers of the distribution, or of a client that writes them.
var edgeCases = []struct {
	name          string
	edge          apigw.Edge
	headers       map[string]string
	passage       apigw.Passage
	host, address string
}{
	{
		"through",
		apigw.Edge{Key: edgeKey},
		map[string]string{"x-nonstick-edge": edgeKey},
		apigw.PassageEdge,
		"chat.example.com",
		"192.0.2.7",
	},
	{
		"as API Gateway may write names",
		apigw.Edge{Key: edgeKey},
		map[string]string{"X-Nonstick-Edge": edgeKey},
		apigw.PassageEdge,
		"chat.example.com",
		"192.0.2.7",
	},
	{
		"through, and only so",
		apigw.Edge{Key: edgeKey, Only: true},
		map[string]string{"x-nonstick-edge": edgeKey},
		apigw.PassageEdge,
		"chat.example.com",
		"192.0.2.7",
	},
	{"no key", apigw.Edge{Key: edgeKey}, nil, apigw.PassageDirect, "api.example.com", "203.0.113.1"},
	{
		"a wrong key",
		apigw.Edge{Key: edgeKey},
		map[string]string{"x-nonstick-edge": edgeKey + "0"},
		apigw.PassageDirect,
		"api.example.com",
		"203.0.113.1",
	},
	{
		"an empty key",
		apigw.Edge{Key: edgeKey},
		map[string]string{"x-nonstick-edge": ""},
		apigw.PassageDirect,
		"api.example.com",
		"203.0.113.1",
	},
	{
		"no distribution",
		apigw.Edge{},
		map[string]string{"x-nonstick-edge": ""},
		apigw.PassageDirect,
		"api.example.com",
		"203.0.113.1",
	},
	{"round it", apigw.Edge{Key: edgeKey, Only: true}, nil, apigw.PassageRefused, "api.example.com", "203.0.113.1"},
	{
		"round it with a wrong key",
		apigw.Edge{Key: edgeKey, Only: true},
		map[string]string{"x-nonstick-edge": "x"},
		apigw.PassageRefused,
		"api.example.com",
		"203.0.113.1",
	},
}

// with adds what a distribution, or a client that forges it, says.
func with(headers map[string]string, host string) map[string]string {
	all := map[string]string{
		host:                "api.example.com",
		"x-nonstick-viewer": "192.0.2.7",
		"x-forwarded-host":  "chat.example.com",
	}
	maps.Copy(all, headers)
	return all
}

func noSecrets(t *testing.T, name string, headers map[string]string) {
	t.Helper()
	for k, v := range headers {
		if v == edgeKey || k == "x-nonstick-viewer" {
			t.Errorf("%s: the handshake would keep %s", name, k)
		}
	}
}

// Host and address are believed of a request with the key, and the key is kept nowhere.
func TestEdgeHTTP(t *testing.T) {
	for _, c := range edgeCases {
		e := events.APIGatewayV2HTTPRequest{Headers: with(c.headers, "host")}
		e.RequestContext.HTTP.SourceIP, e.RequestContext.DomainName = "203.0.113.1", "api.example.com"
		if got := c.edge.HTTP(&e); got != c.passage {
			t.Errorf("%s: %d, want %d", c.name, got, c.passage)
		}
		if e.Headers["host"] != c.host || e.RequestContext.DomainName != c.host ||
			e.RequestContext.HTTP.SourceIP != c.address {
			t.Errorf(
				"%s: host %q, domain %q, address %q",
				c.name,
				e.Headers["host"],
				e.RequestContext.DomainName,
				e.RequestContext.HTTP.SourceIP,
			)
		}
		noSecrets(t, c.name, e.Headers)
	}
}

// The same of a $connect. A frame has no headers, and is of a connection that was let in.
func TestEdgeWebSocket(t *testing.T) {
	for _, c := range edgeCases {
		e := events.APIGatewayWebsocketProxyRequest{Headers: with(c.headers, "Host")}
		e.RequestContext.EventType, e.RequestContext.Identity.SourceIP = "CONNECT", "203.0.113.1"
		if got := c.edge.WebSocket(&e); got != c.passage {
			t.Errorf("%s: %d, want %d", c.name, got, c.passage)
		}
		if e.Headers["Host"] != c.host || e.RequestContext.Identity.SourceIP != c.address {
			t.Errorf("%s: host %q, address %q", c.name, e.Headers["Host"], e.RequestContext.Identity.SourceIP)
		}
		noSecrets(t, c.name, e.Headers)
		for _, event := range []string{"MESSAGE", "DISCONNECT"} {
			frame := events.APIGatewayWebsocketProxyRequest{}
			frame.RequestContext.EventType = event
			if got := c.edge.WebSocket(&frame); got == apigw.PassageRefused {
				t.Errorf("%s: %s is refused", c.name, event)
			}
		}
	}
}
