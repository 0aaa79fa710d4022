package apigw_test

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/nonstick-io/nonstick/gateway"
	"github.com/nonstick-io/nonstick/gateway/apigw"
)

const banner = "/*!\n * Socket.IO v4.9.1\n * (c) 2014-2026\n */\n"

// ofClient asks for a file of the client.
func ofClient(name string, headers ...string) httpEvent {
	e := request("GET", "", "", headers...)
	e.RawPath = "/socket.io/" + name
	return e
}

// A file is looked for until it is there, and read once. No gateway is asked: this one panics.
func TestClient(t *testing.T) {
	dir := t.TempDir()
	folder := ""
	var log bytes.Buffer
	h := handler(&fakeGateway{panics: true}, nil, func(c *apigw.Config) {
		c.HTTP.ServeClient = true
		c.Client = func() string { return folder }
		c.Logger = slog.New(slog.NewTextHandler(&log, nil))
	})
	lacks := func(when string) {
		t.Helper()
		res := serve(t, h, ofClient("socket.io.js"))
		if res.StatusCode != 404 || !strings.Contains(res.Body, "npm install socket.io-client") ||
			res.Headers["Content-Type"] != "text/plain; charset=utf-8" {
			t.Errorf("%s: %d %v %s", when, res.StatusCode, res.Headers, res.Body)
		}
		if !strings.Contains(log.String(), "no client for browsers") {
			t.Errorf("%s: the log says %s", when, &log)
		}
		log.Reset()
	}
	lacks("without a folder")
	folder = dir
	lacks("in an empty folder")
	body := banner + strings.Repeat("client ", 1000)
	for _, name := range []string{"socket.io.js", "socket.io.min.js", "socket.io.js.map"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(body), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for range 2 {
		res := serve(t, h, ofClient("socket.io.js"))
		if raw, err := base64.StdEncoding.DecodeString(res.Body); err != nil || string(raw) != body ||
			!res.IsBase64Encoded || res.StatusCode != 200 || res.Headers["ETag"] != `"4.9.1"` ||
			res.Headers["Vary"] != "Accept-Encoding" {
			t.Errorf("%d %v %.50q %v", res.StatusCode, res.Headers, raw, err)
		}
		folder = "/nowhere" // it is kept
	}
	folder = dir
	res := serve(t, h, ofClient("socket.io.js.map", "accept-encoding", "br, gzip;q=0.5"))
	raw, err := base64.StdEncoding.DecodeString(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	zip, err := gzip.NewReader(bytes.NewReader(raw))
	if err != nil {
		t.Fatal(err)
	}
	if plain, err := io.ReadAll(zip); err != nil || string(plain) != body || len(raw) > len(body)/4 ||
		res.Headers["Content-Encoding"] != "gzip" ||
		res.Headers["Content-Type"] != "application/json; charset=utf-8" {
		t.Errorf("compressed: %v, %d bytes, %v", res.Headers, len(raw), err)
	}
	res = serve(t, h, ofClient("socket.io.js", "if-none-match", `"4.9.1"`))
	if res.StatusCode != 304 || res.Body != "" {
		t.Errorf("known already: %d %.20s", res.StatusCode, res.Body)
	}
	if log.Len() > 0 {
		t.Errorf("the log says %s", &log)
	}
}

// A client of one's own that tells no version has an ETag of its content.
func TestClientWithoutVersion(t *testing.T) {
	dir := t.TempDir()
	for name, body := range map[string]string{"socket.io.min.js": "var io", "socket.io.js": "var io;"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(body), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	h := handler(newFake(), nil, func(c *apigw.Config) {
		c.HTTP = gateway.HTTPOptions{ServeClient: true, CORS: &apigw.CORS{Origins: []string{"https://a.example"}}}
		c.Client = func() string { return dir }
	})
	one := serve(t, h, ofClient("socket.io.min.js", "origin", "https://a.example"))
	other := serve(t, h, ofClient("socket.io.js"))
	if tag := one.Headers["ETag"]; len(tag) != 18 || tag == other.Headers["ETag"] {
		t.Errorf("ETags %s and %s", tag, other.Headers["ETag"])
	}
	if one.Headers["Access-Control-Allow-Origin"] != "https://a.example" ||
		one.Headers["Vary"] != "Origin, Accept-Encoding" {
		t.Errorf("headers %v", one.Headers)
	}
}

// A path that is none of the eight is a request of polling, and where nothing is said of the client, so are the eight.
func TestNotTheClient(t *testing.T) {
	on := handler(newFake(), nil, func(c *apigw.Config) { c.HTTP.ServeClient = true })
	off := handler(newFake(), nil, nil)
	for _, c := range []struct {
		h    *apigw.Handler
		name string
	}{
		{on, "socket.io.slim.js"},
		{on, "../socket.io.js"},
		{on, "socket.io.js/"},
		{on, "%73ocket.io.js"},
		{off, "socket.io.js"},
	} {
		if res := serve(t, c.h, ofClient(c.name)); res.StatusCode != 400 ||
			res.Body != `{"code":0,"message":"Transport unknown"}` {
			t.Errorf("%s: %d %s", c.name, res.StatusCode, res.Body)
		}
	}
}
