//go:build lambda.norpc

package nonstick

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/nonstick-io/nonstick/gateway"
)

// serveLaptop says why there is nothing to serve with.
func serveLaptop(gateway.App) {
	fmt.Fprintf(
		os.Stderr, "%s: this program was built for AWS Lambda, with the tag lambda.norpc: "+
			"to serve on this machine, build it without the tag (go run .)\n", filepath.Base(os.Args[0]),
	)
	os.Exit(1)
}
