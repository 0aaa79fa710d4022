package emulator

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"golang.org/x/sync/errgroup"
)

// Handlers is one function set behind an API: what Lambda would run. Methods are called concurrently. The
// maps of an event are reused after the call and must not be kept. A context carries the deadline of the
// platform ([Limits].MessageTimeout and RequestTimeout); a client that goes away does not end it. An error, and a
// panic, is what the error of a function is to the service: the client gets 500 of the HTTP API; of the WebSocket API
// 502 at $connect, and the error frame of the service for a frame. [ErrThrottled] is an error of its own.
type Handlers interface {
	// HTTP answers a request of the HTTP API (payload format 2.0). QueryStringParameters is left empty:
	// RawQueryString says the same, and without joining repeated keys.
	HTTP(ctx context.Context, e events.APIGatewayV2HTTPRequest) (events.APIGatewayV2HTTPResponse, error)
	// WebSocket answers $connect, $default and $disconnect, which RequestContext.RouteKey tells apart. At $connect a
	// status of 200 to 299 takes the connection, and the headers of the answer go with the 101; any other refuses it.
	// The answer to a frame is its route response: the body, unless it is empty, goes to the client as a frame, and the
	// status means nothing.
	WebSocket(ctx context.Context, e events.APIGatewayWebsocketProxyRequest) (events.APIGatewayProxyResponse, error)
}

// API is one HTTP API and one WebSocket API under a common path.
type API struct {
	// Path is the prefix of the request's path, for instance "/chat/", or "/" for all. The first API that it fits is
	// taken. A WebSocket is an upgrade at such a path, anything else a request of the HTTP API.
	Path string
	// AnySlash has the path without its last slash fit too: "/chat", and not "/chats".
	AnySlash bool
	// Sets take turns at every request and every frame. At least one.
	Sets []Handlers
	// Concurrent hands every frame over as it comes, as the service does: frames of one connection overtake each
	// other, and so do the answers; at most 256 of one connection are under way. Else one is handed over when the one
	// before has been answered.
	Concurrent bool
	// EmptyFrames sends the client an empty frame where a handler answers one with an empty body. AWS does not say
	// what it does with an empty route response; false is what other emulators do, which send nothing.
	EmptyFrames bool
	// Dispatch, unless nil, is how long it takes until a frame, or the end of a connection, is handed over; it is
	// called for each. They are handed over one at a time, in the order in which their times are up: of a route whose
	// integration is a queue, not a function.
	Dispatch func() time.Duration
}

// ErrThrottled is what a handler returns if there is no function to take the call: the client of the HTTP API gets
// 503, that of the WebSocket API the error frame.
var ErrThrottled = errors.New("emulator: function throttled")

// Config is what a [Server] is made of.
type Config struct {
	// Endpoint is the base URL of the management API, as other processes reach this one, without a
	// trailing slash. Its path is the stage: "http://127.0.0.1:3000/local". It must be given.
	Endpoint string
	// Authorize decides about a call of the management API: may the caller that signed r do action,
	// execute-api:ManageConnections, to a connection? Its resource is ARN/STAGE/METHOD/@connections/ID. The text of an
	// error goes to the caller, with 403 AccessDeniedException. Nil: every caller may, and ARN is not needed.
	Authorize func(r *http.Request, action, resource string) error
	// ARN is that of the WebSocket API in resources: arn:aws:execute-api:REGION:ACCOUNT:ID.
	ARN string
	// Limits are what the server refuses; the zero value refuses almost nothing. [AWS] has those of the service.
	Limits Limits
	// Services returns what serves a request that is for neither API, for instance to package queue's or lambda's, and
	// is asked before them; it may return nil, and be nil. Wrap what programs call in [ForPrograms].
	Services func(*http.Request) http.Handler
	// Intercept is Services for what is at every host, that of the WebSocket API too ([Server.ServeHosts]), and is
	// asked before it; it may return nil, and be nil.
	Intercept func(*http.Request) http.Handler
	// Binary returns how the binary frames of a new WebSocket are written as text; r asks for the upgrade. It is not
	// called where [Limits].TextOnly holds: the service knows no binary frames. Nil, or what it returns being the zero
	// value, is [Binary]'s zero value.
	Binary func(r *http.Request) Binary
	// Fallback serves what belongs to no API; nil answers 404.
	Fallback http.Handler
	// Logger gets what went wrong; nil discards.
	Logger *slog.Logger
}

