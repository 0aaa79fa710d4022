package main

import (
	"slices"
	"testing"

	"github.com/nonstick-io/nonstick/localdev/template"
)

// What is deployed carries the application to look at, and none that is for tests; the template names the same.
func TestApps(t *testing.T) {
	var names []string
	for _, a := range apps() {
		names = append(names, a.Name)
	}
	if want := []string{"chat"}; !slices.Equal(names[:len(names)-len(testApps())], want) {
		t.Errorf("carries %q, want %q", names, want)
	}
	f, err := template.Open("../../template.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range f.Parameters() {
		if p.Name == "App" && !slices.Equal(p.Allowed, []string{"chat"}) {
			t.Errorf("the template allows %q", p.Allowed)
		}
	}
}
