// Command fuzz runs every fuzz target of the module for a while, one after the other, so that none is forgotten: it
// finds them in the test files. The first that fails ends the run, with the input that did it. It closes with a line
// of counts.
//
// Usage: go run ./scripts/fuzz [-time 20s] [-run regexp] [packages]
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"
)

const (
	// buildTime is what a target may take beside its fuzzing: to be built with its instrumentation, and to try the
	// inputs that are known.
	buildTime = 5 * time.Minute
	// workers is how many processes fuzz a target.
	workers = 2
	// tries is how often a target is fuzzed whose end go test took for a failure, see endOnly.
	tries = 3
)

func main() {
	length := flag.Duration("time", 20*time.Second, "how long to fuzz each target")
	only := flag.String("run", "", "fuzz the targets that this regular expression matches, as in go test")
	flag.Usage = func() {
		fmt.Fprintln(flag.CommandLine.Output(), "usage: go run ./scripts/fuzz [-time 20s] [-run regexp] [packages]")
		flag.PrintDefaults()
	}
	flag.Parse()
	if err := run(context.Background(), os.Stdout, *length, *only, flag.Args()); err != nil {
		fmt.Fprintf(os.Stderr, "fuzz: %v\n", err)
		os.Exit(1)
	}
}

// target is one fuzz target.
type target struct{ pkg, dir, name string }

// run fuzzes all targets of packages; none means ./... .
func run(ctx context.Context, out io.Writer, length time.Duration, only string, packages []string) error {
	filter, err := regexp.Compile(only)
	if err != nil {
		return fmt.Errorf("-run: %w", err)
	}
	if len(packages) == 0 {
		packages = []string{"./..."}
	}
	targets, err := find(ctx, packages)
	if err != nil {
		return err
	}
	began, fuzzed, total := time.Now(), 0, 0
	for _, t := range targets {
		if !filter.MatchString(t.name) {
			continue
		}
		n, err := t.fuzz(ctx, out, length)
		if err != nil {
			return err
		}
		fuzzed, total = fuzzed+1, total+n
	}
	if fuzzed == 0 {
		return errors.New("no target found")
	}
	fmt.Fprintf(
		out, "%d of %d targets fuzzed, %d inputs, %s\n", fuzzed, len(targets), total,
		time.Since(began).Round(time.Second),
	)
	return nil
}

// find returns the targets of packages.
func find(ctx context.Context, packages []string) ([]target, error) {
	cmd := exec.CommandContext(
		ctx, "go",
		append([]string{"list", "-json=ImportPath,Dir,TestGoFiles,XTestGoFiles"}, packages...)...)
	cmd.Stderr = os.Stderr
	list, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("list packages: %w", err)
	}
	var targets []target
	for d := json.NewDecoder(bytes.NewReader(list)); ; {
		var p struct {
			ImportPath, Dir           string
			TestGoFiles, XTestGoFiles []string
		}
		if err := d.Decode(&p); errors.Is(err, io.EOF) {
			return targets, nil
		} else if err != nil {
			return nil, fmt.Errorf("read the list of packages: %w", err)
		}
		for _, file := range append(p.TestGoFiles, p.XTestGoFiles...) {
			names, err := targetsIn(filepath.Join(p.Dir, file))
			if err != nil {
				return nil, err
			}
			for _, name := range names {
				targets = append(targets, target{p.ImportPath, p.Dir, name})
			}
		}
	}
}

// targetsIn returns the names of the targets in a file: its functions FuzzXxx(*testing.F).
func targetsIn(file string) ([]string, error) {
	tree, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.SkipObjectResolution)
	if err != nil {
		return nil, fmt.Errorf("look for targets: %w", err)
	}
	var names []string
	for _, d := range tree.Decls {
		f, ok := d.(*ast.FuncDecl)
		if !ok || f.Recv != nil || !strings.HasPrefix(f.Name.Name, "Fuzz") || len(f.Type.Params.List) != 1 {
			continue
		}
		if star, ok := f.Type.Params.List[0].Type.(*ast.StarExpr); ok {
			if s, ok := star.X.(*ast.SelectorExpr); ok && s.Sel.Name == "F" {
				names = append(names, f.Name.Name)
			}
		}
	}
	return names, nil
}

// fuzz fuzzes the target and returns how many inputs were tried.
func (t target) fuzz(ctx context.Context, out io.Writer, length time.Duration) (int, error) {
	ctx, cancel := context.WithTimeout(ctx, length+buildTime)
	defer cancel()
	began := time.Now()
	var said bytes.Buffer
	var err error
	for range tries {
		said.Reset()
		cmd := exec.CommandContext(
			ctx, "go", "test", "-run", "^$", "-fuzz", "^"+t.name+"$", "-fuzztime", length.String(), "-parallel",
			strconv.Itoa(workers), t.pkg,
		)
		cmd.Stdout, cmd.Stderr = &said, &said
		if err = cmd.Run(); err == nil || !endOnly(said.String()) {
			break
		}
		fmt.Fprintf(out, "%s %s: go test took the end of the time for a failure; once more\n", t.pkg, t.name)
	}
	execs := inputs(said.String())
	if err == nil && execs == 0 {
		err = errors.New("no input was tried")
	}
	if err != nil {
		fmt.Fprintf(out, "fail %s %s\n%s", t.pkg, t.name, &said)
		t.showInput(out, said.String())
		return 0, fmt.Errorf("%s %s: %w", t.pkg, t.name, err)
	}
	fmt.Fprintf(out, "pass %s %s %d inputs %s\n", t.pkg, t.name, execs, time.Since(began).Round(time.Second))
	return execs, nil
}

var (
	execsLine = regexp.MustCompile(`(?m)^fuzz: elapsed: .* execs: (\d+) `)
	inputLine = regexp.MustCompile(`Failing input written to (\S+)`)
	endLine   = regexp.MustCompile(`(?m)^--- FAIL: Fuzz\w+ \(\S+\)\n +context deadline exceeded\nFAIL$`)
)

// inputs is the last count of inputs that go test has told of.
func inputs(said string) int {
	all := execsLine.FindAllStringSubmatch(said, -1)
	if len(all) == 0 {
		return 0
	}
	n, err := strconv.Atoi(all[len(all)-1][1])
	if err != nil {
		return 0
	}
	return n
}

// endOnly reports whether go test has failed for nothing but the end of the time: before Go 1.27 it may take that for a
// failure, https://go.dev/issue/75804. There is no input then.
func endOnly(said string) bool { return endLine.MatchString(said) && !inputLine.MatchString(said) }

// showInput prints the input that failed, which go test has written into the package's testdata.
func (t target) showInput(out io.Writer, said string) {
	m := inputLine.FindStringSubmatch(said)
	if m == nil {
		return
	}
	file := filepath.Join(t.dir, m[1])
	b, err := os.ReadFile(file)
	if err != nil {
		fmt.Fprintf(out, "the input cannot be read: %v\n", err)
		return
	}
	fmt.Fprintf(out, "%s:\n%s\n", file, b)
}
