package laptop

import (
	"cmp"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/nonstick-io/nonstick/gateway"
	"github.com/nonstick-io/nonstick/internal/bundle"
)

// Program is a program that serves applications on a laptop.
type Program struct {
	// Name is what the program calls itself; default the name of its file.
	Name string
	// Apps are what --app chooses among; the first is the default. There is at least one. A program with one that has
	// no name has no such option.
	Apps []App
}

// App is an application, and what a laptop wants to know of it.
type App struct {
	gateway.App
	// Usage says in the help text what the application is for, in a few words; may be empty.
	Usage string
	// AnyOrigin has pages of every origin use polling, unless --cors-origin says otherwise.
	AnyOrigin bool
	// EngineIO, if it has a New, is served at /engine.io/ as well, on a store of its own: bare Engine.IO. With
	// --template it is the application of that name, in functions of their own.
	EngineIO gateway.App
	// ClientDir, unless empty, is a folder with the Socket.IO client for browsers (socket.io.min.js), which the pages
	// need, where neither --client names one nor npm has put it. NoClient is what the log says if it is nowhere.
	ClientDir, NoClient string
}

// named is the program with a name. A program without an application is a mistake in its main.
func (p Program) named() Program {
	if len(p.Apps) == 0 {
		panic("laptop: a program without an application")
	}
	p.Name = cmp.Or(p.Name, strings.TrimSuffix(filepath.Base(os.Args[0]), ".exe"))
	return p
}

// chooses reports whether there is something to choose with --app.
func (p Program) chooses() bool { return len(p.Apps) > 1 || p.Apps[0].Name != "" }

// names are those of the applications.
func (p Program) names() []string {
	all := make([]string, len(p.Apps))
	for i := range p.Apps {
		all[i] = p.Apps[i].Name
	}
	return all
}

// usage lists the applications as a sentence does.
func (p Program) usage() string {
	all := p.names()
	for i := range p.Apps {
		if u := p.Apps[i].Usage; u != "" {
			all[i] += " (" + u + ")"
		}
	}
	last := len(all) - 1
	if last == 0 {
		return all[0]
	}
	return strings.Join(all[:last], ", ") + " or " + all[last]
}

// origins says which pages may use polling by default.
func (p Program) origins() string {
	if !p.chooses() {
		return defaultOrigins(p.Apps[0])
	}
	said := "off"
	for i := range p.Apps {
		if p.Apps[i].AnyOrigin {
			said += ", * with --app " + p.Apps[i].Name
		}
	}
	return said
}

// defaultOrigins is --cors-origin where it is not said.
func defaultOrigins(a App) string {
	if a.AnyOrigin {
		return "*"
	}
	return "off"
}

// app finds an application by name.
func (p Program) app(name string) (App, bool) {
	i := slices.IndexFunc(p.Apps, func(a App) bool { return a.Name == name })
	if i < 0 {
		return App{}, false
	}
	return p.Apps[i], true
}

// served is the application that --app names. With --template that may be one that only the functions know; it is then
// one of which nothing is known here.
func (c *config) served() App {
	app, _ := c.program.app(c.app)
	return app
}

// clientFolder is the folder with the Socket.IO client for browsers; empty if there is none yet.
func (c *config) clientFolder() string {
	if c.client != "" {
		return c.client
	}
	if dir := cmp.Or(bundle.Beside(), bundle.Above(".")); dir != "" {
		return dir
	}
	for _, app := range c.program.Apps {
		if bundle.In(app.ClientDir) {
			return app.ClientDir
		}
	}
	return ""
}

// lacksClient reports whether the client for browsers that an application's pages need is missing.
func (c *config) lacksClient(a App) bool { return a.ClientDir != "" && c.clientFolder() == "" }
