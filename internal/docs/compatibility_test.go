package docs

import (
	"fmt"
	"go/importer"
	"go/token"
	"go/types"
	"io"
	"os"
	"os/exec"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// The page of Socket.IO's server API, and the names of its entries: a line each, below the group's.
const compatibilityPage, apiEntries = "docs/socketio-compatibility.md", "internal/docs/testdata/socketio-api.txt"

// entries is how many entries Socket.IO's server API has, and groups how many in each group.
const entries = 143

var groups = []struct {
	name    string
	entries int
}{
	{"Server", 34},
	{"Namespace", 21},
	{"Socket", 37},
	{"Client", 2},
	{"Engine", 7},
	{"RemoteSocket", 8},
	{"Adapter events", 4},
	{"Emitter", 9},
	{"Socket.IO options", 7},
	{"Engine options", 14},
}

// states are what the second column may say, in the order of the table of counts.
var states = []string{"yes", "differs", "no meaning", "not yet"}

// apiRow is a row of the page.
type apiRow struct{ group, entry, state, ours, difference string }

// key is the entry with its group: Server and Namespace both have an event "connection".
func (r apiRow) key() string { return r.group + ": " + r.entry }

// wrong says what is wrong with a row by itself. Has reports whether a name or a flag is there.
func (r apiRow) wrong(has func(string) bool) []string {
	var wrong []string
	say := func(format string, args ...any) {
		wrong = append(wrong, r.key()+": "+fmt.Sprintf(format, args...))
	}
	names := spans(r.ours)
	for _, name := range names {
		if !has(name) {
			say("%s is no exported name, and no flag", name)
		}
	}
	if strings.Trim(inline.ReplaceAllString(r.ours, ""), ", ") != "" {
		say("%q has more than names between backquotes", r.ours)
	}
	switch there := len(names) > 0; r.state {
	case "yes", "differs":
		if !there {
			say("is %s, and names nothing of ours", r.state)
		}
	case "not yet":
		if there {
			say("is not yet, and names %s", strings.Join(names, ", "))
		}
	case "no meaning":
	default:
		say("%q is none of %q", r.state, states)
	}
	if (r.state == "differs" || r.state == "no meaning") && r.difference == "" {
		say("is %s, and does not say why", r.state)
	}
	return wrong
}

// apiTables are the tables of the page: the rows of the groups, and those of the counts by the names of the groups.
func apiTables(page string) (rows []apiRow, counts map[string][]string) {
	counts = map[string][]string{}
	group, table := "", "" // the heading above, and the first cell of the table
	for line := range strings.Lines(page) {
		line = strings.TrimSpace(line)
		if name, ok := strings.CutPrefix(line, "## "); ok {
			group = name
		}
		if !strings.HasPrefix(line, "|") {
			table = ""
			continue
		}
		cells := strings.Split(strings.Trim(line, "|"), "|")
		for i := range cells {
			cells[i] = strings.TrimSpace(cells[i])
		}
		switch {
		case table == "":
			table = cells[0]
		case strings.HasPrefix(line, "|---"):
		case table == "group":
			counts[cells[0]] = cells[1:]
		case table == "Socket.IO" && len(cells) == 4:
			entry := strings.ReplaceAll(cells[0], "`", "")
			rows = append(rows, apiRow{group, entry, cells[1], cells[2], cells[3]})
		}
	}
	return rows, counts
}

// listed reads the names of the entries, each with its group.
func listed(text string) []string {
	var keys []string
	group := ""
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if name, ok := strings.CutPrefix(line, "# "); ok {
			group = name
		} else if line != "" {
			keys = append(keys, group+": "+line)
		}
	}
	return keys
}

// incompatible says what is wrong with the page: entries that are missing, that are there twice, or that Socket.IO has
// not; rows that are wrong; counts that are not those of the rows.
func incompatible(page string, keys []string, has func(string) bool) []string {
	rows, counts := apiTables(page)
	var wrong []string
	seen := map[string]bool{}
	is := map[string][]int{}
	for _, r := range rows {
		if seen[r.key()] {
			wrong = append(wrong, r.key()+": is there twice")
		}
		seen[r.key()] = true
		if !slices.Contains(keys, r.key()) {
			wrong = append(wrong, r.key()+": is no entry of Socket.IO")
		}
		wrong = append(wrong, r.wrong(has)...)
		for _, of := range []string{r.group, "all"} {
			if is[of] == nil {
				is[of] = make([]int, 1+len(states))
			}
			is[of][0]++
			if at := slices.Index(states, r.state); at >= 0 {
				is[of][1+at]++
			}
		}
	}
	for _, key := range keys {
		if !seen[key] {
			wrong = append(wrong, key+": is missing")
		}
	}
	for of, said := range counts {
		if is[of] == nil {
			wrong = append(wrong, of+": is counted, and has no rows")
		} else if want := numbers(is[of]); !slices.Equal(said, want) {
			wrong = append(wrong, fmt.Sprintf("%s: the summary has %s, the rows are %s", of, said, want))
		}
	}
	for of := range is {
		if counts[of] == nil {
			wrong = append(wrong, of+": is not counted in the summary")
		}
	}
	slices.Sort(wrong)
	return wrong
}

