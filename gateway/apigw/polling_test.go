package apigw_test

import (
	"compress/gzip"
	"compress/zlib"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"

	"github.com/nonstick-io/nonstick/gateway/apigw"
	"github.com/nonstick-io/nonstick/sessionstore"
)

type httpEvent = events.APIGatewayV2HTTPRequest

// serve calls the handler, which must not return an error.
func serve(t *testing.T, h *apigw.Handler, e httpEvent) events.APIGatewayV2HTTPResponse {
	t.Helper()
	res, err := h.HTTP(context.Background(), e)
	if err != nil {
		t.Fatalf("HTTP returned %v; the platform would answer for us", err)
	}
	return res
}

// request makes an event.
func request(method, query, body string, headers ...string) httpEvent {
	e := httpEvent{RawPath: "/socket.io/", RawQueryString: query, Body: body, Headers: map[string]string{}}
	e.RequestContext.HTTP.Method = method
	for i := 0; i < len(headers); i += 2 {
		e.Headers[headers[i]] = headers[i+1]
	}
	return e
}

func TestHandshake(t *testing.T) {
	g := newFake()
	res := serve(t, handler(g, nil, nil), fixture[httpEvent](t, "http_handshake.json"))
	want := events.APIGatewayV2HTTPResponse{
		StatusCode: 200, Body: `0{"sid":"NEW"}`,
		Headers: map[string]string{"Content-Type": "text/plain; charset=UTF-8", "Cache-Control": "no-store"},
	}
	if !reflect.DeepEqual(res, want) {
		t.Errorf("answer = %+v, want %+v", res, want)
	}
	wantHandshake := sessionstore.Handshake{
		Time: time.UnixMilli(1795600800123).
			UTC(),
		Address: "192.0.2.7", URL: "/socket.io/?EIO=4&transport=polling&t=abc&token=a%20b",
		Query: map[string]string{"EIO": "4", "transport": "polling", "t": "abc", "token": "a b"}, Secure: true,
		Headers: map[string]string{
			"accept": "*/*", "host": "api.example.com", "origin": "https://app.example.com", "user-agent": "tester",
			"x-forwarded-proto": "https", "cookie": "session=1; theme=dark",
		},
	}
	if !reflect.DeepEqual(g.handshake, wantHandshake) {
		t.Errorf("handshake = %+v, want %+v", g.handshake, wantHandshake)
	}
}

func TestHandshakeHeadersAreBounded(t *testing.T) {
	g := newFake()
	e := request("GET", "EIO=4&transport=polling", "", "a", "1", "b", strings.Repeat("x", 16<<10), "c", "3")
	serve(t, handler(g, nil, nil), e)
	if want := map[string]string{"a": "1", "c": "3"}; !maps.Equal(g.handshake.Headers, want) {
		t.Errorf("headers kept = %v, want only what fits", maps.Keys(g.handshake.Headers))
	}
	e.Headers["a"] = "changed" // the platform's map is its own
	if g.handshake.Headers["a"] != "1" {
		t.Error("the handshake shares the event's map")
	}
}

func TestPostThenPoll(t *testing.T) {
	g := newFake()
	h := handler(g, nil, nil)
	res := serve(t, h, fixture[httpEvent](t, "http_post.json"))
	if res.StatusCode != 200 || res.Body != "ok" || res.Headers["Content-Type"] != "text/html" {
		t.Errorf("POST = %+v, want 200 ok as text/html", res)
	}
	res = serve(t, h, fixture[httpEvent](t, "http_poll.json"))
	if res.StatusCode != 200 || res.Body != "4hello" || res.Headers["Content-Type"] != "text/plain; charset=UTF-8" ||
		res.Headers["Cache-Control"] != "no-store" {
		t.Errorf("GET = %+v, want 4hello", res)
	}
	if got := g.sessions["SESSION"].polled; got != "abd" {
		t.Errorf("t = %q, want abd", got)
	}
}

