package gateway

import (
	"context"
	"net/http"
	"regexp"
	"time"

	"github.com/nonstick-io/nonstick/sessionstore"
)

// HTTPOptions are what an application says of how it is served over HTTP. What it says nothing of is as the program has
// it, or as by default.
type HTTPOptions struct {
	// CORS, unless nil, takes the place of the program's.
	CORS *CORS
	// Transports are those that clients may use; none means both.
	Transports []sessionstore.Transport
	// AnySlash serves the path without its last slash too: Socket.IO's addTrailingSlash: false.
	AnySlash bool
	// Cookie, unless nil, is set where a session begins.
	Cookie *Cookie
	// Compression is of the answers of polling.
	Compression HTTPCompression
	// ServeClient serves the Socket.IO client for browsers, below the path.
	ServeClient bool
}

// CORS says which pages of other origins may use the server. On polling it never refuses a request: an origin that is
// not allowed gets an answer that its browser hides from the page. Browsers hide nothing of a WebSocket, so unless
// every origin is allowed, a WebSocket that begins a session from another page is refused with 400.
//
// An origin is allowed if it is in the list, or a pattern matches it, or the function says so.
type CORS struct {
	// Origins are allowed origins, for instance "https://example.com"; "*" alone allows all.
	Origins []string
	// Patterns allow the origins that one of them matches. Anchor them at both ends: example\.com is in
	// https://example.com.evil.net too.
	Patterns []*regexp.Regexp
	// OriginFunc, unless nil, is asked about each request of an origin that is neither listed nor matched; origin is
	// empty if the client sent none. Where it does not allow an origin, the answer is as if there were no CORS; an
	// error is answered with 400 "Bad request", and logged. It is called from many goroutines, and holds up its
	// request.
	OriginFunc func(ctx context.Context, origin string) (allow bool, err error)
	// Credentials lets pages send cookies. Browsers do not accept that together with "*".
	Credentials bool
	// Methods are what pages may use; default GET, HEAD, PUT, PATCH, POST and DELETE.
	Methods []string
	// AllowedHeaders are the request headers that pages may add; default those that a page asks for.
	AllowedHeaders []string
	// ExposedHeaders are headers of answers that pages may read, beside those that they always may.
	ExposedHeaders []string
	// MaxAge is for how long browsers may keep the answer to a preflight, in whole seconds; 0 is the browser's default,
	// and less than 0 not at all.
	MaxAge time.Duration
	// OptionsSuccessStatus answers a preflight; default 204. Some old browsers want 200.
	OptionsSuccessStatus int
}

// On reports whether any origin may be allowed.
func (c *CORS) On() bool { return len(c.Origins) > 0 || len(c.Patterns) > 0 || c.OriginFunc != nil }

// Cookie is what the answer that begins a session on polling sets, with the id of the session as its value, for load
// balancers that keep a client at one server. Nonstick needs none. Zero fields mean Socket.IO's defaults.
type Cookie struct {
	// Name is the cookie's; default "io".
	Name string
	// Path is where clients send it; default "/".
	Path string
	// Domain are the hosts that clients send it to; default the one that answered.
	Domain string
	// MaxAge is how long clients keep it, in whole seconds, and Expires until when; default until the browser ends.
	MaxAge  time.Duration
	Expires time.Time
	// ForScripts lets scripts of pages read the cookie, which is the secret id of the session: Socket.IO's httpOnly:
	// false.
	ForScripts bool
	// Secure has clients send it over HTTPS alone, Partitioned for each page that embeds another apart.
	Secure, Partitioned bool
	// SameSite says whether requests from other sites carry it; default http.SameSiteLaxMode.
	SameSite http.SameSite
	// Priority is "low", "medium" or "high", which Chromium knows; default none.
	Priority string
}

// HTTPCompression says which answers of polling are compressed, by gzip or deflate, for clients that take that.
type HTTPCompression struct {
	// Off compresses none.
	Off bool
	// Threshold is the smallest body that is compressed, in bytes; default [DefaultCompressionThreshold], and 1 means
	// every one.
	Threshold int
}

// DefaultCompressionThreshold is the smallest body that is compressed, in bytes: Socket.IO's default.
const DefaultCompressionThreshold = 1024

// The bounds of the greatest body of a POST that an application may ask for, in bytes. A function's event has 6 MB, of
// which base64 takes a quarter; less than the smallest is a mistake, for a CONNECT may need as much.
const (
	MinHTTPBufferSize = 1_000
	MaxHTTPBufferSize = 4_000_000
)
