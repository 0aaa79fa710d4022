package protocol_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// docs/protocol.md names each decision, and the tests that it names are here.
func TestDocumented(t *testing.T) {
	page, err := os.ReadFile("../../docs/protocol.md")
	if err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	var code, tests strings.Builder
	for _, file := range files {
		source, err := os.ReadFile(file)
		switch {
		case err != nil:
			t.Fatal(err)
		case strings.HasSuffix(file, "_test.go"):
			tests.Write(source)
		default:
			code.Write(source)
		}
	}
	decisions := regexp.MustCompile(`(?m)^func ([A-Z]\w*)\(.*Action \{`).FindAllStringSubmatch(code.String(), -1)
	for _, d := range decisions {
		if name := "`protocol." + d[1] + "`"; !strings.Contains(string(page), name) {
			t.Errorf("docs/protocol.md does not name %s", name)
		}
	}
	if len(decisions) < 10 {
		t.Errorf("found the decisions %q: this test looks for the wrong thing", decisions)
	}
	found := regexp.MustCompile("`(Test[A-Za-z]+)`").FindAllStringSubmatch(string(page), -1)
	for _, name := range found {
		if !strings.Contains(tests.String(), "func "+name[1]+"(t *testing.T)") {
			t.Errorf("docs/protocol.md names %s, which is not here", name[1])
		}
	}
	if len(found) == 0 {
		t.Error("docs/protocol.md names no test: this test looks for the wrong thing")
	}
}
