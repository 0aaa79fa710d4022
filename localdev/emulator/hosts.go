package emulator

import (
	"context"
	"errors"
	"net"
	"net/http"
	"strings"
)

// host is which APIs a request can reach, by the listener that it came in at.
type host int

const (
	hostBoth host = iota // one address for both, as behind a front
	hostHTTP
	hostWebSocket
)

type hostKey struct{}

// hostOf returns where a request came in.
func hostOf(r *http.Request) host {
	h, _ := r.Context().Value(hostKey{}).(host) // hostBoth without one
	return h
}

// errHosts: at a host of its own a WebSocket API has no path but its stage, which cannot tell two of them apart.
var errHosts = errors.New("emulator: two hosts are for one API")

// ServeHosts is [Server.Serve] with a host for each API, as AWS has them without a front: the HTTP API, the services
// and the fallback at the first, the WebSocket API, at its stage alone, and its management at the second. There must
// be one [API]; else the error says so, at once.
func (s *Server) ServeHosts(polling, webSocket net.Listener) error {
	if len(s.apis) != 1 {
		close(s.serveEnd)
		close(s.sweepDone)
		return errHosts
	}
	s.http.BaseContext = func(l net.Listener) context.Context {
		h := hostHTTP
		if l.(patientListener).Listener == webSocket {
			h = hostWebSocket
		}
		return context.WithValue(context.Background(), hostKey{}, h)
	}
	return s.serve(polling, webSocket)
}

// serveWebSocketHost serves what comes in at the host of the WebSocket API.
func (s *Server) serveWebSocketHost(w http.ResponseWriter, r *http.Request) {
	if s.serveManagement(w, r) {
		return
	}
	if stage := strings.TrimSuffix(r.URL.Path, "/"); stage != s.stage || !isUpgrade(r) {
		answer(w, http.StatusForbidden, msgForbidden)
		return
	}
	s.connect(w, r, s.apis[0]) //nolint:contextcheck // a client that leaves does not end the call
}

// isUpgrade reports whether a request asks for a WebSocket. Other upgrades (h2c) may be ignored, and must be.
func isUpgrade(r *http.Request) bool { return strings.EqualFold(r.Header.Get("Upgrade"), "websocket") }
