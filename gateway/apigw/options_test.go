package apigw_test

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"testing"

	"github.com/aws/aws-lambda-go/events"

	"github.com/nonstick-io/nonstick/gateway"
	"github.com/nonstick-io/nonstick/gateway/apigw"
	"github.com/nonstick-io/nonstick/gateway/engine"
	"github.com/nonstick-io/nonstick/sessionstore"
)

// The cookie is set once, hooks see it, and it stays apart from theirs.
func TestCookie(t *testing.T) {
	cookie := &gateway.Cookie{Name: "io", Path: "/", SameSite: http.SameSiteLaxMode}
	const want = "io=NEW; Path=/; HttpOnly; SameSite=Lax"
	var seen string
	g := newFake()
	h := handler(g, nil, func(c *apigw.Config) { c.HTTP.Cookie = cookie })
	if got := serve(t, h, request("GET", "EIO=4&transport=polling", "")).Cookies; !slices.Equal(got, []string{want}) {
		t.Errorf("cookies %q", got)
	}
	if got := serve(t, h, request("GET", "EIO=4&transport=polling&sid=SESSION", "")).Cookies; len(got) > 0 {
		t.Errorf("cookies of a poll %q", got)
	}
	g.hooks.InitialHeaders = append(g.hooks.InitialHeaders,
		func(_ context.Context, _ sessionstore.Handshake, header http.Header) {
			seen = header.Get("Set-Cookie")
			header.Add("Set-Cookie", "mine=1")
		})
	got := serve(t, h, request("GET", "EIO=4&transport=polling", "")).Cookies
	if seen != want || !slices.Equal(got, []string{want, "mine=1"}) {
		t.Errorf("the hook saw %q, cookies %q", seen, got)
	}
}

// The path without its last slash is served where that is asked for, and no path that only begins like it.
func TestAnySlash(t *testing.T) {
	for _, any := range []bool{false, true} {
		h := handler(newFake(), nil, func(c *apigw.Config) { c.HTTP.AnySlash = any })
		for path, want := range map[string]bool{
			"/socket.io/": true, "/socket.io": any, "/socket.io/x": true, "/socket.iox": false, "/": false, "": false,
		} {
			if got := h.Serves(path); got != want {
				t.Errorf("AnySlash %v: %q is served: %v", any, path, got)
			}
		}
	}
}

// A function that does not know, or fails, ends the request as the reference does, and is told of in the log and to
// hooks; the origins of the program hold no longer.
func TestOriginFunc(t *testing.T) {
	g := newFake()
	var told []string
	g.hooks.ConnectionError = append(g.hooks.ConnectionError, func(_ context.Context, e engine.ConnectionError) {
		told = append(told, e.Context["name"])
	})
	h := handler(g, &fakeQueue{}, func(c *apigw.Config) {
		c.CORS = apigw.CORS{Origins: []string{"https://program.example"}}
		c.HTTP.CORS = &apigw.CORS{OriginFunc: func(_ context.Context, origin string) (bool, error) {
			switch origin {
			case "https://fails.example":
				return false, errors.New("no database")
			case "https://panics.example":
				panic("bug")
			default:
				return origin == "https://a.example", nil
			}
		}}
	})
	for origin, want := range map[string]struct {
		polling, webSocket int
		allowed            string
	}{
		"https://a.example":       {200, 200, "https://a.example"},
		"https://program.example": {200, 400, ""},
		"https://fails.example":   {400, 400, ""},
		"https://panics.example":  {500, 500, ""},
		"":                        {200, 200, ""},
	} {
		res := serve(t, h, request("GET", "EIO=4&transport=polling", "", "origin", origin))
		if got := res.Headers["Access-Control-Allow-Origin"]; res.StatusCode != want.polling || got != want.allowed {
			t.Errorf("%s: %d %v", origin, res.StatusCode, res.Headers)
		}
		e := events.APIGatewayWebsocketProxyRequest{
			Headers:               map[string]string{"Origin": origin},
			QueryStringParameters: map[string]string{"EIO": "4", "transport": "websocket"},
		}
		e.RequestContext.EventType = "CONNECT"
		opened, err := h.WebSocket(t.Context(), e)
		if err != nil || opened.StatusCode != want.webSocket {
			t.Errorf("%s: WebSocket %d, %v", origin, opened.StatusCode, err)
		}
	}
	slices.Sort(told) // the page of the program is refused with another code, which has no name
	if want := []string{"", "MIDDLEWARE_FAILURE", "MIDDLEWARE_FAILURE"}; !slices.Equal(told, want) {
		t.Errorf("hooks were told %q, want %q", told, want)
	}
}
