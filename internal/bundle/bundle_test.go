package bundle_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/nonstick-io/nonstick/internal/bundle"
)

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// The nearest node_modules counts, and in it the client's own package before the server's.
func TestAbove(t *testing.T) {
	top := t.TempDir()
	inner := filepath.Join(top, "a", "b")
	if err := os.MkdirAll(inner, 0o755); err != nil {
		t.Fatal(err)
	}
	if got := bundle.Above(inner); got != "" {
		t.Errorf("found %s where there is none", got)
	}
	for _, at := range []string{
		filepath.Join(top, "node_modules", "socket.io-client", "dist"),
		filepath.Join(top, "a", "node_modules", "socket.io", "client-dist"),
		filepath.Join(top, "a", "node_modules", "socket.io-client", "dist"),
	} {
		write(t, filepath.Join(at, "socket.io.js"), "")
		if got := bundle.Above(inner); got == at {
			t.Errorf("%s has not all files, and is taken", got)
		}
		write(t, filepath.Join(at, "socket.io.min.js"), "")
		if got := bundle.Above(inner); got != at {
			t.Errorf("found %s, want %s", got, at)
		}
	}
}

func TestVersion(t *testing.T) {
	dir := t.TempDir()
	if got := bundle.Version(dir); got != "" {
		t.Errorf("version %q of nothing", got)
	}
	for text, want := range map[string]string{
		"/*!\n * Socket.IO v4.8.4\n * (c) 2014-2026 Guillermo Rauch\n": "4.8.4",
		"/*!\n * Socket.IO v5.0.0-alpha.1\n":                           "5.0.0-alpha.1",
		"/*! Socket.IO v4.7.0 */":                                      "4.7.0",
		"/*!\n * Socket.IO v\"4\"\n":                                   "",
		"!function(){}":                                                "",
		"":                                                             "",
	} {
		write(t, filepath.Join(dir, "socket.io.min.js"), text)
		if got := bundle.Version(dir); got != want {
			t.Errorf("version %q of %q, want %q", got, text, want)
		}
	}
}

func TestNames(t *testing.T) {
	if len(bundle.Names()) != 8 {
		t.Errorf("%d names", len(bundle.Names()))
	}
	for name, want := range map[string]bool{
		"socket.io.js": true, "socket.io.esm.min.js.map": true, "socket.io": false, "": false, "Socket.io.js": false,
	} {
		if got := bundle.Is(name); got != want {
			t.Errorf("%q: %v", name, got)
		}
	}
	if bundle.In("") {
		t.Error("no folder has the client")
	}
}
