package docs

import (
	"fmt"
	"io/fs"
	"maps"
	"net/url"
	"os"
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"unicode"
)

const root = "../.."

// notOurs are folders whose files are fetched or built.
var notOurs = []string{"node_modules", "bin", "target", "artifacts"}

// pages reads the Markdown files of a tree, by their paths.
func pages(tree fs.FS) (map[string]string, error) {
	found := map[string]string{}
	err := walk(tree, ".md", func(name string, text []byte) error {
		found[name] = string(text)
		return nil
	})
	return found, err
}

var (
	fenced  = regexp.MustCompile("(?ms)^ *```.*?^ *```[^\n]*$")
	inline  = regexp.MustCompile("`[^`\n]*`")
	link    = regexp.MustCompile(`\]\(\s*<?([^)\s>]+)>?(?:\s+"[^"]*")?\s*\)`)
	defined = regexp.MustCompile(`(?m)^\[[^\]]+\]:\s*(\S+)`)
	html    = regexp.MustCompile(`(?i)<(?:a|img)\s[^>]*(?:href|src)="([^"]+)"`)
	heading = regexp.MustCompile(`(?m)^#{1,6}\s+(.+?)\s*#*\s*$`)
	marked  = regexp.MustCompile(`!?\[([^\]]*)\]\([^)]*\)`)
)

// links are the targets of a page, outside code.
func links(text string) []string {
	text = inline.ReplaceAllString(fenced.ReplaceAllString(text, ""), "")
	var found []string
	for _, form := range []*regexp.Regexp{link, defined, html} {
		for _, m := range form.FindAllStringSubmatch(text, -1) {
			found = append(found, m[1])
		}
	}
	return found
}

// anchors are the names that GitHub gives to the headings of a page.
func anchors(text string) map[string]bool {
	found := map[string]bool{}
	for _, m := range heading.FindAllStringSubmatch(fenced.ReplaceAllString(text, ""), -1) {
		name := strings.Map(func(r rune) rune {
			switch {
			case unicode.IsLetter(r), unicode.IsDigit(r), r == '-', r == '_':
				return unicode.ToLower(r)
			case r == ' ':
				return '-'
			}
			return -1
		}, marked.ReplaceAllString(m[1], "$1"))
		unique := name
		for n := 1; found[unique]; n++ {
			unique = fmt.Sprint(name, "-", n)
		}
		found[unique] = true
	}
	return found
}

// broken names the links of a tree that lead nowhere: to a file that is not there or not in the tree, or to a heading
// that its page does not have. Links to other sites are not followed.
func broken(tree fs.FS) ([]string, error) {
	all, err := pages(tree)
	if err != nil {
		return nil, err
	}
	var wrong []string
	for _, page := range slices.Sorted(maps.Keys(all)) {
		for _, target := range links(all[page]) {
			if why := leadsNowhere(tree, all, page, target); why != "" {
				wrong = append(wrong, fmt.Sprintf("%s: %s: %s", page, target, why))
			}
		}
	}
	return wrong, nil
}

func leadsNowhere(tree fs.FS, all map[string]string, page, target string) string {
	u, err := url.Parse(target)
	if err != nil {
		return err.Error()
	}
	if u.IsAbs() || u.Host != "" {
		return ""
	}
	name := page
	if u.Path != "" {
		name = path.Join(path.Dir(page), u.Path)
	}
	if strings.HasPrefix(u.Path, "/") || !fs.ValidPath(name) {
		return "leads out of the repository"
	}
	if _, err := fs.Stat(tree, name); err != nil {
		return "no such file"
	}
	if u.Fragment == "" {
		return ""
	}
	text, isPage := all[name]
	if !isPage || !anchors(text)[u.Fragment] {
		return "no such heading"
	}
	return ""
}

func TestLinks(t *testing.T) {
	wrong, err := broken(os.DirFS(root))
	if err != nil {
		t.Fatal(err)
	}
	for _, w := range wrong {
		t.Error(w)
	}
}

// What the rule takes, and what it does not.
func TestBroken(t *testing.T) {
	tree := fstest.MapFS{
		"code/main.go":           {},
		"node_modules/x/READ.md": {Data: []byte("[gone](gone.md)")},
		"docs/other.md": {
			Data: []byte(
				"# Other page\n\n## `localdev --hosts`, [two](x.md) of them!\n\n## Twice\n\n## Twice\n\n```sh\n# no heading\n```\n",
			),
		},
		"docs/x.md": {},
	}
	for _, tt := range []struct{ name, text, want string }{
		{"a file", "[a](other.md)", ""},
		{"a folder, a title", `[a](../code "the code")`, ""},
		{"a picture in a link", "[![a](x.md)](../code/main.go)", ""},
		{"a heading", "[a](other.md#other-page)", ""},
		{"a heading with marks", "[a](other.md#localdev---hosts-two-of-them)", ""},
		{"the second of a name", "[a](other.md#twice-1)", ""},
		{"a heading of its own", "# Über uns\n[a](#über-uns) [a](#%C3%BCber-uns)", ""},
		{"another site", "[a](https://example.com/none) [b](mailto:a@example.com)", ""},
		{"in code", "`[a](none.md)`\n\n```md\n[a](none.md)\n```\n", ""},
		{"no file", "[a](none.md)", "docs/page.md: none.md: no such file"},
		{"no picture", "![a](none.png)", "docs/page.md: none.png: no such file"},
		{"defined below", "[a][1]\n\n[1]: none.md\n", "docs/page.md: none.md: no such file"},
		{"in HTML", `<a href="none.md">a</a>`, "docs/page.md: none.md: no such file"},
		{"no heading", "[a](other.md#none)", "docs/page.md: other.md#none: no such heading"},
		{"a comment in code", "[a](other.md#no-heading)", "docs/page.md: other.md#no-heading: no such heading"},
		{"a heading of a program", "[a](../code/main.go#L1)", "docs/page.md: ../code/main.go#L1: no such heading"},
		{"out of the tree", "[a](../../etc/passwd)", "docs/page.md: ../../etc/passwd: leads out of the repository"},
		{"from the root", "[a](/docs/x.md)", "docs/page.md: /docs/x.md: leads out of the repository"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tree["docs/page.md"] = &fstest.MapFile{Data: []byte(tt.text)}
			got, err := broken(tree)
			if err != nil || strings.Join(got, "\n") != tt.want {
				t.Errorf("%q %v, want %q", got, err, tt.want)
			}
		})
	}
}
