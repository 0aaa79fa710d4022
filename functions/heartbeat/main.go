// Command heartbeat is the function that pings sessions, times them out and cleans up after them, while there are any.
package main

import (
	"github.com/nonstick-io/nonstick/functions/internal/boot"
	"github.com/nonstick-io/nonstick/functions/internal/serve"
)

func main() { boot.Run(serve.Heartbeat) }
