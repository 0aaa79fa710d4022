package sessionstore_test

import (
	"encoding/base64"
	"testing"

	"github.com/nonstick-io/nonstick/sessionstore"
)

func TestNewID(t *testing.T) {
	seen := make(map[string]bool)
	for range 1000 {
		id := sessionstore.NewID()
		if b, err := base64.RawURLEncoding.DecodeString(id); err != nil || len(b) != 15 || len(id) != 20 {
			t.Fatalf("id %q: %d bytes, %v", id, len(b), err)
		}
		if seen[id] {
			t.Fatalf("%q came twice", id)
		}
		seen[id] = true
	}
}

func TestConnectionString(t *testing.T) {
	for _, c := range []struct {
		conn sessionstore.Connection
		want string
	}{
		{sessionstore.Connection{}, ""},
		{
			sessionstore.Connection{ID: "L0SM9cOFvHcCIhw=", Endpoint: "https://a.example.org/prod"},
			"L0SM9cOFvHcCIhw=@https://a.example.org/prod",
		},
		{sessionstore.Connection{ID: "x", Endpoint: "http://user@127.0.0.1:3000"}, "x@http://user@127.0.0.1:3000"},
		{sessionstore.Connection{ID: "x"}, "x@"},
	} {
		got := c.conn.String()
		if got != c.want {
			t.Errorf("%+v is written %q, want %q", c.conn, got, c.want)
		}
		if back := sessionstore.ParseConnection(got); back != c.conn {
			t.Errorf("%q is read as %+v, want %+v", got, back, c.conn)
		}
		if c.conn.IsZero() != (c.want == "") {
			t.Errorf("%+v is zero: %v", c.conn, c.conn.IsZero())
		}
	}
	a, b := sessionstore.Connection{ID: "x", Endpoint: "a"}, sessionstore.Connection{ID: "x", Endpoint: "b"}
	if a.String() == b.String() {
		t.Error("the endpoint does not tell connections apart")
	}
}
