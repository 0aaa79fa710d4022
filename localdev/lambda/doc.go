// Package lambda is AWS Lambda on a laptop: it runs functions as processes that speak the Runtime API, as they are
// deployed, with the edges of the service. An environment serves one invocation at a time and is frozen (SIGSTOP) in
// between; there is a cold start whenever all are busy, and a throttle above the concurrency of the function; what
// takes too long or uses too much memory is killed; what crashes is an error of its caller.
//
// A function is a folder with the program "bootstrap", in whatever language, as for the runtimes provided.al2023:
// [Build] makes one of a Go package. [Platform.Invoke] and [Platform.InvokeAsync] call functions; [Platform.ServeHTTP]
// is the Invoke API for the SDKs and the command line.
//
// Every process is in a process group of its own, and ends when this process does, on Linux also when this one is
// killed. The package is for Unix systems: Windows has no SIGSTOP. What is not emulated is said in docs/emulation.md.
//
// What is emulated is described here, and limits come from the last of these pages:
//
//   - https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html
//   - https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtime-environment.html
//   - https://docs.aws.amazon.com/lambda/latest/api/API_Invoke.html
//   - https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html
package lambda
