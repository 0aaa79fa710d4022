package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// Files of a module with benchmarks.
const (
	goMod   = "module example.com/m\n\ngo 1.24\n"
	goodOne = `package a

import "testing"

// BenchmarkGood does | nothing.
func BenchmarkGood(b *testing.B) {
	for b.Loop() {
	}
	b.ReportMetric(3, "reads/op")
}
`
	noMore  = "package a\n\nimport \"testing\"\n\nfunc TestOnly(*testing.T) {}\n"
	skipped = `package a

import "testing"

func BenchmarkGood(b *testing.B) {
	for b.Loop() {
	}
}

func BenchmarkNeedy(b *testing.B) { b.Skip("needs the moon\nand a rocket") }
`
	failing = `package a

import "testing"

func BenchmarkBad(b *testing.B) { b.Fatal("out of luck") }
`
)

// repository is a git repository in a folder of its own, which is the working folder of the test.
type repository struct{ *testing.T }

func newRepository(t *testing.T) repository {
	t.Helper()
	dir := t.TempDir()
	t.Chdir(dir)
	t.Setenv("TMPDIR", t.TempDir())
	r := repository{t}
	r.git("init", "--quiet", "--initial-branch=main")
	return r
}

func (r repository) git(args ...string) {
	r.Helper()
	args = append([]string{"-c", "user.name=a", "-c", "user.email=a@example.com"}, args...)
	if out, err := exec.Command("git", args...).CombinedOutput(); err != nil {
		r.Fatalf("git %v: %v\n%s", args, err, out)
	}
}

// commit writes files, "" removes one, and commits and tags them.
func (r repository) commit(tag string, files map[string]string) {
	r.Helper()
	for name, text := range files {
		if text == "" {
			if err := os.RemoveAll(name); err != nil {
				r.Fatal(err)
			}
			continue
		}
		r.write(name, text, 0o644)
	}
	r.git("add", "--all")
	r.git("commit", "--quiet", "--message", tag)
	r.git("tag", tag)
}

func (r repository) write(name, text string, mode os.FileMode) {
	r.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		r.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(text), mode); err != nil {
		r.Fatal(err)
	}
}

// clean fails the test if something was left: worktrees, folders, changed files.
func (r repository) clean() {
	r.Helper()
	out, err := exec.Command("git", "worktree", "list").Output()
	if n := strings.Count(string(out), "\n"); err != nil || n != 1 {
		r.Errorf("worktrees are left: %v\n%s", err, out)
	}
	left, err := os.ReadDir(os.Getenv("TMPDIR"))
	if err != nil {
		r.Error(err)
	}
	for _, f := range left {
		if strings.HasPrefix(f.Name(), "nonstick-bench-") {
			r.Errorf("%s is left", f.Name())
		}
	}
}

// bench runs the command and returns what it printed.
func (r repository) bench(args ...string) (out, progress string, err error) {
	r.Helper()
	var o, p bytes.Buffer
	err = start(r.Context(), args, &o, &p)
	return o.String(), p.String(), err
}

// fakeBenchstat tells what it was called with and how many results the files have.
func (r repository) fakeBenchstat() string {
	r.Helper()
	name := filepath.Join(r.TempDir(), "benchstat")
	r.write(name, `#!/bin/sh
for f in "$@"; do
  echo "${f%%=*}: $(grep -c ^BenchmarkGood "${f#*=}") results"
done
`, 0o755)
	return name
}

func TestCompare(t *testing.T) {
	r := newRepository(t)
	r.commit("v1", map[string]string{"go.mod": goMod, "a/a_test.go": goodOne, "gone/a_test.go": goodOne})
	r.commit("v2", map[string]string{"gone": "", "b/a_test.go": goodOne, "a/more.go": "package a\n"})
	kept := t.TempDir()
	out, progress, err := r.bench(
		"compare", "--benchstat", r.fakeBenchstat(), "--count", "3", "--benchtime", "2x", "--keep", kept, "v1", "v2",
	)
	if err != nil {
		t.Fatalf("%v\n%s", err, progress)
	}
	if want := "old v1: 3 results\nnew v2: 3 results\n"; out != want {
		t.Errorf("printed %q, want %q", out, want)
	}
	for _, want := range []string{
		"check out v1", "build 1 packages of v2", "turn 3 of 3, ./a", "./gone is left out: v2 has no benchmarks there",
		"./b is left out: v1 has no benchmarks there",
	} {
		if !strings.Contains(progress, want) {
			t.Errorf("no %q in\n%s", want, progress)
		}
	}
	for _, name := range []string{"old.txt", "new.txt"} {
		text, err := os.ReadFile(filepath.Join(kept, name))
		if err != nil || strings.Count(string(text), "\nBenchmarkGood") != 3 ||
			!strings.Contains(string(text), "pkg: example.com/m/a\n") {
			t.Errorf("%s: %v\n%s", name, err, text)
		}
	}
	r.clean()
}

