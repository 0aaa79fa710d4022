//go:build nonstick_apps

package serve

import (
	"os"

	"github.com/nonstick-io/nonstick/internal/apps/bench"
	"github.com/nonstick-io/nonstick/internal/apps/cases"
	"github.com/nonstick-io/nonstick/internal/apps/faults"
	"github.com/nonstick-io/nonstick/internal/apps/protocol"
)

// testApps are for tests and measurements: what the official suites ask for, on Socket.IO and, as echo, on Engine.IO
// alone, an application to load, one with a handler for each thing that users ask about, and one that goes wrong when
// told to.
func testApps() map[string]App {
	return map[string]App{
		"bench":    {Register: bench.Register},
		"cases":    {Register: cases.App{}.Register},
		"protocol": {Register: protocol.Register},
		"echo":     {Messages: protocol.Echo{}},
		"faults":   {Register: faults.App{Journal: os.Getenv("NONSTICK_FAULTS_JOURNAL")}.Register},
	}
}
