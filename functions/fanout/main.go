// Command fanout is the function behind the queue of broadcasts to large rooms.
package main

import (
	"github.com/nonstick-io/nonstick/functions/internal/boot"
	"github.com/nonstick-io/nonstick/functions/internal/emitting"
)

func main() { boot.Run(emitting.Fanout) }