func TestCompareSameCommit(t *testing.T) {
	r := newRepository(t)
	r.commit("v1", map[string]string{"go.mod": goMod, "a/a_test.go": goodOne})
	_, progress, err := r.bench(
		"compare", "--benchstat", r.fakeBenchstat(), "--count", "1", "--benchtime", "1x", "v1", "HEAD",
	)
	if err != nil || !strings.Contains(progress, "what differs is noise") {
		t.Errorf("%v\n%s", err, progress)
	}
	r.clean()
}

// What cannot be compared, and that nothing is left then.
func TestCompareRefused(t *testing.T) {
	r := newRepository(t)
	r.commit("v1", map[string]string{"go.mod": goMod, "a/a_test.go": goodOne})
	r.commit("other", map[string]string{"a": "", "b/a_test.go": goodOne})
	r.commit("failing", map[string]string{"b": "", "a/a_test.go": failing})
	r.commit("broken", map[string]string{"a/a_test.go": goodOne + "oh\n"})
	r.commit("wrong", map[string]string{"a/a_test.go": goodOne + "var x int = \"\"\n"})
	r.commit("none", map[string]string{"a/a_test.go": noMore})
	benchstat := r.fakeBenchstat()
	failingBenchstat := filepath.Join(t.TempDir(), "benchstat")
	r.write(failingBenchstat, "#!/bin/sh\necho no luck >&2\nexit 1\n", 0o755)
	for _, tt := range []struct {
		name      string
		benchstat string
		args      []string
		want      []string // parts of the error
	}{
		{"the old commit is unknown", benchstat, []string{"v0", "v1"}, []string{"no such commit", `"v0"`}},
		{"the new commit is unknown", benchstat, []string{"v1", "v1^"}, []string{"no such commit", `"v1^"`}},
		{"one commit", benchstat, []string{"v1"}, []string{"two commits"}},
		{"no benchstat", "none/benchstat", []string{"v1", "v1"}, []string{"find benchstat"}},
		{"benchstat fails", failingBenchstat, []string{"v1", "v1"}, []string{"benchstat", "no luck"}},
		{
			"no such package", benchstat,
			[]string{"v1", "other", "./a"},
			[]string{"commit other", "no such package", "./a"},
		},
		{
			"no benchmarks in a package", benchstat,
			[]string{"none", "v1", "./a"},
			[]string{"commit none", "no such package with benchmarks: ./a"},
		},
		{"no folder", benchstat, []string{"v1", "v1", "a"}, []string{`package "a": a folder is wanted`}},
		{"nothing in common", benchstat, []string{"v1", "other"}, []string{"nothing to compare"}},
		{"a benchmark fails", benchstat, []string{"v1", "failing"}, []string{"commit failing", "./a", "out of luck"}},
		{"no Go", benchstat, []string{"v1", "broken"}, []string{"commit broken", "a_test.go"}},
		{"does not build", benchstat, []string{"v1", "wrong"}, []string{"commit wrong", "build ./a", "a_test.go"}},
		{
			"no such benchmark", benchstat,
			[]string{"--bench", "Other", "v1", "v1"},
			[]string{`--bench "Other" matches none`},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			flags := []string{"compare", "--benchstat", tt.benchstat, "--count", "1", "--benchtime", "1x"}
			r := repository{t}
			_, _, err := r.bench(append(flags, tt.args...)...)
			for _, want := range tt.want {
				if err == nil || !strings.Contains(err.Error(), want) {
					t.Errorf("error %v, want %q in it", err, want)
				}
			}
			r.clean()
		})
	}
}

// stopping ends a context as soon as a text is written to it.
type stopping struct {
	at   string
	stop func()
}

func (s *stopping) Write(p []byte) (int, error) {
	if strings.Contains(string(p), s.at) {
		s.stop()
	}
	return len(p), nil
}

