package main

import (
	"sync/atomic"
	"time"

	engine "github.com/zishang520/socket.io/clients/engine/v3"
	"github.com/zishang520/socket.io/parsers/engine/v3/packet"
)

// late makes transports that open, ask and pause when the client listens for what comes of it. The library (3.0.0)
// leaves that to chance: its transports read in goroutines of their own. On a busy machine one connection in fifty
// hung, whatever the server:
//
//   - Manager.Open (manager.go:285-291) listens to "open" after the transport has been dialed. If the handshake is read
//     before, the client never hears that it is connected, and sends no CONNECT.
//   - websocket.addEventListeners (websocket.go:193-195) begins to read before it says that it can be written to. A
//     CONNECT that comes in between stays in the buffer, which only the end of a write would flush.
//   - Socket.Connect (socket.go:250-256) sends CONNECT if the connection is open when Manager.Open is back, though the
//     event "open" has sent one if it came in between. A server has to close a session that connects twice.
//   - The probe of an upgrade (socket-with-upgrade.go:117-124) listens to the answer after it has asked.
//   - polling.Pause (polling.go:87-103) looks whether a request is under way and then listens to its end, which may have
//     come in between: nothing more is sent by either transport.
//   - The transports are a set, of which the client begins with any. It is told to begin with polling here, if it may.
//
// What is on the wire is the library's own.
type late struct {
	engine.TransportCtor
	// first is the transport of a client without a session; nil means this one.
	first engine.TransportCtor
	// connected is closed when Connect is back.
	connected <-chan struct{}
}

// New is of engine.TransportCtor.
func (l *late) New(socket engine.Socket, opts engine.SocketOptionsInterface) engine.Transport {
	ctor := l.TransportCtor
	if l.first != nil && socket.Id() == "" {
		ctor = l.first
		opts.Query().Set("transport", ctor.Name())
	}
	t := &lateTransport{Transport: ctor.New(socket, opts), connected: l.connected}
	t.Prototype(t)
	// None refuses a listener.
	_ = t.On("open", func(...any) { socket.Flush() })
	_ = t.On("poll", func(...any) { t.polling.Store(true) })
	_ = t.On("pollComplete", func(...any) { t.polling.Store(false) })
	return t
}

// lateTransport is a transport of the library, but for methods that it calls by its prototype.
type lateTransport struct {
	engine.Transport
	connected <-chan struct{}
	polling   atomic.Bool // a GET is under way
}

// DoOpen opens once Connect is back and the manager listens: "error" is what it listens to last. A transport that
// probes opens at once, for its socket has these listeners.
func (t *lateTransport) DoOpen() {
	go func() {
		<-t.connected
		for t.Socket().ListenerCount("error") == 0 {
			time.Sleep(time.Millisecond)
		}
		if t.ReadyState() == engine.TransportStateOpening {
			t.Transport.DoOpen()
		}
	}()
}

// Write sends the question of a probe once the socket listens to the answer.
func (t *lateTransport) Write(packets []*packet.Packet) {
	if len(packets) != 1 || packets[0].Type != packet.PING {
		t.Transport.Write(packets)
		return
	}
	go func() {
		for t.ListenerCount("packet") == 0 {
			if t.ReadyState() != engine.TransportStateOpen {
				return
			}
			time.Sleep(time.Millisecond)
		}
		t.Transport.Write(packets)
	}()
}

// Pause tells again of what has ended before it was listened to. A listener runs once, however often it is told.
func (t *lateTransport) Pause(onPause func()) {
	var paused atomic.Bool
	t.Transport.Pause(func() {
		paused.Store(true)
		onPause()
	})
	go func() {
		for !paused.Load() && t.Socket().ReadyState() != engine.SocketStateClosed {
			if !t.polling.Load() {
				t.Emit("pollComplete")
			}
			if t.Writable() {
				t.Emit("drain")
			}
			time.Sleep(time.Millisecond)
		}
	}()
}
