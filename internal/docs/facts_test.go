package docs

import (
	"fmt"
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

// A fact is a number, of a version for one, that a page gives and a file decides. The group of each expression is the
// number.
type fact struct{ page, inPage, file, inFile string }

const number = `(\d+(?:\.\d+)*)`

const limitsOfChat = "internal/apps/chat/limits.go"

var facts = []fact{
	{"README.md", `needs Go ` + number, "go.mod", `(?m)^go ` + number},
	{"docs/first-handler.md", `with Go ` + number, "go.mod", `(?m)^go ` + number},
	{"docs/first-handler.md", `Node.js ` + number, "scripts/install-tools", `node_major=` + number},
	{
		"docs/first-handler.md", `socket.io-client@` + number, "internal/apps/chat/client/package.json",
		`"socket.io-client": "` + number,
	},
	{
		"docs/first-handler.md", `socket.io-client@` + number, "examples/app/package.json",
		`"socket.io-client": "` + number,
	},
	{
		"docs/clients/javascript.md", "^# JavaScript\n\n`socket.io-client` " + number, "e2e/package.json",
		`socket.io-client-3-1": ".*@` + number,
	},
	{
		"docs/clients/javascript.md", "`socket.io-client` [0-9.]+, " + number, "e2e/package.json",
		`socket.io-client-4-0": ".*@` + number,
	},
	{
		"docs/clients/javascript.md", "`socket.io-client` .* and " + number + " are tested", "e2e/package.json",
		`"socket.io-client": "` + number,
	},
	{
		"docs/clients/javascript.md", "So are " + number + " and .* of version 2", "e2e/package.json",
		`socket.io-client-2-0": ".*@` + number,
	},
	{
		"docs/clients/javascript.md", "So are .* and " + number + " of version 2", "e2e/package.json",
		`socket.io-client-2-5": ".*@` + number,
	},
	{
		"docs/clients/python.md", "`python-socketio` " + number, "e2e/clients/python/requirements.txt",
		`python-socketio==` + number,
	},
	{
		"docs/clients/java.md", "`io.socket:socket.io-client` " + number, "e2e/clients/java/pom.xml",
		`<artifactId>socket.io-client</artifactId>\s*<version>` + number,
	},
	{"docs/clients/go.md", "clients/socket/v3` " + number, "e2e/clients/go/go.mod", `clients/socket/v3 v` + number},
	{"docs/clients/rust.md", "`rust_socketio` " + number, "e2e/clients/rust/Cargo.toml", `rust_socketio = "=` + number},
	{"docs/deploy.md", `tried with ` + number, "scripts/install-tools", `aws-sam-cli==` + number},
	{"localdev/sam/README.md", `SAM CLI ` + number, "scripts/install-tools", `aws-sam-cli==` + number},
	{"docs/chat.md", `the name of a room \| ` + number, limitsOfChat, `Name: ` + number},
	{"docs/chat.md", `the name of a room \| ` + number, limitsOfChat, `Room: ` + number},
	{"docs/chat.md", `a message \| ` + number, limitsOfChat, `Text: ` + number},
	{"docs/chat.md", `rooms of one person \| ` + number, limitsOfChat, `Rooms: ` + number},
	{"docs/chat.md", `that are listed \| ` + number, limitsOfChat, `People: ` + number},
	{"docs/security.md", `the chat lets a person into no more than ` + number, limitsOfChat, `Rooms: ` + number},
	{"docs/dependencies.md", "`socket.io` " + number, "e2e/package.json", `"socket.io": "` + number},
	{
		"examples/side-by-side/package.json", `"socket.io": "` + number, "e2e/package.json", `"socket.io": "` + number,
	},
}

// outdated says so if the page gives another number than the file. It may give the first parts of it.
func (f fact) outdated(tree fs.FS) (string, error) {
	said, err := find(tree, f.page, f.inPage)
	if err != nil {
		return "", err
	}
	is, err := find(tree, f.file, f.inFile)
	if err != nil || strings.HasPrefix(is+".", strings.TrimSuffix(said, ".")+".") {
		return "", err
	}
	return fmt.Sprintf("%s says %s, %s has %s", f.page, said, f.file, is), nil
}

// find looks for an expression, in which a space stands for a line break too.
func find(tree fs.FS, name, expression string) (string, error) {
	text, err := fs.ReadFile(tree, name)
	if err != nil {
		return "", err
	}
	m := regexp.MustCompile(strings.ReplaceAll(expression, " ", `\s+`)).FindSubmatch(text)
	if m == nil {
		return "", fmt.Errorf("%s has nothing like %s", name, expression)
	}
	return string(m[1]), nil
}

func TestFacts(t *testing.T) {
	for _, f := range facts {
		wrong, err := f.outdated(os.DirFS(root))
		if err != nil || wrong != "" {
			t.Error(wrong, err)
		}
	}
}

func TestOutdated(t *testing.T) {
	f := fact{"a.md", `tea ` + number, "lock", `tea=` + number}
	for _, tt := range []struct{ page, file, want string }{
		{"tea 1.2.3.", "tea=1.2.3", ""},
		{"tea 1.2", "tea=1.2.3", ""},
		{"tea\n1.2", "tea=1.2.3", ""},
		{"tea 1.2", "tea=1.20", "a.md says 1.2, lock has 1.20"},
		{"tea 1.2.3", "tea=1.2", "a.md says 1.2.3, lock has 1.2"},
	} {
		got, err := f.outdated(fstest.MapFS{"a.md": {Data: []byte(tt.page)}, "lock": {Data: []byte(tt.file)}})
		if err != nil || got != tt.want {
			t.Errorf("%q and %q: %q %v, want %q", tt.page, tt.file, got, err, tt.want)
		}
	}
	if _, err := f.outdated(fstest.MapFS{"a.md": {Data: []byte("coffee")}, "lock": {}}); err == nil {
		t.Error("a page without the version passes")
	}
}

// printed are pages whose Go code is that of programs and tests, but for its comments.
var printed = map[string][]string{
	cheatPage:               {cheatTest},
	"README.md":             {"examples/app/main.go"},
	"docs/first-handler.md": {"examples/app/main.go", "examples/app/main_test.go"},
	"docs/migrate.md":       {"migrate_test.go"},
	"localdev/README.md":    {"examples/websocket-api/main.go"},
}

// printedJS are pages whose JavaScript is that of programs and tests.
var printedJS = map[string][]string{
	"docs/migrate.md": {"e2e/node/migrate.test.mjs"},
}

var (
	goBlock = regexp.MustCompile("(?ms)^```go\n(.*?)^```")
	jsBlock = regexp.MustCompile("(?ms)^```js\n(.*?)^```")
	spaces  = regexp.MustCompile(`(?m)[ \t]+`)
	comment = regexp.MustCompile(`(?m)\s*//.*$`)
	margins = regexp.MustCompile(`(?m)^ | $`)
)

// bare is Go code without comments, indentation and alignment.
func bare(code string) string {
	return strings.TrimSpace(
		margins.ReplaceAllString(spaces.ReplaceAllString(comment.ReplaceAllString(code, ""), " "), ""),
	)
}

func TestCodeOfPages(t *testing.T) {
	codeOfPages(t, printed, goBlock)
	codeOfPages(t, printedJS, jsBlock)
}

// codeOfPages wants each block of code of the pages in one of their files.
func codeOfPages(t *testing.T, printed map[string][]string, block *regexp.Regexp) {
	t.Helper()
	for page, files := range printed {
		text, err := os.ReadFile(path.Join(root, page))
		if err != nil {
			t.Fatal(err)
		}
		var programs []string
		for _, file := range files {
			program, err := os.ReadFile(path.Join(root, file))
			if err != nil {
				t.Fatal(err)
			}
			programs = append(programs, bare(string(program)))
		}
		blocks := block.FindAllStringSubmatch(string(text), -1)
		if len(blocks) == 0 {
			t.Errorf("%s has no code like %s", page, block)
		}
		for _, b := range blocks {
			code := bare(b[1])
			if !slices.ContainsFunc(programs, func(p string) bool { return strings.Contains(p, code) }) {
				t.Errorf("%s: this is not in %s:\n%s", page, strings.Join(files, " or "), b[1])
			}
		}
	}
}

func TestBare(t *testing.T) {
	const program = "package a\n\n// b does.\nfunc b() {\n\tc( // here\n\t\td,\n\t)\n}\n"
	for code, want := range map[string]bool{
		"c(\n\td,\n)\n":             true,
		"func b() {\n\tc(\n    d,":  true,
		"func b() {\n\tc(\n    e,":  false,
		"func b() {\n\tc(d)\n}":     false,
		"func b() {\n\tc( // there": true,
	} {
		if got := strings.Contains(bare(program), bare(code)); got != want {
			t.Errorf("%q: %v, want %v", code, got, want)
		}
	}
}

// unread are the pages that no way of links leads to from the README.
func unread(tree fs.FS) ([]string, error) {
	all, err := pages(tree)
	if err != nil {
		return nil, err
	}
	seen := map[string]bool{}
	next := []string{"README.md"}
	for len(next) > 0 {
		page := next[0]
		next = next[1:]
		if seen[page] {
			continue
		}
		seen[page] = true
		for _, target := range links(all[page]) {
			target, _, _ = strings.Cut(target, "#")
			to := path.Join(path.Dir(page), target)
			for _, name := range []string{to, path.Join(to, "README.md")} { // a folder shows its README
				if _, ok := all[name]; ok {
					next = append(next, name)
				}
			}
		}
	}
	maps.DeleteFunc(all, func(name, _ string) bool { return seen[name] })
	return slices.Sorted(maps.Keys(all)), nil
}

func TestEveryPageIsLinked(t *testing.T) {
	alone, err := unread(os.DirFS(root))
	if err != nil {
		t.Fatal(err)
	}
	for _, page := range alone {
		t.Errorf("%s: no way of links leads here from README.md", page)
	}
}

func TestUnread(t *testing.T) {
	got, err := unread(fstest.MapFS{
		"README.md":          {Data: []byte("[a](docs/a.md#x) [adr](docs/adr)")},
		"docs/a.md":          {Data: []byte("[b](b.md)")},
		"docs/b.md":          {Data: []byte("[a](a.md)")},
		"docs/adr/1.md":      {},
		"docs/alone.md":      {Data: []byte("[a](a.md)")},
		"docs/adr/README.md": {Data: []byte("[1](1.md)")},
	})
	if want := "docs/alone.md"; err != nil || strings.Join(got, " ") != want {
		t.Errorf("%q %v, want %s", got, err, want)
	}
}
