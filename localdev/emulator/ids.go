package emulator

import (
	"crypto/rand"
	"encoding/base64"
	"strconv"
	"sync/atomic"
	"time"
)

// connectionIDLen is the length of a connection id: 11 random bytes in base64url, padded.
const connectionIDLen = 16

func newConnectionID() string {
	var b [11]byte
	_, _ = rand.Read(b[:]) // never fails: crypto/rand aborts the program instead
	return base64.URLEncoding.EncodeToString(b[:])
}

// validConnectionID reports whether id looks like one that some endpoint may have given out.
func validConnectionID(id string) bool {
	if len(id) != connectionIDLen {
		return false
	}
	b, err := base64.URLEncoding.DecodeString(id)
	return err == nil && len(b) == 11
}

// requestIDs makes ids that are unique in this process and unlikely elsewhere.
type requestIDs struct {
	prefix string
	n      *atomic.Uint64
}

func newRequestIDs() requestIDs {
	var b [6]byte
	_, _ = rand.Read(b[:])
	return requestIDs{prefix: base64.RawURLEncoding.EncodeToString(b[:]), n: new(atomic.Uint64)}
}

func (r requestIDs) next() string {
	var b [32]byte
	out := append(b[:0], r.prefix...)
	return string(append(strconv.AppendUint(out, r.n.Add(1), 36), '='))
}

// requestTimes formats the time of a request as events carry it, once a second.
type requestTimes struct {
	last atomic.Pointer[formatted]
}

type formatted struct {
	second int64
	text   string
}

func (r *requestTimes) format(now time.Time) string {
	if f := r.last.Load(); f != nil && f.second == now.Unix() {
		return f.text
	}
	f := &formatted{second: now.Unix(), text: now.UTC().Format("02/Jan/2006:15:04:05 +0000")}
	r.last.Store(f)
	return f.text
}
