package serve

import (
	"maps"
	"net/http"
	"slices"

	"github.com/nonstick-io/nonstick"
	"github.com/nonstick-io/nonstick/gateway/engine"
	"github.com/nonstick-io/nonstick/internal/apps/chat"
)

// App is an application that the functions can serve.
type App struct {
	// Register sets the handlers of Socket.IO events.
	Register func(*nonstick.Server)
	// Page, unless nil, is what a browser is shown. It is told where the Socket.IO client for browsers lies.
	Page func(clientDir string) http.Handler
	// Messages, if Register is nil, takes the messages of bare Engine.IO.
	Messages engine.Handler
}

// apps are the applications by the names that NONSTICK_APP may have. This is the place to put your own in: a line with
// its name, and its function that registers handlers; the name belongs into the template's parameter App too.
func apps() map[string]App {
	all := map[string]App{
		"chat": {Register: chat.Register, Page: chat.Page},
	}
	maps.Copy(all, testApps())
	return all
}

// Apps returns the names of the applications that the functions carry, in order. The template's parameter App names
// the same.
func Apps() []string { return names(apps()) }

func names(all map[string]App) []string { return slices.Sorted(maps.Keys(all)) }
