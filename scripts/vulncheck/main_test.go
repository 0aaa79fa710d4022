package main

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// govulncheck writes a program that does as the real one: the first argument -C makes it the probe.
func govulncheck(t *testing.T, probe, scan string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "govulncheck")
	text := "#!/bin/sh\nif [ \"$1\" = -C ]; then\n" + probe + "\nelse\n" + scan + "\nfi\n"
	if err := os.WriteFile(file, []byte(text), 0o700); err != nil { //nolint:gosec // a program
		t.Fatal(err)
	}
	return file
}

func TestRun(t *testing.T) {
	const (
		clean = "echo No vulnerabilities found."
		bad   = "echo 'Vulnerability #1: GO-2026-0001'; exit 3"
		away  = `echo 'govulncheck: fetching vulnerabilities: Get "https://db": dial tcp: lookup db: no such host' ` +
			">&2; exit 1"
		crash = "echo 'govulncheck: loading packages: no' >&2; exit 1"
		hangs = "exec sleep 600"
		never = "echo looked; exit 9"
	)
	tests := []struct {
		name, probe, scan string
		passes            bool
		said              string
	}{
		{"nothing found", clean, clean, true, "No vulnerabilities found."},
		{"found", clean, bad, false, "GO-2026-0001"},
		{"in a module, and not in what is used of it", bad, clean, true, "No vulnerabilities found."},
		{"found by both", bad, bad, false, "GO-2026-0001"},
		{
			"no database", away, never, true,
			"not checked for known vulnerabilities: the database of vulnerabilities cannot be reached: Get",
		},
		{"a database that does not answer", hangs, never, true, "not checked"},
		{"cannot look", crash, never, false, ""},
		{"cannot look at the code", clean, crash, false, ""},
		{"the database goes away", clean, away, false, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var out bytes.Buffer
			patience := 10 * time.Second
			if tt.probe == hangs {
				patience = 100 * time.Millisecond
			}
			err := run(t.Context(), &out, patience, govulncheck(t, tt.probe, tt.scan), []string{"./..."})
			if (err == nil) != tt.passes || !strings.Contains(out.String(), tt.said) ||
				strings.Contains(out.String(), "looked") {
				t.Errorf("%v, said %s", err, &out)
			}
			if tt.passes && strings.Count(out.String(), "\n") != 1 {
				t.Errorf("said %s, want one line", &out)
			}
		})
	}
	if err := run(
		t.Context(), &bytes.Buffer{}, time.Second, "no-such-program", nil,
	); err == nil ||
		errors.Is(err, errUnreachable) {
		t.Errorf("no program: %v", err)
	}
}
