package engineio_test

import (
	"errors"
	"maps"
	"testing"

	"github.com/nonstick-io/nonstick/internal/engineio"
)

func TestParseRequest(t *testing.T) {
	const ws, plain = true, false
	for _, tt := range []struct {
		name, method, query string
		websocket           bool
		want                engineio.Request
	}{
		{
			"handshake", "GET", "EIO=4&transport=polling&t=abc", plain,
			engineio.Request{Kind: engineio.KindHandshake, T: "abc", Transport: engineio.Polling},
		},
		{
			"handshake with an empty sid", "GET", "EIO=4&transport=polling&sid=", plain,
			engineio.Request{Kind: engineio.KindHandshake, Transport: engineio.Polling},
		},
		{
			"handshake with b64", "GET", "EIO=4&transport=polling&b64=1", plain,
			engineio.Request{Kind: engineio.KindHandshake, Transport: engineio.Polling, Base64: true},
		},
		{
			"b64=0 is as good as b64=1", "GET", "EIO=4&transport=polling&b64=0", plain,
			engineio.Request{Kind: engineio.KindHandshake, Transport: engineio.Polling, Base64: true},
		},
		{
			"an empty b64 is none", "GET", "EIO=4&transport=polling&b64=", plain,
			engineio.Request{Kind: engineio.KindHandshake, Transport: engineio.Polling},
		},
		{
			"poll", "GET", "EIO=4&transport=polling&t=abc&sid=s1", plain,
			engineio.Request{Kind: engineio.KindPoll, SID: "s1", T: "abc", Transport: engineio.Polling},
		},
		{
			"post", "POST", "EIO=4&transport=polling&sid=s1", plain,
			engineio.Request{Kind: engineio.KindPost, SID: "s1", Transport: engineio.Polling},
		},
		{
			"websocket handshake", "GET", "EIO=4&transport=websocket&b64=1", ws,
			engineio.Request{Kind: engineio.KindWebSocketHandshake, Transport: engineio.WebSocket, Base64: true},
		},
		{
			"websocket handshake without a method", "", "EIO=4&transport=websocket", ws,
			engineio.Request{Kind: engineio.KindWebSocketHandshake, Transport: engineio.WebSocket},
		},
		{
			"websocket bind", "GET", "EIO=4&transport=websocket&sid=s1", ws,
			engineio.Request{Kind: engineio.KindWebSocketBind, SID: "s1", Transport: engineio.WebSocket},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := engineio.ParseRequest(tt.method, engineio.ParseQuery(tt.query), tt.websocket)
			if err != nil || got != tt.want {
				t.Errorf("got %+v, %v; want %+v", got, err, tt.want)
			}
		})
	}
}

func TestParseRequestRefuses(t *testing.T) {
	const ws, plain = true, false
	for _, tt := range []struct {
		name, method, query string
		websocket           bool
		want                error
	}{
		{"no query", "GET", "", plain, engineio.ErrUnknownTransport},
		{"no transport", "GET", "EIO=4", plain, engineio.ErrUnknownTransport},
		{"transport before everything", "PUT", "EIO=3&transport=tobi&sid=s1", false, engineio.ErrUnknownTransport},
		{"constructor", "GET", "EIO=4&transport=constructor", plain, engineio.ErrUnknownTransport},
		{"webtransport", "GET", "EIO=4&transport=webtransport", plain, engineio.ErrUnknownTransport},
		{"other case", "GET", "EIO=4&transport=Polling", plain, engineio.ErrUnknownTransport},
		{"unknown transport of a websocket", "GET", "EIO=4&transport=tobi", ws, engineio.ErrUnknownTransport},
		{"handshake by POST", "POST", "EIO=4&transport=polling", plain, engineio.ErrBadHandshakeMethod},
		{"handshake by OPTIONS", "OPTIONS", "EIO=4&transport=polling", plain, engineio.ErrBadHandshakeMethod},
		{"method before version", "POST", "EIO=3&transport=polling", plain, engineio.ErrBadHandshakeMethod},
		{
			"method before the missing upgrade", "POST", "EIO=4&transport=websocket", plain,
			engineio.ErrBadHandshakeMethod,
		},
		{"websocket without the upgrade", "GET", "EIO=4&transport=websocket", plain, engineio.ErrBadRequest},
		{"missing upgrade before version", "GET", "EIO=3&transport=websocket", plain, engineio.ErrBadRequest},
		{"websocket that says polling", "GET", "EIO=4&transport=polling", ws, engineio.ErrBadRequest},
		{"websocket with sid that says polling", "GET", "EIO=4&transport=polling&sid=s1", ws, engineio.ErrBadRequest},
		{"version 3", "GET", "EIO=3&transport=polling", plain, engineio.ErrUnsupportedVersion},
		{"no version", "GET", "transport=polling", plain, engineio.ErrUnsupportedVersion},
		{"version 4.0", "GET", "EIO=4.0&transport=polling", plain, engineio.ErrUnsupportedVersion},
		{"version 3 on a websocket", "GET", "EIO=3&transport=websocket", ws, engineio.ErrUnsupportedVersion},
		{"session by PUT", "PUT", "EIO=4&transport=polling&sid=s1", false, engineio.ErrMethod},
		{"session by HEAD", "HEAD", "EIO=4&transport=polling&sid=s1", false, engineio.ErrMethod},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := engineio.ParseRequest(tt.method, engineio.ParseQuery(tt.query), tt.websocket)
			if !errors.Is(err, tt.want) {
				t.Errorf("got %+v, %v; want %v", got, err, tt.want)
			}
			if got.Kind != 0 {
				t.Errorf("a refused request has kind %d", got.Kind)
			}
		})
	}
}

