package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// benchPackage is a package that has benchmarks.
type benchPackage struct {
	path     string // from the root of its tree: ./adapter; the root itself is .
	dir      string
	docs     map[string]string // what each benchmark is, by its name
	dynamodb bool              // it needs DynamoDB Local
}

// errNoPackage says that a package is not there, or has no benchmarks.
var errNoPackage = errors.New("no such package")

// find returns the packages of a tree that have benchmarks. One that is asked for and has none is an error; no
// patterns mean all.
func find(ctx context.Context, root string, patterns []string) ([]benchPackage, error) {
	if len(patterns) == 0 {
		return list(ctx, root, "./...")
	}
	if err := checkPatterns(patterns); err != nil {
		return nil, err
	}
	var found []benchPackage
	for _, p := range patterns {
		if err := exists(root, p); err != nil {
			return nil, err
		}
		some, err := list(ctx, root, p)
		if err != nil {
			return nil, err
		}
		if len(some) == 0 {
			return nil, fmt.Errorf("%w with benchmarks: %s", errNoPackage, p)
		}
		for _, one := range some {
			if !slices.ContainsFunc(found, func(b benchPackage) bool { return b.path == one.path }) {
				found = append(found, one)
			}
		}
	}
	return found, nil
}

// checkPatterns refuses what is no folder.
func checkPatterns(patterns []string) error {
	for _, p := range patterns {
		if p != "." && !strings.HasPrefix(p, "./") {
			return &usageError{fmt.Sprintf("package %q: a folder is wanted, as ./adapter", p)}
		}
	}
	return nil
}

// exists refuses a pattern whose folder is not there.
func exists(root, pattern string) error {
	dir := filepath.Join(root, strings.TrimSuffix(pattern, "/..."))
	if info, err := os.Stat(dir); err != nil || !info.IsDir() {
		return fmt.Errorf("%w: %s", errNoPackage, pattern)
	}
	return nil
}

// list asks the go command.
func list(ctx context.Context, root, pattern string) ([]benchPackage, error) {
	const fields = "-json=Dir,TestGoFiles,XTestGoFiles,TestImports,XTestImports"
	cmd := exec.CommandContext(ctx, "go", "list", fields, pattern)
	cmd.Dir = root
	var said bytes.Buffer
	cmd.Stderr = &said
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("list %s: %w: %s", pattern, err, bytes.TrimSpace(said.Bytes()))
	}
	if root, err = filepath.Abs(root); err == nil {
		root, err = filepath.EvalSymlinks(root) // as the go command does
	}
	if err != nil {
		return nil, fmt.Errorf("find the root: %w", err)
	}
	var found []benchPackage
	for d := json.NewDecoder(bytes.NewReader(out)); ; {
		var p struct {
			Dir                       string
			TestGoFiles, XTestGoFiles []string
			TestImports, XTestImports []string
		}
		if err := d.Decode(&p); errors.Is(err, io.EOF) {
			return found, nil
		} else if err != nil {
			return nil, fmt.Errorf("read the list of packages: %w", err)
		}
		one, err := look(root, p.Dir, append(p.TestGoFiles, p.XTestGoFiles...))
		if err != nil {
			return nil, err
		}
		one.dynamodb = slices.ContainsFunc(append(p.TestImports, p.XTestImports...), func(imported string) bool {
			return strings.HasSuffix(imported, "/internal/dynamotest")
		})
		if len(one.docs) > 0 {
			found = append(found, one)
		}
	}
}

// look finds the benchmarks of one package in its test files.
func look(root, dir string, files []string) (benchPackage, error) {
	path, err := filepath.Rel(root, dir)
	if err != nil {
		return benchPackage{}, fmt.Errorf("find package: %w", err)
	}
	if path != "." {
		path = "./" + filepath.ToSlash(path)
	}
	p := benchPackage{path: path, dir: dir, docs: map[string]string{}}
	for _, f := range files {
		if err := benchmarksIn(filepath.Join(dir, f), p.docs); err != nil {
			return p, err
		}
	}
	return p, nil
}

// benchmarksIn finds the functions BenchmarkXxx(*testing.B) in a file, and their comments.
func benchmarksIn(file string, docs map[string]string) error {
	tree, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.SkipObjectResolution|parser.ParseComments)
	if err != nil {
		return fmt.Errorf("look for benchmarks: %w", err)
	}
	for _, d := range tree.Decls {
		f, ok := d.(*ast.FuncDecl)
		if !ok || f.Recv != nil || !strings.HasPrefix(f.Name.Name, "Benchmark") || len(f.Type.Params.List) != 1 {
			continue
		}
		star, ok := f.Type.Params.List[0].Type.(*ast.StarExpr)
		if !ok {
			continue
		}
		if s, ok := star.X.(*ast.SelectorExpr); ok && s.Sel.Name == "B" {
			docs[f.Name.Name] = strings.Join(strings.Fields(f.Doc.Text()), " ")
		}
	}
	return nil
}
