package laptop

import (
	"os"
	"path/filepath"
	"regexp"
	"testing"
)

// Every test that docs/emulation.md names must exist, or the table promises what no test holds.
func TestEmulationNamesItsTests(t *testing.T) {
	text, err := os.ReadFile("../../docs/emulation.md")
	if err != nil {
		t.Fatal(err)
	}
	named := regexp.MustCompile("`([a-z0-9]+)\\.(Test\\w+)`").FindAllSubmatch(text, -1)
	if len(named) < 50 {
		t.Errorf("it names %d tests, want a table full", len(named))
	}
	for _, m := range named {
		dir := string(m[1])
		switch dir {
		case "localdev":
			dir = "."
		case "e2e":
			dir = "../../e2e"
		case "infra":
			dir = "../../infra"
		default:
			dir = "../" + dir
		}
		if !hasTest(t, dir, string(m[2])) {
			t.Errorf("there is no %s.%s", m[1], m[2])
		}
	}
	if hasTest(t, ".", "TestNobodyWrote") {
		t.Error("found a test that is not there")
	}
}

func hasTest(t *testing.T, dir, name string) bool {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*_test.go"))
	if err != nil || len(files) == 0 {
		t.Fatalf("%s: no tests, %v", dir, err)
	}
	wanted := regexp.MustCompile(`(?m)^func ` + name + `\(t \*testing\.T\)`)
	for _, file := range files {
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if wanted.Match(b) {
			return true
		}
	}
	return false
}
