package laptop

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sync/errgroup"

	"github.com/nonstick-io/nonstick/gateway"
	"github.com/nonstick-io/nonstick/gateway/apigw"
	"github.com/nonstick-io/nonstick/localdev/template"
)

// listeners are what the process listens on. There is one for both APIs, or one for each; and one more, that of
// --addr, for a distribution of CloudFront in front of them.
type listeners struct{ polling, webSocket, front net.Listener }

// addresses are the URLs of this process, without a trailing slash: of the HTTP API and the services, of the WebSocket
// API, and what clients are told. Behind one host they are the same.
type addresses struct{ polling, webSocket, front string }

// twoHosts reports whether the APIs are at hosts of their own.
func (a addresses) twoHosts() bool { return a.polling != a.webSocket }

// listenAll opens the ports that the configuration wants.
func listenAll(c config) (listeners, error) {
	var l listeners
	var err error
	if c.fronted() {
		return listenBehind(c)
	}
	if l.polling, err = listen(c.addr, "--addr"); err != nil || c.hosts != "two" {
		return l, err
	}
	addr := c.webSocketAddr
	if addr == "" {
		addr = nextPort(c.addr)
	}
	if l.webSocket, err = listen(addr, "--websocket-addr"); err != nil {
		return l, errors.Join(err, l.polling.Close())
	}
	return l, nil
}

// fronted reports whether the template has CloudFront in front of its APIs. What is wrong with the template is said
// later.
func (c *config) fronted() bool {
	if c.template == "" {
		return false
	}
	t, err := template.Read(c.template, template.Options{Parameters: c.parameters})
	return err == nil && len(t.Distributions) > 0
}

// Why CloudFront cannot be in front.
var (
	errFrontHosts = errors.New("--hosts two: the template has CloudFront in front of both APIs, " +
		"each of which has a host of its own behind it")
	errFrontTwice = errors.New("the template has CloudFront in front, which goes with one WebSocket API, " +
		"and the application has two")
)

// listenBehind opens the ports where CloudFront is in front: its own, and free ones for the APIs.
func listenBehind(c config) (l listeners, err error) {
	switch {
	case c.hosts == "two":
		return l, errFrontHosts
	case c.set("app") && c.served().EngineIO.New != nil:
		return l, errFrontTwice
	}
	host, _, err := net.SplitHostPort(c.addr)
	if err != nil {
		return l, fmt.Errorf("--addr: %w", err)
	}
	free := net.JoinHostPort(host, "0")
	for _, open := range []struct {
		to   *net.Listener
		addr string
	}{{&l.front, c.addr}, {&l.polling, free}, {&l.webSocket, free}} {
		if *open.to, err = listen(open.addr, "--addr"); err != nil {
			return l, errors.Join(err, l.close())
		}
	}
	return l, nil
}

// close closes what has been opened.
func (l listeners) close() error {
	var errs []error
	for _, o := range []net.Listener{l.front, l.polling, l.webSocket} {
		if o != nil {
			errs = append(errs, o.Close())
		}
	}
	return errors.Join(errs...)
}

// nextPort is the address with the port after its own; a free one stays one.
func nextPort(addr string) string {
	host, port, err := net.SplitHostPort(addr)
	n, portErr := strconv.ParseUint(port, 10, 16)
	if err != nil || portErr != nil || n == 0 || n == 65535 {
		return net.JoinHostPort(host, "0")
	}
	return net.JoinHostPort(host, strconv.FormatUint(n+1, 10))
}

// listen opens a port, with an error that says what to do.
func listen(addr, option string) (net.Listener, error) {
	l, err := net.Listen("tcp", addr)
	if errors.Is(err, syscall.EADDRINUSE) {
		return nil, fmt.Errorf(
			"%s is in use by another process: stop it, or choose another address with %s", addr, option,
		)
	}
	if err != nil {
		return nil, fmt.Errorf("listen on %s: %w", addr, err)
	}
	return l, nil
}

// urls are where this machine reaches the listeners.
func (l listeners) urls() addresses {
	base := baseURL(l.polling.Addr())
	a := addresses{base, base, base}
	if l.webSocket != nil {
		a.webSocket = baseURL(l.webSocket.Addr())
	}
	if l.front != nil {
		a.front = baseURL(l.front.Addr())
	}
	return a
}

// serve has the servers accept connections.
func (l listeners) serve(s *service) error {
	var all errgroup.Group
	if l.front != nil {
		all.Go(func() error {
			if err := s.front.Serve(l.front); !errors.Is(err, http.ErrServerClosed) {
				return err
			}
			return nil
		})
	}
	all.Go(func() error {
		if l.webSocket == nil {
			return s.server.Serve(l.polling)
		}
		return s.server.ServeHosts(l.polling, l.webSocket)
	})
	return all.Wait()
}

// baseURL is how this machine reaches a listener: by the loopback address if it listens on all.
func baseURL(a net.Addr) string {
	host, port, err := net.SplitHostPort(a.String())
	if err != nil {
		return "http://" + a.String()
	}
	if ip := net.ParseIP(host); ip != nil && ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	return "http://" + net.JoinHostPort(host, port)
}

// clientOptions are what a page tells its Socket.IO client: the path of the API, and where WebSockets are.
func (a addresses) clientOptions(path string) gateway.ClientOptions {
	var o gateway.ClientOptions
	if path != apigw.DefaultPath {
		o.Path = path
	}
	if a.twoHosts() {
		host, port, _ := net.SplitHostPort(strings.TrimPrefix(a.webSocket, "http://"))
		o.TransportOptions.WebSocket = gateway.WebSocketHost{Hostname: host, Port: port, Path: stage}
	}
	return o
}
