//go:build nonstick_apps

package main

import (
	"os"

	"github.com/nonstick-io/nonstick"
	"github.com/nonstick-io/nonstick/gateway"
	"github.com/nonstick-io/nonstick/internal/apps/bench"
	"github.com/nonstick-io/nonstick/internal/apps/cases"
	"github.com/nonstick-io/nonstick/internal/apps/faults"
	"github.com/nonstick-io/nonstick/internal/apps/protocol"
	"github.com/nonstick-io/nonstick/internal/apps/suites"
)

// testApps are for tests and measurements: what the official suites ask for, on Socket.IO and, as echo, on Engine.IO
// alone, what those of the clients ask for, on both, an application to load, one with a handler for each thing that
// users ask about, and one that goes wrong when told to.
func testApps() []gateway.App {
	return []gateway.App{
		nonstick.App("bench", bench.Register),
		nonstick.App("cases", cases.App{}.Register),
		nonstick.App("protocol", protocol.Register),
		protocol.EngineIO(),
		nonstick.App("suites", suites.Register),
		suites.EngineIO(),
		nonstick.App("faults", faults.App{Journal: os.Getenv("NONSTICK_FAULTS_JOURNAL")}.Register),
	}
}
