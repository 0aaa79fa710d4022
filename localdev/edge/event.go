package edge

import (
	"net"
	"net/http"
	"strings"
)

// eventOf is the event of a request, in the structure of version 1.0.
func eventOf(r *http.Request, distribution, id string) map[string]any {
	return map[string]any{
		"version": "1.0",
		"context": map[string]any{
			"distributionDomainName": strings.ToLower(distribution) + ".cloudfront.net", "distributionId": distribution,
			"eventType": "viewer-request", "requestId": id,
		},
		"viewer": map[string]any{"ip": viewerIP(r)},
		"request": map[string]any{
			"method": r.Method, "uri": pathOf(r), "querystring": valuesOf(queryOf(r.URL.RawQuery)),
			"headers": valuesOf(headersOf(r)), "cookies": valuesOf(cookiesOf(r)),
		},
	}
}

// pathOf is the path as the viewer has written it.
func pathOf(r *http.Request) string {
	if path := r.URL.EscapedPath(); path != "" {
		return path
	}
	return "/"
}

// headersOf are the headers that a function sees. Cookies are apart.
func headersOf(r *http.Request) map[string][]string {
	all := map[string][]string{}
	for name, lines := range r.Header {
		if name = strings.ToLower(name); !hidden(name) && name != "cookie" {
			all[name] = lines
		}
	}
	if r.Host != "" {
		all["host"] = []string{r.Host}
	}
	return all
}

// queryOf reads a query as a function sees it: nothing is decoded.
func queryOf(raw string) map[string][]string {
	all := map[string][]string{}
	for pair := range strings.SplitSeq(raw, "&") {
		if name, value, _ := strings.Cut(pair, "="); pair != "" {
			all[name] = append(all[name], value)
		}
	}
	return all
}

// cookiesOf reads the cookies as they are written: quotes belong to a value.
func cookiesOf(r *http.Request) map[string][]string {
	all := map[string][]string{}
	for _, line := range r.Header.Values("Cookie") {
		for pair := range strings.SplitSeq(line, ";") {
			if name, value, _ := strings.Cut(strings.TrimSpace(pair), "="); name != "" {
				all[name] = append(all[name], value)
			}
		}
	}
	return all
}

func valuesOf(all map[string][]string) map[string]any {
	out := make(map[string]any, len(all))
	for name, values := range all {
		out[name] = valueOf(values)
	}
	return out
}

// valueOf is one value, or several with the first before them.
func valueOf(values []string) map[string]any {
	out := map[string]any{"value": values[0]}
	if len(values) > 1 {
		list := make([]any, len(values))
		for i, v := range values {
			list[i] = map[string]any{"value": v}
		}
		out["multiValue"] = list
	}
	return out
}

// viewerIP is the address of the client.
func viewerIP(r *http.Request) string {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return r.RemoteAddr
	}
	return host
}
