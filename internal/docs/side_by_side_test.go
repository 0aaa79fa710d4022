package docs

import (
	"fmt"
	"os"
	"path"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

const (
	sidePage = "docs/side-by-side.md"
	sideApps = "examples/side-by-side"
	// mostLines is how many lines of Go a program may have for each of its counterpart in JavaScript.
	mostLines = 1.3
)

// linesOfCode are the lines that are neither empty nor a comment. A comment between lines would be counted, so there
// may be none.
func linesOfCode(code string) (int, error) {
	n := 0
	for line := range strings.Lines(code) {
		line = strings.TrimSpace(line)
		switch {
		case strings.HasPrefix(line, "/*"):
			return 0, fmt.Errorf("a comment that is not counted: %s", line)
		case line != "" && !strings.HasPrefix(line, "//"):
			n++
		}
	}
	return n, nil
}

// sideRow is a row of the page's table: an application, the lines of both programs, and the second by the first.
var sideRow = regexp.MustCompile(`(?m)^\| \[([a-z-]+)\]\(#[a-z-]+\) \| (\d+) \| (\d+) \| (\d\.\d\d) \|$`)

// countedWrong says what is wrong with a page about an application: the code that it shows, the numbers in its table,
// or that the Go program is too long.
func countedWrong(page, app, js, golang string) []string {
	var wrong []string
	for language, code := range map[string]string{"js": js, "go": golang} {
		if !strings.Contains(page, "```"+language+"\n"+code+"```\n") {
			wrong = append(wrong, fmt.Sprintf("%s: the page does not show the %s of the example", app, language))
		}
	}
	theirs, err := linesOfCode(js)
	ours, err2 := linesOfCode(golang)
	if err != nil || err2 != nil {
		return append(wrong, fmt.Sprint(app, err, err2))
	}
	ratio := float64(ours) / float64(theirs)
	if ratio > mostLines {
		wrong = append(wrong, fmt.Sprintf("%s: %d lines, want at most %.1f times %d", app, ours, mostLines, theirs))
	}
	want := []string{app, strconv.Itoa(theirs), strconv.Itoa(ours), fmt.Sprintf("%.2f", ratio)}
	for _, m := range sideRow.FindAllStringSubmatch(page, -1) {
		if m[1] == app && strings.Join(m[1:], " ") == strings.Join(want, " ") {
			return wrong
		}
	}
	return append(wrong, fmt.Sprintf("the page has no row %q", want))
}

// The page shows the programs as they are, and counts them right; ours are not much longer than theirs.
func TestSideBySide(t *testing.T) {
	page := read(t, sidePage)
	apps, err := os.ReadDir(path.Join(root, sideApps))
	if err != nil {
		t.Fatal(err)
	}
	counted := 0
	for _, app := range apps {
		if !app.IsDir() || app.Name() == "node_modules" {
			continue
		}
		counted++
		dir := path.Join(sideApps, app.Name())
		for _, w := range countedWrong(page, app.Name(), read(t, dir+"/server.js"), read(t, dir+"/main.go")) {
			t.Error(w)
		}
	}
	if rows := len(sideRow.FindAllString(page, -1)); rows != counted || counted == 0 {
		t.Errorf("%d rows for %d applications", rows, counted)
	}
}

func read(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(path.Join(root, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestCountedWrong(t *testing.T) {
	const js, golang = "// x\n\na\nb\n", "a\n\tb\n\t// c\n"
	const row, code = "| [x](#x) | 2 | 2 | 1.00 |\n", "```js\n" + js + "```\n```go\n" + golang + "```\n"
	for _, tt := range []struct{ name, page, golang, want string }{
		{"as it is", row + code, golang, ""},
		{"no row", code, golang, "no row"},
		{"another number", strings.Replace(row, "| 2 | 2", "| 2 | 3", 1) + code, golang, "no row"},
		{"another ratio", strings.Replace(row, "1.00", "1.10", 1) + code, golang, "no row"},
		{"other code", row + strings.Replace(code, "b\n```\n```go", "c\n```\n```go", 1), golang, "not show the js"},
		{"too long", row + code, golang + "c\n", "want at most 1.3 times 2"},
		{"a comment of several lines", row + code, "/* a */\n", "not counted"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := strings.Join(countedWrong(tt.page, "x", js, tt.golang), "\n")
			if tt.want == "" && got != "" || !strings.Contains(got, tt.want) {
				t.Errorf("%q, want %q", got, tt.want)
			}
		})
	}
}