func TestCompression(t *testing.T) {
	large := "4" + strings.Repeat("text ", 300)
	tests := []struct {
		name, accept, payload string
		coding                string
	}{
		{"large", "gzip, deflate, br", large, "gzip"},
		{"large, any", "*", large, "gzip"},
		{"large, with weights", "br;q=1.0, gzip;q=0.8", large, "gzip"},
		{"large, the higher weight", "gzip;q=0.5, deflate;q=0.8", large, "deflate"},
		{"large, the earlier one", "deflate, gzip", large, "deflate"},
		{"large, the named one", "*, deflate", large, "deflate"},
		{"large, gzip not wanted", "deflate, gzip;q=0", large, "deflate"},
		{"large, any but gzip", "gzip;q=0, *", large, "deflate"},
		{"large, none but gzip", "*;q=0, gzip", large, "gzip"},
		{"large, none but gzip, said before", "gzip, *;q=0", large, "gzip"},
		{"large, not wanted at all", "gzip; q=0.00", large, ""},
		{"large, no weight at all", "gzip;q=x", large, ""},
		{"large, another coding", "br", large, ""},
		{"large, in capitals", "GZIP", large, "gzip"},
		{"large, not asked for", "", large, ""},
		{"of the limit", "gzip", large[:1024], "gzip"},
		{"below the limit", "gzip", large[:1023], ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			g := newFake()
			g.sessions["SESSION"].posted = tt.payload
			h := handler(g, nil, nil)
			for range 2 { // compressors are used again
				res := serve(
					t, h, request("GET", "EIO=4&transport=polling&sid=SESSION", "", "accept-encoding", tt.accept),
				)
				got := res.Body
				if res.IsBase64Encoded {
					got = unzip(t, tt.coding, res.Body)
				}
				if coding := res.Headers["Content-Encoding"]; got != tt.payload || coding != tt.coding ||
					(coding != "") != res.IsBase64Encoded {
					t.Errorf("coding %q, want %q; %d bytes, want %d", coding, tt.coding, len(got), len(tt.payload))
				}
			}
		})
	}
}

// An answer as large as there may be fits into the 6 MB of a function's answer, whatever is in it and whether or not
// the client takes gzip.
func TestLargestAnswer(t *testing.T) {
	noise := make([]byte, 3<<20)
	_, _ = rand.NewChaCha8([32]byte{}).Read(noise)
	for name, payload := range map[string]string{
		"HTML":                      "4" + strings.Repeat("<p>&amp;</p>", 4<<20/12),
		"separators":                strings.Repeat("4\x1e", 2<<20-1) + "4",
		"not compressible":          "b" + base64.StdEncoding.EncodeToString(noise),
		"all that is sent as it is": strings.Repeat("<", 900_000),
	} {
		for _, accept := range []string{"", "gzip"} {
			t.Run(name+"/"+accept, func(t *testing.T) {
				g := newFake()
				g.sessions["SESSION"].posted = payload
				res := serve(
					t, handler(g, nil, nil),
					request("GET", "EIO=4&transport=polling&sid=SESSION", "", "accept-encoding", accept),
				)
				answer, err := json.Marshal(res)
				if err != nil || len(answer) > 6<<20-4096 {
					t.Errorf("%d bytes, %v", len(answer), err)
				}
				got := res.Body
				switch {
				case res.IsBase64Encoded && accept != "":
					got = unzip(t, accept, res.Body)
				case res.IsBase64Encoded:
					raw, err := base64.StdEncoding.DecodeString(res.Body)
					if err != nil {
						t.Fatal(err)
					}
					got = string(raw)
				}
				if got != payload {
					t.Errorf("%d bytes came, want %d", len(got), len(payload))
				}
			})
		}
	}
}

