package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"
)

// runner runs benchmarks.
type runner struct {
	out      io.Writer // results
	progress io.Writer // what is being done
}

func (r *runner) say(format string, args ...any) {
	fmt.Fprintf(r.progress, "bench: "+format+"\n", args...)
}

// run runs benchmarks and writes what they measured to a file.
func (r *runner) run(ctx context.Context, o options, patterns []string) (err error) {
	packages, err := find(ctx, ".", patterns)
	if err != nil {
		return err
	}
	commit, err := describe(ctx)
	if err != nil {
		return err
	}
	if o.out == "" {
		o.out = filepath.Join("bin", "bench", commit+".txt")
	}
	if err := os.MkdirAll(filepath.Dir(o.out), 0o755); err != nil {
		return fmt.Errorf("make the folder of the results: %w", err)
	}
	file, err := os.Create(o.out)
	if err != nil {
		return fmt.Errorf("create the file of the results: %w", err)
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	began := time.Now()
	_, err = fmt.Fprintf(file, "# commit: %s\n# date: %s\n# go: %s\n# processors: %d\n", commit,
		began.UTC().Format(time.DateOnly), runtime.Version(), runtime.NumCPU())
	if err != nil {
		return fmt.Errorf("write the results: %w", err)
	}
	total, skipped, err := r.all(ctx, o, packages, file)
	if err != nil {
		return err
	}
	r.tellSkipped(skipped)
	if total == 0 {
		return fmt.Errorf("no benchmark was run: --bench %q matches none that is not skipped", o.bench)
	}
	r.say("%d results in %s, in %s", total, time.Since(began).Round(time.Second), o.out)
	return nil
}

// once runs each benchmark once, so that none can rot.
func (r *runner) once(ctx context.Context, o options, patterns []string) error {
	packages, err := find(ctx, ".", patterns)
	if err != nil {
		return err
	}
	o.benchtime, o.count = "1x", 1
	began := time.Now()
	quiet := &runner{out: io.Discard, progress: r.progress}
	total, skipped, err := quiet.all(ctx, o, packages, io.Discard, "-race")
	if err != nil {
		return err
	}
	r.tellSkipped(skipped)
	if len(skipped) > 0 {
		return fmt.Errorf("%d benchmarks were skipped, which is a failure here", len(skipped))
	}
	if total == 0 {
		return fmt.Errorf("no benchmark was run: --bench %q matches none", o.bench)
	}
	r.say("%d benchmarks of %d packages ran once, in %s", total, len(packages), time.Since(began).Round(time.Second))
	return nil
}

// all builds and runs the benchmarks of packages of the tree that it is run in. It returns how many results there are,
// which go to results as well as to the runner's own output.
func (r *runner) all(
	ctx context.Context, o options, packages []benchPackage, results io.Writer, flags ...string,
) (total int, skipped []string, err error) {
	folder, err := os.MkdirTemp("", "nonstick-bench-")
	if err != nil {
		return 0, nil, fmt.Errorf("make a folder: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(folder)) }()
	r.say("build %d packages", len(packages))
	programs, err := build(ctx, ".", folder, packages, flags...)
	if err != nil {
		return 0, nil, err
	}
	env, stop := r.services(ctx, packages)
	defer func() { err = errors.Join(err, stop()) }()
	var failed []error
	for i := range programs {
		p := &programs[i]
		p.env = env
		r.say("[%d/%d] %s", i+1, len(programs), p.path)
		m, err := p.run(ctx, o, func(line string) { fmt.Fprintln(r.out, line) })
		if ctx.Err() != nil {
			return total, skipped, err
		}
		if err != nil { // the others are run all the same
			failed = append(failed, err)
			continue
		}
		for _, s := range m.skipped {
			skipped = append(skipped, p.path+" "+s)
		}
		total += len(m.results)
		if len(m.results) == 0 {
			continue
		}
		if _, err := io.WriteString(results, m.lines()); err != nil {
			return total, skipped, fmt.Errorf("write the results: %w", err)
		}
	}
	return total, skipped, errors.Join(failed...)
}

func (r *runner) tellSkipped(skipped []string) {
	for _, s := range skipped {
		r.say("skipped: %s", s)
	}
}

// describe names the commit that is checked out, and says so if files differ from it.
func describe(ctx context.Context) (string, error) {
	commit, err := git(ctx, ".", "rev-parse", "--short=12", "HEAD")
	if err != nil {
		return "", fmt.Errorf("name the commit: %w", err)
	}
	changed, err := git(ctx, ".", "status", "--porcelain", "--untracked-files=no")
	if err != nil {
		return "", fmt.Errorf("look for changes: %w", err)
	}
	if strings.TrimSpace(changed) != "" {
		commit += "-changed"
	}
	return commit, nil
}
