//go:build unix

package lambda_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/nonstick-io/nonstick/localdev/lambda"
)

func TestBuildSaysWhatIsWrong(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "go.mod"), []byte("module x\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(
		filepath.Join(dir, "main.go"), []byte("package main\nfunc main() { nonsense() }\n"), 0o600,
	); err != nil {
		t.Fatal(err)
	}
	err := lambda.Build(context.Background(), dir, t.TempDir())
	if err == nil || !strings.Contains(err.Error(), "nonsense") || !strings.Contains(err.Error(), dir) {
		t.Errorf("err = %v, want the compiler's words and the folder", err)
	}
}
