//go:build !lambda.norpc

package nonstick

import (
	"github.com/nonstick-io/nonstick/gateway"
	"github.com/nonstick-io/nonstick/localdev/laptop"
)

// serveLaptop serves an application on this machine.
func serveLaptop(app gateway.App) {
	laptop.Main(laptop.Program{Apps: []laptop.App{{App: app}}})
}
