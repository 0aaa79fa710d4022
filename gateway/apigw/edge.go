package apigw

import (
	"crypto/subtle"
	"maps"
	"strings"

	"github.com/aws/aws-lambda-go/events"
)

// Edge is a CloudFront distribution in front of both APIs (infra/edge), which gives them one address. It tells what
// the APIs cannot see behind it: the host that the client asked for, and the client's address. Both are believed only
// of a request that carries the key, for the APIs have addresses of their own, where a client may say anything.
//
// The zero value is no distribution.
type Edge struct {
	// Key is what the distribution adds to each request. Empty: there is no distribution.
	Key string
	// Only refuses requests that did not come through the distribution, so that no client goes round its web ACL.
	Only bool
}

// The headers of the distribution. Those that its function adds come in lower case; the key comes as it is configured.
const (
	headerEdge    = "x-nonstick-edge"
	headerViewer  = "x-nonstick-viewer"
	headerForward = "x-forwarded-host"
)

// Passage is how a request has come.
type Passage int

// The passages.
const (
	PassageDirect  Passage = iota // from the client itself
	PassageEdge                   // through the distribution
	PassageRefused                // from the client itself, which may not
)

// HTTP looks at a request of the HTTP API. One that came through the distribution becomes what the client sent: with
// the host that the client asked for and the client's address. The headers of the distribution are taken away, so that
// no key is kept with a session.
func (g Edge) HTTP(e *events.APIGatewayV2HTTPRequest) Passage {
	passage, said := g.pass(e.Headers)
	if passage != PassageEdge {
		return passage
	}
	if said.host != "" {
		e.Headers["host"], e.RequestContext.DomainName = said.host, said.host
	}
	if said.address != "" {
		e.RequestContext.HTTP.SourceIP = said.address
	}
	return passage
}

// WebSocket is [Edge.HTTP] for the $connect of the WebSocket API. Other events have no headers, and belong to a
// connection that was let in.
func (g Edge) WebSocket(e *events.APIGatewayWebsocketProxyRequest) Passage {
	if e.RequestContext.EventType != eventConnect {
		return PassageDirect
	}
	passage, said := g.pass(e.Headers)
	if passage != PassageEdge {
		return passage
	}
	if said.host != "" {
		removeHeader(e.Headers, "host")
		e.Headers["Host"], e.RequestContext.DomainName = said.host, said.host
	}
	if said.address != "" {
		e.RequestContext.Identity.SourceIP = said.address
	}
	return passage
}

// edgeSaid is what the distribution tells of a request.
type edgeSaid struct{ host, address string }

// pass takes the distribution's headers out of a request's, and says how the request has come.
func (g Edge) pass(headers map[string]string) (Passage, edgeSaid) {
	key := removeHeader(headers, headerEdge)
	address := removeHeader(headers, headerViewer)
	switch {
	case g.Key != "" && subtle.ConstantTimeCompare([]byte(key), []byte(g.Key)) == 1:
		return PassageEdge, edgeSaid{host: removeHeader(headers, headerForward), address: address}
	case g.Only:
		return PassageRefused, edgeSaid{}
	default:
		return PassageDirect, edgeSaid{}
	}
}

// removeHeader takes a header out, however its name is written, and returns its value.
func removeHeader(headers map[string]string, name string) (value string) {
	maps.DeleteFunc(headers, func(k, v string) bool {
		if strings.EqualFold(k, name) {
			value = v
			return true
		}
		return false
	})
	return value
}
