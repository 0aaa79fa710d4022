// Command inbound is the function behind the queue of frames, where those of one connection are to be handled in order.
package main

import (
	"github.com/nonstick-io/nonstick/functions/internal/boot"
	"github.com/nonstick-io/nonstick/functions/internal/serve"
)

func main() { boot.Run(serve.Inbound) }
