package version

import (
	"os/exec"
	"path/filepath"
	"runtime/debug"
	"strings"
	"testing"
)

func TestOf(t *testing.T) {
	const revision = "0123456789abcdef0123456789abcdef01234567"
	main := func(version string, settings ...debug.BuildSetting) *debug.BuildInfo {
		return &debug.BuildInfo{Main: debug.Module{Path: module, Version: version}, Settings: settings}
	}
	other := func(deps ...*debug.Module) *debug.BuildInfo {
		return &debug.BuildInfo{
			Main: debug.Module{Path: "example.com/app", Version: "v9.9.9"}, Deps: deps,
			Settings: []debug.BuildSetting{{Key: "vcs.revision", Value: revision}},
		}
	}
	at := debug.BuildSetting{Key: "vcs.revision", Value: revision}
	for _, tt := range []struct {
		name string
		info *debug.BuildInfo
		want string
	}{
		{"a tag", main("v1.2.3", at), "v1.2.3"},
		{
			"made up from a commit", main("v0.0.0-20260102150405-0123456789ab+dirty"),
			"v0.0.0-20260102150405-0123456789ab+dirty",
		},
		{"a revision", main("(devel)", at), revision},
		{"without a version at all", main("", at), revision},
		{
			"files changed", main("(devel)", at, debug.BuildSetting{Key: "vcs.modified", Value: "true"}),
			revision + "-dirty",
		},
		{"files not changed", main("(devel)", at, debug.BuildSetting{Key: "vcs.modified", Value: "false"}), revision},
		{"nothing known", main("(devel)"), "devel"},
		{
			"a dependency", other(&debug.Module{Path: "example.com/x"}, &debug.Module{Path: module, Version: "v1.2.3"}),
			"v1.2.3",
		},
		{"replaced by a fork", other(&debug.Module{
			Path: module, Version: "v1.2.3", Replace: &debug.Module{Path: "example.com/fork", Version: "v1.2.4"},
		}), "v1.2.4"},
		{"replaced by a folder", other(&debug.Module{
			Path: module, Version: "v1.2.3", Replace: &debug.Module{Path: "../nonstick"},
		}), "devel"},
		{"no dependency", other(), "devel"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := of(tt.info); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

// The flag of the linker must name the variable, or it does nothing, without a word. A program of this module is
// built and asked.
func TestStamp(t *testing.T) {
	program := filepath.Join(t.TempDir(), "localdev")
	build := exec.CommandContext(
		t.Context(), "go", "build", "-ldflags", "-X "+module+"/internal/version.stamped=v1.2.3", "-o", program,
		module+"/localdev",
	)
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	out, err := exec.CommandContext(t.Context(), program, "--version").Output()
	if err != nil || !strings.HasPrefix(string(out), "localdev v1.2.3 go") {
		t.Errorf("localdev --version: %q %v", out, err)
	}
	if Version() == "" {
		t.Error("a test has no version")
	}
}
