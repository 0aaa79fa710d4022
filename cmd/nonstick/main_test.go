package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

func TestUsage(t *testing.T) {
	full := t.TempDir()
	if err := os.WriteFile(filepath.Join(full, "x"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		args []string
		code int
		out  string // in stdout
		err  string // in stderr
	}{
		{[]string{"--help"}, exitOK, "Usage: nonstick init [flags] DIR", ""},
		{[]string{"init", "--help"}, exitOK, "Usage: nonstick init [flags] DIR", ""},
		{[]string{"--version"}, exitOK, "nonstick ", ""},
		{nil, exitUsage, "", "no command: want init"},
		{[]string{"new", "x"}, exitUsage, "", `unknown command "new": want init`},
		{[]string{"init"}, exitUsage, "", "init: want one folder"},
		{[]string{"init", "a", "b"}, exitUsage, "", "init: want one folder"},
		{[]string{"init", "--color", "a"}, exitUsage, "", "flag provided but not defined: --color"},
		{[]string{"init", "--replace", "../..", full}, exitFailed, "", "the folder is not empty"},
		{[]string{"init", "--replace", "../..", "--module", "a b", t.TempDir()}, exitFailed, "", "invalid module path"},
	} {
		t.Run(strings.Join(tt.args, " "), func(t *testing.T) {
			var stdout, stderr bytes.Buffer
			code := run(tt.args, &stdout, &stderr)
			if code != tt.code || !strings.Contains(stdout.String(), tt.out) ||
				!strings.Contains(stderr.String(), tt.err) {
				t.Errorf("code %d, said %q, %q", code, &stdout, &stderr)
			}
		})
	}
}

// What is written builds and passes its tests, at once.
func TestInit(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "chat")
	var stdout, stderr bytes.Buffer
	if code := run(
		[]string{"init", dir, "--replace", "../..", "--module", "example.com/chat"},
		&stdout,
		&stderr,
	); code != exitOK {
		t.Fatalf("code %d: %s%s", code, &stdout, &stderr)
	}
	for _, want := range []string{
		"wrote " + filepath.Join(dir, "main.go"), "running go mod tidy", "Next:\n  cd " + dir,
	} {
		if !strings.Contains(stdout.String(), want) {
			t.Errorf("said %s: no %q", &stdout, want)
		}
	}
	cmd := exec.Command("go", "test", "./...")
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("go test: %v\n%s", err, out)
	}
}
