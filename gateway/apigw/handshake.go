package apigw

import (
	"maps"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-lambda-go/events"

	"github.com/nonstick-io/nonstick/sessionstore"
)

// maxHandshakeHeaders is how many bytes of headers are kept with a session, names and values together.
// Those that do not fit, in alphabetical order but for Origin, which comes first, are left out.
const maxHandshakeHeaders = 16 << 10

// ofTheHop reports whether a header is about the connection to the platform and says nothing of the client.
func ofTheHop(name string) bool {
	switch name {
	case "connection", "keep-alive", "proxy-authenticate", "proxy-authorization", "proxy-connection", "te",
		"trailer", "transfer-encoding", "upgrade", "sec-websocket-key", "sec-websocket-version",
		"sec-websocket-extensions":
		return true
	}
	return false
}

// httpHandshake is the request that begins a session on polling.
func httpHandshake(e *events.APIGatewayV2HTTPRequest, query map[string]string) sessionstore.Handshake {
	c := &e.RequestContext
	h := sessionstore.Handshake{
		Time: time.UnixMilli(c.TimeEpoch).UTC(), Address: c.HTTP.SourceIP, URL: e.RawPath, Query: query,
		Headers: keptHeaders(
			e.Headers, strings.Join(e.Cookies, "; "),
		),
		Secure: e.Headers["x-forwarded-proto"] == "https",
	}
	if e.RawQueryString != "" {
		h.URL += "?" + e.RawQueryString
	}
	return h
}

// webSocketHandshake is the request that begins a session on WebSocket. The platform tells neither path
// nor raw query, so the URL is put together again.
func (h *Handler) webSocketHandshake(e *events.APIGatewayWebsocketProxyRequest) sessionstore.Handshake {
	c := &e.RequestContext
	headers := keptHeaders(e.Headers, "")
	query := make(url.Values, len(e.QueryStringParameters))
	for k, v := range e.QueryStringParameters {
		query.Set(k, v)
	}
	return sessionstore.Handshake{
		Time: time.UnixMilli(c.RequestTimeEpoch).
			UTC(),
		Address: c.Identity.SourceIP, URL: h.path + "?" + query.Encode(), Query: maps.Clone(e.QueryStringParameters),
		Headers: headers, Secure: headers["x-forwarded-proto"] == "https",
	}
}

// keptHeaders copies the headers that are kept with a session, with names in lower case.
func keptHeaders(from map[string]string, cookie string) map[string]string {
	kept := make(map[string]string, len(from)+1)
	left := maxHandshakeHeaders
	keep := func(name, value string) {
		if size := len(name) + len(value); size <= left {
			kept[name] = value
			left -= size
		}
	}
	if origin := header(from, "Origin"); origin != "" {
		keep("origin", origin) // first: it may decide whether the client gets in
	}
	for _, k := range slices.Sorted(maps.Keys(from)) {
		if name := strings.ToLower(k); name != "origin" && !ofTheHop(name) {
			keep(name, from[k])
		}
	}
	if cookie != "" {
		keep("cookie", cookie)
	}
	return kept
}
