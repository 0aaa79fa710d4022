package emulator

import (
	"encoding/binary"
	"sync"

	"github.com/gobwas/ws"
)

// phase is where a connection is in its life, as pushes see it.
type phase uint8

const (
	open    phase = iota
	closing       // a close frame is queued: nothing may follow it
	closed
)

// frames is a buffer of encoded WebSocket frames.
type frames struct{ b []byte }

// keptFrames is the greatest buffer that goes back to the pool.
const keptFrames = 64 << 10

// outbox is what waits to be written to one connection. A caller that adds to an outbox without a writer becomes, or
// starts, its writer; so a quiet connection costs neither a goroutine nor a buffer.
type outbox struct {
	mu      sync.Mutex
	phase   phase
	waiting *frames
	writing int  // bytes that the writer is sending now
	busy    bool // there is a writer, or the caller that added a frame is about to start one
	quiet   sync.Cond
}

// add appends a frame. It reports whether the caller must see to the writing.
func (o *outbox) add(op ws.OpCode, payload string, limit int, pool *sync.Pool) (start bool, err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if err := o.room(len(payload), limit); err != nil {
		return false, err
	}
	return o.append(op, payload, pool), nil
}

// message is a frame of the wire that has yet to be encoded.
type message struct {
	op      ws.OpCode
	payload string
}

// addAll is add for several frames, with nothing between them.
func (o *outbox) addAll(group []message, limit int, pool *sync.Pool) (start bool, err error) {
	size := 0
	for _, m := range group {
		size += len(m.payload)
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if err := o.room(size, limit); err != nil {
		return false, err
	}
	for _, m := range group {
		start = o.append(m.op, m.payload, pool) || start
	}
	return start, nil
}

// room reports whether the outbox takes so many bytes.
func (o *outbox) room(size, limit int) error {
	if o.phase != open {
		return ErrGone
	}
	queued := o.writing
	if o.waiting != nil {
		queued += len(o.waiting.b)
	}
	if queued > 0 && queued+size > limit {
		return ErrLimitExceeded
	}
	return nil
}

// last appends a close frame, after which nothing is taken, if there was none before.
func (o *outbox) last(payload string, pool *sync.Pool) (start, first bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.phase != open {
		return false, false
	}
	o.phase = closing
	return o.append(ws.OpClose, payload, pool), true
}

func (o *outbox) append(op ws.OpCode, payload string, pool *sync.Pool) (start bool) {
	if o.waiting == nil {
		o.waiting = pool.Get().(*frames)
	}
	o.waiting.b = appendFrame(o.waiting.b, op, payload)
	start, o.busy = !o.busy, true
	return start
}

// take hands what waits to the writer. Nil ends the writer.
func (o *outbox) take() *frames {
	o.mu.Lock()
	defer o.mu.Unlock()
	f := o.waiting
	o.waiting, o.writing = nil, 0
	if f == nil {
		o.busy = false
		o.quiet.Broadcast()
		return nil
	}
	o.writing = len(f.b)
	return f
}

// wait returns when nothing waits and there is no writer.
func (o *outbox) wait() {
	o.mu.Lock()
	defer o.mu.Unlock()
	for o.busy {
		o.quiet.Wait()
	}
}

// shut takes no frames from now on.
func (o *outbox) shut() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.phase = closed
}

// appendFrame encodes one unfragmented frame of a server.
func appendFrame(b []byte, op ws.OpCode, payload string) []byte {
	const final = 0x80
	b = append(b, final|byte(op))
	switch n := len(payload); {
	case n < 126:
		b = append(b, byte(n))
	case n <= 0xffff:
		b = binary.BigEndian.AppendUint16(append(b, 126), uint16(n))
	default:
		b = binary.BigEndian.AppendUint64(append(b, 127), uint64(n))
	}
	return append(b, payload...)
}
