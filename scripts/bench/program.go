package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
)

// program is the test program of a package.
type program struct {
	benchPackage
	file string
	env  []string
}

// build builds the programs of packages of a tree into a folder, several at a time.
func build(ctx context.Context, root, folder string, packages []benchPackage, flags ...string) ([]program, error) {
	programs := make([]program, len(packages))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(runtime.GOMAXPROCS(0))
	for i, p := range packages {
		programs[i] = program{benchPackage: p, file: filepath.Join(folder, strconv.Itoa(i)+".test")}
		group.Go(func() error {
			args := append([]string{"test", "-c", "-o", programs[i].file}, flags...)
			cmd := exec.CommandContext(ctx, "go", append(args, p.path)...)
			cmd.Dir = root
			if said, err := cmd.CombinedOutput(); err != nil {
				return fmt.Errorf("build %s: %w\n%s", p.path, err, bytes.TrimSpace(said))
			}
			return nil
		})
	}
	return programs, group.Wait()
}

// stopTime is how long a program may take to end when it is told to.
const stopTime = 5 * time.Second

// measured is what a run of a program has said.
type measured struct {
	results []string // lines of results
	header  []string // what the lines hold for: goos, goarch, pkg, cpu
	skipped []string // benchmarks, with the reason
}

// lines returns all that benchstat reads.
func (m *measured) lines() string { return strings.Join(append(m.header, m.results...), "\n") + "\n" }

var (
	resultLine = regexp.MustCompile(`^Benchmark\S*\s+[0-9]+\s+[0-9.]+ \S`)
	headerLine = regexp.MustCompile(`^(goos|goarch|pkg|cpu): `)
	nameLine   = regexp.MustCompile(`^Benchmark\S*$`)
	skipLine   = regexp.MustCompile(`^\s*--- SKIP: (\S+)`)
)

// run runs the program's benchmarks. Each result is handed to result as soon as it is there.
func (p *program) run(ctx context.Context, o options, result func(line string)) (*measured, error) {
	cmd := exec.CommandContext(
		ctx, p.file, "-test.run=^$", "-test.bench="+o.bench, "-test.benchtime="+o.benchtime,
		"-test.count="+strconv.Itoa(o.count), "-test.benchmem", "-test.v", "-test.timeout=0",
	)
	cmd.Dir = p.dir
	cmd.Env = append(os.Environ(), p.env...)
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = stopTime
	reader, writer := io.Pipe()
	said := &tail{}
	cmd.Stdout, cmd.Stderr = writer, said
	m := &measured{}
	read := make(chan struct{})
	go func() {
		defer close(read)
		m.read(io.TeeReader(reader, said), result)
	}()
	err := cmd.Run()
	_ = writer.Close() // never fails
	<-read
	if ctx.Err() != nil {
		return m, fmt.Errorf("%s: interrupted: %w", p.path, ctx.Err())
	}
	if err != nil {
		return m, fmt.Errorf("%s: %w\n%s", p.path, err, said)
	}
	return m, nil
}

// read takes the output of a program, line by line.
func (m *measured) read(r io.Reader, result func(string)) {
	said := "" // the first line that a benchmark logged: the reason, if it has been skipped
	for lines := bufio.NewReader(r); ; {
		line, err := lines.ReadString('\n')
		text := strings.TrimRight(line, "\n")
		switch name := skipLine.FindStringSubmatch(text); {
		case name != nil:
			m.skipped = append(m.skipped, name[1]+": "+said)
		case nameLine.MatchString(text):
			said = ""
		case strings.HasPrefix(text, " ") && said == "":
			said = strings.TrimSpace(text)
		case headerLine.MatchString(text):
			m.header = append(m.header, text)
		case resultLine.MatchString(text):
			m.results = append(m.results, text)
			result(text)
		}
		if err != nil {
			return
		}
	}
}

// tail keeps the end of what a program says. Safe for concurrent use.
type tail struct {
	mu sync.Mutex
	b  []byte
}

// Write implements [io.Writer].
func (t *tail) Write(p []byte) (int, error) {
	const most = 8 << 10
	t.mu.Lock()
	defer t.mu.Unlock()
	t.b = append(t.b, p...)
	if len(t.b) > 2*most {
		t.b = append([]byte(nil), t.b[len(t.b)-most:]...)
	}
	return len(p), nil
}

// String returns it.
func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return string(bytes.TrimSpace(t.b))
}
