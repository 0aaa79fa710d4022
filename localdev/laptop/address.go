package laptop

import (
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"syscall"

	"github.com/nonstick-io/nonstick/gateway"
	"github.com/nonstick-io/nonstick/gateway/apigw"
	"github.com/nonstick-io/nonstick/localdev/emulator"
)

// listeners are what the process listens on. There is one for both APIs, or one for each.
type listeners struct{ polling, webSocket net.Listener }

// addresses are the URLs of this process, without a trailing slash: of the HTTP API and the services, and of the
// WebSocket API. Behind one host they are the same.
type addresses struct{ polling, webSocket string }

// twoHosts reports whether the APIs are at hosts of their own.
func (a addresses) twoHosts() bool { return a.polling != a.webSocket }

// listenAll opens the ports that the configuration wants.
func listenAll(c config) (listeners, error) {
	var l listeners
	var err error
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
	if l.webSocket == nil {
		return addresses{base, base}
	}
	return addresses{base, baseURL(l.webSocket.Addr())}
}

// serve has a server accept connections.
func (l listeners) serve(s *emulator.Server) error {
	if l.webSocket == nil {
		return s.Serve(l.polling)
	}
	return s.ServeHosts(l.polling, l.webSocket)
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
