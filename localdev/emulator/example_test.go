package emulator_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"

	"github.com/aws/aws-lambda-go/events"
	"github.com/gobwas/ws"
	"github.com/gobwas/ws/wsutil"

	"github.com/nonstick-io/nonstick/localdev/emulator"
)

// shouter answers every frame in capital letters. Its methods are what the functions of an application do.
type shouter struct{}

func (shouter) WebSocket(
	_ context.Context, e events.APIGatewayWebsocketProxyRequest,
) (events.APIGatewayProxyResponse, error) {
	r := events.APIGatewayProxyResponse{StatusCode: 200}
	if e.RequestContext.RouteKey == "$default" {
		r.Body = strings.ToUpper(e.Body)
	}
	return r, nil
}

func (shouter) HTTP(
	_ context.Context, e events.APIGatewayV2HTTPRequest,
) (events.APIGatewayV2HTTPResponse, error) {
	return events.APIGatewayV2HTTPResponse{StatusCode: 200, Body: "you asked for " + e.RawPath}, nil
}

// A handler of one's own behind the WebSocket API, with the service's limits: a frame above 32 KB ends the connection.
func Example() {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		fmt.Println(err)
		return
	}
	s := emulator.New(emulator.Config{
		Endpoint: "http://" + l.Addr().String() + "/prod", // where SDKs send to connections
		Limits:   emulator.AWS(),
	})
	s.Route(emulator.API{Path: "/", Sets: []emulator.Handlers{shouter{}}})
	go func() { _ = s.Serve(l) }() // nil, after Shutdown
	defer func() { _ = s.Shutdown(context.Background()) }()

	conn, _, _, err := ws.Dial(context.Background(), "ws://"+l.Addr().String()+"/prod")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer conn.Close()
	for _, frame := range []string{"hello", strings.Repeat("x", 32<<10+1)} {
		if err := wsutil.WriteClientText(conn, []byte(frame)); err != nil {
			fmt.Println(err)
			return
		}
		answer, err := wsutil.ReadServerText(conn)
		fmt.Printf("%q %v\n", answer, err)
	}
	// Output:
	// "HELLO" <nil>
	// "" ws closed: 1009 Frame too large
}

// What has to follow a $connect can be sent once that has returned, and not before, as on AWS.
func ExampleServer_PostToConnection() {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		fmt.Println(err)
		return
	}
	s := emulator.New(emulator.Config{Endpoint: "http://" + l.Addr().String() + "/prod", Limits: emulator.AWS()})
	s.Route(emulator.API{Path: "/", Sets: []emulator.Handlers{greeter{server: s}}})
	go func() { _ = s.Serve(l) }() // nil, after Shutdown
	defer func() { _ = s.Shutdown(context.Background()) }()

	conn, first, _, err := ws.Dial(context.Background(), "ws://"+l.Addr().String()+"/prod")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer conn.Close()
	var from io.Reader = conn
	if first != nil {
		from = first // what came with the handshake
	}
	for range 2 {
		greeting, err := wsutil.ReadServerText(readWriter{from, conn})
		fmt.Printf("%s %v\n", greeting, err)
	}
	// Output:
	// during $connect: true
	// hello <nil>
	// and goodbye <nil>
}

// greeter greets each connection.
type greeter struct {
	shouter
	server *emulator.Server
}

func (g greeter) WebSocket(
	ctx context.Context, e events.APIGatewayWebsocketProxyRequest,
) (events.APIGatewayProxyResponse, error) {
	if id := e.RequestContext.ConnectionID; e.RequestContext.RouteKey == "$connect" {
		err := g.server.PostToConnection(id, "too early")
		fmt.Println("during $connect:", errors.Is(err, emulator.ErrGone))
		emulator.AfterConnect(ctx, func(context.Context) { _ = g.server.PostToConnection(id, "hello", "and goodbye") })
	}
	return events.APIGatewayProxyResponse{StatusCode: 200}, nil
}

type readWriter struct {
	io.Reader
	io.Writer
}
