package chat

import (
	"embed"
	"encoding/json"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
)

//go:embed page
var assets embed.FS

// ClientDir is where `make run` puts the Socket.IO client for browsers, from the root of the repository.
const ClientDir = "internal/apps/chat/client/node_modules/socket.io-client/dist"

// limitsPath is the module of the page that tells it what the server takes. It is written here, from what the
// handlers hold to.
const limitsPath = "/limits.js"

// policy lets the page load nothing but its own parts and talk to no other host.
const policy = "default-src 'self'; connect-src 'self' ws: wss:; img-src 'self' data:; frame-ancestors 'none'"

// HasClient reports whether a directory has the Socket.IO client for browsers.
func HasClient(clientDir string) bool {
	_, err := os.Stat(filepath.Join(clientDir, clientFile))
	return err == nil
}

// clientFile is what the page loads.
const clientFile = "socket.io.min.js"

// clientFolder is where the Socket.IO client for browsers lies: beside the program, where the builds of functions put
// it, or in the repository.
func clientFolder() string {
	if program, err := os.Executable(); err == nil {
		if beside := filepath.Join(filepath.Dir(program), "client"); HasClient(beside) {
			return beside
		}
	}
	return ClientDir
}

// Page serves the chat page, and the Socket.IO client for browsers from a directory. Where that has no client the page
// says what to run.
func Page(clientDir string) http.Handler {
	page, err := fs.Sub(assets, "page")
	if err != nil {
		panic(err) // the directory is embedded above
	}
	told, err := json.Marshal(most)
	if err != nil {
		panic(err) // numbers can be encoded
	}
	files := http.FileServerFS(page)
	mux := http.NewServeMux()
	mux.HandleFunc("GET /client/{file}", func(w http.ResponseWriter, r *http.Request) {
		name := filepath.Join(clientDir, filepath.Base(r.PathValue("file")))
		if _, err := os.Stat(name); err != nil {
			http.Error(w, "The Socket.IO client has not been fetched: run `make run`.", http.StatusNotFound)
			return
		}
		http.ServeFile(w, r, name)
	})
	mux.HandleFunc("GET "+limitsPath, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/javascript; charset=utf-8")
		w.Header().Set("X-Content-Type-Options", "nosniff")
		w.Header().Set("Cache-Control", "no-cache")
		_, _ = io.WriteString(w, "export const limits = "+string(told)+";\n")
	})
	mux.HandleFunc("GET /", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Security-Policy", policy)
		w.Header().Set("X-Content-Type-Options", "nosniff")
		w.Header().Set("Cache-Control", "no-cache")
		files.ServeHTTP(w, r)
	})
	return mux
}
