package docs

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
)

// names are what the packages of a tree declare, tests too, by the names of the packages: "Type", "Function",
// "Type.Method" and "Type.Field".
type names map[string]map[string]bool

// add adds what a file declares.
func (n names) add(file *ast.File) {
	pkg := strings.TrimSuffix(file.Name.Name, "_test")
	if n[pkg] == nil {
		n[pkg] = map[string]bool{}
	}
	for _, d := range file.Decls {
		switch d := d.(type) {
		case *ast.FuncDecl:
			n[pkg][receiver(d)+d.Name.Name] = true
		case *ast.GenDecl:
			for _, s := range d.Specs {
				n.addSpec(pkg, s)
			}
		}
	}
}

func (n names) addSpec(pkg string, s ast.Spec) {
	switch s := s.(type) {
	case *ast.ValueSpec:
		for _, name := range s.Names {
			n[pkg][name.Name] = true
		}
	case *ast.TypeSpec:
		n[pkg][s.Name.Name] = true
		for _, name := range members(s.Type) {
			n[pkg][s.Name.Name+"."+name] = true
		}
	}
}

// receiver is the type of a method, with a dot; empty of a function.
func receiver(d *ast.FuncDecl) string {
	if d.Recv == nil {
		return ""
	}
	t := d.Recv.List[0].Type
	for {
		switch of := t.(type) {
		case *ast.StarExpr:
			t = of.X
		case *ast.IndexExpr:
			t = of.X
		case *ast.IndexListExpr:
			t = of.X
		case *ast.Ident:
			return of.Name + "."
		default:
			return ""
		}
	}
}

// members are the fields of a struct, or the methods of an interface. What is embedded, or another type's, is not
// looked up: it is anyMember.
func members(t ast.Expr) []string {
	var fields *ast.FieldList
	switch t := t.(type) {
	case *ast.StructType:
		fields = t.Fields
	case *ast.InterfaceType:
		fields = t.Methods
	case *ast.SelectorExpr:
		return []string{anyMember}
	default:
		return nil
	}
	var found []string
	for _, f := range fields.List {
		if len(f.Names) == 0 {
			found = append(found, anyMember)
		}
		for _, name := range f.Names {
			found = append(found, name.Name)
		}
	}
	return found
}

const anyMember = "*"

// has reports whether a package declares a name. A package that is not in the tree has every name.
func (n names) has(pkg, name string) bool {
	declared, ours := n[pkg]
	if !ours || declared[name] {
		return true
	}
	typ, _, isMember := strings.Cut(name, ".")
	return isMember && declared[typ+"."+anyMember]
}

// declaredIn reads the Go files of a tree.
func declaredIn(tree fs.FS) (names, error) {
	found := names{}
	err := walk(tree, ".go", func(name string, text []byte) error {
		file, err := parser.ParseFile(token.NewFileSet(), name, text, parser.SkipObjectResolution)
		if err == nil {
			found.add(file)
		}
		return err
	})
	return found, err
}

var goName = regexp.MustCompile(`\b([a-z][a-z0-9]*)\.([A-Z]\w*(?:\.[A-Z]\w*)?)`)

// undeclared names what the pages of a tree say of its Go packages that these do not declare: between backquotes, and
// of a few packages, whose names are no variables, in Go code too.
func undeclared(tree fs.FS, inCode []string) ([]string, error) {
	declared, err := declaredIn(tree)
	if err != nil {
		return nil, err
	}
	all, err := pages(tree)
	if err != nil {
		return nil, err
	}
	var wrong []string
	for _, page := range slices.Sorted(maps.Keys(all)) {
		said := goName.FindAllStringSubmatch(
			strings.Join(inline.FindAllString(fenced.ReplaceAllString(all[page], ""), -1), " "), -1,
		)
		for _, block := range goBlock.FindAllStringSubmatch(all[page], -1) {
			for _, m := range goName.FindAllStringSubmatch(block[1], -1) {
				if slices.Contains(inCode, m[1]) {
					said = append(said, m)
				}
			}
		}
		for _, m := range said {
			if !declared.has(m[1], m[2]) {
				wrong = append(wrong, fmt.Sprintf("%s: %s: no such name", page, m[0]))
			}
		}
	}
	return slices.Compact(wrong), nil
}

// namedInCode are packages whose names stand for nothing else in the Go code of pages.
var namedInCode = []string{
	"adapter", "apigw", "delivery", "dynamostore", "management", "memstore", "nonstick", "nonsticktest",
}

func TestNames(t *testing.T) {
	wrong, err := undeclared(os.DirFS(root), namedInCode)
	if err != nil {
		t.Fatal(err)
	}
	for _, w := range wrong {
		t.Error(w)
	}
}

// What the rule takes, and what it does not.
func TestUndeclared(t *testing.T) {
	tree := fstest.MapFS{
		"tea/tea.go": {Data: []byte(`package tea

type Pot struct{ Size int }

type Store interface{ Pour() }

type Both struct{ Pot }

type Other = cup.Cup

func (p *Pot) Brew() {}

func Of[T any](x T) {}

const Green, Black = 1, 2
`)},
		"tea/tea_test.go": {Data: []byte("package tea_test\n\nfunc TestTea() {}\n")},
	}
	for _, tt := range []struct{ name, text, want string }{
		{"declared", "`tea.Pot`, `tea.Of`, `tea.Black`, `tea.TestTea`", ""},
		{"members", "`tea.Pot.Size`, `tea.Pot.Brew`, `tea.Store.Pour`", ""},
		{"embedded", "`tea.Both.Brew`", ""},
		{"another type's", "`tea.Other.Size`", ""},
		{"another's", "`http.Handler`, `tea.yaml`, `Pot.None`", ""},
		{"in words", "The tea.Cup is full.", ""},
		{"a variable in code", "```go\ntea.Cup()\n```\n", ""},
		{"not declared", "`tea.Cup`", "a.md: tea.Cup: no such name"},
		{"no member", "`tea.Pot.Lid`", "a.md: tea.Pot.Lid: no such name"},
		{"in a call", "`tea.Cup(1)`", "a.md: tea.Cup: no such name"},
		{"in code", "```go\nx := pot.Green\n```\n", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tree["a.md"] = &fstest.MapFile{Data: []byte(tt.text)}
			got, err := undeclared(tree, nil)
			if err != nil || strings.Join(got, "\n") != tt.want {
				t.Errorf("%q %v, want %q", got, err, tt.want)
			}
		})
	}
	tree["a.md"] = &fstest.MapFile{Data: []byte("```go\ntea.Cup()\n```\n")}
	if got, err := undeclared(tree, []string{"tea"}); err != nil || len(got) != 1 {
		t.Errorf("in code: %q %v", got, err)
	}
}
