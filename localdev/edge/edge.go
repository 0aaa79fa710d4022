package edge

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"strconv"
	"sync/atomic"
	"time"
)

// Origin is a custom origin.
type Origin struct {
	ID string
	// URL is where it is reached; a path of it comes before that of each request.
	URL string
	// Headers are added to each request, over those of the viewer.
	Headers map[string]string
	// ConnectTime and ReadTime bound the connection and the wait for an answer; default 10 s and 30 s.
	ConnectTime, ReadTime time.Duration
}

// Config is what a [Distribution] is made of.
type Config struct {
	// ID is what the distribution is called.
	ID      string
	Origins []Origin
	// Default is the id of the origin that gets what the function sends nowhere else.
	Default string
	// Function is the code at viewer-request; empty: none.
	Function string
	// Logger gets what went wrong; nil discards.
	Logger *slog.Logger
}

// Distribution is an http.Handler. Safe for concurrent use.
type Distribution struct {
	id       string
	origins  map[string]*origin
	standard string
	function *Function
	log      *slog.Logger
	requests atomic.Int64
}

type origin struct {
	Origin
	url       *url.URL
	transport *http.Transport
}

// New makes a distribution. Its errors say what is wrong with an origin's URL, the default or the function ([ErrCode]).
func New(c Config) (*Distribution, error) {
	d := &Distribution{id: c.ID, origins: map[string]*origin{}, standard: c.Default, log: c.Logger}
	if d.log == nil {
		d.log = slog.New(slog.DiscardHandler)
	}
	for _, o := range c.Origins {
		u, err := url.Parse(o.URL)
		if err != nil || u.Host == "" {
			return nil, fmt.Errorf("edge: origin %s: %q is no URL", o.ID, o.URL)
		}
		if o.ConnectTime == 0 {
			o.ConnectTime = 10 * time.Second
		}
		if o.ReadTime == 0 {
			o.ReadTime = 30 * time.Second
		}
		d.origins[o.ID] = &origin{Origin: o, url: u, transport: &http.Transport{
			DialContext:           (&net.Dialer{Timeout: o.ConnectTime}).DialContext,
			ResponseHeaderTimeout: o.ReadTime, MaxIdleConnsPerHost: 256, IdleConnTimeout: time.Minute,
			DisableCompression: true,
		}}
	}
	if d.origins[c.Default] == nil {
		return nil, fmt.Errorf("edge: the default origin %q is none of the origins", c.Default)
	}
	if c.Function != "" {
		var err error
		if d.function, err = NewFunction(c.Function); err != nil {
			return nil, err
		}
	}
	return d, nil
}

// Requests is how many requests of viewers there were. CloudFront bills each, an upgrade to a WebSocket as one.
func (d *Distribution) Requests() int64 { return d.requests.Load() }

// ServeHTTP implements http.Handler.
func (d *Distribution) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	id := strconv.FormatInt(d.requests.Add(1), 10)
	to, err := d.route(w, r, id)
	switch {
	case errors.Is(err, ErrResult):
		d.log.WarnContext(r.Context(), "function at viewer-request returned what cannot be used", "error", err)
		refuse(w, http.StatusBadGateway)
	case err != nil:
		d.log.WarnContext(r.Context(), "function at viewer-request failed", "error", err)
		refuse(w, http.StatusServiceUnavailable)
	case to != nil:
		to.ServeHTTP(w, r)
	}
}

// route asks the function where a request goes. Nil without an error: the function has answered it.
func (d *Distribution) route(w http.ResponseWriter, r *http.Request, id string) (http.Handler, error) {
	o, as := d.origins[d.standard], changed{path: r.URL.EscapedPath(), query: r.URL.RawQuery, header: r.Header}
	if d.function != nil {
		result, selected, err := d.function.run(eventOf(r, d.id, id))
		if err != nil {
			return nil, err
		}
		if _, ok := result["statusCode"]; ok {
			return nil, respond(w, result)
		}
		if as, err = read(result, r); err != nil {
			return nil, err
		}
		if selected != "" {
			if o = d.origins[selected]; o == nil {
				return nil, fmt.Errorf("%w: there is no origin %q", ErrResult, selected)
			}
		}
	}
	u, err := target(o.url, as.path, as.query)
	if err != nil {
		return nil, err
	}
	return d.proxy(o, u, as.header), nil
}

// once is an empty body that the transport takes for one that it cannot read again. So it does not send a request again
// whose connection turned out to be gone: CloudFront is told to make one attempt.
type once struct{ io.ReadCloser }

// proxy sends a request to an origin, once.
func (d *Distribution) proxy(o *origin, u *url.URL, header http.Header) http.Handler {
	return &httputil.ReverseProxy{
		Transport: o.transport, FlushInterval: -1,
		Rewrite: func(p *httputil.ProxyRequest) {
			hop := p.Out.Header // ReverseProxy has put there what an upgrade needs
			p.Out.URL, p.Out.Host, p.Out.Header = u, "", http.Header{}
			for name, lines := range header {
				if !hopByHop(name) {
					p.Out.Header[name] = lines
				}
			}
			for _, name := range []string{"Connection", "Upgrade"} {
				if v := hop.Get(name); v != "" {
					p.Out.Header.Set(name, v)
				}
			}
			p.Out.Header.Del("Host")
			forwarded := viewerIP(p.In)
			if before := p.In.Header.Get("X-Forwarded-For"); before != "" {
				forwarded = before + ", " + forwarded
			}
			p.Out.Header.Set("X-Forwarded-For", forwarded)
			p.Out.Header.Set("Via", "1.1 "+d.id+".cloudfront.net (CloudFront)")
			for name, value := range o.Headers {
				p.Out.Header.Set(name, value)
			}
			if p.Out.Body == nil && p.Out.Method != http.MethodPost {
				p.Out.Body = once{http.NoBody}
			}
		},
		ErrorHandler: func(w http.ResponseWriter, r *http.Request, err error) {
			if r.Context().Err() != nil {
				return // the viewer is gone
			}
			var timeout net.Error
			status := http.StatusBadGateway
			if errors.As(err, &timeout) && timeout.Timeout() || errors.Is(err, context.DeadlineExceeded) {
				status = http.StatusGatewayTimeout
			}
			d.log.WarnContext(r.Context(), "origin did not answer", "origin", o.ID, "status", status, "error", err)
			refuse(w, status)
		},
		ErrorLog: slog.NewLogLogger(d.log.Handler(), slog.LevelDebug),
	}
}

// hopByHop reports whether a header ends here.
func hopByHop(name string) bool {
	switch http.CanonicalHeaderKey(name) {
	case "Connection", "Keep-Alive", "Proxy-Connection", "Te", "Trailer", "Transfer-Encoding", "Upgrade":
		return true
	}
	return false
}

// refuse answers as CloudFront does when it has no answer of an origin: with a page of its own.
func refuse(w http.ResponseWriter, status int) {
	w.Header().Set("Content-Type", "text/html")
	w.Header().Set("X-Cache", "Error from cloudfront")
	w.WriteHeader(status)
	_, _ = fmt.Fprintf(w, "<html><body><h1>%d</h1>Generated by cloudfront</body></html>\n", status) // it may be gone
}
