package edge

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
)

// The quotas of CloudFront on a request, in bytes. What is larger gets 413, and the connection ends.
const (
	// MaxURL is of the URL: scheme, host, path and query.
	MaxURL = 8192
	// MaxRequest is of the request line and the headers.
	MaxRequest = 20480
)

// Origin is a custom origin.
type Origin struct {
	ID string
	// URL is where it is reached; a path of it comes before that of each request.
	URL string
	// Headers are added to each request, over those of the viewer.
	Headers map[string]string
	// Attempts are how often a connection is tried, and a GET or HEAD that is not answered is sent; default 3. Other
	// requests are sent once.
	Attempts int
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
	// Methods are those that are passed on; default GET and HEAD. Others get 403.
	Methods []string
	// Function is the code at viewer-request; empty: none.
	Function string
	// Logger gets what went wrong, and what the function says; nil discards.
	Logger *slog.Logger
}

// Distribution is an http.Handler. Safe for concurrent use.
type Distribution struct {
	id       string
	origins  map[string]*origin
	standard string
	methods  []string
	function *Function
	log      *slog.Logger
	requests atomic.Int64
}

type origin struct {
	Origin
	url       *url.URL
	transport http.RoundTripper
}

// New makes a distribution. Its errors say what is wrong with an origin's URL, the default or the function ([ErrCode]).
func New(c Config) (*Distribution, error) {
	d := &Distribution{
		id: c.ID, origins: map[string]*origin{}, standard: c.Default, methods: c.Methods, log: c.Logger,
	}
	if d.log == nil {
		d.log = slog.New(slog.DiscardHandler)
	}
	if len(d.methods) == 0 {
		d.methods = []string{http.MethodGet, http.MethodHead}
	}
	for _, o := range c.Origins {
		made, err := newOrigin(o)
		if err != nil {
			return nil, err
		}
		d.origins[o.ID] = made
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

func newOrigin(o Origin) (*origin, error) {
	u, err := url.Parse(o.URL)
	if err != nil || u.Host == "" {
		return nil, fmt.Errorf("edge: origin %s: %q is no URL", o.ID, o.URL)
	}
	if o.Attempts == 0 {
		o.Attempts = 3
	}
	if o.ConnectTime == 0 {
		o.ConnectTime = 10 * time.Second
	}
	if o.ReadTime == 0 {
		o.ReadTime = 30 * time.Second
	}
	return &origin{Origin: o, url: u, transport: attempts{o.Attempts, &http.Transport{
		DialContext:           (&net.Dialer{Timeout: o.ConnectTime}).DialContext,
		ResponseHeaderTimeout: o.ReadTime, MaxIdleConnsPerHost: 256, IdleConnTimeout: time.Minute,
		DisableCompression: true,
	}}}, nil
}

// Requests is how many requests of viewers there were. CloudFront bills each, an upgrade to a WebSocket as one.
func (d *Distribution) Requests() int64 { return d.requests.Load() }

// ServeHTTP implements http.Handler.
func (d *Distribution) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	id := strconv.FormatInt(d.requests.Add(1), 10)
	if status := d.refused(r); status != 0 {
		w.Header().Set("Connection", "close")
		d.refuse(w, status, id)
		return
	}
	to, err := d.route(w, r, id)
	switch {
	case errors.Is(err, ErrResult):
		d.log.WarnContext(r.Context(), "function at viewer-request returned what cannot be used", "error", err)
		d.refuse(w, http.StatusBadGateway, id)
	case err != nil:
		d.log.WarnContext(r.Context(), "function at viewer-request failed", "error", err)
		d.refuse(w, http.StatusServiceUnavailable, id)
	case to != nil:
		to.ServeHTTP(w, r)
	}
}

// refused is the status of a request that CloudFront takes no further; 0 for others.
func (d *Distribution) refused(r *http.Request) int {
	switch {
	case len("https://")+len(r.Host)+len(r.RequestURI) > MaxURL, sizeOf(r) > MaxRequest:
		return http.StatusRequestEntityTooLarge
	case !slices.Contains(d.methods, r.Method), r.Method == http.MethodGet && r.ContentLength != 0:
		return http.StatusForbidden
	case !strings.HasPrefix(pathOf(r), "/"): // of OPTIONS, a star
		return http.StatusBadRequest
	default:
		return 0
	}
}

// route asks the function where a request goes. Nil without an error: the function has answered it.
func (d *Distribution) route(w http.ResponseWriter, r *http.Request, id string) (http.Handler, error) {
	o, as := d.origins[d.standard], changed{path: pathOf(r), query: r.URL.RawQuery, header: r.Header}
	if d.function != nil {
		result, selected, err := d.function.run(eventOf(r, d.id, id), d.log)
		if err != nil {
			return nil, err
		}
		if isResponse(result) {
			a, err := responseOf(result)
			if err == nil {
				d.respond(w, a, id)
			}
			return nil, err
		}
		if as, err = requestOf(result, r); err != nil {
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
	return d.proxy(o, u, as.header, id), nil
}

// proxy sends a request to an origin.
func (d *Distribution) proxy(o *origin, u *url.URL, header http.Header, id string) http.Handler {
	return &httputil.ReverseProxy{
		Transport: o.transport, FlushInterval: -1,
		Rewrite: func(p *httputil.ProxyRequest) {
			hop := p.Out.Header // ReverseProxy has put there what an upgrade needs
			p.Out.URL, p.Out.Host, p.Out.Header = u, "", forward(header)
			for _, name := range []string{"Connection", "Upgrade"} {
				if v := hop.Get(name); v != "" {
					p.Out.Header.Set(name, v)
				}
			}
			for name, value := range map[string]string{
				"X-Forwarded-For": appended(header, "X-Forwarded-For", viewerIP(p.In)),
				"Via":             appended(header, "Via", d.via(p.In)),
				"X-Amz-Cf-Id":     id,
			} {
				p.Out.Header.Set(name, value)
			}
			for name, value := range o.Headers {
				p.Out.Header.Set(name, value)
			}
			p.Out.Body = onceOf(p.Out)
		},
		ModifyResponse: func(res *http.Response) error {
			cache := "Miss from cloudfront"
			if res.StatusCode >= http.StatusBadRequest {
				cache = fromCloudFront
			}
			d.sign(res.Header, cache, id)
			return nil
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
			d.refuse(w, status, id)
		},
		ErrorLog: slog.NewLogLogger(d.log.Handler(), slog.LevelDebug),
	}
}

// via is what this distribution adds to the header Via.
func (d *Distribution) via(r *http.Request) string {
	return fmt.Sprintf("%d.%d %s.cloudfront.net (CloudFront)", r.ProtoMajor, r.ProtoMinor, strings.ToLower(d.id))
}

// fromCloudFront is X-Cache of an answer that is an error.
const fromCloudFront = "Error from cloudfront"

// sign adds to an answer what tells that it came through CloudFront.
func (d *Distribution) sign(header http.Header, cache, id string) {
	header.Set("X-Cache", cache)
	header.Add("Via", "1.1 "+strings.ToLower(d.id)+".cloudfront.net (CloudFront)")
	header.Set("X-Amz-Cf-Id", id)
}

// respond answers what the function answers.
func (d *Distribution) respond(w http.ResponseWriter, a answer, id string) {
	for name, values := range a.header {
		w.Header()[name] = values
	}
	d.sign(w.Header(), "FunctionGeneratedResponse from cloudfront", id)
	w.WriteHeader(a.status)
	_, _ = w.Write(a.body) // the viewer may be gone, or the status has no body
}

// refuse answers as CloudFront does when it has no answer of an origin: with a page of its own.
func (d *Distribution) refuse(w http.ResponseWriter, status int, id string) {
	w.Header().Set("Content-Type", "text/html")
	d.sign(w.Header(), fromCloudFront, id)
	w.WriteHeader(status)
	_, _ = fmt.Fprintf(
		w, "<html><body><h1>%d ERROR</h1>Generated by cloudfront (CloudFront)<br>Request ID: %s</body></html>\n",
		status, id,
	) // the viewer may be gone
}
