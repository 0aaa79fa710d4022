package docs

import (
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

const ourModule = "github.com/nonstick-io/nonstick"

// A row of the table of packages: packages, and what they import of ours. "x/..." stands for all packages below x.
type row struct {
	packages, imports []string
	anything          bool // its imports are not listed
}

// has reports whether a package is one of the row's.
func (r row) has(pkg string) bool {
	return slices.ContainsFunc(r.packages, func(p string) bool {
		below, all := strings.CutSuffix(p, "/...")
		return p == pkg || all && strings.HasPrefix(pkg, below+"/")
	})
}

// rowsOf reads the table of packages of a page.
func rowsOf(page string) []row {
	_, section, _ := strings.Cut(page, "\n## Packages\n")
	section, _, _ = strings.Cut(section, "\n## ")
	var rows []row
	for line := range strings.Lines(section) {
		cells := strings.Split(strings.TrimSpace(line), "|")
		if len(cells) != 5 || !strings.Contains(cells[1], "`") {
			continue
		}
		rows = append(rows, row{
			packages: spans(cells[1]), imports: spans(cells[3]), anything: strings.TrimSpace(cells[3]) == "anything",
		})
	}
	return rows
}

// spans are what a text has between backquotes.
func spans(text string) []string {
	var found []string
	for _, span := range inline.FindAllString(text, -1) {
		found = append(found, strings.Trim(span, "`"))
	}
	return found
}

// misplaced says what is wrong with a table: packages that are in no row or in several, imports that differ, and
// imports of a row that are not above it. Imports has the packages of the module, each with what it imports of the
// module.
func misplaced(rows []row, imports map[string][]string) []string {
	var wrong []string
	rowOf := map[string]int{}
	for pkg := range imports {
		for i, r := range rows {
			if !r.has(pkg) {
				continue
			}
			if _, twice := rowOf[pkg]; twice {
				wrong = append(wrong, pkg+": in two rows")
			}
			rowOf[pkg] = i
		}
		if _, found := rowOf[pkg]; !found {
			wrong = append(wrong, pkg+": in no row")
		}
	}
	for i, r := range rows {
		wrong = append(wrong, r.wrong(i, rowOf, imports)...)
	}
	slices.Sort(wrong)
	return wrong
}

// wrong says what is wrong with the i-th row.
func (r row) wrong(i int, rowOf map[string]int, imports map[string][]string) []string {
	var wrong []string
	are := map[string]bool{}
	for pkg, at := range rowOf {
		if at != i {
			continue
		}
		for _, dep := range imports[pkg] {
			if r.has(dep) {
				continue
			}
			are[dep] = true
			if at, known := rowOf[dep]; known && at > i {
				wrong = append(wrong, fmt.Sprintf("%s: imports %s, which is below it", pkg, dep))
			}
		}
	}
	name := strings.Join(r.packages, ", ")
	for dep := range are {
		if !r.anything && !slices.Contains(r.imports, dep) {
			wrong = append(wrong, fmt.Sprintf("%s: imports %s too", name, dep))
		}
	}
	for _, dep := range r.imports {
		if !are[dep] {
			wrong = append(wrong, fmt.Sprintf("%s: does not import %s", name, dep))
		}
	}
	return wrong
}

// importsOf asks the go command for the packages of this module, with what each imports of the module, without its
// tests. The package at the root is called nonstick.
func importsOf(t *testing.T) map[string][]string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", "list", "-f", `{{.ImportPath}} {{join .Imports " "}}`, "./...")
	cmd.Dir = root
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	found := map[string][]string{}
	for line := range strings.Lines(string(out)) {
		var ours []string
		for _, path := range strings.Fields(line) {
			if name, below := strings.CutPrefix(path, ourModule+"/"); below {
				ours = append(ours, name)
			} else if path == ourModule {
				ours = append(ours, "nonstick")
			}
		}
		found[ours[0]] = ours[1:]
	}
	return found
}

func TestTableOfPackages(t *testing.T) {
	page, err := os.ReadFile(root + "/docs/architecture.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, w := range misplaced(rowsOf(string(page)), importsOf(t)) {
		t.Errorf("docs/architecture.md: %s", w)
	}
}

// What the rule takes, and what it does not.
func TestMisplaced(t *testing.T) {
	const page = "# A\n\n## Packages\n\n| package | owns | imports, of ours |\n|---|---|---|\n" +
		"| `leaf` | leaves | nothing |\n| `tree`, `bush` | more | `leaf` |\n| `cmd/...` | programs | anything |\n\n## B\n"
	good := func() map[string][]string {
		return map[string][]string{
			"leaf": nil, "tree": {"leaf", "bush"}, "bush": nil, "cmd/saw": {"tree"}, "cmd/axe": {"leaf", "cmd/saw"},
		}
	}
	for _, tt := range []struct {
		name   string
		change func(map[string][]string)
		want   string
	}{
		{"as it is", func(map[string][]string) {}, ""},
		{"no row", func(m map[string][]string) { m["root"] = nil }, "root: in no row"},
		{
			"one import more", func(m map[string][]string) { m["other"] = nil; m["leaf"] = []string{"other"} },
			"leaf: imports other too\nother: in no row",
		},
		{"one less", func(m map[string][]string) { m["tree"] = nil }, "tree, bush: does not import leaf"},
		{
			"upwards", func(m map[string][]string) { m["leaf"] = []string{"cmd/saw"} },
			"leaf: imports cmd/saw too\nleaf: imports cmd/saw, which is below it",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			imports := good()
			tt.change(imports)
			if got := strings.Join(misplaced(rowsOf(page), imports), "\n"); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
	twice := strings.Replace(page, "| `leaf` | leaves", "| `leaf`, `cmd/...` | leaves", 1)
	if got := misplaced(rowsOf(twice), good()); !slices.Contains(got, "cmd/saw: in two rows") {
		t.Errorf("a package in two rows passes: %q", got)
	}
}
