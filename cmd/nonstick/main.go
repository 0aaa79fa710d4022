// Command nonstick begins a repository of one's own: nonstick init DIR writes a server with a room, an
// acknowledgement and auth, a test of its handlers, and the template that puts it on AWS.
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/nonstick-io/nonstick/internal/scaffold"
	"github.com/nonstick-io/nonstick/internal/version"
)

// Exit codes.
const (
	exitOK     = 0
	exitFailed = 1
	exitUsage  = 2
)

const usage = `nonstick begins a Socket.IO server of your own, for API Gateway, Lambda and DynamoDB.

Usage: nonstick init [flags] DIR

writes a Go module into the folder DIR, which must be empty or not there: main.go with the handlers, main_test.go,
template.yaml, samconfig.toml, Makefile, README.md and a client. Then it has the go command complete go.mod.

Flags:
  --module PATH    path of the module, for instance example.com/chat; by default the folder's name
  --replace DIR    a checkout of Nonstick to use in place of a version
  --no-tidy        do not run go mod tidy, which may fetch modules
  --version        print the version of Nonstick and exit
  --help           print this text and exit

Exit codes: 0 done, 1 something failed, 2 wrong usage.
`

func main() { os.Exit(run(os.Args[1:], os.Stdout, os.Stderr)) }

// run is main without the process.
func run(args []string, stdout, stderr io.Writer) int {
	fs := flag.NewFlagSet("nonstick", flag.ContinueOnError)
	fs.SetOutput(io.Discard)
	var o scaffold.Options
	fs.StringVar(&o.Module, "module", "", "")
	fs.StringVar(&o.Replace, "replace", "", "")
	noTidy := fs.Bool("no-tidy", false, "")
	printVersion := fs.Bool("version", false, "")
	dirs, err := parse(fs, args)
	switch {
	case errors.Is(err, flag.ErrHelp):
		_, _ = io.WriteString(stdout, usage)
		return exitOK
	case err != nil:
		return wrong(stderr, err)
	case *printVersion:
		fmt.Fprintln(stdout, "nonstick", version.Version())
		return exitOK
	case len(dirs) == 0:
		return wrong(stderr, errors.New("no command: want init"))
	case dirs[0] != "init":
		return wrong(stderr, fmt.Errorf("unknown command %q: want init", dirs[0]))
	case len(dirs) != 2:
		return wrong(stderr, errors.New("init: want one folder"))
	}
	if err := write(dirs[1], o, !*noTidy, stdout); err != nil {
		fmt.Fprintf(stderr, "nonstick: %v\n", err)
		return exitFailed
	}
	return exitOK
}

// parse takes flags before and behind the other arguments, which it returns.
func parse(fs *flag.FlagSet, args []string) (rest []string, err error) {
	for {
		if err := fs.Parse(args); err != nil {
			return nil, err
		}
		if fs.NArg() == 0 {
			return rest, nil
		}
		rest, args = append(rest, fs.Arg(0)), fs.Args()[1:]
	}
}

func wrong(stderr io.Writer, err error) int {
	text := strings.Replace(err.Error(), ": -", ": --", 1) // as the help text writes flags
	fmt.Fprintf(stderr, "nonstick: %s\nRun nonstick --help for the usage.\n", text)
	return exitUsage
}

// write writes the repository and says what comes next.
func write(dir string, o scaffold.Options, tidy bool, stdout io.Writer) error {
	if o.Replace != "" {
		path, err := filepath.Abs(o.Replace)
		if err != nil {
			return err
		}
		o.Replace = path
	}
	var err error
	if o.Version, err = requirement(version.Version(), o.Replace); err != nil {
		return err
	}
	names, err := scaffold.Write(dir, o)
	if err != nil {
		return err
	}
	for _, name := range names {
		fmt.Fprintln(stdout, "wrote", filepath.Join(dir, name))
	}
	if tidy {
		fmt.Fprintln(stdout, "running go mod tidy")
		cmd := exec.Command("go", "mod", "tidy")
		cmd.Dir = dir
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("all is written, but for go.sum: run go mod tidy in %s: %w\n%s", dir, err, out)
		}
	}
	fmt.Fprintf(stdout, "\nNext:\n  cd %s\n  go test ./...\n  go run .\n", dir)
	return nil
}

var (
	released  = regexp.MustCompile(`^v\d+\.\d+\.\d+(-[0-9A-Za-z.-]+)?$`)
	described = regexp.MustCompile(`(-\d+-g[0-9a-f]+|-dirty)$`) // by git describe: no version of a module
)

// requirement is the version of Nonstick that go.mod requires: that of this command, if others can fetch it. Where a
// checkout stands in for it, any does.
func requirement(built, replace string) (string, error) {
	if replace != "" {
		return "v0.0.0", nil
	}
	if !released.MatchString(built) || described.MatchString(built) {
		return "", fmt.Errorf(
			"this command was built from %s, which is no version to require: want --replace with a checkout", built,
		)
	}
	return built, nil
}