func unzip(t *testing.T, coding, body string) string {
	t.Helper()
	raw := base64.NewDecoder(base64.StdEncoding, strings.NewReader(body))
	var r io.Reader
	var err error
	if coding == "deflate" {
		r, err = zlib.NewReader(raw)
	} else {
		r, err = gzip.NewReader(raw)
	}
	if err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestRefusals(t *testing.T) {
	const sid = "EIO=4&transport=polling&sid=SESSION"
	tests := []struct {
		name   string
		event  httpEvent
		status int
		body   string
	}{
		{"no transport", request("GET", "EIO=4", ""), 400, `{"code":0,"message":"Transport unknown"}`},
		{
			"transport of the prototype", request("GET", "EIO=4&transport=__proto__", ""), 400,
			`{"code":0,"message":"Transport unknown"}`,
		},
		{
			"unknown session, GET", request("GET", "EIO=4&transport=polling&sid=x", ""), 400,
			`{"code":1,"message":"Session ID unknown"}`,
		},
		{
			"unknown session, POST", request("POST", "EIO=4&transport=polling&sid=x", "4"), 400,
			`{"code":1,"message":"Session ID unknown"}`,
		},
		{
			"overlong session, GET", request("GET", "EIO=4&transport=polling&sid="+strings.Repeat("x", 65), ""), 400,
			`{"code":1,"message":"Session ID unknown"}`,
		},
		{
			"unknown session, PUT", request("PUT", "EIO=4&transport=polling&sid=x", "4"), 400,
			`{"code":1,"message":"Session ID unknown"}`,
		},
		{
			"unknown session, HEAD", request("HEAD", "EIO=4&transport=polling&sid=x", ""), 400,
			`{"code":1,"message":"Session ID unknown"}`,
		},
		{
			"unknown session, DELETE", request("DELETE", "EIO=4&transport=polling&sid=x", ""), 400,
			`{"code":1,"message":"Session ID unknown"}`,
		},
		{
			"unknown session, another version", request("GET", "EIO=3&transport=polling&sid=x", ""), 400,
			`{"code":1,"message":"Session ID unknown"}`,
		},
		{
			"unknown session, transport=websocket", request("GET", "EIO=4&transport=websocket&sid=x", ""), 400,
			`{"code":1,"message":"Session ID unknown"}`,
		},
		{
			"overlong session, PUT", request("PUT", "EIO=4&transport=polling&sid="+strings.Repeat("x", 65), ""), 400,
			`{"code":1,"message":"Session ID unknown"}`,
		},
		{
			"another version", request("GET", "EIO=3&transport=polling&sid=SESSION", ""), 400,
			`{"code":3,"message":"Bad request"}`,
		},
		{
			"no version", request("POST", "transport=polling&sid=SESSION", "4x"), 400,
			`{"code":3,"message":"Bad request"}`,
		},
		{
			"transport=websocket", request("GET", "EIO=4&transport=websocket&sid=SESSION", ""), 400,
			`{"code":3,"message":"Bad request"}`,
		},
		{
			"PUT to a session on another transport", request("PUT", "EIO=4&transport=websocket&sid=SESSION", ""), 400,
			`{"code":3,"message":"Bad request"}`,
		},
		{"PUT to a session", request("PUT", "EIO=4&transport=polling&sid=SESSION", ""), 500, ""},
		{
			"POST without session", request("POST", "EIO=4&transport=polling", "4"), 400,
			`{"code":2,"message":"Bad handshake method"}`,
		},
		{
			"PUT without session", request("PUT", "EIO=4&transport=polling", "4"), 400,
			`{"code":2,"message":"Bad handshake method"}`,
		},
		{
			"OPTIONS without CORS", request("OPTIONS", "EIO=4&transport=polling", ""), 400,
			`{"code":2,"message":"Bad handshake method"}`,
		},
		{
			"WebSocket by plain HTTP", request("GET", "EIO=4&transport=websocket", ""), 400,
			`{"code":3,"message":"Bad request"}`,
		},
		{
			"other transport than the session's", request("GET", "EIO=4&transport=websocket&sid=SESSION", ""), 400,
			`{"code":3,"message":"Bad request"}`,
		},
		{
			"old protocol", request("GET", "EIO=3&transport=polling", ""), 400,
			`{"code":5,"message":"Unsupported protocol version"}`,
		},
		{"PUT in a session", request("PUT", sid, ""), 500, ""},
		{"OPTIONS in a session", request("OPTIONS", sid, ""), 500, ""},
		{"other path", httpEvent{RawPath: "/socket.io"}, 404, ""},
		{"bad base64", httpEvent{
			RawPath: "/socket.io/", RawQueryString: sid, Body: "?", IsBase64Encoded: true,
			RequestContext: request("POST", "", "").RequestContext,
		}, 400, `{"code":3,"message":"Bad request"}`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			g := newFake()
			res := serve(t, handler(g, nil, nil), tt.event)
			wantType := map[bool]string{true: "application/json"}[tt.body != ""]
			if res.StatusCode != tt.status || res.Body != tt.body || res.Headers["Content-Type"] != wantType {
				t.Errorf("answer = %d %q %v, want %d %q", res.StatusCode, res.Body, res.Headers, tt.status, tt.body)
			}
			if s := g.sessions["SESSION"]; s.failed != "" || s.posted != "" {
				t.Errorf("the session changed: %+v", s)
			}
		})
	}
}

