// Package ids makes the random ids of sessions, sockets, GETs and acknowledgements. They come from crypto/rand. A
// simulation of this module may have those of one context come from a source of its own, so that a schedule can be run
// again. Code outside of the module cannot, and [internal/imports] tests that no program does.
package ids

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"io"

	"github.com/nonstick-io/nonstick/sessionstore"
)

// sourceKey is the key of the source in a context.
type sourceKey struct{}

// WithSource has the ids that are made under the context come from a source, which must never fail and be safe for
// concurrent use. It is for tests alone: a program that knows the source knows the ids, and the id of a session is a
// secret.
func WithSource(ctx context.Context, source io.Reader) context.Context {
	return context.WithValue(ctx, sourceKey{}, source)
}

// New returns an id of the form of [sessionstore.NewID].
func New(ctx context.Context) string {
	source, replaced := ctx.Value(sourceKey{}).(io.Reader)
	if !replaced {
		return sessionstore.NewID()
	}
	var b [15]byte
	read(source, b[:])
	return base64.RawURLEncoding.EncodeToString(b[:])
}

// Number returns a random number.
func Number(ctx context.Context) uint32 {
	source, replaced := ctx.Value(sourceKey{}).(io.Reader)
	if !replaced {
		source = rand.Reader
	}
	var b [4]byte
	read(source, b[:])
	return binary.BigEndian.Uint32(b[:])
}

// read fills b. crypto/rand never fails: it aborts the program instead.
func read(source io.Reader, b []byte) {
	if _, err := io.ReadFull(source, b); err != nil {
		panic("ids: the source failed: " + err.Error())
	}
}

// InLog is what a session is called where others may read it: a hash, for its id is a secret.
func InLog(id sessionstore.SessionID) string {
	const bytes = 6 // enough to tell sessions apart
	sum := sha256.Sum256([]byte(id))
	return hex.EncodeToString(sum[:bytes])
}
