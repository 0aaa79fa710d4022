package nonstick

import (
	"cmp"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/nonstick-io/nonstick/gateway"
)

// CORS says which pages of other origins may use the server, see [Server.CORS].
type CORS = gateway.CORS

// Cookie is what the answer that begins a session sets, see [Server.Cookie].
type Cookie = gateway.Cookie

// HTTPCompression says which answers of polling are compressed, see [Server.HTTPCompression].
type HTTPCompression = gateway.HTTPCompression

// CORS lets pages of other origins use the server, as Socket.IO's option cors does: those of any origin if it names
// none. It takes the place of --cors-origin and --cors-credentials, and on AWS of the parameters CorsOrigin and
// CorsCredentials, for an application that knows better: by a pattern or a function, or with other methods and headers.
// Where not every origin is allowed, the same holds for WebSockets, which browsers open from any page.
//
// CORS panics if "*" stands beside other origins, patterns, a function or Credentials, which browsers do not take
// together. This method and those below panic with [ErrServing] after the first request of a client. What is said last
// holds.
func (s *Server) CORS(c CORS) {
	if !c.On() {
		c.Origins = []string{"*"}
	}
	if slices.Contains(c.Origins, "*") {
		switch {
		case len(c.Origins) > 1 || len(c.Patterns) > 0 || c.OriginFunc != nil:
			panic(`nonstick: CORS: "*" stands alone: it allows every origin`)
		case c.Credentials:
			panic(`nonstick: CORS: Credentials go with named origins: browsers send no cookies where it is "*"`)
		}
	}
	for _, r := range c.Patterns {
		if r == nil {
			panic("nonstick: CORS: a pattern is nil")
		}
	}
	for _, h := range slices.Concat(c.Origins, c.Methods, c.AllowedHeaders, c.ExposedHeaders) {
		if h == "" || strings.ContainsFunc(h, func(r rune) bool { return r <= ' ' || r == ',' || r > '~' }) {
			panic(fmt.Sprintf("nonstick: CORS: %q is no origin, method or name of a header", h))
		}
	}
	if n := c.OptionsSuccessStatus; n != 0 && (n < http.StatusOK || n >= http.StatusMultipleChoices) {
		panic(fmt.Sprintf("nonstick: CORS: OptionsSuccessStatus %d: want 200 to 299", n))
	}
	s.seal.register("CORS", func() { s.http.CORS = &c })
}

// Transports sets the transports that clients may use, as Socket.IO's option transports does; by default both. A
// request of the other one is refused with "Transport unknown", and clients on polling are told of no upgrade.
// Transports panics if there is none, or one that is neither [Polling] nor [WebSocket].
func (s *Server) Transports(transports ...Transport) {
	if len(transports) == 0 {
		panic("nonstick: Transports: none is named")
	}
	for _, t := range transports {
		if t != Polling && t != WebSocket {
			panic(fmt.Sprintf("nonstick: Transports: %q is neither %q nor %q", t, Polling, WebSocket))
		}
	}
	s.seal.register("Transports", func() {
		s.http.Transports = slices.Clone(transports)
		s.setUpgrades()
	})
}

// AllowUpgrades says whether clients on polling are told to move to WebSocket, as Socket.IO's option allowUpgrades
// does; by default they are. A client that moves all the same is let, as there: [Server.Transports] keeps WebSockets
// away.
func (s *Server) AllowUpgrades(allow bool) {
	s.seal.register("AllowUpgrades", func() {
		s.noUpgrades = !allow
		s.setUpgrades()
	})
}

func (s *Server) setUpgrades() {
	t := s.http.Transports
	s.engine.AllowUpgrades(!s.noUpgrades && (len(t) == 0 || slices.Contains(t, WebSocket)))
}

// AddTrailingSlash says whether the path has to end with a slash, as Socket.IO's option addTrailingSlash does; by
// default it has. With false it is served without the slash too: /socket.io. Clients have an option of the same name.
func (s *Server) AddTrailingSlash(add bool) {
	s.seal.register("AddTrailingSlash", func() { s.http.AnySlash = !add })
}

