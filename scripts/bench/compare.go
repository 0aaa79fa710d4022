package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// side is one of the two commits that are compared.
type side struct {
	name   string // as the caller spelled it
	commit string
	root   string // its worktree
	file   string // its results
	found  []benchPackage
	built  map[string]*program // by path of the package

	results int
	skipped []string
}

// compare runs the benchmarks of two commits in turn, so that both meet the same moods of the machine, and prints how
// they differ. What it makes is removed when it returns: the worktrees, the programs, the results unless they are to
// be kept.
func (r *runner) compare(ctx context.Context, o options, oldName, newName string, patterns []string) (err error) {
	if err := checkPatterns(patterns); err != nil {
		return err
	}
	benchstat, err := exec.LookPath(o.benchstat)
	if err != nil {
		return fmt.Errorf("find benchstat, which `make bench-compare` builds: %w", err)
	}
	if benchstat, err = filepath.Abs(benchstat); err != nil {
		return fmt.Errorf("find benchstat: %w", err)
	}
	sides := []*side{{name: oldName}, {name: newName}}
	for _, s := range sides {
		if s.commit, err = commitOf(ctx, s.name); err != nil {
			return err
		}
	}
	if sides[0].commit == sides[1].commit {
		r.say("both are commit %.12s: what differs is noise", sides[0].commit)
	}
	folder, err := os.MkdirTemp("", "nonstick-bench-")
	if err != nil {
		return fmt.Errorf("make a folder: %w", err)
	}
	defer func() { err = errors.Join(err, r.cleanUp(ctx, folder, sides)) }()
	for i, label := range []string{"old", "new"} {
		if err := r.checkOut(ctx, sides[i], filepath.Join(folder, label)); err != nil {
			return err
		}
		if sides[i].found, err = find(ctx, sides[i].root, patterns); err != nil {
			return fmt.Errorf("commit %s: %w", sides[i].name, err)
		}
	}
	packages, err := r.common(sides)
	if err != nil {
		return err
	}
	for _, s := range sides {
		if err := r.build(ctx, s, packages); err != nil {
			return err
		}
	}
	if err := r.turns(ctx, o, sides, packages); err != nil {
		return err
	}
	if err := keep(o.keep, sides); err != nil {
		return err
	}
	return r.benchstat(ctx, benchstat, sides)
}

// errCommit says that a commit is not known.
var errCommit = errors.New("no such commit in this repository")

// commitOf returns the full name of a commit.
func commitOf(ctx context.Context, name string) (string, error) {
	commit, err := git(ctx, ".", "rev-parse", "--verify", "--quiet", "--end-of-options", name+"^{commit}")
	if err != nil {
		return "", fmt.Errorf("%w: %q", errCommit, name)
	}
	return commit, nil
}

// git runs git in a folder and returns what it prints.
func git(ctx context.Context, dir string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, "git", args...)
	cmd.Dir = dir
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) } // it removes what it has begun
	cmd.WaitDelay = stopTime
	var said bytes.Buffer
	cmd.Stderr = &said
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("git %s: %w: %s", args[0], err, bytes.TrimSpace(said.Bytes()))
	}
	return strings.TrimSpace(string(out)), nil
}

// checkOut makes a worktree of a commit.
func (r *runner) checkOut(ctx context.Context, s *side, root string) error {
	r.say("check out %s (%.12s)", s.name, s.commit)
	s.root, s.file = root, root+".txt"
	if _, err := git(ctx, ".", "worktree", "add", "--quiet", "--detach", root, s.commit); err != nil {
		return fmt.Errorf("check out %s: %w", s.name, err)
	}
	return nil
}

// cleanUp removes the worktrees and the folder, also when ctx has ended.
func (r *runner) cleanUp(ctx context.Context, folder string, sides []*side) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Minute)
	defer cancel()
	var errs []error
	for _, s := range sides {
		if _, err := os.Stat(s.root); err != nil {
			continue // it was not checked out, or git has removed it
		}
		if _, err := git(ctx, ".", "worktree", "remove", "--force", s.root); err != nil {
			errs = append(errs, fmt.Errorf("remove the worktree of %s: %w", s.name, err))
		}
	}
	if err := os.RemoveAll(folder); err != nil {
		errs = append(errs, fmt.Errorf("remove %s: %w", folder, err))
	}
	return errors.Join(errs...)
}

