package serve

import "github.com/nonstick-io/nonstick/gateway"

// testApps are the applications of the tests. apps_test.go sets them, from outside: they are of package nonstick, which
// imports this one.
var testApps Apps

// UseApps has the tests serve applications.
func UseApps(apps ...gateway.App) { testApps = apps }
