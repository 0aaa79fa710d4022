// Command polling is the function behind the HTTP API: Socket.IO's polling transport, and the page of the application.
package main

import (
	"github.com/nonstick-io/nonstick/functions/internal/boot"
	"github.com/nonstick-io/nonstick/functions/internal/serve"
)

func main() { boot.Run(serve.Polling) }
