// Package bundle knows the Socket.IO client for browsers, as its package of npm has it: the names of its files, the
// folders that they may lie in, and their version. No program carries the files: they lie beside it, or where npm has
// put them.
package bundle

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
)

// names are the files that Socket.IO serves.
var names = []string{
	"socket.io.esm.min.js", "socket.io.esm.min.js.map", "socket.io.js", "socket.io.js.map", "socket.io.min.js",
	"socket.io.min.js.map", "socket.io.msgpack.min.js", "socket.io.msgpack.min.js.map",
}

// Names returns the names of the files.
func Names() []string { return slices.Clone(names) }

// Is reports whether a name is that of a file of the client.
func Is(name string) bool { return slices.Contains(names, name) }

// Folder is the folder beside a program where the builds of functions put the files.
const Folder = "client"

// In reports whether a folder has the client.
func In(dir string) bool {
	if dir == "" {
		return false
	}
	_, err := os.Stat(filepath.Join(dir, versioned))
	return err == nil
}

// Beside returns the folder with the client beside the program that runs; empty if there is none.
func Beside() string {
	program, err := os.Executable()
	if err != nil {
		return ""
	}
	if dir := filepath.Join(filepath.Dir(program), Folder); In(dir) {
		return dir
	}
	return ""
}

// packages are the folders of packages of npm that have the files.
var packages = []string{
	filepath.Join("node_modules", "socket.io-client", "dist"),
	filepath.Join("node_modules", "socket.io", "client-dist"),
}

// Above returns the folder with the client that a program of Node would find from a folder: in its node_modules, or
// those of a folder above. It is empty if there is none.
func Above(dir string) string {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return ""
	}
	for {
		for _, p := range packages {
			if found := filepath.Join(dir, p); In(found) {
				return found
			}
		}
		up := filepath.Dir(dir)
		if up == dir {
			return ""
		}
		dir = up
	}
}

// versioned is the file whose banner tells the version of all.
const versioned = "socket.io.min.js"

var banner = regexp.MustCompile(`^/\*!\s*\*?\s*Socket\.IO v([0-9A-Za-z.+-]{1,64})\s`)

// bannerSize is how much of the file is looked at.
const bannerSize = 256

// Version returns the version of the client in a folder; empty if it does not tell.
func Version(dir string) string {
	f, err := os.Open(filepath.Join(dir, versioned))
	if err != nil {
		return ""
	}
	defer func() { _ = f.Close() }() // it was only read
	head := make([]byte, bannerSize)
	n, _ := f.Read(head) // a file that cannot be read tells no version
	if m := banner.FindSubmatch(head[:n]); m != nil {
		return string(m[1])
	}
	return ""
}
