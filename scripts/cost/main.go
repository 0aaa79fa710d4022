// Command cost writes docs/cost.md, and prices what localdev has counted.
package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"
)

const usage = `usage: go run ./scripts/cost COMMAND [options]

  page [--write] [--check]   measure what operations take of the table, and print docs/cost.md. --write writes the file,
                             --check fails if the file is another. Starts DynamoDB Local (make tools).
  idle [options]             open WebSockets to localdev --template that only answer pings, count for some minutes, and
                             print what a month of so many costs
      --url URL              of localdev; default http://127.0.0.1:3000
      --clients N            default 200
      --scale N              for how many to say it; default 1000
      --warm DURATION        how long to wait before that; default 2m: a new client has its own cost
      --for DURATION         how long to count; default 4m, a few ping intervals

The prices are in internal/prices/prices.json. Run it in the root of the repository.
`

// page is the file that is written.
const pageFile = "docs/cost.md"

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	switch {
	case err == nil, errors.Is(err, flag.ErrHelp):
	case errors.Is(err, errUsage):
		fmt.Fprintf(os.Stderr, "cost: %v\n%s", err, usage)
		os.Exit(2)
	default:
		fmt.Fprintf(os.Stderr, "cost: %v\n", err)
		os.Exit(1)
	}
}

var (
	errUsage = errors.New("wrong arguments")
	errStale = errors.New(pageFile + " is not what is measured now: run make cost, and commit it")
)

// run does what the arguments ask for.
func run(ctx context.Context, args []string, out, progress io.Writer) error {
	if len(args) == 0 {
		return fmt.Errorf("%w: which command?", errUsage)
	}
	fs := flag.NewFlagSet(args[0], flag.ContinueOnError)
	fs.SetOutput(io.Discard)
	write, check := fs.Bool("write", false, ""), fs.Bool("check", false, "")
	url, clients := fs.String("url", "http://127.0.0.1:3000", ""), fs.Int("clients", 200, "")
	scale, d := fs.Int("scale", 1000, ""), fs.Duration("for", 4*time.Minute, "")
	warm := fs.Duration("warm", 2*time.Minute, "")
	if err := fs.Parse(args[1:]); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			_, _ = io.WriteString(out, usage)
			return err
		}
		return fmt.Errorf("%w: %w", errUsage, err)
	}
	switch args[0] {
	case "page":
		return page(ctx, *write, *check, out)
	case "idle":
		if *clients < 1 || *scale < 1 || *d <= 0 {
			return fmt.Errorf("%w: --clients, --scale and --for must be positive", errUsage)
		}
		return idle(ctx, *url, *clients, *scale, *warm, *d, out, progress)
	case "--help", "-h", "help":
		_, _ = io.WriteString(out, usage)
		return nil
	default:
		return fmt.Errorf("%w: no command %q", errUsage, args[0])
	}
}

// difference is the first line in which two pages differ.
func difference(there, now string) string {
	a, b := strings.Split(there, "\n"), strings.Split(now, "\n")
	for i := range min(len(a), len(b)) {
		if a[i] != b[i] {
			return fmt.Sprintf("line %d is %q, and would be %q", i+1, a[i], b[i])
		}
	}
	return fmt.Sprintf("it has %d lines, and would have %d", len(a), len(b))
}

// page measures and renders docs/cost.md.
func page(ctx context.Context, write, check bool, out io.Writer) error {
	p, err := readPrices()
	if err != nil {
		return err
	}
	m, err := measure(ctx)
	if err != nil {
		return err
	}
	text := render(p, m)
	switch {
	case write:
		return os.WriteFile(pageFile, text, 0o644) //nolint:gosec // a page of the documentation
	case check:
		there, err := os.ReadFile(pageFile)
		if err != nil {
			return err
		}
		if !bytes.Equal(there, text) {
			return fmt.Errorf("%w: %s", errStale, difference(string(there), string(text)))
		}
		return nil
	default:
		_, err := out.Write(text)
		return err
	}
}
