// Command emit is the function that emits events for the caller that invokes it, from any language; see docs/emit.md.
package main

import (
	"github.com/nonstick-io/nonstick/functions/internal/boot"
	"github.com/nonstick-io/nonstick/functions/internal/emitting"
)

func main() { boot.Run(emitting.Emit) }
