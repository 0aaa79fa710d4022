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

// noRPC is the build tag of aws-lambda-go that leaves out the RPC mode, which no runtime of today uses.
const noRPC = "lambda.norpc"

// Build compiles the main package in the folder source for this machine, as to/bootstrap: what sam build does for
// functions whose runtime is provided.al2023. It needs the go command. The tags are added to lambda.norpc, which
// leaves out what no runtime uses any more. An error carries what the compiler said.
func Build(ctx context.Context, source, to string, tags ...string) error {
	if err := os.MkdirAll(to, 0o755); err != nil {
		return fmt.Errorf("lambda: make the folder of a function: %w", err)
	}
	cmd := exec.CommandContext(
		ctx, "go", "build", "-trimpath", "-tags", strings.Join(append(tags, noRPC), ","), "-ldflags", "-s -w", "-o",
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
