package protocol_test

import (
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"github.com/nonstick-io/nonstick/internal/protocol"
)

// docs/protocol.md names each decision, and the tests that it names are here.
func TestDocumented(t *testing.T) {
	page, err := os.ReadFile("../../docs/protocol.md")
	if err != nil {
		t.Fatal(err)
	}
	for rule := range reflect.TypeFor[protocol.Rules]().Fields() {
		if name := "`protocol." + rule.Name + "`"; !strings.Contains(string(page), name) {
			t.Errorf("docs/protocol.md does not name %s", name)
		}
	}
	files, err := filepath.Glob("*_test.go")
	if err != nil {
		t.Fatal(err)
	}
	var tests strings.Builder
	for _, file := range files {
		source, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		tests.Write(source)
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
