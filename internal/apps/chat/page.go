package chat

import (
	"embed"
	"encoding/json"
	"io"
	"io/fs"
	"net/http"
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

// Page serves the chat page. Its Socket.IO client is what the server serves; where there is none, the page says what to
// run.
func Page() http.Handler {
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
