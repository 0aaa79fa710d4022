//go:build unix

package laptop

import (
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/nonstick-io/nonstick/localdev/template"
)

const loneTemplate = `
AWSTemplateFormatVersion: "2010-09-09"
Transform: AWS::Serverless-2016-10-31
Resources:
  LoneFunction:
    Type: AWS::Serverless::Function
    Properties:
      Runtime: provided.al2023
      Handler: bootstrap
      CodeUri: .
      Events:
        All:
          Type: HttpApi
`

// A deployment builds what is there now. One that cannot be built changes nothing and says why; pages may not ask for
// it.
func TestDeployBuilds(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("go.mod", "module lone\n\ngo 1.26\n")
	write("main.go", "package main\n\nfunc main() {}\n")
	write("template.yaml", loneTemplate)
	p := launch(t, "--template", filepath.Join(dir, "template.yaml"), "--logs", t.TempDir())
	t.Cleanup(func() {
		p.signals <- os.Interrupt
		p.wait(t)
	})
	for _, c := range []struct {
		name, code, method, origin string
		status                     int
		says                       string
	}{
		{"as it was", "package main\n\nfunc main() {}\n", http.MethodPost, "", http.StatusOK, "deployed 1 functions"},
		{
			"broken", "package main\n\nfunc main() { lost() }\n", http.MethodPost, "", http.StatusInternalServerError,
			"undefined: lost",
		},
		{
			"mended", "package main\n\nfunc main() { println() }\n", http.MethodPost, "", http.StatusOK,
			"deployed 1 functions",
		},
		{
			"a page", "package main\n\nfunc main() {}\n", http.MethodPost, "http://elsewhere.example",
			http.StatusForbidden, "not for pages",
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			write("main.go", c.code)
			r, err := http.NewRequestWithContext(t.Context(), c.method, strings.TrimSuffix(p.url, "/")+deployPath, nil)
			if err != nil {
				t.Fatal(err)
			}
			if c.origin != "" {
				r.Header.Set("Origin", c.origin)
			}
			res, err := http.DefaultClient.Do(r)
			if err != nil {
				t.Fatal(err)
			}
			defer res.Body.Close()
			body, err := io.ReadAll(res.Body)
			if err != nil || res.StatusCode != c.status || !strings.Contains(string(body), c.says) {
				t.Errorf("answered %d %s, %v", res.StatusCode, body, err)
			}
		})
	}
}

// Functions of one source are one program, which is built once; another source is another program.
func TestOneSourceIsBuiltOnce(t *testing.T) {
	one, two := t.TempDir(), t.TempDir()
	functions := []template.Function{{ID: "A", Source: one}, {ID: "B", Source: two}, {ID: "C", Source: one}}
	for _, source := range []string{one, two} {
		for name, text := range map[string]string{
			"go.mod": "module lone\n\ngo 1.26\n", "main.go": "package main\n\nfunc main() {}\n",
		} {
			if err := os.WriteFile(filepath.Join(source, name), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	to := t.TempDir()
	s := &stack{config: config{program: localdev}}
	if err := s.buildAll(t.Context(), functions, to); err != nil {
		t.Fatal(err)
	}
	for _, f := range functions {
		if _, err := os.Stat(filepath.Join(to, f.ID, "bootstrap")); err != nil {
			t.Errorf("%s is not built: %v", f.ID, err)
		}
		same, err := os.Readlink(filepath.Join(to, f.ID))
		if shared := err == nil; shared != (f.ID == "C") || shared && same != "A" {
			t.Errorf("%s is the program of %q", f.ID, same)
		}
	}
	functions[1].Source = filepath.Join(to, "none")
	err := s.buildAll(t.Context(), functions[1:2], t.TempDir())
	if err == nil || !strings.Contains(err.Error(), "function B") {
		t.Errorf("a source that is not there: %v", err)
	}
}
