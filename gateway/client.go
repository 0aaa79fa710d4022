package gateway

// ClientPath is where the pages of an application find [ClientOptions], in JSON. Programs answer it for every
// application that has pages.
const ClientPath = "/nonstick.json"

// ClientOptions are options of the Socket.IO client that the server knows best: a page fetches them and hands them to
// io(). None are needed where the page's own host serves both transports, at the default path.
type ClientOptions struct {
	// Path is that of the Socket.IO API, with a slash at both ends; empty stands for "/socket.io/".
	Path string `json:"path,omitempty"`
	// ForceBase64 keeps the client from sending binary frames.
	ForceBase64      bool `json:"forceBase64,omitempty"`
	TransportOptions struct {
		WebSocket WebSocketHost `json:"websocket"`
	} `json:"transportOptions,omitzero"`
}

// WebSocketHost says where the WebSocket API is, if it is not where the page is.
type WebSocketHost struct {
	Hostname string `json:"hostname"`
	Port     string `json:"port,omitempty"` // empty: that of the page's scheme
	Path     string `json:"path"`
}
