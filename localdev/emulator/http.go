package emulator

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-lambda-go/events"
)

// apiID is the id of the API in events.
const apiID = "localdev"

// Answers that the service gives by itself.
const (
	msgInternal    = `{"message":"Internal Server Error"}`
	msgThrottled   = `{"message":"Too Many Requests"}`
	msgUnavailable = `{"message":"Service Unavailable"}`
	msgForbidden   = `{"message":"Forbidden"}`
	msgTimeout     = `{"message":"Request Timeout"}`
	msgTooLarge    = `{"message":"Request Entity Too Large"}`
	msgHeaders     = `{"message":"Request Header Fields Too Large"}`
)

// request serves one request of an HTTP API.
func (s *Server) request(w http.ResponseWriter, r *http.Request, a *api) {
	if s.limits.HeaderBlock > 0 && headerBlock(r) > s.limits.HeaderBlock {
		answer(w, http.StatusRequestHeaderFieldsTooLarge, msgHeaders)
		return
	}
	if s.throttles() {
		answer(w, http.StatusTooManyRequests, msgThrottled)
		return
	}
	body, size, err := s.body(r)
	defer s.large.release(size)
	if err != nil {
		s.badBody(w, err)
		return
	}
	s.used.requests.Add(units(size, requestUnit))
	headers := s.maps.Get().(map[string]string)
	e := s.httpEvent(r, headers, body)

	parent := s.base
	if r.Method == http.MethodGet {
		parent = s.drain
	}
	ctx, cancel := context.WithTimeout(parent, s.limits.RequestTimeout)
	defer cancel()
	reply := &reply{w: w}
	stop := context.AfterFunc(ctx, func() { reply.late(ctx) })
	res, err := invokeHTTP(ctx, s, a, e)
	stop()
	clear(headers)
	s.maps.Put(headers)
	reply.write(ctx, s, res, err)
}

// reply writes one answer: the handler's, or 503 when that takes too long.
type reply struct {
	mu   sync.Mutex
	w    http.ResponseWriter
	done bool
}

// late answers for a handler that let its time pass. A server that shuts down waits for it instead.
func (p *reply) late(ctx context.Context) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.done || ctx.Err() != context.DeadlineExceeded {
		return
	}
	p.done = true
	answer(p.w, http.StatusServiceUnavailable, msgUnavailable)
	_ = http.NewResponseController(p.w).Flush() // the client may be gone
}

func (p *reply) write(ctx context.Context, s *Server, res events.APIGatewayV2HTTPResponse, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case p.done:
	case ctx.Err() != nil && err != nil:
		answer(p.w, http.StatusServiceUnavailable, msgUnavailable)
	case errors.Is(err, ErrThrottled):
		s.log.WarnContext(ctx, "request throttled", "error", err)
		answer(p.w, http.StatusServiceUnavailable, msgUnavailable)
	case err != nil:
		s.log.ErrorContext(ctx, "request failed", "error", err)
		answer(p.w, http.StatusInternalServerError, msgInternal)
	default:
		writeResponse(p.w, res)
	}
	p.done = true
}

func answer(w http.ResponseWriter, status int, body string) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	_, _ = io.WriteString(w, body) // the client may be gone
}

func writeResponse(w http.ResponseWriter, res events.APIGatewayV2HTTPResponse) {
	h := w.Header()
	setHeaders(h, res.Headers)
	for _, c := range res.Cookies {
		h.Add("Set-Cookie", c)
	}
	body := res.Body
	if res.IsBase64Encoded {
		raw, err := base64.StdEncoding.DecodeString(body)
		if err != nil {
			answer(w, http.StatusInternalServerError, msgInternal)
			return
		}
		body = string(raw)
	}
	const counted = 2048 // a shorter body is counted by net/http
	if len(body) >= counted {
		h.Set("Content-Length", strconv.Itoa(len(body)))
	}
	w.WriteHeader(max(res.StatusCode, 200))
	_, _ = io.WriteString(w, body) // the client may be gone
}

func setHeaders(to http.Header, from map[string]string) {
	for k, v := range from {
		to[http.CanonicalHeaderKey(k)] = []string{v}
	}
}

