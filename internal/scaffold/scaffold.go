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
	"strconv"
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
	// ErrReplace: the folder that is to stand in for the version is no checkout of Nonstick.
	ErrReplace = errors.New("not a checkout of Nonstick")
)

// Options say what is written.
type Options struct {
	// Module is the path of the module; default the folder's name.
	Module string
	// Version is that of Nonstick, as go.mod has it.
	Version string
	// Replace, unless empty, is the absolute path of a checkout of Nonstick that stands in for the version.
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
	if err := checkEmpty(dir); err != nil {
		return nil, err
	}
	if err := checkReplace(o.Replace); err != nil {
		return nil, err
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
		path := filepath.Join(dir, filepath.FromSlash(f.name))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return names, err
		}
		if err := os.WriteFile(path, f.text, 0o644); err != nil {
			return names, err
		}
		names = append(names, f.name)
	}
	return names, nil
}

// checkEmpty refuses a folder with something in it, but for what git init makes.
func checkEmpty(dir string) error {
	there, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("look into the folder: %w", err)
	}
	for _, entry := range there {
		if entry.Name() != ".git" {
			return fmt.Errorf("%s: %w: it has %s", dir, ErrNotEmpty, entry.Name())
		}
	}
	return nil
}

// checkReplace refuses a folder that the go command would refuse later, when all is written.
func checkReplace(checkout string) error {
	if checkout == "" {
		return nil
	}
	mod, err := os.ReadFile(filepath.Join(checkout, "go.mod"))
	if err != nil {
		return fmt.Errorf("%w: %w", ErrReplace, err)
	}
	if first, _, _ := strings.Cut(string(mod), "\n"); strings.TrimSpace(first) != "module "+nonstick {
		return fmt.Errorf("%w: %s is of another module", ErrReplace, filepath.Join(checkout, "go.mod"))
	}
	return nil
}

// nonstick is the module that is required, and pages is where its documentation is read.
const (
	nonstick = "github.com/nonstick-io/nonstick"
	pages    = "https://" + nonstick + "/blob/main/docs/"
)

// inGoMod is a path as go.mod has it: between quotes if it has what would end it there.
func inGoMod(path string) string {
	if strings.ContainsAny(path, " \t()[]{},\"`'\\") || strings.Contains(path, "//") {
		return strconv.Quote(path)
	}
	return path
}

// stackName is the name of a CloudFormation stack: letters, digits and hyphens, a letter first, at most 128.
func stackName(name string) string {
	name = notInStackName.ReplaceAllString(name, "-")
	if c := name[0]; c < 'A' || c > 'Z' && c < 'a' || c > 'z' {
		name = "app-" + name
	}
	return name[:min(len(name), 128)]
}

var (
	notInStackName = regexp.MustCompile(`[^A-Za-z0-9-]+`)
	page           = regexp.MustCompile(`\bdocs/([a-z-]+\.md)\b`)
)

// elsewhere makes the pages that a copy of a file of Nonstick names links: they are not beside the copy.
func elsewhere(text []byte) []byte { return page.ReplaceAll(text, []byte(pages+"$1")) }

// config is samconfig.toml: a stack has a name of its own, or one program would be deployed over another.
func config(text []byte, name string) ([]byte, error) {
	for _, change := range [][2]string{
		{`stack_name = "nonstick"`, fmt.Sprintf("stack_name = %q", stackName(name))},
		{"functions/functions.mk compiles", "The Makefile compiles"},
	} {
		if !bytes.Contains(text, []byte(change[0])) {
			return nil, fmt.Errorf("samconfig.toml has no %s", change[0])
		}
		text = bytes.ReplaceAll(text, []byte(change[0]), []byte(change[1]))
	}
	return text, nil
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
	data.Replace = inGoMod(o.Replace)
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
		if name == "samconfig.toml" {
			if text, err = config(text, data.Name); err != nil {
				return nil, err
			}
		}
		all = append(all, file{name, elsewhere(text)})
	}
	nested, err := files.ReadFile("files/edge.yaml")
	if err != nil {
		return nil, err
	}
	all = append(all, file{"infra/edge/template.yaml", elsewhere(nested)})
	head, err := files.ReadFile("files/Makefile.head")
	if err != nil {
		return nil, err
	}
	rule, err := files.ReadFile("files/functions.mk")
	if err != nil {
		return nil, err
	}
	return append(all, file{"Makefile", append(head, elsewhere(rule)...)}), nil
}
