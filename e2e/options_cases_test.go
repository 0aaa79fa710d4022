package e2e

import (
	"context"
	"net/http"
	"regexp"
	"strings"
	"time"

	"github.com/nonstick-io/nonstick"
	"github.com/nonstick-io/nonstick/internal/bundle"
)

const (
	fromA     = "Origin: https://a.example"
	fromB     = "Origin: https://b.example.org"
	fromEvil  = "Origin: https://evil.example.net"
	asksForX  = "Access-Control-Request-Headers: x-mine, x-other"
	takesGzip = "Accept-Encoding: gzip, deflate, br"
)

var corsCases = []optionCase{
	{
		"no cors", `{}`, func(*nonstick.Server) {},
		[]ask{get(byPolling, fromA), options(byPolling, fromA), webSocket(byWebSocket, fromA)},
		map[int]string{0: "200", 1: `"Bad handshake method"`, 2: "101"},
	},
	{
		"cors of any origin", `{"cors": {}}`, func(io *nonstick.Server) { io.CORS(nonstick.CORS{}) },
		[]ask{
			get(byPolling, fromEvil), get(byPolling), options(byPolling, fromEvil, asksForX),
			get("/socket.io/?EIO=4", fromEvil), webSocket(byWebSocket, fromEvil), get("/elsewhere", fromEvil),
			options("/socket.io/socket.io.js", fromEvil),
		},
		map[int]string{0: "Access-Control-Allow-Origin: *", 2: "204", 4: "Access-Control-Allow-Origin: *"},
	},
	{
		"cors by a list", `{"cors": {"origin": ["https://a.example", "https://b.example.org"], "credentials": true,
			"methods": ["GET", "POST"], "allowedHeaders": ["x-mine", "Authorization"],
			"exposedHeaders": ["x-seen", "x-too"], "maxAge": 600, "optionsSuccessStatus": 200}}`,
		func(io *nonstick.Server) {
			io.CORS(nonstick.CORS{
				Origins: []string{"https://a.example", "https://b.example.org"}, Credentials: true,
				Methods: []string{"GET", "POST"}, AllowedHeaders: []string{"x-mine", "Authorization"},
				ExposedHeaders: []string{"x-seen", "x-too"}, MaxAge: 10 * time.Minute, OptionsSuccessStatus: 200,
			})
		},
		[]ask{
			get(byPolling, fromA), get(byPolling, fromEvil), get(byPolling), options(byPolling, fromB, asksForX),
			options(byPolling, fromEvil, asksForX), webSocket(byWebSocket, fromB),
			get("/socket.io/socket.io.min.js", fromA), get("/socket.io/?EIO=4", fromA),
		},
		map[int]string{
			0: "Access-Control-Allow-Origin: https://a.example\nAccess-Control-Expose-Headers: x-seen,x-too\n",
			3: "Access-Control-Max-Age: 600\n",
		},
	},
	{
		"cors without headers to keep", `{"cors": {"origin": ["https://a.example"], "maxAge": 0}}`,
		func(io *nonstick.Server) { io.CORS(nonstick.CORS{Origins: []string{"https://a.example"}, MaxAge: -1}) },
		[]ask{options(byPolling, fromA), options(byPolling, fromA, asksForX)},
		map[int]string{0: "Access-Control-Max-Age: 0\n"},
	},
	{
		"cors by patterns",
		`{"cors": {"origin": ["https://a.example", {"pattern": "^https://[a-z]+\\.example\\.org$"}]}}`,
		func(io *nonstick.Server) {
			io.CORS(nonstick.CORS{
				Origins:  []string{"https://a.example"},
				Patterns: []*regexp.Regexp{regexp.MustCompile(`^https://[a-z]+\.example\.org$`)},
			})
		},
		[]ask{
			get(byPolling, fromA), get(byPolling, fromB), get(byPolling, fromEvil), get(byPolling),
			options(byPolling, fromB, asksForX), options(byPolling, fromEvil), webSocket(byWebSocket, fromB),
		},
		map[int]string{1: "Access-Control-Allow-Origin: https://b.example.org\n", 4: "204"},
	},
	{
		"cors by a function",
		`{"cors": {"origin": {"origins": {"https://a.example": true, "https://b.example.org": "fail", "": true}},
			"credentials": true}}`,
		func(io *nonstick.Server) {
			io.CORS(nonstick.CORS{
				Credentials: true,
				OriginFunc: func(_ context.Context, origin string) (bool, error) {
					if origin == "https://b.example.org" {
						return false, errNoAnswer
					}
					return origin == "https://a.example" || origin == "", nil
				},
			})
		},
		[]ask{
			get(byPolling, fromA), get(byPolling, fromB), get(byPolling, fromEvil), get(byPolling),
			options(byPolling, fromA, asksForX), options(byPolling, fromB), options(byPolling, fromEvil),
			webSocket(byWebSocket, fromA), webSocket(byWebSocket, fromB), webSocket(byWebSocket),
			get("/socket.io/socket.io.js", fromB), get("/socket.io/socket.io.js", fromEvil),
		},
		map[int]string{
			0: "Access-Control-Allow-Origin: https://a.example\n", 1: `{"code":3,"message":"Bad request"}`,
			6: "Bad handshake method", 8: "400",
		},
	},
}

