package edge

import (
	"fmt"
	"maps"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// hidden reports whether a function sees a header, and may add it. CloudFront keeps these to itself.
func hidden(name string) bool {
	switch name {
	case "connection", "expect", "keep-alive", "proxy-authenticate", "proxy-authorization", "proxy-connection",
		"trailer", "upgrade", "x-cache", "x-forwarded-proto", "x-real-ip":
		return true
	}
	for _, prefix := range []string{"x-accel-", "x-amz-cf-", "x-amzn-", "x-edge-"} {
		if strings.HasPrefix(name, prefix) {
			return true
		}
	}
	return false
}

// readOnly reports whether a function at viewer-request sees a header that it may not change.
func readOnly(name string) bool {
	return name == "content-length" || name == "host" || name == "transfer-encoding" || name == "via"
}

// eventOf is the event of a request, in the structure of version 1.0.
func eventOf(r *http.Request, distribution, id string) map[string]any {
	headers := map[string]any{"host": map[string]any{"value": r.Host}}
	for name, lines := range r.Header {
		if name = strings.ToLower(name); !hidden(name) && name != "cookie" {
			headers[name] = valueOf(lines)
		}
	}
	cookies := map[string][]string{}
	for _, c := range r.Cookies() {
		cookies[c.Name] = append(cookies[c.Name], c.Value)
	}
	return map[string]any{
		"version": "1.0",
		"context": map[string]any{
			"distributionDomainName": strings.ToLower(distribution) + ".cloudfront.net", "distributionId": distribution,
			"eventType": "viewer-request", "requestId": id,
		},
		"viewer": map[string]any{"ip": viewerIP(r)},
		"request": map[string]any{
			"method": r.Method, "uri": r.URL.EscapedPath(), "querystring": valuesOf(queryOf(r.URL.RawQuery)),
			"headers": headers, "cookies": valuesOf(cookies),
		},
	}
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

// changed is a request as the function has left it.
type changed struct {
	path, query string
	header      http.Header
}

// read takes over what a function returned as a request: path, query, headers and cookies.
func read(result map[string]any, r *http.Request) (changed, error) {
	uri, ok := result["uri"].(string)
	if !ok || !strings.HasPrefix(uri, "/") {
		return changed{}, fmt.Errorf("%w: request.uri is %v, and must begin with a slash", ErrResult, result["uri"])
	}
	if m, ok := result["method"].(string); ok && m != r.Method {
		return changed{}, fmt.Errorf("%w: request.method cannot be changed", ErrResult)
	}
	out := changed{path: uri, header: http.Header{}}
	var err error
	if out.query, err = unchangedOr(result["querystring"], r.URL.RawQuery, queryOf(r.URL.RawQuery)); err != nil {
		return changed{}, err
	}
	headers, err := listsOf(result["headers"])
	if err != nil {
		return changed{}, err
	}
	for name, values := range headers {
		switch {
		case name != strings.ToLower(name):
			return changed{}, fmt.Errorf("%w: the name of the header %s must be in lower case", ErrResult, name)
		case hidden(name):
			return changed{}, fmt.Errorf("%w: a function may not add the header %s", ErrResult, name)
		case name == "host" && values[0] != r.Host, readOnly(name) && name != "host" && values[0] != r.Header.Get(name):
			return changed{}, fmt.Errorf("%w: a function may not change the header %s", ErrResult, name)
		}
		for _, v := range values {
			out.header.Add(name, v)
		}
	}
	cookies, err := listsOf(result["cookies"])
	if err != nil {
		return changed{}, err
	}
	var pairs []string
	for _, name := range slices.Sorted(maps.Keys(cookies)) {
		for _, v := range cookies[name] {
			pairs = append(pairs, name+"="+v)
		}
	}
	if len(pairs) > 0 {
		out.header.Set("Cookie", strings.Join(pairs, "; "))
	}
	for name, lines := range r.Header { // what the function does not see passes it by
		if hidden(strings.ToLower(name)) {
			out.header[name] = lines
		}
	}
	return out, nil
}

// unchangedOr is the query as it came, unless the function has changed it.
func unchangedOr(v any, raw string, was map[string][]string) (string, error) {
	now, err := listsOf(v)
	if err != nil {
		return "", err
	}
	if maps.EqualFunc(was, now, slices.Equal[[]string]) {
		return raw, nil
	}
	var pairs []string
	for _, name := range slices.Sorted(maps.Keys(now)) {
		for _, value := range now[name] {
			pairs = append(pairs, name+"="+value)
		}
	}
	return strings.Join(pairs, "&"), nil
}

// listsOf reads a query, headers or cookies.
func listsOf(v any) (map[string][]string, error) {
	all := map[string][]string{}
	m, ok := v.(map[string]any)
	if !ok && v != nil {
		return nil, fmt.Errorf("%w: %v is no object of values", ErrResult, v)
	}
	for name, entry := range m {
		e, ok := entry.(map[string]any)
		if !ok {
			return nil, fmt.Errorf("%w: %s is %v, and must be an object with a value", ErrResult, name, entry)
		}
		list, _ := e["multiValue"].([]any)
		if len(list) == 0 {
			list = []any{e}
		}
		for _, item := range list {
			one, _ := item.(map[string]any)
			text, ok := one["value"].(string)
			if !ok {
				return nil, fmt.Errorf("%w: the value of %s is %v, and must be a string", ErrResult, name, one["value"])
			}
			all[name] = append(all[name], text)
		}
	}
	return all, nil
}

// statusOf is the status of a response; 0 for a request.
func statusOf(result map[string]any) int {
	switch s := result["statusCode"].(type) {
	case int64:
		return int(s)
	case float64:
		return int(s)
	default:
		return 0
	}
}

// respond answers with what a function returned as a response.
func respond(w http.ResponseWriter, result map[string]any) error {
	status := statusOf(result)
	if status < 200 || status > 599 {
		return fmt.Errorf("%w: statusCode is %v", ErrResult, result["statusCode"])
	}
	headers, err := listsOf(result["headers"])
	if err != nil {
		return err
	}
	for name, values := range headers {
		for _, v := range values {
			w.Header().Add(name, v)
		}
	}
	text := ""
	switch body := result["body"].(type) {
	case string:
		text = body
	case map[string]any:
		text, _ = body["data"].(string)
	}
	w.WriteHeader(status)
	_, _ = w.Write([]byte(text)) // the client may be gone
	return nil
}

// target is where a path and a query are at an origin.
func target(origin *url.URL, path, query string) (*url.URL, error) {
	u, err := url.Parse(origin.Scheme + "://" + origin.Host + strings.TrimSuffix(origin.EscapedPath(), "/") + path)
	if err != nil {
		return nil, fmt.Errorf("%w: request.uri: %w", ErrResult, err)
	}
	u.RawQuery = query
	return u, nil
}
