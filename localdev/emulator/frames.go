package emulator

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"unicode/utf8"

	"github.com/gobwas/ws"
)

// Close codes of RFC 6455 that the server uses.
const (
	statusGoingAway   = 1001
	statusProtocol    = 1002
	statusUnsupported = 1003
	statusNone        = 1005
	statusAbnormal    = 1006
	statusInvalid     = 1007
	statusTooBig      = 1009
)

// closeError is why the server must close a connection.
type closeError struct {
	code   int
	reason string
}

// Error says with which code the connection is to be closed.
func (e *closeError) Error() string { return fmt.Sprintf("emulator: close %d: %s", e.code, e.reason) }

var (
	errBinary   = &closeError{statusUnsupported, "Binary frames are not supported"}
	errNotUTF8  = &closeError{statusInvalid, "Invalid UTF-8"}
	errFrameBig = &closeError{statusTooBig, "Frame too large"}
	errMsgBig   = &closeError{statusTooBig, "Message too large"}
)

// allocStep is how much is allocated ahead of the bytes of a large message.
const allocStep = 32 << 10

// frameReader reads messages and control frames of a client.
type frameReader struct {
	br      *bufio.Reader
	frame   int // greatest frame; 0 for no limit
	message int // greatest message; 0 for no limit
	binary  bool

	header [ws.MaxHeaderSize]byte
	skip   int       // bytes of br that the last answer lies in
	op     ws.OpCode // of the message that is being put together; 0 for none
	parts  []byte
}

// next returns a complete message or a control frame; the payload is good until the next call. An error is
// a *closeError if the client broke a rule, else the connection's.
func (r *frameReader) next() (ws.OpCode, []byte, error) {
	for {
		h, err := r.readHeader()
		if err != nil {
			return 0, nil, err
		}
		switch {
		case h.OpCode.IsControl():
			p, err := r.peek(h)
			return h.OpCode, p, err
		case h.Fin && r.op == 0:
			p, err := r.whole(h)
			return h.OpCode, p, err
		}
		if r.op == 0 {
			r.op = h.OpCode
		}
		if r.parts, err = r.read(r.parts, h); err != nil {
			return 0, nil, err
		}
		if h.Fin {
			op, p := r.op, r.parts
			r.op, r.parts = 0, nil
			return op, p, checkText(op, p)
		}
	}
}

// readHeader reads and checks the next header.
func (r *frameReader) readHeader() (ws.Header, error) {
	if r.skip > 0 {
		_, _ = r.br.Discard(r.skip) // these bytes are buffered
		r.skip = 0
	}
	h, err := ws.ReadHeaderBuffer(r.br, r.header[:])
	switch {
	case errors.Is(err, ws.ErrHeaderLengthMSB):
		return h, errFrameBig
	case err != nil:
		return h, err
	}
	state := ws.StateServerSide
	if r.op != 0 {
		state = state.Set(ws.StateFragmented)
	}
	if err := ws.CheckHeader(h, state); err != nil {
		return h, &closeError{statusProtocol, "Protocol error"}
	}
	switch {
	case h.OpCode == ws.OpBinary && !r.binary:
		return h, errBinary
	case r.frame > 0 && h.Length > int64(r.frame):
		return h, errFrameBig
	case r.message > 0 && !h.OpCode.IsControl() && h.Length+int64(len(r.parts)) > int64(r.message):
		return h, errMsgBig
	}
	return h, nil
}

// whole reads a message of one frame.
func (r *frameReader) whole(h ws.Header) ([]byte, error) {
	var p []byte
	var err error
	if h.Length <= int64(r.br.Size()) {
		p, err = r.peek(h)
	} else {
		p, err = r.read(nil, h)
	}
	if err != nil {
		return nil, err
	}
	return p, checkText(h.OpCode, p)
}

// peek unmasks a small payload where it lies.
func (r *frameReader) peek(h ws.Header) ([]byte, error) {
	p, err := r.br.Peek(int(h.Length))
	if err != nil {
		return nil, err
	}
	r.skip = len(p)
	ws.Cipher(p, h.Mask, 0)
	return p, nil
}

// read appends a payload to dst, allocating no more than a step ahead of what has come.
func (r *frameReader) read(dst []byte, h ws.Header) ([]byte, error) {
	begin := len(dst)
	for left := int(h.Length); left > 0; {
		n := min(left, allocStep)
		at := len(dst)
		dst = append(dst, make([]byte, n)...)
		if _, err := io.ReadFull(r.br, dst[at:]); err != nil {
			return nil, err
		}
		left -= n
	}
	ws.Cipher(dst[begin:], h.Mask, 0)
	return dst, nil
}

// more reports whether the next frame lies in the buffer whole, so that reading it will not wait.
func (r *frameReader) more() bool {
	n := r.br.Buffered() - r.skip
	if n < 6 {
		return false
	}
	p, err := r.br.Peek(r.skip + 2)
	if err != nil {
		return false
	}
	length := int(p[r.skip+1] & 0x7f)
	return length < 126 && n >= 6+length
}

func checkText(op ws.OpCode, p []byte) error {
	if op == ws.OpText && !utf8.Valid(p) {
		return errNotUTF8
	}
	return nil
}
