package main

import (
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// module writes a module with one package and changes into it.
func module(t *testing.T, test string) {
	t.Helper()
	dir := t.TempDir()
	for name, text := range map[string]string{
		"go.mod": "module m\n\ngo 1.26\n", "p/p.go": "package p\n", "p/p_test.go": test,
	} {
		file := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o750); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	t.Chdir(dir)
}

const twoTargets = `package p

import "testing"

func FuzzGood(f *testing.F) {
	f.Add("a")
	f.Fuzz(func(t *testing.T, s string) {})
}

func FuzzBad(f *testing.F) {
	f.Fuzz(func(t *testing.T, s string) {
		if len(s) > 1 {
			t.Error("that much")
		}
	})
}

func Fuzzy(t *testing.T) {}
`

func TestRun(t *testing.T) {
	module(t, twoTargets)
	var out bytes.Buffer
	if err := run(
		t.Context(), &out, time.Second, "Good", nil,
	); err != nil ||
		!strings.Contains(out.String(), "1 of 2 targets fuzzed") {
		t.Errorf("%v\n%s", err, &out)
	}
	if !regexp.MustCompile(`pass m/p FuzzGood [1-9]\d* inputs`).MatchString(out.String()) {
		t.Errorf("no count of inputs:\n%s", &out)
	}
	out.Reset()
	err := run(t.Context(), &out, 10*time.Second, "Bad", []string{"./p"})
	if err == nil || !strings.Contains(err.Error(), "FuzzBad") ||
		!regexp.MustCompile(`that much(?s:.)*testdata/fuzz/FuzzBad/\w+:\ngo test fuzz v1\nstring\(`).
			MatchString(out.String()) {
		t.Errorf("%v\n%s", err, &out)
	}
	if err := run(t.Context(), &out, time.Second, "Nobody", nil); err == nil {
		t.Error("no target is no error")
	}
	if err := run(t.Context(), &out, time.Second, "(", nil); err == nil {
		t.Error("a wrong expression is no error")
	}
}

// A target that tries nothing proves nothing, and one that does not compile neither.
func TestRunFails(t *testing.T) {
	for name, test := range map[string]string{
		"broken":     strings.Replace(twoTargets, "f.Add", "f.Nothing", 1),
		"no package": "package",
	} {
		t.Run(name, func(t *testing.T) {
			module(t, test)
			var out bytes.Buffer
			if err := run(t.Context(), &out, time.Second, "Good", nil); err == nil {
				t.Errorf("passed:\n%s", &out)
			}
		})
	}
}

func TestInputs(t *testing.T) {
	for said, want := range map[string]int{
		"fuzz: elapsed: 0s, execs: 0 (0/sec), new interesting: 0 (total: 3)\n" +
			"fuzz: elapsed: 3s, execs: 325017 (108336/sec), new interesting: 11 (total: 202)\nPASS\n": 325017,
		"PASS\n": 0,
		"":       0,
	} {
		if got := inputs(said); got != want {
			t.Errorf("got %d, want %d: %s", got, want, said)
		}
	}
}

// The end of the time is no failure, and a failure is not the end of the time.
func TestEndOnly(t *testing.T) {
	const (
		begin = "fuzz: elapsed: 3s, execs: 24928 (8309/sec), new interesting: 1 (total: 144)\n" +
			"--- FAIL: FuzzA (4.04s)\n    "
		end   = "context deadline exceeded\n"
		input = "Failing input written to testdata/fuzz/FuzzA/1\n"
	)
	for said, want := range map[string]bool{
		begin + end + "FAIL\nexit status 1\n":                                            true,
		begin + end + "    \n    " + input + "FAIL\n":                                    false,
		begin + end + "FAIL\n" + input:                                                   false,
		begin + "--- FAIL: FuzzA (0.00s)\n        a_test.go:1: " + end + "FAIL\n":        false,
		begin + "fuzzing process hung or terminated unexpectedly: exit status 2\nFAIL\n": false,
		"PASS\n": false,
	} {
		if got := endOnly(said); got != want {
			t.Errorf("%v, want %v: %s", got, want, said)
		}
	}
}
