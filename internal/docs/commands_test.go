package docs

import (
	"fmt"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
)

// What a command in the documentation may name.
var (
	continued = regexp.MustCompile(`\s*\\\n\s*`)
	makes     = regexp.MustCompile(`(?:^|[\s;&(])make +([a-z][a-z0-9-]*)`)
	goPackage = regexp.MustCompile(`(?:^|[\s;&(])go (?:run|test|build|vet)\b[^;&|]*?\s(\./[\w./-]+)`)
	goTest    = regexp.MustCompile(`(?:^|[\s;&(])go test\b[^;&|]*\s-run[ =]'?([\w^$/|]+)`)
	ourScript = regexp.MustCompile(`(?:^|[\s;&(])((?:scripts|examples)/[\w./-]+)`)
	localdev  = regexp.MustCompile(`(?:^|[\s;&(/])localdev(\s+--.*|$)|make run ARGS="([^"]*)"`)
	ourFlag   = regexp.MustCompile(`(?:^|\s)--([a-z][a-z0-9-]*)`)
	testFunc  = regexp.MustCompile(`(?m)^func ((?:Test|Benchmark|Fuzz|Example)\w*)\(`)
	target    = regexp.MustCompile(`(?m)^([a-z][a-z0-9-]*):`)
)

// commands are the lines of code of a page: in fences and between backticks, without comments.
func commands(text string) []string {
	var found []string
	for _, block := range fenced.FindAllString(text, -1) {
		for line := range strings.Lines(continued.ReplaceAllString(block, " ")) {
			line, _, _ = strings.Cut(strings.TrimSpace(line), " #")
			found = append(found, line)
		}
	}
	for _, span := range inline.FindAllString(fenced.ReplaceAllString(text, ""), -1) {
		found = append(found, strings.Trim(span, "`"))
	}
	return found
}

// unknown names what the commands of a tree's pages ask for and is not there: targets of make, Go packages, tests,
// scripts, and flags of localdev, which knows those.
func unknown(tree fs.FS, flags []string) ([]string, error) {
	all, err := pages(tree)
	if err != nil {
		return nil, err
	}
	makefile, err := fs.ReadFile(tree, "Makefile")
	if err != nil {
		return nil, err
	}
	var targets []string
	for _, m := range target.FindAllStringSubmatch(string(makefile), -1) {
		targets = append(targets, m[1])
	}
	var wrong []string
	for _, page := range slices.Sorted(maps.Keys(all)) {
		for _, command := range commands(all[page]) {
			for _, why := range missing(tree, targets, flags, command) {
				wrong = append(wrong, fmt.Sprintf("%s: %s: %s", page, command, why))
			}
		}
	}
	return wrong, nil
}

// missing is what one command asks for in vain.
func missing(tree fs.FS, targets, flags []string, command string) []string {
	var wrong []string
	for _, m := range makes.FindAllStringSubmatch(command, -1) {
		if !slices.Contains(targets, m[1]) {
			wrong = append(wrong, "no target "+m[1])
		}
	}
	for _, form := range []*regexp.Regexp{goPackage, ourScript} {
		for _, m := range form.FindAllStringSubmatch(command, -1) {
			if _, err := fs.Stat(tree, path.Clean(strings.TrimSuffix(m[1], "/..."))); err != nil {
				wrong = append(wrong, "no "+m[1])
			}
		}
	}
	if run, in := goTest.FindStringSubmatch(command), goPackage.FindStringSubmatch(command); run != nil && in != nil {
		wrong = append(wrong, missingTest(tree, path.Clean(in[1]), run[1])...)
	}
	if m := localdev.FindStringSubmatch(command); m != nil {
		for _, f := range ourFlag.FindAllStringSubmatch(m[1]+" "+m[2], -1) {
			if !slices.Contains(flags, f[1]) {
				wrong = append(wrong, "no flag --"+f[1])
			}
		}
	}
	return wrong
}

// missingTest says so if a package has no test that -run would run. XXX stands for none.
func missingTest(tree fs.FS, dir, run string) []string {
	first, _, _ := strings.Cut(run, "/")
	wanted, err := regexp.Compile(first)
	if err != nil {
		return []string{err.Error()}
	}
	files, _ := fs.Glob(tree, path.Join(dir, "*_test.go")) // the pattern is fixed
	for _, name := range files {
		text, err := fs.ReadFile(tree, name)
		if err != nil {
			return []string{err.Error()}
		}
		for _, m := range testFunc.FindAllStringSubmatch(string(text), -1) {
			if wanted.MatchString(m[1]) {
				return nil
			}
		}
	}
	if run == "XXX" {
		return nil
	}
	return []string{"no test " + run + " in " + dir}
}

