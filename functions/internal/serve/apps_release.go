//go:build !nonstick_apps

package serve

// testApps are left out of what is deployed.
func testApps() map[string]App { return nil }
