package emulator

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"time"

	"golang.org/x/sync/semaphore"
)

const (
	// smallBody is the part of every body that needs no leave, so that ordinary requests never wait for large ones.
	smallBody = 64 << 10
	// leaveTime is how long a large body waits for room, if the time for it is not shorter.
	leaveTime = 5 * time.Second
)

// errNoRoom says that the large bodies of other requests took all the room for too long.
var errNoRoom = errors.New("emulator: too many large bodies at once")

// largeBodies bounds the bytes of request bodies that are held at once. The service has room for the bodies of all its
// customers; one process must not let its memory go to requests whose handlers refuse them a moment later.
type largeBodies struct {
	room *semaphore.Weighted
	wait time.Duration
}

func newLargeBodies(l Limits) largeBodies {
	return largeBodies{semaphore.NewWeighted(int64(l.LargeBodies)), min(leaveTime, l.BodyTime)}
}

// take waits for the room of one more piece of a body.
func (l largeBodies) take(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, l.wait)
	defer cancel()
	if err := l.room.Acquire(ctx, smallBody); err != nil {
		return fmt.Errorf("%w: %w", errNoRoom, err)
	}
	return nil
}

// release gives the room of a body back that has so many bytes.
func (l largeBodies) release(size int) {
	if pieces := size / smallBody; pieces > 0 {
		l.room.Release(int64(pieces * smallBody))
	}
}

// body reads the request's body, at most the limit. The size is what has to be released when the body is no longer
// needed, also after an error.
func (s *Server) body(r *http.Request) (text string, size int, err error) {
	if r.ContentLength == 0 {
		return "", 0, nil
	}
	if r.ContentLength > int64(s.limits.Body) {
		return "", 0, ErrPayloadTooLarge
	}
	p := s.bodies.Get().(*[]byte)
	b, taken, err := s.readBody(r, (*p)[:0])
	text = string(b)
	if cap(b) <= keptFrames {
		*p = b
		s.bodies.Put(p)
	}
	return text, taken, err
}

// readBody appends the body to b. Taken is what it has taken of the room for large bodies.
func (s *Server) readBody(r *http.Request, b []byte) (_ []byte, taken int, err error) {
	for {
		if len(b)-taken >= smallBody {
			if err := s.large.take(s.base); err != nil {
				return b, taken, err
			}
			taken += smallBody
		}
		if len(b) == cap(b) {
			b = append(b, make([]byte, 512)...)[:len(b)]
		}
		n, err := r.Body.Read(b[len(b):min(cap(b), taken+smallBody)])
		b = b[:len(b)+n]
		switch {
		case len(b) > s.limits.Body:
			return b, taken, ErrPayloadTooLarge
		case err == io.EOF:
			return b, taken, nil
		case err != nil:
			return b, taken, err
		}
	}
}

// readAll appends what r holds to b, and fails above limit bytes.
func readAll(r io.Reader, b []byte, limit int) ([]byte, error) {
	for {
		if len(b) == cap(b) {
			b = append(b, make([]byte, 512)...)[:len(b)]
		}
		n, err := r.Read(b[len(b):cap(b)])
		b = b[:len(b)+n]
		switch {
		case len(b) > limit:
			return b, ErrPayloadTooLarge
		case err == io.EOF:
			return b, nil
		case err != nil:
			return b, err
		}
	}
}

// badBody answers a request whose body was not taken.
func (s *Server) badBody(w http.ResponseWriter, err error) {
	switch {
	case errors.Is(err, ErrPayloadTooLarge):
		answer(w, http.StatusRequestEntityTooLarge, msgTooLarge)
	case errors.Is(err, errNoRoom):
		s.log.Warn("request refused", "error", err)
		answer(w, http.StatusServiceUnavailable, msgUnavailable)
	case errors.Is(err, os.ErrDeadlineExceeded):
		w.Header().Set("Connection", "close")
		answer(w, http.StatusRequestTimeout, msgTimeout)
	default:
		answer(w, http.StatusBadRequest, `{"message":"Bad Request"}`)
	}
}