// Cookie has the answer that begins a session on polling set a cookie with the session's id, as Socket.IO's option
// cookie does: io=ID; Path=/; HttpOnly; SameSite=Lax, unless c says otherwise. Load balancers that keep a client at one
// server need it; Nonstick does not. There is none of a session that begins on WebSocket, as there. Cookie panics at a
// cookie that no client would take.
func (s *Server) Cookie(c Cookie) {
	c.Name, c.Path = cmp.Or(c.Name, "io"), cmp.Or(c.Path, "/")
	if c.SameSite == 0 || c.SameSite == http.SameSiteDefaultMode {
		c.SameSite = http.SameSiteLaxMode
	}
	c.Priority = strings.ToLower(c.Priority)
	if p := c.Priority; p != "" && p != "low" && p != "medium" && p != "high" {
		panic(fmt.Sprintf("nonstick: Cookie: priority %q: want low, medium or high", c.Priority))
	}
	as := http.Cookie{
		Name: c.Name, Value: "x", Path: c.Path, Domain: c.Domain, Expires: c.Expires, Secure: c.Secure,
		Partitioned: c.Partitioned,
	}
	if err := as.Valid(); err != nil {
		panic(fmt.Sprintf("nonstick: Cookie: %v", err))
	}
	s.seal.register("Cookie", func() { s.http.Cookie = &c })
}

// HTTPCompression sets which answers of polling are compressed, as Socket.IO's option httpCompression does; by default
// those of 1,024 bytes and more. It panics at a Threshold below 0.
func (s *Server) HTTPCompression(c HTTPCompression) {
	if c.Threshold < 0 {
		panic(fmt.Sprintf("nonstick: HTTPCompression: Threshold %d: want a number of bytes", c.Threshold))
	}
	s.seal.register("HTTPCompression", func() { s.http.Compression = c })
}

// MaxHTTPBufferSize sets the most bytes that a client may send at once, as Socket.IO's option maxHttpBufferSize does;
// by default 1,000,000, or what --max-payload says, and on AWS the parameter MaxPayload. A POST that is above is
// answered with 413 and its session lives on; a message on WebSocket that is above ends the session. API Gateway takes
// no frame above 32 KB and no message above 128 KB in any case; with --limits none frames are held to --max-payload
// too.
//
// MaxHTTPBufferSize panics at less than gateway.MinHTTPBufferSize (1,000) and more than gateway.MaxHTTPBufferSize
// (4,000,000), which is what a function can take.
func (s *Server) MaxHTTPBufferSize(bytes int) {
	if bytes < gateway.MinHTTPBufferSize || bytes > gateway.MaxHTTPBufferSize {
		panic(fmt.Sprintf(
			"nonstick: MaxHTTPBufferSize %d: want %d to %d bytes, which is what API Gateway and Lambda can take",
			bytes, gateway.MinHTTPBufferSize, gateway.MaxHTTPBufferSize,
		))
	}
	s.seal.register("MaxHTTPBufferSize", func() {
		s.maxPayload = bytes
		s.engine.SetMaxPayload(bytes)
	})
}

// AllowEIO3 lets clients of Socket.IO v2 and before connect, as Socket.IO's option allowEIO3 does, and those without
// XMLHttpRequest poll by scripts (JSONP); by default they may not. It is what --allow-eio3 says, and on AWS the
// parameter AllowEIO3, for an application that knows better. An old client's id of a socket is that of its session, so
// to know the one is to be able to speak for the client; what is emitted to it takes two writes of the store each on
// WebSocket; and it is not recovered.
func (s *Server) AllowEIO3(allow bool) {
	s.seal.register("AllowEIO3", func() { s.engine.SetAllowEIO3(allow) })
}

// ServeClient says whether the Socket.IO client for browsers is served below the path, at /socket.io/socket.io.js and
// seven names beside it, as Socket.IO's option serveClient does; by default it is. Its files are those of the npm
// package socket.io-client: on a laptop those of node_modules, in the current folder or one above, or of --client; on
// AWS those that `sam build` has put beside the program.
func (s *Server) ServeClient(serve bool) {
	s.seal.register("ServeClient", func() { s.http.ServeClient = serve })
}
