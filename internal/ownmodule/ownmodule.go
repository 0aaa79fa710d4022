// Package ownmodule makes what docs/deploy.md tells its reader to make: a module of one's own with a program of
// Nonstick, and what deploys it. It is for tests.
package ownmodule

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
)

// Write writes the module into the folder dir: the program of examples/first-handler as main.go, the template with it
// in the place of functions/app, samconfig.toml, and functions.mk as the Makefile. The folder repo is the root of this
// repository, which the module has in the place of a version of Nonstick.
func Write(dir, repo string) error {
	repo, err := filepath.Abs(repo)
	if err != nil {
		return fmt.Errorf("ownmodule: find the repository: %w", err)
	}
	for _, file := range []struct {
		from, to string
		change   func([]byte) ([]byte, error)
	}{
		{"examples/first-handler/main.go", "main.go", asItIs},
		{"go.mod", "go.mod", requires(repo)},
		{"go.sum", "go.sum", asItIs},
		{"functions/functions.mk", "Makefile", asItIs},
		{"samconfig.toml", "samconfig.toml", asItIs},
		{"template.yaml", "template.yaml", replaced("CodeUri: functions/app\n", "CodeUri: .\n")},
	} {
		text, err := os.ReadFile(filepath.Join(repo, file.from))
		if err == nil {
			text, err = file.change(text)
		}
		if err == nil {
			err = os.WriteFile(filepath.Join(dir, file.to), text, 0o600)
		}
		if err != nil {
			return fmt.Errorf("ownmodule: write %s: %w", file.to, err)
		}
	}
	return nil
}

func asItIs(text []byte) ([]byte, error) { return text, nil }

// replaced replaces a text, which has to be there.
func replaced(was, is string) func([]byte) ([]byte, error) {
	return func(text []byte) ([]byte, error) {
		if !bytes.Contains(text, []byte(was)) {
			return nil, fmt.Errorf("there is no %q", was)
		}
		return bytes.ReplaceAll(text, []byte(was), []byte(is)), nil
	}
}

// requires makes the go.mod of this repository that of a module which requires it, as the go command would: what this
// repository requires is required there too.
func requires(repo string) func([]byte) ([]byte, error) {
	const module = "github.com/nonstick-io/nonstick"
	return func(text []byte) ([]byte, error) {
		text, err := replaced("module "+module+"\n", "module example.com/own\n")(text)
		return fmt.Appendf(text, "\nrequire %s v0.0.0\n\nreplace %[1]s => %s\n", module, repo), err
	}
}
