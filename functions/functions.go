// Package functions is the main of the programs that AWS Lambda runs for Nonstick: one program is all functions of
// template.yaml, and its environment says which of them a process is. nonstick.Main is this for an application of one's
// own; the command functions/app is what the template of this repository deploys.
//
// The page docs/deploy.md says what the functions are for and which variables they read. A configuration that cannot be
// used ends the process with a line of the log that names every variable that is wrong.
package functions

import (
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/nonstick-io/nonstick/functions/internal/boot"
	"github.com/nonstick-io/nonstick/functions/internal/emitting"
	"github.com/nonstick-io/nonstick/functions/internal/serve"
	"github.com/nonstick-io/nonstick/gateway"
	"github.com/nonstick-io/nonstick/internal/version"
)

// Variable is the environment variable that says which function a process is.
const Variable = "NONSTICK_FUNCTION"

// builds are the functions by the values of [Variable].
func builds(apps []gateway.App) map[string]boot.Build {
	of := serve.Apps(apps)
	return map[string]boot.Build{
		"polling": of.Polling, "websocket": of.WebSocket, "inbound": of.Inbound, "heartbeat": of.Heartbeat,
		"close": of.Close, "emit": emitting.Emit, "fanout": emitting.Fanout,
	}
}

// Names returns the functions, as [Variable] names them, in order.
func Names() []string { return slices.Sorted(maps.Keys(builds(nil))) }

// OnLambda reports whether the process was started by AWS Lambda, or by what emulates it.
func OnLambda() bool { return os.Getenv("AWS_LAMBDA_RUNTIME_API") != "" }

// Main runs the function that the environment names, until Lambda ends the process. Of several applications the
// environment names one too, by NONSTICK_APP; default is the first. There is at least one.
func Main(apps ...gateway.App) {
	if len(apps) == 0 {
		panic("functions: a program without an application")
	}
	boot.Run(build(apps))
}

// build makes the function that the environment names.
func build(apps []gateway.App) boot.Build {
	return func(p *boot.Parts) boot.Handler {
		all := builds(apps)
		name := p.Env.Text(Variable, "")
		function, known := all[name]
		if !known {
			p.Env.Fail(Variable, "want one of %s", strings.Join(Names(), ", "))
			return nil
		}
		p.Log.Debug("function starts", "function", name, "version", version.Version())
		return function(p)
	}
}
