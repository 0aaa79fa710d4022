package docs

import (
	"bytes"
	"errors"
	"fmt"
	"go/ast"
	"go/format"
	"go/parser"
	"go/token"
	"maps"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// The page of the cheat sheet, and the test of its lines.
const cheatPage, cheatTest = "docs/emit-cheatsheet.md", "cheatsheet_test.go"

// cheatRow is a row of the page: its name, Socket.IO's line and ours.
var cheatRow = regexp.MustCompile("(?m)^\\| ([^|`]+) \\| `([^`]+)` \\| `([^`]+)` \\|$")

// cheatsOf are our lines on the page, by the names of their rows.
func cheatsOf(page string) (map[string]string, error) {
	rows := map[string]string{}
	for _, m := range cheatRow.FindAllStringSubmatch(page, -1) {
		if _, twice := rows[m[1]]; twice {
			return nil, fmt.Errorf("there are two rows %q", m[1])
		}
		rows[m[1]] = m[3]
	}
	return rows, nil
}

// testedCheats are the lines in the table of the test, by the same names: what the function in each row returns.
func testedCheats(test string) (map[string]string, error) {
	file, err := parser.ParseFile(token.NewFileSet(), "", test, parser.SkipObjectResolution)
	if err != nil {
		return nil, err
	}
	rows := map[string]string{}
	var wrong error
	ast.Inspect(file, func(n ast.Node) bool {
		row, ok := n.(*ast.CompositeLit)
		if !ok || row.Type != nil || len(row.Elts) != 3 {
			return true
		}
		name, isText := row.Elts[0].(*ast.BasicLit)
		emit, isFunc := row.Elts[1].(*ast.FuncLit)
		if !isText || !isFunc {
			return true
		}
		key, err := strconv.Unquote(name.Value)
		code, isReturn := emit.Body.List[0].(*ast.ReturnStmt)
		if err != nil || !isReturn || len(emit.Body.List) != 1 {
			wrong = errors.Join(wrong, fmt.Errorf("row %s: want a function that returns one line", name.Value))
			return false
		}
		var line bytes.Buffer
		wrong = errors.Join(wrong, format.Node(&line, token.NewFileSet(), code.Results[0]))
		rows[key] = line.String()
		return false
	})
	return rows, wrong
}

// The page and the test of the cheat sheet have the same rows with the same lines.
func TestCheatsheet(t *testing.T) {
	page, err := os.ReadFile(root + "/" + cheatPage)
	if err != nil {
		t.Fatal(err)
	}
	test, err := os.ReadFile(root + "/" + cheatTest)
	if err != nil {
		t.Fatal(err)
	}
	said, err := cheatsOf(string(page))
	if err != nil {
		t.Fatal(err)
	}
	tested, err := testedCheats(string(test))
	if err != nil {
		t.Fatal(err)
	}
	if len(said) == 0 {
		t.Errorf("%s has no rows", cheatPage)
	}
	for _, d := range differences(said, tested) {
		t.Error(d)
	}
}

// differences are the rows that the page and the test do not have in common.
func differences(page, test map[string]string) []string {
	names := map[string]string{}
	maps.Copy(names, page)
	maps.Copy(names, test)
	var found []string
	for _, name := range slices.Sorted(maps.Keys(names)) {
		if page[name] != test[name] {
			found = append(found, fmt.Sprintf("row %q: the page has %q, the test %q", name, page[name], test[name]))
		}
	}
	return found
}

func TestCheatsheetRows(t *testing.T) {
	const row = "| to all | `io.emit(1)` | `io.Emit(ctx, 1)` |\n"
	const table = `package a
var cheats = []cheat{{"to all", func() error {
	return io.Emit(ctx, 1)
}, "ann"}}`
	for _, tt := range []struct{ name, page, test, want string }{
		{"the same", row, table, ""},
		{"another line", row, strings.Replace(table, "ctx, 1", "ctx, 2", 1), `row "to all"`},
		{"only on the page", row + strings.Replace(row, "to all", "to none", 1), table, `row "to none"`},
		{"only in the test", "", table, `row "to all"`},
		{"twice", row + row, table, "two rows"},
		{"more than a line", row, strings.Replace(table, "return", "x()\nreturn", 1), "returns one line"},
		{"no Go", row, "package", "expected"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			said, err := cheatsOf(tt.page)
			tested, err2 := testedCheats(tt.test)
			got := fmt.Sprint(errors.Join(err, err2), differences(said, tested))
			if tt.want == "" && got != "<nil> []" || !strings.Contains(got, tt.want) {
				t.Errorf("%s, want %q", got, tt.want)
			}
		})
	}
}
