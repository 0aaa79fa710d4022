// Command websocket is the function behind the WebSocket API, and behind the queue of what has to wait until a
// connection is open.
package main

import (
	"github.com/nonstick-io/nonstick/functions/internal/boot"
	"github.com/nonstick-io/nonstick/functions/internal/serve"
)

func main() { boot.Run(serve.WebSocket) }