// Server is the emulator. Make it with [New], add APIs with [Server.Route], then call [Server.Serve], and
// [Server.Shutdown] at the end. Safe for concurrent use once it serves.
type Server struct {
	// static
	endpoint string
	stage    string // "/local"
	limits   Limits
	services func(*http.Request) http.Handler
	apart    func(*http.Request) http.Handler // Config.Intercept
	binary   func(*http.Request) Binary
	fallback http.Handler
	arn      string
	rights   func(r *http.Request, action, resource string) error // Config.Authorize
	log      *slog.Logger
	http     *http.Server
	apis     []*api
	ids      requestIDs
	times    requestTimes
	maps     sync.Pool // of map[string]string, for the headers of events
	bodies   sync.Pool // of *[]byte, for request bodies
	large    largeBodies
	guard    guard
	out      sync.Pool // of *frames, for outboxes

	// base ends when the server gives up waiting, drain as soon as it stops: parked GETs end then.
	base, drain         context.Context
	cancelBase, endGETs context.CancelFunc
	clock               atomic.Int64 // UnixNano, as of the last tick
	requests            atomic.Int64 // being served
	account             account
	throttled           atomic.Int64 // for the rates of the account
	overtaken           atomic.Int64 // frames handed over after one that was received later
	used                usage
	conns               connTable
	sweepDone, serveEnd chan struct{}

	mu       sync.Mutex
	stopping bool           // guarded by mu
	sessions sync.WaitGroup // of connections and of what follows $connect; added to under mu
}

type api struct {
	API
	turn atomic.Uint64
}

// fits reports whether a request's path is the API's.
func (a *api) fits(path string) bool {
	return strings.HasPrefix(path, a.Path) || a.AnySlash && path == strings.TrimSuffix(a.Path, "/")
}

// next returns the handler set whose turn it is.
func (a *api) next() Handlers {
	if len(a.Sets) == 1 {
		return a.Sets[0]
	}
	return a.Sets[a.turn.Add(1)%uint64(len(a.Sets))]
}

// New returns a server without APIs.
func New(c Config) *Server {
	s := &Server{
		endpoint: c.Endpoint, limits: c.Limits.withDefaults(), services: c.Services, apart: c.Intercept,
		binary: c.Binary, fallback: c.Fallback, arn: c.ARN, rights: c.Authorize, log: c.Logger,
	}
	if s.rights == nil {
		s.rights = func(*http.Request, string, string) error { return nil }
	}
	if s.binary == nil {
		s.binary = func(*http.Request) Binary { return Binary{} }
	}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	if s.fallback == nil {
		s.fallback = http.NotFoundHandler()
	}
	s.stage, s.guard = stageOf(c.Endpoint), newGuard(c.Endpoint)
	s.large, s.account = newLargeBodies(s.limits), newAccount(s.limits)
	s.ids = newRequestIDs()
	s.conns.byID = make(map[string]*conn)
	s.base, s.cancelBase = context.WithCancel(context.Background())
	s.drain, s.endGETs = context.WithCancel(s.base)
	s.clock.Store(time.Now().UnixNano())
	s.maps.New = func() any { return make(map[string]string, 16) }
	s.bodies.New = func() any { return new([]byte) }
	s.out.New = func() any { return new(frames) }
	s.sweepDone, s.serveEnd = make(chan struct{}), make(chan struct{})
	s.http = &http.Server{
		Handler: http.HandlerFunc(s.serveHTTP), ReadHeaderTimeout: 30 * time.Second, IdleTimeout: 75 * time.Second,
		MaxHeaderBytes: 32 << 10, ErrorLog: slog.NewLogLogger(s.log.Handler(), slog.LevelDebug),
	}
	return s
}

// stageOf returns the path of an endpoint: "/local" of "http://127.0.0.1:3000/local".
func stageOf(endpoint string) string {
	_, rest, _ := strings.Cut(endpoint, "://")
	if i := strings.IndexByte(rest, '/'); i >= 0 {
		return rest[i:]
	}
	return ""
}

// Stats are counts since the start.
type Stats struct {
	// Overtaken counts frames that were handed over after one of their connection that was received later, see
	// API.Dispatch.
	Overtaken int64 `json:"overtaken"`
	// Throttled counts what was refused for the rates that the account has, see Limits.Requests and Connects.
	Throttled int64 `json:"throttled"`
	// Requests is what the service bills of an HTTP API: requests, each begun 512 KB of body as one.
	Requests int64 `json:"requests"`
	// MessagesIn and MessagesOut are what it bills of a WebSocket API: frames of clients, and answers and pushes to
	// them, each begun 32 KB as one.
	MessagesIn  int64 `json:"messagesIn"`
	MessagesOut int64 `json:"messagesOut"`
	// ConnectionSeconds is how long connections were open, all together. The service bills minutes.
	ConnectionSeconds float64 `json:"connectionSeconds"`
}

// Stats returns the counts.
func (s *Server) Stats() Stats {
	connected := time.Duration(s.used.connected.Load())
	now := time.Now()
	s.conns.each(func(c *conn) { connected += now.Sub(c.connectedAt) })
	return Stats{
		Overtaken: s.overtaken.Load(), Throttled: s.throttled.Load(), Requests: s.used.requests.Load(),
		MessagesIn: s.used.in.Load(), MessagesOut: s.used.out.Load(), ConnectionSeconds: connected.Seconds(),
	}
}

// Route adds an API. All routes must be added before [Server.Serve].
func (s *Server) Route(a API) { s.apis = append(s.apis, &api{API: a}) }

