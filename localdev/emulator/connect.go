package emulator

import (
	"bufio"
	"context"
	"errors"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/gobwas/ws"
)

// readBuffer is the size of a connection's read buffer: frames up to it are handled without another copy.
const readBuffer = 4 << 10

// maxRunning is how many frames of one connection are handled at a time. The service has no such bound; here it keeps
// one client from using up the machine.
const maxRunning = 256

// connect serves a WebSocket upgrade: $connect first, and only if that agrees the connection.
func (s *Server) connect(w http.ResponseWriter, r *http.Request, a *api) {
	if status := upgradeStatus(r); status != 0 {
		w.Header().Set("Sec-WebSocket-Version", "13")
		http.Error(w, http.StatusText(status), status)
		return
	}
	if s.throttlesConnect() {
		answer(w, http.StatusTooManyRequests, msgThrottled)
		return
	}
	if !s.enter() {
		http.Error(w, "Service Unavailable", http.StatusServiceUnavailable)
		return
	}
	c := s.newConn(r, a)
	after := &afterConnect{}
	res, err := s.callConnect(c, r, after)
	if err != nil || res.StatusCode < 200 || res.StatusCode > 299 {
		refuse(w, res, err)
		s.follow(after)
		s.sessions.Done()
		return
	}
	if !s.accept(c, w, r, res) {
		s.follow(after)
		s.sessions.Done()
		return
	}
	go func() {
		defer s.sessions.Done()
		s.register(c)
		s.follow(after)
		c.serve()
	}()
}

// upgradeStatus is why a request is no WebSocket handshake, or 0.
func upgradeStatus(r *http.Request) int {
	switch {
	case r.Method != http.MethodGet || !strings.EqualFold(r.Header.Get("Upgrade"), "websocket"):
		return http.StatusBadRequest
	// in any of its lines
	case !strings.Contains(strings.ToLower(strings.Join(r.Header.Values("Connection"), ",")), "upgrade"):
		return http.StatusBadRequest
	case len(r.Header.Get("Sec-Websocket-Key")) != 24:
		return http.StatusBadRequest
	case r.Header.Get("Sec-Websocket-Version") != "13":
		return http.StatusUpgradeRequired
	}
	return 0
}

func (s *Server) newConn(r *http.Request, a *api) *conn {
	now := time.Now()
	c := &conn{srv: s, api: a, id: newConnectionID(), connectedAt: now}
	c.out.quiet.L = &c.out.mu
	if a.Concurrent {
		c.running = make(chan struct{}, maxRunning)
	}
	if !s.limits.TextOnly {
		c.binary = s.binary(r)
	}
	c.active.Store(now.UnixNano())
	c.event.RequestContext = events.APIGatewayWebsocketProxyRequestContext{
		Stage: strings.TrimPrefix(s.stage, "/"), APIID: apiID, ConnectionID: c.id, ConnectedAt: now.UnixMilli(),
		DomainName: strings.Clone(r.Host), RouteKey: "$default", EventType: "MESSAGE", MessageDirection: "IN",
		Identity: events.APIGatewayRequestIdentity{
			SourceIP: strings.Clone(sourceIP(r)), UserAgent: strings.Clone(r.UserAgent()),
		},
	}
	return c
}

// callConnect calls the handler of $connect. A handler that takes too long counts as failed.
func (s *Server) callConnect(c *conn, r *http.Request, after *afterConnect) (events.APIGatewayProxyResponse, error) {
	e := c.event
	e.RequestContext.RouteKey, e.RequestContext.EventType = "$connect", "CONNECT"
	c.stamp(&e.RequestContext, c.connectedAt)
	e.Headers, e.MultiValueHeaders = connectHeaders(r)
	e.QueryStringParameters, e.MultiValueQueryStringParameters = lastValues(r.URL.Query())
	ctx, cancel := context.WithTimeout(context.WithValue(s.base, afterKey{}, after), s.limits.MessageTimeout)
	defer cancel()
	res, err := invoke(ctx, s, c.api, e)
	if err == nil {
		err = ctx.Err()
	}
	if err != nil {
		s.log.Error("connect failed", "conn", c.id, "error", err)
	}
	return res, err
}

