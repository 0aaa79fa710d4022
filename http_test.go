package nonstick_test

import (
	"context"
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/nonstick-io/nonstick"
	"github.com/nonstick-io/nonstick/internal/pushtest"
	"github.com/nonstick-io/nonstick/sessionstore"
	"github.com/nonstick-io/nonstick/sessionstore/memstore"
)

// optionsServer is a server to set options of.
func optionsServer() *nonstick.Server {
	return nonstick.New(nonstick.Config{Store: memstore.New(memstore.Options{}), Pusher: pushtest.New()})
}

// panicked returns what f panics with, as text; empty if it does not.
func panicked(f func()) (text string) {
	defer func() {
		if p := recover(); p != nil {
			text = fmt.Sprint(p)
		}
	}()
	f()
	return ""
}

// Options that no client would take, and such as the platform cannot keep, end the program at its start.
func TestHTTPOptionsRefused(t *testing.T) {
	ask := func(context.Context, string) (bool, error) { return true, nil }
	some := []*regexp.Regexp{regexp.MustCompile(`x`)}
	cors := func(c nonstick.CORS) func(*nonstick.Server) { return func(s *nonstick.Server) { s.CORS(c) } }
	cookie := func(c nonstick.Cookie) func(*nonstick.Server) { return func(s *nonstick.Server) { s.Cookie(c) } }
	atMost := func(n int) func(*nonstick.Server) { return func(s *nonstick.Server) { s.MaxHTTPBufferSize(n) } }
	for want, set := range map[string]func(*nonstick.Server){
		`"*" stands alone`:                   cors(nonstick.CORS{Origins: []string{"*", "https://a.example"}}),
		`"*" stands alone: it`:               cors(nonstick.CORS{Origins: []string{"*"}, Patterns: some}),
		`"*" stands alone: it allows`:        cors(nonstick.CORS{Origins: []string{"*"}, OriginFunc: ask}),
		"Credentials go with named origins":  cors(nonstick.CORS{Credentials: true}),
		"a pattern is nil":                   cors(nonstick.CORS{Patterns: []*regexp.Regexp{nil}}),
		`"a\r\nb" is no origin, method`:      cors(nonstick.CORS{ExposedHeaders: []string{"a\r\nb"}}),
		`"" is no origin, method or name`:    cors(nonstick.CORS{Origins: []string{""}}),
		`"GET,POST" is no`:                   cors(nonstick.CORS{Methods: []string{"GET,POST"}}),
		"OptionsSuccessStatus 404: want 200": cors(nonstick.CORS{OptionsSuccessStatus: 404}),
		"Transports: none is named":          func(s *nonstick.Server) { s.Transports() },
		`"webtransport" is neither`:          func(s *nonstick.Server) { s.Transports("webtransport") },
		"Cookie: http: invalid Cookie":       cookie(nonstick.Cookie{Name: "a b"}),
		"in Cookie.Path":                     cookie(nonstick.Cookie{Path: "/;x"}),
		"invalid Cookie.Domain":              cookie(nonstick.Cookie{Domain: "a_b"}),
		`priority "urgent": want low`:        cookie(nonstick.Cookie{Priority: "urgent"}),
		"Threshold -1: want a number": func(s *nonstick.Server) {
			s.HTTPCompression(nonstick.HTTPCompression{Threshold: -1})
		},
		"MaxHTTPBufferSize 999: want 1000 to 4000000 bytes, which is what API Gateway": atMost(999),
		"MaxHTTPBufferSize 100000000: want":                                            atMost(1e8),
	} {
		if got := panicked(func() { set(optionsServer()) }); !strings.Contains(got, want) {
			t.Errorf("panicked with %q, want %q in it", got, want)
		}
	}
}

// Once a client has been served nothing may be set.
func TestHTTPOptionsTooLate(t *testing.T) {
	s := optionsServer()
	if _, err := s.Engine().Handshake(t.Context(), sessionstore.Handshake{}); err != nil {
		t.Fatal(err)
	}
	for name, set := range map[string]func(){
		"CORS":              func() { s.CORS(nonstick.CORS{}) },
		"Transports":        func() { s.Transports(nonstick.Polling) },
		"AllowUpgrades":     func() { s.AllowUpgrades(false) },
		"AddTrailingSlash":  func() { s.AddTrailingSlash(false) },
		"Cookie":            func() { s.Cookie(nonstick.Cookie{SameSite: http.SameSiteStrictMode}) },
		"HTTPCompression":   func() { s.HTTPCompression(nonstick.HTTPCompression{}) },
		"MaxHTTPBufferSize": func() { s.MaxHTTPBufferSize(1000) },
		"ServeClient":       func() { s.ServeClient(false) },
	} {
		if got := panicked(set); !strings.HasPrefix(got, nonstick.ErrServing.Error()) || !strings.HasSuffix(got, name) {
			t.Errorf("%s: panicked with %q", name, got)
		}
	}
}

// What is said last holds, whatever was said before.
func TestUpgradesToldLast(t *testing.T) {
	for name, c := range map[string]struct {
		set  func(*nonstick.Server)
		want string
	}{
		"both, by default": {func(*nonstick.Server) {}, `"upgrades":["websocket"]`},
		"polling": {
			func(s *nonstick.Server) { s.Transports(nonstick.Polling); s.AllowUpgrades(true) }, `"upgrades":[]`,
		},
		"not allowed": {
			func(s *nonstick.Server) { s.AllowUpgrades(false); s.Transports(nonstick.Polling, nonstick.WebSocket) },
			`"upgrades":[]`,
		},
		"allowed again": {
			func(s *nonstick.Server) { s.AllowUpgrades(false); s.AllowUpgrades(true) }, `"upgrades":["websocket"]`,
		},
	} {
		s := optionsServer()
		c.set(s)
		open, err := s.Engine().Handshake(t.Context(), sessionstore.Handshake{})
		if err != nil || !strings.Contains(open, c.want) {
			t.Errorf("%s: %s, %v, want %s in it", name, open, err, c.want)
		}
	}
}
