// Command close is the function that finishes the ends of sessions: their disconnect handlers, their rooms, their rows.
package main

import (
	"github.com/nonstick-io/nonstick/functions/internal/boot"
	"github.com/nonstick-io/nonstick/functions/internal/serve"
)

func main() { boot.Run(serve.Close) }
