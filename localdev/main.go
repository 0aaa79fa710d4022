// Command localdev runs Nonstick on a laptop, with an application to try: see localdev --help. A program with an
// application of one's own does the same by nonstick.Main.
package main

import (
	"github.com/nonstick-io/nonstick/internal/apps/local"
	"github.com/nonstick-io/nonstick/localdev/laptop"
)

func main() { laptop.Main(local.Program()) }
