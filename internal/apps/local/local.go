// Package local is the program localdev: the applications of this repository on a laptop.
package local

import (
	"github.com/nonstick-io/nonstick"
	"github.com/nonstick-io/nonstick/gateway"
	"github.com/nonstick-io/nonstick/internal/apps/bench"
	"github.com/nonstick-io/nonstick/internal/apps/cases"
	"github.com/nonstick-io/nonstick/internal/apps/chat"
	"github.com/nonstick-io/nonstick/internal/apps/protocol"
	"github.com/nonstick-io/nonstick/internal/apps/suites"
	"github.com/nonstick-io/nonstick/localdev/laptop"
)

// NoClient is said where the chat's page would be of no use.
const NoClient = "the chat page lacks its Socket.IO client for browsers: scripts/chat-client fetches it, " +
	"as make run does"

// Program returns localdev.
func Program() laptop.Program {
	return laptop.Program{Name: "localdev", Apps: []laptop.App{
		{App: nonstick.App("chat", chat.Register), ClientDir: chat.ClientDir, NoClient: NoClient},
		{
			App: nonstick.App("protocol", protocol.Register), Usage: "what the official test suites ask for",
			AnyOrigin: true, EngineIO: protocol.EngineIO(),
		},
		{App: nonstick.App("bench", bench.Register), Usage: "to measure"},
		{App: gateway.App{Name: "cases", New: newCases}, Usage: "a handler for each thing that users ask about"},
		{
			App: nonstick.App("suites", suites.Register), Usage: "what the suites of the official clients ask for",
			EngineIO: suites.EngineIO(),
		},
		{
			App:   nonstick.App("suites-middleware", suites.RegisterChecked),
			Usage: "the same, with recovery, for which middleware is asked again",
		},
	}}
}

// newCases makes an instance that writes to the log of the program.
func newCases(c gateway.Config) gateway.Instance {
	return nonstick.App("cases", cases.App{Logger: c.Logger}.Register).New(c)
}
