package edge

import (
	"encoding/base64"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// changed is a request as the function has left it.
type changed struct {
	path, query string
	header      http.Header
}

// requestOf takes over what a function returned as a request: path, query, headers and cookies. Query and cookies that
// are as they were go on as they were written.
func requestOf(result map[string]any, r *http.Request) (changed, error) {
	uri, ok := result["uri"].(string)
	if !ok || !strings.HasPrefix(uri, "/") {
		return changed{}, fmt.Errorf("%w: request.uri is %v, and must begin with a slash", ErrResult, result["uri"])
	}
	if m, ok := result["method"]; ok && m != r.Method {
		return changed{}, fmt.Errorf("%w: request.method cannot be changed", ErrResult)
	}
	out := changed{path: uri}
	var err error
	if out.query, err = pairsOf(result["querystring"], queryOf(r.URL.RawQuery), r.URL.RawQuery, "&"); err != nil {
		return changed{}, err
	}
	if strings.ContainsFunc(out.query, func(c rune) bool { return c <= ' ' || c == '#' || c == 0x7f }) {
		return changed{}, fmt.Errorf("%w: the query has a space, a control character or a #", ErrResult)
	}
	if len(out.path)+len("?")+len(out.query) > MaxURL {
		return changed{}, fmt.Errorf("%w: path and query have more than %d bytes", ErrResult, MaxURL)
	}
	if out.header, err = readHeaders(result["headers"], headersOf(r), readOnly); err != nil {
		return changed{}, err
	}
	cookies, err := pairsOf(result["cookies"], cookiesOf(r), strings.Join(r.Header.Values("Cookie"), "; "), "; ")
	if err != nil {
		return changed{}, err
	}
	if cookies != "" {
		out.header.Set("Cookie", cookies)
	}
	for name, lines := range r.Header { // what the function does not see passes it by
		if hidden(strings.ToLower(name)) {
			out.header[name] = lines
		}
	}
	return out, nil
}

// readHeaders reads headers that were others before. Those that are fixed must be as they were.
func readHeaders(v any, was map[string][]string, fixed func(string) bool) (http.Header, error) {
	headers, err := listsOf(v, was)
	if err != nil {
		return nil, err
	}
	out := http.Header{}
	for name, values := range headers {
		if err := mayAdd(name); err != nil {
			return nil, err
		}
		if fixed(name) && !slices.Equal(values, was[name]) {
			return nil, fmt.Errorf("%w: a function may not change the header %s", ErrResult, name)
		}
		for _, v := range values {
			out.Add(name, v)
		}
	}
	return out, nil
}

// mayAdd checks the name of a header that a function has returned.
func mayAdd(name string) error {
	switch {
	case name != strings.ToLower(name):
		return fmt.Errorf("%w: the name of the header %s must be in lower case", ErrResult, name)
	case hidden(name):
		return fmt.Errorf("%w: a function may not add the header %s", ErrResult, name)
	default:
		return nil
	}
}

// pairsOf are names and values as text: as it came, unless the function has changed them.
func pairsOf(v any, was map[string][]string, raw, between string) (string, error) {
	now, err := listsOf(v, was)
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
	return strings.Join(pairs, between), nil
}

// objectOf is a query, headers or cookies: an object of objects, or nothing.
func objectOf(v any) (map[string]map[string]any, error) {
	all := map[string]map[string]any{}
	m, ok := v.(map[string]any)
	if !ok && v != nil {
		return nil, fmt.Errorf("%w: %v is no object of values", ErrResult, v)
	}
	for name, entry := range m {
		e, ok := entry.(map[string]any)
		if !ok {
			return nil, fmt.Errorf("%w: %s is %v, and must be an object with a value", ErrResult, name, entry)
		}
		all[name] = e
	}
	return all, nil
}

// listsOf reads a query, headers or cookies that were others before. Where there are several values, multiValue counts;
// but if only value is another than it was, it is put in the place of the first.
func listsOf(v any, was map[string][]string) (map[string][]string, error) {
	entries, err := objectOf(v)
	if err != nil {
		return nil, err
	}
	all := make(map[string][]string, len(entries))
	for name, e := range entries {
		many, _ := e["multiValue"].([]any)
		if len(many) == 0 {
			value, err := text(name, e)
			if err != nil {
				return nil, err
			}
			all[name] = []string{value}
			continue
		}
		for _, item := range many {
			one, _ := item.(map[string]any)
			value, err := text(name, one)
			if err != nil {
				return nil, err
			}
			all[name] = append(all[name], value)
		}
		if first, ok := e["value"].(string); ok && slices.Equal(all[name], was[name]) {
			all[name][0] = first
		}
	}
	return all, nil
}

func text(name string, e map[string]any) (string, error) {
	s, ok := e["value"].(string)
	if !ok {
		return "", fmt.Errorf("%w: the value of %s is %v, and must be a string", ErrResult, name, e["value"])
	}
	return s, nil
}

// answer is a response of a function.
type answer struct {
	status int
	header http.Header
	body   []byte
}

// isResponse reports whether a function has returned a response, and no request.
func isResponse(result map[string]any) bool {
	_, ok := result["statusCode"]
	return ok
}

// responseOf reads what a function returned as a response.
func responseOf(result map[string]any) (answer, error) {
	status, ok := result["statusCode"].(float64)
	if !ok || status < 200 || status > 599 || status != float64(int(status)) {
		return answer{}, fmt.Errorf("%w: statusCode is %v, and must be a whole number from 200 to 599", ErrResult,
			result["statusCode"])
	}
	a := answer{status: int(status)}
	var err error
	if a.header, err = readHeaders(result["headers"], nil, readOnlyOfResponse); err != nil {
		return answer{}, err
	}
	a.header.Del("Content-Length") // it follows from the body
	cookies, err := objectOf(result["cookies"])
	if err != nil {
		return answer{}, err
	}
	for _, name := range slices.Sorted(maps.Keys(cookies)) {
		if err := a.setCookies(name, cookies[name]); err != nil {
			return answer{}, err
		}
	}
	a.body, err = bodyOf(result["body"])
	return a, err
}

// setCookies adds a cookie, each of its values with its attributes.
func (a *answer) setCookies(name string, e map[string]any) error {
	list, _ := e["multiValue"].([]any)
	if len(list) == 0 {
		list = []any{e}
	}
	for _, item := range list {
		one, _ := item.(map[string]any)
		value, err := text(name, one)
		if err != nil {
			return err
		}
		line := name + "=" + value
		if attributes, _ := one["attributes"].(string); attributes != "" {
			line += "; " + attributes
		}
		a.header.Add("Set-Cookie", line)
	}
	return nil
}

// bodyOf reads the body of a response: text, or an object that says how its data is written.
func bodyOf(v any) ([]byte, error) {
	switch body := v.(type) {
	case nil:
		return nil, nil
	case string:
		return []byte(body), nil
	case map[string]any:
		data, ok := body["data"].(string)
		switch {
		case ok && body["encoding"] == "text":
			return []byte(data), nil
		case ok && body["encoding"] == "base64":
			if b, err := base64.StdEncoding.DecodeString(data); err == nil {
				return b, nil
			}
		}
	}
	return nil, fmt.Errorf("%w: body must be text, or have data, and the encoding text or base64", ErrResult)
}

// target is where a path and a query are at an origin.
func target(origin *url.URL, path, query string) (*url.URL, error) {
	path = strings.TrimSuffix(origin.EscapedPath(), "/") + path
	plain, err := url.PathUnescape(path)
	if err != nil {
		return nil, fmt.Errorf("%w: request.uri: %w", ErrResult, err)
	}
	return &url.URL{Scheme: origin.Scheme, Host: origin.Host, Path: plain, RawPath: path, RawQuery: query}, nil
}
