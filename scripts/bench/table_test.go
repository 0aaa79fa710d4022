package main

import (
	"errors"
	"os"
	"regexp"
	"strings"
	"testing"
)

func TestReadRows(t *testing.T) {
	rows, err := readRows(`# commit: x
pkg: github.com/nonstick-io/nonstick/gateway/engine
BenchmarkA/b-c=3-2   100	 3000 ns/op	 2.000 reads/op	 5 allocs/op
BenchmarkA
BenchmarkA/b-c=3-2   100	 1000 ns/op	 2.000 reads/op	 7 allocs/op
PASS
pkg: github.com/nonstick-io/nonstick
BenchmarkA-2	1	1234567.5 ns/op
`)
	if err != nil || len(rows) != 2 {
		t.Fatal(rows, err)
	}
	a, root := rows[0], rows[1]
	if a.pkg != "gateway/engine" || a.name != "A/b-c=3" || a.time() != "2 µs" || a.number("reads/op") != "2" ||
		a.number("allocs/op") != "6" || a.number("writes/op") != "" {
		t.Errorf("%+v, %s", a, a.time())
	}
	if root.pkg != "nonstick" || root.name != "A" || root.time() != "1.23 ms" {
		t.Errorf("%+v, %s", root, root.time())
	}
	if _, err := readRows("PASS\n"); !errors.Is(err, errNoResults) {
		t.Errorf("no results: %v", err)
	}
}

func TestMeaning(t *testing.T) {
	packages := []benchPackage{
		{path: ".", docs: map[string]string{"BenchmarkA": "BenchmarkA is a | b."}},
		{path: "./x/y", docs: map[string]string{"BenchmarkA": "BenchmarkA reads.", "BenchmarkB": ""}},
	}
	for _, tt := range []struct{ pkg, name, want string }{
		{"nonstick", "A", `a \| b.`}, {"x/y", "A", "reads."}, {"x/y", "B", ""}, {"x/y", "C", ""}, {"x", "A", ""},
	} {
		if got := meaning(packages, tt.pkg, tt.name); got != tt.want {
			t.Errorf("%s of %s: %q, want %q", tt.name, tt.pkg, got, tt.want)
		}
	}
}

func TestDigits(t *testing.T) {
	for v, want := range map[float64]string{
		0: "0", 1: "1", 0.5: "0.50", 2.998: "3.00", 31.25: "31.2", 454059: "454,059",
		999.6: "1,000", 1234567: "1,234,567",
	} {
		if got := digits(v); got != want {
			t.Errorf("%v: %s, want %s", v, got, want)
		}
	}
}

var rowOfPage = regexp.MustCompile("(?m)^\\| `([\\w/]+)` \\| (\\w+)[^|]* \\|")

// The page of results names no benchmark that is gone.
func TestPage(t *testing.T) {
	text, err := os.ReadFile("../../docs/benchmarks.md")
	if err != nil {
		t.Fatal(err)
	}
	packages, err := find(t.Context(), "../..", nil)
	if err != nil {
		t.Fatal(err)
	}
	known := map[string]bool{}
	for _, p := range packages {
		path := strings.TrimPrefix(p.path, "./")
		if p.path == "." {
			path = short(module)
		}
		for name := range p.docs {
			known[path+" "+strings.TrimPrefix(name, "Benchmark")] = true
		}
	}
	rows := rowOfPage.FindAllStringSubmatch(string(text), -1)
	if len(rows) == 0 {
		t.Fatal("docs/benchmarks.md has no table")
	}
	for _, m := range rows {
		if !known[m[1]+" "+m[2]] {
			t.Errorf(
				"docs/benchmarks.md: no Benchmark%s in %s: run `make bench`, and replace the table", m[2], m[1],
			)
		}
	}
}
