package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"
)

// row is what one benchmark measured: for each unit the values of all its runs.
type row struct {
	pkg, name string
	values    map[string][]float64
}

// errNoResults says that a file has none.
var errNoResults = errors.New("no results of benchmarks")

// readRows reads the results of a file, in their order.
func readRows(text string) ([]*row, error) {
	var rows []*row
	known := map[string]*row{}
	pkg := ""
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if p, ok := strings.CutPrefix(line, "pkg: "); ok {
			pkg = short(p)
		}
		if !resultLine.MatchString(line) {
			continue
		}
		fields := strings.Fields(line)
		key := pkg + " " + fields[0]
		r := known[key]
		if r == nil {
			r = &row{pkg, bare(fields[0]), map[string][]float64{}}
			known[key] = r
			rows = append(rows, r)
		}
		for i := 2; i+1 < len(fields); i += 2 {
			v, err := strconv.ParseFloat(fields[i], 64)
			if err != nil {
				return nil, fmt.Errorf("read %q: %w", line, err)
			}
			r.values[fields[i+1]] = append(r.values[fields[i+1]], v)
		}
	}
	if len(rows) == 0 {
		return nil, errNoResults
	}
	return rows, nil
}

// module is what the paths of packages begin with.
const module = "github.com/nonstick-io/nonstick"

// short is a package's path in the module; that of the root is nonstick.
func short(pkg string) string {
	if pkg == module {
		return "nonstick"
	}
	return strings.TrimPrefix(pkg, module+"/")
}

// bare is the name of a benchmark without "Benchmark" and without the number of processors behind it.
func bare(name string) string {
	name = strings.TrimPrefix(name, "Benchmark")
	if i := strings.LastIndexByte(name, '-'); i > 0 {
		if _, err := strconv.Atoi(name[i+1:]); err == nil {
			return name[:i]
		}
	}
	return name
}

// printTable prints the results of a file as a table in Markdown, and what each of the benchmarks is by its comment in
// the tree.
func printTable(ctx context.Context, out io.Writer, root, file string) error {
	text, err := os.ReadFile(file)
	if err != nil {
		return fmt.Errorf("read the results: %w", err)
	}
	rows, err := readRows(string(text))
	if err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	for line := range strings.Lines(string(text)) {
		if strings.HasPrefix(line, "# ") {
			fmt.Fprintf(out, "%s  \n", strings.TrimSpace(line[2:]))
		}
	}
	fmt.Fprint(out, "\n| package | benchmark | time | reads | writes | pushes | bytes | allocations |\n")
	fmt.Fprint(out, "|---|---|---:|---:|---:|---:|---:|---:|\n")
	for _, r := range rows {
		fmt.Fprintf(out, "| `%s` | %s | %s | %s | %s | %s | %s | %s |\n", r.pkg, r.name, r.time(),
			r.number("reads/op"), r.number("writes/op"), r.number("pushes/op"), r.number("B/op"), r.number("allocs/op"))
	}
	packages, err := find(ctx, root, nil)
	if err != nil {
		return err
	}
	fmt.Fprint(out, "\n| package | benchmark | what it is |\n|---|---|---|\n")
	told := map[string]bool{}
	for _, r := range rows {
		name, _, _ := strings.Cut(r.name, "/")
		if key := r.pkg + " " + name; !told[key] {
			told[key] = true
			fmt.Fprintf(out, "| `%s` | %s | %s |\n", r.pkg, name, meaning(packages, r.pkg, name))
		}
	}
	return nil
}

// meaning is the comment of a benchmark without its name: "BenchmarkGet reads one." is "reads one."
func meaning(packages []benchPackage, pkg, name string) string {
	for _, p := range packages {
		if strings.TrimPrefix(p.path, "./") == pkg || p.path == "." && pkg == short(module) {
			text := strings.TrimPrefix(p.docs["Benchmark"+name], "Benchmark"+name+" ")
			return strings.ReplaceAll(strings.TrimPrefix(text, "is "), "|", "\\|")
		}
	}
	return ""
}

// median of the values of a unit; false if there are none.
func (r *row) median(unit string) (float64, bool) {
	v := slices.Sorted(slices.Values(r.values[unit]))
	if len(v) == 0 {
		return 0, false
	}
	return (v[(len(v)-1)/2] + v[len(v)/2]) / 2, true
}

// time is the time of one operation, in three digits.
func (r *row) time() string {
	ns, ok := r.median("ns/op")
	if !ok {
		return ""
	}
	for _, u := range []struct {
		size float64
		name string
	}{{float64(time.Second), "s"}, {float64(time.Millisecond), "ms"}, {float64(time.Microsecond), "µs"}} {
		if ns >= u.size {
			return digits(ns/u.size) + " " + u.name
		}
	}
	return digits(ns) + " ns"
}

// number is a value of another unit; empty if it was not measured.
func (r *row) number(unit string) string {
	v, ok := r.median(unit)
	if !ok {
		return ""
	}
	return digits(v)
}

// digits writes a number with three digits, or with as many as its whole part has.
func digits(v float64) string {
	switch {
	case v >= 100 || v == float64(int64(v)):
		return thousands(strconv.FormatInt(int64(v+0.5), 10))
	case v >= 10:
		return strconv.FormatFloat(v, 'f', 1, 64)
	default:
		return strconv.FormatFloat(v, 'f', 2, 64)
	}
}

// thousands puts commas between groups of three digits.
func thousands(s string) string {
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}
