//go:build unix

package e2e

import (
	"errors"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/nonstick-io/nonstick/localdev/lambda"
	"github.com/nonstick-io/nonstick/localdev/template"
)

// functions are the functions of the template, built once.
var functions struct {
	once sync.Once
	dir  string
	err  error
}

// builtFunctions returns the folder of the functions, each in one with its id, as localdev builds them: once for all
// tests.
func builtFunctions(t *testing.T) string {
	t.Helper()
	functions.once.Do(func() {
		functions.dir = filepath.Join(filepath.Dir(binary), "functions") // goes with it
		functions.err = buildFunctions(t, functions.dir)
	})
	if functions.err != nil {
		t.Fatal(functions.err)
	}
	return functions.dir
}

func buildFunctions(t *testing.T, to string) error {
	t.Helper()
	all, err := template.Read("../template.yaml", template.Options{})
	if err != nil {
		return err
	}
	client, err := filepath.Abs(clientFiles)
	if err != nil {
		return err
	}
	first := map[string]string{} // those of one source are one program
	for _, f := range all.Functions {
		dir := filepath.Join(to, f.ID)
		if same, there := first[f.Source]; there {
			if err := os.Symlink(same, dir); err != nil {
				return err
			}
			continue
		}
		first[f.Source] = f.ID
		if err := errors.Join(
			lambda.Build(t.Context(), f.Source, dir, "nonstick_apps"), os.Symlink(client, filepath.Join(dir, "client")),
		); err != nil {
			return err
		}
	}
	return nil
}