func numbers(of []int) []string {
	var texts []string
	for _, n := range of {
		texts = append(texts, strconv.Itoa(n))
	}
	return texts
}

// exports are the packages of this module, as the compiler has them.
type exports struct {
	paths map[string]string // by the names of the packages
	from  types.Importer
}

// newExports asks the go command for the packages that programs import.
func newExports(t *testing.T) exports {
	t.Helper()
	cmd := exec.CommandContext(
		t.Context(), "go", "list", "-deps", "-export", "-f", "{{.ImportPath}}\t{{.Name}}\t{{.Export}}", ".",
		"./adapter/...", "./gateway/...",
	)
	cmd.Dir = root
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	e := exports{paths: map[string]string{}}
	files := map[string]string{}
	for line := range strings.Lines(string(out)) {
		cells := strings.Split(strings.TrimSpace(line), "\t")
		if len(cells) < 3 {
			continue // package unsafe
		}
		files[cells[0]] = cells[2]
		if cells[0] == ourModule || path.Dir(cells[0]) != "." && strings.HasPrefix(cells[0], ourModule+"/") {
			e.paths[cells[1]] = cells[0]
		}
	}
	e.from = importer.ForCompiler(token.NewFileSet(), "gc", func(path string) (io.ReadCloser, error) {
		return os.Open(files[path])
	})
	return e
}

var exportedName = regexp.MustCompile(`^(?:([a-z]\w*)\.)?([A-Z]\w*)(?:\.([A-Z]\w*))?$`)

// has reports whether a name is exported: "Server.Of" by the package of the root, "emitter.Emitter.Of" by another. What
// a type has of one that it embeds, or that it is an alias of, is its own.
func (e exports) has(name string) bool {
	m := exportedName.FindStringSubmatch(name)
	if m == nil {
		return false
	}
	pkg, err := e.from.Import(e.paths[orElse(m[1], "nonstick")])
	if err != nil {
		return false
	}
	declared := pkg.Scope().Lookup(m[2])
	if declared == nil || m[3] == "" {
		return declared != nil
	}
	if _, isType := declared.(*types.TypeName); !isType {
		return false
	}
	member, _, _ := types.LookupFieldOrMethod(declared.Type(), true, pkg, m[3])
	return member != nil
}

func orElse(s, other string) string {
	if s == "" {
		return other
	}
	return s
}

// The page has every entry of Socket.IO's server API once, counts them, and names what is there.
func TestCompatibility(t *testing.T) {
	e, flags := newExports(t), flagsOfLocaldev(t)
	has := func(name string) bool {
		flag, isFlag := strings.CutPrefix(name, "--")
		return isFlag && slices.Contains(flags, flag) || !isFlag && e.has(name)
	}
	for _, w := range incompatible(read(t, compatibilityPage), listed(read(t, apiEntries)), has) {
		t.Errorf("%s: %s", compatibilityPage, w)
	}
}

// The list of the entries is whole.
func TestEntriesOfSocketIO(t *testing.T) {
	keys := listed(read(t, apiEntries))
	if len(keys) != entries {
		t.Errorf("%d entries, want %d", len(keys), entries)
	}
	for _, g := range groups {
		n := 0
		for _, key := range keys {
			if strings.HasPrefix(key, g.name+": ") {
				n++
			}
		}
		if n != g.entries {
			t.Errorf("%s: %d entries, want %d", g.name, n, g.entries)
		}
	}
	if once := slices.Compact(slices.Sorted(slices.Values(keys))); len(once) != len(keys) {
		t.Errorf("%d entries are there twice", len(keys)-len(once))
	}
}

