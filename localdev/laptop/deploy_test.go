//go:build unix

package laptop

import (
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
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
