package docs

import (
	"fmt"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"os"
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
)

// agentless are words behind which the reader has to guess who acts: a client, an instance, a caller.
var agentless = regexp.MustCompile(`\b([Ww]hoever|[Ss]omebody|[Nn]obody|[Ee]verybody|[Aa]nybody)\b`)

// prose is what a page says: without its code, and without where its links lead.
func prose(page string) string {
	page = inline.ReplaceAllString(fenced.ReplaceAllString(page, ""), "")
	return marked.ReplaceAllString(page, "$1")
}

// guesses names the agentless words of a tree: in its pages, and in the comments of its Go files. What a comment has
// between quotation marks or backquotes is a name or a text of the program.
func guesses(tree fs.FS) ([]string, error) {
	all, err := pages(tree)
	if err != nil {
		return nil, err
	}
	var found []string
	for _, page := range slices.Sorted(maps.Keys(all)) {
		for _, word := range agentless.FindAllString(prose(all[page]), -1) {
			found = append(found, fmt.Sprintf("%s: %s", page, word))
		}
	}
	err = walk(tree, ".go", func(name string, text []byte) error {
		files := token.NewFileSet()
		file, err := parser.ParseFile(files, name, text, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		for _, group := range file.Comments {
			for _, comment := range group.List {
				said := quoted.ReplaceAllString(comment.Text, "")
				for _, word := range agentless.FindAllString(said, -1) {
					found = append(found, fmt.Sprintf("%s: %s", files.Position(comment.Pos()), word))
				}
			}
		}
		return nil
	})
	return found, err
}

var quoted = regexp.MustCompile("\"[^\"]*\"|`[^`]*`")

// walk calls do for each file of a tree whose name ends in ext, but for those that are fetched or built.
func walk(tree fs.FS, ext string, do func(name string, text []byte) error) error {
	return fs.WalkDir(tree, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		hidden := strings.HasPrefix(d.Name(), ".") && name != "."
		if d.IsDir() && (hidden || slices.Contains(notOurs, d.Name())) {
			return fs.SkipDir
		}
		if d.IsDir() || path.Ext(name) != ext {
			return nil
		}
		text, err := fs.ReadFile(tree, name)
		if err != nil {
			return err
		}
		return do(name, text)
	})
}

func TestActorsAreNamed(t *testing.T) {
	found, err := guesses(os.DirFS(root))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range found {
		t.Errorf("%s: name the client, the instance, the caller or the function", f)
	}
}

// What the rule takes, and what it does not.
func TestGuesses(t *testing.T) {
	for _, tt := range []struct{ name, file, text, want string }{
		{"an actor", "a.md", "The caller waits. No client is pinged.", ""},
		{"in code", "a.md", "`nobody-takes-over`\n\n```sh\necho nobody\n```\n", ""},
		{"in the path of a link", "a.md", "[ADR 11](docs/nobody.md)", ""},
		{"a page", "a.md", "Nobody waits.", "a.md: Nobody"},
		{"in the text of a link", "a.md", "[for everybody](x.md)", "a.md: everybody"},
		{"a comment", "a.go", "package a\n\n// b is for whoever asks.\nvar b int\n", "a.go:3:1: whoever"},
		{"beside code", "a.go", "package a\n\nvar b int // somebody's\n", "a.go:3:11: somebody"},
		{"a name in a comment", "a.go", "package a\n\n// b: the mutant \"nobody-wins\", NoBody.\nvar b int\n", ""},
		{"a text of the program", "a.go", "package a\n\nconst b = \"nobody\"\n", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := guesses(fstest.MapFS{tt.file: {Data: []byte(tt.text)}})
			if err != nil || strings.Join(got, "\n") != tt.want {
				t.Errorf("%q %v, want %q", got, err, tt.want)
			}
		})
	}
}