// refuse answers an upgrade that $connect did not agree to.
func refuse(w http.ResponseWriter, res events.APIGatewayProxyResponse, err error) {
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		http.Error(w, `{"message":"Endpoint request timed out"}`, http.StatusGatewayTimeout)
		return
	case err != nil || res.StatusCode < 300:
		http.Error(w, `{"message":"Internal server error"}`, http.StatusBadGateway)
		return
	}
	setHeaders(w.Header(), res.Headers)
	body := bodyOf(res)
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(res.StatusCode)
	_, _ = w.Write([]byte(body)) // the client may be gone
}

// accept answers the upgrade with 101 and takes the connection over from the HTTP server.
func (s *Server) accept(c *conn, w http.ResponseWriter, r *http.Request, res events.APIGatewayProxyResponse) bool {
	header := make(http.Header, len(res.Headers))
	setHeaders(header, res.Headers)
	header.Del("Content-Type")
	header.Del("Content-Length")
	r.Header.Set("Connection", "Upgrade") // it is, see upgradeStatus; gobwas looks at the first line alone
	nc, rw, _, err := ws.HTTPUpgrader{Header: header, Timeout: 10 * time.Second}.Upgrade(r, w)
	if err != nil {
		s.log.Info("upgrade failed", "conn", c.id, "error", err)
		if nc != nil {
			_ = nc.Close() // nothing can be done about a failing close
		}
		return false
	}
	c.net = nc
	c.in = frameReader{
		br: reader(nc, rw.Reader), frame: s.limits.Frame, message: s.limits.Message, binary: !s.limits.TextOnly,
	}
	return true
}

// reader returns a fresh buffer, so that the one of the HTTP server can go, unless that holds frames already.
func reader(nc net.Conn, used *bufio.Reader) *bufio.Reader {
	if used.Buffered() > 0 {
		return used
	}
	return bufio.NewReaderSize(nc, readBuffer)
}

type afterKey struct{}

// afterConnect collects what is to run once a $connect has returned.
type afterConnect struct {
	mu   sync.Mutex
	done bool
	runs []func(context.Context)
}

// AfterConnect runs f, on a goroutine of its own, once the $connect call that ctx belongs to has returned and
// its connection can be pushed to: the place of a queue's consumer. It reports false, and does nothing, if ctx
// belongs to no such call. The server waits for f when it shuts down; f's context ends after the time
// limit of a message.
func AfterConnect(ctx context.Context, f func(context.Context)) bool {
	a, ok := ctx.Value(afterKey{}).(*afterConnect)
	if !ok {
		return false
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if !a.done {
		a.runs = append(a.runs, f)
	}
	return !a.done
}

// follow runs what was waiting for $connect.
func (s *Server) follow(a *afterConnect) {
	a.mu.Lock()
	a.done = true
	a.mu.Unlock()
	for _, f := range a.runs {
		s.sessions.Go(func() {
			ctx, cancel := context.WithTimeout(s.base, s.limits.MessageTimeout)
			defer cancel()
			f(ctx)
		})
	}
}

// connectHeaders returns the headers of a $connect event, named as the client wrote them in canonical form.
func connectHeaders(r *http.Request) (map[string]string, map[string][]string) {
	single, multi := lastValues(r.Header)
	single["Host"], multi["Host"] = r.Host, []string{r.Host}
	add := func(name, value string) {
		single[name], multi[name] = value, append(multi[name], value)
	}
	add("X-Forwarded-For", strings.Join(append(slices.Clone(r.Header["X-Forwarded-For"]), sourceIP(r)), ", "))
	if single["X-Forwarded-Proto"] == "" { // a proxy in front knows better
		add("X-Forwarded-Proto", "http")
	}
	return single, multi
}

// lastValues is how payload format 1.0 shows repeated keys: the last value, and all of them apart.
func lastValues[M http.Header | url.Values](m M) (map[string]string, map[string][]string) {
	single, multi := make(map[string]string, len(m)+3), make(map[string][]string, len(m)+3)
	for k, v := range m {
		single[k], multi[k] = v[len(v)-1], v
	}
	return single, multi
}