func TestPostBodies(t *testing.T) {
	const limit = 10
	tests := []struct {
		name        string
		contentType string
		body        string
		status      int
		posted      string
		failed      string
	}{
		{"text", "text/plain;charset=UTF-8", "4hello", 200, "4hello", ""},
		{"empty", "text/plain", "", 200, "", ""},
		{"of the limit", "text/plain", "4123456789", 200, "4123456789", ""},
		{"above the limit", "text/plain", "41234567890", 413, "", ""},
		{"bytes count, not characters", "text/plain", "4ääääää", 413, "", ""},
		{"a bad byte becomes three", "text/plain", "4\xff", 200, "4\uFFFD", ""},
		{"each bad byte counts three", "text/plain", "4\xff\xfe\xff\xfe", 413, "", ""},
		{"octets close the session", "application/octet-stream", "4a", 400, "", "transport error"},
		{"octets with a parameter are text", "application/octet-stream; x=1", "4a", 200, "4a", ""},
		{"octets in capitals are text", "Application/Octet-Stream", "4a", 200, "4a", ""},
	}
	for _, tt := range tests {
		for _, encoded := range []bool{false, true} {
			t.Run(tt.name, func(t *testing.T) {
				g := newFake()
				e := request("POST", "EIO=4&transport=polling&sid=SESSION", tt.body, "content-type", tt.contentType)
				if encoded {
					e.Body, e.IsBase64Encoded = base64.StdEncoding.EncodeToString([]byte(tt.body)), true
				}
				res := serve(t, handler(g, nil, func(c *apigw.Config) { c.MaxPayload = limit }), e)
				want := map[int]string{200: "ok"}[tt.status]
				s := g.sessions["SESSION"]
				if res.StatusCode != tt.status || res.Body != want || s.posted != tt.posted || s.failed != tt.failed {
					t.Errorf(
						"answer = %d %q, session = %+v; want %d, %q, %q", res.StatusCode, res.Body, *s, tt.status,
						tt.posted, tt.failed,
					)
				}
			})
		}
	}
}

func TestOctetsOfAnUnknownSession(t *testing.T) {
	e := request("POST", "EIO=4&transport=polling&sid=x", "4", "content-type", "application/octet-stream")
	res := serve(t, handler(newFake(), nil, nil), e)
	if res.StatusCode != 400 || res.Body != `{"code":1,"message":"Session ID unknown"}` {
		t.Errorf("answer = %d %q", res.StatusCode, res.Body)
	}
}

func TestFailuresSayNothing(t *testing.T) {
	for name, g := range map[string]*fakeGateway{
		"error": {err: errors.New("table gone")},
		"panic": {panics: true},
	} {
		for _, e := range []httpEvent{
			request("GET", "EIO=4&transport=polling", ""),
			request("GET", "EIO=4&transport=polling&sid=SESSION", ""),
			request("POST", "EIO=4&transport=polling&sid=SESSION", "4"),
		} {
			t.Run(name+" "+e.RequestContext.HTTP.Method, func(t *testing.T) {
				g.sessions = newFake().sessions
				res := serve(t, handler(g, nil, nil), e)
				if res.StatusCode != 500 || res.Body != "" {
					t.Errorf("answer = %d %q, want 500 and nothing", res.StatusCode, res.Body)
				}
			})
		}
	}
}

// TestBrokenUTF8 has what Node's StringDecoder makes of each body.
func TestBrokenUTF8(t *testing.T) {
	const r = "\uFFFD"
	for body, want := range map[string]string{
		"4\xff\xfea":        "4" + r + r + "a",
		"4\xe2\x82":         "4" + r,
		"4\xe2\x82a":        "4" + r + "a",
		"4\xf0\x9f\x99":     "4" + r,
		"4\xf0\x9f\x99\xf0": "4" + r + r,
		"4\xed\xa0\x80":     "4" + r + r + r,
		"4\xf5\x80":         "4" + r + r,
		"4\xe2\x82\xac":     "4\u20ac",
		"4\uFFFD":           "4" + r,
		"4\xc0\x80":         "4" + r + r,
	} {
		g := newFake()
		h := handler(g, nil, nil)
		e := request("POST", "EIO=4&transport=polling&sid=SESSION", base64.StdEncoding.EncodeToString([]byte(body)))
		e.IsBase64Encoded = true
		if res := serve(t, h, e); res.StatusCode != 200 || g.sessions["SESSION"].posted != want {
			t.Errorf("%q: %d, %q, want %q", body, res.StatusCode, g.sessions["SESSION"].posted, want)
		}
	}
}
