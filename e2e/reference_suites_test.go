package e2e

import (
	"errors"
	"fmt"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// suitesPage lists the titles of the suites of the reference's clients, in a section for each file of ours.
const suitesPage = "../docs/reference-suites.md"

// maxPayload is what the servers take at once. The suites of Engine.IO's client send more.
const maxPayload = "100"

// TestReferenceSuites runs the tests of what the suites of the official clients check, against Nonstick and the
// reference server. Each title on the page has one that passed, or a reason.
func TestReferenceSuites(t *testing.T) {
	t.Parallel() // it waits most of the time
	sections := readSuites(t)
	// A client that is closed while it upgrades may leave a GET, which Node waits for: it is not held for long.
	args := []string{"--app", "suites", "--max-payload", maxPayload, "--poll-hold", "2s"}
	for _, server := range []struct {
		name  string
		start func(t *testing.T) string
		env   []string
	}{
		{"no server", func(*testing.T) string { return "http://127.0.0.1:9" }, nil}, // that of the port "discard"
		{
			"memory, several instances",
			func(t *testing.T) string { return inMemoryInstances(t, append(args, "--limits", "none")...) }, nil,
		},
		{
			"dynamodb, several instances", func(t *testing.T) string { return onDynamoDBInstances(t, args...) },
			[]string{"NONSTICK_FRAMES=text"},
		},
		{
			"reference", func(t *testing.T) string { return startReferenceOfSuites(t) },
			[]string{"NONSTICK_REFERENCE=1"},
		},
	} {
		t.Run(server.name, func(t *testing.T) {
			url := server.start(t)
			for _, s := range sections {
				if s.file == "" || s.recovery() || s.both || s.alone != (server.name == "no server") {
					continue
				}
				t.Run(s.file, func(t *testing.T) {
					for _, wrong := range s.compare(runNode(t, "suites/"+s.file, url, server.env...)) {
						t.Error(wrong)
					}
				})
			}
		})
	}
}

// startReferenceOfSuites starts the reference server with the application "suites", with more of an environment, and
// returns its URL.
func startReferenceOfSuites(t *testing.T, env ...string) string {
	t.Helper()
	addr := fmt.Sprintf("127.0.0.1:%d", freePort(t))
	_, port, _ := strings.Cut(addr, ":")
	env = append([]string{"PORT=" + port, "MAX_PAYLOAD=" + maxPayload}, env...)
	s := start(t, "reference", "env", append(env, "node", "e2e/node/suites/reference-server.mjs")...)
	s.waitListening(t, addr)
	return "http://" + addr
}

func readSuites(t *testing.T) []suite {
	t.Helper()
	page, err := os.ReadFile(suitesPage)
	if err != nil {
		t.Fatal(err)
	}
	sections, err := parseSuites(string(page))
	if err != nil {
		t.Fatalf("%s: %v", suitesPage, err)
	}
	return sections
}

// A suite is a section of the page: the titles of one suite or several, and the file that checks them.
type suite struct {
	name   string
	file   string // of Node tests; empty if none can be run
	alone  bool   // it needs no server
	both   bool   // it asks both servers by itself, and checks more than these titles
	titles []title
}

// A title is a row of a section.
type title struct{ title, test, result string }

var (
	suiteFile  = regexp.MustCompile(`(?m)^\[(.+)\]\(\.\./e2e/node/(suites/)?([^/]+)\)( needs no server\.)?$`)
	suiteTitle = regexp.MustCompile(`(?m)^\| (.+) \| (.*?) ?\| (.+) \|$`)
	suiteCount = regexp.MustCompile(`(?m)^\| \[(.+)\]\(#.+\) \| (\d+) \| (\d+) \| (\d+) \|$`)
	footnote   = regexp.MustCompile(`(?m)^(\d)\. `)
	passedRow  = regexp.MustCompile(`^passed(?: \[(\d)\])?$`)
)

const titlesHead = "| title | test | result |\n|---|---|---|\n"

// parseSuites reads the page. It is an error if a row is not of its form, if a suite has a title or a test twice, or if
// the table at the top counts something else.
func parseSuites(page string) ([]suite, error) {
	parts := strings.Split(page, "\n## ")
	notes := map[string]bool{"": true}
	for _, m := range footnote.FindAllStringSubmatch(parts[0], -1) {
		notes[m[1]] = true
	}
	var all []suite
	var wrong []error
	var counted []string
	for _, part := range parts[1:] {
		name, rest, _ := strings.Cut(part, "\n")
		s, err := parseSuite(name, rest, notes)
		if err != nil {
			wrong = append(wrong, fmt.Errorf("%s: %w", name, err))
		}
		all = append(all, s)
		counted = append(counted, s.count())
	}
	var said []string
	for _, m := range suiteCount.FindAllStringSubmatch(parts[0], -1) {
		said = append(said, strings.Join(m[1:], " | "))
	}
	if got, want := strings.Join(said, "\n"), strings.Join(counted, "\n"); got != want {
		wrong = append(wrong, fmt.Errorf("the table says\n%s\nwant\n%s", got, want))
	}
	return all, errors.Join(wrong...)
}

func parseSuite(name, text string, notes map[string]bool) (suite, error) {
	s := suite{name: name}
	if m := suiteFile.FindStringSubmatch(text); m != nil {
		if m[1] != m[3] {
			return s, fmt.Errorf("a link to %s is called %s", m[3], m[1])
		}
		s.file, s.both, s.alone = m[3], m[2] == "", m[4] != ""
	}
	_, table, ok := strings.Cut(text, titlesHead)
	if !ok {
		return s, errors.New("there is no table")
	}
	seen := map[string]bool{}
	for line := range strings.Lines(table) {
		m := suiteTitle.FindStringSubmatch(strings.TrimSuffix(line, "\n"))
		if m == nil {
			if strings.TrimSpace(line) == "" {
				continue
			}
			return s, fmt.Errorf("no row: %s", line)
		}
		row := title{m[1], m[2], m[3]}
		if seen["title "+row.title] || row.test != "" && seen["test "+row.test] {
			return s, fmt.Errorf("twice: %s", line)
		}
		seen["title "+row.title], seen["test "+row.test] = true, true
		note := passedRow.FindStringSubmatch(row.result)
		switch {
		case row.test == "" && strings.HasPrefix(row.result, "not run: "):
		case row.test != "" && s.file != "" && note != nil && notes[note[1]]:
		default:
			return s, fmt.Errorf("neither a test that passed nor a reason: %s", line)
		}
		s.titles = append(s.titles, row)
	}
	return s, nil
}

// count is the row of the suite in the table at the top.
func (s suite) count() string {
	ran := 0
	for _, row := range s.titles {
		if row.test != "" {
			ran++
		}
	}
	numbers := []string{s.name}
	for _, n := range []int{len(s.titles), ran, len(s.titles) - ran} {
		numbers = append(numbers, strconv.Itoa(n))
	}
	return strings.Join(numbers, " | ")
}

// compare says which titles have no test that passed, and which tests have no title.
func (s suite) compare(results []result) []string {
	status := statusOf(results)
	wrong := s.missing(status, "")
	for _, row := range s.titles {
		delete(status, row.test)
	}
	for name := range status {
		wrong = append(wrong, fmt.Sprintf("%q is the test of no title", name))
	}
	return wrong
}

// compareSides says which titles have no test that passed with both servers, in a file that asks them by itself.
func (s suite) compareSides(results []result) []string {
	status := statusOf(results)
	return append(s.missing(status, "reference/"), s.missing(status, "Nonstick/")...)
}

// missing says which titles have no test that passed, where names of tests begin so.
func (s suite) missing(status map[string]string, prefix string) (wrong []string) {
	for _, row := range s.titles {
		name := prefix + row.test
		if got := status[name]; row.test != "" && got != "pass" {
			wrong = append(wrong, fmt.Sprintf("%q, the test of %q: %q, want pass", name, row.title, got))
		}
	}
	return wrong
}

func statusOf(results []result) map[string]string {
	status := map[string]string{}
	for _, one := range results {
		status[one.Name] = one.Status
	}
	return status
}

// The reader of the page must not lose a title.
func TestParseSuites(t *testing.T) {
	const (
		top  = "# Suites\n\n| [a](#a) | 3 | 2 | 1 |\n\n1. A note.\n"
		file = "\n## a\n\n[a.mjs](../e2e/node/suites/a.mjs) needs no server.\n\n"
		rows = titlesHead + "| one | g/x | passed |\n| two | g/y | passed [1] |\n| three |  | not run: no |\n"
		good = top + file + rows
	)
	for _, tt := range []struct{ name, page, want string }{
		{"as it is", good, ""},
		{"a title less", strings.Replace(good, "| one | g/x | passed |\n", "", 1), "the table says"},
		{"a note that is not there", strings.Replace(good, "[1]", "[2]", 1), "neither"},
		{"no result", strings.Replace(good, "| passed |", "| |", 1), "no row"},
		{"another result", strings.Replace(good, "| passed |", "| failed |", 1), "neither"},
		{"passed without a test", strings.Replace(good, "| g/x |", "|  |", 1), "neither"},
		{"passed without a file", top + "\n## a\n\n" + rows, "neither"},
		{"not run, with a test", strings.Replace(good, "| three |  |", "| three | g/z |", 1), "neither"},
		{"a title twice", strings.Replace(good, "| two |", "| one |", 1), "twice"},
		{"a test twice", strings.Replace(good, "| g/y |", "| g/x |", 1), "twice"},
		{"no table", top + file, "no table"},
		{"a suite more", good + "\n## b\n\n" + titlesHead, "the table says"},
		{"a file of both servers", strings.Replace(good, "/suites/", "/", 1), ""},
		{"a file of another folder", strings.Replace(good, "/suites/", "/other/", 1), "neither"},
		{"another file", strings.Replace(good, "[a.mjs]", "[b.mjs]", 1), "is called b.mjs"},
		{"words between rows", strings.Replace(good, "| two", "words\n| two", 1), "no row"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := parseSuites(tt.page)
			if got := fmt.Sprint(err); tt.want == "" && err != nil || !strings.Contains(got, tt.want) {
				t.Errorf("%q, want %q", got, tt.want)
			}
		})
	}
	sections, err := parseSuites(good)
	if err != nil {
		t.Fatal(err)
	}
	pass := func(names ...string) []result {
		var all []result
		for _, name := range names {
			all = append(all, result{Name: name, Status: "pass"})
		}
		return all
	}
	for _, tt := range []struct {
		name    string
		results []result
		want    string
	}{
		{"all passed", pass("g/x", "g/y"), ""},
		{"one did not run", pass("g/x"), `"g/y", the test of "two": "", want pass`},
		{"one failed", append(pass("g/x"), result{Name: "g/y", Status: "fail"}), `"fail", want pass`},
		{"one was skipped", append(pass("g/x"), result{Name: "g/y", Status: "skip"}), `"skip", want pass`},
		{"one has no title", pass("g/x", "g/y", "g/z"), `"g/z" is the test of no title`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := strings.Join(sections[0].compare(tt.results), "\n")
			if tt.want == "" && got != "" || !strings.Contains(got, tt.want) {
				t.Errorf("%q, want %q", got, tt.want)
			}
		})
	}
}

// What asks both servers must have passed with each.
func TestCompareSides(t *testing.T) {
	s := suite{titles: []title{{"one", "g/x", "passed"}, {"two", "", "not run: no"}}}
	for _, tt := range []struct {
		name, want string
		passed     []string
	}{
		{"both", "", []string{"reference/g/x", "Nonstick/g/x", "Nonstick/more"}},
		{"the reference alone", `"Nonstick/g/x", the test of "one": "", want pass`, []string{"reference/g/x"}},
		{"Nonstick alone", `"reference/g/x", the test of "one": "", want pass`, []string{"Nonstick/g/x"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var results []result
			for _, name := range tt.passed {
				results = append(results, result{Name: name, Status: "pass"})
			}
			if got := strings.Join(s.compareSides(results), "\n"); got != tt.want {
				t.Errorf("%q, want %q", got, tt.want)
			}
		})
	}
}
