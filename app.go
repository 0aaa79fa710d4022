package nonstick

import (
	"net/http"

	"github.com/nonstick-io/nonstick/gateway"
)

// App returns the application whose handlers register sets, for programs that serve several, or that have a main of
// their own (packages functions and localdev/laptop). Register is called once for each instance. Name is what options
// and variables call the application.
func App(name string, register func(*Server)) gateway.App {
	return gateway.App{Name: name, New: func(c gateway.Config) gateway.Instance {
		s := New(c)
		register(s)
		return gateway.Instance{Engine: s.Engine(), Pages: s.pages, HTTPOptions: s.http}
	}}
}

// Pages sets what answers the requests of browsers outside Socket.IO's path: an application's page and its files, for
// instance http.FileServerFS of what the program embeds. There are none by default. On AWS an answer may have some
// 4 MB, and is sent when it is complete. GET /nonstick.json beside the pages answers the options that a Socket.IO
// client on a page needs where it is served ([gateway.ClientOptions]). Pages panics with [ErrServing] after the first
// message of a client.
func (s *Server) Pages(h http.Handler) {
	s.seal.register("pages", func() { s.pages = h })
}
