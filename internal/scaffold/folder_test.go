package scaffold

import (
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// A folder that git init made is empty enough; what is in it stays.
func TestWriteIntoNewRepository(t *testing.T) {
	dir := t.TempDir()
	head := filepath.Join(dir, ".git", "HEAD")
	if err := os.Mkdir(filepath.Dir(head), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(head, []byte("ref"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Write(dir, Options{Module: "chat", Version: "v1.2.3"}); err != nil {
		t.Fatal(err)
	}
	if text, err := os.ReadFile(head); err != nil || string(text) != "ref" {
		t.Errorf(".git/HEAD: %q, %v", text, err)
	}
	if _, err := Write(dir, Options{Module: "chat"}); !errors.Is(err, ErrNotEmpty) {
		t.Errorf("once more: %v", err)
	}
}

// What is no checkout is refused before anything is written.
func TestReplace(t *testing.T) {
	other := t.TempDir()
	if err := os.WriteFile(filepath.Join(other, "go.mod"), []byte("module example.com/other\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, checkout := range []string{other, filepath.Join(other, "none")} {
		dir := filepath.Join(t.TempDir(), "chat")
		if _, err := Write(dir, Options{Replace: checkout}); !errors.Is(err, ErrReplace) {
			t.Errorf("%s: %v", checkout, err)
		}
		if _, err := os.Stat(dir); err == nil {
			t.Errorf("%s: the folder was made", checkout)
		}
	}
	for path, want := range map[string]string{
		"../..": "../..", "/src/nonstick": "/src/nonstick", "/my src/nonstick": `"/my src/nonstick"`,
		"/a(b)": `"/a(b)"`, `C:\src`: `"C:\\src"`, "//host/src": `"//host/src"`,
	} {
		if got := inGoMod(path); got != want {
			t.Errorf("%s: go.mod has %s, want %s", path, got, want)
		}
	}
}

// Two programs are two stacks, whatever their modules are called.
func TestStackName(t *testing.T) {
	for name, want := range map[string]string{
		"chat": "chat", "my.chat_v2": "my-chat-v2", "2048": "app-2048", "~x": "app--x",
		strings.Repeat("x", 200): strings.Repeat("x", 128),
	} {
		if got := stackName(name); got != want {
			t.Errorf("%s: %s, want %s", name, got, want)
		}
	}
	all, err := render(Options{Module: "example.com/my.chat", Version: "v1.2.3"})
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range all {
		if f.name == "samconfig.toml" && !strings.Contains(string(f.text), "stack_name = \"my-chat\"\n") {
			t.Errorf("samconfig.toml: %s", f.text)
		}
	}
	if _, err := config([]byte("[default]\n"), "chat"); err == nil {
		t.Error("a samconfig.toml without the name of a stack passes")
	}
}

// ours are files that are in the repository of Nonstick and not in one that is written.
var ours = regexp.MustCompile(`(?:^|[ "(])((?:docs|functions|localdev|infra)/[a-z_/-]+\.[a-z]+)`)

// What is written names no file that is not there: pages are links.
func TestNamesOfFiles(t *testing.T) {
	all, err := render(example)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range all {
		for _, m := range ours.FindAllStringSubmatch(string(f.text), -1) {
			if slices.ContainsFunc(all, func(f file) bool { return f.name == m[1] }) {
				continue
			}
			t.Errorf("%s names %s, which is not there", f.name, m[1])
		}
	}
	if !ours.MatchString("# see docs/deploy.md") || ours.MatchString("see "+pages+"deploy.md") {
		t.Error("this test looks for the wrong thing")
	}
}
