package apigw

import (
	"net/url"
	"strings"
)

// mayOpen reports whether a request with these headers may open a WebSocket that begins a session. CORS does not apply
// to WebSockets: a browser lets a page of any origin open one, and sends the user's cookies along. So where not every
// origin is allowed, that holds for WebSockets too, by what CORS says of the origin. A program that is no browser sends
// no Origin. A page of the very host that was asked is no stranger, nor is one of the HTTP API.
func (h *Handler) mayOpen(headers map[string]string, sets *headerSets) bool {
	origin := header(headers, "Origin")
	if !h.cors.on || origin == "" || origin == h.pageOrigin || sets.empty[headerAllowOrigin] != "" {
		return true
	}
	u, err := url.Parse(origin)
	return err == nil && u.Host != "" && strings.EqualFold(u.Host, header(headers, "Host"))
}

// header returns a header whose name comes as the client wrote it, or in lower case behind a custom domain.
func header(headers map[string]string, name string) string {
	if v, ok := headers[name]; ok {
		return v
	}
	return headers[strings.ToLower(name)]
}