// common returns the paths of the packages that both commits have benchmarks in, and tells of the others.
func (r *runner) common(sides []*side) ([]string, error) {
	var both []string
	for i, s := range sides {
		other := sides[1-i]
		for _, p := range s.found {
			switch {
			case !slices.ContainsFunc(other.found, func(q benchPackage) bool { return q.path == p.path }):
				r.say("%s is left out: %s has no benchmarks there", p.path, other.name)
			case i == 0:
				both = append(both, p.path)
			}
		}
	}
	if len(both) == 0 {
		return nil, fmt.Errorf("nothing to compare: %s and %s have no package with benchmarks in common",
			sides[0].name, sides[1].name)
	}
	return both, nil
}

// build builds the programs of one commit.
func (r *runner) build(ctx context.Context, s *side, paths []string) error {
	r.say("build %d packages of %s", len(paths), s.name)
	var packages []benchPackage
	for _, p := range s.found {
		if slices.Contains(paths, p.path) {
			packages = append(packages, p)
		}
	}
	folder := s.root + ".programs"
	if err := os.Mkdir(folder, 0o755); err != nil {
		return fmt.Errorf("make a folder: %w", err)
	}
	programs, err := build(ctx, s.root, folder, packages)
	if err != nil {
		return fmt.Errorf("commit %s: %w", s.name, err)
	}
	s.built = map[string]*program{}
	for i := range programs {
		s.built[programs[i].path] = &programs[i]
	}
	return nil
}

// turns runs the benchmarks of each package once for either commit, as often as asked for. Every other turn the new
// commit is first.
func (r *runner) turns(ctx context.Context, o options, sides []*side, paths []string) (err error) {
	env, stop := r.services(ctx, slices.Concat(sides[0].found, sides[1].found))
	defer func() { err = errors.Join(err, stop()) }()
	began, last := time.Now(), o.count
	o.count = 1
	order := slices.Clone(sides)
	for turn := 1; turn <= last; turn++ {
		for _, path := range paths {
			r.say("turn %d of %d, %s", turn, last, path)
			for _, s := range order {
				if err := s.measure(ctx, o, path, env); err != nil {
					return fmt.Errorf("commit %s: %w", s.name, err)
				}
			}
		}
		if turn == 1 {
			r.say("a turn takes %s", time.Since(began).Round(time.Second))
		}
		slices.Reverse(order)
	}
	for _, s := range sides {
		r.tellSkipped(slices.Compact(slices.Sorted(slices.Values(s.skipped))))
		if s.results == 0 {
			return fmt.Errorf(
				"no benchmark of %s was run: --bench %q matches none that is not skipped", s.name, o.bench,
			)
		}
	}
	return nil
}

// measure runs the benchmarks of one package and keeps what they say.
func (s *side) measure(ctx context.Context, o options, path string, env []string) error {
	p := s.built[path]
	p.env = env
	m, err := p.run(ctx, o, func(string) {})
	if err != nil {
		return err
	}
	for _, name := range m.skipped {
		s.skipped = append(s.skipped, path+" of "+s.name+" "+name)
	}
	if len(m.results) == 0 {
		return nil
	}
	s.results += len(m.results)
	return appendTo(s.file, m.lines())
}

func appendTo(name, text string) error {
	f, err := os.OpenFile(name, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		return fmt.Errorf("open the results: %w", err)
	}
	if _, err = f.WriteString(text); err != nil {
		err = fmt.Errorf("write the results: %w", err)
	}
	return errors.Join(err, f.Close())
}

// keep copies the results to a folder, unless that is empty.
func keep(folder string, sides []*side) error {
	if folder == "" {
		return nil
	}
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return fmt.Errorf("make the folder of the results: %w", err)
	}
	for _, s := range sides {
		text, err := os.ReadFile(s.file)
		if err != nil {
			return fmt.Errorf("read the results: %w", err)
		}
		if err := os.WriteFile(filepath.Join(folder, filepath.Base(s.file)), text, 0o644); err != nil {
			return fmt.Errorf("keep the results: %w", err)
		}
	}
	return nil
}

// benchstat prints the comparison.
func (r *runner) benchstat(ctx context.Context, program string, sides []*side) error {
	label := func(s *side, which string) string {
		// An equals sign would end the label, and a path may be all that a name is.
		name := strings.ReplaceAll(s.name, "=", "_")
		return fmt.Sprintf("%s %s=%s", which, name, s.file)
	}
	cmd := exec.CommandContext(ctx, program, label(sides[0], "old"), label(sides[1], "new"))
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr = r.out, &said
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("benchstat: %w: %s", err, bytes.TrimSpace(said.Bytes()))
	}
	return nil
}
