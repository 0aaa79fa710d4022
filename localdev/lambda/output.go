//go:build unix

package lambda

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"time"
)

// Bounds of what is kept of an invocation's output, in bytes.
const (
	maxBlock = 256 << 10 // above, a block is written before its end
	maxTail  = 4 << 10   // what a caller can ask for
)

// output is where a process writes to.
type output = *os.File

// logFile is the log of a function. It gets whole invocations, one after the other.
type logFile struct {
	mu      sync.Mutex
	file    *os.File
	written int64 // bytes, also where there is no file
}

// bytes is how much has been written.
func (l *logFile) bytes() int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.written
}

// openLog makes the log of a function. Without a folder there is none.
func openLog(dir, name string) (*logFile, error) {
	if dir == "" {
		return &logFile{}, nil
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("lambda: make the folder of the logs: %w", err)
	}
	f, err := os.Create(filepath.Join(dir, name+".log"))
	if err != nil {
		return nil, fmt.Errorf("lambda: make the log of %s: %w", name, err)
	}
	return &logFile{file: f}, nil
}

func (l *logFile) write(block []byte) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.written += int64(len(block))
	if l.file != nil {
		_, _ = l.file.Write(block) // a full disk must not end the invocation
	}
}

func (l *logFile) close() error {
	if l.file == nil {
		return nil
	}
	return l.file.Close()
}

// capture collects what one process writes, in blocks of an invocation.
type capture struct {
	to   *logFile
	r    *os.File
	raw  syscall.RawConn
	done chan struct{} // closed when the reader has ended

	mu    sync.Mutex
	block bytes.Buffer
}

// newCapture returns a capture and the file that the process writes to, which is the caller's to close.
func newCapture(to *logFile) (*capture, output, error) {
	r, w, err := os.Pipe()
	if err != nil {
		return nil, nil, fmt.Errorf("lambda: make a pipe: %w", err)
	}
	raw, err := r.SyscallConn()
	if err != nil {
		_, _ = r.Close(), w.Close() // unused
		return nil, nil, fmt.Errorf("lambda: make a pipe: %w", err)
	}
	c := &capture{to: to, r: r, raw: raw, done: make(chan struct{})}
	go c.read()
	return c, w, nil
}

// read collects until no process can write any more.
func (c *capture) read() {
	defer close(c.done)
	end := false
	for !end {
		err := c.raw.Read(func(fd uintptr) bool {
			var some bool
			some, end = c.take(fd)
			return some || end
		})
		if err != nil {
			return // closed
		}
	}
}

// take reads what is there, in one step with keeping it: so that what drains keeps the order.
func (c *capture) take(fd uintptr) (some, end bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	var b [8 << 10]byte
	for {
		n, err := syscall.Read(int(fd), b[:])
		switch {
		case n > 0:
			some = true
			c.block.Write(b[:n])
			c.spill()
		case err == syscall.EINTR: //nolint:errorlint // what syscall returns is never wrapped
		case err == syscall.EAGAIN: //nolint:errorlint // as above
			return some, false
		default:
			return some, true
		}
	}
}

// drain returns when all that the process has written so far is kept.
func (c *capture) drain() {
	_ = c.raw.Control(func(fd uintptr) { c.take(fd) }) // fails only if it is closed: then all is read
}

// note adds a line of the platform.
func (c *capture) note(line string) {
	c.drain()
	c.mu.Lock()
	defer c.mu.Unlock()
	if b := c.block.Bytes(); len(b) > 0 && b[len(b)-1] != '\n' {
		c.block.WriteByte('\n')
	}
	c.block.WriteString(line)
	c.block.WriteByte('\n')
}

// flush writes the block to the log, and returns its end.
func (c *capture) flush() []byte {
	c.mu.Lock()
	defer c.mu.Unlock()
	b := c.block.Bytes()
	tail := bytes.Clone(b[max(0, len(b)-maxTail):])
	c.to.write(b)
	c.block.Reset()
	return tail
}

// spill writes a block that has become large.
func (c *capture) spill() {
	if c.block.Len() > maxBlock {
		c.to.write(c.block.Bytes())
		c.block.Reset()
	}
}

// close ends the reader, after what a process that has ended wrote last. What that has left behind may keep the
// pipe open, but not for long.
func (c *capture) close() {
	_ = c.r.SetReadDeadline(time.Now().Add(100 * time.Millisecond)) // a pipe takes deadlines
	<-c.done
	_ = c.r.Close() // nothing can be lost
}

var _ io.Closer = output(nil)