func TestWrongRequestsStillNameTheSession(t *testing.T) {
	for _, tt := range []struct {
		name, method, query string
		websocket           bool
		transport           engineio.Transport
		want                error
	}{
		{"PUT", "PUT", "EIO=4&transport=polling&sid=s1", false, engineio.Polling, engineio.ErrMethod},
		{"another version", "GET", "EIO=3&transport=polling&sid=s1", false, engineio.Polling, engineio.ErrBadRequest},
		{"no version", "POST", "transport=polling&sid=s1", false, engineio.Polling, engineio.ErrBadRequest},
		{
			"PUT of another version", "PUT", "EIO=3&transport=polling&sid=s1", false, engineio.Polling,
			engineio.ErrBadRequest,
		},
		{
			"WebSocket in name alone", "GET", "EIO=4&transport=websocket&sid=s1", false, engineio.WebSocket,
			engineio.ErrBadRequest,
		},
		{
			"WebSocket of another version", "GET", "EIO=3&transport=websocket&sid=s1", true, engineio.WebSocket,
			engineio.ErrBadRequest,
		},
		{
			"WebSocket without a version", "GET", "transport=websocket&sid=s1", true, engineio.WebSocket,
			engineio.ErrBadRequest,
		},
		{
			"WebSocket in the name of polling", "GET", "EIO=4&transport=polling&sid=s1", true, engineio.Polling,
			engineio.ErrBadRequest,
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := engineio.ParseRequest(tt.method, engineio.ParseQuery(tt.query), tt.websocket)
			if !errors.Is(err, tt.want) || got.SID != "s1" || got.Transport != tt.transport {
				t.Errorf("got %+v, %v; want the session s1 on %s with %v", got, err, tt.transport, tt.want)
			}
		})
	}
}

func TestParseQuery(t *testing.T) {
	for _, tt := range []struct {
		name, raw string
		want      map[string]string
	}{
		{"empty", "", map[string]string{}},
		{"question mark", "?a=b", map[string]string{"a": "b"}},
		{
			"usual", "EIO=4&transport=polling&t=Oabc_-1",
			map[string]string{"EIO": "4", "transport": "polling", "t": "Oabc_-1"},
		},
		{"last one wins", "a=1&a=2", map[string]string{"a": "2"}},
		{"last one wins, empty", "sid=x&sid=", map[string]string{"sid": ""}},
		{"no value", "a&b=&=c", map[string]string{"a": "", "b": "", "": "c"}},
		{"empty pairs", "&&a=b&", map[string]string{"a": "b"}},
		{"equals in the value", "a=b=c", map[string]string{"a": "b=c"}},
		{"escapes and plus", "a%20b=c+d%2B%e2%82%AC", map[string]string{"a b": "c d+€"}},
		{"escaped separators", "a=%26%3D", map[string]string{"a": "&="}},
		{
			"bad escapes stay", "a=%&b=%4&c=%zz&d=100%25%",
			map[string]string{"a": "%", "b": "%4", "c": "%zz", "d": "100%%"},
		},
		{"not UTF-8", "a=%ff&b=\xff", map[string]string{"a": "\uFFFD", "b": "\uFFFD"}},
		{"semicolon is no separator", "a=b;c=d", map[string]string{"a": "b;c=d"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := engineio.ParseQuery(tt.raw); !maps.Equal(got, tt.want) {
				t.Errorf("ParseQuery(%q) = %q, want %q", tt.raw, got, tt.want)
			}
		})
	}
}

func FuzzParseRequest(f *testing.F) {
	f.Add("GET", "EIO=4&transport=polling&sid=a%2", false)
	f.Add("POST", "?transport=websocket&%zz=%", true)
	f.Fuzz(func(t *testing.T, method, raw string, websocket bool) {
		r, err := engineio.ParseRequest(method, engineio.ParseQuery(raw), websocket)
		var refusal *engineio.Error
		if (err == nil) != (r.Kind != 0) || err != nil && !errors.As(err, &refusal) {
			t.Fatalf("%s %q: %+v with %v", method, raw, r, err)
		}
	})
}

// BenchmarkParseRequest reads the query of a GET.
func BenchmarkParseRequest(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		query := engineio.ParseQuery("EIO=4&transport=polling&t=OxYz1234&sid=lv_VI97HAXpY6yYWAAAB")
		if _, err := engineio.ParseRequest("GET", query, false); err != nil {
			b.Fatal(err)
		}
	}
}
