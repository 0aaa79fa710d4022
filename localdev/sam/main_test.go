package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/nonstick-io/nonstick/localdev/template"
)

// prepared writes our template, prepared, and reads it as localdev does.
func prepared(t *testing.T) (string, *template.Template) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "local.yaml")
	f, err := os.Create(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := run("../../template.yaml", f); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	out, err := template.Read(file, template.Options{})
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(text), out
}

func TestPreparedTemplate(t *testing.T) {
	text, got := prepared(t)
	want, err := template.Read("../../template.yaml", template.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if len(got.Functions) != len(want.Functions) || len(got.HTTP) != len(want.HTTP) ||
		len(got.WebSocket) != len(want.WebSocket) ||
		len(got.Queues) != len(want.Queues) {
		t.Errorf("the prepared template lost something: %+v", got)
	}
	for _, gone := range []string{"AuthorizerId", "AWS::ApiGatewayV2::Authorizer"} {
		if strings.Contains(text, gone) {
			t.Errorf("%s is still there", gone)
		}
	}
	if !strings.Contains(text, architecture()) {
		t.Errorf("it is not for %s", architecture())
	}
}

// env.json may only set what the prepared template declares: the rest would be ignored without a word.
func TestEnvironmentIsDeclared(t *testing.T) {
	_, out := prepared(t)
	b, err := os.ReadFile("env.json")
	if err != nil {
		t.Fatal(err)
	}
	var env map[string]map[string]string
	if err := json.Unmarshal(b, &env); err != nil {
		t.Fatal(err)
	}
	for _, f := range out.Functions {
		if env[f.ID] == nil {
			t.Errorf("env.json has nothing for %s", f.ID)
		}
		for name := range env[f.ID] {
			if _, ok := f.Environment[name]; !ok {
				t.Errorf("%s: %s is not declared", f.ID, name)
			}
		}
		for _, name := range endpoints {
			if env[f.ID][name] == "" {
				t.Errorf("%s: env.json does not say %s", f.ID, name)
			}
		}
	}
	ids := []string{}
	for _, f := range out.Functions {
		ids = append(ids, f.ID)
	}
	for id := range env {
		if !slices.Contains(ids, id) {
			t.Errorf("env.json: there is no function %s", id)
		}
	}
}

func TestRefusals(t *testing.T) {
	for name, text := range map[string]string{"empty": "", "no globals": "Resources: {}", "no YAML": "a: ["} {
		file := filepath.Join(t.TempDir(), "t.yaml")
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := run(file, &strings.Builder{}); err == nil || !strings.Contains(err.Error(), file) {
			t.Errorf("%s: err = %v, want one that names the file", name, err)
		}
	}
	if err := run("nowhere.yaml", &strings.Builder{}); err == nil {
		t.Error("a file that is not there was read")
	}
}