var transportCases = []optionCase{
	{
		"polling alone", `{"transports": ["polling"], "cors": {"origin": ["https://a.example"]}}`,
		func(io *nonstick.Server) {
			io.Transports(nonstick.Polling)
			io.CORS(nonstick.CORS{Origins: []string{"https://a.example"}})
		},
		[]ask{
			get(byPolling), get(byWebSocket), webSocket(byWebSocket, fromA), webSocket(byWebSocket + "&sid=x"),
			get(byWebSocket + "&sid=x"), get(byPolling + "&sid=x"),
		},
		map[int]string{0: `"upgrades":[]`, 1: `"Transport unknown"`, 2: `{"code":0,"message":"Transport unknown"}`},
	},
	{
		"WebSocket alone", `{"transports": ["websocket"]}`,
		func(io *nonstick.Server) { io.Transports(nonstick.WebSocket) },
		[]ask{
			get(byPolling), get(byWebSocket), webSocket(byWebSocket), webSocket(byPolling), get(byPolling + "&sid=x"),
			{line: "POST " + byPolling, body: "40"},
		},
		map[int]string{0: `"Transport unknown"`, 1: `"Bad request"`, 2: "101", 3: "400"},
	},
	{
		"both transports", `{"transports": ["websocket", "polling"]}`,
		func(io *nonstick.Server) { io.Transports(nonstick.WebSocket, nonstick.Polling) },
		[]ask{get(byPolling), webSocket(byWebSocket)},
		map[int]string{0: `"upgrades":["websocket"]`, 1: "101"},
	},
	{
		"no upgrades", `{"allowUpgrades": false}`, func(io *nonstick.Server) { io.AllowUpgrades(false) },
		[]ask{get(byPolling), webSocket(byWebSocket)},
		map[int]string{0: `"upgrades":[]`, 1: "101"},
	},
	{
		"the path with its slash", `{}`, func(*nonstick.Server) {},
		[]ask{get(byPolling), get(bare(byPolling)), get("/socket.ioo?EIO=4&transport=polling")},
		map[int]string{0: "200", 1: "404"},
	},
	{
		"the path without its slash", `{"addTrailingSlash": false}`,
		func(io *nonstick.Server) { io.AddTrailingSlash(false) },
		[]ask{
			get(byPolling), get(bare(byPolling)), webSocket(byWebSocket), webSocket(bare(byWebSocket)),
			get("/socket.io"), get("/socket.io/socket.io.js"), get("/other"),
		},
		map[int]string{0: "200", 1: "200", 3: "101"},
	},
}

// bare is a path without the slash before its query.
func bare(path string) string { return strings.Replace(path, "/?", "?", 1) }

