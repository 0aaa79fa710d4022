// Package scaffold writes a repository of one's own: a program of Nonstick, a test of its handlers, and what deploys
// it.
package scaffold

import (
	"bytes"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"text/template"
)

// files are those of the repository. The template of the stack, samconfig.toml and the rule of the Makefile are
// copies of this repository's own, which a test compares.
//
//go:embed files
var files embed.FS

// Errors of [Write]. Nothing was written.
var (
	// ErrNotEmpty: the folder has something in it.
	ErrNotEmpty = errors.New("the folder is not empty")
	// ErrModule: the path of the module is none that the go command takes.
	ErrModule = errors.New("invalid module path")
)

// Options say what is written.
type Options struct {
	// Module is the path of the module; default the folder's name.
	Module string
	// Version is that of Nonstick, as go.mod has it.
	Version string
	// Replace, unless empty, is a checkout of Nonstick that stands in for the version.
	Replace string
}

// goVersion is what go.mod asks for: as this module does.
const goVersion = "1.26.8"

// Write writes the repository into a folder, which it makes. It returns the names of the files.
func Write(dir string, o Options) ([]string, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	if o.Module == "" {
		o.Module = strings.ToLower(filepath.Base(dir))
	}
	if !modulePath.MatchString(o.Module) {
		return nil, fmt.Errorf("%w: %q: want one as example.com/chat (--module)", ErrModule, o.Module)
	}
	there, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	if len(there) > 0 {
		return nil, fmt.Errorf("%s: %w", dir, ErrNotEmpty)
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	all, err := render(o)
	if err != nil {
		return nil, err
	}
	names := make([]string, 0, len(all))
	for _, f := range all {
		if err := os.WriteFile(filepath.Join(dir, f.name), f.text, 0o644); err != nil {
			return names, err
		}
		names = append(names, f.name)
	}
	return names, nil
}

// modulePath is what the go command takes for a path, in short.
var modulePath = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._~-]*(/[A-Za-z0-9_~-][A-Za-z0-9._~-]*)*$`)

type file struct {
	name string
	text []byte
}

// render makes the files.
func render(o Options) ([]file, error) {
	data := struct {
		Options
		Name, Go string
	}{o, o.Module[strings.LastIndex(o.Module, "/")+1:], goVersion}
	var all []file
	for _, name := range []string{
		"main.go", "main_test.go", "go.mod", "client.mjs", "package.json", "README.md", "gitignore",
	} {
		text, err := template.ParseFS(files, "files/"+name+".tmpl")
		if err != nil {
			return nil, err
		}
		var out bytes.Buffer
		if err := text.Execute(&out, data); err != nil {
			return nil, err
		}
		if name == "gitignore" {
			name = ".gitignore"
		}
		all = append(all, file{name, out.Bytes()})
	}
	for _, name := range []string{"template.yaml", "samconfig.toml"} {
		text, err := files.ReadFile("files/" + name)
		if err != nil {
			return nil, err
		}
		all = append(all, file{name, text})
	}
	head, err := files.ReadFile("files/Makefile.head")
	if err != nil {
		return nil, err
	}
	rule, err := files.ReadFile("files/functions.mk")
	if err != nil {
		return nil, err
	}
	return append(all, file{"Makefile", append(head, rule...)}), nil
}
