package nonstick

import (
	"github.com/nonstick-io/nonstick/functions"
)

// Main is the main of a program with an application of your own, whose handlers register sets:
//
//	func main() { nonstick.Main(register) }
//
// On a laptop the program serves on http://127.0.0.1:3000/, by the emulated API Gateway and a store in memory. Flags,
// or variables of the environment, tell it to do otherwise: --help lists them. With --template it runs the functions of
// a SAM template, which are this program too, as AWS does. It ends with an interrupt, and with the exit codes that
// --help names.
//
// On AWS Lambda the same program is one of the functions of template.yaml: the one that the variable NONSTICK_FUNCTION
// names. Build it with the tag lambda.norpc: such a program has nothing in it that is for laptops, and serves on none.
// A program that is built without the tag is larger, and works on Lambda too.
//
// Register is called once for each instance of the application that the process makes. Main does not return.
func Main(register func(*Server)) {
	app := App("", register)
	if functions.OnLambda() {
		functions.Main(app)
		return
	}
	serveLaptop(app)
}