// What the rule takes, and what it does not.
func TestIncompatible(t *testing.T) {
	const good = `# Page

| this | is not ours | at | all |

## Summary

| group | entries | yes | differs | no meaning | not yet |
|---|---|---|---|---|---|
| Server | 3 | 1 | 0 | 1 | 1 |
| Options | 1 | 0 | 1 | 0 | 0 |
| all | 4 | 1 | 1 | 1 | 1 |

## Server

| Socket.IO | | Nonstick | difference |
|---|---|---|---|
| event ` + "`connect`" + ` | yes | ` + "`Server.On`, `Of`" + ` | |
| ` + "`io.attach`" + ` | no meaning | | It listens already |
| ` + "`io.close`" + ` | not yet | | |

## Options

| Socket.IO | | Nonstick | difference |
|---|---|---|---|
| ` + "`port`" + ` | differs | ` + "`--addr`" + ` | On a laptop |
`
	keys := listed("# Server\nevent connect\nio.attach\nio.close\n\n# Options\nport\n")
	has := func(name string) bool { return slices.Contains([]string{"Server.On", "Of", "--addr"}, name) }
	for _, tt := range []struct{ name, old, now, want string }{
		{"as it is", "", "", ""},
		{
			"a missing entry", "| `port` | differs | `--addr` | On a laptop |\n", "",
			"Options: is counted, and has no rows\nOptions: port: is missing\n" +
				"all: the summary has [4 1 1 1 1], the rows are [3 1 0 1 1]",
		},
		{
			"a doubled one", "| `io.close` | not yet | | |\n",
			"| `io.close` | not yet | | |\n| `io.close` | not yet | | |\n",
			"Server: io.close: is there twice\nServer: the summary has [3 1 0 1 1], the rows are [4 1 0 1 2]\n" +
				"all: the summary has [4 1 1 1 1], the rows are [5 1 1 1 2]",
		},
		{
			"an unknown one", "`io.close`", "`io.end`",
			"Server: io.close: is missing\nServer: io.end: is no entry of Socket.IO",
		},
		{"no exported name", "`Of`", "`of`", "Server: event connect: of is no exported name, and no flag"},
		{"no flag", "--addr", "--port", "Options: port: --port is no exported name, and no flag"},
		{
			"names nothing", "`Server.On`, `Of`", "",
			"Server: event connect: is yes, and names nothing of ours",
		},
		{
			"names something", "| not yet | |", "| not yet | `Of` |",
			"Server: io.close: is not yet, and names Of",
		},
		{
			"words among the names", "`Of`", "`Of` too",
			"Server: event connect: \"`Server.On`, `Of` too\" has more than names between backquotes",
		},
		{"no reason", "It listens already", "", "Server: io.attach: is no meaning, and does not say why"},
		{
			"no state", "| differs | `--addr`", "| maybe | `--addr`",
			"Options: port: \"maybe\" is none of [\"yes\" \"differs\" \"no meaning\" \"not yet\"]\n" +
				"Options: the summary has [1 0 1 0 0], the rows are [1 0 0 0 0]\n" +
				"all: the summary has [4 1 1 1 1], the rows are [4 1 0 1 1]",
		},
		{
			"a wrong count", "| Server | 3 |", "| Server | 4 |",
			"Server: the summary has [4 1 0 1 1], the rows are [3 1 0 1 1]",
		},
		{"not counted", "| Options | 1 | 0 | 1 | 0 | 0 |\n", "", "Options: is not counted in the summary"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			page := strings.Replace(good, tt.old, tt.now, 1)
			if got := strings.Join(incompatible(page, keys, has), "\n"); got != tt.want {
				t.Errorf("got\n%s\nwant\n%s", got, tt.want)
			}
		})
	}
}

// What is exported, and what is not.
func TestExports(t *testing.T) {
	e := newExports(t)
	for name, want := range map[string]bool{
		"Server.Of":                 true,
		"Server.To":                 true, // of *Namespace, which it embeds
		"Selection.Emit":            true, // of emitter.Selection, which it is an alias of
		"Event.On":                  true, // of a generic type
		"Handler.Connect":           true, // of an interface
		"Config.Store":              true,
		"EmitWithAck":               true,
		"ReasonPingTimeout":         true,
		"emitter.Emitter.Of":        true,
		"emitter.Namespace.Emit":    true,
		"engine.Options.MaxPayload": true,
		"Server.None":               false,
		"Server.of":                 false,
		"none":                      false,
		"None":                      false,
		"EmitWithAck.Emit":          false,
		"none.Server":               false,
		"emitter.Server":            false,
		"Server.Of.Name":            false,
		"Server.Of(nsp)":            false,
		"":                          false,
	} {
		if got := e.has(name); got != want {
			t.Errorf("%q: %v, want %v", name, got, want)
		}
	}
}
