// Package version says which version of Nonstick a program was built from.
package version

import "runtime/debug"

const module = "github.com/nonstick-io/nonstick"

// stamped is the version that the linker was given:
//
//	go build -ldflags "-X github.com/nonstick-io/nonstick/internal/version.stamped=v1.2.3"
var stamped string

// Version is the version of Nonstick in this program. The first of these that is known:
//
//   - what the linker was given (make build does it, from the tag of the repository);
//   - the version of the module, as a tag ("v1.2.3") or as the go command makes one up from a commit
//     ("v0.0.0-20260102150405-0123456789ab", with "+dirty" where files were changed);
//   - the revision of the repository, with "-dirty" where files were changed;
//   - "devel", as for go run and in tests.
func Version() string {
	if stamped != "" {
		return stamped
	}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return unknown
	}
	return of(info)
}

const unknown = "devel"

// of is the version of Nonstick according to what the go command wrote into a program.
func of(info *debug.BuildInfo) string {
	if info.Main.Path != module {
		return ofDependency(info.Deps)
	}
	if isVersion(info.Main.Version) {
		return info.Main.Version
	}
	setting := map[string]string{}
	for _, s := range info.Settings {
		setting[s.Key] = s.Value
	}
	revision := setting["vcs.revision"]
	switch {
	case revision == "":
		return unknown
	case setting["vcs.modified"] == "true":
		return revision + "-dirty"
	}
	return revision
}

// ofDependency is the version of Nonstick in a program that has it as a dependency. The revision of such a program is
// that of another repository.
func ofDependency(deps []*debug.Module) string {
	for _, dep := range deps {
		if dep.Path != module {
			continue
		}
		if dep.Replace != nil {
			dep = dep.Replace
		}
		if isVersion(dep.Version) {
			return dep.Version
		}
	}
	return unknown
}

// isVersion tells a version from what the go command writes where it knows none.
func isVersion(v string) bool { return v != "" && v != "(devel)" }
