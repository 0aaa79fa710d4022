package ids_test

import (
	"bytes"
	"encoding/base64"
	"testing"

	"github.com/nonstick-io/nonstick/internal/ids"
)

func TestNew(t *testing.T) {
	seen := map[string]bool{}
	for range 1000 {
		id := ids.New(t.Context())
		if b, err := base64.RawURLEncoding.DecodeString(id); err != nil || len(b) != 15 || len(id) != 20 {
			t.Fatalf("id %q: %d bytes, %v", id, len(b), err)
		}
		if seen[id] {
			t.Fatalf("%q came twice", id)
		}
		seen[id] = true
	}
}

func TestNumber(t *testing.T) {
	seen := map[uint32]bool{}
	for range 100 {
		seen[ids.Number(t.Context())] = true
	}
	if len(seen) < 95 { // that two are equal is a chance of one in a million
		t.Errorf("%d different numbers of 100", len(seen))
	}
}

// A source decides the ids under its context, and none else.
func TestWithSource(t *testing.T) {
	source := func() *bytes.Reader {
		return bytes.NewReader([]byte("fifteen bytes..and fifteen of 1\x00\x00\x01\x02"))
	}
	a, b := ids.WithSource(t.Context(), source()), ids.WithSource(t.Context(), source())
	first, second := ids.New(a), ids.New(a)
	if first == second || first != base64.RawURLEncoding.EncodeToString([]byte("fifteen bytes..")) {
		t.Errorf("ids %q, %q", first, second)
	}
	if again := ids.New(b); again != first {
		t.Errorf("the same source made %q, then %q", first, again)
	}
	if other := ids.New(t.Context()); other == first {
		t.Errorf("an id without the source is %q too", other)
	}
	defer func() {
		if recover() == nil {
			t.Error("a source that has ended makes ids")
		}
	}()
	ids.Number(a)
	ids.New(a)
}
