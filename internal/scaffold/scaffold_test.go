package scaffold

import (
	"bytes"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the copies of this repository's files, and examples/app, anew")

const repo = "../.."

// own are the files that are copies of this repository's own, with what is another's in them.
func own(t *testing.T) map[string][]byte {
	t.Helper()
	read := func(name string) []byte {
		t.Helper()
		text, err := os.ReadFile(filepath.Join(repo, name))
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	return map[string][]byte{
		"template.yaml": stack(t, string(read("template.yaml"))), "samconfig.toml": read("samconfig.toml"),
		"functions.mk": read("functions/functions.mk"), "edge.yaml": read("infra/edge/template.yaml"),
	}
}

// stack is the template for a program of one's own: it has one application, in its own folder.
func stack(t *testing.T, text string) []byte {
	t.Helper()
	cut := func(from, to string) {
		t.Helper()
		i := strings.Index(text, from)
		if i < 0 {
			t.Fatalf("template.yaml: no %q", from)
		}
		j := strings.Index(text[i+1:], to)
		if j < 0 {
			t.Fatalf("template.yaml: no %q after %q", to, from)
		}
		text = text[:i] + text[i+1+j:]
	}
	cut("  App:\n", "  Edge:\n")
	cut("        NONSTICK_APP: !Ref App\n", "        NONSTICK_")
	for _, r := range [][2]string{
		{"CodeUri: functions/app\n", "CodeUri: .\n"},
		{" functions/parameters_test.go holds both together.", ""},
		{"go run ./localdev --template", "go run . --template"},
	} {
		if !strings.Contains(text, r[0]) {
			t.Fatalf("template.yaml: no %q", r[0])
		}
		text = strings.ReplaceAll(text, r[0], r[1])
	}
	return []byte(text)
}

// The files that are copies are what they are copies of.
func TestCopies(t *testing.T) {
	for name, want := range own(t) {
		path := filepath.Join("files", name)
		if *update {
			if err := os.WriteFile(path, want, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		got, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, want) {
			t.Errorf("%s differs from this repository's own: go test ./internal/scaffold -update", path)
		}
	}
	mod, err := os.ReadFile(filepath.Join(repo, "go.mod"))
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(mod), "\ngo "+goVersion+"\n") {
		t.Errorf("go.mod has another version of Go than %s", goVersion)
	}
}

// example is how examples/app was written.
var example = Options{Module: "example.com/app", Version: "v0.0.0", Replace: "../.."}

// examples/app is what is written, but for what the go command adds to its go.mod.
func TestExample(t *testing.T) {
	all, err := render(example)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range all {
		path := filepath.Join(repo, "examples", "app", f.name)
		got, err := os.ReadFile(path)
		if *update && f.name != "go.mod" { // to which the go command has added
			got, err = f.text, os.WriteFile(path, f.text, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
		if f.name == "go.mod" {
			for line := range strings.Lines(string(f.text)) {
				if !strings.Contains(string(got), line) {
					t.Errorf("examples/app/go.mod lacks %q", line)
				}
			}
			continue
		}
		if !bytes.Equal(got, f.text) {
			t.Errorf("examples/app/%s is not what is written: go test ./internal/scaffold -update", f.name)
		}
	}
}

// A server with connect, auth, a room and an acknowledgement takes at most 25 lines of code: those of main and of the
// handlers, without blank lines and comments.
func TestLines(t *testing.T) {
	all, err := render(example)
	if err != nil {
		t.Fatal(err)
	}
	_, code, _ := strings.Cut(string(all[0].text), "\n)\n") // behind the imports
	n := 0
	for line := range strings.Lines(code) {
		if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "//") {
			n++
		}
	}
	t.Logf("%d lines of code", n)
	if n > 25 || n < 10 {
		t.Errorf("%d lines of code, at most 25 are wanted", n)
	}
}

func TestWrite(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "Chat")
	names, err := Write(dir, Options{Version: "v1.2.3"})
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		if _, err := os.Stat(filepath.Join(dir, name)); err != nil {
			t.Error(err)
		}
	}
	mod, err := os.ReadFile(filepath.Join(dir, "go.mod"))
	want := "module chat\n\ngo " + goVersion + "\n\nrequire github.com/nonstick-io/nonstick v1.2.3\n"
	if err != nil || string(mod) != want {
		t.Errorf("go.mod: %q, %v", mod, err)
	}
	if _, err := Write(dir, Options{}); !errors.Is(err, ErrNotEmpty) {
		t.Errorf("a folder with something in it: %v", err)
	}
	for _, module := range []string{"a b", "/x", "x/", "..", "é"} {
		other := filepath.Join(t.TempDir(), "new")
		if _, err := Write(other, Options{Module: module}); !errors.Is(err, ErrModule) {
			t.Errorf("module %q: %v", module, err)
		}
		if _, err := os.Stat(other); err == nil {
			t.Errorf("module %q: the folder was made", module)
		}
	}
}