// Serve accepts connections until [Server.Shutdown]; then it returns nil, else the listener's error. Both APIs are at
// the one address, as behind a front. Serve or [Server.ServeHosts] must be called once.
func (s *Server) Serve(l net.Listener) error { return s.serve(l) }

func (s *Server) serve(listeners ...net.Listener) error {
	defer close(s.serveEnd)
	go s.sweep()
	var all errgroup.Group
	for _, l := range listeners {
		all.Go(func() error {
			if err := s.http.Serve(patientListener{l, s.limits.WriteTime}); !errors.Is(err, http.ErrServerClosed) {
				s.endGETs()
				return errors.Join(err, s.http.Close()) // one listener does not go on without the other
			}
			return nil
		})
	}
	return all.Wait()
}

// serveHTTP routes a request: to a service, to the management API, to an API by its path, else to the fallback.
func (s *Server) serveHTTP(w http.ResponseWriter, r *http.Request) {
	s.requests.Add(1)
	defer s.requests.Add(-1)
	s.bound(w, r)
	if s.apart != nil {
		if h := s.apart(r); h != nil {
			h.ServeHTTP(w, r)
			return
		}
	}
	at := hostOf(r)
	if at == hostWebSocket {
		s.serveWebSocketHost(w, r)
		return
	}
	if s.services != nil {
		if h := s.services(r); h != nil {
			h.ServeHTTP(w, r)
			return
		}
	}
	if at == hostBoth && s.serveManagement(w, r) {
		return
	}
	for _, a := range s.apis {
		if !a.fits(r.URL.Path) {
			continue
		}
		if at == hostBoth && isUpgrade(r) {
			s.connect(w, r, a) //nolint:contextcheck // a client that leaves does not end the call
			return
		}
		s.request(w, r, a) //nolint:contextcheck // a client that leaves does not end the call
		return
	}
	s.fallback.ServeHTTP(w, r)
}

// Shutdown stops accepting, closes the WebSockets with 1001, ends parked GETs, and waits until every
// handler has returned. If ctx ends first it cancels the handlers' contexts, cuts what is left, waits for that
// too and returns ctx's error. It may be called after Serve only.
func (s *Server) Shutdown(ctx context.Context) error {
	s.mu.Lock()
	s.stopping = true
	s.mu.Unlock()
	s.endGETs()
	s.conns.each(func(c *conn) { c.close(statusGoingAway, "") })
	err := s.stopHTTP(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		s.sessions.Wait()
	}()
	select {
	case <-done:
	case <-ctx.Done():
		err = ctx.Err()
	}
	s.cancelBase()
	if err != nil {
		s.conns.each(func(c *conn) { c.cut() })
		err = errors.Join(err, s.http.Close())
	}
	<-done
	<-s.serveEnd
	<-s.sweepDone
	return err
}

// stopHTTP stops accepting and waits for the requests. To net/http a connection that has not sent a request
// yet, as browsers keep them, is busy for its first seconds; so it is helped out once nothing is being served.
func (s *Server) stopHTTP(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	ended := make(chan error, 1)
	go func() { ended <- s.http.Shutdown(ctx) }()
	const pace, enough = 10 * time.Millisecond, 20
	tick := time.NewTicker(pace)
	defer tick.Stop()
	for quiet := 0; quiet < enough; quiet++ {
		select {
		case err := <-ended:
			return err
		case <-tick.C:
			if s.requests.Load() > 0 {
				quiet = 0
			}
		}
	}
	cancel()
	<-ended
	return s.http.Close()
}

// enter counts a connection, unless the server is stopping.
func (s *Server) enter() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stopping {
		return false
	}
	s.sessions.Add(1)
	return true
}

// register makes a connection known. One that comes while the server stops is closed at once.
func (s *Server) register(c *conn) {
	s.conns.add(c)
	s.mu.Lock()
	stopping := s.stopping
	s.mu.Unlock()
	if stopping {
		c.close(statusGoingAway, "")
	}
}

// sweep looks after connections that are idle or too old, and keeps the coarse clock.
func (s *Server) sweep() {
	defer close(s.sweepDone)
	t := time.NewTicker(s.limits.tick())
	defer t.Stop()
	for {
		select {
		case <-s.drain.Done():
			return
		case now := <-t.C:
			s.clock.Store(now.UnixNano())
			if s.limits.Idle > 0 || s.limits.Lifetime > 0 {
				s.conns.each(func(c *conn) { c.expire(now) })
			}
		}
	}
}

// connTable finds a connection by its id.
type connTable struct {
	mu   sync.RWMutex
	byID map[string]*conn
}

func (t *connTable) get(id string) *conn {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return t.byID[id]
}

func (t *connTable) add(c *conn) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.byID[c.id] = c
}

func (t *connTable) remove(c *conn) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.byID, c.id)
}

// each calls f for a snapshot of the connections, without holding the lock.
func (t *connTable) each(f func(*conn)) {
	t.mu.RLock()
	all := make([]*conn, 0, len(t.byID))
	for _, c := range t.byID {
		all = append(all, c)
	}
	t.mu.RUnlock()
	for _, c := range all {
		f(c)
	}
}