// An interrupt, at any moment, leaves nothing.
func TestCompareInterrupted(t *testing.T) {
	r := newRepository(t)
	r.commit("v1", map[string]string{"go.mod": goMod, "a/a_test.go": goodOne})
	benchstat := r.fakeBenchstat()
	for _, at := range []string{"check out v1", "build 1 packages", "turn 1 of 50"} {
		t.Run(at, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			err := start(
				ctx, []string{"compare", "--benchstat", benchstat, "--count", "50", "--benchtime", "10s", "v1", "v1"},
				io.Discard, &stopping{at, cancel},
			)
			if err == nil || ctx.Err() == nil {
				t.Errorf("error %v", err)
			}
			repository{t}.clean()
		})
	}
}

func TestRun(t *testing.T) {
	r := newRepository(t)
	r.commit("v1", map[string]string{"go.mod": goMod, "a/a_test.go": skipped, "b/a_test.go": goodOne})
	out, progress, err := r.bench("run", "--benchtime", "2x", "--count", "2", "--out", "results.txt")
	if err != nil {
		t.Fatalf("%v\n%s", err, progress)
	}
	if n := strings.Count(out, "BenchmarkGood"); n != 4 {
		t.Errorf("%d results\n%s", n, out)
	}
	for _, want := range []string{"[2/2] ./b", "skipped: ./a BenchmarkNeedy: ", "needs the moon\n", "4 results"} {
		if !strings.Contains(progress, want) {
			t.Errorf("no %q in\n%s", want, progress)
		}
	}
	text, err := os.ReadFile("results.txt")
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"# commit: ", "# date: 2", "# go: go1", "pkg: example.com/m/a\n", "pkg: example.com/m/b\n",
	} {
		if !strings.Contains(string(text), want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
	out, _, err = r.bench("table", "results.txt")
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"| `example.com/m/b` | Good | ", " ns | 3 |"} {
		if !strings.Contains(out, want) {
			t.Errorf("no %q in\n%s", want, out)
		}
	}
	r.clean()
}

// One benchmark that fails is an error, and the others are run all the same.
func TestRunFails(t *testing.T) {
	r := newRepository(t)
	r.commit("v1", map[string]string{"go.mod": goMod, "a/a_test.go": failing, "b/a_test.go": goodOne})
	out, _, err := r.bench("run", "--benchtime", "1x", "--out", "results.txt")
	if err == nil || !strings.Contains(err.Error(), "out of luck") {
		t.Errorf("error %v", err)
	}
	if !strings.Contains(out, "BenchmarkGood") {
		t.Errorf("the other package was not run:\n%s", out)
	}
	r.clean()
}

func TestOnce(t *testing.T) {
	for _, tt := range []struct{ name, file, bench, want string }{
		{"good", goodOne, ".", ""},
		{"skipped", skipped, ".", "1 benchmarks were skipped"},
		{"fails", failing, ".", "out of luck"},
		{"none", goodOne, "Other", "no benchmark was run"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := newRepository(t)
			r.commit("v1", map[string]string{"go.mod": goMod, "a/a_test.go": tt.file})
			_, progress, err := r.bench("once", "--bench", tt.bench)
			if tt.want == "" && (err != nil || !strings.Contains(progress, "1 benchmarks of 1 packages ran once")) {
				t.Errorf("error %v\n%s", err, progress)
			}
			if tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
				t.Errorf("error %v, want %q", err, tt.want)
			}
			r.clean()
		})
	}
}

func TestWrongArguments(t *testing.T) {
	for _, tt := range []struct{ args, want string }{
		{"", "no command"},
		{"sing", `no command "sing"`},
		{"run --count 0", "--count 0: at least 1"},
		{"run --count x", "invalid value"},
		{"run --bench (", "--bench: "},
		{"run --benchtime 3", `--benchtime "3"`},
		{"run --benchtime 0x", `--benchtime "0x"`},
		{"run --benchtime -1s", `--benchtime "-1s"`},
		{"once --count 3", "not defined"},
		{"table", "the file of one run"},
		{"table a b", "the file of one run"},
	} {
		err := start(t.Context(), strings.Fields(tt.args), io.Discard, io.Discard)
		var wrong *usageError
		if !errors.As(err, &wrong) || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%q: error %v, want %q", tt.args, err, tt.want)
		}
	}
}

func TestHelp(t *testing.T) {
	for _, args := range [][]string{{"--help"}, {"help"}, {"compare", "--help"}, {"run", "-h"}} {
		var out bytes.Buffer
		if err := start(t.Context(), args, &out, &out); err != nil && len(args) == 1 {
			t.Errorf("%v: %v", args, err)
		}
		if !strings.Contains(out.String(), "compare [options] OLD NEW") {
			t.Errorf("%v: %s", args, &out)
		}
	}
}
