package edge_test

import (
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/nonstick-io/nonstick/localdev/edge"
)

// outcome runs a function with a request that has two of everything.
func outcome(t *testing.T, body string) (edge.Outcome, error) {
	t.Helper()
	f, err := edge.NewFunction("import cf from 'cloudfront';\nfunction handler(event) {\n  const r = event.request;\n" +
		body + "\n}")
	if err != nil {
		t.Fatal(err)
	}
	return f.Run(edge.Request{
		Method: "GET", URI: "/a", Query: "q=1&p&q=2", IP: "192.0.2.1", Headers: map[string][]string{
			"host": {"front.example.com"}, "x-two": {"1", "2"}, "x-one": {"1"}, "cookie": {`c="1"; d=2; c=3`},
			"upgrade": {"websocket"}, "via": {"1.1 other"},
		},
	})
}

// The event has the structure of version 1.0.
func TestEvent(t *testing.T) {
	out, err := outcome(t, `r.headers = { 'x-event': { value: JSON.stringify(event) } }; return r;`)
	if err != nil {
		t.Fatal(err)
	}
	const want = `{"context":{"distributionDomainName":"test.cloudfront.net","distributionId":"TEST",` +
		`"eventType":"viewer-request","requestId":"1"},"request":{"cookies":{"c":{"multiValue":[{"value":"\"1\""},` +
		`{"value":"3"}],"value":"\"1\""},"d":{"value":"2"}},"headers":{"host":{"value":"front.example.com"},` +
		`"via":{"value":"1.1 other"},"x-one":{"value":"1"},"x-two":{"multiValue":[{"value":"1"},{"value":"2"}],` +
		`"value":"1"}},"method":"GET","querystring":{"p":{"value":""},"q":{"multiValue":[{"value":"1"},{"value":"2"}],` +
		`"value":"1"}},"uri":"/a"},"version":"1.0","viewer":{"ip":"192.0.2.1"}}`
	if got := out.Headers.Get("X-Event"); got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

// What a function changes is changed, and what it does not see or touch stays as it was written.
func TestChanges(t *testing.T) {
	for _, c := range []struct {
		name, body          string
		uri, query, cookies string
		two                 string
	}{
		{"nothing", "return r;", "/a", "q=1&p&q=2", `c="1"; d=2; c=3`, "1 2"},
		{"the path", "r.uri = '/b%2F?c'; return r;", "/b%2F?c", "q=1&p&q=2", `c="1"; d=2; c=3`, "1 2"},
		{
			"the first of several values",
			"r.headers['x-two'].value = r.querystring.q.value = r.cookies.c.value = '9'; return r;",
			"/a", "p=&q=9&q=2", `c=9; c=3; d=2`, "9 2",
		},
		{
			"several values, and the first in vain",
			"for (const x of [r.headers['x-two'], r.querystring.q, r.cookies.c]) {\n" +
				"x.value = '8'; x.multiValue = [{value: '7'}, {value: '6'}]; } return r;",
			"/a", "p=&q=7&q=6", `c=7; c=6; d=2`, "7 6",
		},
		{
			"one value for several",
			"for (const x of [r.headers, r.querystring, r.cookies]) for (const k in x)\n" +
				"if (x[k].multiValue) x[k] = {value: '5'}; return r;",
			"/a", "p=&q=5", "c=5; d=2", "5",
		},
		{"all but the path away", "return { uri: r.uri };", "/a", "", "", ""},
		{"a new object", "return Object.assign({}, r, { uri: '/b' });", "/b", "q=1&p&q=2", `c="1"; d=2; c=3`, "1 2"},
	} {
		out, err := outcome(t, c.body)
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		if two := strings.Join(out.Headers.Values("X-Two"), " "); out.URI != c.uri || out.Query != c.query ||
			out.Headers.Get("Cookie") != c.cookies || two != c.two {
			t.Errorf("%s: %s ? %s, cookies %q, x-two %q", c.name, out.URI, out.Query, out.Headers.Get("Cookie"), two)
		}
		if out.Headers.Get("Upgrade") != "websocket" {
			t.Errorf("%s: what the function does not see is gone", c.name)
		}
	}
	if out, err := outcome(t, "cf.selectRequestOriginById('b'); return r;"); err != nil || out.Origin != "b" {
		t.Errorf("%+v, %v", out, err)
	}
}

// A function that throws, or that does what its runtime does not have, gets the viewer 503; one whose result cannot be
// used 502.
func TestFunctionErrors(t *testing.T) {
	for _, c := range []struct {
		body string
		want error
	}{
		{"throw new Error('oh');", edge.ErrRun},
		{"for (;;) {}", edge.ErrRun},
		{"const f = () => f() + 1; return f();", edge.ErrRun},
		{"return { get uri() { throw 1; } };", edge.ErrRun},
		{"return { get uri() { for (;;) {} } };", edge.ErrRun},
		{"r.self = r; return r;", edge.ErrRun},
		{"return Promise.reject(new Error('oh'));", edge.ErrRun},
		{"return Promise.reject({ toString() { for (;;) {} } });", edge.ErrRun},
		{"return Promise.reject({ toString() { throw 1; } });", edge.ErrRun},
		{"return new Promise(() => {});", edge.ErrRun},
		{"setTimeout(() => {}, 1); return r;", edge.ErrRun},
		{"eval('1'); return r;", edge.ErrRun},
		{"new Function('return 1'); return r;", edge.ErrRun},
		{"(() => {}).constructor('return 1'); return r;", edge.ErrRun},
		{"(async () => {}).constructor('return 1'); return r;", edge.ErrRun},
		{"x = 1; return r;", edge.ErrRun}, // strict mode
		{"require('crypto'); return r;", edge.ErrRun},
		{"cf.updateRequestOrigin({ domainName: 'example.com' }); return r;", edge.ErrRun},
		{"cf.createRequestOriginGroup({}); return r;", edge.ErrRun},
		{"cf.kvs(); return r;", edge.ErrRun},
		{"", edge.ErrResult},
		{"return null;", edge.ErrResult},
		{"return 'text';", edge.ErrResult},
		{"return [r];", edge.ErrResult},
		{"return event;", edge.ErrResult},
		{"r.uri = 'a'; return r;", edge.ErrResult},
		{"r.uri = 1; return r;", edge.ErrResult},
		{"r.uri = '/' + 'x'.repeat(8192); return r;", edge.ErrResult},
		{"r.method = 'POST'; return r;", edge.ErrResult},
		{"r.method = 1; return r;", edge.ErrResult},
		{"r.headers = 1; return r;", edge.ErrResult},
		{"r.headers.x = 'text'; return r;", edge.ErrResult},
		{"r.headers.x = { value: 1 }; return r;", edge.ErrResult},
		{"r.headers.x = { multiValue: ['text'] }; return r;", edge.ErrResult},
		{"r.headers['X-Up'] = { value: '1' }; return r;", edge.ErrResult},
		{"r.headers.connection = { value: '1' }; return r;", edge.ErrResult},
		{"r.headers.upgrade = { value: '1' }; return r;", edge.ErrResult},
		{"r.headers['x-edge-own'] = { value: '1' }; return r;", edge.ErrResult},
		{"r.headers['x-amz-cf-own'] = { value: '1' }; return r;", edge.ErrResult},
		{"r.headers.host.value = 'other'; return r;", edge.ErrResult},
		{"r.headers.via.value = 'other'; return r;", edge.ErrResult},
		{"r.headers['content-length'] = { value: '1' }; return r;", edge.ErrResult},
		{"r.querystring = 'x=1'; return r;", edge.ErrResult},
		{"r.querystring.x = { value: 'a b' }; return r;", edge.ErrResult},
		{"r.querystring.x = { value: 'a#b' }; return r;", edge.ErrResult},
		{"r.cookies.x = { value: 1 }; return r;", edge.ErrResult},
		{"return { statusCode: '200' };", edge.ErrResult},
		{"return { statusCode: 200.5 };", edge.ErrResult},
		{"return { statusCode: 199 };", edge.ErrResult},
		{"return { statusCode: 600 };", edge.ErrResult},
		{"return { statusCode: 200, headers: { 'X-Up': { value: '1' } } };", edge.ErrResult},
		{"return { statusCode: 200, headers: { via: { value: '1' } } };", edge.ErrResult},
		{"return { statusCode: 200, cookies: { c: {} } };", edge.ErrResult},
		{"return { statusCode: 200, body: 1 };", edge.ErrResult},
		{"return { statusCode: 200, body: { data: 'x' } };", edge.ErrResult},
		{"return { statusCode: 200, body: { encoding: 'base64', data: '*' } };", edge.ErrResult},
	} {
		if out, err := outcome(t, c.body); !errors.Is(err, c.want) {
			t.Errorf("%s: %+v, %v, want %v", c.body, out, err, c.want)
		}
	}
	for code, want := range map[string]int{
		"throw 1;": 503, "return 1;": 502, "require('cloudfront').selectRequestOriginById('c'); return e.request;": 502,
	} {
		s := front(t, "function handler(e) { "+code+" }", tell("a"), tell("b"))
		if res, text := ask(t, "GET", s.URL, nil, nil); res.StatusCode != want {
			t.Errorf("%s: %d %s, want %d", code, res.StatusCode, text, want)
		}
	}
}

// A response of the function is what the viewer gets.
func TestFunctionResponse(t *testing.T) {
	for _, c := range []struct {
		response string
		status   int
		header   http.Header
		body     string
	}{
		{
			"{ statusCode: 302, statusDescription: 'Found', headers: { location: { value: '/there' } } }",
			302,
			http.Header{"Location": {"/there"}},
			"",
		},
		{"{ statusCode: 200, body: 'text' }", 200, nil, "text"},
		{"{ statusCode: 404, body: { encoding: 'text', data: 'none' } }", 404, nil, "none"},
		{
			"{ statusCode: 200, headers: { 'content-length': { value: '999' } }, body: { encoding: 'base64', data: 'aGk=' } }",
			200,
			http.Header{"Content-Length": {"2"}},
			"hi",
		},
		{
			"{ statusCode: 204, headers: { 'x-two': { multiValue: [{ value: '1' }, { value: '2' }] } }, cookies: {\n" +
				"a: { value: '1', attributes: 'Secure; Path=/' }, b: { multiValue: [{ value: '2' }, { value: '3' }] } } }",
			204,
			http.Header{"X-Two": {"1", "2"}, "Set-Cookie": {"a=1; Secure; Path=/", "b=2", "b=3"}},
			"",
		},
	} {
		s := front(t, "function handler() { return "+c.response+"; }", tell("a"), tell("b"))
		res, body := ask(t, "GET", s.URL, nil, nil)
		if res.StatusCode != c.status || body != c.body ||
			res.Header.Get("X-Cache") != "FunctionGeneratedResponse from cloudfront" {
			t.Errorf("%s: %d %v %q", c.response, res.StatusCode, res.Header, body)
		}
		for name, want := range c.header {
			if got := res.Header.Values(name); strings.Join(got, "|") != strings.Join(want, "|") {
				t.Errorf("%s: %s is %q, want %q", c.response, name, got, want)
			}
		}
	}
}

// Time stands still while a function runs.
func TestFunctionTime(t *testing.T) {
	out, err := outcome(t, `const begin = Date.now();
for (let i = 0; i < 20000; i++);
r.headers['x-took'] = { value: String(Date.now() - begin) }; return r;`)
	if err != nil || out.Headers.Get("X-Took") != "0" {
		t.Errorf("%v, %v", out.Headers, err)
	}
}

// BenchmarkFunction is what a request costs before it goes anywhere.
func BenchmarkFunction(b *testing.B) {
	f, err := edge.NewFunction(pick)
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if _, err := f.Run(edge.Request{
			Method: "GET", URI: "/", Query: "EIO=4&transport=websocket", IP: "192.0.2.1",
			Headers: map[string][]string{"host": {"front.example.com"}, "accept": {"*/*"}},
		}); err != nil {
			b.Fatal(err)
		}
	}
}
