// Package nonstick is Socket.IO for programs that have no server: the same program runs on a laptop and, behind API
// Gateway, as AWS Lambda functions. Sessions, buffers, rooms and acknowledgements live in a store, so any instance
// may serve any request.
//
//	func main() { nonstick.Main(register) }
//
//	func register(io *nonstick.Server) {
//		io.OnConnect(func(ctx context.Context, s *nonstick.Socket) error {
//			return s.Join(ctx, "lobby")
//		})
//		nonstick.OnAck(io, "say", func(ctx context.Context, s *nonstick.Socket, text string) (int, error) {
//			return len(text), io.To("lobby").Emit(ctx, "said", text)
//		})
//	}
//
// # Handlers
//
// Handlers are registered at start, on the [Server], which is the main namespace, or on a [Namespace] of [Server.Of];
// never inside a connection: the next event of a socket may arrive at an instance that never saw it connect. [On]
// takes an event, [OnAck] acknowledges it with what it returns. What a handler wants to keep for its socket goes into
// the socket's data ([Socket.SetData]), which lives in the store. Behind them is a [Handler], which programs may
// implement or wrap.
//
// # Options
//
// What Socket.IO's server takes as options of HTTP are methods too: [Server.CORS], [Server.Transports],
// [Server.AllowUpgrades], [Server.AddTrailingSlash], [Server.Cookie], [Server.HTTPCompression] and
// [Server.MaxHTTPBufferSize]. Times and limits are flags on a laptop, and parameters of the template. The client for
// browsers is served at /socket.io/socket.io.js ([Server.ServeClient]).
//
// # Emitting
//
// A [Selection] is a choice of sockets: io.To("lobby").Except("muted"). It emits, joins, leaves, disconnects and
// fetches; so do a [Namespace] (all its sockets), [Socket.To] and [Socket.Except] (without the socket itself), and,
// in programs that serve none, package adapter/emitter. A [RemoteSocket] is any single socket.
//
// What a handler emits to its own client, by its [Socket], leaves in order when it has returned, or just before
// something else that this instance sends to that client. All else leaves at once. Which context is passed never
// matters for that.
package nonstick
