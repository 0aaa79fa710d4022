package engineio_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/nonstick-io/nonstick/internal/engineio"
)

func TestHandshakeEncode(t *testing.T) {
	usual := engineio.Handshake{
		SID:          "lv_VI97HAXpY6yYWAAAB",
		Upgrades:     []string{"websocket"},
		PingInterval: 25 * time.Second,
		PingTimeout:  20 * time.Second,
		MaxPayload:   1_000_000,
	}
	onWebSocket := usual
	onWebSocket.Upgrades = nil
	two := usual
	two.Upgrades = []string{"websocket", "webtransport"}
	odd := usual
	odd.SID = "<\"\\\n>&"
	odd.PingInterval = 1999 * time.Microsecond

	const tail = `"pingInterval":25000,"pingTimeout":20000,"maxPayload":1000000}`
	for _, tt := range []struct {
		name string
		in   engineio.Handshake
		want string
	}{
		{"polling", usual, `0{"sid":"lv_VI97HAXpY6yYWAAAB","upgrades":["websocket"],` + tail},
		{"websocket", onWebSocket, `0{"sid":"lv_VI97HAXpY6yYWAAAB","upgrades":[],` + tail},
		{"two upgrades", two, `0{"sid":"lv_VI97HAXpY6yYWAAAB","upgrades":["websocket","webtransport"],` + tail},
		{
			"escapes and rounding", odd,
			`0{"sid":"<\"\\\n>&","upgrades":["websocket"],"pingInterval":1,"pingTimeout":20000,"maxPayload":1000000}`,
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := tt.in.Encode(); got != tt.want {
				t.Errorf("got  %s\nwant %s", got, tt.want)
			}
		})
	}
}

func TestErrorBodies(t *testing.T) {
	for _, tt := range []struct {
		err    *engineio.Error
		status int
		body   string
	}{
		{engineio.ErrUnknownTransport, 400, `{"code":0,"message":"Transport unknown"}`},
		{engineio.ErrUnknownSession, 400, `{"code":1,"message":"Session ID unknown"}`},
		{engineio.ErrBadHandshakeMethod, 400, `{"code":2,"message":"Bad handshake method"}`},
		{engineio.ErrBadRequest, 400, `{"code":3,"message":"Bad request"}`},
		{engineio.ErrForbidden, 403, `{"code":4,"message":"Forbidden"}`},
		{engineio.ErrUnsupportedVersion, 400, `{"code":5,"message":"Unsupported protocol version"}`},
		{engineio.Forbidden("no \"<b>\" \n here"), 403, `{"code":4,"message":"no \"<b>\" \n here"}`},
		{engineio.ErrPayloadTooLarge, 413, ""},
		{engineio.ErrOverlap, 400, ""},
		{engineio.ErrInvalidContent, 400, ""},
		{engineio.ErrMethod, 500, ""},
		{engineio.ErrHandshakeTooLarge, 431, ""},
		{engineio.ErrFull, 503, ""},
	} {
		t.Run(tt.err.Message, func(t *testing.T) {
			if got := tt.err.Body(); got != tt.body || tt.err.Status != tt.status {
				t.Errorf("got %d %s, want %d %s", tt.err.Status, got, tt.status, tt.body)
			}
			if got, want := tt.err.HasBody(), tt.body != ""; got != want {
				t.Errorf("HasBody = %v, want %v", got, want)
			}
		})
	}
}

func TestErrorMatching(t *testing.T) {
	wrapped := fmt.Errorf("open a session: %w", engineio.Forbidden("not you"))
	for _, tt := range []struct {
		name        string
		err, target error
		want        bool
	}{
		{"itself", engineio.ErrBadRequest, engineio.ErrBadRequest, true},
		{"another code", engineio.ErrBadRequest, engineio.ErrUnknownSession, false},
		{"another message", wrapped, engineio.ErrForbidden, true},
		{"bodiless, itself", engineio.ErrOverlap, engineio.ErrOverlap, true},
		{"bodiless, another of the same status", engineio.ErrOverlap, engineio.ErrInvalidContent, false},
		{"another type", engineio.ErrBadRequest, engineio.ErrParse, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := errors.Is(tt.err, tt.target); got != tt.want {
				t.Errorf("errors.Is(%v, %v) = %v, want %v", tt.err, tt.target, got, tt.want)
			}
		})
	}
}
