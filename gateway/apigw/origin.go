package apigw

import (
	"net/url"
	"slices"
	"strings"
)

// originPolicy says which pages may open a WebSocket. CORS does not apply to WebSockets: a browser lets a page of any
// origin open one, and sends the user's cookies along. So where a list of origins is configured, it holds for
// WebSockets too.
type originPolicy struct {
	list []string // nil: every page
	own  string   // origin of the pages of the HTTP API, or empty
}

func newOriginPolicy(c CORS, own string) originPolicy {
	if slices.Contains(c.Origins, "*") {
		return originPolicy{}
	}
	return originPolicy{list: c.Origins, own: own}
}

// allows reports whether a request with these headers may open a WebSocket. A program that is no browser sends no
// Origin. A page of the very host that was asked is no stranger.
func (p originPolicy) allows(headers map[string]string) bool {
	origin := header(headers, "Origin")
	if len(p.list) == 0 || origin == "" || origin == p.own || slices.Contains(p.list, origin) {
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
