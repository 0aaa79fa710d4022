//go:build unix

package lambda

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// BuildTags are those that functions are built with on a laptop: without the RPC mode that no runtime uses any
// more, and with every application of ours.
const BuildTags = "lambda.norpc,nonstick_apps"

// Build compiles the main package in the folder source for this machine, as to/bootstrap.
func Build(ctx context.Context, source, to string) error {
	if err := os.MkdirAll(to, 0o755); err != nil {
		return fmt.Errorf("lambda: make the folder of a function: %w", err)
	}
	cmd := exec.CommandContext(
		ctx, "go", "build", "-trimpath", "-tags", BuildTags, "-ldflags", "-s -w", "-o",
		filepath.Join(to, "bootstrap"), ".",
	)
	cmd.Dir = source
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=", "GOARCH=")
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &said, &said
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("lambda: build %s: %w\n%s", source, err, strings.TrimSpace(said.String()))
	}
	return nil
}