// flagsOfLocaldev are those that its help names.
func flagsOfLocaldev(t *testing.T) []string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", "run", "./localdev", "--help")
	cmd.Dir = root
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("localdev --help: %v\n%s", err, out)
	}
	flags := []string{"help"}
	for _, m := range regexp.MustCompile(`(?m)^  --([a-z0-9-]+)`).FindAllStringSubmatch(string(out), -1) {
		flags = append(flags, m[1])
	}
	return flags
}

func TestCommands(t *testing.T) {
	flags := flagsOfLocaldev(t)
	wrong, err := unknown(os.DirFS(root), flags)
	if err != nil {
		t.Fatal(err)
	}
	for _, w := range wrong {
		t.Error(w)
	}
	for _, name := range flagsOfPage(t) {
		if !slices.Contains(flags, name) {
			t.Errorf("%s: localdev has no flag --%s", pageOfFlags, name)
		}
	}
}

const pageOfFlags = "docs/laptop.md"

// flagsOfPage are the flags of localdev in the table of the page about them.
func flagsOfPage(t *testing.T) []string {
	t.Helper()
	text, err := os.ReadFile(root + "/" + pageOfFlags)
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(text), "\n## Options\n")
	section, _, _ = strings.Cut(section, "\n## ")
	var flags []string
	for _, row := range regexp.MustCompile("(?m)^\\| (`--[^|]*)\\|").FindAllStringSubmatch(section, -1) {
		for _, m := range regexp.MustCompile("`--([a-z0-9-]+)`").FindAllStringSubmatch(row[1], -1) {
			flags = append(flags, m[1])
		}
	}
	if len(flags) == 0 {
		t.Fatal(pageOfFlags + " has no table of flags")
	}
	return flags
}

// What the rule takes, and what it does not.
func TestUnknown(t *testing.T) {
	tree := fstest.MapFS{
		"Makefile":         {Data: []byte("run: ## serve\n\tgo run\nlocal-aws:\n")},
		"scripts/fetch":    {},
		"pkg/a_test.go":    {Data: []byte("func TestOne(t *testing.T) {}\nfunc BenchmarkTwo(b *testing.B) {}\n")},
		"localdev/main.go": {},
	}
	for _, tt := range []struct{ name, text, want string }{
		{"a target", "`make run`, and `make local-aws ARGS=\"--app chat\"`", ""},
		{"in words", "make several of them", ""},
		{"a package", "```sh\ngo test ./pkg\ngo test ./...\ngo run ./localdev --app chat   # --not a flag\n```", ""},
		{"a test", "`go test ./pkg -run 'One$' -v`, `go test ./pkg -run XXX -bench Two`", ""},
		{"a script", "`scripts/fetch --port 1`", ""},
		{"over two lines", "```sh\nbin/localdev \\\n  --app chat\n```", ""},
		{"no target", "`make tea`", "docs/page.md: make tea: no target tea"},
		{"no package", "`go test ./none`", "docs/page.md: go test ./none: no ./none"},
		{"no test", "`go test ./pkg -run Three`", "docs/page.md: go test ./pkg -run Three: no test Three in pkg"},
		{"no script", "`scripts/none`", "docs/page.md: scripts/none: no scripts/none"},
		{"no flag", "`go run ./localdev --tea`", "docs/page.md: go run ./localdev --tea: no flag --tea"},
		{
			"no flag on the second line", "```sh\nbin/localdev \\\n  --tea\n```",
			"docs/page.md: bin/localdev --tea: no flag --tea",
		},
		{"no flag by make", "`make run ARGS=\"--tea\"`", `docs/page.md: make run ARGS="--tea": no flag --tea`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tree["docs/page.md"] = &fstest.MapFile{Data: []byte(tt.text)}
			got, err := unknown(tree, []string{"app"})
			if err != nil || strings.Join(got, "\n") != tt.want {
				t.Errorf("%q %v, want %q", got, err, tt.want)
			}
		})
	}
}
