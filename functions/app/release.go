//go:build !nonstick_apps

package main

import "github.com/nonstick-io/nonstick/gateway"

// testApps are left out of what is deployed.
func testApps() []gateway.App { return nil }
