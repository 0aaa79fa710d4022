package apigw_test

import (
	"encoding/base64"
	"testing"

	"github.com/nonstick-io/nonstick/gateway/apigw"
	"github.com/nonstick-io/nonstick/gateway/engine"
	"github.com/nonstick-io/nonstick/internal/engineio"
)

// What a request of an old client is to the gateway, and how its answer looks; and that neither is so where such
// clients are not allowed.
func TestOldClients(t *testing.T) {
	const form = "application/x-www-form-urlencoded"
	bytes := string([]byte{1, 2, 255, 4, 9})
	for _, tt := range []struct {
		name, query, sent, contentType string
		from                           engine.Client
		posted, answer, answered       string
	}{
		{
			"text", "EIO=3", "2:4a", "text/plain",
			engine.Client{Codec: engineio.V3},
			"2:4a", "2:4a",
			"text/plain; charset=UTF-8",
		},
		{
			"binary", "EIO=3", bytes, "application/octet-stream",
			engine.Client{Codec: engineio.V3},
			bytes, base64.StdEncoding.EncodeToString([]byte(bytes)),
			"application/octet-stream",
		},
		{
			"by scripts", "EIO=3&j=1", "d=2%3A4%5Cn", form,
			engine.Client{Codec: engineio.V3Text, Script: true},
			"2:4\n", `___eio[1]("2:4\n");`, "text/plain; charset=UTF-8",
		},
		{
			"by scripts, version 4", "EIO=4&j=1", "d=4a", form,
			engine.Client{Script: true},
			"4a",
			`___eio[1]("4a");`, "text/plain; charset=UTF-8",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			g := newFake()
			h := apigw.New(apigw.Config{Gateway: g, AllowEIO3: true})
			query := tt.query + "&transport=polling&sid=SESSION"
			body := base64.StdEncoding.EncodeToString([]byte(tt.sent))
			e := request("POST", query, body, "content-type", tt.contentType)
			e.IsBase64Encoded = true
			if res := serve(t, h, e); res.StatusCode != 200 || res.Body != "ok" {
				t.Fatalf("POST: %+v", res)
			}
			if got := g.sessions["SESSION"].posted; got != tt.posted {
				t.Errorf("posted %q, want %q", got, tt.posted)
			}
			res := serve(t, h, request("GET", query, ""))
			if res.Body != tt.answer || res.Headers["Content-Type"] != tt.answered || g.from != tt.from {
				t.Errorf("answer %+v, from %+v", res, g.from)
			}
		})
	}
	g := newFake()
	h := apigw.New(apigw.Config{Gateway: g})
	for query, want := range map[string]string{
		"EIO=3&transport=polling":                 `{"code":5,"message":"Unsupported protocol version"}`,
		"EIO=3&transport=polling&sid=SESSION":     `{"code":3,"message":"Bad request"}`,
		"EIO=4&transport=polling&sid=SESSION&j=1": "",
	} {
		if res := serve(t, h, request("GET", query, "")); res.Body != want {
			t.Errorf("%s where they are not allowed: %+v", query, res)
		}
	}
}
