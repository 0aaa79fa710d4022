// Package gateway is a Socket.IO server whose sessions live in a store, so that any instance may serve any
// request: namespaces, sockets, events with typed handlers, acknowledgements, rooms and broadcasts. It knows
// no HTTP and no AWS: package apigw brings it the requests of API Gateway, package engine runs the Engine.IO
// sessions below it.
//
// Handlers are registered on a [Namespace] at start, never inside a connection: the next event of a socket
// may arrive at an instance that never saw it connect. What a handler wants to keep for its socket goes into
// the socket's data ([SetData]), which lives in the store.
//
//	srv := nonstick.New(nonstick.Config{Store: store, Pusher: pusher})
//	chat := srv.Of("/")
//	nonstick.On(chat, "message", func(ctx context.Context, s *nonstick.Socket, text string) (nonstick.None, error) {
//		return nonstick.None{}, nonstick.Emit(ctx, chat.To("lobby"), "message", text)
//	})
package nonstick
