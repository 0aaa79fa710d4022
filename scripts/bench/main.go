// Command bench runs the benchmarks of the module, and compares those of two commits. See docs/benchmarks.md.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"regexp"
	"slices"
	"syscall"
	"time"
)

const usage = `usage: go run ./scripts/bench COMMAND [options] ...

  run [options] [PACKAGE ...]              run benchmarks, write what they measured to a file
  once [options] [PACKAGE ...]             run each once, with the race detector; one that is skipped is an error
  compare [options] OLD NEW [PACKAGE ...]  run the benchmarks of two commits in turn, print the differences
  table FILE                               print the results of a file as a Markdown table

A PACKAGE is a folder, ./adapter for instance, or all below one, ./gateway/...; none means all that have benchmarks.
Run it in the root of the repository. "COMMAND --help" names the options.
`

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	err := start(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	var wrong *usageError
	switch {
	case err == nil, errors.Is(err, flag.ErrHelp):
	case errors.As(err, &wrong):
		fmt.Fprintf(os.Stderr, "bench: %v\n", err)
		os.Exit(2)
	default:
		fmt.Fprintf(os.Stderr, "bench: %v\n", err)
		os.Exit(1)
	}
}

// usageError is a mistake in the arguments.
type usageError struct{ text string }

func (e *usageError) Error() string { return e.text }

// options are those of all commands.
type options struct {
	bench     string
	benchtime string
	count     int
	out       string
	benchstat string
	keep      string
}

// start does what the arguments ask for. Results go to out, progress to progress.
func start(ctx context.Context, args []string, out, progress io.Writer) error {
	if len(args) == 0 {
		fmt.Fprint(progress, usage)
		return &usageError{"no command"}
	}
	r := &runner{out: out, progress: progress}
	command, args := args[0], args[1:]
	switch command {
	case "run":
		o, rest, err := parse(progress, command, args, "bench", "benchtime", "count", "out")
		if err != nil {
			return err
		}
		return r.run(ctx, o, rest)
	case "once":
		o, rest, err := parse(progress, command, args, "bench")
		if err != nil {
			return err
		}
		return r.once(ctx, o, rest)
	case "compare":
		o, rest, err := parse(progress, command, args, "bench", "benchtime", "turns", "benchstat", "keep")
		if err != nil {
			return err
		}
		if len(rest) < 2 {
			return &usageError{"compare: two commits are needed, for instance: compare main~1 main"}
		}
		return r.compare(ctx, o, rest[0], rest[1], rest[2:])
	case "table":
		_, rest, err := parse(progress, command, args)
		if err != nil {
			return err
		}
		if len(rest) != 1 {
			return &usageError{"table: the file of one run is needed"}
		}
		return printTable(ctx, out, ".", rest[0])
	case "help", "--help", "-help", "-h":
		fmt.Fprint(out, usage)
		return nil
	default:
		fmt.Fprint(progress, usage)
		return &usageError{fmt.Sprintf("no command %q", command)}
	}
}

// parse reads the options of a command, of which it has those named.
func parse(out io.Writer, command string, args []string, has ...string) (options, []string, error) {
	var o options
	f := flag.NewFlagSet(command, flag.ContinueOnError)
	f.SetOutput(out)
	f.Usage = func() {
		fmt.Fprint(out, usage)
		fmt.Fprintf(out, "\noptions of %s:\n", command)
		f.PrintDefaults()
	}
	for _, name := range has {
		switch name {
		case "bench":
			f.StringVar(&o.bench, name, ".", "run the benchmarks that this `regexp` matches, as in go test")
		case "benchtime":
			f.StringVar(&o.benchtime, name, "200ms", "how long, or with an x how often, each is run, as in go test: "+
				"a `time`, or 100x")
		case "count":
			f.IntVar(&o.count, name, 1, "how often each is run")
		case "turns":
			f.IntVar(&o.count, "count", 6, "how often each is run, the commits in turn; less than 6 show no difference")
		case "out":
			f.StringVar(&o.out, name, "", "the `file` of the results (default bin/bench/COMMIT.txt)")
		case "benchstat":
			f.StringVar(&o.benchstat, name, "benchstat", "the `program` that compares results, of golang.org/x/perf")
		case "keep":
			f.StringVar(&o.keep, name, "", "a `folder` for the results of both commits (default: they are thrown away)")
		}
	}
	if err := f.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return o, nil, err
		}
		return o, nil, &usageError{command + ": " + err.Error()}
	}
	return o, f.Args(), o.check(command, slices.Contains(has, "count") || slices.Contains(has, "turns"))
}

// check refuses values that would be told of late.
func (o options) check(command string, counts bool) error {
	if _, err := regexp.Compile(o.bench); err != nil {
		return &usageError{fmt.Sprintf("%s: --bench: %v", command, err)}
	}
	if counts && o.count < 1 {
		return &usageError{fmt.Sprintf("%s: --count %d: at least 1", command, o.count)}
	}
	if o.benchtime != "" && !times.MatchString(o.benchtime) {
		if d, err := time.ParseDuration(o.benchtime); err != nil || d <= 0 {
			return &usageError{
				fmt.Sprintf("%s: --benchtime %q: a time as 200ms, or a number as 100x", command, o.benchtime),
			}
		}
	}
	return nil
}

var times = regexp.MustCompile(`^[1-9][0-9]*x$`)
