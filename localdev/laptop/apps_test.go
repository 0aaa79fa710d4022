package laptop_test

import (
	"github.com/nonstick-io/nonstick/internal/apps/local"
	"github.com/nonstick-io/nonstick/localdev/laptop"
)

// The applications are of a package that imports this one, so they come from outside.
func init() { laptop.UseLocaldev(local.Program()) }
