package laptop

import (
	"io"
	"os"
)

// localdev is the program that the tests run: the command of that name. apps_test.go sets it.
var localdev Program

// run runs localdev.
func run(
	args []string, env func(string) (string, bool), stdout, stderr io.Writer, signals <-chan os.Signal,
) int {
	return localdev.Run(args, env, stdout, stderr, signals)
}

// UseLocaldev has the tests run a program as localdev.
func UseLocaldev(p Program) { localdev = p }
