// Command websocket-api serves one handler behind an emulated WebSocket API: it answers every frame with its length.
// It is the program of localdev/README.md, and knows nothing of Socket.IO.
package main

import (
	"context"
	"fmt"
	"net"
	"os"
	"strconv"

	"github.com/aws/aws-lambda-go/events"

	"github.com/nonstick-io/nonstick/localdev/emulator"
)

func main() {
	l, err := net.Listen("tcp", "127.0.0.1:3000")
	if err == nil {
		fmt.Println("wscat -c ws://127.0.0.1:3000/prod")
		err = newServer("http://127.0.0.1:3000/prod").Serve(l)
	}
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}

func newServer(endpoint string) *emulator.Server {
	s := emulator.New(emulator.Config{Endpoint: endpoint, Limits: emulator.AWS()})
	s.Route(emulator.API{Path: "/", Sets: []emulator.Handlers{counter{}}})
	return s
}

type counter struct{}

// WebSocket is the function of $connect, $default and $disconnect.
func (counter) WebSocket(
	_ context.Context, e events.APIGatewayWebsocketProxyRequest,
) (events.APIGatewayProxyResponse, error) {
	return events.APIGatewayProxyResponse{StatusCode: 200, Body: strconv.Itoa(len(e.Body))}, nil
}

// HTTP is the function of the HTTP API.
func (counter) HTTP(context.Context, events.APIGatewayV2HTTPRequest) (events.APIGatewayV2HTTPResponse, error) {
	return events.APIGatewayV2HTTPResponse{StatusCode: 404}, nil
}
