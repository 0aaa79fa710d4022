package main

import "testing"

// What go.mod requires can be fetched: no version of files that were changed, and none that git describe makes up.
func TestRequirement(t *testing.T) {
	for _, tt := range []struct{ built, replace, want string }{
		{"v1.2.3", "", "v1.2.3"},
		{"v1.2.3-rc.1", "", "v1.2.3-rc.1"},
		{"v0.0.0-20260102150405-0123456789ab", "", "v0.0.0-20260102150405-0123456789ab"},
		{"v0.0.0-20260102150405-0123456789ab+dirty", "", ""},
		{"v1.2.3-4-g0123456", "", ""},
		{"v1.2.3-dirty", "", ""},
		{"0123456789abcdef0123456789abcdef01234567", "", ""},
		{"devel", "", ""},
		{"devel", "/checkout", "v0.0.0"},
		{"v1.2.3", "/checkout", "v0.0.0"},
	} {
		got, err := requirement(tt.built, tt.replace)
		if got != tt.want || (err == nil) != (tt.want != "") {
			t.Errorf("built from %q, replaced by %q: got %q, %v, want %q", tt.built, tt.replace, got, err, tt.want)
		}
	}
}