// invokeHTTP calls a handler set; a panic is an error, as it is of a function.
func invokeHTTP(
	ctx context.Context, s *Server, a *api, e events.APIGatewayV2HTTPRequest,
) (res events.APIGatewayV2HTTPResponse, err error) {
	defer func() {
		if p := recover(); p != nil {
			s.log.ErrorContext(ctx, "handler panicked", "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
			err = fmt.Errorf("emulator: handler panicked: %v", p)
		}
	}()
	return a.next().HTTP(ctx, e)
}

// httpEvent is the request in payload format 2.0.
func (s *Server) httpEvent(r *http.Request, headers map[string]string, body string) events.APIGatewayV2HTTPRequest {
	now := time.Now()
	ip := sourceIP(r)
	fillHeaders(headers, r, ip)
	e := events.APIGatewayV2HTTPRequest{
		Version: "2.0", RouteKey: "$default", RawPath: r.URL.EscapedPath(), RawQueryString: r.URL.RawQuery,
		Headers: headers, Body: body,
	}
	if cookies := r.Header["Cookie"]; len(cookies) > 0 {
		e.Cookies = strings.Split(cookies[0], "; ")
	}
	if s.limits.TextOnly && body != "" && !plainlyText(r.Header.Get("Content-Type")) {
		e.Body, e.IsBase64Encoded = base64.StdEncoding.EncodeToString([]byte(body)), true
	}
	c := &e.RequestContext
	c.RouteKey, c.AccountID, c.Stage, c.APIID = "$default", "000000000000", "$default", apiID
	c.RequestID, c.DomainName, c.Time, c.TimeEpoch = s.ids.next(), r.Host, s.times.format(now), now.UnixMilli()
	c.HTTP.Method, c.HTTP.Path, c.HTTP.Protocol = r.Method, r.URL.Path, r.Proto
	c.HTTP.SourceIP, c.HTTP.UserAgent = ip, headers["user-agent"]
	return e
}

// plainlyText reports whether the service passes a body of that type as text.
func plainlyText(contentType string) bool {
	media, _, _ := strings.Cut(contentType, ";")
	media = strings.ToLower(strings.TrimSpace(media))
	switch media {
	case "application/json", "application/xml", "application/javascript":
		return true
	}
	return strings.HasPrefix(media, "text/")
}

// fillHeaders adds the request's headers as format 2.0 shows them: lower-case, repeated ones joined, cookies
// apart, with what the service adds.
func fillHeaders(to map[string]string, r *http.Request, ip string) {
	for k, v := range r.Header {
		if k == "Cookie" {
			continue
		}
		if len(v) == 1 {
			to[lower(k)] = v[0]
		} else {
			to[lower(k)] = strings.Join(v, ",")
		}
	}
	to["host"] = r.Host
	if before := to["x-forwarded-for"]; before != "" {
		ip = before + ", " + ip
	}
	to["x-forwarded-for"] = ip
	if to["x-forwarded-proto"] == "" { // a proxy in front knows better
		to["x-forwarded-proto"] = "http"
	}
}

// lower is strings.ToLower without the allocation for the names that every request has.
func lower(name string) string {
	switch name {
	case "Accept":
		return "accept"
	case "Accept-Encoding":
		return "accept-encoding"
	case "Accept-Language":
		return "accept-language"
	case "Connection":
		return "connection"
	case "Content-Length":
		return "content-length"
	case "Content-Type":
		return "content-type"
	case "Origin":
		return "origin"
	case "User-Agent":
		return "user-agent"
	}
	return strings.ToLower(name)
}

// headerBlock is the size of the request line and the headers, as sent.
func headerBlock(r *http.Request) int {
	n := len(r.Method) + len(r.RequestURI) + len(r.Proto) + 4 + len("Host: \r\n") + len(r.Host)
	for k, vs := range r.Header {
		for _, v := range vs {
			n += len(k) + len(v) + 4
		}
	}
	return n
}

// sourceIP is the address that the request came from, without the port.
func sourceIP(r *http.Request) string {
	host := r.RemoteAddr
	if i := strings.LastIndexByte(host, ':'); i >= 0 {
		host = host[:i]
	}
	return strings.Trim(host, "[]")
}
