// Command vulncheck looks with govulncheck for known vulnerabilities in what the module uses of its dependencies and
// of Go. What it finds fails the run. Where the database cannot be reached, it says so in one line, and passes: a
// machine without the Internet is no vulnerability.
//
// Usage: go run ./scripts/vulncheck govulncheck [-flag=value ...] [packages]
package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"time"
)

const (
	// probeTime is how long the database may take to answer, scanTime how long the whole of the search may.
	probeTime = 30 * time.Second
	scanTime  = 10 * time.Minute
	// probed is the folder whose modules are asked about first: one of a package, which is what govulncheck wants.
	probed = "scripts/vulncheck"
	// found is the exit code of govulncheck for vulnerabilities.
	found = 3
	// unreached is what govulncheck says if it does not get what the database has.
	unreached = "govulncheck: fetching vulnerabilities: "
)

func main() {
	if len(os.Args) < 2 || strings.HasPrefix(os.Args[1], "-") {
		fmt.Fprintln(os.Stderr, "usage: go run ./scripts/vulncheck govulncheck [-flag=value ...] [packages]")
		os.Exit(2)
	}
	if err := run(context.Background(), os.Stdout, probeTime, os.Args[1], os.Args[2:]); err != nil {
		fmt.Fprintf(os.Stderr, "vulncheck: %v\n", err)
		os.Exit(1)
	}
}

var (
	errUnreachable = errors.New("the database of vulnerabilities cannot be reached")
	errFound       = errors.New("vulnerabilities found")
)

// run asks the database about the modules alone, within the time given, which tells whether it can be reached. Then
// it looks at the code.
func run(ctx context.Context, out io.Writer, patience time.Duration, tool string, args []string) error {
	probe := append([]string{"-C", probed, "-scan", "module"}, flags(args)...)
	err := scan(ctx, io.Discard, patience, tool, probe)
	if errors.Is(err, errUnreachable) || errors.Is(err, context.DeadlineExceeded) {
		fmt.Fprintf(out, "vulncheck: not checked for known vulnerabilities: %v\n", err)
		return nil
	}
	if err != nil && !errors.Is(err, errFound) { // in modules that may not be used
		return fmt.Errorf("ask the database: %w", err)
	}
	return scan(ctx, out, scanTime, tool, args)
}

// flags are those of the arguments before the packages.
func flags(args []string) []string {
	for i, a := range args {
		if !strings.HasPrefix(a, "-") {
			return args[:i]
		}
	}
	return args
}

// scan runs govulncheck and says what came of it.
func scan(ctx context.Context, out io.Writer, limit time.Duration, tool string, args []string) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	cmd := exec.CommandContext(ctx, tool, args...)
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr = out, &said
	err := cmd.Run()
	var exit *exec.ExitError
	for line := range strings.Lines(said.String()) {
		if why, ok := strings.CutPrefix(strings.TrimSpace(line), unreached); ok && err != nil {
			return fmt.Errorf("%w: %s", errUnreachable, why)
		}
	}
	switch {
	case ctx.Err() != nil:
		return fmt.Errorf("govulncheck took more than %s: %w", limit, ctx.Err())
	case errors.As(err, &exit) && exit.ExitCode() == found:
		return errFound
	case err != nil:
		return fmt.Errorf("govulncheck: %w: %s", err, &said)
	default:
		return nil
	}
}