var answerCases = []optionCase{
	{
		"a cookie", `{"cookie": true}`, func(io *nonstick.Server) { io.Cookie(nonstick.Cookie{}) },
		[]ask{get(byPolling), webSocket(byWebSocket), get(byWebSocket)},
		map[int]string{0: "Set-Cookie: io=SID; Path=/; HttpOnly; SameSite=Lax\n"},
	},
	{
		"a cookie with all attributes",
		`{"cookie": {"name": "affinity", "path": "/chat", "domain": "example.com", "maxAge": 3600, "httpOnly": false,
			"secure": true, "partitioned": true, "priority": "high", "sameSite": "none"}}`,
		func(io *nonstick.Server) {
			io.Cookie(nonstick.Cookie{
				Name: "affinity", Path: "/chat", Domain: "example.com", MaxAge: time.Hour, ForScripts: true,
				Secure: true, Partitioned: true, Priority: "high", SameSite: http.SameSiteNoneMode,
			})
		},
		[]ask{get(byPolling)},
		map[int]string{0: "affinity=SID; Max-Age=3600; Domain=example.com; Path=/chat; Secure"},
	},
	{
		"compression as by default", `{}`, func(*nonstick.Server) {},
		[]ask{get(byPolling, takesGzip)},
		nil,
	},
	{
		"compression from a threshold on", `{"httpCompression": {"threshold": 100}}`,
		func(io *nonstick.Server) { io.HTTPCompression(nonstick.HTTPCompression{Threshold: 100}) },
		[]ask{
			get(byPolling, takesGzip), get(byPolling, "Accept-Encoding: deflate"), get(byPolling),
			get(byPolling, "Accept-Encoding: identity"),
		},
		map[int]string{0: "Content-Encoding: gzip", 1: "Content-Encoding: deflate"},
	},
	{
		"compression above what is sent", `{"httpCompression": {"threshold": 200}}`,
		func(io *nonstick.Server) { io.HTTPCompression(nonstick.HTTPCompression{Threshold: 200}) },
		[]ask{get(byPolling, takesGzip)},
		nil,
	},
	{
		"no compression", `{"httpCompression": false}`,
		func(io *nonstick.Server) { io.HTTPCompression(nonstick.HTTPCompression{Off: true, Threshold: 1}) },
		[]ask{get(byPolling, takesGzip)},
		nil,
	},
	{
		"a greatest body", `{"maxHttpBufferSize": 2000}`, func(io *nonstick.Server) { io.MaxHTTPBufferSize(2000) },
		[]ask{get(byPolling)},
		map[int]string{0: `"maxPayload":2000}`},
	},
}

// clientCases are about the files of the client.
func clientCases() []optionCase {
	served := optionCase{name: "the client", options: `{}`, ours: func(*nonstick.Server) {}, want: map[int]string{
		0: "Etag: \"4.", 3: "304",
	}}
	const path = "/socket.io/socket.io.js"
	version := `"` + bundle.Version(clientFiles) + `"`
	served.asks = []ask{
		get(path), get(path, "Accept-Encoding: gzip, deflate"), get(path, "Accept-Encoding: deflate"),
		get(path, "If-None-Match: "+version), get(path, "If-None-Match: W/"+version),
		get(path, `If-None-Match: "4.0.0"`), get(path + "?x=1"),
		{line: "HEAD " + path},
		{line: "POST " + path, body: "x"},
		options(path),
		get(path + "/"), get("/socket.io/socket.io.other.js"), get("/socket.io/../package.json"),
		get("/socket.io/socket.io.js.gz"), get(path, fromA),
	}
	for _, name := range bundle.Names() {
		served.asks = append(served.asks, get("/socket.io/"+name))
	}
	off := optionCase{
		"no client", `{"serveClient": false}`, func(io *nonstick.Server) { io.ServeClient(false) },
		[]ask{get(path), get("/socket.io/socket.io.min.js.map")},
		map[int]string{0: `"Transport unknown"`},
	}
	return []optionCase{served, off}
}
